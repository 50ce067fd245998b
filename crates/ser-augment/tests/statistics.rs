//! Every step does what its options say, measured on what comes out.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{apply, chain, draw, voice};
use ser_audio::Waveform;
use ser_augment::ndarray::{Array2, Axis};
use ser_augment::{
    BandPass, Chain, ChainOptions, Clipping, FeatureStep, Gain, GaussianNoise, Mask, MuLaw, Noise, NoiseSource,
    RandomCrop, Reverberation, Shift, Speed, WaveformStep,
};

fn power(samples: &[f32]) -> f64 {
    samples.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / samples.len() as f64
}

fn difference(a: &Waveform, b: &Waveform) -> Vec<f32> {
    assert_eq!(a.samples().len(), b.samples().len());
    a.samples().iter().zip(b.samples()).map(|(a, b)| a - b).collect()
}

/// The amplitude of a frequency (in cycles a sample) under a Hann window.
fn amplitude(samples: &[f32], frequency: f64) -> f64 {
    let n = samples.len() as f64;
    let (mut re, mut im) = (0.0, 0.0);
    for (i, &x) in samples.iter().enumerate() {
        let window = 1.0 - (std::f64::consts::TAU * i as f64 / n).cos();
        let (sin, cos) = (std::f64::consts::TAU * frequency * i as f64).sin_cos();
        re += f64::from(x) * window * cos;
        im += f64::from(x) * window * sin;
    }
    2.0 * re.hypot(im) / n
}

fn tone(frequency: f64, n: usize, sample_rate: u32) -> Waveform {
    let step = std::f64::consts::TAU * frequency / f64::from(sample_rate);
    Waveform::new((0..n).map(|i| (step * i as f64).sin() as f32).collect(), sample_rate).unwrap()
}

#[test]
fn noise_meets_its_ratio() {
    for (seconds, source) in [1.5, 0.05].into_iter().flat_map(|seconds| {
        [NoiseSource::White, NoiseSource::Pink, NoiseSource::Brown, NoiseSource::Bank].map(|source| (seconds, source))
    }) {
        let clean = voice(seconds, 16_000);
        for snr in [-5.0, 0.0, 20.0] {
            let step = WaveformStep::Noise(Noise { probability: 1.0, source, snr: [snr, snr] });
            let options = ChainOptions { waveform: vec![step], ..ChainOptions::default() };
            let bank = vec![tone(440.0, 3000, 16_000), tone(620.0, 40_000, 16_000)];
            let noisy = Chain::with_noise_bank(options, bank).unwrap().apply(&clean, &draw("a")).unwrap();
            let measured = 10.0 * (power(clean.samples()) / power(&difference(&noisy, &clean))).log10();
            // Far below the 0.1 dB that is asked: only roundings, of the sums of sample and noise too.
            assert!((measured - snr).abs() < 0.001, "{source:?} at {snr} dB: {measured}");
        }
    }
}

#[test]
fn each_noise_of_a_bank_comes_up_from_any_sample_on() {
    let step = WaveformStep::Noise(Noise { probability: 1.0, source: NoiseSource::Bank, snr: [0.0, 0.0] });
    let options = ChainOptions { waveform: vec![step], ..ChainOptions::default() };
    let bank = vec![tone(440.0, 3000, 16_000), tone(620.0, 40_000, 16_000)];
    let chain = Chain::with_noise_bank(options, bank).unwrap();
    let clean = voice(0.1, 16_000);
    let (mut first, mut starts) = (0, Vec::new());
    for utterance in 0..400 {
        let noise = difference(&chain.apply(&clean, &draw(&utterance.to_string())).unwrap(), &clean);
        first += usize::from(amplitude(&noise, 440.0 / 16_000.0) > amplitude(&noise, 620.0 / 16_000.0));
        starts.push((noise[0] * 1000.0) as i32);
    }
    // Half of 400, four standard errors of it.
    assert!((160..=240).contains(&first), "{first}");
    starts.sort_unstable();
    starts.dedup();
    assert!(starts.len() > 20, "{starts:?}");
}

