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
fn a_knock_in_a_pause_is_a_stretch_like_others() {
    let config = format!(
        "{}\n[audio]\nsilence = {{ trim = {{ top-db = 35.0 }} }}\n[features]\nhop_length = 160\ndeltas = [{{ width = 25 }}]\n\
         [normalizer]\nutterance_mean = \"keep\"",
        common::CONFIG
    );
    let recognizer = Recognizer::from_bytes(&trained(&config)).unwrap();
    let voice = speak(Speaker::numbered(12), Emotion::Sad, 5, 1.0);
    let rate = voice.sample_rate() as usize;
    // Trimmed, a fortieth of a second is less than 25 frames.
    let knock = (0..rate).map(|n| if (rate / 2..rate / 2 + rate / 40).contains(&n) { 0.5 } else { 0.0 });
    let knock: Vec<f32> = knock.enumerate().map(|(n, x)| if n % 2 == 0 { x } else { -x }).collect();
    let scene = Waveform::new([voice.samples(), &knock, voice.samples()].concat(), voice.sample_rate()).unwrap();
    let timeline = recognizer.timeline(&scene, 1.0).unwrap();
    assert_eq!(timeline.len(), 3);
    let mut live = recognizer.live(voice.sample_rate(), 1.0).unwrap();
    let heard = live.push(scene.samples()).unwrap().len() + live.finish().unwrap().len();
    assert_eq!(heard, 3);
}

#[test]
fn an_option_out_of_range_is_refused_before_anything_is_read() {
    let config: Config = "[audio]\nsilence = { trim = { top-db = -3.0 } }".parse().unwrap();
    let error = train(&config, &Corpus::new(Vec::new()), |_| ()).unwrap_err().to_string();
    assert!(error.contains("top-db") && error.contains("-3"), "{error}");
}
