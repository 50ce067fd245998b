//! Augmentation of speech: more than was recorded, from what was recorded.
//!
//! | module | what it does |
//! | --- | --- |
//! | `chain` | [`Chain`]: applies a list of steps, each with a probability |
//! | `options` | [`ChainOptions`], [`WaveformStep`], [`FeatureStep`]: a chain as a value, readable from TOML |
//! | `draw` | [`Draw`]: seed, utterance and epoch, which determine every random number |
//! | `copies` | [`Copies`]: named copies, made once |
//! | `noise` | [`GaussianNoise`], [`Noise`]: white, pink, brown, or from a bank |
//! | `pitch` | [`TimeStretch`], [`PitchShift`], [`Speed`] |
//! | `time` | [`Shift`], [`RandomCrop`] |
//! | `level` | [`Gain`], [`Clipping`] |
//! | `filter` | [`BandPass`], [`Reverberation`] |
//! | `mask` | [`Mask`] of frames or bins |
//! | `vocoder` | [`PhaseVocoder`]: librosa's time stretch and pitch shift |
//! | `error` | [`Error`] |
//!
//! Where a step has the name of one in a paper, its default is that paper's parameter.

#![forbid(unsafe_code)]

mod chain;
mod copies;
mod draw;
mod error;
mod filter;
mod fourier;
mod kaiser;
mod level;
mod mask;
mod mu_law;
mod noise;
mod options;
mod pitch;
mod resample;
mod time;
mod vocoder;

pub use chain::Chain;
pub use copies::Copies;
pub use draw::Draw;
pub use error::Error;
pub use filter::{BandPass, Reverberation};
pub use level::{Clipping, Gain};
pub use mask::Mask;
pub use mu_law::MuLaw;
pub use noise::{GaussianNoise, Noise, NoiseSource};
pub use options::{ChainOptions, FeatureStep, WaveformStep};
pub use pitch::{PitchShift, Speed, TimeStretch};
pub use time::{RandomCrop, Shift};
pub use vocoder::PhaseVocoder;

pub use ndarray;
