//! Functionals are numpy's and scipy's: compared with what `tests/assets/make_spectral_references.py` wrote.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use ndarray::{Array2, Axis, array, s};
use ndarray_npy::read_npy;
use proptest::prelude::*;
use ser_features::Functional::{self, Kurtosis, Max, Mean, Min, Percentile, Range, Skewness, Slope, StandardDeviation};
use ser_features::Functionals;

const ALL: [Functional; 14] = [
    Mean,
    StandardDeviation,
    Min,
    Max,
    Range,
    Percentile(0.0),
    Percentile(5.0),
    Percentile(12.5),
    Percentile(50.0),
    Percentile(95.0),
    Percentile(100.0),
    Slope,
    Skewness,
    Kurtosis,
];

fn matrix(name: &str) -> Array2<f32> {
    read_npy(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/assets/{name}.npy"))).unwrap()
}

fn functionals(features: &Array2<f32>) -> Vec<f32> {
    Functionals::new(&ALL).unwrap().process(features).unwrap()
}

#[test]
fn functionals_are_numpys_and_scipys() {
    let features = matrix("functionals.input");
    for (name, n_frames) in [("functionals", 37), ("functionals.four_frames", 4)] {
        let (ours, reference) = (functionals(&features.slice(s![..n_frames, ..]).to_owned()), matrix(name));
        assert_eq!(ours.len(), reference.len());
        for (index, (a, b)) in ours.iter().zip(&reference).enumerate() {
            // Float64 on both sides, rounded once; 1e-12 is the float64 rounding of sums over values of 500.
            assert!((a - b).abs() <= f32::EPSILON * b.abs() + 1e-12, "{name} {index}: {a} is not {b}");
        }
    }
}

#[test]
fn functionals_of_a_ramp_are_known() {
    // 0, 2 … 10: the variance of 0 … 5 is (6² - 1) / 12, its excess kurtosis -6/5 (n² + 1) / (n² - 1).
    let ramp = Array2::from_shape_fn((6, 1), |(t, _)| 2.0 * t as f32);
    let expected = [5.0, (4.0_f32 * 35.0 / 12.0).sqrt(), 0.0, 10.0, 10.0, 0.0, 0.5, 1.25, 5.0, 9.5, 10.0, 2.0, 0.0];
    let ours = functionals(&ramp);
    for (a, b) in ours.iter().zip(expected.iter().chain(&[-1.2 * 37.0 / 35.0])) {
        assert!((a - b).abs() <= 1e-6, "{ours:?}");
    }
}

#[test]
fn a_constant_and_a_single_frame_have_finite_functionals() {
    // 0.1 has no short binary form: its sums round.
    for features in [Array2::from_elem((7, 1), 0.1), array![[0.1]]] {
        let expected = [0.1, 0.0, 0.1, 0.1, 0.0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.0, 0.0, 0.0];
        assert_eq!(functionals(&features), expected);
    }
}

#[test]
fn columns_are_named_in_the_order_of_the_values() {
    let plan = Functionals::new(&[Max, StandardDeviation, Percentile(95.0), Percentile(2.5)]).unwrap();
    let columns = plan.columns(&["mfcc_0".into(), "rms".into()]);
    let expected =
        ["mfcc_0_max", "mfcc_0_std", "mfcc_0_p95", "mfcc_0_p2.5", "rms_max", "rms_std", "rms_p95", "rms_p2.5"];
    assert_eq!(columns, expected);
    let values = plan.process(&array![[1.0, 30.0], [3.0, 10.0]]).unwrap();
    assert_eq!([values[0], values[1], values[4], values[5]], [3.0, 1.0, 30.0, 10.0]);
    let all = Functionals::new(&ALL).unwrap().columns(&["f".into()]);
    let names = "f_mean f_std f_min f_max f_range f_p0 f_p5 f_p12.5 f_p50 f_p95 f_p100 f_slope f_skewness f_kurtosis";
    assert_eq!(all.join(" "), names);
}

proptest! {
    #[test]
    fn order_in_time_matters_to_the_slope_alone(values in prop::collection::vec(-100.0_f32..100.0, 2..50)) {
        let features = Array2::from_shape_vec((values.len(), 1), values).unwrap();
        let mut reversed = features.clone();
        reversed.invert_axis(Axis(0));
        for ((functional, a), b) in ALL.iter().zip(functionals(&features)).zip(functionals(&reversed)) {
            let b = if *functional == Slope { -b } else { b };
            // Sums in another order, in float64; skewness and kurtosis divide by the spread, which may be small.
            let tolerance = if matches!(functional, Skewness | Kurtosis) { 1e-5 } else { 1e-6 };
            prop_assert!((a - b).abs() <= tolerance * a.abs().max(1.0), "{}: {} and {}", functional, a, b);
        }
    }

    #[test]
    fn percentiles_rise_from_the_minimum_to_the_maximum(values in prop::collection::vec(-100.0_f32..100.0, 1..50)) {
        let ours = functionals(&Array2::from_shape_vec((values.len(), 1), values).unwrap());
        prop_assert_eq!((ours[2], ours[3]), (ours[5], ours[10]));
        prop_assert!(ours[5..11].is_sorted());
    }

    #[test]
    fn every_finite_feature_has_finite_functionals(values in prop::collection::vec(-1e38_f32..1e38, 1..20)) {
        let ours = functionals(&Array2::from_shape_vec((values.len(), 1), values).unwrap());
        prop_assert!(ours.iter().all(|value| value.is_finite()), "{:?}", ours);
    }
}

#[test]
fn what_cannot_be_planned_is_refused() {
    let message = |functionals: &[Functional]| Functionals::new(functionals).unwrap_err().to_string();
    assert_eq!(message(&[]), "functionals is empty, but must be a list of one functional or more");
    assert_eq!(
        message(&[Percentile(5.0), Mean, Percentile(5.0)]),
        "functionals is a list with p5 twice, but must be a list with each functional once"
    );
    for percent in [-1.0, 100.5, f64::NAN] {
        let expected = format!("percentile is {percent}, but must be 0 to 100");
        assert_eq!(message(&[Percentile(percent)]), expected);
    }
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let plan = Functionals::new(&[Mean]).unwrap();
    let error = plan.process(&Array2::zeros((0, 4))).unwrap_err();
    assert_eq!(error.to_string(), "the number of frames is 0, but must be 1 or more");
    for value in [f32::NAN, f32::NEG_INFINITY] {
        let error = plan.process(&array![[1.0, 2.0], [3.0, value]]).unwrap_err();
        assert_eq!(error.to_string(), format!("a feature is {value}, but must be finite"));
    }
}

#[test]
fn a_list_reads_as_written_in_toml() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct File {
        functionals: Vec<Functional>,
    }
    let text =
        r#"functionals = ["mean", "standard-deviation", { percentile = 95 }, { percentile = 2.5 }, "slope", "range"]"#;
    let file: File = toml::from_str(text).unwrap();
    let expected = [Mean, StandardDeviation, Percentile(95.0), Percentile(2.5), Slope, Range];
    assert_eq!(file.functionals, expected);
    assert_eq!(toml::from_str::<File>(&toml::to_string(&file).unwrap()).unwrap().functionals, expected);
    assert!(toml::from_str::<File>(r#"functionals = ["median"]"#).is_err());
}
