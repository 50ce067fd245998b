//! Window functions.

use std::f64::consts::TAU;

/// Computes the periodic Hann window of `length` samples: `0.5 - 0.5 cos(2πn / length)`.
///
/// Periodic, not symmetric: what `scipy.signal.get_window("hann", length)` and so librosa use for spectra.
/// Computed in float64 and rounded once.
pub fn hann(length: usize) -> Vec<f32> {
    let step = TAU / length as f64;
    (0..length).map(|n| (0.5 - 0.5 * (step * n as f64).cos()) as f32).collect()
}
