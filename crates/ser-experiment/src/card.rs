use crate::{Statistics, Trained};
use ser_inference::{Input, Manifest, PartRecord};
use ser_metrics::Interval;

const INTENDED_USE: &str = "\
## Intended use

Research, teaching, and prototypes in which a wrong answer harms nobody and the speakers know that their voices are analysed. It \
describes how an utterance sounds to listeners, not what the speaker feels.
";

const LIMITS: &str = "\
## Limits

- The scores hold for recordings like those above: the same languages, the same acting, the same rooms and microphones. On another \
corpus expect far less, and measure it (`evaluate`).
- Acted emotions are stronger and clearer than those of daily life.
- Age, sex, language, accent, illness, the telephone and noise change the answer.
- Confidence is calibrated on the speakers above, if at all, not on yours.

## Misuse

Not for decisions about people: hiring, grading, credit, insurance, policing, migration, health. Not for inferring emotions of people at \
work or in education, which Article 5(1)(f) of the EU AI Act (Regulation (EU) 2024/1689) prohibits but for medical and safety reasons. Not \
as a lie detector, and not without telling those who are recorded. See `docs/RESPONSIBLE_USE.md`.
";

impl Trained {
    /// Describes the model as a card (Mitchell et al. 2019, arXiv 1810.03993) in Markdown: what it is for, what it was trained
    /// on, how it scored on whom, and what it must not be used for. Its numbers are those of `report.json`.
    pub fn model_card(&self) -> String {
        let statistics = self.evaluation().statistics();
        let is_validated = !self.manifest().provenance.valid.clips.is_empty();
        [
            title(self.manifest()),
            INTENDED_USE.into(),
            self.training_data(),
            self.scores(statistics),
            groups(statistics),
            calibration(statistics, is_validated),
            LIMITS.into(),
        ]
        .join("\n")
    }

    fn training_data(&self) -> String {
        let provenance = &self.manifest().provenance;
        let row = |name: &str, part: &PartRecord| {
            let corpora = part.corpora().into_iter().collect::<Vec<_>>().join(", ");
            format!("| {name} | {corpora} | {} | {} |\n", part.speakers.len(), part.clips.len())
        };
        let fitted = [
            (self.config().chooses_epoch(), "epoch"),
            (true, "temperature"),
            (self.config().reject.accuracy.is_some(), "threshold"),
        ];
        let fitted: Vec<_> = fitted.into_iter().filter(|(is_fitted, _)| *is_fitted).map(|(_, name)| name).collect();
        let valid = match provenance.valid.clips.is_empty() {
            true => "validation: none, the last epoch counts".into(),
            false => format!("validation ({})", fitted.join(", ")),
        };
        let license = match provenance.license.as_str() {
            "" => "Not stated in the configuration (`license`). It follows from the licences of the recordings.",
            stated => stated,
        };
        format!(
            "## Training data\n\n\
             | part | corpora | speakers | recordings |\n| --- | --- | --- | --- |\n{}{}{}\
             | test (scored once) | | {} | {} |\n\n\
             Licence of the weights: {license}\n",
            row("training", &provenance.train),
            row(&valid, &provenance.valid),
            match provenance.initial.is_empty() {
                true => String::new(),
                false => row("the weights that training began with", &provenance.initial),
            },
            provenance.test.speakers,
            provenance.test.clips,
        )
    }

