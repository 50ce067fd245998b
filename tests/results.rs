//! RESULTS.md is what the example `results` makes of the reports in `results/`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Outcome, example};
use ser_core::Config;
use std::fs;
use std::path::Path;
use tempfile::tempdir;

#[test]
fn the_table_agrees_with_the_reports() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("RESULTS.md");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut results = example("results");
    Outcome::of(results.arg("--reports").arg(root.join("results")).arg("--out").arg(&out)).success();
    let [made, committed] = [out, root.join("RESULTS.md")].map(|path| fs::read_to_string(path).unwrap());
    assert_eq!(made, committed, "run `cargo run --example results`");
}

#[test]
fn a_report_that_is_none_is_named() {
    let folder = tempdir().unwrap();
    let index = "before = ''\nafter = ''\n[[system]]\nname = 'x'\nreport = 'x.json'\nbeside = ''\nconfiguration = ''\narguments = ''";
    fs::write(folder.path().join("epochs.csv"), "").unwrap();
    fs::write(folder.path().join("index.toml"), index).unwrap();
    fs::write(folder.path().join("x.json"), "{\"corpora\": []}").unwrap();
    let mut results = example("results");
    results.arg("--reports").arg(folder.path()).arg("--out").arg(folder.path().join("RESULTS.md"));
    let outcome = Outcome::of(&mut results);
    assert!(outcome.only_error().contains("x.json is no report of cross_validate"), "{outcome:?}");
}

#[test]
fn each_row_was_made_by_the_configuration_that_it_names() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let index: toml::Table = fs::read_to_string(root.join("results/index.toml")).unwrap().parse().unwrap();
    let mut checked = 0;
    for system in index["system"].as_array().unwrap() {
        let Some(name) = system.get("configuration") else { continue };
        let path = root.join("examples/configs").join(name.as_str().unwrap()).with_extension("toml");
        let mut config: Config = fs::read_to_string(&path).unwrap().parse().unwrap();
        let report = fs::read(root.join("results").join(system["report"].as_str().unwrap())).unwrap();
        let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
        let used: Config = serde_json::from_value(report["config"].clone()).unwrap();
        // The command line has the protocol.
        config.split.protocol = used.split.protocol;
        assert_eq!(used, config, "{} is not what {} gives", system["report"], path.display());
        checked += 1;
    }
    assert!(checked > 10);
}
