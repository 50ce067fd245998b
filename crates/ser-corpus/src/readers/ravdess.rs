use std::path::Path;

use super::files::{Clip, Official, Refusal};
use crate::{Corpus, Emotion, Error, Intensity, Sex, Utterance, Warning};

pub const RAVDESS: Official =
    Official { expected: "RAVDESS audio files such as 03-01-06-01-02-01-12.wav", clips: 1440, parse, defects: &[] };

/// Two takes that are one recording in the official release.
const TWINS: [&str; 2] = ["03-01-03-01-02-01-07", "03-01-03-01-02-02-07"];

impl Corpus {
    /// Reads the speech of RAVDESS (Livingstone & Russo 2018): 1,440 clips of 24 English speakers
    /// in 8 emotions.
    ///
    /// Clips are found by their official names (`03-01-06-01-02-01-12.wav`: modality, channel,
    /// emotion, intensity, statement, repetition, actor) in any folder below `path`, with any
    /// audio ending; or, where there is no audio, as `.npy` files that hold features. Songs,
    /// videos, second files of one clip and names that do not fit are left out with a warning, and
    /// so is a number of clips other than the official one.
    ///
    /// In the official release `03-01-03-01-02-01-07` and `03-01-03-01-02-02-07` are the same bytes.
    /// Both are kept, with a warning, as published results count 1,440 clips: speaker, sentence and
    /// emotion are the same, so that the label is right and only a split that shares speakers and
    /// sentences can put them into two parts.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read or holds no clip.
    pub fn ravdess(path: impl AsRef<Path>) -> Result<Self, Error> {
        let mut found = RAVDESS.read(path.as_ref())?;
        let twins = TWINS.map(|twin| {
            let mut paths = found.utterances.iter().map(|utterance| &utterance.path);
            paths.find(|path| path.file_stem().is_some_and(|stem| stem == twin))
        });
        if let [Some(_), Some(second)] = twins {
            let problem = format!("in the official release the same bytes as {}", TWINS[0]);
            let warning = Warning::new(second, problem, "both kept: same speaker, sentence and emotion");
            found.warnings.push(warning);
        }
        Ok(found.into_corpus())
    }
}

fn parse(path: &Path, stem: &str) -> Result<Clip, Refusal> {
    const MISFIT: Refusal = "file name does not fit RAVDESS";
    let fields: Vec<&str> = stem.split('-').collect();
    let [modality, channel, emotion, intensity, statement, repetition, actor] = fields[..] else {
        return Err(MISFIT);
    };
    let emotion = match emotion {
        "01" => Emotion::Neutral,
        "02" => Emotion::Calm,
        "03" => Emotion::Happy,
        "04" => Emotion::Sad,
        "05" => Emotion::Angry,
        "06" => Emotion::Fear,
        "07" => Emotion::Disgust,
        "08" => Emotion::Surprise,
        _ => return Err(MISFIT),
    };
    let intensity = match intensity {
        "01" => Intensity::Normal,
        "02" => Intensity::Strong,
        _ => return Err(MISFIT),
    };
    let repetition = match repetition {
        "01" => 1,
        "02" => 2,
        _ => return Err(MISFIT),
    };
    let sex = match actor.parse::<u8>() {
        Ok(number @ 1..=24) if actor.len() == 2 && !actor.starts_with('+') => match number % 2 {
            0 => Sex::Female,
            _ => Sex::Male,
        },
        _ => return Err(MISFIT),
    };
    if !matches!(statement, "01" | "02") {
        return Err(MISFIT);
    }
    match (modality, channel) {
        ("03", "01") => {}
        ("03", "02") => return Err("song, not speech"),
        ("01" | "02", "01" | "02") => return Err("from a video, not the audio release"),
        _ => return Err(MISFIT),
    }
    let utterance = Utterance {
        speaker: Some(actor.into()),
        sex: Some(sex),
        sentence: Some(statement.into()),
        intensity: Some(intensity),
        repetition: Some(repetition),
        language: Some("en".into()),
        ..Utterance::new(path, emotion, "ravdess")
    };
    Ok(Clip::new(stem, utterance))
}
