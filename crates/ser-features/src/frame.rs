//! How a signal is cut into overlapping frames.

use crate::Error;

/// The longest frame: 2²⁰ samples, 21 s at 48 kHz.
const MAX_FRAME_LENGTH: usize = 1 << 20;

/// The largest absolute sample: squares of sums of `MAX_FRAME_LENGTH` of them stay finite.
const MAX_SAMPLE: f32 = 4_294_967_296.0;

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

    /// Gives the samples of `frame` between `from` and `to` (positions inside the frame), and how many padded
    /// ones come before them; those after them are left out too.
    pub(crate) fn slice<'a>(&self, samples: &'a [f32], frame: usize, from: usize, to: usize) -> (usize, &'a [f32]) {
        let start = frame * self.hop_length + from;
        let missing = self.padding().saturating_sub(start).min(to - from);
        let first = (start + missing).saturating_sub(self.padding()).min(samples.len());
        let last = (start + to - from).saturating_sub(self.padding()).clamp(first, samples.len());
        (missing, &samples[first..last])
    }

    /// Gives the samples of `frame` without its padding.
    pub(crate) fn inside<'a>(&self, samples: &'a [f32], frame: usize) -> &'a [f32] {
        self.slice(samples, frame, 0, self.frame_length).1
    }

    fn padding(&self) -> usize {
        if self.center { self.frame_length / 2 } else { 0 }
    }
}
