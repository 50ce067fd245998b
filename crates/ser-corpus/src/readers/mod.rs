//! From a folder of files to a [`Corpus`].

mod crema_d;
mod emobox;
mod emodb;
mod emovo;
pub(crate) mod files;
mod folder;
mod nemo;
mod ravdess;
mod savee;
pub(crate) mod table;
mod tess;

use std::{fmt, path::Path, str::FromStr};

use crate::{Corpus, Error};

/// Names a corpus that can be read: its official file names and folders.
///
/// `Display` and `FromStr` use the names in the descriptions below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CorpusKind {
    /// `crema-d`: [`Corpus::crema_d`]
    CremaD,
    /// `ravdess`: [`Corpus::ravdess`]
    Ravdess,
    /// `savee`: [`Corpus::savee`]
    Savee,
    /// `tess`: [`Corpus::tess`]
    Tess,
    /// `emodb`: [`Corpus::emodb`]
    Emodb,
    /// `nemo`: [`Corpus::nemo`]
    Nemo,
    /// `emovo`: [`Corpus::emovo`]
    Emovo,
    /// `folder`: [`Corpus::folder`]
    Folder,
    /// `csv`: [`Corpus::csv`]
    Csv,
    /// `emobox`: [`Corpus::emobox`]
    Emobox,
}

impl CorpusKind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::CremaD,
        Self::Ravdess,
        Self::Savee,
        Self::Tess,
        Self::Emodb,
        Self::Nemo,
        Self::Emovo,
        Self::Folder,
        Self::Csv,
        Self::Emobox,
    ];

    /// Returns the name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CremaD => "crema-d",
            Self::Ravdess => "ravdess",
            Self::Savee => "savee",
            Self::Tess => "tess",
            Self::Emodb => "emodb",
            Self::Nemo => "nemo",
            Self::Emovo => "emovo",
            Self::Folder => "folder",
            Self::Csv => "csv",
            Self::Emobox => "emobox",
        }
    }
}

impl Corpus {
    /// Reads the corpus of the given kind from a folder, or from a file where the kind is
    /// [`CorpusKind::Csv`].
    ///
    /// # Errors
    ///
    /// As of the reader of that kind.
    pub fn read(kind: CorpusKind, path: impl AsRef<Path>) -> Result<Self, Error> {
        match kind {
            CorpusKind::CremaD => Self::crema_d(path),
            CorpusKind::Ravdess => Self::ravdess(path),
            CorpusKind::Savee => Self::savee(path),
            CorpusKind::Tess => Self::tess(path),
            CorpusKind::Emodb => Self::emodb(path),
            CorpusKind::Nemo => Self::nemo(path),
            CorpusKind::Emovo => Self::emovo(path),
            CorpusKind::Folder => Self::folder(path),
            CorpusKind::Csv => Self::csv(path),
            CorpusKind::Emobox => Self::emobox(path),
        }
    }
}

impl fmt::Display for CorpusKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for CorpusKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|kind| kind.name() == name);
        known.ok_or_else(|| Error::UnknownCorpus { name: name.into() })
    }
}
