use super::batch_norm::Moments;
use crate::kernels::{Conv1d, MaxPool, column_sums, vectorised, vectorised_call};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// In place of the place of a maximum: no gradient goes through, as the ReLU or the dropout made it zero.
const DROPPED: u8 = u8::MAX;

/// Frames that are summed in f32 before their sum is added in f64.
const SUMMED_FRAMES: usize = 64;

/// A convolution with bias over frames, batch normalisation, maximum pooling, ReLU before or after, and dropout, on one
/// utterance at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    pub conv: Conv1d,
    pub relu: Relu,
    pub pool: MaxPool,
    pub dropout: BlockDropout,
    pub epsilon: f64,
}

/// Where the ReLU is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Relu {
    BeforeNorm,
    /// The maximum of what it lets pass is what it lets pass of the maximum: it is computed after the pooling.
    AfterNorm,
}

/// Inverted dropout in training.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockDropout {
    /// At least 0, below 1.
    pub probability: f64,
    /// Drops channels of whole utterances (Tompson et al. 2015, arXiv 1411.4280), not single values.
    pub whole_channels: bool,
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

/// `scale * x + shift` for each channel.
pub(super) struct Affine {
    pub(super) scale: Vec<f32>,
    pub(super) shift: Vec<f32>,
}

/// The gradient of an utterance's outputs, and the places of its maxima.
#[derive(Clone, Copy)]
pub(super) struct Upstream<'a> {
    pub(super) grad: &'a [f32],
    pub(super) places: &'a [u8],
}

/// Before the normalisation the gradient is `a * g + b * x + c` by channel (Ioffe and Szegedy 2015, arXiv 1502.03167,
/// section 3).
pub(super) struct NormGradient {
    a: Vec<f32>,
    b: Vec<f32>,
    c: Vec<f32>,
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

    pub(super) fn inverse_deviation(&self, statistics: &Moments) -> Vec<f32> {
        statistics.variance.iter().map(|&v| (1.0 / (f64::from(v) + self.epsilon).sqrt()) as f32).collect()
    }

    pub(super) fn affine(&self, statistics: &Moments, parameters: Parameters) -> Affine {
        let inverse_deviation = self.inverse_deviation(statistics);
        let scale: Vec<f32> = inverse_deviation.iter().zip(parameters.scale).map(|(s, w)| s * w).collect();
        let means = statistics.mean.iter().zip(&scale);
        let shift = parameters.shift.iter().zip(means).map(|(b, (mean, scale))| b - mean * scale).collect();
        Affine { scale, shift }
    }

    /// Convolves padded inputs from frame `first` on, with bias, and ReLU where it comes first.
    pub(super) fn convolve(&self, padded: &[f32], parameters: Parameters, first: usize, values: &mut [f32]) {
        self.conv.forward(padded, parameters.weight, first, values);
        let floor = if self.relu == Relu::BeforeNorm { 0.0 } else { f32::NEG_INFINITY };
        vectorised(|| {
            for row in values.chunks_exact_mut(self.conv.outputs) {
                row.iter_mut().zip(parameters.bias).for_each(|(y, bias)| *y = (*y + bias).max(floor));
            }
        });
    }

    /// Normalises and pools, from window `first` on.
    pub(super) fn pool(&self, values: &[f32], affine: &Affine, first: usize, output: &mut [f32], places: &mut [u8]) {
        #[inline(always)]
        fn work(
            (block, values, affine, first, output, places): (&Block, &[f32], &Affine, usize, &mut [f32], &mut [u8]),
        ) {
            block.pool.forward(values, &affine.scale, &affine.shift, first, output, places);
            if block.relu == Relu::AfterNorm {
                for (y, place) in output.iter_mut().zip(places) {
                    *place = if *y > 0.0 { *place } else { DROPPED };
                    *y = y.max(0.0);
                }
            }
        }
        vectorised_call((self, values, affine, first, output, places), work);
    }

