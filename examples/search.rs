//! Searches a space of options for the configuration that recognises validation speakers best: prints the best trials and
//! writes `trials.csv` and `best.toml`.

#[allow(dead_code, reason = "each example takes what it needs")]
mod common;

use anyhow::Result;
use clap::Parser;
use common::{Bar, CorpusArgument, read_corpora};
use ser_core::{Config, SearchOptions, Space, search};
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

/// Searches options on validation speakers; test speakers are never scored.
///
/// The space is TOML: a method (grid, random or successive-halving) and keys of the configuration with lists or ranges, such
/// as examples/configs/search/compact.toml. `cross_validate --space FILE` searches in every fold instead.
#[derive(Parser)]
struct Arguments {
    /// Configuration (TOML) whose options are replaced; its [split] says who validates.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Search space (TOML).
    #[arg(long, value_name = "FILE")]
    space: PathBuf,
    /// Corpus: crema-d, ravdess, savee, tess, emodb, nemo, emovo, folder, csv or emobox; may be given several times.
    #[arg(long, value_name = "NAME=PATH", required = true)]
    corpus: Vec<CorpusArgument>,
    /// Number of trials; of a grid, the most.
    #[arg(long, value_name = "N")]
    trials: usize,
    /// Folder for the results.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Goes on from the trials that an ended run with the same arguments left in the folder; else these are
    /// removed.
    #[arg(long)]
    resume: bool,
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
    let space = Space::from_file(&arguments.space)?;
    let corpus = read_corpora(&arguments.corpus)?;
    let options = SearchOptions { trials: arguments.trials, resume: arguments.resume };
    let bar = Bar::new();
    let found = search(&config, &space, &corpus, &arguments.out, &options, |progress| bar.show(&progress))?;
    drop(bar);
    for warning in &found.warnings {
        eprintln!("warning: {warning}");
    }
    writeln!(stdout(), "{found}best: trial {}; written to {}", found.trial.trial, arguments.out.display())?;
    Ok(())
}
