use super::{slice, with_slices};
use crate::kernels::{Matrix, multiply, sigmoid, tanh};
use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Utterances are run in this many groups, whatever the number of threads: the utterances of a group share the products
/// of each step.
const GROUPS: usize = 8;

/// The cell of a recurrent layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cell {
    /// Long short-term memory (Hochreiter and Schmidhuber 1997, with forget gate), as PyTorch computes it.
    #[default]
    Lstm,
    /// Gated recurrent unit (Cho et al. 2014), as PyTorch computes it: the reset gate acts after the product.
    Gru,
}

impl Cell {
    /// Gates of a unit, in PyTorch's order: input, forget, cell, output; or reset, update, new.
    pub(crate) fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }
}

/// One recurrent layer in one direction over whole utterances, from zero states.
///
/// The arguments are the inputs' part of the gates `[batch, frames, gates * units]`, the recurrent weight `[units, gates *
/// units]` and the recurrent bias `[gates * units]`. The output is `[batch, frames, units]`, zero past the lengths.
pub(crate) struct RecurrentOp {
    pub cell: Cell,
    /// From each utterance's last valid frame to its first.
    pub backward_in_time: bool,
    pub lengths: Arc<[usize]>,
    pub kept: Arc<OnceLock<Kept>>,
}

/// What a backward pass needs, by group.
pub(crate) struct Kept(Vec<GroupStates>);

/// States of the utterances of a group, step by step: `[step, utterance, ..]`.
#[derive(Default)]
struct GroupStates {
    /// The gates after their functions.
    gates: Vec<f32>,
    /// LSTM: the cell's content after the step. GRU: the new gate's recurrent part.
    cells: Vec<f32>,
    /// Outputs after the step.
    hidden: Vec<f32>,
}

/// The utterances of one group.
#[derive(Clone)]
struct Group {
    first: usize,
    lengths: Vec<usize>,
    steps: usize,
    units: usize,
    width: usize,
}

impl Group {
    fn len(&self) -> usize {
        self.lengths.len()
    }
}

impl RecurrentOp {
    fn groups(&self, units: usize) -> Vec<Group> {
        let in_group = self.lengths.len().div_ceil(GROUPS).max(1);
        let group = |(index, lengths): (usize, &[usize])| Group {
            first: index * in_group,
            lengths: lengths.to_vec(),
            steps: lengths.iter().copied().max().unwrap_or(0),
            units,
            width: self.cell.gates() * units,
        };
        self.lengths.chunks(in_group).enumerate().map(group).collect()
    }

    /// The frame of a step, if the utterance is that long.
    fn frame(&self, length: usize, step: usize) -> Option<usize> {
        (step < length).then(|| if self.backward_in_time { length - 1 - step } else { step })
    }

    fn run(&self, group: &Group, frames: usize, inputs: &[f32], weight: &[f32], bias: &[f32]) -> GroupStates {
        let Group { units, width, .. } = *group;
        let n = group.len();
        let mut states = GroupStates {
            gates: vec![0f32; group.steps * n * width],
            cells: vec![0f32; group.steps * n * units],
            hidden: vec![0f32; group.steps * n * units],
        };
        let mut recurrent = vec![0f32; n * width];
        let zeros = vec![0f32; n * units];
        for step in 0..group.steps {
            let (past_hidden, hidden) = states.hidden.split_at_mut(step * n * units);
            let (past_cells, cells) = states.cells.split_at_mut(step * n * units);
            let before = |past: &[f32]| past.len().saturating_sub(n * units);
            let past_hidden = if step == 0 { &zeros } else { &past_hidden[before(past_hidden)..] };
            let past_cells = if step == 0 { &zeros } else { &past_cells[before(past_cells)..] };
            multiply(Matrix::new(past_hidden, n, units), Matrix::new(weight, units, width), &mut recurrent, false);
            for (utterance, &length) in group.lengths.iter().enumerate() {
                let Some(frame) = self.frame(length, step) else { continue };
                let input = &inputs[((group.first + utterance) * frames + frame) * width..][..width];
                let gates = &mut states.gates[(step * n + utterance) * width..][..width];
                let at = utterance * units..(utterance + 1) * units;
                let recurrent = &recurrent[utterance * width..][..width];
                let (hidden, cells) = (&mut hidden[at.clone()], &mut cells[at.clone()]);
                match self.cell {
                    Cell::Lstm => lstm_step(input, recurrent, bias, &past_cells[at], gates, cells, hidden),
                    Cell::Gru => gru_step(input, recurrent, bias, &past_hidden[at], gates, cells, hidden),
                }
            }
        }
        states
    }