#[test]
fn pink_noise_falls_by_three_and_brown_by_six_decibels_an_octave() {
    for (source, slope) in [(NoiseSource::White, 0.0), (NoiseSource::Pink, -3.01), (NoiseSource::Brown, -6.02)] {
        let step = WaveformStep::Noise(Noise { probability: 1.0, source, snr: [0.0, 0.0] });
        let clean = Waveform::new(vec![0.5; 1 << 15], 16_000).unwrap();
        let noise = difference(&apply(step, &clean), &clean);
        // Mean power of 256 frequencies in each of two bands three octaves apart. The window halves the number of
        // independent ones: each mean deviates by 9 %, 0.4 dB, and the slope by 0.4 · √2 / 3 = 0.19 dB an octave.
        let band = |centre: usize| {
            let powers = (0..256).map(|i| {
                let width = centre / 4;
                amplitude(&noise, (centre - width / 2 + i * width / 256) as f64 / noise.len() as f64).powi(2)
            });
            10.0 * (powers.sum::<f64>() / 256.0).log10()
        };
        let measured = (band(12_000) - band(1_500)) / 3.0;
        assert!((measured - slope).abs() < 0.5, "{source:?}: {measured} dB an octave");
    }
}

#[test]
fn gaussian_noise_has_the_papers_amplitude() {
    let clean = voice(1.0, 22_050);
    let largest = clean.samples().iter().copied().fold(f32::MIN, f32::max);
    let chain = chain([WaveformStep::GaussianNoise(GaussianNoise::default())]);
    let mut deviations = Vec::new();
    for utterance in 0..300 {
        let noisy = chain.apply(&clean, &draw(&utterance.to_string())).unwrap();
        deviations.push(power(&difference(&noisy, &clean)).sqrt() / f64::from(0.035 * largest));
    }
    // Uniform over [0, 1): the mean of 300 deviates by 0.017; one estimate by 0.5 %.
    let mean = deviations.iter().sum::<f64>() / 300.0;
    assert!((mean - 0.5).abs() < 0.06, "{mean}");
    assert!(deviations.iter().all(|&u| u < 1.02) && deviations.iter().any(|&u| u > 0.95));
}

#[test]
fn gain_is_exact() {
    let clean = voice(0.2, 16_000);
    let louder = apply(WaveformStep::Gain(Gain { probability: 1.0, decibels: [20.0, 20.0] }), &clean);
    assert!(louder.samples().iter().zip(clean.samples()).all(|(a, b)| *a == 10.0 * b));
}

#[test]
fn a_shift_is_a_rotation() {
    let clean = voice(0.3, 16_000);
    let n = clean.samples().len();
    for (later, expected) in
        [(3.9, 3), (-3.9, n - 3), (0.0, 0), (n as f64 + 2.0, 2), (-1e9, (n - 1_000_000_000 % n) % n)]
    {
        let shifted = apply(WaveformStep::Shift(Shift { probability: 1.0, samples: [later, later] }), &clean);
        let mut rotated = clean.samples().to_vec();
        rotated.rotate_right(expected);
        assert_eq!(shifted.samples(), rotated, "{later}");
    }
}

#[test]
fn speed_scales_frequency_and_duration() {
    for factor in [0.9, 1.1] {
        let clean = tone(1000.0, 16_000, 16_000);
        let faster = apply(WaveformStep::Speed(Speed { probability: 1.0, factor: [factor, factor] }), &clean);
        assert_eq!(faster.samples().len(), (16_000.0 / factor).ceil() as usize);
        let expected = tone(1000.0 * factor, faster.samples().len(), 16_000);
        // Away from the ends, where the tone begins and stops at once. A delay of 1/1000 sample would give 4e-4.
        let inner = 500..faster.samples().len() - 500;
        let worst = difference(&faster, &expected)[inner].iter().fold(0.0_f32, |max, x| max.max(x.abs()));
        assert!(worst < 5e-5, "{factor}: {worst:e}");
    }
}

