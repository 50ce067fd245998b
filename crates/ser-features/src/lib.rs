//! Speech features with the field's numbers: librosa's, and Kaldi's where they are asked for.
//!
//! [`FeatureOptions`] describes a feature set, [`FeatureExtractor`] plans it once and turns mono samples into a
//! `[frames, bins]` array, [`FeatureStream`] does so while the samples arrive, and [`Normalizer`] standardises such arrays
//! with the statistics of a training set. The steps are public too, each under its usual name:
//!
//! | step | items |
//! | --- | --- |
//! | frames and windows | [`Framing`], [`PadMode`], [`Window`], [`preemphasis`], [`deemphasis`] |
//! | spectra | [`Stft`], [`Istft`] |
//! | mel and decibels | [`MelFilterbank`], [`MelScale`], [`power_to_db`], [`amplitude_to_db`], [`db_to_power`], [`db_to_amplitude`] |
//! | cepstrum | [`Dct`], [`mfcc`] |
//! | waveform | [`zero_crossing_rate`], [`rms`], [`rms_from_spectrogram`] |
//! | spectral shape | [`spectral_centroid`], [`spectral_bandwidth`], [`spectral_rolloff`], [`spectral_flatness`], [`SpectralContrast`] |
//! | fundamental frequency | [`Yin`], [`Pyin`] |
//! | Kaldi's | [`Kaldi`] |
//! | over time | [`Delta`], [`Functionals`] |
//!
//! Transforms run in float32, librosa's in float64: a frequency bin differs by up to 1e-6 of the loudest bin of its frame. In
//! decibels that is less than 2e-3 in mel bands no more than 80 dB below the clip's loudest (EMO-DB and RAVDESS; PyTorch's
//! float32 transform is no nearer than 1e-3), and more further down.
//!
//! Samples are mono `f32`, nominally within ±1; every sample must be finite and within ±2³², which keeps every
//! result finite. Plans are `Send + Sync`: build one and share it between threads. Arithmetic runs with the widest
//! vectors that the machine has, and but for the transform itself gives the same bits with any.
//!
//! ```
//! use ser_features::{FeatureExtractor, FeatureOptions};
//!
//! let extractor = FeatureExtractor::new(&FeatureOptions::paper())?;
//! let tone: Vec<f32> = (0..22_050).map(|n| (n as f32 * 0.1).sin()).collect();
//! let features = extractor.extract(&tone)?;
//! assert_eq!(features.dim(), (44, 22));
//! assert_eq!(extractor.columns()[..3], ["zcr", "rms", "mfcc_0"]);
//! # Ok::<(), ser_features::Error>(())
//! ```

#![forbid(unsafe_code)]

mod contrast;
mod dct;
mod decibel;
mod delta;
mod error;
mod extractor;
mod f0;
#[doc(hidden)]
pub mod fft;
mod frame;
mod functionals;
mod istft;
mod kaldi;
mod mel;
mod mfcc;
mod normalizer;
mod options;
mod plan;
mod pre_emphasis;
mod spectral;
mod step;
mod stft;
mod stream;
mod temporal;
mod window;

pub use contrast::{ContrastOptions, SpectralContrast};
pub use dct::Dct;
pub use decibel::{DecibelOptions, Reference, amplitude_to_db, db_to_amplitude, db_to_power, power_to_db};
pub use delta::{Delta, DeltaMode, DeltaOptions};
pub use error::Error;
pub use extractor::{FeatureExtractor, FeatureScratch};
pub use f0::{Pyin, PyinFrame, PyinOptions, Yin, YinOptions, YinScratch};
pub use frame::{Framing, PadMode};
pub use functionals::{Functional, Functionals};
pub use istft::Istft;
pub use kaldi::{Kaldi, KaldiFbankOptions, KaldiMfccOptions, KaldiOptions, KaldiScratch};
pub use mel::{MelFilterbank, MelNorm, MelOptions, MelScale};
pub use mfcc::mfcc;
pub use normalizer::{Normalizer, NormalizerMethod, NormalizerOptions, NormalizerScope, UtteranceMean};
pub use options::{Feature, FeatureOptions, LogMelOptions, MfccOptions, SpectrogramOptions, SpectrumValues};
pub use pre_emphasis::{deemphasis, preemphasis};
pub use spectral::{
    BandwidthOptions, FlatnessOptions, RolloffOptions, rms_from_spectrogram, spectral_bandwidth, spectral_centroid,
    spectral_flatness, spectral_rolloff,
};
pub use stft::{Stft, StftOptions, StftScratch};
pub use stream::FeatureStream;
pub use temporal::{rms, zero_crossing_rate};
pub use window::Window;

pub use ndarray;
pub use realfft::num_complex::Complex;
