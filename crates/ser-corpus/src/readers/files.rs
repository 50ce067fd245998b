//! What the readers have in common: walking a folder, and taking each clip once.

use std::{
    collections::HashSet,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use walkdir::{DirEntry, WalkDir};

use super::table::invalid;
use crate::{Corpus, Error, Utterance, Warning};

pub const AUDIO: [&str; 14] =
    ["aac", "aif", "aifc", "aiff", "au", "caf", "flac", "m4a", "mp3", "oga", "ogg", "opus", "wav", "wma"];
pub const LOSSY: [&str; 7] = ["aac", "m4a", "mp3", "oga", "ogg", "opus", "wma"];
const FEATURES: [&str; 1] = ["npy"];
const TABLE: [&str; 2] = ["csv", "tsv"];
const VIDEO: [&str; 7] = ["avi", "flv", "m4v", "mkv", "mov", "mp4", "webm"];

const POINTER: &str = "Git LFS pointer in place of audio";

/// Why a file is not taken as a clip; the text of the warning.
pub type Refusal = &'static str;

/// A corpus whose files have official, unique names.
pub struct Official {
    pub expected: &'static str,
    /// The official number of clips, those with defects included.
    pub clips: usize,
    /// Reads a file's stem; the path is for corpora whose folders say more.
    pub parse: fn(&Path, &str) -> Result<Clip, Refusal>,
    /// The clips that are left out whatever is in the file, by name.
    pub defects: &'static [(&'static str, Refusal)],
}

pub struct Clip {
    /// The official name, in one spelling: two files of one name are copies of one clip.
    pub name: String,
    pub utterance: Utterance,
    /// How the official release misspells the name, and what it is taken as.
    pub misspelling: Option<(&'static str, &'static str)>,
}

impl Clip {
    pub fn new(name: impl Into<String>, utterance: Utterance) -> Self {
        Self { name: name.into(), utterance, misspelling: None }
    }
}

impl Official {
    /// Says why the clip of this name is left out.
    pub fn defect(&self, name: &str) -> Option<Refusal> {
        self.defects.iter().find(|(defect, _)| name == *defect).map(|&(_, refusal)| refusal)
    }

    pub fn read(&self, root: &Path) -> Result<Found, Error> {
        let Walk { mut files, tables, mut warnings } = walk(root)?;
        // Of two copies the one that lost nothing is taken, then the first by path.
        files.sort_by_key(|path| has_ending(path, &LOSSY));
        let mut utterances = Vec::new();
        let mut names = HashSet::new();
        for path in files {
            let clip = match path.file_stem().and_then(|stem| stem.to_str()) {
                Some(stem) => (self.parse)(&path, stem),
                None => Err("file name does not fit the corpus"),
            };
            match clip {
                Err(refusal) => warnings.push(Warning::new(path, refusal, "skipped")),
                Ok(Clip { name, utterance, misspelling }) => {
                    let defect = self.defect(&name);
                    if !names.insert(name) {
                        warnings.push(Warning::new(path, "second file of this clip", "skipped"));
                    } else if let Some(problem) = defect {
                        warnings.push(Warning::new(path, problem, "left out"));
                    } else {
                        if has_ending(&path, &["wav"]) && begins_with(&path, b"FORM") {
                            warnings.push(Warning::new(&path, "AIFF under the name of a WAV", "read as what it is"));
                        }
                        if let Some((problem, action)) = misspelling {
                            warnings.push(Warning::new(path, problem, action));
                        }
                        utterances.push(utterance);
                    }
                }
            }
        }
        // A pointer to a clip of which another file is there is no loss.
        for warning in warnings.iter_mut().filter(|warning| warning.problem == POINTER) {
            let stem = warning.path.file_stem().and_then(|stem| stem.to_str());
            let clip = stem.and_then(|stem| (self.parse)(&warning.path, stem).ok());
            if clip.is_some_and(|clip| names.contains(&clip.name)) {
                *warning = Warning::new(&warning.path, POINTER, "skipped, as another file of this clip is there");
            }
        }
        if utterances.is_empty() {
            return Err(no_clips(root, self.expected, &warnings));
        }
        if names.len() != self.clips {
            let (found, official) = (names.len(), self.clips);
            warnings.push(Warning::new(
                root,
                format!("number of clips is {found}, officially {official}"),
                "used as it is",
            ));
        }
        Ok(Found { utterances, tables, warnings })
    }
}

pub struct Found {
    pub utterances: Vec<Utterance>,
    pub tables: Vec<PathBuf>,
    pub warnings: Vec<Warning>,
}

impl Found {
    pub fn into_corpus(self) -> Corpus {
        Corpus::with_warnings(self.utterances, self.warnings)
    }

    /// Finds a table by its name in any case, below the root or in the folder above it.
    pub fn table(&self, root: &Path, name: &str) -> Option<PathBuf> {
        let is_it = |path: &&PathBuf| path.file_name().is_some_and(|n| n.eq_ignore_ascii_case(name));
        let below = self.tables.iter().find(is_it).cloned();
        below.or_else(|| {
            let above = std::path::absolute(root).ok()?.parent()?.join(name);
            above.is_file().then_some(above)
        })
    }
}

/// What lies below a folder, in order of names.
pub struct Walk {
    /// The audio; or the features (`.npy`) that stand in for it where there is none.
    pub files: Vec<PathBuf>,
    pub tables: Vec<PathBuf>,
    /// For videos, for features beside audio, and for what cannot be read.
    pub warnings: Vec<Warning>,
}

