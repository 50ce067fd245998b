//! What is computed for each frame: the planned features of a set.

use pulp::{Arch, NullaryFnOnce};

use crate::decibel::{floored_decibel, maximum};
use crate::frame::Signal;
use crate::kaldi::mirror;
use crate::spectral::{bandwidth, centroid, flatness, frequencies, rolloff};
use crate::step::{Kind, Step};
use crate::temporal::{crossing_rate, root_mean_square};
use crate::{
    Error, Feature, FeatureOptions, Framing, Kaldi, KaldiScratch, PadMode, SpectrumValues, Stft, StftOptions,
    StftScratch, YinScratch,
};

/// Frames that are computed side by side, to fill the vector registers.
pub(crate) const LANES: usize = 8;

/// The planned features of a set, before deltas and functionals.
///
/// A frame is computed in two steps. The first gives a raw row, which has mel bands in decibels for MFCC. The second raises
/// decibels to the floor of `top_db` and transforms them where MFCC are asked for.
#[derive(Debug, Clone)]
pub(crate) enum Plan {
    Frames(FramePlan),
    Kaldi(Kaldi),
}

#[derive(Debug, Clone)]
pub(crate) struct FramePlan {
    stft: Stft,
    steps: Vec<Step>,
    frequencies: Vec<f32>,
    /// Whether any step takes the spectrum, and its power with frames side by side.
    needs_spectrum: bool,
    needs_lanes: bool,
}

/// The buffers of a [`Plan`].
#[derive(Debug, Clone, Default)]
pub(crate) struct PlanScratch {
    stft: StftScratch,
    kaldi: KaldiScratch,
    yin: YinScratch,
    raw: Vec<f32>,
    /// The power of `LANES` frames, one after the other.
    power: Vec<f32>,
    /// The same side by side: a row for each frequency bin.
    lanes: Vec<[f32; LANES]>,
    bands: Vec<[f32; LANES]>,
    magnitude: Vec<f32>,
    /// A frame that reaches beyond the signal, or the quantiles of a spectrum.
    frame: Vec<f32>,
}

impl Plan {
    pub(crate) fn new(options: &FeatureOptions) -> Result<Self, Error> {
        match options.features.as_slice() {
            [] => Err(Error::option("features", "empty", "a list of one feature or more")),
            [Feature::KaldiFbank(fbank)] => {
                check_kaldi(options)?;
                Kaldi::fbank(fbank, options.sample_rate, options.win_length, options.hop_length).map(Self::Kaldi)
            }
            [Feature::KaldiMfcc(mfcc)] => {
                check_kaldi(options)?;
                Kaldi::mfcc(mfcc, options.sample_rate, options.win_length, options.hop_length).map(Self::Kaldi)
            }
            _ => FramePlan::new(options).map(Self::Frames),
        }
    }

    /// Gives the names of the columns, in order.
    pub(crate) fn columns(&self) -> Vec<String> {
        match self {
            Self::Frames(plan) => plan.steps.iter().flat_map(|step| step.columns.iter().cloned()).collect(),
            Self::Kaldi(plan) => plan.columns().to_vec(),
        }
    }

    /// Counts the frames of a signal of `n_samples` samples.
    pub(crate) fn n_frames(&self, n_samples: usize) -> usize {
        match self {
            Self::Frames(plan) => plan.stft.n_frames(n_samples),
            Self::Kaldi(plan) => plan.n_frames(n_samples),
        }
    }

    /// Gives the places in the signal of the first sample of `frame` and of the first after it.
    pub(crate) fn range(&self, frame: usize) -> (isize, isize) {
        let range = match self {
            Self::Frames(plan) => {
                let place = |framing: &Framing| {
                    let first = framing.first_sample(frame);
                    (first, first + framing.frame_length() as isize)
                };
                let pitch = plan.steps.iter().filter_map(|step| match &step.kind {
                    Kind::F0(yin) => Some(place(yin.framing())),
                    _ => None,
                });
                return pitch.fold(place(plan.stft.framing()), |a, b| (a.0.min(b.0), a.1.max(b.1)));
            }
            Self::Kaldi(plan) => plan.range(frame),
        };
        (range.start as isize, range.end as isize)
    }

    /// Counts the samples that `n_frames` frames need.
    pub(crate) fn min_samples(&self, n_frames: usize) -> usize {
        let first = match self {
            Self::Frames(plan) => plan.stft.framing().min_samples(),
            Self::Kaldi(plan) => plan.min_samples(),
        };
        // A centred first frame needs less than the hop to the next.
        let rest = (self.range(n_frames.max(1) - 1).0 - self.range(0).0) as usize;
        match self {
            Self::Frames(plan) => {
                rest + plan.stft.framing().frame_length().saturating_sub(2 * plan.stft.framing().padding())
            }
            _ => rest + first,
        }
        .max(first)
    }

