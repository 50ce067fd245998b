//! How often one recording in two files is missed, and two recordings are taken for one.
//!
//! ```text
//! SER_CORPORA=… cargo test --release -p ser-experiment --test fingerprint_corpora -- --ignored --nocapture
//! ```
//!
//! `SER_CORPORA` holds `ravdess/`, `emodb/` and `nemo/`. The limits were chosen on RAVDESS alone. What goes through MP3
//! needs `ffmpeg` with libmp3lame, and is left out with a line that says so where it is missing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use rayon::prelude::*;
use ser_audio::Waveform;
use ser_corpus::{Fingerprint, find_copies};
use ser_experiment::Fingerprinter;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A change of a whole waveform.
type Change = fn(Waveform) -> Waveform;

/// Copies as they are met: of whole clips, none may be missed.
const USUAL: [(&str, Change); 10] = [
    ("48 kHz", |w| rounded(resampled(w, 48_000), 1.0)),
    ("44.1 kHz, -6 dB", |w| rounded(resampled(w, 44_100), 0.5)),
    ("22.05 kHz", |w| rounded(resampled(w, 22_050), 1.0)),
    ("8 kHz", |w| rounded(resampled(w, 8_000), 1.0)),
    ("-6 dB", |w| rounded(w, 0.5)),
    ("+3 dB, clipped at full scale", |w| rounded(w, 1.4)),
    ("4 ms cut", |w| cut(w, 0.004, 0.0)),
    ("37 ms cut, 50 ms at the end", |w| cut(w, 0.0373, 0.05)),
    ("118 ms of silence before", |w| padded(w, 0.1184)),
    ("8 kHz, -6 dB, 21 ms cut", |w| rounded(resampled(cut(w, 0.0213, 0.0), 8_000), 0.5)),
];

/// The same through ffmpeg, with its options.
const ENCODED: [(&str, &str); 2] = [
    ("MP3 64 kbit/s", "-c:a libmp3lame -b:a 64k"),
    (
        "MP3 64 kbit/s, 44.1 kHz, -6 dB, 37 ms cut",
        "-af atrim=start=0.0373,volume=-6dB -ar 44100 -c:a libmp3lame -b:a 64k",
    ),
];

/// More than is promised.
const HARSH: [(&str, Change); 3] = [
    ("-20 dB", |w| rounded(w, 0.1)),
    ("telephone: 8 kHz, 8-bit mu-law, 21 ms cut", |w| mu_law(resampled(cut(w, 0.0213, 0.0), 8_000))),
    ("white noise, 20 dB below, 8 ms cut", |w| noisy(cut(w, 0.0077, 0.0), 20.0)),
];

/// Each recording is compared at all shifts with so many before it in the order of names, most of them by the same speaker.
/// (`find_copies` compares it with all others.)
const NEIGHBOURS: usize = 60;

#[test]
#[ignore = "needs SER_CORPORA"]
fn ravdess() {
    // One of its recordings is there twice.
    measure("ravdess", 1);
}

#[test]
#[ignore = "needs SER_CORPORA"]
fn emodb() {
    measure("emodb", 0);
}

#[test]
#[ignore = "needs SER_CORPORA"]
fn nemo() {
    measure("nemo", 0);
}

fn measure(corpus: &str, pairs: usize) {
    let corpora = PathBuf::from(env::var_os("SER_CORPORA").expect("SER_CORPORA is not set"));
    let mut paths = Vec::new();
    audio_files(&corpora.join(corpus), &mut paths);
    assert!(paths.len() > 500, "{corpus}");
    let encoded: Vec<_> = ENCODED.iter().filter_map(|kind| Some((kind.0, encode(corpus, &paths, kind)?))).collect();
    for seconds in [f64::INFINITY, 1.0, 0.5] {
        report(corpus, pairs, &paths, &encoded, seconds);
    }
}

/// Measures the clips of a corpus, or of each the middle.
fn report(corpus: &str, pairs: usize, paths: &[PathBuf], encoded: &[(&str, Vec<Waveform>)], seconds: f64) {
    let fingerprinter = Fingerprinter::new().unwrap();
    let fingerprints = |waveforms: &(dyn Fn(usize) -> Waveform + Sync)| -> Vec<Fingerprint> {
        let print = |n| fingerprinter.fingerprint(&waveforms(n).into()).unwrap();
        (0..paths.len()).into_par_iter().map(print).collect()
    };
    let original = |n: usize| middle(Waveform::from_file(&paths[n]).unwrap(), seconds);
    let originals = fingerprints(&original);
    let silent = originals.iter().filter(|print| !print.is_acoustic()).count();
    println!(
        "\n{corpus}, {} clips of up to {seconds} s; {silent} of them too short or quiet to be compared by sound",
        paths.len()
    );

    let parts: Vec<_> = originals.iter().map(|print| vec![print]).collect();
    let alarms = find_copies(&parts);
    alarms
        .iter()
        .for_each(|pair| println!("  one recording: {:?} and {:?}", paths[pair.first.part], paths[pair.second.part]));
    let near = |n: usize| {
        let before = &originals[n.saturating_sub(NEIGHBOURS)..n];
        let different = before.iter().filter(|other| other.exact() != originals[n].exact());
        different.filter_map(|other| originals[n].bit_error_rate(other)).collect::<Vec<_>>()
    };
    let rates: Vec<f32> = (0..originals.len()).into_par_iter().flat_map_iter(near).collect();
    let [least, thousandth, median] = quantiles(&rates, [0.0, 0.001, 0.5]);
    println!(
        "  {} pairs of different recordings, bits that differ: least {least:.3}, 0.1 % {thousandth:.3}, median {median:.3}",
        rates.len()
    );
    assert_eq!(alarms.len(), pairs);

    println!("  {:44} missed  wrong  bits that differ: median   99.9 %  most", "copies");
    let row = |name: &str, copies: &[Fingerprint], allowed: usize| {
        let rate = |(print, copy): (&Fingerprint, &Fingerprint)| print.bit_error_rate(copy);
        let rates: Vec<f32> = originals.iter().zip(copies).filter_map(rate).collect();
        let [median, high, most] = quantiles(&rates, [0.5, 0.999, 1.0]);
        let found = find_copies(&[originals.iter().collect(), copies.iter().collect()]);
        let missed = paths.len() - silent - found.len().min(paths.len() - silent);
        let same = |a: usize, b: usize| originals[a].exact() == originals[b].exact();
        let wrong = found.iter().filter(|pair| !same(pair.first.clip, pair.second.clip)).count();
        println!("  {name:44} {missed:6} {wrong:6} {median:25.3} {high:8.3} {most:5.3}");
        assert_eq!(wrong, 0, "{name}");
        assert!(missed <= allowed, "{name}: {missed} missed");
    };
    // Clips cut out of words have few frames above silence, and their copies may have one fewer.
    let usual = if seconds.is_finite() { paths.len() / 100 } else { 0 };
    for (name, change) in USUAL {
        row(name, &fingerprints(&|n| change(original(n))), usual);
    }
    for (name, waveforms) in encoded {
        row(name, &fingerprints(&|n| middle(waveforms[n].clone(), seconds)), usual);
    }
    for (name, change) in HARSH {
        row(name, &fingerprints(&|n| change(original(n))), paths.len());
    }
}

