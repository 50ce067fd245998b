//! The steps of recurrent cells, of one utterance and time.

use crate::kernels::{sigmoid, tanh, vectorised_fn};
use serde::{Deserialize, Serialize};

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

/// The parts of gates of `N` kinds.
fn parts<const N: usize>(gates: &[f32]) -> [&[f32]; N] {
    let units = gates.len() / N;
    std::array::from_fn(|index| &gates[index * units..(index + 1) * units])
}

vectorised_fn! {
    /// Takes the inputs' part of the gates to the gates, adding the `recurrent` part and the biases of both; `state` are the
    /// cells, which `cells` keeps.
    pub(super) fn lstm_step(
        gates: &mut [f32],
        recurrent: &[f32],
        bias: &[f32],
        state: &mut [f32],
        cells: &mut [f32],
        hidden: &mut [f32],
    ) {
        let units = state.len();
        for ((gate, recurrent), bias) in gates.iter_mut().zip(recurrent).zip(bias) {
            *gate += recurrent + bias;
        }
        gates[..2 * units].iter_mut().for_each(|x| *x = sigmoid(*x));
        gates[2 * units..3 * units].iter_mut().for_each(|x| *x = tanh(*x));
        gates[3 * units..].iter_mut().for_each(|x| *x = sigmoid(*x));
        let [input, forget, new, output] = parts(gates);
        let gates = input.iter().zip(forget).zip(new.iter().zip(output));
        let states = state.iter_mut().zip(cells).zip(hidden);
        for (((state, cell), hidden), ((input, forget), (new, output))) in states.zip(gates) {
            *state = forget * *state + input * new;
            *cell = *state;
            *hidden = output * tanh(*state);
        }
    }
}

vectorised_fn! {
    /// Turns the gates into their gradients before their functions, and copies them to `of_recurrent`; `of_hidden` becomes zero
    /// and `of_cells` that of the past cells.
    pub(super) fn lstm_back(
        gates: &mut [f32],
        cells: &[f32],
        past_cells: &[f32],
        of_hidden: &mut [f32],
        of_cells: &mut [f32],
        of_recurrent: &mut [f32],
    ) {
        let units = cells.len();
        {
            let (input, rest) = gates.split_at_mut(units);
            let (forget, rest) = rest.split_at_mut(units);
            let (new, output) = rest.split_at_mut(units);
            let gates = input.iter_mut().zip(forget).zip(new.iter_mut().zip(output));
            let states = cells.iter().zip(past_cells).zip(of_hidden.iter_mut().zip(of_cells));
            for (((input, forget), (new, output)), ((&cell, &past), (of_hidden, of_cell))) in gates.zip(states) {
                let activated = tanh(cell);
                let of_content = *of_cell + *of_hidden * *output * (1.0 - activated * activated);
                let (of_input, of_forget) = (of_content * *new, of_content * past);
                *of_cell = of_content * *forget;
                *new = of_content * *input * (1.0 - *new * *new);
                *input = of_input * *input * (1.0 - *input);
                *forget = of_forget * *forget * (1.0 - *forget);
                *output = *of_hidden * activated * *output * (1.0 - *output);
                *of_hidden = 0.0;
            }
        }
        of_recurrent.copy_from_slice(gates);
    }
}

vectorised_fn! {
    /// As [`lstm_step`]; `state` are the past outputs, and `new_recurrent` keeps the new gate's recurrent part. The biases are two.
    pub(super) fn gru_step(
        gates: &mut [f32],
        recurrent: &[f32],
        biases: [&[f32]; 2],
        state: &mut [f32],
        new_recurrent: &mut [f32],
        hidden: &mut [f32],
    ) {
        let units = state.len();
        let [input_bias, recurrent_bias] = biases;
        gates.iter_mut().zip(input_bias).for_each(|(gate, bias)| *gate += bias);
        let (resets_and_updates, new) = gates.split_at_mut(2 * units);
        for ((gate, recurrent), bias) in resets_and_updates.iter_mut().zip(recurrent).zip(recurrent_bias) {
            *gate = sigmoid(*gate + recurrent + bias);
        }
        let [reset, update] = parts(resets_and_updates);
        let recurrent = recurrent[2 * units..].iter().zip(&recurrent_bias[2 * units..]);
        let gates = new.iter_mut().zip(reset).zip(update).zip(recurrent);
        let states = state.iter_mut().zip(new_recurrent).zip(hidden);
        for ((((new, reset), update), (recurrent, bias)), ((state, kept), hidden)) in gates.zip(states) {
            *kept = recurrent + bias;
            *new = tanh(*new + reset * *kept);
            *state = *new + update * (*state - *new);
            *hidden = *state;
        }
    }
}

vectorised_fn! {
    /// Turns the gates and the new gate's recurrent part into their gradients before their functions, `of_recurrent` into that of
    /// the whole recurrent part; `of_hidden` becomes what the past output gets directly.
    pub(super) fn gru_back(
        gates: &mut [f32],
        new_recurrent: &mut [f32],
        past_hidden: &[f32],
        of_hidden: &mut [f32],
        of_recurrent: &mut [f32],
    ) {
        let units = of_hidden.len();
        {
            let (reset, rest) = gates.split_at_mut(units);
            let (update, new) = rest.split_at_mut(units);
            let gates = reset.iter_mut().zip(update).zip(new.iter_mut().zip(&mut *new_recurrent));
            for (((reset, update), (new, recurrent)), (&past, of_hidden)) in gates.zip(past_hidden.iter().zip(of_hidden)) {
                let of_new = *of_hidden * (1.0 - *update) * (1.0 - *new * *new);
                let of_update = *of_hidden * (past - *new);
                *of_hidden *= *update;
                *new = of_new;
                *update = of_update * *update * (1.0 - *update);
                let of_reset = of_new * *recurrent;
                *recurrent = of_new * *reset;
                *reset = of_reset * *reset * (1.0 - *reset);
            }
        }
        let (of_gates, of_new) = of_recurrent.split_at_mut(2 * units);
        of_gates.copy_from_slice(&gates[..2 * units]);
        of_new.copy_from_slice(new_recurrent);
    }
}
