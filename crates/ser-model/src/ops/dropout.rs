use crate::kernels::vectorised;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What inverted dropout multiplies the values of an utterance by. Each utterance has its own stream of the generator, so that
/// utterances can run in parallel.
pub(super) struct DropoutFactors {
    rng: ChaCha8Rng,
    threshold: u32,
    kept: f32,
    /// Little-endian numbers.
    draws: Vec<u8>,
}

impl DropoutFactors {
    pub(super) fn new(probability: f64, seed: u64, utterance: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(utterance as u64);
        let kept = (1.0 / (1.0 - probability)) as f32;
        Self { rng, threshold: (probability * 2f64.powi(32)) as u32, kept, draws: Vec::new() }
    }

    /// Draws zero or what keeps the mean, for each of some values.
    pub(super) fn draw(&mut self, factors: &mut [f32]) {
        self.draws.resize(4 * factors.len(), 0);
        self.rng.fill_bytes(&mut self.draws);
        let draws = self.draws.as_chunks().0;
        vectorised(|| {
            for (factor, &draw) in factors.iter_mut().zip(draws) {
                *factor = if u32::from_le_bytes(draw) < self.threshold { 0.0 } else { self.kept };
            }
        });
    }
}
