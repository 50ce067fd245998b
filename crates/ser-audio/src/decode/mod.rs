//! Reads a recording of any supported format into one channel. The content decides, not the name.

#[cfg(feature = "formats")]
mod formats;
mod mono;
mod sniff;
mod wav;

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use crate::{Error, Waveform};
use sniff::{Format, sniff};

impl Waveform {
    /// Reads a file: WAV, FLAC, MP3 or AIFF, whatever its name says.
    ///
    /// Channels are averaged. Integer samples of `b` bits are divided by `2^(b-1)`, so that they
    /// lie in [-1, 1); this is what libsndfile and librosa give. The encoder's delay and padding
    /// are cut from an MP3 that states them (a Xing or Info frame with a LAME tag).
    ///
    /// A WAV whose header was never completed (a data length of 0, or one of 2,147,479,552 bytes
    /// and more, as programs write into a pipe) is read to the end of the file.
    ///
    /// # Errors
    ///
    /// [`Error::Open`] if the file cannot be opened; else [`Error::File`] with the path, around
    /// what [`Waveform::from_bytes`] says about the content.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|source| Error::Open { path: path.to_owned(), source })?;
        decode(BufReader::new(file)).map_err(|source| Error::File { path: path.to_owned(), source: Box::new(source) })
    }

    /// Reads the bytes of a file; see [`Waveform::from_file`].
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::LfsPointer`], [`Error::UnsupportedFormat`] or
    /// [`Error::FormatsDisabled`] if the content is no audio that can be read;
    /// [`Error::Truncated`], [`Error::Malformed`], [`Error::NoAudio`], [`Error::Channels`],
    /// [`Error::SampleRate`] or [`Error::NonFinite`] if it is and something is wrong with it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        decode(Cursor::new(bytes))
    }
}

fn decode(mut source: impl Read + Seek + Send + Sync) -> Result<Waveform, Error> {
    let mut head = read_head(&mut source, 0)?;
    // MP3 and FLAC files may begin with a tag; no decoder needs it.
    let start = sniff::id3v2_len(&head);
    if start > 0 {
        head = read_head(&mut source, start)?;
    }
    match sniff(&head)? {
        Format::Wav => wav::decode(source),
        #[cfg(feature = "formats")]
        format => formats::decode(format, source),
        #[cfg(not(feature = "formats"))]
        format => Err(Error::FormatsDisabled { found: format.name().to_owned() }),
    }
}

/// Reads the bytes that tell the format and returns to their beginning.
fn read_head(source: &mut (impl Read + Seek), start: u64) -> Result<Vec<u8>, Error> {
    source.seek(SeekFrom::Start(start)).map_err(Error::Io)?;
    let mut head = Vec::new();
    source.by_ref().take(sniff::HEAD_LEN).read_to_end(&mut head).map_err(Error::Io)?;
    source.seek(SeekFrom::Start(start)).map_err(Error::Io)?;
    Ok(head)
}
