//! Kaldi's cepstrum.

use std::f64::consts::PI;
use std::ops::Range;

use ndarray::{Array2, ArrayRef2};
use serde::{Deserialize, Serialize};

use super::bands::Bands;
use super::{KaldiOptions, KaldiScratch};
use crate::{Dct, Error};

/// Describes Kaldi's mel-frequency cepstral coefficients. The default is kaldi-native-fbank's. In a file the fields of
/// `common` stand beside the others, as in [`KaldiFbankOptions`](crate::KaldiFbankOptions).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KaldiMfccOptions {
    /// Number of coefficients, 1 to `n_mels`. Default 13.
    pub n_mfcc: usize,
    /// Lifter `Q`, 0 or more: coefficient `k` is multiplied with `1 + Q/2 sin(πk / Q)`; 0 leaves it as it is.
    /// Default 22.
    pub cepstral_lifter: f32,
    /// Whether the frame's log energy replaces coefficient 0. Default true.
    pub use_energy: bool,
    /// Frames, mel bands and energy.
    #[serde(flatten)]
    pub common: KaldiOptions,
}

impl Default for KaldiMfccOptions {
    fn default() -> Self {
        Self { n_mfcc: 13, cepstral_lifter: 22.0, use_energy: true, common: KaldiOptions::default() }
    }
}

impl KaldiMfccOptions {
    /// Names the columns.
    pub(crate) fn columns(&self) -> Vec<String> {
        let mut columns: Vec<String> = (0..self.n_mfcc).map(|index| format!("kaldi_mfcc_{index}")).collect();
        if self.use_energy
            && let Some(first) = columns.first_mut()
        {
            *first = "kaldi_mfcc_energy".into();
        }
        columns
    }
}

/// Planned mel-frequency cepstral coefficients with Kaldi's numbers: samples in, `[frames, coefficients]` out.
///
/// The bands of [`KaldiFbank`](crate::KaldiFbank), by an orthonormal DCT-II, liftered. What kaldi-native-fbank's
/// (1.23.0) `OnlineMfcc` computes with `dither = 0`, within the rounding of a float32 transform.
///
/// ```
/// use ser_features::{KaldiMfcc, KaldiMfccOptions};
///
/// let mfcc = KaldiMfcc::new(&KaldiMfccOptions::default(), 16_000, 400, 160)?;
/// let second: Vec<f32> = (0..16_000).map(|n| (n as f32 * 0.2).sin()).collect();
/// assert_eq!(mfcc.process(&second)?.dim(), (98, 13));
/// # Ok::<(), ser_features::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct KaldiMfcc {
    bands: Bands,
    dct: Dct,
    /// The factor of each coefficient.
    lifter: Vec<f32>,
    use_energy: bool,
    columns: Vec<String>,
}

impl KaldiMfcc {
    /// Plans frames of `frame_length` samples (2 to 2²⁰), `hop_length` samples apart (1 to 2²⁰), at `sample_rate`
    /// hertz (1 or more).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] where an option is out of its range, [`Error::EmptyMelFilter`] where a mel band holds
    /// no frequency bin (as kaldi-native-fbank refuses).
    pub fn new(
        options: &KaldiMfccOptions,
        sample_rate: u32,
        frame_length: usize,
        hop_length: usize,
    ) -> Result<Self, Error> {
        let &KaldiMfccOptions { n_mfcc, cepstral_lifter, use_energy, ref common } = options;
        let n_mels = common.n_mels;
        let bands = Bands::new(common, true, sample_rate, frame_length, hop_length)?;
        if !(1..=n_mels).contains(&n_mfcc) {
            return Err(Error::option("n_mfcc", n_mfcc, format!("1 to n_mels = {n_mels}")));
        }
        if !(cepstral_lifter >= 0.0 && cepstral_lifter.is_finite()) {
            return Err(Error::option("cepstral_lifter", cepstral_lifter, "finite and 0 or more"));
        }
        let q = f64::from(cepstral_lifter);
        let factor = |k: usize| if q == 0.0 { 1.0 } else { 1.0 + 0.5 * q * (PI * k as f64 / q).sin() };
        Ok(Self {
            bands,
            dct: Dct::new(n_mels, n_mfcc)?,
            lifter: (0..n_mfcc).map(|k| factor(k) as f32).collect(),
            use_energy,
            columns: options.columns(),
        })
    }

    /// Gives the names of the columns, in order: `kaldi_mfcc_energy` or `kaldi_mfcc_0`, `kaldi_mfcc_1` …
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Counts the columns.
    pub fn n_bins(&self) -> usize {
        self.columns.len()
    }

    /// Counts the frames of a signal of `n_samples` samples; 0 if it is too short for one.
    pub fn n_frames(&self, n_samples: usize) -> usize {
        self.bands.n_frames(n_samples)
    }

    /// Computes the coefficients of mono samples, `[frames, bins]`.
    ///
    /// # Errors
    ///
    /// [`Error::TooShort`] where the signal has no frame, [`Error::InvalidSample`] where a sample is not finite.
    pub fn process(&self, samples: &[f32]) -> Result<Array2<f32>, Error> {
        let mut output = Array2::zeros((self.n_frames(samples.len()), self.n_bins()));
        self.process_into(samples, &mut output, &mut KaldiScratch::default())?;
        Ok(output)
    }

    /// Writes the coefficients into `output`, `[frames, bins]`; allocates only while `scratch` grows.
    ///
    /// # Errors
    ///
    /// As [`KaldiMfcc::process`], and [`Error::Shape`] where `output` is not
    /// `[n_frames(samples.len()), n_bins()]`.
    pub fn process_into(
        &self,
        samples: &[f32],
        output: &mut ArrayRef2<f32>,
        scratch: &mut KaldiScratch,
    ) -> Result<(), Error> {
        self.bands.process_into(samples, self.n_bins(), output, scratch, |bands, energies, columns| {
            self.finish(bands, energies, columns)
        })
    }

    /// Gives the number of samples that one frame needs.
    pub(crate) fn min_samples(&self) -> usize {
        self.bands.min_samples()
    }

    /// Gives the positions of the samples of frame `t`; those outside the signal are mirrored by
    /// [`mirror`](super::mirror).
    pub(crate) fn range(&self, t: usize) -> Range<i64> {
        self.bands.range(t)
    }

    /// Computes one frame of checked samples, the very bits of [`KaldiMfcc::process`].
    pub(crate) fn frame(&self, frame: &[f32], scratch: &mut KaldiScratch, output: &mut [f32]) {
        let (bands, energy) = self.bands.frame(frame, scratch);
        self.finish(bands, energy, output.as_chunks_mut().0);
    }

    fn finish<const L: usize>(&self, bands: &[[f32; L]], energies: [f32; L], columns: &mut [[f32; L]]) {
        self.dct.transform(bands, columns);
        for (column, factor) in columns.iter_mut().zip(&self.lifter) {
            column.iter_mut().for_each(|value| *value *= factor);
        }
        if self.use_energy
            && let Some(first) = columns.first_mut()
        {
            *first = energies;
        }
    }
}
