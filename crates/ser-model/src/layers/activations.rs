use candle_core::Tensor;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// What flows between layers: `[batch, frames, bins, channels]`, contiguous, zero in frames past each utterance's length.
#[derive(Clone, Debug)]
pub(crate) struct Activations {
    pub values: Tensor,
    /// The number of valid frames of each utterance.
    pub lengths: Arc<[usize]>,
}

/// Whether batch statistics and dropout are in force, and the generator that dropout draws from.
pub(crate) enum Mode<'a> {
    Train(&'a mut ChaCha8Rng),
    Evaluate,
}
