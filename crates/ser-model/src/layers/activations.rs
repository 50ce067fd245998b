use candle_core::{Device, Result, Tensor};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// What flows between layers: `[batch, frames, bins, channels]` or `[batch, frames, channels]`, contiguous, zero in frames past each utterance's length.
#[derive(Clone, Debug)]
pub(crate) struct Activations {
    pub values: Tensor,
    /// The number of valid frames of each utterance.
    pub lengths: Arc<[usize]>,
}

impl Activations {
    /// The mean of the valid frames of `[batch, frames, channels]`: `[batch, channels]`.
    pub fn mean_over_frames(&self) -> Result<Tensor> {
        let counts: Vec<f32> = self.lengths.iter().map(|&n| n.max(1) as f32).collect();
        let counts = Tensor::from_vec(counts, (self.lengths.len(), 1), &Device::Cpu)?;
        self.values.sum(1)?.broadcast_div(&counts)
    }
}

impl Activations {
    /// Zeroes `[batch, frames, channels]` past the lengths.
    pub fn masked(self) -> Result<Self> {
        let (batch, frames, _) = self.values.dims3()?;
        let is_valid = |&n: &usize| (0..frames).map(move |frame| if frame < n { 1f32 } else { 0.0 });
        let mask: Vec<f32> = self.lengths.iter().flat_map(is_valid).collect();
        let values = self.values.broadcast_mul(&Tensor::from_vec(mask, (batch, frames, 1), &Device::Cpu)?)?;
        Ok(Self { values, ..self })
    }

    /// Each utterance's frames `[batch, frames, channels]` from its last to its first; no gradient goes through.
    pub fn reversed(&self) -> Result<Self> {
        let (_, frames, channels) = self.values.dims3()?;
        let values = self.values.flatten_all()?.to_vec1::<f32>()?;
        let mut reversed = vec![0f32; values.len()];
        let utterances = values.chunks_exact(frames * channels).zip(reversed.chunks_exact_mut(frames * channels));
        for ((values, reversed), &length) in utterances.zip(&self.lengths[..]) {
            let from = values[..length * channels].chunks_exact(channels).rev();
            reversed.chunks_exact_mut(channels).zip(from).for_each(|(to, from)| to.copy_from_slice(from));
        }
        let values = Tensor::from_vec(reversed, self.values.shape(), &Device::Cpu)?;
        Ok(Self { values, lengths: self.lengths.clone() })
    }
}

/// Whether batch statistics and dropout are in force, and the generator that dropout draws from.
pub(crate) enum Mode<'a> {
    Train(&'a mut ChaCha8Rng),
    Evaluate,
}
