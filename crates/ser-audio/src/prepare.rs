use serde::{Deserialize, Serialize};

use crate::silence::runs;
use crate::{DenoiseOptions, Error, LengthOptions, Level, SilenceOptions, VoiceActivityOptions, Waveform};

/// As many equal samples in a row at full scale are clipped; a sound wave touches it with one or two.
const CLIPPED_RUN: usize = 3;

/// Magnitudes from here on are full scale: converters stop within 1 % of it.
const FULL_SCALE: f32 = 0.99;

/// Magnitudes above are no overshoot of a decoder or a resampler, which stays within 6 dB of full scale.
const OFF_SCALE: f32 = 2.0;

/// Samples of a clipped run differ by no more than a step of 16 bits.
const STEP: f32 = 1.0 / 32_768.0;

/// A root mean square below this is silence: -60 dB of full scale.
const SILENT: f64 = 1e-3;

/// Says what is done to a waveform before features are taken from it, in the order of the fields. By default, nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PrepareOptions {
    /// Subtracts the mean. Default: off.
    pub remove_dc: bool,
    /// Resamples to this rate in hertz, 4,000 to 384,000. Default: keeps the rate.
    pub sample_rate: Option<u32>,
    /// Reduces background noise. Default: off.
    pub denoise: Option<DenoiseOptions>,
    /// Removes silence. Default: off.
    pub silence: SilenceRemoval,
    /// Sets the level. Default: off.
    pub level: Level,
    /// Sets the length. Default: keeps it.
    pub length: Option<LengthOptions>,
}

/// Says which silence is removed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SilenceRemoval {
    /// None.
    #[default]
    Keep,
    /// What comes before and after the sound, by level.
    Trim(SilenceOptions),
    /// All of it, by level; what is between is joined.
    Split(SilenceOptions),
    /// What comes before and after the speech, by [`Waveform::voice_ranges`].
    Voice(VoiceActivityOptions),
}

/// A waveform that is ready for features, and what was odd about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// The waveform.
    pub waveform: Waveform,
    /// What was odd about the recording.
    pub warnings: Vec<Warning>,
}

/// Something odd about a recording that does not keep it from being used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// The recording was too loud: its waves are cut off flat.
    #[error("clipped: {samples} samples in {runs} places stand at full scale")]
    Clipped {
        /// The number of places where three or more samples in a row stand at full scale.
        runs: usize,
        /// The number of their samples.
        samples: usize,
    },

    /// Its samples go far beyond full scale, as integers do that were written as floating-point numbers.
    #[error("off scale: samples reach {peak:.3e}, and full scale is 1")]
    OffScale {
        /// The greatest magnitude.
        peak: f32,
    },

    /// The recording holds next to nothing.
    #[error("silent: its level is {rms:.2e}, below -60 dB of full scale")]
    Silent {
        /// The root mean square.
        rms: f64,
    },

    /// No voice stands out from the noise, so nothing was removed.
    #[error("no speech stands out from the noise; no silence was removed")]
    NoSpeech,
}

impl Waveform {
    /// What is odd about this recording: clipping, another scale, and silence.
    ///
    /// Clipping shows in the samples as they were recorded: look before resampling, in the channel that counts. MP3 and
    /// its kin round the flat tops and hide it.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let flat = self.samples.windows(2).map(|pair| pair[0].abs() >= FULL_SCALE && (pair[0] - pair[1]).abs() <= STEP);
        let clipped = runs(flat).into_iter().map(|run| run.len() + 1).filter(|&samples| samples >= CLIPPED_RUN);
        let (count, samples) = clipped.fold((0, 0), |(count, sum), samples| (count + 1, sum + samples));
        if count > 0 {
            warnings.push(Warning::Clipped { runs: count, samples });
        }
        let peak = self.peak();
        if peak > OFF_SCALE {
            warnings.push(Warning::OffScale { peak });
        }
        // An offset is no sound.
        let rms = self.clone().without_dc().rms();
        if rms < SILENT {
            warnings.push(Warning::Silent { rms });
        }
        warnings
    }

    /// Prepares a recording for features.
    ///
    /// ```
    /// use ser_audio::{Level, PrepareOptions, Warning, Waveform};
    ///
    /// let samples: Vec<f32> = (0..44_100).map(|i| (2.0 * (f64::from(i) * 0.05).sin()).clamp(-1.0, 1.0) as f32).collect();
    /// let options = PrepareOptions { sample_rate: Some(16_000), level: Level::Rms, ..PrepareOptions::default() };
    /// let prepared = Waveform::new(samples, 44_100)?.prepare(&options)?;
    /// assert_eq!(prepared.waveform.samples().len(), 16_000);
    /// assert!(matches!(prepared.warnings[..], [Warning::Clipped { .. }]));
    /// # Ok::<(), ser_audio::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoSamples`] if there is nothing to prepare, [`Error::InvalidOption`] or [`Error::SampleRate`] if an option
    /// or the rate is out of range.
    pub fn prepare(self, options: &PrepareOptions) -> Result<Prepared, Error> {
        if self.is_empty() {
            return Err(Error::NoSamples);
        }
        let mut warnings = self.warnings();
        let mut waveform = if options.remove_dc { self.without_dc() } else { self };
        if let Some(sample_rate) = options.sample_rate {
            waveform = waveform.resample(sample_rate)?;
        }
        if let Some(denoise) = &options.denoise {
            waveform = waveform.denoise(denoise)?;
        }
        match &options.silence {
            SilenceRemoval::Keep => {}
            SilenceRemoval::Trim(silence) => waveform = waveform.slice(waveform.trim_range(silence)?),
            SilenceRemoval::Split(silence) => waveform = waveform.keep(&waveform.split_ranges(silence)?),
            SilenceRemoval::Voice(voice) => {
                let ranges = waveform.voice_ranges(voice)?;
                match (ranges.first(), ranges.last()) {
                    (Some(first), Some(last)) => waveform = waveform.slice(first.start..last.end),
                    _ => warnings.push(Warning::NoSpeech),
                }
            }
        }
        waveform = waveform.with_level(options.level);
        if let Some(length) = &options.length {
            waveform = waveform.with_length(length)?;
        }
        Ok(Prepared { waveform, warnings })
    }
}
