use std::cell::Cell;
use std::ops::RangeInclusive;

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler, ResamplerConstructionError, WindowFunction};

use crate::{Error, Waveform};

/// The rates in hertz between which resampling is tested.
const RATES: RangeInclusive<u32> = 4_000..=384_000;

/// The least length of the anti-aliasing filter, in samples of the lower of the two rates.
const FILTER_LEN: u32 = 512;

/// Of louder samples, the sums of the Fourier transform could overflow.
const LOUDEST: f32 = 1e30;

impl Waveform {
    /// Resamples to a sample rate in hertz, 4,000 to 384,000; the waveform's own rate returns it
    /// untouched.
    ///
    /// The length is `ceil(n · to / from)` (librosa's rule); sample `i` of the result is the
    /// signal at `i / to` seconds: there is no delay. Before its beginning and after its end the
    /// signal counts as silence.
    ///
    /// A tone up to 0.9 of the lower of the two Nyquist frequencies comes out to within 5e-6 of its
    /// amplitude (ripple, delay and noise together), one above the Nyquist frequency below -100 dB.
    ///
    /// ```
    /// use ser_audio::Waveform;
    ///
    /// let waveform = Waveform::new(vec![0.25; 44_101], 44_100)?.resample(16_000)?;
    /// assert_eq!(waveform.samples().len(), 16_001);
    /// # Ok::<(), ser_audio::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::SampleRate`] if either rate is out of range; [`Error::NonFinite`] if the result overflows, as it may of samples
    /// above 1e38.
    pub fn resample(self, sample_rate: u32) -> Result<Self, Error> {
        if sample_rate == self.sample_rate {
            return Ok(self);
        }
        for rate in [self.sample_rate, sample_rate] {
            if !RATES.contains(&rate) {
                return Err(Error::SampleRate { sample_rate: rate, min: *RATES.start(), max: *RATES.end() });
            }
        }
        if self.peak() > LOUDEST {
            // By a power of two, which changes no digit of what can be heard beside such samples.
            let scaled = |samples: Vec<f32>, scale: f32| samples.into_iter().map(|x| x * scale).collect::<Vec<f32>>();
            let samples = resample(&scaled(self.samples, 2f32.powi(-64)), self.sample_rate, sample_rate)?;
            return Self::new(scaled(samples, 2f32.powi(64)), sample_rate);
        }
        let samples = resample(&self.samples, self.sample_rate, sample_rate)?;
        Self::new(samples, sample_rate)
    }
}

/// The longest block, in samples of either rate, of a plan that is kept; it takes some 2 MB.
const MAX_KEPT: usize = 1 << 15;

thread_local! {
    /// The last plan of this thread: a corpus has one rate, and planning takes as long as a second of its audio.
    static LAST_PLAN: Cell<Option<Plan>> = const { Cell::new(None) };
}

fn resample(samples: &[f32], from: u32, to: u32) -> Result<Vec<f32>, Error> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::Resample { from, to, source };
    let mut plan = match LAST_PLAN.take().filter(|plan| (plan.from, plan.to) == (from, to)) {
        Some(plan) => plan,
        None => Plan::new(from, to).map_err(|e| failed(e.into()))?,
    };
    let input = SequentialSlice::new(samples, 1, samples.len()).map_err(|e| failed(e.into()))?;
    let output = plan.resampler.process_all(&input, samples.len(), None).map_err(|e| failed(e.into()))?;
    if plan.resampler.input_frames_max().max(plan.resampler.output_frames_max()) <= MAX_KEPT {
        LAST_PLAN.set(Some(plan));
    }
    let mut output = output.take_data();
    let len = (samples.len() as u128 * u128::from(to)).div_ceil(u128::from(from));
    output.resize(len as usize, 0.0);
    Ok(output)
}

/// A resampler between two rates.
struct Plan {
    from: u32,
    to: u32,
    resampler: Fft<f32>,
}

impl Plan {
    /// Overlap-add in the frequency domain: [`Fft`] over rubato's sinc interpolation, which took at least three times as
    /// long, whatever the rates, and was delayed by up to one output sample (5.0.1).
    fn new(from: u32, to: u32) -> Result<Self, ResamplerConstructionError> {
        let step = from / gcd(from, to);
        let lower = from.min(to) / gcd(from, to);
        // An even number of blocks makes the filter's delay a whole number of output samples.
        let blocks = FILTER_LEN.div_ceil(lower).next_multiple_of(2);
        let resampler = Fft::new_custom(
            from as usize,
            to as usize,
            blocks as usize * step as usize,
            1,
            1,
            WindowFunction::BlackmanHarris2,
            FixedSync::Both,
        )?;
        Ok(Self { from, to, resampler })
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
