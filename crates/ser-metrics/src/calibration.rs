use serde::Serialize;

use crate::Error;

/// Compares confidence with accuracy in bins of equal width: the data of a reliability diagram.
///
/// A model is calibrated if it is right in 70 % of the cases in which it is 70 % confident. The errors are those of Naeini
/// et al. (2015) and Guo et al. (2017), binned as by netcal 1.4: bin `b` of `n` holds confidences in
/// `[b/n, (b + 1)/n)`, the last also 1; an empty bin adds nothing.
///
/// netcal measures a binary task by the probability of class 1 in place of the confidence, and whether class 1 is the
/// true one: hand these to [`new`](Self::new) to get its numbers.
///
/// ```
/// use ser_metrics::Reliability;
///
/// let reliability = Reliability::new([(0.9, true), (0.8, true), (0.8, false), (0.3, false)], 2)?;
/// assert_eq!(reliability.bins[1].count, 3);
/// // |1/1 − 0.3| of one sample and |2/3 − 2.5/3| of three.
/// assert!((reliability.expected_calibration_error() - (0.3 + 0.5) / 4.0).abs() < 1e-12);
/// assert!((reliability.maximum_calibration_error() - 0.3).abs() < 1e-12);
/// # Ok::<(), ser_metrics::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Reliability {
    /// The bins, from confidence 0 to 1.
    pub bins: Vec<ReliabilityBin>,
}

/// Holds the samples whose confidence lies in one bin.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ReliabilityBin {
    /// The lower edge, inside the bin.
    pub low: f64,
    /// The upper edge, outside the bin unless it is 1.
    pub high: f64,
    /// The number of samples.
    pub count: u64,
    /// Their mean confidence; NaN without samples.
    pub confidence: f64,
    /// The share of them that is right; NaN without samples.
    pub accuracy: f64,
}

impl ReliabilityBin {
    fn error(&self) -> f64 {
        if self.count == 0 { 0.0 } else { (self.accuracy - self.confidence).abs() }
    }
}

impl Reliability {
    /// Sorts `(confidence, is right)` pairs into bins, usually 10 or 15.
    ///
    /// # Errors
    ///
    /// If there is no bin or no pair, or if a confidence is not in `[0, 1]`.
    pub fn new(samples: impl IntoIterator<Item = (f64, bool)>, bins: usize) -> Result<Self, Error> {
        if bins == 0 {
            return Err(Error::out_of_range("number of bins", bins, "at least 1"));
        }
        // The edges that NumPy's `linspace` has; their rounding decides where 0.3 goes.
        let width = 1.0 / bins as f64;
        let edges: Vec<f64> = (0..bins).map(|bin| bin as f64 * width).chain([1.0]).collect();
        let mut sums = vec![(0, 0.0, 0.0); bins];
        for (confidence, right) in checked(samples)? {
            let bin = edges[1..bins].partition_point(|&edge| edge <= confidence);
            let (count, confidences, hits) = &mut sums[bin];
            *count += 1;
            *confidences += confidence;
            *hits += f64::from(u8::from(right));
        }
        let bins = sums.into_iter().zip(edges.windows(2)).map(|((count, confidences, hits), edges)| ReliabilityBin {
            low: edges[0],
            high: edges[1],
            count,
            confidence: confidences / count as f64,
            accuracy: hits / count as f64,
        });
        Ok(Self { bins: bins.collect() })
    }

    /// Returns the mean distance of accuracy and confidence over the samples' bins, in `[0, 1]`: ECE.
    pub fn expected_calibration_error(&self) -> f64 {
        let samples: u64 = self.bins.iter().map(|bin| bin.count).sum();
        self.bins.iter().map(|bin| bin.count as f64 * bin.error()).sum::<f64>() / samples as f64
    }

    /// Returns the largest distance of accuracy and confidence of any bin, in `[0, 1]`: MCE.
    ///
    /// A bin with one sample counts like any other.
    pub fn maximum_calibration_error(&self) -> f64 {
        self.bins.iter().map(ReliabilityBin::error).fold(0.0, f64::max)
    }
}

/// Collects `(confidence, is right)` pairs; there is at least one.
pub(crate) fn checked(samples: impl IntoIterator<Item = (f64, bool)>) -> Result<Vec<(f64, bool)>, Error> {
    let samples: Vec<_> = samples.into_iter().collect();
    if let Some((index, (confidence, _))) = samples.iter().enumerate().find(|(_, (c, _))| !(0.0..=1.0).contains(c)) {
        return Err(Error::out_of_range("confidence", format!("{confidence} (sample {index})"), "from 0 to 1"));
    }
    if samples.is_empty() { Err(Error::NoSamples) } else { Ok(samples) }
}
