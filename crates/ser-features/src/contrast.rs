//! Spectral contrast: peaks over valleys, octave by octave.

use std::ops::Range;

use ndarray::{Array2, ArrayRef2};
use serde::{Deserialize, Serialize};

use crate::decibel::{DecibelOptions, floored_decibel, power_to_db};
use crate::{Error, spectral};

/// The longest transform: 2²⁰ samples.
const MAX_N_FFT: usize = 1 << 20;

/// Describes spectral contrast. The default is librosa's: 200 Hz, 6 bands, quantile 0.02, decibels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContrastOptions {
    /// Upper edge of the lowest band in hertz, above 0; the bands above it are octaves. Default 200.
    pub fmin: f32,
    /// Number of octaves above `fmin`, 1 or more; the highest begins below half the sample rate. Default 6.
    pub n_bands: usize,
    /// Part of a band's bins that make its peak, and its valley, between 0 and 1; one bin at least. Default 0.02.
    pub quantile: f64,
    /// Whether the result is `peak - valley` (magnitudes) or the difference of their decibels. Default false.
    pub linear: bool,
}

impl Default for ContrastOptions {
    fn default() -> Self {
        Self { fmin: 200.0, n_bands: 6, quantile: 0.02, linear: false }
    }
}

/// A planned spectral contrast: the mean of a band's loudest bins over that of its faintest.
///
/// Jiang et al., "Music type classification by spectral contrast feature" (2002). The bands are 0 to `fmin`, then
/// octaves; the highest takes in all bins up to half the sample rate.
///
/// ```
/// use ser_features::{ContrastOptions, SpectralContrast};
///
/// let contrast = SpectralContrast::new(22_050, 2048, &ContrastOptions::default())?;
/// // Bins of 1 and 10 in turn: 10 log10(10) - 10 log10(1) in each of the 7 bands.
/// let magnitude = ndarray::Array2::from_shape_fn((3, 1025), |(_, bin)| if bin % 2 == 0 { 1.0 } else { 10.0 });
/// assert_eq!(contrast.process(&magnitude)?.mapv(f32::round), ndarray::Array2::from_elem((3, 7), 10.0));
/// # Ok::<(), ser_features::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct SpectralContrast {
    n_bins: usize,
    linear: bool,
    bands: Vec<Band>,
}

#[derive(Debug, Clone)]
struct Band {
    bins: Range<usize>,
    /// Number of bins that make the peak, and the valley: 1 to the number of bins.
    n_extremes: usize,
}

impl SpectralContrast {
    /// Plans the bands for spectra of `1 + n_fft / 2` bins; `n_fft` is 1 to 2²⁰.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] where an option is out of its range, or a band holds no frequency bin.
    pub fn new(sample_rate: u32, n_fft: usize, options: &ContrastOptions) -> Result<Self, Error> {
        let &ContrastOptions { fmin, n_bands, quantile, linear } = options;
        if sample_rate == 0 {
            return Err(Error::option("sample_rate", sample_rate, "1 Hz or more"));
        }
        if !(1..=MAX_N_FFT).contains(&n_fft) {
            return Err(Error::option("n_fft", n_fft, format!("1 to {MAX_N_FFT} samples")));
        }
        if !(fmin > 0.0 && fmin.is_finite()) {
            return Err(Error::option("fmin", fmin, "finite and above 0 Hz"));
        }
        if n_bands == 0 {
            return Err(Error::option("n_bands", n_bands, "1 or more"));
        }
        if !(quantile > 0.0 && quantile < 1.0) {
            return Err(Error::option("quantile", quantile, "above 0 and below 1"));
        }
        let nyquist = f64::from(sample_rate) / 2.0;
        // Edge 0 is 0 Hz, edge 1 is fmin, and each further one an octave up.
        let edge = |index: usize| if index == 0 { 0.0 } else { f64::from(fmin) * 2.0_f64.powf((index - 1) as f64) };
        if edge(n_bands) >= nyquist {
            let allowed = format!("so few that fmin * 2^(n_bands - 1) lies below half the sample rate, {nyquist} Hz");
            return Err(Error::option("n_bands", n_bands, allowed));
        }

        let n_bins = 1 + n_fft / 2;
        // As numpy.fft.rfftfreq rounds, so that a bin on an edge falls into the same bands.
        let resolution = 1.0 / (n_fft as f64 * (1.0 / f64::from(sample_rate)));
        let first_bin = |inside: &dyn Fn(f64) -> bool| (0..n_bins).find(|&bin| inside(bin as f64 * resolution));
        let bands = (0..=n_bands).map(|index| {
            let start = first_bin(&|frequency| frequency >= edge(index)).unwrap_or(n_bins);
            let end = first_bin(&|frequency| frequency > edge(index + 1)).unwrap_or(n_bins);
            let (bins, n_counted) = match index {
                // librosa takes an octave's lower neighbour into it, counts, and then leaves the highest bin out.
                0 => (start..end - 1, end - start),
                _ if start == end => (start..end, 0),
                _ if index == n_bands => (start - 1..n_bins, n_bins + 1 - start),
                _ => (start - 1..end - 1, end + 1 - start),
            };
            if bins.is_empty() {
                let allowed = format!(
                    "so high that each band holds a frequency bin ({resolution} Hz apart), which band {index} does not; or raise n_fft"
                );
                return Err(Error::option("fmin", fmin, allowed));
            }
            let n_extremes = (quantile * n_counted as f64).round_ties_even() as usize;
            Ok(Band { n_extremes: n_extremes.clamp(1, bins.len()), bins })
        });
        Ok(Self { n_bins, linear, bands: bands.collect::<Result<_, _>>()? })
    }

