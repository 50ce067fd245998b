//! The shape of spectra is librosa's: compared with the arrays that `tests/assets/make_spectral_references.py` wrote.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::f32::consts::TAU;
use std::path::PathBuf;

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2, Axis, s};
use ndarray_npy::read_npy;
use proptest::prelude::*;
use ser_features::{
    BandwidthOptions, ContrastOptions, Error, FlatnessOptions, Framing, RolloffOptions, SpectralContrast, Stft,
    StftOptions, rms, rms_from_spectrogram, spectral_bandwidth, spectral_centroid, spectral_flatness, spectral_rolloff,
};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/assets/{name}.npy"))
}

fn matrix(name: &str) -> Array2<f32> {
    read_npy(path(name)).unwrap()
}

fn signal(name: &str) -> Vec<f32> {
    read_npy::<_, Array1<f32>>(path(&format!("{name}.signal"))).unwrap().to_vec()
}

fn assert_close(ours: &ArrayRef2<f32>, reference: &ArrayRef2<f32>, name: &str, tolerance: impl Fn(f32) -> f32) {
    assert_eq!(ours.dim(), reference.dim(), "{name}");
    for ((place, a), b) in ours.indexed_iter().zip(reference) {
        assert!((a - b).abs() <= tolerance(*b), "{name} {place:?}: {a} is not {b}");
    }
}

fn assert_close_column(ours: &[f32], reference: &ArrayRef1<f32>, name: &str, tolerance: impl Fn(f32) -> f32) {
    let ours = Array1::from(ours.to_vec()).insert_axis(Axis(1));
    assert_close(&ours, &reference.to_owned().insert_axis(Axis(1)), name, tolerance);
}

fn bandwidth(magnitude: &ArrayRef2<f32>, sample_rate: u32, n_fft: usize, p: f32) -> Vec<f32> {
    spectral_bandwidth(magnitude, sample_rate, n_fft, &BandwidthOptions { p }).unwrap()
}

fn rolloff(magnitude: &ArrayRef2<f32>, sample_rate: u32, n_fft: usize, roll_percent: f32) -> Vec<f32> {
    spectral_rolloff(magnitude, sample_rate, n_fft, &RolloffOptions { roll_percent }).unwrap()
}

fn flatness(magnitude: &ArrayRef2<f32>, power: f32, amin: f32) -> Vec<f32> {
    spectral_flatness(magnitude, &FlatnessOptions { power, amin }).unwrap()
}

fn contrast(magnitude: &ArrayRef2<f32>, sample_rate: u32, n_fft: usize, options: &ContrastOptions) -> Array2<f32> {
    SpectralContrast::new(sample_rate, n_fft, options).unwrap().process(magnitude).unwrap()
}

#[test]
fn descriptors_of_librosas_magnitudes_are_librosas() {
    for (input, output, sample_rate, n_fft) in [
        ("spectral.magnitude", "spectral.descriptors", 16_000, 512),
        ("spectral.odd_magnitude", "spectral.odd_descriptors", 22_050, 375),
    ] {
        let (magnitude, reference) = (matrix(input), matrix(output));
        let close = |ours: &[f32], column: usize, tolerance: &dyn Fn(f32) -> f32| {
            assert_close_column(ours, &reference.column(column), &format!("{output} {column}"), tolerance);
        };
        // Both sum in float64; librosa rounds the weights before, and both round a frequency or two.
        let frequency = |hertz: f32| 4.0 * f32::EPSILON * hertz;
        close(&spectral_centroid(&magnitude, sample_rate, n_fft).unwrap(), 0, &frequency);
        close(&bandwidth(&magnitude, sample_rate, n_fft, 2.0), 1, &frequency);
        close(&bandwidth(&magnitude, sample_rate, n_fft, 3.5), 2, &frequency);
        // The same bin, whose frequency is rounded once.
        let rounding = |hertz: f32| f32::EPSILON * hertz;
        close(&rolloff(&magnitude, sample_rate, n_fft, 0.85), 3, &rounding);
        close(&rolloff(&magnitude, sample_rate, n_fft, 0.1), 4, &rounding);
        // The references were computed in float64 and rounded once, and so is ours.
        close(&flatness(&magnitude, 2.0, 1e-10), 5, &|value| 2.0 * f32::EPSILON * value);
        close(&flatness(&magnitude, 1.0, 1e-6), 6, &|value| 2.0 * f32::EPSILON * value);
        close(&rms_from_spectrogram(&magnitude, n_fft).unwrap(), 7, &rounding);
    }
}

