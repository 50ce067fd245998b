use crate::axis::with_thousands;
use crate::{Column, CountSeries, Error, Page, Panel, Spectrogram, class_counts, histogram, time_panels};

/// Holds what a page about corpora shows before anything is trained.
#[derive(Debug, Clone, Copy)]
pub struct CorpusTour<'a> {
    /// The page's title.
    pub title: &'a str,
    /// What the readers and the decoder warned of.
    pub warnings: &'a [String],
    /// One a corpus.
    pub corpora: &'a [CorpusSummary<'a>],
    /// The emotions.
    pub emotions: &'a [&'a str],
    /// Clips by emotion, one series a corpus.
    pub counts: &'a [CountSeries<'a>],
    /// Sample rates in hertz, and how many clips have each.
    pub sample_rates: &'a [(u32, u64)],
    /// What was measured of each clip, such as durations and levels.
    pub distributions: &'a [Distribution<'a>],
    /// One clip an emotion.
    pub examples: &'a [EmotionExample<'a>],
}

/// Holds the outline of one corpus.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CorpusSummary<'a> {
    /// Its name.
    pub name: &'a str,
    /// How many clips it has.
    pub clips: u64,
    /// How many speakers, or `None` if it does not name them.
    pub speakers: Option<u64>,
    /// How long all clips are together, in seconds.
    pub seconds: f64,
}

/// Holds one number a clip.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distribution<'a> {
    /// What it is, such as "Duration".
    pub name: &'a str,
    /// The axis with its unit, such as "Duration (s)".
    pub label: &'a str,
    /// The numbers.
    pub values: &'a [f64],
}

/// Holds a clip that stands for an emotion.
#[derive(Debug, Clone, Copy)]
pub struct EmotionExample<'a> {
    /// The emotion.
    pub emotion: &'a str,
    /// The clip's name.
    pub clip: &'a str,
    /// Its samples; full scale is 1.
    pub samples: &'a [f32],
    /// Samples a second.
    pub sample_rate: u32,
    /// Its levels.
    pub spectrogram: Spectrogram<'a>,
    /// The recording, if the reader may hear it.
    pub wav: Option<&'a [u8]>,
}

impl CorpusTour<'_> {
    /// Lays this out as a page.
    ///
    /// # Errors
    ///
    /// If a figure cannot be drawn: a number that is not finite or out of range, or lists that do not fit together.
    pub fn to_page(&self) -> Result<Page, Error> {
        let mut page = Page::new(self.title);
        let clips: u64 = self.corpora.iter().map(|corpus| corpus.clips).sum();
        let hours = self.corpora.iter().map(|corpus| corpus.seconds).sum::<f64>() / 3600.0;
        page.paragraph(&format!("{} clips, {hours:.2} hours.", with_thousands(clips as f64, 0)));

        page.section("Corpora");
        let rows: Vec<Vec<String>> = self
            .corpora
            .iter()
            .map(|corpus| {
                let speakers = corpus.speakers.map_or("not named".into(), |speakers| speakers.to_string());
                let mean = if corpus.clips == 0 { 0.0 } else { corpus.seconds / corpus.clips as f64 };
                let clips = with_thousands(corpus.clips as f64, 0);
                vec![
                    corpus.name.into(),
                    clips,
                    speakers,
                    format!("{:.2}", corpus.seconds / 3600.0),
                    format!("{mean:.2}"),
                ]
            })
            .collect();
        let numbers = ["Clips", "Speakers", "Hours", "Mean duration (s)"].map(Column::number);
        let columns: Vec<Column> = [Column::text("Corpus")].into_iter().chain(numbers).collect();
        page.table("Corpora", &columns, &rows)?;
        // As many as can be told apart.
        for counts in self.counts.chunks(8) {
            let figure = class_counts("Clips by emotion", "Clips", self.emotions, counts)?;
            page.figure(&figure, "Clips by emotion and corpus.");
        }

        page.section("Recordings");
        let rows: Vec<Vec<String>> = self
            .sample_rates
            .iter()
            .map(|&(rate, clips)| vec![with_thousands(rate.into(), 0), with_thousands(clips as f64, 0)])
            .collect();
        page.table("Sample rates", &[Column::number("Sample rate (Hz)"), Column::number("Clips")], &rows)?;
        for distribution in self.distributions {
            let figure = histogram(distribution.name, distribution.label, distribution.values)?;
            page.figure(&figure, &format!("{}: {}", distribution.name, figure.description()));
        }

        page.section("Warnings");
        if self.warnings.is_empty() {
            page.paragraph("None.");
        }
        page.list(self.warnings);

        page.section("Emotions");
        for example in self.examples {
            page.subsection(example.emotion);
            let panels = [
                Panel::Waveform { label: "Waveform", samples: example.samples, sample_rate: example.sample_rate },
                Panel::Spectrogram { label: "Spectrogram", spectrogram: example.spectrogram },
            ];
            page.figure(&time_panels(example.emotion, &panels)?, &format!("{}: {}", example.emotion, example.clip));
            if let Some(wav) = example.wav {
                page.audio(&format!("{}: listen to {}", example.emotion, example.clip), wav);
            }
        }
        Ok(page)
    }
}
