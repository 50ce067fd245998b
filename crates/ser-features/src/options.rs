//! The description of a feature set.

use std::{fmt, iter};

use serde::de::value::{MapAccessDeserializer, MapDeserializer, StrDeserializer};
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::{
    BandwidthOptions, ContrastOptions, DeltaOptions, Error, FlatnessOptions, Functional, KaldiFbankOptions,
    KaldiMfccOptions, MelOptions, PadMode, PyinOptions, RolloffOptions, Window, YinOptions,
};

/// Describes a feature set: the frames, what is computed for each of them in which order, and what becomes of it.
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
///
/// Where a file holds this as a value, a preset's name may stand in its place, as in `features = "paper"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, remote = "Self")]
pub struct FeatureOptions {
    /// Sample rate that the samples must have, in hertz, 1 or more. Default 16,000.
    pub sample_rate: u32,
    /// Length of the transform, and of the frames of zero-crossing rate and RMS, in samples, 1 to 2²⁰. Default 512.
    pub n_fft: usize,
    /// Length of the window in samples, 1 to `n_fft`. Default 400.
    pub win_length: usize,
    /// Distance of two frames in samples, 1 to 2²⁰. Default 160.
    pub hop_length: usize,
    /// Window function. Default `hann`.
    pub window: Window,
    /// Whether frame `t` is centred on sample `t * hop_length` (of the padded signal) or starts there. Default true.
    pub center: bool,
    /// What the centred frames of the transform hold beyond the signal. Default `zero`. (RMS and F0 have zeros there,
    /// the zero-crossing rate repeats the last sample, as in librosa.)
    pub pad_mode: PadMode,
    /// The coefficient of [`preemphasis`](crate::preemphasis), 0 to 1, if the signal is filtered first. Default `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pre_emphasis: Option<f32>,
    /// What is computed, in the order of the columns; one or more, each kind once.
    pub features: Vec<Feature>,
    /// Time derivatives that follow those columns: all of them for the first item, then for the second. Their columns begin
    /// with `delta_` (order 1), `delta2_` …, and with the width where several are of one order: `delta_w25_`. Default none.
    pub deltas: Vec<DeltaOptions>,
    /// Functionals over time that make one row of the frames; without any the frames stay. Default none.
    pub functionals: Vec<Functional>,
}

impl FeatureOptions {
    /// The names of the presets.
    pub const PRESETS: [&str; 5] = ["paper", "log-mel-80", "log-mel-128", "mfcc-39", "spectrogram"];

    /// Gives a preset by its name:
    ///
    /// | name | hertz | columns | streams |
    /// | --- | --- | --- | --- |
    /// | `paper` | 22,050 | [`FeatureOptions::paper`] | no |
    /// | `log-mel-80` | 16,000 | 80 log-mel bands, librosa's default but for `top_db`: 25 ms windows, every 10 ms, `n_fft` 512 | yes |
    /// | `log-mel-128` | 16,000 | the same with 128 bands | yes |
    /// | `mfcc-39` | 22,050 | TIM-Net's 39 MFCC (Ye et al. 2023): 50 ms Hamming windows every 12.5 ms, `n_fft` 2048, 128 bands, `top_db` 80 | no |
    /// | `spectrogram` | 16,000 | after Badshah et al. 2017: 257 bins in decibels, `top_db` 80, 25 ms Hamming windows every 10 ms, `n_fft` 512 | no |
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] for another name.
    pub fn preset(name: &str) -> Result<Self, Error> {
        let log_mel = |n_mels| Self {
            features: vec![Feature::LogMel(LogMelOptions {
                mel: MelOptions { n_mels, ..MelOptions::default() },
                top_db: None,
            })],
            ..Self::default()
        };
        match name {
            "paper" => Ok(Self::paper()),
            "log-mel-80" => Ok(log_mel(80)),
            "log-mel-128" => Ok(log_mel(128)),
            "mfcc-39" => Ok(Self {
                sample_rate: 22_050,
                n_fft: 2048,
                // 1102.5 and 275.6 samples.
                win_length: 1102,
                hop_length: 276,
                window: Window::Hamming,
                features: vec![Feature::Mfcc(MfccOptions { n_mfcc: 39, ..MfccOptions::default() })],
                ..Self::default()
            }),
            "spectrogram" => Ok(Self {
                window: Window::Hamming,
                features: vec![Feature::Spectrogram(SpectrogramOptions::default())],
                ..Self::default()
            }),
            _ => Err(Error::option("preset", name, format!("one of {}", Self::PRESETS.join(", ")))),
        }
    }

    /// Describes the features of Zahoor & Kaur's speech emotion recogniser with librosa's defaults.
    ///
    /// 22,050 Hz, 2048 / 512, centred: zero-crossing rate, RMS and 20 MFCC, 22 columns.
    pub fn paper() -> Self {
        Self {
            sample_rate: 22_050,
            n_fft: 2048,
            win_length: 2048,
            hop_length: 512,
            features: vec![Feature::ZeroCrossingRate, Feature::Rms, Feature::Mfcc(MfccOptions::default())],
            ..Self::default()
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
            window: Window::Hann,
            center: true,
            pad_mode: PadMode::Zero,
            pre_emphasis: None,
            features: vec![Feature::LogMel(LogMelOptions {
                mel: MelOptions { n_mels: 64, fmin: 50.0, fmax: Some(8000.0), ..MelOptions::default() },
                ..LogMelOptions::default()
            })],
            deltas: Vec::new(),
            functionals: Vec::new(),
        }
    }
}

