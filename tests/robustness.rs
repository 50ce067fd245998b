//! A model under noise, rooms, telephones and other lengths.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Csv, EMOTIONS, Outcome, example, file, model, write_ravdess};
use serde_json::Value;
use std::fs;
use tempfile::tempdir;

#[test]
fn every_condition_is_scored_on_the_same_clips_and_written() {
    let folder = tempdir().unwrap();
    write_ravdess(&folder.path().join("corpus"), 9..=10, &EMOTIONS);
    let model = file(folder.path(), "model.safetensors", model());
    let out = folder.path().join("out");
    let mut evaluate = example("evaluate");
    evaluate.arg("--corpus").arg(format!("ravdess={}", folder.path().join("corpus").display()));
    evaluate.arg("--model").arg(model).args(["--robustness", "--json"]).arg("--out").arg(&out);
    let object = Outcome::of(&mut evaluate).success().json_lines().remove(0);

    let conditions = object["robustness"].as_array().unwrap();
    let uar = |value: &Value| value["uar"].as_f64().unwrap();
    let clean = uar(&object["report"]);
    assert_eq!(conditions.len(), 24);
    for condition in conditions {
        assert_eq!(condition["clips"], 12, "{condition}");
        assert!((clean - uar(condition) - condition["fall"].as_f64().unwrap()).abs() < 1e-12, "{condition}");
    }
    let named = |name: &str| conditions.iter().find(|condition| condition["condition"] == name).unwrap();
    // The pipeline sets the peak itself; only rounding to 16 bits is left of this condition.
    assert_eq!(uar(named("peak at 0 dBFS")), clean);
    assert!(uar(named("white noise at 5 dB SNR")) < clean, "a network that never heard noise is hurt by it");

    let table = Csv::read(&out.join("robustness.csv"));
    let names: Vec<&str> = conditions.iter().map(|condition| condition["condition"].as_str().unwrap()).collect();
    assert_eq!(table.column("condition"), names);
    assert!(out.join("predictions.csv").exists());
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(names.iter().all(|name| page.contains(name)), "{page}");
    let adapted = uar(&object["adapted"]);
    assert!(
        page.contains("adapted to each speaker by these clips") && page.contains(&format!("{adapted:.4}")),
        "{page}"
    );
}
