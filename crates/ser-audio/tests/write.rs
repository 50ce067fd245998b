//! WAV out: what was written reads back, and half a file is never seen.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use ser_audio::{Error, WavFormat, Waveform};

fn waveform(samples: Vec<f32>) -> Waveform {
    Waveform::new(samples, 22_050).unwrap()
}

#[test]
fn floats_come_back_to_the_bit_beyond_full_scale() {
    let samples = vec![0.1, -1.75, f32::MIN_POSITIVE, 1e30, -0.0];
    let bytes = waveform(samples.clone()).to_wav(WavFormat::Float32).unwrap();
    let back = Waveform::from_bytes(&bytes).unwrap();
    assert_eq!(back.samples(), samples);
    assert_eq!(back.sample_rate(), 22_050);
}

#[test]
fn what_is_beyond_full_scale_is_clipped_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("loud.wav");
    for (format, step) in [(WavFormat::Int16, 2f32.powi(-15)), (WavFormat::Int24, 2f32.powi(-23))] {
        let loud = waveform(vec![0.5, 1.0, -1.0, 1.01, -7.5, 3e38]);
        assert_eq!(loud.write_wav(&path, format).unwrap(), 3);
        let back = Waveform::from_file(&path).unwrap();
        assert_eq!(back.samples(), [0.5, 1.0 - step, -1.0, 1.0 - step, -1.0, 1.0 - step]);
    }
}

#[test]
fn an_older_file_is_replaced_and_nothing_else_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("speech.wav");
    std::fs::write(&path, "old").unwrap();
    waveform(vec![0.25, -0.5]).write_wav(&path, WavFormat::Int16).unwrap();
    assert_eq!(Waveform::from_file(&path).unwrap().samples(), [0.25, -0.5]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_failure_names_the_file_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("speech.wav");
    // A folder of that name cannot be replaced by a file.
    std::fs::create_dir(&path).unwrap();
    for path in [path.clone(), folder.path().join("missing/speech.wav")] {
        let error = waveform(vec![0.5]).write_wav(&path, WavFormat::Int16).unwrap_err();
        assert!(matches!(error, Error::Write { .. }), "{error}");
        assert!(error.to_string().contains("speech.wav"), "{error}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn samples_between_two_integers_go_to_the_nearer_and_halves_away_from_zero() {
    let below = |x: f32| f32::from_bits(x.to_bits() - 1);
    let cases =
        [(0.5, 1.0), (-0.5, -1.0), (below(0.5), 0.0), (below(2.5), 2.0), (2.5, 3.0), (-77.25, -77.0), (1e-30, 0.0)];
    for (format, full_scale) in [(WavFormat::Int16, 2f32.powi(15)), (WavFormat::Int24, 2f32.powi(23))] {
        let bytes = waveform(cases.iter().map(|(x, _)| x / full_scale).collect()).to_wav(format).unwrap();
        let back = Waveform::from_bytes(&bytes).unwrap();
        let expected: Vec<f32> = cases.iter().map(|(_, x)| x / full_scale).collect();
        assert_eq!(back.samples(), expected);
    }
}

proptest! {
    #[test]
    fn integers_come_back_exactly(samples in prop::collection::vec(-8_388_608..8_388_608_i32, 1..300)) {
        for (format, bits) in [(WavFormat::Int16, 16), (WavFormat::Int24, 24)] {
            let full_scale = 2f32.powi(bits - 1);
            let samples: Vec<f32> = samples.iter().map(|&x| (x >> (24 - bits)) as f32 / full_scale).collect();
            let bytes = waveform(samples.clone()).to_wav(format).unwrap();
            let back = Waveform::from_bytes(&bytes).unwrap();
            prop_assert_eq!(back.samples(), samples);
        }
    }
}
