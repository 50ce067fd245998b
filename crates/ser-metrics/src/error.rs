/// Says why a confusion matrix cannot be built or merged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
    #[error("no samples: metrics need at least one pair of truth and prediction")]
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
}
