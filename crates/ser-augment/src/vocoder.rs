use std::f64::consts::TAU;
use std::fmt;
use std::sync::Arc;

use pulp::{Arch, NullaryFnOnce};
use ser_features::Complex;
use ser_features::fft::RealFft;

use crate::Error;
use crate::fourier::Fourier;
use crate::options::check;
use crate::resample::resample;

/// librosa's defaults: frames of 2048 samples, every 512.
const N_FFT: usize = 2048;
const HOP: usize = 512;
const BINS: usize = N_FFT / 2 + 1;

/// What the squares of a Hann window add up to where four frames overlap.
const WINDOW_SUM: f64 = 1.5;

/// A planned phase vocoder: time stretch without a change of pitch, and pitch shift without a change of duration.
///
/// Equal to `librosa.effects.time_stretch` and `pitch_shift` (0.11.0, their defaults, on `float64` samples) within
/// 1e-3 of the clip's peak; usually the difference is below 1e-6 and 1e-4. Beyond 7 semitones up or an octave down, the
/// very first sample may differ by up to 8e-3, where the sound begins at once. Their `float32` results differ from their
/// own `float64` ones by more.
///
/// ```
/// use ser_augment::PhaseVocoder;
///
/// let vocoder = PhaseVocoder::new();
/// let tone: Vec<f32> = (0..8000).map(|n| (n as f32 * 0.1).sin()).collect();
/// assert_eq!(vocoder.time_stretch(&tone, 0.8)?.len(), 10_000);
/// assert_eq!(vocoder.pitch_shift(&tone, 0.7)?.len(), 8000);
/// # Ok::<(), ser_augment::Error>(())
/// ```
#[derive(Clone)]
pub struct PhaseVocoder {
    forward: Arc<RealFft<f64>>,
    inverse: Arc<RealFft<f32>>,
    window: Vec<f64>,
    /// The window again, with the scale of the inverse transform and of the overlap.
    synthesis: Vec<f32>,
    fourier: Fourier,
}

impl Default for PhaseVocoder {
    fn default() -> Self {
        Self::new()
    }
}

impl PhaseVocoder {
    /// Plans the transforms.
    pub fn new() -> Self {
        Self::sharing(Fourier::default())
    }

    pub(crate) fn sharing(fourier: Fourier) -> Self {
        let window: Vec<f64> = (0..N_FFT).map(|n| 0.5 - 0.5 * (TAU * n as f64 / N_FFT as f64).cos()).collect();
        let scale = N_FFT as f64 * WINDOW_SUM;
        Self {
            // In f64: the phase of a bin far below the loudest one matters once that bin gets loud itself. An f32
            // transform gave differences of several times the peak on a sweep and 7 % on a clean voice.
            forward: Arc::new(RealFft::<f64>::new(N_FFT)),
            inverse: fourier.plan(N_FFT),
            synthesis: window.iter().map(|w| (w / scale) as f32).collect(),
            window,
            fourier,
        }
    }

    /// Makes the samples `1 / rate` times as long at the same pitch; `rate` is 0.1 to 10.
    ///
    /// The length is `n / rate`, rounded half to even as Python does, and at least 1 where there are samples.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] where the rate is out of range, [`Error::NonFinite`] where a sample is not finite.
    pub fn time_stretch(&self, samples: &[f32], rate: f64) -> Result<Vec<f32>, Error> {
        check("rate", rate, (0.1..=10.0).contains(&rate), "0.1 to 10")?;
        check_samples(samples)?;
        Ok(self.stretch(samples, rate))
    }

    /// Raises the pitch by `semitones`, -24 to 24, at the same length.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] where the interval is out of range, [`Error::NonFinite`] where a sample is not finite.
    pub fn pitch_shift(&self, samples: &[f32], semitones: f64) -> Result<Vec<f32>, Error> {
        check("semitones", semitones, (-24.0..=24.0).contains(&semitones), "-24 to 24")?;
        check_samples(samples)?;
        let rate = (-semitones / 12.0).exp2();
        let stretched = self.stretch(samples, rate);
        // Where that is up to two samples short, librosa fills up with zeros.
        let len = samples.len().min((stretched.len() as f64 * rate).ceil() as usize);
        let mut shifted = resample(&self.fourier, &stretched, 1.0 / rate, len);
        shifted.resize(samples.len(), 0.0);
        Ok(shifted)
    }

