use std::path::Path;

use super::files::{Official, Refusal};
use crate::{Corpus, Emotion, Error, Sex, Utterance};

const EMODB: Official = Official { expected: "EMO-DB audio files such as 03a01Fa.wav", clips: 535, parse };

impl Corpus {
    /// Reads EMO-DB, the Berlin Database of Emotional Speech (Burkhardt et al. 2005): 535 clips of
    /// 10 German speakers in 7 emotions.
    ///
    /// Clips are found by their official names (`03a01Fa.wav`: speaker, text, emotion, version) in
    /// any folder below `path`, in any case, with any audio ending; or, where there is no audio, as
    /// `.npy` files that hold features. Second files of one name and names that do not fit are left
    /// out with a warning, and so is a number of clips other than the official one.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read or holds no clip.
    pub fn emodb(path: impl AsRef<Path>) -> Result<Self, Error> {
        EMODB.read(path.as_ref())
    }
}

fn parse(path: &Path, stem: &str) -> Result<Utterance, Refusal> {
    const MISFIT: Refusal = "file name does not fit EMO-DB";
    let stem = stem.to_ascii_lowercase();
    let &[_, _, b'a' | b'b', b'0'..=b'9', b'0'..=b'9', emotion, version @ b'a'..=b'z'] = stem.as_bytes() else {
        return Err(MISFIT);
    };
    let (Some(speaker), Some(sentence)) = (stem.get(..2), stem.get(2..5)) else {
        return Err(MISFIT);
    };
    let sex = match speaker {
        "08" | "09" | "13" | "14" | "16" => Sex::Female,
        "03" | "10" | "11" | "12" | "15" => Sex::Male,
        _ => return Err(MISFIT),
    };
    let emotion = match emotion {
        b'w' => Emotion::Angry,
        b'l' => Emotion::Boredom,
        b'e' => Emotion::Disgust,
        b'a' => Emotion::Fear,
        b'f' => Emotion::Happy,
        b't' => Emotion::Sad,
        b'n' => Emotion::Neutral,
        _ => return Err(MISFIT),
    };
    Ok(Utterance {
        speaker: Some(speaker.into()),
        sex: Some(sex),
        sentence: Some(sentence.into()),
        repetition: Some(u32::from(version - b'a') + 1),
        language: Some("de".into()),
        ..Utterance::new(path, emotion, "emodb")
    })
}
