//! What is refused, and what the message says about it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use ndarray::{Array2, array};
use ser_features::{
    Complex, Dct, DecibelOptions, DeltaMode, DeltaOptions, Error, Feature, FeatureExtractor, FeatureOptions,
    FeatureScratch, FeatureStream, Framing, Functional, Istft, KaldiFbankOptions, LogMelOptions, MelFilterbank,
    MelOptions, MfccOptions, Normalizer, NormalizerOptions, PadMode, Reference, Stft, StftOptions, mfcc, power_to_db,
    rms, zero_crossing_rate,
};

fn refusal(change: impl FnOnce(&mut FeatureOptions)) -> String {
    let mut options = FeatureOptions::default();
    change(&mut options);
    FeatureExtractor::new(&options).unwrap_err().to_string()
}

fn mel(change: impl FnOnce(&mut MelOptions)) -> String {
    let mut mel = MelOptions { n_mels: 40, ..MelOptions::default() };
    change(&mut mel);
    refusal(|options| options.features = vec![Feature::Mel(mel)])
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
    assert_eq!(refusal(|options| options.pre_emphasis = Some(1.5)), "pre_emphasis is 1.5, but must be 0 to 1");
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
        "features is a list that gives column rms twice, but must be a list with each kind once"
    );
}

#[test]
fn mel_options_out_of_range_are_named_with_their_range() {
    let nyquist = "fmax is 8001, but must be above 0 and at most half the sample rate, 8000 Hz";
    assert_eq!(mel(|mel| mel.fmax = Some(8001.0)), nyquist);
    assert_eq!(mel(|mel| mel.fmax = Some(f32::NAN)), nyquist.replace("8001", "NaN"));
    let fmin = "fmin is 4000, but must be 0 or more and below fmax = 4000 Hz";
    assert_eq!(mel(|mel| (mel.fmin, mel.fmax) = (4000.0, Some(4000.0))), fmin);
    assert_eq!(mel(|mel| mel.fmin = -1.0), "fmin is -1, but must be 0 or more and below fmax = 8000 Hz");
    assert_eq!(mel(|mel| mel.n_mels = 0), "n_mels is 0, but must be 1 to n_fft = 512");
    let log_mel = Feature::LogMel(LogMelOptions { top_db: Some(0.0), ..LogMelOptions::default() });
    let top_db = "top_db is 0, but must be a finite number of decibels above 0, or none";
    assert_eq!(refusal(|options| options.features = vec![log_mel]), top_db);
    let mfcc = |n_mfcc, lifter| {
        let mel = MelOptions { n_mels: 40, ..MelOptions::default() };
        let mfcc = Feature::Mfcc(MfccOptions { n_mfcc, lifter, mel, ..MfccOptions::default() });
        refusal(|options| options.features = vec![mfcc])
    };
    assert_eq!(mfcc(41, 0.0), "n_mfcc is 41, but must be 1 to n_mels = 40");
    assert_eq!(mfcc(13, -1.0), "lifter is -1, but must be finite and 0 or more");
}

#[test]
fn an_empty_mel_filter_is_refused_with_the_ways_out() {
    let error = MelFilterbank::new(&MelOptions::default(), 16_000, 256).unwrap_err();
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
    let uncentred = StftOptions { n_fft: 64, hop_length: 16, win_length: 64, center: false, ..StftOptions::default() };
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
    let mel = MelFilterbank::new(&MelOptions::default(), 22_050, 2048).unwrap();
    let error = mel.apply(&Array2::ones((2, 1024))).unwrap_err();
    assert_eq!(error.to_string(), "the array has 1024 bins a frame, but must have 1025");
    assert_eq!(Dct::new(4, 2).unwrap().process(&[1.0, 2.0]), Err(Error::BinCount { expected: 4, actual: 2 }));
}

