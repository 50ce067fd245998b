use std::path::Path;

use super::files::{Clip, Official, Refusal};
use crate::{Corpus, Emotion, Error, Sex, Utterance};

pub const TESS: Official =
    Official { expected: "TESS audio files such as OAF_back_angry.wav", clips: 2800, parse, defects: &[] };

impl Corpus {
    /// Reads TESS, the Toronto emotional speech set (Pichora-Fuller & Dupuis 2010): 2,800 clips of
    /// 2 English women, aged 26 and 64, in 7 emotions; each says 200 words in every emotion.
    ///
    /// Clips are found by their official names (`OAF_back_angry.wav`: actress, word, emotion, where
    /// `ps` is pleasant surprise) in any folder below `path`, in any case, with any audio ending; or,
    /// where there is no audio, as `.npy` files that hold features. The names of the folders do not
    /// matter. Second files of one clip and names that do not fit are left out with a warning, and so
    /// is a number of clips other than the official one. In the official name `OA_bite_neutral` the
    /// actress is misspelt: it is taken as `OAF_bite_neutral`, with a warning.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read or holds no clip.
    pub fn tess(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(TESS.read(path.as_ref())?.into_corpus())
    }
}

fn parse(path: &Path, stem: &str) -> Result<Clip, Refusal> {
    const MISFIT: Refusal = "file name does not fit TESS";
    let stem = stem.to_ascii_lowercase();
    let mut fields = stem.splitn(3, ['_', '-']);
    let (Some(actress), Some(word), Some(emotion)) = (fields.next(), fields.next(), fields.next()) else {
        return Err(MISFIT);
    };
    let misspelling = (actress == "oa").then_some(("actress OAF is misspelt OA", "taken as OAF"));
    let (actress, age) = match actress {
        "oaf" | "oa" => ("OAF", 64),
        "yaf" => ("YAF", 26),
        _ => return Err(MISFIT),
    };
    let emotion = match emotion {
        "angry" => Emotion::Angry,
        "disgust" => Emotion::Disgust,
        "fear" => Emotion::Fear,
        "happy" => Emotion::Happy,
        "neutral" => Emotion::Neutral,
        "ps" | "pleasant_surprise" | "pleasant_surprised" => Emotion::Surprise,
        "sad" => Emotion::Sad,
        _ => return Err(MISFIT),
    };
    if word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(MISFIT);
    }
    let utterance = Utterance {
        speaker: Some(actress.into()),
        sex: Some(Sex::Female),
        age: Some(age),
        sentence: Some(word.into()),
        language: Some("en".into()),
        ..Utterance::new(path, emotion, "tess")
    };
    Ok(Clip { name: format!("{actress}_{word}_{emotion}"), utterance, misspelling })
}
