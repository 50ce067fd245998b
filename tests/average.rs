//! `results/average.py` scores a system's own probabilities as the system was scored, and shifts them as it does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{CONFIG, EMOTIONS, Outcome, example, file, write_ravdess};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::tempdir;

fn cross_validate(folder: &Path, name: &str, more: &str) -> PathBuf {
    let config = CONFIG.replace("max_epochs = 8", "max_epochs = 2");
    let config = file(folder, &format!("{name}.toml"), format!("{config}\n{more}"));
    let out = folder.join(name);
    let mut command = example("cross_validate");
    command.arg("--config").arg(config).arg("--corpus").arg(format!("ravdess={}", folder.join("corpus").display()));
    Outcome::of(command.args(["--protocol", "loso"]).arg("--out").arg(&out)).success();
    out
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
#[ignore = "needs python3"]
fn an_average_of_one_system_has_its_scores() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    write_ravdess(&folder.join("corpus"), 1..=6, &EMOTIONS);
    let plain = cross_validate(folder, "plain", "");
    let per_speaker = cross_validate(folder, "per-speaker", "[normalizer]\nscope = \"speaker\"");
    let average = |folders: &[&PathBuf]| {
        let out = folder.join("average.json");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/average.py");
        Outcome::of(Command::new("python3").arg(script).arg(&out).args(folders)).success();
        json(&out)
    };
    for (system, scores) in [(&plain, &["uar", "accuracy", "adapted_uar"][..]), (&per_speaker, &["uar", "accuracy"])] {
        let (own, alone) = (json(&system.join("report.json")), average(&[system]));
        for score in scores {
            let [own, alone] = [&own, &alone].map(|report| report[score]["mean"].as_f64().unwrap());
            // The predictions have six digits, which a tie could hang on.
            assert!((own - alone).abs() < 1e-9, "{score}: {own} {alone}");
        }
    }
    // One that normalises per speaker makes the average shift, and declare it.
    let both = average(&[&plain, &per_speaker]);
    assert_eq!(both["config"]["normalizer"]["scope"], "speaker");
    assert!(both["adapted_uar"].is_null());
    let parameters = |folder: &Path| json(&folder.join("report.json"))["parameters"].as_u64().unwrap();
    assert_eq!(both["parameters"], parameters(&plain) + parameters(&per_speaker));
}
