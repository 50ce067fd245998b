use crate::roc::roc_auc;
use crate::{Error, Reliability, RiskCoverage};

/// How far the probabilities of a sample may sum from 1: the square root of f32's machine epsilon, which is also
/// where scikit-learn begins to warn of f32 probabilities.
const SUM_TOLERANCE: f64 = 3.452_669_9e-4;

/// Holds the true class of each sample and the probabilities that a model gave to all classes.
///
/// The predicted class is the most probable one, the first of these where several are equal.
///
/// ```
/// use ser_metrics::{ConfusionMatrix, Probabilities};
///
/// let samples = [(0, [0.7, 0.2, 0.1]), (1, [0.3, 0.6, 0.1]), (2, [0.5, 0.1, 0.4])];
/// let probabilities = Probabilities::new(3, samples)?;
/// assert_eq!(probabilities.top_k_accuracy(2)?, 1.0);
/// let loss = -(0.7_f64.ln() + 0.6_f64.ln() + 0.4_f64.ln()) / 3.0;
/// assert!((probabilities.log_loss() - loss).abs() < 1e-12);
///
/// let matrix = ConfusionMatrix::new(["angry", "neutral", "sad"], probabilities.pairs())?;
/// assert_eq!(matrix.count(2, 0), Some(1));
/// # Ok::<(), ser_metrics::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Probabilities {
    truths: Vec<usize>,
    classes: usize,
    /// Row-major, `[samples, classes]`.
    values: Vec<f64>,
}

impl Probabilities {
    /// Takes the true class and the probabilities of each sample, `classes` numbers in `[0, 1]` that sum to 1 within
    /// 3.5·10⁻⁴ (f32 softmax and decimals of a CSV file pass; they are not scaled to sum to 1).
    ///
    /// # Errors
    ///
    /// If there is no class or sample, if a true class is out of range, if a row has another length, holds a number
    /// that is no probability, or does not sum to 1.
    pub fn new<R, T>(classes: usize, samples: impl IntoIterator<Item = (usize, R)>) -> Result<Self, Error>
    where
        R: AsRef<[T]>,
        T: Copy + Into<f64>,
    {
        let (truths, values) = rows(classes, samples)?;
        for (row, probabilities) in values.chunks_exact(classes).enumerate() {
            if let Some((class, &value)) = probabilities.iter().enumerate().find(|(_, p)| !(0.0..=1.0).contains(*p)) {
                return Err(Error::NotAProbability { row, class, value });
            }
            let sum: f64 = probabilities.iter().sum();
            if (sum - 1.0).abs() > SUM_TOLERANCE {
                return Err(Error::RowSum { row, sum, tolerance: SUM_TOLERANCE });
            }
        }
        Ok(Self { truths, classes, values })
    }

    /// Returns the number of samples, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "there is at least one sample")]
    pub fn len(&self) -> usize {
        self.truths.len()
    }

    /// Copies the samples at the indices, in their order and as often as they occur, for statistics of a resample.
    ///
    /// # Errors
    ///
    /// If there is no index, or one is out of range.
    pub fn select(&self, indices: &[usize]) -> Result<Self, Error> {
        let mut selected = Self { truths: Vec::new(), classes: self.classes, values: Vec::new() };
        for &index in indices {
            let Some(&truth) = self.truths.get(index) else {
                return Err(Error::out_of_range("sample index", index, format!("below {}", self.len())));
            };
            selected.truths.push(truth);
            selected.values.extend_from_slice(&self.values[index * self.classes..][..self.classes]);
        }
        if indices.is_empty() { Err(Error::NoSamples) } else { Ok(selected) }
    }

    /// Iterates over `(truth, prediction)`, as [`ConfusionMatrix::new`](crate::ConfusionMatrix::new) takes them.
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = (usize, usize)> {
        self.samples().map(|(truth, row)| (truth, most_probable(row).0))
    }

    /// Returns the mean negative logarithm (base e) of the true class's probability: log loss, cross-entropy.
    ///
    /// Probabilities are clipped to `[ε, 1 − ε]`, ε = 2.2·10⁻¹⁶, as in scikit-learn's `log_loss` of f64: a true class
    /// with probability 0 costs 36.04.
    pub fn log_loss(&self) -> f64 {
        self.mean(|truth, row| -row[truth].clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln())
    }

    /// Returns the Brier score: the mean over samples of `Σ (p − y)²` over the classes, `y` being 1 for the true class
    /// and 0 for others, in `[0, 2]`; of two classes half of it, in `[0, 1]`.
    ///
    /// This is scikit-learn's `brier_score_loss` with `scale_by_half="auto"`.
    pub fn brier_score(&self) -> f64 {
        let score = self.mean(|truth, row| {
            let is_truth = |class| f64::from(u8::from(class == truth));
            row.iter().enumerate().map(|(class, p)| (p - is_truth(class)).powi(2)).sum()
        });
        if self.classes < 3 { 0.5 * score } else { score }
    }