    fn stretch(&self, samples: &[f32], rate: f64) -> Vec<f32> {
        if samples.is_empty() {
            return Vec::new();
        }
        let length = ((samples.len() as f64 / rate).round_ties_even() as usize).max(1);
        let n_input = 1 + samples.len() / HOP;
        // librosa leaves out frames that begin past the end.
        let n_frames = ((n_input as f64 / rate).ceil() as usize).min((length + N_FFT).div_ceil(HOP));

        let mut output = vec![0.0; length];
        let analysis = Analysis::new(self, samples);
        Arch::new().dispatch(Synthesis { plan: self, analysis, rate, n_frames, output: &mut output });
        self.complete_edges(&mut output, n_frames);
        output
    }

    /// Divides by the sum of squared windows where fewer than four frames overlap.
    fn complete_edges(&self, samples: &mut [f32], n_frames: usize) {
        const OVERLAP: usize = N_FFT / HOP;
        for (block, samples) in (N_FFT / 2 / HOP..).zip(samples.chunks_mut(HOP)) {
            let frames = (block + 1).saturating_sub(OVERLAP)..n_frames.min(block + 1);
            if frames.len() == OVERLAP {
                continue;
            }
            for (n, sample) in samples.iter_mut().enumerate() {
                let sum: f64 = frames.clone().map(|frame| self.window[(block - frame) * HOP + n].powi(2)).sum();
                if sum > 0.0 {
                    *sample *= (WINDOW_SUM / sum) as f32;
                }
            }
        }
    }
}

/// Adds up the frames of the stretched signal.
struct Synthesis<'a> {
    plan: &'a PhaseVocoder,
    analysis: Analysis<'a>,
    rate: f64,
    n_frames: usize,
    output: &'a mut [f32],
}

impl NullaryFnOnce for Synthesis<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { plan, mut analysis, rate, n_frames, output } = self;
        let (mut left, mut right) = (Column::new(), Column::new());
        analysis.column(0, &mut left);
        analysis.column(1, &mut right);
        let mut at = 0;

        let mut phasor = left.direction.clone();
        let mut spectrum = vec![Complex::ZERO; BINS];
        let mut frame = [0.0; N_FFT];
        let mut scratch = vec![Complex::ZERO; plan.inverse.scratch_len()];
        for i in 0..n_frames {
            let position = i as f64 * rate;
            let column = position as usize;
            if column == at + 1 {
                std::mem::swap(&mut left, &mut right);
                analysis.column(column + 1, &mut right);
            } else if column != at {
                analysis.column(column, &mut left);
                analysis.column(column + 1, &mut right);
            }
            at = column;
            advance(&mut phasor, &mut spectrum, &left, &right, position.fract() as f32);

            plan.inverse.inverse(&mut spectrum, &mut frame, &mut scratch);
            frame.iter_mut().zip(&plan.synthesis).for_each(|(x, weight)| *x *= weight);
            // Frame 0 is centred on the first sample.
            let (start, before) = ((i * HOP).saturating_sub(N_FFT / 2), (N_FFT / 2).saturating_sub(i * HOP));
            if let Some(output) = output.get_mut(start..) {
                output.iter_mut().zip(&frame[before..]).for_each(|(sum, x)| *sum += x);
            }
        }
    }
}

/// One frame of the analysis: the magnitude of each bin and its direction, a complex number of magnitude 1.
struct Column {
    magnitude: Vec<f32>,
    direction: Directions,
}

/// Complex numbers of magnitude 1, in two rows for the vector instructions.
#[derive(Clone)]
struct Directions {
    re: Vec<f32>,
    im: Vec<f32>,
}

impl Column {
    fn new() -> Self {
        Self { magnitude: vec![0.0; BINS], direction: Directions { re: vec![1.0; BINS], im: vec![0.0; BINS] } }
    }
}

