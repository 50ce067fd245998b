use std::fmt;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;

use super::{in_file, open_file};
use crate::{Error, Waveform};

/// A container that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// RIFF WAVE: integer and float PCM; with the feature `formats` also A-law, µ-law and ADPCM.
    Wav,
    /// FLAC in its own container.
    Flac,
    /// MPEG-1, 2 and 2.5 layer III.
    Mp3,
    /// Ogg with Vorbis.
    Ogg,
    /// AIFF and AIFF-C.
    Aiff,
    /// MPEG-4 with AAC-LC or ALAC.
    M4a,
}

impl Format {
    /// The name that errors use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wav => "WAV",
            Self::Flac => "FLAC",
            Self::Mp3 => "MP3",
            Self::Ogg => "Ogg Vorbis",
            Self::Aiff => "AIFF",
            Self::M4a => "M4A",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a recording says about itself, read without decoding it.
///
/// The length is what the header states. An MP3, FLAC or Ogg whose header does not is walked packet by packet, which
/// reads the whole file and decodes nothing. A recording that is cut short is found out by reading it only.
///
/// ```
/// use ser_audio::AudioInfo;
///
/// # let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/assets");
/// # let path = folder.join("float64.wav");
/// let info = AudioInfo::from_file(path)?;
/// assert_eq!((info.sample_rate, info.channels), (16_000, 2));
/// assert_eq!(info.duration(), 0.09375);
/// # Ok::<(), ser_audio::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AudioInfo {
    /// The container.
    pub format: Format,
    /// The sample rate in hertz.
    pub sample_rate: u32,
    /// The number of channels.
    pub channels: usize,
    /// The length in frames (one sample of every channel).
    pub frames: u64,
}

impl AudioInfo {
    /// Reads the header of a file.
    ///
    /// # Errors
    ///
    /// As [`Waveform::from_file`], as far as the header shows what is wrong.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        in_file(path, Self::from_reader(BufReader::new(open_file(path)?)))
    }

    /// Reads the header of a file's bytes.
    ///
    /// # Errors
    ///
    /// As [`Waveform::from_bytes`], as far as the header shows what is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::from_reader(Cursor::new(bytes))
    }

    /// Reads the header from a reader at its beginning.
    ///
    /// # Errors
    ///
    /// As [`Waveform::from_reader`], as far as the header shows what is wrong.
    pub fn from_reader(mut source: impl Read + Seek + Send + Sync) -> Result<Self, Error> {
        match super::find_format(&mut source)? {
            Format::Wav => super::wav::info(source),
            #[cfg(feature = "formats")]
            format => super::formats::info(format, source),
            #[cfg(not(feature = "formats"))]
            format => Err(super::disabled(format)),
        }
    }

    pub(super) fn new(format: Format, sample_rate: u32, channels: usize, frames: u64) -> Result<Self, Error> {
        Waveform::check_rate(sample_rate)?;
        super::sink::check_channels(channels)?;
        Ok(Self { format, sample_rate, channels, frames })
    }

    /// The duration in seconds.
    pub fn duration(&self) -> f64 {
        self.frames as f64 / f64::from(self.sample_rate)
    }
}
