use super::batch_norm::Moments;
use super::{slice, with_slices};
use crate::kernels::{Conv2d, Geometry, MaxPool, SummedMoments, exp, vectorised};
use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Tensor};
use rayon::prelude::*;
use std::sync::{Arc, OnceLock};

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

/// A step of a [`ConvStackOp`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    Plain(ConvNorm),
    /// The sum of `second` after `first` and of `shortcut`, or of the input itself, and ReLU. `second` and `shortcut` have no
    /// function, and none of them pools.
    Residual {
        first: ConvNorm,
        second: ConvNorm,
        shortcut: Option<ConvNorm>,
    },
}

impl Step {
    pub fn layers(&self) -> impl Iterator<Item = ConvNorm> {
        match *self {
            Self::Plain(layer) => [Some(layer), None, None],
            Self::Residual { first, second, shortcut } => [Some(first), Some(second), shortcut],
        }
        .into_iter()
        .flatten()
    }
}

/// Convolutional layers, one after the other, as one operation: each edge of candle's graph would cost three passes over
/// activations that are larger than a cache.
///
/// The arguments are the input `[batch, frames, bins, channels]`, zero past each utterance's length, and for each layer in
/// order the weight (as of [`Conv2d`]), scales and shifts of the normalisation, in one vector. The output is `[batch,
/// frames', bins', outputs]`, zero past the lengths of its frames.
pub(crate) struct ConvStackOp {
    pub steps: Arc<[Step]>,
    pub lengths: Arc<[usize]>,
    /// Fixed statistics of each layer; without them, those of the batch are taken and the backward pass goes through them.
    pub statistics: Option<Vec<Moments>>,
    /// What the forward pass keeps.
    pub saved: Arc<OnceLock<Saved>>,
}

pub(crate) struct Saved {
    /// Of each layer, and over how many positions.
    pub statistics: Vec<(Moments, f64)>,
    steps: Vec<SavedStep>,
}

/// What the backward pass of a step reads.
struct SavedStep {
    layers: Vec<SavedLayer>,
    /// The step's output, but of the last one, which candle keeps.
    output: Batch,
}

struct SavedLayer {
    /// Before the normalisation.
    values: Batch,
    /// Places of maxima in their windows, where there is pooling.
    places: Vec<u8>,
    affine: Affine,
    moments: Moments,
    count: f64,
}

/// Activations `[batch, frames, bins, channels]` with their valid lengths; what is past them may be anything.
#[derive(Clone)]
struct Batch {
    values: Vec<f32>,
    lengths: Arc<[usize]>,
    frames: usize,
    bins: usize,
    channels: usize,
}

impl Batch {
    fn new(lengths: Arc<[usize]>, frames: usize, bins: usize, channels: usize) -> Self {
        Self { values: vec![0f32; lengths.len() * frames * bins * channels], lengths, frames, bins, channels }
    }

    fn view(&self) -> View<'_> {
        let Self { values, lengths, frames, bins, channels } = self;
        View { values, lengths, frames: *frames, bins: *bins, channels: *channels }
    }
}

/// Borrowed [`Batch`].
#[derive(Clone, Copy)]
struct View<'a> {
    values: &'a [f32],
    lengths: &'a Arc<[usize]>,
    frames: usize,
    bins: usize,
    channels: usize,
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
struct Affine {
    scale: Vec<f32>,
    shift: Vec<f32>,
}

/// What a layer convolves: values, or the values before another layer's normalisation and ReLU, which are computed where
/// they are read.
#[derive(Clone, Copy)]
enum Source<'a> {
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
struct Parameters<'a> {
    weight: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
}

impl ConvNorm {
    pub fn n_parameters(&self) -> usize {
        self.conv.weight_len() + 2 * self.conv.outputs
    }

