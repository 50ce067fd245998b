//! `report.html`: a run, laid out by `ser-report`.

mod listening;
mod predictions;

use crate::output::failed;
use crate::{ClipPrediction, ConditionScore, CrossValidation, Error, Evaluation, FoldScores, Statistics, Trained};
use listening::listen;
use predictions::{Results, calibration_notes, write_page};
use ser_corpus::{Emotion, LabelSet, Validation};
use ser_inference::{Input, Manifest, Recognizer};
use ser_model::Epoch;
use ser_report::{Curve, GroupScore, Groups, Score, TrainingCurves};
use std::path::Path;

/// What a page holds beside the results.
#[derive(Clone, Debug, Default)]
pub struct PageOptions {
    /// Whether the worst mistakes can be heard. Voices are personal data, and whoever gets the page gets them.
    pub audio: bool,
    /// What to type to get the same again.
    pub command: String,
    /// The scores under other conditions ([`Robustness::conditions`](crate::Robustness::conditions)), which an evaluation's page shows beside its own.
    pub conditions: Vec<ConditionScore>,
}

impl Trained {
    /// Writes `report.html` into a folder, which is created: one page that needs nothing else.
    ///
    /// # Errors
    /// A file that cannot be written, or a recording that cannot be read any more.
    pub fn write_page(&self, folder: impl AsRef<Path>, options: &PageOptions) -> Result<(), Error> {
        let recognizer = Recognizer::from_bytes(self.model())?;
        let manifest = self.manifest();
        let corpora = corpora(self.evaluation().predictions());
        let history = self.history();
        let column = |of: fn(&Epoch) -> f32| history.iter().map(|epoch| f64::from(of(epoch))).collect::<Vec<_>>();
        let [train_loss, valid_loss] = [column(|epoch| epoch.train_loss), column(|epoch| epoch.valid_loss)];
        let [uar, accuracy] = [column(|epoch| epoch.valid_uar), column(|epoch| epoch.valid_accuracy)];
        let losses =
            [Curve { name: "training", values: &train_loss }, Curve { name: "validation", values: &valid_loss }];
        let scores =
            [Curve { name: "unweighted average recall", values: &uar }, Curve { name: "accuracy", values: &accuracy }];
        let is_validated = history.iter().all(|epoch| epoch.valid_loss.is_finite());
        let curves = TrainingCurves {
            losses: if is_validated { &losses } else { &losses[..1] },
            score_label: "Validation score",
            scores: if is_validated { &scores } else { &[] },
            chosen: self.best_epoch().map_or(1, |epoch| epoch.epoch),
        };
        let provenance = &manifest.provenance;
        let part = |name, part: &ser_inference::PartRecord| {
            format!("{} recordings of {} speakers {name}", part.clips.len(), part.speakers.len())
        };
        let chosen = match self.config().chooses_epoch() {
            true => "to choose the epoch and the temperature",
            false => "to fit the temperature (the last epoch counts)",
        };
        let before = match provenance.initial.is_empty() {
            true => String::new(),
            false => part("that the weights were fitted to before; ", &provenance.initial),
        };
        let scope = format!(
            "{before}{}, {}; scored once on {}. Seed {}, seed of the split {}.{}",
            part("to learn from", &provenance.train),
            match provenance.valid.clips.is_empty() {
                true => "none to validate on, so the last epoch counts and the temperature is 1".into(),
                false => part(chosen, &provenance.valid),
            },
            self.evaluation().scope(),
            provenance.seed,
            provenance.split_seed,
            match self.histories().len() {
                1 => String::new(),
                n => format!(" The curves are those of the first of {n} networks."),
            }
        );
        let document = Document {
            title: format!("Training on {corpora}"),
            guard: format!("Protocol {}: {}.", provenance.protocol, provenance.guard),
            scope,
            warnings: self.warnings(),
            configuration: toml::to_string(self.config()).map_err(|error| failed(Path::new("report.html"), error))?,
            history: Some(curves),
            ..Document::default()
        };
        write_evaluation(folder.as_ref(), self.evaluation(), &recognizer, document, options)
    }
}

impl Evaluation {
    /// Writes `report.html` into a folder, which is created: one page that needs nothing else. The model is the one that
    /// was scored.
    ///
    /// # Errors
    /// As [`Trained::write_page`].
    pub fn write_page(
        &self,
        recognizer: &Recognizer,
        folder: impl AsRef<Path>,
        options: &PageOptions,
    ) -> Result<(), Error> {
        let Manifest { provenance, .. } = recognizer.manifest();
        let scope = format!(
            "The model was trained by protocol {} ({}). Left out of its clips: {}.",
            provenance.protocol,
            provenance.guard,
            self.left_out()
        );
        let scored = options.conditions.iter().filter(|condition| condition.uar.is_finite());
        let conditions: Vec<GroupScore> = scored
            .map(|condition| GroupScore {
                name: &condition.condition,
                score: condition.uar,
                interval: None,
                clips: condition.clips as u64,
            })
            .collect();
        let groups = Groups {
            by: "Condition",
            score_label: "Unweighted average recall",
            scores: &conditions,
            overall: Some(self.report().uar),
            notes: &[],
        };
        let document = Document {
            title: format!("Evaluation on {}", corpora(self.predictions())),
            guard: format!("{}.", self.scope()),
            scope,
            warnings: &[self.warnings(), self.unreadable()].concat(),
            groups: (!conditions.is_empty()).then_some(groups),
            ..Document::default()
        };
        write_evaluation(folder.as_ref(), self, recognizer, document, options)
    }
}

