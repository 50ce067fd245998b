use super::{Activations, Mode, NormConstants, RunningStatistics, glorot};
use crate::kernels::{Conv1d, MaxPool};
use crate::ops::conv_block::{Block, Parameters};
use crate::ops::conv_blocks::{ConvBlocksOp, Inference, InferenceMemory, Memory};
use crate::ops::kept::{Kept, train};
use crate::ops::norm::Moments;
use crate::ops::with_all_slices;
use crate::summary::LayerSummary;
use candle_core::{Device, Result, Tensor};
use candle_nn::{Init, VarBuilder};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// What a block of [`ConvBlocks`] computes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConvBlockOptions {
    pub conv: Conv1d,
    pub pool: MaxPool,
    /// Probability of dropping a value in training: at least 0, below 1.
    pub dropout: f64,
    pub norm: NormConstants,
}

/// The parameters of a one-dimensional convolution with bias and of its batch normalisation, as Keras initialises them.
pub(super) struct NormedConv {
    weight: Tensor,
    bias: Tensor,
    norm_weight: Tensor,
    norm_bias: Tensor,
    running: RunningStatistics,
    momentum: f32,
}

impl NormedConv {
    pub(super) fn new(
        kernel: usize,
        channels: usize,
        outputs: usize,
        constants: NormConstants,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let (width, norm) = (kernel * channels, vb.pp("norm"));
        Ok(Self {
            weight: vb.get_with_hints((width, outputs), "weight", glorot(width, kernel * outputs))?,
            bias: vb.get_with_hints(outputs, "bias", Init::Const(0.0))?,
            norm_weight: norm.get_with_hints(outputs, "weight", Init::Const(1.0))?,
            norm_bias: norm.get_with_hints(outputs, "bias", Init::Const(0.0))?,
            running: RunningStatistics::new(outputs, norm)?,
            momentum: constants.momentum,
        })
    }

    /// Weight and bias, scale and shift of the normalisation.
    pub(super) fn tensors(&self) -> [&Tensor; 4] {
        [&self.weight, &self.bias, &self.norm_weight, &self.norm_bias]
    }

    pub(super) fn statistics(&self) -> Result<Moments> {
        self.running.moments()
    }

    /// Mixes in the moments of a batch of `count` values.
    pub(super) fn update_statistics(&self, moments: &Moments, count: f64) -> Result<()> {
        self.running.update(moments, count as f32, self.momentum)
    }
}

/// A seed for each of `n` dropouts of a probability.
pub(super) fn dropout_seeds(rng: &mut ChaCha8Rng, probabilities: impl Iterator<Item = f64>) -> Vec<u64> {
    probabilities.map(|probability| if probability == 0.0 { 0 } else { rng.next_u64() }).collect()
}

/// One-dimensional convolutions with bias over frames `[batch, frames, channels]`, each followed by batch normalisation,
/// ReLU, maximum pooling over frames and dropout, as Keras initialises them.
pub(crate) struct ConvBlocks {
    layers: Vec<NormedConv>,
    blocks: Arc<[Block]>,
    training_memory: Kept<Memory>,
    inference_memory: Kept<InferenceMemory>,
}

impl ConvBlocks {
    /// Each block with where it finds its parameters.
    pub fn new(blocks: Vec<(ConvBlockOptions, VarBuilder)>) -> Result<Self> {
        let layer = |(options, vb): &(ConvBlockOptions, VarBuilder)| {
            let Conv1d { kernel, channels, outputs, .. } = options.conv;
            NormedConv::new(kernel, channels, outputs, options.norm, vb)
        };
        let layers = blocks.iter().map(layer).collect::<Result<_>>()?;
        let block = |(options, _): &(ConvBlockOptions, VarBuilder)| {
            let ConvBlockOptions { conv, pool, dropout, norm } = *options;
            Block { conv, pool, dropout, epsilon: norm.epsilon }
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
            Mode::Train(rng) => self.train(input, dropout_seeds(rng, self.blocks.iter().map(|block| block.dropout)))?,
            Mode::Evaluate => self.infer(input)?,
        };
        let output_len = |n: usize| self.blocks.iter().fold(n, |n, block| block.pool.output_len(n));
        Ok(Activations { values, lengths: input.lengths.iter().map(|&n| output_len(n)).collect() })
    }

    fn train(&self, input: &Activations, seeds: Vec<u64>) -> Result<Tensor> {
        let op = ConvBlocksOp { blocks: self.blocks.clone(), lengths: input.lengths.clone(), seeds };
        let parameters = self.layers.iter().flat_map(NormedConv::tensors);
        train(op, &self.training_memory, &input.values, parameters, |memory| {
            let mut statistics = self.layers.iter().zip(&memory.statistics);
            statistics.try_for_each(|(layer, (moments, count))| layer.update_statistics(moments, *count))
        })
    }

    fn infer(&self, input: &Activations) -> Result<Tensor> {
        // That of training is for whole mini-batches.
        self.training_memory.clear();
        let tensors: Vec<&Tensor> =
            [&input.values].into_iter().chain(self.layers.iter().flat_map(NormedConv::tensors)).collect();
        let statistics = self.layers.iter().map(NormedConv::statistics).collect::<Result<_>>()?;
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
