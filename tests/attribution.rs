//! The attribution map points at what decides, and at nothing where nothing is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::voice::{Speaker, speak};
use common::{CONFIG, model, trained, write_wav};
use ser_core::{Config, Corpus, Emotion, Recognizer, Waveform, train};
use std::f64::consts::TAU;
use std::path::Path;

const RATE: u32 = 16_000;

/// Noise of a second with a tone throughout, which tells nothing, and a burst from 0.4 to 0.7 s, whose pitch is the class.
fn burst(hertz: f64, seed: u64) -> Waveform {
    let mut state = seed;
    let samples = (0..RATE).map(|n| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let noise = (state >> 40) as f64 / f64::from(1 << 24) - 0.5;
        let time = f64::from(n) / f64::from(RATE);
        let tone = |hertz: f64| (TAU * hertz * time).sin();
        let burst = if (0.4..0.7).contains(&time) { 0.4 * tone(hertz) } else { 0.0 };
        (0.02 * noise + 0.2 * tone(1_500.0) + burst) as f32
    });
    Waveform::new(samples.collect(), RATE).unwrap()
}

/// How much the model listens to each stretch of 0.1 s and 250 Hz of the burst of a class, for or against.
fn listened(recognizer: &Recognizer, emotion: Emotion, hertz: f64) -> Vec<([f64; 2], f32)> {
    let attribution = recognizer.attribution(&burst(hertz, 999)).unwrap();
    assert_eq!(attribution.emotion, emotion);
    assert_eq!(attribution.weights.dim(), attribution.decibels.dim());
    let n_bins = attribution.weights.ncols() as f64;
    let place = |frame: usize, bin: usize| {
        let seconds = (frame * attribution.hop_length) as f64 / f64::from(RATE);
        [seconds, bin as f64 / n_bins * f64::from(RATE) / 2.0]
    };
    attribution.weights.indexed_iter().map(|((frame, bin), weight)| (place(frame, bin), *weight)).collect()
}

#[test]
fn the_model_listens_where_the_classes_differ() {
    let folder = tempfile::tempdir().unwrap();
    for speaker in 0..8 {
        for (emotion, hertz) in [("angry", 3_000.0), ("sad", 600.0)] {
            for take in 0..3 {
                let path = folder.path().join(format!("{emotion}/{speaker}/{take}.wav"));
                write_wav(Path::new(&path), &burst(hertz, 100 * speaker + 10 * take + hertz as u64 + 1));
            }
        }
    }
    let config: Config = CONFIG.parse().unwrap();
    let trained = train(&config, &Corpus::folder(folder.path()).unwrap(), |_| ()).unwrap();
    assert_eq!(trained.test_report().accuracy, 1.0, "the task is easy");
    let recognizer = Recognizer::from_bytes(trained.model()).unwrap();
    for (emotion, hertz) in [(Emotion::Angry, 3_000.0), (Emotion::Sad, 600.0)] {
        let weights = listened(&recognizer, emotion, hertz);
        let mean = |holds: &dyn Fn([f64; 2]) -> bool| {
            let own: Vec<f32> = weights.iter().filter(|(place, _)| holds(*place)).map(|(_, w)| w.abs()).collect();
            own.iter().sum::<f32>() / own.len() as f32
        };
        let in_burst = |seconds: f64| (0.4..0.7).contains(&seconds);
        let near = |at: f64| (at - hertz).abs() < 300.0;
        let tone = mean(&|[seconds, at]| in_burst(seconds) && near(at));
        let before_and_after = mean(&|[seconds, at]| !in_burst(seconds) && near(at));
        let other_bands = mean(&|[seconds, at]| in_burst(seconds) && !near(at));
        for (rest, elsewhere) in [(before_and_after, "before and after"), (other_bands, "in other bands")] {
            assert!(tone > 1.2 * rest, "{emotion}: {tone} in the burst, {rest} {elsewhere}");
        }
    }
}

#[test]
fn silence_weighs_nothing_and_the_voice_something() {
    let voice = speak(Speaker::numbered(3), Emotion::Angry, 9, 0.8);
    let samples = voice.samples().iter().copied().chain(std::iter::repeat_n(0.0, 8_000)).collect();
    let recognizer = Recognizer::from_bytes(model()).unwrap();
    let attribution = recognizer.attribution(&Waveform::new(samples, RATE).unwrap()).unwrap();
    let largest = |frames: std::ops::Range<usize>| {
        let of_frames = attribution.weights.rows().into_iter().skip(frames.start).take(frames.len());
        of_frames.flatten().fold(0.0, |largest: f32, weight| largest.max(weight.abs()))
    };
    let frame = |seconds: f64| (seconds * f64::from(RATE)) as usize / attribution.hop_length;
    // A cell of 0.1 s and half of a window of 64 ms after the voice ends; the inverse transform rounds in f32.
    assert!(largest(frame(1.0)..frame(1.3)) < 1e-3, "{}", largest(frame(1.0)..frame(1.3)));
    assert!(largest(0..frame(0.8)) > 0.05, "{}", largest(0..frame(0.8)));
}

#[test]
fn a_model_that_normalises_per_speaker_must_be_adapted_first() {
    let bytes = trained(&format!("{CONFIG}\n[normalizer]\nscope = \"speaker\""));
    let voice = speak(Speaker::numbered(3), Emotion::Angry, 9, 0.8);
    let recognizer = Recognizer::from_bytes(&bytes).unwrap();
    assert!(recognizer.attribution(&voice).unwrap_err().to_string().contains("adapt it first"));
    let adapted = recognizer.adapted_to(&[voice.clone().into()]).unwrap();
    assert_eq!(adapted.attribution(&voice).unwrap().emotion, adapted.recognize(&voice).unwrap().emotion());
}
