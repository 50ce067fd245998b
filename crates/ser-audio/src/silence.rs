use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{Error, Waveform};

/// The least amplitude that decibels tell apart (librosa's `amin`).
const AMIN: f64 = 1e-5;

/// Says what counts as silence: frames far below the loudest one, as in librosa's `effects.trim` and `effects.split`.
///
/// A frame's level is its root mean square. Frames are centred on multiples of the hop; beyond the ends there are zeros.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SilenceOptions {
    /// How far below the loudest frame silence begins, in decibels above 0. Default: 60.
    pub top_db: f64,
    /// The length of a frame in samples, 1 to 2²⁰. Default: 2,048.
    pub frame_length: usize,
    /// The distance from frame to frame in samples, 1 to 2²⁰, and at least a 1024th of the frame. Default: 512.
    pub hop_length: usize,
}

impl Default for SilenceOptions {
    fn default() -> Self {
        Self { top_db: 60.0, frame_length: 2048, hop_length: 512 }
    }
}

impl SilenceOptions {
    fn validate(&self) -> Result<(), Error> {
        for (option, value) in [("frame-length", self.frame_length), ("hop-length", self.hop_length)] {
            if !(1..=1 << 20).contains(&value) {
                return Err(Error::InvalidOption { option, value: value.to_string(), allowed: "1 to 1048576 samples" });
            }
        }
        // Frames that overlap more would take minutes.
        if self.frame_length > 1024 * self.hop_length {
            let (value, allowed) = (self.hop_length.to_string(), "at least a 1024th of frame-length");
            return Err(Error::InvalidOption { option: "hop-length", value, allowed });
        }
        if self.top_db.is_finite() && self.top_db > 0.0 {
            return Ok(());
        }
        let value = self.top_db.to_string();
        Err(Error::InvalidOption { option: "top-db", value, allowed: "above 0 decibels" })
    }
}

impl Waveform {
    /// The samples from the first frame that is not silent to the last.
    ///
    /// The indices are those of librosa 0.11's `effects.trim`.
    ///
    /// ```
    /// use ser_audio::{SilenceOptions, Waveform};
    ///
    /// let samples = [vec![0.0; 8_000], vec![0.5; 4_000], vec![0.0; 8_000]].concat();
    /// let waveform = Waveform::new(samples, 16_000)?;
    /// let speech = waveform.trim_range(&SilenceOptions::default())?;
    /// assert_eq!(speech, 7_168..13_312);
    /// assert_eq!(waveform.slice(speech).samples().len(), 6_144);
    /// # Ok::<(), ser_audio::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] if an option is out of range.
    pub fn trim_range(&self, options: &SilenceOptions) -> Result<Range<usize>, Error> {
        let parts = self.split_ranges(options)?;
        Ok(match (parts.first(), parts.last()) {
            (Some(first), Some(last)) => first.start..last.end,
            _ => 0..0,
        })
    }

    /// The parts between silences, in samples.
    ///
    /// The indices are those of librosa 0.11's `effects.split`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] if an option is out of range.
    pub fn split_ranges(&self, options: &SilenceOptions) -> Result<Vec<Range<usize>>, Error> {
        options.validate()?;
        let powers = self.frame_powers(options);
        let loudest = powers.iter().fold(0.0, |max: f64, &power| max.max(power));
        let decibels = |power: f64| 10.0 * power.max(AMIN * AMIN).log10();
        let sounds = powers.iter().map(|&power| decibels(power) - decibels(loudest) > -options.top_db);
        let frames = runs(sounds);
        let len = self.samples.len();
        let sample = |frame: usize| (frame * options.hop_length).min(len);
        Ok(frames.into_iter().map(|run| sample(run.start)..sample(run.end)).collect())
    }

    /// The mean squares of frames.
    fn frame_powers(&self, options: &SilenceOptions) -> Vec<f64> {
        let (frame, hop, len) = (options.frame_length, options.hop_length, self.samples.len());
        let padding = frame / 2;
        let Some(last) = (len + 2 * padding).checked_sub(frame) else { return Vec::new() };
        let power = |begin: usize| {
            let (begin, end) = (begin.saturating_sub(padding), (begin + frame).saturating_sub(padding).min(len));
            let square_sum: f64 = self.samples[begin.min(end)..end].iter().map(|&x| f64::from(x).powi(2)).sum();
            square_sum / frame as f64
        };
        (0..=last / hop).map(|index| power(index * hop)).collect()
    }

    /// The samples in a range; what lies beyond the end is left out.
    pub fn slice(&self, range: Range<usize>) -> Self {
        self.keep(std::slice::from_ref(&range))
    }

    /// The samples in some ranges, joined; what lies beyond the end is left out.
    pub fn keep(&self, ranges: &[Range<usize>]) -> Self {
        let len = self.samples.len();
        let part = |range: &Range<usize>| &self.samples[range.start.min(range.end).min(len)..range.end.min(len)];
        Self { samples: ranges.iter().map(part).collect::<Vec<_>>().concat(), sample_rate: self.sample_rate }
    }
}

/// The ranges of indices over which a condition holds.
pub(crate) fn runs(holds: impl IntoIterator<Item = bool>) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (index, _) in holds.into_iter().enumerate().filter(|&(_, holds)| holds) {
        match runs.last_mut() {
            Some(run) if run.end == index => run.end += 1,
            _ => runs.push(index..index + 1),
        }
    }
    runs
}
