//! Adaptation to a voice by recordings without labels: what it changes, how it is declared, kept and refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::voice::{Speaker, speak};
use common::{CONFIG, EMOTIONS, Outcome, example, file, trained, write_ravdess};
use ser_core::audio::{WavFormat, Waveform};
use ser_core::{Adaptation, Corpus, Emotion, Part, Recognizer, Recording, evaluate};
use std::fs;
use std::path::Path;
use tempfile::tempdir;

/// Three emotions of one voice.
fn voices() -> Vec<Recording> {
    let voice = |(number, emotion)| speak(Speaker::numbered(12), emotion, number, 1.0).into();
    [(1, Emotion::Angry), (2, Emotion::Neutral), (3, Emotion::Sad)].map(voice).to_vec()
}

fn model() -> Recognizer {
    Recognizer::from_bytes(common::model()).unwrap()
}

#[test]
fn what_the_model_leans_to_is_found_less_and_every_result_says_so() {
    let (recognizer, voices) = (model(), voices());
    let adapted = recognizer.adapted_to(&voices).unwrap();
    assert_eq!(adapted.adaptation().unwrap().recordings(), 3);
    let of = |recognizer: &Recognizer| -> Vec<_> {
        voices.iter().map(|voice| recognizer.recognize_recording(voice).unwrap()).collect()
    };
    let (before, after) = (of(&recognizer), of(&adapted));
    assert!(before.iter().all(|prediction| !prediction.is_adapted()));
    assert!(after.iter().all(|prediction| prediction.is_adapted()));
    // The geometric mean, which the shift is taken from, comes nearer to equal probabilities.
    // No probability of the model counts as less than the floor.
    let spread = |predictions: &[ser_core::Prediction], floor: f32| {
        let mean = |class: usize| predictions.iter().map(|p| p.probabilities()[class].1.max(floor).ln()).sum::<f32>();
        let means = [0, 1, 2].map(mean);
        means.into_iter().fold(f32::MIN, f32::max) - means.into_iter().fold(f32::MAX, f32::min)
    };
    // 3 recordings against 10 of caution.
    let expected = spread(&before, 1e-6) * 10.0 / 13.0;
    let after = spread(&after, 0.0);
    assert!((after - expected).abs() < 1e-3 * expected, "{after} {expected}");
    assert!(recognizer.adaptation().is_none(), "the model itself is what it was");
}

#[test]
fn recordings_without_sound_teach_nothing() {
    let recognizer = model();
    let silence: Recording = Waveform::new(vec![0.0; 16_000], 16_000).unwrap().into();
    let error = recognizer.adapted_to([&silence]).unwrap_err().to_string();
    assert!(error.contains("not silent and lasts 0.25 s"), "{error}");
    let voices = voices();
    let with_silence = recognizer.adapted_to(voices.iter().chain([&silence])).unwrap();
    assert_eq!(with_silence.adaptation(), recognizer.adapted_to(&voices).unwrap().adaptation());
}

#[test]
fn recordings_too_short_for_the_features_are_left_out() {
    let config = format!(
        "{CONFIG}\n[features]\ndeltas = [{{ width = 31 }}]\nfeatures = ['rms']\n[normalizer]\nutterance_mean = 'keep'"
    );
    let recognizer = Recognizer::from_bytes(&trained(&config)).unwrap();
    let tone = |n: usize| -> Recording {
        Waveform::new((0..n).map(|i| 0.3 * (i as f32 * 0.1).sin()).collect(), 16_000).unwrap().into()
    };
    let (empty, short) = (tone(0), tone(4_400));
    let error = recognizer.adapted_to([&empty, &short]).unwrap_err().to_string();
    assert!(error.contains("not silent and lasts 0.25 s"), "{error}");
    let voices = voices();
    let adapted = recognizer.adapted_to(voices.iter().chain([&empty, &short])).unwrap();
    assert_eq!(adapted.adaptation(), recognizer.adapted_to(&voices).unwrap().adaptation());
}

