//! Features of a signal that is still arriving.

use ndarray::Array2;

use crate::frame::{Signal, check_samples};
use crate::pre_emphasis::PreEmphasis;
use crate::{Delta, Error, FeatureExtractor, FeatureScratch};

/// A planned feature set at work on a signal that arrives in chunks of any size.
///
/// The rows are bit for bit those of [`FeatureExtractor::extract`] on the whole signal, however it is cut.
///
/// ```
/// use ser_features::{FeatureExtractor, FeatureOptions, FeatureStream};
///
/// let extractor = FeatureExtractor::new(&FeatureOptions::preset("log-mel-80")?)?;
/// let mut stream = FeatureStream::new(&extractor)?;
/// assert_eq!(stream.latency(), 256); // Half a frame: 16 ms.
/// let second: Vec<f32> = (0..16_000).map(|n| (n as f32 * 0.2).sin()).collect();
/// let mut n_frames = 0;
/// for chunk in second.chunks(1_000) {
///     n_frames += stream.push(chunk)?.nrows();
/// }
/// n_frames += stream.finish()?.nrows();
/// assert_eq!(n_frames, extractor.n_frames(second.len()));
/// # Ok::<(), ser_features::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct FeatureStream {
    extractor: FeatureExtractor,
    state: State,
    scratch: FeatureScratch,
}

#[derive(Debug, Clone)]
struct State {
    filter: Option<PreEmphasis>,
    n_received: usize,
    /// The samples that frames to come may need, and the place of the first of them.
    samples: Vec<f32>,
    start: usize,
    n_frames: usize,
    /// The rows before deltas that rows to come may need, and the frame of the first of them.
    base: Vec<f32>,
    base_start: usize,
    n_rows: usize,
}

impl FeatureStream {
    /// Starts a stream.
    ///
    /// # Errors
    ///
    /// [`Error::NotStreamable`] where something needs the whole signal: `top_db`, functionals, deltas of mode `wrap`.
    pub fn new(extractor: &FeatureExtractor) -> Result<Self, Error> {
        let refusal = if extractor.functionals.is_some() {
            Some(("functionals", "leave them out, and take Functionals of the frames that were given"))
        } else if extractor.deltas.iter().any(Delta::wraps) {
            Some(("mode wrap of deltas", "take another mode, such as interp or nearest"))
        } else {
            extractor.plan.refusal()
        };
        match refusal {
            Some((name, instead)) => Err(Error::NotStreamable { name, instead }),
            None => Ok(Self {
                extractor: extractor.clone(),
                state: State::new(extractor),
                scratch: FeatureScratch::default(),
            }),
        }
    }

    /// Gives the delay in samples: the row of frame `t` is given with sample `t * hop_length + latency() - 1`, and with deltas
    /// no row before there are as many frames as their width.
    pub fn latency(&self) -> usize {
        self.extractor.plan.lookahead() + self.half_width() * self.extractor.options().hop_length
    }

    /// Takes the next samples and gives the rows that they complete, `[rows, bins]`; often none.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSample`] where a sample is not finite: its index is its place in the signal, and the stream is as it was
    /// before the call.
    pub fn push(&mut self, samples: &[f32]) -> Result<Array2<f32>, Error> {
        let mut rows = Vec::new();
        self.push_into(samples, &mut rows)?;
        Ok(self.array(rows))
    }

    /// Appends the rows that the next samples complete to `output`, one after the other; allocates only where a buffer grows.
    ///
    /// # Errors
    ///
    /// As [`FeatureStream::push`].
    pub fn push_into(&mut self, samples: &[f32], output: &mut Vec<f32>) -> Result<(), Error> {
        let state = &mut self.state;
        check_samples(samples).map_err(|error| match error {
            Error::InvalidSample { index, value } => Error::InvalidSample { index: state.n_received + index, value },
            error => error,
        })?;
        state.n_received += samples.len();
        match &mut state.filter {
            None => state.samples.extend_from_slice(samples),
            Some(filter) => filter.process(samples, &mut state.samples),
        }
        let end = state.start + state.samples.len();
        let room = end.checked_sub(self.extractor.plan.lookahead());
        let n_frames = room.map_or(0, |room| 1 + room / self.extractor.options().hop_length);
        self.compute(n_frames);
        let width = self.extractor.deltas.iter().map(Delta::width).max().unwrap_or(1);
        let n_rows = if n_frames < width { 0 } else { n_frames - self.half_width() };
        self.give(n_rows, output);
        Ok(())
    }