#[test]
fn contrast_of_librosas_magnitudes_is_librosas() {
    let magnitude = matrix("spectral.magnitude");
    // Ours subtracts levels of up to 100 dB, each within four roundings.
    let decibels = |_: f32| 8.0 * 100.0 * f32::EPSILON;
    let default = ContrastOptions::default();
    let ours = contrast(&magnitude, 16_000, 512, &default);
    assert_close(&ours, &matrix("spectral.contrast"), "contrast", decibels);
    let wide = ContrastOptions { fmin: 375.0, n_bands: 4, quantile: 0.05, ..default };
    let ours = contrast(&magnitude, 16_000, 512, &wide);
    assert_close(&ours, &matrix("spectral.contrast_wide"), "wide contrast", decibels);
    let linear = ContrastOptions { quantile: 0.25, linear: true, ..wide };
    let ours = contrast(&magnitude, 16_000, 512, &linear);
    // A difference of two roundings of magnitudes, the valley no larger than the peak.
    assert_close(&ours, &matrix("spectral.contrast_linear"), "linear contrast", |value| 1e-6 * value);
    let ours = contrast(&matrix("spectral.odd_magnitude"), 22_050, 375, &ContrastOptions::default());
    assert_close(&ours, &matrix("spectral.odd_contrast"), "odd contrast", decibels);
}

#[test]
fn the_shape_of_signals_is_librosas() {
    let stft = Stft::new(&StftOptions {
        n_fft: 512,
        hop_length: 160,
        win_length: 400,
        center: true,
        ..StftOptions::default()
    })
    .unwrap();
    for name in ["noise", "chirp", "clicks", "faint", "silence"] {
        let (magnitude, reference) = (stft.magnitude(&signal(name)).unwrap(), matrix(&format!("{name}.spectral")));
        // Our transform runs in float32, within 1e-6 of the frame's largest magnitude: little of any sum, and of any bin
        // of a broad spectrum.
        let close = |ours: &[f32], column: usize, floor: f32| {
            let tolerance = |value: f32| 1e-4 * value.max(floor);
            assert_close_column(ours, &reference.column(column), &format!("{name} {column}"), tolerance);
        };
        close(&spectral_centroid(&magnitude, 16_000, 512).unwrap(), 0, 0.0);
        close(&bandwidth(&magnitude, 16_000, 512, 2.0), 1, 0.0);
        close(&rolloff(&magnitude, 16_000, 512, 0.85), 2, 0.0);
        // A flatness below 1e-6 is a tone's, between whose side lobes there is only rounding.
        close(&flatness(&magnitude, 2.0, 1e-10), 3, 1e-6);
        // So are the valleys of the chirp, 120 dB below its peak: 1e-3 dB is 2.3e-4 of a valley.
        if name != "chirp" {
            let ours = contrast(&magnitude, 16_000, 512, &ContrastOptions::default());
            assert_close(&ours, &reference.slice(s![.., 4..]), &format!("contrast of {name}"), |_| 1e-3);
        }
    }
}

#[test]
fn silence_has_no_shape_but_is_flat() {
    let silence = Array2::zeros((2, 257));
    assert_eq!(spectral_centroid(&silence, 16_000, 512).unwrap(), [0.0; 2]);
    assert_eq!(bandwidth(&silence, 16_000, 512, 2.0), [0.0; 2]);
    assert_eq!(rolloff(&silence, 16_000, 512, 0.85), [0.0; 2]);
    assert_eq!(flatness(&silence, 2.0, 1e-10), [1.0; 2]);
    assert_eq!(rms_from_spectrogram(&silence, 512).unwrap(), [0.0; 2]);
    assert_eq!(contrast(&silence, 16_000, 512, &ContrastOptions::default()), Array2::<f32>::zeros((2, 7)));
}

