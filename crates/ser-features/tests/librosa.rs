//! Features are librosa's: compared with the arrays that `tests/assets/make_references.py` wrote.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2, Axis, s};
use ndarray_npy::{ReadableElement, read_npy};
use ser_features::{
    Complex, Dct, DecibelOptions, Feature, FeatureExtractor, FeatureOptions, Framing, Istft, MelFilterbank, MelNorm,
    MelOptions, MelScale, MfccOptions, PadMode, Reference, Stft, StftOptions, Window, amplitude_to_db, db_to_amplitude,
    db_to_power, mfcc, power_to_db, rms, zero_crossing_rate,
};

const SIGNALS: [&str; 5] = ["noise", "chirp", "clicks", "faint", "silence"];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/assets/{name}.npy"))
}

fn vector(name: &str) -> Vec<f32> {
    read_npy::<_, Array1<f32>>(path(name)).unwrap().to_vec()
}

fn matrix<T: ReadableElement>(name: &str) -> Array2<T> {
    read_npy(path(name)).unwrap()
}

fn signal(name: &str) -> Vec<f32> {
    vector(&format!("{name}.signal"))
}

fn default_stft() -> Stft {
    Stft::new(&StftOptions { n_fft: 512, hop_length: 160, win_length: 400, ..StftOptions::default() }).unwrap()
}

fn default_mel() -> MelFilterbank {
    let options = MelOptions { n_mels: 64, fmin: 50.0, fmax: Some(8000.0), ..MelOptions::default() };
    MelFilterbank::new(&options, 16_000, 512).unwrap()
}

/// Compares every fifth frame. Our transform runs in float32, librosa's in float64: 1e-6 of the frame's largest
/// magnitude is some eight roundings.
fn assert_same_stft(ours: &ArrayRef2<Complex<f32>>, reference: &ArrayRef2<Complex<f32>>, name: &str) {
    let ours = ours.slice(s![..;5, ..]);
    assert_eq!(ours.dim(), reference.dim(), "{name}");
    for (frame, (ours, reference)) in ours.rows().into_iter().zip(reference.rows()).enumerate() {
        let largest = reference.iter().fold(0.0, |max: f32, value| max.max(value.norm()));
        for (bin, (a, b)) in ours.iter().zip(reference).enumerate() {
            assert!((a - b).norm() <= 1e-6 * largest, "{name}, frame {frame}, bin {bin}: {a} is not {b}");
        }
    }
}

fn assert_close(ours: &ArrayRef2<f32>, reference: &ArrayRef2<f32>, name: &str, tolerance: impl Fn(f32) -> f32) {
    assert_eq!(ours.dim(), reference.dim(), "{name}");
    for ((place, a), b) in ours.indexed_iter().zip(reference) {
        assert!((a - b).abs() <= tolerance(*b), "{name} {place:?}: {a} is not {b}");
    }
}

fn assert_close_vectors(ours: &[f32], reference: &ArrayRef1<f32>, name: &str, tolerance: impl Fn(f32) -> f32) {
    let ours = Array1::from(ours.to_vec()).insert_axis(Axis(0));
    assert_close(&ours, &reference.to_owned().insert_axis(Axis(0)), name, tolerance);
}

#[test]
fn windows_are_scipys() {
    let windows = [Window::Hann, Window::Hamming, Window::Blackman, Window::Rectangular];
    let (periodic, symmetric): (Array2<f32>, Array2<f32>) = (matrix("windows_periodic"), matrix("windows_symmetric"));
    for ((window, periodic), symmetric) in windows.into_iter().zip(periodic.rows()).zip(symmetric.rows()) {
        // One rounding to float32 on either side of an exact value up to 1.
        assert_close_vectors(&window.periodic(51), &periodic, "periodic", |_| f32::EPSILON / 2.0);
        assert_close_vectors(&window.symmetric(51), &symmetric, "symmetric", |_| f32::EPSILON / 2.0);
    }
}

#[test]
fn the_stft_is_librosas() {
    for name in SIGNALS {
        let ours = default_stft().complex(&signal(name)).unwrap();
        assert_same_stft(&ours, &matrix(&format!("{name}.stft")), name);
    }
}

#[test]
fn the_stft_is_librosas_with_an_odd_length_and_without_centring() {
    let stft = Stft::new(&StftOptions {
        n_fft: 375,
        hop_length: 113,
        win_length: 300,
        center: false,
        ..StftOptions::default()
    })
    .unwrap();
    let ours = stft.complex(&signal("noise")).unwrap();
    assert_same_stft(&ours, &matrix("noise.uncentred_stft"), "uncentred noise");
}

