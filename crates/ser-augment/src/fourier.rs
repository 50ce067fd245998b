use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

/// Real transforms of any length, planned once and shared.
#[derive(Clone, Default)]
pub(crate) struct Fourier(Arc<Mutex<RealFftPlanner<f32>>>);

impl Fourier {
    pub(crate) fn forward(&self, length: usize) -> Arc<dyn RealToComplex<f32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).plan_fft_forward(length)
    }

    pub(crate) fn inverse(&self, length: usize) -> Arc<dyn ComplexToReal<f32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).plan_fft_inverse(length)
    }

    /// Convolves the signal with the kernel by overlap-add; the length is `signal + kernel - 1`.
    pub(crate) fn convolve(&self, signal: &[f32], kernel: &[f32]) -> Vec<f32> {
        self.convolve_upsampled(signal, kernel, 1)
    }

    /// Puts `factor - 1` zeros after each sample and convolves with the kernel, a low-pass whose stop-band begins at
    /// the signal's Nyquist frequency; the length is `factor · signal + kernel - 1`.
    pub(crate) fn convolve_upsampled(&self, signal: &[f32], kernel: &[f32], factor: usize) -> Vec<f32> {
        let overlap = kernel.len().saturating_sub(1).div_ceil(factor);
        let length = block_length(signal.len(), overlap);
        let step = length - overlap;
        let (forward, inverse) = (self.forward(length), self.inverse(factor * length));

        let kernel_forward = self.forward(factor * length);
        let mut time = kernel_forward.make_input_vec();
        let mut response = kernel_forward.make_output_vec();
        for (x, k) in time.iter_mut().zip(kernel) {
            *x = k / (factor * length) as f32;
        }
        done(kernel_forward.process(&mut time, &mut response));

        let mut output = vec![0.0; factor * (signal.len().div_ceil(step) * step + overlap)];
        let mut block = forward.make_input_vec();
        let mut spectrum = inverse.make_input_vec();
        let mut scratch = vec![Complex::ZERO; forward.get_scratch_len().max(inverse.get_scratch_len())];
        for (i, samples) in signal.chunks(step).enumerate() {
            block[..samples.len()].copy_from_slice(samples);
            block[samples.len()..].fill(0.0);
            let (band, above) = spectrum.split_at_mut(forward.complex_len());
            done(forward.process_with_scratch(&mut block, band, &mut scratch));
            band.iter_mut().zip(&response).for_each(|(bin, gain)| *bin *= gain);
            above.fill(Complex::ZERO);
            done(inverse.process_with_scratch(&mut spectrum, &mut time, &mut scratch));
            output[factor * i * step..].iter_mut().zip(&time).for_each(|(sum, x)| *sum += x);
        }
        output.truncate((factor * signal.len() + kernel.len()).saturating_sub(1));
        output
    }
}

/// Chooses the power of two that needs the least arithmetic: two transforms a block, and one of the kernel.
fn block_length(signal: usize, overlap: usize) -> usize {
    let whole = (signal + overlap).max(2).next_power_of_two().trailing_zeros();
    let cost = |bits: u32| match (1_usize << bits).checked_sub(overlap) {
        Some(step @ 1..) => ((2 * signal.div_ceil(step) + 1) << bits).saturating_mul(bits as usize),
        _ => usize::MAX,
    };
    1 << (whole.min(10)..=whole).min_by_key(|&bits| cost(bits)).unwrap_or(whole)
}

/// A transform fails only where a buffer has another length than planned.
pub(crate) fn done(result: Result<(), realfft::FftError>) {
    debug_assert!(result.is_ok(), "{result:?}");
}

impl fmt::Debug for Fourier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fourier")
    }
}
