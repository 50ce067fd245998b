use super::{Activations, Mode, NormConstants, RunningStatistics, glorot};
use crate::kernels::{Conv1d, MaxPool};
use crate::ops::conv_block::{Block, BlockDropout, Parameters, Relu};
use crate::ops::conv_blocks::{ConvBlocksOp, Inference, InferenceMemory, Kept, Memory};
use crate::ops::with_all_slices;
use crate::summary::LayerSummary;
use candle_core::{Device, Result, Tensor};
use candle_nn::{Init, VarBuilder};
use rand::Rng;
use std::sync::Arc;

/// What a block of [`ConvBlocks`] computes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvBlockOptions {
    pub conv: Conv1d,
    pub relu: Relu,
    pub pool: MaxPool,
    pub dropout: BlockDropout,
    pub norm: NormConstants,
}

/// The parameters of a block.
struct ConvBlock {
    weight: Tensor,
    bias: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    running: RunningStatistics,
    momentum: f32,
}

/// One-dimensional convolutions with bias over frames `[batch, frames, channels]`, each followed by batch normalisation,
/// ReLU, maximum pooling over frames and dropout, as Keras initialises them.
pub(crate) struct ConvBlocks {
    layers: Vec<ConvBlock>,
    blocks: Arc<[Block]>,
    training_memory: Kept<Memory>,
    inference_memory: Kept<InferenceMemory>,
}

impl ConvBlocks {
    /// Each block with where it finds its parameters.
    pub fn new(blocks: Vec<(ConvBlockOptions, VarBuilder)>) -> Result<Self> {
        let layer = |(options, vb): &(ConvBlockOptions, VarBuilder)| {
            let Conv1d { kernel, outputs, .. } = options.conv;
            let width = options.conv.width();
            let norm = vb.pp("norm");
            Ok(ConvBlock {
                weight: vb.get_with_hints((width, outputs), "weight", glorot(width, kernel * outputs))?,
                bias: vb.get_with_hints(outputs, "bias", Init::Const(0.0))?,
                norm_weight: norm.get_with_hints(outputs, "weight", Init::Const(1.0))?,
                norm_bias: norm.get_with_hints(outputs, "bias", Init::Const(0.0))?,
                running: RunningStatistics::new(outputs, norm)?,
                momentum: options.norm.momentum,
            })
        };
        let layers = blocks.iter().map(layer).collect::<Result<_>>()?;
        let block = |(options, _): &(ConvBlockOptions, VarBuilder)| {
            let ConvBlockOptions { conv, relu, pool, dropout, norm } = *options;
            Block { conv, relu, pool, dropout, epsilon: f64::from(norm.epsilon) }
        };
        let blocks = blocks.iter().map(block).collect();
        Ok(Self { layers, blocks, training_memory: Kept::default(), inference_memory: Kept::default() })
    }

    /// One line for each block, of these names; outputs are `[frames', outputs]`.
    pub fn summary(&self, names: impl Iterator<Item = String>, frames: usize) -> Vec<LayerSummary> {
        let mut frames = frames;
        let lines = self.blocks.iter().zip(names).map(|(Block { conv, pool, .. }, name)| {
            let multiply_adds = frames * conv.width() * conv.outputs;
            frames = pool.output_len(frames);
            LayerSummary::new(&name, &[frames, conv.outputs], multiply_adds)
        });
        lines.collect()
    }

    pub fn forward(&self, input: &Activations, mode: &mut Mode) -> Result<Activations> {
        let values = match mode {
            Mode::Train(rng) => {
                let seeds = self.blocks.iter().map(|block| match block.dropout.probability {
                    0.0 => 0,
                    _ => rng.next_u64(),
                });
                self.train(input, seeds.collect())?
            }
            Mode::Evaluate => self.infer(input)?,
        };
        let output_len = |n: usize| self.blocks.iter().fold(n, |n, block| block.pool.output_len(n));
        Ok(Activations { values, lengths: input.lengths.iter().map(|&n| output_len(n)).collect() })
    }

    fn train(&self, input: &Activations, seeds: Vec<u64>) -> Result<Tensor> {
        let mut parameters = Vec::new();
        for ConvBlock { weight, bias, norm_weight, norm_bias, .. } in &self.layers {
            parameters.extend([weight.flatten_all()?, bias.clone(), norm_weight.clone(), norm_bias.clone()]);
        }
        let used = Arc::default();
        let op = ConvBlocksOp {
            blocks: self.blocks.clone(),
            lengths: input.lengths.clone(),
            seeds,
            memory: self.training_memory.clone(),
            used: Arc::clone(&used),
        };
        let output = input.values.apply_op2(&Tensor::cat(&parameters, 0)?, op)?;
        if let Some(memory) = &*used.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
            let memory: &Memory = memory;
            for (layer, (moments, count)) in self.layers.iter().zip(&memory.statistics) {
                layer.running.update(moments, *count as f32, layer.momentum)?;
            }
        }
        Ok(output)
    }

    fn infer(&self, input: &Activations) -> Result<Tensor> {
        // That of training is for whole mini-batches.
        self.training_memory.clear();
        let mut tensors = vec![&input.values];
        for ConvBlock { weight, bias, norm_weight, norm_bias, .. } in &self.layers {
            tensors.extend([weight, bias, norm_weight, norm_bias]);
        }
        let statistics = self.layers.iter().map(|layer| layer.running.moments()).collect::<Result<_>>()?;
        let output = with_all_slices(&tensors, |slices| {
            let parameters: Vec<Parameters> = slices[1..]
                .as_chunks()
                .0
                .iter()
                .map(|&[weight, bias, scale, shift]| Parameters { weight, bias, scale, shift })
                .collect();
            let inference =
                Inference { blocks: &self.blocks, parameters: &parameters, statistics, memory: &self.inference_memory };
            inference.run(slices[0], &input.lengths)
        })?;
        let batch = input.lengths.len();
        let outputs = self.blocks.last().map_or(input.values.dim(2)?, |block| block.conv.outputs);
        let frames = output.len() / (batch * outputs);
        Tensor::from_vec(output, (batch, frames, outputs), &Device::Cpu)
    }
}
