use super::conv_block::{Block, Parameters, Upstream};
use super::in_two;
use super::kept::{BackwardPass, KeepingOp, Kept};
use super::norm::{Affine, Moments, NormGradient};
use crate::kernels::{Conv1d, GRADIENT_ROWS, MaxPool, PoolChannels, SummedMoments, column_sums};
use candle_core::{Result, Shape};
use rayon::prelude::*;
use std::sync::Arc;

/// Weight gradients of few parts are summed in this many groups of utterances, whatever the number of threads.
const GROUPS: usize = 8;

/// Inference with a weight of at most so many values goes over so many pooled frames at a time: what they are taken from stays in a
/// core's own cache. A product with a larger weight lays that out each time. Fewer frames are not worth a thread either.
const SMALL_WEIGHT: usize = 1 << 14;
const FEW_FRAMES: usize = 64;

/// Convolutional blocks, one after the other, in training, as one operation.
///
/// The arguments are the input `[batch, frames, channels]` and for each block in order its [`Parameters`], in one vector. The
/// output `[batch, frames', outputs]` is zero past the pooled lengths.
pub(crate) struct ConvBlocksOp {
    pub blocks: Arc<[Block]>,
    pub lengths: Arc<[usize]>,
    /// Of the dropout of each block.
    pub seeds: Vec<u64>,
}

/// What a step of training reads and writes.
#[derive(Default)]
pub(crate) struct Memory {
    blocks: Vec<BlockMemory>,
    adjoint_weight: Vec<f32>,
    of_groups: Vec<f32>,
    /// Of each block, and over how many frames.
    pub statistics: Vec<(Moments, f64)>,
}

#[derive(Default)]
struct BlockMemory {
    /// `[batch, frames, channels]`, each utterance with the convolution's zero frames around; in the backward pass, their
    /// gradients.
    inputs: Vec<f32>,
    /// Before the normalisation, `[batch, frames, outputs]` with the adjoint's zero frames around; in the backward pass,
    /// their gradients.
    values: Vec<f32>,
    /// Places of maxima in their windows, `[batch, frames', outputs]`.
    places: Vec<u8>,
}

/// The layout of a last output: no frames around.
fn bare(channels: usize) -> Conv1d {
    Conv1d::same(1, channels, channels)
}

impl ConvBlocksOp {
    fn parameters<'a>(&self, packed: &'a [f32]) -> Result<Vec<Parameters<'a>>> {
        let mut rest = packed;
        let mut parameters = Vec::new();
        for block in &self.blocks[..] {
            let Some((own, others)) = block.split_parameters(rest) else {
                candle_core::bail!("parameters do not fit {block:?}")
            };
            rest = others;
            parameters.push(own);
        }
        Ok(parameters)
    }

    /// The number of frames of the batch, and the lengths, before each block and after the last.
    fn frames(&self, frames: usize) -> Vec<(usize, Vec<usize>)> {
        let mut all = vec![(frames, self.lengths.to_vec())];
        for Block { pool, .. } in &self.blocks[..] {
            let (frames, lengths) = &all[all.len() - 1];
            all.push((pool.output_len(*frames), lengths.iter().map(|&n| pool.output_len(n)).collect()));
        }
        all
    }
}

impl KeepingOp for ConvBlocksOp {
    const NAME: &'static str = "conv-blocks";
    type Memory = Memory;

