use super::conv_norm::{
    Batch, ConvNorm, InputGradient, LayerBackward, LayerMemory, NormSums, Residual, Source, Upstream, UtteranceMemory,
    View,
};
use super::kept::{BackwardPass, KeepingOp, Kept};
use super::norm::{Affine, Moments};
use crate::kernels::vectorised;
use candle_core::{Result, Shape};
use rayon::prelude::*;
use std::sync::Arc;

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

/// Convolutional layers, one after the other, as one operation.
///
/// The arguments are the network's input `[batch, frames, bins, channels]`, zero past each utterance's length, which gets no gradient, and for each layer in
/// order the weight (as of [`Conv2d`]), scales and shifts of the normalisation, in one vector. The output is `[batch,
/// frames', bins', outputs]`, zero past the lengths of its frames.
///
/// [`Conv2d`]: crate::kernels::Conv2d
pub(crate) struct ConvStackOp {
    pub steps: Arc<[Step]>,
    pub lengths: Arc<[usize]>,
    /// Fixed statistics of each layer; without them, those of the batch are taken and the backward pass goes through them.
    pub statistics: Option<Vec<Moments>>,
}

/// What a step of training reads and writes.
#[derive(Default)]
pub(crate) struct Memory {
    steps: Vec<StepMemory>,
    utterances: Kept<UtteranceMemory>,
    /// Gradients of a step's output and input, and of what is between its two layers.
    of_output: Vec<f32>,
    of_input: Vec<f32>,
    of_between: Vec<f32>,
}

#[derive(Default)]
struct StepMemory {
    layers: Vec<LayerMemory>,
    /// The step's output, but for the last one, which candle keeps.
    output: Batch,
}

/// The first `n` values of a memory, which grows to hold them: shrunk and grown by turns, it would be filled with zeros each time.
fn at_least(memory: &mut Vec<f32>, n: usize) -> &mut [f32] {
    if memory.len() < n {
        memory.resize(n, 0.0);
    }
    &mut memory[..n]
}

impl Memory {
    /// The statistics of each layer, and over how many positions.
    pub fn statistics(&self) -> impl Iterator<Item = (&Moments, f64)> {
        self.steps.iter().flat_map(|step| &step.layers).map(|layer| (&layer.moments, layer.count))
    }
}

impl ConvStackOp {
    /// Convolves, and takes the moments or the fixed statistics.
    fn layer(
        &self,
        layer: &ConvNorm,
        source: Source,
        packed: &mut &[f32],
        fixed: &mut Option<std::slice::Iter<Moments>>,
        memory: &mut LayerMemory,
        utterances: &Kept<UtteranceMemory>,
    ) -> Result<()> {
        let parameters = layer.parameters(packed)?;
        let summed = layer.convolve(source, parameters, fixed.is_none(), &mut memory.values, utterances);
        memory.count = summed.as_ref().map_or(0.0, |summed| summed.count);
        let fixed = fixed.as_mut().and_then(Iterator::next).cloned();
        let Some(moments) = fixed.or(summed.as_ref().map(Moments::from)) else {
            candle_core::bail!("statistics do not fit the layers")
        };
        memory.affine = layer.affine(&moments, parameters);
        memory.moments = moments;
        Ok(())
    }
}

impl KeepingOp for ConvStackOp {
    const NAME: &'static str = "conv-stack";
    type Memory = Memory;

    fn forward(&self, memory: &mut Memory, shape: &Shape, input: &[f32], packed: &[f32]) -> Result<(Vec<f32>, Shape)> {
        let (batch, frames, bins, channels) = shape.dims4()?;
        let first = self.steps.first().and_then(|step| step.layers().next());
        if first.is_none_or(|layer| layer.conv.channels != channels) || batch != self.lengths.len() || frames == 0 {
            candle_core::bail!("{:?} does not fit input {shape:?}", self.steps);
        }
        let trains = self.statistics.is_none();
        let Memory { steps: memories, utterances, .. } = memory;
        memories.resize_with(self.steps.len(), StepMemory::default);
        let mut packed = packed;
        let mut fixed = self.statistics.as_ref().map(|statistics| statistics.iter());
        for (index, step) in self.steps.iter().enumerate() {
            let (before, own) = memories.split_at_mut(index);
            let input = match before.last() {
                None => View { values: input, lengths: &self.lengths, frames, bins, channels },
                Some(step) => step.output.view(),
            };
            let StepMemory { layers, output } = &mut own[0];
            layers.resize_with(step.layers().count(), LayerMemory::default);
            match (step, &mut layers[..]) {
                (Step::Plain(layer), [memory]) => {
                    self.layer(layer, Source::Values(input), &mut packed, &mut fixed, memory, utterances)?;
                    layer.finish(memory.values.view(), &memory.affine, None, output, &mut memory.places);
                }
                (Step::Residual { first, second, shortcut }, [of_first, of_second, of_shortcut @ ..]) => {
                    self.layer(first, Source::Values(input), &mut packed, &mut fixed, of_first, utterances)?;
                    let between = Source::Before(of_first.values.view(), &of_first.affine);
                    self.layer(second, between, &mut packed, &mut fixed, of_second, utterances)?;
                    let residual = match (shortcut, of_shortcut) {
                        (Some(layer), [memory]) => {
                            self.layer(layer, Source::Values(input), &mut packed, &mut fixed, memory, utterances)?;
                            Residual { batch: memory.values.view(), affine: memory.affine.clone() }
                        }
                        _ => Residual { batch: input, affine: Affine::identity(input.channels) },
                    };
                    let LayerMemory { values, affine, places, .. } = of_second;
                    second.finish(values.view(), affine, Some(residual), output, places);
                }
                _ => candle_core::bail!("memory does not fit {step:?}"),
            }
            if !trains {
                layers.clear();
                before.iter_mut().for_each(|step| *step = StepMemory::default());
            }
        }
        let Some(StepMemory { output, .. }) = memories.last_mut() else { candle_core::bail!("no layers") };
        let shape = Shape::from((batch, output.frames, output.bins, output.channels));
        // The next step of training finds nothing here and begins with zeros, which stay past the lengths.
        Ok((std::mem::take(&mut output.values), shape))
    }

