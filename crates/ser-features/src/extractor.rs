//! The planned extractor of a feature set.

use std::collections::HashSet;

use ndarray::{Array2, ArrayRef2};
use rayon::prelude::*;

use crate::frame::{Signal, check_samples};
use crate::plan::{Plan, PlanScratch};
use crate::pre_emphasis::PreEmphasis;
use crate::{Delta, Error, FeatureOptions, Functionals};

/// More than any network takes; the names alone of a list that asks for millions would take gigabytes.
const MOST_COLUMNS: usize = 1 << 20;

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
    pub(crate) plan: Plan,
    pub(crate) pre_emphasis: Option<PreEmphasis>,
    /// The columns before deltas and functionals.
    pub(crate) base_width: usize,
    pub(crate) deltas: Vec<Delta>,
    pub(crate) functionals: Option<Functionals>,
    columns: Vec<String>,
}

/// The buffers of a [`FeatureExtractor`], kept by the caller between calls. One fits every plan: it grows as needed.
#[derive(Debug, Clone, Default)]
pub struct FeatureScratch {
    pub(crate) plan: PlanScratch,
    /// The filtered signal.
    samples: Vec<f32>,
    /// The rows before deltas.
    rows: Vec<f32>,
    row: Vec<f32>,
}

impl FeatureExtractor {
    /// Plans the features.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] where an option is out of its range, no feature is asked for, one kind twice, or more than 2²⁰
    /// columns;
    /// [`Error::EmptyMelFilter`] where a mel band holds no frequency bin.
    pub fn new(options: &FeatureOptions) -> Result<Self, Error> {
        let plan = Plan::new(options)?;
        let mut columns = plan.columns();
        let base_width = columns.len();
        let n_columns =
            base_width.saturating_mul(1 + options.deltas.len()).saturating_mul(options.functionals.len().max(1));
        if n_columns > MOST_COLUMNS {
            return Err(Error::option(
                "features",
                format!("lists that give {n_columns} columns"),
                "at most 2^20 columns",
            ));
        }
        for delta in &options.deltas {
            columns.extend_from_within(..base_width);
            let order = delta.order;
            let mut prefix = if order == 1 { "delta".into() } else { format!("delta{order}") };
            if options.deltas.iter().filter(|other| other.order == order).count() > 1 {
                prefix = format!("{prefix}_w{}", delta.width);
            }
            let first = columns.len() - base_width;
            columns[first..].iter_mut().for_each(|column| column.insert_str(0, &format!("{prefix}_")));
        }
        let functionals = match options.functionals.as_slice() {
            [] => None,
            functionals => Some(Functionals::new(functionals)?),
        };
        if let Some(functionals) = &functionals {
            columns = functionals.columns(&columns);
        }
        let mut seen = HashSet::new();
        if let Some(twice) = columns.iter().find(|column| !seen.insert(column.as_str())) {
            let value = format!("a list that gives column {twice} twice");
            return Err(Error::option("features", value, "a list with each kind once"));
        }
        Ok(Self {
            options: options.clone(),
            plan,
            pre_emphasis: options.pre_emphasis.map(pre_emphasis).transpose()?,
            base_width,
            deltas: options.deltas.iter().map(Delta::new).collect::<Result<_, _>>()?,
            functionals,
            columns,
        })
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

    /// Counts the rows for a signal of `n_samples` samples: its frames, or 1 where functionals are taken over them; 0 if the
    /// signal is too short for a frame.
    pub fn n_frames(&self, n_samples: usize) -> usize {
        let n_frames = self.plan.n_frames(n_samples);
        if self.functionals.is_some() { n_frames.min(1) } else { n_frames }
    }

    /// Computes the features of mono samples at the sample rate of the options: `[frames, bins]`, all finite.
    ///
    /// # Errors
    ///
    /// [`Error::TooShort`] below [`FeatureExtractor::min_samples`], [`Error::InvalidSample`] where a sample is not finite.
    pub fn extract(&self, samples: &[f32]) -> Result<Array2<f32>, Error> {
        self.extract_with(samples, &mut FeatureScratch::default())
    }

    /// Computes the features of many signals on all cores: the results in the order of the signals, one for each.
    pub fn extract_all<S: AsRef<[f32]> + Sync>(&self, signals: &[S]) -> Vec<Result<Array2<f32>, Error>> {
        let extract = |scratch: &mut FeatureScratch, samples: &S| self.extract_with(samples.as_ref(), scratch);
        signals.par_iter().map_init(FeatureScratch::default, extract).collect()
    }

    fn extract_with(&self, samples: &[f32], scratch: &mut FeatureScratch) -> Result<Array2<f32>, Error> {
        let mut output = Array2::zeros((self.n_frames(samples.len()), self.n_bins()));
        self.process_into(samples, &mut output, scratch)?;
        Ok(output)
    }

    /// Writes the features into `output`, `[frames, bins]`; allocates only while `scratch` grows to a longer signal, and
    /// where functionals are taken.
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
        let n_frames = self.plan.n_frames(samples.len());
        self.check_length(samples.len())?;
        check_samples(samples)?;
        let expected = (self.n_frames(samples.len()), self.n_bins());
        if output.dim() != expected {
            return Err(Error::Shape { expected, actual: output.dim() });
        }

        let FeatureScratch { plan: plan_scratch, samples: filtered, rows, row } = scratch;
        let samples = match self.pre_emphasis.clone() {
            None => samples,
            Some(mut filter) => {
                filtered.clear();
                filter.process(samples, filtered);
                filtered
            }
        };
        let signal = Signal::whole(samples);
        let plain = self.deltas.is_empty() && self.functionals.is_none();
        if let Some(output) = output.as_slice_mut().filter(|_| plain) {
            self.plan.rows(signal, 0, output, plan_scratch);
            return Ok(());
        }
        rows.resize(n_frames * self.base_width, 0.0);
        self.plan.rows(signal, 0, rows, plan_scratch);
        if let Some(functionals) = &self.functionals {
            let mut frames = Array2::zeros((n_frames, self.base_width * (1 + self.deltas.len())));
            self.lay_out(rows, n_frames, &mut frames, row);
            let values = functionals.process(&frames)?;
            output.iter_mut().zip(values).for_each(|(cell, value)| *cell = value);
        } else {
            self.lay_out(rows, n_frames, output, row);
        }
        Ok(())
    }

