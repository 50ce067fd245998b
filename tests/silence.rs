//! Silence that a model removes from every recording, in training and in use.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::trained;
use common::voice::{Speaker, speak};
use ser_core::{Config, Corpus, Emotion, Recognizer, Waveform, train};

fn with(audio: &str) -> Recognizer {
    Recognizer::from_bytes(&trained(&format!("{}\n[audio]\n{audio}", common::CONFIG))).unwrap()
}

/// A voice with digital silence before and after it, in hops: so the frames by which silence is found lie alike.
fn padded(voice: &Waveform, hops: usize) -> Waveform {
    let silence = vec![0.0; hops * 512];
    Waveform::new([&silence, voice.samples(), &silence].concat(), voice.sample_rate()).unwrap()
}

#[test]
fn pauses_at_the_ends_change_nothing_where_they_are_removed() {
    let voice = speak(Speaker::numbered(12), Emotion::Sad, 5, 1.0);
    let keeps = with("level = 'peak'");
    let [short, long] = [10, 40].map(|hops| padded(&voice, hops));
    assert_ne!(keeps.recognize(&long).unwrap(), keeps.recognize(&short).unwrap());
    let trims = with("silence = { trim = { top-db = 35.0 } }");
    let [long_heard, short_heard] = [&long, &short].map(|waveform| trims.recognize(waveform).unwrap());
    // The offset is the mean of all that was recorded.
    let pairs = long_heard.probabilities().iter().zip(short_heard.probabilities());
    assert!(pairs.into_iter().all(|((_, p), (_, q))| (p - q).abs() < 1e-3), "{long_heard:?} {short_heard:?}");
    let attribution = trims.attribution(&long).unwrap();
    assert!(attribution.waveform.samples().len() <= voice.samples().len() + 2 * 2048);
}

#[test]
fn an_option_out_of_range_is_refused_before_anything_is_read() {
    let config: Config = "[audio]\nsilence = { trim = { top-db = -3.0 } }".parse().unwrap();
    let error = train(&config, &Corpus::new(Vec::new()), |_| ()).unwrap_err().to_string();
    assert!(error.contains("top-db") && error.contains("-3"), "{error}");
}
