//! Samples, rates and levels.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use proptest::prelude::*;
use ser_audio::{Error, Level, Waveform};

#[test]
fn construction_checks_rate_and_samples() {
    for sample_rate in [0, 768_001] {
        let error = Waveform::new(vec![0.25], sample_rate).unwrap_err();
        assert!(matches!(error, Error::SampleRate { .. }), "{error}");
    }
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let error = Waveform::new(vec![0.25, 0.5, value, 0.125], 16_000).unwrap_err();
        assert!(matches!(error, Error::NonFinite { index: 2, .. }), "{error}");
    }
}

#[test]
fn the_first_sample_that_is_not_finite_is_found_wherever_it_is() {
    let samples: Vec<f32> = (0..5000).map(|i| (i as f32 * 0.37).sin()).collect();
    for first in [0, 1, 1023, 1024, 1025, 3000, 4095, 4096, 4998, 4999] {
        for value in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut samples = samples.clone();
            samples[4999] = f32::NAN;
            samples[first] = value;
            let error = Waveform::new(samples, 16_000).unwrap_err();
            let Error::NonFinite { index, value: found } = error else {
                panic!("{error}");
            };
            assert_eq!((index, found.to_bits()), (first, value.to_bits()));
        }
    }
    for finite in [f32::MAX, f32::MIN, f32::MIN_POSITIVE / 4.0, -0.0] {
        assert!(Waveform::new(vec![finite; 2000], 16_000).is_ok(), "{finite}");
    }
}

#[test]
fn peak_level_leaves_digital_silence_alone() {
    for samples in [vec![], vec![0.0; 7]] {
        let silence = Waveform::new(samples, 16_000).unwrap();
        assert_eq!(silence.clone().with_level(Level::Peak), silence);
    }
}

#[test]
fn levels_are_written_in_kebab_case() {
    assert_eq!(serde_json::to_string(&[Level::None, Level::Peak]).unwrap(), r#"["none","peak"]"#);
    assert_eq!(serde_json::from_str::<Level>(r#""peak""#).unwrap(), Level::Peak);
}

proptest! {
    #[test]
    fn peak_level_reaches_one_and_keeps_finite(
        samples in prop::collection::vec(any::<f32>().prop_filter("finite", |x| x.is_finite()), 1..50),
    ) {
        let waveform = Waveform::new(samples, 16_000).unwrap();
        let silent = waveform.peak() == 0.0;
        let level = waveform.with_level(Level::Peak);
        prop_assert!(level.samples().iter().all(|x| x.is_finite()));
        prop_assert_eq!(level.peak(), if silent { 0.0 } else { 1.0 });
    }
}
