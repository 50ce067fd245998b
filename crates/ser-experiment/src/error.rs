use ser_corpus::Emotion;
use std::path::PathBuf;

/// What can go wrong in an experiment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A label set or split could not be made.
    #[error(transparent)]
    Corpus(#[from] ser_corpus::Error),
    /// Features or normaliser options are out of range.
    #[error(transparent)]
    Features(#[from] ser_features::Error),
    /// The pipeline could not be planned or run.
    #[error(transparent)]
    Inference(#[from] ser_inference::Error),
    /// The augmentation is out of range, or does not fit the recordings.
    #[error(transparent)]
    Augment(#[from] ser_augment::Error),
    /// The network could not be built or trained.
    #[error(transparent)]
    Model(#[from] ser_model::Error),
    /// The metrics could not be computed.
    #[error(transparent)]
    Metrics(#[from] ser_metrics::Error),
    /// A configuration is not valid TOML, or not of the documented form.
    #[error("the configuration cannot be read")]
    Config(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A configuration file cannot be opened, or as [`Error::Config`].
    #[error("cannot read {}", path.display())]
    ConfigFile {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A configuration has imported features and options of extracted ones.
    #[error("[imported] replaces [audio] and [features]: remove either from the configuration")]
    ImportedAndExtracted,
    /// A configuration has imported features and augments waveforms.
    #[error(
        "[augment] copies and waveform and the protocol leaky-seed change audio, and [imported] features have none: \
         [[augment.features]] works with them"
    )]
    ImportedAndAugmented,
    /// A model of imported features was to be tried with changed recordings.
    #[error("robustness is measured by changing audio, and this model takes imported features, which have none")]
    RobustnessOfImported,
    /// Something is to be chosen, and there is no validation part.
    #[error(
        "[split] validation = \"none\" leaves nothing to choose by: set best_by = \"last\" in [training.early_stopping] of each \
         system, and no accuracy in [reject]"
    )]
    ChosenWithoutValidation,
    /// The feature cache cannot be read or written.
    #[error("cannot use {} of the feature cache", path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Features were in the cache and are not any more.
    #[error("{} was removed from the feature cache, or damaged, while it was in use: start again", path.display())]
    CacheEntryLost {
        /// The file.
        path: PathBuf,
    },
    /// Audio was given to a model of imported features, or the reverse.
    #[error("cannot use {}", path.display())]
    OtherInput {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Box<ser_inference::Error>,
    },
    /// The features of a clip could not be normalised.
    #[error("cannot normalise {}", path.display())]
    Normalize {
        /// The file; of a speaker, the first.
        path: PathBuf,
        /// The cause.
        source: Box<ser_inference::Error>,
    },
    /// Clips cannot be normalised per speaker, as their speakers are not known.
    #[error(
        "{count} clips have no speaker, the first is {}: [normalizer] scope = \"speaker\" needs speakers: \
         EMOTION/SPEAKER/ folders, or the column `speaker` of a table for `csv`; or use a model of another scope",
        path.display()
    )]
    UnknownSpeaker {
        /// The first such clip.
        path: PathBuf,
        /// How many there are.
        count: usize,
    },
    /// The same recording is in two parts of a split.
    #[error(
        "{} in the {first_part} part and {} in the {second_part} part are the same recording by their {by}{}: the score \
         would not be honest; remove one of them, or give both the same speaker",
        first.display(),
        second.display(),
        match others {
            0 => String::new(),
            others => format!(", and so are {others} more such pairs"),
        }
    )]
    SharedClip {
        /// One file.
        first: PathBuf,
        /// Its part.
        first_part: &'static str,
        /// The other file.
        second: PathBuf,
        /// Its part.
        second_part: &'static str,
        /// What tells: `samples` or `sound`.
        by: &'static str,
        /// How many more such pairs there are.
        others: usize,
    },
    /// The model that training is to begin with cannot be read, or does not fit the configuration.
    #[error("cannot begin with {}", path.display())]
    Initial {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The model that training is to begin with has learned from what it is to be validated or tested on.
    #[error(
        "{} has learned from {knows} in the {part} part: the score would not be honest; begin with a model that has not, or keep this out of \
         validation and test",
        path.display()
    )]
    InitialKnows {
        /// The model file.
        path: PathBuf,
        /// The speaker, or the recording.
        knows: String,
        /// The part.
        part: &'static str,
    },
    /// A class has nothing to be learned from.
    #[error(
        "class {class} has no clip in the training part{}; leave it out, as in labels = {{ classes = [{}] }}, or add a corpus that has it (a \
         system that names corpora learns from these alone)",
        fold.map(|fold| format!(" of fold {fold}")).unwrap_or_default(),
        others.iter().map(|class| format!("{:?}", class.to_string())).collect::<Vec<_>>().join(", ")
    )]
    ClassWithoutClips {
        /// The class.
        class: Emotion,
        /// The fold, where a protocol's folds are checked before anything is read.
        fold: Option<usize>,
        /// The classes that have clips there.
        others: Vec<Emotion>,
    },
    /// A corpus that is to be learned from has no clip in the training part.
    #[error("corpora names {name:?}, which has no clip in the training part; there are clips of {}", known.join(", "))]
    UnknownTrainingCorpus {
        /// The name.
        name: String,
        /// The corpora that the training part has.
        known: Vec<String>,
    },
    /// A search was asked for with several systems.
    #[error(
        "a search tries one system, and the configuration has [[fused]] ones: search each by itself, then fuse them"
    )]
    SearchOfFused,
    /// Clips lack a number that is to be learned.
    #[error(
        "{count} clips have no number for {name}, the first is {}: dimensions names numeric columns that every clip of the \
         label set needs; add the numbers, or leave the clips out",
        path.display()
    )]
    MissingDimension {
        /// The dimension.
        name: String,
        /// The first such clip.
        path: PathBuf,
        /// How many there are.
        count: usize,
    },
    /// A number that is to be learned cannot be.
    #[error("dimensions cannot have {name:?}: {reason}")]
    Dimension {
        /// The dimension.
        name: String,
        /// Why.
        reason: &'static str,
    },
    /// A part of a split, or what is left to evaluate on, is empty.
    #[error("no clip is left in the {part} part: {reason}")]
    EmptyPart {
        /// The part.
        part: &'static str,
        /// What became of its clips.
        reason: String,
    },
    /// Training diverged after an epoch whose checkpoint is there.
    #[error(
        "training diverged, and {} holds its last good epoch: go on from there (Start::Resume, train --resume) with a lower \
         learning_rate or max_gradient_norm, or with another schedule in [training]",
        checkpoint.display()
    )]
    Diverged {
        /// The checkpoint.
        checkpoint: PathBuf,
        /// Where it diverged.
        source: ser_model::Error,
    },
    /// There are not so many folds.
    #[error("folds is {folds}; allowed: 1 to {of_protocol}, as many as the protocol makes of this corpus")]
    Folds {
        /// How many were asked for.
        folds: usize,
        /// How many there are.
        of_protocol: usize,
    },
    /// Training of one fold of a cross-validation diverged.
    #[error(
        "training diverged in fold {fold} with seed {seed}: lower learning_rate or max_gradient_norm, or take another schedule in \
         [training], and write to another folder, as all folds are trained alike; what was finished stays in this one"
    )]
    FoldDiverged {
        /// The fold, from 1.
        fold: usize,
        /// The seed.
        seed: u64,
        /// Where it diverged.
        source: ser_model::Error,
    },
    /// A figure of a page could not be drawn.
    #[cfg(feature = "report")]
    #[error(transparent)]
    Report(#[from] ser_report::Error),
    /// A folder holds a file or folder under the name of a result, and nothing says that it is one.
    #[error("{} is in the way, and no earlier run of this kind left it: move it, or write to another folder", path.display())]
    NotResults {
        /// What is in the way.
        path: PathBuf,
    },
    /// A folder to go on from holds results of other arguments.
    #[error(
        "{} holds results of another configuration, corpus or version: start in another folder, or without resuming",
        path.display()
    )]
    OtherRun {
        /// The folder.
        path: PathBuf,
    },
    /// An earlier result cannot be read.
    #[error("cannot read the earlier result {}: remove it to compute it again", path.display())]
    DamagedResult {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A search space, or a configuration made from it, is not of the documented form.
    #[error("the search space cannot be used")]
    Space(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No trial of a search gave a model.
    #[error(
        "each of {trials} trials ended in a loss or gradient that is not finite: lower the learning rates of the space"
    )]
    NoTrial {
        /// How many there were.
        trials: usize,
    },
    /// A result could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// Whether the error is a leak between training and evaluation that was refused.
    pub fn is_leak(&self) -> bool {
        match self {
            Self::SharedClip { .. } | Self::InitialKnows { .. } => true,
            Self::Corpus(error) => error.is_leak(),
            _ => false,
        }
    }

    /// Whether training diverged: a loss, a gradient, a weight or the network's output became NaN or infinite.
    pub fn is_divergence(&self) -> bool {
        match self {
            Self::Diverged { .. } | Self::FoldDiverged { .. } | Self::NoTrial { .. } => true,
            Self::Model(error) => error.is_divergence(),
            _ => false,
        }
    }
}
