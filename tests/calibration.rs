//! The temperature and the threshold are fitted on the validation part, stored in the model file and obeyed; and every
//! number of `report.json` follows from `predictions.csv`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::voice::{Speaker, speak};
use common::{CONFIG, Csv, EMOTIONS, ModelFile, Outcome, example, file, model, trained, write_ravdess, write_wav};
use ser_core::metrics::{
    BootstrapOptions, ConfusionMatrix, GroupScores, Interval, Probabilities, Reliability, Temperature, Units, bootstrap,
};
use ser_core::{Config, Corpus, Emotion, Prediction, Recognizer, Waveform, train};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use tempfile::tempdir;

/// The classes of the tests' models, in order.
const CLASSES: [&str; 3] = ["angry", "neutral", "sad"];

/// What `train` wrote for twelve actors and a model that rejects.
struct Run {
    report: Value,
    model: Vec<u8>,
    test: Csv,
    valid: Csv,
}

static RUN: LazyLock<Run> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("calibration");
    let _ = fs::remove_dir_all(&folder);
    let (corpus, out) = (folder.join("corpus"), folder.join("out"));
    write_ravdess(&corpus, 1..=12, &EMOTIONS);
    let config = CONFIG.replace("max_epochs = 8", "max_epochs = 3");
    let config = file(&folder, "config.toml", format!("{config}\n[reject]\naccuracy = 0.9"));
    let mut train = example("train");
    train.arg("--config").arg(config).arg("--corpus").arg(format!("ravdess={}", corpus.display()));
    Outcome::of(train.arg("--out").arg(&out)).success();
    let predictions = || Csv::read(&out.join("predictions.csv"));
    Run {
        report: serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap(),
        model: fs::read(out.join("model.safetensors")).unwrap(),
        test: predictions().only("part", "test"),
        valid: predictions().only("part", "valid"),
    }
});

fn class(name: &str) -> usize {
    CLASSES.iter().position(|class| *class == name).unwrap()
}

/// The true class and the probabilities of each row.
fn rows(predictions: &Csv) -> Vec<(usize, Vec<f64>)> {
    let columns = CLASSES.map(|name| predictions.column(&format!("p_{name}")));
    // As f32, which they are: the shortest decimals of an f32 are another f64.
    let number = |text: &str| f64::from(text.parse::<f32>().unwrap());
    let probabilities = |row: usize| columns.iter().map(|column| number(column[row])).collect();
    let truths = predictions.column("truth").into_iter().enumerate();
    truths.map(|(row, truth)| (class(truth), probabilities(row))).collect()
}

fn logarithms(rows: &[(usize, Vec<f64>)]) -> Vec<(usize, Vec<f64>)> {
    rows.iter().map(|(truth, row)| (*truth, row.iter().map(|p| p.ln()).collect())).collect()
}

fn probabilities(prediction: &Prediction) -> Vec<f64> {
    prediction.probabilities().iter().map(|(_, p)| f64::from(*p)).collect()
}

#[test]
fn the_temperature_is_the_best_one_for_the_validation_part() {
    // Their probabilities are those after the temperature, so what is left to fit is 1. They are rounded to f32.
    let left = Temperature::fit(3, logarithms(&rows(&RUN.valid))).unwrap().value();
    assert!((left - 1.0).abs() < 1e-3, "{left}");
    let temperature = RUN.report["calibration"]["temperature"].as_f64().unwrap();
    assert!((temperature - 1.0).abs() > 0.05, "{temperature} shows nothing");
    // Another part has another best temperature.
    let of_test = Temperature::fit(3, logarithms(&rows(&RUN.test))).unwrap().value();
    assert!((of_test - 1.0).abs() > 1e-2, "{of_test}");
    assert_eq!(RUN.report["calibration"], ModelFile::parse(&RUN.model).manifest()["calibration"]);
}

#[test]
fn another_temperature_changes_the_probabilities_and_not_the_emotion() {
    let voice = speak(Speaker::numbered(14), Emotion::Sad, 5, 1.0);
    let at = |temperature: f64| {
        let file = ModelFile::parse(model()).with("/calibration/temperature", temperature);
        Recognizer::from_bytes(&file.to_bytes()).unwrap().recognize(&voice).unwrap()
    };
    let (one, three) = (at(1.0), at(3.0));
    assert_eq!(one.emotion(), three.emotion());
    let powers: Vec<f64> = probabilities(&one).iter().map(|p| p.powf(1.0 / 3.0)).collect();
    let sum: f64 = powers.iter().sum();
    // f32 logits below 10, so exponentials with relative errors of 10 · 2^-24.
    assert!(probabilities(&three).iter().zip(&powers).all(|(p, power)| (p - power / sum).abs() < 2e-6), "{three:?}");
    assert!(three.confidence() < one.confidence());
}

