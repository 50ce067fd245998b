use std::{collections::BTreeMap, path::PathBuf};

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
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Utterance {
    /// The audio file, or the `.npy` file that stands in for it, below the folder that was given to
    /// the reader.
    pub path: PathBuf,
    /// The emotion it is labelled with.
    pub emotion: Emotion,
    /// The corpus it is from, such as `ravdess`.
    pub corpus: String,
    /// Who speaks, as the corpus names the speaker; unique within the corpus only.
    pub speaker: Option<String>,
    /// The speaker's sex, as the corpus states it.
    pub sex: Option<Sex>,
    /// What is said, as the corpus names the text; unique within the corpus only.
    pub sentence: Option<String>,
    /// How strongly the emotion was acted.
    pub intensity: Option<Intensity>,
    /// Which take of the same speaker, emotion and sentence this is, counted from 1.
    pub repetition: Option<u32>,
    /// The language, as an ISO 639-1 code such as `de`.
    pub language: Option<String>,
    /// Which part of each published fold the utterance is in, by the number of the fold; empty where
    /// the corpus comes without folds.
    pub folds: BTreeMap<u32, FoldPart>,
    pub(crate) copy: u32,
}

/// Tells the sexes that corpora state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Sex {
    Female,
    Male,
}

/// Tells how strongly an emotion was acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names say it")]
pub enum Intensity {
    Normal,
    Strong,
}

/// Tells which part of a published fold an utterance is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
            sentence: None,
            intensity: None,
            repetition: None,
            language: None,
            folds: BTreeMap::new(),
            copy: 0,
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
