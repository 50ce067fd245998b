//! What symphonia 0.6.1 does not tell of an MPEG-4 file: its edit list or iTunes's tag in place of one, and which codec
//! it is that is not decoded.
//!
//! Boxes and their fields: ISO/IEC 14496-12; descriptors: ISO/IEC 14496-1, 7.2.6; the audio configuration:
//! ISO/IEC 14496-3, 1.6.2.1.

use std::io::{Read, Seek, SeekFrom};

use super::info::Format;
use crate::Error;

/// The table of contents of a day of AAC takes some 16 MB.
const MAX_TABLES_LEN: u64 = 64 << 20;

/// What any other box counts: a day in fragments of a fifth of a second stays below the limit.
const BOX: u64 = 64;

/// Which part of the decoded track is the recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Edit {
    /// Where it begins, in units of the track.
    media_time: u64,
    /// How long it is, in units of the movie; none if it reaches to the end.
    duration: Option<u64>,
    /// The track's units in a second.
    timescale: u64,
    /// The movie's units in a second.
    movie_timescale: u64,
    /// Where there is no edit list: the frames before the recording and those of the recording itself.
    gapless: Option<(u64, u64)>,
    /// How long the file is by its own account, in bytes; one that is cut short is shorter.
    pub(super) stated_len: u64,
}

impl Edit {
    /// The first frame of the recording.
    pub(super) fn start(&self, sample_rate: u64) -> u64 {
        match self.gapless {
            Some((delay, _)) => delay,
            None => scale(self.media_time, sample_rate, self.timescale),
        }
    }

    /// The number of its frames, if the track has `total` or an unknown number of them.
    ///
    /// Movies often count in milliseconds: a list that ends within one such unit of the track's end means that end.
    pub(super) fn len(&self, sample_rate: u64, total: Option<u64>) -> Option<u64> {
        let rest = total.map(|total| total.saturating_sub(self.start(sample_rate)));
        if let Some((_, frames)) = self.gapless {
            return Some(rest.map_or(frames, |rest| rest.min(frames)));
        }
        let listed = self.duration.map(|duration| scale(duration, sample_rate, self.movie_timescale));
        match (rest, listed) {
            (Some(rest), Some(listed)) => {
                let unit = sample_rate.div_ceil(self.movie_timescale.max(1));
                Some(if listed.saturating_add(unit) >= rest { rest } else { listed })
            }
            (rest, listed) => rest.or(listed),
        }
    }
}

