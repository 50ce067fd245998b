use super::norm::Moments;
use crate::kernels::{Conv2d, Geometry, MaxPool, SummedMoments, exp, vectorised};
use candle_core::Result;
use rayon::prelude::*;
use std::sync::Arc;

/// Weight gradients are summed in this many groups of utterances, whatever the number of threads.
const GROUPS: usize = 8;

/// The function that follows a normalisation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Nonlinearity {
    Identity,
    Relu,
    /// Exponential linear unit (Clevert et al. 2015, arXiv 1511.07289), with `alpha` 1.
    Elu,
}

impl Nonlinearity {
    #[inline]
    fn apply(self, x: f32) -> f32 {
        match self {
            Self::Identity => x,
            Self::Relu => x.max(0.0),
            Self::Elu => x.max(0.0) + (exp(x.min(0.0)) - 1.0),
        }
    }

    /// The derivative, from the function's value.
    #[inline]
    fn derivative(self, y: f32) -> f32 {
        match self {
            Self::Identity => 1.0,
            Self::Relu => f32::from(u8::from(y > 0.0)),
            Self::Elu => 1.0 + y.min(0.0),
        }
    }
}

/// A two-dimensional convolution, batch normalisation over valid frames, maximum pooling over frames and bins, and a
/// function that rises: what it makes of a maximum is the maximum of what it makes, so it is computed after the pooling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ConvNorm {
    pub conv: Conv2d,
    pub pool: MaxPool,
    pub function: Nonlinearity,
    pub epsilon: f32,
}

pub(super) struct SavedLayer {
    /// Before the normalisation.
    pub(super) values: Batch,
    /// Places of maxima in their windows, where there is pooling.
    pub(super) places: Vec<u8>,
    pub(super) affine: Affine,
    pub(super) moments: Moments,
    pub(super) count: f64,
}

/// Activations `[batch, frames, bins, channels]` with their valid lengths; what is past them may be anything.
#[derive(Clone)]
pub(super) struct Batch {
    pub(super) values: Vec<f32>,
    pub(super) lengths: Arc<[usize]>,
    pub(super) frames: usize,
    pub(super) bins: usize,
    pub(super) channels: usize,
}

impl Batch {
    fn new(lengths: Arc<[usize]>, frames: usize, bins: usize, channels: usize) -> Self {
        Self { values: vec![0f32; lengths.len() * frames * bins * channels], lengths, frames, bins, channels }
    }

    pub(super) fn view(&self) -> View<'_> {
        let Self { values, lengths, frames, bins, channels } = self;
        View { values, lengths, frames: *frames, bins: *bins, channels: *channels }
    }
}

/// Borrowed [`Batch`].
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) values: &'a [f32],
    pub(super) lengths: &'a Arc<[usize]>,
    pub(super) frames: usize,
    pub(super) bins: usize,
    pub(super) channels: usize,
}

impl<'a> View<'a> {
    fn row(self) -> usize {
        self.bins * self.channels
    }

    /// The valid frames of an utterance.
    fn utterance(self, index: usize) -> &'a [f32] {
        &self.values[index * self.frames * self.row()..][..self.lengths[index] * self.row()]
    }

    fn n_utterances(self) -> usize {
        self.lengths.len()
    }
}

/// `scale * x + shift` for each channel.
#[derive(Clone)]
pub(super) struct Affine {
    pub(super) scale: Vec<f32>,
    pub(super) shift: Vec<f32>,
}

/// What a layer convolves: values, or the values before another layer's normalisation and ReLU, which are computed where
/// they are read.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    Values(View<'a>),
    Before(View<'a>, &'a Affine),
}

impl<'a> Source<'a> {
    fn view(self) -> View<'a> {
        match self {
            Self::Values(view) | Self::Before(view, _) => view,
        }
    }
}

/// Repeats a value for each channel, for each bin: loops over whole frames are long enough for vectors.
fn repeated(values: &[f32], bins: usize) -> Vec<f32> {
    values.repeat(bins)
}

/// Sums over bins, for each channel, what was summed over frames.
fn fold(sums: &[f64], channels: usize) -> Vec<f64> {
    let mut folded = vec![0f64; channels];
    for row in sums.chunks_exact(channels) {
        folded.iter_mut().zip(row).for_each(|(sum, term)| *sum += term);
    }
    folded
}

