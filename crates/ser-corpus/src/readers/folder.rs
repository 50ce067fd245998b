use std::path::{Path, PathBuf};

use super::files::{Walk, no_clips, walk};
use crate::{Corpus, Emotion, Error, Utterance, Warning};

/// Folders of these names, and with numbers after them, hold clips of many speakers, or those of one intensity.
const NO_SPEAKERS: [&str; 40] = [
    "audio",
    "audios",
    "clips",
    "data",
    "dataset",
    "dev",
    "eval",
    "evaluation",
    "faible",
    "female",
    "females",
    "files",
    "fold",
    "fort",
    "high",
    "intensity",
    "level",
    "low",
    "male",
    "males",
    "medium",
    "men",
    "normal",
    "part",
    "recordings",
    "session",
    "sounds",
    "speech",
    "strong",
    "test",
    "testing",
    "train",
    "training",
    "val",
    "valid",
    "validation",
    "wav",
    "wavs",
    "weak",
    "women",
];

impl Corpus {
    /// Reads clips that lie in folders named after emotions.
    ///
    /// ```text
    /// Angry/clip.wav          the speaker is not known: such clips cannot be split by speaker
    /// fear/anna/clip.wav      an emotion folder, in it a folder for each speaker
    /// anna/fear/clip.wav      or the other way round
    /// ```
    ///
    /// The folder below `path` whose name is an [`Emotion`], in any of its spellings, is the
    /// emotion. If there is exactly one other folder between `path` and the clip, it is the
    /// speaker, in small or capital letters; if there are more, the speaker is not known. No
    /// speakers are folders above the emotions that all clips share, such as an archive unpacks to, and
    /// those of names such as `train`, `female`, `level_1` or `wav`. Audio files with any ending are
    /// taken; or, where there is no audio, `.npy` files that hold features. Videos and clips that
    /// lie in no emotion folder, or in several, are left out with a warning.
    ///
    /// The corpus is named `folder`, whatever the folder's name: speakers of the same name in two
    /// such folders count as one person, so that none can be on both sides of a split.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read or holds no clip in an emotion folder.
    pub fn folder(path: impl AsRef<Path>) -> Result<Self, Error> {
        let root = path.as_ref();
        let Walk { files, mut warnings, .. } = walk(root)?;
        let folders: Vec<Vec<String>> = files.iter().map(|path| folders(root, path)).collect();
        let shared = shared(&folders);
        let mut utterances = Vec::new();
        for (path, folders) in files.into_iter().zip(&folders) {
            match utterance(&path, folders.get(shared..).unwrap_or_default()) {
                Ok(utterance) => utterances.push(utterance),
                Err(problem) => warnings.push(Warning::new(path, problem, "skipped")),
            }
        }
        if utterances.is_empty() {
            let expected = "audio files like angry/clip.wav or angry/SPEAKER/clip.wav";
            return Err(no_clips(root, expected, &warnings));
        }
        if let Some(first) = utterances.first().filter(|_| shared > 0) {
            let below = first.path.strip_prefix(root).unwrap_or(&first.path);
            let nest = root.join(below.iter().take(shared).collect::<PathBuf>());
            let action = "taken for no speaker; of one speaker, write a table for `csv`";
            warnings.push(Warning::new(nest, "folder that holds all clips", action));
        }
        Ok(Self::with_warnings(utterances, warnings))
    }
}

/// The folders between the root and a file.
fn folders(root: &Path, path: &Path) -> Vec<String> {
    let folders = path.strip_prefix(root).ok().and_then(Path::parent);
    folders.into_iter().flatten().map(|name| name.to_string_lossy().into_owned()).collect()
}

/// The number of folders, above the emotions, that hold all clips.
fn shared(folders: &[Vec<String>]) -> usize {
    let is_emotion = |name: &String| name.parse::<Emotion>().is_ok();
    // What is no clip says nothing.
    let mut clips = folders.iter().filter(|folders| folders.iter().any(is_emotion));
    let Some(first) = clips.next() else { return 0 };
    let above = first.iter().take_while(|name| !is_emotion(name)).count();
    clips.fold(above, |shared, other| first.iter().zip(other).take(shared).take_while(|(one, two)| one == two).count())
}

/// Reads the folders that a clip lies in.
fn utterance(path: &Path, folders: &[String]) -> Result<Utterance, String> {
    let (emotions, others): (Vec<_>, Vec<_>) = folders.iter().partition(|name| name.parse::<Emotion>().is_ok());
    let emotion = match emotions[..] {
        [name] => name.parse::<Emotion>().map_err(|error| error.to_string())?,
        [] => {
            let names = others.iter().map(|name| name.as_str()).collect::<Vec<_>>().join("/");
            let place = if names.is_empty() { String::new() } else { format!(", but in {names:?}") };
            return Err(format!("in no folder named after an emotion{place}"));
        }
        _ => return Err("in several folders named after emotions".into()),
    };
    let is_speaker = |name: &&&String| {
        let name = name.to_lowercase();
        !NO_SPEAKERS.contains(&name.trim_end_matches(|c: char| c.is_ascii_digit() || "_- ".contains(c)))
    };
    let mut utterance = Utterance::new(path, emotion, "folder");
    if let [speaker] = others.iter().filter(is_speaker).collect::<Vec<_>>()[..] {
        utterance.speaker = Some(speaker.to_string());
    }
    Ok(utterance)
}
