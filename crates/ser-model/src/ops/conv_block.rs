use super::batch_norm::Moments;
use super::{slice, with_slices};
use crate::kernels::{Buffers, Conv1d, MaxPool, SummedMoments, column_sums, vectorised};
use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::sync::{Arc, OnceLock};

/// Weight gradients are summed in this many groups of utterances, whatever the number of threads: the most threads that
/// a backward pass can use, and the number of copies of the gradient that it needs.
const GROUPS: usize = 8;

/// The product of an utterance that is alone is divided in two, whatever the number of threads, if each half has this many
/// frames.
const HALF: usize = 64;

/// In place of the place of a maximum: the value was dropped.
const DROPPED: u8 = u8::MAX;

/// A convolution with bias, batch normalisation over valid frames, maximum pooling, ReLU before or after, and dropout.
///
/// The arguments are the input `[batch, frames, channels]`, zero past each utterance's length, the weight
/// `[kernel * channels, outputs]`, and `[3, outputs]`: biases, then scales and shifts of the normalisation. The output
/// `[batch, ceil(frames / stride), outputs]` is zero past the pooled lengths.
///
/// One operation, because at this size of activations each pass over memory counts: what a backward pass needs is kept
/// (the values before the normalisation, and a byte for each maximum), the rest is computed again while it is in cache.
pub(crate) struct ConvBlockOp {
    pub conv: Conv1d,
    pub relu: Relu,
    pub pool: MaxPool,
    pub dropout: Option<BlockDropout>,
    pub epsilon: f64,
    pub lengths: Arc<[usize]>,
    /// Fixed statistics; without them, those of the batch are taken and the backward pass goes through them.
    pub statistics: Option<Moments>,
    /// What the forward pass keeps.
    pub saved: Arc<OnceLock<Saved>>,
}

/// Where the ReLU is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Relu {
    BeforeNorm,
    /// The maximum of what it lets pass is what it lets pass of the maximum: it is computed after the pooling.
    AfterNorm,
}

/// Inverted dropout in training.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockDropout {
    /// At least 0, below 1.
    pub probability: f64,
    /// Drops channels of whole utterances (Tompson et al. 2015, arXiv 1411.4280), not single values.
    pub whole_channels: bool,
    pub seed: u64,
}

pub(crate) struct Saved {
    pub statistics: Moments,
    /// The number of valid frames of the batch.
    pub count: f64,
    /// `[batch, frames, outputs]` before the normalisation.
    values: Vec<f32>,
    /// Places of maxima in their windows, or [`DROPPED`].
    places: Vec<u8>,
}

