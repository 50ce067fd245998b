//! Normalisation by speaker, by utterance and by other statistics: trained, scored and declared, and used again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::voice::{Speaker, speak};
use common::{CONFIG, Csv, EMOTIONS, Outcome, example, file, trained, write_folders, write_ravdess};
use ser_core::audio::WavFormat;
use ser_core::metrics::{Probabilities, Temperature};
use ser_core::{Config, Corpus, Emotion, Recognizer, Recording, Waveform, train};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tempfile::tempdir;

const NOTE: &str =
    "; normalised per speaker: a speaker's own recordings (unlabelled) set the mean and deviation and shift the prior";

/// A corpus of nine actors and what `train` made of it with the scope `speaker`, once for all tests here.
struct Run {
    corpus: PathBuf,
    out: PathBuf,
    stdout: String,
}

static RUN: LazyLock<Run> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("per_speaker");
    let _ = fs::remove_dir_all(&folder);
    let (corpus, out) = (folder.join("corpus"), folder.join("out"));
    write_ravdess(&corpus, 1..=9, &EMOTIONS);
    let config = file(&folder, "config.toml", format!("{CONFIG}\n[normalizer]\nscope = \"speaker\""));
    let mut train = example("train");
    train.arg("--config").arg(config).arg("--corpus").arg(format!("ravdess={}", corpus.display()));
    let outcome = Outcome::of(train.arg("--out").arg(&out)).success();
    Run { corpus, out, stdout: outcome.stdout }
});

impl Run {
    fn model(&self) -> PathBuf {
        self.out.join("model.safetensors")
    }

    fn predictions(&self) -> Csv {
        Csv::read(&self.out.join("predictions.csv")).only("part", "test")
    }

    fn report(&self) -> Value {
        serde_json::from_slice(&fs::read(self.out.join("report.json")).unwrap()).unwrap()
    }
}

fn recognize(model: &Path, arguments: &[&Path]) -> Outcome {
    Outcome::of(example("recognize").arg("--json").arg("--model").arg(model).args(arguments))
}

fn evaluate(corpus: String) -> Outcome {
    Outcome::of(example("evaluate").arg("--json").arg("--model").arg(RUN.model()).arg("--corpus").arg(corpus))
}

#[test]
fn every_result_declares_it() {
    let report = RUN.report();
    assert_eq!(report["guard"], format!("speakers disjoint, sentences shared{NOTE}"));
    assert_eq!(report["config"]["normalizer"]["scope"], "speaker");
    let scope = format!("6 clips of 1 named speakers; speakers disjoint from training and validation{NOTE}");
    assert_eq!(report["test"]["scope"], scope);
    assert!(RUN.stdout.contains(&format!("{scope}; unweighted average recall ")), "{}", RUN.stdout);
    let recognizer = Recognizer::from_file(RUN.model()).unwrap();
    assert!(recognizer.manifest().provenance.guard.ends_with(NOTE));
    let error = recognizer.recognize(&Waveform::new(vec![0.1; 16_000], 16_000).unwrap()).unwrap_err();
    assert!(error.is_not_adapted(), "{error}");
}

#[test]
fn evaluate_repeats_the_numbers_of_train_and_takes_one_speaker_at_a_time() {
    // With other speakers beside those of the test part.
    let others = tempdir().unwrap();
    write_folders(others.path(), &["ann", "ben"], &EMOTIONS);
    let corpora = [format!("ravdess={}", RUN.corpus.display()), format!("folder={}", others.path().display())];
    let out = tempdir().unwrap();
    let mut command = example("evaluate");
    command.arg("--model").arg(RUN.model()).arg("--out").arg(out.path());
    command.arg("--corpus").arg(&corpora[0]).arg("--corpus").arg(&corpora[1]);
    Outcome::of(&mut command).success();

    let (all, trained) = (Csv::read(&out.path().join("predictions.csv")), RUN.predictions());
    assert_eq!((all.rows.len(), trained.rows.len()), (6 + 6, 6));
    assert!(trained.rows.iter().all(|row| all.rows.contains(row)));
    // In the order of the corpus, not of the speakers.
    let paths = all.column("path");
    let folders: Vec<_> = paths.iter().filter(|path| path.starts_with(others.path().to_str().unwrap())).collect();
    assert!(folders[..2].iter().all(|path| path.contains("angry")), "{folders:?}");
}

