//! Splits: nobody is heard on two sides, chance is seeded, shares are fair.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use proptest::prelude::*;
use ser_corpus::{Corpus, Emotion, Error, Sex, Sharing, Split, SplitOptions, Utterance};

/// Two sentences in three emotions by each of these speakers.
fn corpus(name: &str, speakers: impl IntoIterator<Item = (String, Option<Sex>)>) -> Corpus {
    let mut utterances = Vec::new();
    for (speaker, sex) in speakers {
        for emotion in [Emotion::Happy, Emotion::Angry, Emotion::Sad] {
            for sentence in ["s1", "s2"] {
                let path = format!("{name}/{speaker}/{emotion}/{sentence}.wav");
                let mut utterance = Utterance::new(path, emotion, name);
                utterance.speaker = Some(speaker.clone());
                utterance.sex = sex;
                utterance.sentence = Some(sentence.into());
                utterances.push(utterance);
            }
        }
    }
    Corpus::new(utterances)
}

/// Speakers `01`, `02`, ...: odd ones male, even ones female.
fn mixed(count: u32) -> impl Iterator<Item = (String, Option<Sex>)> {
    (1..=count).map(|n| {
        let sex = if n % 2 == 1 { Sex::Male } else { Sex::Female };
        (format!("{n:02}"), Some(sex))
    })
}

fn split(corpus: &Corpus, seed: u64) -> Split {
    Split::new(corpus, &SplitOptions { seed, ..SplitOptions::default() }).unwrap()
}

fn parts(split: &Split) -> [&[Utterance]; 3] {
    [split.train().utterances(), split.valid().utterances(), split.test().utterances()]
}

fn speakers(part: &[Utterance]) -> BTreeSet<(&str, &str)> {
    part.iter().filter_map(Utterance::speaker_key).collect()
}

fn names(part: &[Utterance]) -> Vec<&str> {
    speakers(part).into_iter().map(|(_, speaker)| speaker).collect()
}

#[test]
fn parts_are_counted_in_speakers() {
    for (count, sizes) in [(3, [1, 1, 1]), (4, [2, 1, 1]), (10, [6, 2, 2]), (24, [16, 4, 4]), (91, [63, 14, 14])] {
        let split = split(&corpus("c", mixed(count)), 5);
        assert_eq!(parts(&split).map(|part| speakers(part).len()), sizes);
        assert_eq!(parts(&split).map(<[_]>::len), sizes.map(|size| 6 * size));
    }
}

#[test]
fn the_sexes_are_balanced_in_every_part() {
    for seed in 0..50 {
        let split = split(&corpus("c", mixed(24)), seed);
        for part in parts(&split) {
            let women = part.iter().filter(|u| u.sex == Some(Sex::Female)).count();
            assert_eq!(2 * women, part.len());
        }
    }
}

#[test]
fn one_woman_among_three_speakers_is_not_always_in_the_same_part() {
    let trio = corpus("c", mixed(3));
    let mut seen = BTreeSet::new();
    for seed in 0..50 {
        let split = split(&trio, seed);
        seen.extend(parts(&split).iter().position(|part| names(part) == ["02"]));
    }
    assert_eq!(seen, BTreeSet::from([0, 1, 2]));
}

#[test]
fn each_corpus_gives_speakers_to_each_part() {
    let merged = corpus("a", mixed(10)).merge(corpus("b", mixed(3)));
    let split = split(&merged, 11);
    for part in parts(&split) {
        let corpora: BTreeSet<_> = speakers(part).into_iter().map(|(c, _)| c).collect();
        assert_eq!(corpora, BTreeSet::from(["a", "b"]));
    }
}

#[test]
fn corpora_too_small_to_split_train_or_are_pooled() {
    let small = corpus("small", mixed(2));
    let with_large = split(&small.clone().merge(corpus("large", mixed(4))), 3);
    assert!(parts(&with_large)[1..].iter().all(|part| part.iter().all(|u| u.corpus == "large")));
    assert_eq!(speakers(parts(&with_large)[0]).len(), 4);

    let pooled = split(&small.merge(corpus("tiny", mixed(1))), 3);
    assert_eq!(parts(&pooled).map(|part| speakers(part).len()), [1, 1, 1]);
}

#[test]
fn speakers_of_the_same_name_in_two_corpora_are_two() {
    let merged = corpus("a", mixed(12)).merge(corpus("b", mixed(12)));
    let total: usize = parts(&split(&merged, 0)).map(|part| speakers(part).len()).iter().sum();
    assert_eq!(total, 24);
}

