//! `report.html`: a run, laid out by `ser-report`.

use crate::output::{create, failed, write_atomically};
use crate::{ClipPrediction, CrossValidation, Error, Evaluation, Statistics, Trained};
use ser_audio::{WavFormat, Waveform};
use ser_corpus::{Emotion, LabelSet, Validation};
use ser_features::ndarray::Array2;
use ser_inference::{Attribution, Input, Manifest, Recognizer};
use ser_metrics::{ConfusionMatrix, Interval, Probabilities};
use ser_report::{
    Bins, Calibration, Curve, EmbeddingMap, GroupScore, Groups, Listening, Mistake, ReliabilityBin, RunReport, Score,
    Spectrogram, TrainingCurves, principal_components,
};
use std::path::Path;

/// The mistakes that are listed, and those that can be heard: each for so many seconds at so many samples a second.
const MISTAKES: usize = 20;
const PLAYERS: usize = 10;
const PLAYER_SECONDS: f64 = 5.0;
const PLAYER_RATE: u32 = 16_000;
/// The clips whose attribution is drawn.
const ATTRIBUTIONS: usize = 4;

/// What a page holds beside the results.
#[derive(Clone, Debug, Default)]
pub struct PageOptions {
    /// Whether the worst mistakes can be heard. Voices are personal data, and whoever gets the page gets them.
    pub audio: bool,
    /// What to type to get the same again.
    pub command: String,
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
        let column = |of: fn(&ser_model::Epoch) -> f32| history.iter().map(|e| f64::from(of(e))).collect::<Vec<_>>();
        let losses = [column(|e| e.train_loss), column(|e| e.valid_loss)];
        let scores = [column(|e| e.valid_uar), column(|e| e.valid_accuracy)];
        let [train_loss, valid_loss, uar, accuracy] = [
            Curve { name: "training", values: &losses[0] },
            Curve { name: "validation", values: &losses[1] },
            Curve { name: "unweighted average recall", values: &scores[0] },
            Curve { name: "accuracy", values: &scores[1] },
        ];
        let losses = [train_loss, valid_loss];
        let scores = [uar, accuracy];
        let is_validated = history.iter().all(|epoch| epoch.valid_loss.is_finite());
        let curves = TrainingCurves {
            losses: if is_validated { &losses } else { &losses[..1] },
            score_label: "Validation score",
            scores: if is_validated { &scores } else { &[] },
            chosen: history.iter().rev().find(|epoch| epoch.is_best).map_or(1, |epoch| epoch.epoch),
        };
        let provenance = &manifest.provenance;
        let part = |name, part: &ser_inference::PartRecord| {
            format!("{} recordings of {} speakers {name}", part.clips.len(), part.speakers.len())
        };
        let scope = format!(
            "{}, {}; scored once on {}. Seed {}, seed of the split {}.",
            part("to learn from", &provenance.train),
            match provenance.valid.clips.is_empty() {
                true => "none to validate on, so the last epoch counts and the temperature is 1".into(),
                false => part("to choose the epoch and the temperature", &provenance.valid),
            },
            self.evaluation().scope(),
            provenance.seed,
            provenance.split_seed
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
        let left_out = self.left_out();
        let scope = format!(
            "The model was trained by protocol {} ({}). Left out: {} clips of speakers that it was trained or validated on, {} such \
             recordings, {} of emotions that it does not know, {} unreadable.",
            provenance.protocol,
            provenance.guard,
            left_out.known_speaker,
            left_out.known_clip,
            left_out.other_emotion,
            left_out.unreadable
        );
        let document = Document {
            title: format!("Evaluation on {}", corpora(self.predictions())),
            guard: format!("{}.", self.scope()),
            scope,
            warnings: &[self.warnings(), self.unreadable()].concat(),
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
                "{}{} folds, seeds {}, {} parameters.{} All but the first four scores pool the predictions of all folds and seeds.",
                if self.folds < self.folds_of_protocol { "The first " } else { "" },
                self.folds,
                self.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
                self.parameters,
                searched.unwrap_or_default()
            ),
            warnings: &warnings,
            scores: vec![
                score("UAR, mean of the folds (deviation over folds)", self.uar.mean, self.uar.std_over_folds),
                score(
                    "Accuracy, mean of the folds (deviation over folds)",
                    self.accuracy.mean,
                    self.accuracy.std_over_folds,
                ),
                score("UAR of all folds (deviation over seeds)", self.pooled_uar.mean, self.pooled_uar.std),
                score(
                    "Accuracy of all folds (deviation over seeds)",
                    self.pooled_accuracy.mean,
                    self.pooled_accuracy.std,
                ),
            ],
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
        let results = Results { clips: &clips, labels: &labels, statistics: &statistics, notes, honest: self.honest };
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

/// Predictions, and what follows from them.
struct Results<'a> {
    clips: &'a [ClipPrediction],
    labels: &'a LabelSet,
    statistics: &'a Statistics,
    /// About the calibration.
    notes: Vec<String>,
    honest: bool,
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
    let results = Results { clips, labels, statistics, notes, honest };
    let options = PageOptions { audio: options.audio && matches!(input, Input::Audio { .. }), ..options.clone() };
    write_page(folder, &results, &listen(clips, recognizer)?, document, &options)
}

fn write_page(
    folder: &Path,
    results: &Results,
    listened: &[Listened],
    document: Document,
    options: &PageOptions,
) -> Result<(), Error> {
    let path = create(folder)?.join("report.html");
    let Results { clips, labels, statistics, notes, honest } = results;
    let class = |emotion| labels.index_of(emotion).unwrap_or(0);
    let truths: Vec<usize> = clips.iter().map(|clip| class(clip.truth)).collect();
    let names = labels.names();
    let confusion = ConfusionMatrix::new(
        names.iter().copied(),
        clips.iter().zip(&truths).map(|(clip, &truth)| (truth, class(clip.prediction))),
    )?;
    let probabilities =
        Probabilities::new(labels.len(), truths.iter().zip(*clips).map(|(&truth, clip)| (truth, &clip.probabilities)))?;

    let mut all_scores = document.scores;
    all_scores.extend(scores(statistics));
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

    // Logarithms of probabilities, less their mean: the logits, but for a constant and a factor.
    let logits = Array2::from_shape_fn((clips.len(), labels.len()), |(clip, class)| {
        f64::from(clips[clip].probabilities[class]).max(1e-30).ln()
    });
    let points = principal_components((&logits - &row_means(&logits)).view())?;
    let map = EmbeddingMap {
        points: &points,
        classes: &truths,
        class_names: &names,
        axes: ["First principal component of the logits", "Second principal component"],
    };

    let listening: Vec<Listening> = listened.iter().map(Listened::view).collect();
    let wrong = wrong(clips);
    let players: Vec<Option<Vec<u8>>> = wrong
        .iter()
        .enumerate()
        .map(|(index, clip)| if options.audio && index < PLAYERS { player(clip).map(Some) } else { Ok(None) })
        .collect::<Result<_, _>>()?;
    let wrong_names: Vec<String> = wrong.iter().map(|clip| name(clip)).collect();
    let mistakes = wrong.iter().zip(&wrong_names).zip(&players).map(|((clip, name), wav)| Mistake {
        clip: name,
        speaker: clip.speaker.as_deref().unwrap_or_default(),
        truth: clip.truth.name(),
        prediction: clip.prediction.name(),
        confidence: f64::from(confidence(clip)),
        wav: wav.as_deref(),
    });
    let mistakes: Vec<Mistake> = mistakes.collect();

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
        confusion: &confusion,
        history: document.history,
        calibration: Some(calibration),
        map: Some(map),
        attributions: &listening,
        groups: &groups,
        mistakes: &mistakes,
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

fn calibration_notes(statistics: &Statistics, is_fitted: bool) -> Vec<String> {
    let calibration = &statistics.calibration;
    let mut notes = vec![
        format!("Largest distance of confidence and accuracy of a bin: {:.4}.", calibration.maximum_error),
        match is_fitted {
            true => format!(
                "Temperature {:.3}, fitted on the validation part; at temperature 1 the expected calibration error is {:.4}.",
                calibration.temperature, calibration.uncalibrated_expected_error
            ),
            false => "Not calibrated: there was no validation part.".into(),
        },
        format!("Area under the risk–coverage curve: {:.4}.", calibration.risk_coverage_area),
    ];
    if let Some(threshold) = calibration.threshold {
        notes.push(format!(
            "The model accepts answers with a confidence of at least {:.3}: {:.1} % of the clips, of which {:.1} % are right.",
            threshold.confidence,
            100.0 * threshold.coverage,
            100.0 * threshold.accuracy
        ));
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

fn row_means(rows: &Array2<f64>) -> Array2<f64> {
    let n = rows.ncols() as f64;
    Array2::from_shape_fn((rows.nrows(), 1), |(row, _)| rows.row(row).sum() / n)
}

/// A clip and what the model listened to in it.
struct Listened {
    clip: String,
    truth: &'static str,
    attribution: Attribution,
}

impl Listened {
    fn view(&self) -> Listening<'_> {
        let Attribution { emotion, waveform, decibels, weights, hop_length, .. } = &self.attribution;
        let rate = f64::from(waveform.sample_rate());
        let bins = Bins::Linear { nyquist: rate / 2.0 };
        let spectrogram = Spectrogram { decibels: decibels.view(), hop: *hop_length as f64 / rate, first: 0.0, bins };
        Listening {
            clip: &self.clip,
            truth: self.truth,
            prediction: emotion.name(),
            spectrogram,
            weights: weights.view(),
        }
    }
}

/// Takes the clip of each emotion that the model was surest and right about, for the first emotions. There is none for
/// models of imported features or of normalisation per speaker.
fn listen(clips: &[ClipPrediction], recognizer: &Recognizer) -> Result<Vec<Listened>, Error> {
    let mut listened = Vec::new();
    for &emotion in recognizer.emotions() {
        let right = clips.iter().filter(|clip| clip.truth == emotion && clip.prediction == emotion);
        let Some(surest) = right.max_by(|a, b| confidence(a).total_cmp(&confidence(b))) else { continue };
        if listened.len() == ATTRIBUTIONS {
            break;
        }
        let Ok(waveform) = Waveform::from_file(&surest.path) else { continue };
        match recognizer.attribution(&waveform) {
            Ok(attribution) => listened.push(Listened { clip: name(surest), truth: emotion.name(), attribution }),
            Err(ser_inference::Error::AudioGiven { .. } | ser_inference::Error::NotAdapted) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(listened)
}

/// The mistakes of which the model was surest.
fn wrong(clips: &[ClipPrediction]) -> Vec<&ClipPrediction> {
    let mut wrong: Vec<_> = clips.iter().filter(|clip| clip.prediction != clip.truth).collect();
    wrong.sort_by(|a, b| confidence(b).total_cmp(&confidence(a)));
    wrong.truncate(MISTAKES);
    wrong
}

fn confidence(clip: &ClipPrediction) -> f32 {
    clip.probabilities.iter().copied().fold(0.0, f32::max)
}

fn player(clip: &ClipPrediction) -> Result<Vec<u8>, Error> {
    let to_wav = || {
        let waveform = Waveform::from_file(&clip.path)?.resample(PLAYER_RATE)?;
        let length = waveform.samples().len().min((PLAYER_SECONDS * f64::from(PLAYER_RATE)) as usize);
        Waveform::new(waveform.samples()[..length].to_vec(), PLAYER_RATE)?.to_wav(WavFormat::Int16)
    };
    to_wav().map_err(|error| ser_inference::Error::from(error).into())
}

/// The file's name, without the folders that it lies in.
fn name(clip: &ClipPrediction) -> String {
    clip.path.file_name().unwrap_or(clip.path.as_os_str()).to_string_lossy().into_owned()
}

fn corpora(clips: &[ClipPrediction]) -> String {
    let names: std::collections::BTreeSet<&str> = clips.iter().map(|clip| clip.corpus.as_str()).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

fn environment() -> Vec<(&'static str, String)> {
    vec![
        ("ser-core", env!("CARGO_PKG_VERSION").into()),
        ("Machine", format!("{}, {}", std::env::consts::ARCH, std::env::consts::OS)),
        ("Vector instructions", ser_model::instruction_set().into()),
        ("Threads", rayon::current_num_threads().to_string()),
    ]
}
