use std::{collections::HashMap, fmt};

use crate::Utterance;

/// Tells what the parts of a split have in common.
///
/// `Display` writes the line that belongs beside every score: `speakers disjoint, sentences
/// shared`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overlap {
    /// Whether one speaker is heard in two parts.
    pub speakers: Sharing,
    /// Whether one sentence is spoken in two parts.
    pub sentences: Sharing,
}

/// Tells whether something is found in more than one part of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// In no two parts.
    Disjoint,
    /// In two parts or all three.
    Shared,
    /// Not seen in two parts, but some utterances do not say.
    Unknown,
}

impl Overlap {
    pub(crate) fn between(parts: [&[Utterance]; 3]) -> Self {
        Self {
            speakers: Sharing::of(parts, Utterance::speaker_key),
            sentences: Sharing::of(parts, Utterance::sentence_key),
        }
    }
}

impl Sharing {
    fn of(parts: [&[Utterance]; 3], key: for<'u> fn(&'u Utterance) -> Option<(&'u str, &'u str)>) -> Self {
        let mut part_of = HashMap::new();
        let mut sharing = Self::Disjoint;
        for (part, utterances) in parts.into_iter().enumerate() {
            for utterance in utterances {
                match key(utterance) {
                    None => sharing = Self::Unknown,
                    Some(key) if *part_of.entry(key).or_insert(part) != part => {
                        return Self::Shared;
                    }
                    Some(_) => {}
                }
            }
        }
        sharing
    }
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "speakers {}, sentences {}", self.speakers, self.sentences)
    }
}

impl fmt::Display for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Disjoint => "disjoint",
            Self::Shared => "shared",
            Self::Unknown => "unknown",
        })
    }
}
