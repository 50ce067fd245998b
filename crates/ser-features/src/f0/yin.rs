//! YIN: one fundamental frequency for every frame, voiced or not.

use std::mem;

use serde::{Deserialize, Serialize};

use super::difference::{Difference, YinScratch, lowest, troughs};
use crate::frame::Signal;
use crate::{Error, Framing};

/// Describes YIN. The default suits speech, and is otherwise that of `librosa.yin`, which leaves `fmin` and `fmax`
/// open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct YinOptions {
    /// Lowest frequency looked for in hertz, above 0 and below `fmax`. Default 65.
    pub fmin: f32,
    /// Highest frequency looked for in hertz, at most half the sample rate. Default 600.
    pub fmax: f32,
    /// Length of a frame in samples: more than one period of `fmin`, and two for a sure result; at most 2²⁰.
    /// Default 2048.
    pub frame_length: usize,
    /// Depth that makes a trough of the difference function (0 for a perfect period, about 1 for noise) the period if
    /// it is the first such, above 0 and at most 1. Default 0.1.
    pub trough_threshold: f32,
}

impl Default for YinOptions {
    fn default() -> Self {
        Self { fmin: 65.0, fmax: 600.0, frame_length: 2048, trough_threshold: 0.1 }
    }
}

/// A planned fundamental frequency estimator.
///
/// Each frame's period is the first trough of YIN's cumulative mean normalised difference function below the
/// threshold, or else its lowest value, refined by a parabola. There is no voicing decision: noise gets some
/// frequency, and silence the highest one, `sample_rate / ⌊sample_rate / fmax⌋`. [`Pyin`](crate::Pyin) decides.
///
/// Equal to `librosa.yin` (0.11.0) on float64 samples within 1e-6 (relative), but for frames of digital silence with
/// single non-zero samples, where librosa's value comes from rounding and ours is that of silence.
///
/// A. de Cheveigné and H. Kawahara, "YIN, a fundamental frequency estimator for speech and music", Journal of the
/// Acoustical Society of America 111(4), 2002.
///
/// ```
/// use ser_features::{Yin, YinOptions};
///
/// let yin = Yin::new(&YinOptions::default(), 16_000, 160, true)?;
/// let tone: Vec<f32> = (0..16_000).map(|n| (n as f32 * 220.0 / 16_000.0 * std::f32::consts::TAU).sin()).collect();
/// let f0 = yin.process(&tone)?;
/// assert_eq!(f0.len(), 101);
/// assert!((f0[50] - 220.0).abs() < 0.5);
/// # Ok::<(), ser_features::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Yin {
    difference: Difference,
    trough_threshold: f64,
}

impl Yin {
    /// Plans the estimator for samples at `sample_rate` hertz and frames `hop_length` samples apart (1 to 2²⁰),
    /// with `center` as in [`Framing`].
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] where an option is out of its range.
    pub fn new(options: &YinOptions, sample_rate: u32, hop_length: usize, center: bool) -> Result<Self, Error> {
        let &YinOptions { fmin, fmax, frame_length, trough_threshold } = options;
        let difference = Difference::new((fmin, fmax), frame_length, sample_rate, hop_length, center)?;
        if !(trough_threshold > 0.0 && trough_threshold <= 1.0) {
            return Err(Error::option("trough_threshold", trough_threshold, "above 0 and at most 1"));
        }
        Ok(Self { difference, trough_threshold: trough_threshold.into() })
    }

    /// Gives the frames that are looked at.
    pub fn framing(&self) -> &Framing {
        self.difference.framing()
    }

    /// Estimates the fundamental frequency of every frame in hertz.
    ///
    /// # Errors
    ///
    /// [`Error::TooShort`] where the signal has no frame, [`Error::InvalidSample`] where a sample is not finite.
    pub fn process(&self, samples: &[f32]) -> Result<Vec<f32>, Error> {
        let mut output = vec![0.0; self.framing().n_frames(samples.len())];
        self.process_into(samples, &mut output, &mut YinScratch::default())?;
        Ok(output)
    }

    /// Writes the fundamental frequency of every frame in hertz into `output`, without allocating.
    ///
    /// # Errors
    ///
    /// As [`Yin::process`], and [`Error::Shape`] where `output` does not hold one value a frame.
    pub fn process_into(&self, samples: &[f32], output: &mut [f32], scratch: &mut YinScratch) -> Result<(), Error> {
        self.framing().check(samples)?;
        let n_frames = self.framing().n_frames(samples.len());
        if output.len() != n_frames {
            return Err(Error::Shape { expected: (n_frames, 1), actual: (output.len(), 1) });
        }
        for (index, f0) in output.iter_mut().enumerate() {
            *f0 = self.estimate(Signal::whole(samples), index, scratch);
        }
        Ok(())
    }

    /// Estimates the fundamental frequency of frame `index` of a checked signal.
    pub(crate) fn estimate(&self, signal: Signal, index: usize, scratch: &mut YinScratch) -> f32 {
        let mut frame = mem::take(&mut scratch.frame);
        self.difference.cut(signal, index, &mut frame);
        let f0 = self.frame(&frame, scratch);
        scratch.frame = frame;
        f0
    }

    fn frame(&self, frame: &[f32], scratch: &mut YinScratch) -> f32 {
        let difference = self.difference.process(frame, scratch);
        let first = troughs(difference).find(|&index| difference[index] < self.trough_threshold);
        let index = first.or_else(|| lowest(difference, 0..difference.len())).unwrap_or_default();
        self.difference.frequency(difference, index) as f32
    }
}
