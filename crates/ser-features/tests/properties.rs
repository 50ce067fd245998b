//! What holds for every signal.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use ndarray::{Array2, Axis};
use proptest::prelude::*;
use ser_features::{
    BandwidthOptions, ContrastOptions, Feature, FeatureExtractor, FeatureOptions, FeatureScratch, FlatnessOptions,
    Framing, Istft, LogMelOptions, MelFilterbank, MelOptions, MelScale, MfccOptions, PadMode, RolloffOptions,
    SpectrogramOptions, SpectrumValues, Stft, StftOptions, Window, rms, zero_crossing_rate,
};

fn signal(len: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-1.0_f32..1.0, len)
}

fn stft(n_fft: usize, hop_length: usize, center: bool) -> Stft {
    Stft::new(&StftOptions { n_fft, hop_length, win_length: n_fft, center, ..StftOptions::default() }).unwrap()
}

fn everything() -> FeatureExtractor {
    let mel = |n_mels| MelOptions { n_mels, ..MelOptions::default() };
    let log_mel = LogMelOptions { mel: mel(12), ..LogMelOptions::default() };
    let mfcc = MfccOptions { n_mfcc: 5, mel: mel(20), top_db: None, lifter: 11.0 };
    let features = vec![
        Feature::LogMel(log_mel),
        Feature::Rms,
        Feature::Mfcc(mfcc),
        Feature::ZeroCrossingRate,
        Feature::Mel(mel(9)),
        Feature::Spectrogram(SpectrogramOptions { values: SpectrumValues::Magnitude, top_db: None }),
        Feature::SpectralCentroid,
        Feature::SpectralBandwidth(BandwidthOptions::default()),
        Feature::SpectralRolloff(RolloffOptions::default()),
        Feature::SpectralFlatness(FlatnessOptions::default()),
        Feature::SpectralContrast(ContrastOptions::default()),
    ];
    FeatureExtractor::new(&FeatureOptions { features, ..FeatureOptions::default() }).unwrap()
}

