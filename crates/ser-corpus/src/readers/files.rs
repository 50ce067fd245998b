//! What the readers have in common: walking a folder, and taking each clip once.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use walkdir::{DirEntry, WalkDir};

use crate::{Corpus, Error, Utterance, Warning};

const AUDIO: [&str; 14] =
    ["aac", "aif", "aifc", "aiff", "au", "caf", "flac", "m4a", "mp3", "oga", "ogg", "opus", "wav", "wma"];
const FEATURES: [&str; 1] = ["npy"];
const VIDEO: [&str; 7] = ["avi", "flv", "m4v", "mkv", "mov", "mp4", "webm"];

/// Why a file is not taken as a clip; the text of the warning.
pub type Refusal = &'static str;

/// A corpus whose files have official, unique names.
pub struct Official {
    pub expected: &'static str,
    pub clips: usize,
    /// Reads a file's stem.
    pub parse: fn(&Path, &str) -> Result<Utterance, Refusal>,
}

impl Official {
    pub fn read(&self, root: &Path) -> Result<Corpus, Error> {
        let (files, mut warnings) = walk(root)?;
        let mut utterances = Vec::new();
        let mut stems = HashSet::new();
        for path in files {
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let utterance = match stem {
                Some(stem) => (self.parse)(&path, stem),
                None => Err("file name does not fit the corpus"),
            };
            match utterance {
                Err(refusal) => warnings.push(Warning::new(path, refusal, "skipped")),
                Ok(utterance) => {
                    if stems.insert(stem.map(str::to_ascii_lowercase)) {
                        utterances.push(utterance);
                    } else {
                        warnings.push(Warning::new(path, "second file of this name", "skipped"));
                    }
                }
            }
        }
        if utterances.is_empty() {
            return Err(Error::NoClips { path: root.into(), expected: self.expected });
        }
        if utterances.len() != self.clips {
            let (found, official) = (utterances.len(), self.clips);
            warnings.push(Warning::new(
                root,
                format!("number of clips is {found}, officially {official}"),
                "used as it is",
            ));
        }
        Ok(Corpus::with_warnings(utterances, warnings))
    }
}

/// Lists the audio files below a folder in order of their names, hidden ones left out, with a
/// warning for videos and for what cannot be read. Where there is no audio, the features (`.npy`)
/// that stand in for it are listed; beside audio they are left out with a warning.
pub fn walk(root: &Path) -> Result<(Vec<PathBuf>, Vec<Warning>), Error> {
    let unreadable = |source| Error::Folder { path: root.into(), source };
    if !fs::metadata(root).map_err(unreadable)?.is_dir() {
        return Err(unreadable(io::ErrorKind::NotADirectory.into()));
    }
    let (mut files, mut features, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    let walk = WalkDir::new(root).follow_links(true).sort_by_file_name();
    for entry in walk.into_iter().filter_entry(|entry| !is_hidden(entry)) {
        match entry {
            Ok(entry) => {
                let path = entry.path();
                if !entry.file_type().is_file() {
                    continue;
                }
                if has_ending(path, &VIDEO) {
                    warnings.push(Warning::new(path, "video", "skipped"));
                } else if has_ending(path, &AUDIO) {
                    files.push(entry.into_path());
                } else if has_ending(path, &FEATURES) {
                    features.push(entry.into_path());
                }
            }
            Err(error) => {
                let path = error.path().unwrap_or(root);
                let problem = match (error.loop_ancestor(), error.io_error()) {
                    (Some(_), _) => "link to a folder that it is in".into(),
                    (None, Some(error)) => error.to_string(),
                    (None, None) => "cannot be read".into(),
                };
                warnings.push(Warning::new(path, problem, "skipped"));
            }
        }
    }
    if files.is_empty() {
        return Ok((features, warnings));
    }
    warnings.extend(features.into_iter().map(|path| Warning::new(path, "features beside audio", "skipped")));
    Ok((files, warnings))
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.depth() > 0 && entry.file_name().as_encoded_bytes().starts_with(b".")
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|ending| endings.iter().any(|e| ending.eq_ignore_ascii_case(e)))
}
