use super::norm::{Affine, Moments, NormGradient};
use super::{slice, with_slice};
use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Tensor};
use rayon::prelude::*;
use std::sync::Arc;

/// The function that is applied at last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Activation {
    Identity,
    Relu,
}

impl Activation {
    /// The smallest output.
    fn floor(self) -> f32 {
        match self {
            Self::Identity => f32::NEG_INFINITY,
            Self::Relu => 0.0,
        }
    }
}

/// Takes the moments of `[batch, frames, bins, channels]` over the valid positions: frames before each length.
pub(crate) fn moments(input: &Tensor, lengths: &[usize]) -> Result<Moments> {
    let extent = Extent::of(input)?;
    let n = extent.n_valid(lengths) as f64;
    with_slice(input, |x| {
        let sums = extent.channel_sums(x, x, lengths, |x, _, _| x);
        let mean: Vec<f32> = sums.iter().map(|sum| (sum / n) as f32).collect();
        let squares = extent.channel_sums(x, x, lengths, |x, _, c| (x - mean[c]) * (x - mean[c]));
        let variance = squares.iter().map(|sum| (sum / n) as f32).collect();
        Moments { mean, variance }
    })
}

/// Batch normalisation over valid positions, with the activation in the same pass over memory. Positions past an
/// utterance's length become zero.
///
/// The arguments are the input and the affine parameters `[2, channels]`: weights, then biases.
///
/// Its gradient flows through the moments: they must be those of the input. With fixed moments, apply it without
/// gradient.
pub(crate) struct BatchNormOp {
    pub lengths: Arc<[usize]>,
    pub moments: Moments,
    pub epsilon: f64,
    pub activation: Activation,
}

impl BatchNormOp {
    fn forward(&self, shape: &Shape, x: &[f32], affine: &[f32]) -> Result<(CpuStorage, Shape)> {
        let extent = Extent::from(shape.dims4()?);
        let (weight, bias) = affine.split_at(extent.channels);
        let Affine { scale, shift } = Affine::new(&self.moments, self.epsilon, weight, bias);
        let mut output = vec![0f32; shape.elem_count()];
        let floor = self.activation.floor();
        output
            .par_chunks_exact_mut(extent.utterance())
            .zip(x.par_chunks_exact(extent.utterance()))
            .zip(self.lengths.par_iter())
            .for_each(|((output, x), &length)| {
                let (valid, past) = output.split_at_mut(length * extent.bins * extent.channels);
                for (y, x) in valid.chunks_exact_mut(extent.channels).zip(x.chunks_exact(extent.channels)) {
                    for (((y, x), scale), shift) in y.iter_mut().zip(x).zip(&scale).zip(&shift) {
                        *y = (x * scale + shift).max(floor);
                    }
                }
                past.fill(0.0);
            });
        Ok((CpuStorage::F32(output), shape.clone()))
    }

    /// The gradients of the input and the affine parameters.
    fn backward(&self, input: &Tensor, affine: &Tensor, output: &Tensor, grad: &Tensor) -> Result<[Tensor; 2]> {
        let extent = Extent::of(input)?;
        let grad = grad.contiguous()?;
        let grad =
            with_slice(output, |output| with_slice(&grad, |grad| self.before_activation(extent, output, grad)))??;
        let mean = &self.moments.mean;
        let sum = extent.channel_sums(&grad, &grad, &self.lengths, |g, _, _| g);
        let by_value =
            with_slice(input, |x| extent.channel_sums(&grad, x, &self.lengths, |g, x, c| g * (x - mean[c])))?;
        let weight = affine.get(0)?.to_vec1::<f32>()?;
        let n = extent.n_valid(&self.lengths) as f64;
        let norm = NormGradient::new(&self.moments, self.epsilon, &weight, [by_value, sum], n);
        let NormGradient { scale, shift, a, b, c } = norm;
        let grad_affine: Vec<f32> = scale.into_iter().chain(shift).map(|sum| sum as f32).collect();

        let mut grad_input = vec![0f32; grad.len()];
        with_slice(input, |x| {
            grad_input
                .par_chunks_exact_mut(extent.utterance())
                .zip(x.par_chunks_exact(extent.utterance()))
                .zip(grad.par_chunks_exact(extent.utterance()))
                .zip(self.lengths.par_iter())
                .for_each(|(((out, x), g), &length)| {
                    let rows = out
                        .chunks_exact_mut(extent.channels)
                        .zip(x.chunks_exact(extent.channels))
                        .zip(g.chunks_exact(extent.channels));
                    for ((out, x), g) in rows.take(length * extent.bins) {
                        for (k, out) in out.iter_mut().enumerate() {
                            *out = a[k] * g[k] + b[k] * x[k] + c[k];
                        }
                    }
                });
        })?;
        Ok([
            Tensor::from_vec(grad_input, input.shape(), &Device::Cpu)?,
            Tensor::from_vec(grad_affine, affine.shape(), &Device::Cpu)?,
        ])
    }

