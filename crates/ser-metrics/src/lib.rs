//! Metrics of classification and regression that one can trust: equal to scikit-learn's, with intervals.
//!
//! Class indices, probabilities and names go in, numbers come out.
//!
//! | question | answer |
//! | --- | --- |
//! | how often is which class taken for which? | [`ConfusionMatrix`], [`Report`] |
//! | how good are the probabilities? | [`Probabilities`]: log loss, Brier score, ROC-AUC, top-k |
//! | how near are predicted numbers? | [`RegressionScores`] |
//! | how certain is the score? | [`bootstrap`], [`MeanStd`] |
//! | is one model better than another? | [`McNemar`], [`paired_permutation_test`] |
//! | can its confidence be believed? | [`Reliability`], [`Temperature`] |
//! | when had it better say nothing? | [`RiskCoverage`] |
//! | is it as good for everybody? | [`GroupScores`] |
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

mod bootstrap;
mod calibration;
mod confusion;
mod error;
mod groups;
mod mcnemar;
mod mean_std;
mod permutation;
mod probabilities;
mod regression;
mod reject;
mod report;
mod roc;
mod scores;
mod temperature;
mod units;

pub use bootstrap::{BootstrapOptions, Interval, bootstrap};
pub use calibration::{Reliability, ReliabilityBin};
pub use confusion::{ConfusionMatrix, Normalization};
pub use error::Error;
pub use groups::{Gap, GroupScore, GroupScores};
pub use mcnemar::{ChiSquare, McNemar};
pub use mean_std::MeanStd;
pub use permutation::{PermutationOptions, PermutationTest, paired_permutation_test};
pub use probabilities::Probabilities;
pub use regression::RegressionScores;
pub use reject::{RiskCoverage, RiskCoveragePoint};
pub use report::Report;
pub use scores::{Scores, ZeroDivision};
pub use temperature::Temperature;
pub use units::Units;
