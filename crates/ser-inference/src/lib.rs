//! From a waveform to an emotion: everything between a recording and a [`Prediction`], as one model file describes it.
//!
//! - [`Frontend`]: resampling, level and features, before normalisation.
//! - [`Manifest`], [`Provenance`]: what a model file says of itself, and of the data it comes from.
//! - [`Recognizer`]: a model file at work.
//! - [`Prediction`], [`Segment`]: its results.

#![forbid(unsafe_code)]

mod error;
mod frontend;
mod manifest;
mod prediction;
mod recognizer;

pub use error::Error;
pub use frontend::Frontend;
pub use manifest::{Manifest, PartRecord, Provenance, SCHEMA_VERSION, TestScores};
pub use prediction::{Prediction, Segment};
pub use recognizer::Recognizer;
