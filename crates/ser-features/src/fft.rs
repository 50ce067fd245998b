//! The Fourier transform of real numbers.

use std::f64::consts::TAU;
use std::sync::Arc;

use pulp::bytemuck::{Pod, cast_slice_mut};
use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftNum, FftPlanner};

/// Bins that are split side by side.
const LANES: usize = 8;

/// A planned transform of `n` real numbers, `n` even, to `1 + n / 2` frequency bins and back.
///
/// The numbers are transformed as `n / 2` complex ones, `z[k] = x[2k] + i x[2k + 1]`, whose spectrum is
/// split into those of the even and of the odd samples (Press et al., Numerical Recipes, section 12.3). realfft does
/// the same with scalar arithmetic, which takes as long as the transform itself; here the compiler vectorises the
/// split, as wide as the caller's instructions go.
#[derive(Clone)]
pub struct RealFft<T> {
    forward: Arc<dyn Fft<T>>,
    inverse: Arc<dyn Fft<T>>,
    /// `exp(iτk / n)`.
    twiddles: Vec<Complex<T>>,
}

// A function for each precision: a generic one would have rustfft's algorithms, which take minutes, compiled again in
// every crate that calls it.
impl RealFft<f32> {
    /// Plans the transform of `n` numbers, which must be even.
    pub fn new(n: usize) -> Self {
        Self::plan(n)
    }
}

impl RealFft<f64> {
    /// Plans the transform of `n` numbers, which must be even.
    pub fn new(n: usize) -> Self {
        Self::plan(n)
    }
}

impl<T: FftNum + From<f32> + Pod> RealFft<T> {
    fn plan(n: usize) -> Self {
        debug_assert!(n.is_multiple_of(2) && n > 0);
        let mut planner = FftPlanner::new();
        let number = |x: f64| T::from_f64(x).unwrap_or_else(T::zero);
        let twiddle = |k: usize| {
            let (sin, cos) = (TAU * k as f64 / n as f64).sin_cos();
            Complex::new(number(cos), number(sin))
        };
        Self {
            forward: planner.plan_fft_forward(n / 2),
            inverse: planner.plan_fft_inverse(n / 2),
            twiddles: (0..n.div_ceil(4)).map(twiddle).collect(),
        }
    }

    /// The number of real numbers.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        2 * self.forward.len()
    }

    /// The number of frequency bins.
    pub fn spectrum_len(&self) -> usize {
        self.forward.len() + 1
    }

    /// The length of the scratch that both directions need.
    pub fn scratch_len(&self) -> usize {
        self.forward.get_outofplace_scratch_len().max(self.inverse.get_outofplace_scratch_len())
    }

    /// Transforms the samples, which are spoilt.
    #[inline(always)]
    pub fn forward(&self, samples: &mut [T], spectrum: &mut [Complex<T>], scratch: &mut [Complex<T>]) {
        let n = self.forward.len();
        self.forward.process_outofplace_with_scratch(cast_slice_mut(samples), &mut spectrum[..n], scratch);
        let Complex { re, im } = spectrum[0];
        spectrum[0] = Complex::new(re + im, T::zero());
        spectrum[n] = Complex::new(re - im, T::zero());
        self.each_pair(spectrum, T::from(0.5), -T::one());
    }

    /// Transforms the spectrum, which is spoilt, into samples, `n` times as large as those it came from. The imaginary
    /// parts of its first and last bin count as 0.
    #[inline(always)]
    pub fn inverse(&self, spectrum: &mut [Complex<T>], samples: &mut [T], scratch: &mut [Complex<T>]) {
        let n = self.forward.len();
        let (first, last) = (spectrum[0].re, spectrum[n].re);
        spectrum[0] = Complex::new(first + last, first - last);
        self.each_pair(spectrum, T::one(), T::one());
        self.inverse.process_outofplace_with_scratch(&mut spectrum[..n], cast_slice_mut(samples), scratch);
    }

    /// Turns the spectrum of the complex numbers into that of the real ones (`scale` ½, `sign` -1), or back into twice as
    /// much (1, 1), but for the first bin. Bins `k` and `n / 2 - k` belong together; the middle one is its own partner.
    #[inline(always)]
    fn each_pair(&self, spectrum: &mut [Complex<T>], scale: T, sign: T) {
        let n = self.forward.len();
        let pairs = (n - 1) / 2;
        let (low, rest) = spectrum[1..n].split_at_mut(pairs);
        let (middle, high) = rest.split_at_mut(rest.len() - pairs);
        for z in middle {
            *z = z.conj().scale(scale + scale);
        }
        let (low_chunks, low) = low.as_chunks_mut::<LANES>();
        let (high, high_chunks) = high.as_rchunks_mut::<LANES>();
        let (twiddle_chunks, twiddles) = self.twiddles[1..=pairs].as_chunks::<LANES>();
        for ((low, high), twiddles) in low_chunks.iter_mut().zip(high_chunks.iter_mut().rev()).zip(twiddle_chunks) {
            exchange(low, high, twiddles, scale, sign);
        }
        for ((low, high), twiddle) in low.iter_mut().zip(high.iter_mut().rev()).zip(twiddles) {
            let (low, high) = (std::array::from_mut(low), std::array::from_mut(high));
            exchange(low, high, std::array::from_ref(twiddle), scale, sign);
        }
    }
}

