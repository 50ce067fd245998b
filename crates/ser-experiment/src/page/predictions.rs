//! What a page draws of predictions.

use super::listening::{Listened, Mistaken, mistakes};
use super::{Document, PageOptions};
use crate::clip_prediction::{AdaptedScores, ClipPrediction, class_pairs, confusion};
use crate::output::{create, write_atomically};
use crate::{Error, Statistics};
use ser_corpus::LabelSet;
use ser_features::ndarray::Array2;
use ser_metrics::{Interval, Probabilities};
use ser_report::{
    Calibration, EmbeddingMap, GroupScore, Groups, Listening, Mistake, ReliabilityBin, RunReport, Score,
    principal_components,
};
use std::path::Path;

/// Predictions, and what follows from them.
pub(super) struct Results<'a> {
    pub clips: &'a [ClipPrediction],
    pub labels: &'a LabelSet,
    pub statistics: &'a Statistics,
    pub adapted: Option<AdaptedScores>,
    /// About the calibration.
    pub notes: Vec<String>,
    pub honest: bool,
}

pub(super) fn write_page(
    folder: &Path,
    results: &Results,
    listened: &[Listened],
    document: Document,
    options: &PageOptions,
) -> Result<(), Error> {
    let path = create(folder)?.join("report.html");
    let Results { clips, labels, statistics, adapted, notes, honest } = results;
    let truths: Vec<usize> = class_pairs(*clips, labels).map(|(truth, _)| truth).collect();
    let probabilities =
        Probabilities::new(labels.len(), truths.iter().zip(*clips).map(|(&truth, clip)| (truth, &clip.probabilities)))?;

    let mut all_scores = document.scores;
    all_scores.extend(scores(statistics));
    all_scores.extend(adapted.map(|adapted| Score {
        name: "UAR, adapted to each speaker by these clips, without labels",
        value: adapted.uar,
        interval: None,
        deviation: None,
    }));
    let bins: Vec<ReliabilityBin> = statistics.calibration.reliability.bins.iter().map(bin).collect();
    let risk: Vec<[f64; 2]> =
        probabilities.risk_coverage().points.iter().map(|point| [point.coverage, point.risk]).collect();
    let calibration = Calibration {
        expected_error: statistics.calibration.expected_error,
        notes,
        bins: &bins,
        risk_coverage: &risk,
        threshold: statistics.calibration.threshold.and_then(|t| {
            let risk = 1.0 - t.accuracy;
            (!risk.is_nan()).then_some([t.coverage, risk])
        }),
    };
    let tables: Vec<Table> = statistics.groups.iter().map(Table::new).collect();
    let bars: Vec<Vec<GroupScore>> = tables.iter().map(Table::bars).collect();
    let groups = tables.iter().zip(&bars).filter(|(_, bars)| !bars.is_empty()).map(|(table, bars)| Groups {
        by: table.by,
        score_label: "Unweighted average recall",
        scores: bars,
        overall: Some(statistics.uar.estimate),
        notes: &table.notes,
    });
    let groups: Vec<Groups> = document.groups.into_iter().chain(groups).collect();

    let points = points(clips, labels)?;
    let map = EmbeddingMap {
        points: &points,
        classes: &truths,
        class_names: &labels.names(),
        axes: ["First principal component of the logits", "Second principal component"],
    };

    let listening: Vec<Listening> = listened.iter().map(Listened::view).collect();
    let mistaken = mistakes(clips, options.audio)?;
    let mistaken: Vec<Mistake> = mistaken.iter().map(Mistaken::view).collect();

    let mut warnings = document.warnings.to_vec();
    if !honest {
        warnings.insert(0, "this is no honest score of speakers that are new to the model: see the first line".into());
    }
    if let Some(note) = statistics.interval_note() {
        warnings.push(note);
    }
    let page = RunReport {
        title: &document.title,
        guard: &document.guard,
        scope: &document.scope,
        warnings: &warnings,
        scores: &all_scores,
        confusion: &confusion(*clips, labels)?,
        history: document.history,
        calibration: Some(calibration),
        map: Some(map),
        attributions: &listening,
        groups: &groups,
        mistakes: &mistaken,
        configuration: &document.configuration,
        environment: &environment(),
        commands: std::slice::from_ref(&options.command),
    }
    .to_page()?;
    write_atomically(&path, page.to_html().as_bytes())
}

