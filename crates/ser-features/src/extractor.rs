//! The planned extractor of a feature set.

use std::collections::HashSet;

use ndarray::{Array2, ArrayRef2, Axis};

use crate::decibel::{check_top_db, decibel, floor};
use crate::temporal::{root_mean_squares, zero_crossing_rates};
use crate::{
    Dct, Error, Feature, FeatureOptions, LogMelOptions, MelFilterbank, MelOptions, MfccOptions, Stft, StftOptions,
    StftScratch,
};

/// Frames that are computed side by side, to fill the vector registers.
const LANES: usize = 16;

/// A planned feature set: mono samples in, `[frames, bins]` out.
///
/// Frames are transformed once for all features. The plan is `Send + Sync`; each thread brings its own scratch.
///
/// ```
/// use ser_features::{FeatureExtractor, FeatureOptions};
///
/// let extractor = FeatureExtractor::new(&FeatureOptions::default())?;
/// let second: Vec<f32> = (0..16_000).map(|n| (n as f32 * 0.2).sin()).collect();
/// let features = extractor.extract(&second)?;
/// assert_eq!(features.dim(), (101, 64));
/// # Ok::<(), ser_features::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct FeatureExtractor {
    options: FeatureOptions,
    stft: Stft,
    plans: Vec<Plan>,
    columns: Vec<String>,
}

#[derive(Debug, Clone)]
enum Plan {
    ZeroCrossingRate,
    Rms,
    Mel(MelPlan),
}

/// Mel bands in decibels, or the cepstrum of them.
#[derive(Debug, Clone)]
struct MelPlan {
    filterbank: MelFilterbank,
    top_db: Option<f32>,
    dct: Option<Dct>,
}

/// The buffers of a [`FeatureExtractor`], kept by the caller between calls. One fits every plan: it grows as needed.
#[derive(Debug, Clone, Default)]
pub struct FeatureScratch {
    stft: StftScratch,
    /// The power of `LANES` frames: a row for each frequency bin.
    power: Vec<[f32; LANES]>,
    /// For each mel plan the decibels of all frames: `n_mels` rows for every `LANES` frames.
    decibels: Vec<Vec<[f32; LANES]>>,
    cepstrum: Vec<[f32; LANES]>,
}

impl FeatureExtractor {
    /// Plans the features.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] where an option is out of its range, no feature is asked for, or one kind twice;
    /// [`Error::EmptyMelFilter`] where a mel band holds no frequency bin.
    pub fn new(options: &FeatureOptions) -> Result<Self, Error> {
        if options.features.is_empty() {
            return Err(Error::option("features", "empty", "a list of one feature or more"));
        }
        let stft = Stft::new(&StftOptions {
            n_fft: options.n_fft,
            hop_length: options.hop_length,
            win_length: options.win_length,
            center: options.center,
        })?;
        let plans = options.features.iter().map(|feature| Plan::new(feature, options)).collect::<Result<_, _>>()?;
        let columns: Vec<String> = options.features.iter().flat_map(Feature::columns).collect();
        let mut seen = HashSet::new();
        if let Some(twice) = columns.iter().find(|column| !seen.insert(column.as_str())) {
            let value = format!("a list with column {twice} twice");
            return Err(Error::option("features", value, "a list with each kind once"));
        }
        Ok(Self { options: options.clone(), stft, plans, columns })
    }

    /// Gives the options that were planned.
    pub fn options(&self) -> &FeatureOptions {
        &self.options
    }

    /// Gives the names of the columns, in order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Counts the columns.
    pub fn n_bins(&self) -> usize {
        self.columns.len()
    }

    /// Counts the frames of a signal of `n_samples` samples; 0 if it is too short for one.
    pub fn n_frames(&self, n_samples: usize) -> usize {
        self.stft.n_frames(n_samples)
    }

    /// Computes the features of mono samples at the sample rate of the options: `[frames, bins]`, all finite.
    ///
    /// # Errors
    ///
    /// [`Error::TooShort`] where the signal has no frame, [`Error::InvalidSample`] where a sample is not finite.
    pub fn extract(&self, samples: &[f32]) -> Result<Array2<f32>, Error> {
        let mut output = Array2::zeros((self.n_frames(samples.len()), self.n_bins()));
        self.process_into(samples, &mut output, &mut FeatureScratch::default())?;
        Ok(output)
    }

    /// Writes the features into `output`, `[frames, bins]`; allocates only while `scratch` grows to a longer signal.
    ///
    /// # Errors
    ///
    /// As [`FeatureExtractor::extract`], and [`Error::Shape`] where `output` is not
    /// `[n_frames(samples.len()), n_bins()]`.
    pub fn process_into(
        &self,
        samples: &[f32],
        output: &mut ArrayRef2<f32>,
        scratch: &mut FeatureScratch,
    ) -> Result<(), Error> {
        let framing = self.stft.framing();
        framing.check(samples)?;
        let expected = (self.n_frames(samples.len()), self.n_bins());
        if output.dim() != expected {
            return Err(Error::Shape { expected, actual: output.dim() });
        }

        self.fill_decibels(samples, scratch);
        let mut decibels = scratch.decibels.iter_mut();
        let mut columns = 0..0;
        for plan in &self.plans {
            columns = columns.end..columns.end + plan.n_columns();
            let mut output = output.slice_axis_mut(Axis(1), columns.clone().into());
            match plan {
                Plan::ZeroCrossingRate => fill(output.iter_mut(), zero_crossing_rates(samples, framing)),
                Plan::Rms => fill(output.iter_mut(), root_mean_squares(samples, framing)),
                Plan::Mel(plan) => {
                    if let Some(decibels) = decibels.next() {
                        plan.finish(decibels, &mut scratch.cepstrum, &mut output);
                    }
                }
            }
        }
        Ok(())
    }

