//! What no split ever does, over random corpora: missing speakers and sentences, one speaker, equal names in several.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod generated;

use std::collections::{BTreeMap, BTreeSet};

use generated::{corpora, emotions, options, parts, sentences, speakers};
use proptest::prelude::*;
use ser_corpus::{
    Corpus, Emotion, Error, FoldPart, Protocol, Sex, Sharing, Split, SplitOptions, Utterance, Validation,
};

/// Clips of up to three corpora with the same few names of speakers and sentences; `gaps` in a hundred are unknown.
fn any_corpus() -> impl Strategy<Value = Corpus> {
    (0_u32..3, 1_usize..80, 1_u32..9, 1_u32..6).prop_flat_map(|(gaps, clips, n_speakers, n_sentences)| {
        let gap = move || prop::bool::weighted(f64::from(gaps) * 0.03);
        let clip = (0_u32..3, 0..n_speakers, 0..n_sentences, 0_usize..4, gap(), gap(), prop::option::of(any::<bool>()));
        let clip = (clip, prop::collection::btree_map(1_u32..4, 0_usize..3, 0..4));
        prop::collection::vec(clip, clips)
            .prop_map(|clips| Corpus::new(clips.into_iter().enumerate().map(utterance).collect()))
    })
}

type Clip = ((u32, u32, u32, usize, bool, bool, Option<bool>), BTreeMap<u32, usize>);

fn utterance((index, (clip, folds)): (usize, Clip)) -> Utterance {
    let (corpus, speaker, sentence, emotion, no_speaker, no_sentence, female) = clip;
    let mut utterance = Utterance::new(format!("{index}.wav"), Emotion::ALL[emotion], format!("corpus {corpus}"));
    utterance.speaker = (!no_speaker).then(|| speaker.to_string());
    utterance.sentence = (!no_sentence).then(|| sentence.to_string());
    utterance.sex = female.map(|female| if female { Sex::Female } else { Sex::Male });
    utterance.folds = folds
        .into_iter()
        .map(|(fold, part)| (fold, [FoldPart::Train, FoldPart::Valid, FoldPart::Test][part]))
        .collect();
    utterance
}

fn any_protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![
        Just(Protocol::Speakers),
        Just(Protocol::Sentences),
        Just(Protocol::SpeakersSentences),
        Just(Protocol::Corpora),
        Just(Protocol::LeaveOneSpeakerOut),
        (1_usize..5).prop_map(Protocol::LeaveSpeakersOut),
        (2_usize..6).prop_map(Protocol::SpeakerKFold),
        (2_usize..6).prop_map(Protocol::RandomKFold),
        Just(Protocol::Emobox),
        Just(Protocol::LeakySeed),
    ]
}

fn promises_speakers(protocol: Protocol) -> bool {
    !matches!(protocol, Protocol::Sentences | Protocol::RandomKFold(_) | Protocol::Emobox | Protocol::LeakySeed)
}

