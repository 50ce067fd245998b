use super::conv_block::dropout_seeds;
use super::{Activations, Mode};
use crate::ops::kept::{Kept, infer, train};
use crate::ops::recurrent::{Memory, RecurrentLayers, RecurrentOp};
use crate::summary::LayerSummary;
use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};

/// Layers of LSTM or GRU over frames `[batch, frames, channels]`, with PyTorch's two biases and initialisation.
pub(crate) struct Recurrent {
    layers: RecurrentLayers,
    /// Of each direction of each layer.
    directions: Vec<Parameters>,
    training_memory: Kept<Memory>,
    inference_memory: Kept<Memory>,
}

struct Parameters {
    input: Tensor,
    input_bias: Tensor,
    recurrent: Tensor,
    recurrent_bias: Tensor,
}

impl Recurrent {
    /// `vb` says where a direction of a layer finds its parameters.
    pub fn new<'a>(layers: RecurrentLayers, vb: impl Fn(usize, usize) -> VarBuilder<'a>) -> Result<Self> {
        let (units, width) = (layers.units, layers.cell.gates() * layers.units);
        let bound = 1.0 / (units as f64).sqrt();
        let init = Init::Uniform { lo: -bound, up: bound };
        let direction = |index: usize| {
            let (layer, direction) = (index / layers.directions, index % layers.directions);
            let vb = vb(layer, direction);
            let (input, recurrent) = (vb.pp("input"), vb.pp("recurrent"));
            Ok(Parameters {
                input: input.get_with_hints((width, layers.inputs_of(layer)), "weight", init)?,
                input_bias: input.get_with_hints(width, "bias", init)?,
                recurrent: recurrent.get_with_hints((units, width), "weight", init)?,
                recurrent_bias: recurrent.get_with_hints(width, "bias", init)?,
            })
        };
        Ok(Self {
            layers,
            directions: (0..layers.layers * layers.directions).map(direction).collect::<Result<_>>()?,
            training_memory: Kept::default(),
            inference_memory: Kept::default(),
        })
    }

    /// A line of each direction of each layer, whose output is `[frames, units]`, with the names that `name` gives them.
    pub fn summary(&self, name: impl Fn(usize, usize) -> String, frames: usize) -> Vec<LayerSummary> {
        let line = |(index, Parameters { input, recurrent, .. }): (usize, &Parameters)| {
            let products = input.elem_count() + recurrent.elem_count();
            let name = name(index / self.layers.directions, index % self.layers.directions);
            LayerSummary::new(&name, &[frames, self.layers.units], frames * products)
        };
        self.directions.iter().enumerate().map(line).collect()
    }

    /// Gives `[batch, directions * units]`.
    pub fn forward(&self, input: &Activations, mode: &mut Mode) -> Result<Tensor> {
        let parameters = self.directions.iter();
        let parameters = parameters.flat_map(|Parameters { input, input_bias, recurrent, recurrent_bias }| {
            [input, input_bias, recurrent, recurrent_bias]
        });
        let op = |seeds| RecurrentOp { layers: self.layers, lengths: input.lengths.clone(), seeds };
        match mode {
            Mode::Train(rng) => {
                let seeds = dropout_seeds(rng, (1..self.layers.layers).map(|_| self.layers.dropout));
                train(op(Some(seeds)), &self.training_memory, &input.values, parameters, |_| Ok(()))
            }
            Mode::Evaluate => {
                // That of training is for whole mini-batches.
                self.training_memory.clear();
                infer(op(None), &self.inference_memory, &input.values, parameters)
            }
        }
    }
}
