//! The description of a feature set.

use serde::{Deserialize, Serialize};

/// Describes a feature set: the frames and what is computed for each of them, in which order.
///
/// The default is a log-mel set for 16 kHz: 25 ms windows every 10 ms, 64 bands from 50 to 8,000 Hz, `top_db` 80.
/// As TOML:
///
/// ```
/// let options: ser_features::FeatureOptions = toml::from_str(
///     r#"
///     sample_rate = 22050
///     n_fft = 2048
///     win_length = 2048
///     hop_length = 512
///     features = ["zero-crossing-rate", "rms", { mfcc = { n_mfcc = 20 } }]
///     "#,
/// )?;
/// assert_eq!(options, ser_features::FeatureOptions::paper());
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeatureOptions {
    /// Sample rate that the samples must have, in hertz, 1 or more. Default 16,000.
    pub sample_rate: u32,
    /// Length of the transform, and of the frames of zero-crossing rate and RMS, in samples, 1 to 2²⁰. Default 512.
    pub n_fft: usize,
    /// Length of the Hann window in samples, 1 to `n_fft`. Default 400.
    pub win_length: usize,
    /// Distance of two frames in samples, 1 to 2²⁰. Default 160.
    pub hop_length: usize,
    /// Whether frame `t` is centred on sample `t * hop_length` (of the padded signal) or starts there. Default true.
    pub center: bool,
    /// What is computed, in the order of the columns; one or more, each kind once.
    pub features: Vec<Feature>,
}

impl FeatureOptions {
    /// Describes the features of Zahoor & Kaur's speech emotion recogniser with librosa's defaults.
    ///
    /// 22,050 Hz, 2048 / 512, centred: zero-crossing rate, RMS and 20 MFCC, 22 columns.
    pub fn paper() -> Self {
        Self {
            sample_rate: 22_050,
            n_fft: 2048,
            win_length: 2048,
            hop_length: 512,
            center: true,
            features: vec![Feature::ZeroCrossingRate, Feature::Rms, Feature::Mfcc(MfccOptions::default())],
        }
    }
}

impl Default for FeatureOptions {
    fn default() -> Self {
        Self {
            sample_rate: 16_000,
            n_fft: 512,
            win_length: 400,
            hop_length: 160,
            center: true,
            features: vec![Feature::LogMel(LogMelOptions {
                n_mels: 64,
                fmin: 50.0,
                fmax: Some(8000.0),
                ..LogMelOptions::default()
            })],
        }
    }
}

/// Names one kind of feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Feature {
    /// Sign changes divided by the frame length: column `zcr`, 0 to 1.
    ZeroCrossingRate,
    /// Root mean square: column `rms`, 0 or more.
    Rms,
    /// Mel-frequency cepstral coefficients: columns `mfcc_0`, `mfcc_1` …
    Mfcc(MfccOptions),
    /// Mel bands in decibels: columns `mel_0`, `mel_1` …
    LogMel(LogMelOptions),
}

impl Feature {
    /// Names the feature's columns.
    pub(crate) fn columns(&self) -> Vec<String> {
        match self {
            Self::ZeroCrossingRate => vec!["zcr".into()],
            Self::Rms => vec!["rms".into()],
            Self::Mfcc(options) => (0..options.n_mfcc).map(|index| format!("mfcc_{index}")).collect(),
            Self::LogMel(options) => (0..options.n_mels).map(|index| format!("mel_{index}")).collect(),
        }
    }
}

/// Describes mel-frequency cepstral coefficients. The default is that of `librosa.feature.mfcc`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MfccOptions {
    /// Number of coefficients, 1 to `n_mels`. Default 20.
    pub n_mfcc: usize,
    /// Number of mel bands that they are computed from. Default 128.
    pub n_mels: usize,
    /// Lower edge of the lowest band in hertz. Default 0.
    pub fmin: f32,
    /// Upper edge of the highest band in hertz; `None` is half the sample rate. Default `None`.
    pub fmax: Option<f32>,
    /// Decibels below the clip's loudest band that are kept, `"none"` in a file for all. Default 80.
    #[serde(with = "top_db")]
    pub top_db: Option<f32>,
}

impl Default for MfccOptions {
    fn default() -> Self {
        let LogMelOptions { n_mels, fmin, fmax, top_db } = LogMelOptions::default();
        Self { n_mfcc: 20, n_mels, fmin, fmax, top_db }
    }
}

/// Describes mel bands in decibels. The default is that of `librosa.feature.melspectrogram` and `power_to_db`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogMelOptions {
    /// Number of mel bands. Default 128.
    pub n_mels: usize,
    /// Lower edge of the lowest band in hertz. Default 0.
    pub fmin: f32,
    /// Upper edge of the highest band in hertz; `None` is half the sample rate. Default `None`.
    pub fmax: Option<f32>,
    /// Decibels below the clip's loudest band that are kept, `"none"` in a file for all. Default 80.
    #[serde(with = "top_db")]
    pub top_db: Option<f32>,
}

impl Default for LogMelOptions {
    fn default() -> Self {
        Self { n_mels: 128, fmin: 0.0, fmax: None, top_db: Some(80.0) }
    }
}

/// Writes `None` as `"none"`: TOML has no null, and a missing field is the default, 80.
mod top_db {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum TopDb {
        Decibels(f32),
        Unlimited(Unlimited),
    }

    #[derive(Serialize, Deserialize)]
    enum Unlimited {
        #[serde(rename = "none")]
        Unlimited,
    }

    pub(super) fn serialize<S: Serializer>(top_db: &Option<f32>, serializer: S) -> Result<S::Ok, S::Error> {
        top_db.map_or(TopDb::Unlimited(Unlimited::Unlimited), TopDb::Decibels).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f32>, D::Error> {
        Ok(match TopDb::deserialize(deserializer)? {
            TopDb::Decibels(decibels) => Some(decibels),
            TopDb::Unlimited(_) => None,
        })
    }
}
