//! Filtering, subsampling, balancing and counting.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, HashMap, HashSet};

use proptest::prelude::*;
use ser_corpus::{Corpus, Emotion, LabelSet, Split, SplitOptions, Summary, SummaryBy, TrainPart, Utterance};

/// So many clips of each emotion, from speakers in turn.
fn corpus(name: &str, speakers: usize, clips: &[(Emotion, usize)]) -> Corpus {
    let mut utterances = Vec::new();
    for &(emotion, number) in clips {
        for i in 0..number {
            let mut utterance = Utterance::new(format!("{name}/{emotion}/{i:03}.wav"), emotion, name);
            utterance.speaker = Some(format!("speaker {}", i % speakers));
            utterances.push(utterance);
        }
    }
    Corpus::new(utterances)
}

fn train_part(clips: &[(Emotion, usize)]) -> TrainPart {
    Split::new(&corpus("x", 9, clips), &SplitOptions::default()).unwrap().train().clone()
}

fn counts(utterances: &[Utterance]) -> BTreeMap<Emotion, usize> {
    let mut counts = BTreeMap::new();
    for utterance in utterances {
        *counts.entry(utterance.emotion).or_default() += 1;
    }
    counts
}

#[test]
fn a_filter_keeps_what_fits_in_order_and_all_warnings() {
    let twice = Utterance::new("x/sad/000.wav", Emotion::Sad, "x");
    let corpus = corpus("x", 3, &[(Emotion::Sad, 5), (Emotion::Fear, 4)]).merge(Corpus::new(vec![twice]));
    let sad = corpus.clone().filter(|utterance| utterance.emotion == Emotion::Sad);
    assert_eq!(sad.len(), 5);
    assert!(sad.utterances().is_sorted_by_key(|utterance| &utterance.path));
    assert_eq!((sad.warnings(), sad.warnings().len()), (corpus.warnings(), 1));
}

#[test]
fn a_fraction_is_drawn_of_every_emotion() {
    let corpus = corpus("x", 3, &[(Emotion::Sad, 40), (Emotion::Fear, 10), (Emotion::Calm, 1)]);
    let drawn = corpus.clone().sample_fraction(0.25, 1).unwrap();
    // A quarter of 10 and of 1, rounded.
    assert_eq!(drawn.emotion_counts(), BTreeMap::from([(Emotion::Sad, 10), (Emotion::Fear, 3)]));
    assert!(drawn.utterances().is_sorted_by_key(|utterance| utterance.path.file_name()));
    assert_eq!(drawn, corpus.clone().sample_fraction(0.25, 1).unwrap());
    assert_ne!(drawn, corpus.clone().sample_fraction(0.25, 2).unwrap());
    assert_eq!(corpus.clone().sample_fraction(1.0, 3).unwrap(), corpus);
    assert!(corpus.clone().sample_fraction(0.0, 3).unwrap().is_empty());
    for fraction in [-0.1, 1.5, f64::NAN] {
        let error = corpus.clone().sample_fraction(fraction, 0).unwrap_err();
        assert_eq!(error.to_string(), format!("fraction {fraction} of a corpus: use a number from 0 to 1"));
    }
}

#[test]
fn at_most_so_many_clips_are_drawn_of_every_emotion() {
    let corpus = corpus("x", 3, &[(Emotion::Sad, 40), (Emotion::Fear, 10), (Emotion::Calm, 1)]);
    let drawn = corpus.clone().sample_per_emotion(7, 1);
    let expected = [(Emotion::Sad, 7), (Emotion::Fear, 7), (Emotion::Calm, 1)];
    assert_eq!(drawn.emotion_counts(), BTreeMap::from(expected));
    assert_eq!(drawn, corpus.clone().sample_per_emotion(7, 1));
    assert_ne!(drawn, corpus.clone().sample_per_emotion(7, 2));
    assert_eq!(corpus.clone().sample_per_emotion(40, 1), corpus);
}

