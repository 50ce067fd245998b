//! RESULTS.md is what the example `results` makes of the reports in `results/`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Outcome, example};
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
