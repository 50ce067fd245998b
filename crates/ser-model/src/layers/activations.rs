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

/// Whether batch statistics and dropout are in force, and the generator that dropout draws from.
pub(crate) enum Mode<'a> {
    Train(&'a mut ChaCha8Rng),
    Evaluate,
}
