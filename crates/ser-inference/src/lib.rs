//! From a waveform to an emotion: everything between a recording and a [`Prediction`], as one model file describes it.
//!
//! - [`Recording`], [`Frontend`]: audio or features of another tool, and their way to features before normalisation.
//! - [`Manifest`], [`System`], [`Input`], [`Provenance`]: what a model file says of itself, and of the data it comes from.
//! - [`Recognizer`]: a model file at work; [`LiveRecognizer`], while the sound arrives.
//! - [`Prediction`], [`Segment`]: its results.
//! - [`Adaptation`], [`PriorShift`]: what it takes from unlabelled recordings of a voice or a channel.
//! - [`Attribution`]: what it listened to.

#![forbid(unsafe_code)]

mod adaptation;
mod attribution;
mod error;
mod frontend;
mod input;
mod live;
mod manifest;
mod prediction;
mod recognizer;
mod recording;
mod system;

pub use adaptation::{Adaptation, PriorShift};
pub use attribution::Attribution;
pub use error::Error;
pub use frontend::Frontend;
pub use input::{ImportedFeatures, Input};
pub use live::LiveRecognizer;
pub use manifest::{Calibration, Dimension, Manifest, PartRecord, Provenance, SCHEMA_VERSION, TestScores};
pub use prediction::{Prediction, Segment};
pub use recognizer::{Prepared, Recognizer};
pub use recording::Recording;
pub use system::{Outputs, System, check_systems};
