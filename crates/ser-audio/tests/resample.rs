//! The resampler against mathematics and against soxr.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::f64::consts::PI;

use common::{max_difference, reference, tones};
use proptest::prelude::*;
use ser_audio::{Error, Waveform};

const PAIRS: [(u32, u32); 7] = [
    (48_000, 16_000),
    (44_100, 16_000),
    (24_414, 16_000),
    (22_050, 16_000),
    (96_000, 22_050),
    (8_000, 16_000),
    (16_000, 44_100),
];

fn resample(samples: Vec<f32>, from: u32, to: u32) -> Vec<f32> {
    Waveform::new(samples, from).unwrap().resample(to).unwrap().into_samples()
}

/// One second of a tone that rises and dies away smoothly, so that it has no other frequencies.
fn burst(hertz: f64, rate: u32) -> Vec<f32> {
    let at = |t: f64| ((PI * t).sin().powi(2) * (2.0 * PI * hertz * t).sin()) as f32;
    (0..rate).map(|i| at(f64::from(i) / f64::from(rate))).collect()
}

fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |peak, x| peak.max(x.abs()))
}

#[test]
fn tones_to_0_9_of_the_lower_nyquist_keep_their_amplitude_and_time() {
    for (from, to) in PAIRS {
        for fraction in [0.013, 0.21, 0.5, 0.77, 0.9] {
            let hertz = fraction * f64::from(from.min(to)) / 2.0;
            let output = resample(burst(hertz, from), from, to);
            let difference = max_difference(&output, &burst(hertz, to));
            // float32 rounding in the two transforms. 0.001 dB of ripple would be 1e-4, a delay of
            // a thousandth of a sample 3e-3.
            assert!(difference < 5e-6, "{from} → {to}, {hertz} Hz: {difference}");
        }
    }
}

#[test]
fn tones_above_the_lower_nyquist_are_gone() {
    for (from, to) in PAIRS {
        for fraction in [1.0, 1.002, 1.01, 1.05, 1.2, 1.37] {
            let hertz = fraction * f64::from(to) / 2.0 + 4.0;
            if hertz < f64::from(from) / 2.0 {
                // So smooth that nothing of it reaches below the Nyquist frequency, 4 Hz away: its spectrum is seven lines
                // up to 3 Hz around the tone.
                let at = |t: f64| ((PI * t).sin().powi(6) * (2.0 * PI * hertz * t).sin()) as f32;
                let burst = (0..from).map(|i| at(f64::from(i) / f64::from(from))).collect();
                let level = peak(&resample(burst, from, to));
                // The documented -100 dB; the long filter of 24,414 → 16,000 is the noisiest.
                assert!(level < 1e-5, "{from} → {to}, {hertz} Hz: {level}");
            }
        }
    }
}

#[test]
fn tones_just_below_the_lower_nyquist_leave_no_image() {
    for (from, to) in PAIRS.into_iter().filter(|(from, to)| from < to) {
        for fraction in [0.95, 0.99, 0.999] {
            let hertz = fraction * f64::from(from) / 2.0;
            let output = resample(burst(hertz, from), from, to);
            // The amplitude at the image's frequency, by a transform at that frequency alone.
            let image = f64::from(from) - hertz;
            let turn = |i: usize| 2.0 * PI * image * i as f64 / f64::from(to);
            let part =
                |f: fn(f64) -> f64| output.iter().enumerate().map(|(i, &x)| f64::from(x) * f(turn(i))).sum::<f64>();
            let level = 4.0 * part(f64::sin).hypot(part(f64::cos)) / output.len() as f64;
            assert!(level < 1e-5, "{from} → {to}, {hertz} Hz: {level}");
        }
    }
}

/// Rates whose greatest common divisor is 1 or small, and the ends of the range.
const ODD_PAIRS: [(u32, u32); 6] =
    [(44_099, 16_000), (16_000, 44_099), (11_025, 7_919), (384_000, 4_000), (4_000, 384_000), (383_999, 384_000)];

#[test]
fn any_rate_becomes_any_other() {
    for (from, to) in ODD_PAIRS {
        let hertz = 0.37 * f64::from(from.min(to)) / 2.0;
        let output = resample(burst(hertz, from), from, to);
        let difference = max_difference(&output, &burst(hertz, to));
        // float32 rounding in transforms of up to 1.5 million points.
        assert!(difference < 2e-5, "{from} → {to}: {difference}");
        // A fifth of a second is shorter than the filter of such rates.
        let short = resample(burst(hertz, from)[..from as usize / 5].to_vec(), from, to);
        assert_eq!(short.len(), (u64::from(from / 5) * u64::from(to)).div_ceil(u64::from(from)) as usize);
    }
}

#[test]
fn a_sweep_stays_where_it_was() {
    for (from, to) in PAIRS {
        // From 0 to 0.9 of the lower Nyquist frequency in a second, rising and dying away.
        let top = 0.9 * f64::from(from.min(to)) / 2.0;
        let sweep = |rate: u32| -> Vec<f32> {
            let at = |t: f64| ((PI * t).sin().powi(2) * (PI * top * t * t).sin()) as f32;
            (0..rate).map(|i| at(f64::from(i) / f64::from(rate))).collect()
        };
        let difference = max_difference(&resample(sweep(from), from, to), &sweep(to));
        // A delay of 0.05 samples would be 0.14 at the top, 0.02 dB of ripple 2e-3.
        assert!(difference < 2e-5, "{from} → {to}: {difference}");
    }
}

