use ndarray::ArrayView2;
use ser_metrics::ConfusionMatrix;

use crate::axis::with_thousands;
use crate::error::finite;
use crate::{
    Column, EmbeddingMap, Error, GroupScore, Page, Panel, ReliabilityBin, Spectrogram, TrainingCurves,
    confusion_matrix, embedding_map, group_scores, reliability_diagram, risk_coverage, time_panels, training_curves,
};

/// Holds what a page about one training or evaluation run says.
///
/// Parts that a run does not have are `None` or empty, and their sections are left out.
#[derive(Debug, Clone, Copy)]
pub struct RunReport<'a> {
    /// The page's title.
    pub title: &'a str,
    /// What the leak guard found, said first.
    pub guard: &'a str,
    /// What was trained and scored on what, and by which protocol.
    pub scope: &'a str,
    /// What the reader must know before the numbers.
    pub warnings: &'a [String],
    /// The scores of the whole.
    pub scores: &'a [Score<'a>],
    /// The counts from which the scores by class come.
    pub confusion: &'a ConfusionMatrix,
    /// What was trained.
    pub history: Option<TrainingCurves<'a>>,
    /// Whether confidences can be believed.
    pub calibration: Option<Calibration<'a>>,
    /// Where the clips lie by what the model makes of them.
    pub map: Option<EmbeddingMap<'a, &'a str>>,
    /// What the model listened to in some clips.
    pub attributions: &'a [Listening<'a>],
    /// Scores by sex, age, corpus, speaker or language.
    pub groups: &'a [Groups<'a>],
    /// The most confident mistakes, the worst first.
    pub mistakes: &'a [Mistake<'a>],
    /// The configuration file's text.
    pub configuration: &'a str,
    /// Names and values, such as versions, the processor and the seed.
    pub environment: &'a [(&'a str, String)],
    /// What to type to get the same again.
    pub commands: &'a [String],
}

/// Holds one score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score<'a> {
    /// What it is, such as "Unweighted average recall".
    pub name: &'a str,
    /// Its value.
    pub value: f64,
    /// Lower and upper bound of its 95 % interval.
    pub interval: Option<[f64; 2]>,
    /// Its standard deviation over folds and seeds.
    pub deviation: Option<f64>,
}

/// Holds how confidences compare with the truth.
#[derive(Debug, Clone, Copy)]
pub struct Calibration<'a> {
    /// Expected calibration error, 0 to 1.
    pub expected_error: f64,
    /// What to know of it, such as the temperature and the error without one.
    pub notes: &'a [String],
    /// Predictions by confidence.
    pub bins: &'a [ReliabilityBin],
    /// Points of coverage and risk, each 0 to 1; none to leave the figure out.
    pub risk_coverage: &'a [[f64; 2]],
    /// Coverage and risk at the model's threshold.
    pub threshold: Option<[f64; 2]>,
}

/// Holds the scores of groups of one kind.
#[derive(Debug, Clone, Copy)]
pub struct Groups<'a> {
    /// What tells them apart, such as "Sex".
    pub by: &'a str,
    /// What the score is.
    pub score_label: &'a str,
    /// The groups.
    pub scores: &'a [GroupScore<'a>],
    /// The score of all.
    pub overall: Option<f64>,
    /// What to keep in mind, such as the largest gap, or that a group is too small to say.
    pub notes: &'a [String],
}

/// Holds what a model listened to in one clip.
#[derive(Debug, Clone, Copy)]
pub struct Listening<'a> {
    /// The clip's name.
    pub clip: &'a str,
    /// What it is.
    pub truth: &'a str,
    /// What it was taken for, which the weights are for.
    pub prediction: &'a str,
    /// Its levels.
    pub spectrogram: Spectrogram<'a>,
    /// How much each point spoke for that, of the shape of the levels.
    pub weights: ArrayView2<'a, f32>,
}