/// `units · to / from`, rounded.
fn scale(units: u64, to: u64, from: u64) -> u64 {
    let from = u128::from(from.max(1));
    let scaled = (u128::from(units) * u128::from(to) + from / 2) / from;
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// Reads the edit list of the audio track, and refuses by name what is not decoded. Leaves the source at its beginning.
pub(super) fn read_edit(source: &mut (impl Read + Seek)) -> Result<Edit, Error> {
    let (moov, stated_len) = read_moov(source)?;
    source.seek(SeekFrom::Start(0)).map_err(Error::Io)?;
    let tracks = || boxes(&moov).filter(|(id, _)| id == b"trak").map(|(_, track)| track);
    let handler = |track| path(track, &[b"mdia", b"hdlr"]).and_then(|hdlr| hdlr.get(8..12)).unwrap_or_default();
    if tracks().any(|track| handler(track) == b"vide") {
        return Err(unsupported("an MPEG-4 video (MP4 or MOV)"));
    }
    let track = tracks()
        .find(|track| handler(track) == b"soun")
        .ok_or_else(|| unsupported("an MPEG-4 container without an audio track"))?;
    let mdhd = path(track, &[b"mdia", b"mdhd"]).unwrap_or_default();
    let timescale = timescale(mdhd);
    check_codec(path(track, &[b"mdia", b"minf", b"stbl", b"stsd"]).unwrap_or_default(), timescale)?;

    let movie_timescale = self::timescale(child(&moov, b"mvhd").unwrap_or_default());
    let mut edit = Edit { timescale, movie_timescale, stated_len, ..Edit::default() };
    let list = path(track, &[b"edts", b"elst"]).unwrap_or_default();
    // An empty edit, whose media time is -1, delays the whole track: the recording is the same.
    let mut entries = entries(list).filter(|entry| entry.media_time >= 0);
    match entries.next() {
        Some(entry) => {
            edit.media_time = entry.media_time.unsigned_abs();
            edit.duration = Some(entry.duration).filter(|&duration| duration > 0);
        }
        None => edit.gapless = read_gapless(&moov),
    }
    match entries.next() {
        Some(_) => Err(unsupported("an M4A that is cut together from several parts (edit list)")),
        None => Ok(edit),
    }
}

/// Reads iTunes's tag `iTunSMPB`: in hexadecimal, a zero, the frames of the encoder's delay, those of its padding, and
/// those of the recording. No standard has it; this is what iTunes and the encoders after it write.
fn read_gapless(moov: &[u8]) -> Option<(u64, u64)> {
    // `meta` has a version before its boxes; `name` and `data` have four and eight bytes before their texts.
    let tags = child(path(moov, &[b"udta", b"meta"])?.get(4..)?, b"ilst")?;
    let named = |tag: &&[u8]| child(tag, b"name").and_then(|name| name.get(4..)) == Some(b"iTunSMPB");
    let tag = boxes(tags).filter(|(id, _)| id == b"----").map(|(_, tag)| tag).find(named)?;
    let text = str::from_utf8(child(tag, b"data")?.get(8..)?).ok()?;
    let mut numbers = text.split_ascii_whitespace().map(|number| u64::from_str_radix(number, 16).ok());
    let (delay, frames) = (numbers.nth(1)??, numbers.nth(1)??);
    (frames > 0).then_some((delay, frames))
}

/// Reads the table of contents, and what the boxes up to it and to the samples say about the length of the file.
fn read_moov(source: &mut (impl Read + Seek)) -> Result<(Vec<u8>, u64), Error> {
    let file_len = source.seek(SeekFrom::End(0)).map_err(Error::Io)?;
    let (mut moov, mut stated_len, mut has_samples) = (None, 0, false);
    let mut runs = Runs { samples: 0, max_samples: file_len };
    let mut tables_len = 0_u64;
    let mut position = 0_u64;
    while position.saturating_add(8) <= file_len {
        let complete = moov.is_some() && has_samples;
        let (id, body, len) = match read_header(source, position, file_len) {
            // Nobody reads what stands after the samples but fragments.
            Err(_) if complete => break,
            header => header?,
        };
        // Each box counts, so that their number ends too.
        tables_len = tables_len.saturating_add(if matches!(&id, b"moov" | b"moof") { len } else { BOX });
        if tables_len > MAX_TABLES_LEN {
            return Err(malformed("its tables of contents claim more than 64 MiB"));
        }
        match &id {
            b"moov" if !complete => {
                let bytes = read_up_to(source, body)?;
                if (bytes.len() as u64) < body {
                    return Err(malformed("its table of contents is cut short"));
                }
                moov = Some(bytes);
            }
            b"moof" => runs.check(&read_up_to(source, body)?)?,
            _ => {}
        }
        position = position.saturating_add(len);
        if !complete {
            stated_len = position;
        }
        has_samples |= matches!(&id, b"mdat" | b"moof");
    }
    let unfinished = "there is no table of contents (moov); the recording was cut short or never finished";
    Ok((moov.ok_or_else(|| malformed(unfinished))?, stated_len))
}

/// Reads a box's header: its type, the length of its content, and that of the whole box. The source is then at the content.
fn read_header(source: &mut (impl Read + Seek), position: u64, file_len: u64) -> Result<([u8; 4], u64, u64), Error> {
    source.seek(SeekFrom::Start(position)).map_err(Error::Io)?;
    let (mut short, mut id, mut long) = ([0; 4], [0; 4], [0; 8]);
    source.read_exact(&mut short).map_err(Error::Io)?;
    source.read_exact(&mut id).map_err(Error::Io)?;
    let (header_len, len) = match u32::from_be_bytes(short) {
        0 => (8, file_len - position),
        1 => {
            source.read_exact(&mut long).map_err(|_| malformed("a box is cut short"))?;
            (16, u64::from_be_bytes(long))
        }
        len => (8, len.into()),
    };
    let body = len.checked_sub(header_len).ok_or_else(|| malformed("a box is shorter than its header"))?;
    Ok((id, body, len))
}

fn read_up_to(source: &mut impl Read, len: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    source.take(len).read_to_end(&mut bytes).map_err(Error::Io)?;
    Ok(bytes)
}

/// Counts the samples of the runs in fragments of which nothing but their number is stored. symphonia 0.6.1 goes through
/// them one by one, four billion of them too.
struct Runs {
    samples: u64,
    max_samples: u64,
}

impl Runs {
    /// Adds those of one fragment. Each sample takes a byte of the file at least.
    fn check(&mut self, moof: &[u8]) -> Result<(), Error> {
        // Durations, sizes, flags and composition times of the samples.
        const STORED: u64 = 0xf00;
        let fragments = boxes(moof).filter(|(id, _)| id == b"traf").map(|(_, traf)| traf);
        for (_, run) in fragments.flat_map(boxes).filter(|(id, _)| id == b"trun") {
            let (flags, count) = (run.get(1..4).map_or(0, be), run.get(4..8).map_or(0, be));
            self.samples += if flags & STORED == 0 { count } else { 0 };
        }
        if self.samples > self.max_samples {
            return Err(malformed("a fragment claims more samples than the file has bytes"));
        }
        Ok(())
    }
}

/// The boxes in a box: their types and contents. What is cut short ends the list.
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let id = *bytes.get(4..)?.first_chunk::<4>()?;
        let (header_len, len) = match be(&bytes[..4]) {
            0 => (8, bytes.len()),
            1 => (16, usize::try_from(be(bytes.get(8..16)?)).ok()?),
            len => (8, usize::try_from(len).ok()?),
        };
        let (body, rest) = bytes.split_at_checked(len)?;
        bytes = rest;
        Some((id, body.get(header_len..)?))
    })
}