#[test]
fn oversampling_repeats_the_classes_of_the_label_set_up_to_the_largest() {
    // Calm and neutral are one class of the seven; boredom is none.
    let clips = [(Emotion::Sad, 90), (Emotion::Neutral, 27), (Emotion::Calm, 18), (Emotion::Boredom, 9)];
    let train = train_part(&clips);
    let before = counts(train.utterances());
    let after = train.oversample(&LabelSet::seven(), 4);
    let count = counts(after.utterances());
    assert_eq!(count[&Emotion::Sad], before[&Emotion::Sad]);
    assert_eq!(count[&Emotion::Neutral] + count[&Emotion::Calm], before[&Emotion::Sad]);
    assert!(!count.contains_key(&Emotion::Boredom));
    // Nobody is repeated more than once more often than another of the class.
    let mut times = HashMap::new();
    for utterance in after.utterances().iter().filter(|utterance| utterance.emotion != Emotion::Sad) {
        *times.entry(&utterance.path).or_insert(0) += 1;
    }
    assert_eq!(times.values().copied().collect::<HashSet<_>>(), HashSet::from([2]));
    assert_eq!(times.len(), before[&Emotion::Neutral] + before[&Emotion::Calm]);
    assert_eq!(after, train.oversample(&LabelSet::seven(), 4));
}

#[test]
fn undersampling_draws_the_classes_of_the_label_set_down_to_the_smallest() {
    let train = train_part(&[(Emotion::Sad, 90), (Emotion::Neutral, 27), (Emotion::Calm, 18), (Emotion::Boredom, 9)]);
    let before = counts(train.utterances());
    let after = train.undersample(&LabelSet::seven(), 4);
    let count = counts(after.utterances());
    let neutral = before[&Emotion::Neutral] + before[&Emotion::Calm];
    assert_eq!(count[&Emotion::Sad], neutral);
    assert_eq!(count[&Emotion::Neutral] + count[&Emotion::Calm], neutral);
    assert!(!count.contains_key(&Emotion::Boredom));
    let paths: HashSet<_> = after.utterances().iter().map(|utterance| &utterance.path).collect();
    assert_eq!(paths.len(), after.utterances().len());
    assert_ne!(after, train.undersample(&LabelSet::seven(), 5));
    // None of the four: nothing is left.
    let train = train_part(&[(Emotion::Fear, 20)]);
    assert!(train.undersample(&LabelSet::four(), 0).utterances().is_empty());
    assert!(train.oversample(&LabelSet::four(), 0).utterances().is_empty());
}

#[test]
fn a_summary_counts_by_corpus_and_by_speaker() {
    let one = corpus("one", 2, &[(Emotion::Sad, 3), (Emotion::Fear, 1)]);
    let two = Corpus::new(vec![Utterance::new("two/1.wav", Emotion::Calm, "two")]);
    let corpus = one.merge(two);
    let by_corpus = Summary::new(corpus.utterances(), SummaryBy::Corpus);
    assert_eq!(by_corpus.emotions, [Emotion::Calm, Emotion::Fear, Emotion::Sad]);
    assert_eq!(
        by_corpus.to_string(),
        "     speakers  calm  fear  sad  clips\n\
         one         2     0     1    3      4\n\
         two         0     1     0    0      1\n\
         all         2     1     1    3      5"
    );
    let by_speaker = Summary::with_durations(corpus.utterances(), SummaryBy::Speaker, |utterance| {
        (utterance.corpus == "one").then_some(900.0)
    });
    assert_eq!(
        by_speaker.to_string(),
        "               speakers  calm  fear  sad  clips    hours\n\
         one speaker 0         1     0     1    2      3     0.75\n\
         one speaker 1         1     0     0    1      1     0.25\n\
         two                   0     1     0    0      1  unknown\n\
         all                   2     1     1    3      5  unknown"
    );
    assert_eq!(by_speaker.rows[0].seconds, Some(2700.0));
    assert_eq!(by_speaker.rows[2].speaker, None);
    let json = serde_json::to_value(&by_corpus).unwrap();
    assert_eq!(json["rows"][0]["clips"], serde_json::json!([0, 1, 3]));
    assert_eq!(Summary::new(&[], SummaryBy::Corpus).to_string(), "     speakers  clips\nall         0      0");
}

proptest! {
    #[test]
    fn balanced_classes_are_of_one_size(sizes in prop::collection::vec(9_usize..60, 4), seed: u64) {
        let emotions = [Emotion::Angry, Emotion::Happy, Emotion::Neutral, Emotion::Sad];
        let clips: Vec<_> = emotions.into_iter().zip(sizes).collect();
        let train = train_part(&clips);
        let before = counts(train.utterances());
        for (part, size) in [
            (train.oversample(&LabelSet::four(), seed), before.values().max()),
            (train.undersample(&LabelSet::four(), seed), before.values().min()),
        ] {
            let after = counts(part.utterances());
            prop_assert!(after.values().all(|clips| Some(clips) == size));
            prop_assert_eq!(after.len(), before.len());
            prop_assert!(part.utterances().iter().all(|utterance| train.utterances().contains(utterance)));
        }
    }
}