/// Frames that are summed in f32 before their sum is added in f64.
const BLOCK: usize = 64;

/// Sums over frames of some number of values: `add` adds a frame to the sums.
fn frame_sums(frames: usize, width: usize, mut add: impl FnMut(usize, &mut [f32])) -> Vec<f64> {
    let (mut total, mut sums) = (vec![0f64; width], vec![0f32; width]);
    for start in (0..frames).step_by(BLOCK) {
        sums.fill(0.0);
        (start..frames.min(start + BLOCK)).for_each(|frame| add(frame, &mut sums));
        total.iter_mut().zip(&sums).for_each(|(total, &sum)| *total += f64::from(sum));
    }
    total
}

fn summed_moments(values: &[f32], bins: usize, channels: usize) -> SummedMoments {
    let width = bins * channels;
    let frames = values.len() / width;
    let count = (frames * bins) as f64;
    vectorised(|| {
        let sums = frame_sums(frames, width, |frame, sums| {
            sums.iter_mut().zip(&values[frame * width..]).for_each(|(sum, x)| *sum += x);
        });
        let mean: Vec<f32> = fold(&sums, channels).iter().map(|sum| (sum / count.max(1.0)) as f32).collect();
        let centre = repeated(&mean, bins);
        let squares = frame_sums(frames, width, |frame, sums| {
            let row = &values[frame * width..];
            sums.iter_mut().zip(row).zip(&centre).for_each(|((sum, x), mean)| *sum += (x - mean) * (x - mean));
        });
        SummedMoments { count, mean: mean.into_iter().map(f64::from).collect(), squares: fold(&squares, channels) }
    })
}

/// The parameters of a layer, in a vector of those of all.
#[derive(Clone, Copy)]
pub(super) struct Parameters<'a> {
    pub(super) weight: &'a [f32],
    pub(super) scale: &'a [f32],
    pub(super) shift: &'a [f32],
}

impl ConvNorm {
    pub fn n_parameters(&self) -> usize {
        self.conv.weight_len() + 2 * self.conv.outputs
    }

