//! The convolutional network of Zahoor and Kaur over one flattened vector, and its counterpart over frames.

use crate::kernels::{Conv1d, MaxPool};
use crate::layers::{
    Activations, BatchNorm, ConvBlockOptions, ConvBlocks, Mode, NormConstants, apply_wide, dense, linear_summary,
};
use crate::network::check_dropout;
use crate::ops::batch_norm::Activation;
use crate::summary::LayerSummary;
use crate::{Error, Result};
use candle_core::{D, Device, Tensor};
use candle_nn::{Linear, Module, VarBuilder};
use serde::{Deserialize, Serialize};

/// Options of the network of Zahoor and Kaur, which reads one vector.
///
/// Five blocks, each a convolution with ReLU, batch normalisation and maximum pooling by two: 512 channels of 5 taps, 512
/// of 5, 256 of 5, 256 of 3, 128 of 3; dropout after the second, fourth and fifth; a dense layer of 512 with ReLU and
/// batch normalisation; a dense layer. Padding is TensorFlow's `same`; initialisation, ε (10⁻³) and momentum (0.99) of
/// the normalisation are Keras's. The features `[frames, bins]` become one vector of one channel, so that 108
/// frames of 22 bins are 2,376 values; with 7 classes it has 7,193,223 parameters, 4,352 running statistics included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PaperCnnOptions {
    /// Frames of the vector; 1 to 65,536. Shorter utterances are padded with zero frames, longer ones lose their end.
    pub frames: usize,
    /// Numbers of neighbouring bins that are laid out together, frame by frame; their sum is the number of bins. Empty:
    /// all bins. By default zero-crossing rate, then RMS, then 20 MFCC.
    pub groups: Vec<usize>,
    /// Probability of dropping a value after the second, fourth and fifth block; at least 0, below 1.
    pub dropout: f64,
}

impl Default for PaperCnnOptions {
    fn default() -> Self {
        Self { frames: 108, groups: vec![1, 1, 20], dropout: 0.2 }
    }
}

/// Options of the counterpart of [`PaperCnnOptions`] over time: the same layers with bins as channels of frames, and the mean
/// over valid frames before the dense layers. About a twentieth of the work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PaperFramesOptions {
    /// Probability of dropping a value after the second, fourth and fifth block; at least 0, below 1.
    pub dropout: f64,
}

impl Default for PaperFramesOptions {
    fn default() -> Self {
        Self { dropout: 0.2 }
    }
}

impl PaperCnnOptions {
    pub(crate) fn validate(&self, n_bins: usize) -> Result<()> {
        check_dropout(self.dropout)?;
        if !(1..=65_536).contains(&self.frames) {
            let value = self.frames.to_string();
            return Err(Error::InvalidOption { option: "network.frames", value, allowed: "1 to 65536" });
        }
        let sum = self.groups.iter().fold(0usize, |sum, &bins| sum.saturating_add(bins));
        if !self.groups.is_empty() && (sum != n_bins || self.groups.contains(&0)) {
            return Err(Error::InvalidOption {
                option: "network.groups",
                value: format!("{:?} for features of {n_bins} bins", self.groups),
                allowed: "none, or entries of at least 1 whose sum is the number of bins",
            });
        }
        Ok(())
    }
}

/// The width of what the convolutional blocks of both networks give.
const WIDTH: usize = 128;

fn blocks(channels: usize, dropout: f64, vb: &VarBuilder) -> Result<ConvBlocks> {
    // Outputs, taps, window of the pooling, whether dropout follows.
    let layers = [(512, 5, 5, false), (512, 5, 5, true), (256, 5, 5, false), (256, 3, 5, true), (WIDTH, 3, 3, true)];
    let mut channels = channels;
    let blocks = layers.into_iter().enumerate().map(|(index, (outputs, kernel, window, drops))| {
        let options = ConvBlockOptions {
            conv: Conv1d::same(kernel, channels, outputs),
            pool: MaxPool { kernel: window, stride: 2 },
            dropout: if drops { dropout } else { 0.0 },
            norm: NormConstants::KERAS,
        };
        channels = outputs;
        (options, vb.pp(format!("block{index}")))
    });
    Ok(ConvBlocks::new(blocks.collect())?)
}

fn block_summary(blocks: &ConvBlocks, frames: usize) -> Vec<LayerSummary> {
    blocks.summary((0..).map(|index| format!("block{index}")), frames)
}

/// The dense layers of both networks.
struct Head {
    hidden: Linear,
    hidden_norm: BatchNorm,
    classifier: Linear,
}

