use super::{Activations, Mode, NormConstants, RunningStatistics, glorot};
use crate::kernels::{Conv1d, MaxPool};
use crate::ops::conv_block::{BlockDropout, ConvBlockOp, Relu};
use crate::summary::LayerSummary;
use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};
use rand::Rng;
use std::sync::{Arc, OnceLock};

/// What a [`ConvBlock`] computes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvBlockOptions {
    pub conv: Conv1d,
    pub relu: Relu,
    pub pool: MaxPool,
    /// Probability of dropping.
    pub dropout: f64,
    /// Drops channels of whole utterances.
    pub drops_whole_channels: bool,
    pub norm: NormConstants,
}

/// A one-dimensional convolution with bias over frames `[batch, frames, channels]`, batch normalisation, ReLU, maximum
/// pooling over frames and dropout, as Keras initialises them.
pub(crate) struct ConvBlock {
    options: ConvBlockOptions,
    weight: Tensor,
    bias: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    running: RunningStatistics,
}

impl ConvBlock {
    pub fn new(options: ConvBlockOptions, vb: VarBuilder) -> Result<Self> {
        let Conv1d { kernel, outputs, .. } = options.conv;
        let width = options.conv.width();
        let norm = vb.pp("norm");
        Ok(Self {
            options,
            weight: vb.get_with_hints((width, outputs), "weight", glorot(width, kernel * outputs))?,
            bias: vb.get_with_hints(outputs, "bias", Init::Const(0.0))?,
            norm_weight: norm.get_with_hints(outputs, "weight", Init::Const(1.0))?,
            norm_bias: norm.get_with_hints(outputs, "bias", Init::Const(0.0))?,
            running: RunningStatistics::new(outputs, norm)?,
        })
    }

    /// Its output is `[frames', outputs]`.
    pub fn summary(&self, name: String, frames: usize) -> LayerSummary {
        let ConvBlockOptions { conv, pool, .. } = self.options;
        LayerSummary::new(name, &[pool.output_len(frames), conv.outputs], frames * conv.width() * conv.outputs)
    }

    pub fn forward(&self, input: &Activations, mode: &mut Mode) -> Result<Activations> {
        let ConvBlockOptions { conv, relu, pool, dropout, drops_whole_channels, norm } = self.options;
        let saved = Arc::new(OnceLock::new());
        let op = ConvBlockOp {
            conv,
            relu,
            pool,
            dropout: match mode {
                Mode::Train(rng) if dropout > 0.0 => Some(BlockDropout {
                    probability: dropout,
                    whole_channels: drops_whole_channels,
                    seed: rng.next_u64(),
                }),
                _ => None,
            },
            epsilon: f64::from(norm.epsilon),
            lengths: input.lengths.clone(),
            statistics: match mode {
                Mode::Train(_) => None,
                Mode::Evaluate => Some(self.running.moments()?),
            },
            saved: saved.clone(),
        };
        let packed = Tensor::stack(&[&self.bias, &self.norm_weight, &self.norm_bias], 0)?;
        let values = match mode {
            Mode::Train(_) => input.values.apply_op3(&self.weight, &packed, op)?,
            Mode::Evaluate => input.values.apply_op3_no_bwd(&self.weight, &packed, &op)?,
        };
        if let Some(saved) = saved.get() {
            self.running.update(&saved.statistics, saved.count as f32, norm.momentum)?;
        }
        Ok(Activations { values, lengths: input.lengths.iter().map(|&n| pool.output_len(n)).collect() })
    }
}
