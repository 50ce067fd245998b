use std::borrow::Cow;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::draw::{index, uniform};
use crate::options::{Context, Step, check_range};

/// Shifts in time, later by a positive number; what leaves at one end enters at the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shift {
    /// How often it is applied, 0 to 1, default 1.
    pub probability: f64,
    /// How many samples later, rounded towards 0; within ±10⁹, default -5000 to 5000 (the paper's, at 22,050 Hz).
    pub samples: [f64; 2],
}

impl Default for Shift {
    fn default() -> Self {
        Self { probability: 1.0, samples: [-5000.0, 5000.0] }
    }
}

impl Step for Shift {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), Error> {
        check_range("samples", self.samples, -1e9..=1e9, "[low, high] within -10^9 to 10^9")
    }

    fn apply(&self, samples: &mut Cow<'_, [f32]>, _: &Context<'_>, rng: &mut ChaCha8Rng) -> Result<(), Error> {
        let later = uniform(rng, self.samples) as i64;
        let later = later.rem_euclid(samples.len() as i64) as usize;
        // Two copies take half as long as a rotation in place.
        let (begin, end) = samples.split_at(samples.len() - later);
        *samples = [end, begin].concat().into();
        Ok(())
    }
}

/// Keeps a part at a random place; a shorter waveform is kept whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomCrop {
    /// How often it is applied, 0 to 1, default 1.
    pub probability: f64,
    /// The duration of the part in seconds, within 0.001 to 86,400, default 2.5 (the paper's clips).
    pub seconds: [f64; 2],
}

impl Default for RandomCrop {
    fn default() -> Self {
        Self { probability: 1.0, seconds: [2.5, 2.5] }
    }
}

impl Step for RandomCrop {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), Error> {
        check_range("seconds", self.seconds, 0.001..=86_400.0, "[low, high] within 0.001 to 86400 s")
    }

    fn apply(&self, samples: &mut Cow<'_, [f32]>, context: &Context<'_>, rng: &mut ChaCha8Rng) -> Result<(), Error> {
        let len = (uniform(rng, self.seconds) * f64::from(context.sample_rate)).round() as usize;
        let len = len.clamp(1, samples.len());
        let start = index(rng, samples.len() - len + 1);
        *samples = samples[start..start + len].to_vec().into();
        Ok(())
    }
}
