//! Writes RESULTS.md from the reports that `cross_validate` wrote and results/index.toml names: no number in it is typed.

use anyhow::{Context, Result};
use clap::Parser;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Writes a table of cross-validations from their reports.
#[derive(Parser)]
struct Arguments {
    /// Folder with index.toml, the reports that it names, and epochs.csv.
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
    let times = read("epochs.csv")?;
    let times: BTreeMap<&str, &str> = times.lines().filter_map(|line| line.split_once(',')).collect();
    let systems = index.get("system").and_then(toml::Value::as_array).context("index.toml has no [[system]]")?;
    let mut rows = String::new();
    let mut commands = String::new();
    for system in systems.iter().filter_map(toml::Value::as_table) {
        let name = text(system, "report")?;
        let report: Value = serde_json::from_str(&read(&name)?).with_context(|| format!("{name} is no JSON"))?;
        let no_report = || format!("{name} is no report of cross_validate");
        // What is made of several reports has a command of its own, and no time.
        let configuration = system.get("configuration").and_then(toml::Value::as_str);
        let time = configuration.and_then(|name| times.get(name)).copied().unwrap_or("–");
        let (title, beside) = (text(system, "name")?, text(system, "beside")?);
        let mut write = |title: &str, scores: &Value, members: u64, beside: &str| -> Result<()> {
            let row = row(&report, scores, members, time).with_context(no_report)?;
            Ok(writeln!(rows, "| {title} | {row} | {beside} |")?)
        };
        write(&title, &report, 1, &beside)?;
        if let Some(seeds) = report["seeds"].as_array().filter(|_| report["ensemble"].is_object()) {
            write(&format!("{title}, the seeds together"), &report["ensemble"], seeds.len() as u64, "")?;
        }
        let out = format!("out/{}", name.trim_end_matches(".json"));
        let command = match configuration {
            Some(configuration) => {
                let arguments = arguments(&report).with_context(no_report)?;
                let corpora = text(system, "corpora")?;
                format!(
                    "cargo run --release --example cross_validate -- --config examples/configs/{configuration}.toml {corpora}{arguments} --out {out}"
                )
            }
            None => format!("python results/average.py {out}.json {}", text(system, "averaged")?),
        };
        // What has to be there before.
        if let Some(first) = system.get("first").and_then(toml::Value::as_str) {
            writeln!(commands, "{first}")?;
        }
        writeln!(commands, "{command}")?;
    }
    Ok(format!("{}\n\n{HEADER}\n{rows}\n{}\n\n```sh\n{commands}```\n", text(&index, "before")?, text(&index, "after")?))
}

const HEADER: &str = "\
| system | tested on | trained also on | classes | protocol | speakers | folds × seeds | parameters | epoch | UAR | accuracy | UAR, adapted | accuracy, adapted | beside |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |";

/// The options of `cross_validate` that gave a report; `None` where it is none.
fn arguments(report: &Value) -> Option<String> {
    let mut arguments = format!(" --protocol {}", report["protocol"].as_str()?);
    match report["seeds"].as_array()?.len() {
        1 => {}
        seeds => write!(arguments, " --seeds {seeds}").ok()?,
    }
    match (report["folds"].as_u64()?, report["folds_of_protocol"].as_u64()?) {
        (run, all) if run == all => {}
        (run, _) => write!(arguments, " --folds {run}").ok()?,
    }
    Some(arguments)
}

/// What a report says, with its scores or those of an ensemble of `members` networks; `None` where it is none.
fn row(report: &Value, scores: &Value, members: u64, time: &str) -> Option<String> {
    let score = |name: &str| match &scores[name] {
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
    let names = |value: &Value| -> Option<Vec<String>> {
        value.as_array()?.iter().map(|name| Some(name.as_str()?.to_owned())).collect()
    };
    // "…; trained on only: a, b; began with a model (0123456789abcdef), fitted to 99 clips of a, b; …"
    let guards = names(&report["guard"])?;
    let notes = || guards.first().into_iter().flat_map(|guard| guard.split("; "));
    let helpers = notes().find_map(|note| note.strip_prefix("trained on only: ")).unwrap_or_default();
    let first = notes().filter(|note| note.starts_with("began with ")).find_map(|note| note.split_once(" clips of "));
    let also = match first {
        Some((_, corpora)) if helpers.is_empty() => format!("first: {corpora}"),
        Some((_, corpora)) => format!("{helpers}; first: {corpora}"),
        None => helpers.to_owned(),
    };
    let tested: Vec<String> = names(&report["corpora"])?
        .into_iter()
        .filter(|corpus| helpers.split(", ").all(|helper| helper != corpus))
        .collect();
    let config = &report["config"];
    let mut systems = config["fused"].as_array().into_iter().flatten().chain([config]);
    let scope = match systems.any(|system| system["normalizer"]["scope"] == "speaker") {
        true => "; normalised per speaker",
        false => "",
    };
    Some(
        [
            tested.join(", "),
            also,
            names(&report["pooled"]["class_names"])?.len().to_string(),
            report["protocol"].as_str()?.to_owned(),
            format!("{}{scope}", report["speakers"].as_str()?),
            match (report["folds"].as_u64()?, report["folds_of_protocol"].as_u64()?) {
                (run, all) if run == all => format!("{all} × {}", report["seeds"].as_array()?.len() as u64 / members),
                (run, all) => format!("**{run} of {all}** × {}", report["seeds"].as_array()?.len() as u64 / members),
            },
            (members * report["parameters"].as_u64()?).to_string(),
            time.into(),
            score("uar")?,
            score("accuracy")?,
            score("adapted_uar")?,
            score("adapted_accuracy")?,
        ]
        .join(" | "),
    )
}
