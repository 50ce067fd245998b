//! Features of the waveform itself.

use crate::{Error, Framing};

/// Below this magnitude a sample counts as zero, and zero as positive.
const ZERO: f32 = 1e-10;

/// Sums kept side by side: independent, so that they are vectorised.
const LANES: usize = 16;

/// Samples whose squares are summed apart.
const BLOCK: usize = 256;

/// Computes the zero-crossing rate of every frame: sign changes divided by the frame length, 0 to 1.
///
/// A sample within ±1e-10 counts as positive. Equal to `librosa.feature.zero_crossing_rate` (0.11.0), whose centred
/// frames repeat the signal's first and last sample, which adds no crossing.
///
/// # Errors
///
/// [`Error::TooShort`] where the signal has no frame, [`Error::InvalidSample`] where a sample is not finite.
pub fn zero_crossing_rate(samples: &[f32], framing: &Framing) -> Result<Vec<f32>, Error> {
    framing.check(samples)?;
    Ok(zero_crossing_rates(samples, framing).collect())
}

/// Computes the root mean square of every frame, 0 or more.
///
/// Equal to `librosa.feature.rms(y=...)` (0.11.0), whose centred frames are padded with zeros.
///
/// # Errors
///
/// [`Error::TooShort`] where the signal has no frame, [`Error::InvalidSample`] where a sample is not finite.
pub fn rms(samples: &[f32], framing: &Framing) -> Result<Vec<f32>, Error> {
    framing.check(samples)?;
    Ok(root_mean_squares(samples, framing).collect())
}

pub(crate) fn zero_crossing_rates(samples: &[f32], framing: &Framing) -> impl Iterator<Item = f32> {
    (0..framing.n_frames(samples.len())).map(|frame| {
        let count = crossings(framing.inside(samples, frame));
        (f64::from(count) / framing.frame_length() as f64) as f32
    })
}

pub(crate) fn root_mean_squares(samples: &[f32], framing: &Framing) -> impl Iterator<Item = f32> {
    (0..framing.n_frames(samples.len())).map(|frame| {
        let energy = sum_of_squares(framing.inside(samples, frame));
        (energy / framing.frame_length() as f32).sqrt()
    })
}

fn crossings(samples: &[f32]) -> u32 {
    let next = samples.get(1..).unwrap_or_default();
    samples.iter().zip(next).map(|(&a, &b)| u32::from((a < -ZERO) != (b < -ZERO))).sum()
}

/// Sums block by block, and within a block in lanes: short sums, so that roundings stay few.
fn sum_of_squares(samples: &[f32]) -> f32 {
    let block = |samples: &[f32]| {
        let (chunks, rest) = samples.as_chunks::<LANES>();
        let mut sums = [0.0; LANES];
        for chunk in chunks {
            for (sum, sample) in sums.iter_mut().zip(chunk) {
                *sum += sample * sample;
            }
        }
        sums.iter().sum::<f32>() + rest.iter().map(|sample| sample * sample).sum::<f32>()
    };
    samples.chunks(BLOCK).map(block).sum()
}
