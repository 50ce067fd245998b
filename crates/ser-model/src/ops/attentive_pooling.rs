use super::kept::{BackwardPass, KeepingOp};
use super::total;
use crate::kernels::{Matrix, column_sums, exp, multiply, tanh, vectorised_fn};
use candle_core::{Result, Shape};
use rayon::prelude::*;
use std::sync::Arc;

/// Gradients of parameters are summed in this many groups of utterances, whatever the number of threads.
const GROUPS: usize = 8;

/// The least variance: it keeps the square root's gradient finite.
const LEAST_VARIANCE: f32 = 1e-5;

/// Attentive statistics pooling (Okabe et al. 2018, arXiv 1803.10963) as one operation: for each utterance `x`, weights
/// `softmax(tanh(x · hiddenᵀ + bias) · scoresᵀ)` over time, then the weighted mean and standard deviation.
///
/// The arguments are the input `[batch, frames, channels]` and [`Parameters`] in one vector; the output is `[batch, 2 *
/// channels]`. What is past an utterance's length is not read.
pub(crate) struct AttentivePoolingOp {
    pub attention: usize,
    pub lengths: Arc<[usize]>,
}

/// What a step reads and writes, by utterance.
pub(crate) type Memory = Vec<UtteranceMemory>;

#[derive(Default)]
pub(crate) struct UtteranceMemory {
    /// `[frames, attention]`.
    hidden: Vec<f32>,
    /// `[frames, channels]`.
    weights: Vec<f32>,
    /// Gradients before the softmax, and before the hyperbolic tangent.
    of_scores: Vec<f32>,
    of_hidden: Vec<f32>,
}

#[derive(Clone, Copy)]
struct Parameters<'a> {
    /// `[attention, channels]`.
    hidden: &'a [f32],
    /// `[attention]`.
    bias: &'a [f32],
    /// `[channels, attention]`; the biases that follow change no softmax over time.
    scores: &'a [f32],
}

vectorised_fn! {
    fn activate(hidden: &mut [f32], bias: &[f32]) {
        for row in hidden.chunks_exact_mut(bias.len()) {
            row.iter_mut().zip(bias).for_each(|(x, bias)| *x = tanh(*x + bias));
        }
    }
}

vectorised_fn! {
    /// The gradient before the hyperbolic tangent.
    fn activate_back(hidden: &[f32], of_hidden: &mut [f32]) {
        of_hidden.iter_mut().zip(hidden).for_each(|(grad, y)| *grad *= 1.0 - y * y);
    }
}

vectorised_fn! {
    /// Takes scores to their softmax over time, and writes means and standard deviations to `output`.
    fn pool(input: &[f32], weights: &mut [f32], output: &mut [f32]) {
        let channels = output.len() / 2;
        let (mut greatest, mut sums) = (vec![f32::NEG_INFINITY; channels], vec![0f32; channels]);
        for row in weights.chunks_exact(channels) {
            greatest.iter_mut().zip(row).for_each(|(greatest, &x)| *greatest = greatest.max(x));
        }
        for row in weights.chunks_exact_mut(channels) {
            for ((x, greatest), sum) in row.iter_mut().zip(&greatest).zip(&mut sums) {
                *x = exp(*x - greatest);
                *sum += *x;
            }
        }
        sums.iter_mut().for_each(|sum| *sum = 1.0 / *sum);
        output.fill(0.0);
        let (mean, deviation) = output.split_at_mut(channels);
        for (row, input) in weights.chunks_exact_mut(channels).zip(input.chunks_exact(channels)) {
            for (((weight, x), scale), mean) in row.iter_mut().zip(input).zip(&sums).zip(&mut *mean) {
                *weight *= scale;
                *mean += *weight * x;
            }
        }
        for (row, input) in weights.chunks_exact(channels).zip(input.chunks_exact(channels)) {
            for (((weight, x), mean), variance) in row.iter().zip(input).zip(&*mean).zip(&mut *deviation) {
                *variance += weight * (x - mean) * (x - mean);
            }
        }
        deviation.iter_mut().for_each(|variance| *variance = variance.max(LEAST_VARIANCE).sqrt());
    }
}

vectorised_fn! {
    /// The gradients of the scores, and of the input as far as it does not come through them.
    fn pool_back(
        input: &[f32],
        weights: &[f32],
        pooled: &[f32],
        grad: &[f32],
        of_scores: &mut [f32],
        of_input: &mut [f32],
    ) {
        let (mean, deviation) = pooled.split_at(pooled.len() / 2);
        let channels = mean.len();
        let (of_mean, of_deviation) = grad.split_at(channels);
        let of_variance: Vec<f32> = of_deviation
            .iter()
            .zip(deviation)
            .map(|(grad, deviation)| if deviation * deviation > LEAST_VARIANCE { 0.5 * grad / deviation } else { 0.0 })
            .collect();
        let rows = input.chunks_exact(channels).zip(weights.chunks_exact(channels));
        let outputs = of_scores.chunks_exact_mut(channels).zip(of_input.chunks_exact_mut(channels));
        for ((of_scores, of_input), (input, weights)) in outputs.zip(rows) {
            let by_channel = mean.iter().zip(deviation).zip(of_mean.iter().zip(&of_variance));
            let outputs = of_scores.iter_mut().zip(of_input);
            for (((of_score, of_input), (x, weight)), ((mean, deviation), (of_mean, of_variance))) in
                outputs.zip(input.iter().zip(weights)).zip(by_channel)
            {
                let centred = x - mean;
                *of_score = weight * (of_mean * centred + of_variance * (centred * centred - deviation * deviation));
                *of_input = weight * (of_mean + 2.0 * of_variance * centred);
            }
        }
    }
}

