//! Reads a recording of any supported format into one channel. The content decides, not the name.

#[cfg(feature = "formats")]
mod budget;
#[cfg(feature = "formats")]
mod formats;
mod info;
#[cfg(feature = "formats")]
mod mp4;
mod options;
mod sink;
mod sniff;
#[cfg(feature = "formats")]
mod vorbis;
mod wav;

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use crate::{Error, Waveform};
pub use info::{AudioInfo, Format};
pub use options::{Channel, ReadOptions, Truncated};
use sniff::sniff;

impl Waveform {
    /// Reads a file: WAV, FLAC, MP3, Ogg Vorbis, AIFF or M4A (AAC-LC, ALAC), whatever its name says.
    ///
    /// A pipe is read to its end first. Channels are averaged. Integer samples of `b` bits are divided by `2^(b-1)`, so that they lie in [-1, 1); this
    /// is what libsndfile and librosa give. A recording of more than an hour is refused; [`Waveform::from_file_with`]
    /// reads other channels, parts and lengths.
    ///
    /// What an encoder put before and after the recording is cut where the file says how much: in an MP3 by a Xing or
    /// Info frame with a LAME tag, in an Ogg by the positions of its pages, in an M4A by its edit list, or else by
    /// iTunes's tag `iTunSMPB`. It stays (25 to 100 ms of near silence) in an MP3 without that tag, and in an M4A that has
    /// neither, as most that are written in fragments (a stream that was saved).
    ///
    /// A WAV whose header was never completed (a data length of 0, or one of 2,147,479,552 bytes and more, as programs
    /// write into a pipe) is read to the end of the file. An MP3 without a Xing frame does not say how long it is: one
    /// that is cut short reads as a shorter recording.
    ///
    /// # Errors
    ///
    /// [`Error::Open`] if the file cannot be opened; else [`Error::File`] with the path, around what
    /// [`Waveform::from_bytes`] says about the content.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::from_file_with(path, &ReadOptions::default())
    }

    /// Reads one channel or a part of a file; see [`Waveform::from_file`].
    ///
    /// A part of a WAV is read alone. In the other formats, what lies more than a second before it is passed over
    /// without being decoded, and nothing after it is read.
    ///
    /// # Errors
    ///
    /// As [`Waveform::from_file`], and what [`Waveform::from_reader`] adds.
    pub fn from_file_with(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = open_file(path)?;
        in_file(
            path,
            match is_pipe(&file) {
                true => read_pipe(file).and_then(|bytes| Self::from_reader(Cursor::new(bytes), options)),
                false => Self::from_reader(BufReader::new(file), options),
            },
        )
    }

    /// Reads the bytes of a file; see [`Waveform::from_file`].
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::LfsPointer`], [`Error::UnsupportedFormat`] or [`Error::FormatsDisabled`] if the
    /// content is no audio that can be read; [`Error::Truncated`], [`Error::Malformed`], [`Error::NoAudio`],
    /// [`Error::Channels`], [`Error::SampleRate`], [`Error::NonFinite`] or [`Error::TooLong`] if it is and something
    /// is wrong with it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::from_reader(Cursor::new(bytes), &ReadOptions::default())
    }

    /// Reads from the beginning of anything that can be read and searched, buffered by the caller.
    ///
    /// # Errors
    ///
    /// As [`Waveform::from_bytes`]; [`Error::InvalidOption`] if an option is out of range, [`Error::NoChannel`] if
    /// there is no such channel, [`Error::PastEnd`] if the recording ends before the part begins, [`Error::Io`] if
    /// the reader fails.
    pub fn from_reader(mut source: impl Read + Seek + Send + Sync, options: &ReadOptions) -> Result<Self, Error> {
        options.validate()?;
        match find_format(&mut source)? {
            Format::Wav => wav::decode(source, options),
            #[cfg(feature = "formats")]
            format => formats::decode(format, source, options),
            #[cfg(not(feature = "formats"))]
            format => Err(disabled(format)),
        }
    }
}

fn open_file(path: &Path) -> Result<File, Error> {
    File::open(path).map_err(|source| Error::Open { path: path.to_owned(), source })
}

/// The most bytes that are read from a pipe: more than an hour of two channels of 32 bits at 48 kHz.
const LONGEST_PIPE: u64 = 1 << 31;

/// Whether a file can only be read from its beginning to its end.
fn is_pipe(file: &File) -> bool {
    (&*file).stream_position().is_err()
}

fn read_pipe(file: File) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    file.take(LONGEST_PIPE).read_to_end(&mut bytes).map_err(Error::Io)?;
    Ok(bytes)
}

fn in_file<T>(path: &Path, result: Result<T, Error>) -> Result<T, Error> {
    result.map_err(|source| Error::File { path: path.to_owned(), source: Box::new(source) })
}

#[cfg(not(feature = "formats"))]
fn disabled(format: Format) -> Error {
    Error::FormatsDisabled { found: format.to_string() }
}

/// Tags and stretches of zeros at the beginning of a file, at most.
const MOST_SKIPPED: usize = 128;

/// Tells the format and leaves the source at its first byte.
fn find_format(source: &mut (impl Read + Seek)) -> Result<Format, Error> {
    let mut start = 0;
    let mut found = Err(Error::Empty);
    // MP3 and FLAC files may begin with tags, and with zeros that taggers leave; no decoder needs them.
    for _ in 0..MOST_SKIPPED {
        let head = read_head(source, start)?;
        let tag = sniff::id3v2_len(&head);
        let zeros = head.iter().take_while(|&&byte| byte == 0).count() as u64;
        if !head.is_empty() {
            found = sniff(&head);
        }
        match &found {
            _ if tag > 0 => start += tag,
            Err(Error::UnsupportedFormat { .. }) if zeros > 0 => start += zeros,
            _ => break,
        }
    }
    found
}

/// Reads the bytes that tell the format and returns to their beginning.
fn read_head(source: &mut (impl Read + Seek), start: u64) -> Result<Vec<u8>, Error> {
    source.seek(SeekFrom::Start(start)).map_err(Error::Io)?;
    let mut head = Vec::new();
    source.by_ref().take(sniff::HEAD_LEN).read_to_end(&mut head).map_err(Error::Io)?;
    source.seek(SeekFrom::Start(start)).map_err(Error::Io)?;
    Ok(head)
}
