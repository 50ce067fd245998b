//! Window functions.

use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};

/// Names a window function.
///
/// Windows are computed in float64 and rounded once.
///
/// ```
/// use ser_features::Window;
///
/// assert_eq!(Window::Hann.periodic(4), [0.0, 0.5, 1.0, 0.5]);
/// assert_eq!(Window::Hann.symmetric(5), [0.0, 0.5, 1.0, 0.5, 0.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Window {
    /// `0.5 - 0.5 cos x`: librosa's default.
    #[default]
    Hann,
    /// `0.54 - 0.46 cos x`.
    Hamming,
    /// `0.42 - 0.5 cos x + 0.08 cos 2x`.
    Blackman,
    /// The Hann window to the power of 0.85: Kaldi's default.
    Povey,
    /// 1 everywhere.
    Rectangular,
}

impl Window {
    /// Computes `length` samples of the window whose period is `length`: what spectra are taken with.
    ///
    /// `scipy.signal.get_window(name, length)` (1.17.1), and so librosa's; `x = 2πn / length` above.
    pub fn periodic(self, length: usize) -> Vec<f32> {
        self.samples(length, length)
    }

    /// Computes `length` samples of the window that is its own mirror image, as filters and Kaldi have it.
    ///
    /// `scipy.signal.get_window(name, length, fftbins=False)` (1.17.1); `x = 2πn / (length - 1)` above. A single sample is 1.
    pub fn symmetric(self, length: usize) -> Vec<f32> {
        self.samples(length, length.saturating_sub(1))
    }

    fn samples(self, length: usize, period: usize) -> Vec<f32> {
        if length == 1 {
            return vec![1.0];
        }
        let value = |n: usize| {
            let x = TAU * n as f64 / period as f64;
            match self {
                Self::Hann => 0.5 - 0.5 * x.cos(),
                Self::Hamming => 0.54 - 0.46 * x.cos(),
                // Rounding would leave the first sample a hair below 0.
                Self::Blackman => (0.42 - 0.5 * x.cos() + 0.08 * (2.0 * x).cos()).max(0.0),
                Self::Povey => (0.5 - 0.5 * x.cos()).powf(0.85),
                Self::Rectangular => 1.0,
            }
        };
        (0..length).map(|n| value(n) as f32).collect()
    }
}
