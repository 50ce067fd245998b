use std::borrow::Cow;

use rand_chacha::ChaCha8Rng;
use ser_features::Complex;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::draw::{fill_normal, index, uniform, unit};
use crate::fourier::Fourier;
use crate::options::{Context, Step, check, check_range};

/// Adds the paper's noise: `amplitude · U(0, 1) · max(samples) · N(0, 1)`, with one draw of `U` for the utterance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GaussianNoise {
    /// How often it is applied, 0 to 1, default 1.
    pub probability: f64,
    /// The largest standard deviation of the noise, relative to the largest sample; 0 to 1, default 0.035.
    pub amplitude: f64,
}

impl Default for GaussianNoise {
    fn default() -> Self {
        Self { probability: 1.0, amplitude: 0.035 }
    }
}

impl Step for GaussianNoise {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), Error> {
        check("amplitude", self.amplitude, (0.0..=1.0).contains(&self.amplitude), "0 to 1")
    }

    fn apply(&self, samples: &mut Cow<'_, [f32]>, _: &Context<'_>, rng: &mut ChaCha8Rng) -> Result<(), Error> {
        let largest = samples.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let deviation = (self.amplitude * unit(rng)) as f32 * largest;
        let mut noise = [0.0; 4096];
        for samples in samples.to_mut().chunks_mut(noise.len()) {
            let noise = &mut noise[..samples.len()];
            fill_normal(rng, noise);
            add(samples, noise, deviation);
        }
        Ok(())
    }
}

/// Adds noise at a signal-to-noise ratio: the mean power of all samples over the mean power of what is added.
///
/// The ratio is met by the very samples added, not on average. Where the waveform is digital silence it stays so,
/// as it does where the drawn part of the noise bank is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Noise {
    /// How often it is applied, 0 to 1, default 1.
    pub probability: f64,
    /// Where the noise comes from; default white.
    pub source: NoiseSource,
    /// The signal-to-noise ratio in decibels, within -50 to 100, default 5 to 30.
    pub snr: [f64; 2],
}

/// Says what noise is added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseSource {
    /// Gaussian noise with equal power at all frequencies.
    #[default]
    White,
    /// Gaussian noise whose power falls by 3 dB an octave.
    Pink,
    /// Gaussian noise whose power falls by 6 dB an octave.
    Brown,
    /// A waveform of the chain's noise bank, each with the same probability, from a random sample on and repeated as
    /// often as needed. A bank of training utterances gives babble.
    Bank,
}

impl Default for Noise {
    fn default() -> Self {
        Self { probability: 1.0, source: NoiseSource::White, snr: [5.0, 30.0] }
    }
}

impl Step for Noise {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), Error> {
        check_range("snr", self.snr, -50.0..=100.0, "[low, high] within -50 to 100 dB")
    }

    fn apply(&self, samples: &mut Cow<'_, [f32]>, context: &Context<'_>, rng: &mut ChaCha8Rng) -> Result<(), Error> {
        let ratio = 10.0_f64.powf(uniform(rng, self.snr) / 10.0);
        let len = samples.len();
        let made = match self.source {
            NoiseSource::White => white(len, rng),
            NoiseSource::Pink => coloured(len, |k| 1.0 / k.sqrt(), context.fourier, rng),
            NoiseSource::Brown => coloured(len, |k| 1.0 / k, context.fourier, rng),
            NoiseSource::Bank => Vec::new(),
        };
        let pieces = if self.source == NoiseSource::Bank { from_bank(len, context, rng)? } else { vec![&made[..]] };

        let noise_energy: f64 = pieces.iter().map(|piece| energy(piece)).sum();
        if noise_energy > 0.0 {
            let gain = (energy(samples) / (ratio * noise_energy)).sqrt() as f32;
            let mut rest = &mut samples.to_mut()[..];
            for piece in pieces {
                let (part, after) = rest.split_at_mut(piece.len());
                add(part, piece, gain);
                rest = after;
            }
        }
        Ok(())
    }
}

fn white(len: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut noise = vec![0.0; len];
    fill_normal(rng, &mut noise);
    noise
}

/// Makes noise from a spectrum of independent Gaussian bins whose magnitude falls as `gain` of the bin's number.
fn coloured(len: usize, gain: impl Fn(f32) -> f32, fourier: &Fourier, rng: &mut ChaCha8Rng) -> Vec<f32> {
    // The period is longer than the clip, so that its end does not lead into its beginning.
    let fft = fourier.plan((len + 1).next_power_of_two());
    let mut bins = white(2 * fft.spectrum_len(), rng);
    let mut spectrum: Vec<Complex<f32>> = bins.chunks_exact(2).map(|pair| Complex::new(pair[0], pair[1])).collect();
    for (k, bin) in spectrum.iter_mut().enumerate().skip(1) {
        *bin *= gain(k as f32);
    }
    // The mean is 0, and the highest bin, which has no partner, stays out.
    spectrum[0] = Complex::ZERO;
    spectrum[fft.len() / 2] = Complex::ZERO;
    bins.resize(fft.len(), 0.0);
    fft.inverse(&mut spectrum, &mut bins, &mut vec![Complex::ZERO; fft.scratch_len()]);
    bins.truncate(len);
    bins
}

/// Gives pieces of the bank that are `len` samples together.
fn from_bank<'a>(len: usize, context: &Context<'a>, rng: &mut ChaCha8Rng) -> Result<Vec<&'a [f32]>, Error> {
    let noise = context.noise_bank.get(index(rng, context.noise_bank.len())).ok_or(Error::NoNoiseBank)?;
    if noise.sample_rate() != context.sample_rate {
        return Err(Error::NoiseSampleRate { noise: noise.sample_rate(), waveform: context.sample_rate });
    }
    let (before, after) = noise.samples().split_at(index(rng, noise.samples().len()));
    let mut pieces = Vec::new();
    let mut left = len;
    for piece in [after, before].into_iter().cycle() {
        if left == 0 {
            break;
        }
        pieces.push(&piece[..piece.len().min(left)]);
        left -= piece.len().min(left);
    }
    Ok(pieces)
}

fn add(samples: &mut [f32], noise: &[f32], gain: f32) {
    samples.iter_mut().zip(noise).for_each(|(sample, noise)| *sample += gain * noise);
}

/// Sums squares in eight lanes, which vector instructions can do.
fn energy(samples: &[f32]) -> f64 {
    let mut sums = [0.0; 8];
    let chunks = samples.chunks_exact(8);
    let rest: f64 = chunks.remainder().iter().map(|&x| f64::from(x).powi(2)).sum();
    for chunk in chunks {
        for (sum, &x) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(x) * f64::from(x);
        }
    }
    sums.iter().sum::<f64>() + rest
}