    fn scores(&self, statistics: &Statistics) -> String {
        let (provenance, report) = (&self.manifest().provenance, self.evaluation().report());
        let present = report.classes.iter().filter(|(_, scores)| scores.support > 0).count();
        let absent = report.absent_note().map(|note| format!(" {note}")).unwrap_or_default();
        let note = statistics.interval_note().map(|note| format!(" ({note})")).unwrap_or_default();
        let averages = [
            ("unweighted average recall (UAR)", statistics.uar),
            ("accuracy (WA)", statistics.accuracy),
            ("macro F1", statistics.macro_f1),
        ];
        let averages =
            averages.iter().map(|(name, score)| format!("| {name} | {:.3} | {} |", score.estimate, ends(score)));
        let classes = report.classes.iter().map(|(name, scores)| {
            format!(
                "| {name} | {:.3} | {:.3} | {:.3} | {} |",
                scores.precision, scores.recall, scores.f1, scores.support
            )
        });
        format!(
            "## Protocol and scores\n\n\
             Protocol `{}`, split seed {}, training seed {}: {}. Scored: {}. Nothing was chosen on the test part. Intervals are \
             95 % percentile bootstrap intervals over {}{note}.\n\n\
             | score | value | 95 % interval |\n| --- | --- | --- |\n{}\n\n\
             Chance is {:.3}.{absent} By class:\n\n\
             | class | precision | recall | F1 | clips |\n| --- | --- | --- | --- | --- |\n{}\n",
            provenance.protocol,
            provenance.split_seed,
            provenance.seed,
            provenance.guard,
            self.evaluation().scope(),
            statistics.drawn(),
            lines(averages),
            1.0 / present as f64,
            lines(classes),
        )
    }
}

fn title(Manifest { labels, input, fused, .. }: &Manifest) -> String {
    let input = match input {
        Input::Audio { features, .. } => {
            format!("speech at any sample rate, of which features are taken at {} Hz", features.sample_rate)
        }
        Input::Imported(imported) => format!("features of another tool: {} ({} bins)", imported.name, imported.n_bins),
    };
    let systems = match fused.len() {
        0 => String::new(),
        others => format!(", by {} systems whose probabilities are averaged", 1 + others),
    };
    let emotions = labels.names().join(", ");
    format!(
        "# Model card\n\nRecognises one of {} emotions ({emotions}) in a recording; input: {input}{systems}.\n",
        labels.len()
    )
}

fn groups(statistics: &Statistics) -> String {
    let rows = statistics.groups.iter().filter(|table| table.by != "speaker").flat_map(|table| {
        table.uar.groups.iter().map(|group| {
            let note = if group.too_small { " (too few to say)" } else { "" };
            let (uar, ends) = (group.metric.estimate, ends(&group.metric));
            format!("| {} | {}{note} | {uar:.3} | {ends} | {} | {} |", table.by, group.name, group.samples, group.units)
        })
    });
    let speakers = if statistics.nameless > 0 { "speakers, or clips of unknown ones" } else { "speakers" };
    match lines(rows) {
        rows if rows.is_empty() => {
            "## Groups\n\nThe test part has but one group of each kind, or the corpora name none: nothing is known about gaps.\n".into()
        }
        rows => format!(
            "## Groups\n\n| by | group | UAR | 95 % interval | clips | {speakers} |\n| --- | --- | --- | --- | --- | --- |\n{rows}\n"
        ),
    }
}

fn calibration(Statistics { calibration, .. }: &Statistics, is_validated: bool) -> String {
    let temperature = match is_validated {
        true if calibration.temperature == 1.0 => "Temperature 1: the validation part tells of no other.".into(),
        true => format!(
            "Temperature {:.3}, fitted on the validation part; without it the expected calibration error on the test part is {:.3}.",
            calibration.temperature, calibration.uncalibrated_expected_error
        ),
        false => "Not calibrated: there was no validation part.".into(),
    };
    let threshold = match calibration.threshold {
        None => "No threshold: every recording that holds sound is answered.".into(),
        Some(threshold) if threshold.coverage == 0.0 => format!(
            "Answers below a confidence of {:.3} are marked as not accepted; on the test part none was accepted.",
            threshold.confidence
        ),
        Some(threshold) => format!(
            "Answers below a confidence of {:.3} are marked as not accepted; on the test part {:.1} % were accepted, of which {:.1} % \
             were right.",
            threshold.confidence,
            100.0 * threshold.coverage,
            100.0 * threshold.accuracy
        ),
    };
    let error = calibration.expected_error;
    format!("## Calibration\n\n{temperature} Expected calibration error on the test part: {error:.3}. {threshold}\n")
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().join("\n")
}

/// An interval in a cell.
fn ends(interval: &Interval) -> String {
    match interval.low.is_nan() {
        true => "–".into(),
        false => format!("{:.3} to {:.3}", interval.low, interval.high),
    }
}
