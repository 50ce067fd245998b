//! What a gated level of [`crate::ops::gated_levels`] computes value by value, on one utterance at a time: `[frames, channels]` in
//! rows of whole vectors, beside one row of each of what there is by channel.

use super::functions::sigmoid;
use super::terms::LANES;
use super::vectors::vectorised_fn;
use std::array::from_fn;

/// Frames that are summed in f32 before their sum is added in f64.
const SUMMED_FRAMES: usize = 64;

fn vectors(values: &[f32]) -> &[[f32; LANES]] {
    values.as_chunks().0
}

fn vectors_mut(values: &mut [f32]) -> &mut [[f32; LANES]] {
    values.as_chunks_mut().0
}

vectorised_fn! {
    /// Normalises and applies the ReLU.
    pub(crate) fn activate(values: &[f32], scale: &[f32], shift: &[f32], output: &mut [f32]) {
        for (output, values) in output.chunks_exact_mut(scale.len()).zip(values.chunks_exact(scale.len())) {
            let by_channel = vectors(scale).iter().zip(vectors(shift));
            for ((y, x), (scale, shift)) in vectors_mut(output).iter_mut().zip(vectors(values)).zip(by_channel) {
                *y = from_fn(|i| (x[i] * scale[i] + shift[i]).max(0.0));
            }
        }
    }
}

vectorised_fn! {
    /// Goes back through [`activate`] and the dropout that is in its scale and shift, by the `factors` of the channels.
    pub(crate) fn activate_back(output: &[f32], factors: &[f32], grad: &[f32], of_normalised: &mut [f32]) {
        let inputs = output.chunks_exact(factors.len()).zip(grad.chunks_exact(factors.len()));
        for (to, (output, grad)) in of_normalised.chunks_exact_mut(factors.len()).zip(inputs) {
            let inputs = vectors(output).iter().zip(vectors(grad));
            for ((to, (y, grad)), factor) in vectors_mut(to).iter_mut().zip(inputs).zip(vectors(factors)) {
                let passed: [f32; LANES] = from_fn(|i| grad[i] * factor[i]);
                *to = from_fn(|i| if y[i] > 0.0 { passed[i] } else { 0.0 });
            }
        }
    }
}

vectorised_fn! {
    /// Multiplies a level's input by the sigmoid of its normalised values after the ReLU.
    pub(crate) fn gate(values: &[f32], scale: &[f32], shift: &[f32], input: &[f32], output: &mut [f32]) {
        let inputs = values.chunks_exact(scale.len()).zip(input.chunks_exact(scale.len()));
        for (output, (values, input)) in output.chunks_exact_mut(scale.len()).zip(inputs) {
            let by_channel = vectors(scale).iter().zip(vectors(shift));
            let inputs = vectors(values).iter().zip(vectors(input));
            for ((y, (v, x)), (scale, shift)) in vectors_mut(output).iter_mut().zip(inputs).zip(by_channel) {
                *y = from_fn(|i| x[i] * sigmoid((v[i] * scale[i] + shift[i]).max(0.0)));
            }
        }
    }
}

/// What there is by channel.
#[derive(Clone, Copy)]
pub(crate) struct GateChannels<'a> {
    /// Of the normalisation, times what dropout multiplies by.
    pub scale: &'a [f32],
    pub shift: &'a [f32],
    /// What dropout multiplies by.
    pub factors: &'a [f32],
    /// The gradient that each frame of the output gets from its mean.
    pub of_mean: &'a [f32],
}

vectorised_fn! {
    /// Goes back through [`gate`]: `grad` of the output becomes what the input gets directly.
    pub(crate) fn gate_back(
        values: &[f32],
        channels: GateChannels,
        input: &[f32],
        grad: &mut [f32],
        of_normalised: &mut [f32],
    ) {
        let GateChannels { scale, shift, factors, of_mean } = channels;
        let inputs = values.chunks_exact(scale.len()).zip(input.chunks_exact(scale.len()));
        let outputs = grad.chunks_exact_mut(scale.len()).zip(of_normalised.chunks_exact_mut(scale.len()));
        for ((grad, of_normalised), (values, input)) in outputs.zip(inputs) {
            let by_channel =
                vectors(scale).iter().zip(vectors(shift)).zip(vectors(factors).iter().zip(vectors(of_mean)));
            let inputs = vectors(values).iter().zip(vectors(input));
            let outputs = vectors_mut(grad).iter_mut().zip(vectors_mut(of_normalised));
            for (((grad, to), (v, x)), ((scale, shift), (factor, of_mean))) in outputs.zip(inputs).zip(by_channel) {
                let normalised: [f32; LANES] = from_fn(|i| v[i] * scale[i] + shift[i]);
                let gate: [f32; LANES] = from_fn(|i| sigmoid(normalised[i].max(0.0)));
                let of_output: [f32; LANES] = from_fn(|i| grad[i] + of_mean[i]);
                let passed: [f32; LANES] =
                    from_fn(|i| of_output[i] * x[i] * (gate[i] * (1.0 - gate[i]) * factor[i]));
                *grad = from_fn(|i| of_output[i] * gate[i]);
                *to = from_fn(|i| if normalised[i] > 0.0 { passed[i] } else { 0.0 });
            }
        }
    }
}

vectorised_fn! {
    /// Turns the gradient of normalised values into that of the values, `a * grad + b * value + c`.
    pub(crate) fn norm_back(values: &[f32], a: &[f32], b: &[f32], c: &[f32], grad: &mut [f32]) {
        for (grad, values) in grad.chunks_exact_mut(a.len()).zip(values.chunks_exact(a.len())) {
            let by_channel = vectors(a).iter().zip(vectors(b)).zip(vectors(c));
            for ((grad, x), ((a, b), c)) in vectors_mut(grad).iter_mut().zip(vectors(values)).zip(by_channel) {
                *grad = from_fn(|i| a[i] * grad[i] + (b[i] * x[i] + c[i]));
            }
        }
    }
}

vectorised_fn! {
    /// Adds the sums over frames of the gradient times the value less its mean, and of the gradient.
    pub(crate) fn add_norm_sums(grad: &[f32], values: &[f32], mean: &[f32], sums: &mut [Vec<f64>; 2]) {
        let n = mean.len() / LANES;
        let [by_value, sum] = sums;
        for (grad, values) in grad.chunks(SUMMED_FRAMES * mean.len()).zip(values.chunks(SUMMED_FRAMES * mean.len())) {
            for (column, mean) in vectors(mean).iter().enumerate() {
                let (mut of_block, mut by_value_of_block) = ([0f32; LANES], [0f32; LANES]);
                let rows = vectors(grad)[column..].iter().step_by(n).zip(vectors(values)[column..].iter().step_by(n));
                for (grad, x) in rows {
                    of_block = from_fn(|i| of_block[i] + grad[i]);
                    by_value_of_block = from_fn(|i| by_value_of_block[i] + grad[i] * (x[i] - mean[i]));
                }
                for i in 0..LANES {
                    sum[column * LANES + i] += f64::from(of_block[i]);
                    by_value[column * LANES + i] += f64::from(by_value_of_block[i]);
                }
            }
        }
    }
}
