//! The mel scale and its triangular filters.

use ndarray::{Array2, ArrayRef2};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::frame::MAX_FRAME_LENGTH;

/// Names a mel scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MelScale {
    /// Slaney's Auditory Toolbox (1998): linear below 1 kHz, logarithmic above; librosa's default (`htk=False`).
    #[default]
    Slaney,
    /// `2595 log10(1 + f / 700)`: that of HTK (O'Shaughnessy 1987), librosa's `htk=True`.
    Htk,
}

/// Slope of the linear part of Slaney's scale, in hertz a mel.
const HZ_PER_MEL: f64 = 200.0 / 3.0;
/// Where that scale turns logarithmic, in hertz and in mel.
const LOG_HZ: f64 = 1000.0;
const LOG_MEL: f64 = 15.0;
/// Mels for a factor of 6.4 above that.
const MELS_PER_LOG_STEP: f64 = 27.0;
const LOG_STEP: f64 = 6.4;

impl MelScale {
    /// Converts hertz, 0 or more, to mels.
    pub fn hz_to_mel(self, hz: f64) -> f64 {
        match self {
            Self::Slaney if hz < LOG_HZ => hz / HZ_PER_MEL,
            Self::Slaney => LOG_MEL + (hz / LOG_HZ).ln() * MELS_PER_LOG_STEP / LOG_STEP.ln(),
            Self::Htk => 2595.0 * (1.0 + hz / 700.0).log10(),
        }
    }

    /// Converts mels, 0 or more, to hertz: the inverse of [`MelScale::hz_to_mel`].
    pub fn mel_to_hz(self, mel: f64) -> f64 {
        match self {
            Self::Slaney if mel < LOG_MEL => mel * HZ_PER_MEL,
            Self::Slaney => LOG_HZ * ((mel - LOG_MEL) * LOG_STEP.ln() / MELS_PER_LOG_STEP).exp(),
            Self::Htk => 700.0 * (10f64.powf(mel / 2595.0) - 1.0),
        }
    }
}

/// Says how high the triangles of a mel filterbank are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MelNorm {
    /// Each has area 1 over hertz: librosa's default, `norm="slaney"`.
    #[default]
    Slaney,
    /// Each has height 1: librosa's `norm=None`.
    None,
}

/// Describes mel bands. The default is librosa's: 128 bands on Slaney's scale, 0 Hz to Nyquist, area 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MelOptions {
    /// Number of bands, 1 or more; so few that each holds a frequency bin. Default 128.
    pub n_mels: usize,
    /// Lower edge of the lowest band in hertz, 0 or more. Default 0.
    pub fmin: f32,
    /// Upper edge of the highest band in hertz, above `fmin`, at most half the sample rate; `None`, the default, is that half.
    pub fmax: Option<f32>,
    /// The scale on which the bands are equally spaced. Default `slaney`.
    pub scale: MelScale,
    /// The height of the bands. Default `slaney`.
    pub norm: MelNorm,
}

impl Default for MelOptions {
    fn default() -> Self {
        Self { n_mels: 128, fmin: 0.0, fmax: None, scale: MelScale::Slaney, norm: MelNorm::Slaney }
    }
}

/// Triangular filters, equally spaced on a mel scale: those of `librosa.filters.mel` (0.11.0), held without their zeros.
///
/// ```
/// use ser_features::{MelFilterbank, MelOptions};
///
/// let filterbank = MelFilterbank::new(&MelOptions { n_mels: 40, ..MelOptions::default() }, 22_050, 2048)?;
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
pub(crate) struct Filter {
    pub(crate) first_bin: usize,
    pub(crate) weights: Vec<f32>,
}

impl MelFilterbank {
    /// Plans the filters for the `1 + n_fft / 2` bins of a transform of `n_fft` samples at `sample_rate` hertz.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] where an option is out of its range, [`Error::EmptyMelFilter`] where a band is so
    /// narrow that no frequency bin lies in it (librosa only warns).
    pub fn new(options: &MelOptions, sample_rate: u32, n_fft: usize) -> Result<Self, Error> {
        let &MelOptions { n_mels, fmin, fmax, scale, norm } = options;
        let nyquist = sample_rate as f32 / 2.0;
        let fmax = fmax.unwrap_or(nyquist);
        if sample_rate == 0 {
            return Err(Error::option("sample_rate", sample_rate, "1 Hz or more"));
        }
        if !(1..=MAX_FRAME_LENGTH).contains(&n_fft) {
            return Err(Error::option("n_fft", n_fft, format!("1 to {MAX_FRAME_LENGTH}")));
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
        let (lowest, highest) = (scale.hz_to_mel(fmin.into()), scale.hz_to_mel(fmax.into()));
        let step = (highest - lowest) / (n_mels + 1) as f64;
        let edge = |index: usize| scale.mel_to_hz(lowest + step * index as f64);
        let n_bins = 1 + n_fft / 2;
        let filters = (0..n_mels)
            .map(|index| {
                Filter::triangle([edge(index), edge(index + 1), edge(index + 2)], norm, resolution, n_bins)
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

    /// Gives the weights as a dense `[n_mels, n_bins]` matrix, in 1 / Hz where their area is 1.
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

    /// Weights `L` spectra side by side: `spectra` holds `n_bins` rows, `bands` gets `n_mels`.
    #[inline(always)]
    pub(crate) fn project<const L: usize>(&self, spectra: &[[f32; L]], bands: &mut [[f32; L]]) {
        for (band, filter) in bands.iter_mut().zip(&self.filters) {
            *band = filter.weigh(spectra);
        }
    }
}

impl Filter {
    /// Weights `L` spectra side by side, a row for each bin.
    ///
    /// Filters are short and of uneven length; frames side by side fill the vector registers whatever their shape.
    #[inline(always)]
    pub(crate) fn weigh<const L: usize>(&self, spectra: &[[f32; L]]) -> [f32; L] {
        let mut sum = [0.0; L];
        for (bin, weight) in spectra[self.first_bin..].iter().zip(&self.weights) {
            for (sum, power) in sum.iter_mut().zip(bin) {
                *sum += weight * power;
            }
        }
        sum
    }

    /// Samples a triangle over `left..right` hertz with its peak at `center`; `None` if no bin is inside.
    fn triangle([left, center, right]: [f64; 3], norm: MelNorm, resolution: f64, n_bins: usize) -> Option<Self> {
        let height = match norm {
            MelNorm::Slaney => 2.0 / (right - left),
            MelNorm::None => 1.0,
        };
        let weight = |bin: usize| {
            let hz = bin as f64 * resolution;
            let slope = ((hz - left) / (center - left)).min((right - hz) / (right - center));
            (height * slope.max(0.0)) as f32
        };
        let end = n_bins.min((right / resolution) as usize + 2);
        let first_bin = ((left / resolution) as usize..end).find(|&bin| weight(bin) > 0.0)?;
        let weights = (first_bin..n_bins).map(weight).take_while(|&weight| weight > 0.0).collect();
        Some(Self { first_bin, weights })
    }
}
