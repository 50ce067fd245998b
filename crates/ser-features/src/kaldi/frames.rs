//! Kaldi's frames: where they lie, and how their samples are prepared for the transform.

use std::ops::Range;

use super::KaldiOptions;
use crate::{Error, Framing};

/// Planned frames.
#[derive(Debug, Clone)]
pub(super) struct Frames {
    /// Counts the frames: each stands for a hop of which it needs so many samples.
    framing: Framing,
    /// First sample of frame 0.
    origin: i64,
    window: Vec<f32>,
    remove_dc_offset: bool,
    pre_emphasis: f32,
    raw_energy: bool,
    energy_floor: f32,
}

impl Frames {
    pub(super) fn new(options: &KaldiOptions, frame_length: usize, hop_length: usize) -> Result<Self, Error> {
        let &KaldiOptions { window, snip_edges, remove_dc_offset, pre_emphasis, raw_energy, energy_floor, .. } =
            options;
        let framing = Framing::new(frame_length, hop_length, false)?;
        if frame_length < 2 {
            return Err(Error::option("frame_length", frame_length, "2 samples or more"));
        }
        if !(0.0..=1.0).contains(&pre_emphasis) {
            return Err(Error::option("pre_emphasis", pre_emphasis, "0 to 1"));
        }
        if !(energy_floor >= 0.0 && energy_floor.is_finite()) {
            return Err(Error::option("energy_floor", energy_floor, "finite and 0 or more"));
        }
        let (framing, origin) = if snip_edges {
            (framing, 0)
        } else {
            // As many frames as hops, rounded: the last counts from half of it on.
            let framing = Framing::new(hop_length.div_ceil(2), hop_length, false)?;
            (framing, (hop_length / 2) as i64 - (frame_length / 2) as i64)
        };
        let window = window.symmetric(frame_length);
        Ok(Self { framing, origin, window, remove_dc_offset, pre_emphasis, raw_energy, energy_floor })
    }

    /// Gives the length of a frame in samples.
    pub(super) fn length(&self) -> usize {
        self.window.len()
    }

    /// Counts the frames of a signal of `n_samples` samples.
    pub(super) fn n_frames(&self, n_samples: usize) -> usize {
        self.framing.n_frames(n_samples)
    }

    /// Gives the number of samples that one frame needs.
    pub(super) fn min_samples(&self) -> usize {
        self.framing.min_samples()
    }

    /// Refuses a signal that is too short for one frame or holds a sample that is not finite and sane.
    pub(super) fn check(&self, samples: &[f32]) -> Result<(), Error> {
        self.framing.check(samples)
    }

    /// Gives the positions of the samples of frame `t`; those outside the signal are mirrored by [`mirror`].
    pub(super) fn range(&self, t: usize) -> Range<i64> {
        let start = self.origin + (t * self.framing.hop_length()) as i64;
        start..start + self.length() as i64
    }

    /// Gives the samples of frame `t` of the whole signal; `buffer` holds them where the signal's ends are mirrored.
    pub(super) fn slice<'a>(&self, samples: &'a [f32], t: usize, buffer: &'a mut Vec<f32>) -> &'a [f32] {
        let range = self.range(t);
        if range.start >= 0 && range.end <= samples.len() as i64 {
            return &samples[range.start as usize..range.end as usize];
        }
        buffer.clear();
        buffer.extend(range.map(|position| samples[mirror(position, samples.len())]));
        buffer
    }

    /// Prepares a frame of samples: writes it, without its mean, to `centred` and windowed to the front of `input`,
    /// whose rest it fills with zeros. Gives the log energy.
    pub(super) fn prepare(&self, frame: &[f32], centred: &mut [f32], input: &mut [f32]) -> f32 {
        let mean = if self.remove_dc_offset { sum(frame, |sample| sample) / frame.len() as f32 } else { 0.0 };
        centred.iter_mut().zip(frame).for_each(|(centred, sample)| *centred = sample - mean);

        let (windowed, zeros) = input.split_at_mut(frame.len());
        windowed[0] = (centred[0] - self.pre_emphasis * centred[0]) * self.window[0];
        for ((value, pair), weight) in windowed[1..].iter_mut().zip(centred.windows(2)).zip(&self.window[1..]) {
            *value = (pair[1] - self.pre_emphasis * pair[0]) * weight;
        }
        zeros.fill(0.0);

        let energy = sum(if self.raw_energy { centred } else { windowed }, |value| value * value);
        energy.max(f32::EPSILON).max(self.energy_floor).ln()
    }
}

/// Finds the sample that stands for `position` when a signal is mirrored at both ends, as often as needed, with its
/// first and last samples twice: positions -1, -2 are samples 0, 1.
pub(crate) fn mirror(position: i64, n_samples: usize) -> usize {
    let folded = position.rem_euclid(2 * n_samples as i64) as usize;
    folded.min(2 * n_samples - 1 - folded)
}

/// Sums in sixteen strands: they fill the vector registers, and round less than one long sum.
fn sum(values: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = values.as_chunks::<16>();
    let mut strands = [0.0; 16];
    for chunk in chunks {
        strands.iter_mut().zip(chunk).for_each(|(strand, &value)| *strand += term(value));
    }
    strands.iter().sum::<f32>() + rest.iter().map(|&value| term(value)).sum::<f32>()
}
