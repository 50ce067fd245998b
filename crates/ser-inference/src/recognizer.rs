use crate::frontend::MAX_WINDOW;
use crate::{
    Adaptation, Dimension, Error, Frontend, Manifest, Prediction, PriorShift, Recording, SCHEMA_VERSION, Segment,
};
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;
use ser_audio::Waveform;
use ser_corpus::Emotion;
use ser_features::NormalizerScope;
use ser_model::{Network, decode_model, split_weights};
use sha2::{Digest, Sha256};
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// The most networks of an ensemble.
pub const MAX_ENSEMBLE: usize = 32;
/// Shorter recordings, in seconds, are not accepted.
const MIN_DURATION: f64 = 0.25;
/// Recordings whose peak is below this (−80 dBFS) are silent.
const SILENCE_PEAK: f32 = 1e-4;
/// A segment of a timeline is taken for speech down to this root mean square relative to the loudest (−40 dB).
const SPEECH_RMS: f64 = 0.01;

/// A model at work: recording in, prediction out. It can be used from many threads at once.
pub struct Recognizer {
    manifest: Arc<Manifest>,
    pub(crate) frontend: Frontend,
    /// The first 16 hexadecimal digits of the SHA-256 of the model file.
    digest: Arc<str>,
    adaptation: Option<Adaptation>,
    /// One, or those of an ensemble.
    networks: Arc<Vec<Network>>,
}

/// What a [`Recognizer`] needs of a recording: its features before normalisation.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Features `[frames, bins]` of each window.
    windows: Vec<Array2<f32>>,
    accepted: bool,
}

/// What a model gives before it is calibrated.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// One logit a class: what calibration is fitted to. Those of an ensemble are the logarithms of the mean of its networks'
    /// probabilities.
    pub logits: Vec<f32>,
    /// The numbers that it gives beside the classes, with their names.
    pub dimensions: Vec<(String, f32)>,
}

/// The means over the windows of a recording, before any shift of the prior.
struct Averages {
    probabilities: Vec<f32>,
    dimensions: Vec<(String, f32)>,
}

impl fmt::Debug for Recognizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recognizer").field("labels", &self.manifest.labels).finish_non_exhaustive()
    }
}

