use std::path::Path;

use super::files::{Clip, Official, Refusal};
use crate::{Corpus, Emotion, Error, Sex, Utterance};

pub const SAVEE: Official =
    Official { expected: "SAVEE audio files such as DC_a01.wav or DC/a01.wav", clips: 480, parse, defects: &[] };

const SPEAKERS: [&str; 4] = ["DC", "JE", "JK", "KL"];

impl Corpus {
    /// Reads SAVEE (Haq & Jackson 2010): 480 clips of 4 English men in 7 emotions.
    ///
    /// Clips are found by their official names below folders of speakers (`DC/a01.wav`: emotion and
    /// number), or by the names of the common flat copy (`ALL/DC_a01.wav`), in any case, with any
    /// audio ending; or, where there is no audio, as `.npy` files that hold features. Second files of
    /// one clip and names that do not fit are left out with a warning, and so is a number of clips
    /// other than the official one.
    ///
    /// The number (the attribute `number`) counts within speaker and emotion. It does not name the
    /// text: some sentences are spoken in several emotions, and neutral repeats those of the others
    /// under numbers of its own. The sentence is therefore not known.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read or holds no clip.
    pub fn savee(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(SAVEE.read(path.as_ref())?.into_corpus())
    }
}

fn parse(path: &Path, stem: &str) -> Result<Clip, Refusal> {
    const MISFIT: Refusal = "file name does not fit SAVEE";
    let folder = || path.parent()?.file_name()?.to_str();
    let (speaker, code) = match stem.split_once(['_', '-']) {
        Some(names) => names,
        None => (folder().ok_or(MISFIT)?, stem),
    };
    let speaker = speaker.to_ascii_uppercase();
    let code = code.to_ascii_lowercase();
    let (letters, number) = code.split_at_checked(code.len().saturating_sub(2)).ok_or(MISFIT)?;
    let (emotion, last) = match letters {
        "a" => (Emotion::Angry, 15),
        "d" => (Emotion::Disgust, 15),
        "f" => (Emotion::Fear, 15),
        "h" => (Emotion::Happy, 15),
        "n" => (Emotion::Neutral, 30),
        "sa" => (Emotion::Sad, 15),
        "su" => (Emotion::Surprise, 15),
        _ => return Err(MISFIT),
    };
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    let in_range = number.parse().is_ok_and(|number: u32| (1..=last).contains(&number));
    if !is_number || !in_range || !SPEAKERS.contains(&speaker.as_str()) {
        return Err(MISFIT);
    }
    let mut utterance = Utterance::new(path, emotion, "savee");
    utterance.attributes.insert("number".into(), number.into());
    utterance.sex = Some(Sex::Male);
    utterance.language = Some("en".into());
    let name = format!("{speaker}_{code}");
    utterance.speaker = Some(speaker);
    Ok(Clip::new(name, utterance))
}
