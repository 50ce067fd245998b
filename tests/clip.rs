//! The clip that comes with the examples is what the synthesizer of these tests makes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::voice::{Speaker, speak};
use common::{pcm, write_wav};
use ser_core::Emotion;

const CLIP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/synthetic.wav");

fn clip() -> ser_core::Waveform {
    speak(Speaker::numbered(4), Emotion::Happy, 3, 2.0)
}

#[test]
fn the_committed_clip_is_what_the_synthesizer_makes() {
    let committed: Vec<i16> = hound::WavReader::open(CLIP).unwrap().into_samples().map(Result::unwrap).collect();
    let made = pcm(&clip());
    assert_eq!(committed.len(), made.len());
    // Another machine's `sin` may move a value across the edge between two integers.
    let off = committed.iter().zip(&made).position(|(a, b)| a.abs_diff(*b) > 1);
    assert_eq!(off, None, "index of the first sample that is more than 1 away");
}

#[test]
#[ignore = "rewrites examples/data/synthetic.wav"]
fn write_the_clip() {
    write_wav(CLIP.as_ref(), &clip());
}
