//! Layers on channels-last activations with their valid lengths.

mod activations;
mod batch_norm;
mod conv_block;
mod conv_stack;
mod dropout;
mod gated_levels;
mod pooling;
mod recurrent;

pub(crate) use activations::{Activations, Mode};
pub(crate) use batch_norm::{BatchNorm, NormConstants, RunningStatistics};
pub(crate) use conv_block::{ConvBlockOptions, ConvBlocks};
pub(crate) use conv_stack::{ConvNormLayer, ConvStack, StackStep};
pub(crate) use dropout::Dropout;
pub(crate) use gated_levels::GatedLevelsLayer;
pub(crate) use pooling::AttentiveStatistics;
pub(crate) use recurrent::Recurrent;

use crate::ops::linear::LinearOp;
use crate::summary::LayerSummary;
use candle_core::{Result, Tensor};
use candle_nn::init::{FanInOut, NonLinearity, NormalOrUniform};
use candle_nn::{Init, Linear, VarBuilder};

/// Kaiming-uniform weights for what comes before `non_linearity` (He et al. 2015, arXiv 1502.01852). The number of
/// inputs is the second dimension of `[outputs, inputs]` (candle's fan-in), the first of `[inputs, outputs]` (its fan-out).
fn kaiming(inputs: FanInOut, non_linearity: NonLinearity) -> Init {
    Init::Kaiming { dist: NormalOrUniform::Uniform, fan: inputs, non_linearity }
}

/// A linear layer `[.., inputs]` to `[.., outputs]`, Kaiming-uniform with gain 1, zero bias.
pub(crate) fn linear(inputs: usize, outputs: usize, vb: VarBuilder) -> Result<Linear> {
    let weight = vb.get_with_hints((outputs, inputs), "weight", kaiming(FanInOut::FanIn, NonLinearity::Linear))?;
    let bias = vb.get_with_hints(outputs, "bias", Init::Const(0.0))?;
    Ok(Linear::new(weight, Some(bias)))
}

/// Applies a layer to rows `[rows, inputs]`, which for a large weight or many rows is faster than candle's product.
pub(crate) fn apply_wide(layer: &Linear, rows: &Tensor) -> Result<Tensor> {
    match layer.bias() {
        Some(bias) => rows.apply_op3(layer.weight(), bias, LinearOp),
        None => candle_core::bail!("a layer without bias"),
    }
}

/// A linear layer over some number of positions, in a summary.
pub(crate) fn linear_summary(name: &str, layer: &Linear, positions: &[usize]) -> LayerSummary {
    let weight = layer.weight();
    let outputs = weight.dims().first().copied().unwrap_or(0);
    let output: Vec<usize> = positions.iter().copied().chain([outputs]).collect();
    LayerSummary::new(name, &output, positions.iter().product::<usize>() * weight.elem_count())
}

/// Uniform weights of variance `2 / (inputs + outputs)` (Glorot and Bengio 2010), Keras's default.
pub(crate) fn glorot(inputs: usize, outputs: usize) -> Init {
    let bound = (6.0 / (inputs + outputs) as f64).sqrt();
    Init::Uniform { lo: -bound, up: bound }
}

/// A linear layer `[.., inputs]` to `[.., outputs]` as Keras initialises it: Glorot-uniform, zero bias.
pub(crate) fn dense(inputs: usize, outputs: usize, vb: VarBuilder) -> Result<Linear> {
    let weight = vb.get_with_hints((outputs, inputs), "weight", glorot(inputs, outputs))?;
    let bias = vb.get_with_hints(outputs, "bias", Init::Const(0.0))?;
    Ok(Linear::new(weight, Some(bias)))
}
