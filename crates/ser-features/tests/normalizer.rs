//! Normalisers give scikit-learn's numbers, survive storage and refuse damaged files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use ndarray::{Array2, ArrayView2, Axis, array, concatenate};
use proptest::prelude::*;
use ser_features::{
    Error, FeatureExtractor, FeatureOptions, Functional, Normalizer, NormalizerMethod, NormalizerOptions,
    NormalizerScope, UtteranceMean,
};
use std::path::Path;

const METHODS: [NormalizerMethod; 3] = [NormalizerMethod::Standard, NormalizerMethod::MinMax, NormalizerMethod::Robust];

fn views(utterances: &[Array2<f32>]) -> impl Iterator<Item = ArrayView2<'_, f32>> {
    utterances.iter().map(|utterance| utterance.view())
}

fn fit(utterance_mean: UtteranceMean, utterances: &[Array2<f32>]) -> Normalizer {
    Normalizer::fit(&NormalizerOptions { utterance_mean, ..NormalizerOptions::default() }, views(utterances)).unwrap()
}

fn keep(method: NormalizerMethod, scope: NormalizerScope) -> NormalizerOptions {
    NormalizerOptions { method, scope, utterance_mean: UtteranceMean::Keep, clip: None }
}

fn reference(name: &str) -> Array2<f32> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/assets");
    ndarray_npy::read_npy(folder.join(format!("normalizer.{name}.npy"))).unwrap()
}

#[test]
fn what_lies_far_out_is_clipped_after_scaling() {
    let options = NormalizerOptions { clip: Some(1.5), ..keep(NormalizerMethod::Standard, NormalizerScope::Training) };
    let normalizer = Normalizer::fit(&options, [array![[1.0_f32], [3.0]].view()]).unwrap();
    let mut utterance = array![[2.5], [9.0], [-9.0]];
    normalizer.apply(&mut utterance).unwrap();
    assert_eq!(utterance, array![[0.5], [1.5], [-1.5]]);
    let stored: Normalizer = serde_json::from_str(&serde_json::to_string(&normalizer).unwrap()).unwrap();
    assert_eq!(stored, normalizer);
    for clip in [0.0, -1.0, f32::NAN] {
        let error = NormalizerOptions { clip: Some(clip), ..options.clone() }.check(None).unwrap_err().to_string();
        assert!(error.contains("clip"), "{error}");
    }
}

#[test]
fn statistics_are_those_of_the_pooled_frames() {
    // Over all three frames: means 3 and -2, population variances 8/3 and 78/3.
    let normalizer = fit(UtteranceMean::Keep, &[array![[1.0, -7.0], [3.0, -4.0]], array![[5.0, 5.0]]]);
    assert_eq!(normalizer.center(), [3.0, -2.0]);
    assert_eq!(normalizer.scale(), [(8.0_f32 / 3.0).sqrt(), 26.0_f32.sqrt()]);
}

#[test]
fn every_method_gives_the_numbers_of_scikit_learn() {
    let input = reference("input");
    for (method, name) in METHODS.into_iter().zip(["standard", "min_max", "robust"]) {
        // Two utterances of different lengths: only the pooled frames matter.
        let (first, second) = input.view().split_at(Axis(0), 21);
        let normalizer = Normalizer::fit(&keep(method, NormalizerScope::Training), [first, second]).unwrap();
        let mut actual = input.clone();
        normalizer.apply(&mut actual).unwrap();
        for (bin, (actual, expected)) in actual.columns().into_iter().zip(reference(name).columns()).enumerate() {
            // The center is rounded to float32 once; then follow a subtraction, the scale and a division.
            let rounding = f32::EPSILON * normalizer.center()[bin].abs() / normalizer.scale()[bin];
            let near = |(a, e): (&f32, &f32)| (a - e).abs() <= rounding + 2.0 * f32::EPSILON * e.abs();
            assert!(actual.iter().zip(expected).all(near), "{name}, bin {bin}: {actual} is not {expected}");
        }
    }
}

#[test]
fn min_max_and_robust_are_exact_on_few_values() {
    // Quartiles of 1, 2, 4, 8: 1.75 and 5.
    let utterances = [array![[8.0], [1.0]], array![[2.0], [4.0]]];
    let fit = |method| Normalizer::fit(&keep(method, NormalizerScope::Training), views(&utterances)).unwrap();
    let min_max = fit(NormalizerMethod::MinMax);
    assert_eq!((min_max.center(), min_max.scale()), (&[1.0][..], &[7.0][..]));
    let robust = fit(NormalizerMethod::Robust);
    assert_eq!((robust.center(), robust.scale()), (&[3.0][..], &[3.25][..]));

    let none = fit(NormalizerMethod::None);
    let mut utterance = array![[0.1], [-7.0]];
    none.apply(&mut utterance).unwrap();
    assert_eq!(utterance, array![[0.1], [-7.0]]);
}

