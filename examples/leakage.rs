//! Trains one small network twice, by the protocol of Zahoor & Kaur, who split augmented copies of clips at random, and
//! on speakers that are kept apart, and prints what each calls its accuracy: a table of two rows.

#[allow(dead_code, reason = "each example takes what it needs")]
mod common;

use anyhow::Result;
use clap::Parser;
use common::{Bar, CorpusArgument, read_corpora};
use ser_core::{Config, corpus::Split, train};
use std::io::{Write, stdout};
use std::process::ExitCode;

/// A network that learns in minutes what the paper's copies of the clips teach.
const CONFIG: &str = r#"
    seed = 1
    labels = "own"
    class_weights = "none"

    [network]
    architecture = "compact"
    channels = [8, 8, 16, 32]
    embedding = 64
    attention = 32
    dropout = 0.0

    [training]
    max_epochs = 20
    learning_rate = 0.003
    crop_frames = 120
    label_smoothing = 0.0
"#;

const LEAKY: &str = "[split]\nprotocol = 'leaky-seed'\nseed = 1";
const HONEST: &str = "[augment]\ncopies = 'paper'\n[split]\nprotocol = 'speakers'\nseed = 1";

/// Shows what a leak is worth: one small network under the paper's protocol and with speakers kept apart.
#[derive(Parser)]
struct Arguments {
    /// Corpus, such as ravdess=PATH; may be given several times.
    #[arg(long, value_name = "NAME=PATH", required = true)]
    corpus: Vec<CorpusArgument>,
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
    let corpus = read_corpora(&arguments.corpus)?;
    let configs = [LEAKY, HONEST].map(|protocol| format!("{CONFIG}\n{protocol}").parse::<Config>());
    let configs: Vec<Config> = configs.into_iter().collect::<Result<_, _>>()?;
    // What one of them cannot split is found before the other trains.
    configs.iter().try_for_each(|config| Split::new(&corpus, &config.split).map(drop))?;
    let mut out = stdout().lock();
    writeln!(out, "protocol    accuracy    UAR   tested   of the tested clips, training has")?;
    let mut warnings: Vec<String> = Vec::new();
    for config in configs {
        let bar = Bar::new();
        let trained = train(&config, &corpus, |progress| bar.show(&progress))?;
        drop(bar);
        for warning in trained.warnings() {
            if !warnings.contains(warning) {
                eprintln!("warning: {warning}");
                warnings.push(warning.clone());
            }
        }
        let (provenance, report) = (&trained.manifest().provenance, trained.test_report());
        writeln!(
            out,
            "{:<11} {:8.3} {:6.3} {:8}   {}",
            provenance.protocol, report.accuracy, report.uar, provenance.test.clips, provenance.guard
        )?;
    }
    Ok(())
}