#[test]
fn dct_lengths_and_powers_out_of_range_are_named() {
    assert_eq!(Dct::new(0, 0).unwrap_err().to_string(), "n_input is 0, but must be 1 to 4096");
    assert_eq!(Dct::new(3, 4).unwrap_err().to_string(), "n_output is 4, but must be 1 to n_input = 3");
    let decibels = |power, options| power_to_db(&array![[1.0, power]], &options).unwrap_err().to_string();
    let default = DecibelOptions::default();
    assert_eq!(decibels(f32::INFINITY, default), "power is inf, but must be finite");
    assert_eq!(decibels(1.0, DecibelOptions { amin: 0.0, ..default }), "amin is 0, but must be finite and above 0");
    let reference = DecibelOptions { reference: Reference::Value(-1.0), ..default };
    assert_eq!(decibels(1.0, reference), "reference is -1, but must be finite and above 0");
    let error = mfcc(&array![[1.0, 2.0]], 3, 0.0).unwrap_err();
    assert_eq!(error.to_string(), "n_output is 3, but must be 1 to n_input = 2");
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

#[test]
fn an_inverse_transform_refuses_what_it_cannot_invert() {
    let options = StftOptions { n_fft: 64, hop_length: 33, win_length: 32, ..StftOptions::default() };
    let error = Istft::new(&options).unwrap_err();
    assert_eq!(error.to_string(), "hop_length is 33, but must be 1 to win_length = 32 for an inverse");
    let istft = Istft::new(&StftOptions { hop_length: 16, ..options }).unwrap();
    let error = istft.process(&Array2::zeros((3, 32)), 10).unwrap_err();
    assert_eq!(error, Error::BinCount { expected: 33, actual: 32 });
    let spectra = Array2::from_elem((1, 33), Complex::new(0.0, f32::NAN));
    assert_eq!(istft.process(&spectra, 10).unwrap_err().to_string(), "spectra is 0+NaNi, but must be finite");
}

#[test]
fn what_needs_the_whole_signal_does_not_stream() {
    let refusal = |change: fn(&mut FeatureOptions)| {
        let mut options = FeatureOptions::preset("log-mel-80").unwrap();
        change(&mut options);
        FeatureStream::new(&FeatureExtractor::new(&options).unwrap()).unwrap_err().to_string()
    };
    assert_eq!(
        refusal(|options| *options = FeatureOptions::paper()),
        "top_db needs the whole signal, so the features cannot stream: set top_db = \"none\", or take a preset that has none, such as log-mel-80"
    );
    assert_eq!(
        refusal(|options| options.functionals = vec![Functional::Mean]),
        "functionals needs the whole signal, so the features cannot stream: leave them out, and take Functionals of the frames that were given"
    );
    assert_eq!(
        refusal(|options| options.deltas = vec![DeltaOptions { mode: DeltaMode::Wrap, ..DeltaOptions::default() }]),
        "mode wrap of deltas needs the whole signal, so the features cannot stream: take another mode, such as interp or nearest"
    );
}

#[test]
fn a_stream_names_the_bad_sample_and_goes_on_without_it() {
    let extractor = FeatureExtractor::new(&FeatureOptions::preset("log-mel-80").unwrap()).unwrap();
    let mut stream = FeatureStream::new(&extractor).unwrap();
    assert_eq!(stream.finish(), Err(Error::TooShort { n_samples: 0, required: 1 }));
    let samples: Vec<f32> = (0..1000).map(|n| (n as f32 * 0.3).sin()).collect();
    stream.push(&samples[..400]).unwrap();
    let error = stream.push(&[0.5, f32::NAN]).unwrap_err();
    assert_eq!(error.to_string(), "sample 401 is NaN, but must be finite and within ±2^32");
    stream.push(&samples[400..]).unwrap();
    let last = stream.finish().unwrap();
    assert_eq!(last.row(last.nrows() - 1), extractor.extract(&samples).unwrap().row(6));
}

#[test]
fn too_few_frames_for_deltas_are_refused() {
    let deltas = vec![DeltaOptions::default()];
    let options = FeatureOptions { deltas, ..FeatureOptions::default() };
    let extractor = FeatureExtractor::new(&options).unwrap();
    // Nine frames 160 samples apart.
    assert_eq!(extractor.extract(&[0.5; 1279]), Err(Error::TooShort { n_samples: 1279, required: 1280 }));
    assert_eq!(extractor.extract(&[0.5; 1280]).unwrap().dim(), (9, 128));
}

#[test]
fn kaldi_features_stand_alone_and_refuse_what_they_ignore() {
    let kaldi = || Feature::KaldiFbank(KaldiFbankOptions::default());
    let message =
        "features is a Kaldi feature beside others, but must be alone in its set: Kaldi cuts its frames in another way";
    assert_eq!(refusal(|options| options.features = vec![Feature::Rms, kaldi()]), message);
    assert_eq!(
        refusal(|options| (options.features, options.n_fft) = (vec![kaldi()], 400)),
        "n_fft is 400, but must be 512, the next power of two from win_length, for Kaldi's features"
    );
    let message = refusal(|options| (options.features, options.pad_mode) = (vec![kaldi()], PadMode::Edge));
    assert_eq!(
        message,
        "window, center, pad_mode is Hann, true, Edge, but must be left out for Kaldi's features, which have a window and snip_edges of their own"
    );
}

#[test]
fn an_unknown_preset_is_named_with_those_that_exist() {
    let error = FeatureOptions::preset("mfcc").unwrap_err();
    assert_eq!(
        error.to_string(),
        "preset is mfcc, but must be one of paper, log-mel-80, log-mel-128, mfcc-39, spectrogram"
    );
}
