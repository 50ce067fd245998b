use super::cells::{Cell, gru_back, gru_step, lstm_back, lstm_step};
use super::dropout::DropoutFactors;
use super::kept::{BackwardPass, KeepingOp};
use super::total;
use crate::kernels::{Matrix, PackedMatrix, Row, column_sums, multiply};
use candle_core::{Result, Shape};
use rayon::prelude::*;
use std::sync::Arc;

/// Utterances are run in at most this many groups, whatever the number of threads: the utterances of a group share the products
/// of each step.
const GROUPS: usize = 8;

/// With fewer utterances in a group, the products of a step would wait for the weights.
const IN_GROUP: usize = 8;

/// Layers of recurrent cells over whole utterances, from zero states, with dropout between layers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecurrentLayers {
    pub cell: Cell,
    pub inputs: usize,
    pub units: usize,
    pub layers: usize,
    /// 1, or 2: each layer also runs from each utterance's last valid frame to its first.
    pub directions: usize,
    /// Probability of dropping a value between layers.
    pub dropout: f64,
    pub pooling: Pooling,
}

/// What is given of the outputs of the last layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Pooling {
    /// Their mean over the valid frames.
    Mean,
    /// That of the last valid frame.
    Last,
}

/// The parameters of one direction of a layer.
#[derive(Clone, Copy)]
struct Parameters<'a> {
    /// `[gates * units, inputs]`.
    input: &'a [f32],
    input_bias: &'a [f32],
    /// `[units, gates * units]`.
    recurrent: &'a [f32],
    recurrent_bias: &'a [f32],
}

impl RecurrentLayers {
    /// Values of the gates of a frame.
    fn width(&self) -> usize {
        self.cell.gates() * self.units
    }

    /// Values that a layer gives for a frame.
    pub fn outputs(&self) -> usize {
        self.directions * self.units
    }

    pub fn inputs_of(&self, layer: usize) -> usize {
        if layer == 0 { self.inputs } else { self.outputs() }
    }

    /// The parameters of each direction of each layer, in a vector of those of all.
    fn parameters<'a>(&self, packed: &'a [f32]) -> Result<Vec<Parameters<'a>>> {
        let mut rest = packed;
        let mut take = |n: usize| match rest.split_at_checked(n) {
            Some((own, others)) => {
                rest = others;
                Ok(own)
            }
            None => candle_core::bail!("parameters do not fit {self:?}"),
        };
        let mut parameters = Vec::new();
        for index in 0..self.layers * self.directions {
            let (inputs, width) = (self.inputs_of(index / self.directions), self.width());
            parameters.push(Parameters {
                input: take(width * inputs)?,
                input_bias: take(width)?,
                recurrent: take(self.units * width)?,
                recurrent_bias: take(width)?,
            });
        }
        Ok(parameters)
    }
}

/// [`RecurrentLayers`] as one operation.
///
/// The arguments are the input `[batch, frames, inputs]` and the parameters in one vector. The output is `[batch, directions *
/// units]`.
pub(crate) struct RecurrentOp {
    pub layers: RecurrentLayers,
    pub lengths: Arc<[usize]>,
    /// Of the dropout between layers, in training.
    pub seeds: Option<Vec<u64>>,
}

/// What a step of training reads and writes.
#[derive(Default)]
pub(crate) struct Memory {
    groups: Vec<Group>,
    weights: Vec<Weights>,
}

/// The weights of one direction of a layer, laid out for products.
#[derive(Default)]
struct Weights {
    input: PackedMatrix,
    recurrent: PackedMatrix,
    input_adjoint: PackedMatrix,
    recurrent_adjoint: PackedMatrix,
}

/// Memory of a group of utterances.
#[derive(Default)]
struct Group {
    layers: Vec<LayerMemory>,
    /// The recurrent part of one step's gates, `[utterance, gates * units]`, and its gradient.
    recurrent: Vec<f32>,
    /// The state after the last step, `[utterance, units]`: the cells of an LSTM, the outputs of a GRU; in the backward pass the
    /// gradient of the cells.
    state: Vec<f32>,
    /// The gradient of the outputs of a step, `[utterance, units]`.
    of_hidden: Vec<f32>,
    /// The gradient of a layer's output, then of its input: `[utterance, frames, ..]`.
    of_output: Vec<f32>,
    of_input: Vec<f32>,
    /// Of the parameters.
    gradient: Vec<f32>,
}