    fn forward(&self, memory: &mut Memory, shape: &Shape, input: &[f32], packed: &[f32]) -> Result<(Vec<f32>, Shape)> {
        let (batch, frames, channels) = shape.dims3()?;
        let Some(first) = self.blocks.first().filter(|first| first.conv.channels == channels) else {
            candle_core::bail!("{:?} do not fit input {shape:?}", self.blocks)
        };
        if batch == 0 || frames == 0 || batch != self.lengths.len() {
            candle_core::bail!("a convolution needs an utterance and a frame, got {shape:?}");
        }
        memory.blocks.resize_with(self.blocks.len(), BlockMemory::default);
        memory.statistics.clear();
        let inputs = &mut memory.blocks[0].inputs;
        inputs.resize(batch * first.conv.padded_len(frames), 0.0);
        inputs
            .par_chunks_exact_mut(first.conv.padded_len(frames))
            .zip(input.par_chunks_exact(frames * channels))
            .zip(&self.lengths[..])
            .for_each(|((to, from), &n)| first.conv.pad(to, n).copy_from_slice(&from[..n * channels]));

        let extents = self.frames(frames);
        let mut output = Vec::new();
        for (index, (block, parameters)) in self.blocks.iter().zip(self.parameters(packed)?).enumerate() {
            let (conv, adjoint) = (block.conv, block.conv.adjoint());
            let [(frames, lengths), (pooled_frames, pooled_lengths)] = &extents[index..][..2] else { continue };
            let (own, next) = memory.blocks.split_at_mut(index + 1);
            let BlockMemory { inputs, values, places } = &mut own[index];
            values.resize(batch * adjoint.padded_len(*frames), 0.0);
            let moments: Vec<SummedMoments> = values
                .par_chunks_exact_mut(adjoint.padded_len(*frames))
                .zip(inputs.par_chunks_exact(conv.padded_len(*frames)))
                .zip(lengths)
                .map(|((values, inputs), &n)| {
                    let values = adjoint.pad(values, n);
                    block.convolve(inputs, parameters, values);
                    SummedMoments::of(values, conv.outputs)
                })
                .collect();
            let moments = moments.iter().fold(SummedMoments::empty(conv.outputs), |all, part| all.merge(part));
            let statistics = Moments::from(&moments);
            let affine = block.affine(&statistics, parameters);
            memory.statistics.push((statistics, moments.count));

            let (to, layout) = match next.first_mut() {
                Some(next) => (&mut next.inputs, self.blocks[index + 1].conv),
                None => (&mut output, bare(conv.outputs)),
            };
            to.resize(batch * layout.padded_len(*pooled_frames), 0.0);
            places.resize(batch * pooled_frames * conv.outputs, 0);
            to.par_chunks_exact_mut(layout.padded_len(*pooled_frames))
                .zip(places.par_chunks_exact_mut(pooled_frames * conv.outputs))
                .zip(values.par_chunks_exact(adjoint.padded_len(*frames)))
                .zip(lengths.par_iter().zip(pooled_lengths))
                .enumerate()
                .for_each(|(utterance, (((to, places), values), (&n, &pooled)))| {
                    let (to, places) = (layout.pad(to, pooled), &mut places[..pooled * conv.outputs]);
                    Block::pool(block, &values[adjoint.place(n)], &affine, 0, to, places);
                    if block.dropout > 0.0 {
                        block.drop_out(self.seeds[index], utterance, to, places);
                    }
                });
        }
        let (frames, _) = extents[extents.len() - 1];
        let outputs = self.blocks[self.blocks.len() - 1].conv.outputs;
        Ok((output, Shape::from((batch, frames, outputs))))
    }