/// Lists what lies below a folder, hidden files and folders left out.
pub fn walk(root: &Path) -> Result<Walk, Error> {
    check_folder(root)?;
    let mut walk = Walk { files: Vec::new(), tables: Vec::new(), warnings: Vec::new() };
    let mut features = Vec::new();
    for entry in entries(root, &mut walk.warnings) {
        match entry {
            Ok(entry) => {
                let path = entry.path();
                if !entry.file_type().is_file() {
                    continue;
                }
                if has_ending(path, &VIDEO) {
                    walk.warnings.push(Warning::new(path, "video", "skipped"));
                } else if has_ending(path, &AUDIO) {
                    match entry.metadata().ok().and_then(|file| pointer_warning(path, file.len())) {
                        Some(warning) => walk.warnings.push(warning),
                        None => walk.files.push(entry.into_path()),
                    }
                } else if has_ending(path, &FEATURES) {
                    features.push(entry.into_path());
                } else if has_ending(path, &TABLE) {
                    walk.tables.push(entry.into_path());
                }
            }
            Err(error) => walk.warnings.push(unreadable(root, &error)),
        }
    }
    if walk.files.is_empty() {
        walk.files = features;
    } else {
        let skipped = features.into_iter().map(|path| Warning::new(path, "features beside audio", "skipped"));
        walk.warnings.extend(skipped);
    }
    Ok(walk)
}

/// Walks through what lies below a folder, hidden files and folders left out. Links are followed, but into no folder twice: a few
/// links to one another would be more paths than can be walked. Such a link is a warning.
pub fn entries(root: &Path, warnings: &mut Vec<Warning>) -> Vec<walkdir::Result<DirEntry>> {
    let mut folders = HashSet::new();
    let is_new = |entry: &DirEntry| {
        if is_hidden(entry) || !entry.file_type().is_dir() {
            return !is_hidden(entry);
        }
        let is_new = entry.path().canonicalize().map_or(true, |folder| folders.insert(folder));
        if !is_new {
            warnings.push(Warning::new(entry.path(), "link to a folder that is read under another name", "skipped"));
        }
        is_new
    };
    WalkDir::new(root).follow_links(true).sort_by_file_name().into_iter().filter_entry(is_new).collect()
}

/// Says why something below a folder cannot be read.
pub fn unreadable(root: &Path, error: &walkdir::Error) -> Warning {
    let problem = match (error.loop_ancestor(), error.io_error()) {
        (Some(_), _) => "link to a folder that it is in".into(),
        (None, Some(error)) => error.to_string(),
        (None, None) => "cannot be read".into(),
    };
    Warning {
        is_lost: error.loop_ancestor().is_none(),
        ..Warning::new(error.path().unwrap_or(root), problem, "skipped")
    }
}

pub fn check_folder(root: &Path) -> Result<(), Error> {
    let unreadable = |source| Error::Folder { path: root.into(), source };
    match fs::metadata(root).map_err(unreadable)?.is_dir() {
        true => Ok(()),
        false => Err(unreadable(io::ErrorKind::NotADirectory.into())),
    }
}

/// Warns if a file that a table lists is missing or is no audio.
pub fn listed_warning(path: &Path) -> Option<Warning> {
    match fs::metadata(path) {
        Ok(file) if file.is_file() => pointer_warning(path, file.len()),
        _ => Some(Warning::lost(path, "listed, but not there", "skipped")),
    }
}

/// Warns if a file of this size in bytes is the few lines of text that a git checkout without Git LFS
/// has in the place of a large file.
fn pointer_warning(path: &Path, size: u64) -> Option<Warning> {
    let is_pointer = size < 1024 && begins_with(path, b"version https://git-lfs");
    is_pointer.then(|| Warning::lost(path, POINTER, "skipped: run `git lfs pull` in its checkout"))
}

fn begins_with<const N: usize>(path: &Path, expected: &[u8; N]) -> bool {
    let mut beginning = [0; N];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut beginning));
    read.is_ok() && beginning == *expected
}

/// Says why there is no clip at all.
pub fn no_clips(path: &Path, expected: &'static str, warnings: &[Warning]) -> Error {
    match warnings.iter().filter(|warning| warning.problem == POINTER).count() {
        0 => Error::NoClips { path: path.into(), expected, skipped: Corpus::skipped(warnings) },
        pointers => Error::LfsPointers { path: path.into(), pointers },
    }
}

pub fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|ending| endings.iter().any(|e| ending.eq_ignore_ascii_case(e)))
}

fn is_hidden(entry: &DirEntry) -> bool {
    // macOS puts its own notes about the files of an archive into a folder beside them.
    let name = entry.file_name().as_encoded_bytes();
    entry.depth() > 0 && (name.starts_with(b".") || name == b"__MACOSX")
}

/// Says how a table refers to a file: relative to the table's own folder if the file is below it.
pub fn path_in_table(path: &Path, table: &Path) -> Result<String, Error> {
    let relative = table.parent().and_then(|folder| path.strip_prefix(folder).ok());
    let path = match relative {
        Some(relative) => relative.to_path_buf(),
        None => std::path::absolute(path).map_err(|source| Error::File { path: path.into(), source })?,
    };
    match path.to_str() {
        Some(path) => Ok(path.into()),
        None => Err(invalid(table, format!("the path {path:?} is not Unicode: rename the file"))),
    }
}
