//! Scores of several folds and seeds, summed up.

use crate::Error;
use crate::clip_prediction::{AdaptedScores, ClipPrediction, argmax, confusion};
use ser_corpus::LabelSet;
use ser_metrics::MeanStd;
use serde::Serialize;
use std::fmt;

/// A score of every fold and seed, summed up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FoldScores {
    /// The mean over all folds and seeds.
    pub mean: f64,
    /// The sample standard deviation, over the folds, of the means over the seeds; not a number of one fold.
    pub std_over_folds: f64,
    /// The sample standard deviation, over the seeds, of the means over the folds; not a number of one seed.
    pub std_over_seeds: f64,
}

impl FoldScores {
    /// Takes the runs seed by seed.
    pub(crate) fn new<T>(
        runs: &[T],
        folds: usize,
        seeds: usize,
        score: impl Fn(&T) -> f64,
    ) -> Result<Self, ser_metrics::Error> {
        let scores: Vec<f64> = runs.iter().map(score).collect();
        let of_seeds = scores.chunks(folds).map(|folds| folds.iter().sum::<f64>() / folds.len() as f64);
        let of_folds = (0..folds).map(|fold| scores.iter().skip(fold).step_by(folds).sum::<f64>() / seeds as f64);
        let of_seeds = MeanStd::new(of_seeds)?;
        Ok(Self { mean: of_seeds.mean, std_over_folds: MeanStd::new(of_folds)?.std, std_over_seeds: of_seeds.std })
    }
}

impl fmt::Display for FoldScores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.4}", self.mean)?;
        for (std, over) in [(self.std_over_folds, "folds"), (self.std_over_seeds, "seeds")] {
            if !std.is_nan() {
                write!(f, " ± {std:.4} over {over}")?;
            }
        }
        Ok(())
    }
}

/// How an ensemble of the networks of all seeds scored: the means of their probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EnsembleScores {
    /// The unweighted average recall.
    pub uar: FoldScores,
    /// The accuracy.
    pub accuracy: FoldScores,
    /// The unweighted average recall by adaptation to each tested speaker, where all folds have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapted_uar: Option<FoldScores>,
    /// The accuracy by adaptation to each tested speaker, where all folds have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapted_accuracy: Option<FoldScores>,
}

impl EnsembleScores {
    /// Takes the predictions of the runs, seed by seed; `None` where the seeds of a fold have not scored the same clips, as
    /// searches may choose features that not every clip has.
    pub(crate) fn new(
        runs: &[Vec<ClipPrediction>],
        labels: &LabelSet,
        folds: usize,
        are_adapted: bool,
    ) -> Result<Option<Self>, Error> {
        let mut seeds = runs.iter().zip(runs.iter().skip(folds));
        // A stored run has its paths as text.
        let paths = |run: &[ClipPrediction]| -> Vec<String> {
            run.iter().map(|clip| clip.path.display().to_string()).collect()
        };
        if seeds.any(|(one, next)| paths(one) != paths(next)) {
            return Ok(None);
        }
        let mut scores = Vec::new();
        for fold in 0..folds {
            let of_seeds: Vec<&Vec<ClipPrediction>> = runs.iter().skip(fold).step_by(folds).collect();
            let together = mean_predictions(&of_seeds, labels);
            scores.push((confusion(&together, labels)?, AdaptedScores::new(&together, labels)?));
        }
        let adapted: Option<Vec<AdaptedScores>> = scores.iter().map(|(_, adapted)| *adapted).collect();
        let adapted = adapted.filter(|_| are_adapted);
        let of_adapted = |score: fn(&AdaptedScores) -> f64| {
            adapted.as_deref().map(|adapted| FoldScores::new(adapted, folds, 1, score)).transpose()
        };
        Ok(Some(Self {
            uar: FoldScores::new(&scores, folds, 1, |(matrix, _)| matrix.uar())?,
            accuracy: FoldScores::new(&scores, folds, 1, |(matrix, _)| matrix.accuracy())?,
            adapted_uar: of_adapted(|scores| scores.uar)?,
            adapted_accuracy: of_adapted(|scores| scores.accuracy)?,
        }))
    }
}

/// The predictions that the means of several models' probabilities give; all have scored the same clips in the same order.
fn mean_predictions(of_models: &[&Vec<ClipPrediction>], labels: &LabelSet) -> Vec<ClipPrediction> {
    let Some((first, others)) = of_models.split_first() else { return Vec::new() };
    let mean = |(index, clip): (usize, &ClipPrediction)| {
        let mut mean = clip.clone();
        for clips in others {
            let probabilities = &clips.get(index)?.probabilities;
            mean.probabilities.iter_mut().zip(probabilities).for_each(|(sum, p)| *sum += p);
        }
        mean.probabilities.iter_mut().for_each(|sum| *sum /= of_models.len() as f32);
        mean.prediction = *labels.classes().get(argmax(&mean.probabilities))?;
        Some(mean)
    };
    first.iter().enumerate().filter_map(mean).collect()
}
