use std::borrow::Cow;

use ndarray::{ArrayRef2, Axis};
use ser_audio::Waveform;

use crate::draw::unit;
use crate::fourier::Fourier;
use crate::options::{ChainOptions, Context, FeatureStep, WaveformStep};
use crate::{Draw, Error, NoiseSource, PhaseVocoder};

/// Steps of features are numbered from here on, so that they share no random numbers with those of waveforms.
const FIRST_FEATURE_STEP: u64 = 1 << 32;

/// A checked and planned chain of augmentations: build one, share it between threads.
///
/// What comes out depends on the input, the options, the noise bank and the [`Draw`] alone, and each step draws from
/// a stream of its own: whether one step is applied changes nothing in another's numbers.
///
/// ```
/// use ser_audio::Waveform;
/// use ser_augment::{Chain, ChainOptions, Draw};
///
/// let chain = Chain::new(ChainOptions::paper())?;
/// let tone = Waveform::new((0..22_050).map(|n| (n as f32 * 0.1).sin()).collect(), 22_050)?;
/// for epoch in 0..3 {
///     let augmented = chain.apply(&tone, &Draw { seed: 1, utterance: "tone", epoch })?;
///     assert_eq!(augmented.duration(), 1.0);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Chain {
    options: ChainOptions,
    noise_bank: Vec<Waveform>,
    vocoder: PhaseVocoder,
    fourier: Fourier,
}

impl Chain {
    /// Checks the options and plans the transforms.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] where an option is out of its range, [`Error::NoNoiseBank`] where a step takes its
    /// noise from the bank.
    pub fn new(options: ChainOptions) -> Result<Self, Error> {
        Self::with_noise_bank(options, Vec::new())
    }

    /// Does the same with waveforms for [`NoiseSource::Bank`], at the sample rate of the waveforms to come.
    ///
    /// # Errors
    ///
    /// As [`Chain::new`], and [`Error::SilentNoise`] where a waveform of the bank is empty or digital silence.
    pub fn with_noise_bank(options: ChainOptions, noise_bank: Vec<Waveform>) -> Result<Self, Error> {
        options.check()?;
        let from_bank =
            |step: &WaveformStep| matches!(step, WaveformStep::Noise(noise) if noise.source == NoiseSource::Bank);
        if options.waveform.iter().any(from_bank) && noise_bank.is_empty() {
            return Err(Error::NoNoiseBank);
        }
        if let Some(index) = noise_bank.iter().position(|noise| noise.peak() == 0.0) {
            return Err(Error::SilentNoise { index });
        }
        let fourier = Fourier::default();
        Ok(Self { options, noise_bank, vocoder: PhaseVocoder::sharing(fourier.clone()), fourier })
    }

    /// Gives the options.
    pub fn options(&self) -> &ChainOptions {
        &self.options
    }

    /// Applies the steps of [`ChainOptions::waveform`]. The sample rate stays; an empty waveform stays empty.
    ///
    /// # Errors
    ///
    /// [`Error::NoiseSampleRate`] where the noise bank has another sample rate, [`Error::EmptyBand`] where a
    /// band-pass lies beyond the waveform's band, [`Error::Waveform`] where a sample grew beyond `f32`.
    pub fn apply(&self, waveform: &Waveform, draw: &Draw<'_>) -> Result<Waveform, Error> {
        let context = Context {
            sample_rate: waveform.sample_rate(),
            vocoder: &self.vocoder,
            fourier: &self.fourier,
            noise_bank: &self.noise_bank,
        };
        let mut samples = Cow::Borrowed(waveform.samples());
        if !samples.is_empty() {
            for (step, number) in self.options.waveform.iter().map(WaveformStep::step).zip(0..) {
                let mut rng = draw.stream(number);
                if unit(&mut rng) < step.probability() {
                    step.apply(&mut samples, &context, &mut rng)?;
                }
            }
        }
        Waveform::new(samples.into_owned(), context.sample_rate).map_err(Error::Waveform)
    }

    /// Applies the steps of [`ChainOptions::features`] to `[frames, bins]`.
    ///
    /// # Errors
    ///
    /// [`Error::NonFiniteFeature`] where a step is applied and a value is not finite.
    pub fn apply_to_features(&self, features: &mut ArrayRef2<f32>, draw: &Draw<'_>) -> Result<(), Error> {
        for (step, number) in self.options.features.iter().zip(FIRST_FEATURE_STEP..) {
            let (mask, axis) = match step {
                FeatureStep::TimeMask(mask) => (mask, Axis(0)),
                FeatureStep::FrequencyMask(mask) => (mask, Axis(1)),
            };
            let mut rng = draw.stream(number);
            if unit(&mut rng) < mask.probability {
                mask.apply(features, axis, &mut rng)?;
            }
        }
        Ok(())
    }
}
