//! Every configuration in `examples/configs` is one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use ser_core::{Config, Space};
use std::fs;
use std::path::{Path, PathBuf};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/configs").join(folder);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "toml")).collect()
}

#[test]
fn every_configuration_is_read_and_says_what_it_is() {
    let files = files("");
    assert!(files.len() >= 8, "{files:?}");
    for path in files {
        Config::from_file(&path).unwrap_or_else(|error| panic!("{}: {:?}", path.display(), error));
        assert!(fs::read_to_string(&path).unwrap().starts_with("# "), "{}", path.display());
    }
}

#[test]
fn every_space_is_read() {
    let files = files("search");
    assert!(!files.is_empty());
    for path in files {
        Space::from_file(&path).unwrap_or_else(|error| panic!("{}: {:?}", path.display(), error));
    }
}
