use crate::frontend::{MAX_WINDOW, n_windows, window_ranges};
use crate::system::LoadedSystem;
use crate::{
    Adaptation, Dimension, Error, Manifest, Outputs, Prediction, PriorShift, Recording, SCHEMA_VERSION, Segment,
};
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;
use ser_audio::Waveform;
use ser_corpus::Emotion;
use ser_features::{Normalizer, NormalizerScope};
use ser_model::decode_model;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Shorter recordings, in seconds, are not accepted.
pub(crate) const MIN_DURATION: f64 = 0.25;
/// Recordings whose peak is below this (−80 dBFS) are silent.
const SILENCE_PEAK: f64 = 1e-4;
/// A segment of a timeline is taken for speech down to this root mean square relative to the loudest (−40 dB).
const SPEECH_RMS: f64 = 0.01;

/// A model at work: recording in, prediction out. It can be used from many threads at once; clones share its weights.
#[derive(Clone)]
pub struct Recognizer {
    manifest: Arc<Manifest>,
    systems: Arc<[LoadedSystem]>,
    /// The first 16 hexadecimal digits of the SHA-256 of the model file.
    digest: Arc<str>,
    adaptation: Option<Adaptation>,
}

/// What a [`Recognizer`] needs of a recording: its features before normalisation.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// For each system, features `[frames, bins]` of each window.
    windows: Vec<Vec<Array2<f32>>>,
    /// Whether each window can hold an emotion.
    audible: Vec<bool>,
}

impl Prepared {
    fn accepted(&self) -> bool {
        self.audible.contains(&true)
    }

