use super::dropout::DropoutFactors;
use super::kept::{BackwardPass, KeepingOp, Kept};
use super::norm::{Affine, Moments, NormGradient};
use super::{total, transposed};
use crate::kernels::{CausalConv, GateChannels, SummedMoments, column_sums, pad_rows, row_len};
use crate::kernels::{activate, activate_back, add_norm_sums, gate, gate_back, norm_back};
use candle_core::{Result, Shape};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Utterances are run in this many groups, whatever the number of threads: what is summed over utterances is summed in
/// each group, then over groups.
const GROUPS: usize = 16;

/// A projection of each frame, then levels of dilations 1, 2, 4, …: each multiplies what it is given by the sigmoid of two
/// causal convolutions of it, with batch normalisation, ReLU and dropout of whole channels of an utterance (Tompson et al.
/// 2015, arXiv 1411.4280) after each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GatedLevels {
    pub bins: usize,
    pub channels: usize,
    pub kernel: usize,
    pub levels: usize,
    /// Probability of dropping a channel in training.
    pub dropout: f64,
    /// Of the normalisations.
    pub epsilon: f64,
    /// From each utterance's last valid frame to its first.
    pub backward_in_time: bool,
}

/// The parameters of [`GatedLevels`] with rows of whole vectors: their zeros stay zeros in everything that is computed.
struct Parameters {
    projection: Vec<f32>,
    projection_bias: Vec<f32>,
    convs: Vec<ConvParameters>,
}