impl Serialize for FeatureOptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for FeatureOptions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PresetOrTable;

        impl<'de> Visitor<'de> for PresetOrTable {
            type Value = FeatureOptions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of feature options or a preset's name")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<FeatureOptions, E> {
                FeatureOptions::preset(name).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<FeatureOptions, A::Error> {
                FeatureOptions::deserialize(MapAccessDeserializer::new(table))
            }
        }

        deserializer.deserialize_any(PresetOrTable)
    }
}

/// Names one kind of feature.
///
/// In a file, a kind whose options all have their defaults may be given by its name alone, as in `["rms", "mfcc"]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", remote = "Self")]
#[non_exhaustive]
pub enum Feature {
    /// Sign changes divided by the frame length: column `zcr`, 0 to 1.
    ZeroCrossingRate,
    /// Root mean square: column `rms`, 0 or more.
    Rms,
    /// Mel-frequency cepstral coefficients: columns `mfcc_0`, `mfcc_1` …
    Mfcc(MfccOptions),
    /// Mel bands in decibels: columns `log_mel_0`, `log_mel_1` …
    LogMel(LogMelOptions),
    /// Power in mel bands: columns `mel_0`, `mel_1` …
    Mel(MelOptions),
    /// Every frequency bin: columns `bin_0`, `bin_1` …
    Spectrogram(SpectrogramOptions),
    /// Centre of gravity of the magnitudes: column `spectral_centroid`, in hertz.
    SpectralCentroid,
    /// Spread of the magnitudes around it: column `spectral_bandwidth`, in hertz.
    SpectralBandwidth(BandwidthOptions),
    /// Frequency below which most of the magnitude lies: column `spectral_rolloff`, in hertz.
    SpectralRolloff(RolloffOptions),
    /// Geometric over arithmetic mean of the power: column `spectral_flatness`, 0 to 1.
    SpectralFlatness(FlatnessOptions),
    /// Peaks over valleys in octave bands: columns `spectral_contrast_0` …, in decibels. (librosa limits the peaks' and
    /// valleys' decibels by `top_db` 80 over the whole clip; here nothing does.)
    SpectralContrast(ContrastOptions),
    /// Fundamental frequency by YIN: column `f0`, in hertz, with a guess where there is none.
    F0(YinOptions),
    /// Fundamental frequency by pYIN: columns `pyin_f0`, in hertz, 0 in unvoiced frames, and `pyin_voiced_probability`, 0 to 1.
    Pyin(PyinOptions),
    /// Pitch by pYIN without gaps, for deltas and functionals ([`Pyin::contour`](crate::Pyin::contour)): columns `pitch_contour`, in
    /// semitones above 27.5 Hz, and `pitch_voiced_probability`, 0 to 1.
    PitchContour(PyinOptions),
    /// Kaldi's log-mel bands, alone in their set: columns `kaldi_fbank_0` …. Their frames are Kaldi's, of `win_length` and
    /// `hop_length` samples; `n_fft` must be the next power of two, and `window`, `center` and `pad_mode` their defaults.
    KaldiFbank(KaldiFbankOptions),
    /// Kaldi's MFCC, alone in their set: columns `kaldi_mfcc_0` …. Their frames are as those of `kaldi-fbank`.
    KaldiMfcc(KaldiMfccOptions),
}

