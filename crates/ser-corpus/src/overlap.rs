use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt,
    path::Path,
};

use crate::{
    Utterance,
    utterance::{Key, KeyOf},
};

/// Tells what the test part of a split has in common with the two parts that a model is made with.
///
/// `Display` writes the line that belongs beside every score, such as `speakers disjoint, sentences shared; fold 1 of
/// 2; validation by sentence`. It names clips only where they are shared, and corpora only where there are several.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overlap {
    /// Whether one recording is in two of the three parts.
    pub clips: Sharing,
    /// Whether a speaker of the test part is heard in training or validation.
    pub speakers: Sharing,
    /// Whether a sentence of the test part is spoken in training or validation.
    pub sentences: Sharing,
    /// Whether a corpus of the test part is in training or validation; none where there is one corpus only.
    pub corpora: Option<Sharing>,
    /// What else belongs beside a score: which fold it is of; how validation was split from training, where the two
    /// share what the test part does not share, or that there is none; which corpora are trained on only; how many clips are in no part.
    pub notes: Vec<String>,
}

/// Tells whether something is found on two sides of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// On one side only.
    Disjoint,
    /// On both sides.
    Shared,
    /// Not seen on both sides, but utterances of a corpus that is on both sides do not say, or [`may_share_speakers`].
    Unknown,
}

impl Overlap {
    /// Compares the parts. `fold` is the note of which fold this is, `left_out` the number of clips in no part.
    pub(crate) fn between(
        train: &[Utterance],
        valid: &[Utterance],
        test: &[Utterance],
        fold: Option<String>,
        left_out: usize,
    ) -> Self {
        let tested = compare(test, &[train, valid]);
        let validated = compare(valid, &[train]);
        let (trained, others) = (corpora(&[train]), corpora(&[valid, test]));

        let mut notes = Vec::from_iter(fold);
        let disjoint = Sharing::Disjoint;
        if tested.iter().zip(validated).any(|(&tested, validated)| tested == disjoint && validated != disjoint) {
            let [speakers, sentences, _] = validated.map(|sharing| sharing == disjoint);
            let unit = if speakers {
                "speaker"
            } else if sentences {
                "sentence"
            } else {
                "clip"
            };
            notes.push(format!("validation by {unit}"));
        }
        if valid.is_empty() {
            notes.push("no validation part".into());
        }
        if tested[2] == Sharing::Shared && !trained.is_subset(&others) {
            let names: Vec<_> = trained.difference(&others).copied().collect();
            notes.push(format!("trained on only: {}", names.join(", ")));
        }
        if tested[0] == Sharing::Unknown
            && let Some((own, other)) = nameless(test, &[train, valid])
        {
            notes.push(format!("whether speakers of {own} are also in {other}, under other names, is not known"));
        }
        if left_out > 0 {
            notes.push(format!("{left_out} clips left out"));
        }
        Self {
            clips: if shared_clip([train, valid, test]).is_some() { Sharing::Shared } else { disjoint },
            speakers: tested[0],
            sentences: tested[1],
            corpora: (trained.union(&others).count() > 1).then_some(tested[2]),
            notes,
        }
    }

    /// Compares the validation part with the training part alone.
    pub(crate) fn of_validation(train: &[Utterance], valid: &[Utterance]) -> Self {
        let [speakers, sentences, sharing] = compare(valid, &[train]);
        Self {
            clips: if shared_clip([train, valid, &[]]).is_some() { Sharing::Shared } else { Sharing::Disjoint },
            speakers,
            sentences,
            corpora: (corpora(&[train, valid]).len() > 1).then_some(sharing),
            notes: Vec::new(),
        }
    }
}

/// Whether speakers of one corpus may be in the other under other names: where corpora differ of which one is called `folder` or
/// `csv`, which says nothing of where it is from.
pub fn may_share_speakers(one: &str, other: &str) -> bool {
    let is_nameless = |name| ["csv", "folder"].contains(&name);
    one != other && (is_nameless(one) || is_nameless(other))
}

/// A corpus and one of the others of which [`may_share_speakers`] holds.
fn nameless<'u>(one: &'u [Utterance], others: &[&'u [Utterance]]) -> Option<(&'u str, &'u str)> {
    let (one, others) = (corpora(&[one]), corpora(others));
    let mut pairs = one.iter().flat_map(|&own| others.iter().map(move |&other| (own, other)));
    pairs.find(|(own, other)| may_share_speakers(own, other))
}

/// What one part has in common with others: speakers, sentences, corpora.
fn compare(one: &[Utterance], others: &[&[Utterance]]) -> [Sharing; 3] {
    let keys: [KeyOf; 3] = [Utterance::speaker_key, Utterance::sentence_key, corpus_key];
    let [speakers, sentences, corpora] = keys.map(|key| Sharing::between(one, others, key));
    let is_nameless = nameless(one, others).is_some();
    let known = |sharing| if is_nameless && sharing == Sharing::Disjoint { Sharing::Unknown } else { sharing };
    [known(speakers), known(sentences), corpora]
}

/// Finds a recording that is in two parts.
pub(crate) fn shared_clip(parts: [&[Utterance]; 3]) -> Option<&Path> {
    let mut part_of = HashMap::new();
    let mut clips = parts.into_iter().enumerate().flat_map(|(part, clips)| clips.iter().map(move |clip| (part, clip)));
    let shared = clips.find(|(part, clip)| *part_of.entry(&clip.path).or_insert(*part) != *part);
    shared.map(|(_, clip)| clip.path.as_path())
}

fn corpus_key(utterance: &Utterance) -> Option<Key<'_>> {
    Some((&utterance.corpus, ""))
}

fn corpora<'u>(parts: &[&'u [Utterance]]) -> BTreeSet<&'u str> {
    parts.iter().copied().flatten().map(|utterance| utterance.corpus.as_str()).collect()
}

impl Sharing {
    fn between(one: &[Utterance], others: &[&[Utterance]], key: KeyOf) -> Self {
        let others = || others.iter().copied().flatten();
        let keys: HashSet<_> = one.iter().filter_map(key).collect();
        if others().filter_map(key).any(|key| keys.contains(&key)) {
            return Self::Shared;
        }
        // Corpora that have names share neither speakers nor sentences, so only within one can what is unknown be shared.
        let corpora: HashSet<_> = one.iter().map(|utterance| &utterance.corpus).collect();
        let without: HashSet<_> = one.iter().filter(|u| key(u).is_none()).map(|utterance| &utterance.corpus).collect();
        let may_share = |u: &Utterance| without.contains(&u.corpus) || key(u).is_none() && corpora.contains(&u.corpus);
        if others().any(may_share) { Self::Unknown } else { Self::Disjoint }
    }
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.clips == Sharing::Shared {
            f.write_str("clips shared, ")?;
        }
        write!(f, "speakers {}, sentences {}", self.speakers, self.sentences)?;
        if let Some(corpora) = self.corpora {
            write!(f, ", corpora {corpora}")?;
        }
        self.notes.iter().try_for_each(|note| write!(f, "; {note}"))
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
