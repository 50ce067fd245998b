//! The table of bad inputs in the documentation says what happens: it is made here.
//!
//! `SER_UPDATE=1 cargo test -p ser-audio --test bad_inputs` writes it anew.

#![cfg(feature = "formats")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fmt::Write as _;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::time::Instant;

use common::{asset_bytes, chain};
use hound::{SampleFormat, WavSpec, WavWriter};
use ser_audio::{Channel, Error, ReadOptions, Waveform};

fn wav<S: hound::Sample>(
    bits_per_sample: u16,
    sample_format: SampleFormat,
    samples: impl IntoIterator<Item = S>,
) -> Vec<u8> {
    let spec = WavSpec { channels: 2, sample_rate: 16_000, bits_per_sample, sample_format };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
    samples.into_iter().for_each(|x| writer.write_sample(x).unwrap());
    writer.finalize().unwrap();
    bytes.into_inner()
}

/// A second of stereo with a header of 44 bytes.
fn second() -> Vec<u8> {
    wav(16, SampleFormat::Int, (0..32_000).map(|i| (i * 7919 % 20_011 - 10_005) as i16))
}

fn patch(mut bytes: Vec<u8>, offset: usize, value: &[u8]) -> Vec<u8> {
    bytes[offset..offset + value.len()].copy_from_slice(value);
    bytes
}

fn patch_after(bytes: Vec<u8>, after: &[u8], offset: usize, value: &[u8]) -> Vec<u8> {
    let found = bytes.windows(after.len()).position(|window| window == after).unwrap();
    patch(bytes, found + offset, value)
}

fn cut(name: &str) -> Vec<u8> {
    let bytes = asset_bytes(name);
    bytes[..bytes.len() * 3 / 4].to_vec()
}

/// `aac.m4a` with another object type in its configuration.
fn aac_object(object: u8) -> Vec<u8> {
    patch_after(asset_bytes("aac.m4a"), &[0x05, 0x80, 0x80, 0x80], 5, &[object << 3 | 0b001])
}

/// A beginning, and then the same bytes without end.
struct Endless {
    begin: Vec<u8>,
    again: Vec<u8>,
    position: u64,
}

impl Endless {
    fn new(begin: Vec<u8>, again: Vec<u8>) -> Self {
        Self { begin, again, position: 0 }
    }
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let position = self.position as usize;
        let rest = match position.checked_sub(self.begin.len()) {
            None => &self.begin[position..],
            Some(after) => &self.again[after % self.again.len()..],
        };
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        self.position += len as u64;
        Ok(len)
    }
}

impl Seek for Endless {
    fn seek(&mut self, position: SeekFrom) -> std::io::Result<u64> {
        self.position = match position {
            SeekFrom::Start(position) => position,
            SeekFrom::Current(by) => self.position.saturating_add_signed(by),
            SeekFrom::End(_) => 1 << 60,
        };
        Ok(self.position)
    }
}

fn endless(begin: Vec<u8>, again: Vec<u8>) -> Result<Waveform, Error> {
    Waveform::from_reader(Endless::new(begin, again), &ReadOptions::default())
}

/// Many FLAC frames of silence: 13 bytes for 4,096 samples, without a length in the header.
fn flac_bomb() -> Vec<u8> {
    let header = |number: u32| {
        // Block size 4,096, 8 kHz, mono, 16 bits; the frame's number as if it were a character; CRC-8 of it all.
        let mut header = vec![0xff, 0xf8, 0b1100_0100, 0b0000_1000];
        header.extend(char::from_u32(number).unwrap().to_string().bytes());
        header.push(header.iter().fold(0_u8, |crc, &byte| {
            (0..8).fold(crc ^ byte, |crc, _| if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x07 })
        }));
        header
    };
    let frame = |number: u32| {
        // A constant subframe of zero; CRC-16 of it all.
        let mut frame = [header(number), vec![0, 0, 0]].concat();
        let crc = frame.iter().fold(0_u16, |crc, &byte| {
            (0..8)
                .fold(crc ^ u16::from(byte) << 8, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x8005 })
        });
        frame.extend(crc.to_be_bytes());
        frame
    };
    let mut bytes = b"fLaC\x80\x00\x00\x22\x10\x00\x10\x00".to_vec();
    bytes.extend([0; 6]);
    // 20 bits of rate, 3 of channels - 1, 5 of bits - 1, 36 of frames: unknown; then no check sum.
    bytes.extend(((8_000_u64 << 44) | (15 << 36)).to_be_bytes());
    bytes.extend([0; 16]);
    (0..16_000).for_each(|number| bytes.extend(frame(number)));
    bytes
}

