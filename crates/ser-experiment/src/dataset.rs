use crate::cache::{Cache, Entry};
use crate::{Error, Fingerprinter, Progress};
use rayon::prelude::*;
use ser_augment::{Copies, Draw};
use ser_corpus::{Corpus, Fingerprint, LabelSet, Utterance, find_copies};
use ser_features::ndarray::{Array2, CowArray, Ix2};
use ser_features::{Normalizer, NormalizerMethod, NormalizerOptions, NormalizerScope};
use ser_inference::{Dimension, Frontend, Input, PartRecord, Recording};
use ser_model::BoxError;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Recordings are read in parallel, this many between two reports of progress.
const CHUNK: usize = 32;

/// An utterance that belongs to a class, or an augmented copy of it.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    pub utterance: &'a Utterance,
    pub class: usize,
    /// Which of [`Copies`]; 0 is the recording itself.
    pub copy: usize,
}

/// The utterances that belong to a class, in their order.
pub(crate) fn rows<'a>(utterances: &'a [Utterance], labels: &LabelSet) -> Vec<Row<'a>> {
    let row = |utterance: &'a Utterance| {
        labels.index_of(utterance.emotion).map(|class| Row { utterance, class, copy: utterance.copy() as usize })
    };
    utterances.iter().filter_map(row).collect()
}

/// A row that was read.
pub(crate) struct Clip<'a> {
    pub row: Row<'a>,
    /// That of the recording, without any augmentation.
    pub fingerprint: Fingerprint,
    features: Features,
}

/// Features `[frames, bins]` before normalisation.
#[derive(Clone)]
enum Features {
    InMemory(Arc<Array2<f32>>),
    Cached(PathBuf),
}

/// What was read, for other runs with the same inputs: by the number of the system, the file, which copy of it, and the seed
/// that the copy was drawn from.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<KeptClips>>);

type KeptClips = HashMap<(usize, PathBuf, usize, u64), (Fingerprint, Features)>;

impl Kept {
    /// Keeps the recordings as they are alone: copies are drawn from a seed, and those of another seed are others.
    pub fn forget_copies(&self) {
        self.lock().retain(|(_, _, copy, _), _| *copy == 0);
    }

    /// A thread that panics while it holds the lock leaves the map whole.
    fn lock(&self) -> MutexGuard<'_, KeptClips> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clip<'_> {
    pub fn features(&self) -> Result<CowArray<'_, f32, Ix2>, Error> {
        match &self.features {
            Features::InMemory(features) => Ok(features.view().into()),
            Features::Cached(path) => match Cache::read(path)? {
                Some(entry) => Ok(entry.features.into()),
                None => Err(Error::CacheEntryLost { path: path.clone() }),
            },
        }
    }
}

/// The way from a row to its features: the recording or its copy, through the pipeline, or from the cache.
pub(crate) struct Loader {
    pub frontend: Frontend,
    fingerprinter: Fingerprinter,
    copies: Copies,
    cache: Option<Cache>,
    seed: u64,
    /// What other runs read, and which system's it is.
    kept: Option<(Kept, usize)>,
}

impl Loader {
    pub fn new(input: &Input, cache: Option<&Path>, seed: u64, kept: Option<(Kept, usize)>) -> Result<Self, Error> {
        let cache = cache.map(|folder| Cache::new(folder, input, seed)).transpose()?;
        let (frontend, fingerprinter, copies) = (Frontend::new(input)?, Fingerprinter::new()?, Copies::paper()?);
        Ok(Self { frontend, fingerprinter, copies, cache, seed, kept })
    }

    /// Reads a recording, or makes its copy at the features' sample rate.
    pub fn open(&self, row: &Row) -> Result<Recording, Failure> {
        self.copy(row, open(&row.utterance.path)?)
    }

    fn copy(&self, row: &Row, recording: Recording) -> Result<Recording, Failure> {
        let path = &row.utterance.path;
        match recording {
            Recording::Audio(waveform) if row.copy > 0 => {
                let hash = content_hash(&waveform.clone().into());
                let waveform = self.frontend.resample(waveform).map_err(|e| Failure::of(path, e))?;
                let draw = Draw { seed: self.seed, utterance: &hash, epoch: 0 };
                Ok(self.copies.one(row.copy, waveform, &draw).map_err(|e| Failure::of(path, e))?.into())
            }
            recording => Ok(recording),
        }
    }

