//! What a cross-validation gives: a result for each fold and seed, and all of them together.

use crate::clip_prediction::{AdaptedScores, ClipPrediction, DimensionReport, confusion, score_dimensions};
use crate::cross_validate::NestedSearch;
use crate::fold_scores::{EnsembleScores, FoldScores};
use crate::output::{create, write_csv, write_json};
use crate::{Config, Error};
use ser_corpus::{Corpus, LabelSet, Sharing};
use ser_metrics::{ConfusionMatrix, MeanStd, Report};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

/// The version of the form of `report.json`.
const SCHEMA_VERSION: u32 = 1;

/// How one fold with one seed went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FoldResult {
    /// The number of the fold, from 1.
    pub fold: usize,
    /// The seed of the training.
    pub seed: u64,
    /// The protocol, the fold, and what it tests on.
    pub protocol: String,
    /// What the tested clips share with what the model has seen: one line.
    pub guard: String,
    /// Whether speakers are `disjoint`, `shared` or `unknown`.
    pub speakers: String,
    /// Whether all tested speakers are known to be new to the model.
    pub honest: bool,
    /// The distinct recordings of the training and of the validation part, and the clips of the test part.
    pub clips: [usize; 3],
    /// The trainable parameters, of all networks where there are several.
    pub parameters: usize,
    /// The epoch whose weights were scored; of several networks, that of the first.
    pub best_epoch: usize,
    /// The epochs that were run, by all networks.
    pub epochs: usize,
    /// The mean recall over the classes that the test part has.
    pub uar: f64,
    /// The share of the tested clips that were recognised.
    pub accuracy: f64,
    /// The scores by adaptation to each tested speaker, where they are known and the model does not normalise per speaker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapted: Option<AdaptedScores>,
    /// The options that a search in this fold chose; empty without a search.
    pub chosen: BTreeMap<String, toml::Value>,
    /// What the clips that its trials were scored on share with those they learned from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_guard: Option<String>,
    /// What was left out, and why: one line each.
    pub warnings: Vec<String>,
}

/// What a finished run leaves in the folder.
#[derive(Serialize, Deserialize)]
pub(crate) struct Stored {
    pub result: FoldResult,
    pub training_seconds: f64,
    pub predictions: Vec<ClipPrediction>,
}

/// A cross-validation: every fold of a protocol, with every seed.
///
/// `Display` prints a table of the folds, the means with their deviations, and the pooled confusion. `Serialize` writes the
/// fields below, not the predictions.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct CrossValidation {
    /// 1: the version of this form.
    pub schema_version: u32,
    /// The configuration; its `seed` is the first.
    pub config: Config,
    /// The corpora, in alphabetical order.
    pub corpora: Vec<String>,
    /// The name of the protocol.
    pub protocol: String,
    /// What the tested clips share with what the models have seen, one line for each kind of fold.
    pub guard: Vec<String>,
    /// Whether speakers are `disjoint` in all folds, `shared` in one, or else `unknown`.
    pub speakers: String,
    /// Whether all tested speakers are known to be new to their models.
    pub honest: bool,
    /// The number of folds that were run.
    pub folds: usize,
    /// The number of folds that the protocol has.
    pub folds_of_protocol: usize,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// The search in every fold, if there was one; [`FoldResult::chosen`] is what it chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<NestedSearch>,
    /// The trainable parameters, of all networks where there are several; where searches chose networks, of the largest.
    pub parameters: usize,
    /// The unweighted average recall.
    pub uar: FoldScores,
    /// The accuracy.
    pub accuracy: FoldScores,
    /// The unweighted average recall by adaptation to each tested speaker, where all runs have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapted_uar: Option<FoldScores>,
    /// The accuracy by adaptation to each tested speaker, where all runs have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapted_accuracy: Option<FoldScores>,
    /// The scores of the seeds' networks together, where there are several seeds, which scored the same clips.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ensemble: Option<EnsembleScores>,
    /// The unweighted average recall of all folds' predictions of a seed together, over the seeds.
    pub pooled_uar: MeanStd,
    /// The accuracy of all folds' predictions of a seed together, over the seeds.
    pub pooled_accuracy: MeanStd,
    /// All predictions of all folds and seeds together.
    pub pooled: Report,
    /// The scores of each of [`Config::dimensions`], of all predictions of all folds and seeds together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dimensions: Vec<DimensionReport>,
    /// Each fold with each seed: the folds of the first seed first.
    pub runs: Vec<FoldResult>,
    #[serde(skip)]
    predictions: Vec<Vec<ClipPrediction>>,
    #[serde(skip)]
    training_seconds: Vec<f64>,
}

