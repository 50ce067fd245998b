//! The complete corpora, where they are at hand: `SER_CORPORA` holds `ravdess/` and `emodb/`.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, env, path::PathBuf};

use ser_corpus::{Corpus, Emotion, Split, SplitOptions};

fn corpora() -> PathBuf {
    env::var_os("SER_CORPORA").expect("SER_CORPORA is not set").into()
}

#[test]
#[ignore = "needs SER_CORPORA"]
fn ravdess_has_its_official_counts() {
    let corpus = Corpus::ravdess(corpora().join("ravdess")).unwrap();
    assert_eq!(corpus.warnings(), []);
    assert_eq!(
        corpus.emotion_counts(),
        BTreeMap::from([
            (Emotion::Angry, 192),
            (Emotion::Calm, 192),
            (Emotion::Disgust, 192),
            (Emotion::Fear, 192),
            (Emotion::Happy, 192),
            (Emotion::Neutral, 96),
            (Emotion::Sad, 192),
            (Emotion::Surprise, 192),
        ])
    );
}

#[test]
#[ignore = "needs SER_CORPORA"]
fn emodb_has_its_official_counts() {
    let corpus = Corpus::emodb(corpora().join("emodb")).unwrap();
    assert_eq!(corpus.warnings(), []);
    assert_eq!(
        corpus.emotion_counts(),
        BTreeMap::from([
            (Emotion::Angry, 127),
            (Emotion::Boredom, 81),
            (Emotion::Disgust, 46),
            (Emotion::Fear, 69),
            (Emotion::Happy, 71),
            (Emotion::Neutral, 79),
            (Emotion::Sad, 62),
        ])
    );
}

#[test]
#[ignore = "needs SER_CORPORA"]
fn both_together_split_into_16_and_6_4_and_2_4_and_2_speakers() {
    let ravdess = Corpus::ravdess(corpora().join("ravdess")).unwrap();
    let corpus = ravdess.merge(Corpus::emodb(corpora().join("emodb")).unwrap());
    let split = Split::new(&corpus, &SplitOptions::default()).unwrap();
    assert_eq!(split.overlap().to_string(), "speakers disjoint, sentences shared");
    let clips = |corpus: &str| {
        [split.train().utterances(), split.valid().utterances(), split.test().utterances()]
            .map(|part| part.iter().filter(|u| u.corpus == corpus).count())
    };
    assert_eq!(clips("ravdess"), [16 * 60, 4 * 60, 4 * 60]);
    assert_eq!(clips("emodb").iter().sum::<usize>(), 535);
}
