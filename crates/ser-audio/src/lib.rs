//! Audio for speech emotion recognition: any recording in, one channel of `f32` samples at a known
//! rate out.
//!
//! | module | what it does |
//! | --- | --- |
//! | `waveform` | [`Waveform`]: mono samples and their sample rate |
//! | `decode` | [`Waveform::from_file`], [`Waveform::from_bytes`]: WAV, FLAC, MP3 and AIFF, told apart by content |
//! | `resample` | [`Waveform::resample`] |
//! | `level` | [`Level`], [`Waveform::with_level`] |
//! | `error` | [`Error`] |
//!
//! The feature `formats` (on by default) reads everything but plain WAV. It builds on symphonia,
//! whose licence is MPL-2.0; without it, such a file is refused with [`Error::FormatsDisabled`].
//!
//! ```
//! use ser_audio::{Level, Waveform};
//!
//! # #[cfg(not(feature = "formats"))]
//! # fn main() {}
//! # #[cfg(feature = "formats")]
//! # fn main() -> Result<(), ser_audio::Error> {
//! # let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/assets");
//! # let path = folder.join("stereo.mp3");
//! let waveform = Waveform::from_file(path)?
//!     .resample(16_000)?
//!     .with_level(Level::Peak);
//! assert_eq!(waveform.sample_rate(), 16_000);
//! assert_eq!(waveform.peak(), 1.0);
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod decode;
mod error;
mod level;
mod resample;
mod waveform;

pub use error::Error;
pub use level::Level;
pub use waveform::Waveform;