/// The short-time Fourier transform of a signal, a column at a time.
struct Analysis<'a> {
    plan: &'a PhaseVocoder,
    samples: &'a [f32],
    frame: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
}

impl<'a> Analysis<'a> {
    fn new(plan: &'a PhaseVocoder, samples: &'a [f32]) -> Self {
        Self {
            plan,
            samples,
            frame: vec![0.0; N_FFT],
            spectrum: vec![Complex::ZERO; BINS],
            scratch: vec![Complex::ZERO; plan.forward.scratch_len()],
        }
    }

    /// Transforms the frame centred on sample `index · HOP`; past the last frame all is zero, and the phase of zero is 0.
    #[inline(always)]
    fn column(&mut self, index: usize, column: &mut Column) {
        if index > self.samples.len() / HOP {
            *column = Column::new();
            return;
        }
        let start = index * HOP;
        let before = (N_FFT / 2).saturating_sub(start);
        let inside = &self.samples[(start + before) - N_FFT / 2..(start + N_FFT / 2).min(self.samples.len())];
        let (windowed, after) = self.frame.split_at_mut(before + inside.len());
        windowed[..before].fill(0.0);
        after.fill(0.0);
        for ((value, &x), weight) in windowed[before..].iter_mut().zip(inside).zip(&self.plan.window[before..]) {
            *value = f64::from(x) * weight;
        }
        self.plan.forward.forward(&mut self.frame, &mut self.spectrum, &mut self.scratch);

        let Column { magnitude, direction } = column;
        for (((bin, magnitude), re), im) in
            self.spectrum.iter().zip(magnitude).zip(&mut direction.re).zip(&mut direction.im)
        {
            let (x, y) = (bin.re as f32, bin.im as f32);
            let length = (x * x + y * y).sqrt();
            let sounds = length > f32::MIN_POSITIVE;
            let inverse = 1.0 / if sounds { length } else { 1.0 };
            *magnitude = length;
            *re = if sounds { x * inverse } else { 1.0 };
            *im = if sounds { y * inverse } else { 0.0 };
        }
    }
}

/// Writes one frame: the magnitudes between two columns, `between` of the way, and the accumulated phase, which then
/// advances by the phase difference of the two. Only the sine and cosine of phases are ever needed, so turning by a
/// phase difference is a product of complex numbers.
#[inline(always)]
fn advance(phasor: &mut Directions, spectrum: &mut [Complex<f32>], left: &Column, right: &Column, between: f32) {
    let magnitudes = left.magnitude.iter().zip(&right.magnitude);
    let lefts = left.direction.re.iter().zip(&left.direction.im);
    let rights = right.direction.re.iter().zip(&right.direction.im);
    let phasors = phasor.re.iter_mut().zip(&mut phasor.im);
    for ((((bin, (re, im)), (m0, m1)), (re0, im0)), (re1, im1)) in
        spectrum.iter_mut().zip(phasors).zip(magnitudes).zip(lefts).zip(rights)
    {
        let magnitude = (1.0 - between) * m0 + between * m1;
        *bin = Complex::new(magnitude * *re, magnitude * *im);
        let (turn_re, turn_im) = (re1 * re0 + im1 * im0, im1 * re0 - re1 * im0);
        let (x, y) = (*re * turn_re - *im * turn_im, *re * turn_im + *im * turn_re);
        // One step of Newton's method keeps the magnitude at 1, however long the clip.
        let correction = 1.5 - 0.5 * (x * x + y * y);
        (*re, *im) = (x * correction, y * correction);
    }
}

fn check_samples(samples: &[f32]) -> Result<(), Error> {
    // All of them are looked at, which lets the compiler compare many at once.
    if samples.iter().fold(true, |finite, x| finite & x.is_finite()) {
        return Ok(());
    }
    match samples.iter().position(|x| !x.is_finite()) {
        Some(index) => Err(Error::NonFinite { index, value: samples[index] }),
        None => Ok(()),
    }
}

impl fmt::Debug for PhaseVocoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PhaseVocoder").field("n_fft", &N_FFT).field("hop_length", &HOP).finish_non_exhaustive()
    }
}