#[test]
fn the_mel_filters_are_librosas() {
    let slaney = MelOptions { n_mels: 40, fmin: 133.0, fmax: Some(6854.0), ..MelOptions::default() };
    let htk = MelOptions { scale: MelScale::Htk, norm: MelNorm::None, ..slaney.clone() };
    for (options, name) in [(slaney, "mel_40_bands"), (htk, "mel_40_htk_bands")] {
        let ours = MelFilterbank::new(&options, 22_050, 512).unwrap().weights();
        // librosa rounds twice (the triangle, then times its height), we once.
        assert_close(&ours, &matrix(name), name, |weight| 2.0 * f32::EPSILON * weight);
    }
}

#[test]
fn mel_bands_are_librosas_above_the_floor() {
    for name in SIGNALS {
        let ours = default_mel().apply(&default_stft().power(&signal(name)).unwrap()).unwrap();
        let reference: Array2<f32> = matrix(&format!("{name}.mel"));
        // The rounding of the transform is relative to the loudest bin of the frame; so is the floor, 60 dB below it.
        for (frame, (ours, reference)) in ours.rows().into_iter().zip(reference.rows()).enumerate() {
            let floor = 1e-6 * reference.fold(0.0, |max: f32, &power| max.max(power));
            for (band, (a, b)) in ours.iter().zip(reference).enumerate() {
                assert!((a - b).abs() <= 1e-4 * b.max(floor), "{name}, frame {frame}, band {band}: {a} is not {b}");
            }
        }
    }
}

#[test]
fn log_mel_is_librosas() {
    let extractor = FeatureExtractor::new(&FeatureOptions::default()).unwrap();
    for name in SIGNALS {
        let reference = matrix(&format!("{name}.log_mel"));
        // 1e-3 dB is 2.3e-4 in power, a few roundings of the loudest bin seen 80 dB below it.
        assert_close(&extractor.extract(&signal(name)).unwrap(), &reference, name, |_| 1e-3);
    }
}

#[test]
fn decibels_of_librosas_mel_bands_are_librosas() {
    for name in SIGNALS {
        let ours = power_to_db(&matrix(&format!("{name}.mel")), &DecibelOptions::default()).unwrap();
        // Four roundings of values up to 100.
        let reference = matrix(&format!("{name}.log_mel"));
        assert_close(&ours, &reference, name, |_| 4.0 * 100.0 * f32::EPSILON);
    }
}

#[test]
fn the_paper_set_is_librosas() {
    let extractor = FeatureExtractor::new(&FeatureOptions::paper()).unwrap();
    for name in SIGNALS {
        let ours = extractor.extract(&signal(name)).unwrap();
        let reference: Array2<f32> = matrix(&format!("{name}.paper"));
        assert_eq!(ours.column(0), reference.column(0), "zcr of {name}");
        // Sums of 2048 squares of one sign in another order.
        let (rms, reference_rms) = (ours.slice(s![.., 1..2]), reference.slice(s![.., 1..2]));
        assert_close(&rms, &reference_rms, &format!("rms of {name}"), |value| 1e-6 * value);
        // The decibels' error, averaged by an orthonormal transform.
        let (mfcc, reference_mfcc) = (ours.slice(s![.., 2..]), reference.slice(s![.., 2..]));
        assert_close(&mfcc, &reference_mfcc, &format!("mfcc of {name}"), |_| 5e-4);
    }
}

#[test]
fn zcr_and_rms_are_librosas_without_centring() {
    let (noise, framing) = (signal("noise"), Framing::new(375, 113, false).unwrap());
    assert_eq!(zero_crossing_rate(&noise, &framing).unwrap(), vector("noise.uncentred_zcr"));
    let reference = Array1::from(vector("noise.uncentred_rms"));
    assert_close_vectors(&rms(&noise, &framing).unwrap(), &reference, "rms", |value| 1e-6 * value);
}

#[test]
fn the_dct_is_scipys() {
    let dct = Dct::new(26, 13).unwrap();
    let (input, output): (Array2<f32>, Array2<f32>) = (matrix("dct.input"), matrix("dct.output"));
    for (input, output) in input.rows().into_iter().zip(output.rows()) {
        // A sum of 26 products of up to 75 * 0.28 in float32.
        assert_close_vectors(&dct.process(&input.to_vec()).unwrap(), &output, "dct", |_| 26.0 * 21.0 * f32::EPSILON);
    }
}

#[test]
fn the_stft_is_librosas_with_other_paddings_and_windows() {
    for (pad_mode, name) in [(PadMode::Reflect, "reflect"), (PadMode::Edge, "edge")] {
        let window = Window::Hamming;
        let options = StftOptions { n_fft: 256, hop_length: 512, win_length: 200, window, center: true, pad_mode };
        let ours = Stft::new(&options).unwrap().complex(&signal("noise")).unwrap();
        let reference: Array2<Complex<f32>> = matrix(&format!("noise.{name}_stft"));
        // The first and the last frame reach beyond the signal.
        let ends = ours.select(Axis(0), &[0, 1, ours.nrows() - 1]);
        for (ours, reference) in ends.rows().into_iter().zip(reference.rows()) {
            let largest = reference.iter().fold(0.0, |max: f32, value| max.max(value.norm()));
            for (a, b) in ours.iter().zip(reference) {
                assert!((a - b).norm() <= 1e-6 * largest, "{name}: {a} is not {b}");
            }
        }
    }
}

