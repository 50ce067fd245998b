use crate::{Error, Progress};
use rayon::prelude::*;
use ser_audio::Waveform;
use ser_corpus::{Corpus, LabelSet, Utterance};
use ser_features::ndarray::Array2;
use ser_inference::{Frontend, PartRecord};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// Recordings are read in parallel, this many between two reports of progress.
const CHUNK: usize = 32;

/// An utterance that was read.
pub(crate) struct Clip<'a> {
    pub utterance: &'a Utterance,
    pub class: usize,
    /// [`content_hash`].
    pub hash: String,
    /// Features `[frames, bins]` before normalisation.
    pub features: Array2<f32>,
}

/// Reads the recordings of utterances, reports progress, and keeps a line for each that cannot be read.
pub(crate) struct Reader<'a, P> {
    labels: &'a LabelSet,
    progress: P,
    done: usize,
    total: usize,
    pub unreadable: Vec<String>,
}

impl<'a, P: FnMut(Progress)> Reader<'a, P> {
    /// `total` is how many recordings will be read.
    pub fn new(labels: &'a LabelSet, total: usize, progress: P) -> Self {
        Self { labels, progress, done: 0, total, unreadable: Vec::new() }
    }

    /// Applies `f` to each utterance whose emotion is in the label set: its class and its waveform. Results are in the
    /// order of the utterances.
    pub fn read<T: Send>(
        &mut self,
        utterances: &'a [Utterance],
        f: impl Fn(&'a Utterance, usize, Waveform) -> Result<T, Error> + Sync,
    ) -> Result<Vec<T>, Error> {
        let mut results = Vec::with_capacity(utterances.len());
        for chunk in utterances.chunks(CHUNK) {
            let read: Vec<Result<Option<T>, Failure>> = chunk
                .par_iter()
                .map(|utterance| {
                    let Some(class) = self.labels.index_of(utterance.emotion) else { return Ok(None) };
                    let path = &utterance.path;
                    let waveform = Waveform::from_file(path).map_err(|e| Failure::Unreadable(error_line(&e)))?;
                    f(utterance, class, waveform).map(Some).map_err(|error| match error {
                        // A sample rate that cannot be resampled, or too few samples for one frame.
                        Error::Inference(e @ (ser_inference::Error::Audio(_) | ser_inference::Error::Features(_))) => {
                            Failure::Unreadable(format!("cannot use {}: {}", path.display(), error_line(&e)))
                        }
                        error => Failure::Other(error),
                    })
                })
                .collect();
            for result in read {
                match result {
                    Ok(result) => results.extend(result),
                    Err(Failure::Unreadable(line)) => self.unreadable.push(line),
                    Err(Failure::Other(error)) => return Err(error),
                }
            }
            self.done += chunk.len();
            (self.progress)(Progress::Reading { done: self.done, total: self.total });
        }
        Ok(results)
    }

    /// Reads the clips of one part and extracts their features.
    pub fn clips(&mut self, utterances: &'a [Utterance], frontend: &Frontend) -> Result<Vec<Clip<'a>>, Error> {
        self.read(utterances, |utterance, class, waveform| {
            let hash = content_hash(&waveform);
            let features = frontend.features(frontend.resample(waveform)?)?;
            Ok(Clip { utterance, class, hash, features })
        })
    }
}

enum Failure {
    /// One line that names the file.
    Unreadable(String),
    Other(Error),
}

/// An error and its causes in one line.
fn error_line(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(|cause| cause.to_string()).collect::<Vec<_>>().join(": ")
}

/// The utterances whose emotions are in the label set.
pub(crate) fn with_labels(corpus: &Corpus, labels: &LabelSet) -> Corpus {
    let kept = corpus.utterances().iter().filter(|utterance| labels.index_of(utterance.emotion).is_some());
    Corpus::new(kept.cloned().collect())
}

/// The first 16 hexadecimal digits of the SHA-256 of a waveform's sample rate and samples.
pub(crate) fn content_hash(waveform: &Waveform) -> String {
    let mut hasher = Sha256::new();
    hasher.update(waveform.sample_rate().to_le_bytes());
    for sample in waveform.samples() {
        hasher.update(sample.to_le_bytes());
    }
    hasher.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A speaker as model files name it, `corpus/speaker`.
pub(crate) fn speaker_name(utterance: &Utterance) -> Option<String> {
    utterance.speaker_key().map(|(corpus, speaker)| format!("{corpus}/{speaker}"))
}

/// What a model file keeps of a part.
pub(crate) fn record(clips: &[Clip]) -> PartRecord {
    PartRecord {
        speakers: clips.iter().filter_map(|clip| speaker_name(clip.utterance)).collect(),
        clips: clips.iter().map(|clip| clip.hash.clone()).collect(),
    }
}

/// Refuses a recording that is in two parts under different names.
pub(crate) fn refuse_shared_clips(parts: [(&'static str, &[Clip]); 3]) -> Result<(), Error> {
    let mut seen = HashMap::new();
    for (part, clips) in parts {
        for clip in clips {
            let (first_part, first) = *seen.entry(&clip.hash).or_insert((part, clip.utterance));
            if first_part != part {
                let (first, second) = (first.path.clone(), clip.utterance.path.clone());
                return Err(Error::SharedClip { first, first_part, second, second_part: part });
            }
        }
    }
    Ok(())
}
