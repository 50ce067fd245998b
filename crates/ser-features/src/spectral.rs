//! The shape of a magnitude spectrum in one number a frame.

use ndarray::ArrayRef2;
use serde::{Deserialize, Serialize};

use crate::Error;

/// Sums kept side by side: independent, so that they are vectorised.
const LANES: usize = 8;

/// Describes the spectral bandwidth. The default is librosa's, 2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BandwidthOptions {
    /// Power to which deviations from the centroid are raised, 0.01 to 32. Default 2, a standard deviation.
    pub p: f32,
}

impl Default for BandwidthOptions {
    fn default() -> Self {
        Self { p: 2.0 }
    }
}

impl BandwidthOptions {
    pub(crate) fn check(&self) -> Result<(), Error> {
        // Within these the power of any distance in hertz, and its root, stay finite and precise in float64.
        if !(0.01..=32.0).contains(&self.p) {
            return Err(Error::option("p", self.p, "0.01 to 32"));
        }
        Ok(())
    }
}

/// Describes the spectral roll-off. The default is librosa's, 0.85.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RolloffOptions {
    /// Part of the summed magnitude that lies at or below the roll-off frequency, between 0 and 1. Default 0.85.
    pub roll_percent: f32,
}

impl Default for RolloffOptions {
    fn default() -> Self {
        Self { roll_percent: 0.85 }
    }
}

impl RolloffOptions {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if !(self.roll_percent > 0.0 && self.roll_percent < 1.0) {
            return Err(Error::option("roll_percent", self.roll_percent, "above 0 and below 1"));
        }
        Ok(())
    }
}

/// Describes the spectral flatness. The default is librosa's: power 2, floor 1e-10.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FlatnessOptions {
    /// Power to which magnitudes are raised first, above 0, at most 4. Default 2.
    pub power: f32,
    /// Least value of a magnitude so raised, above 0. Default 1e-10.
    pub amin: f32,
}

impl Default for FlatnessOptions {
    fn default() -> Self {
        Self { power: 2.0, amin: 1e-10 }
    }
}

impl FlatnessOptions {
    pub(crate) fn check(&self) -> Result<(), Error> {
        // The fourth power of any float32 is finite in float64.
        if !(self.power > 0.0 && self.power <= 4.0) {
            return Err(Error::option("power", self.power, "above 0 and at most 4"));
        }
        if !(self.amin > 0.0 && self.amin.is_finite()) {
            return Err(Error::option("amin", self.amin, "finite and above 0"));
        }
        Ok(())
    }
}

/// Computes the spectral centroid of every frame in hertz: the mean frequency, weighted by magnitude.
///
/// `Σ f[k] S[k] / Σ S[k]` over a magnitude spectrogram `[frames, 1 + n_fft / 2]`, 0 to half the sample rate; 0 for a
/// silent frame. Equal to `librosa.feature.spectral_centroid(S=...)` (0.11.0).
///
/// ```
/// use ser_features::{Stft, StftOptions, spectral_centroid};
///
/// let stft = Stft::new(&StftOptions { n_fft: 64, hop_length: 16, win_length: 64, center: false, ..StftOptions::default() })?;
/// // Eight samples a period: 1,000 Hz at 8,000 Hz.
/// let tone: Vec<f32> = (0..256).map(|n| (n as f32 * std::f32::consts::TAU / 8.0).sin()).collect();
/// let centroids = spectral_centroid(&stft.magnitude(&tone)?, 8000, 64)?;
/// assert!(centroids.iter().all(|centroid| (centroid - 1000.0).abs() < 0.1));
/// # Ok::<(), ser_features::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::BinCount`] where frames do not have `1 + n_fft / 2` bins, [`Error::InvalidOption`] where `sample_rate` or
/// `n_fft` is 0, or a magnitude is negative or not finite.
pub fn spectral_centroid(magnitude: &ArrayRef2<f32>, sample_rate: u32, n_fft: usize) -> Result<Vec<f32>, Error> {
    check_bins(magnitude, "n_fft", n_fft)?;
    let frequencies = frequencies(sample_rate, n_fft)?;
    map_frames(magnitude, |frame| centroid(frame, &frequencies))
}