    fn forward(&self, shape: &Shape, inputs: &[f32], weight: &[f32], bias: &[f32]) -> Result<(CpuStorage, Shape)> {
        let (batch, frames, width) = shape.dims3()?;
        let units = width / self.cell.gates();
        if width != units * self.cell.gates() || weight.len() != units * width || bias.len() != width {
            candle_core::bail!("recurrent weights do not fit gates {shape:?} of {:?}", self.cell);
        }
        let groups = self.groups(units);
        let states: Vec<GroupStates> =
            groups.par_iter().map(|group| self.run(group, frames, inputs, weight, bias)).collect();
        let mut output = vec![0f32; batch * frames * units];
        for (group, states) in groups.iter().zip(&states) {
            for (utterance, &length) in group.lengths.iter().enumerate() {
                for (step, frame) in (0..length).filter_map(|step| Some((step, self.frame(length, step)?))) {
                    let from = &states.hidden[(step * group.len() + utterance) * units..][..units];
                    output[((group.first + utterance) * frames + frame) * units..][..units].copy_from_slice(from);
                }
            }
        }
        if self.kept.set(Kept(states)).is_err() {
            candle_core::bail!("one recurrent operation cannot be applied twice");
        }
        Ok((CpuStorage::F32(output), Shape::from((batch, frames, units))))
    }

    /// Goes back through the steps of one group.
    fn back(&self, group: &Group, frames: usize, states: &GroupStates, weight: &[f32], grad: &[f32]) -> GroupGradients {
        let Group { units, width, .. } = *group;
        let n = group.len();
        let mut gradients = GroupGradients {
            inputs: vec![0f32; group.steps * n * width],
            weight: vec![0f32; units * width],
            bias: vec![0f64; width],
        };
        let mut of_recurrent = vec![0f32; group.steps * n * width];
        let (mut of_hidden, mut of_cells) = (vec![0f32; n * units], vec![0f32; n * units]);
        let mut through_product = vec![0f32; n * units];
        let zeros = vec![0f32; units];
        for step in (0..group.steps).rev() {
            let in_step = step * n * width..(step + 1) * n * width;
            for (utterance, &length) in group.lengths.iter().enumerate() {
                let Some(frame) = self.frame(length, step) else { continue };
                let at = utterance * units..(utterance + 1) * units;
                let grad = &grad[((group.first + utterance) * frames + frame) * units..][..units];
                let now = (step * n + utterance) * units..(step * n + utterance + 1) * units;
                let gates = (step * n + utterance) * width..(step * n + utterance + 1) * width;
                let of_hidden = &mut of_hidden[at.clone()];
                of_hidden.iter_mut().zip(grad).for_each(|(sum, grad)| *sum += grad);
                let of_inputs = &mut gradients.inputs[gates.clone()];
                let of_recurrent = &mut of_recurrent[gates.clone()];
                let gates = &states.gates[gates];
                let cells = &states.cells[now.clone()];
                match self.cell {
                    Cell::Lstm => {
                        lstm_back(
                            gates,
                            cells,
                            past(&states.cells, &zeros, &now, n),
                            of_hidden,
                            &mut of_cells[at],
                            of_inputs,
                        );
                        of_recurrent.copy_from_slice(of_inputs);
                    }
                    Cell::Gru => {
                        gru_back(
                            gates,
                            cells,
                            past(&states.hidden, &zeros, &now, n),
                            of_hidden,
                            of_inputs,
                            of_recurrent,
                        );
                    }
                }
            }
            // What the states before the step get: through the product, and for the GRU directly, which `gru_back` left.
            let of_recurrent = Matrix::new(&of_recurrent[in_step], n, width);
            multiply(of_recurrent, Matrix::new(weight, units, width).transposed(), &mut through_product, false);
            of_hidden.iter_mut().zip(&through_product).for_each(|(sum, term)| *sum += term);
        }
        if group.steps > 1 {
            let rows = (group.steps - 1) * n;
            let past = Matrix::new(&states.hidden[..rows * units], rows, units);
            let grads = Matrix::new(&of_recurrent[n * width..], rows, width);
            multiply(past.transposed(), grads, &mut gradients.weight, false);
        }
        for row in of_recurrent.chunks_exact(width) {
            gradients.bias.iter_mut().zip(row).for_each(|(sum, &term)| *sum += f64::from(term));
        }
        gradients
    }
}

