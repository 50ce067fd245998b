/// Says why a metric cannot be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The list of class names is empty.
    #[error("no class names: name at least one class")]
    NoClasses,
    /// Two classes have one name.
    #[error("class name {name:?} occurs twice: give each class its own name")]
    DuplicateClass {
        /// The repeated name.
        name: String,
    },
    /// A truth or a prediction is no index into the class names.
    #[error("{role} {index} is out of range: the {classes} classes are numbered from 0")]
    ClassOutOfRange {
        /// `"truth"` or `"prediction"`.
        role: &'static str,
        /// The index that was given.
        index: usize,
        /// The number of classes.
        classes: usize,
    },
    /// There is no sample, so no metric has a value.
    #[error("no samples: metrics need at least one")]
    NoSamples,
    /// Two matrices to be merged differ in their class names or the order of these.
    #[error(
        "cannot merge a confusion matrix over {other:?} into one over {own:?}: \
         use the same classes in the same order"
    )]
    ClassesDiffer {
        /// The classes of the matrix merged into.
        own: Vec<String>,
        /// The classes of the other matrix.
        other: Vec<String>,
    },
    /// Two lists that describe the same samples differ in length.
    #[error("{actual} {what} for {expected} samples: give one for each sample, in the same order")]
    LengthsDiffer {
        /// What the second list holds.
        what: &'static str,
        /// The number of samples.
        expected: usize,
        /// The length of the second list.
        actual: usize,
    },
    /// A row of probabilities or logits does not hold one number for each class.
    #[error(
        "row {row} holds {actual} numbers, but there are {classes} classes: give one for each class, in their order"
    )]
    RowLength {
        /// The sample, counted from 0.
        row: usize,
        /// The number of classes.
        classes: usize,
        /// The length of the row.
        actual: usize,
    },
    /// A probability is not in `[0, 1]`.
    #[error("the probability of class {class} in row {row} is {value}, but must be from 0 to 1")]
    NotAProbability {
        /// The sample, counted from 0.
        row: usize,
        /// The class.
        class: usize,
        /// The value.
        value: f64,
    },
    /// The probabilities of a sample do not sum to 1.
    #[error(
        "the probabilities of row {row} sum to {sum}, but must sum to 1 (±{tolerance:.1e}): apply a softmax to logits"
    )]
    RowSum {
        /// The sample, counted from 0.
        row: usize,
        /// The sum.
        sum: f64,
        /// How far a sum may be off.
        tolerance: f64,
    },
    /// A number is infinite or not a number.
    #[error("{what} {index} is {value}, but must be finite")]
    NonFinite {
        /// What the number is.
        what: &'static str,
        /// Its position.
        index: usize,
        /// Its value.
        value: f64,
    },
    /// An option or argument lies outside its range.
    #[error("{name} is {value}, but must be {allowed}")]
    OutOfRange {
        /// Its name.
        name: &'static str,
        /// The value given.
        value: String,
        /// The values that would do.
        allowed: String,
    },
    /// The metric that a test compares is not a number for some predictions.
    #[error("the metric is not a number for some predictions: compare by one that is always defined")]
    Undefined,
    /// No threshold reaches the accuracy that was wished for.
    #[error(
        "no threshold reaches accuracy {wished}: the best is {best} at coverage {coverage}; wish for less or improve \
         the model"
    )]
    Unreachable {
        /// The accuracy wished for.
        wished: f64,
        /// The highest accuracy of any threshold.
        best: f64,
        /// The share of samples that the best threshold accepts.
        coverage: f64,
    },
}

impl Error {
    pub(crate) fn out_of_range(name: &'static str, value: impl ToString, allowed: impl Into<String>) -> Self {
        Self::OutOfRange { name, value: value.to_string(), allowed: allowed.into() }
    }
}