/// `scale * x + shift` for each channel.
struct Affine {
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl ConvBlockOp {
    fn inverse_deviation(&self, statistics: &Moments) -> Vec<f32> {
        statistics.variance.iter().map(|&v| (1.0 / (f64::from(v) + self.epsilon).sqrt()) as f32).collect()
    }

    fn affine(&self, statistics: &Moments, packed: &[f32]) -> Affine {
        let (norm_scale, norm_shift) = packed[self.conv.outputs..].split_at(self.conv.outputs);
        let scale: Vec<f32> = self.inverse_deviation(statistics).iter().zip(norm_scale).map(|(s, w)| s * w).collect();
        let shift =
            norm_shift.iter().zip(&statistics.mean).zip(&scale).map(|((b, mean), scale)| b - mean * scale).collect();
        Affine { scale, shift }
    }

    /// The convolution of one utterance, with bias, and ReLU where it comes first.
    fn convolve(&self, input: &[f32], weight: &[f32], packed: &[f32], buffers: &mut Buffers, output: &mut [f32]) {
        let frames = output.len() / self.conv.outputs;
        let inputs = self.conv.inputs(frames, buffers, |to| to.copy_from_slice(&input[..frames * self.conv.channels]));
        let floor = if self.relu == Relu::BeforeNorm { 0.0 } else { f32::NEG_INFINITY };
        let in_part = if self.lengths.len() == 1 && frames >= 2 * HALF { frames.div_ceil(2) } else { frames.max(1) };
        output.par_chunks_mut(in_part * self.conv.outputs).enumerate().for_each(|(part, output)| {
            self.conv.forward(&inputs, weight, part * in_part, output);
            vectorised(|| {
                for row in output.chunks_exact_mut(self.conv.outputs) {
                    row.iter_mut().zip(packed).for_each(|(y, bias)| *y = (*y + bias).max(floor));
                }
            });
        });
    }

    /// Normalises, pools and drops out one utterance.
    fn finish(&self, utterance: usize, values: &[f32], affine: &Affine, output: &mut [f32], places: &mut [u8]) {
        let valid = self.pool.output_len(values.len() / self.conv.outputs) * self.conv.outputs;
        let (output, past) = output.split_at_mut(valid);
        past.fill(0.0);
        let places = &mut places[..valid];
        vectorised(|| self.pool.forward(values, &affine.scale, &affine.shift, output, places));
        if self.relu == Relu::AfterNorm {
            output.iter_mut().for_each(|y| *y = y.max(0.0));
        }
        if let Some(dropout) = self.dropout {
            dropout.apply(utterance, self.conv.outputs, output, places);
        }
    }

    fn forward(&self, shape: &Shape, input: &[f32], weight: &[f32], packed: &[f32]) -> Result<(CpuStorage, Shape)> {
        let (batch, frames, channels) = shape.dims3()?;
        let Conv1d { outputs, .. } = self.conv;
        if channels != self.conv.channels || weight.len() != self.conv.width() * outputs || packed.len() != 3 * outputs
        {
            candle_core::bail!("{:?} does not fit input {shape:?}", self.conv);
        }
        if batch == 0 || frames == 0 {
            candle_core::bail!("a convolution needs an utterance and a frame, got {shape:?}");
        }
        let pooled_frames = self.pool.output_len(frames);
        let mut output = vec![0f32; batch * pooled_frames * outputs];
        let utterances = input.par_chunks_exact(frames * channels).zip(&self.lengths[..]).enumerate();
        if let Some(statistics) = &self.statistics {
            let affine = self.affine(statistics, packed);
            utterances.zip(output.par_chunks_exact_mut(pooled_frames * outputs)).for_each_init(
                Default::default,
                |(buffers, values, places): &mut (Buffers, Vec<f32>, Vec<u8>),
                 ((utterance, (input, &length)), output)| {
                    values.resize(length * outputs, 0.0);
                    places.resize(output.len(), 0);
                    self.convolve(input, weight, packed, buffers, values);
                    self.finish(utterance, values, &affine, output, places);
                },
            );
        } else {
            let mut values = vec![0f32; batch * frames * outputs];
            let moments: Vec<SummedMoments> = utterances
                .zip(values.par_chunks_exact_mut(frames * outputs))
                .map_init(Buffers::default, |buffers, ((_, (input, &length)), values)| {
                    let values = &mut values[..length * outputs];
                    self.convolve(input, weight, packed, buffers, values);
                    vectorised(|| SummedMoments::of(values, outputs))
                })
                .collect();
            let moments = moments.iter().fold(SummedMoments::empty(outputs), |all, part| all.merge(part));
            let statistics = Moments {
                mean: moments.mean.iter().map(|&mean| mean as f32).collect(),
                variance: moments.variance().map(|variance| variance as f32).collect(),
            };
            let affine = self.affine(&statistics, packed);
            let mut places = vec![0u8; output.len()];
            values
                .par_chunks_exact(frames * outputs)
                .zip(&self.lengths[..])
                .zip(output.par_chunks_exact_mut(pooled_frames * outputs))
                .zip(places.par_chunks_exact_mut(pooled_frames * outputs))
                .enumerate()
                .for_each(|(utterance, (((values, &length), output), places))| {
                    self.finish(utterance, &values[..length * outputs], &affine, output, places);
                });
            if self.saved.set(Saved { statistics, count: moments.count, values, places }).is_err() {
                candle_core::bail!("one block is one operation: it cannot be applied twice");
            }
        }
        Ok((CpuStorage::F32(output), Shape::from((batch, pooled_frames, outputs))))
    }

    /// Calls `visit(channel, index in values, gradient)` for each value of an utterance that got through pooling, ReLU
    /// and dropout.
    fn for_each_passed(
        &self,
        frames: usize,
        output: &[f32],
        grad: &[f32],
        places: &[u8],
        mut visit: impl FnMut(usize, usize, f32),
    ) {
        let outputs = self.conv.outputs;
        let kept = self.dropout.map_or(1.0, BlockDropout::kept);
        let rows = grad.chunks_exact(outputs).zip(places.chunks_exact(outputs)).zip(output.chunks_exact(outputs));
        for (window, ((grad, places), output)) in self.pool.windows(frames).zip(rows) {
            for (c, ((&grad, &place), &output)) in grad.iter().zip(places).zip(output).enumerate() {
                if place != DROPPED && (self.relu == Relu::BeforeNorm || output > 0.0) {
                    visit(c, (window.start + usize::from(place)) * outputs + c, grad * kept);
                }
            }
        }
    }

    fn backward(&self, slices: Slices, needs_input: bool) -> Result<Gradients> {
        let Slices { frames, input, weight, packed, output, grad } = slices;
        let Some(saved) = self.saved.get() else { candle_core::bail!("no gradient goes through fixed statistics") };
        let Conv1d { channels, outputs, .. } = self.conv;
        let (adjoint, adjoint_weight) = (self.conv.adjoint(), self.conv.adjoint_weight(weight));
        let (mean, inverse_deviation) = (&saved.statistics.mean, self.inverse_deviation(&saved.statistics));
        let of_output = self.pool.output_len(frames) * outputs;
        let utterances: Vec<Utterance> = (0..self.lengths.len())
            .map(|index| Utterance {
                frames: self.lengths[index],
                input: &input[index * frames * channels..][..self.lengths[index] * channels],
                values: &saved.values[index * frames * outputs..][..self.lengths[index] * outputs],
                output: &output[index * of_output..][..of_output],
                grad: &grad[index * of_output..][..of_output],
                places: &saved.places[index * of_output..][..of_output],
            })
            .collect();

        // Gradients of the normalisation's scale and shift.
        let sums: Vec<[Vec<f64>; 2]> = utterances
            .par_iter()
            .map(|utterance| {
                let (mut of_scale, mut of_shift) = (vec![0f64; outputs], vec![0f64; outputs]);
                utterance.for_each_passed(self, |c, index, grad| {
                    let normalised = (utterance.values[index] - mean[c]) * inverse_deviation[c];
                    of_scale[c] += f64::from(grad * normalised);
                    of_shift[c] += f64::from(grad);
                });
                [of_scale, of_shift]
            })
            .collect();
        let total =
            |of: usize| -> Vec<f64> { (0..outputs).map(|c| sums.iter().map(|sums| sums[of][c]).sum()).collect() };
        let (grad_scale, grad_shift) = (total(0), total(1));

        // Before the normalisation the gradient is a * g + b * x + c by channel (Ioffe and Szegedy 2015, arXiv 1502.03167,
        // section 3).
        let a: Vec<f32> = packed[outputs..].iter().zip(&inverse_deviation).map(|(w, s)| w * s).collect();
        let b: Vec<f32> = (0..outputs)
            .map(|i| (-f64::from(a[i] * inverse_deviation[i]) * grad_scale[i] / saved.count) as f32)
            .collect();
        let c: Vec<f32> =
            (0..outputs).map(|i| (-f64::from(a[i]) * grad_shift[i] / saved.count) as f32 - b[i] * mean[i]).collect();

        let mut grad_input = vec![0f32; if needs_input { input.len() } else { 0 }];
        let mut grad_inputs: Vec<&mut [f32]> = match needs_input {
            true => grad_input.chunks_exact_mut(frames * channels).collect(),
            false => utterances.iter().map(|_| Default::default()).collect(),
        };
        let in_group = utterances.len().div_ceil(GROUPS);
        let of_groups: Vec<(Vec<f32>, Vec<f64>)> = utterances
            .par_chunks(in_group)
            .zip(grad_inputs.par_chunks_mut(in_group))
            .map(|(utterances, grad_inputs)| {
                let (mut input_buffers, mut grad_buffers) = (Buffers::default(), Buffers::default());
                let (mut grad_weight, mut grad_bias) = (vec![0f32; weight.len()], vec![0f64; outputs]);
                for (utterance, grad_input) in utterances.iter().zip(grad_inputs) {
                    let Utterance { frames, input, values, .. } = *utterance;
                    let grads = adjoint.inputs(frames, &mut grad_buffers, |grads| {
                        vectorised(|| {
                            for (grads, x) in grads.chunks_exact_mut(outputs).zip(values.chunks_exact(outputs)) {
                                for (((grad, &x), b), c) in grads.iter_mut().zip(x).zip(&b).zip(&c) {
                                    *grad = b * x + c;
                                }
                            }
                        });
                        utterance.for_each_passed(self, |channel, index, grad| grads[index] += a[channel] * grad);
                        if self.relu == Relu::BeforeNorm {
                            grads.iter_mut().zip(values).for_each(|(g, &x)| *g = if x > 0.0 { *g } else { 0.0 });
                        }
                    });
                    let sums = vectorised(|| column_sums(grads.values, outputs, |g, _| g));
                    grad_bias.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
                    let inputs = self.conv.inputs(frames, &mut input_buffers, |to| to.copy_from_slice(input));
                    self.conv.add_weight_gradient(&inputs, grads.values, &mut grad_weight);
                    if needs_input {
                        adjoint.forward(&grads, &adjoint_weight, 0, &mut grad_input[..frames * channels]);
                    }
                }
                (grad_weight, grad_bias)
            })
            .collect();
        let grad_bias = (0..outputs).map(|c| of_groups.iter().map(|(_, bias)| bias[c]).sum::<f64>());
        let packed = grad_bias.chain(grad_scale).chain(grad_shift).map(|sum| sum as f32).collect();
        let mut of_groups = of_groups.into_iter().map(|(weight, _)| weight);
        let mut weight = of_groups.next().unwrap_or_default();
        for of_group in of_groups {
            weight.par_iter_mut().zip(of_group).for_each(|(sum, term)| *sum += term);
        }
        Ok(Gradients { input: grad_input, weight, packed })
    }
}

/// The slices that a backward pass reads.
struct Slices<'a> {
    frames: usize,
    input: &'a [f32],
    weight: &'a [f32],
    packed: &'a [f32],
    output: &'a [f32],
    grad: &'a [f32],
}

