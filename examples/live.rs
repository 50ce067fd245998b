//! Recognises the emotion in speech while it is spoken, stretch by stretch.
//!
//! From the microphone, which needs the feature `live`: `cargo run --release --features live --example live`; or, with `--input FILE`,
//! from a file that is played in real time.

#[path = "common/describe.rs"]
mod describe;

use anyhow::{Result, ensure};
use clap::Parser;
use describe::{segment_json, segment_line};
use ser_core::{Recognizer, Segment, Waveform};
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Recognises the emotion in speech while it is spoken.
#[derive(Parser)]
struct Arguments {
    /// Model file; the embedded weights (CC BY 4.0, trained on EMO-DB) where none is given.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Recording that takes the place of the microphone, in real time.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Length of the stretches in seconds (0.25 to 30).
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    timeline: f64,
    /// Print one JSON object a stretch.
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
    let seconds = arguments.timeline;
    ensure!((0.25..=30.0).contains(&seconds), "--timeline {seconds} is out of range: give 0.25 to 30 s");
    let recognizer = match &arguments.model {
        Some(path) => Recognizer::from_file(path)?,
        None => {
            eprintln!("{}", describe::EMBEDDED);
            Recognizer::pretrained()?
        }
    };
    let threshold = recognizer.manifest().calibration.threshold;
    let show = |segments: Vec<Segment>| -> Result<()> {
        let mut out = stdout().lock();
        for segment in &segments {
            match arguments.json {
                true => writeln!(out, "{}", segment_json(segment))?,
                false => writeln!(out, "{}", segment_line(segment, threshold))?,
            }
        }
        Ok(out.flush()?)
    };
    match &arguments.input {
        Some(path) => play(path, &recognizer, seconds, show),
        None => listen(&recognizer, seconds, show),
    }
}

/// Gives a file to the recogniser as fast as it was spoken.
fn play(path: &Path, recognizer: &Recognizer, seconds: f64, show: impl Fn(Vec<Segment>) -> Result<()>) -> Result<()> {
    let waveform = Waveform::from_file(path)?;
    let mut live = recognizer.live(waveform.sample_rate(), seconds)?;
    let chunk = waveform.sample_rate() as usize / 10;
    let start = Instant::now();
    for (index, samples) in (1..).zip(waveform.samples().chunks(chunk.max(1))) {
        sleep(Duration::from_millis(100 * index).saturating_sub(start.elapsed()));
        show(live.push(samples)?)?;
    }
    show(live.finish()?)
}

/// Listens to the microphone until the program is ended.
#[cfg(feature = "live")]
fn listen(recognizer: &Recognizer, seconds: f64, show: impl Fn(Vec<Segment>) -> Result<()>) -> Result<()> {
    let microphone = ser_core::Microphone::open()?;
    let mut live = recognizer.live(microphone.sample_rate(), seconds)?;
    eprintln!("listening at {} Hz; Ctrl-C ends it", microphone.sample_rate());
    let mut losses = 0;
    loop {
        show(live.push(&microphone.read()?)?)?;
        if microphone.losses() > losses {
            losses = microphone.losses();
            eprintln!("warning: the system lost sound: the machine has too much to do");
        }
    }
}

#[cfg(not(feature = "live"))]
fn listen(_: &Recognizer, _: f64, _: impl Fn(Vec<Segment>) -> Result<()>) -> Result<()> {
    anyhow::bail!(
        "the microphone needs the feature live (cargo run --release --features live --example live): or give --input FILE"
    )
}
