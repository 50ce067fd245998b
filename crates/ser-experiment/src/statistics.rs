use crate::Error;
use crate::clip_prediction::{ClipPrediction, class_pairs};
use ser_corpus::LabelSet;
use ser_inference::Calibration;
use ser_metrics::{
    BootstrapOptions, ConfusionMatrix, GroupScore, GroupScores, Interval, Probabilities, Reliability, Temperature,
    Units, bootstrap,
};
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

/// What scored clips say beyond their confusion matrix: how certain the scores are, what the probabilities are worth, and
/// whether all groups are recognised alike.
///
/// All of it can be computed again from `predictions.csv` (the rows of the scored part) with the options' defaults:
/// 2,000 resamples, 95 %, seed 0.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Statistics {
    /// The number of speakers that are drawn in each resample; a clip without a speaker is drawn by itself.
    pub units: usize,
    /// How many of these are such clips.
    #[serde(skip)]
    pub(crate) nameless: usize,
    /// The unweighted average recall and its interval.
    pub uar: Interval,
    /// The accuracy and its interval.
    pub accuracy: Interval,
    /// The macro average of F1 and its interval.
    pub macro_f1: Interval,
    /// The mean negative logarithm of the true class's probability.
    pub log_loss: f64,
    /// The mean squared distance of the probabilities from the truth.
    pub brier_score: f64,
    /// The mean over the classes of the area under the ROC curve; not a number where a class is absent.
    pub macro_roc_auc: f64,
    /// The share of clips whose class is among the two most probable.
    pub top_2_accuracy: f64,
    /// Whether confidence can be believed.
    pub calibration: CalibrationScores,
    /// The scores of the groups of each kind of which there are at least two.
    pub groups: Vec<GroupTable>,
}

/// How confidence compares with how often the model is right.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct CalibrationScores {
    /// The model's temperature, fitted on its validation part.
    pub temperature: f64,
    /// The expected calibration error, of ten bins.
    pub expected_error: f64,
    /// The largest distance of confidence and accuracy of a bin.
    pub maximum_error: f64,
    /// What the expected calibration error would be at temperature 1. Of recordings above 30 s, whose windows are
    /// averaged, it is near that and not equal.
    pub uncalibrated_expected_error: f64,
    /// The bins of the reliability diagram.
    pub reliability: Reliability,
    /// The area under the risk–coverage curve.
    pub risk_coverage_area: f64,
    /// What the model's threshold does, where it has one.
    pub threshold: Option<Threshold>,
}

/// What a threshold of confidence does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Threshold {
    /// The least confidence that is accepted.
    pub confidence: f64,
    /// The share of clips that is accepted.
    pub coverage: f64,
    /// The share of the accepted clips that is right; not a number where none is accepted.
    pub accuracy: f64,
}

/// The scores of the groups of one kind.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct GroupTable {
    /// What tells them apart: `sex`, `age`, `corpus`, `language` or `speaker`.
    pub by: &'static str,
    /// The unweighted average recall of each. Of speakers, clips are resampled, else speakers.
    pub uar: GroupScores,
    /// The accuracy of each.
    pub accuracy: GroupScores,
    /// One line for each group that is too small to say.
    pub warnings: Vec<String>,
}

/// The group of a clip, where it is known.
type GroupOf = fn(&ClipPrediction) -> Option<String>;

impl Statistics {
    /// What is to be said of the intervals of few speakers.
    pub(crate) fn interval_note(&self) -> Option<String> {
        match self.units {
            units if units < Interval::MIN_UNITS => {
                Some(format!("no intervals: they need {} speakers, and there are {units}", Interval::MIN_UNITS))
            }
            _ if self.nameless > 0 => Some(format!(
                "the speakers of {} clips are not known, and each is drawn by itself: if several are of one speaker, intervals are \
                 too narrow",
                self.nameless
            )),
            units if units < 10 => {
                Some(format!("intervals draw from {units} speakers: with fewer than ten they are too narrow"))
            }
            _ => None,
        }
    }

    /// What the intervals draw from.
    pub(crate) fn drawn(&self) -> String {
        match (self.units - self.nameless, self.nameless) {
            (speakers, 0) => format!("{speakers} speakers"),
            (0, clips) => format!("{clips} clips of unknown speakers"),
            (speakers, clips) => format!("{speakers} speakers and {clips} clips of unknown ones"),
        }
    }