impl Head {
    const UNITS: usize = 512;

    fn new(inputs: usize, n_classes: usize, vb: &VarBuilder) -> Result<Self> {
        let norm = BatchNorm::new(Self::UNITS, Activation::Identity, NormConstants::KERAS, vb.pp("hidden_norm"))?;
        Ok(Self {
            hidden: dense(inputs, Self::UNITS, vb.pp("hidden"))?,
            hidden_norm: norm,
            classifier: dense(Self::UNITS, n_classes, vb.pp("classifier"))?,
        })
    }

    fn summary(&self) -> [LayerSummary; 2] {
        [linear_summary("hidden", &self.hidden, &[]), linear_summary("classifier", &self.classifier, &[])]
    }

    fn forward(&self, input: &Tensor, mode: &Mode) -> Result<Tensor> {
        let hidden = self.hidden_norm.forward_vectors(&apply_wide(&self.hidden, input)?.relu()?, mode)?;
        Ok(self.classifier.forward(&hidden)?)
    }
}

/// The network that [`PaperCnnOptions`] describe.
pub(crate) struct PaperCnn {
    options: PaperCnnOptions,
    blocks: ConvBlocks,
    head: Head,
}

impl PaperCnn {
    pub fn new(options: &PaperCnnOptions, n_bins: usize, n_classes: usize, vb: VarBuilder) -> Result<Self> {
        options.validate(n_bins)?;
        let frames = (0..5).fold(options.frames * n_bins, |frames, _| frames.div_ceil(2));
        Ok(Self {
            options: options.clone(),
            blocks: blocks(1, options.dropout, &vb)?,
            head: Head::new(frames * WIDTH, n_classes, &vb)?,
        })
    }

    pub fn summary(&self, bins: usize) -> Vec<LayerSummary> {
        let mut layers = block_summary(&self.blocks, self.options.frames * bins);
        layers.extend(self.head.summary());
        layers
    }

    /// Gives logits `[batch, classes]` for `[batch, frames, bins, 1]`.
    pub fn forward(&self, input: &Activations, mode: &mut Mode) -> Result<Tensor> {
        let x = self.blocks.forward(&self.flatten(input)?, mode)?;
        self.head.forward(&x.values.flatten_from(1)?, mode)
    }

    /// The vectors `[batch, frames * bins, 1]`.
    fn flatten(&self, input: &Activations) -> Result<Activations> {
        let (batch, frames, bins, _) = input.values.dims4()?;
        let values = input.values.flatten_all()?.to_vec1::<f32>()?;
        let groups = if self.options.groups.is_empty() { vec![bins] } else { self.options.groups.clone() };
        let len = self.options.frames * bins;
        let mut vectors = vec![0f32; batch * len];
        for (values, vector) in values.chunks_exact(frames * bins).zip(vectors.chunks_exact_mut(len)) {
            let mut first_bin = 0;
            for &n in &groups {
                let places = vector[first_bin * self.options.frames..].chunks_exact_mut(n);
                for (place, frame) in places.zip(values.chunks_exact(bins)).take(self.options.frames) {
                    place.copy_from_slice(&frame[first_bin..first_bin + n]);
                }
                first_bin += n;
            }
        }
        let values = Tensor::from_vec(vectors, (batch, len, 1), &Device::Cpu)?;
        Ok(Activations { values, lengths: vec![len; batch].into() })
    }
}

/// The network that [`PaperFramesOptions`] describe.
pub(crate) struct PaperFrames {
    blocks: ConvBlocks,
    head: Head,
}

impl PaperFrames {
    pub fn new(options: &PaperFramesOptions, n_bins: usize, n_classes: usize, vb: VarBuilder) -> Result<Self> {
        check_dropout(options.dropout)?;
        Ok(Self { blocks: blocks(n_bins, options.dropout, &vb)?, head: Head::new(WIDTH, n_classes, &vb)? })
    }

    pub fn summary(&self, frames: usize) -> Vec<LayerSummary> {
        let mut layers = block_summary(&self.blocks, frames);
        layers.extend(self.head.summary());
        layers
    }

    /// Gives logits `[batch, classes]` for `[batch, frames, bins, 1]`.
    pub fn forward(&self, input: &Activations, mode: &mut Mode) -> Result<Tensor> {
        let input = Activations { values: input.values.squeeze(D::Minus1)?, lengths: input.lengths.clone() };
        let x = self.blocks.forward(&input, mode)?;
        self.head.forward(&x.mean_over_frames()?, mode)
    }
}
