use crate::kernels::{Conv2d, MaxPool};
use crate::layers::{
    Activations, ConvNormLayer, ConvStack, Mode, NormConstants, Recurrent, StackStep, dense, linear_summary,
};
use crate::ops::cells::Cell;
use crate::ops::norm_rows::Nonlinearity;
use crate::ops::recurrent::{Pooling, RecurrentLayers};
use crate::summary::LayerSummary;
use crate::{Error, Result};
use candle_core::Tensor;
use candle_nn::{Linear, Module, VarBuilder};
use serde::{Deserialize, Serialize};

/// Options of the two-dimensional CNN LSTM network of Zhao, Mao and Chen (2019, Biomedical Signal Processing and Control 47),
/// made for log-mel spectrograms.
///
/// Four local feature learning blocks, each a 3×3 convolution, batch normalisation, ELU and maximum pooling, of 64, 64, 128
/// and 128 channels and pools 2×2, 4×4, 4×4 and 4×4; an LSTM over the frames that are left, each with its bins and channels
/// in a row; a linear layer on its last output.
///
/// What the paper leaves open is chosen: `same` padding of the pools, so that short utterances keep a frame, no bias
/// before a normalisation, the normalisation's constants as in PyTorch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ZhaoOptions {
    /// Channels of each block; 1 to 1,024.
    pub channels: [usize; 4],
    /// Units of the LSTM; 1 to 2,048.
    pub units: usize,
}

impl Default for ZhaoOptions {
    fn default() -> Self {
        Self { channels: [64, 64, 128, 128], units: 256 }
    }
}

impl ZhaoOptions {
    const POOLS: [usize; 4] = [2, 4, 4, 4];

    pub(crate) fn validate(&self) -> Result<()> {
        if let Some(channels) = self.channels.iter().find(|channels| !(1..=1024).contains(*channels)) {
            let allowed = "1 to 1024";
            return Err(Error::InvalidOption { option: "network.channels", value: channels.to_string(), allowed });
        }
        if !(1..=2048).contains(&self.units) {
            let allowed = "1 to 2048";
            return Err(Error::InvalidOption { option: "network.units", value: self.units.to_string(), allowed });
        }
        Ok(())
    }
}

/// The network that [`ZhaoOptions`] describe.
pub(crate) struct Zhao {
    convolutions: ConvStack,
    lstm: Recurrent,
    classifier: Linear,
}

impl Zhao {
    pub fn new(options: &ZhaoOptions, n_bins: usize, n_classes: usize, vb: VarBuilder) -> Result<Self> {
        options.validate()?;
        let (mut channels, mut bins) = (1, n_bins);
        let mut steps = Vec::new();
        for (index, (outputs, pool)) in options.channels.into_iter().zip(ZhaoOptions::POOLS).enumerate() {
            let conv = Conv2d { kernel: 3, stride: 1, channels, outputs, depthwise: false };
            let (pool, vb) = (MaxPool { kernel: pool, stride: pool }, vb.pp(format!("block{index}")));
            let norm = vb.pp("norm");
            let layer = ConvNormLayer::new(conv, pool, Nonlinearity::Elu, NormConstants::PYTORCH, vb, norm)?;
            steps.push(StackStep::Plain(layer));
            (channels, bins) = (outputs, pool.output_len(bins));
        }
        let (cell, inputs, units) = (Cell::Lstm, bins * channels, options.units);
        let pooling = Pooling::Last;
        let lstm = RecurrentLayers { cell, inputs, units, layers: 1, directions: 1, dropout: 0.0, pooling };
        Ok(Self {
            convolutions: ConvStack::new(steps),
            lstm: Recurrent::new(lstm, |_, _| vb.pp("lstm"))?,
            classifier: dense(units, n_classes, vb.pp("classifier"))?,
        })
    }

    pub fn summary(&self, frames: usize, bins: usize) -> Vec<LayerSummary> {
        let names: Vec<String> = (0..self.convolutions.len()).map(|index| format!("block{index}")).collect();
        let mut layers = self.convolutions.summary(&names, frames, bins);
        let frames = layers.last().map_or(frames, |layer| layer.output[0]);
        layers.extend(self.lstm.summary(|_, _| "lstm".into(), frames));
        layers.push(linear_summary("classifier", &self.classifier, &[]));
        layers
    }

    /// Gives logits `[batch, classes]` for `[batch, frames, bins, 1]`.
    pub fn forward(&self, input: &Activations, mode: &mut Mode) -> Result<Tensor> {
        let x = self.convolutions.forward(input, mode)?;
        let frames = Activations { values: x.values.flatten_from(2)?, lengths: x.lengths };
        Ok(self.classifier.forward(&self.lstm.forward(&frames, mode)?)?)
    }
}
