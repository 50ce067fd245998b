//! The fundamental frequency of voiced speech.

mod difference;
mod pyin;
mod viterbi;
mod yin;

pub use difference::YinScratch;
pub use pyin::{Pyin, PyinFrame, PyinOptions};
pub use yin::{Yin, YinOptions};