/// Of one layer: `[utterance, frames, ..]`.
#[derive(Default)]
struct LayerMemory {
    input: Vec<f32>,
    /// The outputs of all directions.
    hidden: Vec<f32>,
    directions: Vec<DirectionMemory>,
}

#[derive(Default)]
struct DirectionMemory {
    /// The gates after their functions; in the backward pass, their gradients.
    gates: Vec<f32>,
    /// LSTM: the cell's content after the step. GRU: the new gate's recurrent part; in the backward pass, its gradient.
    cells: Vec<f32>,
}

/// The utterances of one group, of up to `frames` frames.
#[derive(Clone, Copy)]
struct Utterances<'a> {
    /// The index of the first one in the batch.
    first: usize,
    lengths: &'a [usize],
    frames: usize,
}

/// An utterance at a step of one direction.
struct At {
    utterance: usize,
    /// The place of its frame among those of the group.
    frame: usize,
    /// That of the step before.
    past: Option<usize>,
}

impl Utterances<'_> {
    fn steps(&self) -> usize {
        self.lengths.iter().copied().max().unwrap_or(0)
    }

    /// The utterances that are long enough for a step.
    fn at(&self, step: usize, backward_in_time: bool) -> impl Iterator<Item = At> {
        let (lengths, frames) = (self.lengths, self.frames);
        let long_enough = lengths.iter().enumerate().filter(move |&(_, &n)| step < n);
        long_enough.map(move |(utterance, &n)| {
            let place = |step: usize| utterance * frames + if backward_in_time { n - 1 - step } else { step };
            At { utterance, frame: place(step), past: step.checked_sub(1).map(place) }
        })
    }

    /// The place of each utterance's first frame, and the number of its valid frames.
    fn firsts(&self) -> impl Iterator<Item = (usize, usize)> {
        let frames = self.frames;
        self.lengths.iter().enumerate().map(move |(utterance, &n)| (utterance * frames, n))
    }

    /// The places of the valid frames of all utterances.
    fn valid(&self) -> impl Iterator<Item = usize> {
        self.firsts().flat_map(|(first, n)| first..first + n)
    }
}

/// The values of the frame at a place.
fn row(values: &[f32], place: usize, width: usize) -> &[f32] {
    &values[place * width..(place + 1) * width]
}

fn row_mut(values: &mut [f32], place: usize, width: usize) -> &mut [f32] {
    &mut values[place * width..(place + 1) * width]
}

/// One direction of a layer.
#[derive(Clone, Copy)]
struct Direction<'a> {
    layers: RecurrentLayers,
    layer: usize,
    index: usize,
    parameters: Parameters<'a>,
    weights: &'a Weights,
}

