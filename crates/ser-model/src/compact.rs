use crate::kernels::{Conv2d, MaxPool};
use crate::layers::{
    Activations, AttentiveStatistics, BatchNorm, ConvNormLayer, ConvStack, Dropout, Mode, NormConstants, StackStep,
    apply_wide, linear, linear_summary,
};
use crate::ops::batch_norm::Activation;
use crate::ops::norm_rows::Nonlinearity;
use crate::summary::LayerSummary;
use crate::{Error, Result};
use candle_core::Tensor;
use candle_nn::{Linear, Module, VarBuilder};
use serde::{Deserialize, Serialize};

/// Options of the compact residual network.
///
/// A 5×5 convolution with stride 2, one residual block of two 3×3 convolutions for each further entry of `channels`
/// (the first keeps the resolution, the others halve it), a projection of each frame's bins and channels, attentive
/// statistics pooling over time, dropout and a linear layer. Batch normalisation and ReLU follow each convolution. With `separable`
/// the two convolutions of a block are a 3×3 of each channel by itself and a 1×1 (Howard et al. 2017, arXiv 1704.04861): about a
/// tenth of the parameters and of the multiply-adds of the blocks.
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
    /// Whether the blocks' convolutions are depthwise separable.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub separable: bool,
}

impl Default for CompactOptions {
    fn default() -> Self {
        Self { channels: vec![16, 16, 32, 64, 96], embedding: 128, attention: 64, dropout: 0.2, separable: false }
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
    convolutions: ConvStack,
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
        let mut bins = n_bins.div_ceil(2);
        let mut blocks = Vec::new();
        for (index, pair) in options.channels.windows(2).enumerate() {
            let stride = if index == 0 { 1 } else { 2 };
            bins = bins.div_ceil(stride);
            let (inputs, outputs) = (pair[0], pair[1]);
            blocks.push(residual(inputs, outputs, stride, options.separable, vb.pp(format!("block{index}")))?);
        }
        let (first, last) = (options.channels[0], options.channels[options.channels.len() - 1]);
        let embedding = options.embedding;
        let stem = Conv2d { kernel: 5, stride: 2, channels: 1, outputs: first, depthwise: false };
        blocks.insert(0, StackStep::Plain(conv_norm(stem, Nonlinearity::Relu, vb.pp("stem"), vb.pp("stem_norm"))?));
        Ok(Self {
            convolutions: ConvStack::new(blocks),
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

    pub fn summary(&self, frames: usize, bins: usize) -> Vec<LayerSummary> {
        let blocks = (0..).map(|index| format!("block{index}")).take(self.convolutions.len() - 1);
        let names: Vec<String> = ["stem".into()].into_iter().chain(blocks).collect();
        let mut layers = self.convolutions.summary(&names, frames, bins);
        let frames = layers.last().map_or(frames, |layer| layer.output[0]);
        layers.push(linear_summary("projection", &self.projection, &[frames]));
        layers.push(self.pooling.summary("pooling", frames));
        let pooled = layers.last().map_or(0, |layer| layer.output[0]);
        layers.push(LayerSummary::new("pooled", &[pooled], 0));
        layers.push(linear_summary("classifier", &self.classifier, &[]));
        layers
    }

    /// Gives logits `[batch, classes]` for `[batch, frames, bins, 1]`.
    pub fn forward(&self, input: &Activations, mode: &mut Mode) -> Result<Tensor> {
        let x = self.convolutions.forward(input, mode)?;
        let (batch, frames, _, _) = x.values.dims4()?;
        let projected = apply_wide(&self.projection, &x.values.flatten_from(2)?.flatten_to(1)?)?;
        let values = projected.reshape((batch, frames, 1, ()))?;
        let frames = self.projection_norm.forward(&Activations { values, ..x }, mode)?;
        let pooled = self.pooling.forward(&frames.values.squeeze(2)?, &frames.lengths, mode)?;
        let pooled = self.pooled_norm.forward_vectors(&pooled, mode)?;
        Ok(self.classifier.forward(&self.dropout.forward(&pooled, mode)?)?)
    }
}

fn conv_norm(conv: Conv2d, function: Nonlinearity, vb: VarBuilder, norm: VarBuilder) -> Result<ConvNormLayer> {
    Ok(ConvNormLayer::new(conv, MaxPool::NONE, function, NormConstants::PYTORCH, vb, norm)?)
}

/// Two convolutions beside a shortcut: the identity, or a 1×1 convolution where the shape changes.
fn residual(inputs: usize, outputs: usize, stride: usize, separable: bool, vb: VarBuilder) -> Result<StackStep> {
    let layer = |kernel, channels, stride, function, name: &str, norm: &str| {
        let conv = Conv2d { kernel, stride, channels, outputs, depthwise: false };
        conv_norm(conv, function, vb.pp(name), vb.pp(norm))
    };
    let shortcut = match inputs == outputs && stride == 1 {
        true => None,
        false => Some(layer(1, inputs, stride, Nonlinearity::Identity, "shortcut", "shortcut_norm")?),
    };
    if separable {
        let depthwise = Conv2d { kernel: 3, stride, channels: inputs, outputs: inputs, depthwise: true };
        return Ok(StackStep::Residual {
            first: conv_norm(depthwise, Nonlinearity::Relu, vb.pp("conv1"), vb.pp("norm1"))?,
            second: layer(1, inputs, 1, Nonlinearity::Identity, "conv2", "norm2")?,
            shortcut,
        });
    }
    Ok(StackStep::Residual {
        first: layer(3, inputs, stride, Nonlinearity::Relu, "conv1", "norm1")?,
        second: layer(3, outputs, 1, Nonlinearity::Identity, "conv2", "norm2")?,
        shortcut,
    })
}
