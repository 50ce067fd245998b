/// What can go wrong in this library.
///
/// `Display` is one line without the causes; those follow in [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(Inner);

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
enum Inner {
    Audio(ser_audio::Error),
    Augment(ser_augment::Error),
    Corpus(ser_corpus::Error),
    Features(ser_features::Error),
    Inference(ser_inference::Error),
    #[cfg(feature = "live")]
    Microphone(crate::microphone::MicrophoneError),
    #[cfg(feature = "report")]
    Report(ser_report::Error),
    #[cfg(feature = "train")]
    Experiment(ser_experiment::Error),
}

impl Error {
    /// Whether a recording is of a kind that is not read.
    pub fn is_unsupported_format(&self) -> bool {
        self.audio().is_some_and(ser_audio::Error::is_unsupported_format)
    }

    /// Whether a leak between training and evaluation was refused.
    pub fn is_leak(&self) -> bool {
        match &self.0 {
            Inner::Corpus(error) => error.is_leak(),
            #[cfg(feature = "train")]
            Inner::Experiment(error) => error.is_leak(),
            _ => false,
        }
    }

    /// Whether training diverged: a loss, a gradient, a weight or the network's output became NaN or infinite.
    pub fn is_divergence(&self) -> bool {
        match &self.0 {
            #[cfg(feature = "train")]
            Inner::Experiment(error) => error.is_divergence(),
            _ => false,
        }
    }

    /// Whether a recording is too short for the features.
    pub fn is_too_short(&self) -> bool {
        self.inference().is_some_and(ser_inference::Error::is_too_short)
    }

    /// Whether a model that normalises per speaker was given a recording before it was adapted to a speaker
    /// ([`Recognizer::adapted_to`](crate::Recognizer::adapted_to)).
    pub fn is_not_adapted(&self) -> bool {
        matches!(self.inference(), Some(ser_inference::Error::NotAdapted))
    }

    fn audio(&self) -> Option<&ser_audio::Error> {
        match (&self.0, self.inference()) {
            (Inner::Audio(error), _) | (_, Some(ser_inference::Error::Audio(error))) => Some(error),
            _ => None,
        }
    }

    /// What went wrong with a recording, its path taken off.
    fn inference(&self) -> Option<&ser_inference::Error> {
        match &self.0 {
            Inner::Inference(ser_inference::Error::Recording { source, .. }) => Some(source),
            Inner::Inference(error) => Some(error),
            #[cfg(feature = "train")]
            Inner::Experiment(ser_experiment::Error::Inference(error)) => Some(error),
            _ => None,
        }
    }
}

impl From<ser_audio::Error> for Error {
    fn from(error: ser_audio::Error) -> Self {
        Self(Inner::Audio(error))
    }
}

impl From<ser_augment::Error> for Error {
    fn from(error: ser_augment::Error) -> Self {
        Self(Inner::Augment(error))
    }
}

impl From<ser_corpus::Error> for Error {
    fn from(error: ser_corpus::Error) -> Self {
        Self(Inner::Corpus(error))
    }
}

impl From<ser_features::Error> for Error {
    fn from(error: ser_features::Error) -> Self {
        Self(Inner::Features(error))
    }
}

impl From<ser_inference::Error> for Error {
    fn from(error: ser_inference::Error) -> Self {
        Self(Inner::Inference(error))
    }
}

#[cfg(feature = "train")]
impl From<ser_experiment::Error> for Error {
    fn from(error: ser_experiment::Error) -> Self {
        Self(Inner::Experiment(error))
    }
}

#[cfg(feature = "report")]
impl From<ser_report::Error> for Error {
    fn from(error: ser_report::Error) -> Self {
        Self(Inner::Report(error))
    }
}

#[cfg(feature = "live")]
impl From<crate::microphone::MicrophoneError> for Error {
    fn from(error: crate::microphone::MicrophoneError) -> Self {
        Self(Inner::Microphone(error))
    }
}
