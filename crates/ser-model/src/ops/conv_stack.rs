use super::conv_norm::{Batch, ConvNorm, Parameters, Residual, SavedLayer, Source, Upstream, View};
use super::norm::{Affine, Moments};
use super::{slice, with_slices};
use crate::kernels::vectorised;
use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Tensor};
use rayon::prelude::*;
use std::sync::{Arc, OnceLock};

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
        let batch = summed.as_ref().map(Moments::from);
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
                        Some(saved) => Residual { batch: saved.values.view(), affine: saved.affine.clone() },
                        None => Residual { batch: input, affine: Affine::identity(input.channels) },
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