fn audio_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        match path.extension().and_then(|ending| ending.to_str()) {
            _ if path.is_dir() => audio_files(&path, files),
            Some("wav" | "flac") => files.push(path),
            _ => {}
        }
    }
}

/// What ffmpeg makes of recordings, decoded; `None` where there is no ffmpeg.
fn encode(corpus: &str, paths: &[PathBuf], &(name, options): &(&str, &str)) -> Option<Vec<Waveform>> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fingerprint_corpora").join(corpus);
    fs::create_dir_all(&folder).unwrap();
    if Command::new("ffmpeg").arg("-version").output().is_err() {
        println!("{name}: left out, as ffmpeg cannot be run");
        return None;
    }
    // One process for many files.
    let batches = paths.par_chunks(40).enumerate().map(|(batch, paths)| {
        let outputs: Vec<_> = (0..paths.len()).map(|n| folder.join(format!("{batch}-{n}.mp3"))).collect();
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-y"]);
        paths.iter().for_each(|path| _ = command.arg("-i").arg(path));
        for (n, output) in outputs.iter().enumerate() {
            command.args(["-map", &n.to_string()]).args(options.split(' ')).arg(output);
        }
        assert!(command.status().unwrap().success(), "{name}: ffmpeg failed");
        outputs.iter().map(|output| Waveform::from_file(output).unwrap()).collect::<Vec<_>>()
    });
    Some(batches.flatten_iter().collect())
}

fn quantiles<const N: usize>(values: &[f32], quantiles: [f64; N]) -> [f32; N] {
    let mut values = values.to_vec();
    values.sort_by(f32::total_cmp);
    quantiles.map(|q| values.get(((values.len().max(1) - 1) as f64 * q).round() as usize).copied().unwrap_or(f32::NAN))
}

fn resampled(waveform: Waveform, sample_rate: u32) -> Waveform {
    waveform.resample(sample_rate).unwrap()
}

fn mapped(waveform: Waveform, change: impl FnMut(&f32) -> f32) -> Waveform {
    Waveform::new(waveform.samples().iter().map(change).collect(), waveform.sample_rate()).unwrap()
}

/// Rounds to 16 bits.
fn rounded(waveform: Waveform, level: f32) -> Waveform {
    mapped(waveform, |x| (x * level * 32768.0).round().clamp(-32768.0, 32767.0) / 32768.0)
}

/// Cuts seconds from the beginning and the end.
fn cut(waveform: Waveform, before: f64, after: f64) -> Waveform {
    let n = |seconds: f64| (seconds * f64::from(waveform.sample_rate())) as usize;
    let samples = &waveform.samples()[n(before)..waveform.samples().len() - n(after)];
    Waveform::new(samples.to_vec(), waveform.sample_rate()).unwrap()
}

fn middle(waveform: Waveform, seconds: f64) -> Waveform {
    let rest = (waveform.duration() - seconds).max(0.0);
    cut(waveform, rest / 2.0, rest / 2.0)
}

fn padded(waveform: Waveform, seconds: f64) -> Waveform {
    let silence = vec![0.0; (seconds * f64::from(waveform.sample_rate())) as usize];
    Waveform::new([&silence, waveform.samples()].concat(), waveform.sample_rate()).unwrap()
}

/// Through the 8 bits of ITU-T G.711's smooth law.
fn mu_law(waveform: Waveform) -> Waveform {
    mapped(waveform, |x| {
        let code = ((255.0 * x.abs().min(1.0)).ln_1p() / 256_f32.ln() * 127.0).round();
        x.signum() * (256_f32.powf(code / 127.0) - 1.0) / 255.0
    })
}

fn noisy(waveform: Waveform, decibels: f32) -> Waveform {
    let power = waveform.samples().iter().map(|x| x * x).sum::<f32>() / waveform.samples().len() as f32;
    // Uniform noise of width 2 has a third of the power of its peak.
    let peak = (3.0 * power).sqrt() * 10_f32.powf(-decibels / 20.0);
    let mut state = 1_u64;
    mapped(waveform, |x| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        x + peak * ((state >> 40) as f32 / (1 << 23) as f32 - 1.0)
    })
}
