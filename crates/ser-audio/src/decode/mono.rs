use crate::{Error, Waveform};

/// More channels than any recorder has; a header that claims more is damaged.
const MAX_CHANNELS: usize = 256;

/// Averages the channels of interleaved samples.
pub(super) struct Mono {
    channels: usize,
    sum: f32,
    summed: usize,
    samples: Vec<f32>,
}

impl Mono {
    pub(super) fn new(channels: usize) -> Result<Self, Error> {
        if !(1..=MAX_CHANNELS).contains(&channels) {
            return Err(Error::Channels { channels, max: MAX_CHANNELS });
        }
        Ok(Self { channels, sum: 0.0, summed: 0, samples: Vec::new() })
    }

    pub(super) fn push(&mut self, sample: f32) {
        self.sum += sample;
        self.summed += 1;
        if self.summed == self.channels {
            self.samples.push(self.sum / self.channels as f32);
            self.sum = 0.0;
            self.summed = 0;
        }
    }

    /// The number of whole frames so far.
    pub(super) fn frames(&self) -> u64 {
        self.samples.len() as u64
    }

    pub(super) fn finish(self, format: &'static str, sample_rate: u32) -> Result<Waveform, Error> {
        if self.samples.is_empty() {
            return Err(Error::NoAudio { format });
        }
        Waveform::new(self.samples, sample_rate)
    }
}
