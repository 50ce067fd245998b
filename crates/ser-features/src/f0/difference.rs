//! YIN's cumulative mean normalised difference function, which YIN and pYIN read their periods from.

use std::fmt;
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use crate::frame::Signal;
use crate::{Error, Framing, PadMode};

/// Added to every mean that is divided by.
const TINY: f64 = f64::MIN_POSITIVE;

/// Correlations smaller than this share of the energy are the transform's rounding, some 1e-16.
const ROUNDING: f64 = 1e-14;

/// The difference function `d'(k)` over the periods from `fmax` to `fmin`, in float64.
#[derive(Clone)]
pub(super) struct Difference {
    framing: Framing,
    sample_rate: f64,
    min_period: usize,
    max_period: usize,
    forward: Arc<dyn RealToComplex<f64>>,
    inverse: Arc<dyn ComplexToReal<f64>>,
}

/// The buffers of a [`Yin`](crate::Yin), kept by the caller between calls. One fits every plan: it grows as needed.
#[derive(Debug, Clone, Default)]
pub struct YinScratch {
    pub(super) frame: Vec<f32>,
    /// The frame and zeros; then its autocorrelation.
    signal: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    fft: Vec<Complex<f64>>,
    difference: Vec<f64>,
}

impl Difference {
    pub(super) fn new(
        (fmin, fmax): (f32, f32),
        frame_length: usize,
        sample_rate: u32,
        hop_length: usize,
        center: bool,
    ) -> Result<Self, Error> {
        let framing = Framing::new(frame_length, hop_length, center)?;
        if sample_rate == 0 {
            return Err(Error::option("sample_rate", sample_rate, "1 Hz or more"));
        }
        let sample_rate = f64::from(sample_rate);
        let nyquist = sample_rate / 2.0;
        if !(fmax > 0.0 && f64::from(fmax) <= nyquist) {
            return Err(Error::option("fmax", fmax, format!("above 0 and at most half the sample rate, {nyquist} Hz")));
        }
        if !(fmin > 0.0 && fmin < fmax) {
            return Err(Error::option("fmin", fmin, format!("above 0 and below fmax = {fmax} Hz")));
        }
        let longest = sample_rate / f64::from(fmin);
        if longest >= (frame_length - 1) as f64 {
            let required = longest.floor() + 2.0;
            let allowed = format!("{required} samples or more, to hold a period of fmin = {fmin} Hz");
            return Err(Error::option("frame_length", frame_length, allowed));
        }

        let (min_period, max_period) = ((sample_rate / f64::from(fmax)) as usize, longest.ceil() as usize);
        // Zeros as long as the longest lag keep the circular correlation from reaching around.
        let n_fft = fast_length(frame_length + max_period);
        let mut planner = RealFftPlanner::new();
        let (forward, inverse) = (planner.plan_fft_forward(n_fft), planner.plan_fft_inverse(n_fft));
        Ok(Self { framing, sample_rate, min_period, max_period, forward, inverse })
    }

    pub(super) fn framing(&self) -> &Framing {
        &self.framing
    }

    /// Counts the periods looked at, 2 or more.
    pub(super) fn n_periods(&self) -> usize {
        self.max_period - self.min_period + 1
    }

    /// Copies frame `index` of checked samples with its padding into `frame`.
    pub(super) fn cut(&self, signal: Signal, index: usize, frame: &mut Vec<f32>) {
        frame.resize(self.framing.frame_length(), 0.0);
        signal.copy(self.framing.first_sample(index), PadMode::Zero, frame);
    }

