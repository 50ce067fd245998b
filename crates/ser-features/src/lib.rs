//! Speech features with librosa's numbers: STFT, mel spectrogram, MFCC, zero-crossing rate and RMS.
//!
//! [`FeatureOptions`] describes a feature set, [`FeatureExtractor`] plans it once and turns mono samples into a
//! `[frames, bins]` array, and [`Normalizer`] standardises such arrays with the statistics of a training set.
//! The steps are public too, each under librosa's name: [`Framing`], [`Stft`], [`MelFilterbank`], [`power_to_db`],
//! [`Dct`], [`zero_crossing_rate`] and [`rms`].
//!
//! Samples are mono `f32`, nominally within ±1; every sample must be finite and within ±2³², which keeps every
//! result finite. Plans are `Send + Sync`: build one and share it between threads.
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

mod dct;
mod decibel;
mod error;
mod extractor;
mod frame;
mod mel;
mod normalizer;
mod options;
mod stft;
mod temporal;
mod window;

pub use dct::Dct;
pub use decibel::power_to_db;
pub use error::Error;
pub use extractor::{FeatureExtractor, FeatureScratch};
pub use frame::Framing;
pub use mel::{MelFilterbank, MelOptions, hz_to_mel, mel_to_hz};
pub use normalizer::{Normalizer, NormalizerOptions, UtteranceMean};
pub use options::{Feature, FeatureOptions, LogMelOptions, MfccOptions};
pub use stft::{Stft, StftOptions, StftScratch};
pub use temporal::{rms, zero_crossing_rate};
pub use window::hann;

pub use ndarray;
pub use realfft::num_complex::Complex;
