//! What is refused, and what the message says about it.

#![allow(clippy::unwrap_used)]

use ndarray::{Array2, array};
use ser_features::{
    Dct, Error, Feature, FeatureExtractor, FeatureOptions, FeatureScratch, Framing, LogMelOptions, MelFilterbank,
    MelOptions, MfccOptions, Normalizer, NormalizerOptions, Stft, StftOptions, UtteranceMean, power_to_db, rms,
    zero_crossing_rate,
};

fn refusal(change: impl FnOnce(&mut FeatureOptions)) -> String {
    let mut options = FeatureOptions::default();
    change(&mut options);
    FeatureExtractor::new(&options).unwrap_err().to_string()
}

fn log_mel(change: impl FnOnce(&mut LogMelOptions)) -> String {
    let mut mel = LogMelOptions { n_mels: 40, ..LogMelOptions::default() };
    change(&mut mel);
    refusal(|options| options.features = vec![Feature::LogMel(mel)])
}

#[test]
fn lengths_out_of_range_are_named_with_their_range() {
    assert_eq!(refusal(|options| options.n_fft = 0), "n_fft is 0, but must be 1 to 1048576 samples");
    assert_eq!(
        refusal(|options| options.n_fft = usize::MAX).split(',').nth(1),
        Some(" but must be 1 to 1048576 samples")
    );
    assert_eq!(refusal(|options| options.hop_length = 0), "hop_length is 0, but must be 1 to 1048576 samples");
    assert_eq!(refusal(|options| options.win_length = 0), "win_length is 0, but must be 1 to n_fft = 512");
    assert_eq!(refusal(|options| options.win_length = 513), "win_length is 513, but must be 1 to n_fft = 512");
    assert_eq!(refusal(|options| options.sample_rate = 0), "sample_rate is 0, but must be 1 Hz or more");
}

#[test]
fn features_must_be_some_and_distinct() {
    assert_eq!(
        refusal(|options| options.features.clear()),
        "features is empty, but must be a list of one feature or more"
    );
    assert_eq!(
        refusal(|options| options.features = vec![Feature::Rms, Feature::Rms]),
        "features is a list with column rms twice, but must be a list with each kind once"
    );
}

#[test]
fn mel_options_out_of_range_are_named_with_their_range() {
    let nyquist = "fmax is 8001, but must be above 0 and at most half the sample rate, 8000 Hz";
    assert_eq!(log_mel(|mel| mel.fmax = Some(8001.0)), nyquist);
    assert_eq!(log_mel(|mel| mel.fmax = Some(f32::NAN)), nyquist.replace("8001", "NaN"));
    let fmin = "fmin is 4000, but must be 0 or more and below fmax = 4000 Hz";
    assert_eq!(log_mel(|mel| (mel.fmin, mel.fmax) = (4000.0, Some(4000.0))), fmin);
    assert_eq!(log_mel(|mel| mel.fmin = -1.0), "fmin is -1, but must be 0 or more and below fmax = 8000 Hz");
    assert_eq!(log_mel(|mel| mel.n_mels = 0), "n_mels is 0, but must be 1 to n_fft = 512");
    assert_eq!(
        log_mel(|mel| mel.top_db = Some(0.0)),
        "top_db is 0, but must be a finite number of decibels above 0, or none"
    );
    let mfcc = Feature::Mfcc(MfccOptions { n_mfcc: 41, n_mels: 40, ..MfccOptions::default() });
    assert_eq!(refusal(|options| options.features = vec![mfcc]), "n_mfcc is 41, but must be 1 to n_mels = 40");
}

#[test]
fn an_empty_mel_filter_is_refused_with_the_ways_out() {
    let options = MelOptions { sample_rate: 16_000, n_fft: 256, n_mels: 128, fmin: 0.0, fmax: None };
    let error = MelFilterbank::new(&options).unwrap_err();
    assert!(matches!(error, Error::EmptyMelFilter { n_mels: 128, n_fft: 256, .. }));
    // Bins lie 62.5 Hz apart and the first filter ends at 46.7 Hz: 2 steps of 45.245 / 129 mel, 66.7 Hz each.
    assert_eq!(
        error.to_string(),
        "mel filter 0 of n_mels = 128 covers no frequency bin (62.5 Hz apart): lower n_mels, raise n_fft (now 256), or widen fmin..fmax"
    );
}

