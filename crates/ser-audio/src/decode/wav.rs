//! RIFF WAVE: finds the samples, then leaves them to hound, or to symphonia what hound refuses.

use std::io::{Cursor, Read, Seek, SeekFrom};

use hound::{SampleFormat, WavReader};

use super::info::{AudioInfo, Format};
use super::options::{ReadOptions, Truncated};
use super::sink::Sink;
use crate::{Error, Waveform};

const NAME: &str = "WAV";

/// A `fmt ` chunk is 16 to 50 bytes long; one that claims more than this is damaged.
const MAX_FMT_LEN: u32 = 4096;

/// A file that crashed may be zeros to its end, which read as chunks of no length.
const MAX_CHUNKS: usize = 4096;

/// From here on a data length means "unknown": sox writes this into a pipe, ffmpeg 0xffff_ffff.
const UNKNOWN_LEN: u32 = 0x7fff_f000;

/// How many frames go to the sink at once.
const BATCH: usize = 4096;

pub(super) fn decode(mut source: impl Read + Seek + Send + Sync, options: &ReadOptions) -> Result<Waveform, Error> {
    let mut wav = Layout::read(&mut source)?;
    let mut sink = Sink::new(NAME, wav.channels(), wav.sample_rate(), options)?;
    let there = wav.frames_in(wav.data_len);
    let wanted = sink.end().min(wav.promised);
    if wanted > there && options.truncated == Truncated::Refuse {
        return Err(Error::Truncated { format: NAME, read: there, promised: Some(wav.promised) });
    }
    sink.cut(0, Some(there))?;
    wav.crop(&mut sink);
    source.seek(SeekFrom::Start(wav.data)).map_err(Error::Io)?;
    let stream = wav.header()?.chain(source.take(wav.data_len));
    if wav.is_for_hound()? {
        decode_pcm(WavReader::new(stream).map_err(|e| malformed(e, 0))?, sink)
    } else {
        decode_other(&wav, stream, sink)
    }
}

pub(super) fn info(mut source: impl Read + Seek) -> Result<AudioInfo, Error> {
    let wav = Layout::read(&mut source)?;
    AudioInfo::new(Format::Wav, wav.sample_rate(), wav.channels(), wav.promised)
}

fn decode_pcm(reader: WavReader<impl Read>, mut sink: Sink) -> Result<Waveform, Error> {
    let spec = reader.spec();
    let problem = match spec.sample_format {
        SampleFormat::Float => fill(&mut sink, reader.into_samples::<f32>(), |sample| sample),
        SampleFormat::Int => {
            let full_scale = (1_u64 << (spec.bits_per_sample - 1)) as f32;
            fill(&mut sink, reader.into_samples::<i32>(), |sample| sample as f32 / full_scale)
        }
    };
    match problem {
        Err(error @ Error::TooLong { .. }) => Err(error),
        problem => sink.finish(problem.err()),
    }
}

fn fill<S>(
    sink: &mut Sink,
    samples: impl Iterator<Item = hound::Result<S>>,
    scale: impl Fn(S) -> f32,
) -> Result<(), Error> {
    let len = BATCH * sink.channels();
    let mut batch = Vec::with_capacity(len);
    for sample in samples {
        batch.push(scale(sample.map_err(|e| malformed(e, sink.seen()))?));
        if batch.len() == len {
            sink.push(&batch)?;
            batch.clear();
        }
    }
    sink.push(&batch)
}

#[cfg(feature = "formats")]
fn decode_other(wav: &Layout, stream: impl Read + Send + Sync, sink: Sink) -> Result<Waveform, Error> {
    super::formats::decode_wav(stream, sink).map_err(|e| match e {
        Error::UnsupportedFormat { .. } => Error::UnsupportedFormat { found: wav.describe() },
        e => e,
    })
}

#[cfg(not(feature = "formats"))]
fn decode_other(wav: &Layout, _: impl Read, _: Sink) -> Result<Waveform, Error> {
    Err(Error::FormatsDisabled { found: wav.describe() })
}

