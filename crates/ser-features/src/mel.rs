//! The mel scale and its triangular filters.

use ndarray::{Array2, ArrayRef2};

use crate::Error;

/// Slope of the linear part, in hertz a mel.
const HZ_PER_MEL: f64 = 200.0 / 3.0;
/// Where the scale turns logarithmic, in hertz and in mel.
const LOG_HZ: f64 = 1000.0;
const LOG_MEL: f64 = 15.0;
/// Mels for a factor of 6.4 above that.
const MELS_PER_LOG_STEP: f64 = 27.0;
const LOG_STEP: f64 = 6.4;

/// Converts hertz to mels on Slaney's scale: linear below 1 kHz, logarithmic above.
///
/// The scale of Slaney's Auditory Toolbox (1998), librosa's default (`htk=False`).
pub fn hz_to_mel(hz: f64) -> f64 {
    if hz < LOG_HZ { hz / HZ_PER_MEL } else { LOG_MEL + (hz / LOG_HZ).ln() * MELS_PER_LOG_STEP / LOG_STEP.ln() }
}

/// Converts mels to hertz: the inverse of [`hz_to_mel`].
pub fn mel_to_hz(mel: f64) -> f64 {
    if mel < LOG_MEL { mel * HZ_PER_MEL } else { LOG_HZ * ((mel - LOG_MEL) * LOG_STEP.ln() / MELS_PER_LOG_STEP).exp() }
}

/// Describes a mel filterbank. The default is librosa's: 22,050 Hz, 2048, 128 bands, 0 Hz to Nyquist.
#[derive(Debug, Clone, PartialEq)]
pub struct MelOptions {
    /// Sample rate in hertz, 1 or more.
    pub sample_rate: u32,
    /// Length of the transform whose `1 + n_fft / 2` bins are weighted, in samples.
    pub n_fft: usize,
    /// Number of bands, 1 or more; so few that each holds a frequency bin.
    pub n_mels: usize,
    /// Lower edge of the lowest band in hertz, 0 or more.
    pub fmin: f32,
    /// Upper edge of the highest band in hertz, above `fmin`, at most half the sample rate; `None` is that half.
    pub fmax: Option<f32>,
}

impl Default for MelOptions {
    fn default() -> Self {
        Self { sample_rate: 22_050, n_fft: 2048, n_mels: 128, fmin: 0.0, fmax: None }
    }
}

/// Triangular filters, equally spaced on Slaney's mel scale, each of unit area over hertz.
///
/// The filters of `librosa.filters.mel` (0.11.0; `htk=False`, `norm="slaney"`), held without their zeros.
///
/// ```
/// use ser_features::{MelFilterbank, MelOptions};
///
/// let filterbank = MelFilterbank::new(&MelOptions { n_mels: 40, ..MelOptions::default() })?;
/// let power = ndarray::Array2::from_elem((3, 1025), 2.0);
/// assert_eq!(filterbank.apply(&power)?.dim(), (3, 40));
/// # Ok::<(), ser_features::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct MelFilterbank {
    n_bins: usize,
    filters: Vec<Filter>,
}

/// The non-zero part of one filter.
#[derive(Debug, Clone)]
struct Filter {
    first_bin: usize,
    weights: Vec<f32>,
}

