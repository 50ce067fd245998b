use std::{collections::HashMap, path::Path};

use super::{
    files::{Clip, Found, Official, Refusal},
    table::{Table, cell},
};
use crate::{Corpus, Emotion, Error, Sex, Utterance, Warning};

const NEMO: Official =
    Official { expected: "nEMO audio files such as WR0_surprised_64.wav", clips: 4481, parse, defects: &[] };

const TABLE: &str = "data.tsv";

impl Corpus {
    /// Reads nEMO (Christop 2024): 4,481 clips of 9 Polish speakers in 6 emotions.
    ///
    /// Clips are found by their official names (`WR0_surprised_64.wav`: speaker, emotion, sentence) in
    /// any folder below `path`, in any case, with any audio ending; or, where there is no audio, as
    /// `.npy` files that hold features. Sex and age come from the official `data.tsv`, below `path`
    /// or in the folder above it. Second files of one clip and names that do not fit are left out
    /// with a warning, and so is a number of clips other than the official one.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read or holds no clip, or if `data.tsv` is damaged.
    pub fn nemo(path: impl AsRef<Path>) -> Result<Self, Error> {
        let root = path.as_ref();
        let mut found = NEMO.read(root)?;
        match found.table(root, TABLE) {
            Some(table) => add_speakers(&mut found, &table)?,
            None => found.warnings.push(Warning::new(
                root,
                format!("no {TABLE} in it or above it"),
                "age and sex are not known",
            )),
        }
        Ok(found.into_corpus())
    }
}

fn parse(path: &Path, stem: &str) -> Result<Clip, Refusal> {
    const MISFIT: Refusal = "file name does not fit nEMO";
    let name = stem.to_ascii_uppercase();
    let fields: Vec<&str> = name.split('_').collect();
    let [speaker, emotion, sentence] = fields[..] else {
        return Err(MISFIT);
    };
    let emotion = match emotion {
        "ANGER" => Emotion::Angry,
        "FEAR" => Emotion::Fear,
        "HAPPINESS" => Emotion::Happy,
        "NEUTRAL" => Emotion::Neutral,
        "SADNESS" => Emotion::Sad,
        "SURPRISED" => Emotion::Surprise,
        _ => return Err(MISFIT),
    };
    let is_speaker = matches!(speaker.as_bytes(), [b'A'..=b'Z', b'A'..=b'Z', b'0'..=b'9']);
    if !is_speaker || sentence.starts_with('+') || !matches!(sentence.parse(), Ok(1..=90)) {
        return Err(MISFIT);
    }
    let utterance = Utterance {
        speaker: Some(speaker.into()),
        sentence: Some(sentence.into()),
        language: Some("pl".into()),
        ..Utterance::new(path, emotion, "nemo")
    };
    Ok(Clip::new(name, utterance))
}

fn add_speakers(found: &mut Found, path: &Path) -> Result<(), Error> {
    let table = Table::tab_separated(path)?;
    let column = |name| table.required_column(path, &[name]).map(Some);
    let (speaker, sex, age) = (column("speaker_id")?, column("gender")?, column("age")?);
    // The official file pads the names of speakers with spaces, which `cell` takes off.
    let speakers: HashMap<_, _> = table.rows().iter().filter_map(|row| Some((cell(row, speaker)?, row))).collect();
    for utterance in &mut found.utterances {
        let Some(row) = utterance.speaker.as_deref().and_then(|speaker| speakers.get(speaker)) else {
            let problem = format!("its speaker is not in {TABLE}");
            found.warnings.push(Warning::new(&utterance.path, problem, "age and sex are not known"));
            continue;
        };
        utterance.sex = cell(row, sex).and_then(Sex::from_word);
        utterance.age = cell(row, age).and_then(|age| age.parse().ok());
    }
    Ok(())
}
