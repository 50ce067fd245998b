use crate::dataset::{Reader, content_hash, speaker_name, with_labels};
use crate::{Error, Progress};
use ser_corpus::{Corpus, Emotion};
use ser_inference::Recognizer;
use ser_metrics::{ConfusionMatrix, Report};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::PathBuf;

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
/// | `scope` | what was scored, and whether the model knows any of it: one line |
/// | `honest` | whether all speakers are known to be new to the model |
/// | `left_out` | the numbers of [`LeftOut`] |
/// | `report` | the [`Report`]: accuracy, UAR, scores by class, confusion matrix |
/// | `unreadable` | one line for each recording that could not be read |
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    scope: String,
    honest: bool,
    left_out: LeftOut,
    report: Report,
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
    /// They could not be read.
    pub unreadable: usize,
}

/// One scored clip.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ClipPrediction {
    /// The file.
    pub path: PathBuf,
    /// The speaker, written `corpus/speaker`; `None` where the corpus does not say.
    pub speaker: Option<String>,
    /// The class of the clip's own emotion.
    pub truth: Emotion,
    /// What the model recognised.
    pub prediction: Emotion,
    /// The probabilities of the model's classes, in their order.
    pub probabilities: Vec<f32>,
    /// Whether the model was trained or validated on the clip or its speaker.
    pub known: bool,
}

impl Evaluation {
    /// What was scored, and whether the model knows any of it: one line that belongs beside every number.
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

    /// The classification report.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The clips that were scored, in the order of the corpus.
    pub fn predictions(&self) -> &[ClipPrediction] {
        &self.predictions
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
/// a known recording is found under any name and in any corpus.
///
/// # Errors
/// Nothing left to score, or a result that is not finite.
pub fn evaluate(
    recognizer: &Recognizer,
    corpus: &Corpus,
    part: Part,
    progress: impl FnMut(Progress),
) -> Result<Evaluation, Error> {
    let manifest = recognizer.manifest();
    let labels = &manifest.labels;
    let labelled = with_labels(corpus, labels);
    let knows_speaker =
        |speaker: &Option<String>| speaker.as_ref().is_some_and(|name| manifest.provenance.knows_speaker(name));

    enum Outcome {
        Scored { truth: usize, prediction: usize, clip: ClipPrediction },
        KnownSpeaker,
        KnownClip,
    }
    let mut reader = Reader::new(labels, labelled.len(), progress);
    let outcomes = reader.read(labelled.utterances(), |utterance, truth, waveform| {
        let speaker = speaker_name(utterance);
        let known_speaker = knows_speaker(&speaker);
        let known_clip = manifest.provenance.knows_clip(&content_hash(&waveform));
        if part == Part::Test && known_speaker {
            return Ok(Outcome::KnownSpeaker);
        }
        if part == Part::Test && known_clip {
            return Ok(Outcome::KnownClip);
        }
        let prediction = recognizer.recognize(&waveform)?;
        let clip = ClipPrediction {
            path: utterance.path.clone(),
            speaker,
            truth: labels.emotion(truth).unwrap_or(utterance.emotion),
            prediction: prediction.emotion(),
            probabilities: prediction.probabilities().iter().map(|(_, p)| *p).collect(),
            known: known_speaker || known_clip,
        };
        let prediction = labels.index_of(clip.prediction).unwrap_or(truth);
        Ok(Outcome::Scored { truth, prediction, clip })
    })?;
    let unreadable = reader.unreadable;

    let mut left_out =
        LeftOut { other_emotion: corpus.len() - labelled.len(), unreadable: unreadable.len(), ..LeftOut::default() };
    let (mut pairs, mut predictions) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            Outcome::KnownSpeaker => left_out.known_speaker += 1,
            Outcome::KnownClip => left_out.known_clip += 1,
            Outcome::Scored { truth, prediction, clip } => {
                pairs.push((truth, prediction));
                predictions.push(clip);
            }
        }
    }
    if predictions.is_empty() {
        return Err(Error::EmptyPart { part: "test", reason: left_out.reason(corpus.len()) });
    }
    let report = ConfusionMatrix::new(labels.names(), pairs)?.report();
    let mut evaluation = Evaluation { scope: String::new(), honest: false, left_out, report, unreadable, predictions };
    evaluation.describe();
    Ok(evaluation)
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
    fn describe(&mut self) {
        let known = self.predictions.iter().filter(|clip| clip.known).count();
        let unknown_speakers = self.predictions.iter().filter(|clip| clip.speaker.is_none()).count();
        let clips = self.predictions.len();
        let guard = if known > 0 {
            format!("NOT HONEST: the model was trained or validated on {known} of these clips or their speakers")
        } else if unknown_speakers > 0 {
            format!(
                "speakers of {unknown_speakers} clips unknown: none of these recordings was trained on, but their \
                 speakers may have been"
            )
        } else {
            "speakers disjoint from training and validation".into()
        };
        self.honest = known == 0 && unknown_speakers == 0;
        self.scope = format!("{clips} clips of {} known speakers; {guard}", self.n_speakers());
    }
}
