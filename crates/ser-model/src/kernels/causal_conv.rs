use super::terms::{LANES, Row, Terms};
use std::ops::Range;

/// A dilated convolution over frames that looks back only and gives as many frames as it was given: before the first frame
/// everything is zero.
///
/// Activations are `[frames, row_len(channels)]` with zeros behind the channels of each frame. The weight is `[kernel * inputs,
/// row_len(outputs)]`, the latest tap last, with zeros likewise. Frames that the same number of taps reach are one sum of terms,
/// a term for each tap, so that nothing is multiplied by the zeros before the first frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CausalConv {
    /// Number of taps.
    pub kernel: usize,
    /// Frames from one tap to the next.
    pub dilation: usize,
    pub inputs: usize,
    pub outputs: usize,
}

/// The number of values of a frame of so many channels: whole vectors.
pub(crate) fn row_len(channels: usize) -> usize {
    channels.next_multiple_of(LANES)
}

/// `[rows, columns]` with zeros behind the columns.
pub(crate) fn pad_rows(values: &[f32], columns: usize) -> Vec<f32> {
    let mut padded = vec![0f32; values.len() / columns * row_len(columns)];
    let rows = padded.chunks_exact_mut(row_len(columns)).zip(values.chunks_exact(columns));
    rows.for_each(|(padded, row)| padded[..columns].copy_from_slice(row));
    padded
}

impl CausalConv {
    /// The number of values of the weight.
    pub fn weight_len(self) -> usize {
        self.kernel * self.inputs * row_len(self.outputs)
    }

    /// The frames of `n` that have just `others` frames at the distances of taps on the side where it ends.
    fn reaching(self, others: usize, n: usize) -> Range<usize> {
        let end = if others + 1 == self.kernel { n } else { n.min((others + 1) * self.dilation) };
        n.min(others * self.dilation)..end
    }

    pub fn forward(self, input: &[f32], weight: &[f32], output: &mut [f32]) {
        let (from, to) = (row_len(self.inputs), row_len(self.outputs));
        for earlier in 0..self.kernel {
            let reach = earlier * self.dilation;
            let rows: Vec<Row> =
                self.reaching(earlier, output.len() / to).map(|frame| [(frame - reach) * from, frame * to]).collect();
            let first_tap = self.kernel - 1 - earlier;
            let starts: Vec<[usize; 2]> =
                (0..=earlier).map(|tap| [tap * self.dilation * from, (first_tap + tap) * self.inputs * to]).collect();
            let terms = Terms {
                left: input,
                left_step: 1,
                right: weight,
                right_step: to,
                starts: &starts,
                inner: self.inputs,
                columns: to,
            };
            terms.sum(&rows, output, false);
        }
    }

    /// The weight for [`Self::add_input_gradient`]: taps in reverse, inputs and outputs exchanged.
    pub fn adjoint_weight(self, weight: &[f32]) -> Vec<f32> {
        let (from, to) = (row_len(self.outputs), row_len(self.inputs));
        let mut adjoint = vec![0f32; self.kernel * self.outputs * to];
        let taps = weight.chunks_exact(self.inputs * from).rev();
        for (tap, adjoint) in taps.zip(adjoint.chunks_exact_mut(self.outputs * to)) {
            for (input, weights) in tap.chunks_exact(from).enumerate() {
                weights.iter().zip(adjoint.chunks_exact_mut(to)).for_each(|(&weight, row)| row[input] = weight);
            }
        }
        adjoint
    }

    /// Adds the gradient of the input, from that of the output.
    pub fn add_input_gradient(self, grad: &[f32], adjoint_weight: &[f32], grad_input: &mut [f32]) {
        let (from, to) = (row_len(self.outputs), row_len(self.inputs));
        let n = grad_input.len() / to;
        for later in 0..self.kernel {
            let rows: Vec<Row> = self
                .reaching(later, n)
                .map(|from_last| n - 1 - from_last)
                .map(|frame| [frame * from, frame * to])
                .collect();
            let starts: Vec<[usize; 2]> =
                (0..=later).map(|tap| [tap * self.dilation * from, tap * self.outputs * to]).collect();
            let terms = Terms {
                left: grad,
                left_step: 1,
                right: adjoint_weight,
                right_step: to,
                starts: &starts,
                inner: self.outputs,
                columns: to,
            };
            terms.sum(&rows, grad_input, true);
        }
    }

    /// Adds the gradient of the weight, from the input and the gradient of the output.
    pub fn add_weight_gradient(self, input: &[f32], grad: &[f32], grad_weight: &mut [f32]) {
        let (from, to) = (row_len(self.inputs), row_len(self.outputs));
        let n = grad.len() / to;
        let rows: Vec<Row> = (0..self.inputs).map(|channel| [channel, channel * to]).collect();
        for (tap, grad_weight) in grad_weight.chunks_exact_mut(self.inputs * to).enumerate() {
            let first = n.min((self.kernel - 1 - tap) * self.dilation);
            if first == n {
                continue;
            }
            let terms = Terms {
                left: input,
                left_step: from,
                right: &grad[first * to..],
                right_step: to,
                starts: &[[0, 0]],
                inner: n - first,
                columns: to,
            };
            terms.sum(&rows, grad_weight, true);
        }
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
        let shapes =
            [(1, 1, 3, 2, 8), (2, 1, 3, 2, 8), (2, 4, 39, 17, 11), (3, 8, 2, 3, 5), (3, 2, 20, 40, 9), (2, 3, 2, 2, 1)];
        for (kernel, dilation, inputs, outputs, frames) in shapes {
            let conv = CausalConv { kernel, dilation, inputs, outputs };
            let (x, w) = (values(frames * inputs, 5), values(kernel * inputs * outputs, 7));
            let g = values(frames * outputs, 11);
            let (mut y, mut dx, mut dw) = (vec![0f32; g.len()], vec![1f32; x.len()], vec![1f32; w.len()]);
            for frame in 0..frames {
                for tap in 0..kernel {
                    let Some(from) = frame.checked_sub((kernel - 1 - tap) * dilation) else { continue };
                    for c in 0..inputs {
                        for o in 0..outputs {
                            let (y_at, x_at) = (frame * outputs + o, from * inputs + c);
                            let w_at = (tap * inputs + c) * outputs + o;
                            y[y_at] += x[x_at] * w[w_at];
                            dx[x_at] += g[y_at] * w[w_at];
                            dw[w_at] += g[y_at] * x[x_at];
                        }
                    }
                }
            }

            let (padded_x, padded_w, padded_g) = (pad_rows(&x, inputs), pad_rows(&w, outputs), pad_rows(&g, outputs));
            assert_eq!(padded_w.len(), conv.weight_len());
            let mut output = vec![f32::NAN; padded_g.len()];
            conv.forward(&padded_x, &padded_w, &mut output);
            assert_eq!(output, pad_rows(&y, outputs), "{conv:?}");
            let mut grad_input = pad_rows(&vec![1f32; x.len()], inputs);
            conv.add_input_gradient(&padded_g, &conv.adjoint_weight(&padded_w), &mut grad_input);
            assert_eq!(grad_input, pad_rows(&dx, inputs), "{conv:?}");
            let mut grad_weight = pad_rows(&vec![1f32; w.len()], outputs);
            conv.add_weight_gradient(&padded_x, &padded_g, &mut grad_weight);
            assert_eq!(grad_weight, pad_rows(&dw, outputs), "{conv:?}");
        }
    }
}
