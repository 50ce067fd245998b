use crate::kernels::{Conv2d, MaxPool};
use crate::layers::{
    Activations, ConvNormLayer, ConvStack, Dropout, Mode, NormConstants, StackStep, dense, linear_summary,
};
use crate::network::check_dropout;
use crate::ops::norm_rows::Nonlinearity;
use crate::summary::LayerSummary;
use crate::{Error, Result};
use candle_core::Tensor;
use candle_nn::{Linear, Module, VarBuilder};
use serde::{Deserialize, Serialize};

/// Options of a network of three convolution and three fully connected layers on spectrograms, after Badshah, Ahmad, Rahim
/// and Baik (2017, PlatCon).
///
/// Convolutions of 120 channels (11×11, stride 4), 256 (5×5) and 384 (3×3), each with ReLU and, but for the last, maximum
/// pooling 3×3 with stride 2; dense layers of 2,048, 2,048 and the number of classes, with ReLU and dropout between.
///
/// The paper takes images of one size. Here frames are of any number: the mean over time of each bin and channel goes to the
/// dense layers. What it leaves open is chosen: batch normalisation after each convolution, and `same` padding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BadshahOptions {
    /// Channels of each convolution; 1 to 1,024.
    pub channels: [usize; 3],
    /// Width of the two hidden dense layers; 1 to 8,192.
    pub hidden: usize,
    /// Probability of dropping a value before each of the last two dense layers in training; at least 0, below 1.
    pub dropout: f64,
}

impl Default for BadshahOptions {
    fn default() -> Self {
        Self { channels: [120, 256, 384], hidden: 2048, dropout: 0.5 }
    }
}

impl BadshahOptions {
    pub(crate) fn validate(&self) -> Result<()> {
        if let Some(channels) = self.channels.iter().find(|channels| !(1..=1024).contains(*channels)) {
            let allowed = "1 to 1024";
            return Err(Error::InvalidOption { option: "network.channels", value: channels.to_string(), allowed });
        }
        if !(1..=8192).contains(&self.hidden) {
            let allowed = "1 to 8192";
            return Err(Error::InvalidOption { option: "network.hidden", value: self.hidden.to_string(), allowed });
        }
        check_dropout(self.dropout)
    }
}

/// The network that [`BadshahOptions`] describe.
pub(crate) struct Badshah {
    convolutions: ConvStack,
    hidden: [Linear; 2],
    dropout: Dropout,
    classifier: Linear,
}

impl Badshah {
    pub fn new(options: &BadshahOptions, n_bins: usize, n_classes: usize, vb: VarBuilder) -> Result<Self> {
        options.validate()?;
        let pool = MaxPool { kernel: 3, stride: 2 };
        let (mut channels, mut bins) = (1, n_bins);
        let mut steps = Vec::new();
        let layers = [(11, 4, pool), (5, 1, pool), (3, 1, MaxPool::NONE)];
        for (index, (outputs, (kernel, stride, pool))) in options.channels.into_iter().zip(layers).enumerate() {
            let conv = Conv2d { kernel, stride, channels, outputs, depthwise: false };
            let (vb, norm) = (vb.pp(format!("conv{index}")), vb.pp(format!("conv{index}.norm")));
            let layer = ConvNormLayer::new(conv, pool, Nonlinearity::Relu, NormConstants::PYTORCH, vb, norm)?;
            steps.push(StackStep::Plain(layer));
            (channels, bins) = (outputs, pool.output_len(conv.output_len(bins)));
        }
        let BadshahOptions { hidden, dropout, .. } = *options;
        Ok(Self {
            convolutions: ConvStack::new(steps),
            hidden: [dense(bins * channels, hidden, vb.pp("hidden0"))?, dense(hidden, hidden, vb.pp("hidden1"))?],
            dropout: Dropout { probability: dropout },
            classifier: dense(hidden, n_classes, vb.pp("classifier"))?,
        })
    }

    pub fn summary(&self, frames: usize, bins: usize) -> Vec<LayerSummary> {
        let names: Vec<String> = (0..self.convolutions.len()).map(|index| format!("conv{index}")).collect();
        let mut layers = self.convolutions.summary(&names, frames, bins);
        for (index, layer) in self.hidden.iter().enumerate() {
            layers.push(linear_summary(&format!("hidden{index}"), layer, &[]));
        }
        layers.push(linear_summary("classifier", &self.classifier, &[]));
        layers
    }

    /// Gives logits `[batch, classes]` for `[batch, frames, bins, 1]`.
    pub fn forward(&self, input: &Activations, mode: &mut Mode) -> Result<Tensor> {
        let x = self.convolutions.forward(input, mode)?;
        let frames = Activations { values: x.values.flatten_from(2)?, lengths: x.lengths };
        let mut x = frames.mean_over_frames()?;
        for layer in &self.hidden {
            x = self.dropout.forward(&layer.forward(&x)?.relu()?, mode)?;
        }
        Ok(self.classifier.forward(&x)?)
    }
}
