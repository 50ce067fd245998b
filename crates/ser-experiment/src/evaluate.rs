use crate::dataset::{
    Failure, Reader, Row, by_speaker, cannot_normalize, cannot_use, content_hash, first_line, normalization_note, open,
    rows, speaker_name,
};
use crate::output::REPORT_SCHEMA_VERSION;
use crate::{Error, Progress, Statistics};
use rayon::prelude::*;
use ser_corpus::{Corpus, Emotion, LabelSet, Sex, Utterance};
use ser_inference::{Dimension, Prediction, Prepared, PriorShift, Provenance, Recognizer, Recording};
use ser_metrics::{ConfusionMatrix, RegressionScores, Report};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

/// Which clips a model is scored on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// Clips of speakers that the model was neither trained nor validated on.
    #[default]
    Test,
    /// All clips. Where the model knows some of them, the result says so and is no honest score.
    All,
}

/// How a model scored, on what, and what was left out.
///
/// `Serialize` writes these fields:
///
/// | field | holds |
/// | --- | --- |
/// | `schema_version` | 1: the version of this form |
/// | `scope` | what was scored, whether the model knows any of it, and whether speakers were normalised by their own recordings: one line |
/// | `honest` | whether all speakers are known to be new to the model |
/// | `warnings` | what is odd about the corpus, such as files that no reader took; left out where nothing is |
/// | `left_out` | the numbers of [`LeftOut`] |
/// | `adapted` | the [`AdaptedScores`]; left out where a speaker is unknown or the model normalises per speaker anyway |
/// | `report` | the [`Report`]: accuracy, UAR, scores by class, confusion matrix |
/// | `statistics` | the [`Statistics`]: intervals, calibration, groups |
/// | `dimensions` | one [`DimensionReport`] for each number that the model gives and clips have; left out where there is none |
/// | `unreadable` | one line for each recording that could not be read |
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    schema_version: u32,
    scope: String,
    honest: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    left_out: LeftOut,
    #[serde(skip_serializing_if = "Option::is_none")]
    adapted: Option<AdaptedScores>,
    report: Report,
    statistics: Statistics,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dimensions: Vec<DimensionReport>,
    unreadable: Vec<String>,
    #[serde(skip)]
    predictions: Vec<ClipPrediction>,
}

/// Why clips were not scored, and how many.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LeftOut {
    /// The model was trained or validated on their speakers.
    pub known_speaker: usize,
    /// The model was trained or validated on the same recordings, under whatever name.
    pub known_clip: usize,
    /// Their emotions are not in the model's label set.
    pub other_emotion: usize,
    /// They could not be read; or the model normalises per speaker, and all clips of theirs are silent.
    pub unreadable: usize,
}

/// The scores of a model that is adapted to each speaker by that speaker's scored clips, without their labels, as
/// [`Recognizer::adapted_to`] does it, silent clips included.
///
/// A speaker's clips hold all emotions in a corpus. Few recordings give less, and those of one emotion cost it recall.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AdaptedScores {
    /// The mean recall over the classes that the clips have.
    pub uar: f64,
    /// The share of the clips that were recognised.
    pub accuracy: f64,
}

impl AdaptedScores {
    /// `None` where a clip's speaker is unknown.
    pub(crate) fn new(predictions: &[ClipPrediction], labels: &LabelSet) -> Result<Option<Self>, Error> {
        let mut speakers = BTreeMap::<&str, Vec<&ClipPrediction>>::new();
        for clip in predictions {
            match &clip.speaker {
                Some(speaker) => speakers.entry(speaker).or_default().push(clip),
                None => return Ok(None),
            }
        }
        let mut pairs = Vec::new();
        for clips in speakers.into_values() {
            let shift = PriorShift::fit(labels.len(), clips.iter().map(|clip| clip.probabilities.as_slice()));
            for clip in clips {
                let mut probabilities = clip.probabilities.clone();
                shift.apply(&mut probabilities);
                let truth = labels.index_of(clip.truth).unwrap_or(labels.len());
                pairs.push((truth, argmax(&probabilities)));
            }
        }
        let matrix = ConfusionMatrix::new(labels.names(), pairs)?;
        Ok(Some(Self { uar: matrix.uar(), accuracy: matrix.accuracy() }))
    }
}

