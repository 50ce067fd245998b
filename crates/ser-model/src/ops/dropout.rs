use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What inverted dropout multiplies the values of an utterance by. Each utterance has its own stream of the generator, so that
/// utterances can run in parallel.
pub(super) struct DropoutFactors {
    rng: ChaCha8Rng,
    threshold: u32,
    kept: f32,
}

impl DropoutFactors {
    pub(super) fn new(probability: f64, seed: u64, utterance: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(utterance as u64);
        let kept = (1.0 / (1.0 - probability)) as f32;
        Self { rng, threshold: (probability * 2f64.powi(32)) as u32, kept }
    }

    /// Draws zero or what keeps the mean, for each of some values.
    pub(super) fn draw(&mut self, factors: &mut [f32]) {
        for factor in factors {
            *factor = if self.rng.next_u32() < self.threshold { 0.0 } else { self.kept };
        }
    }
}