/// The state of `n` utterances' one before the one at `now`, zeros before the first.
fn past<'a>(states: &'a [f32], zeros: &'a [f32], now: &Range<usize>, n: usize) -> &'a [f32] {
    match now.start.checked_sub(n * now.len()) {
        Some(start) => &states[start..start + now.len()],
        None => zeros,
    }
}

struct GroupGradients {
    /// `[step, utterance, gates * units]`
    inputs: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f64>,
}

fn lstm_step(
    input: &[f32],
    recurrent: &[f32],
    bias: &[f32],
    past_cells: &[f32],
    gates: &mut [f32],
    cells: &mut [f32],
    hidden: &mut [f32],
) {
    let units = cells.len();
    for (((gate, input), recurrent), bias) in gates.iter_mut().zip(input).zip(recurrent).zip(bias) {
        *gate = input + recurrent + bias;
    }
    gates[..2 * units].iter_mut().for_each(|x| *x = sigmoid(*x));
    gates[2 * units..3 * units].iter_mut().for_each(|x| *x = tanh(*x));
    gates[3 * units..].iter_mut().for_each(|x| *x = sigmoid(*x));
    for unit in 0..units {
        cells[unit] = gates[units + unit] * past_cells[unit] + gates[unit] * gates[2 * units + unit];
        hidden[unit] = gates[3 * units + unit] * tanh(cells[unit]);
    }
}

/// Writes the gradient of the gates before their functions; `of_hidden` becomes zero and `of_cells` that of the past cells.
fn lstm_back(
    gates: &[f32],
    cells: &[f32],
    past_cells: &[f32],
    of_hidden: &mut [f32],
    of_cells: &mut [f32],
    of_gates: &mut [f32],
) {
    let units = cells.len();
    for unit in 0..units {
        let gate = |index: usize| gates[index * units + unit];
        let (input, forget, new, output) = (gate(0), gate(1), gate(2), gate(3));
        let activated = tanh(cells[unit]);
        let of_cell = of_cells[unit] + of_hidden[unit] * output * (1.0 - activated * activated);
        of_gates[unit] = of_cell * new * input * (1.0 - input);
        of_gates[units + unit] = of_cell * past_cells[unit] * forget * (1.0 - forget);
        of_gates[2 * units + unit] = of_cell * input * (1.0 - new * new);
        of_gates[3 * units + unit] = of_hidden[unit] * activated * output * (1.0 - output);
        of_cells[unit] = of_cell * forget;
        of_hidden[unit] = 0.0;
    }
}