impl fmt::Display for AdaptedScores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { uar, accuracy } = self;
        write!(
            f,
            "adapted to each speaker by the same clips, without their labels: unweighted average recall {uar:.4}, \
             accuracy {accuracy:.4}"
        )
    }
}

/// The first of the greatest.
pub(crate) fn argmax(values: &[f32]) -> usize {
    (0..values.len()).reduce(|best, next| if values[next] > values[best] { next } else { best }).unwrap_or(0)
}

/// How well a model gives a number, such as arousal. `Display` is one line.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DimensionReport {
    /// Its name.
    pub name: String,
    /// The scored clips that have it.
    pub clips: usize,
    /// The scores.
    #[serde(flatten)]
    pub scores: RegressionScores,
}

impl fmt::Display for DimensionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RegressionScores { ccc, pearson, mae, rmse, .. } = self.scores;
        let Self { name, clips, .. } = self;
        write!(f, "{name}: CCC {ccc:.4}, Pearson {pearson:.4}, MAE {mae:.4}, RMSE {rmse:.4} ({clips} clips)")
    }
}

/// A number of a clip, and what the model gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DimensionPrediction {
    /// Its name.
    pub name: String,
    /// What the corpus states, if it does.
    pub truth: Option<f64>,
    /// What the model gave.
    pub prediction: f32,
}

/// One scored clip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClipPrediction {
    /// The file.
    #[serde(serialize_with = "as_text")]
    pub path: PathBuf,
    /// The corpus.
    pub corpus: String,
    /// The speaker, written `corpus/speaker`; `None` where the corpus does not say.
    pub speaker: Option<String>,
    /// The speaker's sex, as the corpus states it.
    pub sex: Option<Sex>,
    /// The speaker's age in years.
    pub age: Option<u32>,
    /// The language, as an ISO 639-1 code.
    pub language: Option<String>,
    /// The class of the clip's own emotion.
    pub truth: Emotion,
    /// What the model recognised.
    pub prediction: Emotion,
    /// The probabilities of the model's classes, in their order.
    pub probabilities: Vec<f32>,
    /// The numbers that the model gives beside the classes, in their order.
    pub dimensions: Vec<DimensionPrediction>,
    /// Whether the model was trained or validated on the clip or its speaker.
    pub known: bool,
}

/// Also of a name that is not Unicode.
fn as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

impl ClipPrediction {
    pub(crate) fn new(
        row: &Row,
        labels: &LabelSet,
        prediction: Emotion,
        probabilities: Vec<f32>,
        dimensions: &[(String, f32)],
        known: bool,
    ) -> Self {
        let utterance = row.utterance;
        let dimension = |(name, prediction): &(String, f32)| DimensionPrediction {
            name: name.clone(),
            truth: utterance.dimensions.get(name).copied(),
            prediction: *prediction,
        };
        Self {
            path: utterance.path.clone(),
            corpus: utterance.corpus.clone(),
            speaker: speaker_name(utterance),
            sex: utterance.sex,
            age: utterance.age,
            language: utterance.language.clone(),
            truth: labels.emotion(row.class).unwrap_or(utterance.emotion),
            prediction,
            probabilities,
            dimensions: dimensions.iter().map(dimension).collect(),
            known,
        }
    }
}

impl Evaluation {
    /// What was scored, whether the model knows any of it, and whether speakers were normalised by their own recordings:
    /// one line that belongs beside every number.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// Whether all speakers are known to be new to the model.
    pub fn is_honest(&self) -> bool {
        self.honest
    }

    /// What was left out.
    pub fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// The scores by adaptation to each speaker; `None` where a speaker is unknown, or where the model normalises per speaker
    /// and is adapted anyway.
    pub fn adapted(&self) -> Option<AdaptedScores> {
        self.adapted
    }

