//! Classification metrics equal to scikit-learn's: confusion matrix, recall, F1, reports.
//!
//! Everything is computed from a [`ConfusionMatrix`], whose rows are the truth and whose columns
//! are the predictions. Its [`Report`] prints the layout of scikit-learn's
//! `classification_report` and serialises with serde.
//!
//! ```
//! use ser_metrics::ConfusionMatrix;
//!
//! let truth = [0, 0, 0, 1, 1, 2];
//! let predictions = [0, 0, 1, 1, 2, 2];
//! let matrix = ConfusionMatrix::new(
//!     ["angry", "neutral", "sad"],
//!     truth.into_iter().zip(predictions),
//! )?;
//! assert_eq!(matrix.count(0, 1), Some(1)); // one angry clip was taken for neutral
//! assert!((matrix.accuracy() - 4.0 / 6.0).abs() < 1e-12);
//! assert!((matrix.uar() - (2.0 / 3.0 + 1.0 / 2.0 + 1.0) / 3.0).abs() < 1e-12);
//! print!("{}", matrix.report());
//! # Ok::<(), ser_metrics::Error>(())
//! ```
#![forbid(unsafe_code)]

mod confusion;
mod error;
mod report;
mod scores;

pub use confusion::{ConfusionMatrix, Normalization};
pub use error::Error;
pub use report::Report;
pub use scores::{Scores, ZeroDivision};
