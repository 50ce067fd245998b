#![allow(dead_code, missing_docs, reason = "each test file uses some of it")]

use std::f64::consts::PI;
use std::path::{Path, PathBuf};

pub fn asset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/assets").join(name)
}

pub fn asset_bytes(name: &str) -> Vec<u8> {
    std::fs::read(asset(name)).unwrap()
}

/// The reference samples that `make_assets.py` wrote.
pub fn reference(name: &str) -> Vec<f32> {
    asset_bytes(name).chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// The left channel of `make_assets.py`, as 16-bit samples.
pub fn left(i: i32) -> i32 {
    i * 7919 % 20011 - 10005
}

/// The right channel of `make_assets.py`, as 16-bit samples.
pub fn right(i: i32) -> i32 {
    i * 10473 % 15013 - 7506
}

/// What averaging [`left`] and [`right`] must give.
pub fn stereo_mean() -> Vec<f32> {
    (0..1500).map(|i| (left(i) + right(i)) as f32 / 65536.0).collect()
}

/// `tones` of `make_assets.py`: sines `(hertz, amplitude)` under a Hann window.
pub fn tones(rate: u32, n: usize, pairs: &[(f64, f64)]) -> Vec<f32> {
    (0..n)
        .map(|i| {
            let t = i as f64 / f64::from(rate);
            let hann = 0.5 - 0.5 * (2.0 * PI * (i as f64 + 0.5) / n as f64).cos();
            let sum: f64 = pairs.iter().map(|(f, a)| a * (2.0 * PI * f * t).sin()).sum();
            (hann * sum) as f32
        })
        .collect()
}

pub fn max_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold(0.0, |max, (x, y)| f32::max(max, (x - y).abs()))
}

/// The error and its causes in one line, as a program prints them.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source());
    causes.map(|e| e.to_string()).collect::<Vec<_>>().join(": ")
}