/// Holds one clip that was taken for something else.
#[derive(Debug, Clone, Copy)]
pub struct Mistake<'a> {
    /// The clip's name.
    pub clip: &'a str,
    /// The speaker, or nothing.
    pub speaker: &'a str,
    /// What it is.
    pub truth: &'a str,
    /// What it was taken for.
    pub prediction: &'a str,
    /// The confidence in that, 0 to 1.
    pub confidence: f64,
    /// The recording, if the reader may hear it.
    pub wav: Option<&'a [u8]>,
}

impl RunReport<'_> {
    /// Lays this out as a page.
    ///
    /// # Errors
    ///
    /// If a figure cannot be drawn: a number that is not finite or out of range, or lists that do not fit together.
    pub fn to_page(&self) -> Result<Page, Error> {
        let mut page = Page::new(self.title);
        page.note(self.guard);
        page.paragraph(self.scope);
        for warning in self.warnings {
            page.warning(warning);
        }
        self.add_scores(&mut page)?;
        self.add_confusion(&mut page);
        if let Some(history) = &self.history {
            page.section("Training");
            let caption = "The dashed line marks the epoch whose weights were kept.";
            page.figure(&training_curves("Training curves", history)?, caption);
        }
        if let Some(calibration) = &self.calibration {
            calibration.add(&mut page)?;
        }
        self.add_groups(&mut page)?;
        if let Some(map) = &self.map {
            page.section("Map");
            let caption = "One point a clip, in the colour and shape of its true class: near each other lies what the model \
                           takes for similar.";
            page.figure(&embedding_map("Map of the clips", map)?, caption);
        }
        self.add_attributions(&mut page)?;
        self.add_mistakes(&mut page)?;
        self.add_repetition(&mut page)?;
        Ok(page)
    }

    fn add_scores(&self, page: &mut Page) -> Result<(), Error> {
        page.section("Scores");
        let mut rows = Vec::new();
        for score in self.scores {
            let Score { name, value, interval, deviation } = *score;
            finite("score", value)?;
            let interval = interval.map(|[low, high]| format!("{low:.4} – {high:.4}")).unwrap_or_default();
            let deviation = deviation.map(|deviation| format!("{deviation:.4}")).unwrap_or_default();
            rows.push(vec![name.into(), format!("{value:.4}"), interval, deviation]);
        }
        if !rows.is_empty() {
            let mut columns = vec![Column::text("Score"), Column::number("Value")];
            let optional = [
                (self.scores.iter().any(|score| score.interval.is_some()), "95 % interval"),
                (self.scores.iter().any(|score| score.deviation.is_some()), "Standard deviation"),
            ];
            // From the last, so that the places of the others stay.
            for (place, (is_there, name)) in optional.into_iter().enumerate().rev() {
                if is_there {
                    columns.insert(2, Column::number(name));
                } else {
                    for row in &mut rows {
                        row.remove(2 + place);
                    }
                }
            }
            page.table("Scores of the whole", &columns, &rows)?;
        }

        let report = self.confusion.report();
        let scores = report.classes.iter().map(|(name, scores)| (name.as_str(), scores));
        let averages = [("macro average", &report.macro_avg), ("weighted average", &report.weighted_avg)];
        let rows: Vec<Vec<String>> = scores
            .chain(averages)
            .map(|(name, scores)| {
                let [precision, recall, f1] = [scores.precision, scores.recall, scores.f1].map(|s| format!("{s:.3}"));
                vec![name.into(), precision, recall, f1, with_thousands(scores.support as f64, 0)]
            })
            .collect();
        let columns = ["Precision", "Recall", "F1", "Clips"].map(Column::number);
        let columns: Vec<Column> = [Column::text("Class")].into_iter().chain(columns).collect();
        page.table("Scores by class", &columns, &rows)?;
        if let Some(note) = report.absent_note() {
            page.paragraph(&note);
        }
        Ok(())
    }

    fn add_confusion(&self, page: &mut Page) {
        page.section("Confusion");
        let caption =
            "Rows are the truth, columns the prediction. Percentages are shares of a row: on the diagonal, the recall.";
        page.figure(&confusion_matrix("Confusion matrix", self.confusion), caption);
    }

    fn add_groups(&self, page: &mut Page) -> Result<(), Error> {
        if self.groups.is_empty() {
            return Ok(());
        }
        page.section("Groups");
        for groups in self.groups {
            page.subsection(groups.by);
            let title = format!("{} by {}", groups.score_label, groups.by.to_lowercase());
            let figure = group_scores(&title, groups.score_label, groups.scores, groups.overall)?;
            let intervals =
                if groups.scores.iter().any(|score| score.interval.is_some()) { "intervals and " } else { "" };
            page.figure(&figure, &format!("{title}, with {intervals}numbers of clips."));
            page.list(groups.notes);
        }
        Ok(())
    }

    fn add_attributions(&self, page: &mut Page) -> Result<(), Error> {
        if self.attributions.is_empty() {
            return Ok(());
        }
        page.section("What the model listened to");
        page.paragraph(
            "Of the first classes that have one, the clip that was recognised with the greatest confidence. Each cell of the map was lowered to the background in turn. Orange cells spoke for the answer, blue ones against it: without them \
             it is less, or more, probable. This shows what the model reacts to, not what makes speech emotional.",
        );
        for Listening { clip, truth, prediction, spectrogram, weights } in self.attributions {
            page.subsection(&format!("{truth}: {clip}"));
            let panels = [
                Panel::Spectrogram { label: "Spectrogram", spectrogram: *spectrogram },
                Panel::Attribution { label: "Weights", spectrogram: *spectrogram, weights: weights.view() },
            ];
            let title = format!("What spoke for {prediction} in {clip}");
            page.figure(&time_panels(&title, &panels)?, &format!("{clip}: {truth}, recognised as {prediction}."));
        }
        Ok(())
    }

    fn add_mistakes(&self, page: &mut Page) -> Result<(), Error> {
        if self.mistakes.is_empty() {
            return Ok(());
        }
        page.section("Worst mistakes");
        let rows: Vec<Vec<String>> = self
            .mistakes
            .iter()
            .map(|mistake| {
                let Mistake { clip, speaker, truth, prediction, confidence, .. } = *mistake;
                vec![clip.into(), speaker.into(), truth.into(), prediction.into(), format!("{confidence:.3}")]
            })
            .collect();
        let columns = ["Clip", "Speaker", "Truth", "Prediction"].map(Column::text);
        let columns: Vec<Column> = columns.into_iter().chain([Column::number("Confidence")]).collect();
        page.table("The most confident mistakes, the worst first", &columns, &rows)?;
        let recordings = self.mistakes.iter().filter_map(|mistake| Some((mistake, mistake.wav?)));
        for (mistake, wav) in recordings {
            page.audio(&format!("{}: {} taken for {}", mistake.clip, mistake.truth, mistake.prediction), wav);
        }
        Ok(())
    }

    fn add_repetition(&self, page: &mut Page) -> Result<(), Error> {
        page.section("To repeat it");
        if !self.commands.is_empty() {
            page.code("Commands", &self.commands.join("\n"));
        }
        if !self.configuration.is_empty() {
            page.subsection("Configuration");
            page.code("Configuration", self.configuration);
        }
        if !self.environment.is_empty() {
            page.subsection("Environment");
            let rows: Vec<Vec<String>> =
                self.environment.iter().map(|(name, value)| vec![(*name).into(), value.clone()]).collect();
            page.table("Environment", &[Column::text("What"), Column::text("Value")], &rows)?;
        }
        Ok(())
    }
}

impl Calibration<'_> {
    fn add(&self, page: &mut Page) -> Result<(), Error> {
        page.section("Calibration");
        page.paragraph(&format!("Expected calibration error: {:.4}.", self.expected_error));
        page.list(self.notes);
        let caption = "How often predictions of each confidence are right. On the dashed diagonal, confidence can be believed; \
                       the gaps to it make the calibration error. Below, the number of predictions.";
        page.figure(&reliability_diagram("Reliability diagram", self.bins)?, caption);
        if !self.risk_coverage.is_empty() {
            let caption = "The share of wrong answers when only the most confident predictions are answered.";
            page.figure(&risk_coverage("Risk and coverage", self.risk_coverage, self.threshold)?, caption);
        }
        Ok(())
    }
}
