use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Serialize;

use crate::{Emotion, Utterance};

/// Counts utterances by emotion, in a row for each corpus or each speaker.
///
/// `Display` writes a table of aligned columns with a last row of totals; a column of hours is there
/// if durations were given.
///
/// ```
/// use ser_corpus::{Emotion, Summary, SummaryBy, Utterance};
///
/// let utterances = [Utterance::new("1.wav", Emotion::Sad, "calls"), Utterance::new("2.wav", Emotion::Happy, "calls")];
/// let summary = Summary::new(&utterances, SummaryBy::Corpus);
/// assert_eq!(summary.emotions, [Emotion::Happy, Emotion::Sad]);
/// assert_eq!(summary.rows[0].clips, [1, 1]);
/// println!("{summary}");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The emotions that occur, in alphabetical order: the columns.
    pub emotions: Vec<Emotion>,
    /// The rows, in order of corpus and speaker.
    pub rows: Vec<SummaryRow>,
}

/// Says what the rows of a [`Summary`] are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SummaryBy {
    /// A row for each corpus.
    Corpus,
    /// A row for each speaker of each corpus, and one for the clips of unknown speakers.
    Speaker,
}

/// Holds one row of a [`Summary`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SummaryRow {
    /// The corpus.
    pub corpus: String,
    /// The speaker; `None` in a summary by corpus, or where the speaker is not known.
    pub speaker: Option<String>,
    /// The number of speakers that are known.
    pub speakers: usize,
    /// The number of clips of each emotion, in the order of the columns.
    pub clips: Vec<usize>,
    /// The length of all clips in seconds, if the length of each is known.
    pub seconds: Option<f64>,
}

impl Summary {
    /// Counts utterances.
    pub fn new(utterances: &[Utterance], by: SummaryBy) -> Self {
        Self::with_durations(utterances, by, |_| None)
    }

    /// Counts utterances, and adds up their lengths in seconds where these are known.
    pub fn with_durations(
        utterances: &[Utterance],
        by: SummaryBy,
        seconds: impl Fn(&Utterance) -> Option<f64>,
    ) -> Self {
        let emotions: BTreeSet<_> = utterances.iter().map(|utterance| utterance.emotion).collect();
        let emotions: Vec<_> = emotions.into_iter().collect();
        let mut groups = BTreeMap::<_, Vec<_>>::new();
        for utterance in utterances {
            let speaker = match by {
                SummaryBy::Corpus => None,
                SummaryBy::Speaker => utterance.speaker.as_deref(),
            };
            groups.entry((utterance.corpus.as_str(), speaker)).or_default().push(utterance);
        }
        let rows = groups.into_iter().map(|((corpus, speaker), utterances)| {
            let speakers: BTreeSet<_> = utterances.iter().filter_map(|utterance| utterance.speaker_key()).collect();
            let clips = |emotion| utterances.iter().filter(|utterance| utterance.emotion == emotion).count();
            SummaryRow {
                corpus: corpus.into(),
                speaker: speaker.map(String::from),
                speakers: speakers.len(),
                clips: emotions.iter().copied().map(clips).collect(),
                seconds: utterances.iter().map(|utterance| seconds(utterance)).sum(),
            }
        });
        let rows = rows.collect();
        Self { emotions, rows }
    }

    fn has_durations(&self) -> bool {
        self.rows.iter().any(|row| row.seconds.is_some())
    }

    fn cells(&self, name: &str, rows: &[SummaryRow]) -> Vec<String> {
        let speakers: usize = rows.iter().map(|row| row.speakers).sum();
        let clips = |column: usize| rows.iter().map(|row| row.clips[column]).sum::<usize>();
        let mut cells = vec![name.to_string(), speakers.to_string()];
        cells.extend((0..self.emotions.len()).map(|column| clips(column).to_string()));
        cells.push((0..self.emotions.len()).map(clips).sum::<usize>().to_string());
        if self.has_durations() {
            let seconds: Option<f64> = rows.iter().map(|row| row.seconds).sum();
            cells.push(seconds.map_or("unknown".into(), |seconds| format!("{:.2}", seconds / 3600.0)));
        }
        cells
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut header = vec!["".into(), "speakers".into()];
        header.extend(self.emotions.iter().map(Emotion::to_string));
        header.push("clips".into());
        if self.has_durations() {
            header.push("hours".into());
        }
        let mut table = vec![header];
        for row in &self.rows {
            let name = match &row.speaker {
                Some(speaker) => format!("{} {speaker}", row.corpus),
                None => row.corpus.clone(),
            };
            table.push(self.cells(&name, std::slice::from_ref(row)));
        }
        table.push(self.cells("all", &self.rows));
        let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<_> = (0..table[0].len()).map(width).collect();
        for (line, row) in table.iter().enumerate() {
            if line > 0 {
                writeln!(f)?;
            }
            write!(f, "{:<1$}", row[0], widths[0])?;
            for (cell, width) in row.iter().zip(&widths).skip(1) {
                write!(f, "  {cell:>width$}")?;
            }
        }
        Ok(())
    }
}
