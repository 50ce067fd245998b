//! Features are librosa's: compared with the arrays that `tests/assets/make_references.py` wrote.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use ndarray::{Array1, Array2, ArrayRef1, ArrayRef2, Axis, s};
use ndarray_npy::{ReadableElement, read_npy};
use ser_features::{
    Complex, Dct, FeatureExtractor, FeatureOptions, Framing, MelFilterbank, MelOptions, Stft, StftOptions, hann,
    power_to_db, rms, zero_crossing_rate,
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
    Stft::new(&StftOptions { n_fft: 512, hop_length: 160, win_length: 400, center: true }).unwrap()
}

fn default_mel() -> MelFilterbank {
    let options = MelOptions { sample_rate: 16_000, n_fft: 512, n_mels: 64, fmin: 50.0, fmax: Some(8000.0) };
    MelFilterbank::new(&options).unwrap()
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
fn the_window_is_scipys_periodic_hann() {
    // One rounding to float32 on either side of an exact value up to 1.
    assert_close_vectors(&hann(400), &Array1::from(vector("hann_400")), "hann", |_| f32::EPSILON / 2.0);
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
    let stft = Stft::new(&StftOptions { n_fft: 375, hop_length: 113, win_length: 300, center: false }).unwrap();
    let ours = stft.complex(&signal("noise")).unwrap();
    assert_same_stft(&ours, &matrix("noise.uncentred_stft"), "uncentred noise");
}

#[test]
fn the_mel_filters_are_librosas() {
    let options = MelOptions { sample_rate: 22_050, n_fft: 512, n_mels: 40, fmin: 133.0, fmax: Some(6854.0) };
    let ours = MelFilterbank::new(&options).unwrap().weights();
    // librosa rounds twice (the triangle, then times its height), we once.
    let reference = matrix("mel_40_bands");
    assert_close(&ours, &reference, "mel filters", |weight| 2.0 * f32::EPSILON * weight);
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
        let ours = power_to_db(&matrix(&format!("{name}.mel")), Some(80.0)).unwrap();
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