    /// Gives the number of values a frame, `n_bands + 1`.
    pub fn n_output(&self) -> usize {
        self.bands.len()
    }

    /// Computes the contrast of magnitude spectra `[frames, 1 + n_fft / 2]`: `[frames, n_bands + 1]`, in decibels (or
    /// in magnitudes where `linear`), 0 or more; a silent array has 0 everywhere.
    ///
    /// Equal to `librosa.feature.spectral_contrast(S=...)` (0.11.0), whose decibels are those of `power_to_db` with
    /// magnitudes in the place of power: peaks no lower than 80 dB below the highest peak of the whole array, and
    /// valleys, apart from them, no lower than 80 dB below the highest valley. A frame much fainter than the loudest
    /// (by a factor of 1e8 in magnitude: digital silence between sounds) gets the difference of these two floors.
    ///
    /// The valleys of a pure tone's frame are what its transform rounds to: there a float32 [`Stft`](crate::Stft) and
    /// librosa's float64 one differ.
    ///
    /// # Errors
    ///
    /// [`Error::BinCount`] where frames have other bins, [`Error::InvalidOption`] where a magnitude is negative or not
    /// finite.
    pub fn process(&self, magnitude: &ArrayRef2<f32>) -> Result<Array2<f32>, Error> {
        if magnitude.ncols() != self.n_bins {
            return Err(Error::BinCount { expected: self.n_bins, actual: magnitude.ncols() });
        }
        spectral::check_magnitude(magnitude)?;
        let (mut frame, mut scratch) = (Vec::with_capacity(self.n_bins), Vec::new());
        let mut peaks = Array2::zeros((magnitude.nrows(), self.n_output()));
        let mut valleys = peaks.clone();
        for ((row, peaks), valleys) in magnitude.rows().into_iter().zip(peaks.rows_mut()).zip(valleys.rows_mut()) {
            frame.clear();
            frame.extend(row);
            for ((peak, valley), extremes) in peaks.into_iter().zip(valleys).zip(self.extremes(&frame, &mut scratch)) {
                (*peak, *valley) = extremes;
            }
        }
        if self.linear {
            Ok(peaks - valleys)
        } else {
            Ok(power_to_db(&peaks, &DecibelOptions::default())? - power_to_db(&valleys, &DecibelOptions::default())?)
        }
    }

    /// Computes the contrast of one frame, without the floors 80 dB below the loudest of other frames.
    pub(crate) fn process_frame(&self, frame: &[f32], scratch: &mut Vec<f32>, output: &mut [f32]) {
        for (value, (peak, valley)) in output.iter_mut().zip(self.extremes(frame, scratch)) {
            *value = if self.linear { peak - valley } else { floored_decibel(peak) - floored_decibel(valley) };
        }
    }

    /// Gives each band's peak and valley in magnitude.
    pub(crate) fn extremes(&self, frame: &[f32], scratch: &mut Vec<f32>) -> impl Iterator<Item = (f32, f32)> {
        self.bands.iter().map(|Band { bins, n_extremes }| {
            scratch.clear();
            scratch.extend_from_slice(&frame[bins.clone()]);
            scratch.select_nth_unstable_by(n_extremes - 1, f32::total_cmp);
            let valley = mean(&scratch[..*n_extremes]);
            let first = scratch.len() - n_extremes;
            scratch.select_nth_unstable_by(first, f32::total_cmp);
            (mean(&scratch[first..]), valley)
        })
    }
}

fn mean(values: &[f32]) -> f32 {
    (values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len() as f64) as f32
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::{ContrastOptions, SpectralContrast};

    #[test]
    fn a_frame_alone_is_that_frame_of_an_array_without_levels_80_db_apart() {
        let magnitude = Array2::from_shape_fn((3, 257), |(frame, bin)| ((1 + frame * 7 + bin * 31) % 97) as f32 + 0.1);
        for linear in [false, true] {
            let plan = SpectralContrast::new(16_000, 512, &ContrastOptions { linear, ..Default::default() }).unwrap();
            let together = plan.process(&magnitude).unwrap();
            let (mut scratch, mut alone) = (Vec::new(), [f32::NAN; 7]);
            for (frame, expected) in magnitude.rows().into_iter().zip(together.rows()) {
                plan.process_frame(&frame.to_vec(), &mut scratch, &mut alone);
                assert_eq!(alone.as_slice(), expected.to_vec());
            }
        }
    }
}
