use std::{io, path::PathBuf};

use crate::{CorpusKind, Emotion, Protocol};

/// Says why a name, a folder, a label set or a split was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name is no emotion.
    #[error("unknown emotion {name:?}: use one of {}", Emotion::ALL.map(Emotion::name).join(", "))]
    UnknownEmotion {
        /// The name that was given.
        name: String,
    },
    /// A name is no corpus that can be read.
    #[error("unknown corpus {name:?}: use one of {}", CorpusKind::ALL.map(CorpusKind::name).join(", "))]
    UnknownCorpus {
        /// The name that was given.
        name: String,
    },
    /// A name is no protocol.
    #[error("unknown protocol {name:?}: use {}", Protocol::NAMES)]
    UnknownProtocol {
        /// The name that was given.
        name: String,
    },
    /// A protocol has no number where it needs one, or one that makes no folds.
    #[error(
        "invalid protocol {name:?}: write lnso:N with the number of speakers to leave out, at least 1, or \
         speaker-kfold:K or random-kfold:K with the number of folds, at least 2"
    )]
    InvalidProtocol {
        /// The name that was given.
        name: String,
    },
    /// The classes and the map do not make a label set.
    #[error("invalid label set: {reason}")]
    InvalidLabelSet {
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The folder of a corpus cannot be read.
    #[error("cannot read the corpus folder {path:?}: give the path of an existing folder")]
    Folder {
        /// The folder that was given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder holds no clip of the corpus.
    #[error("no clip found in {path:?}: expected {expected}{skipped}")]
    NoClips {
        /// The table, or the folder that was searched, with all folders below it.
        path: PathBuf,
        /// What the files should be called.
        expected: &'static str,
        /// What there is, and why it was skipped; empty where there is nothing.
        skipped: String,
    },
    /// A folder holds what git has in place of audio, and no audio.
    #[error(
        "no clip found in {path:?} or below, but {pointers} Git LFS pointers in place of audio: run \
         `git lfs pull` in that checkout"
    )]
    LfsPointers {
        /// The folder that was searched, with all folders below it.
        path: PathBuf,
        /// How many such files there are.
        pointers: usize,
    },
    /// A file cannot be read or written.
    #[error("cannot read or write {path:?}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A table that lists or describes utterances cannot be understood or written.
    #[error("cannot use the table {path:?}: {reason}")]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// A fraction of a corpus is out of range.
    #[error("fraction {fraction} of a corpus: use a number from 0 to 1")]
    Fraction {
        /// The fraction that was given.
        fraction: f64,
    },
    /// The speaker of some utterances is not known, so they cannot be split by speaker.
    #[error(
        "{count} utterances have no speaker, the first is {path:?}: a split by speaker needs \
         speakers: EMOTION/SPEAKER/ folders (called after neither a sex nor a part, such as `male` or `train`), or the column \
         `speaker` of a table for `csv`"
    )]
    NoSpeaker {
        /// The first such utterance.
        path: PathBuf,
        /// How many there are.
        count: usize,
    },
    /// There are too few speakers for three parts.
    #[error(
        "too few speakers: a split by speaker needs at least 3, one each to train, validate and \
         test, and there are {speakers}; merge in another corpus"
    )]
    TooFewSpeakers {
        /// The number of speakers in the corpus.
        speakers: usize,
    },
    /// The sentence of some utterances is not known, so they cannot be split by sentence.
    #[error(
        "{count} utterances have no sentence, the first is {path:?}: a split by sentence needs to know what is said; \
         split by speakers, if they are known, or by random-kfold:5"
    )]
    NoSentence {
        /// The first such utterance.
        path: PathBuf,
        /// How many there are.
        count: usize,
    },
    /// There are fewer speakers, sentences, corpora or clips than a protocol divides.
    #[error(
        "too few {what}: the protocol {protocol} needs at least {needed}, and there are {found}; merge in another \
         corpus or choose another protocol"
    )]
    TooFew {
        /// The protocol.
        protocol: Protocol,
        /// What there is too little of.
        what: &'static str,
        /// How many it needs.
        needed: usize,
        /// How many there are.
        found: usize,
    },
    /// The folds of a protocol are of other actors.
    #[error("the protocol {protocol} needs the 24 actors of RAVDESS: {reason}; read all of RAVDESS, or use loso")]
    NotRavdess {
        /// The protocol.
        protocol: Protocol,
        /// What is wrong.
        reason: String,
    },
    /// No clip says which published folds it tests, or the folds are not numbered from 1 without a gap.
    #[error(
        "the protocol emobox needs clips that test the folds 1, 2, 3 and so on, and there are clips of the folds \
         {found:?}: read the corpus from EmoBox's files with all of its folds"
    )]
    NoFolds {
        /// The folds of which there are clips.
        found: Vec<u32>,
    },
    /// One split is asked for by a protocol that makes several.
    #[error("the protocol {protocol} has {folds} folds: set `fold` to a number from 1 to {folds}")]
    NoFoldChosen {
        /// The protocol.
        protocol: Protocol,
        /// How many folds it has of this corpus.
        folds: usize,
    },
    /// There is no such fold.
    #[error(
        "there is no fold {fold}: the protocol {protocol} has {folds} of this corpus; set `fold` from 1 to {folds}"
    )]
    NoSuchFold {
        /// The protocol.
        protocol: Protocol,
        /// The fold that was asked for.
        fold: usize,
        /// How many folds it has of this corpus.
        folds: usize,
    },
    /// There is no corpus of the name that is to be divided.
    #[error("there is no clip of the corpus {name:?}, which is to be tested: there are {corpora}")]
    NoSuchTestCorpus {
        /// The name.
        name: String,
        /// Those that there are.
        corpora: String,
    },
    /// A part of a split would be empty.
    #[error("the {part} part of a split by {protocol} is empty: merge in another corpus or choose another protocol")]
    EmptyPart {
        /// `training`, `validation` or `test`.
        part: &'static str,
        /// The protocol.
        protocol: String,
    },
    /// A recording is in two parts of a split, or twice in one.
    #[error("{path:?} is in a split twice: a recording belongs into one part, and once; take it out of the others")]
    SharedClip {
        /// The recording.
        path: PathBuf,
    },
    /// A split shares what its protocol promises not to: a fault of this library, or of the published folds.
    #[error("the parts of a split by {protocol} share {what}, which must not happen: please report it with the corpus")]
    BrokenPromise {
        /// The protocol.
        protocol: Protocol,
        /// What is shared.
        what: &'static str,
    },
}

impl Error {
    /// Whether a leak between the parts of a split was refused.
    pub fn is_leak(&self) -> bool {
        matches!(self, Self::SharedClip { .. } | Self::BrokenPromise { .. })
    }
}