/// Computes the spectral bandwidth of every frame in hertz: the deviation of frequencies from the centroid, weighted
/// by magnitude.
///
/// `(Σ S[k] |f[k] - centroid|^p / Σ S[k])^(1/p)` over a magnitude spectrogram `[frames, 1 + n_fft / 2]`, 0 or more; 0
/// for a silent frame. Equal to `librosa.feature.spectral_bandwidth(S=..., p=...)` (0.11.0; `norm=True`).
///
/// # Errors
///
/// As [`spectral_centroid`], and [`Error::InvalidOption`] where `p` is out of its range.
pub fn spectral_bandwidth(
    magnitude: &ArrayRef2<f32>,
    sample_rate: u32,
    n_fft: usize,
    options: &BandwidthOptions,
) -> Result<Vec<f32>, Error> {
    options.check()?;
    check_bins(magnitude, "n_fft", n_fft)?;
    let frequencies = frequencies(sample_rate, n_fft)?;
    map_frames(magnitude, |frame| bandwidth(frame, &frequencies, centroid(frame, &frequencies), options.p))
}

/// Computes the roll-off frequency of every frame in hertz: that of the lowest bin up to which `roll_percent` of the
/// summed magnitude lies.
///
/// Over a magnitude spectrogram `[frames, 1 + n_fft / 2]`, 0 to half the sample rate; 0 for a silent frame. Equal to
/// `librosa.feature.spectral_rolloff(S=...)` (0.11.0) bin by bin: summed in float32 and in the same order.
///
/// # Errors
///
/// As [`spectral_centroid`], and [`Error::InvalidOption`] where `roll_percent` is out of its range.
pub fn spectral_rolloff(
    magnitude: &ArrayRef2<f32>,
    sample_rate: u32,
    n_fft: usize,
    options: &RolloffOptions,
) -> Result<Vec<f32>, Error> {
    options.check()?;
    check_bins(magnitude, "n_fft", n_fft)?;
    let frequencies = frequencies(sample_rate, n_fft)?;
    map_frames(magnitude, |frame| rolloff(frame, &frequencies, options.roll_percent))
}

/// Computes the spectral flatness of every frame: near 0 for a tone, towards 1 for white noise.
///
/// The geometric mean of `max(amin, S[k]^power)` divided by its arithmetic mean, over a magnitude spectrogram
/// `[frames, bins]`, above 0 and at most 1; 1 for a silent frame. Equal to `librosa.feature.spectral_flatness(S=...)`
/// (0.11.0).
///
/// # Errors
///
/// [`Error::InvalidOption`] where an option is out of its range or there is no bin, or a magnitude is negative or not finite.
pub fn spectral_flatness(magnitude: &ArrayRef2<f32>, options: &FlatnessOptions) -> Result<Vec<f32>, Error> {
    options.check()?;
    if magnitude.ncols() == 0 {
        return Err(Error::option("magnitude", "[frames, 0]", "at least one bin"));
    }
    map_frames(magnitude, |frame| flatness(frame, options))
}

/// Computes the root mean square of every frame from its magnitude spectrum, 0 or more.
///
/// By Parseval's theorem, over `[frames, 1 + frame_length / 2]`: `√(2 Σ S[k]² / frame_length²)`, the squares of the
/// first bin and of the one at half the sample rate halved. It is the level of the frame under its window: a Hann window
/// takes 4.3 dB off that of [`rms`](crate::rms). Equal to `librosa.feature.rms(S=..., frame_length=...)` (0.11.0).
///
/// # Errors
///
/// [`Error::BinCount`] where frames do not have `1 + frame_length / 2` bins, [`Error::InvalidOption`] where
/// `frame_length` is 0, or a magnitude is negative or not finite.
pub fn rms_from_spectrogram(magnitude: &ArrayRef2<f32>, frame_length: usize) -> Result<Vec<f32>, Error> {
    check_bins(magnitude, "frame_length", frame_length)?;
    map_frames(magnitude, |frame| rms_of_spectrum(frame, frame_length))
}

/// Gives the frequency of each of the `1 + n_fft / 2` bins in hertz: `librosa.fft_frequencies`.
pub(crate) fn frequencies(sample_rate: u32, n_fft: usize) -> Result<Vec<f32>, Error> {
    if sample_rate == 0 {
        return Err(Error::option("sample_rate", sample_rate, "1 Hz or more"));
    }
    let resolution = f64::from(sample_rate) / n_fft as f64;
    Ok((0..=n_fft / 2).map(|bin| (bin as f64 * resolution) as f32).collect())
}

pub(crate) fn centroid(frame: &[f32], frequencies: &[f32]) -> f32 {
    let weighted = sum(frame, frequencies, |magnitude, frequency| f64::from(magnitude) * f64::from(frequency));
    (weighted / norm(frame)) as f32
}