    /// Takes at least one clip.
    pub(crate) fn new(clips: &[ClipPrediction], labels: &LabelSet, calibration: &Calibration) -> Result<Self, Error> {
        let pairs: Vec<(usize, usize)> = class_pairs(clips, labels).collect();
        let names = labels.names();
        let confusion =
            |indices: &[usize]| ConfusionMatrix::new(names.iter().copied(), indices.iter().map(|&index| pairs[index]));
        let uar = |indices: &[usize]| Ok(confusion(indices)?.uar());
        let accuracy = |indices: &[usize]| Ok(confusion(indices)?.accuracy());
        let options = BootstrapOptions::default();
        // Clips without a speaker come after all speakers, each by itself. What several models have heard, or the copies of a
        // clip, are drawn together.
        let speaker = |clip: &ClipPrediction| match &clip.speaker {
            Some(speaker) => (false, PathBuf::from(speaker)),
            None => (true, clip.path.clone()),
        };
        let by_speaker = Units::groups(clips.iter().map(speaker))?;
        let mut places = HashMap::new();
        let place = |(index, clip): (usize, &ClipPrediction)| *places.entry(clip.path.clone()).or_insert(index);
        let by_clip = Units::groups(clips.iter().enumerate().map(place))?;

        let kinds: [(&str, &Units, GroupOf); 5] = [
            ("sex", &by_speaker, |clip| clip.sex.map(|sex| sex.to_string())),
            ("age", &by_speaker, |clip| clip.age.map(|age| format!("{}–{}", age / 10 * 10, age / 10 * 10 + 9))),
            ("corpus", &by_speaker, |clip| Some(clip.corpus.clone())),
            ("language", &by_speaker, |clip| clip.language.clone()),
            ("speaker", &by_clip, |clip| clip.speaker.clone()),
        ];
        let mut groups = Vec::new();
        for (by, units, group_of) in kinds {
            let names: Vec<Option<String>> = clips.iter().map(group_of).collect();
            let first = names.iter().flatten().next();
            if names.iter().flatten().all(|name| Some(name) == first) {
                continue;
            }
            let uar = GroupScores::new(&names, units, &by_clip, &options, uar)?;
            let accuracy = GroupScores::new(&names, units, &by_clip, &options, accuracy)?;
            let too_small = uar.groups.iter().filter(|group| group.too_small);
            let warnings = too_small.map(|group| too_few(by, group)).collect();
            groups.push(GroupTable { by, warnings, uar, accuracy });
        }
        let rows = pairs.iter().zip(clips).map(|((truth, _), clip)| (*truth, &clip.probabilities));
        let probabilities = Probabilities::new(labels.len(), rows)?;
        Ok(Self {
            units: by_speaker.len(),
            nameless: clips
                .iter()
                .filter(|clip| clip.speaker.is_none())
                .map(|clip| &clip.path)
                .collect::<HashSet<_>>()
                .len(),
            uar: bootstrap(&by_speaker, &options, uar)?,
            accuracy: bootstrap(&by_speaker, &options, accuracy)?,
            macro_f1: bootstrap(&by_speaker, &options, |indices| Ok(confusion(indices)?.macro_average().f1))?,
            log_loss: probabilities.log_loss(),
            brier_score: probabilities.brier_score(),
            macro_roc_auc: probabilities.macro_roc_auc(),
            top_2_accuracy: probabilities.top_k_accuracy(2)?,
            calibration: CalibrationScores::new(&probabilities, clips, calibration)?,
            groups,
        })
    }
}

/// Says that a group is too small.
fn too_few(by: &str, GroupScore { name, samples, units, .. }: &GroupScore) -> String {
    let (clips, speakers) = (GroupScores::MIN_SAMPLES, GroupScores::MIN_UNITS);
    match by {
        "speaker" => format!("{name}: {samples} clips are too few to say (least: {clips})"),
        _ => format!("{name}: {samples} clips of {units} speakers are too few to say (least: {clips} of {speakers})"),
    }
}

impl CalibrationScores {
    /// The number of bins of the reliability diagram.
    const BINS: usize = 10;

    fn new(
        probabilities: &Probabilities,
        clips: &[ClipPrediction],
        calibration: &Calibration,
    ) -> Result<Self, ser_metrics::Error> {
        let reliability = probabilities.reliability(Self::BINS)?;
        // Logarithms of probabilities are the logits divided by the temperature, but for a constant.
        let undo = Temperature::new(1.0 / calibration.temperature)?;
        let uncalibrated = clips.iter().zip(probabilities.confidences()).map(|(clip, (_, right))| {
            let logarithms: Vec<f64> =
                clip.probabilities.iter().map(|&p| f64::from(p).max(f64::MIN_POSITIVE).ln()).collect();
            Ok((undo.softmax(&logarithms)?.into_iter().fold(0.0, f64::max), right))
        });
        let uncalibrated: Vec<(f64, bool)> = uncalibrated.collect::<Result<_, ser_metrics::Error>>()?;
        let threshold = calibration.threshold.map(|confidence| {
            let accepted: Vec<bool> =
                probabilities.confidences().filter(|(own, _)| *own >= confidence).map(|(_, right)| right).collect();
            let right = accepted.iter().filter(|right| **right).count();
            Threshold {
                confidence,
                coverage: accepted.len() as f64 / clips.len() as f64,
                accuracy: right as f64 / accepted.len() as f64,
            }
        });
        Ok(Self {
            temperature: calibration.temperature,
            expected_error: reliability.expected_calibration_error(),
            maximum_error: reliability.maximum_calibration_error(),
            uncalibrated_expected_error: Reliability::new(uncalibrated, Self::BINS)?.expected_calibration_error(),
            reliability,
            risk_coverage_area: probabilities.risk_coverage().area,
            threshold,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use ser_corpus::{Emotion, Utterance};

    #[test]
    fn what_several_models_heard_of_a_clip_is_drawn_together() {
        let labels = LabelSet::new([Emotion::Angry, Emotion::Sad], []).unwrap();
        let clip = |index: usize| {
            let mut utterance = Utterance::new(format!("{index}.wav"), labels.classes()[index % 2], "c");
            utterance.speaker = Some((index % 4).to_string());
            let row = crate::dataset::Row { utterance: &utterance, class: index % 2, copy: 0 };
            let prediction = if index.is_multiple_of(3) { Emotion::Angry } else { Emotion::Sad };
            ClipPrediction::new(&row, &labels, prediction, vec![0.5, 0.5], &[], false)
        };
        let once: Vec<ClipPrediction> = (0..40).map(clip).collect();
        let of_speakers = |clips: &[ClipPrediction]| {
            let statistics = Statistics::new(clips, &labels, &Calibration::default()).unwrap();
            let table = statistics.groups.into_iter().find(|table| table.by == "speaker").unwrap();
            table.accuracy.groups.into_iter().map(|group| group.metric).collect::<Vec<_>>()
        };
        let twice = [once.clone(), once.clone()].concat();
        assert_eq!(of_speakers(&once), of_speakers(&twice));
    }
}
