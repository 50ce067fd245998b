//! Writes RESULTS.md from the reports that `cross_validate` wrote and results/index.toml names: no number in it is typed.

use anyhow::{Context, Result};
use clap::Parser;
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Writes a table of cross-validations from their reports.
#[derive(Parser)]
struct Arguments {
    /// Folder with index.toml and the reports that it names.
    #[arg(long, value_name = "DIR", default_value = "results")]
    reports: PathBuf,
    /// The file to write.
    #[arg(long, value_name = "FILE", default_value = "RESULTS.md")]
    out: PathBuf,
}

fn main() -> ExitCode {
    let Arguments { reports, out } = Arguments::parse();
    let write = |text| fs::write(&out, text).with_context(|| format!("cannot write {}", out.display()));
    match results(&reports).and_then(write) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn results(folder: &Path) -> Result<String> {
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let index: toml::Table = read("index.toml")?.parse().context("index.toml is no TOML")?;
    let text = |table: &toml::Table, key: &str| -> Result<String> {
        Ok(table.get(key).and_then(toml::Value::as_str).with_context(|| format!("index.toml lacks {key}"))?.into())
    };
    let systems = index.get("system").and_then(toml::Value::as_array).context("index.toml has no [[system]]")?;
    let mut rows = String::new();
    let mut commands = String::new();
    for system in systems.iter().filter_map(toml::Value::as_table) {
        let name = text(system, "report")?;
        let report: Value = serde_json::from_str(&read(&name)?).with_context(|| format!("{name} is no JSON"))?;
        let row = row(&report).with_context(|| format!("{name} is no report of cross_validate"))?;
        writeln!(rows, "| {} | {row} | {} |", text(system, "name")?, text(system, "beside")?)?;
        writeln!(commands, "# {name}\ncargo run --release --example cross_validate -- {}", text(system, "command")?)?;
    }
    Ok(format!("{}\n\n{HEADER}\n{rows}\n{}\n\n```sh\n{commands}```\n", text(&index, "before")?, text(&index, "after")?))
}

const HEADER: &str = "\
| system | tested on, trained on | protocol | speakers | folds × seeds | parameters | UAR | accuracy | UAR, adapted | accuracy, adapted | beside |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |";

/// What a report says; `None` where it is none.
fn row(report: &Value) -> Option<String> {
    let score = |name: &str| match &report[name] {
        Value::Null => Some("–".to_owned()),
        score => {
            let mut text = format!("{:.3}", score["mean"].as_f64()?);
            for (name, over) in [("std_over_folds", "folds"), ("std_over_seeds", "seeds")] {
                if let Some(deviation) = score[name].as_f64() {
                    write!(text, " ± {deviation:.3} {over}").ok()?;
                }
            }
            Some(text)
        }
    };
    let corpora: Vec<&str> = report["corpora"].as_array()?.iter().filter_map(Value::as_str).collect();
    let scope = match report["config"]["normalizer"]["scope"].as_str()? {
        "speaker" => "; normalised per speaker",
        _ => "",
    };
    Some(
        [
            corpora.join(", "),
            report["protocol"].as_str()?.to_owned(),
            format!("{}{scope}", report["speakers"].as_str()?),
            format!("{} × {}", report["folds"], report["seeds"].as_array()?.len()),
            report["parameters"].to_string(),
            score("uar")?,
            score("accuracy")?,
            score("adapted_uar")?,
            score("adapted_accuracy")?,
        ]
        .join(" | "),
    )
}