pub(crate) fn bandwidth(frame: &[f32], frequencies: &[f32], centroid: f32, p: f32) -> f32 {
    let (centroid, p) = (f64::from(centroid), f64::from(p));
    let weighted = sum(frame, frequencies, |magnitude, frequency| {
        f64::from(magnitude) * power((f64::from(frequency) - centroid).abs(), p)
    });
    (weighted / norm(frame)).powf(1.0 / p) as f32
}

pub(crate) fn rolloff(frame: &[f32], frequencies: &[f32], roll_percent: f32) -> f32 {
    let threshold = roll_percent * frame.iter().sum::<f32>();
    let mut total = 0.0;
    let reached = frame.iter().position(|magnitude| {
        total += magnitude;
        total >= threshold
    });
    reached.map_or(0.0, |bin| frequencies[bin])
}

/// Takes the logarithm of whole products rather than of each value, exponents and mantissas apart.
pub(crate) fn flatness(frame: &[f32], options: &FlatnessOptions) -> f32 {
    const MANTISSA_BITS: u32 = f64::MANTISSA_DIGITS - 1;
    const MANTISSA: u64 = (1 << MANTISSA_BITS) - 1;
    /// A product of so many mantissas, each below 2, is finite.
    const BLOCK: usize = 512;

    let (exponent, amin) = (f64::from(options.power), f64::from(options.amin));
    let (mut sum, mut sum_of_logs) = (0.0, 0.0);
    for block in frame.chunks(BLOCK) {
        let (mut exponents, mut mantissas) = (0, 1.0);
        for &magnitude in block {
            let value = power(f64::from(magnitude), exponent).max(amin);
            let bits = value.to_bits();
            sum += value;
            exponents += (bits >> MANTISSA_BITS) as i64 - 1023;
            mantissas *= f64::from_bits(bits & MANTISSA | 1.0_f64.to_bits());
        }
        sum_of_logs += exponents as f64 * std::f64::consts::LN_2 + mantissas.ln();
    }
    let n_bins = frame.len() as f64;
    ((sum_of_logs / n_bins).exp() / (sum / n_bins)) as f32
}

pub(crate) fn rms_of_spectrum(frame: &[f32], frame_length: usize) -> f32 {
    let square = |magnitude: Option<&f32>| magnitude.map_or(0.0, |&value| f64::from(value).powi(2));
    let nyquist = if frame_length.is_multiple_of(2) { square(frame.last()) } else { 0.0 };
    let energy = 2.0 * sum(frame, frame, |a, b| f64::from(a) * f64::from(b)) - square(frame.first()) - nyquist;
    (energy.sqrt() / frame_length as f64) as f32
}

pub(crate) fn check_magnitude(magnitude: &ArrayRef2<f32>) -> Result<(), Error> {
    match magnitude.iter().find(|value| !(0.0..f32::INFINITY).contains(*value)) {
        Some(value) => Err(Error::option("magnitude", value, "finite and 0 or more")),
        None => Ok(()),
    }
}

fn check_bins(magnitude: &ArrayRef2<f32>, name: &'static str, length: usize) -> Result<(), Error> {
    if length == 0 {
        return Err(Error::option(name, length, "1 or more"));
    }
    if magnitude.ncols() != 1 + length / 2 {
        return Err(Error::BinCount { expected: 1 + length / 2, actual: magnitude.ncols() });
    }
    Ok(())
}

fn map_frames(magnitude: &ArrayRef2<f32>, kernel: impl Fn(&[f32]) -> f32) -> Result<Vec<f32>, Error> {
    check_magnitude(magnitude)?;
    let mut frame = Vec::with_capacity(magnitude.ncols());
    let values = magnitude.rows().into_iter().map(|row| {
        frame.clear();
        frame.extend(row);
        kernel(&frame)
    });
    Ok(values.collect())
}

/// Sums magnitudes, but gives 1 for a silent frame, as `librosa.util.normalize` does: the quotient is then about 0.
fn norm(frame: &[f32]) -> f64 {
    let sum = sum(frame, frame, |magnitude, _| f64::from(magnitude));
    if sum < f64::from(f32::MIN_POSITIVE) { 1.0 } else { sum }
}

fn power(value: f64, exponent: f64) -> f64 {
    if exponent == 2.0 { value * value } else { value.powf(exponent) }
}

/// Sums `term` over two slices of one length.
fn sum(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f64) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            *sum += term(a, b);
        }
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(&a, &b)| term(a, b)).sum::<f64>()
}