#[test]
fn reverberation_decays_by_sixty_decibels_in_its_time() {
    for (rt60, ratio) in [(0.3, 0.0), (0.8, 6.0)] {
        let mut impulse = vec![0.0; 20_000];
        impulse[0] = 1.0;
        let step = Reverberation { probability: 1.0, rt60: [rt60, rt60], direct_to_reverberant: [ratio, ratio] };
        let wave = apply(WaveformStep::Reverberation(step), &Waveform::new(impulse, 16_000).unwrap());
        let response = wave.samples();
        assert!((response[0] - 1.0).abs() < 1e-6);
        let energy: f64 = response[1..].iter().map(|&x| f64::from(x).powi(2)).sum();
        // The energy of noise over 700 effective samples has a deviation of 5 %, 0.2 dB.
        assert!((-10.0 * energy.log10() - ratio).abs() < 0.8, "{rt60} s: {energy}");
        // Schroeder's integral, between -5 and -25 dB.
        let mut left = energy;
        let mut crossings = [0; 2];
        for (n, &x) in response.iter().enumerate().skip(1) {
            left -= f64::from(x).powi(2);
            for (crossing, level) in crossings.iter_mut().zip([-5.0, -25.0]) {
                if *crossing == 0 && 10.0 * (left / energy).log10() < level {
                    *crossing = n;
                }
            }
        }
        let measured = 3.0 * (crossings[1] - crossings[0]) as f64 / 16_000.0;
        assert!((measured / rt60 - 1.0).abs() < 0.1, "{measured} s instead of {rt60} s");
    }
}

#[test]
fn the_telephone_band_is_300_to_3400_hertz() {
    let gain = |frequency: f64| {
        let passed = apply(WaveformStep::BandPass(BandPass::default()), &tone(frequency, 16_000, 16_000));
        // Past the beginning and before the end, where the tone starts and stops.
        20.0 * amplitude(&passed.samples()[2000..14_000], frequency / 16_000.0).log10()
    };
    for frequency in [380.0, 1000.0, 2500.0, 3320.0] {
        assert!(gain(frequency).abs() < 0.01, "{frequency} Hz: {} dB", gain(frequency));
    }
    for frequency in [300.0, 3400.0] {
        assert!((gain(frequency) + 6.02).abs() < 0.05, "{frequency} Hz: {} dB", gain(frequency));
    }
    for frequency in [50.0, 220.0, 3480.0, 5000.0, 7900.0] {
        assert!(gain(frequency) < -60.0, "{frequency} Hz: {} dB", gain(frequency));
    }
}

#[test]
fn a_telephone_line_ends_at_4_khz_and_has_the_noise_of_eight_bits() {
    let line = || WaveformStep::MuLaw(MuLaw::default());
    for rate in [16_000_u32, 96_000] {
        let low = tone(1000.0, rate as usize, rate);
        let through = apply(line(), &low);
        let ratio = 10.0 * (power(low.samples()) / power(&difference(&through, &low))).log10();
        // Uniform errors within the steps of 16 a segment give 35 to 41 dB, by where in a segment the amplitude lies. What lies
        // above 4 kHz of these errors is gone at higher rates, too.
        assert!((35.0..41.0).contains(&ratio), "{ratio} dB at {rate} Hz");
        let high = apply(line(), &tone(6000.0, rate as usize, rate));
        assert!(amplitude(high.samples(), 6000.0 / f64::from(rate)) < 1e-4, "at {rate} Hz");
    }
}

#[test]
fn a_band_beyond_the_waveforms_own_has_no_upper_edge() {
    let passed = apply(WaveformStep::BandPass(BandPass::default()), &tone(2900.0, 6000, 6000));
    assert!((amplitude(&passed.samples()[1000..5000], 2900.0 / 6000.0) - 1.0).abs() < 1e-3);
}

