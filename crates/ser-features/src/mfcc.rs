//! Mel-frequency cepstral coefficients of a given spectrogram.

use std::f64::consts::PI;

use ndarray::{Array2, ArrayRef2};

use crate::{Dct, Error};

/// Computes `n_mfcc` cepstral coefficients, `[frames, n_mfcc]`, of mel bands in decibels, `[frames, n_mels]`.
///
/// The orthonormal DCT-II of each frame; with a `lifter` above 0, coefficient `k` is multiplied with
/// `1 + lifter/2 sin(π (k + 1) / lifter)`. `librosa.feature.mfcc(S=..., n_mfcc=..., lifter=...)` (0.11.0).
///
/// ```
/// let decibels = ndarray::array![[-10.0, -10.0, -10.0, -10.0]];
/// let mfcc = ser_features::mfcc(&decibels, 2, 0.0)?;
/// assert!((mfcc[[0, 0]] + 20.0).abs() < 1e-5 && mfcc[[0, 1]].abs() < 1e-5);
/// # Ok::<(), ser_features::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::InvalidOption`] where `n_mfcc` is not 1 to the number of bands, or `lifter` is negative or not finite.
pub fn mfcc(decibels: &ArrayRef2<f32>, n_mfcc: usize, lifter: f32) -> Result<Array2<f32>, Error> {
    let dct = Dct::new(decibels.ncols(), n_mfcc)?;
    let weights = lifter_weights(lifter, n_mfcc)?;
    let mut cepstra = Array2::zeros((decibels.nrows(), n_mfcc));
    for (bands, mut cepstrum) in decibels.rows().into_iter().zip(cepstra.rows_mut()) {
        let values = dct.process(&bands.to_vec())?;
        cepstrum.iter_mut().zip(values).zip(&weights).for_each(|((cell, value), weight)| *cell = value * weight);
    }
    Ok(cepstra)
}

/// Gives what coefficients are multiplied with: nothing where `lifter` is 0.
pub(crate) fn lifter_weights(lifter: f32, n_mfcc: usize) -> Result<Vec<f32>, Error> {
    if !(lifter >= 0.0 && lifter.is_finite()) {
        return Err(Error::option("lifter", lifter, "finite and 0 or more"));
    }
    let lifter = f64::from(lifter);
    let weight = |k: usize| if lifter == 0.0 { 1.0 } else { 1.0 + lifter / 2.0 * (PI * (k + 1) as f64 / lifter).sin() };
    Ok((0..n_mfcc).map(|k| weight(k) as f32).collect())
}