    pub(super) fn parameters<'a>(&self, packed: &mut &'a [f32]) -> Result<Parameters<'a>> {
        let Some((own, rest)) = packed.split_at_checked(self.n_parameters()) else {
            candle_core::bail!("parameters do not fit {self:?}")
        };
        *packed = rest;
        let (weight, norm) = own.split_at(self.conv.weight_len());
        let (scale, shift) = norm.split_at(self.conv.outputs);
        Ok(Parameters { weight, scale, shift })
    }

    pub(super) fn pools(&self) -> bool {
        self.pool != MaxPool::NONE
    }

    fn inverse_deviation(&self, moments: &Moments) -> Vec<f32> {
        moments.variance.iter().map(|v| 1.0 / (v + self.epsilon).sqrt()).collect()
    }

    pub(super) fn affine(&self, moments: &Moments, parameters: Parameters) -> Affine {
        let scale: Vec<f32> =
            self.inverse_deviation(moments).iter().zip(parameters.scale).map(|(s, w)| s * w).collect();
        let shift = parameters.shift.iter().zip(&moments.mean).zip(&scale).map(|((b, mean), s)| b - mean * s).collect();
        Affine { scale, shift }
    }

    /// Lays out the inputs of one utterance.
    fn pad_inputs(&self, source: Source, utterance: usize, padded: &mut Vec<f32>) {
        let view = source.view();
        let (values, width, frames) = (view.utterance(utterance), view.row(), view.lengths[utterance]);
        match source {
            Source::Values(_) => self.conv.pad_inputs(frames, view.bins, padded, |frame, to| {
                to.copy_from_slice(&values[frame * width..][..width]);
            }),
            Source::Before(_, affine) => {
                let (scale, shift) = (repeated(&affine.scale, view.bins), repeated(&affine.shift, view.bins));
                vectorised(|| {
                    self.conv.pad_inputs(frames, view.bins, padded, |frame, to| {
                        let row = &values[frame * width..];
                        for (((to, x), scale), shift) in to.iter_mut().zip(row).zip(&scale).zip(&shift) {
                            *to = (x * scale + shift).max(0.0);
                        }
                    });
                });
            }
        }
    }

    /// Convolves a batch; gives the values before the normalisation, with their moments if they are wanted.
    pub(super) fn convolve(
        &self,
        source: Source,
        parameters: Parameters,
        with_moments: bool,
    ) -> (Batch, Option<SummedMoments>) {
        let view = source.view();
        let conv = self.conv;
        let geometry = conv.plan(view.frames, view.bins);
        let lengths = view.lengths.iter().map(|&n| conv.output_len(n)).collect();
        let mut batch = Batch::new(lengths, conv.output_len(view.frames), conv.output_len(view.bins), conv.outputs);
        let row = batch.bins * batch.channels;
        let moments: Vec<Option<SummedMoments>> = batch
            .values
            .par_chunks_exact_mut(batch.frames * row)
            .zip(&batch.lengths[..])
            .enumerate()
            .map_init(Vec::new, |padded, (utterance, (values, &length))| {
                self.pad_inputs(source, utterance, padded);
                let values = &mut values[..length * row];
                geometry.forward(padded, parameters.weight, values);
                with_moments.then(|| summed_moments(values, batch.bins, batch.channels))
            })
            .collect();
        let merged = with_moments
            .then(|| moments.iter().flatten().fold(SummedMoments::empty(conv.outputs), |all, part| all.merge(part)));
        (batch, merged)
    }

    /// Normalises, pools and applies the function; gives the places of the maxima where there is pooling.
    pub(super) fn finish(&self, values: View, affine: &Affine, residual: Option<Residual>) -> (Batch, Vec<u8>) {
        let (pool, channels, row) = (self.pool, values.channels, values.row());
        let lengths = values.lengths.iter().map(|&n| pool.output_len(n)).collect();
        let mut output = Batch::new(lengths, pool.output_len(values.frames), pool.output_len(values.bins), channels);
        let mut places = vec![0u8; if self.pools() { output.values.len() } else { 0 }];
        let of_output = output.frames * output.bins * channels;
        let valid = |index: usize| output.lengths[index] * output.bins * channels;
        if self.pools() {
            let outputs = output.values.par_chunks_exact_mut(of_output).zip(places.par_chunks_exact_mut(of_output));
            outputs.enumerate().for_each(|(index, (output, places))| {
                let (output, places) = (&mut output[..valid(index)], &mut places[..valid(index)]);
                vectorised(|| {
                    pool.forward_2d(values.utterance(index), values.bins, &affine.scale, &affine.shift, output, places);
                    output.iter_mut().for_each(|y| *y = self.function.apply(*y));
                });
            });
        } else {
            let (scale, shift) = (repeated(&affine.scale, values.bins), repeated(&affine.shift, values.bins));
            output.values.par_chunks_exact_mut(of_output).enumerate().for_each(|(index, output)| {
                let rows = output[..valid(index)].chunks_exact_mut(row).zip(values.utterance(index).chunks_exact(row));
                vectorised(|| match &residual {
                    None => {
                        for (y, x) in rows {
                            for (((y, x), scale), shift) in y.iter_mut().zip(x).zip(&scale).zip(&shift) {
                                *y = self.function.apply(x * scale + shift);
                            }
                        }
                    }
                    Some(residual) => {
                        let other = residual.batch.utterance(index).chunks_exact(row);
                        let (other_scale, other_shift) = residual.repeated(values.bins);
                        for ((y, x), other) in rows.zip(other) {
                            let affine = scale.iter().zip(&shift).zip(other_scale.iter().zip(&other_shift));
                            for (((y, x), other), ((s, b), (other_s, other_b))) in
                                y.iter_mut().zip(x).zip(other).zip(affine)
                            {
                                *y = (x * s + b + (other * other_s + other_b)).max(0.0);
                            }
                        }
                    }
                });
            });
        }
        (output, places)
    }

    /// Calls `visit(channel, index in values, gradient)` for each maximum of an utterance.
    fn for_each_maximum(&self, of: &Upstream, index: usize, values: View, mut visit: impl FnMut(usize, usize, f32)) {
        let Some((output, places)) = of.pooled else { return };
        let (channels, start) = (values.channels, index * output.frames * output.row());
        let rows = of.grad.utterance(index).chunks_exact(channels);
        let rows = rows.zip(output.utterance(index).chunks_exact(channels)).zip(places[start..].chunks_exact(channels));
        let mut rows = rows;
        for frames in self.pool.windows(values.lengths[index]) {
            for bins in self.pool.windows(values.bins) {
                let Some(((grad, output), places)) = rows.next() else { return };
                for (c, ((&grad, &y), &place)) in grad.iter().zip(output).zip(places).enumerate() {
                    let place = usize::from(place);
                    let (frame, bin) = (frames.start + place / bins.len(), bins.start + place % bins.len());
                    visit(c, (frame * values.bins + bin) * channels + c, grad * self.function.derivative(y));
                }
            }
        }
    }

    /// Goes back through the layer. Adds to `grad_input`, if that is wanted; gives the gradient of the parameters, packed.
    pub(super) fn backward(
        &self,
        source: Source,
        saved: &SavedLayer,
        parameters: Parameters,
        upstream: Upstream,
        grad_input: Option<&mut [f32]>,
    ) -> Vec<f32> {
        let (values, conv, input) = (saved.values.view(), self.conv, source.view());
        let (channels, row) = (values.channels, values.row());
        let inverse_deviation = self.inverse_deviation(&saved.moments);
        let mean = repeated(&saved.moments.mean, values.bins);
        let (scale, shift) = (repeated(&saved.affine.scale, values.bins), repeated(&saved.affine.shift, values.bins));
        let function = self.function;
        // The gradient before the function: at its place, not at a maximum's.
        let passed = |grad: f32, x: f32, scale: f32, shift: f32| match function {
            Nonlinearity::Identity => grad,
            _ => grad * function.derivative(function.apply(x * scale + shift)),
        };

        // Gradients of the normalisation's scale (but the factor of the deviation) and shift.
        let sums: Vec<[Vec<f64>; 2]> = (0..values.n_utterances())
            .into_par_iter()
            .map(|index| {
                let x = values.utterance(index);
                if upstream.pooled.is_some() {
                    let (mut of_scale, mut of_shift) = (vec![0f64; channels], vec![0f64; channels]);
                    self.for_each_maximum(&upstream, index, values, |c, at, grad| {
                        of_scale[c] += f64::from(grad * (x[at] - mean[c]));
                        of_shift[c] += f64::from(grad);
                    });
                    return [of_scale, of_shift];
                }
                let grad = upstream.grad.utterance(index);
                let sums = vectorised(|| {
                    frame_sums(values.lengths[index], 2 * row, |frame, sums| {
                        let (of_scale, of_shift) = sums.split_at_mut(row);
                        let rows = grad[frame * row..][..row].iter().zip(&x[frame * row..][..row]);
                        let affine = scale.iter().zip(&shift).zip(&mean);
                        for (((of_scale, of_shift), (&grad, &x)), ((&scale, &shift), &mean)) in
                            of_scale.iter_mut().zip(of_shift).zip(rows).zip(affine)
                        {
                            let grad = passed(grad, x, scale, shift);
                            *of_scale += grad * (x - mean);
                            *of_shift += grad;
                        }
                    })
                });
                let (of_scale, of_shift) = sums.split_at(row);
                [fold(of_scale, channels), fold(of_shift, channels)]
            })
            .collect();
        let total =
            |of: usize| -> Vec<f64> { (0..channels).map(|c| sums.iter().map(|sums| sums[of][c]).sum()).collect() };
        let (mut grad_scale, grad_shift) = (total(0), total(1));
        grad_scale.iter_mut().zip(&inverse_deviation).for_each(|(grad, &s)| *grad *= f64::from(s));

        // Before the normalisation the gradient is a * g + b * x + c by channel (Ioffe and Szegedy 2015, arXiv 1502.03167,
        // section 3).
        let a: Vec<f32> = parameters.scale.iter().zip(&inverse_deviation).map(|(w, s)| w * s).collect();
        let b: Vec<f32> = (0..channels)
            .map(|i| (-f64::from(a[i] * inverse_deviation[i]) * grad_scale[i] / saved.count) as f32)
            .collect();
        let c: Vec<f32> = (0..channels)
            .map(|i| (-f64::from(a[i]) * grad_shift[i] / saved.count) as f32 - b[i] * saved.moments.mean[i])
            .collect();
        let [a_row, b_row, c_row] = [&a, &b, &c].map(|of| repeated(of, values.bins));

        let geometry: Geometry = conv.plan(input.frames, input.bins);
        let adjoint = if grad_input.is_some() { conv.adjoint_weight(parameters.weight) } else { Vec::new() };
        let of_input = input.frames * input.row();
        let mut grad_inputs: Vec<Option<&mut [f32]>> = match grad_input {
            Some(grad_input) => grad_input.chunks_exact_mut(of_input).map(Some).collect(),
            None => (0..input.n_utterances()).map(|_| None).collect(),
        };
        let in_group = input.n_utterances().div_ceil(GROUPS);
        let of_groups: Vec<Vec<f32>> = grad_inputs
            .par_chunks_mut(in_group)
            .enumerate()
            .map(|(group, grad_inputs)| {
                let (mut padded, mut gradients, mut at_maxima) = (Vec::new(), Vec::new(), Vec::new());
                let mut grad_weight = vec![0f32; conv.weight_len()];
                for (member, grad_input) in grad_inputs.iter_mut().enumerate() {
                    let index = group * in_group + member;
                    let (x, frames) = (values.utterance(index), values.lengths[index]);
                    let grad: &[f32] = if upstream.pooled.is_some() {
                        at_maxima.clear();
                        at_maxima.resize(x.len(), 0f32);
                        self.for_each_maximum(&upstream, index, values, |_, at, grad| at_maxima[at] += grad);
                        &at_maxima
                    } else {
                        upstream.grad.utterance(index)
                    };
                    let at_place = upstream.pooled.is_none();
                    vectorised(|| {
                        conv.pad_gradients(frames, values.bins, &mut gradients, |frame, to| {
                            let rows = grad[frame * row..][..row].iter().zip(&x[frame * row..][..row]);
                            let affine = scale.iter().zip(&shift).zip(a_row.iter().zip(&b_row).zip(&c_row));
                            for ((to, (&grad, &x)), ((&scale, &shift), ((&a, &b), &c))) in
                                to.iter_mut().zip(rows).zip(affine)
                            {
                                let grad = if at_place { passed(grad, x, scale, shift) } else { grad };
                                *to = a * grad + b * x + c;
                            }
                        });
                    });
                    self.pad_inputs(source, index, &mut padded);
                    geometry.add_weight_gradient(&padded, &gradients, frames, &mut grad_weight);
                    if let Some(grad_input) = grad_input {
                        let grad_input = &mut grad_input[..input.lengths[index] * input.row()];
                        geometry.add_input_gradient(&gradients, &adjoint, grad_input);
                    }
                }
                grad_weight
            })
            .collect();
        let mut of_groups = of_groups.into_iter();
        let mut packed = of_groups.next().unwrap_or_default();
        for of_group in of_groups {
            packed.iter_mut().zip(of_group).for_each(|(sum, term)| *sum += term);
        }
        packed.extend(grad_scale.into_iter().chain(grad_shift).map(|sum| sum as f32));
        packed
    }
}

/// What is added to a normalised layer: a batch, and what is done to it before.
pub(super) struct Residual<'a> {
    pub(super) batch: View<'a>,
    pub(super) affine: Option<&'a Affine>,
}

impl Residual<'_> {
    fn repeated(&self, bins: usize) -> (Vec<f32>, Vec<f32>) {
        let width = bins * self.batch.channels;
        match self.affine {
            Some(affine) => (repeated(&affine.scale, bins), repeated(&affine.shift, bins)),
            None => (vec![1.0; width], vec![0.0; width]),
        }
    }
}

/// The gradient that a layer is given.
#[derive(Clone, Copy)]
pub(super) struct Upstream<'a> {
    pub(super) grad: View<'a>,
    /// The layer's output and the places of its maxima, where it pools.
    pub(super) pooled: Option<(View<'a>, &'a [u8])>,
}
