use super::{Matrix, multiply};
use std::ops::Range;

/// A one-dimensional convolution over frames with stride 1, zero-padded to as many frames as it was given.
///
/// Over frames that are padded with zeros, the inputs of output `l` are the `kernel * channels` consecutive values from
/// frame `l` on: the convolution is one product of a matrix whose rows overlap with the weight, and both gradients are
/// products too. Nothing is copied.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Conv1d {
    /// Number of taps.
    pub kernel: usize,
    /// Zero frames before the first; the others of `kernel - 1` follow the last.
    pub left: usize,
    pub channels: usize,
    pub outputs: usize,
}

/// This many rows of a weight's gradient are computed together: with some hundred columns they stay in a core's own cache.
pub(crate) const GRADIENT_ROWS: usize = 256;

impl Conv1d {
    /// Centred; of an odd number of zero frames, the last is on the right, as in TensorFlow's `same`.
    pub fn same(kernel: usize, channels: usize, outputs: usize) -> Self {
        Self { kernel, left: (kernel - 1) / 2, channels, outputs }
    }

    /// The length of a row of inputs: the weight is `[width, outputs]`, taps before channels.
    pub fn width(self) -> usize {
        self.kernel * self.channels
    }

    /// The number of values of `frames` frames of inputs and the zero frames around.
    pub fn padded_len(self, frames: usize) -> usize {
        (frames + self.kernel - 1) * self.channels
    }

    /// Where the frames are among the zero frames.
    pub fn place(self, frames: usize) -> Range<usize> {
        self.left * self.channels..(self.left + frames) * self.channels
    }

    /// Zeroes all of an utterance's memory but the place of its frames, and gives that.
    pub fn pad(self, memory: &mut [f32], frames: usize) -> &mut [f32] {
        let place = self.place(frames);
        memory[..place.start].fill(0.0);
        memory[place.end..].fill(0.0);
        &mut memory[place]
    }

    /// The adjoint: it takes gradients of outputs to gradients of inputs, with [`Self::adjoint_tap`].
    pub fn adjoint(self) -> Self {
        let right = self.kernel - 1 - self.left;
        Self { left: right, channels: self.outputs, outputs: self.channels, ..self }
    }

    /// Writes the part of the adjoint's weight that belongs to its `tap`: taps in reverse, inputs and outputs exchanged.
    pub fn adjoint_tap(self, weight: &[f32], tap: usize, adjoint: &mut [f32]) {
        /// Channels whose weights are read in turn: what is written stays in the nearest cache.
        const STRIP: usize = 16;
        let Self { kernel, channels, outputs, .. } = self;
        let weight = &weight[(kernel - 1 - tap) * channels * outputs..][..channels * outputs];
        for first in (0..channels).step_by(STRIP) {
            let last = channels.min(first + STRIP);
            for (output, adjoint) in adjoint.chunks_exact_mut(channels).enumerate() {
                for (channel, to) in (first..last).zip(&mut adjoint[first..last]) {
                    *to = weight[channel * outputs + output];
                }
            }
        }
    }

    /// Writes `[frames, outputs]` from frame `first` on, as many as fit, from padded inputs.
    pub fn forward(self, padded: &[f32], weight: &[f32], first: usize, output: &mut [f32]) {
        let (frames, width) = (output.len() / self.outputs, self.width());
        let rows = Matrix::with_row_stride(&padded[first * self.channels..], frames, width, self.channels);
        multiply(rows, Matrix::new(weight, width, self.outputs), output, false);
    }

    /// Adds an utterance's part, from its padded inputs and the gradient of its output, to the gradient of the weight in
    /// the rows from `first_row` on, which begin a part.
    pub fn add_weight_gradient(self, padded: &[f32], grad_output: &[f32], first_row: usize, grad_weight: &mut [f32]) {
        let (frames, rows) = (grad_output.len() / self.outputs, grad_weight.len() / self.outputs);
        let inputs = Matrix::with_row_stride(&padded[first_row..], frames, rows, self.channels);
        multiply(inputs.transposed(), Matrix::new(grad_output, frames, self.outputs), grad_weight, true);
    }
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
            (Conv1d::same(3, 100, 2), 6),
        ];
        for (conv, frames) in shapes {
            let x = values(frames * conv.channels, 5);
            let w = values(conv.width() * conv.outputs, 7);
            let g = values(frames * conv.outputs, 11);
            let (mut y, mut dx, mut dw) = (vec![0f32; g.len()], vec![0f32; x.len()], vec![0f32; w.len()]);
            for frame in 0..frames {
                for tap in 0..conv.kernel {
                    let Some(from) = (frame + tap).checked_sub(conv.left).filter(|&f| f < frames) else {
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

            let padded = |conv: Conv1d, values: &[f32]| {
                let mut padded = vec![f32::NAN; conv.padded_len(frames) + 2 * conv.channels];
                conv.pad(&mut padded, frames).copy_from_slice(values);
                padded
            };
            let inputs = padded(conv, &x);
            let mut output = vec![f32::NAN; y.len()];
            conv.forward(&inputs, &w, 0, &mut output);
            assert_eq!(output, y, "{conv:?}");
            let (first, second) = output.split_at_mut(frames / 2 * conv.outputs);
            conv.forward(&inputs, &w, 0, first);
            conv.forward(&inputs, &w, frames / 2, second);
            assert_eq!(output, y, "{conv:?} in two parts");
            let mut grad_weight = vec![1.0; w.len()];
            let rows = GRADIENT_ROWS;
            for (part, grad_weight) in grad_weight.chunks_mut(rows * conv.outputs).enumerate() {
                conv.add_weight_gradient(&inputs, &g, part * rows, grad_weight);
            }
            assert_eq!(grad_weight, dw.iter().map(|v| v + 1.0).collect::<Vec<_>>(), "{conv:?}");
            let adjoint = conv.adjoint();
            let mut adjoint_weight = vec![f32::NAN; w.len()];
            for (tap, to) in adjoint_weight.chunks_exact_mut(conv.channels * conv.outputs).enumerate() {
                conv.adjoint_tap(&w, tap, to);
            }
            let mut grad_input = vec![f32::NAN; x.len()];
            adjoint.forward(&padded(adjoint, &g), &adjoint_weight, 0, &mut grad_input);
            assert_eq!(grad_input, dx, "{conv:?}");
        }
    }
}
