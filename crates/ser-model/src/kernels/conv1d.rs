use super::{Matrix, multiply};

/// A one-dimensional convolution over frames with stride 1, zero-padded to as many frames as it was given.
///
/// Over frames that are padded with zeros, the inputs of output `l` are the `kernel * channels` consecutive values from
/// frame `l` on: the convolution is one product of a matrix whose rows overlap with the weight, and both gradients are
/// products too. Only a dilated convolution copies its rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Conv1d {
    /// Number of taps.
    pub kernel: usize,
    /// Frames from one tap to the next.
    pub dilation: usize,
    /// Zero frames before the first; the others of `(kernel - 1) * dilation` follow the last.
    pub left: usize,
    pub channels: usize,
    pub outputs: usize,
}

impl Conv1d {
    /// Centred; of an odd number of zero frames, the last is on the right, as in TensorFlow's `same`.
    pub fn same(kernel: usize, channels: usize, outputs: usize) -> Self {
        Self { kernel, dilation: 1, left: (kernel - 1) / 2, channels, outputs }
    }

    /// Looks back only.
    pub fn causal(kernel: usize, dilation: usize, channels: usize, outputs: usize) -> Self {
        Self { kernel, dilation, left: (kernel - 1) * dilation, channels, outputs }
    }

    /// The length of a row of inputs: the weight is `[width, outputs]`, taps before channels.
    pub fn width(self) -> usize {
        self.kernel * self.channels
    }

    /// The adjoint: it takes gradients of outputs to gradients of inputs, with [`Self::adjoint_weight`].
    pub fn adjoint(self) -> Self {
        let right = (self.kernel - 1) * self.dilation - self.left;
        Self { left: right, channels: self.outputs, outputs: self.channels, ..self }
    }

    /// The weight of the adjoint: taps in reverse, inputs and outputs exchanged.
    pub fn adjoint_weight(self, weight: &[f32]) -> Vec<f32> {
        let Self { kernel, channels, outputs, .. } = self;
        let mut adjoint = vec![0f32; weight.len()];
        for (tap, weight) in weight.chunks_exact(channels * outputs).enumerate() {
            let adjoint = &mut adjoint[(kernel - 1 - tap) * channels * outputs..][..channels * outputs];
            for (channel, weight) in weight.chunks_exact(outputs).enumerate() {
                for (output, &weight) in weight.iter().enumerate() {
                    adjoint[output * channels + channel] = weight;
                }
            }
        }
        adjoint
    }

    /// Lays out the inputs `[frames, channels]` of one utterance, which `fill` writes over zeros.
    pub fn inputs(self, frames: usize, buffers: &mut Buffers, fill: impl FnOnce(&mut [f32])) -> Inputs<'_> {
        let Self { kernel, dilation, left, channels, .. } = self;
        let padded_frames = frames + (kernel - 1) * dilation;
        let Buffers { padded, rows } = buffers;
        padded.clear();
        padded.resize(padded_frames * channels, 0.0);
        let values = left * channels..(left + frames) * channels;
        fill(&mut padded[values.clone()]);
        let matrix = if dilation == 1 {
            Matrix::with_row_stride(padded, frames, self.width(), channels)
        } else {
            rows.clear();
            for frame in 0..frames {
                for tap in 0..kernel {
                    let start = (frame + tap * dilation) * channels;
                    rows.extend_from_slice(&padded[start..start + channels]);
                }
            }
            Matrix::new(rows, frames, self.width())
        };
        Inputs { values: &padded[values], matrix }
    }

    /// Writes `[frames, outputs]` from frame `first` on, as many as fit.
    pub fn forward(self, inputs: &Inputs, weight: &[f32], first: usize, output: &mut [f32]) {
        let matrix = inputs.matrix.rows(first, output.len() / self.outputs);
        multiply(matrix, Matrix::new(weight, self.width(), self.outputs), output, false);
    }

    /// Adds to the gradient of the weight.
    pub fn add_weight_gradient(self, inputs: &Inputs, grad_output: &[f32], grad_weight: &mut [f32]) {
        let grad_output = Matrix::new(grad_output, grad_output.len() / self.outputs, self.outputs);
        multiply(inputs.matrix.transposed(), grad_output, grad_weight, true);
    }
}

/// Memory that is used again for each utterance.
#[derive(Default)]
pub(crate) struct Buffers {
    padded: Vec<f32>,
    rows: Vec<f32>,
}

/// The inputs of one utterance, as values and as the rows that are multiplied.
pub(crate) struct Inputs<'a> {
    /// `[frames, channels]`, without the padding.
    pub values: &'a [f32],
    matrix: Matrix<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Multiples of 1/8 up to 1: their products and sums are exact in f32.
    fn values(n: usize, step: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * step % 17) as f32 - 8.0) / 8.0).collect()
    }

    #[test]
    fn output_and_gradients_are_those_of_the_definition() {
        let shapes = [
            (Conv1d::same(5, 3, 4), 9),
            (Conv1d::same(4, 2, 3), 6),
            (Conv1d::same(3, 1, 2), 1),
            (Conv1d::same(1, 2, 5), 7),
            (Conv1d::causal(2, 1, 3, 2), 8),
            (Conv1d::causal(2, 4, 3, 2), 11),
            (Conv1d::causal(3, 8, 2, 3), 5),
        ];
        for (conv, frames) in shapes {
            let x = values(frames * conv.channels, 5);
            let w = values(conv.width() * conv.outputs, 7);
            let g = values(frames * conv.outputs, 11);
            let (mut y, mut dx, mut dw) = (vec![0f32; g.len()], vec![0f32; x.len()], vec![0f32; w.len()]);
            for frame in 0..frames {
                for tap in 0..conv.kernel {
                    let Some(from) = (frame + tap * conv.dilation).checked_sub(conv.left).filter(|&f| f < frames)
                    else {
                        continue;
                    };
                    for c in 0..conv.channels {
                        for o in 0..conv.outputs {
                            let (y_at, x_at) = (frame * conv.outputs + o, from * conv.channels + c);
                            let w_at = (tap * conv.channels + c) * conv.outputs + o;
                            y[y_at] += x[x_at] * w[w_at];
                            dx[x_at] += g[y_at] * w[w_at];
                            dw[w_at] += g[y_at] * x[x_at];
                        }
                    }
                }
            }

            let (mut buffers, mut grad_buffers) = (Buffers::default(), Buffers::default());
            let inputs = conv.inputs(frames, &mut buffers, |to| to.copy_from_slice(&x));
            let mut output = vec![f32::NAN; y.len()];
            conv.forward(&inputs, &w, 0, &mut output);
            assert_eq!(output, y, "{conv:?}");
            let (first, second) = output.split_at_mut(frames / 2 * conv.outputs);
            conv.forward(&inputs, &w, 0, first);
            conv.forward(&inputs, &w, frames / 2, second);
            assert_eq!(output, y, "{conv:?} in two parts");
            let mut grad_weight = vec![1.0; w.len()];
            conv.add_weight_gradient(&inputs, &g, &mut grad_weight);
            assert_eq!(grad_weight, dw.iter().map(|v| v + 1.0).collect::<Vec<_>>(), "{conv:?}");
            let adjoint = conv.adjoint();
            let grads = adjoint.inputs(frames, &mut grad_buffers, |to| to.copy_from_slice(&g));
            assert_eq!(grads.values, g);
            let mut grad_input = vec![f32::NAN; x.len()];
            adjoint.forward(&grads, &conv.adjoint_weight(&w), 0, &mut grad_input);
            assert_eq!(grad_input, dx, "{conv:?}");
        }
    }
}
