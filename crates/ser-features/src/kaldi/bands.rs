//! Kaldi's mel bands.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use ndarray::{ArrayRef2, Axis};
use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use super::KaldiOptions;
use super::frames::Frames;
use crate::Error;
use crate::decibel::decibel;
use crate::mel::Filter;

/// Frames that are computed side by side, to fill the vector registers.
const LANES: usize = 16;

/// The buffers of [`Kaldi`](crate::Kaldi), kept by the caller between calls. One fits every plan: it grows as needed.
#[derive(Debug, Clone, Default)]
pub struct KaldiScratch {
    mirrored: Vec<f32>,
    columns: Vec<f32>,
    transform: TransformScratch,
}

/// Where frames are side by side, a buffer has a row for each bin or band, and in each row a cell for each frame.
#[derive(Debug, Clone, Default)]
struct TransformScratch {
    centred: Vec<f32>,
    input: Vec<f32>,
    spectrum: Vec<Complex<f32>>,
    fft: Vec<Complex<f32>>,
    power: Vec<f32>,
    bands: Vec<f32>,
}

/// Planned log mel bands and log energies of frames: what filterbank and cepstrum share.
#[derive(Clone)]
pub(super) struct Bands {
    frames: Frames,
    fft: Arc<dyn RealToComplex<f32>>,
    filters: Vec<Filter>,
    use_power: bool,
}

impl Bands {
    pub(super) fn new(
        options: &KaldiOptions,
        use_power: bool,
        sample_rate: u32,
        frame_length: usize,
        hop_length: usize,
    ) -> Result<Self, Error> {
        let frames = Frames::new(options, frame_length, hop_length)?;
        let n_fft = frame_length.next_power_of_two();
        let filters = filterbank(options, sample_rate, n_fft)?;
        Ok(Self { frames, fft: RealFftPlanner::new().plan_fft_forward(n_fft), filters, use_power })
    }

    /// Gives the number of samples that one frame needs.
    pub(super) fn min_samples(&self) -> usize {
        self.frames.min_samples()
    }

    pub(super) fn n_frames(&self, n_samples: usize) -> usize {
        self.frames.n_frames(n_samples)
    }

    pub(super) fn range(&self, t: usize) -> Range<i64> {
        self.frames.range(t)
    }

    /// Computes every frame of a signal; `finish` makes the `n_columns` columns of the log bands and log energies.
    pub(super) fn process_into(
        &self,
        samples: &[f32],
        n_columns: usize,
        output: &mut ArrayRef2<f32>,
        scratch: &mut KaldiScratch,
        finish: impl Fn(&[[f32; LANES]], [f32; LANES], &mut [[f32; LANES]]),
    ) -> Result<(), Error> {
        self.frames.check(samples)?;
        let expected = (self.n_frames(samples.len()), n_columns);
        if output.dim() != expected {
            return Err(Error::Shape { expected, actual: output.dim() });
        }
        let KaldiScratch { mirrored, columns, transform } = scratch;
        columns.resize(n_columns * LANES, 0.0);
        let (columns, _) = columns.as_chunks_mut();
        for (mut rows, first) in output.axis_chunks_iter_mut(Axis(0), LANES).zip((0..).step_by(LANES)) {
            // Lanes past the last frame keep what they held: nobody reads them.
            let mut energies = [0.0; LANES];
            for (lane, energy) in energies.iter_mut().enumerate().take(rows.nrows()) {
                let frame = self.frames.slice(samples, first + lane, mirrored);
                *energy = self.transform::<LANES>(frame, lane, transform);
            }
            finish(self.log_bands(transform), energies, columns);
            for (lane, mut row) in rows.rows_mut().into_iter().enumerate() {
                row.iter_mut().zip(&*columns).for_each(|(cell, column)| *cell = column[lane]);
            }
        }
        Ok(())
    }

