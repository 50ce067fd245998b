use serde::{Deserialize, Serialize};

use crate::Error;

/// Says which part of a recording is read, from which channel, and how much is too much.
///
/// ```
/// use ser_audio::{Channel, ReadOptions};
///
/// // The customer on the right channel of a call, from 1:30 on, for ten seconds.
/// let options =
///     ReadOptions { channel: Channel::Index(1), offset: 90.0, duration: Some(10.0), ..ReadOptions::default() };
/// # let _ = options;
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReadOptions {
    /// What becomes of several channels. Default: their mean.
    pub channel: Channel,
    /// Where the part begins, in seconds from 0. Default: 0.
    pub offset: f64,
    /// How long the part is, in seconds above 0; a part that reaches past the end of the recording is shorter.
    /// Default: to the end.
    pub duration: Option<f64>,
    /// The longest part that is read, in seconds above 0; a longer one is [`Error::TooLong`]. It bounds memory, whatever
    /// rate a file claims: beyond 48 kHz, only as many samples are read as at 48 kHz, 192 kB a second. Default: 3,600, an
    /// hour (half an hour at 96 kHz, at most 691 MB).
    pub max_duration: f64,
    /// What becomes of a recording that is cut short or damaged in the middle. Default: it is refused.
    pub truncated: Truncated,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { channel: Channel::Mix, offset: 0.0, duration: None, max_duration: 3_600.0, truncated: Truncated::Refuse }
    }
}

impl ReadOptions {
    pub(super) fn validate(&self) -> Result<(), Error> {
        let seconds = |option: &'static str, value: f64, allowed: bool, range: &'static str| match allowed {
            true => Ok(()),
            false => Err(Error::InvalidOption { option, value: value.to_string(), allowed: range }),
        };
        seconds("offset", self.offset, self.offset.is_finite() && self.offset >= 0.0, "0 seconds or more")?;
        let above_zero = |value: f64| value.is_finite() && value > 0.0;
        if let Some(duration) = self.duration {
            seconds("duration", duration, above_zero(duration), "above 0 seconds")?;
        }
        seconds("max-duration", self.max_duration, above_zero(self.max_duration), "above 0 seconds")
    }
}

/// Says what becomes of several channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// The mean of all channels.
    #[default]
    Mix,
    /// One channel, counted from 0: left is 0, right is 1.
    Index(usize),
}

/// Says what becomes of a recording that is cut short or damaged in the middle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Truncated {
    /// An error that says how much could be read.
    #[default]
    Refuse,
    /// The samples before the damage, if there are any.
    Keep,
}
