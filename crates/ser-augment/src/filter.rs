use std::borrow::Cow;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::draw::{fill_normal, uniform};
use crate::kaiser::low_pass;
use crate::options::{Context, Step, check_range};

/// Lets a band through, as a telephone does, without delay.
///
/// Half of the amplitude is left at `low` and at `high`. The edges are `low / 2` wide, centred there: from
/// `1.25 · low` to `high - 0.25 · low` the gain is 1 within 0.1 %, below `0.75 · low` and above `high + 0.25 · low`
/// it is -60 dB or less. Where the waveform itself ends below that, there is no upper edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BandPass {
    /// How often it is applied, 0 to 1, default 1.
    pub probability: f64,
    /// The lower cutoff in hertz, within 20 to 100,000, default 300.
    pub low: [f64; 2],
    /// The upper cutoff in hertz, within 20 to 400,000 and at least twice the lower one, default 3400.
    pub high: [f64; 2],
}

impl Default for BandPass {
    fn default() -> Self {
        Self { probability: 1.0, low: [300.0, 300.0], high: [3400.0, 3400.0] }
    }
}

impl Step for BandPass {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), Error> {
        check_range("low", self.low, 20.0..=100_000.0, "[low, high] within 20 to 100000 Hz")?;
        check_range(
            "high",
            self.high,
            2.0 * self.low[1]..=400_000.0,
            "[low, high] within twice the lower cutoff to 400000 Hz",
        )
    }

    fn apply(&self, samples: &mut Cow<'_, [f32]>, context: &Context<'_>, rng: &mut ChaCha8Rng) -> Result<(), Error> {
        let (low, high) = (uniform(rng, self.low), uniform(rng, self.high));
        let sample_rate = f64::from(context.sample_rate);
        if low >= sample_rate / 2.0 {
            return Err(Error::EmptyBand { low, sample_rate: context.sample_rate });
        }
        let design = |cutoff: f64| low_pass(cutoff / sample_rate, 0.5 * low / sample_rate, 66.0);
        let below = design(low);
        let half = below.len() / 2;
        let mut kernel = if high + 0.25 * low < sample_rate / 2.0 {
            design(high)
        } else {
            (0..below.len()).map(|n| if n == half { 1.0 } else { 0.0 }).collect()
        };
        kernel.iter_mut().zip(&below).for_each(|(kernel, below)| *kernel -= below);

        let mut filtered = context.fourier.convolve(samples, &kernel, samples.len() + half);
        filtered.drain(..half);
        *samples = filtered.into();
        Ok(())
    }
}

/// Adds the reverberation of a synthetic room: the sound itself, unchanged, and a tail of Gaussian noise that decays
/// exponentially (J. A. Moorer, About This Reverberation Business, 1979). The length stays; what would sound on after
/// the end is cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reverberation {
    /// How often it is applied, 0 to 1, default 1.
    pub probability: f64,
    /// The seconds in which the tail falls by 60 dB, within 0.01 to 10, default 0.2 to 0.8.
    pub rt60: [f64; 2],
    /// The energy of the direct sound over that of the tail in decibels, within -20 to 60, default 0 to 12.
    pub direct_to_reverberant: [f64; 2],
}

impl Default for Reverberation {
    fn default() -> Self {
        Self { probability: 1.0, rt60: [0.2, 0.8], direct_to_reverberant: [0.0, 12.0] }
    }
}

impl Step for Reverberation {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), Error> {
        check_range("rt60", self.rt60, 0.01..=10.0, "[low, high] within 0.01 to 10 s")?;
        check_range(
            "direct_to_reverberant",
            self.direct_to_reverberant,
            -20.0..=60.0,
            "[low, high] within -20 to 60 dB",
        )
    }

    fn apply(&self, samples: &mut Cow<'_, [f32]>, context: &Context<'_>, rng: &mut ChaCha8Rng) -> Result<(), Error> {
        let decay_time = uniform(rng, self.rt60) * f64::from(context.sample_rate);
        let tail_energy = 10.0_f64.powf(-uniform(rng, self.direct_to_reverberant) / 10.0);
        // At its end the tail is 60 dB down; what is longer than the waveform is cut with it.
        let mut response = vec![0.0; 1 + (decay_time.ceil() as usize).min(samples.len() - 1)];
        fill_normal(rng, &mut response);
        // The energy of the whole tail is a geometric series: 10^(-6 n / decay_time), n from 1.
        let ratio = 10.0_f64.powf(-6.0 / decay_time);
        let scale = (tail_energy * (1.0 - ratio) / ratio).sqrt();
        // Eight lanes, so that no product waits for the one before.
        let mut envelope: [f64; 8] = std::array::from_fn(|lane| scale * ratio.powf(0.5 * lane as f64));
        let step = ratio.powi(4);
        for weights in response.chunks_mut(envelope.len()) {
            for (weight, envelope) in weights.iter_mut().zip(&mut envelope) {
                *weight *= *envelope as f32;
                *envelope *= step;
            }
        }
        response[0] = 1.0;
        *samples = context.fourier.convolve(samples, &response, samples.len()).into();
        Ok(())
    }
}
