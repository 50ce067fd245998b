use serde::Serialize;

use crate::Error;

/// Counts on which samples each of two models is right, to test whether one is right more often than the other.
///
/// The samples are taken as independent. Those of one speaker are not: compare models on few speakers with
/// [`paired_permutation_test`](crate::paired_permutation_test) over speakers.
///
/// ```
/// let right = [(true, false), (true, true), (true, false), (false, true), (true, false), (true, false)];
/// let test = ser_metrics::McNemar::new(right)?;
/// assert_eq!((test.only_first, test.only_second), (4, 1));
/// assert_eq!(test.exact(), 0.375); // 2 · (1 + 5) / 2⁵
/// # Ok::<(), ser_metrics::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct McNemar {
    /// Samples on which both models are right.
    pub both_right: u64,
    /// Samples on which only the first model is right.
    pub only_first: u64,
    /// Samples on which only the second model is right.
    pub only_second: u64,
    /// Samples on which both models are wrong.
    pub both_wrong: u64,
}

/// Holds the outcome of a χ² test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ChiSquare {
    /// The test statistic, at least 0.
    pub statistic: f64,
    /// How often a statistic as large would come of two equally good models, in `[0, 1]`.
    pub p_value: f64,
}

impl McNemar {
    /// Counts `(first model is right, second model is right)` over the samples.
    ///
    /// # Errors
    ///
    /// If there is no sample.
    pub fn new(right: impl IntoIterator<Item = (bool, bool)>) -> Result<Self, Error> {
        let mut counts = [0; 4];
        for (first, second) in right {
            counts[2 * usize::from(first) + usize::from(second)] += 1;
        }
        let [both_wrong, only_second, only_first, both_right] = counts;
        let samples: u64 = counts.iter().sum();
        if samples == 0 { Err(Error::NoSamples) } else { Ok(Self { both_right, only_first, only_second, both_wrong }) }
    }

    /// Returns the two-sided p-value of the exact binomial test, in `[0, 1]`: that of so uneven a split of the samples
    /// on which only one model is right.
    ///
    /// This is statsmodels' `mcnemar(exact=True)`. It is 1 where the models are right on the same samples.
    pub fn exact(&self) -> f64 {
        let n = self.only_first + self.only_second;
        let k = self.only_first.min(self.only_second);
        // C(n, k) / 2ⁿ as a product that stays near 1: halving loses no bits.
        let (mut term, mut halvings) = (1.0, n);
        for i in 1..=k {
            term *= (n - k + i) as f64 / i as f64;
            while term > 1.0 && halvings > 0 {
                term *= 0.5;
                halvings -= 1;
            }
        }
        term *= 0.5_f64.powi(i32::try_from(halvings).unwrap_or(i32::MAX));
        let mut tail = 0.0;
        for i in (0..=k).rev() {
            tail += term;
            term *= i as f64 / (n - i + 1) as f64;
        }
        (2.0 * tail).min(1.0)
    }

    /// Tests by the χ² distribution with one degree of freedom and Edwards's continuity correction:
    /// `(|only_first − only_second| − 1)² / (only_first + only_second)`.
    ///
    /// This is statsmodels' `mcnemar(exact=False, correction=True)`, for 25 samples and more on which only one model is
    /// right; [`exact`](Self::exact) serves any number. Where there is no such sample, statsmodels divides by zero:
    /// here the statistic is 0 and the p-value 1.
    pub fn chi_square(&self) -> ChiSquare {
        let differ = self.only_first + self.only_second;
        if differ == 0 {
            return ChiSquare { statistic: 0.0, p_value: 1.0 };
        }
        let excess = self.only_first.abs_diff(self.only_second) as f64 - 1.0;
        let statistic = excess * excess / differ as f64;
        ChiSquare { statistic, p_value: libm::erfc((statistic / 2.0).sqrt()) }
    }
}
