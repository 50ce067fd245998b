//! Writes `index.html`, a look at corpora before anything is trained on them: clips per emotion and corpus, durations,
//! levels, sample rates, what is odd about the files, and of each emotion a waveform and a spectrogram. Prints the number
//! of clips and the warnings.

#[allow(dead_code, reason = "each example takes what it needs")]
mod common;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use common::{CorpusArgument, lacks_recordings, read_corpora};
use indicatif::ProgressBar;
use rayon::prelude::*;
use ser_core::audio::{Warning, WavFormat};
use ser_core::corpus::{Summary, SummaryBy, Utterance};
use ser_core::features::ndarray::Array2;
use ser_core::features::{Feature, FeatureExtractor, FeatureOptions, SpectrogramOptions};
use ser_core::report::{Bins, CorpusSummary, CorpusTour, CountSeries, Distribution, EmotionExample, Page, Spectrogram};
use ser_core::{Emotion, Waveform};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Examples are shown at this rate, in hertz.
const RATE: u32 = 16_000;

/// Looks at corpora: counts, durations, levels, sample rates, warnings, and a clip of each emotion.
#[derive(Parser)]
struct Arguments {
    /// Corpus to look at: crema-d, ravdess, savee, tess, emodb, nemo, emovo, folder, csv or emobox; may be given several
    /// times.
    #[arg(long, value_name = "NAME=PATH", required = true)]
    corpus: Vec<CorpusArgument>,
    /// Folder for index.html.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Put a player for the clip of each emotion into the page: whoever gets the page then gets the voices.
    #[arg(long)]
    audio: bool,
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

/// What is measured of one recording.
struct Measured {
    seconds: f64,
    sample_rate: u32,
    /// In dB of full scale; none where it is silent.
    level: Option<f64>,
    warnings: Vec<Warning>,
}

/// True where every recording could be read.
fn run(arguments: &Arguments) -> Result<bool> {
    Page::check_folder(&arguments.out, &["index.html"])?;
    let corpus = read_corpora(&arguments.corpus)?;
    ensure!(!corpus.is_empty(), "there is no clip in the corpora");
    let bar = ProgressBar::new(corpus.len() as u64).with_message("reading");
    let measure = |utterance: &Utterance| {
        bar.inc(1);
        let waveform = Waveform::from_file(&utterance.path)?;
        // Refuses rates that no training takes.
        Waveform::new(vec![0.0], waveform.sample_rate())?
            .resample(RATE)
            .context(utterance.path.display().to_string())?;
        Ok(Measured {
            seconds: waveform.duration(),
            sample_rate: waveform.sample_rate(),
            level: Some(20.0 * waveform.rms().log10()).filter(|level| level.is_finite()),
            warnings: waveform.warnings(),
        })
    };
    let measured: Vec<Result<Measured>> = corpus.utterances().par_iter().map(measure).collect();
    bar.finish_and_clear();

    let mut warnings = corpus.warning_lines();
    let mut kinds = BTreeMap::<&str, Vec<&Path>>::new();
    let (mut unreadable, mut clips) = (0, Vec::new());
    for (utterance, measured) in corpus.utterances().iter().zip(measured) {
        match measured {
            Ok(measured) => {
                for warning in &measured.warnings {
                    let kind = match warning {
                        Warning::Clipped { .. } => "clipped: waves are cut off flat at full scale",
                        Warning::OffScale { .. } => "off scale: samples beyond twice full scale, which is 1",
                        Warning::Silent { .. } => "very quiet: a root mean square below -60 dB of full scale",
                        _ => continue,
                    };
                    kinds.entry(kind).or_default().push(&utterance.path);
                }
                clips.push((utterance, measured));
            }
            Err(error) => {
                unreadable += 1;
                warnings.push(format!("{error:#}: left out"));
            }
        }
    }
    warnings.extend(kinds.into_iter().map(|(kind, paths)| match paths[..] {
        [path] => format!("{path:?}: {kind}"),
        _ => format!("{} files, such as {:?}: {kind}", paths.len(), paths[0]),
    }));
    if clips.is_empty() {
        warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
        bail!("none of the {unreadable} recordings could be read");
    }
    let html = page(&clips, &warnings, arguments.audio)?;
    fs::create_dir_all(&arguments.out).with_context(|| format!("cannot make {}", arguments.out.display()))?;
    let path = arguments.out.join("index.html");
    fs::write(&path, html).with_context(|| format!("cannot write {}", path.display()))?;

    let mut out = stdout().lock();
    for warning in &warnings {
        writeln!(out, "warning: {warning}")?;
    }
    writeln!(out, "{} clips, {} warnings; written to {}", clips.len(), warnings.len(), path.display())?;
    Ok(unreadable == 0 && !lacks_recordings(&corpus))
}

fn page(clips: &[(&Utterance, Measured)], warnings: &[String], audio: bool) -> Result<String> {
    let utterances: Vec<Utterance> = clips.iter().map(|(utterance, _)| (*utterance).clone()).collect();
    let seconds: HashMap<&Path, f64> =
        clips.iter().map(|(utterance, measured)| (utterance.path.as_path(), measured.seconds)).collect();
    let summary = Summary::with_durations(&utterances, SummaryBy::Corpus, |utterance| {
        seconds.get(utterance.path.as_path()).copied()
    });
    let corpora = summary.rows.iter().map(|row| CorpusSummary {
        name: &row.corpus,
        clips: row.clips.iter().sum::<usize>() as u64,
        speakers: (row.speakers > 0).then_some(row.speakers as u64),
        seconds: row.seconds.unwrap_or_default(),
    });
    let counts: Vec<Vec<u64>> =
        summary.rows.iter().map(|row| row.clips.iter().map(|&count| count as u64).collect()).collect();
    let series = summary.rows.iter().zip(&counts).map(|(row, counts)| CountSeries { name: &row.corpus, counts });
    let emotions: Vec<&str> = summary.emotions.iter().map(|emotion| emotion.name()).collect();
    let mut rates = BTreeMap::<u32, u64>::new();
    clips.iter().for_each(|(_, measured)| *rates.entry(measured.sample_rate).or_default() += 1);
    let durations: Vec<f64> = clips.iter().map(|(_, measured)| measured.seconds).collect();
    let levels: Vec<f64> = clips.iter().filter_map(|(_, measured)| measured.level).collect();
    let mut distributions = vec![Distribution { name: "Duration", label: "Duration (s)", values: &durations }];
    if !levels.is_empty() {
        distributions.push(Distribution {
            name: "Level",
            label: "Root mean square (dB of full scale)",
            values: &levels,
        });
    }

    let shown = summary.emotions.iter().filter_map(|&emotion| median(clips, emotion));
    let shown = shown.map(Shown::new).collect::<Result<Vec<_>>>()?;
    let tour = CorpusTour {
        title: &format!(
            "A look at {}",
            summary.rows.iter().map(|row| row.corpus.as_str()).collect::<Vec<_>>().join(", ")
        ),
        warnings,
        corpora: &corpora.collect::<Vec<_>>(),
        emotions: &emotions,
        counts: &series.collect::<Vec<_>>(),
        sample_rates: &rates.into_iter().collect::<Vec<_>>(),
        distributions: &distributions,
        examples: &shown.iter().map(|shown| shown.example(audio)).collect::<Vec<_>>(),
    };
    Ok(tour.to_page()?.to_html())
}

/// The clip of an emotion that is longer than one half of the others and shorter than the other half.
fn median<'a>(clips: &[(&'a Utterance, Measured)], emotion: Emotion) -> Option<&'a Utterance> {
    let mut own: Vec<_> = clips.iter().filter(|(utterance, _)| utterance.emotion == emotion).collect();
    own.sort_by(|(_, a), (_, b)| a.seconds.total_cmp(&b.seconds));
    own.get(own.len() / 2).map(|(utterance, _)| *utterance)
}