fn inputs() -> Vec<(&'static str, Result<Waveform, Error>)> {
    let read = |bytes: Vec<u8>| Waveform::from_bytes(&bytes);
    let with = |options: ReadOptions| Waveform::from_reader(Cursor::new(second()), &options);
    let nothing = || -> Vec<i16> { Vec::new() };
    let unfinished = {
        let bytes = asset_bytes("aac.m4a");
        let moov = bytes.windows(4).position(|id| id == b"moov").unwrap() - 4;
        bytes[..moov].to_vec()
    };
    let mut flipped = asset_bytes("long.flac");
    flipped[12_000] ^= 0x55;
    let mut gsm = asset_bytes("ulaw.wav");
    gsm[20] = 0x31;
    vec![
        (
            "no such file",
            Waveform::from_file("speech.wav").map_err(|error| match error {
                Error::Open { path, .. } => {
                    Error::Open { path, source: std::io::Error::other("No such file or directory (os error 2)") }
                }
                error => error,
            }),
        ),
        ("an empty file", read(vec![])),
        ("a Git LFS pointer", read(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\n".to_vec())),
        ("a text file named `.wav`", read(b"path,emotion\n".to_vec())),
        ("random bytes", read((0..200_u8).map(|i| i.wrapping_mul(151) ^ 0x91).collect())),
        ("a Flash video", read(b"FLV\x01\x05\x00\x00\x00\x09".to_vec())),
        ("an AVI video", read(b"RIFF\x24\x00\x00\x00AVI LIST".to_vec())),
        ("an MPEG-4 video", read(asset_bytes("video.mp4"))),
        ("WebM", read(asset_bytes("opus.webm"))),
        ("Opus in Ogg", read(asset_bytes("opus.ogg"))),
        ("Opus in MPEG-4", read(asset_bytes("opus.mp4"))),
        ("HE-AAC", read(aac_object(5))),
        ("HE-AAC, announced by nothing but twice the rate", {
            read(patch_after(asset_bytes("aac.m4a"), &[0x05, 0x80, 0x80, 0x80], 5, &[0x15, 0x90]))
        }),
        ("a bare AAC stream", read(b"\xff\xf1\x50\x80\x01\x3f\xfc".to_vec())),
        ("MP2", read(b"\xff\xfd\x84\x04\x00\x00".to_vec())),
        ("a WAV of GSM 6.10", read(gsm)),
        ("a WAV over 4 GiB (RF64)", read(b"RF64\xff\xff\xff\xffWAVEds64".to_vec())),
        ("a WAV that is cut short", read(second()[..44 + 4 * 6_000 + 3].to_vec())),
        ("a WAV whose header claims 2 GB of samples", read(patch(second(), 40, &0x7fff_0000_u32.to_le_bytes()))),
        ("a WAV of 65,535 channels", {
            let fmt = patch(vec![0; 14], 0, &u16::MAX.to_le_bytes());
            let fmt = patch(patch(fmt, 2, &8_000_u32.to_le_bytes()), 10, &u16::MAX.to_le_bytes());
            read(patch(patch(second(), 22, &fmt), 34, &8_u16.to_le_bytes()))
        }),
        ("an AIFF whose header claims 4 GB of samples", {
            let aiff = patch_after(asset_bytes("stereo.aiff"), b"COMM", 10, &0x4000_0000_u32.to_be_bytes());
            let aiff = patch_after(aiff, b"SSND", 4, &(u32::MAX - 100).to_be_bytes());
            read(patch(aiff, 4, &u32::MAX.to_be_bytes()))
        }),
        ("a WAV without channels", read(patch(second(), 22, &[0, 0]))),
        ("a WAV whose blocks are too short for its samples", read(patch(second(), 32, &[3, 0]))),
        ("a WAV of 0 Hz", read(patch(second(), 24, &[0; 4]))),
        ("a WAV whose format chunk claims 4 GiB", read(patch(second(), 16, &u32::MAX.to_le_bytes()))),
        ("a WAV that ends before its samples", read(second()[..36].to_vec())),
        ("a WAV without samples", read(wav(16, SampleFormat::Int, nothing()))),
        ("a WAV with NaN in it", read(wav(32, SampleFormat::Float, [0.5, 0.5, f32::NAN, 0.25]))),
        (
            "a WAV that never ends",
            endless(patch(second()[..44].to_vec(), 40, &u32::MAX.to_le_bytes()), vec![1, 0, 255]),
        ),
        ("a FLAC that is cut short", read(cut("long.flac"))),
        ("a FLAC with a damaged byte", read(flipped)),
        ("a FLAC that claims a day", {
            let frames = ((8_000_u64 << 44) | (15 << 36) | (8_000 * 86_400)).to_be_bytes();
            read(patch(asset_bytes("long.flac"), 18, &frames))
        }),
        ("a FLAC of 200 kB that unpacks to two hours", read(flac_bomb())),
        ("an MP3 that is cut short", read(cut("long.mp3"))),
        ("an MP3 that never ends", endless(vec![], asset_bytes("untagged.mp3")[65..].to_vec())),
        ("an MP3 followed by zeros without end", endless(asset_bytes("untagged.mp3"), vec![0; 4_096])),
        ("two MP3 recordings in one file", read([asset_bytes("stereo.mp3"), asset_bytes("long.mp3")].concat())),
        ("an Ogg that is cut short", read(cut("long.ogg"))),
        ("two Ogg recordings in one file", read([asset_bytes("stereo.ogg"), asset_bytes("long.ogg")].concat())),
        ("an M4A that is cut short", read(cut("long.m4a"))),
        ("an M4A that was never finished", read(unfinished)),
        // Found by fuzzing: four seconds for each such run.
        ("an M4A whose fragment claims four billion samples", {
            read(patch_after(asset_bytes("fragmented.m4a"), b"trun", 4, &[0, 0, 0, 0, 0xff, 0xf9, 0, 1]))
        }),
        ("a part after the end", with(ReadOptions { offset: 2.5, ..ReadOptions::default() })),
        ("a channel that is not there", with(ReadOptions { channel: Channel::Index(2), ..ReadOptions::default() })),
        ("more than the limit", with(ReadOptions { max_duration: 0.5, ..ReadOptions::default() })),
    ]
}

#[test]
fn the_table_in_the_documentation_is_true() {
    let mut table = String::from("| input | error |\n| --- | --- |\n");
    let begin = Instant::now();
    for (input, result) in inputs() {
        let error = chain(&result.err().unwrap_or_else(|| panic!("{input}: no error")));
        assert!(!error.contains('\n') && !error.contains('|'), "{error}");
        writeln!(table, "| {input} | {error} |").unwrap();
    }
    // Two of them never end; all are refused in seconds, in a build for tests too.
    assert!(begin.elapsed().as_secs() < 120, "{:?}", begin.elapsed());

    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/BAD_INPUTS.md");
    if std::env::var_os("SER_UPDATE").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    let documented = std::fs::read_to_string(path).unwrap();
    assert!(documented == table, "BAD_INPUTS.md differs from\n{table}");
}