    /// Counts the samples from the place of a frame, `frame * hop_length`, on that must have come before it can be computed.
    pub(crate) fn lookahead(&self) -> usize {
        let (first, end) = self.range(0);
        let mirrored = match self {
            Self::Frames(plan) if plan.stft.pad_mode() == PadMode::Reflect => 1 - first,
            _ => 1,
        };
        end.max(mirrored) as usize
    }

    /// Names what needs the whole clip, if anything does, and what to use instead.
    pub(crate) fn refusal(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Frames(plan) if plan.steps.iter().any(|step| step.kind.top_db().is_some()) => {
                Some(("top_db", "set top_db = \"none\", or take a preset that has none, such as log-mel-80"))
            }
            Self::Frames(plan) => plan.steps.iter().find_map(|step| match step.kind {
                Kind::Pyin { contour, .. } => {
                    let option = if contour { "pitch-contour" } else { "pyin" };
                    Some((option, "take f0, which is YIN frame by frame"))
                }
                _ => None,
            }),
            Self::Kaldi(_) => None,
        }
    }

    /// Computes the rows of the frames from `first` on, as many as `rows` holds. Where the plan refuses to stream, they must
    /// be those of the whole clip.
    pub(crate) fn rows(&self, signal: Signal, first: usize, rows: &mut [f32], scratch: &mut PlanScratch) {
        match self {
            Self::Frames(plan) => plan.rows(signal, first, rows, scratch),
            Self::Kaldi(plan) => kaldi_rows(plan, signal, first, rows, scratch),
        }
    }
}

fn check_kaldi(options: &FeatureOptions) -> Result<(), Error> {
    let n_fft = options.win_length.checked_next_power_of_two().unwrap_or(usize::MAX);
    if options.n_fft != n_fft {
        let allowed = format!("{n_fft}, the next power of two from win_length, for Kaldi's features");
        return Err(Error::option("n_fft", options.n_fft, allowed));
    }
    let FeatureOptions { window, center, pad_mode, .. } = FeatureOptions::default();
    if (options.window, options.center, options.pad_mode) != (window, center, pad_mode) {
        let value = format!("{:?}, {}, {:?}", options.window, options.center, options.pad_mode);
        let allowed = "left out for Kaldi's features, which have a window and snip_edges of their own";
        return Err(Error::option("window, center, pad_mode", value, allowed));
    }
    Ok(())
}

fn kaldi_rows(plan: &Kaldi, signal: Signal, first: usize, rows: &mut [f32], scratch: &mut PlanScratch) {
    for (row, frame) in rows.chunks_exact_mut(plan.n_bins()).zip(first..) {
        let places = plan.range(frame);
        let inside = signal.between(places.start as isize, places.end as isize);
        if inside.len() as i64 == places.end - places.start {
            plan.frame(inside, &mut scratch.kaldi, row);
        } else {
            scratch.frame.clear();
            scratch.frame.extend(places.map(|place| signal.at(mirror(place, signal.end()))));
            plan.frame(&scratch.frame, &mut scratch.kaldi, row);
        }
    }
}

impl FramePlan {
    fn new(options: &FeatureOptions) -> Result<Self, Error> {
        let stft = Stft::new(&StftOptions {
            n_fft: options.n_fft,
            hop_length: options.hop_length,
            win_length: options.win_length,
            window: options.window,
            center: options.center,
            pad_mode: options.pad_mode,
        })?;
        let steps =
            options.features.iter().map(|feature| Step::new(feature, options)).collect::<Result<Vec<_>, _>>()?;
        let needs_spectrum = steps.iter().any(|step| step.kind.needs_spectrum());
        let needs_lanes =
            steps.iter().any(|step| matches!(step.kind, Kind::Mel(_) | Kind::LogMel { .. } | Kind::Mfcc { .. }));
        let frequencies = frequencies(options.sample_rate, options.n_fft)?;
        Ok(Self { stft, steps, frequencies, needs_spectrum, needs_lanes })
    }

