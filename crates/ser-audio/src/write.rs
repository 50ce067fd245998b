use std::fs::{self, File};
use std::io::{BufWriter, Cursor, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use hound::{SampleFormat, WavSpec, WavWriter};
use serde::{Deserialize, Serialize};

use crate::{Error, Waveform};

/// The header that hound writes is at most this long.
const HEADER_LEN: u64 = 128;

/// Says how the samples of a WAV are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WavFormat {
    /// 16-bit integers: `round(32,768 · x)`, clipped to what fits.
    #[default]
    Int16,
    /// 24-bit integers: `round(8,388,608 · x)`, clipped to what fits.
    Int24,
    /// 32-bit floating point: the samples themselves.
    Float32,
}

impl WavFormat {
    fn spec(self, sample_rate: u32) -> WavSpec {
        let (bits_per_sample, sample_format) = match self {
            Self::Int16 => (16, SampleFormat::Int),
            Self::Int24 => (24, SampleFormat::Int),
            Self::Float32 => (32, SampleFormat::Float),
        };
        WavSpec { channels: 1, sample_rate, bits_per_sample, sample_format }
    }
}

impl Waveform {
    /// Writes a mono WAV, whole or not at all: a file beside it is written first and then takes its name.
    ///
    /// Returns how many samples lay beyond ±1 and were clipped; floating point clips none. Nothing is dithered.
    ///
    /// ```
    /// use ser_audio::{WavFormat, Waveform};
    ///
    /// let folder = std::env::temp_dir();
    /// let path = folder.join(format!("ser-audio-{}.wav", std::process::id()));
    /// let waveform = Waveform::new(vec![0.5, -0.25, 1.5], 16_000)?;
    /// assert_eq!(waveform.write_wav(&path, WavFormat::Int16)?, 1);
    /// assert_eq!(Waveform::from_file(&path)?.samples(), [0.5, -0.25, 32_767.0 / 32_768.0]);
    /// # std::fs::remove_file(path).ok();
    /// # Ok::<(), ser_audio::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if the folder or the disk does not allow it, or if the file would have 4 GiB or more.
    pub fn write_wav(&self, path: impl AsRef<Path>, format: WavFormat) -> Result<usize, Error> {
        let path = path.as_ref();
        let unfinished = beside(path);
        let write = || -> Result<usize, Box<dyn std::error::Error + Send + Sync>> {
            let mut file = BufWriter::new(File::create_new(&unfinished)?);
            let clipped = self.encode(&mut file, format)?;
            file.into_inner()?.sync_all()?;
            fs::rename(&unfinished, path)?;
            Ok(clipped)
        };
        write().map_err(|source| {
            // Nothing is left behind; if it cannot be removed either, the first error says more.
            let _ = fs::remove_file(&unfinished);
            Error::Write { path: path.to_owned(), source }
        })
    }

    /// Gives the bytes of a mono WAV; see [`Waveform::write_wav`].
    ///
    /// # Errors
    ///
    /// [`Error::Write`], without a path, if there would be 4 GiB or more.
    pub fn to_wav(&self, format: WavFormat) -> Result<Vec<u8>, Error> {
        let mut bytes = Cursor::new(Vec::new());
        self.encode(&mut bytes, format).map_err(|source| Error::Write { path: PathBuf::new(), source })?;
        Ok(bytes.into_inner())
    }

    fn encode(
        &self,
        target: impl Write + Seek,
        format: WavFormat,
    ) -> Result<usize, Box<dyn std::error::Error + Send + Sync>> {
        let spec = format.spec(self.sample_rate);
        let len = self.samples.len() as u64 * u64::from(spec.bits_per_sample / 8);
        if len + HEADER_LEN > u64::from(u32::MAX) {
            return Err(format!("a WAV cannot hold {len} bytes of samples").into());
        }
        let mut writer = WavWriter::new(target, spec)?;
        let full_scale = 2_f64.powi(i32::from(spec.bits_per_sample) - 1);
        let mut clipped = 0;
        for &sample in &self.samples {
            if format == WavFormat::Float32 {
                writer.write_sample(sample)?;
                continue;
            }
            clipped += usize::from(sample.abs() > 1.0);
            let scaled = f64::from(sample) * full_scale;
            // What is cut off towards zero after half a step more is rounded: `round` is a call for each sample.
            let rounded = (scaled + 0.5_f64.copysign(scaled)).clamp(-full_scale, full_scale - 1.0);
            writer.write_sample(rounded as i32)?;
        }
        writer.finalize()?;
        Ok(clipped)
    }
}

/// A name in the same folder that no other writer uses.
fn beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{}.part", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    path.with_file_name(name)
}
