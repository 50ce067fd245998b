//! Speech emotion recognition that can be trusted.
//!
//! Read any recording, recognise its emotion, train and evaluate on speakers that are kept apart, ship one small file.
//!
//! ```
//! # #[cfg(feature = "pretrained")] {
//! use ser_core::{Recognizer, Waveform};
//!
//! let recognizer = Recognizer::pretrained()?; // or Recognizer::from_file("model.safetensors")
//! let tone: Vec<f32> = (0..16_000).map(|i| 0.3 * (i as f32 * 0.09).sin()).collect();
//! let prediction = recognizer.recognize(&Waveform::new(tone, 16_000)?)?;
//! println!("{} {:.0} %", prediction.emotion(), 100.0 * prediction.confidence());
//! # }
//! # Ok::<(), ser_core::Error>(())
//! ```
//!
//! # Cargo features
//!
//! | feature | what it brings |
//! | --- | --- |
//! | `formats` (default) | MP3, FLAC, Ogg Vorbis, M4A, AIFF and the kinds of WAV that hound refuses, by symphonia (MPL-2.0) |
//! | `train` | corpora, splits, training and evaluation: [`train`], [`evaluate`], [`cross_validate`], [`search`] |
//! | `report` | figures as SVG and PNG, and self-contained HTML pages: `report` |
//! | `live` | the microphone: `Microphone`; on Linux it needs ALSA's headers (`libasound2-dev`) |
//! | `pretrained` | weights under CC BY 4.0: [`Recognizer::pretrained`] |
//! | `pretrained-nc` | weights under CC BY-NC-SA 4.0, not for commercial use: `Recognizer::pretrained_nc` |
//!
//! # Further down
//!
//! What this crate is built of can be used by itself: [`audio`], [`augment`], [`features`], [`corpus`], [`model`], [`metrics`].

#![forbid(unsafe_code)]

mod error;
#[cfg(feature = "train")]
mod experiment;
#[cfg(feature = "live")]
mod microphone;
mod recognizer;

pub use error::Error;
#[cfg(feature = "train")]
pub use experiment::{cross_validate, evaluate, robustness, search, train, train_with_checkpoints};
#[cfg(feature = "live")]
pub use microphone::Microphone;
pub use recognizer::{LiveRecognizer, Recognizer};

pub use ser_audio::{self as audio, Waveform};
pub use ser_augment as augment;
pub use ser_corpus::{self as corpus, Emotion};
pub use ser_features as features;
pub use ser_inference::{
    Adaptation, Attribution, Calibration, Dimension, ImportedFeatures, Input, Manifest, PartRecord, Prediction,
    Provenance, Recording, Segment, System, TestScores,
};
pub use ser_model as model;
#[cfg(feature = "report")]
pub use ser_report as report;
#[cfg(all(feature = "train", feature = "report"))]
pub use {experiment::write_page, ser_experiment::PageOptions};
#[cfg(feature = "train")]
pub use {
    ser_corpus::{Corpus, CorpusKind},
    ser_experiment::{
        AdaptedScores, AudioOptions, AugmentOptions, Balance, CalibrationScores, ClassWeights, ClipPrediction,
        ConditionScore, Config, CrossValidation, CrossValidationOptions, DimensionPrediction, DimensionReport,
        EnsembleScores, Evaluation, FoldResult, FoldScores, GroupTable, LeftOut, Method, NestedSearch, Part, Progress,
        RejectOptions, Robustness, Search, SearchOptions, Space, Start, Statistics, SystemConfig, Threshold, Trained,
        TrainingCopies, Trial,
    },
    ser_metrics::{self as metrics, Report},
};

#[cfg(all(doctest, feature = "train", feature = "pretrained"))]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