fn promises_sentences(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Sentences | Protocol::SpeakersSentences | Protocol::Corpora)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_split_keeps_its_promise_or_is_refused(
        corpus in any_corpus(),
        protocol in any_protocol(),
        seed: u64,
        test_corpus in prop::option::of((0_u32..3).prop_map(|n| format!("corpus {n}"))),
        validates: bool,
    ) {
        let validation = if validates { Validation::Split } else { Validation::None };
        let options = SplitOptions { test_corpus: test_corpus.clone(), validation, ..options(protocol, seed) };
        let is_divided = |u: &Utterance| test_corpus.as_ref().is_none_or(|name| u.corpus == *name);
        let divided = corpus.utterances().iter().filter(|u| is_divided(u)).count();
        let folds = match Split::folds(&corpus, &options) {
            Ok(folds) => folds,
            Err(Error::BrokenPromise { .. } | Error::SharedClip { .. }) => panic!("a broken split was built"),
            Err(_) => return Ok(()),
        };
        for split in &folds {
            let [train, valid, test] = parts(split);
            let seen = [train, valid].concat();
            if promises_speakers(protocol) {
                prop_assert!(speakers(test).is_disjoint(&speakers(&seen)));
                prop_assert_eq!(split.overlap().speakers, Sharing::Disjoint);
            }
            if promises_sentences(protocol) {
                prop_assert!(sentences(test).is_disjoint(&sentences(&seen)));
                prop_assert_eq!(split.overlap().sentences, Sharing::Disjoint);
            }
            if protocol == Protocol::Corpora {
                prop_assert!(corpora(test).is_disjoint(&corpora(&seen)));
            }
            // What the line says of the test part is so.
            prop_assert_eq!(split.overlap().speakers == Sharing::Shared, !speakers(test).is_disjoint(&speakers(&seen)));
            prop_assert_eq!(split.overlap().sentences == Sharing::Shared, !sentences(test).is_disjoint(&sentences(&seen)));
            let line = split.overlap().to_string();
            let told_otherwise = line.contains("validation by");
            if promises_speakers(protocol) && !told_otherwise {
                prop_assert!(speakers(train).is_disjoint(&speakers(valid)), "{}", line);
            }
            if promises_sentences(protocol) && !told_otherwise {
                prop_assert!(sentences(train).is_disjoint(&sentences(valid)), "{}", line);
            }
            if line.contains("validation by speaker") {
                prop_assert!(speakers(train).is_disjoint(&speakers(valid)));
            }
            if line.contains("validation by sentence") {
                prop_assert!(sentences(train).is_disjoint(&sentences(valid)));
            }

            // Each clip is in one part or told as left out, in the order of the corpus.
            let copies = if protocol == Protocol::LeakySeed { 4 } else { 1 };
            let mut rows: Vec<_> =
                [train, valid, test, split.left_out()].into_iter().flatten().map(|u| (&u.path, u.copy())).collect();
            prop_assert_eq!(rows.len(), corpus.len() + (copies - 1) * divided);
            rows.sort();
            rows.dedup();
            prop_assert_eq!(rows.len(), corpus.len() + (copies - 1) * divided);
            prop_assert!([valid, test, split.left_out()].into_iter().flatten().all(is_divided));
            prop_assert_eq!(valid.is_empty(), !validates);
            prop_assert_eq!(line.contains("no validation part"), !validates);
            let place: BTreeMap<_, _> = corpus.utterances().iter().enumerate().map(|(i, u)| (&u.path, i)).collect();
            prop_assert!(!train.is_empty() && !test.is_empty());
            for part in parts(split) {
                prop_assert!(part.iter().map(|u| (place[&u.path], u.copy())).is_sorted());
            }
            let left_out = !split.left_out().is_empty();
            prop_assert_eq!(line.contains(&format!("{} clips left out", split.left_out().len())), left_out);
        }

        if !matches!(protocol, Protocol::Emobox) && folds.len() > 1 {
            let mut tested: Vec<_> = folds.iter().flat_map(|split| parts(split)[2]).map(|u| &u.path).collect();
            tested.sort();
            let mut all: Vec<_> = corpus.utterances().iter().filter(|u| is_divided(u)).map(|u| &u.path).collect();
            all.sort();
            prop_assert_eq!(tested, all);
        }
        prop_assert_eq!(Split::folds(&corpus, &options).unwrap(), folds);
    }

    #[test]
    fn the_order_of_merging_does_not_matter(corpus in any_corpus(), protocol in any_protocol(), seed: u64, pivot in 0_usize..80) {
        let (one, other): (Vec<_>, Vec<_>) =
            corpus.utterances().iter().cloned().enumerate().partition(|(index, _)| index * 7 % 80 < pivot);
        let [one, other] = [one, other].map(|part| Corpus::new(part.into_iter().map(|(_, u)| u).collect()));
        let split = |corpus: &Corpus| Split::folds(corpus, &options(protocol, seed)).map_err(|error| error.to_string());
        prop_assert_eq!(split(&one.clone().merge(other.clone())), split(&other.merge(one)));
    }

    #[test]
    fn random_folds_differ_by_one_clip_of_an_emotion_of_a_corpus(corpus in any_corpus(), k in 2_usize..6, seed: u64) {
        let Ok(folds) = Split::folds(&corpus, &options(Protocol::RandomKFold(k), seed)) else { return Ok(()) };
        for corpus in corpora(corpus.utterances()) {
            for emotion in Emotion::ALL {
                let count = |split: &Split| {
                    parts(split)[2].iter().filter(|u| u.corpus == corpus && u.emotion == emotion).count()
                };
                let counts: BTreeSet<_> = folds.iter().map(count).collect();
                prop_assert!(counts.last().unwrap() - counts.first().unwrap() <= 1);
            }
        }
    }

    #[test]
    fn no_fold_of_speakers_lacks_an_emotion_that_all_speakers_have(
        sizes in prop::collection::vec(prop::collection::vec(1_usize..9, 3), 2..12),
        k in 2_usize..6,
        seed: u64,
    ) {
        prop_assume!(k <= sizes.len());
        let clips = sizes.iter().enumerate().flat_map(|(speaker, counts)| {
            counts.iter().enumerate().flat_map(move |(emotion, &count)| (0..count).map(move |clip| {
                let path = format!("{speaker} {emotion} {clip}.wav");
                let mut utterance = Utterance::new(path, Emotion::ALL[emotion], "c");
                utterance.speaker = Some(speaker.to_string());
                utterance
            }))
        });
        let corpus = Corpus::new(clips.collect());
        for split in Split::folds(&corpus, &options(Protocol::SpeakerKFold(k), seed)).unwrap() {
            let [train, valid, test] = parts(&split);
            prop_assert_eq!(emotions(test).len(), 3);
            // Validation is by clip where only one speaker is left.
            if speakers(train) != speakers(valid) {
                prop_assert_eq!([emotions(train).len(), emotions(valid).len()], [3, 3]);
            }
        }
    }
}
