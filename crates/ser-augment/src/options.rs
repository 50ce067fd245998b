use std::borrow::Cow;
use std::fmt::Debug;
use std::ops::RangeInclusive;

use pulp::Arch;
use rand_chacha::ChaCha8Rng;
use ser_audio::Waveform;
use serde::{Deserialize, Serialize};

use crate::fourier::Fourier;
use crate::{
    BandPass, Clipping, Error, Gain, GaussianNoise, Mask, MuLaw, Noise, PhaseVocoder, PitchShift, RandomCrop,
    Reverberation, Shift, Speed, TimeStretch,
};

/// Describes a chain: steps on the waveform, then steps on the features, each in its order. The default has none.
///
/// Every step has a `probability` with which it is applied to an utterance (0 to 1, default 1), and ranges
/// `[low, high]` that its parameters are drawn from uniformly. A fixed parameter is `[x, x]`. In TOML:
///
/// ```
/// let options: ser_augment::ChainOptions = toml::from_str(r#"
///     [[waveform]]
///     kind = "speed"
///     factor = [0.9, 1.1]
///
///     [[waveform]]
///     kind = "noise"
///     probability = 0.5
///     source = "pink"
///     snr = [5.0, 20.0]
///
///     [[features]]
///     kind = "time-mask"
///     masks = 2
///     width = [0.0, 0.1]
/// "#)?;
/// assert_eq!((options.waveform.len(), options.features.len()), (2, 1));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChainOptions {
    /// What happens to the samples.
    pub waveform: Vec<WaveformStep>,
    /// What happens to the features, `[frames, bins]`.
    pub features: Vec<FeatureStep>,
}

impl ChainOptions {
    /// Draws the training rows of the paper anew in every epoch: pitch shift and noise with its parameters, each
    /// with probability 0.5, so that the original, noise, pitch and pitch with noise come up equally often.
    ///
    /// The paper's time stretch and shift are [`TimeStretch::default`] and [`Shift::default`]; it shows them and
    /// trains on neither. [`Copies`](crate::Copies) makes its copies once instead.
    pub fn paper() -> Self {
        let pitch = PitchShift { probability: 0.5, ..PitchShift::default() };
        let noise = GaussianNoise { probability: 0.5, ..GaussianNoise::default() };
        Self {
            waveform: vec![WaveformStep::PitchShift(pitch), WaveformStep::GaussianNoise(noise)],
            features: Vec::new(),
        }
    }

    /// Checks the ranges of all steps.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] where an option is out of its range.
    pub fn check(&self) -> Result<(), Error> {
        for step in self.waveform.iter().map(WaveformStep::step) {
            check_probability(step.probability())?;
            step.check()?;
        }
        for FeatureStep::TimeMask(mask) | FeatureStep::FrequencyMask(mask) in &self.features {
            check_probability(mask.probability)?;
            mask.check()?;
        }
        Ok(())
    }
}

/// A change of the samples. In TOML, `kind` is the name in kebab-case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WaveformStep {
    /// The paper's noise, relative to the largest sample.
    GaussianNoise(GaussianNoise),
    /// White, pink or brown noise, or recordings of noise, at a signal-to-noise ratio.
    Noise(Noise),
    /// Another duration at the same pitch.
    TimeStretch(TimeStretch),
    /// Another pitch at the same duration.
    PitchShift(PitchShift),
    /// Another speed: duration and pitch together.
    Speed(Speed),
    /// A circular shift in time.
    Shift(Shift),
    /// Another loudness.
    Gain(Gain),
    /// The reverberation of a room.
    Reverberation(Reverberation),
    /// The band of a telephone.
    BandPass(BandPass),
    /// A telephone line.
    MuLaw(MuLaw),
    /// Overdriven recording.
    Clipping(Clipping),
    /// A part of the waveform.
    RandomCrop(RandomCrop),
}

/// A change of features, `[frames, bins]`. In TOML, `kind` is the name in kebab-case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FeatureStep {
    /// Hides runs of frames.
    TimeMask(Mask),
    /// Hides runs of bins.
    FrequencyMask(Mask),
}

/// What every step on samples can do.
pub(crate) trait Step {
    fn probability(&self) -> f64;

    /// Checks every option but the probability.
    fn check(&self) -> Result<(), Error>;

    /// Changes samples, of which there is at least one. What is borrowed, and needs no copy before, is not copied.
    fn apply(&self, samples: &mut Cow<'_, [f32]>, context: &Context<'_>, rng: &mut ChaCha8Rng) -> Result<(), Error>;
}

/// What a step may need beside the samples.
pub(crate) struct Context<'a> {
    pub(crate) sample_rate: u32,
    pub(crate) vocoder: &'a PhaseVocoder,
    pub(crate) fourier: &'a Fourier,
    pub(crate) noise_bank: &'a [Waveform],
}

impl WaveformStep {
    pub(crate) fn step(&self) -> &dyn Step {
        match self {
            Self::GaussianNoise(step) => step,
            Self::Noise(step) => step,
            Self::TimeStretch(step) => step,
            Self::PitchShift(step) => step,
            Self::Speed(step) => step,
            Self::Shift(step) => step,
            Self::Gain(step) => step,
            Self::Reverberation(step) => step,
            Self::BandPass(step) => step,
            Self::MuLaw(step) => step,
            Self::Clipping(step) => step,
            Self::RandomCrop(step) => step,
        }
    }
}

/// Changes each sample by itself.
pub(crate) fn change_each(samples: &mut Cow<'_, [f32]>, change: impl Fn(f32) -> f32) {
    Arch::new().dispatch(
        #[inline(always)]
        || match samples {
            Cow::Borrowed(before) => *samples = before.iter().map(|&x| change(x)).collect(),
            Cow::Owned(samples) => samples.iter_mut().for_each(|x| *x = change(*x)),
        },
    );
}

pub(crate) fn check(name: &'static str, value: impl Debug, valid: bool, allowed: &'static str) -> Result<(), Error> {
    if valid { Ok(()) } else { Err(Error::InvalidOption { name, value: format!("{value:?}"), allowed }) }
}

pub(crate) fn check_probability(probability: f64) -> Result<(), Error> {
    check("probability", probability, (0.0..=1.0).contains(&probability), "0 to 1")
}

/// Checks that a range is in order and within `limits`, which `allowed` describes.
pub(crate) fn check_range(
    name: &'static str,
    [low, high]: [f64; 2],
    limits: RangeInclusive<f64>,
    allowed: &'static str,
) -> Result<(), Error> {
    check(name, [low, high], limits.contains(&low) && limits.contains(&high) && low <= high, allowed)
}
