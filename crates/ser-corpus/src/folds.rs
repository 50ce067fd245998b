//! The protocols that have folds: what each fold tests on, and what it validates on.

use std::collections::{BTreeMap, HashSet};

use rand_chacha::ChaCha8Rng;

use crate::{
    Error, FoldPart, Protocol, Utterance,
    draw::{draw, speakers},
    groups::{self, group},
    plain_name,
    split::Place,
    stratify::{assign, deal, rng, shuffle},
    utterance::KeyOf,
};

/// The test actors of RAVDESS in the folds of EmoBox (Ma et al., "EmoBox: Multilingual Multi-corpus Speech Emotion
/// Recognition Toolkit and Benchmark", Interspeech 2024).
const RAVDESS_EMOBOX6: [&[u8]; 6] =
    [&[1, 11, 20, 21], &[4, 10, 12, 14], &[8, 9, 19, 23], &[3, 5, 7, 24], &[2, 15, 16, 18], &[6, 13, 17, 22]];

/// The test actors of RAVDESS in the folds of Luna-Jiménez et al., "Multimodal Emotion Recognition on RAVDESS Dataset
/// Using Transfer Learning", Sensors 21(22), 2021.
const RAVDESS_LJ5: [&[u8]; 5] =
    [&[2, 5, 14, 15, 16], &[3, 6, 7, 13, 18], &[10, 11, 12, 19, 20], &[8, 17, 21, 23, 24], &[1, 4, 9, 22]];

/// Lists the indices of the utterances that each fold tests on; none for a protocol without folds.
pub fn test_folds(utterances: &[Utterance], protocol: Protocol, seed: u64) -> Result<Vec<Vec<usize>>, Error> {
    let enough = |what, needed, found| {
        if found < needed { Err(Error::TooFew { protocol, what, needed, found }) } else { Ok(()) }
    };
    let mut rng = rng(seed, 0);
    Ok(match protocol.check()? {
        Protocol::Speakers | Protocol::Sentences | Protocol::SpeakersSentences | Protocol::LeakySeed => Vec::new(),
        Protocol::Corpora => {
            let corpora = groups::corpora(utterances);
            enough("corpora", 2, corpora.len())?;
            corpora.into_values().collect()
        }
        Protocol::LeaveOneSpeakerOut => {
            let speakers = groups::speakers(utterances)?;
            enough("speakers", 2, speakers.len())?;
            speakers.into_values().collect()
        }
        Protocol::LeaveSpeakersOut(n) => {
            let speakers = speakers(utterances)?;
            enough("speakers", n.saturating_add(1), speakers.len())?;
            let together = |drawn: &[usize]| drawn.iter().flat_map(|&i| speakers[i].utterances.clone()).collect();
            draw(&speakers, &mut rng).chunks(n).map(together).collect()
        }
        Protocol::SpeakerKFold(k) => {
            let groups: Vec<_> = groups::speakers(utterances)?.into_values().collect();
            enough("speakers", k, groups.len())?;
            let shares = vec![1.0 / k as f64; k];
            let mut folds = vec![Vec::new(); k];
            for (group, fold) in groups.iter().zip(assign(utterances, &groups, &shares, &mut rng)) {
                folds[fold].extend(group);
            }
            folds
        }
        Protocol::RandomKFold(k) => {
            enough("clips", k, utterances.len())?;
            deal(utterances, k, &mut rng)
        }
        Protocol::RavdessEmobox6 => actor_folds(utterances, protocol, &RAVDESS_EMOBOX6)?,
        Protocol::RavdessLj5 => actor_folds(utterances, protocol, &RAVDESS_LJ5)?,
        Protocol::Emobox => published_folds(utterances)?,
    })
}