struct ConvParameters {
    weight: Vec<f32>,
    bias: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl GatedLevels {
    fn projection(&self) -> CausalConv {
        CausalConv { kernel: 1, dilation: 1, inputs: self.bins, outputs: self.channels }
    }

    /// One of the convolutions, of which each level has two.
    pub fn conv(&self, index: usize) -> CausalConv {
        let Self { kernel, channels, .. } = *self;
        CausalConv { kernel, dilation: 1 << (index / 2), inputs: channels, outputs: channels }
    }

    pub fn n_convs(&self) -> usize {
        2 * self.levels
    }

    /// Values of a frame.
    fn row(&self) -> usize {
        row_len(self.channels)
    }

    /// The projection's weight `[channels, bins]` and bias, then for each convolution its weight `[kernel * channels,
    /// channels]`, its bias, and the scale and shift of its normalisation.
    fn parameters(&self, slices: &[&[f32]]) -> Result<Parameters> {
        if !slices.iter().map(|values| values.len()).eq(self.parameter_lens()) {
            candle_core::bail!("parameters do not fit {self:?}")
        }
        let pad = |values: &[f32]| pad_rows(values, self.channels);
        let projection = transposed(slices[0], self.bins);
        let convs = slices[2..].as_chunks().0.iter().map(|&[weight, bias, scale, shift]| ConvParameters {
            weight: pad(weight),
            bias: pad(bias),
            scale: pad(scale),
            shift: pad(shift),
        });
        Ok(Parameters { projection: pad(&projection), projection_bias: pad(slices[1]), convs: convs.collect() })
    }

    fn parameter_lens(&self) -> impl Iterator<Item = usize> {
        let Self { bins, channels, kernel, .. } = *self;
        let of_conv = [kernel * channels * channels, channels, channels, channels];
        [bins * channels, channels].into_iter().chain((0..self.n_convs()).flat_map(move |_| of_conv))
    }

    /// Lays out an utterance's valid frames `[frames, bins]` in the order in which they are read, and projects them.
    fn project(&self, utterance: &[f32], parameters: &Parameters, input: &mut [f32], output: &mut [f32]) {
        let n = output.len() / self.row();
        for (index, frame) in utterance.chunks_exact(self.bins).take(n).enumerate() {
            let place = if self.backward_in_time { n - 1 - index } else { index };
            input[place * row_len(self.bins)..][..self.bins].copy_from_slice(frame);
        }
        self.projection().forward(input, &parameters.projection, output);
        for row in output.chunks_exact_mut(self.row()) {
            row.iter_mut().zip(&parameters.projection_bias).for_each(|(y, bias)| *y += bias);
        }
    }

    fn mean(&self, frames: &[f32], output: &mut [f32]) {
        let n = (frames.len() / self.row()) as f64;
        output.iter_mut().zip(column_sums(frames, self.row())).for_each(|(mean, sum)| *mean = (sum / n) as f32);
    }

    /// Gives the means over time after each level, `[batch, levels, channels]`, with fixed statistics. Utterances run in
    /// parallel.
    pub fn infer(
        &self,
        input: &[f32],
        lengths: &[usize],
        parameters: &[&[f32]],
        statistics: &[Moments],
        memory: &Kept<InferenceMemory>,
    ) -> Result<Vec<f32>> {
        let parameters = self.parameters(parameters)?;
        let norm = |(conv, Moments { mean, variance }): (&ConvParameters, &Moments)| {
            let mean = pad_rows(mean, self.channels).iter().zip(&conv.bias).map(|(mean, bias)| mean - bias).collect();
            let moments = Moments { mean, variance: pad_rows(variance, self.channels) };
            Affine::new(&moments, self.epsilon, &conv.scale, &conv.shift)
        };
        let norms: Vec<Affine> = parameters.convs.iter().zip(statistics).map(norm).collect();
        let of_utterance = input.len() / lengths.len();
        let mut output = vec![0f32; lengths.len() * self.levels * self.channels];
        output
            .par_chunks_exact_mut(self.levels * self.channels)
            .zip(input.par_chunks_exact(of_utterance))
            .zip(lengths)
            .for_each(|((output, utterance), &n)| {
                let mut kept = memory.take();
                let InferenceMemory { input, state, values, hidden } = &mut kept;
                input.resize(n * row_len(self.bins), 0.0);
                [&mut *state, values, hidden].into_iter().for_each(|memory| memory.resize(n * self.row(), 0.0));
                self.project(utterance, &parameters, input, state);
                let convs = parameters.convs.as_chunks().0.iter().zip(norms.as_chunks().0);
                for (level, (([first, second], norms), output)) in
                    convs.zip(output.chunks_exact_mut(self.channels)).enumerate()
                {
                    let conv = self.conv(2 * level);
                    conv.forward(state, &first.weight, values);
                    let [first_norm, second_norm]: &[Affine; 2] = norms;
                    activate(values, &first_norm.scale, &first_norm.shift, hidden);
                    conv.forward(hidden, &second.weight, values);
                    gate(values, &second_norm.scale, &second_norm.shift, state, hidden);
                    std::mem::swap(state, hidden);
                    self.mean(state, output);
                }
                memory.give(kept);
            });
        Ok(output)
    }
}

/// Memory of one utterance.
#[derive(Default)]
pub(crate) struct InferenceMemory {
    /// Rows of bins.
    input: Vec<f32>,
    state: Vec<f32>,
    values: Vec<f32>,
    hidden: Vec<f32>,
}

/// [`GatedLevels`] in training, as one operation.
///
/// The arguments are the network's input `[batch, frames, bins]`, which gets no gradient, and the parameters in one vector.
/// The output is the means over time after each level, `[batch, levels, channels]`.
pub(crate) struct GatedLevelsOp {
    pub levels: GatedLevels,
    pub lengths: Arc<[usize]>,
    /// Of the dropout after each convolution.
    pub seeds: Vec<u64>,
}

/// What a step of training reads and writes.
#[derive(Default)]
pub(crate) struct Memory {
    groups: Vec<Group>,
    norms: Vec<Norm>,
}

impl Memory {
    /// The statistics of each convolution, and over how many frames.
    pub fn statistics(&self) -> impl Iterator<Item = (&Moments, f64)> {
        self.norms.iter().map(|norm| (&norm.statistics, norm.count))
    }
}

/// A normalisation with the statistics of a batch.
struct Norm {
    /// Of the convolution without its bias, which the normalisation takes away again.
    moments: Moments,
    /// With the bias.
    statistics: Moments,
    count: f64,
    affine: Affine,
}

/// Memory of a group of utterances: `[utterance, frames, row]` but where it says other.
#[derive(Default)]
struct Group {
    /// Rows of bins.
    inputs: Vec<f32>,
    /// What each level is given, and what the last one gives.
    states: Vec<Vec<f32>>,
    /// Of each convolution, before its normalisation.
    values: Vec<Vec<f32>>,
    /// What dropout multiplies by after each convolution, `[utterance, row]`.
    factors: Vec<Vec<f32>>,
    of_state: Vec<f32>,
    /// Of the values of one convolution after, then before, the normalisation.
    of_values: Vec<f32>,
    /// One utterance between two convolutions.
    hidden: Vec<f32>,
    of_hidden: Vec<f32>,
    of_weight: Vec<f32>,
}

/// An utterance of a group: its index in it, and its place in rows of channels, of bins and of factors.
struct Place {
    index: usize,
    frames: Range<usize>,
    inputs: Range<usize>,
    factors: Range<usize>,
}

/// A pass over a batch, whose utterances have up to `frames` frames.
struct Pass<'a> {
    levels: GatedLevels,
    parameters: &'a Parameters,
    frames: usize,
}

