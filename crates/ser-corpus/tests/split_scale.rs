//! Splitting a large corpus.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod generated;

use std::{fs, time::Instant};

use generated::options;
use ser_corpus::{Corpus, Emotion, FoldPart, Protocol, Sex, Split, SplitOptions, Utterance};

/// Of processor time. An unoptimised build is ten times slower: only a change in kind, such as comparing all pairs of
/// speakers, is to fail there.
const SECONDS: f64 = if cfg!(debug_assertions) { 10.0 } else { 1.0 };

/// Seconds of processor time of this thread, which other programs do not lengthen; of the clock where Linux is not.
fn seconds(start: Instant) -> f64 {
    let schedule = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds: Option<f64> = schedule.split_whitespace().next().and_then(|time| time.parse().ok());
    nanoseconds.map_or_else(|| start.elapsed().as_secs_f64(), |time| time / 1e9)
}

/// 100,000 clips of 2,000 speakers in four corpora, one of them RAVDESS with its 24 actors.
fn large() -> Corpus {
    let clips = (0..100_000_usize).map(|n| {
        let corpus = n % 4;
        let speaker = if corpus == 0 { 1 + n / 4 % 24 } else { n / 4 % 659 };
        let emotion = Emotion::ALL[(n / 7 + n / 1001) % 7];
        let name = ["ravdess", "one", "two", "three"][corpus];
        let mut clip = Utterance::new(format!("corpora/{name}/{speaker:02}/{n:06}.wav"), emotion, name);
        clip.speaker = Some(format!("{speaker:02}"));
        clip.sentence = Some(format!("{}", n / 3 % 30_000));
        clip.sex = Some(if speaker % 2 == 0 { Sex::Female } else { Sex::Male });
        let tests = |fold| speaker % 5 + 1 == fold as usize;
        let part = |fold| if tests(fold) { FoldPart::Test } else { FoldPart::Train };
        clip.folds = (1..=5).map(|fold| (fold, part(fold))).collect();
        clip
    });
    Corpus::new(clips.collect())
}

#[test]
fn a_hundred_thousand_utterances_are_split_in_under_a_second_by_every_protocol() {
    let (corpus, start) = (large(), Instant::now());
    for protocol in [
        Protocol::Speakers,
        Protocol::Sentences,
        Protocol::SpeakersSentences,
        Protocol::Corpora,
        Protocol::LeaveOneSpeakerOut,
        Protocol::LeaveSpeakersOut(2),
        Protocol::SpeakerKFold(10),
        Protocol::SpeakerKFold(100),
        Protocol::RandomKFold(10),
        Protocol::RavdessEmobox6,
        Protocol::RavdessLj5,
        Protocol::Emobox,
        Protocol::LeakySeed,
    ] {
        let before = seconds(start);
        let split = Split::new(&corpus, &SplitOptions { fold: Some(1), ..options(protocol, 1) }).unwrap();
        let line = split.overlap().to_string();
        let taken = seconds(start) - before;
        println!("{protocol}: {taken:.2} s: {line}");
        assert!(taken < SECONDS, "{protocol} took {taken:.2} s");
    }
}