    fn backward(&self, memory: &mut Memory, pass: BackwardPass) -> Result<(Option<Vec<f32>>, Vec<f32>)> {
        let BackwardPass { packed, grad, needs_input, .. } = pass;
        let (_, frames, _) = pass.shape.dims3()?;
        let parameters = self.parameters(packed)?;
        let extents = self.frames(frames);
        let mut grad_packed = vec![0f32; packed.len()];
        let mut end = packed.len();
        let Memory { blocks: memories, adjoint_weight, of_groups, statistics } = memory;
        for (index, (block, parameters)) in self.blocks.iter().zip(&parameters).enumerate().rev() {
            let (conv, adjoint) = (block.conv, block.conv.adjoint());
            let [(frames, lengths), (pooled_frames, pooled_lengths)] = &extents[index..][..2] else { continue };
            let (own, next) = memories.split_at_mut(index + 1);
            let BlockMemory { inputs, values, places } = &mut own[index];
            let (grads, layout) = match next.first() {
                Some(next) => (&next.inputs[..], self.blocks[index + 1].conv),
                None => (grad, bare(conv.outputs)),
            };
            let upstream = |utterance: usize| {
                let n = pooled_lengths[utterance];
                Upstream {
                    grad: &grads[utterance * layout.padded_len(*pooled_frames)..][layout.place(n)],
                    places: &places[utterance * pooled_frames * conv.outputs..][..n * conv.outputs],
                }
            };
            let (input_len, value_len) = (conv.padded_len(*frames), adjoint.padded_len(*frames));

            let (moments, count) = &statistics[index];
            let sums: Vec<[Vec<f64>; 2]> = values
                .par_chunks_exact(value_len)
                .zip(lengths)
                .enumerate()
                .map(|(utterance, (values, &n))| {
                    Block::norm_sums(block, &values[adjoint.place(n)], &moments.mean, upstream(utterance))
                })
                .collect();
            let total = |of: usize, c: usize| sums.iter().map(|sums| sums[of][c]).sum::<f64>();
            let totals = [0, 1].map(|of| (0..conv.outputs).map(|c| total(of, c)).collect());
            let norm = NormGradient::new(moments, block.epsilon, parameters.scale, totals, *count);
            let of_bias: Vec<Vec<f64>> = values
                .par_chunks_exact_mut(value_len)
                .zip(lengths)
                .enumerate()
                .map(|(utterance, (values, &n))| {
                    let values = &mut values[adjoint.place(n)];
                    Block::values_to_gradients(block, &norm, upstream(utterance), values);
                    column_sums(values, conv.outputs)
                })
                .collect();

            let own = end - block.n_parameters()..end;
            end = own.start;
            let (grad_weight, others) = grad_packed[own].split_at_mut(parameters.weight.len());
            let grad_bias = (0..conv.outputs).map(|c| of_bias.iter().map(|of_bias| of_bias[c]).sum());
            let of_others = grad_bias.chain(norm.scale).chain(norm.shift);
            others.iter_mut().zip(of_others).for_each(|(grad, sum)| *grad = sum as f32);
            let utterances: Vec<(&[f32], &[f32])> = inputs
                .chunks_exact(input_len)
                .zip(values.chunks_exact(value_len))
                .zip(lengths)
                .map(|((inputs, grads), &n)| (inputs, &grads[adjoint.place(n)]))
                .collect();
            weight_gradient(conv, &utterances, of_groups, grad_weight);

            if index > 0 || needs_input {
                adjoint_weight.resize(parameters.weight.len(), 0.0);
                adjoint_weight
                    .par_chunks_exact_mut(conv.channels * conv.outputs)
                    .enumerate()
                    .for_each(|(tap, to)| conv.adjoint_tap(parameters.weight, tap, to));
                inputs.par_chunks_exact_mut(input_len).zip(values.par_chunks_exact(value_len)).zip(lengths).for_each(
                    |((inputs, grads), &n)| adjoint.forward(grads, adjoint_weight, 0, &mut inputs[conv.place(n)]),
                );
            }
        }
        let (frames, lengths) = &extents[0];
        let first = self.blocks[0].conv;
        let grad_input = needs_input.then(|| {
            let mut grad_input = vec![0f32; lengths.len() * frames * first.channels];
            let rows = grad_input.chunks_exact_mut(frames * first.channels);
            let from = memories[0].inputs.chunks_exact(first.padded_len(*frames));
            for ((to, from), &n) in rows.zip(from).zip(lengths) {
                to[..n * first.channels].copy_from_slice(&from[first.place(n)]);
            }
            grad_input
        });
        Ok((grad_input, grad_packed))
    }
}

/// Adds to a weight's gradient, from the padded inputs of each utterance and the gradients of its outputs: its parts in
/// parallel or, if there are few, groups of utterances.
fn weight_gradient(conv: Conv1d, utterances: &[(&[f32], &[f32])], of_groups: &mut Vec<f32>, gradient: &mut [f32]) {
    let (rows, len) = (GRADIENT_ROWS, gradient.len());
    let add = |utterances: &[(&[f32], &[f32])], part: usize, gradient: &mut [f32]| {
        for (inputs, grads) in utterances {
            conv.add_weight_gradient(inputs, grads, part * rows, gradient);
        }
    };
    let part = rows * conv.outputs;
    if len.div_ceil(part) >= GROUPS {
        gradient.par_chunks_mut(part).enumerate().for_each(|(index, gradient)| add(utterances, index, gradient));
        return;
    }
    let in_group = utterances.len().div_ceil(GROUPS);
    of_groups.clear();
    of_groups.resize(utterances.len().div_ceil(in_group) * len, 0.0);
    of_groups.par_chunks_exact_mut(len).zip(utterances.par_chunks(in_group)).for_each(|(gradient, utterances)| {
        gradient.chunks_mut(part).enumerate().for_each(|(index, gradient)| add(utterances, index, gradient));
    });
    gradient.par_chunks_mut(part).enumerate().for_each(|(index, gradient)| {
        for of_group in of_groups.chunks_exact(len) {
            gradient.iter_mut().zip(&of_group[index * part..]).for_each(|(sum, term)| *sum += term);
        }
    });
}