proptest! {
    #[test]
    fn every_sample_is_in_some_frame(frame_length in 2_usize..70, hop in 0_usize..70, len in 1_usize..300, at in 0_usize..300) {
        // Centred frames that overlap by half or more cover the signal to its end.
        let (hop, at) = (1 + hop % (frame_length / 2), at % len);
        let framing = Framing::new(frame_length, hop, true).unwrap();
        let mut impulse = vec![0.0; len];
        impulse[at] = 1.0;
        prop_assert!(rms(&impulse, &framing).unwrap().iter().any(|&value| value > 0.0));
    }

    #[test]
    fn centred_frames_are_uncentred_frames_of_the_padded_signal(samples in signal(1..300), n_fft in 1_usize..65, hop in 1_usize..40) {
        let padding = vec![0.0; n_fft / 2];
        let padded = [&padding[..], &samples, &padding].concat();
        prop_assume!(padded.len() >= n_fft);
        let centred = stft(n_fft, hop, true).complex(&samples);
        prop_assert_eq!(centred, stft(n_fft, hop, false).complex(&padded));
        let rms_of = |samples: &[f32], center| rms(samples, &Framing::new(n_fft, hop, center).unwrap()).unwrap();
        for (a, b) in rms_of(&samples, true).into_iter().zip(rms_of(&padded, false)) {
            // The same squares in another order.
            prop_assert!((a - b).abs() <= 1e-6 * b);
        }
    }

    #[test]
    fn the_inverse_gives_the_signal_back(
        samples in signal(1..500),
        (n_fft, hop) in (8_usize..70).prop_flat_map(|n_fft| (Just(n_fft), 1..=n_fft / 2)),
        window in prop::sample::select(vec![Window::Hann, Window::Hamming, Window::Rectangular]),
        pad_mode in prop::sample::select(vec![PadMode::Zero, PadMode::Edge, PadMode::Reflect]),
    ) {
        let options = StftOptions { n_fft, hop_length: hop, win_length: n_fft, window, center: true, pad_mode };
        let spectra = Stft::new(&options).unwrap().complex(&samples).unwrap();
        let again = Istft::new(&options).unwrap().process(&spectra, samples.len()).unwrap();
        // The last frame is centred less than a hop, so at most half a window, before the signal's end; there the weight
        // of a Hann window of eight samples can be down to 0.
        let covered = (spectra.nrows() - 1) * hop + n_fft / 4;
        for (a, b) in samples.iter().zip(&again).take(covered) {
            prop_assert!((a - b).abs() <= 1e-5, "{} is not {}", b, a);
        }
    }

    #[test]
    fn a_shift_by_hops_shifts_the_frames(samples in signal(600), hops in 1_usize..5) {
        // Not the zero-crossing rate: silence before the first sample may add a crossing.
        let mut options = everything().options().clone();
        options.features.retain(|feature| *feature != Feature::ZeroCrossingRate);
        let extractor = FeatureExtractor::new(&options).unwrap();
        let shifted = [vec![0.0; 160 * hops], samples.clone()].concat();
        let (late, early) = (extractor.extract(&shifted).unwrap(), extractor.extract(&samples).unwrap());
        for (a, b) in late.rows().into_iter().skip(hops).zip(early.rows()) {
            for (a, b) in a.iter().zip(b) {
                // Where the signal begins, RMS sums the same squares in other groups.
                prop_assert!((a - b).abs() <= 1e-6 * b.abs(), "{} is not {}", a, b);
            }
        }
    }

    #[test]
    fn the_stft_is_linear(a in signal(400), b in signal(400), scale in -3.0_f32..3.0) {
        let plan = stft(64, 24, true);
        let sum: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + scale * b).collect();
        let expected = plan.complex(&a).unwrap() + plan.complex(&b).unwrap().mapv(|value| value * scale);
        // Magnitudes stay below 64 * 4.
        for (a, b) in plan.complex(&sum).unwrap().iter().zip(&expected) {
            prop_assert!((a - b).norm() < 1e-6 * 256.0);
        }
    }

    #[test]
    fn power_obeys_parseval(samples in signal(128)) {
        let plan = stft(128, 128, false);
        let power = plan.power(&samples).unwrap();
        let windowed = samples.iter().zip(Window::Hann.periodic(128)).map(|(sample, weight)| (sample * weight).powi(2));
        // The bins but the first and the last stand for two frequencies.
        let spectrum = 2.0 * power.sum() - power[[0, 0]] - power[[0, 64]];
        let energy = 128.0 * windowed.sum::<f32>();
        prop_assert!((spectrum - energy).abs() <= 1e-5 * energy);
    }

    #[test]
    fn mel_filters_have_unit_area(n_mels in 5_usize..40, fmin in 0.0_f32..500.0, fmax in 4000.0_f32..8000.0) {
        // 0.98 Hz a bin: the sum over a triangle of 50 bins or more is its area within (1 / 50)².
        let options = MelOptions { n_mels, fmin, fmax: Some(fmax), ..MelOptions::default() };
        let weights = MelFilterbank::new(&options, 16_000, 16_384).unwrap().weights();
        for area in weights.sum_axis(Axis(1)) * (16_000.0 / 16_384.0) {
            prop_assert!((area - 1.0).abs() < 1e-3, "{}", area);
        }
    }

    #[test]
    fn the_sparse_filters_are_their_dense_matrix(power in prop::collection::vec(0.0_f32..10.0, 2 * 257)) {
        let power = Array2::from_shape_vec((2, 257), power).unwrap();
        let options = MelOptions { n_mels: 30, ..MelOptions::default() };
        let mel = MelFilterbank::new(&options, 16_000, 512).unwrap();
        let (sparse, dense) = (mel.apply(&power).unwrap(), power.dot(&mel.weights().t()));
        for (a, b) in sparse.iter().zip(&dense) {
            prop_assert!((a - b).abs() <= 1e-5 * b);
        }
    }

    #[test]
    fn mels_convert_back(hz in 0.0_f64..24_000.0) {
        for scale in [MelScale::Slaney, MelScale::Htk] {
            prop_assert!((scale.mel_to_hz(scale.hz_to_mel(hz)) - hz).abs() < 1e-9);
        }
    }

    #[test]
    fn every_sane_signal_has_finite_features(samples in prop::collection::vec(-4.29e9_f32..4.29e9, 1..2000)) {
        let extractor = everything();
        let features = extractor.extract(&samples).unwrap();
        prop_assert_eq!(features.dim(), (extractor.n_frames(samples.len()), extractor.n_bins()));
        prop_assert!(features.iter().all(|value| value.is_finite()));
    }

    #[test]
    fn a_used_scratch_changes_nothing(first in signal(1..6000), second in signal(1..6000)) {
        let (extractor, mut scratch) = (everything(), FeatureScratch::default());
        let paper = FeatureExtractor::new(&FeatureOptions::paper()).unwrap();
        for (plan, samples) in [(&paper, &first), (&extractor, &second), (&extractor, &first)] {
            let mut output = Array2::from_elem((plan.n_frames(samples.len()), plan.n_bins()), f32::NAN);
            plan.process_into(samples, &mut output, &mut scratch).unwrap();
            prop_assert_eq!(output, plan.extract(samples).unwrap());
        }
    }

    #[test]
    fn a_feature_is_the_same_alone_and_among_others(samples in signal(1..6000)) {
        let extractor = everything();
        let together = extractor.extract(&samples).unwrap();
        let mut column = 0;
        for feature in &extractor.options().features {
            let options = FeatureOptions { features: vec![feature.clone()], ..FeatureOptions::default() };
            let alone = FeatureExtractor::new(&options).unwrap().extract(&samples).unwrap();
            for values in alone.columns() {
                prop_assert_eq!(values, together.column(column));
                column += 1;
            }
        }
        prop_assert_eq!(column, extractor.n_bins());
    }
}