/// Exchanges bins `k…` in `low` and their partners, in falling order of `k`, in `high`: forward with `scale` ½ and `sign`
/// -1, back with 1 and 1 for twice as much.
///
/// The even samples' spectrum is `e = ½ (z[k] + z*[n-k])` and the odd ones' `o = -½i (z[k] - z*[n-k])`; bin `k` is
/// `e + w o` and bin `n - k` is `(e - w o)*`, `w = exp(-iτk / 2n)`. The way back differs in the sign of an imaginary
/// part. Real and imaginary parts are kept apart, and nothing is written before all is read: else the compiler does not
/// vectorise.
#[inline(always)]
fn exchange<T: FftNum, const N: usize>(
    low: &mut [Complex<T>; N],
    high: &mut [Complex<T>; N],
    twiddles: &[Complex<T>; N],
    scale: T,
    sign: T,
) {
    let (mut sums, mut turned) = (([T::zero(); N], [T::zero(); N]), ([T::zero(); N], [T::zero(); N]));
    for lane in 0..N {
        let (z, partner, twiddle) = (low[lane], high[N - 1 - lane], twiddles[lane]);
        sums.0[lane] = scale * (z.re + partner.re);
        sums.1[lane] = scale * (z.im - partner.im);
        let (re, im) = (scale * (z.re - partner.re), scale * (z.im + partner.im));
        let (sin, cos) = (twiddle.im, sign * twiddle.re);
        turned.0[lane] = -(sin * re + cos * im);
        turned.1[lane] = cos * re - sin * im;
    }
    for lane in 0..N {
        low[lane] = Complex::new(sums.0[lane] + turned.0[lane], sums.1[lane] + turned.1[lane]);
        high[N - 1 - lane] = Complex::new(sums.0[lane] - turned.0[lane], turned.1[lane] - sums.1[lane]);
    }
}

/// A planned transform of frames of any length `n` to `1 + n / 2` frequency bins.
#[derive(Clone)]
pub(crate) enum FrameFft {
    Even(RealFft<f32>),
    Odd(Arc<dyn RealToComplex<f32>>),
}

impl FrameFft {
    pub(crate) fn new(n: usize) -> Self {
        match n.is_multiple_of(2) {
            true => Self::Even(RealFft::<f32>::new(n)),
            false => Self::Odd(RealFftPlanner::new().plan_fft_forward(n)),
        }
    }

    pub(crate) fn scratch_len(&self) -> usize {
        match self {
            Self::Even(fft) => fft.scratch_len(),
            Self::Odd(fft) => fft.get_scratch_len(),
        }
    }

    /// Transforms `frame` (`n` long, spoilt) into `spectrum` (`1 + n / 2` long) with `scratch` (`scratch_len()` long).
    #[inline(always)]
    pub(crate) fn process(&self, frame: &mut [f32], spectrum: &mut [Complex<f32>], scratch: &mut [Complex<f32>]) {
        match self {
            Self::Even(fft) => fft.forward(frame, spectrum, scratch),
            Self::Odd(fft) => {
                let done = fft.process_with_scratch(frame, spectrum, scratch);
                debug_assert!(done.is_ok(), "the buffers have the planned lengths");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_even_length_is_transformed_as_the_definition_says_and_back() {
        for n in (2..100_usize).step_by(2).chain([256, 384, 1024]) {
            let fft = RealFft::<f64>::new(n);
            let samples: Vec<f64> = (0..n).map(|i| ((i * i) as f64 * 0.37).sin() + 0.1).collect();
            let mut spectrum = vec![Complex::ZERO; fft.spectrum_len()];
            let mut scratch = vec![Complex::ZERO; fft.scratch_len()];
            fft.forward(&mut samples.clone(), &mut spectrum, &mut scratch);
            for (k, bin) in spectrum.iter().enumerate() {
                let term = |(i, &x): (usize, &f64)| Complex::from_polar(x, -TAU * (i * k % n) as f64 / n as f64);
                let expected: Complex<f64> = samples.iter().enumerate().map(term).sum();
                // Sums of up to 1024 numbers near 1 in f64, in another order.
                assert!((bin - expected).norm() < 1e-11, "n = {n}, bin {k}: {bin} is not {expected}");
            }

            let mut back = vec![0.0; fft.len()];
            fft.inverse(&mut spectrum, &mut back, &mut scratch);
            for (i, (a, b)) in back.iter().zip(&samples).enumerate() {
                assert!((a / n as f64 - b).abs() < 1e-14, "n = {n}, sample {i}: {a} is not n times {b}");
            }
        }
    }

    #[test]
    fn the_split_transform_is_realffts_for_every_length() {
        for n in (1..200).chain([256, 375, 400, 512, 1023, 2048, 4096]) {
            let samples: Vec<f32> = (0..n).map(|i| ((i * i) as f32 * 0.37).sin() + 0.1).collect();
            let reference = RealFftPlanner::<f32>::new().plan_fft_forward(n);
            let mut expected = reference.make_output_vec();
            assert!(reference.process(&mut samples.clone(), &mut expected).is_ok());

            let fft = FrameFft::new(n);
            let mut spectrum = vec![Complex::ZERO; 1 + n / 2];
            fft.process(&mut samples.clone(), &mut spectrum, &mut vec![Complex::ZERO; fft.scratch_len()]);
            // Both round a few times on the way to values up to √n times the samples' energy.
            let largest = expected.iter().fold(0.0, |max: f32, value| max.max(value.norm()));
            for (bin, (a, b)) in spectrum.iter().zip(&expected).enumerate() {
                assert!((a - b).norm() <= 4.0 * f32::EPSILON * largest, "n = {n}, bin {bin}: {a} is not {b}");
            }
        }
    }
}
