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
    /// A model file was written for another schema of the manifest.
    #[error(
        "the model file has schema version {found}; this version of the library reads {expected}: train it again, or use the release that wrote it"
    )]
    SchemaVersion {
        /// The version in the file.
        found: u32,
        /// The version that is read.
        expected: u32,
    },
    /// A timeline's window is not usable.
    #[error("a timeline window of {seconds} s is out of range: give 0.25 to 30 s")]
    Window {
        /// The length that was asked for, in seconds.
        seconds: f64,
    },
}