    fn clip<'a>(&self, row: Row<'a>) -> Result<Clip<'a>, Failure> {
        let Some((kept, system)) = &self.kept else { return self.read(row) };
        let key = (*system, row.utterance.path.clone(), row.copy, if row.copy > 0 { self.seed } else { 0 });
        if let Some((fingerprint, features)) = kept.lock().get(&key).cloned() {
            return Ok(Clip { row, fingerprint, features });
        }
        let clip = self.read(row)?;
        kept.lock().insert(key, (clip.fingerprint.clone(), clip.features.clone()));
        Ok(clip)
    }

    fn read<'a>(&self, row: Row<'a>) -> Result<Clip<'a>, Failure> {
        let path = &row.utterance.path;
        let entry = match &self.cache {
            None => None,
            Some(cache) => Some(cache.entry(path, row.copy).map_err(|e| Failure::unreadable(path, &e))?),
        };
        if let Some(entry_path) = &entry
            && let Some(entry) = Cache::read(entry_path).map_err(Failure::Other)?
        {
            return Ok(Clip { row, fingerprint: entry.fingerprint, features: Features::Cached(entry_path.clone()) });
        }
        let recording = open(path)?;
        let fingerprint = self.fingerprinter.fingerprint(&recording).map_err(|e| Failure::of(path, e))?;
        let recording = self.copy(&row, recording)?;
        let features = self.frontend.features(recording).map_err(|e| Failure::of(path, e))?;
        let features = match entry {
            None => Features::InMemory(features.into()),
            Some(path) => {
                Cache::write(&path, &Entry { fingerprint: fingerprint.clone(), features }).map_err(Failure::Other)?;
                Features::Cached(path)
            }
        };
        Ok(Clip { row, fingerprint, features })
    }
}

/// Reads rows in parallel, reports progress, and keeps a line for each recording that cannot be read.
pub(crate) struct Reader<P> {
    progress: P,
    done: usize,
    total: usize,
    pub unreadable: Vec<String>,
}

impl<P: FnMut(Progress)> Reader<P> {
    /// `total` is how many rows will be read.
    pub fn new(total: usize, progress: P) -> Self {
        Self { progress, done: 0, total, unreadable: Vec::new() }
    }

    /// Applies `f` to each row; results are in the order of the rows.
    pub fn read<R: Copy + Sync, T: Send>(
        &mut self,
        rows: &[R],
        f: impl Fn(R) -> Result<T, Failure> + Sync,
    ) -> Result<Vec<T>, Error> {
        let mut results = Vec::with_capacity(rows.len());
        for chunk in rows.chunks(CHUNK) {
            let read: Vec<Result<T, Failure>> = chunk.par_iter().map(|&row| f(row)).collect();
            for result in read {
                match result {
                    Ok(result) => results.push(result),
                    Err(Failure::Unreadable(line)) => self.unreadable.push(line),
                    Err(Failure::Other(error)) => return Err(error),
                }
            }
            self.done += chunk.len();
            (self.progress)(Progress::Reading { done: self.done, total: self.total });
        }
        Ok(results)
    }

    /// Reads rows and takes their features.
    pub fn clips<'a>(&mut self, rows: &[Row<'a>], loader: &Loader) -> Result<Vec<Clip<'a>>, Error> {
        self.read(rows, |row| loader.clip(row))
    }
}

/// What is said of a recording that is left out.
pub(crate) fn cannot_use(path: &Path, error: &dyn std::error::Error) -> String {
    format!("cannot use {}: {}", path.display(), error_line(error))
}

/// Why there is no result for a row.
pub(crate) enum Failure {
    /// One line that names the file.
    Unreadable(String),
    Other(Error),
}

impl Failure {
    fn unreadable(path: &Path, error: &dyn std::error::Error) -> Self {
        Self::Unreadable(cannot_use(path, error))
    }

    /// What is wrong with one recording is told from what would be wrong with all.
    pub fn of(path: &Path, error: impl Into<Error>) -> Self {
        match error.into() {
            Error::Inference(source) if source.is_other_input() => {
                Self::Other(Error::OtherInput { path: path.into(), source: Box::new(source) })
            }
            // A sample rate that cannot be resampled, too few samples for one frame, or features of another number of
            // bins.
            Error::Inference(
                e @ (ser_inference::Error::Audio(_)
                | ser_inference::Error::Features(_)
                | ser_inference::Error::ImportedBins { .. }),
            ) => Self::unreadable(path, &e),
            Error::Augment(e) => Self::unreadable(path, &e),
            error => Self::Other(error),
        }
    }
}