impl CrossValidation {
    /// Writes `report.html` into a folder, which is created: one page that needs nothing else.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write_page(&self, folder: impl AsRef<Path>, options: &PageOptions) -> Result<(), Error> {
        let clips: Vec<ClipPrediction> = self.predictions().cloned().collect();
        let emotions: Result<Vec<Emotion>, _> = self.pooled.class_names.iter().map(|name| name.parse()).collect();
        let labels = LabelSet::new(emotions?, [])?;
        let statistics = Statistics::new(&clips, &labels, &ser_inference::Calibration::default())?;
        let score = |name, value: f64, deviation: f64| Score {
            name,
            value,
            interval: None,
            deviation: (!deviation.is_nan()).then_some(deviation),
        };
        let mut scores = vec![
            score("UAR, mean of the folds (deviation over folds)", self.uar.mean, self.uar.std_over_folds),
            score(
                "Accuracy, mean of the folds (deviation over folds)",
                self.accuracy.mean,
                self.accuracy.std_over_folds,
            ),
            score("UAR of all folds (deviation over seeds)", self.pooled_uar.mean, self.pooled_uar.std),
            score("Accuracy of all folds (deviation over seeds)", self.pooled_accuracy.mean, self.pooled_accuracy.std),
        ];
        let mut add = |name, of_folds: Option<FoldScores>| {
            scores.extend(of_folds.map(|folds| score(name, folds.mean, folds.std_over_folds)));
        };
        add("UAR, adapted to each speaker by the tested clips, without labels (over folds)", self.adapted_uar);
        add("UAR of the networks of all seeds together (over folds)", self.ensemble.map(|ensemble| ensemble.uar));
        let adapted = self.ensemble.and_then(|ensemble| ensemble.adapted_uar);
        add("UAR of these, adapted to each speaker by the tested clips, without labels (over folds)", adapted);
        let means = scores.len();
        let names: Vec<String> = self.runs.iter().map(|run| format!("fold {}, seed {}", run.fold, run.seed)).collect();
        let folds: Vec<GroupScore> = self
            .runs
            .iter()
            .zip(&names)
            .map(|(run, name)| GroupScore { name, score: run.uar, interval: None, clips: run.clips[2] as u64 })
            .collect();
        let searched = self.search.as_ref().map(|search| {
            let keys: Vec<&str> = search.space.keys().collect();
            format!(
                " At most {} trials, scored on clips held out of each fold's training, chose {} ({}).",
                search.trials,
                keys.join(", "),
                self.search_guards().into_iter().collect::<Vec<_>>().join("; ")
            )
        });
        let warnings: Vec<String> = self.warnings().into_iter().map(Into::into).collect();
        let document = Document {
            title: format!("Cross-validation on {}", self.corpora.join(", ")),
            guard: format!("Protocol {}: {}.", self.protocol, self.guard.join("; ")),
            scope: format!(
                "{}{} folds with {} {} each; {} parameters.{} All but the first {means} scores pool the predictions of all folds and seeds{}.",
                if self.folds < self.folds_of_protocol { "The first " } else { "" },
                self.folds,
                if self.seeds.len() == 1 { "seed" } else { "seeds" },
                self.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
                self.parameters,
                searched.unwrap_or_default(),
                if self.seeds.len() == 1 { "" } else { "; by class, each clip counts once a seed" },
            ),
            warnings: &warnings,
            scores,
            groups: Some(Groups {
                by: "Fold",
                score_label: "Unweighted average recall",
                scores: &folds,
                overall: Some(self.uar.mean),
                notes: &[],
            }),
            configuration: toml::to_string(&self.config).map_err(|error| failed(Path::new("report.html"), error))?,
            history: None,
        };
        let note = match self.config.split.validation {
            Validation::None => "Without a validation part no fold has a temperature.",
            _ => "Each fold has the temperature of its own validation part.",
        };
        let notes = vec![note.into()];
        let results = Results {
            clips: &clips,
            labels: &labels,
            statistics: &statistics,
            adapted: None,
            notes,
            honest: self.honest,
        };
        write_page(folder.as_ref(), &results, &[], document, options)
    }
}

/// What differs between a training run, an evaluation and a cross-validation.
#[derive(Default)]
struct Document<'a> {
    title: String,
    guard: String,
    scope: String,
    warnings: &'a [String],
    /// Scores and groups beside those of the predictions.
    scores: Vec<Score<'a>>,
    groups: Option<Groups<'a>>,
    configuration: String,
    history: Option<TrainingCurves<'a>>,
}

fn write_evaluation(
    folder: &Path,
    evaluation: &Evaluation,
    recognizer: &Recognizer,
    document: Document,
    options: &PageOptions,
) -> Result<(), Error> {
    let Manifest { labels, input, provenance, .. } = recognizer.manifest();
    let (clips, statistics) = (evaluation.predictions(), evaluation.statistics());
    let honest = evaluation.is_honest();
    let notes = calibration_notes(statistics, !provenance.valid.clips.is_empty());
    let results = Results { clips, labels, statistics, adapted: evaluation.adapted(), notes, honest };
    let options = PageOptions { audio: options.audio && matches!(input, Input::Audio { .. }), ..options.clone() };
    write_page(folder, &results, &listen(clips, recognizer)?, document, &options)
}

fn corpora(clips: &[ClipPrediction]) -> String {
    let names: std::collections::BTreeSet<&str> = clips.iter().map(|clip| clip.corpus.as_str()).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}
