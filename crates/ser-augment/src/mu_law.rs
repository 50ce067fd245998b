use std::borrow::Cow;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::options::{Context, Step, change_each};
use crate::resample::resample;

/// The sample rate of telephone lines in hertz.
const SAMPLE_RATE: f64 = 8000.0;
/// What is added to a magnitude of 16 bits so that all segments are powers of two, and the largest that is not clipped.
const BIAS: i32 = 132;
const LARGEST: i32 = 32_635;

/// Sends the waveform through a telephone line: 8 kHz, and 8 bits a sample by the µ-law of ITU-T G.711. The sample rate
/// stays; below 8 kHz only the bits are taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MuLaw {
    /// How often it is applied, 0 to 1, default 1.
    pub probability: f64,
}

impl Default for MuLaw {
    fn default() -> Self {
        Self { probability: 1.0 }
    }
}

impl Step for MuLaw {
    fn probability(&self) -> f64 {
        self.probability
    }

    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    fn apply(&self, samples: &mut Cow<'_, [f32]>, context: &Context<'_>, _: &mut ChaCha8Rng) -> Result<(), Error> {
        let step = f64::from(context.sample_rate) / SAMPLE_RATE;
        let len = samples.len();
        if step > 1.0 {
            *samples = resample(context.fourier, samples, step, (len as f64 / step).ceil() as usize).into();
        }
        change_each(samples, quantize);
        if step > 1.0 {
            *samples = resample(context.fourier, samples, step.recip(), len).into();
        }
        Ok(())
    }
}

/// Encodes a sample and decodes it: a sign, one of 8 segments, each twice as wide as the one before, and one of 16 steps.
fn quantize(sample: f32) -> f32 {
    let linear = (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i32;
    let biased = linear.abs().min(LARGEST) + BIAS;
    let step = biased.ilog2() - 4;
    let magnitude = ((biased >> step) << step) + (1 << step >> 1) - BIAS;
    (magnitude * linear.signum()) as f32 / 32_768.0
}

#[cfg(test)]
mod tests {
    use super::quantize;

    /// `audioop.ulaw2lin(audioop.lin2ulaw(x, 2), 2)` of Python 3.11 for samples of 16 bits. (It first rounds them down to 14
    /// bits, which moves 381 negative ones by a step; none of those is here.)
    #[test]
    fn samples_are_quantised_as_by_g_711() {
        let expected = [
            (0, 0),
            (3, 0),
            (4, 8),
            (11, 8),
            (12, 16),
            (28, 32),
            (99, 96),
            (125, 132),
            (500, 492),
            (-1000, -988),
            (1020, 1052),
            (4000, 4092),
            (-9000, -8828),
            (16000, 15996),
            (-20000, -19836),
            (32000, 32124),
            (32635, 32124),
            (32767, 32124),
            (-32768, -32124),
        ];
        for (linear, decoded) in expected {
            assert_eq!(quantize(linear as f32 / 32_768.0), decoded as f32 / 32_768.0, "{linear}");
        }
        assert_eq!(quantize(1.7), 32_124.0 / 32_768.0);
    }
}
