use crate::layers::{Activations, AttentiveStatistics, BatchNorm, Conv, Dropout, Mode, NormConstants, linear};
use crate::ops::batch_norm::Activation;
use crate::ops::conv::Window;
use crate::{Error, Result};
use candle_core::Tensor;
use candle_nn::{Linear, Module, VarBuilder};
use serde::{Deserialize, Serialize};

/// Options of the compact residual network.
///
/// A 5×5 convolution with stride 2, one residual block of two 3×3 convolutions for each further entry of `channels`
/// (the first keeps the resolution, the others halve it), a projection of each frame's bins and channels, attentive
/// statistics pooling over time, dropout and a linear layer. Batch normalisation and ReLU follow each convolution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompactOptions {
    /// Output channels of the first convolution and then of each block; 2 to 8 entries of 1 to 1,024.
    pub channels: Vec<usize>,
    /// Width of the frame embedding that is pooled; 1 to 4,096.
    pub embedding: usize,
    /// Hidden width of the attention; 1 to 4,096.
    pub attention: usize,
    /// Probability of dropping a pooled value in training; at least 0, below 1.
    pub dropout: f64,
}

impl Default for CompactOptions {
    fn default() -> Self {
        Self { channels: vec![16, 16, 32, 64, 96], embedding: 128, attention: 64, dropout: 0.2 }
    }
}

impl CompactOptions {
    pub(crate) fn validate(&self) -> Result<()> {
        let invalid = |option, value: String, allowed| Err(Error::InvalidOption { option, value, allowed });
        if !(2..=8).contains(&self.channels.len()) || self.channels.iter().any(|c| !(1..=1024).contains(c)) {
            return invalid("network.channels", format!("{:?}", self.channels), "2 to 8 entries of 1 to 1024");
        }
        for (option, width) in [("network.embedding", self.embedding), ("network.attention", self.attention)] {
            if !(1..=4096).contains(&width) {
                return invalid(option, width.to_string(), "1 to 4096");
            }
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return invalid("network.dropout", self.dropout.to_string(), "at least 0, below 1");
        }
        Ok(())
    }
}

/// The network that [`CompactOptions`] describe.
pub(crate) struct Compact {
    stem: Conv,
    stem_norm: BatchNorm,
    blocks: Vec<ResidualBlock>,
    projection: Linear,
    projection_norm: BatchNorm,
    pooling: AttentiveStatistics,
    pooled_norm: BatchNorm,
    dropout: Dropout,
    classifier: Linear,
}

impl Compact {
    pub fn new(options: &CompactOptions, n_bins: usize, n_classes: usize, vb: VarBuilder) -> Result<Self> {
        options.validate()?;
        let stem_window = Window { kernel: 5, stride: 2 };
        let mut bins = stem_window.output_len(n_bins);
        let mut blocks = Vec::new();
        for (index, pair) in options.channels.windows(2).enumerate() {
            let stride = if index == 0 { 1 } else { 2 };
            bins = bins.div_ceil(stride);
            blocks.push(ResidualBlock::new(pair[0], pair[1], stride, vb.pp(format!("block{index}")))?);
        }
        let (first, last) = (options.channels[0], options.channels[options.channels.len() - 1]);
        let embedding = options.embedding;
        Ok(Self {
            stem: Conv::new(1, first, stem_window, vb.pp("stem"))?,
            stem_norm: BatchNorm::new(first, Activation::Relu, NormConstants::PYTORCH, vb.pp("stem_norm"))?,
            blocks,
            projection: linear(bins * last, embedding, vb.pp("projection"))?,
            projection_norm: BatchNorm::new(
                embedding,
                Activation::Relu,
                NormConstants::PYTORCH,
                vb.pp("projection_norm"),
            )?,
            pooling: AttentiveStatistics::new(embedding, options.attention, vb.pp("pooling"))?,
            pooled_norm: BatchNorm::new(
                2 * embedding,
                Activation::Identity,
                NormConstants::PYTORCH,
                vb.pp("pooled_norm"),
            )?,
            dropout: Dropout { probability: options.dropout },
            classifier: linear(2 * embedding, n_classes, vb.pp("classifier"))?,
        })
    }

    /// Gives logits `[batch, classes]` for `[batch, frames, bins, 1]`.
    pub fn forward(&self, input: &Activations, mode: &mut Mode) -> Result<Tensor> {
        let mut x = self.stem_norm.forward(&self.stem.forward(input)?, mode)?;
        for block in &self.blocks {
            x = block.forward(&x, mode)?;
        }
        let projected = self.projection.forward(&x.values.flatten_from(2)?)?;
        let frames = self.projection_norm.forward(&Activations { values: projected.unsqueeze(2)?, ..x }, mode)?;
        let pooled = self.pooling.forward(&frames.values.squeeze(2)?, &frames.lengths)?;
        let pooled = self.pooled_norm.forward_vectors(&pooled, mode)?;
        Ok(self.classifier.forward(&self.dropout.forward(&pooled, mode)?)?)
    }
}

/// Two 3×3 convolutions beside a shortcut (He et al. 2015, arXiv 1512.03385): the identity, or a 1×1 convolution where
/// the shape changes.
struct ResidualBlock {
    conv1: Conv,
    norm1: BatchNorm,
    conv2: Conv,
    norm2: BatchNorm,
    shortcut: Option<(Conv, BatchNorm)>,
}

impl ResidualBlock {
    fn new(inputs: usize, outputs: usize, stride: usize, vb: VarBuilder) -> Result<Self> {
        let shortcut = if inputs == outputs && stride == 1 {
            None
        } else {
            let conv = Conv::new(inputs, outputs, Window { kernel: 1, stride }, vb.pp("shortcut"))?;
            Some((conv, BatchNorm::new(outputs, Activation::Identity, NormConstants::PYTORCH, vb.pp("shortcut_norm"))?))
        };
        Ok(Self {
            conv1: Conv::new(inputs, outputs, Window { kernel: 3, stride }, vb.pp("conv1"))?,
            norm1: BatchNorm::new(outputs, Activation::Relu, NormConstants::PYTORCH, vb.pp("norm1"))?,
            conv2: Conv::new(outputs, outputs, Window { kernel: 3, stride: 1 }, vb.pp("conv2"))?,
            norm2: BatchNorm::new(outputs, Activation::Relu, NormConstants::PYTORCH, vb.pp("norm2"))?,
            shortcut,
        })
    }

    fn forward(&self, input: &Activations, mode: &Mode) -> Result<Activations> {
        let x = self.norm1.forward(&self.conv1.forward(input)?, mode)?;
        let x = self.conv2.forward(&x)?;
        let shortcut = match &self.shortcut {
            None => input.clone(),
            Some((conv, norm)) => norm.forward(&conv.forward(input)?, mode)?,
        };
        Ok(self.norm2.forward_add(&x, &shortcut, mode)?)
    }
}