    /// The gradient before the activation: zero where nothing passed, and past the lengths.
    fn before_activation(&self, extent: Extent, output: &[f32], grad: &[f32]) -> Vec<f32> {
        let floor = self.activation.floor();
        let mut passed = vec![0f32; grad.len()];
        passed
            .par_chunks_exact_mut(extent.utterance())
            .zip(output.par_chunks_exact(extent.utterance()))
            .zip(grad.par_chunks_exact(extent.utterance()))
            .zip(self.lengths.par_iter())
            .for_each(|(((passed, output), grad), &length)| {
                let valid = length * extent.bins * extent.channels;
                for ((passed, &y), &g) in passed[..valid].iter_mut().zip(output).zip(grad) {
                    *passed = if y > floor { g } else { 0.0 };
                }
            });
        passed
    }
}

impl CustomOp2 for BatchNormOp {
    fn name(&self) -> &'static str {
        "batch-norm"
    }

    fn cpu_fwd(
        &self,
        input: &CpuStorage,
        input_layout: &Layout,
        affine: &CpuStorage,
        affine_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.forward(input_layout.shape(), slice(input, input_layout)?, slice(affine, affine_layout)?)
    }

    fn bwd(
        &self,
        input: &Tensor,
        affine: &Tensor,
        output: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [input, affine] = self.backward(input, affine, output, grad)?;
        Ok((Some(input), Some(affine)))
    }
}

/// The shape of one utterance in a batch.
#[derive(Clone, Copy)]
struct Extent {
    frames: usize,
    bins: usize,
    channels: usize,
}

impl From<(usize, usize, usize, usize)> for Extent {
    fn from((_, frames, bins, channels): (usize, usize, usize, usize)) -> Self {
        Self { frames, bins, channels }
    }
}

impl Extent {
    fn of(tensor: &Tensor) -> Result<Self> {
        Ok(tensor.dims4()?.into())
    }

    fn utterance(self) -> usize {
        self.frames * self.bins * self.channels
    }

    fn n_valid(self, lengths: &[usize]) -> usize {
        lengths.iter().sum::<usize>() * self.bins
    }

    /// Sums `term(x, y, channel)` over the valid positions: in f32 within a frame, in f64 over frames and then over
    /// utterances, in their order.
    fn channel_sums(
        self,
        x: &[f32],
        y: &[f32],
        lengths: &[usize],
        term: impl Fn(f32, f32, usize) -> f32 + Sync,
    ) -> Vec<f64> {
        let of_frame = self.bins * self.channels;
        let of_utterance = |((x, y), &length): ((&[f32], &[f32]), &usize)| {
            let mut total = vec![0f64; self.channels];
            let mut sums = vec![0f32; self.channels];
            for (x, y) in x.chunks_exact(of_frame).zip(y.chunks_exact(of_frame)).take(length) {
                sums.fill(0.0);
                for (x, y) in x.chunks_exact(self.channels).zip(y.chunks_exact(self.channels)) {
                    for (c, ((sum, &x), &y)) in sums.iter_mut().zip(x).zip(y).enumerate() {
                        *sum += term(x, y, c);
                    }
                }
                for (total, &sum) in total.iter_mut().zip(&sums) {
                    *total += f64::from(sum);
                }
            }
            total
        };
        let of_utterances: Vec<Vec<f64>> = x
            .par_chunks_exact(self.utterance())
            .zip(y.par_chunks_exact(self.utterance()))
            .zip(lengths)
            .map(of_utterance)
            .collect();
        (0..self.channels).map(|c| of_utterances.iter().map(|sums| sums[c]).sum()).collect()
    }
}
