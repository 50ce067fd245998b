//! WAV: every sample format, odd chunks, wrong lengths.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::io::Cursor;

use common::{left, right, stereo_mean};
use hound::{SampleFormat, WavSpec, WavWriter};
use proptest::prelude::*;
use ser_audio::{Channel, Error, ReadOptions, Waveform};

fn spec(channels: u16, bits_per_sample: u16, sample_format: SampleFormat) -> WavSpec {
    WavSpec { channels, sample_rate: 22_050, bits_per_sample, sample_format }
}

fn wav<S: hound::Sample>(spec: WavSpec, samples: impl IntoIterator<Item = S>) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
    samples.into_iter().for_each(|x| writer.write_sample(x).unwrap());
    writer.finalize().unwrap();
    bytes.into_inner()
}

/// 1,500 frames of stereo with a plain 44-byte header.
fn stereo() -> Vec<u8> {
    let samples = (0..1500).flat_map(|i| [left(i) as i16, right(i) as i16]);
    let bytes = wav(spec(2, 16, SampleFormat::Int), samples);
    assert_eq!(bytes.len(), 44 + 6000);
    bytes
}

fn with_data_len(mut bytes: Vec<u8>, len: u32) -> Vec<u8> {
    bytes[40..44].copy_from_slice(&len.to_le_bytes());
    bytes
}

#[test]
fn integer_samples_are_divided_by_two_to_the_bits_minus_one() {
    for (bits, samples) in [
        (8, vec![-128, -3, 1, 127]),
        (16, vec![-32_768, -77, 12_345, 32_767]),
        (24, vec![-8_388_608, -70_001, 5, 8_388_607]),
        (32, vec![i32::MIN, -70_000_001, 9, i32::MAX]),
    ] {
        let full_scale = 2f64.powi(bits - 1);
        let expected: Vec<f32> = samples.iter().map(|&x| (f64::from(x) / full_scale) as f32).collect();
        let bytes = wav(spec(1, bits as u16, SampleFormat::Int), samples);
        let waveform = Waveform::from_bytes(&bytes).unwrap();
        assert_eq!(waveform.samples(), expected, "{bits} bits");
        assert_eq!(waveform.sample_rate(), 22_050);
    }
}

#[test]
fn a_wav_whose_rest_is_zeros_is_refused_at_once() {
    let mut bytes = stereo();
    bytes.truncate(36);
    bytes.resize(36 + 8 * 100_000, 0);
    let error = Waveform::from_bytes(&bytes).unwrap_err().to_string();
    assert!(error.contains("no data chunk among the first 4096"), "{error}");
}