    /// Counts the samples that a signal needs to have a frame, and the frames that each delta needs.
    pub fn min_samples(&self) -> usize {
        let least_frames = self.deltas.iter().map(Delta::min_frames).fold(1, usize::max);
        // The filter's first value comes from two samples.
        self.plan.min_samples(least_frames).max(1 + usize::from(self.pre_emphasis.is_some()))
    }

    /// Refuses a signal of `n_samples` samples if it is too short.
    pub(crate) fn check_length(&self, n_samples: usize) -> Result<(), Error> {
        match self.min_samples() {
            required if n_samples < required => Err(Error::TooShort { n_samples, required }),
            _ => Ok(()),
        }
    }

    /// Writes rows and their deltas beside each other.
    fn lay_out(&self, rows: &[f32], n_frames: usize, output: &mut ArrayRef2<f32>, row: &mut Vec<f32>) {
        let width = self.base_width;
        for (frame, mut output) in output.rows_mut().into_iter().enumerate() {
            row.clear();
            row.extend_from_slice(&rows[frame * width..][..width]);
            self.append_deltas(frame, n_frames, |frame| &rows[frame * width..][..width], row);
            output.iter_mut().zip(&*row).for_each(|(cell, value)| *cell = *value);
        }
    }

    /// Appends the deltas of one frame of `n_frames`, whose rows `base` gives.
    pub(crate) fn append_deltas<'a>(
        &self,
        frame: usize,
        n_frames: usize,
        base: impl Fn(usize) -> &'a [f32],
        row: &mut Vec<f32>,
    ) {
        for delta in &self.deltas {
            let first = row.len();
            row.resize(first + self.base_width, 0.0);
            delta.process_frame(frame, n_frames, &base, &mut row[first..]);
        }
    }
}

/// Plans the filter, whose coefficient is an option of another name here.
fn pre_emphasis(coef: f32) -> Result<PreEmphasis, Error> {
    PreEmphasis::new(coef).map_err(|_| Error::option("pre_emphasis", coef, "0 to 1"))
}
