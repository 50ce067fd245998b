use serde::Serialize;

use crate::Error;

/// Holds how well numbers were predicted, such as valence, arousal and dominance.
///
/// ```
/// let scores = ser_metrics::RegressionScores::new([(1.0, 1.5), (2.0, 2.0), (3.0, 3.5)])?;
/// assert!((scores.mae - 1.0 / 3.0).abs() < 1e-12);
/// assert!((scores.ccc - 8.0 / 9.0).abs() < 1e-12);
/// # Ok::<(), ser_metrics::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RegressionScores {
    /// Lin's concordance correlation coefficient, `2 s_tp / (s_t² + s_p² + (m_t − m_p)²)`, in `[−1, 1]`, with variances
    /// over n as in audmetric's `concordance_cc`.
    ///
    /// NaN of one sample, and where all truths and predictions are the same number.
    pub ccc: f64,
    /// Pearson's correlation coefficient, in `[−1, 1]`; NaN of one sample, and where the truths or the predictions are
    /// all the same.
    pub pearson: f64,
    /// The mean absolute error, in the unit of the predictions.
    pub mae: f64,
    /// The root mean squared error, in the unit of the predictions.
    pub rmse: f64,
}

impl RegressionScores {
    /// Compares `(truth, prediction)` pairs.
    ///
    /// # Errors
    ///
    /// If there is no pair, or a number is not finite.
    pub fn new(pairs: impl IntoIterator<Item = (f64, f64)>) -> Result<Self, Error> {
        let (truths, predictions): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        for (what, values) in [("truth", &truths), ("prediction", &predictions)] {
            if let Some((index, &value)) = values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
                return Err(Error::NonFinite { what, index, value });
            }
        }
        if truths.is_empty() {
            return Err(Error::NoSamples);
        }
        let n = truths.len() as f64;
        let mean_over = |term: fn((&f64, &f64)) -> f64| truths.iter().zip(&predictions).map(term).sum::<f64>() / n;
        let (truth, prediction) = (Centred::new(&truths), Centred::new(&predictions));
        let covariance = truth.deviations.iter().zip(&prediction.deviations).map(|(t, p)| t * p).sum::<f64>() / n;
        let spread = truth.variance + prediction.variance + (truth.mean - prediction.mean).powi(2);
        let single = truths.len() == 1;
        Ok(Self {
            ccc: if single { f64::NAN } else { 2.0 * covariance / spread },
            pearson: (covariance / (truth.variance.sqrt() * prediction.variance.sqrt())).clamp(-1.0, 1.0),
            mae: mean_over(|(t, p)| (t - p).abs()),
            rmse: mean_over(|(t, p)| (t - p).powi(2)).sqrt(),
        })
    }
}

struct Centred {
    mean: f64,
    deviations: Vec<f64>,
    variance: f64,
}

impl Centred {
    /// Measured from the first value, so that equal values have the variance 0 whatever their mean rounds to.
    fn new(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let offset = values.iter().map(|value| value - values[0]).sum::<f64>() / n;
        let deviations: Vec<f64> = values.iter().map(|value| value - values[0] - offset).collect();
        let variance = deviations.iter().map(|deviation| deviation * deviation).sum::<f64>() / n;
        Self { mean: values[0] + offset, deviations, variance }
    }
}
