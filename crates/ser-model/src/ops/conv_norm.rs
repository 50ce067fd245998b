use super::kept::Kept;
use super::norm::{Affine, Moments, NormGradient};
use super::norm_rows::{
    Nonlinearity, add_normalised, fold, norm_back, norm_sums, normalise, summed_moments, with_function,
};
use super::total;
use crate::kernels::{Conv2d, Geometry, MaxPool, SummedMoments, vectorised_fn};
use candle_core::Result;
use rayon::prelude::*;
use std::sync::Arc;

/// Weight gradients are summed in this many groups of utterances, whatever the number of threads.
const GROUPS: usize = 8;

/// A two-dimensional convolution, batch normalisation over valid frames, maximum pooling over frames and bins, and a
/// function that rises: what it makes of a maximum is the maximum of what it makes, so it is computed after the pooling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ConvNorm {
    pub conv: Conv2d,
    pub pool: MaxPool,
    pub function: Nonlinearity,
    pub epsilon: f64,
}

/// What the backward pass of a layer reads.
#[derive(Default)]
pub(super) struct LayerMemory {
    /// Before the normalisation.
    pub(super) values: Batch,
    /// Places of maxima in their windows, where there is pooling.
    pub(super) places: Vec<u8>,
    pub(super) affine: Affine,
    pub(super) moments: Moments,
    pub(super) count: f64,
}

/// What the passes over an utterance read and write.
#[derive(Default)]
pub(super) struct UtteranceMemory {
    /// Inputs with the convolution's zeros around.
    inputs: Vec<f32>,
    /// Gradients of the values before the normalisation, with the adjoint's zeros around.
    gradients: Vec<f32>,
    /// Gradients of pooled values, at the places of the maxima.
    at_maxima: Vec<f32>,
}

/// Activations `[batch, frames, bins, channels]` with their valid lengths; what is past them may be anything.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) values: Vec<f32>,
    pub(super) lengths: Arc<[usize]>,
    pub(super) frames: usize,
    pub(super) bins: usize,
    pub(super) channels: usize,
}

impl Batch {
    /// Makes place for other activations.
    fn reshape(&mut self, lengths: Arc<[usize]>, [frames, bins, channels]: [usize; 3]) {
        self.values.resize(lengths.len() * frames * bins * channels, 0.0);
        (self.lengths, self.frames, self.bins, self.channels) = (lengths, frames, bins, channels);
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
    pub(super) fn utterance(self, index: usize) -> &'a [f32] {
        &self.values[index * self.frames * self.row()..][..self.lengths[index] * self.row()]
    }

