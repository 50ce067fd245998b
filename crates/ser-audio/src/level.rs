use serde::{Deserialize, Serialize};

use crate::Waveform;

/// The root mean square that [`Level::Rms`] gives: -20 dB of full scale.
const RMS: f64 = 0.1;

/// Says how loud a waveform is made before features are taken from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Leaves the samples as they were recorded.
    #[default]
    None,
    /// Scales the samples so that the largest magnitude is 1; digital silence stays as it is.
    Peak,
    /// Scales the samples to a root mean square of 0.1 (-20 dB of full scale); digital silence stays as it is.
    ///
    /// Peaks may go beyond ±1; nothing clips them.
    Rms,
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
            Level::Rms => {
                let rms = self.rms();
                if rms > 0.0 {
                    let scale = |x: f32| (f64::from(x) / rms * RMS) as f32;
                    self.samples.iter_mut().for_each(|x| *x = scale(*x));
                }
            }
        }
        self
    }

    /// The root mean square of the samples; 0 where there are none.
    pub fn rms(&self) -> f64 {
        let square_sum: f64 = self.samples.iter().map(|&x| f64::from(x).powi(2)).sum();
        (square_sum / self.samples.len().max(1) as f64).sqrt()
    }

    /// Subtracts the mean of all samples: the offset of a sound card.
    pub fn without_dc(mut self) -> Self {
        let sum: f64 = self.samples.iter().map(|&x| f64::from(x)).sum();
        let mean = sum / self.samples.len().max(1) as f64;
        // Half of the extremes would overflow only where samples are near the largest f32.
        let subtract = |x: f32| (f64::from(x) - mean).clamp(f32::MIN.into(), f32::MAX.into()) as f32;
        self.samples.iter_mut().for_each(|x| *x = subtract(*x));
        self
    }
}
