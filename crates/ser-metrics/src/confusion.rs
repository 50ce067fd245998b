use serde::{Deserialize, Serialize};

use crate::scores::Tally;
use crate::{Error, Report, Scores, ZeroDivision};

/// Counts how often each true class was predicted as each class.
///
/// Rows are the truth and columns the predictions, as in scikit-learn's `confusion_matrix`. A matrix holds at least one
/// class and one sample. A ratio whose denominator is zero is 0, which is scikit-learn's default, unless
/// [`with_zero_division`](Self::with_zero_division) says otherwise.
///
/// A binary task is a matrix of two classes: scikit-learn's precision, recall and F1 with `average="binary"` are those of
/// the positive class in [`class_scores`](Self::class_scores).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    class_names: Vec<String>,
    /// Row-major, `[truth, prediction]`.
    counts: Vec<u64>,
    zero_division: ZeroDivision,
}

/// Says which sum of counts becomes 1 in [`ConfusionMatrix::normalized`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalization {
    /// Each row, that is each true class: the diagonal holds the recalls.
    Truth,
    /// Each column, that is each predicted class: the diagonal holds the precisions.
    Prediction,
    /// All entries: the diagonal sums to the accuracy.
    All,
}

impl ConfusionMatrix {
    /// Counts `(truth, prediction)` pairs of indices into `class_names`.
    ///
    /// A class that occurs in neither is allowed.
    ///
    /// # Errors
    ///
    /// If there are no class names or two are equal, if an index is out of range, or if there is
    /// no pair.
    pub fn new<N: Into<String>>(
        class_names: impl IntoIterator<Item = N>,
        pairs: impl IntoIterator<Item = (usize, usize)>,
    ) -> Result<Self, Error> {
        let class_names: Vec<String> = class_names.into_iter().map(Into::into).collect();
        let classes = class_names.len();
        if classes == 0 {
            return Err(Error::NoClasses);
        }
        for (index, name) in class_names.iter().enumerate() {
            if class_names[..index].contains(name) {
                return Err(Error::DuplicateClass { name: name.clone() });
            }
        }
        let mut counts = vec![0; classes * classes];
        let mut samples = 0_u64;
        for (truth, prediction) in pairs {
            for (role, index) in [("truth", truth), ("prediction", prediction)] {
                if index >= classes {
                    return Err(Error::ClassOutOfRange { role, index, classes });
                }
            }
            counts[truth * classes + prediction] += 1;
            samples += 1;
        }
        if samples == 0 {
            return Err(Error::NoSamples);
        }
        Ok(Self { class_names, counts, zero_division: ZeroDivision::default() })
    }

    /// Sets what a ratio is whose denominator is zero, in every score that is asked for from now on.
    pub fn with_zero_division(self, zero_division: ZeroDivision) -> Self {
        Self { zero_division, ..self }
    }

    /// Adds the counts of another matrix, such as that of the next fold.
    ///
    /// # Errors
    ///
    /// If the classes are not the same in the same order.
    pub fn merge(&mut self, other: &Self) -> Result<(), Error> {
        if self.class_names != other.class_names {
            return Err(Error::ClassesDiffer { own: self.class_names.clone(), other: other.class_names.clone() });
        }
        for (own, other) in self.counts.iter_mut().zip(&other.counts) {
            *own += other;
        }
        Ok(())
    }

    /// Returns the class names in the order of the indices.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// Returns how many samples of class `truth` were predicted as class `prediction`, or `None`
    /// if either is out of range.
    pub fn count(&self, truth: usize, prediction: usize) -> Option<u64> {
        self.truth_rows().nth(truth)?.get(prediction).copied()
    }

    /// Iterates over the rows, one per true class; each holds the counts by predicted class.
    pub fn truth_rows(&self) -> impl ExactSizeIterator<Item = &[u64]> {
        self.counts.chunks_exact(self.class_names.len())
    }

    /// Returns the number of samples.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns the counts as shares, `[truth][prediction]`; a row or column without a sample becomes zeros.
    pub fn normalized(&self, over: Normalization) -> Vec<Vec<f64>> {
        let (predicted, total) = (self.predicted(), self.total());
        let share = |row_sum, (column, &count): (usize, &u64)| {
            let whole = match over {
                Normalization::Truth => row_sum,
                Normalization::Prediction => predicted[column],
                Normalization::All => total,
            };
            ZeroDivision::Zero.ratio(count, whole)
        };
        self.truth_rows()
            .map(|row| row.iter().enumerate().map(|entry| share(row.iter().sum(), entry)).collect())
            .collect()
    }

