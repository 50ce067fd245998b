use super::info::Format;
use crate::Error;

/// How many bytes from the beginning tell the formats apart, the first packet of an Ogg included.
pub(super) const HEAD_LEN: u64 = 512;

/// Contents that are met in audio folders and are not read: offset, bytes, name.
const UNSUPPORTED: [(usize, &[u8], &str); 20] = [
    (0, b"RF64", "an RF64 WAV"),
    (0, b"BW64", "a BW64 WAV"),
    (0, b"RIFX", "a big-endian WAV (RIFX)"),
    (0, b"riff\x2e\x91\xcf\x11", "a Sony Wave64"),
    (8, b"AVI ", "an AVI video"),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM container"),
    (0, b"FLV\x01", "a Flash video (FLV)"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media container (WMA or WMV)"),
    (0, b"\x00\x00\x01\xba", "an MPEG video"),
    (0, b"#!AMR", "an AMR recording"),
    (0, b"caff", "a Core Audio file (CAF)"),
    (0, b".snd", "a Sun audio file (AU)"),
    (0, b"NIST_1A", "a NIST SPHERE recording"),
    (0, b"ajkg", "a Shorten recording"),
    (0, b"wvpk", "a WavPack recording"),
    (0, b"MAC ", "a Monkey's Audio recording"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"\x89PNG", "a PNG image"),
    (0, b"%PDF", "a PDF document"),
];

/// Tells the format by the first [`HEAD_LEN`] bytes, which come after any ID3v2 tag.
pub(super) fn sniff(head: &[u8]) -> Result<Format, Error> {
    let has = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    if head.is_empty() {
        Err(Error::Empty)
    } else if has(0, b"RIFF") && has(8, b"WAVE") {
        Ok(Format::Wav)
    } else if has(0, b"fLaC") {
        Ok(Format::Flac)
    } else if has(0, b"FORM") && (has(8, b"AIFF") || has(8, b"AIFC")) {
        Ok(Format::Aiff)
    } else if has(4, b"ftyp") {
        Ok(Format::M4a)
    } else if has(0, b"OggS") {
        sniff_ogg(head)
    } else if is_mp3(head) {
        Ok(Format::Mp3)
    } else if has(0, b"version https://git-lfs.github.com/spec/") {
        Err(Error::LfsPointer)
    } else {
        let known = UNSUPPORTED.iter().find(|(offset, magic, _)| has(*offset, magic));
        let found = match known {
            Some((_, _, name)) => name,
            None if is_mpeg(head, 0b00) => "a bare AAC stream (ADTS)",
            None if is_mpeg(head, 0b10) => "MPEG audio of layer II (MP2)",
            None if is_mpeg(head, 0b11) => "MPEG audio of layer I (MP1)",
            None if is_text(head) => "a text file",
            None => "an unknown kind of file",
        };
        Err(Error::UnsupportedFormat { found: found.to_owned() })
    }
}

/// The length in bytes of the ID3v2 tag at the beginning; 0 if there is none.
///
/// ID3v2.4.0 structure, section 3.1: four times seven bits, and a footer if the flag is set.
pub(super) fn id3v2_len(head: &[u8]) -> u64 {
    match *head {
        [b'I', b'D', b'3', _, _, flags, a, b, c, d, ..] => {
            let footer = if flags & 0x10 == 0 { 0 } else { 10 };
            let body = [a, b, c, d].iter().fold(0, |len, byte| (len << 7) | u64::from(byte & 0x7f));
            10 + body + footer
        }
        _ => 0,
    }
}

/// The codec stands at the head of the first page's packet, after 27 bytes and a byte for each segment (RFC 3533).
fn sniff_ogg(head: &[u8]) -> Result<Format, Error> {
    const CODECS: [(&[u8], &str); 5] = [
        (b"OpusHead", "Opus"),
        (b"\x7fFLAC", "FLAC"),
        (b"Speex   ", "Speex"),
        (b"\x80theora", "a Theora video"),
        (b"fishead", "a Skeleton (a video)"),
    ];
    let segments = head.get(26).copied().map_or(0, usize::from);
    let packet = head.get(27 + segments..).unwrap_or_default();
    if packet.starts_with(b"\x01vorbis") {
        return Ok(Format::Ogg);
    }
    let name = CODECS.iter().find(|(magic, _)| packet.starts_with(magic)).map_or("an unknown codec", |(_, name)| name);
    Err(Error::UnsupportedFormat { found: format!("an Ogg container with {name}") })
}

/// A frame header of MPEG-1, 2 or 2.5 audio, layer III (ISO/IEC 11172-3, section 2.4.1.3).
fn is_mp3(head: &[u8]) -> bool {
    is_mpeg(head, 0b01)
}

/// A frame header of MPEG audio of a layer; the fourth, reserved one is that of AAC.
fn is_mpeg(head: &[u8], layer: u8) -> bool {
    match *head {
        [0xff, version_layer, rates, _, ..] => {
            let version = (version_layer >> 3) & 0b11;
            let bitrate = rates >> 4;
            let sample_rate = (rates >> 2) & 0b11;
            let in_sync = version_layer & 0b1110_0000 == 0b1110_0000 && (version_layer >> 1) & 0b11 == layer;
            in_sync && version != 0b01 && (layer == 0b00 || bitrate != 0b1111 && sample_rate != 0b11)
        }
        _ => false,
    }
}

fn is_text(head: &[u8]) -> bool {
    // A character may be cut at the end of the head.
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(e) if e.error_len().is_none() => {
            let valid = head.get(..e.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(valid).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !valid.is_empty() && valid.chars().all(|c| !c.is_control() || c.is_whitespace())
}
