//! Trains a model on speakers that are kept apart and writes `model.safetensors`, `history.csv`, `predictions.csv`,
//! `report.json`, `report.html` and `MODEL_CARD.md`; prints the classification report of the test speakers. A checkpoint in the
//! same folder lets a run that was ended go on.

#[allow(dead_code, reason = "each example takes what it needs")]
mod common;

use anyhow::Result;
use clap::Parser;
use common::{Bar, CorpusArgument, read_corpora, repeat};
use ser_core::{Config, PageOptions, Start, train_with_checkpoints};
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

/// Trains a speech emotion model and scores it on speakers that it never heard.
#[derive(Parser)]
struct Arguments {
    /// Configuration (TOML); examples are in examples/configs.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Corpus to train on: crema-d, ravdess, savee, tess, emodb, nemo, emovo, folder, csv or emobox; may be given several
    /// times.
    #[arg(long, value_name = "NAME=PATH", required = true)]
    corpus: Vec<CorpusArgument>,
    /// Folder for the results.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Go on from the checkpoint that an earlier run with the same arguments left in DIR. Of the configuration, only the
    /// rate's options, max_epochs and early_stopping.patience may be other ones. Without it, what an earlier run left
    /// there, its model too, is removed when training begins.
    #[arg(long)]
    resume: bool,
    /// Put players of the worst mistakes into report.html: whoever gets the page then gets the voices.
    #[arg(long)]
    audio: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let config = Config::from_file(&arguments.config)?;
    let corpus = read_corpora(&arguments.corpus)?;
    let bar = Bar::new();
    let start = if arguments.resume { Start::Resume } else { Start::Anew };
    let trained = train_with_checkpoints(&config, &corpus, &arguments.out, start, |progress| bar.show(&progress))?;
    drop(bar);
    trained.write(&arguments.out)?;
    let options = PageOptions { audio: arguments.audio, command: repeat("train"), ..PageOptions::default() };
    trained.write_page(&arguments.out, &options)?;

    for warning in trained.warnings() {
        eprintln!("warning: {warning}");
    }
    let networks = if trained.histories().len() > 1 { ", of the first network" } else { "" };
    let best = trained.best_epoch().map_or(0, |epoch| epoch.epoch);
    let mut out = stdout().lock();
    writeln!(out, "best epoch {best} of {}{networks}", trained.history().len())?;
    let provenance = &trained.manifest().provenance;
    writeln!(out, "protocol {}: {}", provenance.protocol, provenance.guard)?;
    writeln!(out, "{}; unweighted average recall {:.4}", trained.evaluation().scope(), trained.test_report().uar)?;
    writeln!(out, "\n{}", trained.test_report())?;
    if let Some(note) = trained.test_report().absent_note() {
        writeln!(out, "{note}\n")?;
    }
    for dimension in trained.evaluation().dimensions() {
        writeln!(out, "{dimension}")?;
    }
    writeln!(out, "written to {}", arguments.out.display())?;
    Ok(())
}
