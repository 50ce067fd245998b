//! Writes the features of each recording to a `.npy` file, with the names of their columns in `columns.json` and the
//! options in `features.toml`.
//!
//! A file that cannot be read is named on stderr, does not stop the others, and makes the exit status 1.

use anyhow::{Context, Result, bail};
use clap::Parser;
use indicatif::ProgressBar;
use ndarray_npy::WriteNpyExt;
use rayon::prelude::*;
use ser_core::Waveform;
use ser_core::features::{FeatureExtractor, FeatureOptions};
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// Extracts features of speech: float32 `.npy` files `[frames, bins]` that numpy reads.
///
/// Recordings are mixed to one channel and resampled to the rate of the features; nothing else is done to them.
/// Files are worked on in parallel (RAYON_NUM_THREADS sets how many at a time), each is in memory only meanwhile.
///
/// DIR/columns.json lists the names of the columns in order; DIR/features.toml holds the options and can be given
/// to --config to repeat a result. Files of an earlier run that have the same names are replaced, none of others.
#[derive(Parser)]
#[command(after_help = NAMES)]
struct Arguments {
    /// Feature set.
    #[arg(long, value_name = "NAME", default_value = "paper", value_parser = FeatureOptions::PRESETS)]
    preset: String,
    /// Feature set described in TOML, in place of a preset.
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    config: Option<PathBuf>,
    /// Folder to write to; made where it is missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Recordings; one that is given twice is read once.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

const NAMES: &str = "\
Names of the results: x.wav gives x.npy where no other recording is called x. Recordings that share that name (case \
does not count, nor does the extension) are all told apart in the same way, the first of these that serves and that \
no other result has:
  the extension       d/x.wav, d/x.mp3           x.wav.npy, x.mp3.npy
  the folder          a/x.wav, b/x.wav           a_x.npy, b_x.npy
  both                a/x.wav, a/x.mp3, b/x.wav  a_x.wav.npy, a_x.mp3.npy, b_x.wav.npy
  two folders, and so on
  a number            d/X.wav, d/x.wav           X-1.npy, x-2.npy
The order in which recordings are given does not matter.";

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

/// True where every file gave a result.
fn run(arguments: &Arguments) -> Result<bool> {
    let out = &arguments.out;
    let extractor = FeatureExtractor::new(&options(arguments)?)?;
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let results = name_results(&arguments.files);
    let [columns, described] = ["columns.json", "features.toml"].map(|name| out.join(name));
    let is_given = arguments.config.as_ref().is_some_and(|path| locate(path) == locate(&described));
    let is_ours = fs::read(&columns).is_ok_and(|bytes| serde_json::from_slice::<Vec<String>>(&bytes).is_ok());
    let others = results.iter().map(|(_, name)| out.join(format!("{name}.npy"))).chain([columns.clone()]);
    let foreign = others.filter(|path| !is_ours && path.is_file());
    let by_hand = Some(described.clone()).filter(|path| !is_given && path.is_file() && !is_written(path));
    if let Some(path) = foreign.chain(by_hand).next() {
        bail!("{} is in the way, and no earlier run wrote it: move it, or give another --out", path.display());
    }
    write(&columns, &serde_json::to_vec_pretty(extractor.columns())?)?;
    if !is_given {
        write(&described, toml::to_string(extractor.options())?.as_bytes())?;
    }

    let bar = ProgressBar::new(results.len() as u64);
    let complete = AtomicBool::new(true);
    results.par_iter().for_each(|(path, name)| {
        if let Err(error) = extract(&extractor, path, &out.join(format!("{name}.npy"))) {
            bar.suspend(|| eprintln!("error: {error:#}"));
            complete.store(false, Ordering::Relaxed);
        }
        bar.inc(1);
    });
    bar.finish_and_clear();
    Ok(complete.into_inner())
}

/// Whether a description has the form that this program gives it, without a word of anybody.
fn is_written(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap_or_default();
    toml::from_str::<FeatureOptions>(&text).is_ok_and(|options| toml::to_string(&options).is_ok_and(|own| own == text))
}

fn options(arguments: &Arguments) -> Result<FeatureOptions> {
    let Some(path) = &arguments.config else { return Ok(FeatureOptions::preset(&arguments.preset)?) };
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| {
        format!("{} does not describe features: give a file such as the features.toml that this writes", path.display())
    })
}

fn extract(extractor: &FeatureExtractor, path: &Path, result: &Path) -> Result<()> {
    let waveform = Waveform::from_file(path)?;
    let features = waveform
        .resample(extractor.options().sample_rate)
        .map_err(anyhow::Error::from)
        .and_then(|waveform| Ok(extractor.extract(waveform.samples())?))
        .with_context(|| format!("cannot extract the features of {}", path.display()))?;
    let mut npy = Vec::new();
    features.write_npy(&mut npy)?;
    write(result, &npy)
}

/// Writes beside the file and renames, so that no reader ever sees half of it.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".part");
    fs::write(&unfinished, bytes)
        .and_then(|()| fs::rename(&unfinished, path))
        .inspect_err(|_| drop(fs::remove_file(&unfinished)))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Names the result of each recording, without `.npy`, as [`NAMES`] says.
fn name_results(recordings: &[PathBuf]) -> Vec<(&Path, String)> {
    let located: BTreeMap<PathBuf, &Path> = recordings.iter().map(|path| (locate(path), path.as_path())).collect();
    let mut namesakes: BTreeMap<String, Vec<&PathBuf>> = BTreeMap::new();
    for path in located.keys() {
        namesakes.entry(name(path, 0, false).to_lowercase()).or_default().push(path);
    }
    let (alone, shared): (Vec<_>, Vec<_>) = namesakes.into_values().partition(|paths| paths.len() == 1);

    let mut taken = HashSet::new();
    let mut results = Vec::new();
    for paths in alone.into_iter().chain(shared) {
        let depth = paths.iter().map(|path| path.components().count()).max().unwrap_or(0);
        let told_apart = (0..depth)
            .flat_map(|folders| [(folders, false), (folders, true)])
            .map(|(folders, extension)| paths.iter().map(|path| name(path, folders, extension)).collect::<Vec<_>>());
        let numbered = (1..).map(|first| {
            paths.iter().zip(first..).map(|(path, number)| format!("{}-{number}", name(path, 0, false))).collect()
        });
        let free = |names: &Vec<String>| {
            let mut seen = HashSet::new();
            names.iter().map(|name| name.to_lowercase()).all(|name| !taken.contains(&name) && seen.insert(name))
        };
        let names = told_apart.chain(numbered).find(free).unwrap_or_default();
        taken.extend(names.iter().map(|name| name.to_lowercase()));
        results.extend(paths.into_iter().map(|path| located[path]).zip(names));
    }
    results
}

/// The real path of the folder and the file's own name: two ways to one file are one, and a link keeps its name.
fn locate(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    match (folder.canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

/// The name of a file, with so many of the folders that it lies in before it.
fn name(path: &Path, folders: usize, extension: bool) -> String {
    let name = if extension { path.file_name() } else { path.file_stem() };
    let folders = path.ancestors().skip(1).take(folders).filter_map(Path::file_name);
    let mut parts: Vec<_> = name.into_iter().chain(folders).map(|part| part.to_string_lossy()).collect();
    parts.reverse();
    parts.join("_")
}
