//! Prints the emotion of each recording with all probabilities; without a file, that of a small synthetic clip.
//!
//! With `--adapt`, the model is adapted to the voice or the channel of recordings whose emotions need not be known.
//!
//! A file that cannot be read is named on stderr, does not stop the others, and makes the exit status 1.

#[path = "common/describe.rs"]
mod describe;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use describe::{describe, segment_json, segment_line};
use indicatif::ProgressBar;
use ser_core::audio::{Channel, ReadOptions};
use ser_core::{Adaptation, Prediction, Recognizer, Recording, Waveform};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{ErrorKind, Read, Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Made by `tests/clip.rs`: no voice of a person.
const CLIP: &[u8] = include_bytes!("data/synthetic.wav");

/// Recognises the emotion in recordings of speech.
#[derive(Parser)]
struct Arguments {
    /// Model file; the embedded weights (CC BY 4.0, trained on EMO-DB) where none is given.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Print one JSON object a file.
    #[arg(long)]
    json: bool,
    /// Also recognise each stretch of so many seconds (0.25 to 30).
    #[arg(long, value_name = "SECONDS")]
    timeline: Option<f64>,
    /// Take one channel, counted from 0, and not the mean of all; that of --adapt files, too.
    #[arg(long, value_name = "N")]
    channel: Option<usize>,
    /// Recording of the voice or the channel that is to be recognised, of any emotion; may be given several times. Or one
    /// file that --save-adaptation wrote.
    #[arg(long, value_name = "FILE")]
    adapt: Vec<PathBuf>,
    /// Keep what the model took from the --adapt recordings in a file (JSON; neither sound nor labels are in it).
    #[arg(long, value_name = "FILE", requires = "adapt")]
    save_adaptation: Option<PathBuf>,
    /// Recordings (or the .npy files that a model of imported features takes); without any, a small synthetic clip that comes with this example.
    files: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
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
    let mut recognizer = match &arguments.model {
        Some(path) => Recognizer::from_file(path)?,
        None => {
            eprintln!("{}", describe::EMBEDDED);
            Recognizer::pretrained()?
        }
    };
    if let Some(seconds) = arguments.timeline {
        ensure!((0.25..=30.0).contains(&seconds), "--timeline {seconds} is out of range: give 0.25 to 30 s");
    }
    let channel = arguments.channel.map_or(Channel::Mix, Channel::Index);
    let options = ReadOptions { channel, ..ReadOptions::default() };
    let read = |path: &PathBuf| Recording::from_file_with(path, &options);
    if !arguments.adapt.is_empty() {
        let saved: Vec<bool> = arguments.adapt.iter().map(|path| is_saved(path)).collect::<Result<_>>()?;
        recognizer = match (arguments.adapt.as_slice(), saved.contains(&true)) {
            ([saved], true) => recognizer
                .with_adaptation(Adaptation::from_file(saved)?)
                .with_context(|| format!("cannot adapt by {}", saved.display()))?,
            (_, true) => bail!("what --save-adaptation wrote stands alone: give one such --adapt file, or recordings"),
            (recordings, false) => {
                let recordings: Result<Vec<_>, _> = recordings.iter().map(read).collect();
                recognizer.adapted_to(&recordings?).context("cannot adapt the model")?
            }
        };
        if let (Some(path), Some(adaptation)) = (&arguments.save_adaptation, recognizer.adaptation()) {
            ensure!(
                !path.exists() || Adaptation::from_file(path).is_ok(),
                "{} is no adaptation: give --save-adaptation another name",
                path.display()
            );
            adaptation.write(path)?;
        }
    }
    if arguments.files.is_empty() {
        report(arguments, &recognizer, Path::new("synthetic.wav"), &Waveform::from_bytes(CLIP)?.into())?;
    }
    let bar = ProgressBar::new(arguments.files.len() as u64);
    let mut complete = true;
    for path in bar.wrap_iter(arguments.files.iter()) {
        let result = read(path).map_err(anyhow::Error::from).and_then(|recording| {
            bar.suspend(|| report(arguments, &recognizer, path, &recording))
                .with_context(|| format!("cannot recognise {}", path.display()))
        });
        if let Err(error) = result {
            let is_unheard = |error: &std::io::Error| error.kind() == ErrorKind::BrokenPipe;
            if error.downcast_ref().is_some_and(is_unheard) {
                return Err(error);
            }
            bar.suspend(|| eprintln!("error: {error:#}"));
            complete = false;
        }
    }
    bar.finish_and_clear();
    Ok(complete)
}

/// Whether `--save-adaptation` wrote a file: no recording begins with a brace.
fn is_saved(path: &Path) -> Result<bool> {
    // What is read from a pipe is gone.
    if path.exists() && !path.is_file() {
        return Ok(false);
    }
    let mut first = Vec::new();
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    file.take(1).read_to_end(&mut first).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(first == b"{")
}

fn report(arguments: &Arguments, recognizer: &Recognizer, path: &Path, recording: &Recording) -> Result<()> {
    let prediction = recognizer.recognize_recording(recording)?;
    let timeline = match (arguments.timeline, recording) {
        (None, _) => None,
        (Some(seconds), Recording::Audio(waveform)) => Some(recognizer.timeline(waveform, seconds)?),
        (Some(_), Recording::Features(_)) => bail!("a timeline needs audio, not features"),
    };
    let threshold = recognizer.manifest().calibration.threshold;
    let mut out = stdout().lock();
    if arguments.json {
        let mut object = json!({
            "path": path.to_string_lossy(),
            "duration": recording.duration(),
            "emotion": prediction.emotion(),
            "confidence": prediction.confidence(),
            "accepted": prediction.accepted(),
            "probabilities": probabilities(&prediction),
        });
        if !prediction.dimensions().is_empty() {
            object["dimensions"] = prediction.dimensions().iter().map(|(name, x)| (name.clone(), json!(x))).collect();
        }
        if prediction.is_adapted() {
            object["adapted"] = true.into();
        }
        if let Some(timeline) = timeline {
            object["timeline"] = timeline.iter().map(segment_json).collect();
        }
        writeln!(out, "{object}")?;
    } else {
        writeln!(out, "{}: {}", path.display(), describe(&prediction, threshold))?;
        for (emotion, probability) in prediction.probabilities() {
            writeln!(out, "  {emotion:<9} {probability:.3}")?;
        }
        for (name, value) in prediction.dimensions() {
            writeln!(out, "  {name} {value:.3}")?;
        }
        for segment in timeline.iter().flatten() {
            writeln!(out, "{}", segment_line(segment, threshold))?;
        }
    }
    Ok(())
}

fn probabilities(prediction: &Prediction) -> Value {
    prediction
        .probabilities()
        .iter()
        .map(|(emotion, probability)| (emotion.to_string(), json!(probability)))
        .collect::<Map<String, Value>>()
        .into()
}
