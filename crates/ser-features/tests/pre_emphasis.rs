//! Pre-emphasis is librosa's: compared with the arrays that `tests/assets/make_spectral_references.py` wrote.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use ndarray::{Array1, Array2};
use ndarray_npy::read_npy;
use proptest::prelude::*;
use ser_features::{Error, deemphasis, preemphasis};

const COEFFICIENTS: [f32; 2] = [0.97, 0.5];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/assets/{name}.npy"))
}

fn noise() -> Vec<f32> {
    read_npy::<_, Array1<f32>>(path("noise.signal")).unwrap().iter().take(600).copied().collect()
}

fn assert_close(ours: &[f32], name: &str, row: usize, tolerance: f32) {
    let reference: Array2<f32> = read_npy(path(name)).unwrap();
    assert_eq!(ours.len(), reference.ncols());
    for (n, (a, b)) in ours.iter().zip(reference.row(row)).enumerate() {
        assert!((a - b).abs() <= tolerance, "{name} {row}, sample {n}: {a} is not {b}");
    }
}

#[test]
fn preemphasis_is_librosas() {
    for (row, coef) in COEFFICIENTS.into_iter().enumerate() {
        // Samples stay below 0.5: a product and a sum of up to 1, rounded once each or fused.
        assert_close(&preemphasis(&noise(), coef).unwrap(), "noise.preemphasis", row, f32::EPSILON);
    }
}

#[test]
fn deemphasis_is_librosas() {
    for (row, coef) in COEFFICIENTS.into_iter().enumerate() {
        // In float64 on both sides, but for the coefficient, which is float32 here: 1e-8 of up to 33 samples' sum.
        assert_close(&deemphasis(&noise(), coef).unwrap(), "noise.deemphasis", row, 2e-6);
    }
}

proptest! {
    #[test]
    fn deemphasis_undoes_preemphasis(samples in prop::collection::vec(-1.0_f32..1.0, 2..500), coef in 0.0_f32..0.98) {
        let restored = deemphasis(&preemphasis(&samples, coef).unwrap(), coef).unwrap();
        for (a, b) in restored.iter().zip(&samples) {
            // Two roundings of values up to 4, summed over at most 1 / (1 - 0.98) = 50 samples.
            prop_assert!((a - b).abs() <= 50.0 * 4.0 * f32::EPSILON, "{} is not {}", a, b);
        }
    }
}

#[test]
fn what_cannot_be_filtered_is_refused() {
    for filter in [preemphasis, deemphasis] {
        for coef in [-0.1, 1.1, f32::NAN] {
            let error = filter(&[0.1, 0.2], coef).unwrap_err();
            assert_eq!(error.to_string(), format!("coef is {coef}, but must be 0 to 1"));
        }
        assert_eq!(filter(&[], 0.97), Err(Error::TooShort { n_samples: 0, required: 2 }));
        assert_eq!(filter(&[0.5], 0.97), Err(Error::TooShort { n_samples: 1, required: 2 }));
        let error = filter(&[0.5, f32::NAN, 0.1], 0.97).unwrap_err();
        assert_eq!(error.to_string(), "sample 1 is NaN, but must be finite and within ±2^32");
    }
}
