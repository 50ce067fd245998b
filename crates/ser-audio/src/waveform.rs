use pulp::Arch;

use crate::Error;

/// The highest sample rate of a waveform in hertz; no sound card goes beyond it.
const MAX_SAMPLE_RATE: u32 = 768_000;

/// How many samples are looked at before it is asked whether all of them were finite.
const BLOCK: usize = 1024;

/// One channel of audio: finite `f32` samples, full scale at ±1, and their sample rate.
///
/// Samples may go beyond ±1 (a float recording, a resampled full-scale one); nothing clips them.
///
/// ```
/// use ser_audio::Waveform;
///
/// let waveform = Waveform::new(vec![0.5, -0.25, 0.125, 0.75], 8_000)?;
/// assert_eq!(waveform.duration(), 0.0005);
/// assert_eq!(waveform.peak(), 0.75);
/// # Ok::<(), ser_audio::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Waveform {
    pub(crate) samples: Vec<f32>,
    pub(crate) sample_rate: u32,
}

impl Waveform {
    /// Takes mono samples and their sample rate in hertz, 1 to 768,000.
    ///
    /// # Errors
    ///
    /// [`Error::SampleRate`] if the rate is out of range, [`Error::NonFinite`] if a sample is
    /// infinite or not a number.
    pub fn new(samples: Vec<f32>, sample_rate: u32) -> Result<Self, Error> {
        Self::check_rate(sample_rate)?;
        match first_non_finite(&samples) {
            Some((index, value)) => Err(Error::NonFinite { index, value }),
            None => Ok(Self { samples, sample_rate }),
        }
    }

    pub(crate) fn check_rate(sample_rate: u32) -> Result<(), Error> {
        match sample_rate {
            1..=MAX_SAMPLE_RATE => Ok(()),
            _ => Err(Error::SampleRate { sample_rate, min: 1, max: MAX_SAMPLE_RATE }),
        }
    }

    /// The samples, full scale at ±1.
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// Gives the samples away.
    pub fn into_samples(self) -> Vec<f32> {
        self.samples
    }

    /// The sample rate in hertz.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// The duration in seconds.
    pub fn duration(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.sample_rate)
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The largest magnitude of any sample; 0 where there are none.
    pub fn peak(&self) -> f32 {
        self.samples.iter().fold(0.0, |peak, x| peak.max(x.abs()))
    }
}

/// An exponent of all ones, and no other, carries into the sign's place if one is added: integers do that for as many
/// samples at once as a register holds.
#[inline(always)]
fn all_finite(samples: &[f32]) -> bool {
    const EXPONENT: u32 = f32::INFINITY.to_bits();
    const ONE: u32 = EXPONENT & EXPONENT.wrapping_neg();
    samples.iter().fold(0, |carry, x| carry | ((x.to_bits() & EXPONENT) + ONE)) >> 31 == 0
}

/// The first sample that is infinite or not a number, and its index.
fn first_non_finite(samples: &[f32]) -> Option<(usize, f32)> {
    // A block is looked through to its end, which lets the compiler compare many samples at once.
    let mut blocks = samples.chunks(BLOCK);
    let block = Arch::new().dispatch(
        #[inline(always)]
        || blocks.position(|block| !all_finite(block)),
    )?;
    let mut rest = samples.iter().copied().enumerate().skip(block * BLOCK);
    rest.find(|(_, x)| !x.is_finite())
}
