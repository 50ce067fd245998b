//! Planned features run without allocating once their buffers have grown.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use allocation_counter::measure;
use ndarray::Array2;
use ser_features::{
    DeltaOptions, Feature, FeatureExtractor, FeatureOptions, FeatureScratch, FeatureStream, YinOptions,
};

fn options() -> [FeatureOptions; 3] {
    let mut with_deltas = FeatureOptions::preset("log-mel-80").unwrap();
    with_deltas.features.extend([Feature::SpectralCentroid, Feature::F0(YinOptions::default())]);
    with_deltas.deltas = vec![DeltaOptions::default()];
    with_deltas.pre_emphasis = Some(0.97);
    [FeatureOptions::paper(), FeatureOptions::preset("log-mel-80").unwrap(), with_deltas]
}

#[test]
fn a_second_signal_allocates_nothing() {
    let samples: Vec<f32> = (0..20_000).map(|n| (n as f32 * 0.05).sin()).collect();
    for options in options() {
        let extractor = FeatureExtractor::new(&options).unwrap();
        let mut output = Array2::zeros((extractor.n_frames(samples.len()), extractor.n_bins()));
        let mut scratch = FeatureScratch::default();
        extractor.process_into(&samples, &mut output, &mut scratch).unwrap();
        let allocations = measure(|| extractor.process_into(&samples, &mut output, &mut scratch).unwrap());
        assert_eq!(allocations.count_total, 0, "{options:?}");
    }
}

#[test]
fn a_stream_allocates_nothing_once_it_runs() {
    let chunk: Vec<f32> = (0..160).map(|n| (n as f32 * 0.3).sin()).collect();
    for options in options().into_iter().skip(1) {
        let mut stream = FeatureStream::new(&FeatureExtractor::new(&options).unwrap()).unwrap();
        let mut rows = Vec::with_capacity(100_000);
        let mut run = |n: usize| {
            rows.clear();
            (0..n).for_each(|_| stream.push_into(&chunk, &mut rows).unwrap());
        };
        run(200);
        assert_eq!(measure(|| run(200)).count_total, 0, "{options:?}");
    }
}
