//! Speakers in a random order with the sexes mixed.

use std::collections::BTreeMap;

use rand_chacha::{ChaCha8Rng, rand_core::Rng};

use crate::{Error, Sex, Utterance, groups, utterance::Key};

pub struct Speaker<'u> {
    pub key: Key<'u>,
    /// The sex that is stated first.
    pub sex: Option<Sex>,
    /// The indices of the speaker's utterances.
    pub utterances: Vec<usize>,
}

/// Lists the speakers in order of corpus and name.
///
/// # Errors
///
/// If the speaker of an utterance is not known.
pub fn speakers(utterances: &[Utterance]) -> Result<Vec<Speaker<'_>>, Error> {
    let speaker = |(key, indices): (_, Vec<usize>)| Speaker {
        key,
        sex: indices.iter().find_map(|&index| utterances[index].sex),
        utterances: indices,
    };
    Ok(groups::speakers(utterances)?.into_iter().map(speaker).collect())
}

/// Orders speakers at random, such that every run of them holds the sexes in nearly the same
/// proportion: within each sex the order is random, and the members of a sex of `n` take the
/// places `(i + offset) / n` with one random offset (systematic sampling).
pub fn draw(speakers: &[Speaker], rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut sexes = BTreeMap::<_, Vec<_>>::new();
    for (index, speaker) in speakers.iter().enumerate() {
        sexes.entry(speaker.sex).or_default().push((rng.next_u64(), index));
    }
    let mut places = Vec::new();
    for mut speakers in sexes.into_values() {
        speakers.sort_unstable();
        let offset = f64::from(rng.next_u32()) / 2.0_f64.powi(32);
        let n = speakers.len() as f64;
        for (i, (_, speaker)) in speakers.into_iter().enumerate() {
            places.push(((i as f64 + offset) / n, speaker));
        }
    }
    places.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    places.into_iter().map(|(_, speaker)| speaker).collect()
}
