use std::{collections::BTreeMap, fmt, path::PathBuf};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::Emotion;

/// A corpus and a name that is unique in it.
pub(crate) type Key<'u> = (&'u str, &'u str);

/// What tells utterances of one kind apart, where they say.
pub(crate) type KeyOf = for<'u> fn(&'u Utterance) -> Option<Key<'u>>;

/// Describes one recording of one speaker: all that is known of it without listening.
///
/// ```
/// use ser_corpus::{Emotion, Utterance};
///
/// let mut utterance = Utterance::new("clips/17.wav", Emotion::Happy, "call centre");
/// utterance.speaker = Some("agent 4".into());
/// assert_eq!(utterance.speaker_key(), Some(("call centre", "agent 4")));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Utterance {
    /// The audio file, or the `.npy` file that stands in for it.
    pub path: PathBuf,
    /// The emotion it is labelled with.
    pub emotion: Emotion,
    /// The corpus it is from, such as `ravdess`.
    pub corpus: String,
    /// Who speaks, as the corpus names the speaker; unique within the corpus only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
    /// The speaker's sex, as the corpus states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sex: Option<Sex>,
    /// The speaker's age in full years.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<u32>,
    /// What is said, as the corpus names the text; unique within the corpus only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentence: Option<String>,
    /// How strongly the emotion was acted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intensity: Option<Intensity>,
    /// Which take of the same speaker, emotion and sentence this is, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repetition: Option<u32>,
    /// The language, as an ISO 639-1 code such as `de`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Which part of each published fold the utterance is in, by the number of the fold; empty where
    /// the corpus comes without folds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub folds: BTreeMap<u32, FoldPart>,
    /// What else the corpus states in words, by name, such as `ethnicity`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// What else the corpus states in finite numbers, by name, such as `arousal`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dimensions: BTreeMap<String, f64>,
    #[serde(skip)]
    pub(crate) copy: u32,
}

/// Dimensions are finite: those that a reader finds otherwise it leaves out.
impl Eq for Utterance {}

/// Tells the sexes that corpora state.
///
/// `Display` and serde write `female` and `male`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Sex {
    Female,
    Male,
}

/// Tells how strongly an emotion was acted, in the corpus's own words: RAVDESS's normal and strong,
/// CREMA-D's low, medium and high.
///
/// `Display` and serde write these words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names say it")]
pub enum Intensity {
    Normal,
    Strong,
    Low,
    Medium,
    High,
}

/// Tells which part of a published fold an utterance is in.
///
/// `Display` and serde write `train`, `valid` and `test`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum FoldPart {
    Train,
    Valid,
    Test,
}

impl Utterance {
    /// Creates an utterance of which nothing else is known; the other fields can be set then.
    pub fn new(path: impl Into<PathBuf>, emotion: Emotion, corpus: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            emotion,
            corpus: corpus.into(),
            speaker: None,
            sex: None,
            age: None,
            sentence: None,
            intensity: None,
            repetition: None,
            language: None,
            folds: BTreeMap::new(),
            attributes: BTreeMap::new(),
            dimensions: BTreeMap::new(),
            copy: 0,
        }
    }

    /// Takes what is not known here from what another list of its corpus says of the same recording.
    pub(crate) fn complete(&mut self, other: Self) {
        self.speaker = self.speaker.take().or(other.speaker);
        self.sex = self.sex.or(other.sex);
        self.age = self.age.or(other.age);
        self.sentence = self.sentence.take().or(other.sentence);
        self.intensity = self.intensity.or(other.intensity);
        self.repetition = self.repetition.or(other.repetition);
        self.language = self.language.take().or(other.language);
        let Self { folds, attributes, dimensions, .. } = self;
        for (fold, part) in other.folds {
            folds.entry(fold).or_insert(part);
        }
        for (name, value) in other.attributes {
            attributes.entry(name).or_insert(value);
        }
        for (name, value) in other.dimensions {
            dimensions.entry(name).or_insert(value);
        }
    }

    /// Returns which copy of the recording stands here: 0 is the recording as it is.
    ///
    /// Only a split by [`Protocol::LeakySeed`](crate::Protocol::LeakySeed) makes others: 1 is augmented with noise, 2
    /// with a shift of pitch, 3 with that shift and noise.
    pub fn copy(&self) -> u32 {
        self.copy
    }

    /// Returns corpus and speaker, which together tell speakers apart: speaker `01` of two corpora
    /// is two people.
    pub fn speaker_key(&self) -> Option<Key<'_>> {
        Some((&self.corpus, self.speaker.as_deref()?))
    }

    /// Returns corpus and sentence, which together tell sentences apart.
    pub fn sentence_key(&self) -> Option<Key<'_>> {
        Some((&self.corpus, self.sentence.as_deref()?))
    }
}

/// A speaker's name as it is compared: in small letters and Unicode's form NFKC, one space for whatever is no letter and no digit, numbers without
/// zeros before them and without a word that says no more than that they are a speaker's. Slashes stay.
///
/// ```
/// assert_eq!(ser_corpus::plain_name("Anna_04 "), ser_corpus::plain_name("anna-4"));
/// assert_eq!(ser_corpus::plain_name("RAVDESS/Actor_04"), ser_corpus::plain_name("ravdess/4"));
/// ```
pub fn plain_name(name: &str) -> String {
    const SPEAKER: [&str; 5] = ["actor", "participant", "speaker", "spk", "subject"];
    let name = name.nfkc().collect::<String>().to_lowercase();
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let part = |part: &str| {
        let mut plain: Vec<&str> = Vec::new();
        for word in part.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            let number = SPEAKER.iter().find_map(|speaker| word.strip_prefix(speaker)).unwrap_or(word);
            if !is_number(number) {
                plain.push(word);
                continue;
            }
            plain.pop_if(|before| SPEAKER.contains(before));
            let zeros = number.len() - number.trim_start_matches('0').len();
            plain.push(&number[zeros.min(number.len() - 1)..]);
        }
        plain.join(" ")
    };
    name.split('/').map(part).collect::<Vec<_>>().join("/")
}

impl Sex {
    /// Reads the words that tables use, in any case.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        match word.to_lowercase().as_str() {
            "female" | "f" | "woman" | "w" => Some(Self::Female),
            "male" | "m" | "man" => Some(Self::Male),
            _ => None,
        }
    }
}

impl Intensity {
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let all = [Self::Normal, Self::Strong, Self::Low, Self::Medium, Self::High];
        all.into_iter().find(|intensity| intensity.to_string().eq_ignore_ascii_case(word))
    }
}

impl FoldPart {
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Train, Self::Valid, Self::Test].into_iter().find(|part| part.to_string() == word)
    }
}

impl fmt::Display for Sex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Female => "female",
            Self::Male => "male",
        })
    }
}

impl fmt::Display for Intensity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Normal => "normal",
            Self::Strong => "strong",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        })
    }
}

impl fmt::Display for FoldPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        })
    }
}
