use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{Corpus, Emotion, Error};

/// Says which emotions are told apart, in which order, and which others are merged into them.
///
/// An emotion that is neither a class nor in the map is dropped: its utterances are left out.
/// Serde reads and writes `{ classes = ["angry", "neutral"], map = { calm = "neutral" } }`.
///
/// ```
/// use ser_corpus::{Emotion, LabelSet};
///
/// let labels = LabelSet::seven();
/// assert_eq!(labels.index_of(Emotion::Calm), labels.index_of(Emotion::Neutral));
/// assert_eq!(labels.index_of(Emotion::Boredom), None);
/// assert_eq!(labels.emotion(0), Some(Emotion::Angry));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct LabelSet {
    classes: Vec<Emotion>,
    map: BTreeMap<Emotion, Emotion>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    classes: Vec<Emotion>,
    #[serde(default)]
    map: BTreeMap<Emotion, Emotion>,
}

impl LabelSet {
    /// Makes a label set of classes in the order of their indices, and a map of further emotions
    /// to the classes that they count as.
    ///
    /// # Errors
    ///
    /// If there are fewer than two classes or one is repeated, or if the map renames a class or
    /// leads to an emotion that is no class.
    pub fn new(classes: impl Into<Vec<Emotion>>, map: impl Into<BTreeMap<Emotion, Emotion>>) -> Result<Self, Error> {
        let (classes, map) = (classes.into(), map.into());
        let invalid = |reason| Err(Error::InvalidLabelSet { reason });
        if classes.len() < 2 {
            let names: Vec<_> = classes.iter().map(|class| class.name()).collect();
            let found = if names.is_empty() { "none".into() } else { format!("only {}", names.join(", ")) };
            return invalid(format!("needs at least 2 classes, has {found}: add what has others"));
        }
        for (index, class) in classes.iter().enumerate() {
            if classes[..index].contains(class) {
                return invalid(format!("class {class} is listed twice: list it once"));
            }
        }
        for (from, to) in &map {
            if classes.contains(from) {
                return invalid(format!("{from} is a class and is also mapped to {to}: remove one"));
            }
            if !classes.contains(to) {
                return invalid(format!("{from} is mapped to {to}, which is no class: add it to the classes"));
            }
        }
        Ok(Self { classes, map })
    }

    /// Returns the seven classes angry, disgust, fear, happy, neutral, sad and surprise; calm
    /// counts as neutral, boredom is dropped.
    pub fn seven() -> Self {
        Self {
            classes: vec![
                Emotion::Angry,
                Emotion::Disgust,
                Emotion::Fear,
                Emotion::Happy,
                Emotion::Neutral,
                Emotion::Sad,
                Emotion::Surprise,
            ],
            map: BTreeMap::from([(Emotion::Calm, Emotion::Neutral)]),
        }
    }

    /// Returns the eight classes of RAVDESS: angry, calm, disgust, fear, happy, neutral, sad and
    /// surprise; all others are dropped.
    pub fn eight() -> Self {
        Self {
            classes: vec![
                Emotion::Angry,
                Emotion::Calm,
                Emotion::Disgust,
                Emotion::Fear,
                Emotion::Happy,
                Emotion::Neutral,
                Emotion::Sad,
                Emotion::Surprise,
            ],
            map: BTreeMap::new(),
        }
    }

    /// Returns the four classes that results on IEMOCAP are published for: angry, happy, neutral and
    /// sad; excited counts as happy, all others are dropped.
    pub fn four() -> Self {
        Self {
            classes: vec![Emotion::Angry, Emotion::Happy, Emotion::Neutral, Emotion::Sad],
            map: BTreeMap::from([(Emotion::Excited, Emotion::Happy)]),
        }
    }

    /// Returns a corpus's own emotions, in alphabetical order.
    ///
    /// # Errors
    ///
    /// If the corpus has fewer than two emotions.
    pub fn own(corpus: &Corpus) -> Result<Self, Error> {
        let classes: Vec<Emotion> = corpus.emotion_counts().into_keys().collect();
        Self::new(classes, []).map_err(|error| match error {
            Error::InvalidLabelSet { reason } => {
                Error::InvalidLabelSet { reason: reason + &Corpus::skipped(corpus.warnings()) }
            }
            error => error,
        })
    }

    /// Returns the class index of an emotion, or `None` if the emotion is dropped.
    pub fn index_of(&self, emotion: Emotion) -> Option<usize> {
        let class = self.map.get(&emotion).unwrap_or(&emotion);
        self.classes.iter().position(|c| c == class)
    }

    /// Returns the emotion of a class index, or `None` if the index is out of range.
    pub fn emotion(&self, index: usize) -> Option<Emotion> {
        self.classes.get(index).copied()
    }

