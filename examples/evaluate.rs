//! Scores a model on the recordings whose speakers it was neither trained nor validated on: says what was scored and
//! what was left out, and prints the classification report.

#[allow(dead_code, reason = "each example takes what it needs")]
mod common;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use common::{Bar, CorpusArgument, lacks_recordings, read_corpora, repeat};
use ser_core::{Evaluation, PageOptions, Recognizer, Robustness, evaluate, robustness, write_page};
use std::fs;
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

/// Scores a speech emotion model on recordings that it does not know.
#[derive(Parser)]
struct Arguments {
    /// Model file.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// Corpus to score on: crema-d, ravdess, savee, tess, emodb, nemo, emovo, folder, csv or emobox; may be given several
    /// times.
    #[arg(long, value_name = "NAME=PATH", required = true)]
    corpus: Vec<CorpusArgument>,
    /// Score what is new to the model, or everything (which is then marked in the result).
    #[arg(long, value_enum, default_value_t = Part::Test)]
    part: Part,
    /// Score the same clips again softer, noisier, farther away, faster, shorter and longer, and print how far the score
    /// falls.
    #[arg(long)]
    robustness: bool,
    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,
    /// Folder for predictions.csv, report.json and report.html, and robustness.csv with --robustness.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Put players of the worst mistakes into report.html: whoever gets the page then gets the voices.
    #[arg(long, requires = "out")]
    audio: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Part {
    Test,
    All,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(complete) if complete => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// True where every recording could be read.
fn run(arguments: &Arguments) -> Result<bool> {
    if let Some(folder) = &arguments.out {
        Evaluation::check_folder(folder)?;
        // What is in the way shall not be found after the work.
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let recognizer = Recognizer::from_file(&arguments.model)?;
    let corpus = read_corpora(&arguments.corpus)?;
    let part = match arguments.part {
        Part::Test => ser_core::Part::Test,
        Part::All => ser_core::Part::All,
    };
    let bar = Bar::new();
    let show = |progress| bar.show(&progress);
    let (evaluation, robustness) = if arguments.robustness {
        let robustness = robustness(&recognizer, &corpus, part, show)?;
        (robustness.clean().clone(), Some(robustness))
    } else {
        (evaluate(&recognizer, &corpus, part, show)?, None)
    };
    drop(bar);
    // A folder that cannot be written takes no score away.
    let printed = print(arguments, &evaluation, robustness.as_ref());
    if let Some(folder) = &arguments.out {
        evaluation.write(folder)?;
        let conditions = robustness.iter().flat_map(|robustness| robustness.conditions()).cloned().collect();
        let options = PageOptions { audio: arguments.audio, command: repeat("evaluate"), conditions };
        write_page(&evaluation, &recognizer, folder, &options)?;
        if let Some(robustness) = &robustness {
            robustness.write(folder)?;
        }
    }

    printed?;
    Ok(evaluation.unreadable().is_empty() && !lacks_recordings(&corpus))
}

fn print(arguments: &Arguments, evaluation: &Evaluation, robustness: Option<&Robustness>) -> Result<()> {
    for warning in evaluation.warnings() {
        eprintln!("warning: {warning}");
    }
    for line in evaluation.unreadable() {
        eprintln!("error: {line}");
    }
    let mut out = stdout().lock();
    if arguments.json {
        let mut object = serde_json::to_value(evaluation)?;
        if let Some(robustness) = robustness {
            object["robustness"] = serde_json::to_value(robustness.conditions())?;
        }
        writeln!(out, "{object}")?;
    } else {
        writeln!(out, "{}; unweighted average recall {:.4}", evaluation.scope(), evaluation.report().uar)?;
        if let Some(adapted) = evaluation.adapted() {
            writeln!(out, "{adapted}")?;
        }
        writeln!(out, "left out: {}", evaluation.left_out())?;
        writeln!(out, "\n{}", evaluation.report())?;
        if let Some(note) = evaluation.report().absent_note() {
            writeln!(out, "{note}\n")?;
        }
        for dimension in evaluation.dimensions() {
            writeln!(out, "{dimension}")?;
        }
        if let Some(robustness) = robustness {
            writeln!(out, "\n{robustness}")?;
        }
    }
    Ok(())
}