impl Direction<'_> {
    fn backward_in_time(&self) -> bool {
        self.index == 1
    }

    fn forward(&self, group: &mut Group, utterances: Utterances) {
        let RecurrentLayers { cell, units, .. } = self.layers;
        let (inputs, width, outputs) = (self.layers.inputs_of(self.layer), self.layers.width(), self.layers.outputs());
        let Group { layers, recurrent, state, .. } = group;
        let LayerMemory { input, hidden, directions } = &mut layers[self.layer];
        let DirectionMemory { gates, cells } = &mut directions[self.index];
        let Parameters { input_bias, recurrent_bias, .. } = self.parameters;
        let bias: Vec<f32> = input_bias.iter().zip(recurrent_bias).map(|(x, y)| x + y).collect();
        let rows: Vec<Row> = utterances.valid().map(|place| [place * inputs, place * width]).collect();
        self.weights.input.multiply(input, &rows, gates, false);
        recurrent.fill(0.0);
        state.fill(0.0);
        for step in 0..utterances.steps() {
            let at = || utterances.at(step, self.backward_in_time());
            if step > 0 {
                let place = |past: usize| past * outputs + self.index * units;
                let row = |at: At| Some([place(at.past?), at.utterance * width]);
                let rows: Vec<Row> = at().filter_map(row).collect();
                self.weights.recurrent.multiply(hidden, &rows, recurrent, false);
            }
            for At { utterance, frame, .. } in at() {
                let (gates, cells) = (row_mut(gates, frame, width), row_mut(cells, frame, units));
                let (recurrent, state) = (row(recurrent, utterance, width), row_mut(state, utterance, units));
                let hidden = &mut row_mut(hidden, frame, outputs)[self.index * units..][..units];
                match cell {
                    Cell::Lstm => lstm_step(gates, recurrent, &bias, state, cells, hidden),
                    Cell::Gru => gru_step(gates, recurrent, [input_bias, recurrent_bias], state, cells, hidden),
                }
            }
        }
    }

    /// Goes back through all steps, from the gradient `of_output` of the layer's outputs. Adds to the gradient of the parameters
    /// and, if it is wanted, to that of the layer's input.
    fn backward(&self, group: &mut Group, utterances: Utterances, gradient: &mut [f32], of_input: Option<&mut [f32]>) {
        let RecurrentLayers { cell, units, .. } = self.layers;
        let (inputs, width, outputs) = (self.layers.inputs_of(self.layer), self.layers.width(), self.layers.outputs());
        let Group { layers, recurrent, state, of_hidden, of_output, .. } = group;
        let LayerMemory { input, hidden, directions } = &mut layers[self.layer];
        let DirectionMemory { gates, cells } = &mut directions[self.index];
        let zeros = vec![0f32; units];
        let own = |row: usize| row * outputs + self.index * units;
        let past_hidden = |past: Option<usize>| past.map_or(&zeros[..], |past| &hidden[own(past)..][..units]);
        of_hidden.fill(0.0);
        state.fill(0.0);
        for step in (0..utterances.steps()).rev() {
            let at = || utterances.at(step, self.backward_in_time());
            for At { utterance, frame, past } in at() {
                let of_hidden = row_mut(of_hidden, utterance, units);
                let grads = &of_output[own(frame)..][..units];
                of_hidden.iter_mut().zip(grads).for_each(|(sum, grad)| *sum += grad);
                let gates = row_mut(gates, frame, width);
                let of_recurrent = row_mut(recurrent, utterance, width);
                match cell {
                    Cell::Lstm => {
                        let past_cells = past.map_or(&zeros[..], |past| row(cells, past, units));
                        let of_cells = row_mut(state, utterance, units);
                        lstm_back(gates, row(cells, frame, units), past_cells, of_hidden, of_cells, of_recurrent);
                    }
                    Cell::Gru => {
                        gru_back(gates, row_mut(cells, frame, units), past_hidden(past), of_hidden, of_recurrent);
                    }
                }
            }
            if step > 0 {
                let row = |At { utterance, .. }: At| [utterance * width, utterance * units];
                let rows: Vec<Row> = at().map(row).collect();
                self.weights.recurrent_adjoint.multiply(recurrent, &rows, of_hidden, true);
            }
        }

        let (of_input_weight, rest) = gradient.split_at_mut(width * inputs);
        let (of_input_bias, rest) = rest.split_at_mut(width);
        let (of_recurrent_weight, of_recurrent_bias) = rest.split_at_mut(units * width);
        let frames = |first: usize, n: usize| first * width..(first + n) * width;
        for (first, n) in utterances.firsts() {
            let grads = &gates[frames(first, n)];
            let input = Matrix::new(&input[first * inputs..(first + n) * inputs], n, inputs);
            multiply(Matrix::new(grads, n, width).transposed(), input, of_input_weight, true);
            of_input_bias.iter_mut().zip(column_sums(grads, width)).for_each(|(sum, term)| *sum += term as f32);
        }
        if let Some(of_input) = of_input {
            let rows: Vec<Row> = utterances.valid().map(|place| [place * width, place * inputs]).collect();
            self.weights.input_adjoint.multiply(gates, &rows, of_input, self.index > 0);
        }
        if cell == Cell::Gru {
            for place in utterances.valid() {
                row_mut(gates, place, width)[2 * units..].copy_from_slice(row(cells, place, units));
            }
        }
        for (first, n) in utterances.firsts() {
            let sums = column_sums(&gates[frames(first, n)], width);
            of_recurrent_bias.iter_mut().zip(sums).for_each(|(sum, term)| *sum += term as f32);
            // The outputs of all but the last step, and the gradients of all but the first.
            let (past, now) = if self.backward_in_time() { (first + 1, first) } else { (first, first + 1) };
            if n > 1 {
                let past = Matrix::with_row_stride(&hidden[own(past)..], n - 1, units, outputs);
                let grads = Matrix::new(&gates[frames(now, n - 1)], n - 1, width);
                multiply(past.transposed(), grads, of_recurrent_weight, true);
            }
        }
    }
}

impl RecurrentOp {
    fn in_group(&self) -> usize {
        self.lengths.len().div_ceil(GROUPS).max(IN_GROUP)
    }

