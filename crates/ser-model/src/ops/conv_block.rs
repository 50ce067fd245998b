use super::dropout::DropoutFactors;
use super::norm::{Affine, Moments, NormGradient};
use crate::kernels::{Conv1d, MaxPool, vectorised, vectorised_fn};

/// In place of the place of a maximum: no gradient goes through, as the dropout made it zero.
const DROPPED: u8 = u8::MAX;

/// Frames that are summed in f32 before their sum is added in f64.
const SUMMED_FRAMES: usize = 64;

/// A convolution with bias over frames, ReLU, batch normalisation, maximum pooling and dropout, on one utterance at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    pub conv: Conv1d,
    pub pool: MaxPool,
    /// Probability of dropping a value in training: at least 0, below 1.
    pub dropout: f64,
    pub epsilon: f64,
}

/// The parameters of a block.
#[derive(Clone, Copy)]
pub(crate) struct Parameters<'a> {
    /// `[kernel * channels, outputs]`.
    pub weight: &'a [f32],
    pub bias: &'a [f32],
    /// Of the normalisation.
    pub scale: &'a [f32],
    pub shift: &'a [f32],
}

/// The gradient of an utterance's outputs, and the places of its maxima.
#[derive(Clone, Copy)]
pub(super) struct Upstream<'a> {
    pub(super) grad: &'a [f32],
    pub(super) places: &'a [u8],
}

impl Block {
    pub fn n_parameters(&self) -> usize {
        (self.conv.width() + 3) * self.conv.outputs
    }

    /// The parameters of this block and the rest, of a vector of those of all.
    pub(super) fn split_parameters<'a>(&self, packed: &'a [f32]) -> Option<(Parameters<'a>, &'a [f32])> {
        let (own, rest) = packed.split_at_checked(self.n_parameters())?;
        let (weight, own) = own.split_at(self.conv.width() * self.conv.outputs);
        let (bias, own) = own.split_at(self.conv.outputs);
        let (scale, shift) = own.split_at(self.conv.outputs);
        Some((Parameters { weight, bias, scale, shift }, rest))
    }

    pub(super) fn affine(&self, statistics: &Moments, parameters: Parameters) -> Affine {
        Affine::new(statistics, self.epsilon, parameters.scale, parameters.shift)
    }

    /// Convolves padded inputs, with bias and ReLU.
    pub(super) fn convolve(&self, padded: &[f32], parameters: Parameters, values: &mut [f32]) {
        self.conv.forward(padded, parameters.weight, 0, values);
        vectorised(|| {
            for row in values.chunks_exact_mut(self.conv.outputs) {
                row.iter_mut().zip(parameters.bias).for_each(|(y, bias)| *y = (*y + bias).max(0.0));
            }
        });
    }

    vectorised_fn! {
        /// Normalises and pools, from window `first` on.
        pub(super) fn pool(block: &Block, values: &[f32], affine: &Affine, first: usize, output: &mut [f32], places: &mut [u8]) {
            block.pool.forward(values, &affine.scale, &affine.shift, first, output, places);
        }
    }

    pub(super) fn drop_out(&self, seed: u64, utterance: usize, output: &mut [f32], places: &mut [u8]) {
        let channels = self.conv.outputs;
        let mut drawn = DropoutFactors::new(self.dropout, seed, utterance);
        let mut factors = vec![0f32; channels];
        for (output, places) in output.chunks_exact_mut(channels).zip(places.chunks_exact_mut(channels)) {
            drawn.draw(&mut factors);
            vectorised(|| {
                for ((y, place), &factor) in output.iter_mut().zip(places).zip(&factors) {
                    *y *= factor;
                    *place = if factor == 0.0 { DROPPED } else { *place };
                }
            });
        }
    }

    /// What dropout multiplies by what it keeps.
    fn kept(&self) -> f32 {
        (1.0 / (1.0 - self.dropout)) as f32
    }

    /// Gathers the gradients that got through pooling, ReLU and dropout to a frame.
    #[inline(always)]
    fn gather(&self, frames: usize, frame: usize, upstream: Upstream, passed: &mut [f32]) {
        let channels = passed.len();
        passed.fill(0.0);
        for (window, place) in self.pool.windows_with(frames, frame) {
            let grads = &upstream.grad[window * channels..][..channels];
            let places = &upstream.places[window * channels..][..channels];
            for ((passed, &grad), &at) in passed.iter_mut().zip(grads).zip(places) {
                *passed += if usize::from(at) == place { grad } else { 0.0 };
            }
        }
    }

    vectorised_fn! {
        /// The sums over an utterance of the gradients times the values before the normalisation less their means, and of the
        /// gradients: but for the factor of the deviation, the gradients of the normalisation's scale and shift.
        pub(super) fn norm_sums(block: &Block, values: &[f32], mean: &[f32], upstream: Upstream) -> [Vec<f64>; 2] {
            let channels = block.conv.outputs;
            let frames = values.len() / channels;
            let kept = block.kept();
            let mut totals = [vec![0f64; channels], vec![0f64; channels]];
            let (mut of_scale, mut of_shift, mut passed) =
                (vec![0f32; channels], vec![0f32; channels], vec![0f32; channels]);
            for start in (0..frames).step_by(SUMMED_FRAMES) {
                of_scale.fill(0.0);
                of_shift.fill(0.0);
                for frame in start..frames.min(start + SUMMED_FRAMES) {
                    block.gather(frames, frame, upstream, &mut passed);
                    let rows = passed.iter().zip(&values[frame * channels..]).zip(mean);
                    for ((of_scale, of_shift), ((&grad, &x), &mean)) in of_scale.iter_mut().zip(&mut of_shift).zip(rows) {
                        *of_scale += grad * (x - mean);
                        *of_shift += grad;
                    }
                }
                for (totals, sums) in totals.iter_mut().zip([&of_scale, &of_shift]) {
                    totals.iter_mut().zip(sums).for_each(|(total, &sum)| *total += f64::from(sum * kept));
                }
            }
            totals
        }
    }

    vectorised_fn! {
        /// Turns an utterance's values before the normalisation into their gradients.
        pub(super) fn values_to_gradients(block: &Block, norm: &NormGradient, upstream: Upstream, values: &mut [f32]) {
            let channels = block.conv.outputs;
            let frames = values.len() / channels;
            let kept = block.kept();
            let mut passed = vec![0f32; channels];
            for (frame, values) in values.chunks_exact_mut(channels).enumerate() {
                block.gather(frames, frame, upstream, &mut passed);
                let of_norm = norm.a.iter().zip(&norm.b).zip(&norm.c);
                for ((x, &grad), ((a, b), c)) in values.iter_mut().zip(&passed).zip(of_norm) {
                    let grad = a * (kept * grad) + (b * *x + c);
                    *x = if *x > 0.0 { grad } else { 0.0 };
                }
            }
        }
    }
}
