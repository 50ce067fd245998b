use super::Activations;
use crate::ops::recurrent::{Cell, RecurrentOp};
use crate::summary::LayerSummary;
use candle_core::{Result, Tensor};
use candle_nn::{Init, Linear, Module, VarBuilder};

/// One direction of an LSTM or GRU over frames `[batch, frames, channels]`, with PyTorch's two biases and initialisation.
pub(crate) struct Recurrent {
    cell: Cell,
    backward_in_time: bool,
    input: Linear,
    weight: Tensor,
    bias: Tensor,
}

impl Recurrent {
    pub fn new(cell: Cell, backward_in_time: bool, inputs: usize, units: usize, vb: VarBuilder) -> Result<Self> {
        let width = cell.gates() * units;
        let bound = 1.0 / (units as f64).sqrt();
        let init = Init::Uniform { lo: -bound, up: bound };
        let (input, recurrent) = (vb.pp("input"), vb.pp("recurrent"));
        let input_weight = input.get_with_hints((width, inputs), "weight", init)?;
        Ok(Self {
            cell,
            backward_in_time,
            input: Linear::new(input_weight, Some(input.get_with_hints(width, "bias", init)?)),
            weight: recurrent.get_with_hints((units, width), "weight", init)?,
            bias: recurrent.get_with_hints(width, "bias", init)?,
        })
    }

    /// Its output is `[frames, units]`.
    pub fn summary(&self, name: String, frames: usize) -> LayerSummary {
        let units = self.weight.dims().first().copied().unwrap_or(0);
        let products = self.input.weight().elem_count() + self.weight.elem_count();
        LayerSummary::new(name, &[frames, units], frames * products)
    }

    /// Gives `[batch, frames, units]`.
    pub fn forward(&self, input: &Activations) -> Result<Tensor> {
        let gates = self.input.forward(&input.values)?;
        let op = RecurrentOp {
            cell: self.cell,
            backward_in_time: self.backward_in_time,
            lengths: input.lengths.clone(),
            kept: Default::default(),
        };
        gates.apply_op3(&self.weight, &self.bias, op)
    }
}