#[test]
fn a_prediction_below_the_threshold_is_not_accepted() {
    let voice = speak(Speaker::numbered(14), Emotion::Sad, 5, 1.0);
    let confidence = Recognizer::from_bytes(model()).unwrap().recognize(&voice).unwrap().confidence();
    let with = |threshold: f32| {
        let file = ModelFile::parse(model()).with("/calibration/threshold", f64::from(threshold));
        Recognizer::from_bytes(&file.to_bytes()).unwrap()
    };
    for (threshold, accepted) in [(confidence - 1e-3, true), (confidence, true), (confidence + 1e-3, false)] {
        let prediction = with(threshold).recognize(&voice).unwrap();
        assert_eq!((prediction.accepted(), prediction.confidence()), (accepted, confidence), "{threshold}");
    }
    let segments = with(confidence + 1e-3).timeline(&voice, 2.0).unwrap();
    assert!(!segments[0].prediction.accepted());
}

#[test]
fn the_mean_of_windows_that_are_sure_is_a_probability() {
    let sure = ModelFile::parse(model()).with("/calibration/temperature", 1e-4).to_bytes();
    let voice = speak(Speaker::numbered(14), Emotion::Sad, 5, 1.0);
    let long = Waveform::new(voice.samples().repeat(300), voice.sample_rate()).unwrap();
    let prediction = Recognizer::from_bytes(&sure).unwrap().recognize(&long).unwrap();
    assert_eq!(prediction.confidence(), 1.0);
}

#[test]
fn recognize_says_what_is_not_accepted() {
    let folder = tempdir().unwrap();
    let [voice, strict] = ["voice.wav", "strict.safetensors"].map(|name| folder.path().join(name));
    write_wav(&voice, &speak(Speaker::numbered(14), Emotion::Sad, 5, 1.0));
    fs::write(&strict, ModelFile::parse(model()).with("/calibration/threshold", 0.9999).to_bytes()).unwrap();
    let recognize = |arguments: &[&str]| {
        Outcome::of(example("recognize").args(arguments).arg("--model").arg(&strict).arg(&voice)).success()
    };
    let line = recognize(&["--json", "--timeline", "2"]).json_lines().remove(0);
    assert_eq!((&line["accepted"], &line["timeline"][0]["accepted"]), (&false.into(), &false.into()), "{line}");
    let text = recognize(&[]).stdout;
    assert!(text.contains("(not accepted: the model answers from 100 % on)"), "{text}");
}

#[test]
fn a_file_of_schema_version_1_has_no_calibration() {
    let voice = speak(Speaker::numbered(14), Emotion::Sad, 5, 1.0);
    let mut old = ModelFile::parse(model());
    let mut manifest = old.manifest();
    manifest["schema_version"] = 1.into();
    manifest.as_object_mut().unwrap().remove("calibration").unwrap();
    old.header["__metadata__"]["manifest"] = manifest.to_string().into();
    let plain = ModelFile::parse(model()).with("/calibration/temperature", 1.0);
    let [old, plain] = [old, plain].map(|file| Recognizer::from_bytes(&file.to_bytes()).unwrap());
    assert_eq!(old.recognize(&voice).unwrap(), plain.recognize(&voice).unwrap());
}

#[test]
fn the_threshold_accepts_as_many_validation_clips_as_it_may() {
    let threshold = RUN.report["calibration"]["threshold"].as_f64().unwrap();
    let scored = Probabilities::new(3, rows(&RUN.valid)).unwrap();
    let wished = scored.risk_coverage().threshold_for_accuracy(0.9).unwrap();
    let accepted = scored.confidences().filter(|(confidence, _)| *confidence >= threshold).count();
    assert_eq!(accepted, wished.accepted);
    assert!(wished.accuracy >= 0.9 && wished.coverage < 1.0, "{wished:?} shows nothing");
}

#[test]
fn an_accuracy_that_no_threshold_reaches_is_a_warning_and_one_out_of_range_an_error() {
    let folder = tempdir().unwrap();
    write_ravdess(folder.path(), 1..=6, &EMOTIONS);
    let corpus = Corpus::ravdess(folder.path()).unwrap();
    let config = |accuracy: f64| -> Config {
        let text = CONFIG.replace("max_epochs = 8", "max_epochs = 1").replace("0.003", "1e-9");
        format!("{text}\n[reject]\naccuracy = {accuracy}").parse().unwrap()
    };
    // Hardly trained: no best answer is right.
    let trained = train(&config(1.0), &corpus, |_| ()).unwrap();
    let threshold = trained.manifest().calibration.threshold;
    let warned = trained.warnings().iter().any(|line| line.starts_with("the model rejects nothing: "));
    assert_eq!(warned, threshold.is_none(), "{threshold:?} {:?}", trained.warnings());
    let error = train(&config(1.5), &corpus, |_| ()).unwrap_err();
    assert!(error.to_string().contains("reject.accuracy"), "{error}");
}

#[test]
fn a_model_without_reject_options_accepts_whatever_it_is_sure_of() {
    let manifest = ModelFile::parse(&trained(CONFIG)).manifest();
    assert!(manifest["calibration"]["threshold"].is_null());
}

