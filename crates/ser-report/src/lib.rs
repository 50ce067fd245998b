//! Figures and pages for speech emotion recognition: numbers in, bytes out.
//!
//! - [`Figure`]: a drawing with a title and a description in words; an SVG file, a PNG file (feature `png`, on by default), or a
//!   part of a page. Nothing of the system's fonts or libraries is needed.
//! - Over time: [`waveform`], [`spectrogram`], and [`time_panels`], which stand one above another.
//! - Of data and results: [`class_counts`], [`confusion_matrix`], [`training_curves`], [`reliability_diagram`], [`risk_coverage`],
//!   [`group_scores`], [`histogram`], [`embedding_map`] (of [`principal_components`]), [`search_results`].
//! - [`RunReport`] and [`CorpusTour`]: the pages of a training or evaluation run, and of a look at corpora.
//! - [`Page`]: one self-contained HTML page with tables, figures and players.
//!
//! Colours are Okabe and Ito's, which colour-blind readers tell apart, and viridis; lines differ in their dashes too.
//!
//! ```
//! use ser_report::{Page, waveform};
//!
//! let samples: Vec<f32> = (0..8000).map(|n| (0.05 * n as f32).sin()).collect();
//! let figure = waveform("A tone", &samples, 16_000)?;
//! let mut page = Page::new("One tone");
//! page.figure(&figure, "A tone of half a second");
//! assert!(page.to_html().contains("largest amplitude 1.000"));
//! # Ok::<(), ser_report::Error>(())
//! ```
#![forbid(unsafe_code)]

mod axis;
mod bars;
mod calibration;
mod chart;
mod colour;
mod confusion;
mod error;
mod figure;
mod histogram;
mod mel;
mod page;
mod raster;
#[cfg(feature = "png")]
mod rendering;
mod run;
mod scatter;
mod spectrogram;
mod svg;
mod time;
mod tour;
mod training;

pub use bars::{CountSeries, GroupScore, class_counts, group_scores};
pub use calibration::{ReliabilityBin, reliability_diagram, risk_coverage};
pub use confusion::confusion_matrix;
pub use error::Error;
pub use figure::Figure;
pub use histogram::histogram;
pub use mel::MelScale;
pub use page::{Column, Page};
pub use run::{Calibration, Groups, Listening, Mistake, RunReport, Score};
pub use scatter::{EmbeddingMap, embedding_map, principal_components};
pub use spectrogram::{Bins, Spectrogram};
pub use time::{Panel, spectrogram, time_panels, waveform};
pub use tour::{CorpusSummary, CorpusTour, Distribution, EmotionExample};
pub use training::{Curve, TrainingCurves, Trial, search_results, training_curves};