    /// The windows that can hold an emotion; where there is none, all.
    fn heard(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.audible.len()).filter(|&window| self.audible[window] || !self.accepted())
    }
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
        let other_version = |found| Error::SchemaVersion { found, newest: SCHEMA_VERSION };
        let (manifest, weights) = decode_model::<Manifest>(bytes).map_err(|error| match decode_model(bytes) {
            Ok((Version { schema_version: found }, _)) if found > SCHEMA_VERSION => other_version(found),
            _ => error.into(),
        })?;
        if !(1..=SCHEMA_VERSION).contains(&manifest.schema_version) {
            return Err(other_version(manifest.schema_version));
        }
        manifest.calibration.check()?;
        let dimensions = &manifest.dimensions;
        if let Some(unusable) = dimensions.iter().find(|dimension| !dimension.is_usable()) {
            let (value, allowed) = (format!("{unusable:?}"), "a mean and a deviation above 0, both at most 1e30");
            return Err(ser_model::Error::InvalidOption { option: "dimensions", value, allowed }.into());
        }
        if dimensions.len() > Dimension::MAX {
            let (value, allowed) = (format!("{} names", dimensions.len()), "at most 64");
            return Err(ser_model::Error::InvalidOption { option: "dimensions", value, allowed }.into());
        }
        let systems = LoadedSystem::all_of(&manifest, weights)?;
        let digest: String = Sha256::digest(bytes)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { manifest: manifest.into(), systems: systems.into(), digest: digest.into(), adaptation: None })
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
    /// left out: [`PriorShift`] says how. A model that normalises per speaker draws its statistics to theirs, too
    /// ([`Normalizer::adapted_to`], where each window of a recording over 30 s counts as one). Recordings of one emotion alone make that emotion seem the voice itself: give mixed
    /// ones. What was adapted before is forgotten.
    ///
    /// # Errors
    /// No usable recording.
    pub fn adapted_to<'a>(&self, recordings: impl IntoIterator<Item = &'a Prepared>) -> Result<Self, Error> {
        let recordings: Vec<&Prepared> = recordings.into_iter().filter(|recording| recording.accepted()).collect();
        recordings.iter().try_for_each(|recording| self.check(recording))?;
        if recordings.is_empty() {
            return Err(Error::NothingToAdaptTo);
        }
        let own = |(index, system): (usize, &LoadedSystem)| match system.normalizer.options().scope {
            NormalizerScope::Speaker => {
                let windows = recordings
                    .iter()
                    .flat_map(|recording| recording.heard().map(|window| recording.windows[index][window].view()));
                Ok(Some(system.normalizer.adapted_to(windows)?))
            }
            NormalizerScope::Training | NormalizerScope::Utterance => Ok(None),
        };
        let normalizers = match self.manifest.normalizes_per_speaker() {
            true => self.systems.iter().enumerate().map(own).collect::<Result<_, Error>>()?,
            false => Vec::new(),
        };
        let n_classes = self.emotions().len();
        let mut adaptation = Adaptation {
            model: self.digest.to_string(),
            recordings: recordings.len(),
            normalizers,
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
        let (manifest, systems) = (Arc::clone(&self.manifest), Arc::clone(&self.systems));
        Self { manifest, systems, digest: Arc::clone(&self.digest), adaptation: Some(adaptation) }
    }

    /// Takes the features of a recording. More than 30 s of audio are cut into equal windows, of which silent ones do not count.
    ///
    /// # Errors
    /// As [`Frontend::features`](crate::Frontend::features).
    pub fn prepare(&self, recording: Recording) -> Result<Prepared, Error> {
        let audible = match &recording {
            Recording::Audio(waveform) => {
                let (samples, rate) = (waveform.samples(), f64::from(waveform.sample_rate()));
                let can_hold = |range: Range<usize>| can_hold_emotion(range.len() as f64 / rate, &samples[range]);
                window_ranges(samples.len(), n_windows(waveform)).map(can_hold).collect()
            }
            Recording::Features(_) => vec![true],
        };
        let mut windows = Vec::new();
        if let Some((last, others)) = self.systems.split_last() {
            for system in others {
                windows.push(system.frontend.windows(recording.clone())?);
            }
            windows.push(last.frontend.windows(recording)?);
        }
        Ok(Prepared { windows, audible })
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
    /// More than 30 s of audio are cut into equal windows. The probabilities of those that are not silent are averaged.
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
        self.prediction(self.averages(recording)?, recording.accepted())
    }

    /// Checks that it was prepared for as many systems.
    fn check(&self, recording: &Prepared) -> Result<(), Error> {
        match recording.windows.len() == self.systems.len() {
            true => Ok(()),
            false => Err(Error::PreparedForAnother),
        }
    }

    fn averages(&self, recording: &Prepared) -> Result<Averages, Error> {
        self.check(recording)?;
        let n_windows = recording.heard().count();
        let mut sums = vec![0f64; self.emotions().len()];
        let mut dimensions: Vec<(String, f32)> =
            self.manifest.dimensions.iter().map(|dimension| (dimension.name.clone(), 0.0)).collect();
        for window in recording.heard() {
            let outputs = self.window_outputs(recording.windows.iter().map(|windows| windows[window].clone()))?;
            let of_window = self.manifest.calibration.probabilities(&outputs.logits);
            sums.iter_mut().zip(of_window).for_each(|(sum, p)| *sum += f64::from(p));
            dimensions.iter_mut().zip(outputs.dimensions).for_each(|((_, sum), (_, x))| *sum += x / n_windows as f32);
        }
        let probabilities = sums.into_iter().map(|sum| (sum / n_windows as f64) as f32).collect();
        Ok(Averages { probabilities, dimensions })
    }

    /// Recognises the emotion of each stretch of `seconds` (0.25 to 30) of a waveform, one after the other. What is left
    /// at the end joins the last stretch where it is shorter than half of one, or too short for the features.
    ///
    /// # Errors
    /// As [`Recognizer::recognize`], a model of imported features, or a length out of range.
    pub fn timeline(&self, waveform: &Waveform, seconds: f64) -> Result<Vec<Segment>, Error> {
        check_window(seconds)?;
        let resampled = self.resampled(waveform)?;
        let n_segments = (resampled[0].duration() / seconds).round().max(1.0) as usize;
        match self.segments(&resampled, seconds, n_segments) {
            Err(error) if error.is_too_short() && n_segments > 1 => self.segments(&resampled, seconds, n_segments - 1),
            segments => segments,
        }
    }

    /// Recognises so many stretches, of which the last takes in what is left.
    fn segments(&self, resampled: &[Waveform], seconds: f64, n_segments: usize) -> Result<Vec<Segment>, Error> {
        let first = &resampled[0];
        let range = |waveform: &Waveform, k: usize| {
            let (length, rate) = (waveform.samples().len(), f64::from(waveform.sample_rate()));
            let bound = |k: usize| if k == n_segments { length } else { (k as f64 * seconds * rate).round() as usize };
            bound(k)..bound(k + 1)
        };
        let (samples, rate) = (first.samples(), f64::from(first.sample_rate()));
        let loudest = (0..n_segments).map(|k| rms(&samples[range(first, k)])).fold(0.0, f64::max);
        (0..n_segments)
            .map(|k| {
                let place = range(first, k);
                let (start, end) = (place.start as f64 / rate, place.end as f64 / rate);
                let speech = is_speech(&samples[place], loudest);
                let prediction = self.recognize_stretch(resampled, |waveform| range(waveform, k))?;
                Ok(Segment { start, end, speech, prediction })
            })
            .collect()
    }

    /// A waveform at the rate of each system.
    pub(crate) fn resampled(&self, waveform: &Waveform) -> Result<Vec<Waveform>, Error> {
        self.systems.iter().map(|system| system.frontend.resample_part(waveform.clone())).collect()
    }

    /// Recognises a stretch of a waveform that is there at the rate of each system.
    pub(crate) fn recognize_stretch(
        &self,
        resampled: &[Waveform],
        range: impl Fn(&Waveform) -> Range<usize>,
    ) -> Result<Prediction, Error> {
        let of_systems = self.systems.iter().zip(resampled);
        let features = of_systems.map(|(system, waveform)| system.frontend.window(waveform, range(waveform)));
        let outputs = self.window_outputs(features.collect::<Result<Vec<_>, _>>()?)?;
        let probabilities = self.manifest.calibration.probabilities(&outputs.logits);
        let (first, place) = (&resampled[0], range(&resampled[0]));
        // Stretches are cut at whole samples.
        let duration = (place.len() + 1) as f64 / f64::from(first.sample_rate());
        let accepted = can_hold_emotion(duration, &first.samples()[place]);
        self.prediction(Averages { probabilities, dimensions: outputs.dimensions }, accepted)
    }

    /// What is given for the features of one window, one array a system.
    fn window_outputs(&self, features: impl IntoIterator<Item = Array2<f32>>) -> Result<Outputs, Error> {
        let normalize = |(index, mut features): (usize, Array2<f32>)| {
            let adaptation = self.adaptation.as_ref();
            let own: Option<&Normalizer> = adaptation.and_then(|adapted| adapted.normalizers.get(index)?.as_ref());
            let normalizer = own.unwrap_or(&self.systems[index].normalizer);
            if normalizer.options().scope == NormalizerScope::Speaker {
                return Err(Error::NotAdapted);
            }
            normalizer.apply(&mut features)?;
            Ok(features)
        };
        let normalized = features.into_iter().enumerate().map(normalize).collect::<Result<Vec<_>, _>>()?;
        self.outputs(&normalized.iter().map(|features| features.view()).collect::<Vec<_>>())
    }

    /// What a waveform is before any system takes its features: prepared where there is one system, else at the highest
    /// rate of all, as each prepares it in its own way.
    pub(crate) fn heard(&self, waveform: Waveform) -> Result<Waveform, Error> {
        let first = &self.systems[0].frontend;
        if self.systems.len() == 1 {
            return first.prepare(first.resample(waveform)?);
        }
        match self.manifest.systems().iter().filter_map(|system| system.input.sample_rate()).max() {
            Some(rate) if rate != waveform.sample_rate() => Ok(waveform.without_dc().resample(rate)?),
            Some(_) => Ok(waveform),
            None => first.resample(waveform),
        }
    }

    /// What is given for what [`Recognizer::heard`] made.
    pub(crate) fn heard_outputs(&self, heard: &Waveform) -> Result<Outputs, Error> {
        let features = |system: &LoadedSystem| match self.systems.len() {
            1 => system.frontend.extract(heard.samples()),
            _ => system.frontend.features(heard.clone().into()),
        };
        self.window_outputs(self.systems.iter().map(features).collect::<Result<Vec<_>, _>>()?)
    }

    /// Computes what is given for normalised features, `[frames, bins]` for each system.
    ///
    /// # Errors
    /// Features of another number of bins, without a frame, or not finite, or such a result; more or less than one array a
    /// system.
    pub fn outputs(&self, normalized: &[ArrayView2<f32>]) -> Result<Outputs, Error> {
        if normalized.len() != self.systems.len() {
            let (value, allowed) = (format!("{} arrays", normalized.len()), "one for each system of the model");
            return Err(ser_model::Error::InvalidOption { option: "features", value, allowed }.into());
        }
        let of_systems = self.systems.iter().zip(normalized);
        let of_systems = of_systems.map(|(system, features)| system.outputs(features.view(), &self.manifest));
        Ok(Outputs::fuse(of_systems.collect::<Result<_, _>>()?))
    }

    /// The most probable emotion of one window.
    pub(crate) fn emotion(&self, logits: &[f32]) -> Result<Emotion, Error> {
        let probabilities = self.manifest.calibration.probabilities(logits);
        Ok(self.prediction(Averages { probabilities, dimensions: Vec::new() }, true)?.emotion())
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

fn can_hold_emotion(duration: f64, samples: &[f32]) -> bool {
    duration >= MIN_DURATION && peak(samples) >= SILENCE_PEAK
}

/// How far samples are from their mean: the offset of a cheap sound card is no sound.
fn deviations(samples: &[f32]) -> impl Iterator<Item = f64> {
    let mean = samples.iter().map(|x| f64::from(*x)).sum::<f64>() / samples.len() as f64;
    samples.iter().map(move |x| (f64::from(*x) - mean).abs())
}

fn peak(samples: &[f32]) -> f64 {
    deviations(samples).fold(0.0, f64::max)
}

/// The root mean square, without an offset.
pub(crate) fn rms(samples: &[f32]) -> f64 {
    let energy: f64 = deviations(samples).map(|x| x * x).sum();
    (energy / samples.len().max(1) as f64).sqrt()
}

/// Whether there may be speech in a stretch, of which the loudest has this root mean square.
pub(crate) fn is_speech(samples: &[f32], loudest: f64) -> bool {
    peak(samples) >= SILENCE_PEAK && rms(samples) > SPEECH_RMS * loudest
}

/// Checks the length of a timeline's stretches.
pub(crate) fn check_window(seconds: f64) -> Result<(), Error> {
    match (MIN_DURATION..=MAX_WINDOW).contains(&seconds) {
        true => Ok(()),
        false => Err(Error::Window { seconds }),
    }
}

/// The one field of a manifest that every version has.
#[derive(Deserialize)]
struct Version {
    schema_version: u32,
}
