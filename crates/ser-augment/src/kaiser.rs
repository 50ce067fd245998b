//! Kaiser's window, and filters designed with it.

use std::f64::consts::PI;

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

pub(crate) fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// Kaiser's window for a rejection in decibels, 50 or more.
pub(crate) struct Kaiser {
    beta: f64,
    at_centre: f64,
}

impl Kaiser {
    pub(crate) fn new(rejection: f64) -> Self {
        let beta = 0.1102 * (rejection - 8.7);
        Self { beta, at_centre: bessel_i0(beta) }
    }

    /// Gives the window at `x`: 1 at 0, and 0 beyond ±1.
    pub(crate) fn at(&self, x: f64) -> f64 {
        if x.abs() > 1.0 { 0.0 } else { bessel_i0(self.beta * (1.0 - x * x).sqrt()) / self.at_centre }
    }
}

/// The modified Bessel function of order 0, by its power series.
pub(crate) fn bessel_i0(x: f64) -> f64 {
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