#[test]
fn a_sines_centroid_and_rolloff_are_its_frequency() {
    let stft = Stft::new(&StftOptions {
        n_fft: 1024,
        hop_length: 256,
        win_length: 1024,
        center: false,
        ..StftOptions::default()
    })
    .unwrap();
    for frequency in [500.0, 1234.5, 3000.0] {
        let sine: Vec<f32> = (0..4096).map(|n| (n as f32 * frequency * TAU / 16_000.0).sin()).collect();
        let magnitude = stft.magnitude(&sine).unwrap();
        // The main lobe of the Hann window is four bins of 15.6 Hz wide, and its side lobes fall by 18 dB an octave.
        for centroid in spectral_centroid(&magnitude, 16_000, 1024).unwrap() {
            assert!((centroid - frequency).abs() < 2.0, "{centroid} of {frequency}");
        }
        for rolloff in rolloff(&magnitude, 16_000, 1024, 0.85) {
            assert!((rolloff - frequency).abs() < 2.0 * 15.625, "{rolloff} of {frequency}");
        }
        assert!(flatness(&magnitude, 2.0, 1e-10).iter().all(|&flatness| flatness < 1e-3));
    }
}

#[test]
fn two_equal_bins_have_their_middle_and_half_their_distance() {
    let mut magnitude = Array2::zeros((1, 257));
    (magnitude[[0, 100]], magnitude[[0, 140]]) = (2.0, 2.0);
    // Bins lie 31.25 Hz apart.
    assert_eq!(spectral_centroid(&magnitude, 16_000, 512).unwrap(), [3750.0]);
    assert_eq!(bandwidth(&magnitude, 16_000, 512, 2.0), [625.0]);
    assert_eq!(bandwidth(&magnitude, 16_000, 512, 1.0), [625.0]);
    assert_eq!(rolloff(&magnitude, 16_000, 512, 0.5), [3125.0]);
    assert_eq!(rolloff(&magnitude, 16_000, 512, 0.51), [4375.0]);
}

#[test]
fn a_rectangular_windows_spectrum_has_the_samples_rms() {
    // Hann squared sums to 3/8: eight periods in the frame have no edge effect.
    let tone: Vec<f32> = (0..512).map(|n| 0.7 * (n as f32 * TAU / 64.0).sin()).collect();
    let stft = Stft::new(&StftOptions {
        n_fft: 512,
        hop_length: 512,
        win_length: 512,
        center: false,
        ..StftOptions::default()
    })
    .unwrap();
    let windowed = rms_from_spectrogram(&stft.magnitude(&tone).unwrap(), 512).unwrap()[0];
    let whole = rms(&tone, &Framing::new(512, 512, false).unwrap()).unwrap()[0];
    assert!((windowed - whole * 0.375_f32.sqrt()).abs() < 1e-6, "{windowed} of {whole}");
}

proptest! {
    #[test]
    fn shape_does_not_depend_on_level(magnitude in prop::collection::vec(0.01_f32..10.0, 2 * 129), exponent in -3_i32..10) {
        let magnitude = Array2::from_shape_vec((2, 129), magnitude).unwrap();
        // A power of two scales without rounding.
        let louder = &magnitude * 2.0_f32.powi(exponent);
        prop_assert_eq!(spectral_centroid(&louder, 8000, 256), spectral_centroid(&magnitude, 8000, 256));
        prop_assert_eq!(bandwidth(&louder, 8000, 256, 2.0), bandwidth(&magnitude, 8000, 256, 2.0));
        prop_assert_eq!(rolloff(&louder, 8000, 256, 0.85), rolloff(&magnitude, 8000, 256, 0.85));
        for (a, b) in flatness(&louder, 2.0, 1e-30).into_iter().zip(flatness(&magnitude, 2.0, 1e-30)) {
            prop_assert!((a - b).abs() <= 2.0 * f32::EPSILON * b);
        }
    }

    #[test]
    fn every_magnitude_has_a_finite_shape_within_its_range(magnitude in prop::collection::vec(0.0_f32..f32::MAX, 129), tiny in -140_i32..0) {
        let mut magnitude = Array2::from_shape_vec((1, 129), magnitude).unwrap();
        magnitude.slice_mut(s![.., ..60]).mapv_inplace(|value| value * 2.0_f32.powi(tiny));
        // Roundings may pass the ends of the range.
        let nyquist = 4000.01;
        prop_assert!((0.0..nyquist).contains(&spectral_centroid(&magnitude, 8000, 256).unwrap()[0]));
        for p in [0.01, 2.0, 32.0] {
            prop_assert!((0.0..nyquist).contains(&bandwidth(&magnitude, 8000, 256, p)[0]));
        }
        prop_assert!((0.0..nyquist).contains(&rolloff(&magnitude, 8000, 256, 0.85)[0]));
        for power in [0.1, 2.0, 4.0] {
            prop_assert!((0.0..1.000_001).contains(&flatness(&magnitude, power, f32::MIN_POSITIVE)[0]));
        }
        prop_assert!(rms_from_spectrogram(&magnitude, 256).unwrap()[0].is_finite());
        let options = ContrastOptions { n_bands: 4, ..ContrastOptions::default() };
        prop_assert!(contrast(&magnitude, 8000, 256, &options).iter().all(|value| value.is_finite()));
    }

    #[test]
    fn flatness_is_one_exactly_where_all_bins_are_equal(level in 0.001_f32..1e6, n_bins in 1_usize..2000) {
        let even = Array2::from_elem((1, n_bins), level);
        // The logarithm and the exponential round relative to up to 28.
        prop_assert!((flatness(&even, 2.0, 1e-10)[0] - 1.0).abs() <= f32::EPSILON);
        let mut uneven = even;
        uneven[[0, 0]] *= 4.0;
        prop_assert!(n_bins == 1 || flatness(&uneven, 2.0, 1e-10)[0] < 1.0);
    }
}

