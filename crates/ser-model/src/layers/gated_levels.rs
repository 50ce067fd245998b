use super::conv_block::{NormedConv, dropout_seeds};
use super::{Activations, Mode, NormConstants, dense, linear_summary};
use crate::ops::gated_levels::{GatedLevels, GatedLevelsOp, InferenceMemory, Memory};
use crate::ops::kept::{Kept, train};
use crate::ops::with_all_slices;
use crate::summary::LayerSummary;
use candle_core::{Device, Result, Tensor};
use candle_nn::{Linear, VarBuilder};

/// [`GatedLevels`] with their parameters.
pub(crate) struct GatedLevelsLayer {
    levels: GatedLevels,
    projection: Linear,
    convs: Vec<NormedConv>,
    training_memory: Kept<Memory>,
    inference_memory: Kept<InferenceMemory>,
}

impl GatedLevelsLayer {
    pub fn new(levels: GatedLevels, vb: VarBuilder) -> Result<Self> {
        let GatedLevels { bins, channels, kernel, .. } = levels;
        let projection = dense(bins, channels, vb.pp("projection"))?;
        let conv = |index: usize| {
            let vb = vb.pp(format!("level{}.conv{}", index / 2, index % 2));
            NormedConv::new(kernel, channels, channels, NormConstants::KERAS, &vb)
        };
        let convs = (0..levels.n_convs()).map(conv).collect::<Result<_>>()?;
        Ok(Self { levels, projection, convs, training_memory: Kept::default(), inference_memory: Kept::default() })
    }

    pub fn summary(&self, name: &str, frames: usize) -> Vec<LayerSummary> {
        let GatedLevels { channels, kernel, .. } = self.levels;
        let conv = |index: usize| {
            let name = format!("{name}.level{}.conv{}", index / 2, index % 2);
            LayerSummary::new(&name, &[frames, channels], frames * kernel * channels * channels)
        };
        let projection = linear_summary(&format!("{name}.projection"), &self.projection, &[frames]);
        [projection].into_iter().chain((0..self.levels.n_convs()).map(conv)).collect()
    }

    /// Gives the means over time after each level, `[batch, levels, channels]`, of the network's input `[batch, frames, bins]`.
    pub fn forward(&self, input: &Activations, mode: &mut Mode) -> Result<Tensor> {
        let Mode::Train(rng) = mode else { return self.infer(input) };
        let op = GatedLevelsOp {
            levels: self.levels,
            lengths: input.lengths.clone(),
            seeds: dropout_seeds(rng, self.convs.iter().map(|_| self.levels.dropout)),
        };
        train(op, &self.training_memory, &input.values, self.parameters(), |memory| {
            let mut statistics = self.convs.iter().zip(memory.statistics());
            statistics.try_for_each(|(conv, (moments, count))| conv.update_statistics(moments, count))
        })
    }

    fn infer(&self, input: &Activations) -> Result<Tensor> {
        // That of training is for whole mini-batches.
        self.training_memory.clear();
        let tensors: Vec<&Tensor> = [&input.values].into_iter().chain(self.parameters()).collect();
        let statistics = self.convs.iter().map(NormedConv::statistics).collect::<Result<Vec<_>>>()?;
        let means = with_all_slices(&tensors, |slices| {
            self.levels.infer(slices[0], &input.lengths, &slices[1..], &statistics, &self.inference_memory)
        })??;
        let shape = (input.lengths.len(), self.levels.levels, self.levels.channels);
        Tensor::from_vec(means, shape, &Device::Cpu)
    }

    fn parameters(&self) -> impl Iterator<Item = &Tensor> {
        let projection = [Some(self.projection.weight()), self.projection.bias()];
        projection.into_iter().flatten().chain(self.convs.iter().flat_map(NormedConv::tensors))
    }
}
