use super::depthwise::Depthwise;
use super::terms::{Row, Terms};

/// A two-dimensional convolution over frames and bins without bias, zero-padded by `(kernel - 1) / 2` on every side, so that
/// the output has `ceil(n / stride)` positions along each axis.
///
/// Over a padded input the inputs of one output position are, for each row of the kernel, `kernel * channels` consecutive
/// values: neither the convolution nor its gradients unfold anything. The weight is `[kernel * kernel * channels,
/// outputs]`, taps in the order frame, bin, channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Conv2d {
    /// Odd width along both axes.
    pub kernel: usize,
    /// Step along both axes.
    pub stride: usize,
    pub channels: usize,
    pub outputs: usize,
    /// Whether each channel is convolved by itself: then there are as many outputs, and the weight is `[kernel * kernel,
    /// channels]`.
    pub depthwise: bool,
}

/// About this many values are read again and again by the products of a weight's gradient: they stay in a core's nearest
/// cache.
const BLOCK: usize = 1 << 13;

impl Conv2d {
    /// The number of positions along an axis of `n` values.
    pub fn output_len(self, n: usize) -> usize {
        n.div_ceil(self.stride)
    }

    /// The number of values of the weight.
    pub fn weight_len(self) -> usize {
        let inputs = if self.depthwise { self.kernel } else { self.run() };
        self.kernel * inputs * self.outputs
    }

    /// Consecutive inputs that a row of the kernel covers.
    fn run(self) -> usize {
        self.kernel * self.channels
    }

    fn pad(self) -> usize {
        (self.kernel - 1) / 2
    }

    /// Lays out `frames` frames of inputs with zeros around, written by `fill(frame, bins * channels values)`.
    pub fn pad_inputs(self, frames: usize, bins: usize, padded: &mut Vec<f32>, fill: impl FnMut(usize, &mut [f32])) {
        pad(self.pad(), frames, bins * self.channels, self.pad() * self.channels, padded, fill);
    }

    /// Lays out the gradients of `frames` frames of outputs with zeros around, for [`Geometry::input_gradient`].
    pub fn pad_gradients(self, frames: usize, bins: usize, padded: &mut Vec<f32>, fill: impl FnMut(usize, &mut [f32])) {
        pad(self.pad(), frames, bins * self.outputs, self.pad() * self.outputs, padded, fill);
    }

    /// The taps that connect the inputs of one phase (the rest of their place by the stride) with outputs: `(tap, distance
    /// from the phase's place to the output's, plus the padding)`, by rising distance.
    fn taps_of_phase(self, phase: usize) -> Vec<(usize, usize)> {
        let reaches = |tap: &usize| (phase + self.pad() + self.stride * self.kernel - tap).is_multiple_of(self.stride);
        let taps = (0..self.kernel).rev().filter(reaches);
        let distance = |tap| (phase + self.pad() + self.stride * self.pad() - tap) / self.stride;
        taps.map(|tap| (tap, distance(tap))).collect()
    }

    /// The weights of the input's gradient: those of each phase of frames and bins after each other, by rows of the kernel,
    /// inputs and outputs exchanged.
    pub fn adjoint_weight(self, weight: &[f32]) -> Vec<f32> {
        let Self { channels, outputs, stride, .. } = self;
        if self.depthwise {
            return weight.to_vec();
        }
        let mut adjoint = Vec::with_capacity(weight.len());
        let phases: Vec<_> = (0..stride).map(|phase| self.taps_of_phase(phase)).collect();
        for (of_frames, of_bins) in phases.iter().flat_map(|frames| phases.iter().map(move |bins| (frames, bins))) {
            for ((i, _), (j, _)) in of_frames.iter().flat_map(|i| of_bins.iter().map(move |j| (i, j))) {
                let weight = &weight[(i * self.kernel + j) * channels * outputs..][..channels * outputs];
                adjoint.extend((0..outputs).flat_map(|o| (0..channels).map(move |c| weight[c * outputs + o])));
            }
        }
        adjoint
    }

