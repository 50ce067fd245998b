//! The steps from a waveform to an emotion, on synthetic sound of usual lengths.

#![allow(missing_docs, reason = "criterion's macros make public items")]
#![allow(clippy::expect_used, reason = "a benchmark fails by panicking")]

use criterion::{Criterion, criterion_group, criterion_main};
use ser_core::features::ndarray::Array2;
use ser_core::features::{FeatureExtractor, FeatureOptions, FeatureScratch, FeatureStream};
use ser_core::{Recognizer, Waveform};
use std::hint::black_box;

/// A tone that glides, so that no spectrum is trivial.
fn glide(seconds: f32, rate: u32) -> Waveform {
    let n = (seconds * rate as f32) as usize;
    let samples = (0..n).map(|i| {
        let t = i as f32 / rate as f32;
        0.3 * (t * (600.0 + 40.0 * t)).sin() + 0.1 * (t * 5_000.0).sin()
    });
    Waveform::new(samples.collect(), rate).expect("the samples are finite")
}

fn features(criterion: &mut Criterion) {
    for (preset, seconds) in
        [("paper", 2.5), ("log-mel-80", 10.0), ("log-mel-128", 10.0), ("mfcc-39", 2.5), ("spectrogram", 2.5)]
    {
        let options = FeatureOptions::preset(preset).expect("the preset exists");
        let extractor = FeatureExtractor::new(&options).expect("the options are valid");
        let waveform = glide(seconds, options.sample_rate);
        let mut output = Array2::zeros((extractor.n_frames(waveform.samples().len()), extractor.n_bins()));
        let mut scratch = FeatureScratch::default();
        criterion.bench_function(&format!("features: {preset}, {seconds} s"), |bencher| {
            bencher.iter(|| extractor.process_into(black_box(waveform.samples()), &mut output, &mut scratch));
        });
    }
}

/// The same in chunks of 10 ms, as a microphone gives them.
fn stream(criterion: &mut Criterion) {
    let options = FeatureOptions::preset("log-mel-80").expect("the preset exists");
    let extractor = FeatureExtractor::new(&options).expect("the options are valid");
    let mut stream = FeatureStream::new(&extractor).expect("the preset streams");
    let waveform = glide(10.0, options.sample_rate);
    let mut rows = Vec::new();
    criterion.bench_function("stream: log-mel-80, 10 s", |bencher| {
        bencher.iter(|| {
            rows.clear();
            for chunk in black_box(waveform.samples()).chunks(160) {
                stream.push_into(chunk, &mut rows).expect("the samples are finite");
            }
            stream.finish_into(&mut rows)
        });
    });
}

fn resample(criterion: &mut Criterion) {
    let waveform = glide(2.5, 48_000);
    criterion.bench_function("resample: 48 to 16 kHz, 2.5 s", |bencher| {
        bencher.iter(|| black_box(&waveform).clone().resample(16_000));
    });
}

fn recognize(criterion: &mut Criterion) {
    let recognizer = Recognizer::pretrained().expect("the embedded weights are readable");
    let waveform = glide(3.0, 16_000);
    criterion.bench_function("recognize: 3 s", |bencher| {
        bencher.iter(|| recognizer.recognize(black_box(&waveform)));
    });
}

criterion_group!(benches, features, stream, resample, recognize);
criterion_main!(benches);