impl CrossValidation {
    /// Takes the runs of each fold with the first seed, then with the second, and so on.
    pub(crate) fn new(
        config: Config,
        corpus: &Corpus,
        labels: &LabelSet,
        (folds, folds_of_protocol): (usize, usize),
        seeds: Vec<u64>,
        search: Option<NestedSearch>,
        stored: Vec<Stored>,
    ) -> Result<Self, Error> {
        let mut corpora: Vec<String> = corpus.utterances().iter().map(|clip| clip.corpus.clone()).collect();
        corpora.dedup();
        let matrix = |runs: &[Stored]| confusion(runs.iter().flat_map(|run| &run.predictions), labels);
        let of_seeds: Vec<ConfusionMatrix> = stored.chunks(folds).map(matrix).collect::<Result<_, _>>()?;
        let pooled = matrix(&stored)?.report();

        let mut runs = Vec::new();
        let (mut predictions, mut training_seconds) = (Vec::new(), Vec::new());
        for run in stored {
            runs.push(run.result);
            predictions.push(run.predictions);
            training_seconds.push(run.training_seconds);
        }
        let mut guard: Vec<String> = Vec::new();
        for run in &runs {
            let line = without_fold(&run.guard, run.fold, folds_of_protocol);
            if !guard.contains(&line) {
                guard.push(line);
            }
        }
        let is = |sharing: Sharing| move |run: &FoldResult| run.speakers == sharing.to_string();
        let speakers = match () {
            () if runs.iter().any(is(Sharing::Shared)) => Sharing::Shared,
            () if runs.iter().all(is(Sharing::Disjoint)) => Sharing::Disjoint,
            () => Sharing::Unknown,
        };
        let adapted: Option<Vec<AdaptedScores>> = runs.iter().map(|run| run.adapted).collect();
        let of_adapted = |score: fn(&AdaptedScores) -> f64| {
            adapted.as_deref().map(|adapted| FoldScores::new(adapted, folds, seeds.len(), score)).transpose()
        };
        let ensemble = match seeds.len() {
            1 => None,
            _ => EnsembleScores::new(&predictions, labels, folds, adapted.is_some())?,
        };
        let dimensions = score_dimensions(&config.dimensions, predictions.iter().flatten())?;
        Ok(Self {
            schema_version: SCHEMA_VERSION,
            corpora,
            protocol: config.split.protocol.to_string(),
            config,
            guard,
            speakers: speakers.to_string(),
            honest: runs.iter().all(|run| run.honest),
            folds,
            folds_of_protocol,
            search,
            ensemble,
            parameters: runs.iter().map(|run| run.parameters).max().unwrap_or(0),
            uar: FoldScores::new(&runs, folds, seeds.len(), |run| run.uar)?,
            accuracy: FoldScores::new(&runs, folds, seeds.len(), |run| run.accuracy)?,
            adapted_uar: of_adapted(|scores| scores.uar)?,
            adapted_accuracy: of_adapted(|scores| scores.accuracy)?,
            pooled_uar: MeanStd::new(of_seeds.iter().map(ConfusionMatrix::uar))?,
            pooled_accuracy: MeanStd::new(of_seeds.iter().map(ConfusionMatrix::accuracy))?,
            pooled,
            dimensions,
            seeds,
            runs,
            predictions,
            training_seconds,
        })
    }

    /// What was left out of the corpus, and why: each line once.
    pub fn warnings(&self) -> Vec<&str> {
        let mut lines: Vec<&str> = Vec::new();
        for line in self.runs.iter().flat_map(|run| &run.warnings) {
            if !lines.contains(&line.as_str()) {
                lines.push(line);
            }
        }
        lines
    }

    /// What the searches' scored clips share with those that their trials learned from: each line once.
    pub(crate) fn search_guards(&self) -> BTreeSet<&str> {
        self.runs.iter().filter_map(|run| run.search_guard.as_deref()).collect()
    }

    /// The predictions of all folds and seeds, in the order of [`CrossValidation::runs`].
    pub fn predictions(&self) -> impl Iterator<Item = &ClipPrediction> {
        self.predictions.iter().flatten()
    }

    /// Writes `report.json` (this, serialised), `predictions.csv` and `times.csv` (which alone differs from run to run, and
    /// holds what a run took since it was last resumed) into
    /// a folder, which is created.
    ///
    /// # Errors
    /// A folder or file that cannot be written; it is named.
    pub fn write(&self, folder: impl AsRef<Path>) -> Result<(), Error> {
        let folder = create(folder.as_ref())?;
        write_json(&folder.join("report.json"), self)?;
        write_csv(&folder.join("times.csv"), |csv| {
            csv.write_record(["fold", "seed", "epochs", "training_seconds"])?;
            self.runs.iter().zip(&self.training_seconds).try_for_each(|(run, seconds)| {
                let row = [run.fold.to_string(), run.seed.to_string(), run.epochs.to_string(), seconds.to_string()];
                csv.write_record(row)
            })
        })?;
        write_csv(&folder.join("predictions.csv"), |csv| {
            let header = ["fold", "seed", "path", "speaker", "truth", "prediction"].map(String::from);
            let classes = self.pooled.class_names.iter().map(|name| format!("p_{name}"));
            let dimensions = self.predictions().next().into_iter().flat_map(ClipPrediction::dimension_columns);
            csv.write_record(header.into_iter().chain(classes).chain(dimensions))?;
            for (run, clips) in self.runs.iter().zip(&self.predictions) {
                for clip in clips {
                    let fields = [
                        run.fold.to_string(),
                        run.seed.to_string(),
                        clip.path.to_string_lossy().into_owned(),
                        clip.speaker.clone().unwrap_or_default(),
                        clip.truth.to_string(),
                        clip.prediction.to_string(),
                    ];
                    let probabilities = clip.probabilities.iter().map(f32::to_string);
                    csv.write_record(fields.into_iter().chain(probabilities).chain(clip.dimension_cells()))?;
                }
            }
            Ok(())
        })
    }
}