    fn n_utterances(self) -> usize {
        self.lengths.len()
    }
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

vectorised_fn! {
    /// Takes maxima of what is normalised, and applies the function.
    fn pool_rows(layer: &ConvNorm, values: View, index: usize, affine: &Affine, output: &mut [f32], places: &mut [u8]) {
        let (values, bins) = (values.utterance(index), values.bins);
        layer.pool.forward_2d(values, bins, &affine.scale, &affine.shift, output, places);
        with_function!(layer.function, FUNCTION => output.iter_mut().for_each(|y| *y = FUNCTION.apply(*y)));
    }
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

    pub(super) fn affine(&self, moments: &Moments, parameters: Parameters) -> Affine {
        Affine::new(moments, self.epsilon, parameters.scale, parameters.shift)
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
                let affine = affine.repeated(view.bins);
                self.conv.pad_inputs(frames, view.bins, padded, |frame, to| {
                    normalise(&values[frame * width..][..width], &affine, Nonlinearity::Relu, to);
                });
            }
        }
    }

    /// Convolves a batch to the values before the normalisation; gives their moments if they are wanted.
    pub(super) fn convolve(
        &self,
        source: Source,
        parameters: Parameters,
        with_moments: bool,
        batch: &mut Batch,
        memory: &Kept<UtteranceMemory>,
    ) -> Option<SummedMoments> {
        let (view, conv) = (source.view(), self.conv);
        let geometry = conv.plan(view.frames, view.bins);
        let lengths = view.lengths.iter().map(|&n| conv.output_len(n)).collect();
        batch.reshape(lengths, [conv.output_len(view.frames), conv.output_len(view.bins), conv.outputs]);
        let (row, bins) = (batch.bins * batch.channels, batch.bins);
        let moments: Vec<Option<SummedMoments>> = batch
            .values
            .par_chunks_exact_mut(batch.frames * row)
            .zip(&batch.lengths[..])
            .enumerate()
            .map(|(utterance, (values, &length))| {
                let mut memory_of_utterance = memory.take();
                self.pad_inputs(source, utterance, &mut memory_of_utterance.inputs);
                let values = &mut values[..length * row];
                geometry.forward(&memory_of_utterance.inputs, parameters.weight, values);
                memory.give(memory_of_utterance);
                with_moments.then(|| summed_moments(values, bins, conv.outputs))
            })
            .collect();
        with_moments
            .then(|| moments.iter().flatten().fold(SummedMoments::empty(conv.outputs), |all, part| all.merge(part)))
    }

    /// Normalises, pools and applies the function to `output`; writes the places of the maxima where there is pooling.
    pub(super) fn finish(
        &self,
        values: View,
        affine: &Affine,
        residual: Option<Residual>,
        output: &mut Batch,
        places: &mut Vec<u8>,
    ) {
        let (pool, channels) = (self.pool, values.channels);
        let lengths = values.lengths.iter().map(|&n| pool.output_len(n)).collect();
        output.reshape(lengths, [pool.output_len(values.frames), pool.output_len(values.bins), channels]);
        let of_output = output.frames * output.bins * channels;
        let (lengths, bins) = (&output.lengths, output.bins);
        let valid = |index: usize| lengths[index] * bins * channels;
        if self.pools() {
            places.resize(output.values.len(), 0);
            let outputs = output.values.par_chunks_exact_mut(of_output).zip(places.par_chunks_exact_mut(of_output));
            outputs.enumerate().for_each(|(index, (output, places))| {
                pool_rows(self, values, index, affine, &mut output[..valid(index)], &mut places[..valid(index)]);
            });
        } else {
            let affine = affine.repeated(values.bins);
            let other_affine = residual.as_ref().map(|residual| residual.affine.repeated(values.bins));
            output.values.par_chunks_exact_mut(of_output).enumerate().for_each(|(index, output)| {
                let (output, values) = (&mut output[..valid(index)], values.utterance(index));
                match (&residual, &other_affine) {
                    (Some(residual), Some(other_affine)) => {
                        add_normalised(values, &affine, residual.batch.utterance(index), other_affine, output);
                    }
                    _ => normalise(values, &affine, self.function, output),
                }
            });
        }
    }

    /// Calls `visit(channel, index in values, gradient)` for each maximum of an utterance.
    fn for_each_maximum(
        &self,
        grad: &[f32],
        Pooled { output, places }: Pooled,
        index: usize,
        values: View,
        mut visit: impl FnMut(usize, usize, f32),
    ) {
        let (channels, start) = (values.channels, index * output.frames * output.row());
        let rows = grad.chunks_exact(channels);
        let rows = rows.zip(output.utterance(index).chunks_exact(channels)).zip(places[start..].chunks_exact(channels));
        let mut rows = rows;
        let mut starts = Vec::new();
        for frames in self.pool.windows(values.lengths[index]) {
            for bins in self.pool.windows(values.bins) {
                let Some(((grad, output), places)) = rows.next() else { return };
                starts.clear();
                let positions = frames.clone().flat_map(|frame| bins.clone().map(move |bin| frame * values.bins + bin));
                starts.extend(positions.map(|position| position * channels));
                let rows = grad.iter().zip(output).zip(places).enumerate();
                with_function!(self.function, FUNCTION => rows.for_each(|(c, ((&grad, &y), &place))| {
                    visit(c, starts[usize::from(place)] + c, grad * FUNCTION.derivative(y));
                }));
            }
        }
    }
}

/// A layer on the way back.
pub(super) struct LayerBackward<'a> {
    pub(super) layer: ConvNorm,
    pub(super) saved: &'a LayerMemory,
    pub(super) parameters: Parameters<'a>,
    pub(super) memory: &'a Kept<UtteranceMemory>,
}

