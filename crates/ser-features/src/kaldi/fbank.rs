//! Kaldi's filterbank.

use std::ops::Range;

use ndarray::{Array2, ArrayRef2};
use serde::{Deserialize, Serialize};

use super::bands::Bands;
use super::{KaldiOptions, KaldiScratch};
use crate::Error;

/// Describes Kaldi's log mel filterbank. The default is kaldi-native-fbank's. In a file the fields of `common` stand
/// beside the others:
///
/// ```
/// use ser_features::{KaldiFbankOptions, KaldiOptions};
///
/// let options: KaldiFbankOptions = toml::from_str("n_mels = 80\nuse_energy = true")?;
/// let common = KaldiOptions { n_mels: 80, ..KaldiOptions::default() };
/// assert_eq!(options, KaldiFbankOptions { use_energy: true, common, ..KaldiFbankOptions::default() });
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KaldiFbankOptions {
    /// Whether the frame's log energy comes before the bands. Default false.
    pub use_energy: bool,
    /// Whether the bands weight power or, if not, magnitude. Default true.
    pub use_power: bool,
    /// Frames, mel bands and energy.
    #[serde(flatten)]
    pub common: KaldiOptions,
}

impl Default for KaldiFbankOptions {
    fn default() -> Self {
        Self { use_energy: false, use_power: true, common: KaldiOptions::default() }
    }
}

impl KaldiFbankOptions {
    /// Names the columns.
    pub(crate) fn columns(&self) -> Vec<String> {
        let energy = self.use_energy.then(|| "kaldi_fbank_energy".into());
        energy.into_iter().chain((0..self.common.n_mels).map(|index| format!("kaldi_fbank_{index}"))).collect()
    }
}

/// A planned log mel filterbank with Kaldi's numbers: samples in, `[frames, bands]` out.
///
/// Each frame loses its mean, is pre-emphasised, windowed and transformed; its power is weighted with triangles of
/// height 1, equally spaced and straight on HTK's mel scale; the natural logarithm of that, floored at 1.2e-7 (float32's
/// epsilon), is the band. What kaldi-native-fbank's (1.23.0) `OnlineFbank` computes with `dither = 0`, within 1e-5 and
/// the rounding of a float32 transform, 1.2e-7 of the frame's loudest amplitude: that is 1e-4 in a band 60 dB below.
///
/// ```
/// use ser_features::{KaldiFbank, KaldiFbankOptions};
///
/// let fbank = KaldiFbank::new(&KaldiFbankOptions::default(), 16_000, 400, 160)?;
/// let second: Vec<f32> = (0..16_000).map(|n| (n as f32 * 0.2).sin()).collect();
/// assert_eq!(fbank.process(&second)?.dim(), (98, 23));
/// # Ok::<(), ser_features::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct KaldiFbank {
    bands: Bands,
    use_energy: bool,
    columns: Vec<String>,
}

impl KaldiFbank {
    /// Plans frames of `frame_length` samples (2 to 2²⁰), `hop_length` samples apart (1 to 2²⁰), at `sample_rate`
    /// hertz (1 or more).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] where an option is out of its range, [`Error::EmptyMelFilter`] where a mel band holds
    /// no frequency bin (as kaldi-native-fbank refuses).
    pub fn new(
        options: &KaldiFbankOptions,
        sample_rate: u32,
        frame_length: usize,
        hop_length: usize,
    ) -> Result<Self, Error> {
        let bands = Bands::new(&options.common, options.use_power, sample_rate, frame_length, hop_length)?;
        Ok(Self { bands, use_energy: options.use_energy, columns: options.columns() })
    }

    /// Gives the names of the columns, in order: `kaldi_fbank_energy` if asked for, `kaldi_fbank_0` …
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

    /// Computes the bands of mono samples, `[frames, bins]`.
    ///
    /// # Errors
    ///
    /// [`Error::TooShort`] where the signal has no frame, [`Error::InvalidSample`] where a sample is not finite.
    pub fn process(&self, samples: &[f32]) -> Result<Array2<f32>, Error> {
        let mut output = Array2::zeros((self.n_frames(samples.len()), self.n_bins()));
        self.process_into(samples, &mut output, &mut KaldiScratch::default())?;
        Ok(output)
    }

    /// Writes the bands into `output`, `[frames, bins]`; allocates only while `scratch` grows.
    ///
    /// # Errors
    ///
    /// As [`KaldiFbank::process`], and [`Error::Shape`] where `output` is not
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

    /// Computes one frame of checked samples, the very bits of [`KaldiFbank::process`].
    pub(crate) fn frame(&self, frame: &[f32], scratch: &mut KaldiScratch, output: &mut [f32]) {
        let (bands, energy) = self.bands.frame(frame, scratch);
        self.finish(bands, energy, output.as_chunks_mut().0);
    }

    fn finish<const L: usize>(&self, bands: &[[f32; L]], energies: [f32; L], columns: &mut [[f32; L]]) {
        let energies = self.use_energy.then_some(&energies);
        columns.iter_mut().zip(energies.into_iter().chain(bands)).for_each(|(column, value)| *column = *value);
    }
}
