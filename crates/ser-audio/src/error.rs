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
    #[error("{found}, which is not read; convert it to WAV or FLAC")]
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

    /// The recording ends before its end.
    #[error(
        "{format} cut short or damaged: {read}{} frames could be read; copy or download it again",
        promised.map_or(String::new(), |promised| format!(" of {promised}"))
    )]
    Truncated {
        /// The format's name.
        format: &'static str,
        /// How many frames (one sample of every channel) could be read.
        read: u64,
        /// How many frames the header promises, if it says so.
        promised: Option<u64>,
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

    /// The recording ends before the asked-for part begins.
    #[error("the part begins at {offset:.3} s and the recording ends at {duration:.3} s")]
    PastEnd {
        /// Where the part begins, in seconds.
        offset: f64,
        /// The length of the recording in seconds.
        duration: f64,
    },

    /// The asked-for part is longer than the limit.
    #[error(
        "longer than the limit of {max_duration} s{}: cut it into parts, or raise `ReadOptions::max_duration`",
        duration.map_or(String::new(), |duration| format!(" ({duration:.3} s)"))
    )]
    TooLong {
        /// The length of the part in seconds; none if the file does not say how long it is.
        duration: Option<f64>,
        /// The limit in seconds.
        max_duration: f64,
    },

    /// There is no such channel.
    #[error("there is no channel {index}: the recording has {channels}, counted from 0")]
    NoChannel {
        /// The channel asked for, from 0.
        index: usize,
        /// The number of channels there are.
        channels: usize,
    },

    /// An option is out of range.
    #[error("{option} is {value}; allowed is {allowed}")]
    InvalidOption {
        /// The option's name.
        option: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
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

    /// A waveform without samples, where some are needed.
    #[error("there are no samples")]
    NoSamples,

    /// A WAV could not be written.
    #[error("cannot write {}", if path.as_os_str().is_empty() { "a WAV".into() } else { path.display().to_string() })]
    Write {
        /// The file; empty where there is none.
        path: PathBuf,
        /// What stood in the way.
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// The Fourier transform refused its input.
    #[error("cannot transform a frame")]
    Transform(#[source] Box<dyn std::error::Error + Send + Sync>),

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