    /// Returns the share of samples that were predicted right: accuracy, in this field also called
    /// weighted accuracy (WA).
    pub fn accuracy(&self) -> f64 {
        ZeroDivision::Zero.ratio(self.hits().sum(), self.total())
    }

    /// Returns the unweighted average recall (UAR, also called UA): the mean recall over the
    /// classes that occur in the truth. This is scikit-learn's `balanced_accuracy_score`.
    ///
    /// The recall of [`macro_average`](Self::macro_average) differs where a class is absent from the truth: that class
    /// counts there, with what [`ZeroDivision`] says. audmetric's `unweighted_average_recall` is that recall.
    pub fn uar(&self) -> f64 {
        let scores = self.class_scores();
        let recalls = || scores.iter().filter(|class| class.support > 0).map(|class| class.recall);
        recalls().sum::<f64>() / recalls().count() as f64
    }

    /// Returns Cohen's κ: the agreement of predictions and truth beyond that of two independent raters with the same
    /// class frequencies, `1 − disagreement / disagreement expected by chance`, in `[−1, 1]`.
    ///
    /// It is NaN where all truths and all predictions are of one class, as in scikit-learn's `cohen_kappa_score`.
    pub fn cohen_kappa(&self) -> f64 {
        let total = self.total() as f64;
        let disagreements = total - self.hits().sum::<u64>() as f64;
        1.0 - disagreements * total / (total * total - self.chance_agreement())
    }

    /// Returns Matthews's correlation coefficient of truth and predictions for any number of classes (Gorodkin 2004),
    /// in `[−1, 1]`.
    ///
    /// It is 0 where all truths or all predictions are of one class, as in scikit-learn's `matthews_corrcoef`.
    pub fn matthews_correlation(&self) -> f64 {
        let total = self.total() as f64;
        let variance = |sums: Vec<u64>| total * total - sums.iter().map(|&sum| (sum as f64).powi(2)).sum::<f64>();
        let variances = variance(self.supports()) * variance(self.predicted());
        if variances == 0.0 {
            return 0.0;
        }
        (self.hits().sum::<u64>() as f64 * total - self.chance_agreement()) / variances.sqrt()
    }

    /// Returns precision, recall, F1, specificity and support of each class, in the order of the indices.
    pub fn class_scores(&self) -> Vec<Scores> {
        self.tallies().map(|tally| tally.scores(self.zero_division)).collect()
    }

    /// Returns the mean over all classes, each counting the same.
    pub fn macro_average(&self) -> Scores {
        Scores::average(&self.class_scores(), |_| 1.0)
    }

    /// Returns the mean over all classes, each weighted by its support.
    pub fn weighted_average(&self) -> Scores {
        Scores::average(&self.class_scores(), |class| class.support as f64)
    }

    /// Returns the scores of all classes' decisions counted together: each sample is a decision about each class.
    ///
    /// With one label a sample, precision, recall and F1 are the accuracy.
    pub fn micro_average(&self) -> Scores {
        let together = |sum: Tally, class: Tally| Tally {
            hits: sum.hits + class.hits,
            predicted: sum.predicted + class.predicted,
            support: sum.support + class.support,
            total: sum.total + class.total,
        };
        self.tallies().fold(Tally::default(), together).scores(self.zero_division)
    }

    /// Computes all metrics at once, to be printed or serialised.
    pub fn report(&self) -> Report {
        Report::new(self)
    }

    /// The diagonal.
    fn hits(&self) -> impl Iterator<Item = u64> {
        self.counts.iter().step_by(self.class_names.len() + 1).copied()
    }

    /// The sums of the rows.
    fn supports(&self) -> Vec<u64> {
        self.truth_rows().map(|row| row.iter().sum()).collect()
    }

    /// The sums of the columns.
    fn predicted(&self) -> Vec<u64> {
        let mut sums = vec![0; self.class_names.len()];
        for row in self.truth_rows() {
            for (sum, count) in sums.iter_mut().zip(row) {
                *sum += count;
            }
        }
        sums
    }

    fn tallies(&self) -> impl Iterator<Item = Tally> {
        let total = self.total();
        let sums = self.predicted().into_iter().zip(self.supports());
        self.hits().zip(sums).map(move |(hits, (predicted, support))| Tally { hits, predicted, support, total })
    }

    /// The agreements that are expected of independent raters, times the number of samples.
    fn chance_agreement(&self) -> f64 {
        self.supports()
            .iter()
            .zip(self.predicted())
            .map(|(&support, predicted)| support as f64 * predicted as f64)
            .sum()
    }
}