#[test]
fn an_utterance_is_normalised_by_its_own_statistics() {
    let training = [array![[500.0, 1.0], [-500.0, 3.0]]];
    let options = keep(NormalizerMethod::Standard, NormalizerScope::Utterance);
    let normalizer = Normalizer::fit(&options, views(&training)).unwrap();
    // Means 2 and 6, deviations 1 and 0.
    let mut utterance = array![[1.0, 6.0], [3.0, 6.0]];
    normalizer.apply(&mut utterance).unwrap();
    assert_eq!(utterance, array![[-1.0, 0.0], [1.0, 0.0]]);
    assert_eq!(normalizer.center(), [0.0, 2.0], "what is stored is still that of the training set");
}

#[test]
fn a_speakers_statistics_are_drawn_to_those_of_training_the_fewer_utterances_there_are() {
    // Mean 15, deviation 14.
    let training = [array![[1.0], [29.0]]];
    let options = keep(NormalizerMethod::Standard, NormalizerScope::Speaker);
    let normalizer = Normalizer::fit(&options, views(&training)).unwrap();
    let mut utterance = array![[6.0]];
    assert_eq!(normalizer.apply(&mut utterance).unwrap_err(), Error::UnknownSpeaker);
    // Mean 3, deviation 2, of utterances however long they are.
    let own = [array![[1.0], [5.0]], array![[1.0], [5.0], [5.0], [1.0]]];
    for n in [2, 10, 90] {
        let adapted = normalizer.adapted_to(own.iter().cycle().take(n).map(|utterance| utterance.view())).unwrap();
        let share = n as f32 / (n as f32 + 5.0);
        let close = |a: f32, b: f32| (a - b).abs() < 1e-5;
        assert!(close(adapted.center()[0], 3.0 * share + 15.0 * (1.0 - share)), "{n}: {:?}", adapted.center());
        assert!(close(adapted.scale()[0], 2.0 * share + 14.0 * (1.0 - share)), "{n}: {:?}", adapted.scale());
    }
    // One frame has no deviation: that of training, drawn to 0.
    let adapted = normalizer.adapted_to(views(&[array![[4.0]]])).unwrap();
    adapted.apply(&mut utterance).unwrap();
    assert!((utterance[[0, 0]] - (6.0 - 79.0 / 6.0) / (70.0 / 6.0)).abs() < 1e-6, "{utterance}");

    // Subtracted before, the mean of an utterance is no matter of the speaker.
    let subtract = NormalizerOptions { scope: NormalizerScope::Speaker, ..NormalizerOptions::default() };
    let pair = [array![[1.0, 3.0], [4.0, 4.0]], array![[8.0, 10.0], [11.0, 11.0]]];
    let [quiet, loud] = [0, 1].map(|index| {
        let fitted = Normalizer::fit(&subtract, views(&[array![[20.0, 40.0], [0.0, 1.0]]])).unwrap();
        fitted.adapted_to([pair[index].view()]).unwrap()
    });
    assert_eq!((quiet.center(), quiet.scale()), (loud.center(), loud.scale()));

    let other_bins = normalizer.adapted_to(views(&[array![[1.0, 5.0]]])).unwrap_err();
    assert_eq!(other_bins, Error::BinCount { expected: 1, actual: 2 });
}

#[test]
fn too_little_has_no_statistics_of_its_own() {
    for method in METHODS {
        let training = [array![[1.0], [2.0]]];
        let fit = |scope| Normalizer::fit(&keep(method, scope), views(&training)).unwrap();
        let error = Error::TooFewFrames { n_frames: 1, required: 2 };
        assert_eq!(fit(NormalizerScope::Utterance).apply(&mut array![[7.0]]).unwrap_err(), error);
        assert_eq!(fit(NormalizerScope::Speaker).adapted_to(views(&[])).unwrap_err(), Error::NothingToFit);
        // Two equal frames have no deviation, but are no error.
        let mut equal = array![[7.0], [7.0]];
        fit(NormalizerScope::Utterance).apply(&mut equal).unwrap();
        assert_eq!(equal, array![[0.0], [0.0]]);
    }
}