    /// Plans the products over `frames` frames of `bins` bins.
    pub fn plan(self, frames: usize, bins: usize) -> Geometry {
        let (out_frames, out_bins) = (self.output_len(frames), self.output_len(bins));
        let row = (bins + 2 * self.pad()) * self.channels;
        let grad_row = (out_bins + 2 * self.pad()) * self.outputs;
        let Self { kernel, stride, channels, .. } = self;
        if self.depthwise {
            let depthwise = Depthwise { kernel, stride, channels, rows: [row, grad_row], bins: [bins, out_bins] };
            let (positions, weights, phases) = (Vec::new(), Vec::new(), Vec::new());
            let depthwise = Some(depthwise);
            return Geometry { conv: self, row, grad_row, out_frames, out_bins, positions, weights, phases, depthwise };
        }
        let position = |frame: usize, bin: usize| {
            [frame * self.stride * row + bin * self.stride * self.channels, (frame * out_bins + bin) * self.outputs]
        };
        let positions = (0..out_frames).flat_map(|frame| (0..out_bins).map(move |bin| position(frame, bin))).collect();
        let of_weight = |tap: usize, value: usize| [tap * row + value, (tap * self.run() + value) * self.outputs];
        let weights =
            (0..self.kernel).flat_map(|tap| (0..self.run()).map(move |value| of_weight(tap, value))).collect();

        let mut phases = Vec::new();
        let mut weight_start = 0;
        for (frame_phase, bin_phase) in (0..self.stride).flat_map(|f| (0..self.stride).map(move |b| (f, b))) {
            let (of_frames, of_bins) = (self.taps_of_phase(frame_phase), self.taps_of_phase(bin_phase));
            let inner = of_bins.len() * self.outputs;
            let starts = of_frames.iter().enumerate().map(|(index, (_, frame))| {
                let first_bin = of_bins.first().map_or(0, |(_, bin)| *bin);
                [frame * grad_row + first_bin * self.outputs, weight_start + index * inner * self.channels]
            });
            let starts: Vec<_> = starts.collect();
            weight_start += starts.len() * inner * self.channels;
            let places = (frame_phase..frames).step_by(self.stride).enumerate().flat_map(|(u, frame)| {
                (bin_phase..bins)
                    .step_by(self.stride)
                    .enumerate()
                    .map(move |(v, bin)| [u * grad_row + v * self.outputs, (frame * bins + bin) * self.channels])
            });
            phases.push(Phase { rows: places.collect(), starts, inner });
        }
        let depthwise = None;
        Geometry { conv: self, row, grad_row, out_frames, out_bins, positions, weights, phases, depthwise }
    }
}

fn pad(
    frames_around: usize,
    frames: usize,
    width: usize,
    values_around: usize,
    padded: &mut Vec<f32>,
    mut fill: impl FnMut(usize, &mut [f32]),
) {
    let row = width + 2 * values_around;
    // What is not filled below must be zero, whatever was there before.
    padded.resize((frames + 2 * frames_around) * row, 0.0);
    padded[..frames_around * row].fill(0.0);
    padded[(frames_around + frames) * row..].fill(0.0);
    let rows = padded[frames_around * row..].chunks_exact_mut(row).take(frames).enumerate();
    for (frame, row) in rows {
        row[..values_around].fill(0.0);
        fill(frame, &mut row[values_around..values_around + width]);
        row[values_around + width..].fill(0.0);
    }
}

/// The places of a convolution of one shape, the same for all utterances.
pub(crate) struct Geometry {
    conv: Conv2d,
    /// The length of a padded frame of inputs.
    row: usize,
    /// The length of a padded frame of gradients.
    grad_row: usize,
    out_frames: usize,
    out_bins: usize,
    positions: Vec<Row>,
    weights: Vec<Row>,
    phases: Vec<Phase>,
    /// In place of the three before, where each channel is by itself.
    depthwise: Option<Depthwise>,
}

/// The inputs whose places have the same rest by the stride: the gradient of each comes through the same taps.
struct Phase {
    rows: Vec<Row>,
    starts: Vec<[usize; 2]>,
    inner: usize,
}

impl Geometry {
    /// Writes the first outputs, as many frames as fit `output`.
    pub fn forward(&self, padded: &[f32], weight: &[f32], output: &mut [f32]) {
        if let Some(depthwise) = self.depthwise {
            return Depthwise::forward(depthwise, padded, weight, output);
        }
        let Conv2d { kernel, outputs, .. } = self.conv;
        let run = self.conv.run();
        let starts: Vec<_> = (0..kernel).map(|tap| [tap * self.row, tap * run * outputs]).collect();
        let terms = Terms {
            left: padded,
            left_step: 1,
            right: weight,
            right_step: outputs,
            starts: &starts,
            inner: run,
            columns: outputs,
        };
        terms.sum(&self.positions[..output.len() / outputs], output, false);
    }

    /// Adds to the gradient of the weight, from padded inputs and padded gradients of `frames` frames of outputs.
    pub fn add_weight_gradient(&self, padded: &[f32], gradients: &[f32], frames: usize, grad_weight: &mut [f32]) {
        if let Some(depthwise) = self.depthwise {
            return Depthwise::add_weight_gradient(depthwise, padded, gradients, frames, grad_weight);
        }
        let Conv2d { stride, channels, outputs, .. } = self.conv;
        let pad = self.conv.pad();
        let starts: Vec<_> = (0..frames)
            .map(|frame| [frame * stride * self.row, (frame + pad) * self.grad_row + pad * outputs])
            .collect();
        let frames_in_block = (BLOCK / (stride * self.row + self.grad_row)).max(1);
        for starts in starts.chunks(frames_in_block) {
            let terms = Terms {
                left: padded,
                left_step: stride * channels,
                right: gradients,
                right_step: outputs,
                starts,
                inner: self.out_bins,
                columns: outputs,
            };
            terms.sum(&self.weights, grad_weight, true);
        }
    }

