use super::{Activations, Mode, NormConstants, RunningStatistics, kaiming};
use crate::kernels::{Conv2d, MaxPool};
use crate::ops::conv_norm::ConvNorm;
use crate::ops::conv_stack::{ConvStackOp, Memory, Step};
use crate::ops::kept::{Kept, infer, train};
use crate::ops::norm_rows::Nonlinearity;
use crate::summary::LayerSummary;
use candle_core::{Result, Tensor};
use candle_nn::init::{FanInOut, NonLinearity};
use candle_nn::{Init, VarBuilder};
use std::sync::Arc;

/// The parameters of a two-dimensional convolution without bias and of the batch normalisation after it.
pub(crate) struct ConvNormLayer {
    layer: ConvNorm,
    weight: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    running: RunningStatistics,
    momentum: f32,
}

impl ConvNormLayer {
    /// `kernel` must be odd. `vb` and `norm` are where the convolution and the normalisation find their parameters.
    pub fn new(
        conv: Conv2d,
        pool: MaxPool,
        function: Nonlinearity,
        constants: NormConstants,
        vb: VarBuilder,
        norm: VarBuilder,
    ) -> Result<Self> {
        let outputs = conv.outputs;
        let shape = (conv.weight_len() / outputs, outputs);
        Ok(Self {
            layer: ConvNorm { conv, pool, function, epsilon: constants.epsilon },
            weight: vb.get_with_hints(shape, "weight", kaiming(FanInOut::FanOut, NonLinearity::ReLU))?,
            norm_weight: norm.get_with_hints(outputs, "weight", Init::Const(1.0))?,
            norm_bias: norm.get_with_hints(outputs, "bias", Init::Const(0.0))?,
            running: RunningStatistics::new(outputs, norm)?,
            momentum: constants.momentum,
        })
    }
}

/// A step of a [`ConvStack`].
#[allow(clippy::large_enum_variant, reason = "a network has a handful")]
pub(crate) enum StackStep {
    Plain(ConvNormLayer),
    /// The sum of `second` after `first` and of the shortcut, or of the input itself, and ReLU (He et al. 2015, arXiv
    /// 1512.03385).
    Residual {
        first: ConvNormLayer,
        second: ConvNormLayer,
        shortcut: Option<ConvNormLayer>,
    },
}

impl StackStep {
    fn layers(&self) -> impl Iterator<Item = &ConvNormLayer> {
        match self {
            Self::Plain(layer) => [Some(layer), None, None],
            Self::Residual { first, second, shortcut } => [Some(first), Some(second), shortcut.as_ref()],
        }
        .into_iter()
        .flatten()
    }

    fn step(&self) -> Step {
        match self {
            Self::Plain(layer) => Step::Plain(layer.layer),
            Self::Residual { first, second, shortcut } => Step::Residual {
                first: first.layer,
                second: second.layer,
                shortcut: shortcut.as_ref().map(|shortcut| shortcut.layer),
            },
        }
    }
}

/// Two-dimensional convolutional layers, one after the other.
pub(crate) struct ConvStack {
    steps: Vec<StackStep>,
    plan: Arc<[Step]>,
    training_memory: Kept<Memory>,
}

impl ConvStack {
    pub fn new(steps: Vec<StackStep>) -> Self {
        let plan = steps.iter().map(StackStep::step).collect();
        Self { steps, plan, training_memory: Kept::default() }
    }

    pub fn len(&self) -> usize {
        self.steps.len()
    }

    fn layers(&self) -> impl Iterator<Item = &ConvNormLayer> {
        self.steps.iter().flat_map(StackStep::layers)
    }

    /// One line for each step, of these names; outputs are `[frames', bins', outputs]`.
    pub fn summary(&self, names: &[String], frames: usize, bins: usize) -> Vec<LayerSummary> {
        let mut shape = [frames, bins];
        let lines = self.plan.iter().zip(names).map(|(step, name)| {
            let mut multiply_adds = 0;
            let mut output = [0; 3];
            let before = shape;
            for (index, ConvNorm { conv, pool, .. }) in step.layers().enumerate() {
                // The second layer takes what the first gives; a shortcut takes what the first takes.
                let input = if index == 1 { shape } else { before };
                shape = input.map(|n| conv.output_len(n));
                multiply_adds += shape[0] * shape[1] * conv.weight_len();
                shape = shape.map(|n| pool.output_len(n));
                output = [shape[0], shape[1], conv.outputs];
            }
            LayerSummary::new(name, &output, multiply_adds)
        });
        lines.collect()
    }

    /// Gives `[batch, frames', bins', outputs]`, zero past the new lengths.
    pub fn forward(&self, input: &Activations, mode: &Mode) -> Result<Activations> {
        let parameters = self.layers().flat_map(|layer| [&layer.weight, &layer.norm_weight, &layer.norm_bias]);
        let op = |statistics| ConvStackOp { steps: self.plan.clone(), lengths: input.lengths.clone(), statistics };
        let values = match mode {
            Mode::Train(_) => train(op(None), &self.training_memory, &input.values, parameters, |memory| {
                let mut statistics = self.layers().zip(memory.statistics());
                statistics.try_for_each(|(layer, (moments, count))| {
                    layer.running.update(moments, count as f32, layer.momentum)
                })
            })?,
            Mode::Evaluate => {
                // That of training is for whole mini-batches.
                self.training_memory.clear();
                let statistics = self.layers().map(|layer| layer.running.moments()).collect::<Result<_>>()?;
                infer(op(Some(statistics)), &Kept::default(), &input.values, parameters)?
            }
        };
        let output_len = |n: usize| {
            self.plan.iter().fold(n, |n, step| match step {
                Step::Plain(layer) | Step::Residual { first: layer, .. } => {
                    layer.pool.output_len(layer.conv.output_len(n))
                }
            })
        };
        Ok(Activations { values, lengths: input.lengths.iter().map(|&n| output_len(n)).collect() })
    }
}
