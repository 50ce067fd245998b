//! Filterbank and cepstrum are Kaldi's: compared with the arrays that `tests/assets/make_kaldi_references.py` wrote.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use ndarray::{Array1, Array2, s};
use ndarray_npy::read_npy;
use ser_features::{Error, Kaldi, KaldiFbankOptions, KaldiMfccOptions, KaldiOptions, KaldiScratch, Window};

const SIGNALS: [&str; 5] = ["noise", "chirp", "clicks", "faint", "silence"];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/assets/{name}.npy"))
}

fn signal(name: &str) -> Vec<f32> {
    read_npy::<_, Array1<f32>>(path(&format!("{name}.signal"))).unwrap().to_vec()
}

fn reference(name: &str) -> Array2<f32> {
    read_npy(path(&format!("kaldi.{name}"))).unwrap()
}

/// The noise, away from zero.
fn offset() -> Vec<f32> {
    signal("noise").iter().map(|sample| sample + 0.3).collect()
}

fn fbank(options: &KaldiFbankOptions, samples: &[f32]) -> Array2<f32> {
    Kaldi::fbank(options, 16_000, 400, 160).unwrap().process(samples).unwrap()
}

fn mfcc(options: &KaldiMfccOptions, samples: &[f32]) -> Array2<f32> {
    Kaldi::mfcc(options, 16_000, 400, 160).unwrap().process(samples).unwrap()
}

/// Keeps the frames that the references have.
fn every(step: usize, features: Array2<f32>) -> Array2<f32> {
    features.slice(s![..;step, ..]).to_owned()
}

/// Both sides round a few times in a logarithm, and once in a transform by about float32's epsilon of the frame's
/// loudest amplitude: by a hundred epsilons in a band of a hundredth of that amplitude.
fn assert_same_bands(ours: &Array2<f32>, name: &str) {
    let reference = reference(name);
    assert_eq!(ours.dim(), reference.dim(), "{name}");
    for (frame, (ours, reference)) in ours.rows().into_iter().zip(reference.rows()).enumerate() {
        let loudest = reference.fold(f32::NEG_INFINITY, |max, &value| max.max(value));
        for (bin, (a, b)) in ours.iter().zip(reference).enumerate() {
            let amplitude = ((loudest - b) / 2.0).exp();
            let tolerance = f32::EPSILON * (3.0 * b.abs().max(1.0) + amplitude);
            assert!((a - b).abs() <= tolerance, "{name}, frame {frame}, bin {bin}: {a} is not {b}");
        }
    }
}

fn assert_close(ours: &Array2<f32>, name: &str, tolerance: f32) {
    let reference = reference(name);
    assert_eq!(ours.dim(), reference.dim(), "{name}");
    for ((place, a), b) in ours.indexed_iter().zip(&reference) {
        assert!((a - b).abs() <= tolerance, "{name} {place:?}: {a} is not {b}");
    }
}

#[test]
fn the_filterbank_is_kaldis() {
    for name in SIGNALS {
        let ours = fbank(&KaldiFbankOptions::default(), &signal(name));
        assert_same_bands(&every(3, ours), &format!("{name}.fbank"));
    }
}

#[test]
fn the_filterbank_is_kaldis_where_samples_are_integers() {
    let common = KaldiOptions { n_mels: 80, ..KaldiOptions::default() };
    let options = KaldiFbankOptions { common, ..KaldiFbankOptions::default() };
    for name in SIGNALS {
        let samples: Vec<f32> = signal(name).iter().map(|sample| 32_768.0 * sample).collect();
        assert_same_bands(&every(9, fbank(&options, &samples)), &format!("{name}.integers"));
    }
}

#[test]
fn the_cepstrum_is_kaldis() {
    for name in SIGNALS {
        let ours = mfcc(&KaldiMfccOptions::default(), &signal(name));
        // Kaldi adds 23 logarithms up to 16 in one sum, whose last places the lifter raises up to twelve times. It
        // does the same to the transform's roundings, which reach 4e-3 in bands 110 dB below the chirp.
        let tolerance = if name == "chirp" { 2e-2 } else { 5e-5 };
        assert_close(&every(3, ours), &format!("{name}.mfcc"), tolerance);
    }
}

