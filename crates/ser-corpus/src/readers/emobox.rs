use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{
    crema_d::CREMA_D,
    emodb::EMODB,
    emovo::EMOVO,
    files::{AUDIO, LOSSY, Official, check_folder, entries, has_ending, listed_warning, no_clips, unreadable},
    ravdess::RAVDESS,
    savee::SAVEE,
    table::invalid,
    tess::TESS,
};
use crate::{Corpus, Emotion, Error, FoldPart, Utterance, Warning};

const EXPECTED: &str = "EmoBox's folds such as emodb/fold_1/emodb_test_fold_1.jsonl, and the recordings that they name \
                        in the same folder or one above it";

impl Corpus {
    /// Reads the corpora that EmoBox (Ma et al. 2024) lists, with its published folds.
    ///
    /// The folds are the files `CORPUS/fold_K/CORPUS_PART_fold_K.jsonl` below `path`, where the part is
    /// `train`, `valid` or `test`: give EmoBox's folder `data` for all corpora, or that of one of them.
    /// The recordings that they name (`downloads/CORPUS/...`) are looked for in `path` and in every
    /// folder above it, with any audio ending. [`Utterance::folds`] holds the part of each fold.
    ///
    /// Labels are read through the `label_map.json` (or `label_dict.json`) beside the folds, in any
    /// case. For `cremad`, `emodb`, `emovo`, `ravdess`, `savee` and `tess`, whose keys hold the official
    /// names, speaker, sentence and the rest are read from these, and the corpus is named as by its
    /// own reader. The speakers of all others are not known, as EmoBox does not state them.
    ///
    /// Left out with a warning are recordings that are not there, those that the corpus's own reader
    /// leaves out, segments of files, labels that are no emotion, and files that are not named like
    /// folds. Where a fold both trains and tests on a recording, it counts as tested on, with a
    /// warning.
    ///
    /// # Errors
    ///
    /// If the folder or a file in it cannot be read, a line is not as EmoBox writes it, or no recording
    /// is there.
    pub fn emobox(path: impl AsRef<Path>) -> Result<Self, Error> {
        let root = path.as_ref();
        let (folds, mut warnings) = fold_files(root)?;
        let mut recordings = Recordings::new(root)?;
        let mut utterances = BTreeMap::<_, Utterance>::new();
        let mut segmented = HashSet::new();
        for Fold { path, number, part } in folds {
            let label_map = label_map(&path)?;
            let text = fs::read_to_string(&path).map_err(|source| Error::File { path: path.clone(), source })?;
            for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                let line: Line = serde_json::from_str(line)
                    .map_err(|error| invalid(&path, format!("line {}: {error}", index + 1)))?;
                let Some(audio) = recordings.find(&line.wav) else {
                    warnings.push(Warning::lost(&line.wav, "listed, but not there", "skipped"));
                    continue;
                };
                if line.start_time != 0.0 {
                    segmented.insert(audio);
                    continue;
                }
                let utterance = match line.utterance(&audio, &label_map) {
                    Ok(utterance) => utterance,
                    Err(problem) => {
                        warnings.push(Warning::new(audio, problem, "skipped"));
                        continue;
                    }
                };
                let known = utterances.entry((audio, utterance.emotion)).or_insert(utterance);
                let before = known.folds.insert(number, part);
                if let Some(before) = before.filter(|&before| before != part) {
                    known.folds.insert(number, part.max(before));
                    let problem = format!("in {before} and {part} of fold {number}");
                    warnings.push(Warning::new(&known.path, problem, format!("counts as {}", part.max(before))));
                }
            }
        }
        // The first segment of a file begins with it.
        utterances.retain(|(audio, _), _| !segmented.contains(audio));
        warnings.extend(segmented.into_iter().map(|audio| Warning::new(audio, "listed as segments", "skipped")));
        // Every fold names every recording.
        warnings.sort();
        warnings.dedup();
        let mut utterances: Vec<_> = utterances.into_values().collect();
        utterances.retain(|utterance| match listed_warning(&utterance.path) {
            Some(warning) => {
                warnings.push(warning);
                false
            }
            None => true,
        });
        if utterances.is_empty() {
            return Err(no_clips(root, EXPECTED, &warnings));
        }
        Ok(Self::with_warnings(utterances, warnings))
    }
}

/// One line of a fold; what else is in it is about the audio.
#[derive(Deserialize)]
struct Line {
    key: String,
    dataset: String,
    wav: PathBuf,
    emo: String,
    #[serde(default)]
    start_time: f64,
}