#[test]
fn a_model_adapted_to_a_speaker_gives_the_predictions_of_that_speaker() {
    let predictions = RUN.predictions();
    let paths = predictions.column("path");
    let mut arguments: Vec<&Path> = paths.iter().flat_map(|path| [Path::new("--adapt"), Path::new(path)]).collect();
    arguments.extend(paths.iter().map(Path::new));
    let lines = recognize(&RUN.model(), &arguments).success().json_lines();
    assert_eq!(lines.len(), paths.len());
    for (row, line) in lines.iter().enumerate() {
        assert_eq!(line["adapted"], true);
        assert_eq!(line["emotion"], predictions.column("prediction")[row]);
        for emotion in ["angry", "neutral", "sad"] {
            let expected: f32 = predictions.column(&format!("p_{emotion}"))[row].parse().unwrap();
            assert_eq!(line["probabilities"][emotion].as_f64().unwrap() as f32, expected);
        }
    }

    // The same by the library; one recording alone sets other statistics.
    let recognizer = Recognizer::from_file(RUN.model()).unwrap();
    let recordings: Vec<_> = paths.iter().map(|path| Recording::from_file(path).unwrap()).collect();
    let [all, one] = [&recordings[..], &recordings[..1]].map(|some| recognizer.adapted_to(some).unwrap());
    assert!(recognizer.adaptation().is_none() && all.adaptation().unwrap().recordings() == paths.len());
    let [all, one] = [all, one].map(|recognizer| recognizer.recognize_file(paths[0]).unwrap());
    assert_eq!(all.confidence(), lines[0]["confidence"].as_f64().unwrap() as f32);
    assert_ne!(all, one);
}

#[test]
fn temperature_and_threshold_are_fitted_to_what_the_adapted_model_answers() {
    let folder = tempdir().unwrap();
    write_ravdess(folder.path(), 1..=12, &EMOTIONS);
    let config = CONFIG.replace("max_epochs = 8", "max_epochs = 3");
    let config: Config =
        format!("{config}\n[normalizer]\nscope = 'speaker'\n[reject]\naccuracy = 0.9").parse().unwrap();
    let trained = train(&config, &Corpus::ravdess(folder.path()).unwrap(), |_| ()).unwrap();
    let (recognizer, valid) = (Recognizer::from_bytes(trained.model()).unwrap(), trained.validation());
    let speakers: BTreeSet<_> = valid.iter().map(|clip| &clip.speaker).collect();
    let mut accepted = 0;
    for speaker in speakers {
        let own: Vec<_> = valid.iter().filter(|clip| clip.speaker == *speaker).collect();
        let recordings: Vec<_> = own.iter().map(|clip| Recording::from_file(&clip.path).unwrap()).collect();
        let adapted = recognizer.adapted_to(&recordings).unwrap();
        for (clip, recording) in own.iter().zip(&recordings) {
            let answer = adapted.recognize_recording(recording).unwrap();
            accepted += usize::from(answer.accepted());
            // The recogniser divides by the temperature in f32, with logits below 20.
            let near = |((_, p), stored): (&(Emotion, f32), &f32)| (p - stored).abs() < 1e-5;
            assert!(answer.probabilities().iter().zip(&clip.probabilities).all(near), "{answer:?} {clip:?}");
        }
    }
    let class = |emotion| recognizer.emotions().iter().position(|own| *own == emotion).unwrap();
    let logarithms = valid.iter().map(|clip| {
        let logarithms: Vec<f32> = clip.probabilities.iter().map(|p| p.ln()).collect();
        (class(clip.truth), logarithms)
    });
    let left = Temperature::fit(3, logarithms).unwrap().value();
    assert!((left - 1.0).abs() < 1e-3, "{left}");
    assert!((recognizer.manifest().calibration.temperature - 1.0).abs() > 0.05);
    let answers = valid.iter().map(|clip| (class(clip.truth), &clip.probabilities));
    let wished = Probabilities::new(3, answers).unwrap().risk_coverage().threshold_for_accuracy(0.9).unwrap();
    assert_eq!(accepted, wished.accepted);
    assert!(wished.coverage < 1.0, "{wished:?} shows nothing");
}

#[test]
fn a_timeline_is_normalised_like_the_whole() {
    let recognizer = Recognizer::from_file(RUN.model()).unwrap();
    let voice = speak(Speaker::numbered(12), Emotion::Sad, 5, 2.0);
    assert!(recognizer.timeline(&voice, 1.0).unwrap_err().to_string().contains("--adapt FILE"));
    let adapted = recognizer.adapted_to(&[voice.clone().into()]).unwrap();
    assert_eq!(adapted.timeline(&voice, 1.0).unwrap().len(), 2);
    // One stretch of the whole length is the whole.
    assert_eq!(adapted.timeline(&voice, 2.0).unwrap()[0].prediction, adapted.recognize(&voice).unwrap());
}

