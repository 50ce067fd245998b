//! From a folder of files to a [`Corpus`].

mod emodb;
mod files;
mod folder;
mod ravdess;

use std::{fmt, path::Path, str::FromStr};

use crate::{Corpus, Error};

/// Names a corpus that can be read: its official file names and folders.
///
/// `Display` and `FromStr` use the names `ravdess`, `emodb` and `folder`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CorpusKind {
    /// [`Corpus::ravdess`]
    Ravdess,
    /// [`Corpus::emodb`]
    Emodb,
    /// [`Corpus::folder`]
    Folder,
}

impl Corpus {
    /// Reads the corpus of the given kind from a folder.
    ///
    /// # Errors
    ///
    /// As of the reader of that kind.
    pub fn read(kind: CorpusKind, path: impl AsRef<Path>) -> Result<Self, Error> {
        match kind {
            CorpusKind::Ravdess => Self::ravdess(path),
            CorpusKind::Emodb => Self::emodb(path),
            CorpusKind::Folder => Self::folder(path),
        }
    }
}

impl fmt::Display for CorpusKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ravdess => "ravdess",
            Self::Emodb => "emodb",
            Self::Folder => "folder",
        })
    }
}

impl FromStr for CorpusKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "ravdess" => Ok(Self::Ravdess),
            "emodb" => Ok(Self::Emodb),
            "folder" => Ok(Self::Folder),
            _ => Err(Error::UnknownCorpus { name: name.into() }),
        }
    }
}
