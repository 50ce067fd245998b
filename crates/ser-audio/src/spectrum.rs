//! The short-time Fourier transform that noise removal and voice activity work in.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

use crate::Error;

/// A frame lasts this long: some periods of any voice, and short beside a syllable.
const FRAME_SECONDS: f64 = 0.032;

/// Frames under a periodic Hann window, of a power of two in samples, a quarter of it apart.
///
/// The first frame ends a quarter after the signal's beginning and the last begins before its end, so that every
/// sample lies in four frames.
pub(crate) struct Spectrum {
    n_fft: usize,
    window: Vec<f32>,
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
}

impl Spectrum {
    pub(crate) fn new(sample_rate: u32) -> Self {
        let n_fft = ((f64::from(sample_rate) * FRAME_SECONDS) as usize).next_power_of_two().max(16);
        let angle = std::f64::consts::TAU / n_fft as f64;
        let window = (0..n_fft).map(|i| (0.5 - 0.5 * (angle * i as f64).cos()) as f32).collect();
        let mut planner = RealFftPlanner::new();
        Self { n_fft, window, forward: planner.plan_fft_forward(n_fft), inverse: planner.plan_fft_inverse(n_fft) }
    }

    pub(crate) fn bins(&self) -> usize {
        self.n_fft / 2 + 1
    }

    /// The bins between two frequencies; at least one.
    pub(crate) fn band(&self, hertz: RangeInclusive<f64>, sample_rate: u32) -> Range<usize> {
        let bin = |hertz: f64| (hertz * self.n_fft as f64 / f64::from(sample_rate)) as usize;
        let first = (bin(*hertz.start()) + 1).min(self.bins() - 1);
        first..(bin(*hertz.end()) + 1).clamp(first + 1, self.bins())
    }

    pub(crate) fn hop(&self) -> usize {
        self.n_fft / 4
    }

    /// How many frames there are over `len` samples.
    pub(crate) fn frames(&self, len: usize) -> usize {
        len.div_ceil(self.hop()) + 3
    }

    /// Hands the spectrum of every frame to `each`.
    pub(crate) fn each(&self, samples: &[f32], mut each: impl FnMut(usize, &[Complex<f32>])) -> Result<(), Error> {
        let mut frame = self.forward.make_input_vec();
        let mut spectrum = self.forward.make_output_vec();
        let mut scratch = self.forward.make_scratch_vec();
        for index in 0..self.frames(samples.len()) {
            self.read(samples, index, &mut frame);
            self.forward.process_with_scratch(&mut frame, &mut spectrum, &mut scratch).map_err(transform)?;
            each(index, &spectrum);
        }
        Ok(())
    }

    /// Changes the spectrum of every frame and puts the signal together again.
    pub(crate) fn change(
        &self,
        samples: &[f32],
        mut change: impl FnMut(&mut [Complex<f32>]),
    ) -> Result<Vec<f32>, Error> {
        let mut frame = self.forward.make_input_vec();
        let mut spectrum = self.forward.make_output_vec();
        let mut scratch = self.forward.make_scratch_vec();
        let mut inverse_scratch = self.inverse.make_scratch_vec();
        let mut output = vec![0.0; samples.len()];
        // Four squared Hann windows a quarter apart add up to 3/2; the transform and its inverse multiply by n_fft.
        let scale = 1.0 / (1.5 * self.n_fft as f32);
        for index in 0..self.frames(samples.len()) {
            self.read(samples, index, &mut frame);
            self.forward.process_with_scratch(&mut frame, &mut spectrum, &mut scratch).map_err(transform)?;
            change(&mut spectrum);
            // A real signal has real values at 0 and at the Nyquist frequency, and a gain keeps them so.
            self.inverse.process_with_scratch(&mut spectrum, &mut frame, &mut inverse_scratch).map_err(transform)?;
            let (from, to) = self.place(samples.len(), index);
            for ((y, x), window) in output[to..].iter_mut().zip(&frame[from..]).zip(&self.window[from..]) {
                *y += x * window * scale;
            }
        }
        Ok(output)
    }

    fn read(&self, samples: &[f32], index: usize, frame: &mut [f32]) {
        let (from, to) = self.place(samples.len(), index);
        frame.fill(0.0);
        for ((y, x), window) in frame[from..].iter_mut().zip(&samples[to..]).zip(&self.window[from..]) {
            *y = x * window;
        }
    }

    /// Where frame and signal begin to overlap: the index in the frame and that in the signal.
    fn place(&self, len: usize, index: usize) -> (usize, usize) {
        let begin = (index + 1) * self.hop();
        (self.n_fft.saturating_sub(begin), begin.saturating_sub(self.n_fft).min(len))
    }
}

/// The mean power of each bin over the quietest frames: what sounds all the time.
///
/// Digital silence says nothing about the noise and is left out.
pub(crate) struct NoiseProfile {
    /// The power of each bin of the band.
    pub(crate) noise: Vec<f32>,
    /// The mean power of a bin in the loudest frame.
    pub(crate) loudest: f32,
}

impl NoiseProfile {
    /// Takes the noise in a band from the `share` of the frames that are the quietest there.
    pub(crate) fn new(spectrum: &Spectrum, samples: &[f32], band: Range<usize>, share: f64) -> Result<Self, Error> {
        let mut powers = Vec::with_capacity(spectrum.frames(samples.len()));
        spectrum.each(samples, |_, bins| powers.push(bins[band.clone()].iter().map(Complex::norm_sqr).sum::<f32>()))?;
        // The frames at the ends are filled up with zeros.
        let whole = 3..powers.len().saturating_sub(3).max(4).min(powers.len());
        let mut sorted: Vec<f32> = powers.get(whole.clone()).unwrap_or_default().to_vec();
        sorted.retain(|&power| power > 0.0);
        sorted.sort_by(f32::total_cmp);
        let count = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1));
        let limit = sorted.get(count - 1).copied().unwrap_or(0.0);
        let loudest = sorted.last().copied().unwrap_or(0.0) / band.len() as f32;

        let mut noise = vec![0.0; band.len()];
        let mut frames = 0_u32;
        spectrum.each(samples, |index, bins| {
            if whole.contains(&index) && powers[index] > 0.0 && powers[index] <= limit {
                frames += 1;
                noise.iter_mut().zip(&bins[band.clone()]).for_each(|(sum, bin)| *sum += bin.norm_sqr());
            }
        })?;
        noise.iter_mut().for_each(|sum| *sum /= frames.max(1) as f32);
        Ok(Self { noise, loudest })
    }
}

fn transform(error: realfft::FftError) -> Error {
    Error::Transform(Box::new(error))
}
