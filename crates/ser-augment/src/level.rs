use std::borrow::Cow;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::draw::uniform;
use crate::options::{Context, Step, change_each, check_range};

/// Makes the waveform louder or softer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gain {
    /// How often it is applied, 0 to 1, default 1.
    pub probability: f64,
    /// The gain in decibels, within -100 to 100, default -6 to 6; 20 dB are a factor of 10.
    pub decibels: [f64; 2],
}

impl Default for Gain {
    fn default() -> Self {
        Self { probability: 1.0, decibels: [-6.0, 6.0] }
    }
}

impl Step for Gain {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), Error> {
        check_range("decibels", self.decibels, -100.0..=100.0, "[low, high] within -100 to 100 dB")
    }

    fn apply(&self, samples: &mut Cow<'_, [f32]>, _: &Context<'_>, rng: &mut ChaCha8Rng) -> Result<(), Error> {
        let gain = 10.0_f64.powf(uniform(rng, self.decibels) / 20.0) as f32;
        change_each(samples, |sample| sample * gain);
        Ok(())
    }
}

/// Cuts off what is louder than a part of the peak, as an overdriven recording does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Clipping {
    /// How often it is applied, 0 to 1, default 1.
    pub probability: f64,
    /// The largest magnitude left, relative to the peak; within 0.001 to 1, default 0.3 to 0.8.
    pub ceiling: [f64; 2],
}

impl Default for Clipping {
    fn default() -> Self {
        Self { probability: 1.0, ceiling: [0.3, 0.8] }
    }
}

impl Step for Clipping {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), Error> {
        check_range("ceiling", self.ceiling, 0.001..=1.0, "[low, high] within 0.001 to 1")
    }

    fn apply(&self, samples: &mut Cow<'_, [f32]>, _: &Context<'_>, rng: &mut ChaCha8Rng) -> Result<(), Error> {
        let peak = samples.iter().fold(0.0_f32, |peak, x| peak.max(x.abs()));
        let ceiling = uniform(rng, self.ceiling) as f32 * peak;
        // Not `clamp`, which panics on a limit that is no number.
        change_each(samples, |sample| sample.min(ceiling).max(-ceiling));
        Ok(())
    }
}
