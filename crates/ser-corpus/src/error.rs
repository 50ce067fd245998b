use std::{io, path::PathBuf};

use crate::Emotion;

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
    #[error("unknown corpus {name:?}: use one of ravdess, emodb, folder")]
    UnknownCorpus {
        /// The name that was given.
        name: String,
    },
    /// A name is no protocol.
    #[error("unknown protocol {name:?}: use speakers")]
    UnknownProtocol {
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
    #[error("no clip found in {path:?} or below: expected {expected}")]
    NoClips {
        /// The folder that was searched, with all folders below it.
        path: PathBuf,
        /// What the files should be called.
        expected: &'static str,
    },
    /// The speaker of some utterances is not known, so they cannot be split by speaker.
    #[error(
        "{count} utterances have no speaker, the first is {path:?}: a split by speaker needs \
         speakers; put the clips into EMOTION/SPEAKER/ folders"
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
}
