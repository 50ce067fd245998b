//! Times the features of this project, those of the crate `rosa`, and the bare transforms below both, on one thread.
//!
//! `peers DIR` reads the signals `paper.npy`, `log-mel-80.npy` and `kaldi-80.npy` in the folder, writes the features of
//! each beside it (`paper.ours.npy`, `paper.rosa.npy` …), and then answers every line `WORK REPETITIONS` on stdin, such as
//! `paper.floor 20`, with `{"median": SECONDS}`.

use anyhow::{Context, Result};
use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};
use ndarray_npy::{read_npy, write_npy};
use realfft::RealFftPlanner;
use rosa::{
    Matrix, MelFilterParams, MelNorm, MelSpectrogramParams, MfccParams, StftParams, mel_filter, mel_spectrogram, mfcc,
    power_to_db, rms, spectrogram, zero_crossing_rate,
};
use ser_features::{Feature, FeatureExtractor, FeatureOptions, FeatureScratch, KaldiFbankOptions, KaldiOptions};
use serde_json::json;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

type Works = BTreeMap<String, Box<dyn FnMut()>>;

fn main() -> Result<()> {
    let folder: PathBuf = std::env::args_os().nth(1).context("give the folder of the signals")?.into();
    let mut works = Works::new();
    for preset in ["paper", "log-mel-80"] {
        add(&mut works, &folder, preset, FeatureOptions::preset(preset)?)?;
        add_rosa(&mut works, &folder, preset, &FeatureOptions::preset(preset)?)?;
    }
    let kaldi = KaldiFbankOptions {
        common: KaldiOptions { n_mels: 80, ..KaldiOptions::default() },
        ..KaldiFbankOptions::default()
    };
    let kaldi = FeatureOptions { features: vec![Feature::KaldiFbank(kaldi)], ..FeatureOptions::default() };
    add(&mut works, &folder, "kaldi-80", kaldi)?;
    for line in std::io::stdin().lines() {
        let line = line?;
        let (name, repetitions) = line.split_once(' ').context("give WORK REPETITIONS")?;
        let work = works.get_mut(name).with_context(|| format!("no work is called {name}"))?;
        println!("{}", json!({ "median": median_seconds(work, repetitions.parse()?) }));
    }
    Ok(())
}

/// Adds `NAME.ours` and `NAME.floor`.
fn add(works: &mut Works, folder: &Path, name: &str, options: FeatureOptions) -> Result<()> {
    let samples = read_signal(folder, name)?;
    let extractor = FeatureExtractor::new(&options)?;
    let mut output = extractor.extract(&samples)?;
    write_npy(folder.join(format!("{name}.ours.npy")), &output)?;
    let n_frames = output.nrows();
    let mut scratch = FeatureScratch::default();
    let ours = move || {
        extractor.process_into(&samples, &mut output, &mut scratch).expect("the output has the extractor's shape");
        black_box(&output);
    };
    works.insert(format!("{name}.ours"), Box::new(ours));

    let fft = RealFftPlanner::<f32>::new().plan_fft_forward(options.n_fft);
    let (mut frame, mut spectrum, mut scratch) = (fft.make_input_vec(), fft.make_output_vec(), fft.make_scratch_vec());
    // Zeros: the transform overwrites its input, and its time does not depend on the values.
    let floor = move || {
        for _ in 0..n_frames {
            fft.process_with_scratch(&mut frame, &mut spectrum, &mut scratch).expect("the buffers have its lengths");
            black_box(&spectrum);
        }
    };
    works.insert(format!("{name}.floor"), Box::new(floor));
    Ok(())
}

/// Adds `PRESET.rosa` and `PRESET.rosa-planned`.
fn add_rosa(works: &mut Works, folder: &Path, preset: &str, options: &FeatureOptions) -> Result<()> {
    // rosa computes in float64; the conversion is not timed.
    let samples: Vec<f64> = read_signal(folder, preset)?.into_iter().map(f64::from).collect();
    for (name, planned) in [("rosa", false), ("rosa-planned", true)] {
        let rosa = Rosa::new(preset, options, planned);
        write_npy(folder.join(format!("{preset}.{name}.npy")), &rosa.array(&samples)?)?;
        let samples = samples.clone();
        works.insert(format!("{preset}.{name}"), Box::new(move || drop(black_box(rosa.features(&samples)))));
    }
    Ok(())
}

fn read_signal(folder: &Path, name: &str) -> Result<Vec<f32>> {
    Ok(read_npy::<_, Array1<f32>>(folder.join(format!("{name}.npy")))?.to_vec())
}

/// The same features by `rosa`: its plain calls, or with the mel filters made once.
struct Rosa {
    cepstrum: bool,
    params: MelSpectrogramParams,
    filters: Option<Matrix>,
}

impl Rosa {
    fn new(preset: &str, options: &FeatureOptions, planned: bool) -> Self {
        let &FeatureOptions { sample_rate, n_fft, win_length, hop_length, .. } = options;
        let sr = f64::from(sample_rate);
        let n_mels = if preset == "paper" { 128 } else { 80 };
        let mel = || MelFilterParams { sr, n_fft, n_mels, fmin: 0.0, fmax: None, htk: false, norm: MelNorm::Slaney };
        let stft = StftParams { n_fft, hop_length, win_length, center: true, window: None };
        Self {
            cepstrum: preset == "paper",
            params: MelSpectrogramParams { stft, mel: mel(), power: 2.0 },
            filters: planned.then(|| mel_filter(&mel())),
        }
    }

    /// Feature by feature: values of all frames, frames last.
    fn features(&self, samples: &[f64]) -> Vec<Vec<f64>> {
        let mel = match &self.filters {
            None => mel_spectrogram(samples, &self.params),
            Some(filters) => filters.matmul(&spectrogram(samples, &self.params.stft, self.params.power)),
        };
        if !self.cepstrum {
            return vec![power_to_db(mel.as_slice(), 1.0, 1e-10, None)];
        }
        let StftParams { n_fft, hop_length, center, .. } = self.params.stft;
        vec![
            zero_crossing_rate(samples, n_fft, hop_length, center),
            rms(samples, n_fft, hop_length, center),
            mfcc(&mel, &MfccParams::default()).as_slice().to_vec(),
        ]
    }

    /// `[frames, bins]`, as ours.
    fn array(&self, samples: &[f64]) -> Result<Array2<f32>> {
        let features = self.features(samples);
        let n_frames = 1 + samples.len() / self.params.stft.hop_length;
        let rows = features.iter().map(|values| ArrayView2::from_shape((values.len() / n_frames, n_frames), values));
        let bins = concatenate(Axis(0), &rows.collect::<Result<Vec<_>, _>>()?)?;
        Ok(bins.reversed_axes().mapv(|value| value as f32))
    }
}

fn median_seconds(work: &mut Box<dyn FnMut()>, repetitions: usize) -> f64 {
    work();
    let mut seconds: Vec<f64> = (0..repetitions.max(1))
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}
