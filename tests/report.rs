//! `train` and `evaluate` write a page, a model card and a `report.json` whose every field is documented.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{CONFIG, EMOTIONS, Outcome, example, file, write_ravdess};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// What `train` wrote for a hardly trained model, which makes mistakes.
struct Run {
    corpus: PathBuf,
    out: PathBuf,
}

static RUN: LazyLock<Run> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report");
    let _ = fs::remove_dir_all(&folder);
    let (corpus, out) = (folder.join("corpus"), folder.join("out"));
    write_ravdess(&corpus, 1..=12, &EMOTIONS);
    let config = CONFIG.replace("max_epochs = 8", "max_epochs = 2");
    let config = file(&folder, "config.toml", format!("license = \"CC0-1.0\"\n{config}\n[reject]\naccuracy = 0.7"));
    let mut train = example("train");
    train.arg("--config").arg(config).arg("--corpus").arg(format!("ravdess={}", corpus.display()));
    Outcome::of(train.arg("--out").arg(&out)).success();
    Run { corpus, out }
});

impl Run {
    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.out.join(name)).unwrap()
    }

    fn evaluate(&self, out: &Path, arguments: &[&str]) -> String {
        let mut command = example("evaluate");
        command.arg("--model").arg(self.out.join("model.safetensors"));
        command.arg("--corpus").arg(format!("ravdess={}", self.corpus.display()));
        Outcome::of(command.arg("--out").arg(out).args(arguments)).success();
        fs::read_to_string(out.join("report.html")).unwrap()
    }
}

/// The names of all fields but those of the configuration and of the classes, which are the user's.
fn fields(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(fields_of) => {
            for (name, value) in fields_of {
                names.push(name.clone());
                if name == "classes" {
                    fields(value.as_object().unwrap().values().next().unwrap(), names);
                } else if name != "config" {
                    fields(value, names);
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| fields(value, names)),
        _ => {}
    }
}

#[test]
fn every_field_of_the_report_is_documented() {
    let documentation = include_str!("../docs/REPORT.md");
    let report: Value = serde_json::from_str(&RUN.read("report.json")).unwrap();
    let mut names = Vec::new();
    fields(&report, &mut names);
    assert!(names.len() > 100, "{names:?}");
    for name in &names {
        let is_named = [format!("`{name}`"), format!(".{name}`")].iter().any(|text| documentation.contains(text));
        assert!(is_named, "{name} is not in docs/REPORT.md");
    }
    let header = RUN.read("predictions.csv").lines().next().unwrap().to_owned();
    for column in header.split(',').filter(|column| !column.starts_with("p_")) {
        assert!(documentation.contains(&format!("`{column}`")), "{column} is not in docs/REPORT.md");
    }
}

#[test]
fn the_page_of_a_run_says_what_was_found_and_how_to_repeat_it() {
    let html = RUN.read("report.html");
    let guard = html.find("Protocol speakers: speakers disjoint, sentences shared.").unwrap();
    assert!(guard < html.find("<h2").unwrap(), "the guard's line comes first");
    let sections = [
        "Scores",
        "Confusion",
        "Training",
        "Calibration",
        "Groups",
        "Map",
        "What the model listened to",
        "Worst mistakes",
        "To repeat it",
    ];
    let places: Vec<usize> = sections.map(|section| html.find(&format!(">{section}</h2>")).expect(section)).into();
    assert!(places.is_sorted(), "{places:?}");
    let report: Value = serde_json::from_str(&RUN.read("report.json")).unwrap();
    let statistics = &report["test"]["statistics"];
    let number = |value: &Value| format!("{:.4}", value.as_f64().unwrap());
    for text in [
        number(&statistics["uar"]["estimate"]),
        number(&statistics["calibration"]["expected_error"]),
        number(&statistics["calibration"]["uncalibrated_expected_error"]),
        "no intervals: they need 5 speakers, and there are 2".into(),
        "accuracy = 0.7".into(),
        format!("cargo run --release --example train -- --config {}", RUN.out.with_file_name("config.toml").display()),
    ] {
        assert!(html.contains(&text), "{text} is not in the page");
    }
    assert!(!html.contains("<audio") && html.len() < 3_000_000, "{}", html.len());
}

#[test]
fn mistakes_can_be_heard_only_with_audio() {
    let folder = tempfile::tempdir().unwrap();
    let silent = RUN.evaluate(&folder.path().join("silent"), &["--part", "all"]);
    let heard = RUN.evaluate(&folder.path().join("heard"), &["--part", "all", "--audio"]);
    assert!(silent.contains("NOT HONEST") && !silent.contains("<audio") && !silent.contains("personal data"));
    let players = heard.matches("<audio").count();
    assert!((1..=10).contains(&players) && heard.contains("Voices are personal data"), "{players}");
}

#[test]
fn the_model_card_has_the_numbers_of_the_report() {
    let card = RUN.read("MODEL_CARD.md");
    let headings: Vec<&str> = card.lines().filter(|line| line.starts_with("## ")).collect();
    let expected =
        ["Intended use", "Training data", "Protocol and scores", "Groups", "Calibration", "Limits", "Misuse"];
    assert_eq!(headings, expected.map(|heading| format!("## {heading}")));
    let report: Value = serde_json::from_str(&RUN.read("report.json")).unwrap();
    let uar = &report["test"]["statistics"]["uar"];
    // Of two speakers there is no interval.
    assert!(uar["low"].is_null() && uar["high"].is_null());
    let estimate = uar["estimate"].as_f64().unwrap();
    for text in [
        "| training | ravdess | 8 | 48 |".into(),
        "Licence of the weights: CC0-1.0".into(),
        format!("| unweighted average recall (UAR) | {estimate:.3} | – |"),
        format!("Temperature {:.3}", report["calibration"]["temperature"].as_f64().unwrap()),
        "speakers disjoint, sentences shared".into(),
        "(too few to say)".into(),
        "| validation (epoch, temperature, threshold) | ravdess | 2 | 12 |".into(),
    ] {
        assert!(card.contains(&text), "{text} is not in\n{card}");
    }
}