#[test]
fn clipping_limits_the_magnitude_and_leaves_the_rest() {
    let clean = voice(0.5, 16_000);
    let ceiling = 0.25 * clean.peak();
    let clipped = apply(WaveformStep::Clipping(Clipping { probability: 1.0, ceiling: [0.25, 0.25] }), &clean);
    assert!(clipped.peak() == ceiling && clipped.samples().contains(&-ceiling));
    for (a, b) in clipped.samples().iter().zip(clean.samples()) {
        assert_eq!(*a, b.clamp(-ceiling, ceiling));
    }
}

#[test]
fn a_crop_is_a_part_and_reaches_both_ends() {
    let clean = voice(0.1, 16_000);
    let chain = chain([WaveformStep::RandomCrop(RandomCrop { probability: 1.0, seconds: [0.0995, 0.0995] })]);
    let mut starts = [0; 9];
    for utterance in 0..400 {
        let part = chain.apply(&clean, &draw(&utterance.to_string())).unwrap();
        assert_eq!(part.samples().len(), 1592);
        let start = (0..9).find(|&start| clean.samples()[start..start + 1592] == *part.samples()).unwrap();
        starts[start] += 1;
    }
    assert!(starts.iter().all(|&n| n > 20), "{starts:?}");
    let longer = apply(WaveformStep::RandomCrop(RandomCrop { probability: 1.0, seconds: [9.0, 9.0] }), &clean);
    assert_eq!(longer, clean);
}

#[test]
fn masks_hide_whole_frames_or_bins_with_the_mean() {
    for (axis, step) in [(0, FeatureStep::TimeMask as fn(Mask) -> FeatureStep), (1, FeatureStep::FrequencyMask)] {
        let mask = Mask { probability: 1.0, masks: 1, width: [0.25, 0.25] };
        let chain = Chain::new(ChainOptions { features: vec![step(mask)], ..ChainOptions::default() }).unwrap();
        let original = Array2::from_shape_fn((40, 20), |(frame, bin)| (frame * 20 + bin) as f32 / 800.0);
        let mean = original.mean().unwrap();
        let mut starts = [false; 31];
        for utterance in 0..500 {
            let mut features = original.clone();
            chain.apply_to_features(&mut features, &draw(&utterance.to_string())).unwrap();
            let hidden: Vec<usize> = (0..[40, 20][axis])
                .filter(|&i| features.index_axis(Axis(axis), i).iter().all(|x| (x - mean).abs() < 1e-6))
                .collect();
            assert_eq!(hidden.len(), [10, 5][axis]);
            assert!(hidden.windows(2).all(|pair| pair[1] == pair[0] + 1));
            let changed = features.iter().zip(&original).filter(|(a, b)| a != b).count();
            assert!(changed <= hidden.len() * [20, 40][axis]);
            starts[hidden[0]] = true;
        }
        assert!(starts[0] && starts[[30, 15][axis]], "the first and the last place come up");
    }
}

#[test]
fn masks_are_as_many_as_asked_for() {
    let original = Array2::from_shape_fn((100, 4), |(frame, bin)| (frame * 4 + bin) as f32);
    let mean = original.mean().unwrap();
    let mask = Mask { probability: 1.0, masks: 3, width: [0.05, 0.05] };
    let options = ChainOptions { features: vec![FeatureStep::TimeMask(mask)], ..ChainOptions::default() };
    let chain = Chain::new(options).unwrap();
    let mut most = 0;
    for utterance in 0..200 {
        let mut features = original.clone();
        chain.apply_to_features(&mut features, &draw(&utterance.to_string())).unwrap();
        let hidden = features.rows().into_iter().filter(|row| row.iter().all(|x| (x - mean).abs() < 1e-3)).count();
        assert!((5..=15).contains(&hidden), "{hidden}");
        most = most.max(hidden);
    }
    assert_eq!(most, 15, "three that do not overlap");
}