    fn directions<'a>(&self, parameters: &'a [Parameters<'a>], weights: &'a [Weights]) -> Vec<Direction<'a>> {
        let RecurrentLayers { directions, .. } = self.layers;
        let direction = |(index, (&parameters, weights)): (usize, (&Parameters<'a>, &'a Weights))| Direction {
            layers: self.layers,
            layer: index / directions,
            index: index % directions,
            parameters,
            weights,
        };
        parameters.iter().zip(weights).enumerate().map(direction).collect()
    }

    /// Multiplies the values before a layer by what dropout multiplies them by.
    fn drop_out(&self, layer: usize, utterances: Utterances, values: &mut [f32]) {
        let (Some(seeds), true) = (&self.seeds, self.layers.dropout > 0.0) else { return };
        let outputs = self.layers.outputs();
        let mut factors = vec![0f32; outputs];
        for (utterance, (first, n)) in utterances.firsts().enumerate() {
            let mut drawn = DropoutFactors::new(self.layers.dropout, seeds[layer - 1], utterances.first + utterance);
            for values in values[first * outputs..(first + n) * outputs].chunks_exact_mut(outputs) {
                drawn.draw(&mut factors);
                values.iter_mut().zip(&factors).for_each(|(value, factor)| *value *= factor);
            }
        }
    }

    fn forward_group(&self, group: &mut Group, utterances: Utterances, directions: &[Direction], input: &[f32]) {
        let RecurrentLayers { units, layers, .. } = self.layers;
        let (n, width) = (utterances.lengths.len(), self.layers.width());
        let places = n * utterances.frames;
        let resize = |memory: &mut Vec<f32>, n: usize| memory.resize(n, 0.0);
        resize(&mut group.recurrent, n * width);
        resize(&mut group.state, n * units);
        group.layers.resize_with(layers, LayerMemory::default);
        for (layer, of_layer) in directions.chunks_exact(self.layers.directions).enumerate() {
            let (before, own) = group.layers.split_at_mut(layer);
            let LayerMemory { input: to, hidden, directions } = &mut own[0];
            let from = before.last().map_or(input, |before| &before.hidden);
            to.clear();
            to.extend_from_slice(from);
            if layer > 0 {
                self.drop_out(layer, utterances, to);
            }
            resize(hidden, places * self.layers.outputs());
            directions.resize_with(of_layer.len(), DirectionMemory::default);
            for DirectionMemory { gates, cells } in directions {
                resize(gates, places * width);
                resize(cells, places * units);
            }
            of_layer.iter().for_each(|direction| direction.forward(group, utterances));
        }
    }

    /// Leaves the gradients of the parameters and of the input in the group's memory.
    fn backward_group(
        &self,
        group: &mut Group,
        utterances: Utterances,
        directions: &[Direction],
        n_parameters: usize,
        grad: &[f32],
        needs_input: bool,
    ) {
        let [mut gradient, mut of_input] = [&mut group.gradient, &mut group.of_input].map(std::mem::take);
        gradient.clear();
        gradient.resize(n_parameters, 0.0);
        group.of_hidden.resize(group.state.len(), 0.0);
        let outputs = self.layers.outputs();
        group.of_output.resize(utterances.lengths.len() * utterances.frames * outputs, 0.0);
        for ((first, n), grad) in utterances.firsts().zip(grad.chunks_exact(outputs)) {
            for (frame, to) in
                group.of_output[first * outputs..(first + n) * outputs].chunks_exact_mut(outputs).enumerate()
            {
                let part = match self.layers.pooling {
                    Pooling::Mean => 1.0 / n as f32,
                    Pooling::Last => f32::from(u8::from(frame + 1 == n)),
                };
                to.iter_mut().zip(grad).for_each(|(to, grad)| *to = part * grad);
            }
        }
        let mut end = n_parameters;
        for (layer, of_layer) in directions.chunks_exact(self.layers.directions).enumerate().rev() {
            let inputs = self.layers.inputs_of(layer);
            of_input.resize(utterances.lengths.len() * utterances.frames * inputs, 0.0);
            let of_direction = (inputs + self.layers.units + 2) * self.layers.width();
            let own = &mut gradient[end - of_layer.len() * of_direction..end];
            end -= own.len();
            for (direction, gradient) in of_layer.iter().zip(own.chunks_exact_mut(of_direction)) {
                let wanted = (layer > 0 || needs_input).then_some(&mut of_input[..]);
                direction.backward(group, utterances, gradient, wanted);
            }
            if layer > 0 {
                self.drop_out(layer, utterances, &mut of_input);
                std::mem::swap(&mut group.of_output, &mut of_input);
            }
        }
        (group.gradient, group.of_input) = (gradient, of_input);
    }

    fn utterances(&self, frames: usize) -> impl IndexedParallelIterator<Item = Utterances<'_>> {
        let in_group = self.in_group();
        let chunks = self.lengths.par_chunks(in_group).enumerate();
        chunks.map(move |(index, lengths)| Utterances { first: index * in_group, lengths, frames })
    }
}

