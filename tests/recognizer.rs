//! The recogniser as a library: any rate, any length, any level, many threads.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::voice::{Speaker, speak};
use ser_core::{Emotion, Prediction, Recognizer, Waveform};

const RATE: u32 = 16_000;

/// A buzz with a gliding pitch and a slow envelope.
fn buzz(seconds: f32, rate: u32) -> Waveform {
    let n = (seconds * rate as f32) as usize;
    let sample = |i: usize| {
        let t = i as f32 / rate as f32;
        let pitch = 900.0 + 250.0 * (1.3 * t).sin();
        let harmonics: f32 = (1..6).map(|k| (pitch * t * k as f32).sin() / k as f32).sum();
        0.2 * harmonics * (1.0 + (9.0 * t).sin()) * 0.5
    };
    Waveform::new((0..n).map(sample).collect(), rate).unwrap()
}

fn difference(a: &Prediction, b: &Prediction) -> f32 {
    let pairs = a.probabilities().iter().zip(b.probabilities());
    pairs.map(|((_, a), (_, b))| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn the_level_of_a_recording_does_not_matter() {
    let recognizer = Recognizer::pretrained().unwrap();
    let loud = buzz(2.0, RATE);
    let expected = recognizer.recognize(&loud).unwrap();
    for gain in [0.25, 0.01, 2.0] {
        let quiet = Waveform::new(loud.samples().iter().map(|x| gain * x).collect(), RATE).unwrap();
        // Rounding of the scaled samples only.
        assert!(difference(&recognizer.recognize(&quiet).unwrap(), &expected) < 1e-3, "gain {gain}");
    }
}

#[test]
fn a_long_recording_is_the_mean_of_its_windows() {
    let recognizer = Recognizer::pretrained().unwrap();
    let long = buzz(45.0, RATE);
    let middle = long.samples().len() / 2;
    let half = |samples: &[f32]| recognizer.recognize(&Waveform::new(samples.to_vec(), RATE).unwrap()).unwrap();
    let (first, second) = (half(&long.samples()[..middle]), half(&long.samples()[middle..]));
    let whole = recognizer.recognize(&long).unwrap();
    for (i, (_, p)) in whole.probabilities().iter().enumerate() {
        let mean = (first.probabilities()[i].1 + second.probabilities()[i].1) / 2.0;
        assert!((p - mean).abs() < 1e-6, "{p} and {mean}");
    }
}

#[test]
fn windows_without_sound_have_no_say() {
    let recognizer = Recognizer::pretrained().unwrap();
    let sound = buzz(20.0, RATE);
    let padded = Waveform::new([sound.samples(), &vec![0.0; 20 * RATE as usize]].concat(), RATE).unwrap();
    assert_eq!(recognizer.recognize(&padded).unwrap(), recognizer.recognize(&sound).unwrap());
    assert!(!recognizer.recognize(&Waveform::new(vec![0.0; 40 * RATE as usize], RATE).unwrap()).unwrap().accepted());
}

#[test]
fn an_offset_is_no_sound() {
    let recognizer = Recognizer::pretrained().unwrap();
    let voice = speak(Speaker::numbered(3), Emotion::Sad, 7, 1.0);
    let recording = [voice.samples(), &[0.0; 16_000], voice.samples()].concat();
    let with = |offset: f32| {
        let samples = recording.iter().map(|x| 0.5 * x + offset).collect();
        recognizer.timeline(&Waveform::new(samples, 16_000).unwrap(), 1.0).unwrap()
    };
    let (plain, moved) = (with(0.0), with(0.02));
    for (plain, moved) in plain.iter().zip(&moved) {
        assert_eq!(plain.speech, moved.speech);
        assert_eq!(plain.prediction.accepted(), moved.prediction.accepted());
        let pairs = plain.prediction.probabilities().iter().zip(moved.prediction.probabilities());
        // Adding an offset rounds the samples, which moves these by .002; left in, it moves them by .03.
        assert!(pairs.into_iter().all(|((_, p), (_, q))| (p - q).abs() < 5e-3), "{plain:?} {moved:?}");
    }
    assert!(!plain[1].speech);
    // Resampled with its offset, each end would be a click, which moves these by .016.
    let at_48_khz = voice.clone().resample(48_000).unwrap();
    let with = |offset: f32| {
        let samples = at_48_khz.samples().iter().map(|x| 0.5 * x + offset).collect();
        recognizer.recognize(&Waveform::new(samples, 48_000).unwrap()).unwrap()
    };
    let (plain, moved) = (with(0.0), with(0.2));
    let pairs = plain.probabilities().iter().zip(moved.probabilities());
    assert!(pairs.into_iter().all(|((_, p), (_, q))| (p - q).abs() < 5e-3), "{plain:?} {moved:?}");
    let constant = Waveform::new(vec![0.5; 16_000], 16_000).unwrap();
    assert!(!recognizer.recognize(&constant).unwrap().accepted());
}

#[test]
fn a_timeline_tiles_the_recording() {
    let recognizer = Recognizer::pretrained().unwrap();
    let mut samples = buzz(2.0, RATE).into_samples();
    samples.extend(vec![0.0; RATE as usize]);
    samples.extend(buzz(0.7, RATE).into_samples());
    let timeline = recognizer.timeline(&Waveform::new(samples, RATE).unwrap(), 1.0).unwrap();
    let bounds: Vec<(f64, f64, bool)> = timeline.iter().map(|s| (s.start, s.end, s.speech)).collect();
    assert_eq!(bounds, [(0.0, 1.0, true), (1.0, 2.0, true), (2.0, 3.0, false), (3.0, 3.7, true)]);
    for seconds in [0.0, 0.1, 31.0, f64::NAN] {
        let error = recognizer.timeline(&buzz(1.0, RATE), seconds).unwrap_err();
        assert!(error.to_string().contains("0.25 to 30 s"), "{error}");
    }
}

#[test]
fn what_cannot_hold_an_emotion_is_not_accepted() {
    let recognizer = Recognizer::pretrained().unwrap();
    let accepted = |waveform: Waveform| recognizer.recognize(&waveform).unwrap().accepted();
    assert!(accepted(buzz(1.0, RATE)));
    assert!(accepted(buzz(1.0, 44_100)));
    assert!(!accepted(buzz(0.02, RATE)));
    assert!(!accepted(Waveform::new(vec![0.0; RATE as usize], RATE).unwrap()));
    // The limit is a peak of -80 dBFS, whatever the offset.
    let alternating = |peak: f32, offset: f32| {
        let samples = (0..RATE).map(|n| offset + if n % 2 == 0 { peak } else { -peak }).collect();
        Waveform::new(samples, RATE).unwrap()
    };
    for offset in [0.0, 0.01] {
        assert!(!accepted(alternating(0.8e-4, offset)));
        assert!(accepted(alternating(1.2e-4, offset)));
    }
}

#[test]
fn one_recogniser_serves_many_threads() {
    let recognizer = Recognizer::pretrained().unwrap();
    let waveform = buzz(1.5, RATE);
    let expected = recognizer.recognize(&waveform).unwrap();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| recognizer.recognize(&waveform).unwrap())).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), expected);
        }
    });
}

#[test]
fn an_empty_or_unreadable_input_is_an_error() {
    let recognizer = Recognizer::pretrained().unwrap();
    assert!(recognizer.recognize(&Waveform::new(Vec::new(), RATE).unwrap()).is_err());
    assert!(recognizer.recognize(&buzz(1.0, 2_000)).is_err());
    let error = recognizer.recognize_file("no/such/file.wav").unwrap_err();
    assert!(error.to_string().contains("no/such/file.wav"), "{error}");
    assert!(!error.is_unsupported_format() && !error.is_leak() && !error.is_too_short() && !error.is_not_adapted());
}
