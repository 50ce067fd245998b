use crate::clip_prediction::{AdaptedScores, ClipPrediction, DimensionReport, confusion, score_dimensions};
use crate::dataset::{
    Failure, Reader, Row, by_speaker, cannot_normalize, cannot_use, content_hash, first_line, normalization_note, open,
    rows, speaker_name,
};
use crate::output::REPORT_SCHEMA_VERSION;
use crate::{Error, Progress, Statistics};
use rayon::prelude::*;
use ser_corpus::{Corpus, Utterance, may_share_speakers, plain_name};
use ser_inference::{PartRecord, Prediction, Prepared, Provenance, Recognizer, Recording};
use ser_metrics::Report;
use serde::Serialize;
use std::collections::{BTreeSet, HashMap, hash_map::Entry};
use std::fmt;

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
/// | `warnings` | what is odd about the corpus, such as files that no reader took, or recordings that are scored twice; left out where nothing is |
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

/// Why clips were not scored, and how many; `Display` says it in words.
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

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} are of speakers and {} are recordings that the model was trained or validated on, {} have emotions that it \
             does not know, {} could not be read",
            self.known_speaker, self.known_clip, self.other_emotion, self.unreadable
        )
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
        n_speakers(&self.predictions)
    }
}

/// Scores a model on a corpus, by default on what it was neither trained nor validated on.
///
/// A clip is known to the model if the model file lists its speaker (`corpus/speaker`) or the hash of its samples, so
/// a known recording is found under any name and in any corpus, and its speaker with it; a copy that was resampled, cut or encoded with loss is not. Whether the speakers of a corpus that is
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
    Ok(Evaluation { warnings: [corpus.warning_lines(), evaluation.warnings].concat(), ..evaluation })
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
    let rows = rows(utterances, labels);
    let mut left_out = LeftOut { other_emotion: utterances.len() - rows.len(), ..LeftOut::default() };
    let mut reader = Reader::new(rows.len(), progress);
    let sift = Sift { part, provenance: &manifest.provenance, open };
    let sifted = sift.recognize(rows, recognizer, &mut reader)?;
    let unreadable = reader.unreadable;
    left_out.unreadable = unreadable.len();
    let heard = take_unknown(sifted, part, &mut left_out);
    if heard.is_empty() {
        let reason = format!("of {} clips, {left_out}{}", utterances.len(), first_line(&unreadable));
        return Err(Error::EmptyPart { part: "test", reason });
    }
    let warnings = repeated(&heard).into_iter().collect();
    let prediction = |Heard { row, known, result, .. }: Heard<Prediction>| {
        let probabilities = result.probabilities().iter().map(|(_, p)| *p).collect();
        ClipPrediction::new(&row, labels, result.emotion(), probabilities, result.dimensions(), known)
    };
    let predictions: Vec<ClipPrediction> = heard.into_iter().map(prediction).collect();
    let adapted = match manifest.normalizes_per_speaker() {
        true => None,
        false => AdaptedScores::new(&predictions, labels)?,
    };
    let systems = manifest.systems();
    let normalization = normalization_note(systems.iter().map(|system| system.normalizer.options()));
    let (honest, guard) = guard(&predictions, &manifest.provenance);
    let speakers = n_speakers(&predictions);
    Ok(Evaluation {
        schema_version: REPORT_SCHEMA_VERSION,
        scope: format!("{} clips of {speakers} named speakers; {guard}{normalization}", predictions.len()),
        honest,
        warnings,
        left_out,
        adapted,
        report: confusion(&predictions, labels)?.report(),
        statistics: Statistics::new(&predictions, labels, &manifest.calibration)?,
        dimensions: score_dimensions(manifest.dimensions.iter().map(|dimension| &dimension.name), &predictions)?,
        unreadable,
        predictions,
    })
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
    /// Of the recording's samples.
    hash: String,
    result: T,
}

/// Leaves out what the model knows.
struct Sift<'p, F> {
    part: Part,
    provenance: &'p Provenance,
    open: F,
}