#[test]
fn an_offset_is_removed_and_the_energy_put_first_as_kaldi_does() {
    let options = KaldiFbankOptions { use_energy: true, ..KaldiFbankOptions::default() };
    assert_same_bands(&every(3, fbank(&options, &offset())), "offset");
}

#[test]
fn mirrored_edges_a_hamming_window_and_the_windowed_energy_are_kaldis() {
    let common = KaldiOptions {
        window: Window::Hamming,
        snip_edges: false,
        pre_emphasis: 0.5,
        raw_energy: false,
        ..KaldiOptions::default()
    };
    let options = KaldiFbankOptions { use_energy: true, use_power: true, common };
    assert_same_bands(&every(3, fbank(&options, &signal("noise"))), "hamming");
}

#[test]
fn magnitudes_under_a_hann_window_at_another_rate_are_kaldis() {
    let common = KaldiOptions {
        n_mels: 40,
        fmin: 100.0,
        fmax: Some(7000.0),
        window: Window::Hann,
        remove_dc_offset: false,
        pre_emphasis: 0.0,
        ..KaldiOptions::default()
    };
    let options = KaldiFbankOptions { use_energy: false, use_power: false, common };
    let ours = Kaldi::fbank(&options, 22_050, 551, 220).unwrap().process(&offset()).unwrap();
    assert_same_bands(&every(3, ours), "hann");
}

#[test]
fn odd_lengths_under_a_blackman_window_are_kaldis() {
    let common = KaldiOptions {
        fmin: 0.0,
        fmax: Some(7500.0),
        window: Window::Blackman,
        snip_edges: false,
        ..KaldiOptions::default()
    };
    let options = KaldiFbankOptions { common, ..KaldiFbankOptions::default() };
    let ours = Kaldi::fbank(&options, 16_000, 375, 113).unwrap().process(&signal("noise")).unwrap();
    assert_same_bands(&every(3, ours), "blackman");
}

#[test]
fn a_signal_shorter_than_a_frame_is_mirrored_as_kaldi_does() {
    let common = KaldiOptions { window: Window::Rectangular, snip_edges: false, ..KaldiOptions::default() };
    let options = KaldiFbankOptions { common, ..KaldiFbankOptions::default() };
    assert_same_bands(&fbank(&options, &signal("noise")[..100]), "short");
}

#[test]
fn the_cepstrum_without_energy_and_lifter_is_kaldis() {
    let common = KaldiOptions { n_mels: 40, ..KaldiOptions::default() };
    let options = KaldiMfccOptions { n_mfcc: 20, cepstral_lifter: 0.0, use_energy: false, common };
    // The roundings of a sum of 40 logarithms.
    assert_close(&every(3, mfcc(&options, &signal("noise"))), "cepstrum", 1e-5);
}

#[test]
fn the_cepstrum_with_a_floored_windowed_energy_is_kaldis() {
    let common = KaldiOptions { snip_edges: false, raw_energy: false, energy_floor: 3.3, ..KaldiOptions::default() };
    let options = KaldiMfccOptions { n_mfcc: 23, cepstral_lifter: 10.0, use_energy: true, common };
    let ours = every(3, mfcc(&options, &signal("noise")));
    // As above, and the lifter raises them up to six times.
    assert_close(&ours, "floored", 5e-5);
    let floored = ours.column(0).iter().filter(|&&energy| energy == 3.3_f32.ln()).count();
    assert!((1..ours.nrows()).contains(&floored), "the floor holds {floored} frames of {}", ours.nrows());
}