fn child<'b>(bytes: &'b [u8], wanted: &[u8; 4]) -> Option<&'b [u8]> {
    boxes(bytes).find(|(id, _)| id == wanted).map(|(_, body)| body)
}

fn path<'b>(bytes: &'b [u8], wanted: &[&[u8; 4]]) -> Option<&'b [u8]> {
    wanted.iter().try_fold(bytes, |bytes, id| child(bytes, id))
}

/// The units in a second that a `mvhd` or `mdhd` states.
fn timescale(header: &[u8]) -> u64 {
    let offset = if header.first() == Some(&1) { 20 } else { 12 };
    header.get(offset..offset + 4).map_or(0, be)
}

struct Entry {
    duration: u64,
    media_time: i64,
}

fn entries(list: &[u8]) -> impl Iterator<Item = Entry> {
    let wide = list.first() == Some(&1);
    let count = list.get(4..8).map_or(0, be);
    let entries = list.get(8..).unwrap_or_default().chunks_exact(if wide { 20 } else { 12 });
    entries.take(usize::try_from(count).unwrap_or(usize::MAX)).map(move |entry| {
        if wide {
            Entry { duration: be(&entry[..8]), media_time: be(&entry[8..16]).cast_signed() }
        } else {
            Entry { duration: be(&entry[..4]), media_time: i64::from((be(&entry[4..8]) as u32).cast_signed()) }
        }
    })
}

/// The number that up to eight bytes hold, the highest first.
fn be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, &byte| (number << 8) | u64::from(byte))
}

/// Refuses what is neither AAC-LC nor ALAC, by its name.
fn check_codec(stsd: &[u8], timescale: u64) -> Result<(), Error> {
    let (codec, entry) =
        boxes(stsd.get(8..).unwrap_or_default()).next().ok_or_else(|| malformed("its codec is not named"))?;
    let name = match &codec {
        b"alac" => return Ok(()),
        b"mp4a" => match decoder_config(entry) {
            Some((0x40, config)) => return check_aac(config, timescale),
            Some((0x66..=0x68, _)) => "MPEG-2 AAC",
            Some((0x69 | 0x6b, _)) => "MP3",
            _ => "an unknown codec",
        },
        b"Opus" => "Opus",
        b"fLaC" => "FLAC",
        b"ac-3" => "Dolby Digital (AC-3)",
        b"ec-3" => "Dolby Digital Plus (E-AC-3)",
        b"ac-4" => "Dolby AC-4",
        b"samr" | b"sawb" => "AMR",
        b"enca" | b"drms" => "an encrypted track",
        b"sowt" | b"twos" | b"in24" | b"in32" | b"fl32" | b"fl64" | b"lpcm" | b"raw " => "PCM",
        _ => return Err(unsupported(&format!("an MPEG-4 container with `{}`", codec.escape_ascii()))),
    };
    Err(unsupported(&format!("an MPEG-4 container with {name}")))
}