impl From<Failure> for BoxError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unreadable(line) => line.into(),
            Failure::Other(error) => error.into(),
        }
    }
}

/// Reads a recording.
pub(crate) fn open(path: &Path) -> Result<Recording, Failure> {
    Recording::from_file(path).map_err(|error| Failure::Unreadable(error_line(&error)))
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

/// Requires all clips to have the numbers that are to be learned.
pub(crate) fn check_dimensions(corpus: &Corpus, names: &[String]) -> Result<(), Error> {
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            return Err(Error::Dimension { name: name.clone(), reason: "it is named twice" });
        }
        let mut lacking = corpus.utterances().iter().filter(|utterance| !utterance.dimensions.contains_key(name));
        if let Some(first) = lacking.next() {
            let (path, count) = (first.path.clone(), 1 + lacking.count());
            return Err(Error::MissingDimension { name: name.clone(), path, count });
        }
    }
    Ok(())
}

/// The standardised numbers of clips, in the order of the dimensions.
pub(crate) fn standardized(clips: &[Clip], dimensions: &[Dimension]) -> Vec<Vec<f32>> {
    let value = |clip: &Clip, dimension: &Dimension| {
        let value = clip.row.utterance.dimensions.get(&dimension.name);
        value.map_or(f32::NAN, |&value| dimension.standardize(value))
    };
    clips.iter().map(|clip| dimensions.iter().map(|dimension| value(clip, dimension)).collect()).collect()
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
pub(crate) fn record<'c, 'a: 'c>(clips: impl IntoIterator<Item = &'c Clip<'a>>) -> PartRecord {
    let mut record = PartRecord::default();
    for clip in clips {
        match speaker_name(clip.row.utterance) {
            Some(speaker) => record.speakers.insert(speaker),
            None => record.nameless.insert(clip.row.utterance.corpus.clone()),
        };
        record.clips.insert(clip.fingerprint.exact().to_owned());
    }
    record
}

/// Leaves out of all systems what one of them could not read, so that each has the same rows.
pub(crate) fn keep_common(of_systems: &mut [Vec<Clip>]) {
    let key = |clip: &Clip| (clip.row.utterance.path.clone(), clip.row.copy);
    let read: Vec<HashSet<_>> = of_systems.iter().map(|clips| clips.iter().map(key).collect()).collect();
    for clips in of_systems {
        clips.retain(|clip| read.iter().all(|keys| keys.contains(&key(clip))));
    }
}

