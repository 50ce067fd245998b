use std::borrow::Cow;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::draw::uniform;
use crate::options::{Context, Step, check_range};
use crate::resample::resample;

/// Changes the duration at the same pitch, by [`PhaseVocoder::time_stretch`](crate::PhaseVocoder::time_stretch).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimeStretch {
    /// How often it is applied, 0 to 1, default 1.
    pub probability: f64,
    /// How many times as fast, within 0.1 to 10, default 0.8 (the paper's).
    pub rate: [f64; 2],
}

impl Default for TimeStretch {
    fn default() -> Self {
        Self { probability: 1.0, rate: [0.8, 0.8] }
    }
}

impl Step for TimeStretch {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), Error> {
        check_range("rate", self.rate, 0.1..=10.0, "[low, high] within 0.1 to 10")
    }

    fn apply(&self, samples: &mut Cow<'_, [f32]>, context: &Context<'_>, rng: &mut ChaCha8Rng) -> Result<(), Error> {
        *samples = context.vocoder.time_stretch(samples, uniform(rng, self.rate))?.into();
        Ok(())
    }
}

/// Changes the pitch at the same duration, by [`PhaseVocoder::pitch_shift`](crate::PhaseVocoder::pitch_shift).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PitchShift {
    /// How often it is applied, 0 to 1, default 1.
    pub probability: f64,
    /// How many semitones higher, within -24 to 24, default 0.7 (the paper's).
    pub semitones: [f64; 2],
}

impl Default for PitchShift {
    fn default() -> Self {
        Self { probability: 1.0, semitones: [0.7, 0.7] }
    }
}

impl Step for PitchShift {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), Error> {
        check_range("semitones", self.semitones, -24.0..=24.0, "[low, high] within -24 to 24")
    }

    fn apply(&self, samples: &mut Cow<'_, [f32]>, context: &Context<'_>, rng: &mut ChaCha8Rng) -> Result<(), Error> {
        *samples = context.vocoder.pitch_shift(samples, uniform(rng, self.semitones))?.into();
        Ok(())
    }
}

/// Changes duration and pitch together, as a tape does that runs faster: `ceil(n / factor)` samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Speed {
    /// How often it is applied, 0 to 1, default 1.
    pub probability: f64,
    /// How many times as fast, within 0.25 to 4, default 0.9 to 1.1.
    pub factor: [f64; 2],
}

impl Default for Speed {
    fn default() -> Self {
        Self { probability: 1.0, factor: [0.9, 1.1] }
    }
}

impl Step for Speed {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), Error> {
        check_range("factor", self.factor, 0.25..=4.0, "[low, high] within 0.25 to 4")
    }

    fn apply(&self, samples: &mut Cow<'_, [f32]>, context: &Context<'_>, rng: &mut ChaCha8Rng) -> Result<(), Error> {
        let factor = uniform(rng, self.factor);
        let len = (samples.len() as f64 / factor).ceil() as usize;
        *samples = resample(context.fourier, samples, factor, len).into();
        Ok(())
    }
}