    fn parameters<'a>(&self, packed: &mut &'a [f32]) -> Result<Parameters<'a>> {
        let Some((own, rest)) = packed.split_at_checked(self.n_parameters()) else {
            candle_core::bail!("parameters do not fit {self:?}")
        };
        *packed = rest;
        let (weight, norm) = own.split_at(self.conv.weight_len());
        let (scale, shift) = norm.split_at(self.conv.outputs);
        Ok(Parameters { weight, scale, shift })
    }

    fn pools(&self) -> bool {
        self.pool != MaxPool::NONE
    }

    fn inverse_deviation(&self, moments: &Moments) -> Vec<f32> {
        moments.variance.iter().map(|v| 1.0 / (v + self.epsilon).sqrt()).collect()
    }

    fn affine(&self, moments: &Moments, parameters: Parameters) -> Affine {
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
    fn convolve(&self, source: Source, parameters: Parameters, with_moments: bool) -> (Batch, Option<SummedMoments>) {
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
    fn finish(&self, values: View, affine: &Affine, residual: Option<Residual>) -> (Batch, Vec<u8>) {
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
    fn backward(
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
struct Residual<'a> {
    batch: View<'a>,
    affine: Option<&'a Affine>,
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
struct Upstream<'a> {
    grad: View<'a>,
    /// The layer's output and the places of its maxima, where it pools.
    pooled: Option<(View<'a>, &'a [u8])>,
}

impl ConvStackOp {
    /// Convolves, takes the moments or the fixed statistics, and gives what a backward pass reads but places.
    fn layer(&self, layer: &ConvNorm, source: Source, packed: &mut &[f32], index: &mut usize) -> Result<SavedLayer> {
        let parameters = layer.parameters(packed)?;
        let fixed = match &self.statistics {
            Some(statistics) if *index < statistics.len() => Some(statistics[*index].clone()),
            Some(_) => candle_core::bail!("statistics do not fit the layers"),
            None => None,
        };
        *index += 1;
        let (values, summed) = layer.convolve(source, parameters, fixed.is_none());
        let count = summed.as_ref().map_or(0.0, |summed| summed.count);
        let batch = summed.map(|summed| Moments {
            mean: summed.mean.iter().map(|&mean| mean as f32).collect(),
            variance: summed.variance().map(|variance| variance as f32).collect(),
        });
        let Some(moments) = fixed.or(batch) else { candle_core::bail!("a layer without statistics") };
        let affine = layer.affine(&moments, parameters);
        Ok(SavedLayer { values, places: Vec::new(), affine, moments, count })
    }

    fn forward(&self, shape: &Shape, input: &[f32], packed: &[f32]) -> Result<(CpuStorage, Shape)> {
        let (batch, frames, bins, channels) = shape.dims4()?;
        let first = self.steps.first().and_then(|step| step.layers().next());
        if first.is_none_or(|layer| layer.conv.channels != channels) || batch != self.lengths.len() || frames == 0 {
            candle_core::bail!("{:?} does not fit input {shape:?}", self.steps);
        }
        let mut packed = packed;
        let mut index = 0;
        let mut saved: Vec<SavedStep> = Vec::new();
        let keeps = self.statistics.is_none();
        for step in &self.steps[..] {
            let input = match saved.last() {
                None => View { values: input, lengths: &self.lengths, frames, bins, channels },
                Some(step) => step.output.view(),
            };
            let mut next = match step {
                Step::Plain(layer) => {
                    let mut of_layer = self.layer(layer, Source::Values(input), &mut packed, &mut index)?;
                    let (output, places) = layer.finish(of_layer.values.view(), &of_layer.affine, None);
                    of_layer.places = places;
                    SavedStep { layers: vec![of_layer], output }
                }
                Step::Residual { first, second, shortcut } => {
                    let of_first = self.layer(first, Source::Values(input), &mut packed, &mut index)?;
                    let between = Source::Before(of_first.values.view(), &of_first.affine);
                    let of_second = self.layer(second, between, &mut packed, &mut index)?;
                    let of_shortcut = match shortcut {
                        Some(layer) => Some(self.layer(layer, Source::Values(input), &mut packed, &mut index)?),
                        None => None,
                    };
                    let residual = match &of_shortcut {
                        Some(saved) => Residual { batch: saved.values.view(), affine: Some(&saved.affine) },
                        None => Residual { batch: input, affine: None },
                    };
                    let (output, _) = second.finish(of_second.values.view(), &of_second.affine, Some(residual));
                    SavedStep { layers: [of_first, of_second].into_iter().chain(of_shortcut).collect(), output }
                }
            };
            if !keeps {
                next.layers = Vec::new();
                saved.clear();
            }
            saved.push(next);
        }
        let Some(last) = saved.last_mut() else { candle_core::bail!("no layers") };
        let shape = Shape::from((batch, last.output.frames, last.output.bins, last.output.channels));
        let output = std::mem::take(&mut last.output.values);
        let statistics = saved.iter().flat_map(|step| &step.layers);
        let statistics = statistics.map(|layer| (layer.moments.clone(), layer.count)).collect();
        if keeps && self.saved.set(Saved { statistics, steps: saved }).is_err() {
            candle_core::bail!("one stack is one operation: it cannot be applied twice");
        }
        Ok((CpuStorage::F32(output), shape))
    }

    /// The gradients of the input, if it is wanted, and of the parameters.
    fn backward(&self, slices: [&[f32]; 4], dims: [usize; 4], needs_input: bool) -> Result<(Vec<f32>, Vec<f32>)> {
        let [input, packed, output, grad] = slices;
        let [_, frames, bins, channels] = dims;
        let Some(saved) = self.saved.get() else { candle_core::bail!("no gradient goes through fixed statistics") };
        let network_input = View { values: input, lengths: &self.lengths, frames, bins, channels };
        let mut parameters: Vec<Vec<Parameters>> = Vec::new();
        let mut rest = packed;
        for step in &self.steps[..] {
            parameters.push(step.layers().map(|layer| layer.parameters(&mut rest)).collect::<Result<_>>()?);
        }
        let mut grad = grad.to_vec();
        let mut of_steps: Vec<Vec<f32>> = Vec::new();
        for (index, step) in self.steps.iter().enumerate().rev() {
            let input = match index.checked_sub(1) {
                None => network_input,
                Some(before) => saved.steps[before].output.view(),
            };
            let SavedStep { layers, output: kept } = &saved.steps[index];
            let kept =
                View { values: if index + 1 == self.steps.len() { output } else { &kept.values }, ..kept.view() };
            let wants_input = needs_input || index > 0;
            let source = Source::Values(input);
            let own = &parameters[index];
            let mut grad_input = Vec::new();
            let of_step = match step {
                Step::Plain(layer) => {
                    grad_input.resize(if wants_input { input.values.len() } else { 0 }, 0f32);
                    let grad = View { values: &grad, ..kept };
                    let pooled = layer.pools().then_some((kept, &layers[0].places[..]));
                    let wanted = wants_input.then_some(&mut grad_input[..]);
                    layer.backward(source, &layers[0], own[0], Upstream { grad, pooled }, wanted)
                }
                Step::Residual { first, second, shortcut } => {
                    grad.par_chunks_mut(1 << 14).zip(kept.values.par_chunks(1 << 14)).for_each(|(grad, y)| {
                        vectorised(|| {
                            grad.iter_mut().zip(y).for_each(|(grad, &y)| *grad = if y > 0.0 { *grad } else { 0.0 });
                        });
                    });
                    let upstream = Upstream { grad: View { values: &grad, ..kept }, pooled: None };
                    let between = Source::Before(layers[0].values.view(), &layers[0].affine);
                    let mut of_between = vec![0f32; layers[0].values.values.len()];
                    let of_second = second.backward(between, &layers[1], own[1], upstream, Some(&mut of_between));
                    let of_shortcut = shortcut.map(|layer| {
                        grad_input.resize(if wants_input { input.values.len() } else { 0 }, 0f32);
                        let wanted = wants_input.then_some(&mut grad_input[..]);
                        layer.backward(source, &layers[2], own[2], upstream, wanted)
                    });
                    if shortcut.is_none() {
                        grad_input = std::mem::take(&mut grad);
                    }
                    let grad = View { values: &of_between, ..layers[0].values.view() };
                    let wanted = wants_input.then_some(&mut grad_input[..]);
                    let of_first = first.backward(source, &layers[0], own[0], Upstream { grad, pooled: None }, wanted);
                    [of_first, of_second, of_shortcut.unwrap_or_default()].concat()
                }
            };
            of_steps.push(of_step);
            grad = grad_input;
        }
        of_steps.reverse();
        Ok((grad, of_steps.concat()))
    }
}

impl CustomOp2 for ConvStackOp {
    fn name(&self) -> &'static str {
        "conv-stack"
    }

    fn cpu_fwd(
        &self,
        input: &CpuStorage,
        input_layout: &Layout,
        packed: &CpuStorage,
        packed_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.forward(input_layout.shape(), slice(input, input_layout)?, slice(packed, packed_layout)?)
    }

    fn bwd(
        &self,
        input: &Tensor,
        packed: &Tensor,
        output: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let (batch, frames, bins, channels) = input.dims4()?;
        let dims = [batch, frames, bins, channels];
        // The network's own input needs no gradient.
        let needs_input = input.track_op();
        let (of_input, of_packed) =
            with_slices([input, packed, output, &grad], |slices| self.backward(slices, dims, needs_input))??;
        let of_input = match needs_input {
            true => Some(Tensor::from_vec(of_input, input.shape(), &Device::Cpu)?),
            false => None,
        };
        Ok((of_input, Some(Tensor::from_vec(of_packed, packed.shape(), &Device::Cpu)?)))
    }
}
