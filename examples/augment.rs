//! Writes a recording and four augmented copies of it, those that Zahoor & Kaur show: five WAVs, `figure.svg` and
//! `figure.png` (waveforms and spectrograms one above another), and `index.html`, a page with the figure and players.

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use ser_core::Waveform;
use ser_core::audio::WavFormat;
use ser_core::augment::{Copies, Draw};
use ser_core::features::ndarray::Array2;
use ser_core::features::{Feature, FeatureExtractor, FeatureOptions, SpectrogramOptions};
use ser_core::report::{Bins, Page, Panel, Spectrogram, time_panels};
use std::fs;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Writes a recording, and the same noised, stretched, shifted and pitched: WAVs, a figure, and a page with players.
#[derive(Parser)]
struct Arguments {
    /// Recording; mixed to one channel.
    file: PathBuf,
    /// Folder to write to; made where it is missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What chance is drawn from: the same seed gives the same sounds.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
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
    let waveform = Waveform::from_file(&arguments.file)?;
    let is_input = |path: &Path| {
        path.canonicalize().is_ok_and(|path| arguments.file.canonicalize().is_ok_and(|file| file == path))
    };
    ensure!(!waveform.is_empty(), "{} holds no sound", arguments.file.display());
    let draw = Draw { seed: arguments.seed, utterance: "augment", epoch: 0 };
    let copies = Copies::paper_figures()?;
    let copies = copies.make(&waveform, &draw).collect::<Result<Vec<_>, _>>()?;
    let spectrograms = copies.iter().map(|(_, copy)| decibels(copy)).collect::<Result<Vec<_>>>()?;

    let paths: Vec<PathBuf> = copies.iter().map(|(label, _)| arguments.out.join(format!("{label}.wav"))).collect();
    if let Some(path) = paths.iter().find(|path| is_input(path)) {
        bail!("{} would be replaced by its copy: give another --out", path.display());
    }

    let sounds = paths.iter().filter_map(|path| path.file_name()?.to_str());
    Page::check_folder(&arguments.out, &sounds.chain(["figure.svg", "figure.png", "index.html"]).collect::<Vec<_>>())?;

    let panels = copies.iter().zip(&spectrograms).flat_map(|((label, copy), (hop_length, decibels))| {
        let sample_rate = copy.sample_rate();
        let hop = *hop_length as f64 / f64::from(sample_rate);
        let bins = Bins::Linear { nyquist: f64::from(sample_rate) / 2.0 };
        let spectrogram = Spectrogram { decibels: decibels.view(), hop, first: 0.0, bins };
        [Panel::Waveform { label, samples: copy.samples(), sample_rate }, Panel::Spectrogram { label: "", spectrogram }]
    });
    let name = arguments.file.file_name().unwrap_or(arguments.file.as_os_str()).to_string_lossy();
    // Figures have the letters of few scripts, names of files those of all: the page has the name.
    let figure = time_panels("A recording and its augmented copies", &panels.collect::<Vec<_>>())?;

    fs::create_dir_all(&arguments.out).with_context(|| format!("cannot make {}", arguments.out.display()))?;
    let mut page = Page::new(&format!("Augmentation of {name}"));
    page.paragraph(&format!("Seed {}. The parameters are those of Zahoor & Kaur.", arguments.seed));
    let mut lines = Vec::new();
    for ((label, copy), path) in copies.iter().zip(&paths) {
        let clipped = copy.write_wav(path, WavFormat::Int16)?;
        page.audio(label, &fs::read(path).with_context(|| format!("cannot read {}", path.display()))?);
        let note = if clipped > 0 { format!(", {clipped} samples clipped") } else { String::new() };
        lines.push(format!("{}: {:.2} s{note}", path.display(), copy.duration()));
    }
    page.figure(&figure, "Waveforms and spectrograms");
    for (file, content) in [
        ("figure.svg", figure.to_svg().into_bytes()),
        ("figure.png", figure.to_png(2.0)?),
        ("index.html", page.to_html().into_bytes()),
    ] {
        let path = arguments.out.join(file);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        lines.push(path.display().to_string());
    }
    let mut out = stdout().lock();
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    Ok(())
}

/// Windows of some 50 ms, four to each: the distance of two frames in samples, and decibels `[frames, bins]`.
fn decibels(waveform: &Waveform) -> Result<(usize, Array2<f32>)> {
    let n_fft = (waveform.sample_rate() as usize / 20).next_power_of_two();
    let options = FeatureOptions {
        sample_rate: waveform.sample_rate(),
        n_fft,
        win_length: n_fft,
        hop_length: n_fft / 4,
        features: vec![Feature::Spectrogram(SpectrogramOptions::default())],
        ..FeatureOptions::default()
    };
    Ok((n_fft / 4, FeatureExtractor::new(&options)?.extract(waveform.samples())?))
}