impl Pass<'_> {
    /// The utterances of a group of these lengths.
    fn places(&self, lengths: &[usize]) -> impl Iterator<Item = Place> {
        let (row, bins, frames) = (self.levels.row(), row_len(self.levels.bins), self.frames);
        lengths.iter().enumerate().map(move |(index, &n)| Place {
            index,
            frames: index * frames * row..(index * frames + n) * row,
            inputs: index * frames * bins..(index * frames + n) * bins,
            factors: index * row..(index + 1) * row,
        })
    }

    /// Makes room for a batch, draws what dropout multiplies by, and projects.
    fn start(&self, group: &mut Group, lengths: &[usize], first: usize, seeds: &[u64], input: &[f32]) {
        let GatedLevels { bins, levels, .. } = self.levels;
        let row = self.levels.row();
        let resize = |memory: &mut Vec<f32>, n: usize| memory.resize(n, 0.0);
        group.states.resize_with(levels + 1, Vec::new);
        group.values.resize_with(2 * levels, Vec::new);
        group.factors.resize_with(2 * levels, Vec::new);
        resize(&mut group.inputs, lengths.len() * self.frames * row_len(bins));
        group.states.iter_mut().chain(&mut group.values).for_each(|m| resize(m, lengths.len() * self.frames * row));
        [&mut group.hidden, &mut group.of_hidden].into_iter().for_each(|memory| resize(memory, self.frames * row));
        for (factors, &seed) in group.factors.iter_mut().zip(seeds) {
            resize(factors, lengths.len() * row);
            for (index, factors) in factors.chunks_exact_mut(row).enumerate() {
                DropoutFactors::new(self.levels.dropout, seed, first + index).draw(factors);
            }
        }
        for (place, utterance) in self.places(lengths).zip(input.chunks_exact(self.frames * bins)) {
            let (inputs, state) = (&mut group.inputs[place.inputs], &mut group.states[0][place.frames]);
            self.levels.project(utterance, self.parameters, inputs, state);
        }
    }

    /// What a convolution does after its normalisation, with the dropout of one utterance.
    fn affine(&self, group: &Group, norms: &[Norm], conv: usize, place: &Place) -> Affine {
        let Affine { scale, shift } = &norms[conv].affine;
        let factors = &group.factors[conv][place.factors.clone()];
        let dropped = |values: &[f32]| values.iter().zip(factors).map(|(value, factor)| value * factor).collect();
        Affine { scale: dropped(scale), shift: dropped(shift) }
    }

    /// Activates what a convolution gave, into the memory between two convolutions.
    fn activate(&self, group: &mut Group, norms: &[Norm], conv: usize, place: &Place) {
        let affine = self.affine(group, norms, conv, place);
        let values = &group.values[conv][place.frames.clone()];
        activate(values, &affine.scale, &affine.shift, &mut group.hidden[..place.frames.len()]);
    }

    fn convolve(&self, group: &mut Group, lengths: &[usize], norms: &[Norm], conv: usize) -> SummedMoments {
        let mut moments = SummedMoments::empty(self.levels.row());
        for place in self.places(lengths) {
            let is_first = conv.is_multiple_of(2);
            if !is_first {
                self.activate(group, norms, conv - 1, &place);
            }
            let Group { states, values, hidden, .. } = &mut *group;
            let values = &mut values[conv][place.frames.clone()];
            let input = if is_first { &states[conv / 2][place.frames] } else { &hidden[..place.frames.len()] };
            self.levels.conv(conv).forward(input, &self.parameters.convs[conv].weight, values);
            moments = moments.merge(&SummedMoments::of(values, self.levels.row()));
        }
        moments
    }

    /// Ends a level; writes its means, of `[utterance, level, channel]`.
    fn gate(&self, group: &mut Group, lengths: &[usize], norms: &[Norm], level: usize, means: &mut [f32]) {
        let (channels, conv) = (self.levels.channels, 2 * level + 1);
        for (place, means) in self.places(lengths).zip(means.chunks_exact_mut(self.levels.levels * channels)) {
            let affine = self.affine(group, norms, conv, &place);
            let Group { states, values, .. } = &mut *group;
            let (states, next) = states.split_at_mut(level + 1);
            let output = &mut next[0][place.frames.clone()];
            let values = &values[conv][place.frames.clone()];
            gate(values, &affine.scale, &affine.shift, &states[level][place.frames], output);
            self.levels.mean(output, &mut means[level * channels..][..channels]);
        }
    }

    /// Goes back from the output of a level to the normalised values of its second convolution.
    fn gate_back(&self, group: &mut Group, norms: &[Norm], level: usize, place: &Place, of_means: &[f32]) {
        let (channels, conv) = (self.levels.channels, 2 * level + 1);
        let affine = self.affine(group, norms, conv, place);
        let of_means = &of_means[(place.index * self.levels.levels + level) * channels..][..channels];
        let n = (place.frames.len() / self.levels.row()) as f32;
        let mut of_mean = pad_rows(of_means, channels);
        of_mean.iter_mut().for_each(|grad| *grad /= n);
        let Group { states, values, factors, of_state, of_values, .. } = group;
        let channels = GateChannels {
            scale: &affine.scale,
            shift: &affine.shift,
            factors: &factors[conv][place.factors.clone()],
            of_mean: &of_mean,
        };
        gate_back(
            &values[conv][place.frames.clone()],
            channels,
            &states[level][place.frames.clone()],
            &mut of_state[place.frames.clone()],
            &mut of_values[place.frames.clone()],
        );
    }

    /// Goes back through a convolution and its normalisation; after the second one of a level, to the normalised values of the
    /// first.
    fn convolve_back(&self, group: &mut Group, norms: &[Norm], back: &ConvBack, place: &Place) {
        let &ConvBack { conv: index, ref norm, ref adjoint_weight } = back;
        let is_first = index.is_multiple_of(2);
        if !is_first {
            self.activate(group, norms, index - 1, place);
        }
        let Group { states, values, factors, of_state, of_values, hidden, of_hidden, of_weight, .. } = group;
        let (hidden, of_hidden) = (&hidden[..place.frames.len()], &mut of_hidden[..place.frames.len()]);
        let (input, of_input) = if is_first {
            (&states[index / 2][place.frames.clone()], &mut of_state[place.frames.clone()])
        } else {
            of_hidden.fill(0.0);
            (hidden, &mut *of_hidden)
        };
        let grad = &mut of_values[place.frames.clone()];
        norm_back(&values[index][place.frames.clone()], &norm.a, &norm.b, &norm.c, grad);
        let conv = self.levels.conv(index);
        conv.add_weight_gradient(input, grad, of_weight);
        conv.add_input_gradient(grad, adjoint_weight, of_input);
        if !is_first {
            activate_back(hidden, &factors[index - 1][place.factors.clone()], of_hidden, grad);
        }
    }
}

