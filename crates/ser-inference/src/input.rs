use crate::Error;
use ser_audio::{Level, SilenceRemoval};
use ser_features::{FeatureOptions, NormalizerOptions};
use serde::{Deserialize, Serialize};

/// What a model takes: audio, from which features are extracted, or features of another tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub enum Input {
    /// Audio at any rate.
    Audio {
        /// The silence that is removed before the level is set.
        silence: SilenceRemoval,
        /// The level that waveforms are brought to.
        level: Level,
        /// The features and the sample rate that they are taken at.
        features: FeatureOptions,
    },
    /// Features that another tool extracted, one `.npy` file a recording.
    Imported(ImportedFeatures),
}

/// Features that another tool extracted, such as embeddings or openSMILE's descriptors: see
/// [`Recording::from_file`](crate::Recording::from_file) for the files.
///
/// The rules that need audio, silence and the least duration, do not apply to them: every prediction is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportedFeatures {
    /// What they are, in the user's words, such as `wavlm-base`; only people read it.
    pub name: String,
    /// The number of bins of each frame, 1 to 65,536.
    pub n_bins: usize,
}

impl Input {
    /// Whether both take the same recordings: audio, or the same imported features.
    pub(crate) fn takes_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Audio { .. }, Self::Audio { .. }) => true,
            (Self::Imported(one), Self::Imported(other)) => one == other,
            _ => false,
        }
    }

    /// The sample rate that features are taken at, in hertz; of imported ones, none.
    pub fn sample_rate(&self) -> Option<u32> {
        match self {
            Self::Audio { features, .. } => Some(features.sample_rate),
            Self::Imported(_) => None,
        }
    }

    /// Checks that a normaliser makes sense for these features.
    ///
    /// # Errors
    /// As [`NormalizerOptions::check`].
    pub fn check_normalizer(&self, options: &NormalizerOptions) -> Result<(), Error> {
        Ok(match self {
            Self::Audio { features, .. } => options.check(Some(features)),
            Self::Imported(_) => options.check(None),
        }?)
    }
}

/// An input as it lies in a model file, beside the manifest's other keys.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// Models that remove none, and those of earlier versions, do not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    silence: Option<SilenceRemoval>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    level: Option<Level>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    features: Option<FeatureOptions>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    imported: Option<ImportedFeatures>,
}

impl TryFrom<Stored> for Input {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        match stored {
            Stored { silence, level: Some(level), features: Some(features), imported: None } => {
                Ok(Self::Audio { silence: silence.unwrap_or_default(), level, features })
            }
            Stored { silence: None, level: None, features: None, imported: Some(imported) } => {
                Ok(Self::Imported(imported))
            }
            _ => Err("either level and features are needed, or imported alone"),
        }
    }
}

impl From<Input> for Stored {
    fn from(input: Input) -> Self {
        match input {
            Input::Audio { silence, level, features } => {
                let silence = Some(silence).filter(|silence| *silence != SilenceRemoval::Keep);
                Self { silence, level: Some(level), features: Some(features), imported: None }
            }
            Input::Imported(imported) => Self { silence: None, level: None, features: None, imported: Some(imported) },
        }
    }
}
