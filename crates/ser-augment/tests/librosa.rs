//! Time stretch and pitch shift are librosa's: compared with the arrays that `tests/assets/make_references.py` wrote.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use ndarray_npy::read_npy;
use ser_augment::PhaseVocoder;
use ser_augment::ndarray::Array1;

const SIGNALS: [&str; 5] = ["voice", "chirp", "bursts", "noise", "short"];

fn read(name: &str) -> Vec<f32> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/assets/{name}.npy"));
    read_npy::<_, Array1<f32>>(path).unwrap().to_vec()
}

/// Gives the largest difference relative to the peak of the input, over every fifth sample from number `from` on.
fn difference(ours: &[f32], reference: &[f32], signal: &[f32], from: usize) -> f32 {
    assert_eq!(ours.len().div_ceil(5), reference.len());
    let peak = signal.iter().fold(0.0_f32, |peak, x| peak.max(x.abs()));
    let differences = ours.iter().step_by(5).zip(reference).skip(from);
    differences.fold(0.0_f32, |max, (a, b)| max.max((a - b).abs())) / peak
}

#[test]
fn time_stretch_is_librosas() {
    let vocoder = PhaseVocoder::new();
    for name in SIGNALS {
        let signal = read(&format!("{name}.signal"));
        for rate in ["0.8", "1.37"] {
            let ours = vocoder.time_stretch(&signal, rate.parse().unwrap()).unwrap();
            let difference = difference(&ours, &read(&format!("{name}.stretch_{rate}")), &signal, 0);
            println!("{name}, rate {rate}: {difference:.1e} of the peak");
            // Phases that an f32 transform lost would be off by 1e-2 and more. What is left is f32 arithmetic after
            // the f64 transform, and the edges, where it is divided by a small sum of windows.
            assert!(difference < 2e-6, "{name}, rate {rate}: {difference:e} of the peak");
        }
    }
}

#[test]
fn pitch_shift_is_librosas() {
    let vocoder = PhaseVocoder::new();
    for name in SIGNALS {
        let signal = read(&format!("{name}.signal"));
        for semitones in ["0.7", "-3"] {
            let ours = vocoder.pitch_shift(&signal, semitones.parse().unwrap()).unwrap();
            let difference = difference(&ours, &read(&format!("{name}.pitch_{semitones}")), &signal, 0);
            println!("{name}, {semitones} semitones: {difference:.1e} of the peak");
            // Measured: 3.3e-5, of filters that were fitted. A delay of a hundredth of a sample would give 1e-2, and a
            // first sample that is interpolated with what rings before it 1e-2.
            assert!(difference < 1e-4, "{name}, {semitones} semitones: {difference:e} of the peak");
        }
    }
}

#[test]
fn a_pitch_that_is_not_shifted_is_not_filtered_and_what_is_short_ends_in_zeros() {
    let (vocoder, signal) = (PhaseVocoder::new(), read("noise.signal"));
    assert_eq!(vocoder.pitch_shift(&signal, 0.0).unwrap(), vocoder.time_stretch(&signal, 1.0).unwrap());
    // As librosa 0.11: 8,001 samples at half of the rate are 4,000 (half to even), and these 8,000; 8,002 at a quarter 2,000.
    for (n, semitones, zeros) in [(8_001, -12.0, 1), (8_002, -24.0, 2), (8_000, -12.0, 0)] {
        let noise: Vec<f32> = signal.iter().cycle().take(n).copied().collect();
        let shifted = vocoder.pitch_shift(&noise, semitones).unwrap();
        assert_eq!(shifted.iter().rev().take_while(|x| **x == 0.0).count(), zeros, "{n} samples by {semitones}");
    }
}

#[test]
fn wide_pitch_shifts_are_librosas() {
    let vocoder = PhaseVocoder::new();
    let signal = read("noise.signal");
    for (semitones, from) in [("-24", 1), ("-12", 0), ("5", 0), ("7.5", 0), ("12", 1), ("24", 1)] {
        let ours = vocoder.pitch_shift(&signal, semitones.parse().unwrap()).unwrap();
        let reference = read(&format!("noise.pitch_{semitones}"));
        let later = difference(&ours, &reference, &signal, from);
        let all = difference(&ours, &reference, &signal, 0);
        println!("{semitones} semitones: {later:.1e} of the peak, {all:.1e} with the first sample");
        // What is promised; measured: 7.5e-4.
        assert!(later < 1e-3, "{semitones} semitones: {later:e} of the peak");
        // Where soxr resamples by other filters, those have no samples before the very first one. Measured: 6.5e-3.
        assert!(all < 8e-3, "{semitones} semitones: {all:e} of the peak in the first sample");
    }
}

#[test]
fn waveforms_of_any_length_are_stretched_and_shifted() {
    let vocoder = PhaseVocoder::new();
    for len in [0_usize, 1, 2, 3, 511, 512, 513, 2047, 2049] {
        let signal: Vec<f32> = (0..len).map(|n| ((n * n) as f32 * 0.01).sin()).collect();
        for rate in [0.1, 0.8, 1.0, 3.0, 10.0] {
            let stretched = vocoder.time_stretch(&signal, rate).unwrap();
            // Python's rounding, and at least one sample of at least one.
            assert_eq!(stretched.len(), ((len as f64 / rate).round_ties_even() as usize).max(len.min(1)));
            assert!(stretched.iter().all(|x| x.is_finite()));
        }
        for semitones in [-24.0, -0.5, 0.0, 12.0, 24.0] {
            let shifted = vocoder.pitch_shift(&signal, semitones).unwrap();
            assert!(shifted.len() == len && shifted.iter().all(|x| x.is_finite()));
        }
    }
}

#[test]
fn a_stretch_by_one_returns_the_signal() {
    let signal = read("voice.signal");
    let stretched = PhaseVocoder::new().time_stretch(&signal, 1.0).unwrap();
    let difference = stretched.iter().zip(&signal).fold(0.0_f32, |max, (a, b)| max.max((a - b).abs()));
    assert!(difference < 2e-6, "{difference:e}");
}