    fn rows(&self, signal: Signal, first: usize, rows: &mut [f32], scratch: &mut PlanScratch) {
        // Without a transform the raw rows are the rows, but for the floor.
        let has_cepstrum = self.steps.iter().any(|step| matches!(step.kind, Kind::Mfcc { .. }));
        let mut buffer = std::mem::take(&mut scratch.raw);
        let raw_width = self.steps.iter().map(|step| step.raw_width).sum();
        let width = self.steps.iter().map(|step| step.columns.len()).sum();
        let raw = if has_cepstrum {
            buffer.resize(rows.len() / width * raw_width, 0.0);
            buffer.as_mut_slice()
        } else {
            &mut *rows
        };
        for (block, rows) in raw.chunks_mut(LANES * raw_width).enumerate() {
            let first = first + block * LANES;
            Arch::new().dispatch(Block { plan: self, signal, first, rows, width: raw_width, scratch });
        }
        self.fill_pitch(signal, raw, raw_width);
        self.raise_to_floor(raw, raw_width);
        if has_cepstrum {
            Arch::new().dispatch(Finish { plan: self, raw: &buffer, raw_width, rows, width });
        }
        scratch.raw = buffer;
    }

    /// Computes up to `LANES` raw rows.
    #[inline(always)]
    fn block(&self, signal: Signal, first: usize, rows: &mut [f32], width: usize, scratch: &mut PlanScratch) {
        let PlanScratch {
            stft: stft_scratch, yin: yin_scratch, power, lanes, bands, magnitude, frame: quantiles, ..
        } = scratch;
        let n_bins = self.stft.n_bins();
        // A multiple of a cache line that is no power of two: else the same bin of all frames would compete for one cache set.
        let stride = n_bins.next_multiple_of(16) + 16;
        let n_rows = rows.len() / width;
        if self.needs_spectrum {
            power.resize(LANES * stride, 0.0);
            for (lane, power) in power.chunks_exact_mut(stride).take(n_rows).enumerate() {
                let spectrum = self.stft.spectrum(signal, first + lane, stft_scratch);
                for (power, bin) in power.iter_mut().zip(spectrum) {
                    *power = bin.norm_sqr();
                }
            }
        }
        if self.needs_lanes {
            lanes.resize(n_bins, [0.0; LANES]);
            let mut frames = [&power[..0]; LANES];
            for (frame, power) in frames.iter_mut().zip(power.chunks_exact(stride)) {
                *frame = &power[..n_bins];
            }
            // A loop, as a closure would be called without the dispatched vectors.
            for (bin, row) in lanes.iter_mut().enumerate() {
                for (value, frame) in row.iter_mut().zip(frames) {
                    *value = frame[bin];
                }
            }
        }

        let (framing, frame_length) = (self.stft.framing(), self.stft.framing().frame_length());
        let mut start = 0;
        for step in &self.steps {
            let cells = start..start + step.raw_width;
            start = cells.end;
            let rows = rows.chunks_exact_mut(width).map(|row| &mut row[cells.clone()]);
            match &step.kind {
                Kind::ZeroCrossingRate => {
                    for (row, frame) in rows.zip(first..) {
                        row[0] = crossing_rate(framing.inside(signal, frame), frame_length);
                    }
                }
                Kind::Rms => {
                    for (row, frame) in rows.zip(first..) {
                        row[0] = root_mean_square(framing.inside(signal, frame), frame_length);
                    }
                }
                Kind::Mel(filterbank) => {
                    bands.resize(filterbank.n_mels(), [0.0; LANES]);
                    filterbank.project(lanes, bands);
                    each_lane(bands, rows);
                }
                Kind::LogMel { filterbank, .. } | Kind::Mfcc { filterbank, .. } => {
                    bands.resize(filterbank.n_mels(), [0.0; LANES]);
                    filterbank.project(lanes, bands);
                    bands.as_flattened_mut().iter_mut().for_each(|value| *value = floored_decibel(*value));
                    each_lane(bands, rows);
                }
                Kind::Spectrogram { values, .. } => {
                    for (row, power) in rows.zip(power.chunks_exact(stride).map(|power| &power[..n_bins])) {
                        let cells = row.iter_mut().zip(power);
                        match values {
                            SpectrumValues::Magnitude => cells.for_each(|(cell, power)| *cell = power.sqrt()),
                            SpectrumValues::Power => cells.for_each(|(cell, power)| *cell = *power),
                            SpectrumValues::Decibel => cells.for_each(|(cell, power)| *cell = floored_decibel(*power)),
                        }
                    }
                }
                Kind::F0(yin) => {
                    for (row, frame) in rows.zip(first..) {
                        row[0] = yin.estimate(signal, frame, yin_scratch);
                    }
                }
                Kind::Pyin { .. } => {}
                shape => {
                    for (row, power) in rows.zip(power.chunks_exact(stride).map(|power| &power[..n_bins])) {
                        magnitude.clear();
                        magnitude.extend(power.iter().map(|power| power.sqrt()));
                        self.shape(shape, magnitude, quantiles, row);
                    }
                }
            }
        }
    }