/// Finds recordings that are in two parts, by their samples or by their sound. Where both are of one speaker and class, as
/// in the release of RAVDESS, the second is to be left out: its path and a line about it are returned. All others are leaks.
pub(crate) fn shared_clips(parts: [(&'static str, &[Clip]); 3]) -> Result<Vec<(PathBuf, String)>, Error> {
    let originals = parts.map(|(_, clips)| clips.iter().filter(|clip| clip.row.copy == 0).collect::<Vec<_>>());
    let fingerprints = originals.each_ref().map(|clips| clips.iter().map(|clip| &clip.fingerprint).collect());
    let (mut left_out, mut leaks) = (Vec::new(), Vec::new());
    for shared in find_copies(&fingerprints) {
        let [first, second] = [shared.first, shared.second].map(|place| originals[place.part][place.clip].row);
        let [first_part, second_part] = [shared.first, shared.second].map(|place| parts[place.part].0);
        let [first_path, second_path] = [first, second].map(|row| row.utterance.path.clone());
        let speaker = first.utterance.speaker_key();
        if speaker.is_some() && speaker == second.utterance.speaker_key() && first.class == second.class {
            let (kept, other) = (first_path.display(), second_path.display());
            let line = format!("{other} is the same recording as {kept} in the {first_part} part: left out");
            left_out.push((second_path, line));
        } else {
            let by = if shared.bit_error_rate == 0.0 { "samples" } else { "sound" };
            leaks.push((first_path, first_part, second_path, second_part, by));
        }
    }
    let others = leaks.len().saturating_sub(1);
    match leaks.into_iter().next() {
        None => Ok(left_out),
        Some((first, first_part, second, second_part, by)) => {
            Err(Error::SharedClip { first, first_part, second, second_part, by, others })
        }
    }
}
/// Says which recordings a training part has under several classes, by their samples.
pub(crate) fn contradictions(clips: &[Clip]) -> Option<String> {
    let mut first = HashMap::new();
    let mut again = Vec::new();
    for clip in clips.iter().filter(|clip| clip.row.copy == 0) {
        let other = first.entry(clip.fingerprint.exact()).or_insert(clip.row);
        if other.class != clip.row.class {
            again.push((clip.row.utterance, other.utterance));
        }
    }
    let (second, first) = again.first()?;
    Some(format!(
        "{} of the training clips are recordings that are there under another emotion, such as {} ({}), which is {} ({}): all are learned",
        again.len(),
        second.path.display(),
        second.emotion,
        first.path.display(),
        first.emotion
    ))
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

/// Fits a normaliser to clips whose features may have to be read from the cache.
pub(crate) fn fit<'c, 'a: 'c>(
    clips: impl IntoIterator<Item = &'c Clip<'a>>,
    fit: impl FnOnce(&mut dyn Iterator<Item = CowArray<'c, f32, Ix2>>) -> Result<Normalizer, ser_features::Error>,
) -> Result<Normalizer, Error> {
    let mut failed = None;
    let mut features = clips.into_iter().map_while(|clip| clip.features().map_err(|error| failed = Some(error)).ok());
    let normalizer = fit(&mut features);
    drop(features);
    match failed {
        Some(error) => Err(error),
        None => Ok(normalizer?),
    }
}

/// Normalises the features of a part's clips: with the training part's statistics, or, by the scope `speaker`, with
/// those of each speaker's clips in the part.
pub(crate) struct PartNormalizer<'a> {
    shared: &'a Normalizer,
    of_speakers: HashMap<(&'a str, &'a str), Normalizer>,
}

impl<'a> PartNormalizer<'a> {
    pub fn new(shared: &'a Normalizer, clips: &[Clip<'a>]) -> Result<Self, Error> {
        let mut of_speakers = HashMap::new();
        if shared.options().scope == NormalizerScope::Speaker {
            for clips in by_speaker(clips, |clip| clip.row.utterance)? {
                let utterance = clips[0].row.utterance;
                let own = match fit(clips, |features| shared.adapted_to(features)) {
                    Err(Error::Features(error)) => return Err(cannot_normalize(utterance, error)),
                    own => own?,
                };
                of_speakers.extend(utterance.speaker_key().map(|key| (key, own)));
            }
        }
        Ok(Self { shared, of_speakers })
    }

    pub fn apply(&self, utterance: &Utterance, features: &mut Array2<f32>) -> Result<(), Error> {
        let own = utterance.speaker_key().and_then(|key| self.of_speakers.get(&key));
        own.unwrap_or(self.shared).apply(features).map_err(|error| cannot_normalize(utterance, error))
    }
}

pub(crate) fn cannot_normalize(utterance: &Utterance, error: impl Into<ser_inference::Error>) -> Error {
    Error::Normalize { path: utterance.path.clone(), source: Box::new(error.into()) }
}

/// What belongs beside every score where a system normalises speakers by their own recordings; else nothing.
pub(crate) fn normalization_note<'a>(of_systems: impl IntoIterator<Item = &'a NormalizerOptions>) -> String {
    let statistics = of_systems.into_iter().filter_map(|options| match (options.scope, options.method) {
        (NormalizerScope::Training | NormalizerScope::Utterance, _) | (_, NormalizerMethod::None) => None,
        (_, NormalizerMethod::Standard) => Some("mean and deviation"),
        (_, NormalizerMethod::MinMax) => Some("minimum and range"),
        (_, NormalizerMethod::Robust) => Some("median and interquartile range"),
    });
    let statistics: BTreeSet<&str> = statistics.collect();
    if statistics.is_empty() {
        return String::new();
    }
    let statistics = statistics.into_iter().collect::<Vec<_>>().join(", ");
    format!(
        "; normalised per speaker: a speaker's own recordings (unlabelled) set the {statistics} and shift the prior"
    )
}