struct Gradients {
    /// Empty where it is not needed.
    input: Vec<f32>,
    weight: Vec<f32>,
    packed: Vec<f32>,
}

/// What a backward pass reads of one utterance: its valid frames, but whole outputs.
struct Utterance<'a> {
    frames: usize,
    input: &'a [f32],
    values: &'a [f32],
    output: &'a [f32],
    grad: &'a [f32],
    places: &'a [u8],
}

impl Utterance<'_> {
    fn for_each_passed(&self, block: &ConvBlockOp, visit: impl FnMut(usize, usize, f32)) {
        block.for_each_passed(self.frames, self.output, self.grad, self.places, visit);
    }
}

impl BlockDropout {
    /// What is kept is multiplied by this.
    fn kept(self) -> f32 {
        (1.0 / (1.0 - self.probability)) as f32
    }

    /// Each utterance has its own stream of the generator, so that utterances can run in parallel.
    fn apply(self, utterance: usize, channels: usize, output: &mut [f32], places: &mut [u8]) {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(utterance as u64);
        let threshold = (self.probability * 2f64.powi(32)) as u32;
        let kept = self.kept();
        let of_channels: Vec<bool> = match self.whole_channels {
            true => (0..channels).map(|_| rng.next_u32() < threshold).collect(),
            false => Vec::new(),
        };
        for (output, places) in output.chunks_exact_mut(channels).zip(places.chunks_exact_mut(channels)) {
            for (c, (y, place)) in output.iter_mut().zip(places).enumerate() {
                let drops = if self.whole_channels { of_channels[c] } else { rng.next_u32() < threshold };
                *y = if drops { 0.0 } else { *y * kept };
                *place = if drops { DROPPED } else { *place };
            }
        }
    }
}

impl CustomOp3 for ConvBlockOp {
    fn name(&self) -> &'static str {
        "conv-block"
    }

    fn cpu_fwd(
        &self,
        input: &CpuStorage,
        input_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        packed: &CpuStorage,
        packed_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (weight, packed) = (slice(weight, weight_layout)?, slice(packed, packed_layout)?);
        self.forward(input_layout.shape(), slice(input, input_layout)?, weight, packed)
    }

    fn bwd(
        &self,
        input: &Tensor,
        weight: &Tensor,
        packed: &Tensor,
        output: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let frames = input.dim(1)?;
        // The network's own input needs no gradient.
        let needs_input = input.track_op();
        let gradients =
            with_slices([input, weight, packed, output, &grad], |[input, weight, packed, output, grad]| {
                self.backward(Slices { frames, input, weight, packed, output, grad }, needs_input)
            })??;
        let tensor = |values: Vec<f32>, like: &Tensor| Tensor::from_vec(values, like.shape(), &Device::Cpu);
        Ok((
            if needs_input { Some(tensor(gradients.input, input)?) } else { None },
            Some(tensor(gradients.weight, weight)?),
            Some(tensor(gradients.packed, packed)?),
        ))
    }
}
