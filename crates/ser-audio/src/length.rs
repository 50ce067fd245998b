use serde::{Deserialize, Serialize};

use crate::voice_activity::check;
use crate::{Error, Waveform};

/// Says how a waveform is brought to one length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LengthOptions {
    /// The length in seconds, above 0. Default: 3.
    pub duration: f64,
    /// Which part of a longer waveform stays. Default: its beginning.
    pub crop: Crop,
    /// What fills up a shorter waveform. Default: zeros after it.
    pub fill: Fill,
}

impl Default for LengthOptions {
    fn default() -> Self {
        Self { duration: 3.0, crop: Crop::Start, fill: Fill::End }
    }
}

/// Says which part of a waveform that is too long stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crop {
    /// The beginning.
    #[default]
    Start,
    /// The middle; of an odd surplus, one sample more is cut at the end.
    Center,
    /// The end.
    End,
}

/// Says what fills up a waveform that is too short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fill {
    /// Zeros after it.
    #[default]
    End,
    /// Zeros on both sides; of an odd number, one more after it.
    Center,
    /// The waveform again and again from its beginning.
    Repeat,
}

impl Waveform {
    /// Brings the waveform to a length of `round(duration · sample rate)` samples, at least one.
    ///
    /// ```
    /// use ser_audio::{Fill, LengthOptions, Waveform};
    ///
    /// let options = LengthOptions { duration: 0.001, fill: Fill::Repeat, ..LengthOptions::default() };
    /// let waveform = Waveform::new(vec![0.1, 0.2, 0.3], 8_000)?.with_length(&options)?;
    /// assert_eq!(waveform.samples(), [0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.1, 0.2]);
    /// # Ok::<(), ser_audio::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] if the duration is out of range (more than a day is), [`Error::NoSamples`] if there is
    /// nothing to repeat.
    pub fn with_length(mut self, options: &LengthOptions) -> Result<Self, Error> {
        let duration = options.duration;
        check("duration", duration, duration > 0.0 && duration <= 86_400.0, "above 0 seconds, up to 86400")?;
        let len = ((duration * f64::from(self.sample_rate)).round() as usize).max(1);
        let samples = &mut self.samples;
        if let Some(surplus) = samples.len().checked_sub(len) {
            let first = match options.crop {
                Crop::Start => 0,
                Crop::Center => surplus / 2,
                Crop::End => surplus,
            };
            samples.drain(..first);
            samples.truncate(len);
            return Ok(self);
        }
        match options.fill {
            Fill::End => samples.resize(len, 0.0),
            Fill::Center => {
                let before = (len - samples.len()) / 2;
                samples.splice(..0, std::iter::repeat_n(0.0, before));
                samples.resize(len, 0.0);
            }
            Fill::Repeat if samples.is_empty() => return Err(Error::NoSamples),
            Fill::Repeat => self.samples = samples.iter().copied().cycle().take(len).collect(),
        }
        Ok(self)
    }
}
