use std::path::Path;

use super::files::{Clip, Official, Refusal};
use crate::{Corpus, Emotion, Error, Sex, Utterance};

pub const EMOVO: Official =
    Official { expected: "EMOVO audio files such as dis-f1-b1.wav", clips: 588, parse, defects: &[] };

const SENTENCES: [&str; 14] = ["b1", "b2", "b3", "d1", "d2", "l1", "l2", "l3", "l4", "n1", "n2", "n3", "n4", "n5"];

impl Corpus {
    /// Reads EMOVO (Costantini et al. 2014): 588 clips of 6 Italian speakers in 7 emotions.
    ///
    /// Clips are found by their official names (`dis-f1-b1.wav`: emotion, speaker, sentence) in any
    /// folder below `path`, in any case, with any audio ending; or, where there is no audio, as
    /// `.npy` files that hold features. Second files of one clip and names that do not fit are left
    /// out with a warning, and so is a number of clips other than the official one.
    ///
    /// The speakers' ages are those that EmoBox (Ma et al. 2024) lists in its preparation script.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read or holds no clip.
    pub fn emovo(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(EMOVO.read(path.as_ref())?.into_corpus())
    }
}

fn parse(path: &Path, stem: &str) -> Result<Clip, Refusal> {
    const MISFIT: Refusal = "file name does not fit EMOVO";
    let name = stem.to_ascii_lowercase();
    let fields: Vec<&str> = name.split('-').collect();
    let [emotion, speaker, sentence] = fields[..] else {
        return Err(MISFIT);
    };
    let emotion = match emotion {
        "dis" => Emotion::Disgust,
        "gio" => Emotion::Happy,
        "neu" => Emotion::Neutral,
        "pau" => Emotion::Fear,
        "rab" => Emotion::Angry,
        "sor" => Emotion::Surprise,
        "tri" => Emotion::Sad,
        _ => return Err(MISFIT),
    };
    let (sex, age) = match speaker {
        "f1" => (Sex::Female, 28),
        "f2" => (Sex::Female, 23),
        "f3" => (Sex::Female, 25),
        "m1" => (Sex::Male, 30),
        "m2" => (Sex::Male, 27),
        "m3" => (Sex::Male, 30),
        _ => return Err(MISFIT),
    };
    if !SENTENCES.contains(&sentence) {
        return Err(MISFIT);
    }
    let utterance = Utterance {
        speaker: Some(speaker.into()),
        sex: Some(sex),
        age: Some(age),
        sentence: Some(sentence.into()),
        language: Some("it".into()),
        ..Utterance::new(path, emotion, "emovo")
    };
    Ok(Clip::new(name, utterance))
}