impl Line {
    fn utterance(&self, audio: &Path, label_map: &HashMap<String, String>) -> Result<Utterance, String> {
        let official: Option<&Official> = match self.dataset.as_str() {
            "cremad" => Some(&CREMA_D),
            "emodb" => Some(&EMODB),
            "emovo" => Some(&EMOVO),
            "ravdess" => Some(&RAVDESS),
            "savee" => Some(&SAVEE),
            "tess" => Some(&TESS),
            _ => None,
        };
        let utterance = match official {
            Some(official) => {
                let name = self.key.strip_prefix(&self.dataset).and_then(|key| key.strip_prefix('-'));
                let clip = (official.parse)(audio, name.unwrap_or(&self.key))?;
                if let Some(defect) = official.defect(&clip.name) {
                    return Err(defect.into());
                }
                Some(clip.utterance)
            }
            None => None,
        };
        let label = label_map.get(&self.emo.to_lowercase()).unwrap_or(&self.emo);
        let emotion: Option<Emotion> = label.parse().ok();
        let emotion = emotion.or_else(|| utterance.as_ref().map(|utterance| utterance.emotion));
        let emotion = emotion.ok_or_else(|| format!("unknown emotion {label:?}"))?;
        Ok(match utterance {
            Some(utterance) => Utterance { emotion, ..utterance },
            None => Utterance::new(audio, emotion, &self.dataset),
        })
    }
}

struct Fold {
    path: PathBuf,
    number: u32,
    part: FoldPart,
}

fn fold_files(root: &Path) -> Result<(Vec<Fold>, Vec<Warning>), Error> {
    check_folder(root)?;
    let (mut folds, mut warnings) = (Vec::new(), Vec::new());
    for entry in entries(root, &mut warnings) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                warnings.push(unreadable(root, &error));
                continue;
            }
        };
        let path = entry.path();
        let in_fold = path
            .parent()
            .and_then(Path::file_name)
            .is_some_and(|name| name.to_str().is_some_and(|name| name.starts_with("fold_")));
        if !in_fold || !has_ending(path, &["jsonl"]) {
            continue;
        }
        match path.file_stem().and_then(|stem| stem.to_str()).and_then(fold_of) {
            Some((number, part)) => folds.push(Fold { path: path.into(), number, part }),
            None => warnings.push(Warning::new(path, "file name does not fit an EmoBox fold", "skipped")),
        }
    }
    Ok((folds, warnings))
}

/// Reads the number and the part from a name such as `emodb_test_fold_1`.
fn fold_of(stem: &str) -> Option<(u32, FoldPart)> {
    let (name, number) = stem.rsplit_once("_fold_")?;
    let (_, part) = name.rsplit_once('_')?;
    Some((number.parse().ok()?, FoldPart::from_word(part)?))
}

/// Reads the words of EmoBox for those of a corpus; its keys are taken in lower case, as EMO-DB's
/// says `Neutral` where the data say `neutral`.
fn label_map(fold: &Path) -> Result<HashMap<String, String>, Error> {
    let corpus = fold.parent().and_then(Path::parent).unwrap_or(Path::new(""));
    let path =
        ["label_map.json", "label_dict.json"].map(|name| corpus.join(name)).into_iter().find(|path| path.is_file());
    let Some(path) = path else {
        return Ok(HashMap::new());
    };
    let text = fs::read_to_string(&path).map_err(|source| Error::File { path: path.clone(), source })?;
    let map: HashMap<String, String> =
        serde_json::from_str(&text).map_err(|error| invalid(&path, error.to_string()))?;
    Ok(map.into_iter().map(|(word, label)| (word.to_lowercase(), label)).collect())
}

/// Finds recordings from a folder upwards; each folder of recordings is listed once.
struct Recordings {
    bases: Vec<PathBuf>,
    folders: HashMap<PathBuf, HashMap<String, PathBuf>>,
}

impl Recordings {
    fn new(root: &Path) -> Result<Self, Error> {
        let absolute = std::path::absolute(root).map_err(|source| Error::Folder { path: root.into(), source })?;
        // As the path was given as far as it goes, so that paths are those that other readers give.
        let bases = root.ancestors().chain(absolute.ancestors()).map(Path::to_path_buf).collect();
        Ok(Self { bases, folders: HashMap::new() })
    }

    /// Finds the audio of this name, with this or any other audio ending.
    fn find(&mut self, wav: &Path) -> Option<PathBuf> {
        let folder = wav.parent()?;
        if !self.folders.contains_key(folder) {
            let there = self.bases.iter().map(|base| base.join(folder)).find(|folder| folder.is_dir());
            self.folders.insert(folder.into(), there.map_or_else(HashMap::new, |folder| list(&folder)));
        }
        self.folders.get(folder)?.get(&stem(wav)?).cloned()
    }
}

/// Lists the audio files of a folder by their stems; of two the one that lost nothing.
fn list(folder: &Path) -> HashMap<String, PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).filter(|path| has_ending(path, &AUDIO)).collect();
    files.sort_by(|a, b| (has_ending(b, &LOSSY), b).cmp(&(has_ending(a, &LOSSY), a)));
    files.into_iter().filter_map(|path| Some((stem(&path)?, path))).collect()
}

fn stem(path: &Path) -> Option<String> {
    Some(path.file_stem()?.to_str()?.to_lowercase())
}