/// What goes back through a convolution.
struct ConvBack {
    conv: usize,
    norm: NormGradient,
    adjoint_weight: Vec<f32>,
}

impl GatedLevelsOp {
    fn parameters(&self, packed: &[f32]) -> Result<Parameters> {
        let mut rest = packed;
        let mut slices = Vec::new();
        for len in self.levels.parameter_lens() {
            let Some((slice, others)) = rest.split_at_checked(len) else {
                candle_core::bail!("parameters do not fit {:?}", self.levels)
            };
            slices.push(slice);
            rest = others;
        }
        self.levels.parameters(&slices)
    }

    fn in_group(&self) -> usize {
        self.lengths.len().div_ceil(GROUPS)
    }
}

impl KeepingOp for GatedLevelsOp {
    const NAME: &'static str = "gated-levels";
    type Memory = Memory;

    fn forward(&self, memory: &mut Memory, shape: &Shape, input: &[f32], packed: &[f32]) -> Result<(Vec<f32>, Shape)> {
        let (batch, frames, bins) = shape.dims3()?;
        let GatedLevels { channels, levels, epsilon, .. } = self.levels;
        if batch == 0 || frames == 0 || batch != self.lengths.len() || bins != self.levels.bins {
            candle_core::bail!("{:?} do not fit input {shape:?}", self.levels);
        }
        let parameters = &self.parameters(packed)?;
        let pass = Pass { levels: self.levels, parameters, frames };
        let Memory { groups, norms } = memory;
        norms.clear();
        let in_group = self.in_group();
        groups.resize_with(batch.div_ceil(in_group), Group::default);
        groups
            .par_iter_mut()
            .zip(self.lengths.par_chunks(in_group))
            .zip(input.par_chunks(in_group * frames * bins))
            .enumerate()
            .for_each(|(index, ((group, lengths), input))| {
                pass.start(group, lengths, index * in_group, &self.seeds, input);
            });
        let mut means = vec![0f32; batch * levels * channels];
        for conv in 0..=self.levels.n_convs() {
            // A level ends where the next one begins.
            let moments: Vec<SummedMoments> = groups
                .par_iter_mut()
                .zip(self.lengths.par_chunks(in_group))
                .zip(means.par_chunks_mut(in_group * levels * channels))
                .map(|((group, lengths), means)| {
                    if conv > 0 && conv.is_multiple_of(2) {
                        pass.gate(group, lengths, norms, conv / 2 - 1, means);
                    }
                    match conv < self.levels.n_convs() {
                        true => pass.convolve(group, lengths, norms, conv),
                        false => SummedMoments::empty(0),
                    }
                })
                .collect();
            let Some(ConvParameters { bias, scale, shift, .. }) = parameters.convs.get(conv) else { break };
            let summed = moments.iter().fold(SummedMoments::empty(self.levels.row()), |all, part| all.merge(part));
            let moments = Moments::from(&summed);
            let mean = moments.mean.iter().zip(bias).map(|(mean, bias)| mean + bias).take(channels).collect();
            let statistics = Moments { mean, variance: moments.variance[..channels].to_vec() };
            let affine = Affine::new(&moments, epsilon, scale, shift);
            norms.push(Norm { moments, statistics, count: summed.count, affine });
        }
        Ok((means, Shape::from((batch, levels, channels))))
    }