#[test]
fn columns_are_named_in_order() {
    let common = KaldiOptions { n_mels: 3, fmin: 500.0, ..KaldiOptions::default() };
    let options = KaldiFbankOptions { use_energy: true, use_power: true, common };
    let fbank = Kaldi::fbank(&options, 16_000, 400, 160).unwrap();
    assert_eq!(fbank.columns(), ["kaldi_fbank_energy", "kaldi_fbank_0", "kaldi_fbank_1", "kaldi_fbank_2"]);
    assert_eq!(fbank.n_bins(), 4);

    let options = KaldiMfccOptions { n_mfcc: 2, ..KaldiMfccOptions::default() };
    let mfcc = Kaldi::mfcc(&options, 16_000, 400, 160).unwrap();
    assert_eq!(mfcc.columns(), ["kaldi_mfcc_energy", "kaldi_mfcc_1"]);
    let mfcc = Kaldi::mfcc(&KaldiMfccOptions { use_energy: false, ..options }, 16_000, 400, 160).unwrap();
    assert_eq!(mfcc.columns(), ["kaldi_mfcc_0", "kaldi_mfcc_1"]);
    assert_eq!(mfcc.n_bins(), 2);
}

#[test]
fn frames_are_counted_as_kaldi_does() {
    let snipped = Kaldi::fbank(&KaldiFbankOptions::default(), 16_000, 400, 160).unwrap();
    assert_eq!([0, 399, 400, 559, 560].map(|n_samples| snipped.n_frames(n_samples)), [0, 0, 1, 1, 2]);
    let common = KaldiOptions { snip_edges: false, ..KaldiOptions::default() };
    let options = KaldiMfccOptions { common, ..KaldiMfccOptions::default() };
    // As many as hops, halves rounded up.
    let mirrored = Kaldi::mfcc(&options, 16_000, 400, 160).unwrap();
    assert_eq!([0, 79, 80, 239, 240, 400].map(|n_samples| mirrored.n_frames(n_samples)), [0, 0, 1, 1, 2, 3]);
    // (n + 1) / 3, rounded down.
    let odd = Kaldi::mfcc(&options, 16_000, 400, 3).unwrap();
    assert_eq!([0, 1, 2, 4, 5, 8].map(|n_samples| odd.n_frames(n_samples)), [0, 0, 1, 1, 2, 3]);
}

#[test]
fn one_scratch_serves_every_plan() {
    let (noise, mut scratch) = (signal("noise"), KaldiScratch::default());
    let fbank = Kaldi::fbank(&KaldiFbankOptions::default(), 16_000, 400, 160).unwrap();
    let common = KaldiOptions { n_mels: 40, snip_edges: false, ..KaldiOptions::default() };
    let mfcc = Kaldi::mfcc(&KaldiMfccOptions { common, ..KaldiMfccOptions::default() }, 16_000, 640, 99).unwrap();
    for length in [8000, 1000, 4567] {
        let samples = &noise[..length];
        let mut output = Array2::zeros((fbank.n_frames(length), fbank.n_bins()));
        fbank.process_into(samples, &mut output, &mut scratch).unwrap();
        assert_eq!(output, fbank.process(samples).unwrap());
        let mut output = Array2::zeros((mfcc.n_frames(length), mfcc.n_bins()));
        mfcc.process_into(samples, &mut output, &mut scratch).unwrap();
        assert_eq!(output, mfcc.process(samples).unwrap());
    }
}

#[test]
fn the_loudest_samples_give_finite_features() {
    let loudest: Vec<f32> = (0..400).map(|n| if n % 7 < 3 { 4_294_967_296.0 } else { -4_294_967_296.0 }).collect();
    let options = KaldiFbankOptions { use_energy: true, ..KaldiFbankOptions::default() };
    assert!(fbank(&options, &loudest).iter().all(|value| value.is_finite()));
    assert!(mfcc(&KaldiMfccOptions::default(), &loudest).iter().all(|value| value.is_finite()));
}

