use super::conv_block::packed;
use super::{Mode, linear};
use crate::ops::attentive_pooling::{AttentivePoolingOp, Memory};
use crate::ops::kept::{Between, Kept};
use crate::summary::LayerSummary;
use candle_core::{Result, Tensor};
use candle_nn::{Linear, VarBuilder};
use std::sync::Arc;

/// Attentive statistics pooling (Okabe et al. 2018, arXiv 1803.10963): a weight for each frame and channel, then the
/// weighted mean and standard deviation over time.
pub(crate) struct AttentiveStatistics {
    hidden: Linear,
    scores: Linear,
    training_memory: Kept<Memory>,
}

impl AttentiveStatistics {
    pub fn new(channels: usize, attention: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            hidden: linear(channels, attention, vb.pp("hidden"))?,
            scores: linear(attention, channels, vb.pp("scores"))?,
            training_memory: Kept::default(),
        })
    }

    /// Its output is `[2 * channels]`.
    pub fn summary(&self, name: &str, frames: usize) -> LayerSummary {
        let products = self.hidden.weight().elem_count() + self.scores.weight().elem_count();
        let channels = self.scores.weight().dims().first().copied().unwrap_or(0);
        LayerSummary::new(name, &[2 * channels], frames * products)
    }

    /// `[batch, frames, channels]` to `[batch, 2 * channels]`: means, then standard deviations. Frames past an
    /// utterance's length get no weight.
    pub fn forward(&self, input: &Tensor, lengths: &Arc<[usize]>, mode: &Mode) -> Result<Tensor> {
        let layers = [&self.hidden, &self.scores];
        let parameters = packed(layers.iter().flat_map(|layer| [layer.weight()].into_iter().chain(layer.bias())))?;
        let op = |memory| AttentivePoolingOp {
            attention: self.hidden.weight().dims()[0],
            lengths: lengths.clone(),
            memory,
            used: Between::default(),
        };
        match mode {
            Mode::Train(_) => input.apply_op2(&parameters, op(self.training_memory.clone())),
            Mode::Evaluate => {
                self.training_memory.clear();
                input.apply_op2_no_bwd(&parameters, &op(Kept::default()))
            }
        }
    }
}