fn gru_step(
    input: &[f32],
    recurrent: &[f32],
    bias: &[f32],
    past_hidden: &[f32],
    gates: &mut [f32],
    new_recurrent: &mut [f32],
    hidden: &mut [f32],
) {
    let units = hidden.len();
    for (((gate, input), recurrent), bias) in gates.iter_mut().zip(input).zip(recurrent).zip(bias).take(2 * units) {
        *gate = sigmoid(input + recurrent + bias);
    }
    for unit in 0..units {
        let at = 2 * units + unit;
        new_recurrent[unit] = recurrent[at] + bias[at];
        let new = tanh(input[at] + gates[unit] * new_recurrent[unit]);
        gates[at] = new;
        hidden[unit] = new + gates[units + unit] * (past_hidden[unit] - new);
    }
}

/// Writes the gradients of both parts of the gates before their functions; `of_hidden` becomes what the past output gets
/// directly.
fn gru_back(
    gates: &[f32],
    new_recurrent: &[f32],
    past_hidden: &[f32],
    of_hidden: &mut [f32],
    of_inputs: &mut [f32],
    of_recurrent: &mut [f32],
) {
    let units = of_hidden.len();
    for unit in 0..units {
        let (reset, update, new) = (gates[unit], gates[units + unit], gates[2 * units + unit]);
        let grad = of_hidden[unit];
        let of_new = grad * (1.0 - update) * (1.0 - new * new);
        of_inputs[unit] = of_new * new_recurrent[unit] * reset * (1.0 - reset);
        of_inputs[units + unit] = grad * (past_hidden[unit] - new) * update * (1.0 - update);
        of_inputs[2 * units + unit] = of_new;
        of_recurrent[2 * units + unit] = of_new * reset;
        of_hidden[unit] = grad * update;
    }
    of_recurrent[..2 * units].copy_from_slice(&of_inputs[..2 * units]);
}

impl CustomOp3 for RecurrentOp {
    fn name(&self) -> &'static str {
        "recurrent"
    }

    fn cpu_fwd(
        &self,
        inputs: &CpuStorage,
        inputs_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (weight, bias) = (slice(weight, weight_layout)?, slice(bias, bias_layout)?);
        self.forward(inputs_layout.shape(), slice(inputs, inputs_layout)?, weight, bias)
    }

    fn bwd(
        &self,
        inputs: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some(Kept(states)) = self.kept.get() else { candle_core::bail!("a gradient before its forward pass") };
        let (batch, frames, width) = inputs.dims3()?;
        let grad = grad.contiguous()?;
        let groups = self.groups(width / self.cell.gates());
        let of_groups: Vec<GroupGradients> = with_slices([weight, &grad], |[weight, grad]| {
            let run = |(group, states)| self.back(group, frames, states, weight, grad);
            groups.par_iter().zip(states).map(run).collect()
        })?;
        let mut of_inputs = vec![0f32; batch * frames * width];
        let (mut of_weight, mut of_bias) = (vec![0f32; weight.elem_count()], vec![0f64; width]);
        for (group, gradients) in groups.iter().zip(&of_groups) {
            of_weight.iter_mut().zip(&gradients.weight).for_each(|(sum, term)| *sum += term);
            of_bias.iter_mut().zip(&gradients.bias).for_each(|(sum, term)| *sum += term);
            for (utterance, &length) in group.lengths.iter().enumerate() {
                for (step, frame) in (0..length).filter_map(|step| Some((step, self.frame(length, step)?))) {
                    let from = &gradients.inputs[(step * group.len() + utterance) * width..][..width];
                    of_inputs[((group.first + utterance) * frames + frame) * width..][..width].copy_from_slice(from);
                }
            }
        }
        let of_bias = of_bias.into_iter().map(|sum| sum as f32).collect();
        let tensor = |values: Vec<f32>, like: &Tensor| Tensor::from_vec(values, like.shape(), &Device::Cpu);
        Ok((Some(tensor(of_inputs, inputs)?), Some(tensor(of_weight, weight)?), Some(tensor(of_bias, bias)?)))
    }
}
