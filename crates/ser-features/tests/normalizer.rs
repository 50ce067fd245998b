//! Normalisers standardise, survive storage and refuse damaged files.

#![allow(clippy::unwrap_used)]

use ndarray::{Array2, Axis, array, concatenate};
use proptest::prelude::*;
use ser_features::{Error, FeatureExtractor, FeatureOptions, Normalizer, NormalizerOptions, UtteranceMean};

fn fit(utterance_mean: UtteranceMean, utterances: &[Array2<f32>]) -> Normalizer {
    let options = NormalizerOptions { utterance_mean };
    Normalizer::fit(&options, utterances.iter().map(|utterance| utterance.view())).unwrap()
}

#[test]
fn statistics_are_those_of_the_pooled_frames() {
    // Over all three frames: means 3 and -2, population variances 8/3 and 78/3.
    let normalizer = fit(UtteranceMean::Keep, &[array![[1.0, -7.0], [3.0, -4.0]], array![[5.0, 5.0]]]);
    assert_eq!(normalizer.mean(), [3.0, -2.0]);
    assert_eq!(normalizer.scale(), [(8.0_f32 / 3.0).sqrt(), 26.0_f32.sqrt()]);
}

#[test]
fn the_utterance_mean_is_the_scalar_mean_over_frames_and_bins() {
    // Both utterances minus their means, 3 and 30: [[-2, 0], [1, 1]] and [[-10, 10]].
    let utterances = [array![[1.0, 3.0], [4.0, 4.0]], array![[20.0, 40.0]]];
    let normalizer = fit(UtteranceMean::Subtract, &utterances);
    // Bin 0: -2, 1, -10; bin 1: 0, 1, 10.
    assert_eq!(normalizer.mean(), [-11.0 / 3.0, 11.0 / 3.0]);
    let mut quiet = utterances[0].clone();
    let mut loud = &quiet + 25.0;
    normalizer.apply(&mut quiet).unwrap();
    normalizer.apply(&mut loud).unwrap();
    // Values below 2, offset by 28 before: a rounding of 28.
    assert!(
        (quiet - loud).iter().all(|difference| difference.abs() < 4e-6),
        "the level of a recording does not matter"
    );
}

#[test]
fn a_constant_bin_is_centred_but_not_scaled() {
    let normalizer = fit(UtteranceMean::Keep, &[array![[0.1, 1.0], [0.1, 2.0], [0.1, 4.0]]]);
    assert_eq!(normalizer.scale()[0], 1.0);
    let mut utterance = array![[0.6, 1.0]];
    normalizer.apply(&mut utterance).unwrap();
    assert_eq!(utterance[[0, 0]], 0.5);
}

#[test]
fn other_bins_than_those_fitted_are_refused() {
    let normalizer = fit(UtteranceMean::Keep, &[array![[1.0, -7.0], [3.0, -4.0]]]);
    let error = normalizer.apply(&mut array![[1.0, 2.0, 3.0]]).unwrap_err();
    assert_eq!(error, Error::BinCount { expected: 2, actual: 3 });
}

#[test]
fn it_survives_storage_bit_for_bit() {
    let normalizer = fit(UtteranceMean::Subtract, &[array![[0.1, -7.3], [3.7, -4.9], [0.3, 1e-7]]]);
    let json = serde_json::to_string(&normalizer).unwrap();
    assert_eq!(serde_json::from_str::<Normalizer>(&json).unwrap(), normalizer);
    assert!(json.starts_with(r#"{"utterance_mean":"subtract","mean":["#), "{json}");
}

#[test]
fn a_damaged_file_is_refused() {
    for (json, message) in [
        (
            r#"{"utterance_mean":"keep","mean":[1],"scale":[1,2]}"#,
            "scale is 2 values long, but must be as long as mean (1)",
        ),
        (r#"{"utterance_mean":"keep","mean":[],"scale":[]}"#, "and not empty"),
        (r#"{"utterance_mean":"keep","mean":[1],"scale":[0]}"#, "scale is 0, but must be finite and above 0"),
        (r#"{"utterance_mean":"keep","mean":[1e39],"scale":[1]}"#, "number out of range"),
        (r#"{"utterance_mean":"keep","mean":[1],"scale":[1],"sale":[1]}"#, "unknown field `sale`"),
    ] {
        let error = serde_json::from_str::<Normalizer>(json).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    // JSON has no infinity; TOML has.
    let error =
        toml::from_str::<Normalizer>("utterance_mean = 'keep'\nmean = [inf]\nscale = [1.0]").unwrap_err().to_string();
    assert!(error.contains("mean is inf, but must be finite"), "{error}");
}

#[test]
fn extracted_features_come_out_standardised() {
    let extractor = FeatureExtractor::new(&FeatureOptions::default()).unwrap();
    let mut utterances: Vec<_> = [0.01_f32, 0.3]
        .iter()
        .map(|gain| {
            let chirp: Vec<f32> = (0..8000).map(|n| gain * (1e-5 * (n * n) as f32).sin()).collect();
            extractor.extract(&chirp).unwrap()
        })
        .collect();
    let normalizer = fit(UtteranceMean::Subtract, &utterances);
    utterances.iter_mut().for_each(|utterance| normalizer.apply(utterance).unwrap());
    let all = concatenate![Axis(0), utterances[0], utterances[1]].mapv(f64::from);
    for bin in all.columns() {
        // Float32 values of order 1 whose roundings (of decibels up to 100) average out.
        assert!(bin.mean().unwrap().abs() < 1e-5 && (bin.std(0.0) - 1.0).abs() < 1e-5);
    }
}

proptest! {
    #[test]
    fn one_pass_gives_the_two_pass_statistics(values in prop::collection::vec(-90.0_f32..20.0, 2..60), offset in -1e3_f32..1e3) {
        let shifted: Vec<f32> = values.iter().map(|value| value + offset).collect();
        let n = shifted.len() as f64;
        let mean = shifted.iter().map(|&value| f64::from(value)).sum::<f64>() / n;
        let variance = shifted.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / n;
        prop_assume!(variance > 1e-3);
        let normalizer = fit(UtteranceMean::Keep, &[Array2::from_shape_vec((shifted.len(), 1), shifted).unwrap()]);
        // One rounding to float32 of either.
        prop_assert!((f64::from(normalizer.mean()[0]) - mean).abs() <= 1e-7 * mean.abs().max(1.0));
        prop_assert!((f64::from(normalizer.scale()[0]) - variance.sqrt()).abs() <= 1e-7 * variance.sqrt());
    }
}
