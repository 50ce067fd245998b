use super::linear;
use crate::summary::LayerSummary;
use candle_core::{D, Device, Result, Tensor};
use candle_nn::{Linear, Module, VarBuilder, ops::softmax};

/// Attentive statistics pooling (Okabe et al. 2018, arXiv 1803.10963): a weight for each frame and channel, then the
/// weighted mean and standard deviation over time.
pub(crate) struct AttentiveStatistics {
    hidden: Linear,
    scores: Linear,
}

impl AttentiveStatistics {
    pub fn new(channels: usize, attention: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            hidden: linear(channels, attention, vb.pp("hidden"))?,
            scores: linear(attention, channels, vb.pp("scores"))?,
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
    pub fn forward(&self, input: &Tensor, lengths: &[usize]) -> Result<Tensor> {
        let frames = input.dim(1)?;
        let bias: Vec<f32> = lengths
            .iter()
            .flat_map(|&n| (0..frames).map(move |t| if t < n { 0.0 } else { f32::NEG_INFINITY }))
            .collect();
        let bias = Tensor::from_vec(bias, (lengths.len(), 1, frames), &Device::Cpu)?;
        let scores = self.scores.forward(&self.hidden.forward(input)?.tanh()?)?;
        let weights = softmax(&scores.transpose(1, 2)?.contiguous()?.broadcast_add(&bias)?, D::Minus1)?;
        let values = input.transpose(1, 2)?.contiguous()?;
        let weighted = (&weights * &values)?;
        let mean = weighted.sum(D::Minus1)?;
        let variance = ((weighted * values)?.sum(D::Minus1)? - mean.sqr()?)?;
        // The floor keeps the square root's gradient finite; rounding can make the variance of equal frames negative.
        let deviation = variance.maximum(1e-5)?.sqrt()?;
        Tensor::cat(&[mean, deviation], 1)
    }
}