impl Serialize for Feature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Feature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrTable;

        impl<'de> Visitor<'de> for NameOrTable {
            type Value = Feature;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a feature's name or a table of its name and options")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Feature, E> {
                let no_options = || MapDeserializer::<_, E>::new(iter::empty::<(&str, &str)>());
                let table = MapDeserializer::new(iter::once((name, MapAccessDeserializer::new(no_options()))));
                Feature::deserialize(StrDeserializer::<E>::new(name))
                    .or_else(|_| Feature::deserialize(MapAccessDeserializer::new(table)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Feature, A::Error> {
                let feature = Feature::deserialize(MapAccessDeserializer::new(&mut table))?;
                match table.next_key::<String>()? {
                    None => Ok(feature),
                    Some(key) => Err(de::Error::custom(format!(
                        "a feature's table has one key, its name, and not {key} beside it: options belong inside"
                    ))),
                }
            }
        }

        deserializer.deserialize_any(NameOrTable)
    }
}

/// Describes mel-frequency cepstral coefficients. The default is that of `librosa.feature.mfcc`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MfccOptions {
    /// Number of coefficients, 1 to `n_mels`. Default 20.
    pub n_mfcc: usize,
    /// Cepstral lifter: coefficient `k` is multiplied with `1 + lifter/2 sin(π (k + 1) / lifter)`; 0, the default, is none.
    pub lifter: f32,
    /// The mel bands that they are computed from; in a file their options stand beside these.
    #[serde(flatten)]
    pub mel: MelOptions,
    /// Decibels below the clip's loudest band that are kept, `"none"` in a file for all. Default 80.
    #[serde(with = "top_db")]
    pub top_db: Option<f32>,
}

impl Default for MfccOptions {
    fn default() -> Self {
        Self { n_mfcc: 20, lifter: 0.0, mel: MelOptions::default(), top_db: Some(80.0) }
    }
}

/// Describes mel bands in decibels. The default is that of `librosa.feature.melspectrogram` and `power_to_db`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogMelOptions {
    /// The bands; in a file their options stand beside this one.
    #[serde(flatten)]
    pub mel: MelOptions,
    /// Decibels below the clip's loudest band that are kept, `"none"` in a file for all. Default 80.
    #[serde(with = "top_db")]
    pub top_db: Option<f32>,
}

impl Default for LogMelOptions {
    fn default() -> Self {
        Self { mel: MelOptions::default(), top_db: Some(80.0) }
    }
}

/// Describes a spectrogram. The default is that of `librosa.power_to_db` of the power.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpectrogramOptions {
    /// What the columns hold. Default `decibel`.
    pub values: SpectrumValues,
    /// Decibels below the clip's loudest bin that are kept, `"none"` in a file for all; of no effect on other values. Default 80.
    #[serde(with = "top_db")]
    pub top_db: Option<f32>,
}

impl Default for SpectrogramOptions {
    fn default() -> Self {
        Self { values: SpectrumValues::Decibel, top_db: Some(80.0) }
    }
}

/// Says what a spectrogram holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpectrumValues {
    /// Absolute values.
    Magnitude,
    /// Their squares.
    Power,
    /// `10 log10(max(power, 1e-10))`.
    Decibel,
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