#[test]
fn band_limited_signals_equal_soxr() {
    for (from, to) in
        [(48_000, 16_000), (44_100, 16_000), (24_414, 16_000), (22_050, 16_000), (8_000, 16_000), (16_000, 22_050)]
    {
        let lower = f64::from(from.min(to)) / 2.0;
        let pairs = [(0.031 * lower, 0.4), (0.37 * lower, 0.3), (0.81 * lower, 0.2)];
        let output = resample(tones(from, from as usize / 25, &pairs), from, to);
        let difference = max_difference(&output, &reference(&format!("soxr_{from}_{to}.f32")));
        // soxr itself is up to 8.2e-5 away from the formula of this signal at 44,100 → 16,000; a
        // delay of a hundredth of a sample would be 5e-3.
        assert!(difference < 1e-4, "{from} → {to}: {difference}");
    }
}

#[test]
fn a_ramp_stays_where_it_was() {
    for (from, to) in PAIRS {
        // Up for half a second and down again: no jump that would ring.
        let at = |i: usize, rate: u32| 1.0 - (2.0 * i as f64 / f64::from(rate) - 1.0).abs();
        let ramp = (0..from as usize).map(|i| at(i, from) as f32).collect();
        let output = resample(ramp, from, to);
        let slope = 2.0 / f64::from(to);
        let rising = to as usize / 8..to as usize * 3 / 8;
        for i in rising {
            let error = (f64::from(output[i]) - at(i, to)) / slope;
            // The kinks ring by a hundredth of a sample's slope.
            assert!(error.abs() < 0.02, "{from} → {to}, sample {i}: off by {error} samples");
        }
    }
}

#[test]
fn an_impulse_comes_out_at_its_own_time_even_at_the_ends() {
    for (from, to) in PAIRS {
        for seconds in [0.0, 0.02, 0.0999] {
            let mut samples = vec![0.0; from as usize / 10];
            let index = ((seconds * f64::from(from)) as usize).min(samples.len() - 1);
            samples[index] = 1.0;
            let output = resample(samples, from, to);
            let loudest = (0..output.len()).max_by(|&a, &b| output[a].abs().total_cmp(&output[b].abs())).unwrap();
            let expected = index as f64 * f64::from(to) / f64::from(from);
            assert!((loudest as f64 - expected).abs() <= 1.0, "{from} → {to}: {loudest}, {expected}");
        }
    }
}

#[test]
fn the_same_rate_returns_the_samples_untouched_whatever_it_is() {
    let samples = vec![0.3, -1.5, 0.7];
    assert_eq!(resample(samples.clone(), 999, 999), samples);
}

#[test]
fn a_recording_does_not_depend_on_the_one_before() {
    let one = burst(700.0, 8_000);
    let alone = |samples: &[f32], from, to| {
        let samples = samples.to_vec();
        std::thread::spawn(move || resample(samples, from, to)).join().unwrap()
    };
    let other: Vec<f32> = one.iter().map(|x| 1.0 - x).collect();
    // The rates again, turned round, another pair, one whose plan is not kept, and the first again.
    for (from, to) in
        [(8_000, 11_025), (8_000, 11_025), (11_025, 8_000), (8_000, 16_000), (8_000, 15_991), (8_000, 11_025)]
    {
        for samples in [&one, &other] {
            assert_eq!(resample(samples.clone(), from, to), alone(samples, from, to), "{from} → {to}");
        }
    }
}

#[test]
fn samples_up_to_the_greatest_float_are_resampled_or_refused() {
    let shape: Vec<f32> = (0..8_000).map(|i| (i as f32 * 0.7).sin()).collect();
    let expected = resample(shape.clone(), 8_000, 16_000);
    for power in [100, 115, 126] {
        let gain = 2f32.powi(power);
        let loud = resample(shape.iter().map(|x| x * gain).collect(), 8_000, 16_000);
        assert!(loud.iter().zip(&expected).all(|(loud, x)| *loud == x * gain), "2^{power}");
    }
    // The ripples beside a step of full size are beyond what a float holds.
    let step = Waveform::new([vec![-3.4e38; 4_000], vec![3.4e38; 4_000]].concat(), 8_000).unwrap();
    assert!(matches!(step.resample(16_000), Err(Error::NonFinite { .. })));
}

#[test]
fn rates_out_of_range_are_refused() {
    for (from, to, wrong) in [(16_000, 3_999, 3_999), (400_000, 16_000, 400_000), (8_000, 0, 0)] {
        let error = Waveform::new(vec![0.5; 9], from).unwrap().resample(to).unwrap_err();
        let Error::SampleRate { sample_rate, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(sample_rate, wrong);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_length_is_that_of_librosa(
        n in 0usize..3000,
        from in prop::sample::select(vec![4_000u32, 8_000, 11_025, 16_000, 24_414, 44_100, 48_000, 384_000]),
        to in prop::sample::select(vec![4_000u32, 8_000, 11_025, 16_000, 24_414, 44_100, 48_000, 384_000]),
    ) {
        let samples = (0..n).map(|i| (i as f32 * 0.37).sin()).collect();
        let len = resample(samples, from, to).len();
        // ceil(n · to / from), in integers.
        prop_assert!(len as u64 * u64::from(from) >= n as u64 * u64::from(to));
        prop_assert!((len as u64 * u64::from(from)) < n as u64 * u64::from(to) + u64::from(from));
    }
}
