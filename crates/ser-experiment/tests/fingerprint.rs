//! One recording is found in two files, whatever was done to the second; two recordings are never taken for one.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

// The voice speaks of the facade.
extern crate self as ser_core;
#[path = "../../../tests/common/voice.rs"]
mod voice;

use rayon::prelude::*;
pub use ser_audio::Waveform;
pub use ser_corpus::Emotion;
use ser_corpus::{Fingerprint, find_copies};
use ser_experiment::Fingerprinter;
use ser_features::ndarray::array;
use ser_inference::Recording;
use std::path::Path;
use voice::{SAMPLE_RATE, Speaker, speak};

fn fingerprint(recording: impl Into<Recording>) -> Fingerprint {
    Fingerprinter::new().unwrap().fingerprint(&recording.into()).unwrap()
}

/// Whether a copy in another part is found.
fn found(first: &Fingerprint, second: &Fingerprint) -> bool {
    !find_copies(&[vec![first], vec![second]]).is_empty()
}

/// Cuts or, below 0, pads the beginning by milliseconds, and rounds to 16 bits at a level.
fn copy(waveform: &Waveform, cut: f64, level: f32, sample_rate: u32) -> Waveform {
    let n = (cut.abs() / 1e3 * f64::from(waveform.sample_rate())) as usize;
    let samples = match cut > 0.0 {
        true => waveform.samples()[n..].to_vec(),
        false => [&vec![0.0; n], waveform.samples()].concat(),
    };
    let resampled = Waveform::new(samples, waveform.sample_rate()).unwrap().resample(sample_rate).unwrap();
    let rounded = resampled.samples().iter().map(|x| (x * level * 32768.0).round().clamp(-32768.0, 32767.0) / 32768.0);
    Waveform::new(rounded.collect(), sample_rate).unwrap()
}

fn utterances() -> Vec<Waveform> {
    let emotions = [Emotion::Angry, Emotion::Neutral, Emotion::Sad, Emotion::Happy, Emotion::Fear];
    let of = |speaker| {
        let say = move |(n, emotion)| speak(Speaker::numbered(speaker), emotion, u64::from(speaker) * 10 + n, 1.2);
        (0..).zip(emotions).map(say)
    };
    (1..=4).flat_map(of).collect()
}

#[test]
fn a_resampled_re_levelled_trimmed_or_padded_copy_is_found() {
    for waveform in utterances() {
        let original = fingerprint(waveform.clone());
        assert!(original.is_acoustic());
        for sample_rate in [8_000, 16_000, 22_050, 44_100, 48_000] {
            // 0, 6 and 12 dB; between two frames, and on one.
            for (cut, level) in [(0.0, 1.0), (0.0, 0.5), (3.9, 1.0), (37.3, 0.25), (-4.2, 0.5), (-118.4, 0.5)] {
                let copy = fingerprint(copy(&waveform, cut, level, sample_rate));
                let rate = original.bit_error_rate(&copy);
                assert!(found(&original, &copy), "{sample_rate} Hz, {cut} ms, level {level}: {rate:?}");
            }
        }
    }
}

#[test]
fn the_same_samples_have_the_same_hash_and_others_do_not() {
    let waveform = speak(Speaker::numbered(1), Emotion::Sad, 1, 0.5);
    let exact = |waveform: &Waveform| fingerprint(waveform.clone()).exact().to_owned();
    assert_eq!(exact(&waveform), exact(&waveform.clone()));
    assert_eq!(exact(&waveform).len(), 16);
    assert_ne!(exact(&waveform), exact(&copy(&waveform, 0.0, 0.5, SAMPLE_RATE)));
    let other_rate = Waveform::new(waveform.samples().to_vec(), 2 * SAMPLE_RATE).unwrap();
    assert_ne!(exact(&waveform), exact(&other_rate));
}

#[test]
fn an_mp3_and_an_ogg_copy_are_found() {
    let read =
        |name| Waveform::from_file(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/assets").join(name)).unwrap();
    let [original, mp3, ogg] = ["utterance.flac", "copy.mp3", "copy.ogg"].map(read);
    // 64 kbit/s, 6 dB lower, without its first 50 ms; Vorbis after 120 ms of silence.
    assert_eq!([original.sample_rate(), mp3.sample_rate(), ogg.sample_rate()], [16_000, 48_000, 22_050]);
    let telephone = mp3.clone().resample(8_000).unwrap();
    let [original, mp3, ogg, telephone] = [original, mp3, ogg, telephone].map(fingerprint);
    assert!(found(&original, &mp3) && found(&original, &ogg) && found(&mp3, &ogg) && found(&original, &telephone));
}

#[test]
fn different_utterances_are_not_copies() {
    let fingerprinter = Fingerprinter::new().unwrap();
    // Of twelve voices, and short. Each speaker's seeds, and so the vowels, are the same in every emotion, of which these
    // three are spoken as neutral is.
    let no_style = [Emotion::Contempt, Emotion::Excited, Emotion::Frustrated];
    let emotions = || Emotion::ALL.into_iter().filter(|emotion| !no_style.contains(emotion));
    let prints: Vec<_> = (1..=12_u8)
        .flat_map(|speaker| emotions().map(move |emotion| (speaker, emotion)))
        .flat_map(|(speaker, emotion)| [1, 2, 3, 4].map(|sentence| (speaker, emotion, sentence)))
        .collect::<Vec<_>>()
        .into_par_iter()
        .map(|(speaker, emotion, sentence)| {
            let seed = 100 * u64::from(speaker) + sentence;
            fingerprinter.fingerprint(&speak(Speaker::numbered(speaker), emotion, seed, 0.8).into()).unwrap()
        })
        .collect();
    assert!(prints.iter().all(Fingerprint::is_acoustic));
    let parts: Vec<_> = prints.iter().map(|print| vec![print]).collect();
    assert_eq!(find_copies(&parts), []);
}

#[test]
fn silence_constant_signals_and_tones_are_told_by_their_samples_alone() {
    let signal =
        |sample: fn(f32) -> f32| Waveform::new((0..48_000).map(|n| sample(n as f32)).collect(), 16_000).unwrap();
    let signals = [
        signal(|_| 0.0),
        signal(|_| 0.5),
        signal(|_| 1e-30),
        signal(|n| (n * 0.3).sin()),
        signal(|n| 0.3 * (n * 0.3).sin() + 0.4 * (n * 0.2).sin()),
        signal(|n| if n == 24_000.0 { 1.0 } else { 0.0 }),
        Waveform::new(Vec::new(), 16_000).unwrap(),
        Waveform::new(vec![0.5], 16_000).unwrap(),
    ];
    let prints = signals.map(fingerprint);
    for (n, print) in prints.iter().enumerate() {
        assert!(!print.is_acoustic(), "signal {n}");
        assert!(prints.iter().skip(n + 1).all(|other| !found(print, other)));
        assert!(found(print, &print.clone()));
    }
}

#[test]
fn features_are_told_by_their_values_alone() {
    let print = |value: f32| fingerprint(Recording::Features(array![[value, 2.0], [3.0, 4.0]]));
    assert!(found(&print(1.0), &print(1.0)) && !found(&print(1.0), &print(1.5)));
    assert!(!print(1.0).is_acoustic());
}

#[test]
fn a_recording_that_cannot_be_resampled_says_why() {
    let waveform = Waveform::new(vec![0.25; 3_000], 1_000).unwrap();
    let error = Fingerprinter::new().unwrap().fingerprint(&waveform.into()).unwrap_err();
    assert!(error.to_string().contains("1000"), "{error}");
}