    /// Drops out. Each utterance has its own stream of the generator, so that utterances can run in parallel.
    pub(super) fn drop_out(&self, seed: u64, utterance: usize, output: &mut [f32], places: &mut [u8]) {
        let BlockDropout { probability, whole_channels } = self.dropout;
        let channels = self.conv.outputs;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(utterance as u64);
        let threshold = (probability * 2f64.powi(32)) as u32;
        let kept = self.kept();
        // Little-endian numbers, one for each channel: of the utterance, or of each frame.
        let mut draws = vec![0u8; 4 * channels];
        rng.fill_bytes(&mut draws[..if whole_channels { 4 * channels } else { 0 }]);
        for (output, places) in output.chunks_exact_mut(channels).zip(places.chunks_exact_mut(channels)) {
            if !whole_channels {
                rng.fill_bytes(&mut draws);
            }
            vectorised(|| {
                for ((y, place), &draw) in output.iter_mut().zip(places).zip(draws.as_chunks().0) {
                    let drops = u32::from_le_bytes(draw) < threshold;
                    *y = if drops { 0.0 } else { *y * kept };
                    *place = if drops { DROPPED } else { *place };
                }
            });
        }
    }

    /// What dropout multiplies by what it keeps.
    fn kept(&self) -> f32 {
        (1.0 / (1.0 - self.dropout.probability)) as f32
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

    /// The sums over an utterance of the gradients times the values before the normalisation less their means, and of the
    /// gradients: but for the factor of the deviation, the gradients of the normalisation's scale and shift.
    pub(super) fn norm_sums(&self, values: &[f32], mean: &[f32], upstream: Upstream) -> [Vec<f64>; 2] {
        vectorised_call((self, values, mean, upstream), Self::norm_sums_of)
    }

    #[inline(always)]
    fn norm_sums_of((block, values, mean, upstream): (&Self, &[f32], &[f32], Upstream)) -> [Vec<f64>; 2] {
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

    /// From the gradients of the normalisation's scale and shift over `count` values.
    pub(super) fn norm_gradient(
        &self,
        scale: &[f32],
        statistics: &Moments,
        [grad_scale, grad_shift]: [&[f64]; 2],
        count: f64,
    ) -> NormGradient {
        let inverse_deviation = self.inverse_deviation(statistics);
        let channels = 0..self.conv.outputs;
        let a: Vec<f32> = scale.iter().zip(&inverse_deviation).map(|(w, s)| w * s).collect();
        let of_values = |i: usize| (-f64::from(a[i] * inverse_deviation[i]) * grad_scale[i] / count) as f32;
        let b: Vec<f32> = channels.clone().map(of_values).collect();
        let constant = |i: usize| (-f64::from(a[i]) * grad_shift[i] / count) as f32 - b[i] * statistics.mean[i];
        let c = channels.map(constant).collect();
        let a = a.into_iter().map(|a| a * self.kept()).collect();
        NormGradient { a, b, c }
    }

    /// Turns an utterance's values before the normalisation into their gradients; gives the gradient of the bias.
    pub(super) fn values_to_gradients(&self, norm: &NormGradient, upstream: Upstream, values: &mut [f32]) -> Vec<f64> {
        #[inline(always)]
        fn work((block, norm, upstream, values): (&Block, &NormGradient, Upstream, &mut [f32])) -> Vec<f64> {
            let channels = block.conv.outputs;
            let frames = values.len() / channels;
            let floor = if block.relu == Relu::BeforeNorm { 0.0 } else { f32::NEG_INFINITY };
            let mut passed = vec![0f32; channels];
            for (frame, values) in values.chunks_exact_mut(channels).enumerate() {
                block.gather(frames, frame, upstream, &mut passed);
                let of_norm = norm.a.iter().zip(&norm.b).zip(&norm.c);
                for ((x, &grad), ((a, b), c)) in values.iter_mut().zip(&passed).zip(of_norm) {
                    let grad = a * grad + (b * *x + c);
                    *x = if *x > floor { grad } else { 0.0 };
                }
            }
            column_sums(values, channels, |grad, _| grad)
        }
        vectorised_call((self, norm, upstream, values), work)
    }
}

/// The rows of an utterance that are computed together: if it is alone, half of them, so that two threads have work,
/// whatever the number of threads.
pub(super) fn rows_in_part(alone: bool, rows: usize) -> usize {
    /// Fewer are not worth a thread.
    const HALF: usize = 64;
    if alone && rows >= 2 * HALF { rows.div_ceil(2) } else { rows.max(1) }
}