/// A WAV with the tag of its samples in the format chunk itself, or in an extension of it.
fn raw_wav(tag: u16, channels: u16, bits: u16, container: u16, extensible: bool, data: &[u8]) -> Vec<u8> {
    let (rate, block) = (22_050_u32, channels * container);
    let mut fmt = if extensible { 0xfffe } else { tag }.to_le_bytes().to_vec();
    fmt.extend(channels.to_le_bytes());
    fmt.extend(rate.to_le_bytes());
    fmt.extend((rate * u32::from(block)).to_le_bytes());
    fmt.extend(block.to_le_bytes());
    fmt.extend(if extensible { 8 * container } else { bits }.to_le_bytes());
    if extensible {
        // 22 bytes: the bits that count, no speakers' positions, and the tag with the rest of Microsoft's GUID.
        fmt.extend([22, 0]);
        fmt.extend(bits.to_le_bytes());
        fmt.extend([0; 4]);
        fmt.extend(tag.to_le_bytes());
        fmt.extend(b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71");
    }
    let len = |content: &[u8]| (content.len() as u32).to_le_bytes();
    let chunks = [b"WAVEfmt ".as_slice(), &len(&fmt), &fmt, b"data", &len(data), data].concat();
    [b"RIFF".as_slice(), &len(&chunks), &chunks].concat()
}

#[test]
fn integers_of_every_size_come_back_from_plain_and_extensible_headers() {
    // The bits that count, and the bytes that hold them in their high ones.
    for (bits, container) in [(8, 1), (12, 2), (16, 2), (20, 3), (24, 3), (24, 4), (32, 4)] {
        let lowest = -1_i64 << (bits - 1);
        let samples: Vec<i64> = (0..60).map(|i| lowest + i * 0x9e37_79b9 % -lowest * 2).chain([-1 - lowest]).collect();
        // Each frame holds the sample and its complement.
        let frames = samples.iter().flat_map(|&x| [x, -1 - x]);
        let bytes = |x: i64| {
            let shifted = x << (8 * container - bits);
            // 8 bits alone are unsigned.
            let stored = if container == 1 { shifted + 128 } else { shifted };
            stored.to_le_bytes().into_iter().take(container as usize)
        };
        let data: Vec<u8> = frames.flat_map(bytes).collect();
        let expected: Vec<f32> = samples.iter().map(|&x| x as f32 / 2f32.powi(bits - 1)).collect();
        for extensible in [false, true] {
            let wav = raw_wav(1, 2, bits as u16, container as u16, extensible, &data);
            let options = ReadOptions { channel: Channel::Index(0), ..ReadOptions::default() };
            let read = Waveform::from_reader(Cursor::new(wav), &options);
            assert_eq!(read.unwrap().samples(), expected, "{bits} bits in {container} bytes, extensible {extensible}");
        }
    }
}

#[test]
fn floats_come_back_from_plain_and_extensible_headers() {
    let samples = [0.1_f32, -1.75, f32::MIN_POSITIVE, 3.5, -0.0];
    for extensible in [false, true] {
        let data: Vec<u8> = samples.iter().flat_map(|x| x.to_le_bytes()).collect();
        let read = Waveform::from_bytes(&raw_wav(3, 1, 32, 4, extensible, &data)).unwrap();
        assert_eq!(read.samples(), samples, "32 bits, extensible {extensible}");
        if cfg!(feature = "formats") {
            let data: Vec<u8> = samples.iter().flat_map(|&x| f64::from(x).to_le_bytes()).collect();
            let read = Waveform::from_bytes(&raw_wav(3, 1, 64, 8, extensible, &data)).unwrap();
            assert_eq!(read.samples(), samples, "64 bits, extensible {extensible}");
        }
    }
}

#[test]
fn float_samples_are_kept_beyond_full_scale() {
    let samples = [0.1f32, -1.75, f32::MIN_POSITIVE, 3.5];
    let bytes = wav(spec(1, 32, SampleFormat::Float), samples);
    assert_eq!(Waveform::from_bytes(&bytes).unwrap().samples(), samples);
}

#[test]
fn channels_are_averaged() {
    let samples = Waveform::from_bytes(&stereo()).unwrap().into_samples();
    assert_eq!(samples, stereo_mean());

    let six = (0..6 * 40).map(|i| (i * 37 - 4000) as i16);
    let expected: Vec<f32> =
        (0..40).map(|frame| (0..6).map(|c| (6 * frame + c) * 37 - 4000).sum::<i32>() as f32 / 6.0 / 32768.0).collect();
    let read = Waveform::from_bytes(&wav(spec(6, 16, SampleFormat::Int), six)).unwrap();
    // One rounding of the division by six lies between the two: 2^-24 of values below 1.
    assert!(common::max_difference(read.samples(), &expected) < 1e-7);
}

#[test]
fn chunks_before_and_after_the_samples_are_skipped_with_their_padding() {
    let plain = stereo();
    let mut bytes = plain[..36].to_vec();
    bytes.extend_from_slice(b"LIST\x05\x00\x00\x00INFOx\x00");
    bytes.extend_from_slice(b"FLLR\x04\x00\x00\x00datadata\x70\x17\x00\x00");
    bytes.extend_from_slice(&plain[44..]);
    bytes.extend_from_slice(b"cue \x03\x00\x00\x00abc\x00");
    let read = Waveform::from_bytes(&bytes).unwrap();
    assert_eq!(read.samples(), stereo_mean());
}

#[test]
fn a_header_that_was_never_completed_is_read_to_the_end() {
    for len in [0, 0x7fff_f000, u32::MAX - 36, u32::MAX] {
        let mut bytes = with_data_len(stereo(), len);
        bytes[4..8].copy_from_slice(&len.wrapping_add(36).to_le_bytes());
        let read = Waveform::from_bytes(&bytes).unwrap();
        assert_eq!(read.samples(), stereo_mean(), "data length {len:#x}");
    }
}

#[test]
fn a_header_that_promises_more_than_there_is_says_how_much_could_be_read() {
    let bytes = stereo();
    let error = Waveform::from_bytes(&bytes[..44 + 4 * 600 + 3]).unwrap_err();
    let Error::Truncated { read, promised, .. } = error else {
        panic!("{error}");
    };
    assert_eq!((read, promised), (600, Some(1500)));
    let error = Waveform::from_bytes(&with_data_len(bytes, 0x7fff_0000)).unwrap_err();
    assert!(matches!(error, Error::Truncated { read: 1500, .. }), "{error}");
}

#[test]
fn a_wav_without_samples_holds_no_audio() {
    let bytes = wav::<i16>(spec(1, 16, SampleFormat::Int), []);
    let error = Waveform::from_bytes(&bytes).unwrap_err();
    assert!(matches!(error, Error::NoAudio { .. }), "{error}");
}

#[test]
fn samples_that_are_not_finite_are_named_by_index() {
    let bytes = wav(spec(1, 32, SampleFormat::Float), [0.5f32, 0.25, f32::NAN, f32::INFINITY]);
    let error = Waveform::from_bytes(&bytes).unwrap_err();
    assert!(matches!(error, Error::NonFinite { index: 2, .. }), "{error}");
}

#[test]
fn absurd_headers_are_refused() {
    let patched = |offset: usize, value: &[u8]| {
        let mut bytes = stereo();
        bytes[offset..offset + value.len()].copy_from_slice(value);
        Waveform::from_bytes(&bytes).unwrap_err()
    };
    // 65,535 channels of one byte, at a byte rate that agrees.
    let mut fmt = [0; 14];
    fmt[..2].copy_from_slice(&u16::MAX.to_le_bytes());
    fmt[2..6].copy_from_slice(&8000u32.to_le_bytes());
    fmt[6..10].copy_from_slice(&(8000 * 65_535u32).to_le_bytes());
    fmt[10..12].copy_from_slice(&u16::MAX.to_le_bytes());
    fmt[12..].copy_from_slice(&8u16.to_le_bytes());
    let error = patched(22, &fmt);
    assert!(matches!(error, Error::Channels { channels: 65_535, .. }), "{error}");

    let error = patched(24, &[0; 8]);
    assert!(matches!(error, Error::SampleRate { sample_rate: 0, .. }), "{error}");
    for (offset, value) in [(22, 0u16), (32, 0)] {
        let error = patched(offset, &value.to_le_bytes());
        assert!(matches!(error, Error::Malformed { .. }), "{error}");
    }
    let error = patched(16, &u32::MAX.to_le_bytes());
    assert!(matches!(error, Error::Malformed { .. }), "{error}");
    let error = Waveform::from_bytes(&stereo()[..36]).unwrap_err();
    assert!(matches!(error, Error::Malformed { .. }), "{error}");
}

proptest! {
    #[test]
    fn sixteen_bit_samples_survive_exactly(samples in prop::collection::vec(any::<i16>(), 1..300)) {
        let bytes = wav(spec(1, 16, SampleFormat::Int), samples.iter().copied());
        let read = Waveform::from_bytes(&bytes).unwrap();
        let back: Vec<i16> = read.samples().iter().map(|x| (x * 32768.0) as i16).collect();
        prop_assert_eq!(back, samples);
    }
}

#[cfg(feature = "formats")]
#[test]
fn companded_samples_come_back_from_plain_and_extensible_headers() {
    let data: Vec<u8> = (0..=255).collect();
    for tag in [6, 7] {
        let [plain, extensible] =
            [false, true].map(|extensible| Waveform::from_bytes(&raw_wav(tag, 1, 8, 1, extensible, &data)).unwrap());
        assert_eq!(plain, extensible, "tag {tag}");
    }
}