impl<F: Fn(&Row) -> Result<Recording, Failure> + Sync> Sift<'_, F> {
    /// Recognises the clips that are to be scored, those of a speaker together where the model normalises per speaker.
    fn recognize<'a>(
        &self,
        rows: Vec<Row<'a>>,
        recognizer: &Recognizer,
        reader: &mut Reader<impl FnMut(Progress)>,
    ) -> Result<Vec<Result<Heard<'a, Prediction>, Known<'a>>>, Error> {
        let rows: Vec<_> = rows.into_iter().enumerate().collect();
        if !recognizer.manifest().normalizes_per_speaker() {
            return reader.read(&rows, |row| self.hear(row, |recording| recognizer.recognize(recording)));
        }
        let mut sifted = Vec::new();
        for rows in by_speaker(rows, |(_, row)| row.utterance)? {
            let mut kept = Vec::new();
            for clip in reader.read(&rows, |row| self.hear(row, |recording| recognizer.prepare(recording)))? {
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
        Ok(sifted)
    }

    fn hear<'a, T>(
        &self,
        (index, row): (usize, Row<'a>),
        f: impl FnOnce(Recording) -> Result<T, ser_inference::Error>,
    ) -> Result<Result<Heard<'a, T>, Known<'a>>, Failure> {
        let known_speaker = speaker_name(row.utterance).is_some_and(|name| self.provenance.knows_speaker(&name));
        if self.part == Part::Test && known_speaker {
            return Ok(Err(Known::Speaker));
        }
        let recording = (self.open)(&row)?;
        let hash = content_hash(&recording);
        // What was trained on is recorded without its copies.
        let known_clip = match row.copy {
            0 => self.provenance.knows_clip(&hash),
            _ => self.provenance.knows_clip(&content_hash(&open(&row.utterance.path)?)),
        };
        if self.part == Part::Test && known_clip {
            return Ok(Err(Known::Clip(row.utterance)));
        }
        let result = f(recording).map_err(|error| Failure::of(&row.utterance.path, error))?;
        Ok(Ok(Heard { index, row, known: known_speaker || known_clip, known_recording: known_clip, hash, result }))
    }
}

/// Recognises the clips of one speaker by the model that is adapted to them.
fn recognize_speaker<'a>(
    adapted: &Recognizer,
    clips: Vec<Heard<'a, Prepared>>,
) -> Result<Vec<Heard<'a, Prediction>>, Error> {
    let recognized = clips.into_par_iter().map(|Heard { index, row, known, known_recording, hash, result }| {
        Ok(Heard { index, row, known, known_recording, hash, result: adapted.recognize_prepared(&result)? })
    });
    recognized.collect()
}

/// Counts what is left out, and takes the rest in the order of the corpus. Whose one recording is known is known whole.
fn take_unknown<'a>(
    sifted: Vec<Result<Heard<'a, Prediction>, Known<'a>>>,
    part: Part,
    left_out: &mut LeftOut,
) -> Vec<Heard<'a, Prediction>> {
    let known_by_recording = sifted.iter().filter_map(|clip| match clip {
        Err(Known::Clip(utterance)) => speaker_name(utterance),
        Ok(clip) if clip.known_recording => speaker_name(clip.row.utterance),
        _ => None,
    });
    let known_by_recording: BTreeSet<String> = known_by_recording.collect();
    let mut heard = Vec::new();
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
    heard
}

/// Says which recordings are scored several times, under other names; copies that a protocol made are other recordings.
fn repeated(heard: &[Heard<Prediction>]) -> Option<String> {
    let mut first = HashMap::new();
    let mut again = Vec::new();
    for Heard { hash, row, .. } in heard {
        let path = &row.utterance.path;
        match first.entry(hash) {
            Entry::Occupied(other) => again.push((path, *other.get())),
            Entry::Vacant(entry) => drop(entry.insert(path)),
        }
    }
    let (one, other) = again.first()?;
    Some(format!(
        "{} of the scored clips are recordings that are scored before, such as {}, which is {}: each counts",
        again.len(),
        one.display(),
        other.display()
    ))
}

/// Whether all speakers are known to be new to the model, and in words what is known of that.
fn guard(predictions: &[ClipPrediction], provenance: &Provenance) -> (bool, String) {
    let known = predictions.iter().filter(|clip| clip.known).count();
    let unknown_speakers = predictions.iter().filter(|clip| clip.speaker.is_none()).count();
    let may_share = |corpus: &String| {
        let mut scored = predictions.iter().map(|clip| &clip.corpus);
        scored.any(|own| plain_name(own) == plain_name(corpus) || may_share_speakers(own, corpus))
    };
    let is_nameless = |part: &PartRecord| match part.nameless.is_empty() {
        true => part.speakers.is_empty() && !part.clips.is_empty(),
        false => part.nameless.iter().any(may_share),
    };
    let guard = if known > 0 {
        format!("NOT HONEST: the model was trained or validated on {known} of these clips or their speakers")
    } else if unknown_speakers > 0 {
        format!(
            "speakers of {unknown_speakers} clips unknown: no file with these samples was trained on, but their \
             speakers may have been"
        )
    } else if provenance.parts().into_iter().any(is_nameless) {
        "no file with these samples was trained on; whose all those were is not known".into()
    } else if let Some((own, other)) = incomparable(predictions, provenance) {
        format!(
            "no file with these samples was trained on; whether their speakers were, under other names, is not known: this \
             corpus is called {own}, that of training {other}"
        )
    } else {
        return (true, "speakers disjoint from training and validation".into());
    };
    (false, guard)
}

fn n_speakers(predictions: &[ClipPrediction]) -> usize {
    predictions.iter().filter_map(|clip| clip.speaker.as_ref()).collect::<BTreeSet<_>>().len()
}

/// A corpus that is scored and one that was trained on, of which one has no name of its own: speakers of such are called otherwise in
/// the other.
fn incomparable(clips: &[ClipPrediction], provenance: &Provenance) -> Option<(String, String)> {
    let trained: BTreeSet<&str> = provenance.parts().into_iter().flat_map(|part| part.corpora()).collect();
    let scored: BTreeSet<&str> = clips.iter().map(|clip| clip.corpus.as_str()).collect();
    let mut pairs = scored.iter().flat_map(|&own| trained.iter().map(move |&other| (own, other)));
    let (own, other) = pairs.find(|(own, other)| may_share_speakers(own, other))?;
    Some((own.into(), other.into()))
}
