use std::path::Path;

use super::files::{Clip, Official, Refusal};
use crate::{Corpus, Emotion, Error, Sex, Utterance};

pub const EMODB: Official =
    Official { expected: "EMO-DB audio files such as 03a01Fa.wav", clips: 535, parse, defects: &[] };

impl Corpus {
    /// Reads EMO-DB, the Berlin Database of Emotional Speech (Burkhardt et al. 2005): 535 clips of
    /// 10 German speakers in 7 emotions.
    ///
    /// Clips are found by their official names (`03a01Fa.wav`: speaker, text, emotion, version) in
    /// any folder below `path`, in any case, with any audio ending; or, where there is no audio, as
    /// `.npy` files that hold features. Second files of one clip and names that do not fit are left
    /// out with a warning, and so is a number of clips other than the official one.
    ///
    /// The speakers' ages are those of the database's own page.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read or holds no clip.
    pub fn emodb(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(EMODB.read(path.as_ref())?.into_corpus())
    }
}

fn parse(path: &Path, stem: &str) -> Result<Clip, Refusal> {
    const MISFIT: Refusal = "file name does not fit EMO-DB";
    let name = stem.to_ascii_lowercase();
    let &[_, _, b'a' | b'b', b'0'..=b'9', b'0'..=b'9', emotion, version @ b'a'..=b'z'] = name.as_bytes() else {
        return Err(MISFIT);
    };
    let (Some(speaker), Some(sentence)) = (name.get(..2), name.get(2..5)) else {
        return Err(MISFIT);
    };
    let (sex, age) = match speaker {
        "03" => (Sex::Male, 31),
        "08" => (Sex::Female, 34),
        "09" => (Sex::Female, 21),
        "10" => (Sex::Male, 32),
        "11" => (Sex::Male, 26),
        "12" => (Sex::Male, 30),
        "13" => (Sex::Female, 32),
        "14" => (Sex::Female, 35),
        "15" => (Sex::Male, 25),
        "16" => (Sex::Female, 31),
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
    let utterance = Utterance {
        speaker: Some(speaker.into()),
        sex: Some(sex),
        age: Some(age),
        sentence: Some(sentence.into()),
        repetition: Some(u32::from(version - b'a') + 1),
        language: Some("de".into()),
        ..Utterance::new(path, emotion, "emodb")
    };
    Ok(Clip::new(name, utterance))
}