#[test]
fn no_frames_have_no_values() {
    let none = Array2::zeros((0, 257));
    assert_eq!(spectral_centroid(&none, 16_000, 512), Ok(Vec::new()));
    assert_eq!(contrast(&none, 16_000, 512, &ContrastOptions::default()).dim(), (0, 7));
}

#[test]
fn arrays_that_are_no_magnitudes_are_refused() {
    let wrong = Array2::ones((2, 256));
    let expected = Error::BinCount { expected: 257, actual: 256 };
    assert_eq!(spectral_centroid(&wrong, 16_000, 512), Err(expected.clone()));
    assert_eq!(spectral_bandwidth(&wrong, 16_000, 512, &BandwidthOptions::default()), Err(expected.clone()));
    assert_eq!(spectral_rolloff(&wrong, 16_000, 512, &RolloffOptions::default()), Err(expected.clone()));
    assert_eq!(rms_from_spectrogram(&wrong, 512), Err(expected.clone()));
    let plan = SpectralContrast::new(16_000, 512, &ContrastOptions::default()).unwrap();
    assert_eq!(plan.process(&wrong), Err(expected));

    for value in [f32::NAN, f32::INFINITY, -1.0] {
        let mut magnitude = Array2::ones((2, 257));
        magnitude[[1, 9]] = value;
        let expected = format!("magnitude is {value}, but must be finite and 0 or more");
        let errors = [
            spectral_centroid(&magnitude, 16_000, 512).unwrap_err(),
            spectral_bandwidth(&magnitude, 16_000, 512, &BandwidthOptions::default()).unwrap_err(),
            spectral_rolloff(&magnitude, 16_000, 512, &RolloffOptions::default()).unwrap_err(),
            spectral_flatness(&magnitude, &FlatnessOptions::default()).unwrap_err(),
            rms_from_spectrogram(&magnitude, 512).unwrap_err(),
            plan.process(&magnitude).unwrap_err(),
        ];
        assert!(errors.iter().all(|error| error.to_string() == expected), "{errors:?}");
    }
}

