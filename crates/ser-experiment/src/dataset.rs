use crate::{Error, Progress};
use rayon::prelude::*;
use ser_corpus::{Corpus, LabelSet, Utterance};
use ser_features::ndarray::Array2;
use ser_features::{Normalizer, NormalizerMethod, NormalizerOptions, NormalizerScope};
use ser_inference::{Frontend, PartRecord, Recording};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};

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

    /// Applies `f` to each utterance whose emotion is in the label set: its class and its recording. Results are in the
    /// order of the utterances.
    pub fn read<T: Send>(
        &mut self,
        utterances: &[&'a Utterance],
        f: impl Fn(&'a Utterance, usize, Recording) -> Result<T, Error> + Sync,
    ) -> Result<Vec<T>, Error> {
        let mut results = Vec::with_capacity(utterances.len());
        for chunk in utterances.chunks(CHUNK) {
            let read: Vec<Result<Option<T>, Failure>> = chunk
                .par_iter()
                .map(|&utterance| {
                    let Some(class) = self.labels.index_of(utterance.emotion) else { return Ok(None) };
                    let path = &utterance.path;
                    let recording = Recording::from_file(path).map_err(|e| Failure::Unreadable(error_line(&e)))?;
                    f(utterance, class, recording).map(Some).map_err(|error| match error {
                        Error::Inference(source) if source.is_other_input() => {
                            Failure::Other(Error::OtherInput { path: path.clone(), source: Box::new(source) })
                        }
                        // A sample rate that cannot be resampled, too few samples for one frame, or features of another
                        // number of bins.
                        Error::Inference(
                            e @ (ser_inference::Error::Audio(_)
                            | ser_inference::Error::Features(_)
                            | ser_inference::Error::ImportedBins { .. }),
                        ) => Failure::Unreadable(format!("cannot use {}: {}", path.display(), error_line(&e))),
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
        let utterances: Vec<_> = utterances.iter().collect();
        self.read(&utterances, |utterance, class, recording| {
            let hash = content_hash(&recording);
            let features = frontend.features(recording)?;
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

/// `, such as` and the first line, where there is one.
pub(crate) fn first_line(unreadable: &[String]) -> String {
    unreadable.first().map_or_else(String::new, |line| format!(", such as {line}"))
}

/// The utterances whose emotions are in the label set.
pub(crate) fn with_labels(corpus: &Corpus, labels: &LabelSet) -> Corpus {
    let kept = corpus.utterances().iter().filter(|utterance| labels.index_of(utterance.emotion).is_some());
    Corpus::new(kept.cloned().collect())
}

/// The first 16 hexadecimal digits of the SHA-256 of a waveform's sample rate and samples, or of the number of bins and
/// the values of features.
pub(crate) fn content_hash(recording: &Recording) -> String {
    let mut hasher = Sha256::new();
    match recording {
        Recording::Audio(waveform) => {
            hasher.update(waveform.sample_rate().to_le_bytes());
            waveform.samples().iter().for_each(|sample| hasher.update(sample.to_le_bytes()));
        }
        Recording::Features(features) => {
            hasher.update((features.ncols() as u64).to_le_bytes());
            features.iter().for_each(|value| hasher.update(value.to_le_bytes()));
        }
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

/// Groups items by speaker, in the order of the speakers' names; the items of a speaker stay in their order.
pub(crate) fn by_speaker<'u, T>(
    items: impl IntoIterator<Item = T>,
    utterance: impl Fn(&T) -> &'u Utterance,
) -> Result<Vec<Vec<T>>, Error> {
    let mut speakers = BTreeMap::<_, Vec<T>>::new();
    let mut unknown = Vec::new();
    for item in items {
        match utterance(&item).speaker_key() {
            Some(speaker) => speakers.entry(speaker).or_default().push(item),
            None => unknown.push(&utterance(&item).path),
        }
    }
    match unknown.first() {
        None => Ok(speakers.into_values().collect()),
        Some(&path) => Err(Error::UnknownSpeaker { path: path.clone(), count: unknown.len() }),
    }
}

/// Normalises the features of a part's clips; by the scope `speaker` with the statistics of each speaker's clips in it.
pub(crate) fn normalize(clips: &mut [Clip], normalizer: &Normalizer) -> Result<(), Error> {
    let apply = |normalizer: &Normalizer, clip: &mut Clip| {
        normalizer.apply(&mut clip.features).map_err(|error| cannot_normalize(clip.utterance, error))
    };
    if normalizer.options().scope != NormalizerScope::Speaker {
        return clips.iter_mut().try_for_each(|clip| apply(normalizer, clip));
    }
    for mut clips in by_speaker(clips.iter_mut(), |clip| clip.utterance)? {
        let own = normalizer.adapted_to(clips.iter().map(|clip| clip.features.view()));
        let own = own.map_err(|error| cannot_normalize(clips[0].utterance, error))?;
        clips.iter_mut().try_for_each(|clip| apply(&own, clip))?;
    }
    Ok(())
}

pub(crate) fn cannot_normalize(utterance: &Utterance, error: impl Into<ser_inference::Error>) -> Error {
    Error::Normalize { path: utterance.path.clone(), source: Box::new(error.into()) }
}

/// What belongs beside every score where speakers are normalised by their own recordings; else nothing.
pub(crate) fn normalization_note(options: &NormalizerOptions) -> String {
    let statistics = match (options.scope, options.method) {
        (NormalizerScope::Training | NormalizerScope::Utterance, _) | (_, NormalizerMethod::None) => {
            return String::new();
        }
        (_, NormalizerMethod::Standard) => "mean and deviation",
        (_, NormalizerMethod::MinMax) => "minimum and range",
        (_, NormalizerMethod::Robust) => "median and interquartile range",
    };
    format!("; normalised per speaker: a speaker's own recordings (unlabelled) set the {statistics}")
}
