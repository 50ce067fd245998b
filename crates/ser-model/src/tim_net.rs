//! TIM-Net (Ye et al. 2023, arXiv 2211.08233), as its authors' code builds it.

use crate::layers::{Activations, GatedLevelsLayer, Mode, NormConstants, dense, linear_summary};
use crate::network::check_dropout;
use crate::ops::gated_levels::GatedLevels;
use crate::summary::LayerSummary;
use crate::{Error, Result};
use candle_core::{D, Tensor};
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
    forward: GatedLevelsLayer,
    backward: GatedLevelsLayer,
    level_weights: Tensor,
    classifier: Linear,
}

impl TimNet {
    pub fn new(options: &TimNetOptions, n_bins: usize, n_classes: usize, vb: VarBuilder) -> Result<Self> {
        options.validate()?;
        let TimNetOptions { channels, levels, kernel, dropout } = *options;
        let forward = GatedLevels {
            bins: n_bins,
            channels,
            kernel,
            levels,
            dropout,
            epsilon: NormConstants::KERAS.epsilon,
            backward_in_time: false,
        };
        let backward = GatedLevels { backward_in_time: true, ..forward };
        // Keras's `uniform`.
        let level_init = Init::Uniform { lo: -0.05, up: 0.05 };
        Ok(Self {
            forward: GatedLevelsLayer::new(forward, vb.pp("forward_levels"))?,
            backward: GatedLevelsLayer::new(backward, vb.pp("backward_levels"))?,
            level_weights: vb.get_with_hints((levels, 1), "level_weights", level_init)?,
            classifier: dense(channels, n_classes, vb.pp("classifier"))?,
        })
    }

    pub fn summary(&self, frames: usize) -> Vec<LayerSummary> {
        let mut layers = self.forward.summary("forward_levels", frames);
        layers.extend(self.backward.summary("backward_levels", frames));
        let channels = self.classifier.weight().dims().last().copied().unwrap_or(0);
        layers.push(LayerSummary::new("level_weights", &[channels], channels * self.level_weights.elem_count()));
        layers.push(linear_summary("classifier", &self.classifier, &[]));
        layers
    }

    /// Gives logits `[batch, classes]` for `[batch, frames, bins, 1]`.
    pub fn forward(&self, input: &Activations, mode: &mut Mode) -> Result<Tensor> {
        let input = Activations { values: input.values.squeeze(D::Minus1)?, lengths: input.lengths.clone() };
        // [batch, levels, channels]
        let means = (self.forward.forward(&input, mode)? + self.backward.forward(&input, mode)?)?;
        let mixed = means.broadcast_mul(&self.level_weights)?.sum(1)?;
        Ok(self.classifier.forward(&mixed)?)
    }
}
