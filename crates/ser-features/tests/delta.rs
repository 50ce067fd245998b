//! Deltas are librosa's: compared with the arrays that `tests/assets/make_spectral_references.py` wrote.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use ndarray::{Array2, Array3, ArrayRef2, s};
use ndarray_npy::{ReadableElement, read_npy};
use proptest::prelude::*;
use ser_features::{Delta, DeltaMode, DeltaOptions, FeatureExtractor, FeatureOptions};

const MODES: [(DeltaMode, &str); 5] = [
    (DeltaMode::Interp, "interp"),
    (DeltaMode::Nearest, "nearest"),
    (DeltaMode::Mirror, "mirror"),
    (DeltaMode::Constant, "constant"),
    (DeltaMode::Wrap, "wrap"),
];

/// Widths and orders of the references.
const PLANS: [(usize, usize); 5] = [(9, 1), (9, 2), (3, 1), (5, 4), (15, 3)];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/assets/{name}.npy"))
}

fn matrix<T: ReadableElement>(name: &str) -> Array2<T> {
    read_npy(path(name)).unwrap()
}

fn delta(features: &ArrayRef2<f32>, width: usize, order: usize, mode: DeltaMode) -> Array2<f32> {
    Delta::new(&DeltaOptions { width, order, mode }).unwrap().process(features).unwrap()
}

/// Both sum in float64: one rounding to float32, and scipy's least squares over values of up to 700.
fn assert_close(ours: &ArrayRef2<f32>, reference: &ArrayRef2<f32>, name: &str) {
    assert_eq!(ours.dim(), reference.dim(), "{name}");
    for ((place, a), b) in ours.indexed_iter().zip(reference) {
        assert!((a - b).abs() <= f32::EPSILON * b.abs() + 1e-10, "{name} {place:?}: {a} is not {b}");
    }
}

#[test]
fn deltas_are_librosas_in_every_mode() {
    let features = matrix("delta.input");
    for (mode, name) in MODES {
        let references: Array3<f32> = read_npy(path(&format!("delta.{name}"))).unwrap();
        assert_eq!(references.dim().0, PLANS.len());
        for (&(width, order), reference) in PLANS.iter().zip(references.outer_iter()) {
            assert_close(&delta(&features, width, order, mode), &reference, &format!("{name} {width} {order}"));
        }
    }
}

#[test]
fn deltas_of_fewer_frames_than_half_the_window_are_librosas() {
    let features: Array2<f32> = matrix("delta.input");
    for (mode, name) in &MODES[1..] {
        let reference: Array2<f32> = matrix(&format!("delta.{name}_short"));
        for (n_frames, first) in [(1, 0), (2, 1), (3, 3)] {
            let ours = delta(&features.slice(s![..n_frames, ..]), 9, 1, *mode);
            assert_close(&ours, &reference.slice(s![first..first + n_frames, ..]), &format!("{n_frames} {name}"));
        }
    }
}

#[test]
fn a_lines_delta_is_its_slope_and_a_parabolas_curvature_is_constant() {
    let features = Array2::from_shape_fn((20, 2), |(t, bin)| match bin {
        0 => 2.5 * t as f32 - 7.0,
        _ => 1.5 * (t * t) as f32 + t as f32,
    });
    let slope = delta(&features, 9, 1, DeltaMode::Interp);
    assert!(slope.column(0).iter().all(|value| (value - 2.5).abs() < 1e-6));
    // The slope of 1.5 t² + t at the window's centre.
    assert!((4..16).all(|t| (slope[[t, 1]] - (3.0 * t as f32 + 1.0)).abs() < 1e-5));
    let curvature = delta(&features, 9, 2, DeltaMode::Interp);
    assert!(curvature.column(0).iter().all(|value| value.abs() < 1e-6));
    assert!(curvature.column(1).iter().all(|value| (value - 3.0).abs() < 1e-5));
}

#[test]
fn the_highest_order_is_a_finite_difference() {
    // Where the polynomial goes through every frame, the weights are binomial coefficients with alternating signs.
    let mut binomial = 1.0;
    for position in 0..17 {
        let impulse = Array2::from_shape_fn((17, 1), |(t, _)| f32::from(u8::from(t == position)));
        let expected = if position % 2 == 0 { binomial } else { -binomial };
        let difference = delta(&impulse, 17, 16, DeltaMode::Interp)[[0, 0]];
        // The weights' error is relative to the largest, 12,870.
        assert!((difference - expected).abs() <= 1e-6 * expected.abs(), "{position}: {difference} is not {expected}");
        binomial = binomial * (16 - position) as f32 / (position + 1) as f32;
    }
}

#[test]
fn a_wide_window_differentiates_a_high_power() {
    // t^8 / 8! over the window: its eighth derivative is 1.
    let power = |t: f64| (1..=8).fold(1.0, |product, k| product * t / f64::from(k));
    let features = Array2::from_shape_fn((201, 1), |(t, _)| (power(t as f64 - 100.0) / 1e11) as f32);
    let derivative = delta(&features, 201, 8, DeltaMode::Interp)[[100, 0]] * 1e11;
    assert!((derivative - 1.0).abs() < 1e-6, "{derivative}");
}

