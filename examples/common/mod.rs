//! What the examples share: `--corpus NAME=PATH` and a progress bar.

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use ser_core::{Corpus, CorpusKind, Progress};
use std::io::{IsTerminal, stderr};
use std::path::PathBuf;

/// A corpus as the command line names it.
#[derive(Clone)]
pub struct CorpusArgument {
    kind: CorpusKind,
    path: PathBuf,
}

impl std::str::FromStr for CorpusArgument {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, path) = text.split_once('=').context("give NAME=PATH, such as ravdess=RAVDESS")?;
        Ok(Self { kind: name.parse()?, path: path.into() })
    }
}

/// Reads the corpora and merges them.
pub fn read_corpora(arguments: &[CorpusArgument]) -> Result<Corpus> {
    let mut merged = Corpus::default();
    for argument in arguments {
        merged = merged.merge(Corpus::read(argument.kind, &argument.path)?);
    }
    Ok(merged)
}

/// The command line that this program was started with, as one types it.
#[allow(dead_code, reason = "each example uses some of this")]
pub fn repeat(example: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_=./:,+".contains(c);
    let quoted =
        |text: String| if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) };
    let arguments = std::env::args_os().skip(1).map(|argument| quoted(argument.to_string_lossy().into_owned()));
    let command = format!("cargo run --release --example {example} --");
    std::iter::once(command).chain(arguments).collect::<Vec<_>>().join(" ")
}

/// A bar on stderr; where that is no terminal, one line an epoch. Warnings are lines in any case.
pub struct Bar(ProgressBar);

impl Bar {
    pub fn new() -> Self {
        let template = "{msg} {wide_bar} {pos}/{len} {eta}";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(ProgressBar::new(0).with_style(style))
    }

    pub fn show(&self, progress: &Progress) {
        if matches!(progress, Progress::Replaced { .. }) {
            self.0.suspend(|| eprintln!("warning: {progress}"));
        }
        if matches!(progress, Progress::Epoch { .. }) && !stderr().is_terminal() {
            eprintln!("{progress}");
        }
        let (message, position, length) = match progress {
            Progress::Reading { done, total } => ("reading".into(), *done, *total),
            Progress::Epoch { epoch, max_epochs, .. } => {
                let message = if epoch.valid_loss.is_nan() {
                    format!("training: loss {:.3}", epoch.train_loss)
                } else {
                    format!("training: validation loss {:.3}", epoch.valid_loss)
                };
                (message, epoch.epoch, *max_epochs)
            }
            Progress::Run { .. } => {
                self.0.suspend(|| eprintln!("{progress}"));
                return;
            }
            _ => return,
        };
        if self.0.length() != Some(length as u64) {
            // Another phase has begun.
            self.0.reset();
            self.0.set_length(length as u64);
        }
        self.0.set_message(message);
        self.0.set_position(position as u64);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Whether recordings are not there that should be: a warning says which.
pub fn lacks_recordings(corpus: &Corpus) -> bool {
    corpus.warnings().iter().any(|warning| warning.is_lost)
}
