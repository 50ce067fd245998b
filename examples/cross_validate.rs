//! Trains and scores every fold of a protocol: prints the table of folds, the means with their deviations, and the
//! confusion of all folds, and writes `report.json`, `report.html`, `predictions.csv` and
//! `times.csv`.

#[allow(dead_code, reason = "each example takes what it needs")]
mod common;

use anyhow::Result;
use clap::Parser;
use common::{Bar, CorpusArgument, read_corpora, repeat};
use ser_core::corpus::Protocol;
use ser_core::{Config, CrossValidationOptions, NestedSearch, PageOptions, Space, cross_validate};
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

/// Trains and scores a speech emotion model in every fold of a protocol.
///
/// Where corpora merge, ravdess-emobox6, ravdess-lj5 and emobox test their own corpus and train on all others; other
/// protocols do so for the corpus that [split] test_corpus names in the configuration.
#[derive(Parser)]
struct Arguments {
    /// Configuration (TOML); examples are in examples/configs.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Corpus: crema-d, ravdess, savee, tess, emodb, nemo, emovo, folder, csv or emobox; may be given several times.
    #[arg(long, value_name = "NAME=PATH", required = true)]
    corpus: Vec<CorpusArgument>,
    /// Protocol: speakers, sentences, speakers-sentences, corpora, loso, lnso:N, speaker-kfold:K, random-kfold:K,
    /// ravdess-emobox6, ravdess-lj5, emobox or leaky-seed. One without folds counts as one fold.
    #[arg(long, value_name = "NAME")]
    protocol: Protocol,
    /// Trains each fold this often, with the configuration's seed and those that follow it; the folds stay the same.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seeds: usize,
    /// Runs only the first N folds, where all of them would take too long; the result says so.
    #[arg(long, value_name = "N")]
    folds: Option<usize>,
    /// Search space (TOML, as of the example `search`): in every fold, options are searched on its validation part first, and
    /// the trials are kept in runs/.
    #[arg(long, value_name = "FILE", requires = "trials")]
    space: Option<PathBuf>,
    /// Trials of the search in every fold.
    #[arg(long, value_name = "N", requires = "space")]
    trials: Option<usize>,
    /// Goes on from the finished folds that an ended run with the same arguments left in the folder; else these
    /// are removed.
    #[arg(long)]
    resume: bool,
    /// Folder for the results.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,
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
    let mut config = Config::from_file(&arguments.config)?;
    config.split.protocol = arguments.protocol;
    let corpus = read_corpora(&arguments.corpus)?;
    let search = match (&arguments.space, arguments.trials) {
        (Some(file), Some(trials)) => Some(NestedSearch { space: Space::from_file(file)?, trials }),
        _ => None,
    };
    let options =
        CrossValidationOptions { seeds: arguments.seeds, folds: arguments.folds, resume: arguments.resume, search };
    let bar = Bar::new();
    let result = cross_validate(&config, &corpus, &arguments.out, &options, |progress| bar.show(&progress))?;
    drop(bar);
    result.write(&arguments.out)?;
    result.write_page(&arguments.out, &PageOptions { command: repeat("cross_validate"), ..PageOptions::default() })?;

    for warning in result.warnings() {
        eprintln!("warning: {warning}");
    }
    let mut out = stdout().lock();
    match arguments.json {
        true => writeln!(out, "{}", serde_json::to_string(&result)?)?,
        false => writeln!(out, "{result}\n\nwritten to {}", arguments.out.display())?,
    }
    Ok(())
}