    /// Computes the log bands and the log energy of one frame of samples, the very bits of [`Bands::process_into`].
    pub(super) fn frame<'a>(&self, frame: &[f32], scratch: &'a mut KaldiScratch) -> (&'a [[f32; 1]], [f32; 1]) {
        let energy = self.transform::<1>(frame, 0, &mut scratch.transform);
        (self.log_bands(&mut scratch.transform), [energy])
    }

    /// Writes the power (or magnitude) of a frame into one of the lanes and gives its log energy.
    fn transform<const L: usize>(&self, frame: &[f32], lane: usize, scratch: &mut TransformScratch) -> f32 {
        let TransformScratch { centred, input, spectrum, fft, power, .. } = scratch;
        let n_fft = self.fft.len();
        centred.resize(self.frames.length(), 0.0);
        input.resize(n_fft, 0.0);
        spectrum.resize(1 + n_fft / 2, Complex::ZERO);
        fft.resize(self.fft.get_scratch_len(), Complex::ZERO);
        power.resize(n_fft / 2 * L, 0.0);

        let energy = self.frames.prepare(frame, centred, input);
        let done = self.fft.process_with_scratch(input, spectrum, fft);
        debug_assert!(done.is_ok(), "the buffers have the planned lengths");
        for (row, bin) in power.as_chunks_mut::<L>().0.iter_mut().zip(spectrum) {
            row[lane] = if self.use_power { bin.norm_sqr() } else { bin.norm_sqr().sqrt() };
        }
        energy
    }

    /// Weights the power of all lanes into bands and takes their natural logarithm.
    fn log_bands<'a, const L: usize>(&self, scratch: &'a mut TransformScratch) -> &'a [[f32; L]] {
        const NEPER_PER_DECIBEL: f32 = std::f32::consts::LN_10 / 10.0;
        let TransformScratch { power, bands, .. } = scratch;
        let (power, _) = power.as_chunks::<L>();
        bands.resize(self.filters.len() * L, 0.0);
        let (bands, _) = bands.as_chunks_mut::<L>();
        for (band, filter) in bands.iter_mut().zip(&self.filters) {
            *band = filter.weigh(power).map(|value| NEPER_PER_DECIBEL * decibel(value.max(f32::EPSILON)));
        }
        bands
    }
}

impl fmt::Debug for Bands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bands")
            .field("frames", &self.frames)
            .field("n_mels", &self.filters.len())
            .field("use_power", &self.use_power)
            .finish_non_exhaustive()
    }
}
/// Plans the filters in float32, as Kaldi does: in float64, a bin on an edge might change sides.
fn filterbank(options: &KaldiOptions, sample_rate: u32, n_fft: usize) -> Result<Vec<Filter>, Error> {
    let &KaldiOptions { n_mels, fmin, fmax, .. } = options;
    if sample_rate == 0 {
        return Err(Error::option("sample_rate", sample_rate, "1 Hz or more"));
    }
    // A bin lies in two filters at most, so more bands would leave some of them empty.
    let most = n_fft.max(3);
    if !(3..=most).contains(&n_mels) {
        return Err(Error::option("n_mels", n_mels, format!("3 to {most}")));
    }
    let nyquist = 0.5 * sample_rate as f32;
    let fmax = fmax.unwrap_or(nyquist);
    if !(fmax > 0.0 && fmax <= nyquist) {
        return Err(Error::option("fmax", fmax, format!("above 0 and at most half the sample rate, {nyquist} Hz")));
    }
    if !(0.0..fmax).contains(&fmin) {
        return Err(Error::option("fmin", fmin, format!("0 or more and below fmax = {fmax} Hz")));
    }

    let resolution = sample_rate as f32 / n_fft as f32;
    // Without the bin at half the sample rate: no triangle reaches past it.
    let mels: Vec<f32> = (0..n_fft / 2).map(|bin| hz_to_mel(resolution * bin as f32)).collect();
    let (lowest, highest) = (hz_to_mel(fmin), hz_to_mel(fmax));
    let step = (highest - lowest) / (n_mels + 1) as f32;
    let edge = |index: usize| lowest + index as f32 * step;
    (0..n_mels)
        .map(|index| {
            triangle(edge(index), edge(index + 1), edge(index + 2), &mels).ok_or(Error::EmptyMelFilter {
                filter: index,
                n_mels,
                n_fft,
                resolution,
            })
        })
        .collect()
}

/// Samples a triangle of height 1 over `left..right` mels at the bins' `mels`; `None` if no bin is inside.
fn triangle(left: f32, center: f32, right: f32, mels: &[f32]) -> Option<Filter> {
    let first_bin = mels.iter().position(|&mel| mel > left)?;
    let inside = mels[first_bin..].iter().take_while(|&&mel| mel < right);
    let weights: Vec<f32> = inside
        .map(|mel| if *mel <= center { (mel - left) / (center - left) } else { (right - mel) / (right - center) })
        .collect();
    (!weights.is_empty()).then_some(Filter { first_bin, weights })
}

/// Converts hertz to mels on HTK's scale.
fn hz_to_mel(hz: f32) -> f32 {
    1127.0 * (1.0 + hz / 700.0).ln()
}
