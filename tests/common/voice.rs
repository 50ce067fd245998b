//! A voice that nobody owns: glottal pulses and breath through three moving formants (Fant's source and filter).
//!
//! It is computed in f64 from a fixed recurrence, so that machines whose `sin` and `exp` differ in the last bit still
//! round to the same 16-bit samples but for ties.

use ser_core::{Emotion, Waveform};
use std::f64::consts::{PI, TAU};

pub const SAMPLE_RATE: u32 = 16_000;

/// F1 to F3 in hertz of the vowels in father, met, see, saw and boot: means of men, Peterson & Barney (1952).
const VOWELS: [[f64; 3]; 5] = [
    [730.0, 1090.0, 2440.0],
    [530.0, 1840.0, 2480.0],
    [270.0, 2290.0, 3010.0],
    [570.0, 840.0, 2410.0],
    [300.0, 870.0, 2240.0],
];
/// Bandwidths of the formants in hertz.
const BANDWIDTHS: [f64; 3] = [60.0, 90.0, 150.0];
/// A syllable glides from the vowel before it during this part of its time, and is breathy for as long.
const ONSET: f64 = 0.3;

/// Who speaks.
#[derive(Clone, Copy)]
pub struct Speaker {
    /// Median fundamental frequency in hertz.
    pub pitch: f64,
    /// What the formants are multiplied by: above 1 for a vocal tract that is shorter than that of the mean man.
    pub tract: f64,
}

impl Speaker {
    /// A speaker of each number: men have odd ones, as in RAVDESS.
    pub fn numbered(number: u8) -> Self {
        let step = f64::from(number / 2 % 6);
        match number % 2 {
            0 => Self { pitch: 185.0 + 7.0 * step, tract: 1.12 + 0.02 * step },
            _ => Self { pitch: 98.0 + 6.0 * step, tract: 0.94 + 0.02 * step },
        }
    }
}

/// How it is spoken.
#[derive(Clone, Copy)]
struct Style {
    /// What the speaker's pitch is multiplied by.
    pitch: f64,
    /// How far each syllable's accent rises, in semitones.
    range: f64,
    /// Syllables a second.
    rate: f64,
    /// The peak of the samples.
    level: f64,
    /// How much of the source's high frequencies two low-pass filters take away: 0 (bright) to below 1 (dull).
    tilt: f64,
}

impl Style {
    fn of(emotion: Emotion) -> Self {
        let (pitch, range, rate, level, tilt) = match emotion {
            Emotion::Angry => (1.35, 7.0, 5.5, 0.95, 0.05),
            Emotion::Boredom => (0.85, 1.0, 2.5, 0.4, 0.8),
            Emotion::Calm => (0.95, 2.0, 3.0, 0.5, 0.7),
            Emotion::Disgust => (0.9, 5.0, 2.2, 0.6, 0.3),
            Emotion::Fear => (1.75, 2.5, 6.5, 0.6, 0.55),
            Emotion::Happy => (1.5, 9.0, 4.5, 0.8, 0.3),
            Emotion::Sad => (0.85, 1.5, 2.2, 0.3, 0.85),
            Emotion::Surprise => (1.8, 12.0, 3.0, 0.8, 0.25),
            _ => (1.0, 3.0, 3.7, 0.6, 0.5),
        };
        Self { pitch, range, rate, level, tilt }
    }
}

/// Speaks for some seconds; the seed chooses the vowels, the accents and the noise.
pub fn speak(speaker: Speaker, emotion: Emotion, seed: u64, seconds: f64) -> Waveform {
    let style = Style::of(emotion);
    let rate = f64::from(SAMPLE_RATE);
    let n_samples = (seconds * rate) as usize;
    let mut noise = Noise(seed);
    let syllables: Vec<([f64; 3], f64)> = (0..=(seconds * style.rate) as usize)
        .map(|_| (VOWELS[(noise.next() * 5.0) as usize % 5], 0.4 + 0.6 * noise.next()))
        .collect();

    let mut formants = [[0.0; 2]; 3];
    let (mut phase, mut pulse_before, mut dull, mut dull_twice) = (0.0, 0.0, 0.0, 0.0);
    let samples: Vec<f64> = (0..n_samples)
        .map(|n| {
            let time = n as f64 / rate;
            let place = time * style.rate;
            let (syllable, within) = (place as usize, place.fract());
            let (vowel, accent) = syllables[syllable];
            let (vowel_before, _) = syllables[syllable.saturating_sub(1)];
            let glide = smooth(within / ONSET);

            let vibrato = 0.25 * (TAU * 5.5 * time).sin();
            let contour = style.range * accent * (PI * within).sin() - 3.0 * time / seconds;
            phase += speaker.pitch * style.pitch * ((contour + vibrato) / 12.0).exp2() / rate;
            let pulse = glottal_flow(phase.fract());
            let voiced = glide * (pulse - pulse_before);
            pulse_before = pulse;
            let breath = (noise.next() - 0.5) * (0.012 + 0.1 * (1.0 - glide)) * (0.4 + pulse);

            dull += (1.0 - style.tilt) * (voiced - dull);
            dull_twice += (1.0 - 0.5 * style.tilt) * (dull - dull_twice);
            let loudness = smooth(within / 0.15) * smooth((1.0 - within) / 0.2) * smooth((seconds - time) / 0.05);
            let source = (dull_twice + breath) * loudness;
            (0..3).fold(source, |sound, k| {
                let hertz = speaker.tract * (vowel_before[k] + glide * (vowel[k] - vowel_before[k]));
                resonate(&mut formants[k], sound, hertz / rate, BANDWIDTHS[k] / rate)
            })
        })
        .collect();

    let peak = samples.iter().fold(0.0, |peak: f64, x| peak.max(x.abs()));
    let scaled = samples.iter().map(|x| (x / peak * style.level) as f32);
    Waveform::new(scaled.collect(), SAMPLE_RATE).unwrap()
}

/// The flow through the glottis at a phase from 0 to 1: opens, closes faster, stays closed (Rosenberg 1971, type B).
fn glottal_flow(phase: f64) -> f64 {
    const OPENING: f64 = 0.4;
    const CLOSING: f64 = 0.16;
    if phase < OPENING {
        0.5 - 0.5 * (PI * phase / OPENING).cos()
    } else if phase < OPENING + CLOSING {
        (0.5 * PI * (phase - OPENING) / CLOSING).cos()
    } else {
        0.0
    }
}

/// Klatt's digital resonator (1980): two poles, gain 1 at 0 Hz; frequency and bandwidth in cycles a sample.
fn resonate(past: &mut [f64; 2], input: f64, frequency: f64, bandwidth: f64) -> f64 {
    let radius = (-PI * bandwidth).exp();
    let (b, c) = (2.0 * radius * (TAU * frequency).cos(), -radius * radius);
    let output = (1.0 - b - c) * input + b * past[0] + c * past[1];
    *past = [output, past[0]];
    output
}

/// From 0 to 1 without corners.
fn smooth(x: f64) -> f64 {
    let x = x.clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

/// Uniform numbers from 0 to 1: Knuth's 64-bit linear congruential generator (MMIX).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / f64::from(1 << 24)
    }
}
