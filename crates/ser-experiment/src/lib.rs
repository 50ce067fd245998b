//! Experiments: a [`Config`] and a corpus in, a model and an honest report out.
//!
//! - [`Config`]: everything that a run depends on, as one TOML file.
//! - [`train`], [`train_with_checkpoints`], [`Trained`]: split, fit, choose the epoch on validation speakers, score on test speakers.
//! - [`evaluate`], [`Evaluation`]: score a model on what it was not trained or validated on.
//! - [`robustness`], [`Robustness`]: the same where recordings are noisy, soft, far away, short or long.
//! - [`cross_validate`], [`CrossValidation`]: every fold of a protocol, with several seeds.
//! - [`search`], [`Space`]: options chosen on validation speakers.
//! - [`Fingerprinter`]: what tells one recording in two files.
//! - [`Progress`]: what is reported while that runs.

#![forbid(unsafe_code)]

mod babble;
mod cache;
mod calibrate;
mod card;
mod clip_prediction;
mod config;
mod cross_validate;
mod dataset;
mod error;
mod evaluate;
mod fingerprint;
mod fold_results;
mod fold_scores;
mod initial;
mod output;
#[cfg(feature = "report")]
mod page;
mod progress;
mod robustness;
mod run_folder;
mod search;
mod space;
mod statistics;
mod train;
mod train_clips;

pub use clip_prediction::{AdaptedScores, ClipPrediction, DimensionPrediction, DimensionReport};
pub use config::{
    AudioOptions, AugmentOptions, Balance, ClassWeights, Config, RejectOptions, SystemConfig, TrainingCopies,
};
pub use cross_validate::{CrossValidationOptions, NestedSearch, cross_validate};
pub use error::Error;
pub use evaluate::{Evaluation, LeftOut, Part, evaluate};
pub use fingerprint::Fingerprinter;
pub use fold_results::{CrossValidation, FoldResult};
pub use fold_scores::{EnsembleScores, FoldScores};
#[cfg(feature = "report")]
pub use page::PageOptions;
pub use progress::Progress;
pub use robustness::{ConditionScore, Robustness, robustness};
pub use search::{Search, SearchOptions, Trial, search};
pub use space::{Method, Space};
pub use statistics::{CalibrationScores, GroupTable, Statistics, Threshold};
pub use train::{Start, Trained, train, train_with_checkpoints};
