//! A stream gives the bits of the whole-signal call, however the signal is cut.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use ndarray::{Array2, Axis, concatenate};
use proptest::prelude::*;
use ser_features::{
    ContrastOptions, DeltaMode, DeltaOptions, Feature, FeatureExtractor, FeatureOptions, FeatureStream,
    KaldiFbankOptions, KaldiMfccOptions, KaldiOptions, LogMelOptions, MelOptions, MfccOptions, PadMode,
    SpectrogramOptions, SpectrumValues, YinOptions,
};

fn mel(n_mels: usize) -> MelOptions {
    MelOptions { n_mels, ..MelOptions::default() }
}

/// Every kind of feature but Kaldi's, which stand alone. The frames of F0 may be longer than the others.
fn features(f0_length: usize) -> Vec<Feature> {
    vec![
        Feature::ZeroCrossingRate,
        Feature::Rms,
        Feature::Mfcc(MfccOptions { n_mfcc: 5, mel: mel(20), top_db: None, lifter: 22.0 }),
        Feature::LogMel(LogMelOptions { mel: mel(12), top_db: None }),
        Feature::Spectrogram(SpectrogramOptions { values: SpectrumValues::Power, top_db: None }),
        Feature::SpectralCentroid,
        Feature::SpectralContrast(ContrastOptions::default()),
        Feature::F0(YinOptions { frame_length: f0_length, fmin: 100.0, ..YinOptions::default() }),
    ]
}

fn frames() -> impl Strategy<Value = FeatureOptions> {
    let pad_mode = prop::sample::select(vec![PadMode::Zero, PadMode::Edge, PadMode::Reflect]);
    (any::<bool>(), pad_mode, 1_usize..1200, 100_usize..=511, any::<bool>(), any::<bool>()).prop_map(
        |(center, pad_mode, hop_length, win_length, odd, long)| {
            let n_fft = 512 - usize::from(odd);
            FeatureOptions {
                n_fft,
                win_length,
                hop_length,
                center,
                pad_mode,
                features: features(if center && long { 2048 } else { 400 }),
                ..Default::default()
            }
        },
    )
}

fn kaldi() -> impl Strategy<Value = FeatureOptions> {
    (any::<bool>(), any::<bool>(), 1_usize..600).prop_map(|(mfcc, snip_edges, hop_length)| {
        let common = KaldiOptions { snip_edges, ..KaldiOptions::default() };
        let feature = if mfcc {
            Feature::KaldiMfcc(KaldiMfccOptions { common, ..KaldiMfccOptions::default() })
        } else {
            Feature::KaldiFbank(KaldiFbankOptions { common, ..KaldiFbankOptions::default() })
        };
        FeatureOptions { hop_length, features: vec![feature], ..FeatureOptions::default() }
    })
}

fn deltas() -> impl Strategy<Value = Vec<DeltaOptions>> {
    let mode =
        prop::sample::select(vec![DeltaMode::Interp, DeltaMode::Nearest, DeltaMode::Mirror, DeltaMode::Constant]);
    let delta = |order, width, mode| DeltaOptions { order, width, mode };
    prop_oneof![
        Just(vec![]),
        (mode, 1_usize..5).prop_map(move |(mode, half)| vec![delta(1, 1 + 2 * half, mode), delta(2, 9, mode)]),
    ]
}

/// The rows of all chunks, or the error of the last call.
fn streamed(extractor: &FeatureExtractor, samples: &[f32], cuts: &[usize]) -> Result<Array2<f32>, ser_features::Error> {
    let mut stream = FeatureStream::new(extractor).unwrap();
    let mut rows = Vec::new();
    let mut rest = samples;
    for cut in cuts {
        let (chunk, later) = rest.split_at((*cut).min(rest.len()));
        rows.push(stream.push(chunk).unwrap());
        rest = later;
    }
    rows.push(stream.push(rest).unwrap());
    rows.push(stream.finish()?);
    let views: Vec<_> = rows.iter().map(|rows| rows.view()).collect();
    Ok(concatenate(Axis(0), &views).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_stream_gives_the_bits_of_the_whole(
        options in prop_oneof![3 => frames(), 1 => kaldi()],
        deltas in deltas(),
        pre_emphasis in prop::option::of(0.0_f32..1.0),
        samples in prop::collection::vec(-1.0_f32..1.0, 0..6000),
        cuts in prop::collection::vec(prop_oneof![0_usize..20, 0_usize..3000], 0..30),
    ) {
        let extractor = FeatureExtractor::new(&FeatureOptions { deltas, pre_emphasis, ..options }).unwrap();
        prop_assert_eq!(streamed(&extractor, &samples, &cuts), extractor.extract(&samples));
    }
}

#[test]
fn the_live_presets_stream_sample_by_sample() {
    let samples: Vec<f32> = (0..4000).map(|n| (n as f32 * 0.21).sin() * (n as f32 * 0.001).cos()).collect();
    for preset in ["log-mel-80", "log-mel-128"] {
        let extractor = FeatureExtractor::new(&FeatureOptions::preset(preset).unwrap()).unwrap();
        assert_eq!(streamed(&extractor, &samples, &[1; 4000]), extractor.extract(&samples), "{preset}");
    }
}

#[test]
fn a_row_comes_after_the_stated_latency_and_no_sooner() {
    let deltas = vec![DeltaOptions { order: 1, width: 5, mode: DeltaMode::Nearest }];
    for deltas in [vec![], deltas] {
        let options = FeatureOptions { deltas, ..FeatureOptions::preset("log-mel-80").unwrap() };
        let extractor = FeatureExtractor::new(&options).unwrap();
        let mut stream = FeatureStream::new(&extractor).unwrap();
        let (latency, mut n_rows) = (stream.latency(), 0);
        for received in 1..=3000 {
            n_rows += stream.push(&[0.1]).unwrap().nrows();
            let expected = if received < latency { 0 } else { 1 + (received - latency) / options.hop_length };
            // With deltas, no row comes before a whole window of five frames.
            if options.deltas.is_empty() || received >= latency + 2 * options.hop_length {
                assert_eq!(n_rows, expected, "after {received} samples");
            }
        }
    }
}

#[test]
fn a_finished_stream_starts_anew() {
    let extractor = FeatureExtractor::new(&FeatureOptions::preset("log-mel-80").unwrap()).unwrap();
    let mut stream = FeatureStream::new(&extractor).unwrap();
    for length in [5000, 300] {
        let samples: Vec<f32> = (0..length).map(|n| (n as f32 * 0.3).sin()).collect();
        let (mut rows, whole) = (Vec::new(), extractor.extract(&samples).unwrap());
        stream.push_into(&samples, &mut rows).unwrap();
        stream.finish_into(&mut rows).unwrap();
        assert_eq!(rows, whole.iter().copied().collect::<Vec<f32>>());
    }
}

#[test]
fn a_stream_forgets_what_it_does_not_need() {
    let extractor = FeatureExtractor::new(&FeatureOptions::preset("log-mel-80").unwrap()).unwrap();
    let mut stream = FeatureStream::new(&extractor).unwrap();
    let chunk = vec![0.1; 1600];
    for _ in 0..3000 {
        stream.push(&chunk).unwrap();
    }
    // Five minutes of samples would print as more than ten megabytes.
    assert!(format!("{stream:?}").len() < 1_000_000);
}