fn malformed(reason: impl ToString, read: u64) -> Error {
    Error::Malformed { format: NAME, reason: reason.to_string(), read }
}

/// What stands in the chunks before the samples.
struct Layout {
    fmt: Vec<u8>,
    /// Where the samples begin, in bytes of the file.
    data: u64,
    /// The length of the samples that are there in bytes, made of whole blocks.
    data_len: u64,
    /// How many frames the header promises.
    promised: u64,
}

impl Layout {
    /// Walks the chunks and leaves the source at the first sample.
    ///
    /// A chunk of odd length is followed by one byte of padding (Multimedia Programming Interface
    /// and Data Specifications 1.0, "RIFF chunks").
    fn read(source: &mut (impl Read + Seek)) -> Result<Self, Error> {
        let start = source.stream_position().map_err(Error::Io)?;
        let file_len = source.seek(SeekFrom::End(0)).map_err(Error::Io)?;
        source.seek(SeekFrom::Start(start + 4)).map_err(Error::Io)?;
        let riff_len = u32::from_le_bytes(read_array(source)?);
        let mut fmt = None;
        let mut position = start + 12;
        for _ in 0..MAX_CHUNKS {
            if position + 8 > file_len {
                return Err(malformed("there is no data chunk", 0));
            }
            source.seek(SeekFrom::Start(position)).map_err(Error::Io)?;
            let id: [u8; 4] = read_array(source)?;
            let len = u32::from_le_bytes(read_array(source)?);
            position += 8;
            match &id {
                b"fmt " if len > MAX_FMT_LEN => {
                    return Err(malformed(format!("the format chunk claims {len} bytes"), 0));
                }
                b"fmt " => {
                    let mut bytes = Vec::new();
                    source.take(u64::from(len)).read_to_end(&mut bytes).map_err(Error::Io)?;
                    fmt = Some(bytes);
                }
                b"data" => {
                    let fmt = fmt.ok_or_else(|| malformed("there is no format chunk", 0))?;
                    return Self::new(fmt, len, riff_len, position, file_len);
                }
                _ => {}
            }
            position += u64::from(len) + u64::from(len % 2);
        }
        Err(malformed(format!("there is no data chunk among the first {MAX_CHUNKS}"), 0))
    }

    fn new(fmt: Vec<u8>, claimed: u32, riff_len: u32, position: u64, file_len: u64) -> Result<Self, Error> {
        let mut layout = Self { fmt, data: position, data_len: 0, promised: 0 };
        if layout.fmt.len() < 16 || layout.block() == 0 || layout.channels() == 0 || layout.frames_per_block() == 0 {
            return Err(malformed("the format chunk is damaged", 0));
        }
        let (bits, frame) = (usize::from(layout.field(14)), 8 * layout.block() as usize / layout.channels());
        if matches!(layout.tag(), 0x0001 | 0x0003) && frame < bits {
            return Err(malformed("the format chunk is damaged: its blocks are too short for its samples", 0));
        }
        layout.simplify();
        let there = file_len - position;
        let unfinished = claimed >= UNKNOWN_LEN || claimed == 0 && u64::from(riff_len) + 8 != file_len;
        let promised = match u64::from(claimed) {
            0 if unfinished => there,
            claimed if unfinished => claimed.min(there),
            claimed => claimed,
        };
        let len = there.min(promised);
        layout.data_len = len - len % layout.block();
        layout.promised = layout.frames_in(promised);
        Ok(layout)
    }

    /// Leaves out the blocks before and after what the sink wants.
    fn crop(&mut self, sink: &mut Sink) {
        let frames = self.frames_per_block();
        let first = (sink.first() / frames).min(self.data_len / self.block());
        let end = sink.end().div_ceil(frames).clamp(first, self.data_len / self.block());
        self.data += first * self.block();
        self.data_len = (end - first) * self.block();
        sink.skip(first * frames);
    }