    fn backward(&self, memory: &mut Memory, pass: BackwardPass) -> Result<(Option<Vec<f32>>, Vec<f32>)> {
        let BackwardPass { input, packed, output, grad, needs_input, .. } = pass;
        if needs_input {
            candle_core::bail!("a stack is the first of a network, whose input gets no gradient");
        }
        let (_, frames, bins, channels) = pass.shape.dims4()?;
        let Memory { steps: memories, utterances, of_output, of_input, of_between } = memory;
        let network_input = View { values: input, lengths: &self.lengths, frames, bins, channels };
        let mut rest = packed;
        let mut layers: Vec<Vec<LayerBackward>> = Vec::new();
        for (step, memory) in self.steps.iter().zip(&*memories) {
            let back = |(layer, saved): (ConvNorm, _)| {
                Ok(LayerBackward { layer, saved, parameters: layer.parameters(&mut rest)?, memory: utterances })
            };
            layers.push(step.layers().zip(&memory.layers).map(back).collect::<Result<_>>()?);
        }
        let kept = |index: usize| {
            let StepMemory { output: kept, .. } = &memories[index];
            View { values: if index + 1 == self.steps.len() { output } else { &kept.values }, ..kept.view() }
        };
        // What a step does first with the gradient of its output.
        let receive = |index: usize, utterance: usize, grad: &mut [f32]| {
            let output = kept(index);
            let receivers = match &layers[index][..] {
                [_, receivers @ ..] if !receivers.is_empty() => {
                    vectorised(|| {
                        let rows = grad.iter_mut().zip(output.utterance(utterance));
                        rows.for_each(|(grad, &y)| *grad = if y > 0.0 { *grad } else { 0.0 });
                    });
                    receivers
                }
                layers => layers,
            };
            receivers.iter().map(|layer| layer.sums(grad, output, utterance)).collect()
        };
        at_least(of_output, grad.len()).copy_from_slice(grad);
        let last = self.steps.len() - 1;
        let mut sums: Vec<Vec<NormSums>> = of_output[..grad.len()]
            .par_chunks_exact_mut(grad.len() / self.lengths.len())
            .enumerate()
            .map(|(utterance, grad)| receive(last, utterance, &mut grad[..kept(last).utterance(utterance).len()]))
            .collect();
        let mut of_layers: Vec<Vec<f32>> = Vec::new();
        for (index, layers) in layers.iter().enumerate().rev() {
            let input = if index > 0 { memories[index - 1].output.view() } else { network_input };
            let source = Source::Values(input);
            let then = |utterance: usize, grad: &mut [f32]| {
                if index > 0 { receive(index - 1, utterance, grad) } else { Vec::new() }
            };
            let wants_input = index > 0;
            let of_input_len = if wants_input { input.values.len() } else { 0 };
            let output = kept(index);
            let upstream = Upstream { grad: View { values: of_output, ..output }, output, sums: &sums, layer: 0 };
            let [first, rest @ ..] = &layers[..] else { candle_core::bail!("a step without layers") };
            let (of_first, of_next) = match rest {
                [] => {
                    let values = at_least(of_input, of_input_len);
                    let wanted = wants_input.then_some(InputGradient { values, adds: false, then: &then });
                    first.backward(source, upstream, wanted)
                }
                [second, shortcut @ ..] => {
                    let between = first.saved.values.view();
                    let to_first = |utterance: usize, grad: &mut [f32]| vec![first.sums(grad, between, utterance)];
                    let values = at_least(of_between, between.values.len());
                    let wanted = Some(InputGradient { values, adds: false, then: &to_first });
                    let before = Source::Before(between, &first.saved.affine);
                    let (of_second, sums_of_first) = second.backward(before, upstream, wanted);
                    let of_shortcut = shortcut.first().map(|shortcut| {
                        let nothing = |_: usize, _: &mut [f32]| Vec::new();
                        let values = at_least(of_input, of_input_len);
                        let wanted = wants_input.then_some(InputGradient { values, adds: false, then: &nothing });
                        shortcut.backward(source, Upstream { layer: 1, ..upstream }, wanted).0
                    });
                    if of_shortcut.is_none() {
                        std::mem::swap(of_input, of_output);
                    }
                    of_layers.extend(of_shortcut);
                    of_layers.push(of_second);
                    let grad = View { values: of_between, ..between };
                    let upstream = Upstream { grad, output: between, sums: &sums_of_first, layer: 0 };
                    let values = at_least(of_input, of_input_len);
                    let wanted = wants_input.then_some(InputGradient { values, adds: true, then: &then });
                    first.backward(source, upstream, wanted)
                }
            };
            of_layers.push(of_first);
            sums = of_next;
            std::mem::swap(of_input, of_output);
        }
        of_layers.reverse();
        Ok((None, of_layers.concat()))
    }
}