impl AttentivePoolingOp {
    fn parameters<'a>(&self, packed: &'a [f32], channels: usize) -> Result<Parameters<'a>> {
        let n = self.attention * channels;
        if packed.len() != 2 * n + self.attention + channels {
            candle_core::bail!("{} parameters do not fit {channels} channels", packed.len());
        }
        let (hidden, rest) = packed.split_at(n);
        let (bias, rest) = rest.split_at(self.attention);
        Ok(Parameters { hidden, bias, scores: &rest[..n] })
    }
}

impl KeepingOp for AttentivePoolingOp {
    const NAME: &'static str = "attentive-pooling";
    type Memory = Memory;

    fn forward(&self, memory: &mut Memory, shape: &Shape, input: &[f32], packed: &[f32]) -> Result<(Vec<f32>, Shape)> {
        let (batch, frames, channels) = shape.dims3()?;
        let parameters = self.parameters(packed, channels)?;
        if batch != self.lengths.len() || self.lengths.iter().any(|&n| n == 0 || n > frames) {
            candle_core::bail!("lengths {:?} do not fit {shape:?}", self.lengths);
        }
        memory.resize_with(batch, UtteranceMemory::default);
        let mut output = vec![0f32; batch * 2 * channels];
        output
            .par_chunks_exact_mut(2 * channels)
            .zip(input.par_chunks_exact(frames * channels))
            .zip(&mut memory[..])
            .zip(&self.lengths[..])
            .for_each(|(((output, input), memory), &n)| {
                let (input, UtteranceMemory { hidden, weights, .. }) = (&input[..n * channels], memory);
                hidden.resize(n * self.attention, 0.0);
                let of_hidden = Matrix::new(parameters.hidden, self.attention, channels).transposed();
                multiply(Matrix::new(input, n, channels), of_hidden, hidden, false);
                activate(hidden, parameters.bias);
                weights.resize(n * channels, 0.0);
                let of_scores = Matrix::new(parameters.scores, channels, self.attention).transposed();
                multiply(Matrix::new(hidden, n, self.attention), of_scores, weights, false);
                pool(input, weights, output);
            });
        Ok((output, Shape::from((batch, 2 * channels))))
    }

    fn backward(&self, memory: &mut Memory, pass: BackwardPass) -> Result<(Option<Vec<f32>>, Vec<f32>)> {
        let BackwardPass { input, packed, output, grad, .. } = pass;
        let (batch, attention) = (self.lengths.len(), self.attention);
        let channels = output.len() / (2 * batch);
        let parameters = self.parameters(packed, channels)?;
        let of_utterance = input.len() / batch;
        let mut grad_input = vec![0f32; input.len()];
        let in_group = batch.div_ceil(GROUPS);
        let of_groups: Vec<Vec<f32>> = grad_input
            .par_chunks_mut(in_group * of_utterance)
            .zip(memory.par_chunks_mut(in_group))
            .enumerate()
            .map(|(group, (grad_input, memory))| {
                let mut grad_packed = vec![0f32; packed.len()];
                let (grad_hidden, rest) = grad_packed.split_at_mut(parameters.hidden.len());
                let (grad_bias, grad_scores) = rest.split_at_mut(attention);
                let grad_scores = &mut grad_scores[..parameters.scores.len()];
                for (member, (grad_input, memory)) in grad_input.chunks_exact_mut(of_utterance).zip(memory).enumerate()
                {
                    let index = group * in_group + member;
                    let n = self.lengths[index];
                    let grad_input = &mut grad_input[..n * channels];
                    let input = &input[index * of_utterance..][..n * channels];
                    let of_pooled = index * 2 * channels..(index + 1) * 2 * channels;
                    let UtteranceMemory { hidden, weights, of_scores, of_hidden } = memory;
                    of_scores.resize(n * channels, 0.0);
                    pool_back(input, weights, &output[of_pooled.clone()], &grad[of_pooled], of_scores, grad_input);
                    let of_scores = Matrix::new(of_scores, n, channels);
                    of_hidden.resize(n * attention, 0.0);
                    multiply(of_scores, Matrix::new(parameters.scores, channels, attention), of_hidden, false);
                    activate_back(hidden, of_hidden);
                    multiply(of_scores.transposed(), Matrix::new(hidden, n, attention), grad_scores, true);
                    grad_bias.iter_mut().zip(column_sums(of_hidden, attention)).for_each(|(sum, x)| *sum += x as f32);
                    let of_hidden = Matrix::new(of_hidden, n, attention);
                    multiply(of_hidden.transposed(), Matrix::new(input, n, channels), grad_hidden, true);
                    multiply(of_hidden, Matrix::new(parameters.hidden, attention, channels), grad_input, true);
                }
                grad_packed
            })
            .collect();
        Ok((Some(grad_input), total(of_groups.iter().map(Vec::as_slice))))
    }
}