    /// Computes one feature of a frame's spectral shape.
    fn shape(&self, kind: &Kind, magnitude: &[f32], scratch: &mut Vec<f32>, cells: &mut [f32]) {
        let frequencies = &self.frequencies;
        match kind {
            Kind::Centroid => cells[0] = centroid(magnitude, frequencies),
            Kind::Bandwidth(options) => {
                cells[0] = bandwidth(magnitude, frequencies, centroid(magnitude, frequencies), options.p);
            }
            Kind::Rolloff(options) => cells[0] = rolloff(magnitude, frequencies, options.roll_percent),
            Kind::Flatness(options) => cells[0] = flatness(magnitude, options),
            Kind::Contrast(contrast) => contrast.process_frame(magnitude, scratch, cells),
            _ => {}
        }
    }

    /// Computes what is one path through the whole signal.
    fn fill_pitch(&self, signal: Signal, raw: &mut [f32], width: usize) {
        let mut start = 0;
        for step in &self.steps {
            let cells = start..start + step.raw_width;
            start = cells.end;
            let Kind::Pyin { pyin, contour } = &step.kind else { continue };
            let track = pyin.track(signal.samples);
            let pitch = match contour {
                false => track.iter().map(|frame| frame.voiced_f0().unwrap_or(0.0)).collect(),
                true => pyin.contour(&track),
            };
            for ((row, frame), pitch) in raw.chunks_exact_mut(width).zip(track).zip(pitch) {
                row[cells.clone()].copy_from_slice(&[pitch, frame.voiced_probability]);
            }
        }
    }

    /// Raises decibels to no less than `top_db` below the loudest.
    fn raise_to_floor(&self, raw: &mut [f32], width: usize) {
        let mut start = 0;
        for step in &self.steps {
            let cells = start..start + step.raw_width;
            start = cells.end;
            if let Some(top_db) = step.kind.top_db() {
                let loudest = |max: f32, row: &[f32]| max.max(maximum(&row[cells.clone()]));
                let floor = raw.chunks_exact(width).fold(f32::NEG_INFINITY, loudest) - top_db;
                for row in raw.chunks_exact_mut(width) {
                    row[cells.clone()].iter_mut().for_each(|value| *value = value.max(floor));
                }
            }
        }
    }

    /// Transforms what MFCC are made of, and copies the rest.
    #[inline(always)]
    fn finish(&self, raw: &[f32], raw_width: usize, rows: &mut [f32], width: usize) {
        for (mut raw, mut row) in raw.chunks_exact(raw_width).zip(rows.chunks_exact_mut(width)) {
            for step in &self.steps {
                let (values, cells);
                (values, raw) = raw.split_at(step.raw_width);
                (cells, row) = row.split_at_mut(step.columns.len());
                match &step.kind {
                    Kind::Mfcc { dct, lifter, .. } => {
                        dct.process_into(values, cells);
                        cells.iter_mut().zip(lifter).for_each(|(cell, weight)| *cell *= weight);
                    }
                    _ => cells.copy_from_slice(values),
                }
            }
        }
    }
}

/// Writes values that lie side by side, a row for each, into the frames' own rows.
#[inline(always)]
fn each_lane<'a>(values: &[[f32; LANES]], rows: impl Iterator<Item = &'a mut [f32]>) {
    for (lane, row) in rows.enumerate() {
        row.iter_mut().zip(values).for_each(|(cell, value)| *cell = value[lane]);
    }
}

/// [`FramePlan::block`] with the widest vectors that the machine has.
struct Block<'a> {
    plan: &'a FramePlan,
    signal: Signal<'a>,
    first: usize,
    rows: &'a mut [f32],
    width: usize,
    scratch: &'a mut PlanScratch,
}

impl NullaryFnOnce for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.plan.block(self.signal, self.first, self.rows, self.width, self.scratch);
    }
}

/// [`FramePlan::finish`] with the widest vectors that the machine has.
struct Finish<'a> {
    plan: &'a FramePlan,
    raw: &'a [f32],
    raw_width: usize,
    rows: &'a mut [f32],
    width: usize,
}

impl NullaryFnOnce for Finish<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.plan.finish(self.raw, self.raw_width, self.rows, self.width);
    }
}