impl MelFilterbank {
    /// Plans the filters.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] where an option is out of its range, [`Error::EmptyMelFilter`] where a band is so
    /// narrow that no frequency bin lies in it (librosa only warns).
    pub fn new(options: &MelOptions) -> Result<Self, Error> {
        let &MelOptions { sample_rate, n_fft, n_mels, fmin, fmax } = options;
        let nyquist = sample_rate as f32 / 2.0;
        let fmax = fmax.unwrap_or(nyquist);
        if sample_rate == 0 {
            return Err(Error::option("sample_rate", sample_rate, "1 Hz or more"));
        }
        if n_fft == 0 {
            return Err(Error::option("n_fft", n_fft, "1 or more"));
        }
        // A bin lies in two filters at most, so more bands would leave some of them empty.
        if !(1..=n_fft).contains(&n_mels) {
            return Err(Error::option("n_mels", n_mels, format!("1 to n_fft = {n_fft}")));
        }
        if !(fmax > 0.0 && fmax <= nyquist) {
            return Err(Error::option("fmax", fmax, format!("above 0 and at most half the sample rate, {nyquist} Hz")));
        }
        if !(0.0..fmax).contains(&fmin) {
            return Err(Error::option("fmin", fmin, format!("0 or more and below fmax = {fmax} Hz")));
        }

        let resolution = f64::from(sample_rate) / n_fft as f64;
        let (lowest, highest) = (hz_to_mel(fmin.into()), hz_to_mel(fmax.into()));
        let step = (highest - lowest) / (n_mels + 1) as f64;
        let edge = |index: usize| mel_to_hz(lowest + step * index as f64);
        let n_bins = 1 + n_fft / 2;
        let filters = (0..n_mels)
            .map(|index| {
                Filter::triangle(edge(index), edge(index + 1), edge(index + 2), resolution, n_bins)
                    .ok_or(Error::EmptyMelFilter { filter: index, n_mels, n_fft, resolution: resolution as f32 })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { n_bins, filters })
    }

    /// Gives the number of bands.
    pub fn n_mels(&self) -> usize {
        self.filters.len()
    }

    /// Gives the number of frequency bins that a spectrum must have.
    pub fn n_bins(&self) -> usize {
        self.n_bins
    }

    /// Gives the weights as a dense `[n_mels, n_bins]` matrix, in 1 / Hz.
    pub fn weights(&self) -> Array2<f32> {
        let mut dense = Array2::zeros((self.n_mels(), self.n_bins));
        for (mut row, filter) in dense.rows_mut().into_iter().zip(&self.filters) {
            for (cell, weight) in row.iter_mut().skip(filter.first_bin).zip(&filter.weights) {
                *cell = *weight;
            }
        }
        dense
    }

    /// Weights spectra `[frames, n_bins]` into bands `[frames, n_mels]`.
    ///
    /// # Errors
    ///
    /// [`Error::BinCount`] where the spectra do not have [`MelFilterbank::n_bins`] bins.
    pub fn apply(&self, spectra: &ArrayRef2<f32>) -> Result<Array2<f32>, Error> {
        if spectra.ncols() != self.n_bins {
            return Err(Error::BinCount { expected: self.n_bins, actual: spectra.ncols() });
        }
        let mut bands = Array2::zeros((spectra.nrows(), self.n_mels()));
        let mut lanes = vec![[0.0]; self.n_bins];
        let mut mel = vec![[0.0]; self.n_mels()];
        for (spectrum, mut row) in spectra.rows().into_iter().zip(bands.rows_mut()) {
            lanes.iter_mut().zip(spectrum).for_each(|(lane, &power)| *lane = [power]);
            self.project(&lanes, &mut mel);
            row.iter_mut().zip(&mel).for_each(|(band, &[value])| *band = value);
        }
        Ok(bands)
    }

    /// Weights `LANES` spectra side by side: `spectra` holds `n_bins` rows, `bands` gets `n_mels`.
    ///
    /// Filters are short and of uneven length; frames side by side fill the vector registers whatever their shape.
    pub(crate) fn project<const LANES: usize>(&self, spectra: &[[f32; LANES]], bands: &mut [[f32; LANES]]) {
        for (band, filter) in bands.iter_mut().zip(&self.filters) {
            let mut sum = [0.0; LANES];
            for (bin, weight) in spectra[filter.first_bin..].iter().zip(&filter.weights) {
                for (sum, power) in sum.iter_mut().zip(bin) {
                    *sum += weight * power;
                }
            }
            *band = sum;
        }
    }
}

impl Filter {
    /// Samples a triangle over `left..right` hertz with its peak at `center` and area 1; `None` if no bin is inside.
    fn triangle(left: f64, center: f64, right: f64, resolution: f64, n_bins: usize) -> Option<Self> {
        let height = 2.0 / (right - left);
        let weight = |bin: usize| {
            let hz = bin as f64 * resolution;
            let slope = ((hz - left) / (center - left)).min((right - hz) / (right - center));
            (height * slope.max(0.0)) as f32
        };
        let first_bin = (0..n_bins).find(|&bin| weight(bin) > 0.0)?;
        let weights = (first_bin..n_bins).map(weight).take_while(|&weight| weight > 0.0).collect();
        Some(Self { first_bin, weights })
    }
}
