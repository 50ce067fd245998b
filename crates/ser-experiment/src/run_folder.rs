//! Folders of long runs, which go on where they were ended.

use crate::cache::{Hash, REVISION};
use crate::output::{create, failed, sign_of_training, write_json};
use crate::{Config, Error, Progress};
use rayon::prelude::*;
use ser_corpus::{Corpus, Utterance};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::Path;

/// What says that a search or a cross-validation writes here.
pub(crate) const NAME: &str = "resume.json";

/// What the results in a folder are, and what they follow from, in one hash.
#[derive(PartialEq, Serialize, Deserialize)]
struct Origin {
    /// `search` or `cross-validation`.
    kind: String,
    version: String,
    sha256: String,
}

/// Prepares a folder for results of this kind, of this configuration, this corpus and `more`. Old results, which are files or folders
/// of these names, stay if they are to be gone on from; else they are removed, and `progress` is told so. What no earlier run of
/// this kind left is not touched.
pub(crate) fn open(
    folder: &Path,
    kind: &str,
    (config, corpus, more): (&Config, &Corpus, &impl Serialize),
    resume: bool,
    results: &[&str],
    mut progress: impl FnMut(Progress),
) -> Result<(), Error> {
    create(folder)?;
    let mut hash = Sha256::new();
    serde_json::to_writer(Hash(&mut hash), &(REVISION, config, recordings(corpus), more))
        .map_err(|error| failed(folder, error))?;
    if let Some(path) = &config.initial {
        let bytes = fs::read(path).map_err(|error| Error::Initial { path: path.clone(), source: error.into() })?;
        hash.update(bytes);
    }
    let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let origin = Origin { kind: kind.into(), version: env!("CARGO_PKG_VERSION").into(), sha256 };
    let path = folder.join(NAME);
    let before: Option<Option<Origin>> = match fs::read(&path) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(&path, error)),
    };
    if let Some(path) = sign_of_training(folder) {
        return Err(Error::NotResults { path });
    }
    // What cannot be read is not ours: another tool writes a file of that name, too.
    if before.as_ref().is_some_and(|before| before.as_ref().is_none_or(|before| before.kind != kind)) {
        return Err(Error::NotResults { path });
    }
    // Of an evaluation.
    let report = folder.join("report.json");
    if before.is_none() && !results.contains(&"report.json") && report.exists() {
        return Err(Error::NotResults { path: report });
    }
    let old: Vec<_> = results.iter().map(|name| folder.join(name)).filter(|path| path.exists()).collect();
    if resume && (before.is_some() || !old.is_empty()) {
        return match before {
            Some(Some(before)) if origin == before => Ok(()),
            _ => Err(Error::OtherRun { path: folder.into() }),
        };
    }
    if let (None, Some(path)) = (&before, old.first()) {
        return Err(Error::NotResults { path: path.clone() });
    }
    for path in &old {
        let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        removed.map_err(|error| failed(path, error))?;
    }
    if !old.is_empty() {
        progress(Progress::Replaced { folder: folder.into() });
    }
    write_json(&path, &origin)
}

/// What is known of each recording, and the hash of its file, none where it cannot be read.
fn recordings(corpus: &Corpus) -> Vec<(Utterance, Option<[u8; 32]>)> {
    let recording = |utterance: &Utterance| {
        let hash = |path: &Path| {
            let mut hash = Sha256::new();
            io::copy(&mut fs::File::open(path).ok()?, &mut Hash(&mut hash)).ok()?;
            Some(hash.finalize().into())
        };
        let mut utterance = utterance.clone();
        let hash = hash(&utterance.path);
        // JSON has no other names.
        utterance.path = utterance.path.to_string_lossy().into_owned().into();
        (utterance, hash)
    };
    corpus.utterances().par_iter().map(recording).collect()
}
