//! What several tests share.

use ser_audio::Waveform;
use ser_augment::{Chain, ChainOptions, Draw, WaveformStep};

/// A voice-like sound: harmonics of a gliding tone, louder and softer.
pub fn voice(seconds: f64, sample_rate: u32) -> Waveform {
    let n = (seconds * f64::from(sample_rate)) as usize;
    let sample = |i: usize| {
        let t = i as f64 / f64::from(sample_rate);
        let phase = 700.0 * t + 100.0 * t * t;
        let sum: f64 = (1..12).map(|k| (f64::from(k) * phase).sin() / f64::from(k)).sum();
        (0.2 * sum * (0.6 + 0.4 * (9.0 * t).sin())) as f32
    };
    Waveform::new((0..n).map(sample).collect(), sample_rate).unwrap()
}

pub fn draw(utterance: &str) -> Draw<'_> {
    Draw { seed: 5, utterance, epoch: 1 }
}

pub fn chain(steps: impl IntoIterator<Item = WaveformStep>) -> Chain {
    Chain::new(ChainOptions { waveform: steps.into_iter().collect(), ..ChainOptions::default() }).unwrap()
}

pub fn apply(step: WaveformStep, waveform: &Waveform) -> Waveform {
    chain([step]).apply(waveform, &draw("voice")).unwrap()
}
