use std::path::Path;

use super::files::{Refusal, Walk, no_clips, walk};
use crate::{Corpus, Emotion, Error, Utterance, Warning};

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
    /// speaker; if there are more, the speaker is not known. Audio files with any ending are
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
        let mut utterances = Vec::new();
        for path in files {
            match utterance(root, &path) {
                Ok(utterance) => utterances.push(utterance),
                Err(refusal) => warnings.push(Warning::new(path, refusal, "skipped")),
            }
        }
        if utterances.is_empty() {
            let expected = "audio files like angry/clip.wav or angry/SPEAKER/clip.wav";
            return Err(no_clips(root, expected, &warnings));
        }
        Ok(Self::with_warnings(utterances, warnings))
    }
}

fn utterance(root: &Path, path: &Path) -> Result<Utterance, Refusal> {
    let folders = path.strip_prefix(root).ok().and_then(Path::parent);
    let (mut emotions, mut others) = (Vec::new(), Vec::new());
    for name in folders.into_iter().flatten() {
        let name = name.to_string_lossy();
        match name.parse::<Emotion>() {
            Ok(emotion) => emotions.push(emotion),
            Err(_) => others.push(name),
        }
    }
    let emotion = match emotions[..] {
        [emotion] => emotion,
        [] => return Err("in no folder named after an emotion"),
        _ => return Err("in several folders named after emotions"),
    };
    let mut utterance = Utterance::new(path, emotion, "folder");
    if let [speaker] = &others[..] {
        utterance.speaker = Some(speaker.to_string());
    }
    Ok(utterance)
}
