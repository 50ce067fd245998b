//! The steps from a waveform to an emotion, on synthetic sound of usual lengths.

#![allow(missing_docs, reason = "criterion's macros make public items")]
#![allow(clippy::expect_used, reason = "a benchmark fails by panicking")]

use criterion::{Criterion, criterion_group, criterion_main};
use ser_core::features::{FeatureExtractor, FeatureOptions};
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
    for (name, options, seconds) in
        [("log-mel 64, 10 s", FeatureOptions::default(), 10.0), ("paper, 2.5 s", FeatureOptions::paper(), 2.5)]
    {
        let extractor = FeatureExtractor::new(&options).expect("the options are valid");
        let waveform = glide(seconds, options.sample_rate);
        criterion.bench_function(&format!("features: {name}"), |bencher| {
            bencher.iter(|| extractor.extract(black_box(waveform.samples())));
        });
    }
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

criterion_group!(benches, features, resample, recognize);
criterion_main!(benches);
