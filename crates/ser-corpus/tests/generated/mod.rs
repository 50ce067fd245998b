//! Corpora that are made up, and what is in the parts of their splits.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::collections::BTreeSet;

use ser_corpus::{Corpus, Emotion, Error, Protocol, Sex, Split, SplitOptions, Utterance};

pub const EMOTIONS: [Emotion; 3] = [Emotion::Angry, Emotion::Happy, Emotion::Sad];

/// Each of these speakers says each of these sentences in three emotions.
pub fn acted(name: &str, speakers: &[&str], sentences: &[&str]) -> Corpus {
    let mut utterances = Vec::new();
    for (index, speaker) in speakers.iter().enumerate() {
        for emotion in EMOTIONS {
            for sentence in sentences {
                let mut utterance = Utterance::new(format!("{name}/{speaker} {emotion} {sentence}.wav"), emotion, name);
                utterance.speaker = Some((*speaker).into());
                utterance.sex = Some(if index % 2 == 0 { Sex::Female } else { Sex::Male });
                utterance.sentence = Some((*sentence).into());
                utterances.push(utterance);
            }
        }
    }
    Corpus::new(utterances)
}

/// As [`acted`], of speakers `01`, `02`, …, and sentences `a`, `b`, ….
pub fn corpus(name: &str, speakers: usize, sentences: usize) -> Corpus {
    let speakers: Vec<_> = (1..=speakers).map(|n| format!("{n:02}")).collect();
    let sentences: Vec<_> = ('a'..='z').take(sentences).map(String::from).collect();
    let speakers: Vec<_> = speakers.iter().map(String::as_str).collect();
    let sentences: Vec<_> = sentences.iter().map(String::as_str).collect();
    acted(name, &speakers, &sentences)
}

/// The same corpus without what says who speaks, or what is said.
pub fn changed(corpus: &Corpus, change: impl Fn(&mut Utterance)) -> Corpus {
    let mut utterances = corpus.utterances().to_vec();
    utterances.iter_mut().for_each(change);
    Corpus::new(utterances)
}

pub fn options(protocol: Protocol, seed: u64) -> SplitOptions {
    SplitOptions { protocol, seed, ..SplitOptions::default() }
}

pub fn folds(corpus: &Corpus, protocol: &str, seed: u64) -> Result<Vec<Split>, Error> {
    Split::folds(corpus, &options(protocol.parse()?, seed))
}

pub fn fold(corpus: &Corpus, protocol: &str, fold: usize) -> Result<Split, Error> {
    Split::new(corpus, &SplitOptions { fold: Some(fold), ..options(protocol.parse()?, 0) })
}

pub fn parts(split: &Split) -> [&[Utterance]; 3] {
    [split.train().utterances(), split.valid().utterances(), split.test().utterances()]
}

pub fn speakers(part: &[Utterance]) -> BTreeSet<(&str, &str)> {
    part.iter().filter_map(Utterance::speaker_key).collect()
}

pub fn sentences(part: &[Utterance]) -> BTreeSet<(&str, &str)> {
    part.iter().filter_map(Utterance::sentence_key).collect()
}

pub fn corpora(part: &[Utterance]) -> BTreeSet<&str> {
    part.iter().map(|utterance| utterance.corpus.as_str()).collect()
}

pub fn emotions(part: &[Utterance]) -> BTreeSet<Emotion> {
    part.iter().map(|utterance| utterance.emotion).collect()
}

/// The names of a part's speakers, without their corpora.
pub fn names(part: &[Utterance]) -> Vec<&str> {
    speakers(part).into_iter().map(|(_, speaker)| speaker).collect()
}
