//! The short-time Fourier transform.

use std::fmt;

use ndarray::{Array2, ArrayRef2};
use pulp::{Arch, NullaryFnOnce};
use realfft::num_complex::Complex;
use serde::{Deserialize, Serialize};

use crate::fft::FrameFft;
use crate::frame::Signal;
use crate::{Error, Framing, PadMode, Window};

/// Describes a short-time Fourier transform. The default is librosa's: 2048, 512, 2048, Hann, centred, zeros around.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StftOptions {
    /// Length of the transform in samples, 1 to 2²⁰; there are `1 + n_fft / 2` frequency bins.
    pub n_fft: usize,
    /// Distance of two frames in samples, 1 to 2²⁰.
    pub hop_length: usize,
    /// Length of the window in samples, 1 to `n_fft`; zeros on both sides fill it up to `n_fft`.
    pub win_length: usize,
    /// Window function, in its periodic form.
    pub window: Window,
    /// Whether frame `t` is centred on sample `t * hop_length` (of a padded signal) or starts there.
    pub center: bool,
    /// What centred frames hold beyond the signal.
    pub pad_mode: PadMode,
}

impl Default for StftOptions {
    fn default() -> Self {
        Self {
            n_fft: 2048,
            hop_length: 512,
            win_length: 2048,
            window: Window::Hann,
            center: true,
            pad_mode: PadMode::Zero,
        }
    }
}

impl StftOptions {
    /// Plans the frames and the window, padded with nothing.
    pub(crate) fn check(&self) -> Result<(Framing, Vec<f32>), Error> {
        let framing = Framing::named("n_fft", self.n_fft, self.hop_length, self.center)?;
        if !(1..=self.n_fft).contains(&self.win_length) {
            return Err(Error::option("win_length", self.win_length, format!("1 to n_fft = {}", self.n_fft)));
        }
        Ok((framing, self.window.periodic(self.win_length)))
    }
}

/// A planned short-time Fourier transform.
///
/// Equal to `librosa.stft` (0.11.0) within 1e-6 of the largest magnitude of each frame: librosa transforms in
/// float64 and rounds, this transforms in float32. Results are `[frames, 1 + n_fft / 2]`, frames first, where
/// librosa's have frequencies first. Bin `k` lies at `k * sample_rate / n_fft` hertz. [`Istft`](crate::Istft) is the inverse.
///
/// ```
/// use ser_features::{Stft, StftOptions};
///
/// let stft = Stft::new(&StftOptions { n_fft: 64, hop_length: 16, win_length: 64, ..StftOptions::default() })?;
/// // Eight periods in 64 samples: the energy is in bin 8.
/// let tone: Vec<f32> = (0..256).map(|n| (n as f32 * std::f32::consts::TAU / 8.0).sin()).collect();
/// let power = stft.power(&tone)?;
/// assert_eq!(power.dim(), (17, 33));
/// assert!((0..33).all(|bin| power[[8, bin]] <= power[[8, 8]]));
/// # Ok::<(), ser_features::Error>(())
/// ```
#[derive(Clone)]
pub struct Stft {
    framing: Framing,
    pad_mode: PadMode,
    window: Vec<f32>,
    fft: FrameFft,
}

/// The buffers of an [`Stft`], kept by the caller between calls. One fits every plan: it grows as needed.
#[derive(Debug, Clone, Default)]
pub struct StftScratch {
    frame: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    fft: Vec<Complex<f32>>,
}

impl Stft {
    /// Plans the transform.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] where an option is out of its range.
    pub fn new(options: &StftOptions) -> Result<Self, Error> {
        let (framing, window) = options.check()?;
        Ok(Self { framing, pad_mode: options.pad_mode, window, fft: FrameFft::new(options.n_fft) })
    }

    /// Gives the number of frequency bins, `1 + n_fft / 2`.
    pub fn n_bins(&self) -> usize {
        1 + self.framing.frame_length() / 2
    }

    /// Counts the frames of a signal of `n_samples` samples.
    pub fn n_frames(&self, n_samples: usize) -> usize {
        self.framing.n_frames(n_samples)
    }

    /// Gives the frames that are transformed.
    pub fn framing(&self) -> &Framing {
        &self.framing
    }

    pub(crate) fn pad_mode(&self) -> PadMode {
        self.pad_mode
    }

