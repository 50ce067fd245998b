use std::{collections::HashMap, path::Path};

use super::{
    files::{Clip, Found, Official, Refusal},
    table::{Table, cell},
};
use crate::{Corpus, Emotion, Error, Intensity, Sex, Utterance, Warning};

const CONTRADICTORY: Refusal = "same audio as another clip that is labelled with another emotion";

pub const CREMA_D: Official = Official {
    expected: "CREMA-D audio files such as 1001_DFA_ANG_XX.wav",
    clips: 7442,
    parse,
    defects: &[
        ("1006_TIE_HAP_XX", CONTRADICTORY),
        ("1006_TIE_NEU_XX", CONTRADICTORY),
        ("1013_WSI_DIS_XX", CONTRADICTORY),
        ("1013_WSI_SAD_XX", CONTRADICTORY),
        ("1017_IWW_ANG_XX", CONTRADICTORY),
        ("1017_IWW_FEA_XX", CONTRADICTORY),
        ("1076_MTI_SAD_XX", "silent"),
    ],
};

const SENTENCES: [&str; 12] = ["DFA", "IEO", "IOM", "ITH", "ITS", "IWL", "IWW", "MTI", "TAI", "TIE", "TSI", "WSI"];

const DEMOGRAPHICS: &str = "VideoDemographics.csv";

impl Corpus {
    /// Reads CREMA-D (Cao et al. 2014): 7,442 clips of 91 English speakers in 6 emotions.
    ///
    /// Clips are found by their official names (`1001_DFA_ANG_XX.wav`: actor, sentence, emotion,
    /// intensity) in any folder below `path`, in any case, with any audio ending; or, where there is
    /// no audio, as `.npy` files that hold features. Of several files of one clip (`AudioWAV` beside
    /// `AudioMP3`) the lossless one is taken. Age, sex, and the attributes `race` and `ethnicity` come
    /// from the official `VideoDemographics.csv`, below `path` or in the folder above it.
    ///
    /// Left out with a warning are the seven clips of the release whose label cannot be trusted: the
    /// three pairs of one recording under two emotions (`1006_TIE_HAP_XX` and `1006_TIE_NEU_XX`,
    /// `1013_WSI_DIS_XX` and `1013_WSI_SAD_XX`, `1017_IWW_ANG_XX` and `1017_IWW_FEA_XX`), and
    /// `1076_MTI_SAD_XX`, which is silent: 7,435 remain. So are videos, second files of one clip, the
    /// text that a checkout without Git LFS has in place of audio, and names that do not fit. The
    /// official name `1040_ITH_SAD_X`, which lacks an `X`, and a number of clips other than the
    /// official one are warnings, too.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read or holds no clip, or if `VideoDemographics.csv` is damaged.
    pub fn crema_d(path: impl AsRef<Path>) -> Result<Self, Error> {
        let root = path.as_ref();
        let mut found = CREMA_D.read(root)?;
        match found.table(root, DEMOGRAPHICS) {
            Some(table) => add_demographics(&mut found, &table)?,
            None => found.warnings.push(Warning::new(
                root,
                format!("no {DEMOGRAPHICS} in it or above it"),
                "age, sex, race and ethnicity are not known",
            )),
        }
        Ok(found.into_corpus())
    }
}

fn parse(path: &Path, stem: &str) -> Result<Clip, Refusal> {
    const MISFIT: Refusal = "file name does not fit CREMA-D";
    let stem = stem.to_ascii_uppercase();
    let fields: Vec<&str> = stem.split(['_', '-']).collect();
    let [actor, sentence, emotion, intensity] = fields[..] else {
        return Err(MISFIT);
    };
    if actor.len() != 4 || !matches!(actor.parse(), Ok(1001..=1091)) || !SENTENCES.contains(&sentence) {
        return Err(MISFIT);
    }
    let label = match emotion {
        "ANG" => Emotion::Angry,
        "DIS" => Emotion::Disgust,
        "FEA" => Emotion::Fear,
        "HAP" => Emotion::Happy,
        "NEU" => Emotion::Neutral,
        "SAD" => Emotion::Sad,
        _ => return Err(MISFIT),
    };
    let misspelling = (intensity == "X").then_some(("intensity XX is misspelt X", "taken as XX"));
    let (level, intensity) = match intensity {
        "LO" => ("LO", Some(Intensity::Low)),
        "MD" => ("MD", Some(Intensity::Medium)),
        "HI" => ("HI", Some(Intensity::High)),
        "XX" | "X" => ("XX", None),
        _ => return Err(MISFIT),
    };
    let utterance = Utterance {
        speaker: Some(actor.into()),
        sentence: Some(sentence.into()),
        intensity,
        language: Some("en".into()),
        ..Utterance::new(path, label, "crema-d")
    };
    Ok(Clip { name: format!("{actor}_{sentence}_{emotion}_{level}"), utterance, misspelling })
}

fn add_demographics(found: &mut Found, path: &Path) -> Result<(), Error> {
    let table = Table::comma_separated(path)?;
    let column = |name| table.required_column(path, &[name]).map(Some);
    let (actor, age, sex) = (column("ActorID")?, column("Age")?, column("Sex")?);
    let (race, ethnicity) = (column("Race")?, column("Ethnicity")?);
    let actors: HashMap<_, _> = table.rows().iter().filter_map(|row| Some((cell(row, actor)?, row))).collect();
    for utterance in &mut found.utterances {
        let Some(row) = utterance.speaker.as_deref().and_then(|speaker| actors.get(speaker)) else {
            let problem = format!("its speaker is not in {DEMOGRAPHICS}");
            found.warnings.push(Warning::new(&utterance.path, problem, "age and sex are not known"));
            continue;
        };
        utterance.age = cell(row, age).and_then(|age| age.parse().ok());
        utterance.sex = cell(row, sex).and_then(Sex::from_word);
        for (name, column) in [("race", race), ("ethnicity", ethnicity)] {
            if let Some(value) = cell(row, column) {
                utterance.attributes.insert(name.into(), value.into());
            }
        }
    }
    Ok(())
}
