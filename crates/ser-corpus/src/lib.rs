//! Emotional speech corpora: readers, label sets and speaker-disjoint splits.
//!
//! A folder is read into a [`Corpus`] of [`Utterance`]s, by file names and small tables alone; a
//! [`LabelSet`] says which emotions are told apart; a [`Split`] divides the corpus into a
//! [`TrainPart`], a [`ValidPart`] and a [`TestPart`] and knows what these have in common.
//!
//! ```no_run
//! use ser_corpus::{Corpus, LabelSet, Split, SplitOptions};
//!
//! let corpus = Corpus::ravdess("RAVDESS")?.merge(Corpus::emodb("EMO-DB")?);
//! for line in corpus.warning_lines() {
//!     eprintln!("{line}");
//! }
//! let labels = LabelSet::seven();
//! let split = Split::new(&corpus, &SplitOptions::default())?;
//! println!("{}", split.overlap()); // speakers disjoint, sentences shared
//! for utterance in split.train().utterances() {
//!     println!("{:?} {:?}", utterance.path, labels.index_of(utterance.emotion));
//! }
//! # Ok::<(), ser_corpus::Error>(())
//! ```
#![forbid(unsafe_code)]

mod balance;
mod corpus;
mod csv_file;
mod draw;
mod emotion;
mod error;
mod fingerprint;
mod folds;
mod groups;
mod holdout;
mod json_lines;
mod label_set;
mod overlap;
mod protocol;
mod readers;
mod sample;
mod split;
mod stratify;
mod summary;
mod utterance;

pub use corpus::{Corpus, Warning};
pub use emotion::Emotion;
pub use error::Error;
pub use fingerprint::{Fingerprint, Place, SharedRecording, find_copies};
pub use label_set::{LabelSet, Labels};
pub use overlap::{Overlap, Sharing, may_share_speakers};
pub use protocol::Protocol;
pub use readers::CorpusKind;
pub use split::{Split, SplitOptions, TestPart, TrainPart, ValidPart, Validation};
pub use summary::{Summary, SummaryBy, SummaryRow};
pub use utterance::{FoldPart, Intensity, Sex, Utterance, plain_name};