    /// The recording's header with the length of what is read and none of the other chunks.
    fn header(&self) -> Result<Cursor<Vec<u8>>, Error> {
        let fmt_len = self.fmt.len() as u32;
        let data_len = u32::try_from(self.data_len).map_err(|_| malformed("it holds 4 GiB of samples or more", 0))?;
        let header = [
            b"RIFF".as_slice(),
            &(20 + fmt_len).saturating_add(data_len).to_le_bytes(),
            b"WAVEfmt ",
            &fmt_len.to_le_bytes(),
            &self.fmt,
            b"data",
            &data_len.to_le_bytes(),
        ]
        .concat();
        Ok(Cursor::new(header))
    }

    /// Describes PCM in the short form that every decoder knows: without an extension, and with all bits of a sample's
    /// bytes, as the format has those that count in the high ones.
    fn simplify(&mut self) {
        let (tag, bits, block) = (self.tag(), u64::from(self.field(14)), self.block());
        let container = 8 * block / self.channels() as u64;
        let fits = match tag {
            0x0001 => (8..=32).contains(&container) && (1..=container).contains(&bits),
            0x0003 => bits == container,
            _ => false,
        };
        if fits && container.is_multiple_of(8) && container * self.channels() as u64 == 8 * block {
            let byte_rate = self.sample_rate().wrapping_mul(block as u32);
            self.fmt.truncate(16);
            self.fmt[..2].copy_from_slice(&tag.to_le_bytes());
            self.fmt[8..12].copy_from_slice(&byte_rate.to_le_bytes());
            self.fmt[14..].copy_from_slice(&(container as u16).to_le_bytes());
        } else if matches!(tag, 0x0006 | 0x0007) {
            // A-law and µ-law: some leave out the length of the extension, which is 0, or pad it.
            self.fmt.truncate(16);
            self.fmt[..2].copy_from_slice(&tag.to_le_bytes());
            self.fmt.extend([0, 0]);
        }
    }

    fn is_for_hound(&self) -> Result<bool, Error> {
        Ok(WavReader::new(self.header()?).is_ok())
    }

    fn channels(&self) -> usize {
        usize::from(self.field(2))
    }

    fn sample_rate(&self) -> u32 {
        u32::from(self.field(4)) | u32::from(self.field(6)) << 16
    }

    /// The bytes of a block: of one frame, or of as many as ADPCM packs together.
    fn block(&self) -> u64 {
        u64::from(self.field(12))
    }

    fn frames_in(&self, bytes: u64) -> u64 {
        bytes / self.block() * self.frames_per_block()
    }

    /// The 16-bit field at an offset of the format chunk; 0 beyond its end.
    fn field(&self, offset: usize) -> u16 {
        match self.fmt.get(offset..offset + 2) {
            Some(&[low, high]) => u16::from_le_bytes([low, high]),
            _ => 0,
        }
    }

    /// The format tag, which in WAVE_FORMAT_EXTENSIBLE stands at the head of the subformat.
    fn tag(&self) -> u16 {
        match self.field(0) {
            0xfffe => self.field(24),
            tag => tag,
        }
    }

    /// More than one in Microsoft's and the IMA's ADPCM only.
    fn frames_per_block(&self) -> u64 {
        match self.tag() {
            0x0002 | 0x0011 => u64::from(self.field(18)),
            _ => 1,
        }
    }

    fn describe(&self) -> String {
        let encoding = match self.tag() {
            0x0001 => "integer PCM",
            0x0002 => "Microsoft ADPCM",
            0x0003 => "floating-point",
            0x0006 => "A-law",
            0x0007 => "\u{b5}-law",
            0x0011 => "IMA ADPCM",
            0x0031 => "GSM 6.10",
            0x0055 => "MP3",
            tag => return format!("a WAV of encoding {tag:#06x}"),
        };
        match self.field(14) {
            0 => format!("a WAV of {encoding}"),
            bits => format!("a WAV of {bits}-bit {encoding} samples"),
        }
    }
}

fn read_array<const N: usize>(source: &mut impl Read) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes).map_err(Error::Io)?;
    Ok(bytes)
}