/// Gives the name of the option that both plans refuse.
fn refused(common: KaldiOptions, sample_rate: u32, frame_length: usize, hop_length: usize) -> &'static str {
    let options = KaldiFbankOptions { common: common.clone(), ..KaldiFbankOptions::default() };
    let fbank = Kaldi::fbank(&options, sample_rate, frame_length, hop_length).unwrap_err();
    let options = KaldiMfccOptions { common, ..KaldiMfccOptions::default() };
    assert_eq!(Kaldi::mfcc(&options, sample_rate, frame_length, hop_length).unwrap_err(), fbank);
    match fbank {
        Error::InvalidOption { name, .. } => name,
        error => panic!("{error}"),
    }
}

#[test]
fn options_out_of_range_are_refused_by_name() {
    let default = KaldiOptions::default;
    assert_eq!(refused(default(), 0, 400, 160), "sample_rate");
    for frame_length in [0, 1, (1 << 20) + 1, usize::MAX] {
        assert_eq!(refused(default(), 16_000, frame_length, 160), "frame_length");
    }
    for snip_edges in [true, false] {
        for hop_length in [0, (1 << 20) + 1, usize::MAX] {
            assert_eq!(refused(KaldiOptions { snip_edges, ..default() }, 16_000, 400, hop_length), "hop_length");
        }
    }
    for n_mels in [0, 1, 2, 513, usize::MAX] {
        assert_eq!(refused(KaldiOptions { n_mels, ..default() }, 16_000, 400, 160), "n_mels");
    }
    for fmin in [-1.0, 8000.0, 9000.0, f32::NAN, f32::INFINITY] {
        assert_eq!(refused(KaldiOptions { fmin, ..default() }, 16_000, 400, 160), "fmin");
    }
    for fmax in [0.0, -500.0, 8000.1, f32::NAN, f32::INFINITY] {
        assert_eq!(refused(KaldiOptions { fmax: Some(fmax), ..default() }, 16_000, 400, 160), "fmax");
    }
    for pre_emphasis in [-0.1, 1.1, f32::NAN, f32::INFINITY] {
        assert_eq!(refused(KaldiOptions { pre_emphasis, ..default() }, 16_000, 400, 160), "pre_emphasis");
    }
    for energy_floor in [-0.1, f32::NAN, f32::INFINITY] {
        assert_eq!(refused(KaldiOptions { energy_floor, ..default() }, 16_000, 400, 160), "energy_floor");
    }
}

#[test]
fn options_of_the_cepstrum_out_of_range_are_refused_by_name() {
    let name = |options: KaldiMfccOptions| match Kaldi::mfcc(&options, 16_000, 400, 160).unwrap_err() {
        Error::InvalidOption { name, .. } => name,
        error => panic!("{error}"),
    };
    for n_mfcc in [0, 24, usize::MAX] {
        assert_eq!(name(KaldiMfccOptions { n_mfcc, ..KaldiMfccOptions::default() }), "n_mfcc");
    }
    for cepstral_lifter in [-1.0, f32::NAN, f32::INFINITY] {
        assert_eq!(name(KaldiMfccOptions { cepstral_lifter, ..KaldiMfccOptions::default() }), "cepstral_lifter");
    }
}

#[test]
fn a_band_without_a_bin_is_refused_as_kaldi_does() {
    let common = KaldiOptions { n_mels: 128, ..KaldiOptions::default() };
    let options = KaldiFbankOptions { common, ..KaldiFbankOptions::default() };
    let error = Kaldi::fbank(&options, 16_000, 400, 160).unwrap_err();
    assert!(matches!(error, Error::EmptyMelFilter { n_mels: 128, n_fft: 512, .. }), "{error}");
    // The shortest frame has a transform of one bin below half the sample rate, at 0 Hz.
    let error = Kaldi::fbank(&KaldiFbankOptions::default(), 16_000, 2, 1).unwrap_err();
    assert!(matches!(error, Error::InvalidOption { name: "n_mels", .. }), "{error}");
    let common = KaldiOptions { n_mels: 3, ..KaldiOptions::default() };
    let options = KaldiFbankOptions { common, ..KaldiFbankOptions::default() };
    let error = Kaldi::fbank(&options, 16_000, 2, 1).unwrap_err();
    assert!(matches!(error, Error::EmptyMelFilter { filter: 0, n_mels: 3, n_fft: 2, .. }), "{error}");
}