impl Recognizer {
    /// Reads a model file.
    ///
    /// # Errors
    /// A file that cannot be opened, or as [`Recognizer::from_bytes`]; the path is named.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let wrap = |source| Error::ModelFile { path: path.into(), source };
        let bytes = std::fs::read(path).map_err(|error| wrap(error.into()))?;
        Self::from_bytes(&bytes).map_err(|error| wrap(error.into()))
    }

    /// Reads the bytes of a model file.
    ///
    /// # Errors
    /// Bytes that are no model file, another schema version, or parts that do not fit together.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (manifest, weights) = decode_model::<Manifest>(bytes)?;
        if !(1..=SCHEMA_VERSION).contains(&manifest.schema_version) {
            return Err(Error::SchemaVersion { found: manifest.schema_version, newest: SCHEMA_VERSION });
        }
        manifest.calibration.check()?;
        let frontend = Frontend::new(&manifest.input)?;
        manifest.input.check_normalizer(manifest.normalizer.options())?;
        if manifest.normalizer.n_bins() != frontend.n_bins() {
            let (expected, actual) = (frontend.n_bins(), manifest.normalizer.n_bins());
            return Err(ser_features::Error::BinCount { expected, actual }.into());
        }
        let n_networks = manifest.ensemble.unwrap_or(1);
        if !(1..=MAX_ENSEMBLE).contains(&n_networks) {
            let (value, allowed) = (n_networks.to_string(), "1 to 32");
            return Err(ser_model::Error::InvalidOption { option: "ensemble", value, allowed }.into());
        }
        let dimensions = &manifest.dimensions;
        if let Some(unusable) = dimensions.iter().find(|dimension| !dimension.is_usable()) {
            let (value, allowed) = (format!("{unusable:?}"), "a mean and a deviation above 0, both at most 1e30");
            return Err(ser_model::Error::InvalidOption { option: "dimensions", value, allowed }.into());
        }
        if dimensions.len() > Dimension::MAX {
            let (value, allowed) = (format!("{} names", dimensions.len()), "at most 64");
            return Err(ser_model::Error::InvalidOption { option: "dimensions", value, allowed }.into());
        }
        let (n_bins, n_outputs) = (frontend.n_bins(), manifest.labels.len() + dimensions.len());
        let networks = split_weights(weights, n_networks)?
            .into_iter()
            .map(|weights| Network::from_weights(&manifest.network, n_bins, n_outputs, weights))
            .collect::<Result<Vec<_>, _>>()?;
        let digest: String = Sha256::digest(bytes)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let (manifest, networks) = (manifest.into(), networks.into());
        Ok(Self { manifest, frontend, digest: digest.into(), adaptation: None, networks })
    }

    /// What the model says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The emotions that it tells apart, in the order of the probabilities.
    pub fn emotions(&self) -> &[Emotion] {
        self.manifest.labels.classes()
    }

    /// What it knows of a voice or a channel, where it is adapted to one.
    pub fn adaptation(&self) -> Option<&Adaptation> {
        self.adaptation.as_ref()
    }

    /// Adapts the model to a voice or a channel by recordings whose emotions need not be known, those that can hold no emotion
    /// left out: [`PriorShift`] says how. A model that normalises per speaker takes their statistics, too; with recordings
    /// of one emotion alone, these take that emotion away. What was adapted before is forgotten.
    ///
    /// # Errors
    /// No usable recording; for a model that normalises per speaker, fewer than 2 frames.
    pub fn adapted_to<'a>(&self, recordings: impl IntoIterator<Item = &'a Prepared>) -> Result<Self, Error> {
        let recordings: Vec<&Prepared> = recordings.into_iter().filter(|recording| recording.accepted).collect();
        if recordings.is_empty() {
            return Err(Error::NothingToAdaptTo);
        }
        let normalizer = match self.manifest.normalizer.options().scope {
            NormalizerScope::Speaker => {
                let windows = recordings.iter().flat_map(|recording| &recording.windows);
                Some(self.manifest.normalizer.adapted_to(windows.map(|window| window.view()))?)
            }
            NormalizerScope::Training | NormalizerScope::Utterance => None,
        };
        let n_classes = self.emotions().len();
        let mut adaptation = Adaptation {
            model: self.digest.to_string(),
            recordings: recordings.len(),
            normalizer,
            prior_shift: PriorShift::fit(n_classes, []),
        };
        let unshifted = self.with(adaptation.clone());
        let probabilities = |recording: &&Prepared| Ok(unshifted.averages(recording)?.probabilities);
        let probabilities: Vec<Vec<f32>> = recordings.par_iter().map(probabilities).collect::<Result<_, Error>>()?;
        adaptation.prior_shift = PriorShift::fit(n_classes, probabilities.iter().map(Vec::as_slice));
        Ok(self.with(adaptation))
    }

    /// Adapts the model to what an earlier one of the same file learned.
    ///
    /// # Errors
    /// An adaptation of another model file.
    pub fn with_adaptation(&self, adaptation: Adaptation) -> Result<Self, Error> {
        adaptation.check(&self.digest, &self.manifest)?;
        Ok(self.with(adaptation))
    }

    fn with(&self, adaptation: Adaptation) -> Self {
        let (manifest, networks) = (Arc::clone(&self.manifest), Arc::clone(&self.networks));
        let (frontend, digest) = (self.frontend.clone(), Arc::clone(&self.digest));
        Self { manifest, frontend, digest, adaptation: Some(adaptation), networks }
    }

    /// Takes the features of a recording. More than 30 s of audio are cut into equal windows.
    ///
    /// # Errors
    /// As [`Frontend::features`].
    pub fn prepare(&self, recording: Recording) -> Result<Prepared, Error> {
        let accepted = match &recording {
            Recording::Audio(waveform) => can_hold_emotion(waveform.duration(), waveform.peak()),
            Recording::Features(_) => true,
        };
        Ok(Prepared { windows: self.frontend.windows(recording)?, accepted })
    }

    /// Recognises the emotion of an audio file, mixed to mono, or of an `.npy` file where the model takes imported
    /// features.
    ///
    /// # Errors
    /// As [`Recording::from_file`] and [`Recognizer::recognize`]; the path is named.
    pub fn recognize_file(&self, path: impl AsRef<Path>) -> Result<Prediction, Error> {
        let path = path.as_ref();
        self.recognize(Recording::from_file(path)?)
            .map_err(|source| Error::Recording { path: path.into(), source: Box::new(source) })
    }

    /// Recognises the emotion of a waveform at any sample rate, or of features `[frames, bins]` where the model takes
    /// imported ones.
    ///
    /// More than 30 s of audio are cut into equal windows, whose probabilities are averaged.
    ///
    /// # Errors
    /// As [`Recognizer::prepare`], or a model that normalises per speaker and is not adapted to one.
    pub fn recognize(&self, recording: impl Into<Recording>) -> Result<Prediction, Error> {
        self.recognize_prepared(&self.prepare(recording.into())?)
    }

    /// Recognises the emotion of a recording whose features are taken.
    ///
    /// # Errors
    /// A model that normalises per speaker and is not adapted to one, or a result that is not finite.
    pub fn recognize_prepared(&self, recording: &Prepared) -> Result<Prediction, Error> {
        self.prediction(self.averages(recording)?, recording.accepted)
    }

    fn averages(&self, recording: &Prepared) -> Result<Averages, Error> {
        let n_windows = recording.windows.len() as f32;
        let mut probabilities = vec![0f32; self.emotions().len()];
        let mut dimensions: Vec<(String, f32)> =
            self.manifest.dimensions.iter().map(|dimension| (dimension.name.clone(), 0.0)).collect();
        for window in &recording.windows {
            let outputs = self.window_outputs(window.clone())?;
            let of_window = self.manifest.calibration.probabilities(&outputs.logits);
            probabilities.iter_mut().zip(of_window).for_each(|(sum, p)| *sum += p / n_windows);
            dimensions.iter_mut().zip(outputs.dimensions).for_each(|((_, sum), (_, x))| *sum += x / n_windows);
        }
        Ok(Averages { probabilities, dimensions })
    }

    /// Recognises the emotion of each stretch of `seconds` (0.25 to 30) of a waveform, one after the other. What is left
    /// at the end joins the last stretch where it is shorter than half of one.
    ///
    /// # Errors
    /// As [`Recognizer::recognize`], a model of imported features, or a length out of range.
    pub fn timeline(&self, waveform: &Waveform, seconds: f64) -> Result<Vec<Segment>, Error> {
        if !(MIN_DURATION..=MAX_WINDOW).contains(&seconds) {
            return Err(Error::Window { seconds });
        }
        let resampled = self.frontend.resample(waveform.clone())?;
        let samples = resampled.samples();
        let rate = f64::from(resampled.sample_rate());
        let n_segments = (resampled.duration() / seconds).round().max(1.0) as usize;
        let bound = |k: usize| if k == n_segments { samples.len() } else { (k as f64 * seconds * rate) as usize };
        let ranges: Vec<Range<usize>> = (0..n_segments).map(|k| bound(k)..bound(k + 1)).collect();
        let rms = |range: &Range<usize>| {
            let energy: f64 = samples[range.clone()].iter().map(|x| f64::from(x * x)).sum();
            (energy / range.len().max(1) as f64).sqrt()
        };
        let loudest = ranges.iter().map(rms).fold(0.0, f64::max);
        ranges
            .into_iter()
            .map(|range| {
                let peak = samples[range.clone()].iter().fold(0f32, |peak, x| peak.max(x.abs()));
                let outputs = self.window_outputs(self.frontend.window(&resampled, range.clone())?)?;
                let probabilities = self.manifest.calibration.probabilities(&outputs.logits);
                let accepted = can_hold_emotion(range.len() as f64 / rate, peak);
                let averages = Averages { probabilities, dimensions: outputs.dimensions };
                let prediction = self.prediction(averages, accepted)?;
                let speech = peak >= SILENCE_PEAK && rms(&range) > SPEECH_RMS * loudest;
                Ok(Segment { start: range.start as f64 / rate, end: range.end as f64 / rate, speech, prediction })
            })
            .collect()
    }

    /// What the network gives for the features of one window.
    pub(crate) fn window_outputs(&self, mut features: Array2<f32>) -> Result<Outputs, Error> {
        let own = self.adaptation.as_ref().and_then(|adaptation| adaptation.normalizer.as_ref());
        let normalizer = own.unwrap_or(&self.manifest.normalizer);
        if normalizer.options().scope == NormalizerScope::Speaker {
            return Err(Error::NotAdapted);
        }
        normalizer.apply(&mut features)?;
        self.outputs(features.view())
    }

    /// Computes what is given for normalised features `[frames, bins]`.
    ///
    /// # Errors
    /// Features of another number of bins, without a frame, or not finite, or such a result.
    pub fn outputs(&self, normalized: ArrayView2<f32>) -> Result<Outputs, Error> {
        let outputs = |network: &Network| Ok(network.logits(&[normalized])?.into_raw_vec_and_offset().0);
        let mut of_networks: Vec<Vec<f32>> = self.networks.iter().map(outputs).collect::<Result<_, Error>>()?;
        let n_classes = self.emotions().len();
        let values: Vec<Vec<f32>> = of_networks.iter_mut().map(|outputs| outputs.split_off(n_classes)).collect();
        let mean = |index: usize| values.iter().map(|values| values[index]).sum::<f32>() / values.len() as f32;
        let dimensions = self.manifest.dimensions.iter().enumerate();
        Ok(Outputs {
            logits: mean_probabilities(of_networks),
            dimensions: dimensions.map(|(index, d)| (d.name.clone(), d.value(mean(index)))).collect(),
        })
    }

    fn prediction(&self, averages: Averages, can_be_told: bool) -> Result<Prediction, Error> {
        let Averages { mut probabilities, dimensions } = averages;
        if let Some(adaptation) = &self.adaptation {
            adaptation.prior_shift.apply(&mut probabilities);
        }
        let (threshold, adapted) = (self.manifest.calibration.threshold, self.adaptation.is_some());
        let probabilities = self.emotions().iter().copied().zip(probabilities).collect();
        Prediction::new(probabilities, dimensions, can_be_told, threshold, adapted).ok_or_else(|| {
            ser_model::Error::InvalidOption { option: "classes", value: "0".into(), allowed: "at least 2" }.into()
        })
    }
}

/// The logits that stand for the mean of the probabilities of several networks; those of a single one stay as they are.
fn mean_probabilities(mut of_networks: Vec<Vec<f32>>) -> Vec<f32> {
    if of_networks.len() == 1 {
        return of_networks.remove(0);
    }
    for logits in &mut of_networks {
        let sum = log_sum_exp(logits.iter().copied());
        logits.iter_mut().for_each(|logit| *logit -= sum);
    }
    let n_classes = of_networks.first().map_or(0, Vec::len);
    let n_networks = of_networks.len() as f32;
    (0..n_classes).map(|class| log_sum_exp(of_networks.iter().map(|logits| logits[class])) - n_networks.ln()).collect()
}

fn log_sum_exp(values: impl Iterator<Item = f32> + Clone) -> f32 {
    let max = values.clone().fold(f32::NEG_INFINITY, f32::max);
    max + values.map(|value| (value - max).exp()).sum::<f32>().ln()
}

fn can_hold_emotion(duration: f64, peak: f32) -> bool {
    duration >= MIN_DURATION && peak >= SILENCE_PEAK
}