#[test]
fn options_out_of_range_are_named_with_their_range() {
    let magnitude = Array2::ones((2, 257));
    let message = |result: Result<Vec<f32>, Error>| result.unwrap_err().to_string();
    assert_eq!(message(spectral_centroid(&magnitude, 0, 512)), "sample_rate is 0, but must be 1 Hz or more");
    assert_eq!(message(spectral_centroid(&magnitude, 16_000, 0)), "n_fft is 0, but must be 1 or more");
    assert_eq!(message(rms_from_spectrogram(&magnitude, 0)), "frame_length is 0, but must be 1 or more");
    for p in [0.0, 33.0, f32::NAN] {
        let error = message(spectral_bandwidth(&magnitude, 16_000, 512, &BandwidthOptions { p }));
        assert_eq!(error, format!("p is {p}, but must be 0.01 to 32"));
    }
    for roll_percent in [0.0, 1.0, f32::NAN] {
        let error = message(spectral_rolloff(&magnitude, 16_000, 512, &RolloffOptions { roll_percent }));
        assert_eq!(error, format!("roll_percent is {roll_percent}, but must be above 0 and below 1"));
    }
    for power in [0.0, 4.5, f32::NAN] {
        let error = message(spectral_flatness(&magnitude, &FlatnessOptions { power, amin: 1e-10 }));
        assert_eq!(error, format!("power is {power}, but must be above 0 and at most 4"));
    }
    for amin in [0.0, f32::INFINITY, f32::NAN] {
        let error = message(spectral_flatness(&magnitude, &FlatnessOptions { power: 2.0, amin }));
        assert_eq!(error, format!("amin is {amin}, but must be finite and above 0"));
    }
}

#[test]
fn contrast_options_out_of_range_are_named_with_their_range() {
    let message = |sample_rate, n_fft, change: &dyn Fn(&mut ContrastOptions)| {
        let mut options = ContrastOptions::default();
        change(&mut options);
        SpectralContrast::new(sample_rate, n_fft, &options).unwrap_err().to_string()
    };
    assert_eq!(message(0, 512, &|_| ()), "sample_rate is 0, but must be 1 Hz or more");
    assert_eq!(message(16_000, 0, &|_| ()), "n_fft is 0, but must be 1 to 1048576 samples");
    assert!(message(16_000, usize::MAX, &|_| ()).ends_with("but must be 1 to 1048576 samples"));
    for fmin in [0.0, f32::INFINITY, f32::NAN] {
        let error = message(16_000, 512, &|options| options.fmin = fmin);
        assert_eq!(error, format!("fmin is {fmin}, but must be finite and above 0 Hz"));
    }
    for quantile in [0.0, 1.0, f64::NAN] {
        let error = message(16_000, 512, &|options| options.quantile = quantile);
        assert_eq!(error, format!("quantile is {quantile}, but must be above 0 and below 1"));
    }
    assert_eq!(message(16_000, 512, &|options| options.n_bands = 0), "n_bands is 0, but must be 1 or more");
    for n_bands in [7, usize::MAX] {
        let error = message(16_000, 512, &|options| options.n_bands = n_bands);
        let allowed = "so few that fmin * 2^(n_bands - 1) lies below half the sample rate, 8000 Hz";
        assert_eq!(error, format!("n_bands is {n_bands}, but must be {allowed}"));
    }
    // Band 0 holds bin 0 alone, which librosa leaves out: it would give NaN.
    assert_eq!(
        message(16_000, 512, &|options| options.fmin = 30.0),
        "fmin is 30, but must be so high that each band holds a frequency bin (31.25 Hz apart), which band 0 does not; or raise n_fft"
    );
    // Bins at 0, 3200 and 6400 Hz: band 1 (200 to 400 Hz) would be an index error there.
    assert!(message(16_000, 5, &|options| options.fmin = 3300.0).contains("n_bands is 6"));
    let error = message(16_000, 5, &|options| (options.fmin, options.n_bands) = (3300.0, 2));
    assert!(error.contains("which band 1 does not") || error.contains("which band 2 does not"), "{error}");
}

#[test]
fn options_survive_toml_and_json() {
    let options = ContrastOptions { fmin: 100.0, n_bands: 5, quantile: 0.05, linear: true };
    assert_eq!(toml::from_str::<ContrastOptions>(&toml::to_string(&options).unwrap()).unwrap(), options);
    assert_eq!(serde_json::from_str::<ContrastOptions>(&serde_json::to_string(&options).unwrap()).unwrap(), options);
    assert_eq!(toml::from_str::<RolloffOptions>("").unwrap(), RolloffOptions::default());
    assert_eq!(toml::from_str::<BandwidthOptions>("p = 3").unwrap(), BandwidthOptions { p: 3.0 });
    let error = toml::from_str::<FlatnessOptions>("exponent = 2").unwrap_err();
    assert!(error.to_string().contains("unknown field `exponent`"), "{error}");
}