    /// The classification report.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Intervals, calibration, and the scores of groups.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// How well the model gives the numbers that it was trained to give; of those that no scored clip has, nothing.
    pub fn dimensions(&self) -> &[DimensionReport] {
        &self.dimensions
    }

    /// The clips that were scored, in the order of the corpus.
    pub fn predictions(&self) -> &[ClipPrediction] {
        &self.predictions
    }

    /// What is odd about the corpus, such as files that no reader took.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The recordings that could not be read, one line each.
    pub fn unreadable(&self) -> &[String] {
        &self.unreadable
    }

    pub(crate) fn n_speakers(&self) -> usize {
        self.predictions.iter().filter_map(|clip| clip.speaker.as_ref()).collect::<BTreeSet<_>>().len()
    }
}

/// Scores a model on a corpus, by default on what it was neither trained nor validated on.
///
/// A clip is known to the model if the model file lists its speaker (`corpus/speaker`) or the hash of its samples, so
/// a known recording is found under any name and in any corpus, and its speaker with it. Whether the speakers of a corpus that is
/// called `folder` or `csv`, as such are without a name of their own, are those of a corpus of another name, nobody can tell:
/// [`Evaluation::scope`] says so, and the evaluation is not [honest](Evaluation::is_honest).
///
/// A model that normalises per speaker is adapted to each speaker by those clips that are scored, and
/// [`Evaluation::scope`] says so.
///
/// # Errors
/// Nothing left to score, or a result that is not finite; audio for a model of imported features, or the reverse; clips
/// without a speaker for a model that normalises per speaker.
pub fn evaluate(
    recognizer: &Recognizer,
    corpus: &Corpus,
    part: Part,
    progress: impl FnMut(Progress),
) -> Result<Evaluation, Error> {
    let evaluation = score(recognizer, corpus.utterances(), part, |row| open(&row.utterance.path), progress)?;
    Ok(Evaluation { warnings: corpus.warning_lines(), ..evaluation })
}

