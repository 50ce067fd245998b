//! How a signal is cut into overlapping frames.

use serde::{Deserialize, Serialize};

use crate::Error;

/// The longest frame: 2²⁰ samples, 21 s at 48 kHz.
pub(crate) const MAX_FRAME_LENGTH: usize = 1 << 20;

/// The largest absolute sample: squares of sums of `MAX_FRAME_LENGTH` of them stay finite.
const MAX_SAMPLE: f32 = 4_294_967_296.0;

/// Says what a centred frame holds where it reaches beyond the signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PadMode {
    /// Zeros: librosa's default, numpy's `constant`.
    #[default]
    Zero,
    /// The signal's first or last sample: numpy's `edge`.
    Edge,
    /// The signal mirrored at its first or last sample, which is not repeated: numpy's `reflect`.
    Reflect,
}

/// Cuts a signal into frames of `frame_length` samples, `hop_length` apart.
///
/// With `center`, frame `t` is centred on sample `t * hop_length`: the signal is thought of as padded by
/// `frame_length / 2` on both sides, as librosa's `center=True` does. Without, frame `t` starts there, and only
/// frames that lie wholly inside the signal exist.
///
/// ```
/// let framing = ser_features::Framing::new(2048, 512, true)?;
/// assert_eq!(framing.n_frames(22_050), 44);
/// # Ok::<(), ser_features::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framing {
    frame_length: usize,
    hop_length: usize,
    center: bool,
}

/// Samples of a signal that are at hand: all of them, or while it streams those that may still be needed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signal<'a> {
    /// Consecutive samples of the signal.
    pub(crate) samples: &'a [f32],
    /// The place of the first of them in the signal.
    pub(crate) start: usize,
}

impl<'a> Signal<'a> {
    pub(crate) fn whole(samples: &'a [f32]) -> Self {
        Self { samples, start: 0 }
    }

    /// Gives one past the place of the last sample at hand. A frame that reaches beyond it is at the signal's end.
    pub(crate) fn end(&self) -> usize {
        self.start + self.samples.len()
    }

    /// Gives the samples from place `first` to before `last` that are at hand.
    pub(crate) fn between(&self, first: isize, last: isize) -> &'a [f32] {
        let index = |place: isize| (place.max(self.start as isize) as usize - self.start).min(self.samples.len());
        &self.samples[index(first)..index(last)]
    }

    /// Copies the samples from place `first` on, padded without end.
    pub(crate) fn copy(&self, first: isize, mode: PadMode, output: &mut [f32]) {
        let inside = self.between(first, first + output.len() as isize);
        let missing = (self.start as isize - first).clamp(0, (output.len() - inside.len()) as isize) as usize;
        let (before, rest) = output.split_at_mut(missing);
        let (middle, after) = rest.split_at_mut(inside.len());
        middle.copy_from_slice(inside);
        let after_first = first + (missing + inside.len()) as isize;
        for (part, first) in [(before, first), (after, after_first)] {
            match mode {
                PadMode::Zero => part.fill(0.0),
                _ => part.iter_mut().zip(first..).for_each(|(value, place)| *value = self.padding(place, mode)),
            }
        }
    }

    /// Gives what the padded signal has at `place`.
    fn padding(&self, place: isize, mode: PadMode) -> f32 {
        let last = self.end() as isize - 1;
        let inside = match mode {
            PadMode::Zero => return 0.0,
            PadMode::Edge => place.clamp(0, last),
            PadMode::Reflect => {
                // The mirrored signal repeats itself after twice its length but one sample at each end.
                let folded = place.rem_euclid((2 * last).max(1));
                folded.min(2 * last - folded)
            }
        };
        self.at(inside as usize)
    }

    /// Gives the sample at `place`; 0 where it is not at hand.
    pub(crate) fn at(&self, place: usize) -> f32 {
        place.checked_sub(self.start).and_then(|index| self.samples.get(index)).copied().unwrap_or_default()
    }
}

impl Framing {
    /// Plans frames of `frame_length` samples, `hop_length` samples apart; both 1 to 2²⁰.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] where a length is out of its range.
    pub fn new(frame_length: usize, hop_length: usize, center: bool) -> Result<Self, Error> {
        Self::named("frame_length", frame_length, hop_length, center)
    }

    /// Does [`Framing::new`]'s work where the frame length is an option called `name`.
    pub(crate) fn named(
        name: &'static str,
        frame_length: usize,
        hop_length: usize,
        center: bool,
    ) -> Result<Self, Error> {
        if !(1..=MAX_FRAME_LENGTH).contains(&frame_length) {
            return Err(Error::option(name, frame_length, format!("1 to {MAX_FRAME_LENGTH} samples")));
        }
        if !(1..=MAX_FRAME_LENGTH).contains(&hop_length) {
            return Err(Error::option("hop_length", hop_length, format!("1 to {MAX_FRAME_LENGTH} samples")));
        }
        Ok(Self { frame_length, hop_length, center })
    }

    /// Gives the length of a frame in samples.
    pub fn frame_length(&self) -> usize {
        self.frame_length
    }

    /// Gives the distance of two frames in samples.
    pub fn hop_length(&self) -> usize {
        self.hop_length
    }

    /// Gives the number of samples that a centred frame `0` reaches before the signal; 0 where frames are not centred.
    pub fn padding(&self) -> usize {
        if self.center { self.frame_length / 2 } else { 0 }
    }

    /// Counts the frames of a signal of `n_samples` samples; 0 if it is too short for one.
    pub fn n_frames(&self, n_samples: usize) -> usize {
        if n_samples == 0 {
            return 0;
        }
        match (n_samples + 2 * self.padding()).checked_sub(self.frame_length) {
            Some(room) => 1 + room / self.hop_length,
            None => 0,
        }
    }

    /// Gives the number of samples that one frame needs: 1 where frames are centred.
    pub fn min_samples(&self) -> usize {
        self.frame_length.saturating_sub(2 * self.padding()).max(1)
    }

    /// Refuses a signal that is too short for one frame or holds a sample that is not finite and sane.
    pub(crate) fn check(&self, samples: &[f32]) -> Result<(), Error> {
        if samples.len() < self.min_samples() {
            return Err(Error::TooShort { n_samples: samples.len(), required: self.min_samples() });
        }
        check_samples(samples)
    }

    /// Gives the place in the signal of the first sample of `frame`, which may lie before it.
    pub(crate) fn first_sample(&self, frame: usize) -> isize {
        (frame * self.hop_length) as isize - self.padding() as isize
    }

    /// Gives the samples of `frame` without its padding.
    pub(crate) fn inside<'a>(&self, signal: Signal<'a>, frame: usize) -> &'a [f32] {
        let first = self.first_sample(frame);
        signal.between(first, first + self.frame_length as isize)
    }
}

/// Refuses a sample that is not finite and sane.
pub(crate) fn check_samples(samples: &[f32]) -> Result<(), Error> {
    let sane = |sample: &f32| sample.abs() <= MAX_SAMPLE;
    // Without an early exit inside a chunk the comparison is vectorised.
    for (chunk, start) in samples.chunks(256).zip((0..).step_by(256)) {
        if !chunk.iter().fold(true, |all, sample| all & sane(sample)) {
            let offset = chunk.iter().position(|sample| !sane(sample)).unwrap_or_default();
            return Err(Error::InvalidSample { index: start + offset, value: chunk[offset] });
        }
    }
    Ok(())
}