fn scores(statistics: &Statistics) -> Vec<Score<'static>> {
    let with = |name, Interval { estimate, low, high, .. }: Interval| Score {
        name,
        value: estimate,
        interval: (!low.is_nan()).then_some([low, high]),
        deviation: None,
    };
    let plain = |name, value: f64| Score { name, value, interval: None, deviation: None };
    let scores = [
        with("Unweighted average recall (UAR)", statistics.uar),
        with("Accuracy (WA)", statistics.accuracy),
        with("Macro F1", statistics.macro_f1),
        plain("Top-2 accuracy", statistics.top_2_accuracy),
        plain("ROC-AUC, mean of the classes", statistics.macro_roc_auc),
        plain("Log loss", statistics.log_loss),
        plain("Brier score", statistics.brier_score),
    ];
    scores.into_iter().filter(|score| !score.value.is_nan()).collect()
}

fn bin(bin: &ser_metrics::ReliabilityBin) -> ReliabilityBin {
    ReliabilityBin { confidence: bin.confidence, accuracy: bin.accuracy, count: bin.count }
}

pub(super) fn calibration_notes(statistics: &Statistics, is_validated: bool) -> Vec<String> {
    let calibration = &statistics.calibration;
    let mut notes = vec![
        format!("Largest distance of confidence and accuracy of a bin: {:.4}.", calibration.maximum_error),
        match is_validated {
            true if calibration.temperature == 1.0 => "Temperature 1: the validation part tells of no other.".into(),
            true => format!(
                "Temperature {:.3}, fitted on the validation part; at temperature 1 the expected calibration error is {:.4}.",
                calibration.temperature, calibration.uncalibrated_expected_error
            ),
            false => "Not calibrated: there was no validation part.".into(),
        },
        format!("Area under the risk–coverage curve: {:.4}.", calibration.risk_coverage_area),
    ];
    if let Some(threshold) = calibration.threshold {
        let accepted = match threshold.coverage {
            0.0 => "none of the clips".into(),
            coverage => format!(
                "{:.1} % of the clips, of which {:.1} % are right",
                100.0 * coverage,
                100.0 * threshold.accuracy
            ),
        };
        let least = threshold.confidence;
        notes.push(format!("The model accepts answers with a confidence of at least {least:.3}: {accepted}."));
    }
    notes
}

/// The scores of the groups of one kind, and lines about them.
struct Table<'a> {
    by: &'static str,
    scores: &'a ser_metrics::GroupScores,
    notes: Vec<String>,
}

impl<'a> Table<'a> {
    fn new(table: &'a crate::GroupTable) -> Self {
        let by = match table.by {
            "sex" => "Sex",
            "age" => "Age in years",
            "corpus" => "Corpus",
            "language" => "Language",
            _ => "Speaker",
        };
        let gap = table
            .uar
            .gap
            .as_ref()
            .map(|gap| format!("Largest gap: {} over {} by {}.", gap.highest, gap.lowest, gap.difference));
        let without = table.uar.without_group;
        let unknown = (without > 0).then(|| format!("{without} clips belong to no group that is known."));
        let notes = gap.into_iter().chain(table.warnings.iter().cloned()).chain(unknown).collect();
        Self { by, scores: &table.uar, notes }
    }

    fn bars(&self) -> Vec<GroupScore<'_>> {
        let known = self.scores.groups.iter().filter(|group| !group.metric.estimate.is_nan());
        let bar = |group: &'a ser_metrics::GroupScore| GroupScore {
            name: &group.name,
            score: group.metric.estimate,
            interval: (!group.metric.low.is_nan()).then_some([group.metric.low, group.metric.high]),
            clips: group.samples as u64,
        };
        known.map(bar).collect()
    }
}

/// The first two principal components of the clips' logits.
fn points(clips: &[ClipPrediction], labels: &LabelSet) -> Result<Vec<[f64; 2]>, Error> {
    // Logarithms of probabilities, less their mean: the logits, but for a constant and a factor.
    let mut logits = Array2::from_shape_fn((clips.len(), labels.len()), |(clip, class)| {
        f64::from(clips[clip].probabilities[class]).max(1e-30).ln()
    });
    for mut row in logits.rows_mut() {
        let mean = row.sum() / labels.len() as f64;
        row -= mean;
    }
    Ok(principal_components(logits.view())?)
}

fn environment() -> Vec<(&'static str, String)> {
    vec![
        ("ser-core", env!("CARGO_PKG_VERSION").into()),
        ("Machine", format!("{}, {}", std::env::consts::ARCH, std::env::consts::OS)),
        ("Vector instructions", ser_model::instruction_set().into()),
        ("Threads", rayon::current_num_threads().to_string()),
    ]
}
