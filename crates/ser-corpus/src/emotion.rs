use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Error;

/// Names an emotion that a recording was acted or labelled with.
///
/// `Display` and serde write the canonical lower-case name. `FromStr` and serde read that, and the
/// words that corpora use for it (`anger`, `fearful`, `happiness`, `ps`, ...), in any case.
///
/// ```
/// use ser_corpus::Emotion;
///
/// assert_eq!("Fearful".parse::<Emotion>()?, Emotion::Fear);
/// assert_eq!(Emotion::Fear.to_string(), "fear");
/// # Ok::<(), ser_corpus::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names say it")]
pub enum Emotion {
    Angry,
    Boredom,
    Calm,
    Contempt,
    Disgust,
    Excited,
    Fear,
    Frustrated,
    Happy,
    Neutral,
    Sad,
    Surprise,
}

impl Emotion {
    /// All emotions, in alphabetical order.
    pub const ALL: [Self; 12] = [
        Self::Angry,
        Self::Boredom,
        Self::Calm,
        Self::Contempt,
        Self::Disgust,
        Self::Excited,
        Self::Fear,
        Self::Frustrated,
        Self::Happy,
        Self::Neutral,
        Self::Sad,
        Self::Surprise,
    ];

    /// Returns the canonical name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Angry => "angry",
            Self::Boredom => "boredom",
            Self::Calm => "calm",
            Self::Contempt => "contempt",
            Self::Disgust => "disgust",
            Self::Excited => "excited",
            Self::Fear => "fear",
            Self::Frustrated => "frustrated",
            Self::Happy => "happy",
            Self::Neutral => "neutral",
            Self::Sad => "sad",
            Self::Surprise => "surprise",
        }
    }
}

impl fmt::Display for Emotion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Emotion {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let word = name.trim().to_lowercase().replace([' ', '-'], "_");
        Ok(match word.as_str() {
            "angry" | "anger" => Self::Angry,
            "boredom" | "bored" => Self::Boredom,
            "calm" => Self::Calm,
            "contempt" => Self::Contempt,
            "disgust" | "disgusted" => Self::Disgust,
            "excited" | "excitement" => Self::Excited,
            "fear" | "fearful" => Self::Fear,
            "frustrated" | "frustration" => Self::Frustrated,
            "happy" | "happiness" | "joy" => Self::Happy,
            "neutral" => Self::Neutral,
            "sad" | "sadness" => Self::Sad,
            "surprise" | "surprised" | "ps" | "pleasant_surprise" | "pleasant_surprised" => Self::Surprise,
            _ => return Err(Error::UnknownEmotion { name: name.into() }),
        })
    }
}

impl From<Emotion> for &'static str {
    fn from(emotion: Emotion) -> Self {
        emotion.name()
    }
}

impl TryFrom<String> for Emotion {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        name.parse()
    }
}