    /// Returns the share of samples whose true class is among the `k` most probable.
    ///
    /// Of equally probable classes the last ranks first, as in scikit-learn's `top_k_accuracy_score` of three and more
    /// classes; with ties, `k` = 1 may thus differ from the accuracy.
    ///
    /// # Errors
    ///
    /// If `k` is 0 or greater than the number of classes.
    pub fn top_k_accuracy(&self, k: usize) -> Result<f64, Error> {
        if !(1..=self.classes).contains(&k) {
            return Err(Error::out_of_range("k", k, format!("from 1 to {}, the number of classes", self.classes)));
        }
        Ok(self.mean(|truth, row| {
            let ranks_before = |(class, p): (usize, &f64)| *p > row[truth] || (*p == row[truth] && class > truth);
            let better = row.iter().enumerate().filter(|entry| ranks_before(*entry)).count();
            f64::from(u8::from(better < k))
        }))
    }

    /// Returns for each class the area under the ROC curve of that class against the rest: the chance that a sample of
    /// the class has a higher probability of it than a sample of another class, a tie counting half.
    ///
    /// A class without samples, or with all of them, has NaN. Of a binary task, scikit-learn's `roc_auc_score` is the
    /// entry of the positive class.
    pub fn roc_auc(&self) -> Vec<f64> {
        let scores = |class| self.samples().map(move |(truth, row)| (row[class], truth == class)).collect();
        (0..self.classes).map(|class| roc_auc(scores(class))).collect()
    }

    /// Returns the mean of [`roc_auc`](Self::roc_auc), each class counting the same; NaN if one is NaN.
    ///
    /// This is scikit-learn's `roc_auc_score` with `multi_class="ovr"`, `average="macro"`.
    pub fn macro_roc_auc(&self) -> f64 {
        self.roc_auc().iter().sum::<f64>() / self.classes as f64
    }

    /// Returns the mean of [`roc_auc`](Self::roc_auc), each class weighted by its samples; classes without samples do
    /// not count. It is NaN where all samples are of one class.
    ///
    /// This is scikit-learn's `roc_auc_score` with `multi_class="ovr"`, `average="weighted"`.
    pub fn weighted_roc_auc(&self) -> f64 {
        let mut supports = vec![0_usize; self.classes];
        for &truth in &self.truths {
            supports[truth] += 1;
        }
        let occurring = self.roc_auc().into_iter().zip(supports).filter(|&(_, support)| support > 0);
        occurring.map(|(area, support)| area * support as f64).sum::<f64>() / self.len() as f64
    }

    /// Compares the probability of the predicted class with how often it is right, in bins of equal width.
    ///
    /// # Errors
    ///
    /// If there is no bin.
    pub fn reliability(&self, bins: usize) -> Result<Reliability, Error> {
        Reliability::new(self.confidences(), bins)
    }

    /// Relates the error rate to the share of samples that are accepted, by the probability of the predicted class.
    pub fn risk_coverage(&self) -> RiskCoverage {
        RiskCoverage::of(self.confidences().collect())
    }

    /// Iterates over the probability of each sample's predicted class, and whether that class is the true one.
    pub fn confidences(&self) -> impl ExactSizeIterator<Item = (f64, bool)> {
        self.samples().map(|(truth, row)| {
            let (prediction, confidence) = most_probable(row);
            (confidence, prediction == truth)
        })
    }

    fn samples(&self) -> impl ExactSizeIterator<Item = (usize, &[f64])> {
        self.truths.iter().copied().zip(self.values.chunks_exact(self.classes))
    }

    fn mean(&self, score: impl Fn(usize, &[f64]) -> f64) -> f64 {
        self.samples().map(|(truth, row)| score(truth, row)).sum::<f64>() / self.len() as f64
    }
}

/// Collects true classes and rows of `classes` numbers each; there is at least one.
pub(crate) fn rows<R, T>(
    classes: usize,
    samples: impl IntoIterator<Item = (usize, R)>,
) -> Result<(Vec<usize>, Vec<f64>), Error>
where
    R: AsRef<[T]>,
    T: Copy + Into<f64>,
{
    if classes == 0 {
        return Err(Error::NoClasses);
    }
    let (mut truths, mut values) = (Vec::new(), Vec::new());
    for (row, (truth, numbers)) in samples.into_iter().enumerate() {
        if truth >= classes {
            return Err(Error::ClassOutOfRange { role: "truth", index: truth, classes });
        }
        let numbers = numbers.as_ref();
        if numbers.len() != classes {
            return Err(Error::RowLength { row, classes, actual: numbers.len() });
        }
        truths.push(truth);
        values.extend(numbers.iter().map(|&number| number.into()));
    }
    if truths.is_empty() { Err(Error::NoSamples) } else { Ok((truths, values)) }
}

/// The first of the highest probabilities, with its class.
fn most_probable(row: &[f64]) -> (usize, f64) {
    row.iter()
        .copied()
        .enumerate()
        .fold((0, f64::NEG_INFINITY), |best, entry| if entry.1 > best.1 { entry } else { best })
}