    /// Computes the mel bands of every frame in decibels, before `top_db`, `LANES` frames at a time.
    fn fill_decibels(&self, samples: &[f32], scratch: &mut FeatureScratch) {
        let FeatureScratch { stft: stft_scratch, power, decibels, .. } = scratch;
        let plans = || {
            self.plans.iter().filter_map(|plan| match plan {
                Plan::Mel(plan) => Some(plan),
                _ => None,
            })
        };
        let n_frames = self.n_frames(samples.len());
        decibels.resize_with(plans().count(), Vec::new);
        for (plan, rows) in plans().zip(decibels.iter_mut()) {
            rows.resize(n_frames.div_ceil(LANES) * plan.filterbank.n_mels(), [0.0; LANES]);
        }
        if decibels.is_empty() {
            return;
        }
        power.resize(self.stft.n_bins(), [0.0; LANES]);
        for first in (0..n_frames).step_by(LANES) {
            for lane in 0..LANES {
                if first + lane < n_frames {
                    let spectrum = self.stft.spectrum(samples, first + lane, stft_scratch);
                    for (row, bin) in power.iter_mut().zip(spectrum) {
                        row[lane] = bin.norm_sqr();
                    }
                } else {
                    // Past the last frame: silence, which never is the loudest.
                    power.iter_mut().for_each(|row| row[lane] = 0.0);
                }
            }
            for (plan, rows) in plans().zip(decibels.iter_mut()) {
                let n_mels = plan.filterbank.n_mels();
                let bands = &mut rows[first / LANES * n_mels..][..n_mels];
                plan.filterbank.project(power, bands);
                bands.as_flattened_mut().iter_mut().for_each(|value| *value = decibel(*value));
            }
        }
    }
}

impl Plan {
    fn new(feature: &Feature, options: &FeatureOptions) -> Result<Self, Error> {
        Ok(match feature {
            Feature::ZeroCrossingRate => Self::ZeroCrossingRate,
            Feature::Rms => Self::Rms,
            Feature::LogMel(mel) => Self::Mel(MelPlan::new(mel, None, options)?),
            &Feature::Mfcc(MfccOptions { n_mfcc, n_mels, fmin, fmax, top_db }) => {
                if !(1..=n_mels).contains(&n_mfcc) {
                    return Err(Error::option("n_mfcc", n_mfcc, format!("1 to n_mels = {n_mels}")));
                }
                let mel = LogMelOptions { n_mels, fmin, fmax, top_db };
                Self::Mel(MelPlan::new(&mel, Some(n_mfcc), options)?)
            }
        })
    }

    fn n_columns(&self) -> usize {
        match self {
            Self::ZeroCrossingRate | Self::Rms => 1,
            Self::Mel(MelPlan { filterbank, dct, .. }) => dct.as_ref().map_or(filterbank.n_mels(), Dct::n_output),
        }
    }
}

impl MelPlan {
    fn new(mel: &LogMelOptions, n_mfcc: Option<usize>, options: &FeatureOptions) -> Result<Self, Error> {
        let &LogMelOptions { n_mels, fmin, fmax, top_db } = mel;
        let &FeatureOptions { sample_rate, n_fft, .. } = options;
        check_top_db(top_db)?;
        Ok(Self {
            filterbank: MelFilterbank::new(&MelOptions { sample_rate, n_fft, n_mels, fmin, fmax })?,
            top_db,
            dct: n_mfcc.map(|n_mfcc| Dct::new(n_mels, n_mfcc)).transpose()?,
        })
    }

    /// Raises the decibels to the floor, transforms them where the cepstrum is asked for, and lays out frame by frame.
    fn finish(&self, decibels: &mut [[f32; LANES]], cepstrum: &mut Vec<[f32; LANES]>, output: &mut ArrayRef2<f32>) {
        if let Some(top_db) = self.top_db {
            let floor = floor(decibels.as_flattened(), top_db);
            decibels.as_flattened_mut().iter_mut().for_each(|value| *value = value.max(floor));
        }
        let blocks = decibels.chunks_exact(self.filterbank.n_mels());
        for (mut frames, bands) in output.axis_chunks_iter_mut(Axis(0), LANES).zip(blocks) {
            let rows = match &self.dct {
                None => bands,
                Some(dct) => {
                    cepstrum.resize(dct.n_output(), [0.0; LANES]);
                    dct.transform(bands, cepstrum);
                    &*cepstrum
                }
            };
            for (lane, mut frame) in frames.rows_mut().into_iter().enumerate() {
                fill(frame.iter_mut(), rows.iter().map(|row| row[lane]));
            }
        }
    }
}

fn fill<'a>(cells: impl Iterator<Item = &'a mut f32>, values: impl Iterator<Item = f32>) {
    cells.zip(values).for_each(|(cell, value)| *cell = value);
}