impl LayerBackward<'_> {
    fn pooled<'a>(&'a self, output: View<'a>) -> Option<Pooled<'a>> {
        self.layer.pools().then_some(Pooled { output, places: &self.saved.places })
    }

    /// The sums over an utterance of the gradients before the function, times the values less their means, and of themselves, by
    /// channel; from the gradients after it.
    pub(super) fn sums(&self, grad: &[f32], output: View, index: usize) -> NormSums {
        let Self { layer, saved, .. } = self;
        let (values, channels) = (saved.values.view(), saved.values.channels);
        let (x, mean) = (values.utterance(index), &saved.moments.mean);
        if let Some(pooled) = self.pooled(output) {
            let (mut of_scale, mut of_shift) = (vec![0f64; channels], vec![0f64; channels]);
            layer.for_each_maximum(grad, pooled, index, values, |c, at, grad| {
                of_scale[c] += f64::from(grad * (x[at] - mean[c]));
                of_shift[c] += f64::from(grad);
            });
            return [of_scale, of_shift];
        }
        let affine = saved.affine.repeated(values.bins);
        let sums = norm_sums(grad, x, &affine, &mean.repeat(values.bins), layer.function);
        let (of_scale, of_shift) = sums.split_at(values.row());
        [fold(of_scale, channels), fold(of_shift, channels)]
    }

    /// Goes back through the layer. Gives the gradient of the parameters, packed, and what becomes of that of each utterance's
    /// input, if it is wanted.
    pub(super) fn backward(
        &self,
        source: Source,
        upstream: Upstream,
        of_input: Option<InputGradient>,
    ) -> (Vec<f32>, Vec<Vec<NormSums>>) {
        let &Self { layer, saved, parameters, memory } = self;
        let (values, conv, input) = (saved.values.view(), layer.conv, source.view());
        let (channels, row) = (values.channels, values.row());
        let (affine, function) = (saved.affine.repeated(values.bins), layer.function);
        let pooled = self.pooled(upstream.output);
        let sums = || upstream.sums.iter().map(|sums| &sums[upstream.layer]);
        let total_of = |of: usize| (0..channels).map(|c| sums().map(|sums| sums[of][c]).sum()).collect();
        let norm =
            NormGradient::new(&saved.moments, layer.epsilon, parameters.scale, [0, 1].map(total_of), saved.count);
        let norm_rows = [&norm.a, &norm.b, &norm.c].map(|of| of.repeat(values.bins));

        let geometry: Geometry = conv.plan(input.frames, input.bins);
        let adjoint = if of_input.is_some() { conv.adjoint_weight(parameters.weight) } else { Vec::new() };
        let (mut grad_inputs, adds, then) = match of_input {
            Some(InputGradient { values, adds, then }) => {
                (values.chunks_exact_mut(input.frames * input.row()).map(Some).collect(), adds, Some(then))
            }
            None => ((0..input.n_utterances()).map(|_| None).collect::<Vec<Option<&mut [f32]>>>(), false, None),
        };
        let in_group = input.n_utterances().div_ceil(GROUPS);
        let of_groups: Vec<(Vec<f32>, Vec<Vec<NormSums>>)> = grad_inputs
            .par_chunks_mut(in_group)
            .enumerate()
            .map(|(group, grad_inputs)| {
                let mut memory_of_utterance = memory.take();
                let UtteranceMemory { inputs, gradients, at_maxima } = &mut memory_of_utterance;
                let (mut grad_weight, mut visited) = (vec![0f32; conv.weight_len()], Vec::new());
                for (member, grad_input) in grad_inputs.iter_mut().enumerate() {
                    let index = group * in_group + member;
                    let (x, frames) = (values.utterance(index), values.lengths[index]);
                    let mut grad = upstream.grad.utterance(index);
                    if let Some(pooled) = pooled {
                        at_maxima.clear();
                        at_maxima.resize(x.len(), 0f32);
                        layer.for_each_maximum(grad, pooled, index, values, |_, at, grad| at_maxima[at] += grad);
                        grad = at_maxima;
                    }
                    // At a maximum's place the gradient is before the function already.
                    let function = if pooled.is_some() { Nonlinearity::Identity } else { function };
                    conv.pad_gradients(frames, values.bins, gradients, |frame, to| {
                        let place = frame * row..(frame + 1) * row;
                        norm_back(&grad[place.clone()], &x[place], &affine, &norm_rows, function, to);
                    });
                    layer.pad_inputs(source, index, inputs);
                    geometry.add_weight_gradient(inputs, gradients, frames, &mut grad_weight);
                    if let Some(grad_input) = grad_input {
                        let grad_input = &mut grad_input[..input.lengths[index] * input.row()];
                        geometry.input_gradient(gradients, &adjoint, grad_input, adds);
                        visited.extend(then.map(|then| then(index, grad_input)));
                    }
                }
                memory.give(memory_of_utterance);
                (grad_weight, visited)
            })
            .collect();
        let mut packed = total(of_groups.iter().map(|(grad_weight, _)| &grad_weight[..]));
        packed.extend(norm.scale.into_iter().chain(norm.shift).map(|sum| sum as f32));
        (packed, of_groups.into_iter().flat_map(|(_, visited)| visited).collect())
    }
}

/// What is added to a normalised layer: a batch, and what is done to it before.
pub(super) struct Residual<'a> {
    pub(super) batch: View<'a>,
    pub(super) affine: Affine,
}

/// Of a layer and an utterance, see [`LayerBackward::sums`].
pub(super) type NormSums = [Vec<f64>; 2];

/// Where the gradient of a layer's input goes.
pub(super) struct InputGradient<'a> {
    pub(super) values: &'a mut [f32],
    /// Whether it is added to what is there.
    pub(super) adds: bool,
    /// What is done at once, while it is in a cache, with that of an utterance: it is of what another layer or two give.
    pub(super) then: &'a (dyn Fn(usize, &mut [f32]) -> Vec<NormSums> + Sync),
}

/// A layer's output and the places of its maxima.
#[derive(Clone, Copy)]
struct Pooled<'a> {
    output: View<'a>,
    places: &'a [u8],
}

/// The gradient that a layer is given.
#[derive(Clone, Copy)]
pub(super) struct Upstream<'a> {
    pub(super) grad: View<'a>,
    /// The output that it is of.
    pub(super) output: View<'a>,
    /// Of each utterance, the sums of the layers that are given this gradient, and which of them are this layer's.
    pub(super) sums: &'a [Vec<NormSums>],
    pub(super) layer: usize,
}
