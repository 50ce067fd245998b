//! Two-dimensional convolution of each channel by itself (Howard et al. 2017, arXiv 1704.04861, section 3.1), over what
//! [`super::Conv2d`] pads. The weight is `[kernel * kernel, channels]`, taps in the order frame, bin.

use super::vectors::vectorised_fn;

/// The places of a depthwise convolution.
#[derive(Clone, Copy)]
pub(super) struct Depthwise {
    pub kernel: usize,
    pub stride: usize,
    pub channels: usize,
    /// The length of a padded frame of inputs, and of gradients.
    pub rows: [usize; 2],
    /// The number of bins of inputs and of outputs.
    pub bins: [usize; 2],
}

impl Depthwise {
    /// Zeros on every side.
    fn pad(self) -> usize {
        (self.kernel - 1) / 2
    }

    vectorised_fn! {
        /// Writes outputs `[frames, bins, channels]`, as many as fit.
        pub fn forward(of: Depthwise, padded: &[f32], weight: &[f32], output: &mut [f32]) {
            let Depthwise { kernel, stride, channels, rows: [row, _], bins: [_, bins] } = of;
            for (position, y) in output.chunks_exact_mut(channels).enumerate() {
                let (frame, bin) = (position / bins, position % bins);
                y.fill(0.0);
                for (tap, weight) in weight.chunks_exact(kernel * channels).enumerate() {
                    let x = &padded[(frame * stride + tap) * row + bin * stride * channels..];
                    for (x, weight) in x.chunks_exact(channels).zip(weight.chunks_exact(channels)) {
                        for ((y, x), weight) in y.iter_mut().zip(x).zip(weight) {
                            *y += x * weight;
                        }
                    }
                }
            }
        }
    }

    vectorised_fn! {
        /// Adds to the gradient of the weight, from padded inputs and padded gradients of `frames` frames of outputs.
        pub fn add_weight_gradient(
            of: Depthwise,
            padded: &[f32],
            gradients: &[f32],
            frames: usize,
            grad_weight: &mut [f32],
        ) {
            let Depthwise { kernel, stride, channels, rows: [row, grad_row], bins: [_, bins] } = of;
            for (frame, bin) in (0..frames).flat_map(|frame| (0..bins).map(move |bin| (frame, bin))) {
                let grad = &gradients[(frame + of.pad()) * grad_row + (bin + of.pad()) * channels..][..channels];
                for (tap, grad_weight) in grad_weight.chunks_exact_mut(kernel * channels).enumerate() {
                    let x = &padded[(frame * stride + tap) * row + bin * stride * channels..];
                    for (x, sums) in x.chunks_exact(channels).zip(grad_weight.chunks_exact_mut(channels)) {
                        for ((sum, x), grad) in sums.iter_mut().zip(x).zip(grad) {
                            *sum += x * grad;
                        }
                    }
                }
            }
        }
    }

    vectorised_fn! {
        /// Adds the gradient of the inputs to `grad_input`, of as many frames as fit it.
        pub fn add_input_gradient(of: Depthwise, gradients: &[f32], weight: &[f32], grad_input: &mut [f32]) {
            let Depthwise { kernel, stride, channels, rows: [_, grad_row], bins: [bins, out_bins] } = of;
            let frames = grad_input.len() / (bins * channels);
            let out_frames = frames.div_ceil(stride);
            for (frame, bin) in (0..out_frames).flat_map(|frame| (0..out_bins).map(move |bin| (frame, bin))) {
                let grad = &gradients[(frame + of.pad()) * grad_row + (bin + of.pad()) * channels..][..channels];
                for (i, j) in (0..kernel).flat_map(|i| (0..kernel).map(move |j| (i, j))) {
                    let at = |output: usize, tap: usize, end: usize| {
                        (output * stride + tap).checked_sub(of.pad()).filter(|&at| at < end)
                    };
                    let (Some(frame), Some(bin)) = (at(frame, i, frames), at(bin, j, bins)) else { continue };
                    let to = &mut grad_input[(frame * bins + bin) * channels..][..channels];
                    let weight = &weight[(i * kernel + j) * channels..][..channels];
                    for ((to, grad), weight) in to.iter_mut().zip(grad).zip(weight) {
                        *to += grad * weight;
                    }
                }
            }
        }
    }
}
