//! Numbers beside the classes: a model learns a CSV corpus's numeric columns, is scored on them and gives them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::voice::{Speaker, speak};
use common::{CONFIG, Csv, EMOTIONS, Outcome, example, file, write_wav};
use ser_core::{Emotion, Recognizer};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const CLIPS: usize = 10 * 3 * 2;

/// A corpus whose arousal follows from the emotion and a little from the speaker, far from mean 0 and deviation 1.
fn write_corpus(root: &Path) -> PathBuf {
    let mut table = String::from("path,emotion,speaker,arousal,valence\n");
    for speaker in 1..=10u8 {
        for emotion in EMOTIONS {
            for take in 1..=2u64 {
                let name = format!("{speaker}-{emotion}-{take}.wav");
                let waveform = speak(Speaker::numbered(speaker), emotion, 100 * u64::from(speaker) + take, 0.8);
                write_wav(&root.join(&name), &waveform);
                let (arousal, valence) = match emotion {
                    Emotion::Angry => (90.0, 0.1),
                    Emotion::Sad => (20.0, 0.2),
                    _ => (50.0, 0.6),
                };
                let (arousal, valence) = (arousal + f64::from(speaker % 3), valence + 0.01 * f64::from(speaker % 2));
                table += &format!("{name},{emotion},s{speaker},{arousal},{valence}\n");
            }
        }
    }
    file(root, "corpus.csv", table)
}

fn with_dimensions(names: &str) -> String {
    CONFIG.replace("seed = 5", &format!("seed = 5\n dimensions = {names}")).replace("max_epochs = 8", "max_epochs = 40")
}

fn train(folder: &Path, config: &str) -> Outcome {
    let mut command = example("train");
    command.arg("--config").arg(file(folder, "config.toml", config));
    command.arg("--corpus").arg(format!("csv={}", folder.join("corpus.csv").display()));
    command.arg("--out").arg(folder.join("out"));
    Outcome::of(&mut command)
}

#[test]
fn arousal_and_valence_are_learned_scored_and_given() {
    let folder = tempfile::tempdir().unwrap();
    write_corpus(folder.path());
    let outcome = train(folder.path(), &with_dimensions(r#"["arousal", "valence"]"#)).success();
    let out = folder.path().join("out");
    let report: Value = serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap();
    let scores = &report["test"]["dimensions"];
    assert_eq!((&scores[0]["name"], &scores[1]["name"]), (&"arousal".into(), &"valence".into()), "{report}");
    let ccc = |index: usize| scores[index]["ccc"].as_f64().unwrap();
    // Chance is 0. Valence is the harder one: angry and sad are alike in it.
    assert!(ccc(0) > 0.5 && ccc(1) > 0.1, "{scores}");
    assert!(outcome.stdout.contains(&format!("arousal: CCC {:.4}", ccc(0))), "{outcome:?}");

    // The score is that of the table, in the corpus's unit.
    let mut table = Csv::read(&out.join("predictions.csv"));
    let parts: Vec<bool> = table.column("part").iter().map(|part| *part == "test").collect();
    let mut tested = parts.into_iter();
    table.rows.retain(|_| tested.next().unwrap());
    let numbers = |name: &str| -> Vec<f64> { table.column(name).iter().map(|cell| cell.parse().unwrap()).collect() };
    let (truth, given) = (numbers("truth_arousal"), numbers("arousal"));
    assert_eq!(scores[0]["clips"], truth.len());
    let error = truth.iter().zip(&given).map(|(t, g)| (t - g).abs()).sum::<f64>() / truth.len() as f64;
    assert!((scores[0]["mae"].as_f64().unwrap() - error).abs() < 1e-4, "{error}, {scores}");
    // The mean of the training part, given for every clip, is off by 24.
    assert!(error < 20.0, "{error}");
    let history = Csv::read(&out.join("history.csv"));
    assert!(history.column("valid_ccc").iter().all(|cell| cell.parse::<f64>().unwrap() <= 1.0));

    // The program and the library give the numbers of the table.
    let model = out.join("model.safetensors");
    let path = table.column("path")[0].to_owned();
    let path = if Path::new(&path).exists() { PathBuf::from(path) } else { folder.path().join(path) };
    let prediction = Recognizer::from_file(&model).unwrap().recognize_file(&path).unwrap();
    let named: Vec<&str> = prediction.dimensions().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(named, ["arousal", "valence"]);
    assert!((f64::from(prediction.dimensions()[0].1) - given[0]).abs() < 1e-3);
    let mut recognize = example("recognize");
    let outcome = Outcome::of(recognize.arg("--model").arg(&model).arg("--json").arg(&path)).success();
    assert!((outcome.json_lines()[0]["dimensions"]["arousal"].as_f64().unwrap() - given[0]).abs() < 1e-3);

    let mut evaluate = example("evaluate");
    evaluate.arg("--model").arg(&model).arg("--json");
    evaluate.arg("--corpus").arg(format!("csv={}", folder.path().join("corpus.csv").display()));
    let again = Outcome::of(&mut evaluate).success();
    assert_eq!(again.json_lines()[0]["dimensions"], *scores);
}

#[test]
fn a_cross_validation_scores_them_too() {
    let folder = tempfile::tempdir().unwrap();
    let table = write_corpus(folder.path());
    let out = folder.path().join("out");
    let mut command = example("cross_validate");
    command.arg("--config").arg(file(folder.path(), "config.toml", with_dimensions("['arousal', 'valence']")));
    command.arg("--corpus").arg(format!("csv={}", table.display()));
    command.args(["--protocol", "speaker-kfold:2"]).arg("--out").arg(&out);
    let outcome = Outcome::of(&mut command).success();
    let report: Value = serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap();
    let scores = &report["dimensions"];
    assert_eq!((&scores[0]["clips"], &scores[1]["name"]), (&CLIPS.into(), &"valence".into()), "{report}");
    let ccc = scores[0]["ccc"].as_f64().unwrap();
    assert!(ccc > 0.5 && outcome.stdout.contains(&format!("arousal: CCC {ccc:.4}")), "{outcome:?}");
    let table = Csv::read(&out.join("predictions.csv"));
    let numbers = |name: &str| -> Vec<f64> { table.column(name).iter().map(|cell| cell.parse().unwrap()).collect() };
    let errors = numbers("truth_arousal").iter().zip(numbers("arousal")).map(|(t, g)| (t - g).abs()).sum::<f64>();
    assert!((scores[0]["mae"].as_f64().unwrap() - errors / CLIPS as f64).abs() < 1e-4, "{scores}");
}

#[test]
fn what_cannot_be_learned_is_refused_with_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let table = write_corpus(folder.path());
    let error = |names: &str| train(folder.path(), &with_dimensions(names)).only_error().to_owned();
    assert!(error(r#"["dominance"]"#).contains(&format!("{CLIPS} clips have no number for dominance")));
    assert!(error(r#"["arousal", "arousal"]"#).contains("it is named twice"));
    let text = fs::read_to_string(&table).unwrap();
    fs::write(&table, text.replacen(",91,", ",,", 1)).unwrap();
    assert!(error(r#"["arousal"]"#).contains("1 clips have no number for arousal"));
    let constant = text.lines().map(|line| line.rsplit_once(',').unwrap().0).collect::<Vec<_>>().join(",3\n");
    fs::write(&table, constant.replacen(",3\n", ",valence\n", 1) + ",3\n").unwrap();
    assert!(error(r#"["valence"]"#).contains("all training clips have the same number"));
}
