use serde::{Deserialize, Serialize};

/// Says what a ratio is whose denominator is zero: scikit-learn's `zero_division`.
///
/// It concerns precision (a class never predicted), recall (a class absent from the truth), F1 (both) and specificity
/// (no sample of another class).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ZeroDivision {
    /// 0, scikit-learn's default.
    #[default]
    Zero,
    /// 1.
    One,
    /// Not a number; averages leave such classes out.
    Nan,
}

impl ZeroDivision {
    pub(crate) fn ratio(self, numerator: u64, denominator: u64) -> f64 {
        match self {
            _ if denominator > 0 => numerator as f64 / denominator as f64,
            Self::Zero => 0.0,
            Self::One => 1.0,
            Self::Nan => f64::NAN,
        }
    }
}

/// Holds precision, recall, F1 and specificity of one class, or an average of these over the classes.
///
/// Each lies in `[0, 1]`, or is what [`ZeroDivision`] says.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Scores {
    /// The share of the samples predicted as the class that are of the class.
    pub precision: f64,
    /// The share of the samples of the class that were predicted as it (sensitivity).
    pub recall: f64,
    /// The harmonic mean of precision and recall.
    pub f1: f64,
    /// The share of the samples of other classes that were not predicted as the class (true negative rate).
    pub specificity: f64,
    /// The number of samples that are truly of the class; of an average, all samples.
    pub support: u64,
}

/// What every score of a class is computed from.
#[derive(Default)]
pub(crate) struct Tally {
    /// Samples of the class that were predicted as it: true positives.
    pub hits: u64,
    /// Samples predicted as the class.
    pub predicted: u64,
    /// Samples of the class.
    pub support: u64,
    pub total: u64,
}

impl Tally {
    pub(crate) fn scores(&self, zero_division: ZeroDivision) -> Scores {
        let &Self { hits, predicted, support, total } = self;
        let true_negatives = total + hits - predicted - support;
        Scores {
            precision: zero_division.ratio(hits, predicted),
            recall: zero_division.ratio(hits, support),
            f1: zero_division.ratio(2 * hits, predicted + support),
            specificity: zero_division.ratio(true_negatives, total - support),
            support,
        }
    }
}

impl Scores {
    /// Averages over classes by the weights: NaN left out, all weights the same where those that remain are all zero.
    pub(crate) fn average(classes: &[Self], weight: impl Fn(&Self) -> f64) -> Self {
        let mean = |score: fn(&Self) -> f64| {
            let defined = || classes.iter().filter(|class| !score(class).is_nan());
            let weights: f64 = defined().map(&weight).sum();
            if weights > 0.0 {
                defined().map(|class| weight(class) * score(class)).sum::<f64>() / weights
            } else {
                defined().map(score).sum::<f64>() / defined().count() as f64
            }
        };
        Self {
            precision: mean(|class| class.precision),
            recall: mean(|class| class.recall),
            f1: mean(|class| class.f1),
            specificity: mean(|class| class.specificity),
            support: classes.iter().map(|class| class.support).sum(),
        }
    }
}
