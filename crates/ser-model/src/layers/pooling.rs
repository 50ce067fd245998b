use super::{Mode, linear};
use crate::ops::attentive_pooling::{AttentivePoolingOp, Memory};
use crate::ops::kept::{Kept, infer, train};
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
        let parameters = layers.iter().flat_map(|layer| [layer.weight()].into_iter().chain(layer.bias()));
        let attention = self.hidden.weight().dim(0)?;
        let op = AttentivePoolingOp { attention, lengths: lengths.clone() };
        match mode {
            Mode::Train(_) => train(op, &self.training_memory, input, parameters, |_| Ok(())),
            Mode::Evaluate => {
                // That of training is for whole mini-batches.
                self.training_memory.clear();
                infer(op, &Kept::default(), input, parameters)
            }
        }
    }
}