#[test]
fn recognize_keeps_an_adaptation_and_takes_it_up_again() {
    let folder = tempdir().unwrap();
    let model = file(folder.path(), "model.safetensors", common::model());
    let mut paths = Vec::new();
    for (number, voice) in voices().into_iter().enumerate() {
        let Recording::Audio(waveform) = voice else { unreachable!() };
        paths.push(folder.path().join(format!("{number}.wav")));
        waveform.write_wav(&paths[number], WavFormat::Int16).unwrap();
    }
    let saved = folder.path().join("voice.json");
    let recognize = |arguments: &[&Path]| {
        Outcome::of(example("recognize").arg("--model").arg(&model).args(arguments).arg(&paths[0]))
    };
    let [json, adapt, save] = ["--json", "--adapt", "--save-adaptation"].map(Path::new);
    let first = recognize(&[json, adapt, &paths[0], adapt, &paths[1], save, &saved]).success();
    let again = recognize(&[json, adapt, &saved]).success();
    assert_eq!(first.stdout, again.stdout);
    assert_eq!(first.json_lines()[0]["adapted"], true);
    assert!(recognize(&[adapt, &saved]).success().stdout.contains(" % (adapted)\n"));
    assert!(!recognize(&[]).success().stdout.contains("(adapted)"));
    let (size, text) = (fs::metadata(&saved).unwrap().len(), fs::read_to_string(&saved).unwrap());
    assert!(size < 1000 && !text.contains("wav"), "{text}");

    // A recording is not written over.
    let outcome = recognize(&[adapt, &paths[0], save, &paths[1]]);
    assert!(outcome.only_error().contains("1.wav is no adaptation"), "{outcome:?}");
    let settings = file(folder.path(), "settings.json", r#"{"my":"settings"}"#);
    let outcome = recognize(&[adapt, &paths[0], save, &settings]);
    assert!(outcome.only_error().contains("settings.json is no adaptation"), "{outcome:?}");
    assert_eq!(fs::read_to_string(&settings).unwrap(), r#"{"my":"settings"}"#);

    // Another model, and what is no adaptation.
    let other = trained(&CONFIG.replace("seed = 5", "seed = 9"));
    let other = Recognizer::from_bytes(&other).unwrap();
    let error = other.with_adaptation(Adaptation::from_file(&saved).unwrap()).unwrap_err().to_string();
    assert!(error.contains("another model file"), "{error}");
    let mut changed: serde_json::Value = serde_json::from_str(&text).unwrap();
    changed["prior_shift"][0] = 1000.0.into();
    fs::write(&saved, changed.to_string()).unwrap();
    let outcome = recognize(&[adapt, &saved]);
    assert!(outcome.only_error().contains("or was changed"), "{outcome:?}");

    // Under any name, but by itself.
    let renamed = folder.path().join("voice.txt");
    fs::write(&renamed, &text).unwrap();
    assert_eq!(recognize(&[json, adapt, &renamed]).success().stdout, again.stdout);
    let outcome = recognize(&[adapt, &renamed, adapt, &paths[0]]);
    assert!(outcome.only_error().contains("stands alone"), "{outcome:?}");
    fs::write(&saved, &text[..text.len() / 2]).unwrap();
    let outcome = recognize(&[adapt, &saved]);
    let line = outcome.only_error();
    assert!(line.contains("voice.json"), "{line}");
}

#[test]
fn evaluate_scores_what_adaptation_gives() {
    let folder = tempdir().unwrap();
    write_ravdess(folder.path(), 11..=12, &EMOTIONS);
    let (recognizer, corpus) = (model(), Corpus::ravdess(folder.path()).unwrap());
    let evaluation = evaluate(&recognizer, &corpus, Part::All, |_| ()).unwrap();
    let (mut correct, mut all) = (0, 0);
    for speaker in ["11", "12"] {
        let own = || corpus.utterances().iter().filter(|clip| clip.speaker.as_deref() == Some(speaker));
        let recordings: Vec<_> = own().map(|clip| Recording::from_file(&clip.path).unwrap()).collect();
        let adapted = recognizer.adapted_to(&recordings).unwrap();
        for (clip, recording) in own().zip(&recordings) {
            all += 1;
            correct += usize::from(adapted.recognize_recording(recording).unwrap().emotion() == clip.emotion);
        }
    }
    let scores = evaluation.adapted().unwrap();
    assert_eq!(scores.accuracy, f64::from(correct as u32) / f64::from(all as u32));
    assert!(scores.to_string().starts_with("adapted to each speaker by the same clips, without their labels"));
}