/// Compares numbers that were computed twice from probabilities with f32's digits.
fn near(reported: &Value, computed: f64) {
    let reported = reported.as_f64().unwrap_or(f64::NAN);
    assert!((reported - computed).abs() < 1e-9 || reported.is_nan() && computed.is_nan(), "{reported} {computed}");
}

fn near_interval(reported: &Value, computed: Interval) {
    near(&reported["estimate"], computed.estimate);
    near(&reported["low"], computed.low);
    near(&reported["high"], computed.high);
}

#[test]
fn every_number_of_the_report_follows_from_the_predictions() {
    let (report, statistics) = (&RUN.report["test"]["report"], &RUN.report["test"]["statistics"]);
    let rows = rows(&RUN.test);
    let scored = Probabilities::new(3, rows.clone()).unwrap();
    let pairs: Vec<(usize, usize)> = rows
        .iter()
        .zip(RUN.test.column("prediction"))
        .map(|((truth, _), prediction)| (*truth, class(prediction)))
        .collect();
    assert!(scored.pairs().eq(pairs.iter().copied()), "the prediction is the most probable class");
    let matrix = |indices: &[usize]| ConfusionMatrix::new(CLASSES, indices.iter().map(|&index| pairs[index]));
    let all: Vec<usize> = (0..pairs.len()).collect();
    assert_eq!(*report, serde_json::to_value(matrix(&all).unwrap().report()).unwrap());

    let options = BootstrapOptions::default();
    let speakers = Units::groups(RUN.test.column("speaker")).unwrap();
    assert_eq!(statistics["units"], speakers.len());
    near_interval(&statistics["uar"], bootstrap(&speakers, &options, |i| Ok(matrix(i)?.uar())).unwrap());
    near_interval(&statistics["accuracy"], bootstrap(&speakers, &options, |i| Ok(matrix(i)?.accuracy())).unwrap());
    let f1 = bootstrap(&speakers, &options, |i| Ok(matrix(i)?.macro_average().f1)).unwrap();
    near_interval(&statistics["macro_f1"], f1);
    near(&statistics["log_loss"], scored.log_loss());
    near(&statistics["brier_score"], scored.brier_score());
    near(&statistics["macro_roc_auc"], scored.macro_roc_auc());
    near(&statistics["top_2_accuracy"], scored.top_k_accuracy(2).unwrap());

    let calibration = &statistics["calibration"];
    let reliability = scored.reliability(10).unwrap();
    near(&calibration["expected_error"], reliability.expected_calibration_error());
    near(&calibration["maximum_error"], reliability.maximum_calibration_error());
    near(&calibration["risk_coverage_area"], scored.risk_coverage().area);
    let temperature = RUN.report["calibration"]["temperature"].as_f64().unwrap();
    let undone = Temperature::new(1.0 / temperature).unwrap();
    let before = logarithms(&rows)
        .into_iter()
        .zip(&pairs)
        .map(|((_, row), (truth, prediction))| (undone.softmax(&row).unwrap()[*prediction], truth == prediction));
    near(
        &calibration["uncalibrated_expected_error"],
        Reliability::new(before, 10).unwrap().expected_calibration_error(),
    );
    let threshold = RUN.report["calibration"]["threshold"].as_f64().unwrap();
    let accepted: Vec<bool> =
        scored.confidences().filter(|(confidence, _)| *confidence >= threshold).map(|(_, right)| right).collect();
    near(&calibration["threshold"]["coverage"], accepted.len() as f64 / pairs.len() as f64);
    let right = accepted.iter().filter(|right| **right).count();
    near(&calibration["threshold"]["accuracy"], right as f64 / accepted.len() as f64);

    // Two test speakers: one of each sex, or two of one.
    let groups = statistics["groups"].as_array().unwrap();
    assert!(groups.iter().any(|table| table["by"] == "speaker"), "{groups:?}");
    for table in groups {
        let by = table["by"].as_str().unwrap();
        let names: Vec<Option<&str>> = RUN.test.column(by).into_iter().map(Some).collect();
        let clips = Units::single(pairs.len()).unwrap();
        let units = if by == "speaker" { clips.clone() } else { speakers.clone() };
        let scores = GroupScores::new(&names, &units, &clips, &options, |i| Ok(matrix(i)?.uar())).unwrap();
        assert_eq!(table["uar"], serde_json::to_value(&scores).unwrap());
        let scores = GroupScores::new(&names, &units, &clips, &options, |i| Ok(matrix(i)?.accuracy())).unwrap();
        assert_eq!(table["accuracy"], serde_json::to_value(&scores).unwrap());
        // No group of 12 clips is large enough.
        let warnings = table["warnings"].as_array().unwrap();
        assert_eq!(warnings.len(), scores.groups.len());
        let least = if by == "speaker" { "(least: 30)" } else { "(least: 30 of 5)" };
        assert!(warnings.iter().all(|line| line.as_str().unwrap().ends_with(least)), "{warnings:?}");
    }
}
