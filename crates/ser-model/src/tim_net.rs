//! TIM-Net (Ye et al. 2023, arXiv 2211.08233), as its authors' code builds it.

use crate::kernels::{Conv1d, MaxPool};
use crate::layers::{Activations, ConvBlockOptions, ConvBlocks, Mode, NormConstants, dense, linear_summary};
use crate::network::check_dropout;
use crate::ops::conv_block::{BlockDropout, Relu};
use crate::summary::LayerSummary;
use crate::{Error, Result};
use candle_core::{D, Tensor};
use candle_nn::ops::sigmoid;
use candle_nn::{Init, Linear, Module, VarBuilder};
use serde::{Deserialize, Serialize};

/// Options of the temporal-aware bi-directional multi-scale network.
///
/// A projection of each frame, then levels of twice the dilation each, once forward and once backward in time. A level gates its
/// input with two causal convolutions (batch normalisation, ReLU, spatial dropout after each); the mean over time of both
/// directions, weighted by level with learned weights, is classified. With 39 bins and 7 classes it has 104,496
/// parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimNetOptions {
    /// Channels of every level; 1 to 1,024.
    pub channels: usize,
    /// Number of levels, of dilations 1, 2, 4, …; 1 to 12.
    pub levels: usize,
    /// Taps of each convolution; 1 to 16.
    pub kernel: usize,
    /// Probability of dropping a channel of an utterance in training; at least 0, below 1.
    pub dropout: f64,
}

impl Default for TimNetOptions {
    fn default() -> Self {
        Self { channels: 39, levels: 8, kernel: 2, dropout: 0.1 }
    }
}

impl TimNetOptions {
    pub(crate) fn validate(&self) -> Result<()> {
        let checks = [
            ("network.channels", self.channels, 1024, "1 to 1024"),
            ("network.levels", self.levels, 12, "1 to 12"),
            ("network.kernel", self.kernel, 16, "1 to 16"),
        ];
        for (option, value, most, allowed) in checks {
            if !(1..=most).contains(&value) {
                return Err(Error::InvalidOption { option, value: value.to_string(), allowed });
            }
        }
        check_dropout(self.dropout)
    }
}

/// The network that [`TimNetOptions`] describe.
pub(crate) struct TimNet {
    forward: Direction,
    backward: Direction,
    level_weights: Tensor,
    classifier: Linear,
}

impl TimNet {
    pub fn new(options: &TimNetOptions, n_bins: usize, n_classes: usize, vb: VarBuilder) -> Result<Self> {
        options.validate()?;
        // Keras's `uniform`.
        let level_init = Init::Uniform { lo: -0.05, up: 0.05 };
        Ok(Self {
            forward: Direction::new(options, n_bins, vb.pp("forward_levels"))?,
            backward: Direction::new(options, n_bins, vb.pp("backward_levels"))?,
            level_weights: vb.get_with_hints((options.levels, 1), "level_weights", level_init)?,
            classifier: dense(options.channels, n_classes, vb.pp("classifier"))?,
        })
    }

    pub fn summary(&self, frames: usize) -> Vec<LayerSummary> {
        let mut layers = Vec::new();
        for (name, direction) in [("forward_levels", &self.forward), ("backward_levels", &self.backward)] {
            layers.push(linear_summary(&format!("{name}.projection"), &direction.projection, &[frames]));
            for (level, blocks) in direction.levels.iter().enumerate() {
                let names = (0..2).map(|index| format!("{name}.level{level}.conv{index}"));
                layers.extend(blocks.summary(names, frames));
            }
        }
        let channels = self.classifier.weight().dims().last().copied().unwrap_or(0);
        layers.push(LayerSummary::new("level_weights", &[channels], channels * self.level_weights.elem_count()));
        layers.push(linear_summary("classifier", &self.classifier, &[]));
        layers
    }

    /// Gives logits `[batch, classes]` for `[batch, frames, bins, 1]`.
    pub fn forward(&self, input: &Activations, mode: &mut Mode) -> Result<Tensor> {
        let input = Activations { values: input.values.squeeze(D::Minus1)?, lengths: input.lengths.clone() };
        let forward = self.forward.level_means(&input, mode)?;
        let backward = self.backward.level_means(&input.reversed()?, mode)?;
        // [batch, levels, channels]
        let means = (Tensor::stack(&forward, 1)? + Tensor::stack(&backward, 1)?)?;
        let mixed = means.broadcast_mul(&self.level_weights)?.sum(1)?;
        Ok(self.classifier.forward(&mixed)?)
    }
}

/// The levels of one direction of time.
struct Direction {
    projection: Linear,
    /// Two blocks each.
    levels: Vec<ConvBlocks>,
}

impl Direction {
    fn new(options: &TimNetOptions, n_bins: usize, vb: VarBuilder) -> Result<Self> {
        let TimNetOptions { channels, levels, kernel, dropout } = *options;
        let projection = dense(n_bins, channels, vb.pp("projection"))?;
        let levels = (0..levels).map(|level| {
            let options = ConvBlockOptions {
                conv: Conv1d::causal(kernel, 1 << level, channels, channels),
                relu: Relu::AfterNorm,
                pool: MaxPool::NONE,
                dropout: BlockDropout { probability: dropout, whole_channels: true },
                norm: NormConstants::KERAS,
            };
            let vb = vb.pp(format!("level{level}"));
            Ok(ConvBlocks::new(vec![(options, vb.pp("conv0")), (options, vb.pp("conv1"))])?)
        });
        Ok(Self { projection, levels: levels.collect::<Result<_>>()? })
    }

    /// The mean over time after each level.
    fn level_means(&self, input: &Activations, mode: &mut Mode) -> Result<Vec<Tensor>> {
        let projected = self.projection.forward(&input.values)?;
        let mut x = Activations { values: projected, lengths: input.lengths.clone() }.masked()?;
        let mut means = Vec::new();
        for blocks in &self.levels {
            let gate = blocks.forward(&x, mode)?;
            x.values = (x.values * sigmoid(&gate.values)?)?;
            means.push(x.mean_over_frames()?);
        }
        Ok(means)
    }
}
