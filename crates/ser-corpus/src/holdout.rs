//! The protocols that divide a corpus once: by speakers, by sentences, by both, and the seed's.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    Error, Protocol, Utterance,
    draw::{Speaker, draw, speakers},
    folds::split_validation,
    groups,
    split::Place,
    stratify::{assign, rng, shuffle},
};

/// In the order in which they are served where shares are equal.
const PLACES: [Place; 3] = [Place::Train, Place::Test, Place::Valid];
/// Of each of [`PLACES`].
const SHARES: [f64; 3] = [0.70, 0.15, 0.15];

/// Under [`Protocol::LeakySeed`], each recording and its augmented copies.
const COPIES: u32 = 4;

/// [`Protocol::Speakers`]
pub fn by_speakers(utterances: &[Utterance], seed: u64) -> Result<Vec<Place>, Error> {
    let speakers = speakers(utterances)?;
    if speakers.len() < 3 {
        return Err(Error::TooFewSpeakers { speakers: speakers.len() });
    }
    let mut corpora = BTreeMap::<_, Vec<_>>::new();
    for speaker in speakers {
        corpora.entry(speaker.key.0).or_default().push(speaker);
    }
    let (mut strata, small): (Vec<_>, Vec<_>) = corpora.into_values().partition(|speakers| speakers.len() >= 3);
    strata.push(small.into_iter().flatten().collect());

    let mut places = vec![Place::Train; utterances.len()];
    for stratum in strata.into_iter().filter(|stratum| stratum.len() >= 3) {
        let size = ((0.15 * stratum.len() as f64).round() as usize).max(1);
        let mut parts = vec![0; stratum.len()];
        for (rank, speaker) in draw(&stratum, &mut rng(seed, 0)).into_iter().take(2 * size).enumerate() {
            parts[speaker] = if rank < size { 1 } else { 2 };
        }
        if a_part_lacks_an_emotion(utterances, &stratum, &parts) {
            let groups: Vec<_> = stratum.iter().map(|speaker| speaker.utterances.clone()).collect();
            parts = assign(utterances, &groups, &SHARES, &mut rng(seed, 0));
        }
        for (speaker, part) in stratum.iter().zip(parts) {
            speaker.utterances.iter().for_each(|&index| places[index] = PLACES[part]);
        }
    }
    Ok(places)
}

/// Tells whether a part lacks an emotion of which there are speakers enough for all parts.
fn a_part_lacks_an_emotion(utterances: &[Utterance], speakers: &[Speaker], parts: &[usize]) -> bool {
    let mut emotions = BTreeMap::<_, Vec<_>>::new();
    for (speaker, &part) in speakers.iter().zip(parts) {
        let spoken: BTreeSet<_> = speaker.utterances.iter().map(|&index| utterances[index].emotion).collect();
        spoken.into_iter().for_each(|emotion| emotions.entry(emotion).or_default().push(part));
    }
    emotions.into_values().any(|parts| parts.len() >= 3 && (0..3).any(|part| !parts.contains(&part)))
}

/// [`Protocol::Sentences`]
pub fn by_sentences(utterances: &[Utterance], seed: u64) -> Result<Vec<Place>, Error> {
    let mut places = divide_sentences(utterances, Protocol::Sentences, seed)?;
    if !places.contains(&Place::Valid) {
        split_validation(utterances, &mut places, |_| true, &mut rng(seed, 1));
    }
    Ok(places)
}

/// [`Protocol::SpeakersSentences`]
pub fn by_speakers_and_sentences(utterances: &[Utterance], seed: u64) -> Result<Vec<Place>, Error> {
    let speakers = by_speakers(utterances, seed)?;
    let sentences = divide_sentences(utterances, Protocol::SpeakersSentences, seed)?;
    let sentences_validate = sentences.contains(&Place::Valid);
    let place = |(speaker, sentence)| match (speaker, sentence) {
        (speaker, sentence) if speaker == sentence => speaker,
        (Place::Valid, Place::Train) if !sentences_validate => Place::Valid,
        _ => Place::LeftOut,
    };
    Ok(speakers.into_iter().zip(sentences).map(place).collect())
}

/// Divides the sentences: three ways, or where there are only two, one to train and one to test.
fn divide_sentences(utterances: &[Utterance], protocol: Protocol, seed: u64) -> Result<Vec<Place>, Error> {
    let groups: Vec<_> = groups::sentences(utterances)?.into_values().collect();
    let (places, shares): (&[Place], &[f64]) = match groups.len() {
        found @ (0 | 1) => return Err(Error::TooFew { protocol, what: "sentences", needed: 2, found }),
        2 => (&[Place::Train, Place::Test], &[0.5, 0.5]),
        _ => (&PLACES, &SHARES),
    };
    let mut place_of = vec![Place::LeftOut; utterances.len()];
    for (group, part) in groups.iter().zip(assign(utterances, &groups, shares, &mut rng(seed, 0))) {
        group.iter().for_each(|&index| place_of[index] = places[part]);
    }
    Ok(place_of)
}

/// [`Protocol::LeakySeed`]
pub fn leaky_seed(utterances: &[Utterance], seed: u64) -> Vec<(Utterance, Place)> {
    let copies = (0..utterances.len()).flat_map(|index| (0..COPIES).map(move |copy| (index, copy)));
    let row = |(index, copy): (usize, u32)| (Utterance { copy, ..utterances[index].clone() }, Place::Train);
    let mut rows: Vec<_> = copies.map(row).collect();
    let tested = rows.len().div_ceil(5);
    let validated = (rows.len() - tested).div_ceil(10);
    for (rank, row) in shuffle(0..rows.len(), &mut rng(seed, 0)).into_iter().take(tested + validated).enumerate() {
        rows[row].1 = if rank < tested { Place::Test } else { Place::Valid };
    }
    rows
}