    /// Writes the gradient of the inputs to `grad_input`, as many frames as fit it, or adds it to what is there. `gradients` are
    /// padded and `weight` is from [`Conv2d::adjoint_weight`].
    pub fn input_gradient(&self, gradients: &[f32], weight: &[f32], grad_input: &mut [f32], accumulate: bool) {
        if let Some(depthwise) = self.depthwise {
            if !accumulate {
                grad_input.fill(0.0);
            }
            return Depthwise::add_input_gradient(depthwise, gradients, weight, grad_input);
        }
        let Conv2d { channels, outputs, .. } = self.conv;
        debug_assert!(self.out_frames > 0 && outputs > 0);
        for phase in self.phases.iter().filter(|phase| !accumulate || (!phase.starts.is_empty() && phase.inner > 0)) {
            let valid = phase.rows.partition_point(|row| row[1] < grad_input.len());
            let terms = Terms {
                left: gradients,
                left_step: 1,
                right: weight,
                right_step: channels,
                starts: &phase.starts,
                inner: phase.inner,
                columns: channels,
            };
            terms.sum(&phase.rows[..valid], grad_input, accumulate);
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
        for (frames, valid, bins, channels, kernel, stride, outputs, depthwise) in [
            (5, 5, 4, 3, 3, 1, 2, false),
            (6, 4, 7, 2, 3, 2, 17, false),
            (1, 1, 1, 2, 5, 2, 3, false),
            (9, 7, 9, 1, 5, 1, 4, false),
            (4, 3, 5, 2, 1, 2, 2, false),
            (23, 19, 21, 1, 11, 4, 3, false),
            (8, 8, 3, 2, 3, 3, 5, false),
            (6, 5, 7, 3, 3, 1, 3, true),
            (7, 6, 5, 17, 3, 2, 17, true),
            (1, 1, 1, 2, 5, 3, 2, true),
        ] {
            let conv = Conv2d { kernel, stride, channels, outputs, depthwise };
            let (out_frames, out_bins) = (conv.output_len(valid), conv.output_len(bins));
            let x = values(valid * bins * channels, 5);
            let w = values(conv.weight_len(), 7);
            let g = values(out_frames * out_bins * outputs, 11);
            let (mut y, mut dx, mut dw) = (vec![0f32; g.len()], vec![1f32; x.len()], vec![1f32; w.len()]);
            let pad = kernel / 2;
            for (of, ob) in (0..out_frames).flat_map(|f| (0..out_bins).map(move |b| (f, b))) {
                for (i, j) in (0..kernel).flat_map(|i| (0..kernel).map(move |j| (i, j))) {
                    let frame = (of * stride + i).checked_sub(pad).filter(|&frame| frame < valid);
                    let bin = (ob * stride + j).checked_sub(pad).filter(|&bin| bin < bins);
                    let (Some(frame), Some(bin)) = (frame, bin) else { continue };
                    for (c, o) in (0..channels).flat_map(|c| (0..outputs).map(move |o| (c, o))) {
                        let (x_at, y_at) = ((frame * bins + bin) * channels + c, (of * out_bins + ob) * outputs + o);
                        let tap = i * kernel + j;
                        let w_at = if depthwise { tap * channels + c } else { (tap * channels + c) * outputs + o };
                        if depthwise && c != o {
                            continue;
                        }
                        y[y_at] += x[x_at] * w[w_at];
                        dx[x_at] += g[y_at] * w[w_at];
                        dw[w_at] += g[y_at] * x[x_at];
                    }
                }
            }

            // One geometry serves shorter utterances too, and buffers may hold anything.
            let geometry = conv.plan(frames, bins);
            let (mut padded, mut gradients) = (vec![f32::NAN; 9], vec![f32::NAN; 5000]);
            let row = |values: &[f32], frame: usize, to: &mut [f32]| {
                to.copy_from_slice(&values[frame * to.len()..][..to.len()]);
            };
            conv.pad_inputs(valid, bins, &mut padded, |frame, to| row(&x, frame, to));
            conv.pad_gradients(out_frames, out_bins, &mut gradients, |frame, to| row(&g, frame, to));
            let mut output = vec![f32::NAN; y.len()];
            geometry.forward(&padded, &w, &mut output);
            assert_eq!(output, y, "{conv:?}");
            let mut grad_weight = vec![1.0; w.len()];
            geometry.add_weight_gradient(&padded, &gradients, out_frames, &mut grad_weight);
            assert_eq!(grad_weight, dw, "{conv:?}");
            let mut grad_input = vec![f32::NAN; x.len()];
            geometry.input_gradient(&gradients, &conv.adjoint_weight(&w), &mut grad_input, false);
            grad_input.iter_mut().for_each(|grad| *grad += 1.0);
            assert_eq!(grad_input, dx, "{conv:?}");
            geometry.input_gradient(&gradients, &conv.adjoint_weight(&w), &mut grad_input, true);
            assert_eq!(grad_input, dx.iter().map(|v| 2.0 * v - 1.0).collect::<Vec<_>>(), "{conv:?}, added");
        }
    }
}
