use std::path::PathBuf;

/// What can go wrong between a file and a prediction.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A recording could not be read or resampled.
    #[error(transparent)]
    Audio(#[from] ser_audio::Error),
    /// The features could not be computed.
    #[error(transparent)]
    Features(#[from] ser_features::Error),
    /// The network could not be built or run, or the model file is damaged.
    #[error(transparent)]
    Model(#[from] ser_model::Error),
    /// A model file could not be read.
    #[error("cannot read the model file {}", path.display())]
    ModelFile {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A recording was read but could not be recognised.
    #[error("cannot recognise {}", path.display())]
    Recording {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Box<Error>,
    },
    /// An `.npy` file could not be read, or does not hold features.
    #[error("cannot read the features {}", path.display())]
    FeatureFile {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A model of imported features was given audio.
    #[error("this is audio, but the model takes imported features ({name}): give the .npy file that was made of it")]
    AudioGiven {
        /// What the features are.
        name: String,
    },
    /// A model of audio was given features.
    #[error("these are features (.npy), but the model takes audio: give the recording")]
    FeaturesGiven,
    /// Imported features have another number of bins than the model takes.
    #[error("the features have {actual} bins a frame, but those of the model ({name}) have {expected}")]
    ImportedBins {
        /// What the features are.
        name: String,
        /// Bins needed.
        expected: usize,
        /// Bins given.
        actual: usize,
    },
    /// Imported features have no frame, or values that are not finite.
    #[error("the features cannot be used: {0}")]
    ImportedValues(String),
    /// A model that normalises per speaker does not know whose recordings it is given.
    #[error(
        "the model normalises each speaker by recordings of their own and knows none of this speaker: adapt it first \
         (adapted_to, recognize --adapt FILE)"
    )]
    NotAdapted,
    /// No recording to adapt to can hold an emotion.
    #[error("there is nothing to adapt to: give at least one recording that is not silent and lasts 0.25 s or more")]
    NothingToAdaptTo,
    /// A recording was prepared by a model of other systems.
    #[error("the recording was prepared by another model: prepare it with this one")]
    PreparedForAnother,
    /// An adaptation was made with another model, or changed since.
    #[error("the adaptation was made with another model file, or was changed: adapt this one to the recordings anew")]
    OtherModelsAdaptation,
    /// An adaptation cannot be read or written.
    #[error("cannot use the adaptation {}", path.display())]
    AdaptationFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A model file was written for another schema of the manifest.
    #[error(
        "the model file has schema version {found}; this version of the library reads 1 to {newest}: train it again, or use the release that wrote it"
    )]
    SchemaVersion {
        /// The version in the file.
        found: u32,
        /// The newest version that is read.
        newest: u32,
    },
    /// A timeline's window is not usable.
    #[error("a timeline window of {seconds} s is out of range: give 0.25 to 30 s")]
    Window {
        /// The length that was asked for, in seconds.
        seconds: f64,
    },
}

impl Error {
    /// Whether a recording has too few samples for the features and their normaliser, or none.
    pub fn is_too_short(&self) -> bool {
        use ser_features::Error::{TooFewFrames, TooShort};
        matches!(self, Self::Features(TooShort { .. } | TooFewFrames { .. }) | Self::Audio(ser_audio::Error::NoSamples))
    }

    /// Whether audio was given where features are imported, or the reverse.
    pub fn is_other_input(&self) -> bool {
        matches!(self, Self::AudioGiven { .. } | Self::FeaturesGiven)
    }
}
