use std::f64::consts::PI;
use std::sync::LazyLock;

use crate::fourier::Fourier;

/// soxr 0.1.3's quality `HQ`, as librosa uses it: a pass-band to 0.91363 of the lower Nyquist frequency, half of the
/// amplitude midway from there to that frequency, and a Kaiser window of 22 bits. Tones through soxr gave the midpoint
/// (0.95686), the length and the shape of the window.
const PASS_BAND: f64 = 0.913_63;
const REJECTION: f64 = 133.0;

/// The interpolating kernel: its cutoff in cycles a sample of the doubled rate, half its length in such samples, its
/// rejection in decibels. They too were fitted to soxr, whose gain falls by 8e-4 towards 0.9 of the Nyquist frequency.
const CUTOFF: f64 = 0.46;
const HALF: f64 = 7.0;
const INTERPOLATION_REJECTION: f64 = 122.0;

/// Taps of the interpolating kernel, in whole vectors, and the number of its positions between two samples.
const TAPS: usize = 16;
const PHASES: usize = 256;

/// The interpolating kernel at one position, and what it rises by up to the next.
struct Row {
    weights: [f32; TAPS],
    rise: [f32; TAPS],
}

/// Resamples by any ratio: sample `i` of the result is the band-limited signal at sample `i · step` of the input,
/// without delay. Before its beginning and after its end the signal counts as silence.
///
/// As soxr does it: a low-pass at twice the rate, by FFT, then interpolation by a short kernel.
pub(crate) fn resample(fourier: &Fourier, samples: &[f32], step: f64, len: usize) -> Vec<f32> {
    // Frequencies in cycles a sample of the doubled rate, where the signal's Nyquist frequency is 1/4.
    let nyquist = 0.25 / step.max(1.0);
    let mut kernel = low_pass(nyquist * (1.0 + PASS_BAND) / 2.0, nyquist * (1.0 - PASS_BAND), REJECTION);
    kernel.iter_mut().for_each(|k| *k *= 2.0);
    let mut doubled = fourier.convolve_upsampled(samples, &kernel, 2);

    // The kernel's delay leaves room for the interpolation before the first position; zeros make room after the last.
    let first = kernel.len() / 2 + 1 - TAPS / 2;
    // What the low-pass rings before the first sample is dropped, as soxr does.
    doubled[..kernel.len() / 2].fill(0.0);
    doubled.resize(doubled.len().max((2.0 * step * len as f64) as usize + first + TAPS), 0.0);
    let rows = &*INTERPOLATION;
    let sample = |i: usize| {
        let position = 2.0 * step * i as f64;
        // Signed numbers are what processors convert in one instruction.
        let whole = position as i64;
        let phase = (position - whole as f64) * PHASES as f64;
        let row = phase as i32;
        let between = (phase - f64::from(row)) as f32;
        let around = doubled[whole as usize + first..].first_chunk();
        around.map_or(0.0, |samples| interpolate(&rows[row as usize], between, samples))
    };
    (0..len).map(sample).collect()
}

/// Adds in a tree, as vector instructions can.
#[inline]
fn interpolate(row: &Row, between: f32, samples: &[f32; TAPS]) -> f32 {
    let mut sums: [f32; TAPS] = std::array::from_fn(|tap| (row.weights[tap] + between * row.rise[tap]) * samples[tap]);
    for tap in 0..8 {
        sums[tap] += sums[tap + 8];
    }
    for tap in 0..4 {
        sums[tap] += sums[tap + 4];
    }
    (sums[0] + sums[2]) + (sums[1] + sums[3])
}

/// The interpolating kernel at every phase from 0 to 1. At the doubled rate the signal ends below half of the Nyquist
/// frequency and its images begin above one and a half, so the filter may fall slowly in between.
static INTERPOLATION: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let window = Kaiser::new(INTERPOLATION_REJECTION);
    let weights = |position: usize| -> [f64; TAPS] {
        let at = |tap: usize| (tap + 1) as f64 - (TAPS / 2) as f64 - position as f64 / PHASES as f64;
        let weights = std::array::from_fn(|tap| sinc(2.0 * CUTOFF * at(tap)) * window.at(at(tap) / HALF));
        let sum: f64 = weights.iter().sum();
        weights.map(|weight| weight / sum)
    };
    let row = |position: usize| {
        let (here, next) = (weights(position), weights(position + 1));
        Row {
            weights: here.map(|weight| weight as f32),
            rise: std::array::from_fn(|tap| (next[tap] - here[tap]) as f32),
        }
    };
    (0..PHASES).map(row).collect()
});

/// Designs a linear-phase low-pass of odd length by Kaiser's window; its sum is 1.
///
/// `cutoff` (half the amplitude) and `transition` (from the end of the pass-band to the stop-band) are in cycles a
/// sample, `rejection` in decibels (50 or more): Oppenheim and Schafer, Discrete-Time Signal Processing, 7.6.
pub(crate) fn low_pass(cutoff: f64, transition: f64, rejection: f64) -> Vec<f32> {
    let half = ((rejection - 7.95) / (2.285 * 2.0 * PI * transition) / 2.0).ceil();
    let window = Kaiser::new(rejection);
    let weight = |n: f64| 2.0 * cutoff * sinc(2.0 * cutoff * n) * window.at(n / (half + 1.0));
    let right: Vec<f64> = (1..=half as usize).map(|n| weight(n as f64)).collect();
    let sum = weight(0.0) + 2.0 * right.iter().sum::<f64>();
    let left = right.iter().rev().copied();
    left.chain([weight(0.0)]).chain(right.iter().copied()).map(|weight| (weight / sum) as f32).collect()
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// Kaiser's window for a rejection in decibels, 50 or more.
struct Kaiser {
    beta: f64,
    at_centre: f64,
}

impl Kaiser {
    fn new(rejection: f64) -> Self {
        let beta = 0.1102 * (rejection - 8.7);
        Self { beta, at_centre: bessel_i0(beta) }
    }

    /// Gives the window at `x`: 1 at 0, and 0 beyond ±1.
    fn at(&self, x: f64) -> f64 {
        if x.abs() > 1.0 { 0.0 } else { bessel_i0(self.beta * (1.0 - x * x).sqrt()) / self.at_centre }
    }
}

/// The modified Bessel function of order 0, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let mut sum = 1.0;
    let mut term = 1.0;
    let mut k = 1.0;
    while term > 1e-12 * sum {
        term *= (x / (2.0 * k)).powi(2);
        sum += term;
        k += 1.0;
    }
    sum
}