/// Scores a model on utterances whose recordings, or augmented copies, `open` gives.
pub(crate) fn score(
    recognizer: &Recognizer,
    utterances: &[Utterance],
    part: Part,
    open: impl Fn(&Row) -> Result<Recording, Failure> + Sync,
    progress: impl FnMut(Progress),
) -> Result<Evaluation, Error> {
    let manifest = recognizer.manifest();
    let labels = &manifest.labels;
    let rows: Vec<_> = rows(utterances, labels).into_iter().enumerate().collect();
    let n_rows = rows.len();
    let sift = Sift { part, provenance: &manifest.provenance, open };
    let mut reader = Reader::new(rows.len(), progress);
    let mut sifted = Vec::new();
    let per_speaker = manifest.normalizes_per_speaker();
    if per_speaker {
        for rows in by_speaker(rows, |(_, row)| row.utterance)? {
            let mut kept = Vec::new();
            for clip in reader.read(&rows, |row| sift.hear(row, |recording| recognizer.prepare(recording)))? {
                match clip {
                    Ok(clip) => kept.push(clip),
                    Err(known) => sifted.push(Err(known)),
                }
            }
            let Some(utterance) = kept.first().map(|clip| clip.row.utterance) else { continue };
            match recognizer.adapted_to(kept.iter().map(|clip| &clip.result)) {
                Ok(adapted) => sifted.extend(recognize_speaker(&adapted, kept)?.into_iter().map(Ok)),
                Err(error @ ser_inference::Error::NothingToAdaptTo) => {
                    let lines = kept.iter().map(|clip| cannot_use(&clip.row.utterance.path, &error));
                    reader.unreadable.extend(lines);
                }
                Err(error) => return Err(cannot_normalize(utterance, error)),
            }
        }
    } else {
        sifted = reader.read(&rows, |row| sift.hear(row, |recording| recognizer.recognize(recording)))?;
    }
    let unreadable = reader.unreadable;

    let mut left_out =
        LeftOut { other_emotion: utterances.len() - n_rows, unreadable: unreadable.len(), ..LeftOut::default() };
    let mut heard = Vec::new();
    let known_by_recording = sifted.iter().filter_map(|clip| match clip {
        Err(Known::Clip(utterance)) => speaker_name(utterance),
        Ok(clip) if clip.known_recording => speaker_name(clip.row.utterance),
        _ => None,
    });
    let known_by_recording: BTreeSet<String> = known_by_recording.collect();
    for clip in sifted {
        match clip {
            Err(Known::Speaker) => left_out.known_speaker += 1,
            Err(Known::Clip(_)) => left_out.known_clip += 1,
            Ok(mut clip) => {
                let speaker = speaker_name(clip.row.utterance);
                let is_known = speaker.is_some_and(|speaker| known_by_recording.contains(&speaker));
                match part {
                    Part::Test if is_known => left_out.known_speaker += 1,
                    _ => {
                        clip.known |= is_known;
                        heard.push(clip);
                    }
                }
            }
        }
    }
    heard.sort_by_key(|clip| clip.index);
    let (mut pairs, mut predictions) = (Vec::new(), Vec::new());
    for Heard { row, known, result, .. } in heard {
        pairs.push((row.class, labels.index_of(result.emotion()).unwrap_or(row.class)));
        let probabilities = result.probabilities().iter().map(|(_, p)| *p).collect();
        predictions.push(ClipPrediction::new(
            &row,
            labels,
            result.emotion(),
            probabilities,
            result.dimensions(),
            known,
        ));
    }
    if predictions.is_empty() {
        let reason = format!("{}{}", left_out.reason(utterances.len()), first_line(&unreadable));
        return Err(Error::EmptyPart { part: "test", reason });
    }
    let report = ConfusionMatrix::new(labels.names(), pairs)?.report();
    let adapted = if per_speaker { None } else { AdaptedScores::new(&predictions, labels)? };
    let dimensions = score_dimensions(&manifest.dimensions, &predictions)?;
    let statistics = Statistics::new(&predictions, labels, &manifest.calibration)?;
    let mut evaluation = Evaluation {
        schema_version: REPORT_SCHEMA_VERSION,
        scope: String::new(),
        honest: false,
        warnings: Vec::new(),
        left_out,
        adapted,
        report,
        statistics,
        dimensions,
        unreadable,
        predictions,
    };
    let systems = manifest.systems();
    let normalization = normalization_note(systems.iter().map(|system| system.normalizer.options()));
    evaluation.describe(&manifest.provenance, &normalization);
    Ok(evaluation)
}

fn score_dimensions(names: &[Dimension], predictions: &[ClipPrediction]) -> Result<Vec<DimensionReport>, Error> {
    let mut reports = Vec::new();
    for (index, Dimension { name, .. }) in names.iter().enumerate() {
        let of_clip = |clip: &ClipPrediction| {
            let dimension = clip.dimensions.get(index)?;
            Some((dimension.truth?, f64::from(dimension.prediction)))
        };
        let pairs: Vec<(f64, f64)> = predictions.iter().filter_map(of_clip).collect();
        if !pairs.is_empty() {
            let clips = pairs.len();
            reports.push(DimensionReport { name: name.clone(), clips, scores: RegressionScores::new(pairs)? });
        }
    }
    Ok(reports)
}

/// Why a clip is not scored.
enum Known<'a> {
    Speaker,
    Clip(&'a Utterance),
}

/// A clip that is scored: its place in the corpus, whether the model knows it or its speaker, and what was made of its
/// recording.
struct Heard<'a, T> {
    index: usize,
    row: Row<'a>,
    known: bool,
    /// Whether it knows the very recording.
    known_recording: bool,
    result: T,
}

/// Leaves out what the model knows.
struct Sift<'p, F> {
    part: Part,
    provenance: &'p Provenance,
    open: F,
}