    /// Returns the class index of a name, in any of the spellings that [`Emotion`] reads, or `None` if
    /// it names no emotion or one that is dropped.
    pub fn index_of_name(&self, name: &str) -> Option<usize> {
        self.index_of(name.parse().ok()?)
    }

    /// Returns the name of a class index, or `None` if the index is out of range.
    pub fn name(&self, index: usize) -> Option<&'static str> {
        self.emotion(index).map(Emotion::name)
    }

    /// Encodes a class index as one number for each class: 1 for the class itself, 0 for the others;
    /// `None` if the index is out of range.
    ///
    /// ```
    /// use ser_corpus::LabelSet;
    ///
    /// let labels = LabelSet::four();
    /// assert_eq!(labels.one_hot(1), Some(vec![0.0, 1.0, 0.0, 0.0]));
    /// assert_eq!(labels.index_of_one_hot(&[0.0, 1.0, 0.0, 0.0]), Some(1));
    /// ```
    pub fn one_hot(&self, index: usize) -> Option<Vec<f32>> {
        let mut encoding = vec![0.0; self.len()];
        *encoding.get_mut(index)? = 1.0;
        Some(encoding)
    }

    /// Returns the class index of an encoding made by [`one_hot`](Self::one_hot), or `None` if it is
    /// not one 1 among 0s for this number of classes.
    pub fn index_of_one_hot(&self, encoding: &[f32]) -> Option<usize> {
        let index = encoding.iter().position(|&value| value == 1.0)?;
        (self.one_hot(index)? == encoding).then_some(index)
    }

    /// Returns the classes in the order of their indices.
    pub fn classes(&self) -> &[Emotion] {
        &self.classes
    }

    /// Returns the names of the classes in the order of their indices.
    pub fn names(&self) -> Vec<&'static str> {
        self.classes.iter().map(|class| class.name()).collect()
    }

    /// Returns the number of classes, at least 2.
    #[allow(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.classes.len()
    }
}

impl TryFrom<Unchecked> for LabelSet {
    type Error = Error;

    fn try_from(Unchecked { classes, map }: Unchecked) -> Result<Self, Error> {
        Self::new(classes, map)
    }
}

/// Names a label set in a configuration: `labels = "seven"`, `"eight"`, `"four"` or `"own"`, or
/// `labels = { classes = ["angry", "neutral"], map = { calm = "neutral" } }`.
///
/// ```
/// use ser_corpus::{Emotion, Labels};
///
/// #[derive(serde::Deserialize)]
/// struct Config {
///     labels: Labels,
/// }
///
/// let config: Config = toml::from_str(r#"labels = { classes = ["sad", "anger"] }"#)?;
/// let Labels::Custom(labels) = config.labels else { panic!() };
/// assert_eq!(labels.classes(), [Emotion::Sad, Emotion::Angry]);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Labels {
    /// [`LabelSet::seven`].
    #[default]
    Seven,
    /// [`LabelSet::eight`].
    Eight,
    /// [`LabelSet::four`].
    Four,
    /// [`LabelSet::own`] of the corpus at hand.
    Own,
    /// The label set written out.
    Custom(LabelSet),
}

impl Labels {
    /// Returns the label set that is meant, for the corpus at hand.
    ///
    /// # Errors
    ///
    /// If the corpus's own emotions are asked for and there are fewer than two.
    pub fn resolve(&self, corpus: &Corpus) -> Result<LabelSet, Error> {
        match self {
            Self::Seven => Ok(LabelSet::seven()),
            Self::Eight => Ok(LabelSet::eight()),
            Self::Four => Ok(LabelSet::four()),
            Self::Own => LabelSet::own(corpus),
            Self::Custom(labels) => Ok(labels.clone()),
        }
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Seven => serializer.serialize_str("seven"),
            Self::Eight => serializer.serialize_str("eight"),
            Self::Four => serializer.serialize_str("four"),
            Self::Own => serializer.serialize_str("own"),
            Self::Custom(labels) => labels.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LabelsVisitor)
    }
}

/// By hand, as an untagged enum would not say what is wrong with the label set.
struct LabelsVisitor;

impl<'de> Visitor<'de> for LabelsVisitor {
    type Value = Labels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"seven\", \"eight\", \"four\", \"own\" or a table of classes and map")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Labels, E> {
        match name {
            "seven" => Ok(Labels::Seven),
            "eight" => Ok(Labels::Eight),
            "four" => Ok(Labels::Four),
            "own" => Ok(Labels::Own),
            _ => Err(E::invalid_value(de::Unexpected::Str(name), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Labels, A::Error> {
        LabelSet::deserialize(MapAccessDeserializer::new(map)).map(Labels::Custom)
    }
}