#[test]
fn without_recordings_of_the_speaker_there_is_no_result_but_the_fix() {
    let clip = RUN.predictions().column("path")[0].to_owned();
    let outcome = recognize(&RUN.model(), &[Path::new(&clip)]);
    let line = outcome.only_error();
    assert!(line.contains(&clip) && line.contains("adapt it first (adapted_to, recognize --adapt FILE)"), "{line}");
}

#[test]
fn a_speaker_of_one_clip_is_scored_and_one_of_silence_is_left_out_by_name() {
    let folder = tempdir().unwrap();
    write_folders(folder.path(), &["ann"], &[Emotion::Sad]);
    let silent = folder.path().join("angry/mute/a.wav");
    fs::create_dir_all(silent.parent().unwrap()).unwrap();
    Waveform::new(vec![0.0; 16000], 16000).unwrap().write_wav(&silent, WavFormat::Int16).unwrap();
    let outcome = evaluate(format!("folder={}", folder.path().display()));
    assert!(outcome.stderr.contains("angry/mute/a.wav: there is nothing to adapt to"), "{}", outcome.stderr);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!((&report["left_out"]["unreadable"], &report["report"]["macro_avg"]["support"]), (&json!(1), &json!(1)));
}

#[test]
fn clips_without_a_speaker_are_refused_with_the_fix() {
    let folder = tempdir().unwrap();
    write_folders(folder.path(), &["."], &EMOTIONS);
    let outcome = evaluate(format!("folder={}", folder.path().display()));
    let line = outcome.only_error();
    assert!(line.contains("3 clips have no speaker") && line.contains("EMOTION/SPEAKER/"), "{line}");
    assert!(line.contains("angry/./a.wav") || line.contains("angry/a.wav"), "{line}");
}

#[test]
fn what_cannot_be_adapted_to_is_refused() {
    let clip = RUN.predictions().column("path")[0].to_owned();
    let missing = Path::new("no/such/file.wav");
    let outcome = recognize(&RUN.model(), &[Path::new("--adapt"), missing, Path::new(&clip)]);
    assert!(outcome.only_error().contains("no/such/file.wav"), "{outcome:?}");
    let recognizer = Recognizer::from_file(RUN.model()).unwrap();
    let error = recognizer.adapted_to(&[]).unwrap_err().to_string();
    assert!(error.contains("nothing to adapt to"), "{error}");
}

#[test]
fn other_scopes_and_methods_are_trained_and_used_without_a_speaker() {
    let voice = speak(Speaker::numbered(12), Emotion::Sad, 5, 1.0);
    let config = CONFIG.replace("max_epochs = 8", "max_epochs = 1");
    for normalizer in [
        "scope = 'utterance'",
        "scope = 'utterance'\nmethod = 'robust'",
        "method = 'min-max'",
        "method = 'robust'",
        "method = 'none'",
    ] {
        let recognizer = Recognizer::from_bytes(&trained(&format!("{config}\n[normalizer]\n{normalizer}"))).unwrap();
        let prediction = recognizer.recognize(&voice).unwrap();
        assert!(prediction.confidence() >= 1.0 / 3.0, "{normalizer}: {prediction:?}");
        assert_eq!(recognizer.manifest().provenance.guard, "speakers disjoint, sentences shared", "{normalizer}");
    }
    let robust = trained(&format!("{config}\n[normalizer]\nscope = 'speaker'\nmethod = 'robust'"));
    let guard = &Recognizer::from_bytes(&robust).unwrap().manifest().provenance.guard.clone();
    assert!(guard.ends_with("set the median and interquartile range and shift the prior"), "{guard}");
}

#[test]
fn a_tested_corpus_without_speakers_is_refused_before_training() {
    let (folder, nameless) = (tempdir().unwrap(), tempdir().unwrap());
    write_ravdess(folder.path(), 1..=6, &EMOTIONS);
    for emotion in ["angry", "sad"] {
        let folder = nameless.path().join(emotion);
        fs::create_dir_all(&folder).unwrap();
        common::write_wav(&folder.join("clip.wav"), &Waveform::new(vec![0.1; 16_000], 16_000).unwrap());
    }
    let [one, other] = [Corpus::ravdess(folder.path()).unwrap(), Corpus::folder(nameless.path()).unwrap()];
    let config = format!("{CONFIG}\n[normalizer]\nscope = 'speaker'\n[split]\nprotocol = 'corpora'\nfold = 1");
    let mut epochs = 0;
    let error = train(&config.parse().unwrap(), &one.merge(other), |_| epochs += 1).unwrap_err();
    assert!(error.to_string().contains("EMOTION/SPEAKER/ folders"), "{error}");
    assert_eq!(epochs, 0);
}
