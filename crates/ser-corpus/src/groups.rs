//! Utterances of one speaker, of one sentence: what a split keeps together.

use std::collections::BTreeMap;

use crate::{
    Error, Utterance,
    utterance::{Key, KeyOf},
};

/// The indices of the utterances that have the same key, in order of the keys.
pub type Groups<'u> = BTreeMap<Key<'u>, Vec<usize>>;

/// Collects the utterances of each speaker.
///
/// # Errors
///
/// If the speaker of one is not known.
pub fn speakers(utterances: &[Utterance]) -> Result<Groups<'_>, Error> {
    group(utterances, 0..utterances.len(), Utterance::speaker_key)
        .map_err(|(first, count)| Error::NoSpeaker { path: first.path.clone(), count })
}

/// Collects the utterances of each sentence.
///
/// # Errors
///
/// If the sentence of one is not known.
pub fn sentences(utterances: &[Utterance]) -> Result<Groups<'_>, Error> {
    group(utterances, 0..utterances.len(), Utterance::sentence_key)
        .map_err(|(first, count)| Error::NoSentence { path: first.path.clone(), count })
}

/// Collects the utterances of each corpus.
pub fn corpora(utterances: &[Utterance]) -> BTreeMap<&str, Vec<usize>> {
    let mut groups = BTreeMap::<_, Vec<_>>::new();
    for (index, utterance) in utterances.iter().enumerate() {
        groups.entry(utterance.corpus.as_str()).or_default().push(index);
    }
    groups
}

/// Collects the utterances at these indices by a key that all must have.
///
/// # Errors
///
/// Those without: the first, and their number.
pub fn group(
    utterances: &[Utterance],
    indices: impl IntoIterator<Item = usize>,
    key: KeyOf,
) -> Result<Groups<'_>, (&Utterance, usize)> {
    let mut groups = Groups::new();
    let mut without = None;
    for index in indices {
        let utterance = &utterances[index];
        match key(utterance) {
            Some(key) => groups.entry(key).or_default().push(index),
            None => {
                let (_, count) = without.get_or_insert((utterance, 0));
                *count += 1;
            }
        }
    }
    without.map_or(Ok(groups), Err)
}
