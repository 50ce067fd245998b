//! The Fourier transform of real frames.

use std::f64::consts::TAU;
use std::sync::Arc;

use pulp::bytemuck::cast_slice_mut;
use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftPlanner};

/// Bins that are split side by side.
const LANES: usize = 8;

/// A planned transform of `n` real numbers to `1 + n / 2` frequency bins.
///
/// An even length is transformed as `n / 2` complex numbers `z[k] = x[2k] + i x[2k + 1]`, whose spectrum is then split
/// into those of the even and of the odd samples (Press et al., Numerical Recipes, section 12.3). realfft does the same
/// with scalar arithmetic, which takes longer than the transform itself; here the compiler vectorises the split.
#[derive(Clone)]
pub(crate) enum RealFft {
    Even {
        half: Arc<dyn Fft<f32>>,
        /// `½ exp(iτk / n)`, imaginary part first.
        twiddles: Vec<Complex<f32>>,
    },
    Odd(Arc<dyn RealToComplex<f32>>),
}

impl RealFft {
    pub(crate) fn new(n: usize) -> Self {
        if !n.is_multiple_of(2) {
            return Self::Odd(RealFftPlanner::new().plan_fft_forward(n));
        }
        let twiddle = |k: usize| {
            let (sin, cos) = (TAU * k as f64 / n as f64).sin_cos();
            Complex::new((0.5 * sin) as f32, (0.5 * cos) as f32)
        };
        Self::Even {
            half: FftPlanner::new().plan_fft_forward(n / 2),
            twiddles: (0..n.div_ceil(4)).map(twiddle).collect(),
        }
    }

    pub(crate) fn scratch_len(&self) -> usize {
        match self {
            Self::Even { half, .. } => half.get_outofplace_scratch_len(),
            Self::Odd(fft) => fft.get_scratch_len(),
        }
    }

    /// Transforms `frame` (`n` long, spoilt) into `spectrum` (`1 + n / 2` long) with `scratch` (`scratch_len()` long).
    #[inline(always)]
    pub(crate) fn process(&self, frame: &mut [f32], spectrum: &mut [Complex<f32>], scratch: &mut [Complex<f32>]) {
        match self {
            Self::Even { half, twiddles } => {
                let pairs: &mut [Complex<f32>] = cast_slice_mut(frame);
                half.process_outofplace_with_scratch(pairs, &mut spectrum[..pairs.len()], scratch);
                split(spectrum, twiddles);
            }
            Self::Odd(fft) => {
                let done = fft.process_with_scratch(frame, spectrum, scratch);
                debug_assert!(done.is_ok(), "the buffers have the planned lengths");
            }
        }
    }
}

/// Turns the spectrum of the packed samples, but for its last bin, into that of the samples.
#[inline(always)]
fn split(spectrum: &mut [Complex<f32>], twiddles: &[Complex<f32>]) {
    let n = spectrum.len() - 1;
    let Complex { re, im } = spectrum[0];
    spectrum[0] = Complex::new(re + im, 0.0);
    spectrum[n] = Complex::new(re - im, 0.0);

    // Bins k and n - k belong together; the middle one is its own partner.
    let pairs = (n - 1) / 2;
    let (low, rest) = spectrum[1..n].split_at_mut(pairs);
    let (middle, high) = rest.split_at_mut(rest.len() - pairs);
    for z in middle {
        *z = z.conj();
    }
    let (low_chunks, low) = low.as_chunks_mut::<LANES>();
    let (high, high_chunks) = high.as_rchunks_mut::<LANES>();
    let (twiddle_chunks, twiddles) = twiddles[1..=pairs].as_chunks::<LANES>();
    for ((low, high), twiddles) in low_chunks.iter_mut().zip(high_chunks.iter_mut().rev()).zip(twiddle_chunks) {
        split_lanes(low, high, twiddles);
    }
    for ((low, high), twiddle) in low.iter_mut().zip(high.iter_mut().rev()).zip(twiddles) {
        split_lanes(std::array::from_mut(low), std::array::from_mut(high), std::array::from_ref(twiddle));
    }
}

/// Splits bins `k…` in `low` and their partners, in falling order of `k`, in `high`.
///
/// With the even samples' spectrum `e = ½ (z[k] + z*[n-k])` and the odd ones' `o = -½i (z[k] - z*[n-k])`, bin `k` is
/// `e + w o` and bin `n - k` is `(e - w o)*`, `w = exp(-iτk / 2n)`. Real and imaginary parts are kept apart, and nothing is
/// written before all is read: else the compiler does not vectorise.
#[inline(always)]
fn split_lanes<const N: usize>(
    low: &mut [Complex<f32>; N],
    high: &mut [Complex<f32>; N],
    twiddles: &[Complex<f32>; N],
) {
    let (mut e, mut wo) = (([0.0; N], [0.0; N]), ([0.0; N], [0.0; N]));
    for lane in 0..N {
        let (z, partner, twiddle) = (low[lane], high[N - 1 - lane], twiddles[lane]);
        e.0[lane] = 0.5 * (z.re + partner.re);
        e.1[lane] = 0.5 * (z.im - partner.im);
        let (sum, difference) = (z.im + partner.im, z.re - partner.re);
        wo.0[lane] = sum * twiddle.im - difference * twiddle.re;
        wo.1[lane] = -(difference * twiddle.im + sum * twiddle.re);
    }
    for lane in 0..N {
        low[lane] = Complex::new(e.0[lane] + wo.0[lane], e.1[lane] + wo.1[lane]);
        high[N - 1 - lane] = Complex::new(e.0[lane] - wo.0[lane], wo.1[lane] - e.1[lane]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_split_transform_is_realffts_for_every_length() {
        for n in (1..200).chain([256, 375, 400, 512, 1023, 2048, 4096]) {
            let samples: Vec<f32> = (0..n).map(|i| ((i * i) as f32 * 0.37).sin() + 0.1).collect();
            let reference = RealFftPlanner::<f32>::new().plan_fft_forward(n);
            let mut expected = reference.make_output_vec();
            assert!(reference.process(&mut samples.clone(), &mut expected).is_ok());

            let fft = RealFft::new(n);
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
