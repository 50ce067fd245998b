use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use pulp::{Arch, NullaryFnOnce};
use ser_features::Complex;
use ser_features::fft::RealFft;

/// Real transforms of any even length, planned once and shared.
#[derive(Clone, Default)]
pub(crate) struct Fourier(Arc<Mutex<HashMap<usize, Arc<RealFft<f32>>>>>);

impl Fourier {
    /// Gives the transform of `length` real numbers, an even number of them.
    pub(crate) fn plan(&self, length: usize) -> Arc<RealFft<f32>> {
        let mut plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        plans.entry(length).or_insert_with(|| Arc::new(RealFft::<f32>::new(length))).clone()
    }

    /// Convolves the signal with the kernel and gives the first `len` samples, as many as the signal's at least.
    pub(crate) fn convolve(&self, signal: &[f32], kernel: &[f32], len: usize) -> Vec<f32> {
        let mut output = vec![0.0; len];
        let length = block_length(signal.len(), kernel.len().saturating_sub(1));
        Arch::new().dispatch(Convolution { fft: &self.plan(length), signal, kernel, output: &mut output });
        output
    }
}

/// A convolution by overlap-add: blocks of the signal, each as long as the transform allows, are convolved by
/// themselves.
struct Convolution<'a> {
    fft: &'a RealFft<f32>,
    signal: &'a [f32],
    kernel: &'a [f32],
    output: &'a mut [f32],
}

impl NullaryFnOnce for Convolution<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { fft, signal, kernel, output } = self;
        let scale = 1.0 / fft.len() as f32;
        let mut block = vec![0.0; fft.len()];
        let mut response = vec![Complex::ZERO; fft.spectrum_len()];
        let mut spectrum = response.clone();
        let mut scratch = vec![Complex::ZERO; fft.scratch_len()];
        block.iter_mut().zip(kernel).for_each(|(to, from)| *to = scale * from);
        fft.forward(&mut block, &mut response, &mut scratch);

        let step = fft.len() + 1 - kernel.len();
        let mut start = 0;
        for samples in signal.chunks(step) {
            let (inside, after) = block.split_at_mut(samples.len());
            inside.copy_from_slice(samples);
            after.fill(0.0);
            fft.forward(&mut block, &mut spectrum, &mut scratch);
            spectrum.iter_mut().zip(&response).for_each(|(bin, gain)| *bin *= gain);
            fft.inverse(&mut spectrum, &mut block, &mut scratch);
            output[start..].iter_mut().zip(&block).for_each(|(sum, x)| *sum += x);
            start += step;
        }
    }
}

/// Chooses the length that needs the least arithmetic: two transforms a block, and one of the kernel.
fn block_length(signal: usize, overlap: usize) -> usize {
    let whole = (signal + overlap).max(2).next_power_of_two();
    // Long powers of two are slow: their strides fall into the same lines of the cache.
    let lengths = (10..).map(|bits| 1 << bits).take_while(|&length| length <= whole);
    let lengths = lengths.chain((9..).map(|bits| 81 << bits).take_while(|&length| length <= whole));
    let cost = |&length: &usize| {
        let transforms = 2 * signal.div_ceil(length - overlap) + 1;
        transforms as f64 * length as f64 * (length as f64).log2()
    };
    lengths.filter(|&length| length > overlap).min_by(|a, b| cost(a).total_cmp(&cost(b))).unwrap_or(whole)
}

impl fmt::Debug for Fourier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fourier")
    }
}