/// Convolutional blocks, one after the other, with fixed statistics and without dropout. Utterances run in parallel, each
/// through all blocks: what a block gives is still in a cache when the next one reads it. One that is alone is halved.
pub(crate) struct Inference<'a> {
    pub blocks: &'a [Block],
    pub parameters: &'a [Parameters<'a>],
    pub statistics: Vec<Moments>,
    pub memory: &'a Kept<InferenceMemory>,
}

#[derive(Default)]
pub(crate) struct InferenceMemory {
    /// Of one block and of the next, in turn.
    inputs: [Vec<f32>; 2],
    /// Before the normalisation, of a part of each half of an utterance.
    values: [Vec<f32>; 2],
}

impl Inference<'_> {
    /// Takes `[batch, frames, channels]` to `[batch, frames', outputs]`, zero past the pooled lengths.
    pub fn run(&self, input: &[f32], lengths: &[usize]) -> Vec<f32> {
        let (Some(first), Some(last)) = (self.blocks.first(), self.blocks.last()) else { return input.to_vec() };
        let channels = first.conv.channels;
        let frames = input.len() / (lengths.len() * channels);
        let pooled_frames = self.blocks.iter().fold(frames, |frames, block| block.pool.output_len(frames));
        let affines: Vec<Affine> = self
            .blocks
            .iter()
            .zip(&self.statistics)
            .zip(self.parameters)
            .map(|((block, statistics), &parameters)| block.affine(statistics, parameters))
            .collect();
        let of_output = pooled_frames * last.conv.outputs;
        let mut output = vec![0f32; lengths.len() * of_output];
        let run = |((output, input), &n): ((&mut [f32], &[f32]), &usize)| {
            let mut memory = self.memory.take();
            self.utterance(&input[..n * channels], &affines, lengths.len() == 1, &mut memory, output);
            self.memory.give(memory);
        };
        match lengths {
            [length] => run(((&mut output, input), length)),
            _ => output
                .par_chunks_exact_mut(of_output)
                .zip(input.par_chunks_exact(frames * channels))
                .zip(lengths)
                .for_each(run),
        }
        output
    }

    fn utterance(
        &self,
        input: &[f32],
        affines: &[Affine],
        alone: bool,
        memory: &mut InferenceMemory,
        output: &mut [f32],
    ) {
        let InferenceMemory { inputs: [inputs, next_inputs], values: [values, other_values] } = memory;
        let (mut inputs, mut next_inputs) = (inputs, next_inputs);
        let mut frames = input.len() / self.blocks[0].conv.channels;
        inputs.resize(self.blocks[0].conv.padded_len(frames), 0.0);
        self.blocks[0].conv.pad(inputs, frames).copy_from_slice(input);
        for (index, ((block, &parameters), affine)) in self.blocks.iter().zip(self.parameters).zip(affines).enumerate()
        {
            let &Block { conv, pool, .. } = block;
            let pooled = pool.output_len(frames);
            let to = match self.blocks.get(index + 1) {
                Some(next) => {
                    next_inputs.resize(next.conv.padded_len(pooled), 0.0);
                    next.conv.pad(next_inputs, pooled)
                }
                None => &mut output[..pooled * conv.outputs],
            };
            let rows = if parameters.weight.len() <= SMALL_WEIGHT { FEW_FRAMES } else { pooled.max(1) };
            let by_channel = PoolChannels { bias: parameters.bias, scale: &affine.scale, shift: &affine.shift };
            let run = |start: usize, to: &mut [f32], values: &mut Vec<f32>| {
                for (part, to) in to.chunks_mut(rows * conv.outputs).enumerate() {
                    let first = start + part * rows;
                    let of_part = pool.frames_of(frames, first..first + to.len() / conv.outputs);
                    values.resize(of_part.len() * conv.outputs, 0.0);
                    conv.forward(inputs, parameters.weight, of_part.start, values);
                    MaxPool::infer(pool, values, frames, by_channel, first, to);
                }
            };
            // The same parts for any number of threads, as a product's roundings may depend on its shape.
            if alone && pooled >= 2 * FEW_FRAMES {
                let half = pooled.div_ceil(2);
                let (first, second) = to.split_at_mut(half * conv.outputs);
                in_two(|| run(0, first, values), || run(half, second, other_values));
            } else {
                run(0, to, values);
            }
            frames = pooled;
            std::mem::swap(&mut inputs, &mut next_inputs);
        }
    }
}
