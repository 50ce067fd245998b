//! Generated trees of files, and their warnings.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::{fs, path::Path};

use ser_corpus::Corpus;
use tempfile::TempDir;

/// A folder with these empty files in it.
pub fn tree<P: AsRef<Path>>(files: impl IntoIterator<Item = P>) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        write(&root, file, "");
    }
    root
}

/// Writes a file into a folder, and makes the folders above it.
pub fn write(root: &TempDir, file: impl AsRef<Path>, content: &str) {
    let path = root.path().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Warnings as (path below the root, problem, action).
pub fn warnings<'c>(corpus: &'c Corpus, root: &TempDir) -> Vec<(&'c str, &'c str, &'c str)> {
    let warnings = corpus.warnings().iter().map(|warning| {
        let path = warning.path.strip_prefix(root.path()).unwrap_or(&warning.path);
        (path.to_str().unwrap(), warning.problem.as_str(), warning.action.as_str())
    });
    warnings.collect()
}