#[test]
fn a_sine_crosses_zero_twice_a_period() {
    // 440 Hz at 16 kHz: 55 crossings a 1000 samples, give or take one.
    let sine: Vec<f32> = (0..8000).map(|n| (n as f32 * 440.0 / 16_000.0 * std::f32::consts::TAU + 0.3).sin()).collect();
    for rate in zero_crossing_rate(&sine, &Framing::new(1000, 250, false).unwrap()).unwrap() {
        assert!((rate - 0.055).abs() <= 0.001, "{rate}");
    }
}

#[test]
fn one_sample_is_enough_for_centred_frames() {
    let features = everything().extract(&[0.5]).unwrap();
    assert_eq!(features.nrows(), 1);
    assert_eq!(features[[0, 12]], 0.5 / 512.0_f32.sqrt());
}

#[test]
fn options_survive_toml_and_json() {
    for top_db in [None, Some(60.0)] {
        let mel =
            MelOptions { n_mels: 80, fmin: 20.0, fmax: Some(7600.0), scale: MelScale::Htk, ..MelOptions::default() };
        let mel = LogMelOptions { mel, top_db };
        let mut options = FeatureOptions::paper();
        options.features.push(Feature::LogMel(mel));
        assert_eq!(toml::from_str::<FeatureOptions>(&toml::to_string(&options).unwrap()).unwrap(), options);
        assert_eq!(serde_json::from_str::<FeatureOptions>(&serde_json::to_string(&options).unwrap()).unwrap(), options);
    }
    let error = toml::from_str::<FeatureOptions>("features = [{ mfcc = { n_mfc = 13 } }]").unwrap_err();
    assert!(error.to_string().contains("unknown field `n_mfc`"), "{error}");
    let written =
        toml::from_str::<FeatureOptions>("features = [{ log-mel = { top_db = \"none\", fmax = 7600 } }]").unwrap();
    let mel = LogMelOptions { top_db: None, mel: MelOptions { fmax: Some(7600.0), ..MelOptions::default() } };
    assert_eq!(written.features, [Feature::LogMel(mel)]);
}

#[test]
fn plans_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<(FeatureExtractor, Stft)>();
}

#[test]
fn names_stand_for_presets_and_default_options() {
    #[derive(serde::Deserialize)]
    struct Config {
        features: FeatureOptions,
    }
    let read = |text| toml::from_str::<Config>(text).map(|config| config.features);
    assert_eq!(read("features = 'paper'").unwrap(), FeatureOptions::paper());
    assert_eq!(read("[features]\nn_fft = 1024").unwrap(), FeatureOptions { n_fft: 1024, ..FeatureOptions::default() });
    let error = read("features = 'papr'").unwrap_err().to_string();
    assert!(error.contains("preset is papr, but must be one of paper, log-mel-80"), "{error}");

    let kinds = read("[features]\nfeatures = ['rms', 'mfcc', 'spectral-bandwidth']").unwrap().features;
    let bandwidth = Feature::SpectralBandwidth(BandwidthOptions::default());
    assert_eq!(kinds, [Feature::Rms, Feature::Mfcc(MfccOptions::default()), bandwidth]);
    let error = read("[features]\nfeatures = ['mfccs']").unwrap_err().to_string();
    assert!(error.contains("unknown variant `mfccs`, expected one of `zero-crossing-rate`"), "{error}");
}

#[test]
fn many_signals_at_once_give_what_each_gives_alone() {
    let extractor = everything();
    let mut signals: Vec<Vec<f32>> =
        (0..40).map(|index| (0..700 * index).map(|n| ((n * (index + 1)) as f32 * 0.01).sin()).collect()).collect();
    signals[7][100] = f32::INFINITY;
    let together = extractor.extract_all(&signals);
    let alone: Vec<_> = signals.iter().map(|samples| extractor.extract(samples)).collect();
    assert_eq!(together, alone);
    assert_eq!(together.iter().filter(|result| result.is_err()).count(), 2);
}
