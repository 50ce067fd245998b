use serde::{Deserialize, Serialize};

use crate::Waveform;

/// Says how loud a waveform is made before features are taken from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Leaves the samples as they were recorded.
    #[default]
    None,
    /// Scales the samples so that the largest magnitude is 1; digital silence stays as it is.
    Peak,
}

impl Waveform {
    /// Sets the level.
    ///
    /// ```
    /// use ser_audio::{Level, Waveform};
    ///
    /// let waveform = Waveform::new(vec![0.1, -0.25, 0.05], 16_000)?.with_level(Level::Peak);
    /// assert_eq!(waveform.samples(), [0.4, -1.0, 0.2]);
    /// # Ok::<(), ser_audio::Error>(())
    /// ```
    pub fn with_level(mut self, level: Level) -> Self {
        match level {
            Level::None => {}
            Level::Peak => {
                let peak = self.peak();
                if peak > 0.0 {
                    self.samples.iter_mut().for_each(|x| *x /= peak);
                }
            }
        }
        self
    }
}