proptest! {
    #[test]
    fn the_kth_delta_of_a_polynomial_of_degree_k_is_constant(
        leading in -3.0_f32..3.0,
        offset in -50.0_f32..50.0,
        half in 2_usize..8,
        order in 1_usize..5,
        n_frames in 20_usize..40,
    ) {
        // Over -1 to 1, so that the powers stay small; the derivative is k! leading step^k.
        let step = 2.0 / (n_frames - 1) as f64;
        let polynomial = |t: usize| f64::from(leading) * (t as f64 * step - 1.0).powi(order as i32) + f64::from(offset);
        let features = Array2::from_shape_fn((n_frames, 1), |(t, _)| polynomial(t) as f32);
        let factorial = (1..=order).product::<usize>() as f64;
        let expected = (factorial * f64::from(leading) * step.powi(order as i32)) as f32;
        for value in delta(&features, 2 * half + 1, order, DeltaMode::Interp) {
            // Roundings of values up to 53, times the sum of the weights' magnitudes: at most 16, a difference of order 4.
            prop_assert!((value - expected).abs() <= 16.0 * 53.0 * f32::EPSILON, "{} is not {}", value, expected);
        }
    }

    #[test]
    fn bins_do_not_mix(values in prop::collection::vec(-100.0_f32..100.0, 12 * 11), bin in 0_usize..11) {
        let features = Array2::from_shape_vec((12, 11), values).unwrap();
        for (mode, _) in MODES {
            let together = delta(&features, 5, 2, mode);
            let alone = delta(&features.slice(s![.., bin..=bin]), 5, 2, mode);
            prop_assert_eq!(together.column(bin), alone.column(0));
        }
    }
}

#[test]
fn options_out_of_range_are_named_with_their_range() {
    let message =
        |width, order| Delta::new(&DeltaOptions { width, order, ..DeltaOptions::default() }).unwrap_err().to_string();
    for width in [0, 1, 8, 1003, usize::MAX] {
        assert_eq!(message(width, 1), format!("width is {width}, but must be odd, 3 to 1001 frames"));
    }
    assert_eq!(message(9, 0), "order is 0, but must be 1 to 16, and below width = 9");
    assert_eq!(message(9, 9), "order is 9, but must be 1 to 16, and below width = 9");
    assert_eq!(message(99, 17), "order is 17, but must be 1 to 16, and below width = 99");
}

#[test]
fn features_without_enough_frames_or_with_nan_are_refused() {
    let message = |mode, features: Array2<f32>| {
        let plan = Delta::new(&DeltaOptions { mode, ..DeltaOptions::default() }).unwrap();
        plan.process(&features).unwrap_err().to_string()
    };
    let few = "the number of frames is 8, but must be width = 9 or more in mode interp";
    assert_eq!(message(DeltaMode::Interp, Array2::zeros((8, 3))), few);
    assert_eq!(message(DeltaMode::Interp, Array2::zeros((0, 3))), few.replace("is 8", "is 0"));
    for (mode, _) in &MODES[1..] {
        let none = "the number of frames is 0, but must be 1 or more";
        assert_eq!(message(*mode, Array2::zeros((0, 3))), none);
    }
    for value in [f32::NAN, f32::INFINITY] {
        let mut features = Array2::ones((10, 2));
        features[[4, 1]] = value;
        let expected = format!("a feature is {value}, but must be finite");
        assert_eq!(message(DeltaMode::Interp, features), expected);
    }
}

#[test]
fn options_survive_toml() {
    let written: DeltaOptions = toml::from_str("width = 5\nmode = \"nearest\"").unwrap();
    assert_eq!(written, DeltaOptions { width: 5, order: 1, mode: DeltaMode::Nearest });
    assert_eq!(toml::from_str::<DeltaOptions>(&toml::to_string(&written).unwrap()).unwrap(), written);
    assert!(toml::from_str::<DeltaOptions>("mode = \"reflect\"").is_err());
    assert!(toml::from_str::<DeltaOptions>("polyorder = 2").is_err());
}

#[test]
fn deltas_of_one_order_are_told_apart_by_their_widths() {
    let columns = |deltas: &str| {
        let options: FeatureOptions = toml::from_str(&format!("features = ['rms']\ndeltas = [{deltas}]")).unwrap();
        FeatureExtractor::new(&options).map(|extractor| extractor.columns().join(" "))
    };
    assert_eq!(columns("{}, { order = 2 }").unwrap(), "rms delta_rms delta2_rms");
    let widths = columns("{}, { width = 25 }, { order = 2 }").unwrap();
    assert_eq!(widths, "rms delta_w9_rms delta_w25_rms delta2_rms");
    assert!(columns("{}, {}").is_err());
}