    /// Computes the complex spectrum of every frame, `[frames, bins]`.
    ///
    /// # Errors
    ///
    /// [`Error::TooShort`] where the signal has no frame, [`Error::InvalidSample`] where a sample is not finite.
    pub fn complex(&self, samples: &[f32]) -> Result<Array2<Complex<f32>>, Error> {
        self.map(samples, |value| value)
    }

    /// Computes the magnitude of every frame, `[frames, bins]`, 0 or more.
    ///
    /// # Errors
    ///
    /// As [`Stft::complex`].
    pub fn magnitude(&self, samples: &[f32]) -> Result<Array2<f32>, Error> {
        self.map(samples, Complex::norm)
    }

    /// Computes the power (squared magnitude) of every frame, `[frames, bins]`, 0 or more.
    ///
    /// # Errors
    ///
    /// As [`Stft::complex`].
    pub fn power(&self, samples: &[f32]) -> Result<Array2<f32>, Error> {
        self.map(samples, |value| value.norm_sqr())
    }

    /// Writes the complex spectrum of every frame into `output`, `[frames, bins]`, without allocating.
    ///
    /// # Errors
    ///
    /// As [`Stft::complex`], and [`Error::Shape`] where `output` is not `[n_frames(samples.len()), n_bins()]`.
    pub fn process_into(
        &self,
        samples: &[f32],
        output: &mut ArrayRef2<Complex<f32>>,
        scratch: &mut StftScratch,
    ) -> Result<(), Error> {
        self.map_into(samples, output, scratch, |value| value)
    }

    fn map<T: Clone + Default>(
        &self,
        samples: &[f32],
        convert: impl Fn(Complex<f32>) -> T,
    ) -> Result<Array2<T>, Error> {
        let mut output = Array2::default((self.n_frames(samples.len()), self.n_bins()));
        self.map_into(samples, &mut output, &mut StftScratch::default(), convert)?;
        Ok(output)
    }

    fn map_into<T>(
        &self,
        samples: &[f32],
        output: &mut ArrayRef2<T>,
        scratch: &mut StftScratch,
        convert: impl Fn(Complex<f32>) -> T,
    ) -> Result<(), Error> {
        self.framing.check(samples)?;
        let expected = (self.n_frames(samples.len()), self.n_bins());
        if output.dim() != expected {
            return Err(Error::Shape { expected, actual: output.dim() });
        }
        for (frame, mut row) in output.rows_mut().into_iter().enumerate() {
            let signal = Signal::whole(samples);
            Arch::new().dispatch(Spectrum { stft: self, signal, frame, scratch: &mut *scratch });
            for (value, &bin) in row.iter_mut().zip(&scratch.spectrum) {
                *value = convert(bin);
            }
        }
        Ok(())
    }

    /// Transforms one frame of checked samples.
    #[inline(always)]
    pub(crate) fn spectrum<'a>(
        &self,
        signal: Signal,
        frame: usize,
        scratch: &'a mut StftScratch,
    ) -> &'a [Complex<f32>] {
        let StftScratch { frame: input, spectrum, fft } = scratch;
        input.resize(self.framing.frame_length(), 0.0);
        spectrum.resize(self.n_bins(), Complex::ZERO);
        fft.resize(self.fft.scratch_len(), Complex::ZERO);

        let (before, rest) = input.split_at_mut((self.framing.frame_length() - self.window.len()) / 2);
        let (windowed, after) = rest.split_at_mut(self.window.len());
        before.fill(0.0);
        after.fill(0.0);
        let first = self.framing.first_sample(frame) + before.len() as isize;
        let inside = signal.between(first, first + windowed.len() as isize);
        if inside.len() == windowed.len() {
            for ((value, sample), weight) in windowed.iter_mut().zip(inside).zip(&self.window) {
                *value = sample * weight;
            }
        } else {
            signal.copy(first, self.pad_mode, windowed);
            windowed.iter_mut().zip(&self.window).for_each(|(value, weight)| *value *= weight);
        }
        self.fft.process(input, spectrum, fft);
        spectrum
    }
}

/// [`Stft::spectrum`] with the widest vectors that the machine has.
struct Spectrum<'a> {
    stft: &'a Stft,
    signal: Signal<'a>,
    frame: usize,
    scratch: &'a mut StftScratch,
}

impl NullaryFnOnce for Spectrum<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.stft.spectrum(self.signal, self.frame, self.scratch);
    }
}

impl fmt::Debug for Stft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stft")
            .field("framing", &self.framing)
            .field("win_length", &self.window.len())
            .finish_non_exhaustive()
    }
}
