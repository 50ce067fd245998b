//! The inverse of the short-time Fourier transform.

use std::fmt;
use std::sync::Arc;

use ndarray::ArrayRef2;
use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner};

use crate::{Error, Framing, StftOptions};

/// A planned inverse short-time Fourier transform: overlapping frames are added and divided by the sum of their squared
/// windows, which gives the least-squares signal (Griffin & Lim 1984, equation 6).
///
/// Equal to `librosa.istft` (0.11.0) run in float64 within 1e-6 of the signal's peak. Whatever [`Stft`](crate::Stft) gives comes
/// back, but for samples that no window covers, which are 0.
///
/// ```
/// use ser_features::{Istft, Stft, StftOptions};
///
/// let options = StftOptions { n_fft: 64, hop_length: 16, win_length: 64, ..StftOptions::default() };
/// let tone: Vec<f32> = (0..250).map(|n| (n as f32 * 0.3).sin()).collect();
/// let spectra = Stft::new(&options)?.complex(&tone)?;
/// let again = Istft::new(&options)?.process(&spectra, tone.len())?;
/// assert!(tone.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-6));
/// # Ok::<(), ser_features::Error>(())
/// ```
#[derive(Clone)]
pub struct Istft {
    framing: Framing,
    window: Vec<f32>,
    fft: Arc<dyn ComplexToReal<f32>>,
}

impl Istft {
    /// Plans the inverse of the transform that `options` describe.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] where an option is out of its range, or the hop is longer than the window, so that samples
    /// between two windows are lost.
    pub fn new(options: &StftOptions) -> Result<Self, Error> {
        let (framing, window) = options.check()?;
        if options.hop_length > options.win_length {
            let allowed = format!("1 to win_length = {} for an inverse", options.win_length);
            return Err(Error::option("hop_length", options.hop_length, allowed));
        }
        Ok(Self { framing, window, fft: RealFftPlanner::new().plan_fft_inverse(options.n_fft) })
    }

    /// Computes the `n_samples` samples whose spectra are nearest to `spectra`, `[frames, 1 + n_fft / 2]`.
    ///
    /// The imaginary parts of the first bin and, where `n_fft` is even, of the last are taken for 0. Samples beyond the
    /// last frame are 0.
    ///
    /// # Errors
    ///
    /// [`Error::BinCount`] where the spectra have other bins, [`Error::InvalidOption`] where one is not finite.
    pub fn process(&self, spectra: &ArrayRef2<Complex<f32>>, n_samples: usize) -> Result<Vec<f32>, Error> {
        let frame_length = self.framing.frame_length();
        if spectra.ncols() != 1 + frame_length / 2 {
            return Err(Error::BinCount { expected: 1 + frame_length / 2, actual: spectra.ncols() });
        }
        if let Some(value) = spectra.iter().find(|value| !value.is_finite()) {
            return Err(Error::option("spectra", value, "finite"));
        }
        let mut samples = vec![0.0; n_samples];
        let mut weights = vec![0.0; n_samples];
        let (mut spectrum, mut frame) = (self.fft.make_input_vec(), self.fft.make_output_vec());
        let mut scratch = self.fft.make_scratch_vec();
        let margin = (frame_length - self.window.len()) / 2;
        for (index, row) in spectra.rows().into_iter().enumerate() {
            let first = self.framing.first_sample(index) + margin as isize;
            let skipped = (-first).max(0) as usize;
            let place = first.max(0) as usize;
            if place >= n_samples || skipped >= self.window.len() {
                continue;
            }
            spectrum.iter_mut().zip(row).for_each(|(value, bin)| *value = *bin);
            spectrum[0].im = 0.0;
            if frame_length.is_multiple_of(2) {
                spectrum[frame_length / 2].im = 0.0;
            }
            let done = self.fft.process_with_scratch(&mut spectrum, &mut frame, &mut scratch);
            debug_assert!(done.is_ok(), "the buffers have the planned lengths");
            let windowed = frame[margin..].iter().zip(&self.window).skip(skipped);
            for ((sample, sum), (value, weight)) in samples[place..].iter_mut().zip(&mut weights[place..]).zip(windowed)
            {
                *sample += value * weight;
                *sum += weight * weight;
            }
        }
        let scale = 1.0 / frame_length as f32;
        for (sample, weight) in samples.iter_mut().zip(weights) {
            *sample *= if weight > f32::MIN_POSITIVE { scale / weight } else { 0.0 };
        }
        Ok(samples)
    }
}

impl fmt::Debug for Istft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Istft")
            .field("framing", &self.framing)
            .field("win_length", &self.window.len())
            .finish_non_exhaustive()
    }
}
