//! Folders of long runs, which go on where they were ended.

use crate::cache::Hash;
use crate::output::{create, failed, write_json};
use crate::{Config, Error};
use ser_corpus::Corpus;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::path::Path;

const NAME: &str = "resume.json";

/// What the results in a folder follow from, in one hash.
#[derive(PartialEq, Serialize, Deserialize)]
struct Origin {
    version: String,
    sha256: String,
}

/// Prepares a folder for results of this configuration, this corpus and `more`. Old results stay if they are to be gone on
/// from; else these files and folders are removed.
pub(crate) fn open(
    folder: &Path,
    (config, corpus, more): (&Config, &Corpus, &impl Serialize),
    resume: bool,
    results: &[&str],
) -> Result<(), Error> {
    create(folder)?;
    let mut hash = Sha256::new();
    serde_json::to_writer(Hash(&mut hash), &(config, corpus.utterances(), more))
        .map_err(|error| failed(folder, error))?;
    let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let origin = Origin { version: env!("CARGO_PKG_VERSION").into(), sha256 };
    let path = folder.join(NAME);
    match fs::read(&path) {
        Ok(bytes) if resume => match serde_json::from_slice::<Origin>(&bytes) {
            Ok(before) if before == origin => return Ok(()),
            _ => return Err(Error::OtherRun { path: folder.into() }),
        },
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(&path, error)),
    }
    for name in results {
        let path = folder.join(name);
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&path, error)),
            _ => {}
        }
    }
    write_json(&path, &origin)
}
