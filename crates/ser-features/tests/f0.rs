//! The fundamental frequency is librosa's, compared with the arrays that `tests/assets/make_f0_references.py` wrote,
//! and that of signals whose frequency is known.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::f64::consts::TAU;
use std::path::PathBuf;

use ndarray::{Array1, Array2};
use ndarray_npy::{ReadableElement, read_npy};
use proptest::prelude::*;
use ser_features::{
    Error, Feature, FeatureExtractor, FeatureOptions, FeatureStream, Pyin, PyinFrame, PyinOptions, Yin, YinOptions,
    YinScratch,
};

const SAMPLE_RATE: u32 = 16_000;

const SIGNALS: [&str; 5] = ["voice", "glide", "faint", "hiss", "silence"];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/assets/f0.{name}.npy"))
}

fn vector<T: ReadableElement>(name: &str) -> Array1<T> {
    read_npy(path(name)).unwrap()
}

fn signal(name: &str) -> Vec<f32> {
    if name == "silence" {
        return vec![0.0; 3000];
    }
    vector::<i16>(&format!("{name}.signal")).mapv(|sample| f32::from(sample) / 32768.0).to_vec()
}

/// The plans of the references' options, with their names.
fn yins() -> [(&'static str, Yin); 3] {
    let uncentred = YinOptions { fmin: 50.0, fmax: 1000.0, frame_length: 1001, trough_threshold: 0.25 };
    let wide = YinOptions { fmin: 30.0, fmax: 8000.0, frame_length: 1024, ..YinOptions::default() };
    [
        ("default", Yin::new(&YinOptions::default(), SAMPLE_RATE, 160, true).unwrap()),
        ("uncentred", Yin::new(&uncentred, SAMPLE_RATE, 333, false).unwrap()),
        ("wide", Yin::new(&wide, SAMPLE_RATE, 512, true).unwrap()),
    ]
}

fn pyins() -> [(&'static str, Pyin); 3] {
    let uncentred = PyinOptions {
        fmin: 50.0,
        fmax: 1000.0,
        frame_length: 1001,
        n_thresholds: 37,
        beta_parameters: (2.5, 8.0),
        boltzmann_parameter: 1.5,
        resolution: 0.2,
        max_transition_rate: 12.5,
        switch_prob: 0.05,
        no_trough_prob: 0.1,
    };
    let wide = PyinOptions { fmin: 30.0, fmax: 8000.0, frame_length: 1024, ..PyinOptions::default() };
    [
        ("default", Pyin::new(&PyinOptions::default(), SAMPLE_RATE, 160, true).unwrap()),
        ("uncentred", Pyin::new(&uncentred, SAMPLE_RATE, 333, false).unwrap()),
        ("wide", Pyin::new(&wide, SAMPLE_RATE, 512, true).unwrap()),
    ]
}

fn default_yin() -> Yin {
    Yin::new(&YinOptions::default(), SAMPLE_RATE, 160, true).unwrap()
}

fn default_pyin() -> Pyin {
    Pyin::new(&PyinOptions::default(), SAMPLE_RATE, 160, true).unwrap()
}

/// A second of a tone whose frequency at time 0 to 1 is `frequency`.
fn tone(frequency: impl Fn(f64) -> f64) -> Vec<f32> {
    let mut phase = 0.0;
    let rate = f64::from(SAMPLE_RATE);
    (0..SAMPLE_RATE)
        .map(|n| {
            phase += frequency(f64::from(n) / rate) / rate;
            (0.5 * (TAU * phase).sin()) as f32
        })
        .collect()
}

#[test]
fn yin_is_librosas() {
    for name in SIGNALS {
        for (case, yin) in yins() {
            let ours = yin.process(&signal(name)).unwrap();
            let reference = vector::<f32>(&format!("{name}.yin_{case}"));
            assert_eq!(ours.len(), reference.len(), "{name}, {case}");
            for (frame, (a, b)) in ours.iter().zip(&reference).enumerate() {
                // Rounding to float32 on either side of float64 results; another trough would be several percent off.
                assert!((a - b).abs() <= 2e-7 * b, "{name}, {case}, frame {frame}: {a} Hz is not {b} Hz");
            }
        }
    }
}

#[test]
fn pyin_is_librosas() {
    for name in SIGNALS {
        for (case, pyin) in pyins() {
            let ours = pyin.process(&signal(name)).unwrap();
            let reference: Array2<f32> = read_npy(path(&format!("{name}.pyin_{case}"))).unwrap();
            assert_eq!(ours.len(), reference.nrows(), "{name}, {case}");
            for (frame, (ours, reference)) in ours.iter().zip(reference.rows()).enumerate() {
                let (f0, voiced_probability) = (reference[0], reference[1]);
                let place = format!("{name}, {case}, frame {frame}: {ours:?} is not {f0} Hz, {voiced_probability}");
                assert_eq!(ours.voiced, !f0.is_nan(), "{place}");
                // The same bin's frequency, rounded to float32; the next bin is 0.6 % away.
                assert!(!ours.voiced || (ours.f0 - f0).abs() <= 2e-7 * f0, "{place}");
                // Sums of a hundred float64 numbers up to 1, rounded to float32; a threshold's share is above 1e-6.
                assert!((ours.voiced_probability - voiced_probability).abs() <= 2e-7, "{place}");
            }
        }
    }
}

/// What `numpy.interp` gives of the voiced frames of librosa's reference, in semitones above 27.5 Hz.
#[test]
fn the_contour_is_librosas_pitch_interpolated() {
    for name in SIGNALS {
        for (case, pyin) in pyins() {
            let contour = pyin.contour(&pyin.process(&signal(name)).unwrap());
            let reference: Array2<f32> = read_npy(path(&format!("{name}.pyin_{case}"))).unwrap();
            let voiced: Vec<(f64, f64)> = reference
                .rows()
                .into_iter()
                .enumerate()
                .filter(|(_, row)| !row[0].is_nan())
                .map(|(frame, row)| (frame as f64, 12.0 * f64::from(row[0] / 27.5).log2()))
                .collect();
            assert_eq!(contour.len(), reference.nrows(), "{name}, {case}");
            for (frame, pitch) in contour.into_iter().enumerate().filter(|_| !voiced.is_empty()) {
                let place = frame as f64;
                let before = voiced.iter().rfind(|(voiced, _)| *voiced <= place).unwrap_or(&voiced[0]);
                let after = voiced.iter().find(|(voiced, _)| *voiced >= place).unwrap_or(before);
                let share = if after.0 > before.0 { (place - before.0) / (after.0 - before.0) } else { 0.0 };
                let expected = before.1 + share.max(0.0) * (after.1 - before.1);
                // Float32 near 50 semitones.
                assert!(
                    (f64::from(pitch) - expected).abs() < 2e-5,
                    "{name}, {case}, frame {frame}: {pitch} is not {expected}"
                );
            }
        }
    }
    let silence = default_pyin().process(&[0.0; 8000]).unwrap();
    let lowest = 12.0 * (65.0_f32 / 27.5).log2();
    assert!(default_pyin().contour(&silence).iter().all(|pitch| (pitch - lowest).abs() < 1e-5));
}

#[test]
fn sets_of_features_have_pitch_in_hertz_or_as_a_contour() {
    let samples = signal(SIGNALS[0]);
    let frames = default_pyin().process(&samples).unwrap();
    let extract = |feature: Feature| {
        let options = FeatureOptions { features: vec![feature], ..FeatureOptions::default() };
        let extractor = FeatureExtractor::new(&options).unwrap();
        (extractor.columns().to_vec(), extractor.extract(&samples).unwrap())
    };
    let (columns, features) = extract(Feature::Pyin(PyinOptions::default()));
    assert_eq!(columns, ["pyin_f0", "pyin_voiced_probability"]);
    assert!(
        features.column(0).iter().eq(&frames.iter().map(|frame| frame.voiced_f0().unwrap_or(0.0)).collect::<Vec<_>>())
    );
    let contour = Feature::PitchContour(PyinOptions::default());
    let set = FeatureExtractor::new(&FeatureOptions { features: vec![contour.clone()], ..FeatureOptions::default() })
        .unwrap();
    assert!(FeatureStream::new(&set).unwrap_err().to_string().starts_with("pitch-contour"));
    let (columns, features) = extract(contour);
    assert_eq!(columns, ["pitch_contour", "pitch_voiced_probability"]);
    assert!(features.column(0).iter().eq(&default_pyin().contour(&frames)));
    assert!(features.column(1).iter().eq(&frames.iter().map(|frame| frame.voiced_probability).collect::<Vec<_>>()));
}

#[test]
fn a_sine_has_its_frequency() {
    let (yin, pyin) = (default_yin(), default_pyin());
    for hz in [70.0, 99.3, 123.4, 200.0, 317.7, 440.0, 595.0] {
        let samples = tone(|_| hz);
        // The first and the last frames are partly padding.
        let inner = 8..92;
        for f0 in &yin.process(&samples).unwrap()[inner.clone()] {
            assert!((f64::from(*f0) / hz - 1.0).abs() < 0.005, "{f0} Hz is not {hz} Hz");
        }
        for frame in &pyin.process(&samples).unwrap()[inner] {
            // Half a bin is 0.3 %.
            let f0 = frame.voiced_f0().unwrap();
            assert!((f64::from(f0) / hz - 1.0).abs() < 0.008, "{frame:?} is not {hz} Hz");
        }
    }
}

#[test]
fn a_glide_is_followed() {
    // An octave a second.
    let frequency = |time: f64| 150.0 * time.exp2();
    let samples = tone(frequency);
    let (yin, pyin) = (default_yin().process(&samples).unwrap(), default_pyin().process(&samples).unwrap());
    for frame in 8..92 {
        // The middle of the frame; 128 ms hold a tenth of an octave, and their first half weighs more.
        let expected = frequency(frame as f64 / 100.0);
        for f0 in [yin[frame], pyin[frame].voiced_f0().unwrap()] {
            assert!((f64::from(f0) / expected - 1.0).abs() < 0.03, "frame {frame}: {f0} Hz is not {expected} Hz");
        }
    }
}

#[test]
fn silence_is_unvoiced() {
    let silence = PyinFrame { voiced: false, voiced_probability: 0.0, f0: 0.0 };
    for frame in default_pyin().process(&[0.0; 8000]).unwrap() {
        assert_eq!(PyinFrame { f0: 0.0, ..frame }, silence);
        assert_eq!(frame.voiced_f0(), None);
        assert!((65.0..=600.0).contains(&frame.f0));
    }
}

#[test]
fn yin_gives_silence_the_shortest_period() {
    // 16,000 / 600 is 26.7 samples.
    assert_eq!(default_yin().process(&[0.0; 500]).unwrap(), [16_000.0_f32 / 26.0; 4]);
}

#[test]
fn rounding_makes_no_troughs() {
    // One step of a converter in digital silence: beyond the longest period from the start, the difference function
    // is exactly flat, and its first value counts. In librosa the transform's rounding decides.
    for position in (250..2048).step_by(29) {
        let mut samples = [0.0; 2048];
        samples[position] = if position % 2 == 0 { 1.0 } else { -3.0 } / 32768.0;
        let yin = Yin::new(&YinOptions::default(), SAMPLE_RATE, 160, false).unwrap();
        assert_eq!(yin.process(&samples).unwrap(), [16_000.0_f32 / 26.0], "{position}");
        let pyin = Pyin::new(&PyinOptions::default(), SAMPLE_RATE, 160, false).unwrap();
        assert_eq!(pyin.process(&samples).unwrap()[0].voiced_probability, 0.0, "{position}");
    }
}

#[test]
fn one_sample_is_enough_for_centred_frames() {
    assert_eq!(default_yin().process(&[0.5]).unwrap().len(), 1);
    assert_eq!(default_pyin().process(&[0.5]).unwrap().len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_sane_signal_has_a_frequency_in_range(samples in prop::collection::vec(-4.29e9_f32..4.29e9, 1..3000)) {
        // A parabola shifts a period inside the range by less than 1.
        for f0 in default_yin().process(&samples).unwrap() {
            prop_assert!((16_000.0 / 247.0..=16_000.0 / 26.0).contains(&f0), "{}", f0);
        }
        for frame in default_pyin().process(&samples).unwrap() {
            prop_assert!((65.0..=600.0).contains(&frame.f0), "{:?}", frame);
            prop_assert!((0.0..=1.0).contains(&frame.voiced_probability), "{:?}", frame);
        }
    }

    #[test]
    fn the_level_changes_nothing(samples in prop::collection::vec(-1.0_f32..1.0, 1..3000), power in -60_i32..30) {
        // A power of two changes no mantissa.
        let scaled: Vec<f32> = samples.iter().map(|sample| sample * 2.0_f32.powi(power)).collect();
        prop_assert_eq!(default_yin().process(&scaled), default_yin().process(&samples));
        prop_assert_eq!(default_pyin().process(&scaled), default_pyin().process(&samples));
    }

    #[test]
    fn centred_frames_are_uncentred_frames_of_the_padded_signal(samples in prop::collection::vec(-1.0_f32..1.0, 1..3000)) {
        let padded = [&[0.0; 1024], &samples[..], &[0.0; 1024]].concat();
        let uncentred = Yin::new(&YinOptions::default(), SAMPLE_RATE, 160, false).unwrap();
        prop_assert_eq!(default_yin().process(&samples), uncentred.process(&padded));
    }

    #[test]
    fn a_used_scratch_changes_nothing(samples in prop::collection::vec(-1.0_f32..1.0, 1..4000)) {
        let mut scratch = YinScratch::default();
        for (_, yin) in yins() {
            let Ok(expected) = yin.process(&samples) else { continue };
            let mut output = vec![f32::NAN; expected.len()];
            yin.process_into(&samples, &mut output, &mut scratch).unwrap();
            prop_assert_eq!(output, expected);
        }
    }
}

fn yin_refusal(change: impl FnOnce(&mut YinOptions)) -> String {
    let mut options = YinOptions::default();
    change(&mut options);
    Yin::new(&options, SAMPLE_RATE, 160, true).unwrap_err().to_string()
}

fn pyin_refusal(change: impl FnOnce(&mut PyinOptions)) -> String {
    let mut options = PyinOptions::default();
    change(&mut options);
    Pyin::new(&options, SAMPLE_RATE, 160, true).unwrap_err().to_string()
}

#[test]
fn frequencies_and_lengths_out_of_range_are_named() {
    let nyquist = "fmax is 8001, but must be above 0 and at most half the sample rate, 8000 Hz";
    assert_eq!(yin_refusal(|options| options.fmax = 8001.0), nyquist);
    assert_eq!(pyin_refusal(|options| options.fmax = 8001.0), nyquist);
    for fmax in [f32::NAN, f32::INFINITY, 0.0, -1.0] {
        assert_eq!(yin_refusal(|options| options.fmax = fmax), nyquist.replace("8001", &fmax.to_string()));
    }
    for fmin in [f32::NAN, f32::NEG_INFINITY, 0.0, -1.0, 600.0, 700.0] {
        let expected = format!("fmin is {fmin}, but must be above 0 and below fmax = 600 Hz");
        assert_eq!(yin_refusal(|options| options.fmin = fmin), expected);
        assert_eq!(pyin_refusal(|options| options.fmin = fmin), expected);
    }
    // A period of 65 Hz is 246.2 samples.
    let short = "frame_length is 247, but must be 248 samples or more, to hold a period of fmin = 65 Hz";
    assert_eq!(yin_refusal(|options| options.frame_length = 247), short);
    assert_eq!(pyin_refusal(|options| options.frame_length = 247), short);
    for frame_length in [1, 2, 3] {
        assert_eq!(
            yin_refusal(|options| options.frame_length = frame_length),
            short.replace("247", &frame_length.to_string())
        );
    }
    assert!(Yin::new(&YinOptions { frame_length: 248, ..YinOptions::default() }, SAMPLE_RATE, 160, true).is_ok());
    let none = "frame_length is 0, but must be 1 to 1048576 samples";
    assert_eq!(yin_refusal(|options| options.frame_length = 0), none);
    assert_eq!(
        yin_refusal(|options| options.frame_length = usize::MAX),
        none.replace("is 0", &format!("is {}", usize::MAX))
    );

    let refusal = |sample_rate, hop| Yin::new(&YinOptions::default(), sample_rate, hop, true).unwrap_err().to_string();
    assert_eq!(refusal(0, 160), "sample_rate is 0, but must be 1 Hz or more");
    assert_eq!(refusal(1000, 160), "fmax is 600, but must be above 0 and at most half the sample rate, 500 Hz");
    assert_eq!(refusal(SAMPLE_RATE, 0), "hop_length is 0, but must be 1 to 1048576 samples");
}

#[test]
fn a_trough_threshold_out_of_range_is_named() {
    for threshold in [0.0, -0.1, 1.1, f32::NAN] {
        let expected = format!("trough_threshold is {threshold}, but must be above 0 and at most 1");
        assert_eq!(yin_refusal(|options| options.trough_threshold = threshold), expected);
    }
}

#[test]
fn pyins_own_options_out_of_range_are_named() {
    for n_thresholds in [0, 10_001] {
        let expected = format!("n_thresholds is {n_thresholds}, but must be 1 to 10000");
        assert_eq!(pyin_refusal(|options| options.n_thresholds = n_thresholds), expected);
    }
    for beta_parameters in [(0.0, 18.0), (2.0, -1.0), (2.0, 100.5), (f32::NAN, 18.0)] {
        let (alpha, beta) = beta_parameters;
        let expected = format!("beta_parameters is ({alpha}, {beta}), but must be above 0 and at most 100 each");
        assert_eq!(pyin_refusal(|options| options.beta_parameters = beta_parameters), expected);
    }
    for decay in [0.0, -2.0, f32::INFINITY, f32::NAN] {
        let expected = format!("boltzmann_parameter is {decay}, but must be above 0 and finite");
        assert_eq!(pyin_refusal(|options| options.boltzmann_parameter = decay), expected);
    }
    for resolution in [0.0, 0.009, 1.1, f32::NAN] {
        let expected = format!("resolution is {resolution}, but must be 0.01 to 1 semitone");
        assert_eq!(pyin_refusal(|options| options.resolution = resolution), expected);
    }
    for probability in [0.0, 1.0, -0.5, f32::NAN] {
        let expected = |name| format!("{name} is {probability}, but must be above 0 and below 1");
        assert_eq!(pyin_refusal(|options| options.switch_prob = probability), expected("switch_prob"));
        assert_eq!(pyin_refusal(|options| options.no_trough_prob = probability), expected("no_trough_prob"));
    }
    // 65 to 600 Hz are 38 whole semitones: 38.5 / 12 octaves in 10 ms.
    for rate in [0.0, -1.0, 321.0, f32::INFINITY, f32::NAN] {
        let message = pyin_refusal(|options| options.max_transition_rate = rate);
        let expected = format!("max_transition_rate is {rate}, but must be above 0 and below 320.83");
        assert!(message.starts_with(&expected), "{message}");
    }
    let narrow = pyin_refusal(|options| (options.fmin, options.fmax) = (100.0, 100.5));
    assert_eq!(narrow, "fmax is 100.5, but must be at least one pitch bin, 0.1 semitones, above fmin = 100 Hz");
}

#[test]
fn signals_that_are_no_signals_are_refused() {
    assert_eq!(default_yin().process(&[]), Err(Error::TooShort { n_samples: 0, required: 1 }));
    assert_eq!(default_pyin().process(&[]), Err(Error::TooShort { n_samples: 0, required: 1 }));
    let uncentred = Yin::new(&YinOptions::default(), SAMPLE_RATE, 160, false).unwrap();
    assert_eq!(uncentred.process(&[0.5; 2047]), Err(Error::TooShort { n_samples: 2047, required: 2048 }));
    let mut samples = [0.5; 300];
    samples[7] = f32::INFINITY;
    let expected = Error::InvalidSample { index: 7, value: f32::INFINITY };
    assert_eq!(default_yin().process(&samples), Err(expected.clone()));
    assert_eq!(default_pyin().process(&samples), Err(expected));
    samples[7] = f32::NAN;
    assert!(matches!(default_yin().process(&samples), Err(Error::InvalidSample { index: 7, .. })));
    assert!(matches!(default_pyin().process(&samples), Err(Error::InvalidSample { index: 7, .. })));
    let error = default_yin().process_into(&[0.5; 300], &mut [0.0; 3], &mut YinScratch::default());
    assert_eq!(error, Err(Error::Shape { expected: (2, 1), actual: (3, 1) }));
}

#[test]
fn options_survive_toml_and_json() {
    let yin = YinOptions { fmin: 75.0, fmax: 500.0, frame_length: 1024, trough_threshold: 0.2 };
    assert_eq!(toml::from_str::<YinOptions>(&toml::to_string(&yin).unwrap()).unwrap(), yin);
    assert_eq!(serde_json::from_str::<YinOptions>(&serde_json::to_string(&yin).unwrap()).unwrap(), yin);
    let pyin = PyinOptions { beta_parameters: (2.0, 8.0), resolution: 0.2, ..PyinOptions::default() };
    assert_eq!(toml::from_str::<PyinOptions>(&toml::to_string(&pyin).unwrap()).unwrap(), pyin);
    assert_eq!(serde_json::from_str::<PyinOptions>(&serde_json::to_string(&pyin).unwrap()).unwrap(), pyin);
    let written: PyinOptions = toml::from_str("fmin = 75\nbeta_parameters = [2, 11.3]").unwrap();
    assert_eq!(written, PyinOptions { fmin: 75.0, beta_parameters: (2.0, 11.3), ..PyinOptions::default() });
    for name in ["fmn = 75", "fill_na = 0"] {
        assert!(toml::from_str::<YinOptions>(name).unwrap_err().to_string().contains("unknown field"));
        assert!(toml::from_str::<PyinOptions>(name).unwrap_err().to_string().contains("unknown field"));
    }
}

#[test]
fn plans_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<(Yin, Pyin)>();
}