impl KeepingOp for RecurrentOp {
    const NAME: &'static str = "recurrent";
    type Memory = Memory;

    fn forward(&self, memory: &mut Memory, shape: &Shape, input: &[f32], packed: &[f32]) -> Result<(Vec<f32>, Shape)> {
        let (batch, frames, inputs) = shape.dims3()?;
        let (outputs, in_group) = (self.layers.outputs(), self.in_group());
        if batch == 0 || frames == 0 || batch != self.lengths.len() || inputs != self.layers.inputs {
            candle_core::bail!("{:?} do not fit input {shape:?}", self.layers);
        }
        let parameters = self.layers.parameters(packed)?;
        let Memory { groups, weights } = memory;
        weights.resize_with(parameters.len(), Weights::default);
        weights.par_iter_mut().zip(&parameters).for_each(|(weights, parameters)| {
            weights.input.pack_transposed(parameters.input, self.layers.width());
            weights.recurrent.pack(parameters.recurrent, self.layers.width());
        });
        let directions = self.directions(&parameters, weights);
        groups.resize_with(batch.div_ceil(in_group), Group::default);
        let mut output = vec![0f32; batch * outputs];
        groups
            .par_iter_mut()
            .zip(self.utterances(frames))
            .zip(input.par_chunks(in_group * frames * inputs))
            .zip(output.par_chunks_mut(in_group * outputs))
            .for_each(|(((group, utterances), input), output)| {
                self.forward_group(group, utterances, &directions, input);
                let Some(LayerMemory { hidden, .. }) = group.layers.last() else { return };
                for ((first, n), output) in utterances.firsts().zip(output.chunks_exact_mut(outputs)) {
                    let valid = &hidden[first * outputs..(first + n) * outputs];
                    match self.layers.pooling {
                        Pooling::Mean => {
                            let sums = column_sums(valid, outputs).into_iter();
                            output.iter_mut().zip(sums).for_each(|(mean, sum)| *mean = (sum / n as f64) as f32);
                        }
                        Pooling::Last => output.copy_from_slice(row(valid, n - 1, outputs)),
                    }
                }
            });
        Ok((output, Shape::from((batch, outputs))))
    }

    fn backward(&self, memory: &mut Memory, pass: BackwardPass) -> Result<(Option<Vec<f32>>, Vec<f32>)> {
        let BackwardPass { packed, grad, needs_input, .. } = pass;
        let (_, frames, _) = pass.shape.dims3()?;
        let RecurrentLayers { inputs, units, .. } = self.layers;
        let parameters = self.layers.parameters(packed)?;
        let Memory { groups, weights } = memory;
        weights.par_iter_mut().zip(&parameters).enumerate().for_each(|(index, (weights, parameters))| {
            let inputs = self.layers.inputs_of(index / self.layers.directions);
            weights.input_adjoint.pack(parameters.input, inputs);
            weights.recurrent_adjoint.pack_transposed(parameters.recurrent, units);
        });
        let directions = self.directions(&parameters, weights);
        groups
            .par_iter_mut()
            .zip(self.utterances(frames))
            .zip(grad.par_chunks(self.in_group() * self.layers.outputs()))
            .for_each(|((group, utterances), grad)| {
                self.backward_group(group, utterances, &directions, packed.len(), grad, needs_input);
            });
        let of_input = needs_input.then(|| {
            let mut of_input = vec![0f32; self.lengths.len() * frames * inputs];
            let groups = groups.iter().zip(of_input.chunks_mut(self.in_group() * frames * inputs));
            for ((group, of_input), lengths) in groups.zip(self.lengths.chunks(self.in_group())) {
                for (first, n) in (Utterances { first: 0, lengths, frames }).firsts() {
                    let valid = first * inputs..(first + n) * inputs;
                    of_input[valid.clone()].copy_from_slice(&group.of_input[valid]);
                }
            }
            of_input
        });
        Ok((of_input, total(groups.iter().map(|group| &group.gradient[..]))))
    }
}
