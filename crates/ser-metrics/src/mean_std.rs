use std::fmt;

use serde::Serialize;

use crate::Error;

/// Holds the mean and the standard deviation of one metric over runs: folds, seeds, or both.
///
/// `Display` prints `0.712 ± 0.034`, with three decimals unless asked otherwise: `{value:.4}`.
///
/// ```
/// let folds = ser_metrics::MeanStd::new([0.50, 0.60, 0.70])?;
/// assert_eq!(format!("{folds:.2}"), "0.60 ± 0.10");
/// # Ok::<(), ser_metrics::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct MeanStd {
    /// The mean over the runs.
    pub mean: f64,
    /// The sample standard deviation over the runs: the squares are divided by `runs − 1` (`ddof=1` in NumPy).
    /// NaN of one run.
    pub std: f64,
    /// The number of runs.
    pub runs: usize,
}

impl MeanStd {
    /// Summarises the values of one metric, one of each run.
    ///
    /// Folds of one cross-validation share training samples and seeds share all of them, so the deviation understates
    /// how much new data would change the score. With several seeds of several folds, first pool or average the
    /// folds of each seed: the deviation is then that over seeds.
    ///
    /// # Errors
    ///
    /// If there is no value, or one is not finite.
    pub fn new(values: impl IntoIterator<Item = f64>) -> Result<Self, Error> {
        let values: Vec<f64> = values.into_iter().collect();
        if let Some((index, &value)) = values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            return Err(Error::NonFinite { what: "value", index, value });
        }
        if values.is_empty() {
            return Err(Error::NoSamples);
        }
        let runs = values.len();
        let mean = values.iter().sum::<f64>() / runs as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Ok(Self { mean, std: (squares / (runs as f64 - 1.0)).sqrt(), runs })
    }
}

impl fmt::Display for MeanStd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(3);
        write!(f, "{:.digits$} ± {:.digits$}", self.mean, self.std)
    }
}
