use crate::Trained;
use ser_inference::{Input, PartRecord};
use ser_metrics::Interval;
use std::collections::BTreeSet;
use std::fmt::Write;

impl Trained {
    /// Describes the model as a card (Mitchell et al. 2019, arXiv 1810.03993) in Markdown: what it is for, what it was trained
    /// on, how it scored on whom, and what it must not be used for. Its numbers are those of `report.json`.
    pub fn model_card(&self) -> String {
        let manifest = self.manifest();
        let provenance = &manifest.provenance;
        let evaluation = self.evaluation();
        let (report, statistics) = (evaluation.report(), evaluation.statistics());
        let emotions = manifest.labels.names().join(", ");
        let license = if provenance.license.is_empty() {
            "Not stated in the configuration (`license`). It follows from the licences of the recordings."
        } else {
            &provenance.license
        };
        let mut input = match &manifest.input {
            Input::Audio { features, .. } => {
                format!("speech at any sample rate, of which features are taken at {} Hz", features.sample_rate)
            }
            Input::Imported(imported) => {
                format!("features of another tool: {} ({} bins)", imported.name, imported.n_bins)
            }
        };
        if !manifest.fused.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(input, ", by {} systems whose probabilities are averaged", 1 + manifest.fused.len());
        }
        let mut card = format!(
            "# Model card\n\n\
             Recognises one of {} emotions ({emotions}) in a recording; input: {input}.\n\n\
             ## Intended use\n\n\
             Research, teaching, and prototypes in which a wrong answer harms nobody and the speakers know that their voices are \
             analysed. It describes how an utterance sounds to listeners, not what the speaker feels.\n\n\
             ## Training data\n\n\
             | part | corpora | speakers | recordings |\n| --- | --- | --- | --- |\n",
            manifest.labels.len()
        );
        let mut line = |name: &str, part: &PartRecord| {
            // Writing to a String cannot fail.
            let _ = writeln!(card, "| {name} | {} | {} | {} |", corpora(part), part.speakers.len(), part.clips.len());
        };
        line("training", &provenance.train);
        let is_validated = !provenance.valid.clips.is_empty();
        line(
            match is_validated {
                true => "validation (epoch, temperature, threshold)",
                false => "validation: none, the last epoch counts",
            },
            &provenance.valid,
        );
        let _ = write!(
            card,
            "| test (scored once) | | {} | {} |\n\n\
             Licence of the weights: {license}\n\n\
             ## Protocol and scores\n\n\
             Protocol `{}`, split seed {}, training seed {}: {}. Scored: {}. Nothing was chosen on the test part. Intervals are \
             95 % percentile bootstrap intervals over {} speakers{}.\n\n\
             | score | value | 95 % interval |\n| --- | --- | --- |\n",
            provenance.test.speakers,
            provenance.test.clips,
            provenance.protocol,
            provenance.split_seed,
            provenance.seed,
            provenance.guard,
            evaluation.scope(),
            statistics.units,
            statistics.interval_note().map(|note| format!(" ({note})")).unwrap_or_default()
        );
        for (name, score) in [
            ("unweighted average recall (UAR)", statistics.uar),
            ("accuracy (WA)", statistics.accuracy),
            ("macro F1", statistics.macro_f1),
        ] {
            let _ = writeln!(card, "| {name} | {:.3} | {} |", score.estimate, ends(&score));
        }
        let _ = write!(
            card,
            "\nChance is {:.3}. By class:\n\n| class | precision | recall | F1 | clips |\n| --- | --- | --- | --- | --- |\n",
            1.0 / manifest.labels.len() as f64
        );
        for (name, scores) in &report.classes {
            let _ = writeln!(
                card,
                "| {name} | {:.3} | {:.3} | {:.3} | {} |",
                scores.precision, scores.recall, scores.f1, scores.support
            );
        }

        card.push_str("\n## Groups\n\n");
        let tables: Vec<_> = statistics.groups.iter().filter(|table| table.by != "speaker").collect();
        if tables.is_empty() {
            card.push_str("The test part has but one group of each kind, or the corpora name none: nothing is known about gaps.\n");
        } else {
            card.push_str(
                "| by | group | UAR | 95 % interval | clips | speakers |\n| --- | --- | --- | --- | --- | --- |\n",
            );
        }
        for table in &tables {
            for group in &table.uar.groups {
                let note = if group.too_small { " (too few to say)" } else { "" };
                let _ = writeln!(
                    card,
                    "| {} | {}{note} | {:.3} | {} | {} | {} |",
                    table.by,
                    group.name,
                    group.metric.estimate,
                    ends(&group.metric),
                    group.samples,
                    group.units
                );
            }
        }
        let calibration = &statistics.calibration;
        let _ = write!(
            card,
            "\n## Calibration\n\n\
             {} Expected calibration error on the test part: {:.3}. {}\n\n",
            match is_validated {
                true => format!(
                    "Temperature {:.3}, fitted on the validation part; without it the expected calibration error on the test part \
                     is {:.3}.",
                    calibration.temperature, calibration.uncalibrated_expected_error
                ),
                false => "Not calibrated: there was no validation part.".into(),
            },
            calibration.expected_error,
            match calibration.threshold {
                None => "No threshold: every recording that holds sound is answered.".into(),
                Some(threshold) => format!(
                    "Answers below a confidence of {:.3} are marked as not accepted; on the test part {:.1} % were accepted, of \
                     which {:.1} % were right.",
                    threshold.confidence,
                    100.0 * threshold.coverage,
                    100.0 * threshold.accuracy
                ),
            }
        );
        card.push_str(
            "## Limits\n\n\
             - The scores hold for recordings like those above: the same languages, the same acting, the same rooms and \
             microphones. On another corpus expect far less, and measure it (`evaluate`).\n\
             - Acted emotions are stronger and clearer than those of daily life.\n\
             - Age, sex, language, accent, illness, the telephone and noise change the answer.\n\
             - Confidence is calibrated on the speakers above, if at all, not on yours.\n\n\
             ## Misuse\n\n\
             Not for decisions about people: hiring, grading, credit, insurance, policing, migration, health. Not for inferring \
             emotions of people at work or in education, which Article 5(1)(f) of the EU AI Act (Regulation (EU) 2024/1689) \
             prohibits but for medical and safety reasons. Not as a lie detector, and not without telling those who are recorded. \
             See `docs/RESPONSIBLE_USE.md`.\n",
        );
        card
    }
}

/// An interval in a cell.
fn ends(interval: &Interval) -> String {
    match interval.low.is_nan() {
        true => "–".into(),
        false => format!("{:.3} to {:.3}", interval.low, interval.high),
    }
}

/// The corpora of a part's speakers.
fn corpora(part: &PartRecord) -> String {
    let corpora: BTreeSet<&str> = part
        .speakers
        .iter()
        .map(|speaker| speaker.split_once('/').map_or(speaker.as_str(), |(corpus, _)| corpus))
        .collect();
    corpora.into_iter().collect::<Vec<_>>().join(", ")
}