/// Finds the clips of RAVDESS of each fold's actors.
fn actor_folds(utterances: &[Utterance], protocol: Protocol, folds: &[&[u8]]) -> Result<Vec<Vec<usize>>, Error> {
    let refuse = |reason| Err(Error::NotRavdess { protocol, reason });
    let clips = (0..utterances.len()).filter(|&index| utterances[index].corpus == "ravdess");
    let speakers = group(utterances, clips, Utterance::speaker_key)
        .map_err(|(first, count)| Error::NoSpeaker { path: first.path.clone(), count })?;
    let mut actors = BTreeMap::new();
    for ((_, speaker), clips) in speakers {
        match plain_name(speaker).parse::<u8>() {
            Ok(actor @ 1..=24) => actors.entry(actor).or_insert_with(Vec::new).extend(clips),
            _ => return refuse(format!("speaker {speaker:?} is none of them")),
        }
    }
    let missing: Vec<_> = (1..=24).filter(|actor| !actors.contains_key(actor)).map(|n| format!("{n:02}")).collect();
    match missing.len() {
        0 => {}
        24 => return refuse("there is no clip of RAVDESS".into()),
        _ => return refuse(format!("these are missing: {}", missing.join(", "))),
    }
    let clips = |actors_of: &&[u8]| actors_of.iter().filter_map(|actor| actors.get(actor)).flatten().copied().collect();
    Ok(folds.iter().map(clips).collect())
}

/// Finds the clips that say of themselves which folds they test.
fn published_folds(utterances: &[Utterance]) -> Result<Vec<Vec<usize>>, Error> {
    let mut folds = BTreeMap::<u32, Vec<usize>>::new();
    for (index, utterance) in utterances.iter().enumerate() {
        let tests = utterance.folds.iter().filter(|(_, part)| **part == FoldPart::Test);
        tests.for_each(|(&fold, _)| folds.entry(fold).or_default().push(index));
    }
    let found: Vec<_> = folds.keys().copied().collect();
    if found.is_empty() || !found.iter().copied().eq((1..).take(found.len())) {
        return Err(Error::NoFolds { found });
    }
    Ok(folds.into_values().collect())
}

/// Says where each utterance is in one of the folds. Validation is split from the corpora that are tested in some fold,
/// so that others are trained on only.
pub fn places(
    utterances: &[Utterance],
    protocol: Protocol,
    folds: &[Vec<usize>],
    fold: usize,
    seed: u64,
) -> Vec<Place> {
    let mut rng = rng(seed, 1 + fold as u64);
    let tested: HashSet<_> = folds.iter().flatten().map(|&index| &utterances[index].corpus).collect();
    let mut places = vec![Place::Train; utterances.len()];
    folds[fold].iter().for_each(|&index| places[index] = Place::Test);
    if protocol == Protocol::Corpora && folds.len() >= 3 {
        let others = shuffle((0..folds.len()).filter(|&other| other != fold), &mut rng);
        folds[others[0]].iter().for_each(|&index| places[index] = Place::Valid);
    }
    if protocol == Protocol::Emobox {
        let number = fold as u32 + 1;
        for (utterance, place) in utterances.iter().zip(&mut places) {
            match utterance.folds.get(&number) {
                Some(FoldPart::Valid) => *place = Place::Valid,
                None if tested.contains(&utterance.corpus) => *place = Place::LeftOut,
                Some(FoldPart::Train | FoldPart::Test) | None => {}
            }
        }
    }
    if !places.contains(&Place::Valid) {
        split_validation(utterances, &mut places, |utterance| tested.contains(&utterance.corpus), &mut rng);
    }
    places
}

/// Takes the validation part from the training part: 15 % of the speakers, where there are two; else of the sentences,
/// where there are two; else of the clips.
pub fn split_validation(
    utterances: &[Utterance],
    places: &mut [Place],
    may_validate: impl Fn(&Utterance) -> bool,
    rng: &mut ChaCha8Rng,
) {
    let eligible = |&index: &usize| places[index] == Place::Train && may_validate(&utterances[index]);
    let train: Vec<_> = (0..utterances.len()).filter(eligible).collect();
    let several = |key: KeyOf| {
        let groups: Vec<_> = group(utterances, train.iter().copied(), key).ok()?.into_values().collect();
        (groups.len() >= 2).then_some(groups)
    };
    let groups = several(Utterance::speaker_key)
        .or_else(|| several(Utterance::sentence_key))
        .unwrap_or_else(|| train.iter().map(|&index| vec![index]).collect());
    for (group, part) in groups.iter().zip(assign(utterances, &groups, &[0.85, 0.15], rng)) {
        if part == 1 {
            group.iter().for_each(|&index| places[index] = Place::Valid);
        }
    }
}
