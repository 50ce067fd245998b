//! Audio for speech emotion recognition: any recording in, one channel of `f32` samples at a known
//! rate out.
//!
//! | module | what it does |
//! | --- | --- |
//! | `waveform` | [`Waveform`]: mono samples and their sample rate |
//! | `decode` | [`Waveform::from_file`], [`from_bytes`](Waveform::from_bytes), [`from_reader`](Waveform::from_reader): WAV, FLAC, MP3, Ogg Vorbis, AIFF and M4A, told apart by content; [`ReadOptions`]: one channel, a part, limits; [`AudioInfo`]: duration and rate without decoding |
//! | `resample` | [`Waveform::resample`] |
//! | `level` | [`Level`], [`Waveform::with_level`], [`Waveform::without_dc`] |
//! | `silence` | [`Waveform::trim_range`], [`Waveform::split_ranges`]: silence by level, as librosa has it |
//! | `voice_activity` | [`Waveform::voice_ranges`]: soft speech in noise |
//! | `denoise` | [`Waveform::denoise`]: spectral gating |
//! | `length` | [`Waveform::with_length`]: crop, centre, pad, repeat |
//! | `prepare` | [`Waveform::prepare`]: all of these in order, with [`Warning`]s about clipping and silence |
//! | `write` | [`Waveform::write_wav`], whole or not at all |
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

//! # Bad inputs
//!
//! What is wrong with a recording is said in one line, the file's name before it, and never in a panic:
//!
#![doc = include_str!("../BAD_INPUTS.md")]
#![forbid(unsafe_code)]

mod decode;
mod denoise;
mod error;
mod length;
mod level;
mod prepare;
mod resample;
mod silence;
mod spectrum;
mod voice_activity;
mod waveform;
mod write;

pub use decode::{AudioInfo, Channel, Format, ReadOptions, Truncated};
pub use denoise::DenoiseOptions;
pub use error::Error;
pub use length::{Crop, Fill, LengthOptions};
pub use level::Level;
pub use prepare::{PrepareOptions, Prepared, SilenceRemoval, Warning};
pub use silence::SilenceOptions;
pub use voice_activity::VoiceActivityOptions;
pub use waveform::Waveform;
pub use write::WavFormat;