#[test]
fn a_corpus_is_split_alike_alone_and_merged_in_any_order() {
    let (a, b) = (corpus("a", mixed(10)), corpus("b", mixed(7)));
    for seed in 0..10 {
        let alone = split(&b, seed);
        let merged = split(&a.clone().merge(b.clone()), seed);
        assert_eq!(merged, split(&b.clone().merge(a.clone()), seed));
        for (part, alone) in parts(&merged).into_iter().zip(parts(&alone)) {
            assert!(part.iter().filter(|u| u.corpus == "b").eq(alone));
        }
    }
}

#[test]
fn a_split_is_pinned() {
    // Published results name a seed: this must not change.
    let split = split(&corpus("c", mixed(10)), 42);
    assert_eq!(
        parts(&split).map(names),
        [vec!["01", "02", "03", "04", "08", "09"], vec!["07", "10"], vec!["05", "06"]]
    );
}

#[test]
fn too_few_speakers_are_refused_with_what_to_do() {
    let error = Split::new(&corpus("c", mixed(2)), &SplitOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "too few speakers: a split by speaker needs at least 3, one each to train, validate and \
         test, and there are 2; merge in another corpus"
    );
    let error = Split::new(&Corpus::default(), &SplitOptions::default()).unwrap_err();
    assert!(matches!(error, Error::TooFewSpeakers { speakers: 0 }));
}

#[test]
fn utterances_without_a_speaker_are_refused_with_the_first_and_their_number() {
    let anonymous = |path: &str| Utterance::new(path, Emotion::Fear, "x");
    let corpus = corpus("c", mixed(5)).merge(Corpus::new(vec![anonymous("fear/2.wav"), anonymous("fear/1.wav")]));
    let error = Split::new(&corpus, &SplitOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "2 utterances have no speaker, the first is \"fear/1.wav\": a split by speaker needs \
         speakers: EMOTION/SPEAKER/ folders (called after neither a sex nor a part, such as `male` or `train`), or the column \
         `speaker` of a table for `csv`"
    );
}

#[test]
fn the_overlap_tells_shared_disjoint_and_unknown_sentences() {
    let shared = corpus("c", mixed(6));
    let own_sentences = |known: bool| {
        let mut utterances = shared.utterances().to_vec();
        for utterance in &mut utterances {
            utterance.sentence = utterance.speaker.clone().filter(|s| known || s != "04");
        }
        Corpus::new(utterances)
    };
    for (corpus, sentences, line) in [
        (shared.clone(), Sharing::Shared, "speakers disjoint, sentences shared"),
        (own_sentences(true), Sharing::Disjoint, "speakers disjoint, sentences disjoint"),
        (own_sentences(false), Sharing::Unknown, "speakers disjoint, sentences unknown"),
    ] {
        let split = split(&corpus, 1);
        let overlap = split.overlap();
        assert_eq!(overlap.speakers, Sharing::Disjoint);
        assert_eq!(overlap.sentences, sentences);
        assert_eq!(overlap.to_string(), line);
    }
}

fn any_speakers() -> impl Strategy<Value = Vec<(String, Option<Sex>)>> {
    let sex = prop_oneof![Just(None), Just(Some(Sex::Female)), Just(Some(Sex::Male))];
    prop::collection::btree_map("[a-d]{1,2}", sex, 0..20).prop_map(|map| map.into_iter().collect())
}

proptest! {
    #[test]
    fn no_split_shares_a_speaker_or_loses_an_utterance(
        corpora in prop::collection::vec(any_speakers(), 1..4),
        seed: u64,
    ) {
        let corpus = corpora
            .into_iter()
            .enumerate()
            .map(|(index, speakers)| corpus(&format!("corpus {index}"), speakers))
            .fold(Corpus::default(), Corpus::merge);
        let options = SplitOptions { seed, ..SplitOptions::default() };
        match Split::new(&corpus, &options) {
            Err(error) => {
                let refused = matches!(error, Error::TooFewSpeakers { .. });
                prop_assert!(refused && speakers(corpus.utterances()).len() < 3);
            }
            Ok(split) => {
                let [train, valid, test] = parts(&split);
                for (one, other) in [(train, valid), (train, test), (valid, test)] {
                    prop_assert!(speakers(one).is_disjoint(&speakers(other)));
                }
                for part in [train, valid, test] {
                    prop_assert!(!part.is_empty());
                    let place = |u: &Utterance| corpus.utterances().iter().position(|c| c == u);
                    prop_assert!(part.iter().map(place).is_sorted());
                }
                prop_assert_eq!(train.len() + valid.len() + test.len(), corpus.len());
                prop_assert_eq!(&split, &Split::new(&corpus, &options).unwrap());
            }
        }
    }
}