#[test]
fn values_that_float32_cannot_hold_the_range_of_are_refused() {
    let utterances = [array![[3e38], [-3e38]]];
    let fit = |method| Normalizer::fit(&keep(method, NormalizerScope::Training), views(&utterances));
    let error = fit(NormalizerMethod::MinMax).unwrap_err().to_string();
    assert!(error.contains("scale is inf, but must be finite"), "{error}");
    assert_eq!(fit(NormalizerMethod::Standard).unwrap().scale(), [3e38]);
    let error = fit(NormalizerMethod::Standard).unwrap().adapted_to(views(&[array![[f32::NAN]]])).unwrap_err();
    assert!(matches!(error, Error::InvalidFeature { utterance: 0, bin: 0, .. }), "{error}");
}

#[test]
fn options_are_checked_together_and_against_the_features() {
    let log_mel = FeatureOptions::default();
    let subtract = NormalizerOptions::default();
    assert_eq!(subtract.check(Some(&log_mel)), Ok(()));
    for features in [Some(&FeatureOptions::paper()), None] {
        let error = subtract.check(features).unwrap_err().to_string();
        assert!(error.contains("utterance_mean is subtract, but must be keep"), "{error}");
        assert_eq!(keep(NormalizerMethod::Robust, NormalizerScope::Speaker).check(features), Ok(()));
    }
    for scope in [NormalizerScope::Speaker, NormalizerScope::Utterance] {
        let options = keep(NormalizerMethod::None, scope);
        let error = options.check(Some(&log_mel)).unwrap_err();
        assert!(error.to_string().contains("method is none"), "{error}");
        assert_eq!(Normalizer::fit(&options, views(&[array![[1.0], [2.0]]])).unwrap_err(), error);
    }
    let toml = "method = 'min-max'\nscope = 'speaker'";
    let options = toml::from_str::<NormalizerOptions>(toml).unwrap();
    assert_eq!((options.method, options.scope), (NormalizerMethod::MinMax, NormalizerScope::Speaker));
}

