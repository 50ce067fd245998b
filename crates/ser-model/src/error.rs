/// What can go wrong in building, training, saving or loading a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option is outside its range.
    #[error("{option} is {value}; allowed: {allowed}")]
    InvalidOption {
        /// The option's name, as written in a configuration file.
        option: &'static str,
        /// The value that was given.
        value: String,
        /// The values that are allowed.
        allowed: &'static str,
    },
    /// Features do not have the number of bins the network was built for, hold no frame, or are not finite.
    #[error(
        "features have shape [{frames}, {bins}]; the network takes at least 1 frame of {expected_bins} finite bins"
    )]
    FeatureShape {
        /// The number of frames that were given.
        frames: usize,
        /// The number of bins that were given.
        bins: usize,
        /// The number of bins that the network takes.
        expected_bins: usize,
    },
    /// A feature is NaN or infinite.
    #[error("feature {bin} of frame {frame} is {value}; features must be finite")]
    NonFiniteFeature {
        /// The frame of the first such value.
        frame: usize,
        /// Its bin.
        bin: usize,
        /// The value.
        value: f32,
    },
    /// A class index is out of range.
    #[error("class index {class} is out of range: the network has {classes} classes")]
    ClassOutOfRange {
        /// The index that was given.
        class: usize,
        /// The number of classes.
        classes: usize,
    },
    /// The values of an utterance for the regression heads do not fit.
    #[error("utterance {index} has the values {values:?}; {expected} finite ones are needed, as the first has")]
    Values {
        /// The utterance.
        index: usize,
        /// Its values.
        values: Vec<f32>,
        /// How many the network gives beside the classes.
        expected: usize,
    },
    /// A part of the data that training needs is empty.
    #[error("the {part} part holds no example; at least {needed} needed")]
    TooFewExamples {
        /// `training` or `validation`.
        part: &'static str,
        /// The smallest number that works.
        needed: usize,
    },
    /// A [`Dataset`](crate::Dataset) could not give an utterance.
    #[error("cannot load an utterance for training")]
    Dataset {
        /// The cause.
        source: crate::BoxError,
    },
    /// The loss became NaN or infinite.
    #[error(
        "the training loss became {loss} in epoch {epoch}, batch {batch}; lower the learning rate (now {learning_rate})"
    )]
    NonFiniteLoss {
        /// The loss.
        loss: f32,
        /// The epoch, from 1.
        epoch: usize,
        /// The mini-batch of that epoch, from 1.
        batch: usize,
        /// The learning rate in force.
        learning_rate: f64,
    },
    /// A gradient became NaN or infinite.
    #[error(
        "the gradient of {parameter} became NaN or infinite in epoch {epoch}, batch {batch}; lower the learning rate \
         (now {learning_rate}), or limit max_gradient_norm"
    )]
    NonFiniteGradient {
        /// The first such parameter, by name.
        parameter: String,
        /// The epoch, from 1.
        epoch: usize,
        /// The mini-batch of that epoch, from 1.
        batch: usize,
        /// The learning rate in force.
        learning_rate: f64,
    },
    /// A weight or a running statistic became NaN or infinite.
    #[error("{parameter} became NaN or infinite in epoch {epoch}; lower the learning rate (now {learning_rate})")]
    NonFiniteWeight {
        /// The first such weight, by name.
        parameter: String,
        /// The epoch, from 1.
        epoch: usize,
        /// The learning rate in force.
        learning_rate: f64,
    },
    /// The network's output on the validation part became NaN or infinite.
    #[error(
        "the network's output on the validation part became NaN or infinite after epoch {epoch}; lower the learning rate \
         (now {learning_rate})"
    )]
    NonFiniteValidation {
        /// The epoch, from 1.
        epoch: usize,
        /// The learning rate in force.
        learning_rate: f64,
    },
    /// A checkpoint cannot be read, written or resumed from.
    #[error("checkpoint {path}: {problem}")]
    Checkpoint {
        /// The file.
        path: String,
        /// What is wrong with it, and what to do.
        problem: String,
        /// The failure of reading or writing, if that is what it was.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The network's output is NaN or infinite.
    #[error(
        "the network's output is not finite: its weights are damaged; train it again, or copy the model file again"
    )]
    NonFiniteLogits,
    /// A weight that the network needs is not in the file, or one is left over.
    #[error("weight {name} {problem}; the file and the network it describes do not belong together")]
    Weight {
        /// The weight's name.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The bytes are not a safetensors file.
    #[error("not a safetensors file, or a damaged one")]
    Safetensors(#[source] safetensors::SafeTensorError),
    /// The file holds no manifest, or one that cannot be read.
    #[error("the model file has no readable manifest: {0}")]
    Manifest(String),
    /// The tensor library failed.
    #[error("the tensor computation failed")]
    Tensor(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Whether training diverged: a loss, a gradient, a weight or the network's output became NaN or infinite.
    pub fn is_divergence(&self) -> bool {
        matches!(
            self,
            Self::NonFiniteLoss { .. }
                | Self::NonFiniteGradient { .. }
                | Self::NonFiniteWeight { .. }
                | Self::NonFiniteValidation { .. }
        )
    }
}

impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Tensor(Box::new(error))
    }
}