#[test]
fn signals_without_a_frame_or_with_an_insane_sample_are_refused() {
    let snipped = Kaldi::fbank(&KaldiFbankOptions::default(), 16_000, 400, 160).unwrap();
    let common = KaldiOptions { snip_edges: false, ..KaldiOptions::default() };
    let options = KaldiMfccOptions { common, ..KaldiMfccOptions::default() };
    let mirrored = Kaldi::mfcc(&options, 16_000, 400, 160).unwrap();
    for n_samples in [0, 1, 79] {
        let samples = vec![0.1; n_samples];
        assert_eq!(snipped.process(&samples), Err(Error::TooShort { n_samples, required: 400 }));
        assert_eq!(mirrored.process(&samples), Err(Error::TooShort { n_samples, required: 80 }));
    }
    assert!(mirrored.process(&[0.1; 80]).is_ok());
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 5e9] {
        let mut samples = vec![0.1; 1000];
        samples[777] = value;
        for error in [snipped.process(&samples).unwrap_err(), mirrored.process(&samples).unwrap_err()] {
            assert!(matches!(error, Error::InvalidSample { index: 777, .. }), "{error}");
        }
    }
}

#[test]
fn an_output_of_another_shape_is_refused() {
    let fbank = Kaldi::fbank(&KaldiFbankOptions::default(), 16_000, 400, 160).unwrap();
    for actual in [(2, 23), (4, 23), (3, 22), (3, 24), (0, 0)] {
        let mut output = Array2::zeros(actual);
        let result = fbank.process_into(&[0.1; 720], &mut output, &mut KaldiScratch::default());
        assert_eq!(result, Err(Error::Shape { expected: (3, 23), actual }));
    }
}

#[test]
fn options_in_a_file_are_flat_and_unknown_ones_refused() {
    let common = KaldiOptions {
        n_mels: 40,
        fmax: Some(7600.5),
        window: Window::Hamming,
        snip_edges: false,
        ..KaldiOptions::default()
    };
    let fbank = KaldiFbankOptions { use_power: false, common: common.clone(), ..KaldiFbankOptions::default() };
    let text = r#"use_power = false
                  n_mels = 40
                  fmax = 7600.5
                  window = "hamming"
                  snip_edges = false"#;
    assert_eq!(toml::from_str::<KaldiFbankOptions>(text).unwrap(), fbank);
    let mfcc = KaldiMfccOptions { n_mfcc: 20, common, ..KaldiMfccOptions::default() };
    let text = text.replace("use_power = false", "n_mfcc = 20");
    assert_eq!(toml::from_str::<KaldiMfccOptions>(&text).unwrap(), mfcc);

    assert_eq!(toml::from_str::<KaldiFbankOptions>("").unwrap(), KaldiFbankOptions::default());
    assert_eq!(toml::from_str::<KaldiMfccOptions>("").unwrap(), KaldiMfccOptions::default());
    for options in [fbank, KaldiFbankOptions::default()] {
        assert_eq!(toml::from_str::<KaldiFbankOptions>(&toml::to_string(&options).unwrap()).unwrap(), options);
        assert_eq!(
            serde_json::from_str::<KaldiFbankOptions>(&serde_json::to_string(&options).unwrap()).unwrap(),
            options
        );
    }
    let text = serde_json::to_string(&mfcc).unwrap();
    assert_eq!(serde_json::from_str::<KaldiMfccOptions>(&text).unwrap(), mfcc);

    for text in ["n_mel = 40", "n_mfcc = 20", "common = {}", "window = \"sine\"", "fmax = \"8000\""] {
        assert!(toml::from_str::<KaldiFbankOptions>(text).is_err(), "{text}");
    }
    for text in ["n_mel = 40", "use_power = true", "dither = 1.0"] {
        assert!(toml::from_str::<KaldiMfccOptions>(text).is_err(), "{text}");
    }
}