    /// Ends the signal, gives the rows that are left, `[rows, bins]`, and makes the stream ready for another signal.
    ///
    /// # Errors
    ///
    /// [`Error::TooShort`] where the signal had no frame, or fewer frames than a delta needs.
    pub fn finish(&mut self) -> Result<Array2<f32>, Error> {
        let mut rows = Vec::new();
        self.finish_into(&mut rows)?;
        Ok(self.array(rows))
    }

    /// Ends the signal and appends the rows that are left to `output`; otherwise as [`FeatureStream::finish`].
    ///
    /// # Errors
    ///
    /// As [`FeatureStream::finish`].
    pub fn finish_into(&mut self, output: &mut Vec<f32>) -> Result<(), Error> {
        let n_received = self.state.n_received;
        let checked = self.extractor.check_length(n_received);
        if checked.is_ok() {
            let n_frames = self.extractor.plan.n_frames(n_received);
            self.compute(n_frames);
            self.give(n_frames, output);
        }
        self.state = State::new(&self.extractor);
        checked
    }

    fn array(&self, rows: Vec<f32>) -> Array2<f32> {
        let width = self.extractor.n_bins();
        Array2::from_shape_vec((rows.len() / width, width), rows).unwrap_or_default()
    }

    /// Frames that deltas look ahead.
    fn half_width(&self) -> usize {
        self.extractor.deltas.iter().map(|delta| delta.width() / 2).max().unwrap_or(0)
    }

    /// Computes the rows before deltas of the frames up to `n_frames`, and forgets the samples that are not needed any more.
    fn compute(&mut self, n_frames: usize) {
        let Self { extractor, state, scratch } = self;
        if n_frames <= state.n_frames {
            return;
        }
        let first = state.base.len();
        state.base.resize(first + (n_frames - state.n_frames) * extractor.base_width, 0.0);
        let signal = Signal { samples: &state.samples, start: state.start };
        extractor.plan.rows(signal, state.n_frames, &mut state.base[first..], &mut scratch.plan);
        state.n_frames = n_frames;

        // The last frames of a signal may be mirrored at its end, up to a frame's length back.
        let (next, end) = extractor.plan.range(n_frames);
        let keep = (2 * next - end).clamp(state.start as isize, (state.start + state.samples.len()) as isize) as usize;
        state.samples.drain(..keep - state.start);
        state.start = keep;
    }

    /// Gives the rows up to `n_rows`, and forgets the rows before deltas that are not needed any more.
    fn give(&mut self, n_rows: usize, output: &mut Vec<f32>) {
        let Self { extractor, state, .. } = self;
        let State { base, base_start, .. } = state;
        let width = extractor.base_width;
        let row = |frame: usize| &base[(frame - *base_start) * width..][..width];
        for frame in state.n_rows..n_rows {
            output.extend_from_slice(row(frame));
            extractor.append_deltas(frame, state.n_frames, row, output);
        }
        state.n_rows = state.n_rows.max(n_rows);
        let keep = extractor.deltas.iter().map(Delta::width).max().unwrap_or(0);
        let first = state.n_rows.saturating_sub(keep).max(*base_start);
        base.drain(..(first - *base_start) * width);
        *base_start = first;
    }
}

impl State {
    fn new(extractor: &FeatureExtractor) -> Self {
        Self {
            filter: extractor.pre_emphasis.clone(),
            n_received: 0,
            samples: Vec::new(),
            start: 0,
            n_frames: 0,
            base: Vec::new(),
            base_start: 0,
            n_rows: 0,
        }
    }
}
