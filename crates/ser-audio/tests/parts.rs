//! Channels, parts, lengths and limits: what [`ReadOptions`] asks for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::io::{Cursor, Read, Seek, SeekFrom};

use common::{asset_bytes, left, right};
use hound::{SampleFormat, WavSpec, WavWriter};
use ser_audio::{AudioInfo, Channel, Error, Format, ReadOptions, Truncated, WavFormat, Waveform};

const RATE: u32 = 8_000;

fn read(bytes: &[u8], options: &ReadOptions) -> Result<Waveform, Error> {
    Waveform::from_reader(Cursor::new(bytes), options)
}

/// Three seconds of stereo.
fn wav() -> Vec<u8> {
    let spec = WavSpec { channels: 2, sample_rate: RATE, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
    for i in 0..3 * RATE as i32 {
        writer.write_sample((left(i % 9973)) as i16).unwrap();
        writer.write_sample((right(i % 8191)) as i16).unwrap();
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

fn expected(of: fn(i32) -> i32, period: i32) -> Vec<f32> {
    (0..3 * RATE as i32).map(|i| of(i % period) as i16 as f32 / 32768.0).collect()
}

#[test]
fn a_channel_is_chosen_or_the_mean_of_all() {
    let bytes = wav();
    let (left, right) = (expected(left, 9973), expected(right, 8191));
    let mean: Vec<f32> = left.iter().zip(&right).map(|(a, b)| (a + b) / 2.0).collect();
    for (channel, samples) in [(Channel::Index(0), left), (Channel::Index(1), right), (Channel::Mix, mean)] {
        let options = ReadOptions { channel, ..ReadOptions::default() };
        assert_eq!(read(&bytes, &options).unwrap().samples(), samples, "{channel:?}");
    }
    let options = ReadOptions { channel: Channel::Index(2), ..ReadOptions::default() };
    let error = read(&bytes, &options).unwrap_err();
    assert!(matches!(error, Error::NoChannel { index: 2, channels: 2 }), "{error}");
}

/// Parts that begin and end on both sides of every block's edge, before and after the second of run-up.
fn parts() -> impl Iterator<Item = (usize, usize)> {
    let firsts = [0, 1, 250, 7_999, 8_001, 9_216, 12_345, 17_000, 23_500];
    firsts.into_iter().flat_map(|first| [1, 333, 2_047, 30_000].map(move |len| (first, len)))
}

fn assert_parts_equal_the_whole(bytes: &[u8], name: &str, tolerance: f32) {
    let whole = Waveform::from_bytes(bytes).unwrap();
    assert_eq!(whole.sample_rate(), RATE, "{name}");
    for (first, len) in parts() {
        let options = ReadOptions {
            offset: first as f64 / f64::from(RATE),
            duration: Some(len as f64 / f64::from(RATE)),
            ..ReadOptions::default()
        };
        let part = read(bytes, &options).unwrap();
        let end = whole.samples().len().min(first + len);
        let expected = &whole.samples()[first..end];
        assert_eq!(part.samples().len(), expected.len(), "{name}, {first}, {len}");
        let difference = common::max_difference(part.samples(), expected);
        assert!(difference <= tolerance, "{name}, {first}, {len}: {difference}");
    }
}

#[test]
fn parts_of_a_wav_equal_the_whole() {
    assert_parts_equal_the_whole(&wav(), "WAV", 0.0);
}

#[cfg(feature = "formats")]
#[test]
fn parts_of_every_format_equal_the_whole() {
    for name in ["long.flac", "long.ogg", "long.m4a", "long.mp3"] {
        assert_parts_equal_the_whole(&asset_bytes(name), name, 0.0);
    }
}

#[cfg(feature = "formats")]
#[test]
fn a_part_is_at_least_a_frame() {
    let options = ReadOptions { duration: Some(2e-5), ..ReadOptions::default() };
    assert_eq!(read(&asset_bytes("ms_adpcm.wav"), &options).unwrap().samples().len(), 1);
}

#[cfg(feature = "formats")]
#[test]
fn a_part_of_adpcm_begins_within_a_block() {
    for name in ["ms_adpcm.wav", "ima_adpcm.wav"] {
        let bytes = asset_bytes(name);
        let whole = Waveform::from_bytes(&bytes).unwrap();
        for first in [0, 3, 499, 700, 1_019] {
            let options = ReadOptions { offset: first as f64 / 8000.0, duration: Some(0.1), ..ReadOptions::default() };
            let part = read(&bytes, &options).unwrap();
            assert_eq!(part.samples(), &whole.samples()[first..first + 800], "{name}, {first}");
        }
    }
}

#[test]
fn a_part_past_the_end_is_an_error() {
    let mut recordings = vec![("WAV", wav())];
    if cfg!(feature = "formats") {
        recordings.extend(["long.flac", "long.ogg", "long.m4a", "long.mp3"].map(|name| (name, asset_bytes(name))));
    }
    for (name, bytes) in recordings {
        let error = read(&bytes, &ReadOptions { offset: 3.5, ..ReadOptions::default() }).unwrap_err();
        let Error::PastEnd { offset, duration } = error else { panic!("{name}: {error}") };
        assert_eq!((offset, duration), (3.5, 3.0), "{name}");
    }
}

#[test]
fn what_is_longer_than_the_limit_is_refused_and_its_part_is_not() {
    let options = ReadOptions { max_duration: 2.9, ..ReadOptions::default() };
    let mut recordings = vec![("WAV", wav())];
    if cfg!(feature = "formats") {
        recordings.extend(["long.flac", "long.ogg", "long.m4a", "long.mp3"].map(|name| (name, asset_bytes(name))));
    }
    for (name, bytes) in recordings {
        let error = read(&bytes, &options).unwrap_err();
        assert!(matches!(error, Error::TooLong { .. }), "{name}: {error}");
        let part = read(&bytes, &ReadOptions { duration: Some(2.5), ..options.clone() }).unwrap();
        assert_eq!(part.duration(), 2.5, "{name}");
    }
}

#[test]
fn beyond_48_khz_the_limit_is_one_of_samples() {
    let options = ReadOptions { max_duration: 0.01, ..ReadOptions::default() };
    for (rate, longest) in [(48_000, 480), (96_000, 480), (768_000, 480), (8_000, 80)] {
        let wav = |len| Waveform::new(vec![0.25; len], rate).unwrap().to_wav(WavFormat::Int16).unwrap();
        assert_eq!(read(&wav(longest), &options).unwrap().samples().len(), longest, "{rate} Hz");
        let error = read(&wav(longest + 1), &options).unwrap_err();
        let Error::TooLong { max_duration, .. } = error else { panic!("{rate} Hz: {error}") };
        assert!((max_duration * f64::from(rate) - longest as f64).abs() < 1e-6, "{rate} Hz: {error}");
    }
}

#[test]
fn options_out_of_range_are_named() {
    let ok = ReadOptions::default();
    for (wrong, says) in [
        (ReadOptions { offset: -0.5, ..ok.clone() }, "offset is -0.5"),
        (ReadOptions { offset: f64::NAN, ..ok.clone() }, "offset is NaN"),
        (ReadOptions { duration: Some(0.0), ..ok.clone() }, "duration is 0"),
        (ReadOptions { duration: Some(f64::INFINITY), ..ok.clone() }, "duration is inf"),
        (ReadOptions { max_duration: 0.0, ..ok.clone() }, "max-duration is 0"),
    ] {
        let error = read(&wav(), &wrong).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn options_are_written_in_kebab_case() {
    let options = ReadOptions { channel: Channel::Index(1), duration: Some(2.5), ..ReadOptions::default() };
    let json = serde_json::to_string(&options).unwrap();
    let expected = r#"{"channel":{"index":1},"offset":0.0,"duration":2.5,"max-duration":3600.0,"truncated":"refuse"}"#;
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_str::<ReadOptions>(&json).unwrap(), options);
    assert!(serde_json::from_str::<ReadOptions>(r#"{"start":3}"#).is_err());
}

#[test]
fn what_is_left_of_a_wav_is_kept_if_asked_for() {
    let bytes = &wav()[..44 + 4 * 10_000 + 1];
    let error = read(bytes, &ReadOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Truncated { read: 10_000, promised: Some(24_000), .. }), "{error}");

    let keep = ReadOptions { truncated: Truncated::Keep, ..ReadOptions::default() };
    assert_eq!(read(bytes, &keep).unwrap().samples().len(), 10_000);
    // The part that is whole needs no leniency.
    let part = ReadOptions { duration: Some(1.0), ..ReadOptions::default() };
    assert_eq!(read(bytes, &part).unwrap().samples().len(), 8_000);
    let error = read(&wav()[..44], &keep).unwrap_err();
    assert!(matches!(error, Error::NoAudio { .. }), "{error}");
}

#[cfg(feature = "formats")]
#[test]
fn what_is_left_of_every_format_is_kept_if_asked_for() {
    let keep = ReadOptions { truncated: Truncated::Keep, ..ReadOptions::default() };
    for name in ["long.flac", "long.ogg", "long.m4a", "long.mp3"] {
        let bytes = asset_bytes(name);
        let whole = Waveform::from_bytes(&bytes).unwrap();
        let bytes = &bytes[..bytes.len() * 3 / 4];
        let error = read(bytes, &ReadOptions::default()).unwrap_err();
        let Error::Truncated { read: frames, promised, .. } = error else { panic!("{name}: {error}") };
        assert!(frames > 7_000 && frames < 24_000, "{name}: {frames}");
        assert_eq!(promised, (name != "long.ogg").then_some(24_000), "{name}");
        let kept = read(bytes, &keep).unwrap();
        assert_eq!(kept.samples().len() as u64, frames, "{name}");
        assert_eq!(kept.samples(), &whole.samples()[..kept.samples().len()], "{name}");
        // The part that is whole needs no leniency: nothing after it is read.
        let part = ReadOptions { duration: Some(0.75), ..ReadOptions::default() };
        assert_eq!(read(bytes, &part).unwrap().samples(), &whole.samples()[..6_000], "{name}");
    }
}

#[cfg(feature = "formats")]
#[test]
fn what_lies_a_second_before_a_part_is_not_decoded() {
    let part = ReadOptions { offset: 2.0, duration: Some(0.5), ..ReadOptions::default() };
    let mut bytes = asset_bytes("long.m4a");
    let whole = Waveform::from_bytes(&bytes).unwrap();
    let samples = bytes.windows(4).position(|id| id == b"mdat").unwrap() + 4;
    // Some packets of the first second, which no decoder takes.
    bytes[samples + 800..samples + 1_000].fill(0xff);
    let error = Waveform::from_bytes(&bytes).unwrap_err();
    assert!(matches!(error, Error::Malformed { .. }), "{error}");
    assert_eq!(read(&bytes, &part).unwrap().samples(), &whole.samples()[16_000..20_000]);
}

#[test]
fn the_length_is_known_without_decoding() {
    let info = AudioInfo::from_bytes(&wav()).unwrap();
    assert_eq!((info.format, info.sample_rate, info.channels, info.frames), (Format::Wav, 8_000, 2, 24_000));
    assert_eq!(info.duration(), 3.0);
}

#[cfg(feature = "formats")]
#[test]
fn the_length_without_decoding_is_the_decoded_one() {
    for (name, format) in [
        ("stereo.flac", Format::Flac),
        ("long.flac", Format::Flac),
        ("stereo.mp3", Format::Mp3),
        ("untagged.mp3", Format::Mp3),
        ("long.mp3", Format::Mp3),
        ("stereo.ogg", Format::Ogg),
        ("long.ogg", Format::Ogg),
        ("stereo.aiff", Format::Aiff),
        ("aac.m4a", Format::M4a),
        ("fragmented.m4a", Format::M4a),
        ("alac.m4a", Format::M4a),
        ("long.m4a", Format::M4a),
        ("ulaw.wav", Format::Wav),
        ("ima_adpcm.wav", Format::Wav),
    ] {
        let bytes = asset_bytes(name);
        let info = AudioInfo::from_bytes(&bytes).unwrap();
        let whole = Waveform::from_bytes(&bytes).unwrap();
        assert_eq!(info.format, format, "{name}");
        assert_eq!(info.sample_rate, whole.sample_rate(), "{name}");
        assert_eq!(info.frames, whole.samples().len() as u64, "{name}");
        assert_eq!(
            info.channels,
            if name.contains("long") || name.contains("untagged") || name.contains("ima") { 1 } else { 2 }
        );
    }
}

/// Counts what is read of it.
struct Counting<R> {
    inner: R,
    bytes: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = self.inner.read(buffer)?;
        self.bytes.fetch_add(len as u64, std::sync::atomic::Ordering::Relaxed);
        Ok(len)
    }
}

impl<R: Seek> Seek for Counting<R> {
    fn seek(&mut self, position: SeekFrom) -> std::io::Result<u64> {
        self.inner.seek(position)
    }
}

#[test]
fn a_part_of_a_wav_is_read_alone() {
    let count = std::sync::Arc::default();
    let source = Counting { inner: Cursor::new(wav()), bytes: std::sync::Arc::clone(&count) };
    let options = ReadOptions { offset: 2.0, duration: Some(0.1), ..ReadOptions::default() };
    assert_eq!(Waveform::from_reader(source, &options).unwrap().samples().len(), 800);
    // 3,200 bytes of samples, and the header.
    let read = count.load(std::sync::atomic::Ordering::Relaxed);
    assert!(read < 5_000, "{read} bytes");
}