#[test]
fn a_signal_without_a_frame_is_refused() {
    let extractor = FeatureExtractor::new(&FeatureOptions::default()).unwrap();
    assert_eq!(extractor.extract(&[]), Err(Error::TooShort { n_samples: 0, required: 1 }));
    let uncentred = StftOptions { n_fft: 64, hop_length: 16, win_length: 64, center: false };
    let error = Stft::new(&uncentred).unwrap().power(&[0.5; 63]).unwrap_err();
    assert_eq!(error.to_string(), "the signal has 63 samples, but at least 64 are needed");
}

#[test]
fn the_first_sample_that_is_not_finite_is_named() {
    let framing = Framing::new(512, 160, true).unwrap();
    for (index, value) in [(0, f32::INFINITY), (300, f32::NEG_INFINITY), (999, 1e10)] {
        let mut samples: Vec<f32> = (0..1000).map(|n| (n as f32 * 0.3).sin()).collect();
        samples[index] = value;
        let expected = Error::InvalidSample { index, value };
        let extractor = FeatureExtractor::new(&FeatureOptions::paper()).unwrap();
        assert_eq!(extractor.extract(&samples).unwrap_err(), expected);
        assert_eq!(rms(&samples, &framing).unwrap_err(), expected);
        samples[index] = f32::NAN;
        let message = format!("sample {index} is NaN, but must be finite and within ±2^32");
        assert_eq!(zero_crossing_rate(&samples, &framing).unwrap_err().to_string(), message);
    }
}

#[test]
fn arrays_of_the_wrong_shape_are_refused() {
    let extractor = FeatureExtractor::new(&FeatureOptions::default()).unwrap();
    let mut output = Array2::zeros((5, 64));
    let error = extractor.process_into(&[0.5; 160], &mut output, &mut FeatureScratch::default()).unwrap_err();
    assert_eq!(error.to_string(), "the array has shape [5, 64], but must be [2, 64]");
    let mel = MelFilterbank::new(&MelOptions::default()).unwrap();
    let error = mel.apply(&Array2::ones((2, 1024))).unwrap_err();
    assert_eq!(error.to_string(), "the array has 1024 bins a frame, but must have 1025");
    assert_eq!(Dct::new(4, 2).unwrap().process(&[1.0, 2.0]), Err(Error::BinCount { expected: 4, actual: 2 }));
}

#[test]
fn dct_lengths_and_powers_out_of_range_are_named() {
    assert_eq!(Dct::new(0, 0).unwrap_err().to_string(), "n_input is 0, but must be 1 to 4096");
    assert_eq!(Dct::new(3, 4).unwrap_err().to_string(), "n_output is 4, but must be 1 to n_input = 3");
    let error = power_to_db(&array![[1.0, f32::INFINITY]], None).unwrap_err();
    assert_eq!(error.to_string(), "power is inf, but must be finite");
}

#[test]
fn an_utterance_mean_over_bins_of_different_kinds_is_refused() {
    let options = NormalizerOptions { utterance_mean: UtteranceMean::Subtract };
    assert_eq!(options.check(&FeatureOptions::default()), Ok(()));
    assert_eq!(
        options.check(&FeatureOptions::paper()).unwrap_err().to_string(),
        "utterance_mean is subtract, but must be keep, unless the features are one block of log-mel bands"
    );
    assert_eq!(NormalizerOptions { utterance_mean: UtteranceMean::Keep }.check(&FeatureOptions::paper()), Ok(()));
}

#[test]
fn a_normaliser_refuses_what_it_cannot_measure() {
    let fit = |utterances: &[Array2<f32>]| {
        Normalizer::fit(&NormalizerOptions::default(), utterances.iter().map(|utterance| utterance.view())).unwrap_err()
    };
    assert_eq!(fit(&[]), Error::NothingToFit);
    assert_eq!(fit(&[Array2::zeros((0, 3))]), Error::NothingToFit);
    assert_eq!(fit(&[array![[1.0, 2.0]], array![[1.0]]]), Error::BinCount { expected: 2, actual: 1 });
    let error = fit(&[array![[1.0, 2.0]], array![[3.0, f32::INFINITY]]]);
    assert_eq!(error.to_string(), "bin 1 of utterance 1 holds inf, but features must be finite");
}
