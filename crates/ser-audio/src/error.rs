use std::io;
use std::path::PathBuf;

/// Says why audio could not be read or prepared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// The file was opened and could not be decoded; the cause is in `source()`.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was wrong with its content.
        source: Box<Error>,
    },

    /// Reading failed in the middle.
    #[error("the system could not read the audio")]
    Io(#[source] io::Error),

    /// There is not a single byte.
    #[error("empty (0 bytes); copy or download the recording again")]
    Empty,

    /// The text that Git LFS leaves in place of a file that was not fetched.
    #[error("a Git LFS pointer in place of the recording; fetch it with `git lfs pull`")]
    LfsPointer,

    /// The content is of no format that this crate reads.
    #[error("{found}, which is not read; convert it to WAV, FLAC, MP3 or AIFF")]
    UnsupportedFormat {
        /// What the content looks like.
        found: String,
    },

    /// The content is of a format that this build leaves out.
    #[error("{found}, which this build does not read; enable the feature `formats` of ser-audio")]
    FormatsDisabled {
        /// What the content looks like.
        found: String,
    },

    /// Fewer frames could be read than the header promises.
    #[error("{format} cut short or damaged: {read} of {promised} frames could be read; copy or download it again")]
    Truncated {
        /// The format's name.
        format: &'static str,
        /// How many frames (one sample of every channel) could be read.
        read: u64,
        /// How many frames the header promises.
        promised: u64,
    },

    /// The content contradicts its format.
    #[error("malformed {format}: {reason} (after {read} frames)")]
    Malformed {
        /// The format's name.
        format: &'static str,
        /// What is wrong.
        reason: String,
        /// How many frames (one sample of every channel) could be read before.
        read: u64,
    },

    /// The header is sound and no sample follows it.
    #[error("holds no audio: the {format} has no samples")]
    NoAudio {
        /// The format's name.
        format: &'static str,
    },

    /// The number of channels is out of range.
    #[error("{channels} channels; 1 to {max} are read")]
    Channels {
        /// The number found.
        channels: usize,
        /// The largest number allowed.
        max: usize,
    },

    /// The sample rate is out of range.
    #[error("sample rate {sample_rate} Hz is not in {min}..={max} Hz")]
    SampleRate {
        /// The rate asked for or found, in hertz.
        sample_rate: u32,
        /// The lowest rate allowed, in hertz.
        min: u32,
        /// The highest rate allowed, in hertz.
        max: u32,
    },

    /// A sample is infinite or not a number.
    #[error("sample {index} is {value}; samples must be finite")]
    NonFinite {
        /// The index of the first such sample.
        index: usize,
        /// Its value.
        value: f32,
    },

    /// The resampler refused its input.
    #[error("cannot resample from {from} Hz to {to} Hz")]
    Resample {
        /// The rate of the input in hertz.
        from: u32,
        /// The rate asked for in hertz.
        to: u32,
        /// What the resampler said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// Whether the content is in a format that this build does not read.
    ///
    /// False for a damaged or empty file of a format that it does read.
    pub fn is_unsupported_format(&self) -> bool {
        match self {
            Self::File { source, .. } => source.is_unsupported_format(),
            Self::UnsupportedFormat { .. } | Self::FormatsDisabled { .. } => true,
            _ => false,
        }
    }
}