/// A clip that stands for its emotion: at most six seconds of it, at a rate that keeps the page small.
struct Shown {
    emotion: Emotion,
    clip: String,
    waveform: Waveform,
    hop: f64,
    decibels: Array2<f32>,
    wav: Vec<u8>,
}

impl Shown {
    fn new(utterance: &Utterance) -> Result<Self> {
        let whole = Waveform::from_file(&utterance.path)?.resample(RATE)?;
        let length = whole.samples().len().min(6 * RATE as usize);
        let waveform = Waveform::new(whole.samples()[..length].to_vec(), RATE)?;
        // Windows of 32 ms, four to each.
        let options = FeatureOptions {
            win_length: 512,
            hop_length: 128,
            features: vec![Feature::Spectrogram(SpectrogramOptions::default())],
            ..FeatureOptions::default()
        };
        let decibels = FeatureExtractor::new(&options)?.extract(waveform.samples())?;
        let name = utterance.path.file_name().unwrap_or_default().to_string_lossy();
        let speaker = utterance.speaker.as_ref().map(|speaker| format!(", speaker {speaker}")).unwrap_or_default();
        Ok(Self {
            emotion: utterance.emotion,
            clip: format!("{name} ({}{speaker})", utterance.corpus),
            wav: waveform.to_wav(WavFormat::Int16)?,
            waveform,
            hop: 128.0 / f64::from(RATE),
            decibels,
        })
    }

    fn example(&self, audio: bool) -> EmotionExample<'_> {
        let bins = Bins::Linear { nyquist: f64::from(RATE) / 2.0 };
        EmotionExample {
            emotion: self.emotion.name(),
            clip: &self.clip,
            samples: self.waveform.samples(),
            sample_rate: RATE,
            spectrogram: Spectrogram { decibels: self.decibels.view(), hop: self.hop, first: 0.0, bins },
            wav: audio.then_some(&self.wav),
        }
    }
}