/// A guard's line without the note of which fold it is of.
fn without_fold(guard: &str, fold: usize, folds: usize) -> String {
    guard.replace(&format!("; fold {fold} of {folds}"), "")
}

impl fmt::Display for CrossValidation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |n: usize, noun: &str| format!("{n} {noun}{}", if n == 1 { "" } else { "s" });
        writeln!(
            f,
            "protocol {}: {} × {}, speakers {}; {}{} parameters",
            self.protocol,
            match self.folds == self.folds_of_protocol {
                true => plural(self.folds, "fold"),
                false => format!("the first {} of {} folds", self.folds, self.folds_of_protocol),
            },
            plural(self.seeds.len(), "seed"),
            self.speakers,
            if self.runs.iter().all(|run| run.parameters == self.parameters) { "" } else { "at most " },
            self.parameters
        )?;
        self.guard.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        writeln!(f, "\nfold  seed  clips     UAR  accuracy  epoch  tested")?;
        for run in &self.runs {
            let FoldResult { fold, seed, clips: [.., tested], uar, accuracy, best_epoch, .. } = run;
            let what = run
                .protocol
                .split_once(&format!("fold {fold} of {}, ", self.folds_of_protocol))
                .map_or("", |(_, what)| what);
            let line = format!("{fold:4}  {seed:4}  {tested:5}  {uar:.4}    {accuracy:.4}  {best_epoch:5}  {what}");
            writeln!(f, "{}", line.trim_end())?;
        }
        if let Some(NestedSearch { trials, .. }) = self.search {
            writeln!(f, "\nchosen in each fold by at most {trials} trials, scored on clips held out of its training")?;
            self.search_guards().iter().try_for_each(|line| writeln!(f, "{line}"))?;
            for FoldResult { fold, seed, chosen, .. } in &self.runs {
                let values: Vec<_> = chosen.iter().map(|(key, value)| format!("{key} = {value}")).collect();
                writeln!(f, "{fold:4}  {seed:4}  {}", values.join(", "))?;
            }
        }
        let note = match (self.honest, self.speakers.as_str()) {
            (true, _) => String::new(),
            (false, speakers) => format!("  (NOT HONEST: speakers {speakers})"),
        };
        writeln!(f, "\nUAR       {}{note}", self.uar)?;
        writeln!(f, "accuracy  {}{note}", self.accuracy)?;
        if let (Some(uar), Some(accuracy)) = (self.adapted_uar, self.adapted_accuracy) {
            writeln!(f, "adapted to each tested speaker by the same clips, without their labels:")?;
            writeln!(f, "  UAR       {uar}{note}\n  accuracy  {accuracy}{note}")?;
        }
        if let Some(EnsembleScores { uar, accuracy, adapted_uar, .. }) = self.ensemble {
            writeln!(f, "the networks of all seeds together, their probabilities averaged:")?;
            write!(f, "  UAR       {uar}")?;
            adapted_uar.map_or(Ok(()), |uar| write!(f, "; adapted {uar}"))?;
            writeln!(f, "{note}\n  accuracy  {accuracy}{note}")?;
        }
        let (uar, accuracy) = (self.pooled_uar.mean, self.pooled_accuracy.mean);
        writeln!(f, "all folds together: UAR {uar:.4}, accuracy {accuracy:.4}{note}")?;
        self.dimensions.iter().try_for_each(|dimension| writeln!(f, "{dimension}{note}"))?;
        writeln!(f, "\nconfusion of all folds and seeds (rows: truth, columns: recognised)")?;
        let names = &self.pooled.class_names;
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(6);
        write!(f, "{:width$}", "")?;
        names.iter().try_for_each(|name| write!(f, "  {name:>width$}"))?;
        for (name, row) in names.iter().zip(&self.pooled.confusion_matrix) {
            write!(f, "\n{name:width$}")?;
            row.iter().try_for_each(|count| write!(f, "  {count:>width$}"))?;
        }
        Ok(())
    }
}
