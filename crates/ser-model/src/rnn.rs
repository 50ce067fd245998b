use crate::layers::{Activations, Dropout, Mode, Recurrent, dense, linear_summary};
use crate::network::check_dropout;
use crate::ops::cells::Cell;
use crate::ops::recurrent::{Pooling, RecurrentLayers};
use crate::summary::LayerSummary;
use crate::{Error, Result};
use candle_core::{D, Tensor};
use candle_nn::{Linear, Module, VarBuilder};
use serde::{Deserialize, Serialize};

/// Options of the recurrent network: layers of LSTM or GRU over frames, the mean of their outputs over time, dropout
/// and a linear layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RnnOptions {
    /// The cell.
    pub cell: Cell,
    /// Units of each layer and direction; 1 to 2,048.
    pub units: usize,
    /// Number of layers; 1 to 8.
    pub layers: usize,
    /// Whether each layer also runs from the last frame to the first.
    pub bidirectional: bool,
    /// Probability of dropping a value between layers and after the mean, in training; at least 0, below 1.
    pub dropout: f64,
}

impl Default for RnnOptions {
    fn default() -> Self {
        Self { cell: Cell::Lstm, units: 128, layers: 2, bidirectional: true, dropout: 0.3 }
    }
}

impl RnnOptions {
    pub(crate) fn validate(&self) -> Result<()> {
        for (option, value, most, allowed) in
            [("network.units", self.units, 2048, "1 to 2048"), ("network.layers", self.layers, 8, "1 to 8")]
        {
            if !(1..=most).contains(&value) {
                return Err(Error::InvalidOption { option, value: value.to_string(), allowed });
            }
        }
        check_dropout(self.dropout)
    }
}

/// The network that [`RnnOptions`] describe.
pub(crate) struct Rnn {
    layers: Recurrent,
    dropout: Dropout,
    classifier: Linear,
}

impl Rnn {
    pub fn new(options: &RnnOptions, n_bins: usize, n_classes: usize, vb: VarBuilder) -> Result<Self> {
        options.validate()?;
        let RnnOptions { cell, units, layers, bidirectional, dropout } = *options;
        let directions = if bidirectional { 2 } else { 1 };
        let pooling = Pooling::Mean;
        let recurrent = RecurrentLayers { cell, inputs: n_bins, units, layers, directions, dropout, pooling };
        Ok(Self {
            layers: Recurrent::new(recurrent, |layer, direction| vb.pp(name(layer, direction)))?,
            dropout: Dropout { probability: dropout },
            classifier: dense(directions * units, n_classes, vb.pp("classifier"))?,
        })
    }

    pub fn summary(&self, frames: usize) -> Vec<LayerSummary> {
        let mut layers = self.layers.summary(name, frames);
        layers.push(linear_summary("classifier", &self.classifier, &[]));
        layers
    }

    /// Gives logits `[batch, classes]` for `[batch, frames, bins, 1]`.
    pub fn forward(&self, input: &Activations, mode: &mut Mode) -> Result<Tensor> {
        let x = Activations { values: input.values.squeeze(D::Minus1)?, lengths: input.lengths.clone() };
        let mean = self.layers.forward(&x, mode)?;
        Ok(self.classifier.forward(&self.dropout.forward(&mean, mode)?)?)
    }
}

/// Where a direction of a layer has its parameters.
fn name(layer: usize, direction: usize) -> String {
    format!("layer{layer}.direction{direction}")
}