#[test]
fn the_utterance_mean_is_the_scalar_mean_over_frames_and_bins() {
    // Both utterances minus their means, 3 and 30: [[-2, 0], [1, 1]] and [[-10, 10]].
    let utterances = [array![[1.0, 3.0], [4.0, 4.0]], array![[20.0, 40.0]]];
    let normalizer = fit(UtteranceMean::Subtract, &utterances);
    // Bin 0: -2, 1, -10; bin 1: 0, 1, 10.
    assert_eq!(normalizer.center(), [-11.0 / 3.0, 11.0 / 3.0]);
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
    assert!(
        json.starts_with(r#"{"method":"standard","scope":"training","utterance_mean":"subtract","center":["#),
        "{json}"
    );
}

#[test]
fn what_earlier_versions_wrote_is_read() {
    let stored = r#"{"utterance_mean":"keep","mean":[1.5],"scale":[2.0]}"#;
    let normalizer = serde_json::from_str::<Normalizer>(stored).unwrap();
    assert_eq!(*normalizer.options(), keep(NormalizerMethod::Standard, NormalizerScope::Training));
    assert_eq!((normalizer.center(), normalizer.scale()), (&[1.5][..], &[2.0][..]));
}

#[test]
fn a_damaged_file_is_refused() {
    for (json, message) in [
        (
            r#"{"utterance_mean":"keep","center":[1],"scale":[1,2]}"#,
            "scale is 2 values long, but must be as long as center (1)",
        ),
        (r#"{"utterance_mean":"keep","center":[],"scale":[]}"#, "and not empty"),
        (r#"{"utterance_mean":"keep","center":[1],"scale":[0]}"#, "scale is 0, but must be finite and above 0"),
        (r#"{"utterance_mean":"keep","center":[1e39],"scale":[1]}"#, "number out of range"),
        (r#"{"utterance_mean":"keep","center":[1],"scale":[1],"sale":[1]}"#, "unknown field `sale`"),
        (r#"{"method":"max","utterance_mean":"keep","center":[1],"scale":[1]}"#, "unknown variant `max`"),
        (
            r#"{"method":"none","scope":"speaker","utterance_mean":"keep","center":[1],"scale":[1]}"#,
            "method is none, but must be standard, min-max or robust, unless scope is training",
        ),
    ] {
        let error = serde_json::from_str::<Normalizer>(json).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    // JSON has no infinity; TOML has.
    let error =
        toml::from_str::<Normalizer>("utterance_mean = 'keep'\ncenter = [inf]\nscale = [1.0]").unwrap_err().to_string();
    assert!(error.contains("center is inf, but must be finite"), "{error}");
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
        prop_assert!((f64::from(normalizer.center()[0]) - mean).abs() <= 1e-7 * mean.abs().max(1.0));
        prop_assert!((f64::from(normalizer.scale()[0]) - variance.sqrt()).abs() <= 1e-7 * variance.sqrt());
    }

    #[test]
    fn what_was_fitted_comes_out_normalised(
        frames in prop::collection::vec(prop::array::uniform3(-90.0_f32..20.0), 4..60), cut in 1_usize..4
    ) {
        let all = Array2::from_shape_vec((frames.len(), 3), frames.concat()).unwrap();
        let (first, second) = all.view().split_at(Axis(0), cut);
        for method in METHODS {
            let options = keep(method, NormalizerScope::Training);
            let normalizer = Normalizer::fit(&options, [first, second]).unwrap();
            // The order of utterances changes a rounding of Welford's update at most.
            let reversed = Normalizer::fit(&options, [second, first]).unwrap();
            let pairs = normalizer.center().iter().zip(reversed.center());
            let pairs: Vec<_> = pairs.chain(normalizer.scale().iter().zip(reversed.scale())).collect();
            prop_assert!(pairs.iter().all(|(a, b)| (*a - *b).abs() <= f32::EPSILON * a.abs().max(1e-3)), "{pairs:?}");

            let mut normalised = all.clone();
            normalizer.apply(&mut normalised).unwrap();
            for (bin, &scale) in normalised.mapv(f64::from).columns().into_iter().zip(normalizer.scale()) {
                // Proportion of a value's rounding to the scale.
                let rounding = f64::from(90.0 * f32::EPSILON / scale);
                let mut sorted = bin.to_vec();
                sorted.sort_by(f64::total_cmp);
                let (low, high) = (sorted[0], sorted[sorted.len() - 1]);
                match method {
                    _ if high == low => prop_assert!(low.abs() <= rounding),
                    NormalizerMethod::Standard => {
                        prop_assert!(bin.mean().unwrap().abs() <= rounding);
                        prop_assert!((bin.std(0.0) - 1.0).abs() <= rounding + 1e-6);
                    }
                    NormalizerMethod::MinMax => prop_assert!(low == 0.0 && (high - 1.0).abs() <= 1e-6),
                    _ => {
                        // The median is the middle value, or lies between the two.
                        let half = sorted.len() / 2;
                        let middle = if sorted.len() % 2 == 1 { sorted[half] } else { (sorted[half - 1] + sorted[half]) / 2.0 };
                        prop_assert!(middle.abs() <= rounding, "{middle}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_utterance_by_itself_is_a_speaker_of_one_utterance(
        frames in prop::collection::vec(prop::array::uniform2(-5.0_f32..5.0), 2..30)
    ) {
        let utterance = Array2::from_shape_vec((frames.len(), 2), frames.concat()).unwrap();
        for method in METHODS {
            let fit = |scope| Normalizer::fit(&keep(method, scope), [utterance.view()]).unwrap();
            let (mut alone, mut training) = (utterance.clone(), utterance.clone());
            fit(NormalizerScope::Utterance).apply(&mut alone).unwrap();
            fit(NormalizerScope::Training).apply(&mut training).unwrap();
            prop_assert_eq!(&alone, &training);
            // The training set is the speaker's own recording, so nothing is drawn anywhere but the scale of equal values,
            // which is 1 by convention.
            let speaker = fit(NormalizerScope::Speaker).adapted_to([utterance.view()]).unwrap();
            let training = fit(NormalizerScope::Training);
            let is_close = |(own, training): (&f32, &f32)| (own - training).abs() <= 1e-6 * training.abs();
            prop_assert!(speaker.center().iter().zip(training.center()).all(is_close));
            prop_assert!(speaker.scale().iter().zip(training.scale()).all(|pair| *pair.1 == 1.0 || is_close(pair)));
        }
    }
}

#[test]
fn one_row_of_an_utterance_has_no_statistics_of_its_own() {
    let functionals = FeatureOptions { functionals: vec![Functional::Mean], ..FeatureOptions::default() };
    let options = NormalizerOptions {
        scope: NormalizerScope::Utterance,
        utterance_mean: UtteranceMean::Keep,
        ..NormalizerOptions::default()
    };
    assert!(options.check(Some(&FeatureOptions::default())).is_ok());
    let error = options.check(Some(&functionals)).unwrap_err().to_string();
    assert!(error.contains("scope is utterance") && error.contains("training or speaker"), "{error}");
}
