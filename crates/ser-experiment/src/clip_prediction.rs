//! One scored clip, and the scores that follow from many.

use crate::Error;
use crate::dataset::{Row, speaker_name};
use ser_corpus::{Emotion, LabelSet, Sex};
use ser_inference::PriorShift;
use ser_metrics::{ConfusionMatrix, RegressionScores};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

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

    /// The columns that a table has for what [`ClipPrediction::dimension_cells`] gives.
    pub(crate) fn dimension_columns(&self) -> impl Iterator<Item = String> {
        self.dimensions.iter().flat_map(|dimension| [format!("truth_{}", dimension.name), dimension.name.clone()])
    }

    /// The truth and the prediction of each number that the model gives.
    pub(crate) fn dimension_cells(&self) -> impl Iterator<Item = String> {
        self.dimensions.iter().flat_map(|dimension| {
            let truth = dimension.truth.as_ref().map(f64::to_string).unwrap_or_default();
            [truth, dimension.prediction.to_string()]
        })
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

/// Truth and prediction as class indices; what is no class is past the last, which a confusion matrix refuses.
pub(crate) fn class_pairs<'c>(
    clips: impl IntoIterator<Item = &'c ClipPrediction>,
    labels: &LabelSet,
) -> impl Iterator<Item = (usize, usize)> {
    let class = |emotion| labels.index_of(emotion).unwrap_or(labels.len());
    clips.into_iter().map(move |clip| (class(clip.truth), class(clip.prediction)))
}

pub(crate) fn confusion<'c>(
    clips: impl IntoIterator<Item = &'c ClipPrediction>,
    labels: &LabelSet,
) -> Result<ConfusionMatrix, ser_metrics::Error> {
    ConfusionMatrix::new(labels.names(), class_pairs(clips, labels))
}

/// The scores of a model that is adapted to each speaker by that speaker's scored clips, without their labels, as
/// [`adapted_to`](ser_inference::Recognizer::adapted_to) does it, silent clips included.
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

/// Scores each number that a model gives, on the clips that have it.
pub(crate) fn score_dimensions<'c>(
    names: impl IntoIterator<Item = &'c String>,
    predictions: impl IntoIterator<Item = &'c ClipPrediction> + Clone,
) -> Result<Vec<DimensionReport>, Error> {
    let mut reports = Vec::new();
    for (index, name) in names.into_iter().enumerate() {
        let of_clip = |clip: &ClipPrediction| {
            let dimension = clip.dimensions.get(index)?;
            Some((dimension.truth?, f64::from(dimension.prediction)))
        };
        let pairs: Vec<(f64, f64)> = predictions.clone().into_iter().filter_map(of_clip).collect();
        if !pairs.is_empty() {
            let clips = pairs.len();
            reports.push(DimensionReport { name: name.clone(), clips, scores: RegressionScores::new(pairs)? });
        }
    }
    Ok(reports)
}
