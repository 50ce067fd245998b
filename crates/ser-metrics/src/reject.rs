use serde::Serialize;

use crate::Error;
use crate::calibration::checked;

/// Relates how many samples a model decides to how often it is then wrong: the data of a risk–coverage curve.
///
/// A model that may reject accepts what it is at least `threshold` confident of. The share that it accepts is the
/// coverage; the share of these on which it is wrong is the risk (El-Yaniv and Wiener 2010).
///
/// ```
/// use ser_metrics::RiskCoverage;
///
/// let curve = RiskCoverage::new([(0.9, true), (0.8, true), (0.6, false), (0.5, true), (0.4, false)])?;
/// let point = curve.threshold_for_accuracy(0.75)?;
/// assert_eq!((point.threshold, point.coverage, point.risk), (0.5, 0.8, 0.25));
/// # Ok::<(), ser_metrics::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RiskCoverage {
    /// One point for each distinct confidence, from the highest; the last accepts all samples.
    pub points: Vec<RiskCoveragePoint>,
    /// The area under the curve: the mean risk over all numbers of accepted samples, in `[0, 1]` (AURC, Geifman and
    /// El-Yaniv 2017). Samples of equal confidence are taken in random order, on average.
    pub area: f64,
}

/// Holds what a model does with one threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RiskCoveragePoint {
    /// The least confidence that is accepted.
    pub threshold: f64,
    /// The number of samples accepted.
    pub accepted: usize,
    /// Their share of all samples, in `(0, 1]`.
    pub coverage: f64,
    /// The share of the accepted samples on which the model is right, in `[0, 1]`.
    pub accuracy: f64,
    /// The share of the accepted samples on which the model is wrong, in `[0, 1]`.
    pub risk: f64,
}

impl RiskCoverage {
    /// Takes `(confidence, is right)` pairs.
    ///
    /// # Errors
    ///
    /// If there is no pair, or if a confidence is not in `[0, 1]`.
    pub fn new(samples: impl IntoIterator<Item = (f64, bool)>) -> Result<Self, Error> {
        Ok(Self::of(checked(samples)?))
    }

    /// At least one pair, with confidences that are numbers.
    pub(crate) fn of(mut samples: Vec<(f64, bool)>) -> Self {
        samples.sort_by(|a, b| b.0.total_cmp(&a.0));
        let all = samples.len() as f64;
        let (mut accepted, mut errors, mut area) = (0, 0, 0.0);
        let mut points = Vec::new();
        for tied in samples.chunk_by(|a, b| a.0 == b.0) {
            let wrong = tied.iter().filter(|(_, right)| !right).count();
            let error_rate = wrong as f64 / tied.len() as f64;
            for more in 1..=tied.len() {
                area += (errors as f64 + more as f64 * error_rate) / (accepted + more) as f64;
            }
            accepted += tied.len();
            errors += wrong;
            points.push(RiskCoveragePoint {
                threshold: tied[0].0,
                accepted,
                coverage: accepted as f64 / all,
                accuracy: (accepted - errors) as f64 / accepted as f64,
                risk: errors as f64 / accepted as f64,
            });
        }
        Self { points, area: area / all }
    }

    /// Finds the threshold that accepts the most samples while at least `accuracy` of these are right.
    ///
    /// The accuracy is that of the samples given here, so choose the threshold on validation samples and look at
    /// [`accepted`](RiskCoveragePoint::accepted): a few samples promise little.
    ///
    /// # Errors
    ///
    /// If `accuracy` is not in `[0, 1]`. If no threshold reaches it: the error then names the best that one reaches, and
    /// nothing is chosen in its place.
    pub fn threshold_for_accuracy(&self, accuracy: f64) -> Result<RiskCoveragePoint, Error> {
        if !(0.0..=1.0).contains(&accuracy) {
            return Err(Error::out_of_range("accuracy", accuracy, "from 0 to 1"));
        }
        let right_enough = |point: &&RiskCoveragePoint| point.accuracy >= accuracy;
        if let Some(&point) = self.points.iter().rev().find(right_enough) {
            return Ok(point);
        }
        // The last of equals: the one that accepts the most.
        let best = self.points.iter().max_by(|a, b| a.accuracy.total_cmp(&b.accuracy));
        best.map_or(Err(Error::NoSamples), |best| {
            Err(Error::Unreachable { wished: accuracy, best: best.accuracy, coverage: best.coverage })
        })
    }
}
