use super::options::{Channel, ReadOptions, Truncated};
use crate::{Error, Waveform};

/// More channels than any recorder has; a header that claims more is damaged.
const MAX_CHANNELS: usize = 256;

/// Up to this rate the limit is one of seconds, beyond it one of samples: a header may claim any rate.
const MAX_LIMIT_RATE: u32 = 48_000;

/// A header's word is worth this many samples of memory, 16 MiB, before any of them is read.
const MAX_RESERVED: u64 = 1 << 22;

pub(super) fn check_channels(channels: usize) -> Result<(), Error> {
    match channels {
        1..=MAX_CHANNELS => Ok(()),
        _ => Err(Error::Channels { channels, max: MAX_CHANNELS }),
    }
}

/// Takes the decoded frames of a recording and keeps the asked-for part as one channel.
///
/// A frame is one sample of every channel.
pub(super) struct Sink {
    format: &'static str,
    channels: usize,
    sample_rate: u32,
    channel: Channel,
    truncated: Truncated,
    /// The frames before the part.
    first: u64,
    /// The length of the part in frames; `u64::MAX` reaches to the end.
    len: u64,
    /// The longest part that is taken, in seconds.
    max_duration: f64,
    /// The frames before the recording, which are among the first.
    delay: u64,
    /// The frames that went by, kept or not.
    seen: u64,
    samples: Vec<f32>,
}

impl Sink {
    pub(super) fn new(
        format: &'static str,
        channels: usize,
        sample_rate: u32,
        options: &ReadOptions,
    ) -> Result<Self, Error> {
        check_channels(channels)?;
        if let Channel::Index(index) = options.channel
            && index >= channels
        {
            return Err(Error::NoChannel { index, channels });
        }
        Waveform::check_rate(sample_rate)?;
        let frames = |seconds: f64| (seconds * f64::from(sample_rate)).round() as u64;
        let share = f64::from(MAX_LIMIT_RATE) / f64::from(sample_rate);
        Ok(Self {
            format,
            channels,
            sample_rate,
            channel: options.channel,
            truncated: options.truncated,
            first: frames(options.offset),
            len: options.duration.map_or(u64::MAX, |duration| frames(duration).max(1)),
            max_duration: options.max_duration * share.min(1.0),
            delay: 0,
            seen: 0,
            samples: Vec::new(),
        })
    }

    /// Leaves out `delay` frames before the recording and what comes after its `len` frames.
    ///
    /// Refuses a part that is outside or too long, before anything is decoded.
    pub(super) fn cut(&mut self, delay: u64, len: Option<u64>) -> Result<(), Error> {
        if let Some(len) = len {
            match len.checked_sub(self.first) {
                None | Some(0) => return Err(self.nothing(len)),
                Some(rest) => self.len = self.len.min(rest),
            }
            if self.len > self.max_frames() {
                let duration = Some(self.seconds(self.len));
                return Err(Error::TooLong { duration, max_duration: self.max_duration });
            }
            self.samples.reserve(self.len.min(MAX_RESERVED) as usize);
        }
        self.delay = delay;
        self.first = self.first.saturating_add(delay);
        Ok(())
    }

    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    /// The frames before the part.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The frame after the last that is wanted; `u64::MAX` where the part reaches to the end.
    pub(super) fn end(&self) -> u64 {
        self.first.saturating_add(self.len)
    }

    /// The frames that went by, kept or not.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// Whether the part is complete.
    #[cfg(feature = "formats")]
    pub(super) fn is_full(&self) -> bool {
        self.seen >= self.end()
    }

    /// Lets frames go by that were not decoded; they must lie before the part.
    pub(super) fn skip(&mut self, frames: u64) {
        self.seen += frames;
    }

    /// Takes whole frames of interleaved samples.
    pub(super) fn push(&mut self, interleaved: &[f32]) -> Result<(), Error> {
        let frames = (interleaved.len() / self.channels) as u64;
        let begin = self.first.saturating_sub(self.seen).min(frames) as usize;
        let end = self.end().saturating_sub(self.seen).min(frames) as usize;
        self.seen += frames;
        let part = &interleaved[begin * self.channels..end.max(begin) * self.channels];
        let frames = part.chunks_exact(self.channels);
        match self.channel {
            _ if self.channels == 1 => self.samples.extend_from_slice(part),
            // As below, and twice as fast for what most files are.
            Channel::Mix if self.channels == 2 => {
                let (pairs, _) = part.as_chunks();
                self.samples.extend(pairs.iter().map(|[left, right]| (left + right) / 2.0));
            }
            Channel::Mix => {
                let channels = self.channels as f32;
                self.samples.extend(frames.map(|frame| frame.iter().sum::<f32>() / channels));
            }
            Channel::Index(index) => self.samples.extend(frames.map(|frame| frame[index])),
        }
        if self.samples.len() as u64 > self.max_frames() {
            return Err(Error::TooLong { duration: None, max_duration: self.max_duration });
        }
        Ok(())
    }

    /// Leaves out what was taken beyond the first `frames` that went by.
    #[cfg(feature = "formats")]
    pub(super) fn truncate(&mut self, frames: u64) {
        let len = frames.saturating_sub(self.first);
        self.samples.truncate(usize::try_from(len).unwrap_or(usize::MAX));
    }

    /// Gives the part, or what was kept of it before something went wrong.
    pub(super) fn finish(self, problem: Option<Error>) -> Result<Waveform, Error> {
        match problem {
            Some(problem) if self.truncated == Truncated::Refuse || self.samples.is_empty() => return Err(problem),
            _ => {}
        }
        match self.samples.is_empty() {
            true => Err(self.nothing(self.seen.saturating_sub(self.delay))),
            false => Waveform::new(self.samples, self.sample_rate),
        }
    }

    /// Says why there is nothing of a recording of `len` frames.
    fn nothing(&self, len: u64) -> Error {
        match len {
            0 => Error::NoAudio { format: self.format },
            _ => Error::PastEnd { offset: self.seconds(self.first - self.delay), duration: self.seconds(len) },
        }
    }

    fn seconds(&self, frames: u64) -> f64 {
        frames as f64 / f64::from(self.sample_rate)
    }

    fn max_frames(&self) -> u64 {
        (self.max_duration * f64::from(self.sample_rate)).ceil() as u64
    }
}
