//! Features of the waveform itself.

use crate::frame::Signal;
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
    each_frame(samples, framing, crossing_rate)
}

/// Computes the root mean square of every frame, 0 or more.
///
/// Equal to `librosa.feature.rms(y=...)` (0.11.0), whose centred frames are padded with zeros.
///
/// # Errors
///
/// [`Error::TooShort`] where the signal has no frame, [`Error::InvalidSample`] where a sample is not finite.
pub fn rms(samples: &[f32], framing: &Framing) -> Result<Vec<f32>, Error> {
    each_frame(samples, framing, root_mean_square)
}

fn each_frame(samples: &[f32], framing: &Framing, f: impl Fn(&[f32], usize) -> f32) -> Result<Vec<f32>, Error> {
    framing.check(samples)?;
    let signal = Signal::whole(samples);
    let frames = 0..framing.n_frames(samples.len());
    Ok(frames.map(|frame| f(framing.inside(signal, frame), framing.frame_length())).collect())
}

/// Computes the rate of a frame of `frame_length` samples, given those that lie inside the signal.
#[inline(always)]
pub(crate) fn crossing_rate(inside: &[f32], frame_length: usize) -> f32 {
    let next = inside.get(1..).unwrap_or_default();
    let count: u32 = inside.iter().zip(next).map(|(&a, &b)| u32::from((a < -ZERO) != (b < -ZERO))).sum();
    (f64::from(count) / frame_length as f64) as f32
}

/// Computes the root mean square of a frame of `frame_length` samples, given those that lie inside the signal.
#[inline(always)]
pub(crate) fn root_mean_square(inside: &[f32], frame_length: usize) -> f32 {
    (sum_of_squares(inside) / frame_length as f32).sqrt()
}

/// Sums block by block, and within a block in lanes: short sums, so that roundings stay few.
#[inline(always)]
fn sum_of_squares(samples: &[f32]) -> f32 {
    let mut total = 0.0;
    for block in samples.chunks(BLOCK) {
        let (chunks, rest) = block.as_chunks::<LANES>();
        let mut sums = [0.0; LANES];
        for chunk in chunks {
            for (sum, sample) in sums.iter_mut().zip(chunk) {
                *sum += sample * sample;
            }
        }
        total += sums.iter().sum::<f32>() + rest.iter().map(|sample| sample * sample).sum::<f32>();
    }
    total
}