impl<F: Fn(&Row) -> Result<Recording, Failure>> Sift<'_, F> {
    fn hear<'a, T>(
        &self,
        (index, row): (usize, Row<'a>),
        f: impl FnOnce(Recording) -> Result<T, ser_inference::Error>,
    ) -> Result<Result<Heard<'a, T>, Known<'a>>, Failure> {
        let recording = (self.open)(&row)?;
        let known_speaker = speaker_name(row.utterance).is_some_and(|name| self.provenance.knows_speaker(&name));
        let known_clip = self.provenance.knows_clip(&content_hash(&recording));
        if self.part == Part::Test && known_speaker {
            return Ok(Err(Known::Speaker));
        }
        if self.part == Part::Test && known_clip {
            return Ok(Err(Known::Clip(row.utterance)));
        }
        let result = f(recording).map_err(|error| Failure::of(&row.utterance.path, error))?;
        Ok(Ok(Heard { index, row, known: known_speaker || known_clip, known_recording: known_clip, result }))
    }
}

/// Recognises the clips of one speaker by the model that is adapted to them.
fn recognize_speaker<'a>(
    adapted: &Recognizer,
    clips: Vec<Heard<'a, Prepared>>,
) -> Result<Vec<Heard<'a, Prediction>>, Error> {
    let recognized = clips.into_par_iter().map(|Heard { index, row, known, known_recording, result }| {
        Ok(Heard { index, row, known, known_recording, result: adapted.recognize_prepared(&result)? })
    });
    recognized.collect()
}

impl LeftOut {
    fn reason(&self, total: usize) -> String {
        format!(
            "of {total} clips, {} are of speakers and {} are recordings that the model was trained or validated on, {} \
             have emotions that it does not know, {} could not be read",
            self.known_speaker, self.known_clip, self.other_emotion, self.unreadable
        )
    }
}

impl Evaluation {
    fn describe(&mut self, provenance: &Provenance, normalization: &str) {
        let known = self.predictions.iter().filter(|clip| clip.known).count();
        let unknown_speakers = self.predictions.iter().filter(|clip| clip.speaker.is_none()).count();
        let clips = self.predictions.len();
        const DISJOINT: &str = "speakers disjoint from training and validation";
        let guard = if known > 0 {
            format!("NOT HONEST: the model was trained or validated on {known} of these clips or their speakers")
        } else if unknown_speakers > 0 {
            format!(
                "speakers of {unknown_speakers} clips unknown: none of these recordings was trained on, but their \
                 speakers may have been"
            )
        } else if [&provenance.train, &provenance.valid]
            .iter()
            .any(|part| part.speakers.is_empty() && !part.clips.is_empty())
        {
            "none of these recordings was trained on; whose those were is not known".into()
        } else if let Some((own, other)) = incomparable(&self.predictions, provenance) {
            format!(
                "none of these recordings was trained on; whether their speakers were, under other names, is not known: this \
                 corpus is called {own}, that of training {other}"
            )
        } else {
            DISJOINT.into()
        };
        self.honest = guard == DISJOINT;
        self.scope = format!("{clips} clips of {} known speakers; {guard}{normalization}", self.n_speakers());
    }
}

/// A corpus that is scored and one that was trained on, of which one has no name of its own: speakers of such are called otherwise in
/// the other.
fn incomparable(clips: &[ClipPrediction], provenance: &Provenance) -> Option<(String, String)> {
    const NAMELESS: [&str; 2] = ["csv", "folder"];
    let speakers = provenance.train.speakers.iter().chain(&provenance.valid.speakers);
    let trained: BTreeSet<&str> = speakers.filter_map(|speaker| Some(speaker.split_once('/')?.0)).collect();
    let scored: BTreeSet<&str> = clips.iter().map(|clip| clip.corpus.as_str()).collect();
    let pairs = scored.iter().flat_map(|&own| trained.iter().map(move |&other| (own, other)));
    let mut nameless =
        pairs.filter(|(own, other)| own != other && (NAMELESS.contains(own) || NAMELESS.contains(other)));
    nameless.next().map(|(own, other)| (own.into(), other.into()))
}
