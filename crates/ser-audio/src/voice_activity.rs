use std::collections::VecDeque;
use std::ops::{Range, RangeInclusive};

use realfft::num_complex::Complex;
use serde::{Deserialize, Serialize};

use crate::silence::runs;
use crate::spectrum::{NoiseProfile, Spectrum};
use crate::{Error, Waveform};

/// Half the span of frames over which a bin's envelope is taken: 6 frames are about 50 ms.
const SPAN: usize = 6;

/// Where most of a voice is, in hertz.
const BAND: RangeInclusive<f64> = 100.0..=4_000.0;

/// What is this far below the loudest frame is no speech, however quiet the noise is (-60 dB).
const FLOOR: f32 = 1e-6;

/// Says what counts as speech: spectra that stand out from the noise, however soft they are.
///
/// The rule is the long-term spectral divergence of Ramírez et al. ("Efficient voice activity detection algorithms using
/// long-term speech information", Speech Communication 42, 2004): from 100 Hz to 4 kHz, each bin's largest power over
/// about 100 ms is divided by its power in the noise, and the mean of these ratios is compared with a threshold. A few strong harmonics raise it
/// where the total level hardly moves. The noise is estimated from the quietest frames, so it must be steady and there
/// must be pauses; voices in the background count as speech.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct VoiceActivityOptions {
    /// How far speech stands out from the noise, in decibels above 0; steady noise itself reaches 6 to 6.9.
    /// Default: 7.
    pub threshold: f64,
    /// The share of the frames, the quietest, that count as noise, above 0 to 1. Default: 0.1.
    pub noise_share: f64,
    /// The shortest speech, in seconds from 0; shorter bursts count as pauses. Default: 0.1.
    pub min_speech: f64,
    /// The shortest pause, in seconds from 0, between parts that begin and end some 50 ms before and after the speech; shorter ones
    /// belong to the speech around them. Default: 0.3.
    pub min_pause: f64,
}

impl Default for VoiceActivityOptions {
    fn default() -> Self {
        Self { threshold: 7.0, noise_share: 0.1, min_speech: 0.1, min_pause: 0.3 }
    }
}

impl VoiceActivityOptions {
    fn validate(&self) -> Result<(), Error> {
        check("threshold", self.threshold, self.threshold > 0.0, "above 0 decibels")?;
        check_noise_share(self.noise_share)?;
        check("min-speech", self.min_speech, self.min_speech >= 0.0, "0 seconds or more")?;
        check("min-pause", self.min_pause, self.min_pause >= 0.0, "0 seconds or more")
    }
}

pub(crate) fn check(option: &'static str, value: f64, fits: bool, allowed: &'static str) -> Result<(), Error> {
    match fits && value.is_finite() {
        true => Ok(()),
        false => Err(Error::InvalidOption { option, value: value.to_string(), allowed }),
    }
}

pub(crate) fn check_noise_share(share: f64) -> Result<(), Error> {
    check("noise-share", share, share > 0.0 && share <= 1.0, "above 0, up to 1")
}

impl Waveform {
    /// The parts with speech, in samples; none where nothing stands out from the noise.
    ///
    /// They begin and end some 50 ms before and after the speech.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] if an option is out of range.
    pub fn voice_ranges(&self, options: &VoiceActivityOptions) -> Result<Vec<Range<usize>>, Error> {
        options.validate()?;
        let spectrum = Spectrum::new(self.sample_rate);
        let band = spectrum.band(BAND, self.sample_rate);
        let profile = NoiseProfile::new(&spectrum, &self.samples, band.clone(), options.noise_share)?;
        if profile.loudest == 0.0 {
            return Ok(Vec::new());
        }
        let least = FLOOR * profile.loudest;
        let noise: Vec<f32> = profile.noise.iter().map(|&power| power.max(least)).collect();
        let threshold = 10_f64.powf(options.threshold / 10.0);
        let voiced = divergence(&spectrum, &self.samples, band, &noise)?.into_iter().map(|ratio| ratio > threshold);

        // The middle of frame `i` is at `(i - 1) · hop`, half a frame behind its beginning at `(i - 3) · hop`.
        let hop = spectrum.hop();
        let sample = |frame: usize| (frame.saturating_sub(1) * hop).min(self.samples.len());
        let speech = runs(voiced).into_iter().map(|run| sample(run.start)..sample(run.end));
        let samples = |seconds: f64| (seconds * f64::from(self.sample_rate)) as usize;
        let mut joined: Vec<Range<usize>> = Vec::new();
        for part in speech.filter(|part| !part.is_empty()) {
            match joined.last_mut() {
                Some(last) if part.start - last.end < samples(options.min_pause) => last.end = part.end,
                _ => joined.push(part),
            }
        }
        // A click alone gives as long a part as the span.
        joined.retain(|part| part.len().saturating_sub(2 * SPAN * hop) >= samples(options.min_speech));
        Ok(joined)
    }
}

/// The mean over the bins of their largest power within the span around each frame, divided by the noise.
fn divergence(spectrum: &Spectrum, samples: &[f32], band: Range<usize>, noise: &[f32]) -> Result<Vec<f64>, Error> {
    let mut divergence = Vec::with_capacity(spectrum.frames(samples.len()));
    let mut span: VecDeque<Vec<f32>> = VecDeque::with_capacity(2 * SPAN + 1);
    let mut step = |index: usize, ratios: Option<Vec<f32>>| {
        if index > 2 * SPAN {
            span.pop_front();
        }
        span.extend(ratios);
        if index >= SPAN {
            let largest = |bin: usize| span.iter().fold(0.0, |max: f32, ratios| max.max(ratios[bin]));
            let sum: f64 = (0..noise.len()).map(|bin| f64::from(largest(bin))).sum();
            divergence.push(sum / noise.len() as f64);
        }
    };
    spectrum.each(samples, |index, bins| {
        let ratio = |(bin, noise): (&Complex<f32>, &f32)| bin.norm_sqr() / noise;
        step(index, Some(bins[band.clone()].iter().zip(noise).map(ratio).collect()));
    })?;
    let frames = spectrum.frames(samples.len());
    for index in frames..frames + SPAN {
        step(index, None);
    }
    Ok(divergence)
}