    /// Computes `d'(k) = k d(k) / Σ d(1..=k)` of one complete frame, `d(k) = Σ (y[n] - y[n + k])²` with zeros past
    /// the frame; element 0 belongs to the shortest period.
    pub(super) fn process<'a>(&self, frame: &[f32], scratch: &'a mut YinScratch) -> &'a [f64] {
        let YinScratch { signal, spectrum, fft, difference, .. } = scratch;
        let n_fft = self.forward.len();
        signal.clear();
        signal.extend(frame.iter().map(|&sample| f64::from(sample)));
        signal.resize(n_fft, 0.0);
        spectrum.resize(n_fft / 2 + 1, Complex::ZERO);
        fft.resize(self.forward.get_scratch_len().max(self.inverse.get_scratch_len()), Complex::ZERO);

        let done = self.forward.process_with_scratch(signal, spectrum, fft);
        debug_assert!(done.is_ok(), "the buffers have the planned lengths");
        let scale = 1.0 / n_fft as f64;
        spectrum.iter_mut().for_each(|bin| *bin = Complex::from(scale * bin.norm_sqr()));
        let done = self.inverse.process_with_scratch(spectrum, signal, fft);
        debug_assert!(done.is_ok(), "the buffers have the planned lengths, and a power spectrum is real");

        // Samples in no relation at all, such as one step of a converter in digital silence, give a flat function: the
        // transform's rounding must not make troughs in it.
        let total: f64 = frame.iter().map(|&sample| f64::from(sample).powi(2)).sum();
        let related = |correlation: f64| if correlation.abs() > ROUNDING * total { correlation } else { 0.0 };
        let (mut energy, mut sum) = (f64::from(frame[0]).powi(2), 0.0);
        difference.clear();
        for (lag, (&correlation, &sample)) in signal[..=self.max_period].iter().zip(frame).enumerate().skip(1) {
            // The samples before `lag` have no partner. librosa 0.11.0 forgets the first one at lag 1, and so do we.
            let unpaired = if lag == 1 { 0.0 } else { energy };
            let value = 2.0 * (total - related(correlation)) - unpaired;
            energy += f64::from(sample).powi(2);
            sum += value;
            if lag >= self.min_period {
                difference.push(value / (sum / lag as f64 + TINY));
            }
        }
        difference
    }

    /// Converts element `index` of `difference` to hertz, the period refined by a parabola through its neighbours.
    pub(super) fn frequency(&self, difference: &[f64], index: usize) -> f64 {
        self.sample_rate / ((self.min_period + index) as f64 + parabolic_shift(difference, index))
    }
}

impl fmt::Debug for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Difference")
            .field("framing", &self.framing)
            .field("sample_rate", &self.sample_rate)
            .field("periods", &(self.min_period..=self.max_period))
            .finish_non_exhaustive()
    }
}

/// Finds the local minima; at the edges, values below their only neighbour.
pub(super) fn troughs(values: &[f64]) -> impl Iterator<Item = usize> {
    (0..values.len()).filter(|&index| match index {
        0 => values[0] < values[1],
        _ => values[index] < values[index - 1] && values.get(index + 1).is_none_or(|next| values[index] <= *next),
    })
}

/// Finds which of `indices` has the lowest value, the first of several.
pub(super) fn lowest(values: &[f64], indices: impl IntoIterator<Item = usize>) -> Option<usize> {
    indices.into_iter().reduce(|lowest, index| if values[index] < values[lowest] { index } else { lowest })
}

/// Places the minimum of the parabola through three values, relative to the middle one; 0 where it is further than 1.
fn parabolic_shift(values: &[f64], index: usize) -> f64 {
    let Some(&[left, middle, right]) = index.checked_sub(1).and_then(|first| values[first..].first_chunk()) else {
        return 0.0;
    };
    let (curvature, slope) = (left + right - 2.0 * middle, (right - left) / 2.0);
    if slope.abs() >= curvature.abs() { 0.0 } else { -slope / curvature }
}

/// Finds the next even length without prime factors above 5.
fn fast_length(at_least: usize) -> usize {
    let is_fast = |&length: &usize| {
        let rest = [2, 3, 5].into_iter().fold(length, |mut rest, factor| {
            while rest.is_multiple_of(factor) {
                rest /= factor;
            }
            rest
        });
        length.is_multiple_of(2) && rest == 1
    };
    (at_least..).find(is_fast).unwrap_or(at_least)
}
