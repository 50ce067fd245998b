//! Figures and pages for speech emotion recognition: numbers in, bytes out.
//!
//! - [`Figure`]: a drawing with a title and a description in words; an SVG file, a PNG file (feature `png`, on by default), or a
//!   part of a page. Nothing of the system's fonts or libraries is needed.
//! - Over time: [`waveform`], [`spectrogram`], and [`time_panels`], which stand one above another.
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
mod colour;
mod error;
mod figure;
mod mel;
mod page;
mod raster;
#[cfg(feature = "png")]
mod rendering;
mod svg;
mod time;

pub use error::Error;
pub use figure::Figure;
pub use mel::MelScale;
pub use page::{Column, Page};
pub use time::{Bins, Panel, Spectrogram, spectrogram, time_panels, waveform};
