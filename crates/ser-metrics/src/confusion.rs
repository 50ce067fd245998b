use crate::{Error, Report};

/// Counts how often each true class was predicted as each class.
///
/// Rows are the truth and columns the predictions, as in scikit-learn's `confusion_matrix`. A
/// matrix holds at least one class and one sample, so every metric is a number in `[0, 1]`.
/// Where a ratio's denominator is zero (a class never predicted, or absent from the truth), the
/// ratio is 0, which is scikit-learn's default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    class_names: Vec<String>,
    /// Row-major, `[truth, prediction]`.
    counts: Vec<u64>,
}

/// Holds precision, recall and F1 of one class, or an average of these over the classes.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Scores {
    /// The share of the samples predicted as the class that are of the class; 0 if there are none.
    pub precision: f64,
    /// The share of the samples of the class that were predicted as it; 0 if there are none.
    pub recall: f64,
    /// The harmonic mean of precision and recall; 0 if both are 0.
    pub f1: f64,
    /// The number of samples that are truly of the class; of an average, all samples.
    pub support: u64,
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
        Ok(Self { class_names, counts })
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

    /// Returns the share of samples that were predicted right: accuracy, in this field also called
    /// weighted accuracy (WA).
    pub fn accuracy(&self) -> f64 {
        ratio(self.hits().sum(), self.total())
    }

    /// Returns the unweighted average recall (UAR, also called UA): the mean recall over the
    /// classes that occur in the truth. This is scikit-learn's `balanced_accuracy_score`.
    ///
    /// The recall of [`macro_average`](Self::macro_average) differs where a class is absent from
    /// the truth: that class counts there, with recall 0.
    pub fn uar(&self) -> f64 {
        let recalls: Vec<f64> =
            self.class_scores().iter().filter(|class| class.support > 0).map(|class| class.recall).collect();
        recalls.iter().sum::<f64>() / recalls.len() as f64
    }

    /// Returns precision, recall, F1 and support of each class, in the order of the indices.
    pub fn class_scores(&self) -> Vec<Scores> {
        let mut predicted = vec![0; self.class_names.len()];
        for row in self.truth_rows() {
            for (sum, count) in predicted.iter_mut().zip(row) {
                *sum += count;
            }
        }
        self.truth_rows()
            .zip(self.hits())
            .zip(predicted)
            .map(|((row, hits), predicted)| {
                let support = row.iter().sum();
                Scores {
                    precision: ratio(hits, predicted),
                    recall: ratio(hits, support),
                    f1: ratio(2 * hits, predicted + support),
                    support,
                }
            })
            .collect()
    }

    /// Returns the mean over all classes, each counting the same.
    pub fn macro_average(&self) -> Scores {
        self.average(|_| 1.0)
    }

    /// Returns the mean over all classes, each weighted by its support.
    pub fn weighted_average(&self) -> Scores {
        self.average(|class| class.support as f64)
    }

    /// Computes all metrics at once, to be printed or serialised.
    pub fn report(&self) -> Report {
        Report::new(self)
    }

    /// The diagonal.
    fn hits(&self) -> impl Iterator<Item = u64> {
        self.counts.iter().step_by(self.class_names.len() + 1).copied()
    }

    fn average(&self, weight: impl Fn(&Scores) -> f64) -> Scores {
        let classes = self.class_scores();
        let weights: f64 = classes.iter().map(&weight).sum();
        let mean = |score: fn(&Scores) -> f64| classes.iter().map(|c| weight(c) * score(c)).sum::<f64>() / weights;
        Scores {
            precision: mean(|class| class.precision),
            recall: mean(|class| class.recall),
            f1: mean(|class| class.f1),
            support: self.total(),
        }
    }
}

fn ratio(numerator: u64, denominator: u64) -> f64 {
    if denominator == 0 {
        return 0.0;
    }
    numerator as f64 / denominator as f64
}