    /// The network's own input needs no gradient.
    fn backward(&self, memory: &mut Memory, pass: BackwardPass) -> Result<(Option<Vec<f32>>, Vec<f32>)> {
        let BackwardPass { packed, grad: of_means, .. } = pass;
        let (_, frames, _) = pass.shape.dims3()?;
        let parameters = &self.parameters(packed)?;
        let pass = Pass { levels: self.levels, parameters, frames };
        let GatedLevels { channels, levels, epsilon, .. } = self.levels;
        let (row, in_group, n_convs) = (self.levels.row(), self.in_group(), self.levels.n_convs());
        let Memory { groups, norms } = memory;
        // Does `work` for each utterance; gives the sums that it adds.
        type Work<'a> = dyn Fn(&mut Group, &Place, &[f32], &mut [Vec<f64>; 2]) + Sync + 'a;
        let run = |groups: &mut [Group], work: &Work| {
            let of_groups: Vec<[Vec<f64>; 2]> = groups
                .par_iter_mut()
                .zip(self.lengths.par_chunks(in_group))
                .zip(of_means.par_chunks(in_group * levels * channels))
                .map(|((group, lengths), of_means)| {
                    let mut sums = [vec![0f64; row], vec![0f64; row]];
                    group.of_weight.clear();
                    group.of_weight.resize(self.levels.conv(0).weight_len(), 0.0);
                    pass.places(lengths).for_each(|place| work(group, &place, of_means, &mut sums));
                    sums
                })
                .collect();
            [0, 1].map(|of| total(of_groups.iter().map(|sums| &sums[of][..])))
        };
        let norm_sums = |group: &Group, conv: usize, place: &Place, sums: &mut [Vec<f64>; 2]| {
            let (grad, values) = (&group.of_values[place.frames.clone()], &group.values[conv][place.frames.clone()]);
            add_norm_sums(grad, values, &norms[conv].moments.mean, sums);
        };

        let mut sums = run(groups, &|group, place, of_means, sums| {
            let [of_state, of_values] = [&mut group.of_state, &mut group.of_values];
            [of_state, of_values].into_iter().for_each(|memory| memory.resize(group.states[0].len(), 0.0));
            group.of_state[place.frames.clone()].fill(0.0);
            pass.gate_back(group, norms, levels - 1, place, of_means);
            norm_sums(group, n_convs - 1, place, sums);
        });
        let unpadded = |values: &[f32]| -> Vec<f32> {
            values.chunks_exact(row).flat_map(|row| &row[..channels]).copied().collect()
        };
        let mut of_convs = Vec::new();
        for (index, ConvParameters { weight, scale, .. }) in parameters.convs.iter().enumerate().rev() {
            let Norm { moments, count, .. } = &norms[index];
            let norm = NormGradient::new(moments, epsilon, scale, sums, *count);
            let back = ConvBack { conv: index, norm, adjoint_weight: self.levels.conv(index).adjoint_weight(weight) };
            sums = run(groups, &|group, place, of_means, sums| {
                pass.convolve_back(group, norms, &back, place);
                if index > 0 && index.is_multiple_of(2) {
                    pass.gate_back(group, norms, index / 2 - 1, place, of_means);
                }
                if index > 0 {
                    norm_sums(group, index - 1, place, sums);
                }
            });
            let of_weight: Vec<f32> = total(groups.iter().map(|group| &group.of_weight[..]));
            let mut of_conv = unpadded(&of_weight);
            // The normalisation takes the bias away again.
            of_conv.extend(vec![0f32; channels]);
            for sums in [back.norm.scale, back.norm.shift] {
                of_conv.extend(sums[..channels].iter().map(|&sum| sum as f32));
            }
            of_convs.push(of_conv);
        }
        let of_projection: Vec<(Vec<f32>, Vec<f64>)> = groups
            .par_iter()
            .zip(self.lengths.par_chunks(in_group))
            .map(|(group, lengths)| {
                let projection = self.levels.projection();
                let (mut of_weight, mut of_bias) = (vec![0f32; projection.weight_len()], vec![0f64; row]);
                for place in pass.places(lengths) {
                    let grad = &group.of_state[place.frames];
                    projection.add_weight_gradient(&group.inputs[place.inputs], grad, &mut of_weight);
                    of_bias.iter_mut().zip(column_sums(grad, row)).for_each(|(sum, term)| *sum += term);
                }
                (of_weight, of_bias)
            })
            .collect();
        let of_weight: Vec<f32> = total(of_projection.iter().map(|(of_weight, _)| &of_weight[..]));
        let of_bias: Vec<f64> = total(of_projection.iter().map(|(_, of_bias)| &of_bias[..]));
        let mut gradients = transposed(&unpadded(&of_weight), channels);
        gradients.extend(of_bias[..channels].iter().map(|&sum| sum as f32));
        gradients.extend(of_convs.into_iter().rev().flatten());
        Ok((None, gradients))
    }
}