#[test]
fn the_inverse_stft_is_librosas() {
    // Spectra that no signal has: magnitudes changed, so that the inverse has to compromise.
    let spectra: Array2<Complex<f32>> = matrix("istft.input");
    for (center, name) in [(true, "istft.centred"), (false, "istft.uncentred")] {
        let options = StftOptions { n_fft: 64, hop_length: 20, win_length: 60, center, ..StftOptions::default() };
        let reference = vector(name);
        let ours = Istft::new(&options).unwrap().process(&spectra, reference.len()).unwrap();
        let peak = reference.iter().fold(0.0, |max: f32, value| max.max(value.abs()));
        for (index, (a, b)) in ours.iter().zip(&reference).enumerate() {
            // Where one window alone covers a sample, its rounding is divided by the window's small weight.
            let edge = if center { 0 } else { 12 };
            if (edge..reference.len() - edge).contains(&index) {
                assert!((a - b).abs() <= 2e-6 * peak, "{name} {index}: {a} is not {b}");
            }
        }
    }
}

#[test]
fn decibels_and_their_inverses_are_librosas() {
    let power: Array2<f32> = matrix("noise.mel");
    let power = power.slice(s![..3, ..]).to_owned();
    let tolerance = |_: f32| 4.0 * 100.0 * f32::EPSILON;
    let options = DecibelOptions { reference: Reference::Max, amin: 1e-4, top_db: Some(30.0) };
    assert_close(&power_to_db(&power, &options).unwrap(), &matrix("decibel.max"), "ref max", tolerance);
    let options = DecibelOptions { reference: Reference::Value(0.5), top_db: None, ..DecibelOptions::default() };
    assert_close(&amplitude_to_db(&power, &options).unwrap(), &matrix("decibel.amplitude"), "amplitude", tolerance);
    let decibels: Array2<f32> = matrix("decibel.amplitude");
    // librosa raises 10 to a float32 power: an error of the exponent of up to 10 times half a rounding, times ln 10.
    let relative = |value: f32| 24.0 * f32::EPSILON * value.abs();
    assert_close(&db_to_power(&decibels, 2.0), &matrix("decibel.to_power"), "to power", relative);
    assert_close(&db_to_amplitude(&decibels, 2.0), &matrix("decibel.to_amplitude"), "to amplitude", relative);
}

#[test]
fn liftered_mfcc_of_a_given_spectrogram_are_librosas() {
    let log_mel: Array2<f32> = matrix("noise.log_mel");
    let ours = mfcc(&log_mel.slice(s![..4, ..]), 13, 22.0).unwrap();
    // As in the DCT, times a lifter of up to 12.
    assert_close(&ours, &matrix("mfcc.liftered"), "liftered", |_| 12.0 * 64.0 * 20.0 * f32::EPSILON);

    // The same from the samples, where the transform's own rounding counts.
    let mel = MelOptions { n_mels: 64, fmin: 50.0, fmax: Some(8000.0), ..MelOptions::default() };
    let features = vec![Feature::Mfcc(MfccOptions { n_mfcc: 13, lifter: 22.0, mel, ..MfccOptions::default() })];
    let extractor = FeatureExtractor::new(&FeatureOptions { features, ..FeatureOptions::default() }).unwrap();
    let ours = extractor.extract(&signal("noise")).unwrap();
    assert_close(&ours.slice(s![..4, ..]), &matrix("mfcc.liftered"), "from samples", |_| 12.0 * 5e-4);
}

#[test]
fn the_presets_are_librosas() {
    for preset in ["log-mel-80", "log-mel-128", "mfcc-39", "spectrogram"] {
        let extractor = FeatureExtractor::new(&FeatureOptions::preset(preset).unwrap()).unwrap();
        let ours = extractor.extract(&signal("chirp")).unwrap();
        let reference: Array2<f32> = matrix(&format!("preset.{preset}"));
        let ours = ours.slice(s![..;10, ..]);
        // Far below the loudest bin its rounding shows, 2e-7 of its amplitude; 8.7 dB are a neper. Bands hold several bins, whose
        // roundings cancel in part: within 80 dB nothing is seen of it there.
        let loudest = reference.iter().fold(f32::NEG_INFINITY, |max, &value| max.max(value));
        let tolerance = |value: f32| match preset {
            "mfcc-39" => 5e-4,
            "log-mel-80" | "log-mel-128" if value >= loudest - 80.0 => 1e-3,
            _ => 1e-3 + 8.7 * 2e-7 * 10_f32.powf((loudest - value) / 20.0),
        };
        assert_close(&ours, &reference, preset, tolerance);
    }
}
