use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Error, Overlap, Sharing};

/// Names the rule by which a corpus is split.
///
/// `Display`, `FromStr` and serde use the names in the descriptions below. Where a protocol has folds, a
/// [`Split`](crate::Split) is one of them; each fold's validation part is taken from what is left to train on: 15 % of
/// the speakers, or of the sentences where only one speaker is left, or of the clips where that is all that is known.
///
/// ```
/// use ser_corpus::Protocol;
///
/// assert_eq!("lnso:2".parse::<Protocol>()?, Protocol::LeaveSpeakersOut(2));
/// assert_eq!(Protocol::SpeakerKFold(5).to_string(), "speaker-kfold:5");
/// # Ok::<(), ser_corpus::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[non_exhaustive]
pub enum Protocol {
    /// `speakers`: of each corpus, 70 % of the speakers train, 15 % validate and 15 % test.
    #[default]
    Speakers,
    /// `sentences`: 70 % of the sentences train, 15 % validate and 15 % test. Speakers are shared. Where there are
    /// only two sentences, as in RAVDESS, one is trained on and one tests.
    Sentences,
    /// `speakers-sentences`: disjoint in both. Speakers and sentences are each divided as above, and a clip whose
    /// speaker and sentence fall into different parts is left out: most of a small corpus.
    SpeakersSentences,
    /// `corpora`: a fold for each corpus, which tests; of three or more another one validates. Without a chosen fold,
    /// chance picks the corpus.
    Corpora,
    /// `loso`: leave one speaker out, a fold for each speaker of all corpora, in order of corpus and name.
    LeaveOneSpeakerOut,
    /// `lnso:N`: leave N speakers out. Each speaker tests once, N (at least 1) together, the last fold what is left.
    LeaveSpeakersOut(usize),
    /// `speaker-kfold:K`: K (at least 2) folds of whole speakers with about equally many clips.
    SpeakerKFold(usize),
    /// `random-kfold:K`: K (at least 2) random folds of clips with equally many of each emotion. Speakers are shared,
    /// so the scores say nothing about new speakers.
    RandomKFold(usize),
    /// `ravdess-emobox6`: the six folds of four actors of RAVDESS that EmoBox publishes (Ma et al. 2024). Other
    /// corpora are trained on only.
    RavdessEmobox6,
    /// `ravdess-lj5`: the five folds of actors of RAVDESS of Luna-Jiménez et al. (2021). Other corpora are trained on
    /// only.
    RavdessLj5,
    /// `emobox`: the folds that came with the corpus, [`Utterance::folds`](crate::Utterance::folds); some share
    /// speakers. Corpora without folds are trained on only.
    Emobox,
    /// `leaky-seed`: the protocol of Zahoor & Kaur, to show what its numbers are worth: every clip and three augmented
    /// copies of it ([`Utterance::copy`](crate::Utterance::copy)), of which a random fifth tests. Nearly every tested
    /// clip is also trained on. They chose the epoch by the tested rows; here 10 % of the others validate.
    LeakySeed,
}

impl Protocol {
    /// What `FromStr` takes, for messages.
    pub(crate) const NAMES: &str = "speakers, sentences, speakers-sentences, corpora, loso, lnso:N, speaker-kfold:K, \
                                    random-kfold:K, ravdess-emobox6, ravdess-lj5, emobox or leaky-seed";

    /// Refuses numbers that make no folds.
    pub(crate) fn check(self) -> Result<Self, Error> {
        match self {
            Self::LeaveSpeakersOut(0) | Self::SpeakerKFold(0 | 1) | Self::RandomKFold(0 | 1) => {
                Err(Error::InvalidProtocol { name: self.to_string() })
            }
            _ => Ok(self),
        }
    }

    /// Tells what is shared although this protocol promises that it is not.
    pub(crate) fn broken_promise(self, overlap: &Overlap) -> Option<&'static str> {
        let (speakers, sentences, corpora) = match self {
            Self::Speakers
            | Self::LeaveOneSpeakerOut
            | Self::LeaveSpeakersOut(_)
            | Self::SpeakerKFold(_)
            | Self::RavdessEmobox6
            | Self::RavdessLj5 => (true, false, false),
            Self::Sentences => (false, true, false),
            Self::SpeakersSentences => (true, true, false),
            Self::Corpora => (true, true, true),
            Self::RandomKFold(_) | Self::Emobox | Self::LeakySeed => (false, false, false),
        };
        [
            (speakers, overlap.speakers, "speakers"),
            (sentences, overlap.sentences, "sentences"),
            (corpora, overlap.corpora.unwrap_or(Sharing::Shared), "corpora"),
        ]
        .into_iter()
        .find_map(|(promised, sharing, what)| (promised && sharing == Sharing::Shared).then_some(what))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Speakers => "speakers",
            Self::Sentences => "sentences",
            Self::SpeakersSentences => "speakers-sentences",
            Self::Corpora => "corpora",
            Self::LeaveOneSpeakerOut => "loso",
            Self::LeaveSpeakersOut(n) => return f.pad(&format!("lnso:{n}")),
            Self::SpeakerKFold(k) => return f.pad(&format!("speaker-kfold:{k}")),
            Self::RandomKFold(k) => return f.pad(&format!("random-kfold:{k}")),
            Self::RavdessEmobox6 => "ravdess-emobox6",
            Self::RavdessLj5 => "ravdess-lj5",
            Self::Emobox => "emobox",
            Self::LeakySeed => "leaky-seed",
        })
    }
}

impl FromStr for Protocol {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let number = |n: &str| n.parse().map_err(|_| Error::InvalidProtocol { name: name.into() });
        match name.split_once(':').unwrap_or((name, "")) {
            ("lnso", n) => Self::LeaveSpeakersOut(number(n)?).check(),
            ("speaker-kfold", k) => Self::SpeakerKFold(number(k)?).check(),
            ("random-kfold", k) => Self::RandomKFold(number(k)?).check(),
            _ => match name {
                "speakers" => Ok(Self::Speakers),
                "sentences" => Ok(Self::Sentences),
                "speakers-sentences" => Ok(Self::SpeakersSentences),
                "corpora" => Ok(Self::Corpora),
                "loso" => Ok(Self::LeaveOneSpeakerOut),
                "ravdess-emobox6" => Ok(Self::RavdessEmobox6),
                "ravdess-lj5" => Ok(Self::RavdessLj5),
                "emobox" => Ok(Self::Emobox),
                "leaky-seed" => Ok(Self::LeakySeed),
                _ => Err(Error::UnknownProtocol { name: name.into() }),
            },
        }
    }
}

impl From<Protocol> for String {
    fn from(protocol: Protocol) -> Self {
        protocol.to_string()
    }
}

impl TryFrom<String> for Protocol {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        name.parse()
    }
}
