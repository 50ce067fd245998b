use crate::{Error, Frontend, Manifest, Prediction, SCHEMA_VERSION, Segment};
use ser_audio::Waveform;
use ser_corpus::Emotion;
use ser_model::{Network, decode_model};
use std::fmt;
use std::ops::Range;
use std::path::Path;

/// Longer recordings are cut into equal windows of at most this many seconds, whose probabilities are averaged.
const MAX_WINDOW: f64 = 30.0;
/// Shorter recordings, in seconds, are not accepted.
const MIN_DURATION: f64 = 0.25;
/// Recordings whose peak is below this (−80 dBFS) are silent.
const SILENCE_PEAK: f32 = 1e-4;
/// A segment of a timeline is taken for speech down to this root mean square relative to the loudest (−40 dB).
const SPEECH_RMS: f64 = 0.01;

/// A model at work: waveform in, prediction out. It can be used from many threads at once.
pub struct Recognizer {
    manifest: Manifest,
    frontend: Frontend,
    network: Network,
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
        if manifest.schema_version != SCHEMA_VERSION {
            return Err(Error::SchemaVersion { found: manifest.schema_version, expected: SCHEMA_VERSION });
        }
        let frontend = Frontend::new(manifest.level, &manifest.features)?;
        manifest.normalizer.options().check(&manifest.features)?;
        if manifest.normalizer.n_bins() != frontend.n_bins() {
            let (expected, actual) = (frontend.n_bins(), manifest.normalizer.n_bins());
            return Err(ser_features::Error::BinCount { expected, actual }.into());
        }
        let network = Network::from_weights(&manifest.network, frontend.n_bins(), manifest.labels.len(), weights)?;
        Ok(Self { manifest, frontend, network })
    }

    /// What the model says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The emotions that it tells apart, in the order of the probabilities.
    pub fn emotions(&self) -> &[Emotion] {
        self.manifest.labels.classes()
    }

    /// Recognises the emotion of an audio file, mixed to mono.
    ///
    /// # Errors
    /// A file that cannot be read or holds no audio, or as [`Recognizer::recognize`]; the path is named.
    pub fn recognize_file(&self, path: impl AsRef<Path>) -> Result<Prediction, Error> {
        let path = path.as_ref();
        self.recognize(&Waveform::from_file(path)?)
            .map_err(|source| Error::Recording { path: path.into(), source: Box::new(source) })
    }

    /// Recognises the emotion of a waveform at any sample rate.
    ///
    /// More than 30 s are cut into equal windows, whose probabilities are averaged.
    ///
    /// # Errors
    /// An empty waveform, or a sample rate that cannot be resampled.
    pub fn recognize(&self, waveform: &Waveform) -> Result<Prediction, Error> {
        let resampled = self.frontend.resample(waveform.clone())?;
        let n_windows = (resampled.duration() / MAX_WINDOW).ceil().max(1.0) as usize;
        let mut sum = vec![0f32; self.emotions().len()];
        for window in 0..n_windows {
            let bound = |k: usize| resampled.samples().len() * k / n_windows;
            let probabilities = self.probabilities(&resampled, bound(window)..bound(window + 1))?;
            sum.iter_mut().zip(probabilities).for_each(|(sum, p)| *sum += p / n_windows as f32);
        }
        self.prediction(sum, waveform.duration(), waveform.peak())
    }

    /// Recognises the emotion of each stretch of `seconds` (0.25 to 30) of a waveform, one after the other. What is left
    /// at the end joins the last stretch where it is shorter than half of one.
    ///
    /// # Errors
    /// As [`Recognizer::recognize`], or a length out of range.
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
                let probabilities = self.probabilities(&resampled, range.clone())?;
                let prediction = self.prediction(probabilities, range.len() as f64 / rate, peak)?;
                let speech = peak >= SILENCE_PEAK && rms(&range) > SPEECH_RMS * loudest;
                Ok(Segment { start: range.start as f64 / rate, end: range.end as f64 / rate, speech, prediction })
            })
            .collect()
    }

    /// The probabilities of the classes for one range of samples at the features' rate.
    fn probabilities(&self, resampled: &Waveform, range: Range<usize>) -> Result<Vec<f32>, Error> {
        let window = Waveform::new(resampled.samples()[range].to_vec(), resampled.sample_rate())?;
        let mut features = self.frontend.features(window)?;
        self.manifest.normalizer.apply(&mut features)?;
        let logits = self.network.logits(&[features.view()])?;
        let max = logits.fold(f32::NEG_INFINITY, |max, &x| max.max(x));
        let exponentials: Vec<f32> = logits.iter().map(|x| (x - max).exp()).collect();
        let sum: f32 = exponentials.iter().sum();
        Ok(exponentials.into_iter().map(|e| e / sum).collect())
    }

    fn prediction(&self, probabilities: Vec<f32>, duration: f64, peak: f32) -> Result<Prediction, Error> {
        let accepted = duration >= MIN_DURATION && peak >= SILENCE_PEAK;
        let probabilities = self.emotions().iter().copied().zip(probabilities).collect();
        Prediction::new(probabilities, accepted).ok_or_else(|| {
            ser_model::Error::InvalidOption { option: "classes", value: "0".into(), allowed: "at least 2" }.into()
        })
    }
}
