//! The planned features of Kaldi.

use std::f64::consts::PI;
use std::ops::Range;

use ndarray::{Array2, ArrayRef2};

use super::bands::Bands;
use super::{KaldiFbankOptions, KaldiMfccOptions, KaldiScratch};
use crate::{Dct, Error};

/// Planned features with Kaldi's numbers: samples in, `[frames, bins]` out.
///
/// Each frame loses its mean, is pre-emphasised, windowed and transformed; its power is weighted with triangles of
/// height 1, equally spaced and straight on HTK's mel scale; the natural logarithm of that, floored at 1.2e-7 (float32's
/// epsilon), is the band. What kaldi-native-fbank's (1.23.0) `OnlineFbank` computes with `dither = 0`, within 1e-5 and
/// the rounding of a float32 transform, 1.2e-7 of the frame's loudest amplitude: that is 1e-4 in a band 60 dB below.
/// MFCC are an orthonormal DCT-II of the bands, liftered: its `OnlineMfcc`.
///
/// ```
/// use ser_features::{Kaldi, KaldiFbankOptions, KaldiMfccOptions};
///
/// let second: Vec<f32> = (0..16_000).map(|n| (n as f32 * 0.2).sin()).collect();
/// let fbank = Kaldi::fbank(&KaldiFbankOptions::default(), 16_000, 400, 160)?;
/// assert_eq!(fbank.process(&second)?.dim(), (98, 23));
/// let mfcc = Kaldi::mfcc(&KaldiMfccOptions::default(), 16_000, 400, 160)?;
/// assert_eq!(mfcc.process(&second)?.dim(), (98, 13));
/// # Ok::<(), ser_features::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Kaldi {
    bands: Bands,
    use_energy: bool,
    cepstrum: Option<Cepstrum>,
    columns: Vec<String>,
}

#[derive(Debug, Clone)]
struct Cepstrum {
    dct: Dct,
    /// The factor of each coefficient.
    lifter: Vec<f32>,
}

impl Kaldi {
    /// Plans the log mel filterbank: frames of `frame_length` samples (2 to 2²⁰), `hop_length` samples apart (1 to 2²⁰), at
    /// `sample_rate` hertz (1 or more).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] where an option is out of its range, [`Error::EmptyMelFilter`] where a mel band holds
    /// no frequency bin (as kaldi-native-fbank refuses).
    pub fn fbank(
        options: &KaldiFbankOptions,
        sample_rate: u32,
        frame_length: usize,
        hop_length: usize,
    ) -> Result<Self, Error> {
        let bands = Bands::new(&options.common, options.use_power, sample_rate, frame_length, hop_length)?;
        Ok(Self { bands, use_energy: options.use_energy, cepstrum: None, columns: options.columns() })
    }

    /// Plans MFCC, with the arguments of [`Kaldi::fbank`].
    ///
    /// # Errors
    ///
    /// As [`Kaldi::fbank`].
    pub fn mfcc(
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
        let lifter = (0..n_mfcc).map(|k| factor(k) as f32).collect();
        let cepstrum = Some(Cepstrum { dct: Dct::new(n_mels, n_mfcc)?, lifter });
        Ok(Self { bands, use_energy, cepstrum, columns: options.columns() })
    }

    /// Gives the names of the columns, in order: `kaldi_fbank_energy` if asked for, `kaldi_fbank_0` …, or
    /// `kaldi_mfcc_energy` or `kaldi_mfcc_0`, `kaldi_mfcc_1` …
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

    /// Computes the features of mono samples, `[frames, bins]`.
    ///
    /// # Errors
    ///
    /// [`Error::TooShort`] where the signal has no frame, [`Error::InvalidSample`] where a sample is not finite.
    pub fn process(&self, samples: &[f32]) -> Result<Array2<f32>, Error> {
        let mut output = Array2::zeros((self.n_frames(samples.len()), self.n_bins()));
        self.process_into(samples, &mut output, &mut KaldiScratch::default())?;
        Ok(output)
    }

    /// Writes the features into `output`, `[frames, bins]`; allocates only while `scratch` grows.
    ///
    /// # Errors
    ///
    /// As [`Kaldi::process`], and [`Error::Shape`] where `output` is not `[n_frames(samples.len()), n_bins()]`.
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

    /// Computes one frame of checked samples, the very bits of [`Kaldi::process`].
    pub(crate) fn frame(&self, frame: &[f32], scratch: &mut KaldiScratch, output: &mut [f32]) {
        let (bands, energy) = self.bands.frame(frame, scratch);
        self.finish(bands, energy, output.as_chunks_mut().0);
    }

    fn finish<const L: usize>(&self, bands: &[[f32; L]], energies: [f32; L], columns: &mut [[f32; L]]) {
        let Some(Cepstrum { dct, lifter }) = &self.cepstrum else {
            let energies = self.use_energy.then_some(&energies);
            columns.iter_mut().zip(energies.into_iter().chain(bands)).for_each(|(column, value)| *column = *value);
            return;
        };
        dct.transform(bands, columns);
        for (column, factor) in columns.iter_mut().zip(lifter) {
            column.iter_mut().for_each(|value| *value *= factor);
        }
        if self.use_energy
            && let Some(first) = columns.first_mut()
        {
            *first = energies;
        }
    }
}
