//! What can go wrong.

use std::fmt::Display;

/// Says why a feature could not be planned, extracted or normalised.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option lies outside its range.
    #[error("{name} is {value}, but must be {allowed}")]
    InvalidOption {
        /// The option's field name.
        name: &'static str,
        /// The value given.
        value: String,
        /// The values that would do.
        allowed: String,
    },

    /// A mel filter falls between two frequency bins and would always give zero.
    #[error(
        "mel filter {filter} of n_mels = {n_mels} covers no frequency bin ({resolution} Hz apart): lower n_mels, raise n_fft (now {n_fft}), or widen fmin..fmax"
    )]
    EmptyMelFilter {
        /// Index of the first empty filter.
        filter: usize,
        /// Number of filters asked for.
        n_mels: usize,
        /// FFT length.
        n_fft: usize,
        /// Distance of two bins in hertz.
        resolution: f32,
    },

    /// The signal has too few samples for one frame.
    #[error("the signal has {n_samples} samples, but at least {required} are needed")]
    TooShort {
        /// Samples given.
        n_samples: usize,
        /// Samples needed.
        required: usize,
    },

    /// A sample is not a number, is infinite or is absurdly large.
    #[error("sample {index} is {value}, but must be finite and within ±2^32")]
    InvalidSample {
        /// Position of the first such sample.
        index: usize,
        /// Its value.
        value: f32,
    },

    /// A feature set needs the whole signal at once.
    #[error("{name} needs the whole signal, so the features cannot stream: {instead}")]
    NotStreamable {
        /// The option that does.
        name: &'static str,
        /// What to use instead.
        instead: &'static str,
    },

    /// An array has the wrong shape.
    #[error("the array has shape [{}, {}], but must be [{}, {}]", .actual.0, .actual.1, .expected.0, .expected.1)]
    Shape {
        /// Rows and columns needed.
        expected: (usize, usize),
        /// Rows and columns given.
        actual: (usize, usize),
    },

    /// An array has the wrong number of columns.
    #[error("the array has {actual} bins a frame, but must have {expected}")]
    BinCount {
        /// Bins needed.
        expected: usize,
        /// Bins given.
        actual: usize,
    },

    /// A normaliser was fitted on no frame at all.
    #[error("there are no frames to fit a normaliser on, but at least 1 is needed")]
    NothingToFit,

    /// What is to be normalised by its own statistics has too few frames to have a deviation.
    #[error(
        "there are {n_frames} frames, but at least {required} are needed to be normalised by statistics of their own"
    )]
    TooFewFrames {
        /// Frames given.
        n_frames: usize,
        /// Frames needed.
        required: usize,
    },

    /// A normaliser of the scope `speaker` was applied without knowing the speaker.
    #[error("the normaliser's scope is speaker: it must be adapted to utterances of the speaker before it is applied")]
    UnknownSpeaker,

    /// A feature handed to a normaliser is infinite or not a number.
    #[error("bin {bin} of utterance {utterance} holds {value}, but features must be finite")]
    InvalidFeature {
        /// Index of the utterance among those given.
        utterance: usize,
        /// Column of the value.
        bin: usize,
        /// The value.
        value: f32,
    },
}

impl Error {
    pub(crate) fn option(name: &'static str, value: impl Display, allowed: impl Into<String>) -> Self {
        Self::InvalidOption { name, value: value.to_string(), allowed: allowed.into() }
    }
}