/// The object type and the specific configuration that an audio sample entry's `esds` holds.
fn decoder_config(entry: &[u8]) -> Option<(u8, &[u8])> {
    // QuickTime's versions 1 and 2 have more fields.
    let fields = match entry.get(8..10).map(be)? {
        0 => 28,
        1 => 28 + 16,
        _ => 28 + 36,
    };
    let children = entry.get(fields..)?;
    let esds = child(children, b"esds").or_else(|| path(children, &[b"wave", b"esds"]))?;
    let stream = descriptor(esds.get(4..)?, 0x03)?;
    let flags = *stream.get(2)?;
    let mut skip = 3;
    skip += if flags & 0x80 == 0 { 0 } else { 2 };
    skip += if flags & 0x40 == 0 { 0 } else { 1 + usize::from(*stream.get(skip)?) };
    skip += if flags & 0x20 == 0 { 0 } else { 2 };
    let decoder = descriptor(stream.get(skip..)?, 0x04)?;
    let specific = decoder.get(13..).and_then(|rest| descriptor(rest, 0x05)).unwrap_or_default();
    Some((*decoder.first()?, specific))
}

/// The content of a descriptor, whose length comes in sevens of bits.
fn descriptor(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let (&found, rest) = bytes.split_first()?;
    let len_bytes = rest.iter().take(4).position(|byte| byte & 0x80 == 0)? + 1;
    let len = rest[..len_bytes].iter().fold(0, |len, byte| (len << 7) | usize::from(byte & 0x7f));
    (found == tag).then(|| rest.get(len_bytes..len_bytes + len))?
}

fn check_aac(config: &[u8], timescale: u64) -> Result<(), Error> {
    const RATES: [u64; 13] =
        [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];
    let mut bits = Bits { bytes: config, position: 0 };
    let object = bits.object_type();
    let rate = match bits.take(4) {
        15 => bits.take(24),
        index => RATES.get(index as usize).copied().unwrap_or(0),
    };
    bits.take(4 + 3);
    // HE-AAC may announce itself after the configuration of its AAC-LC part, or by nothing but twice the rate.
    let announced = bits.take(11) == 0x2b7 && bits.object_type() == 5 && bits.take(1) == 1;
    let name = match object {
        2 if announced || (rate > 0 && timescale == 2 * rate) => "HE-AAC",
        2 => return Ok(()),
        1 => "AAC Main",
        3 => "AAC-SSR",
        4 => "AAC-LTP",
        5 => "HE-AAC",
        23 => "AAC-LD",
        29 => "HE-AAC v2",
        39 => "AAC-ELD",
        42 => "xHE-AAC",
        _ => "an unknown kind of AAC",
    };
    Err(unsupported(&format!("an M4A with {name}")))
}

/// Reads bits, the highest first; zeros beyond the end.
struct Bits<'b> {
    bytes: &'b [u8],
    position: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> u64 {
        (0..count).fold(0, |number, _| {
            let byte = self.bytes.get(self.position / 8).copied().unwrap_or(0);
            let bit = byte >> (7 - self.position % 8) & 1;
            self.position += 1;
            number << 1 | u64::from(bit)
        })
    }

    fn object_type(&mut self) -> u64 {
        match self.take(5) {
            31 => 32 + self.take(6),
            object => object,
        }
    }
}

fn unsupported(found: &str) -> Error {
    Error::UnsupportedFormat { found: found.to_owned() }
}

fn malformed(reason: &str) -> Error {
    Error::Malformed { format: Format::M4a.name(), reason: reason.to_owned(), read: 0 }
}
