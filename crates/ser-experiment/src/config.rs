use crate::Error;
use ser_audio::{Level, SilenceRemoval};
use ser_augment::{FeatureStep, WaveformStep};
use ser_corpus::{LabelSet, Labels, Protocol, SplitOptions, TrainPart};
use ser_features::{FeatureOptions, NormalizerOptions};
use ser_inference::{ImportedFeatures, Input};
use ser_model::{BestBy, NetworkOptions, Precision, TrainOptions};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Everything that a training run depends on but the corpora: one TOML file.
///
/// ```
/// use ser_experiment::Config;
/// let config: Config = "
///     seed = 7
///     labels = 'own'
///     [training]
///     batch_size = 16
///     optimizer = { name = 'rmsprop' }
/// ".parse()?;
/// assert_eq!(config.training.batch_size, 16);
/// assert!("sede = 7".parse::<Config>().is_err());
/// # Ok::<(), ser_experiment::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Seeds initialisation, shuffling, crops and dropout. Default 0.
    pub seed: u64,
    /// The licence of the weights, written into the model file. It follows from that of the recordings. Default empty.
    pub license: String,
    /// The classes: `"seven"` (default), `"eight"`, `"four"`, `"own"`, or a table of classes and a map.
    pub labels: Labels,
    /// Numbers that the model learns to give beside the classes, such as `["arousal", "valence"]`: numeric columns of a CSV
    /// corpus. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dimensions: Vec<String>,
    /// How waveforms are prepared.
    pub audio: AudioOptions,
    /// The features. Default: 64 log-mel bands at 16 kHz.
    pub features: FeatureOptions,
    /// Features of another tool, which replace `[audio]` and `[features]`: the corpora are then read from `.npy` files
    /// under the names of the recordings. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imported: Option<ImportedFeatures>,
    /// The normaliser, fitted on the training part, or on each speaker's or utterance's own features.
    pub normalizer: NormalizerOptions,
    /// How the corpus is divided.
    pub split: SplitOptions,
    /// Whether clips of the training part are repeated or left out until all classes have as many. Default: neither, as
    /// `class_weights` count them alike.
    pub balance: Balance,
    /// How the training part is augmented; no other part ever is. Default: not at all.
    pub augment: AugmentOptions,
    /// The network.
    pub network: NetworkOptions,
    /// The number of networks that are trained, from the seeds `seed`, `seed + 1` and so on, and whose probabilities are
    /// averaged; 1 to 32. One file holds them all: its size and the time of training and use grow with their number. Default:
    /// none, which is one network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ensemble: Option<usize>,
    /// A model file whose weights training begins with, of the same features and networks as this configuration's, and as many
    /// of each system or one, which all of that system begin with. Normalisers are fitted anew; classifiers are kept where
    /// classes and dimensions are the same, in the same order. No speaker or recording that the model has learned from may
    /// be validated or tested on. Default: none, and weights are random.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial: Option<PathBuf>,
    /// How the classes are weighted in the loss.
    pub class_weights: ClassWeights,
    /// The corpora, by name, whose clips of the training part are learned from; validation and test keep all. Default: none
    /// named, which is all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub corpora: Vec<String>,
    /// How the network is trained.
    pub training: TrainOptions,
    /// Further systems that are trained on the same recordings, in TOML `[[fused]]`: their probabilities and those of the
    /// system above are averaged as logarithms, with equal weights, and one file holds them all. At most 7; default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fused: Vec<SystemConfig>,
    /// Which predictions the model shall not accept.
    pub reject: RejectOptions,
    /// How the weights are stored: `"f32"` (default), `"f16"`, `"bf16"` or `"int8"`. The test part is scored with what is
    /// stored.
    pub precision: Precision,
    /// A folder for features, which is created. Features are then kept there and not in memory, and a later run with
    /// the same recordings and feature options finds them. It changes no result and is in no report. Default: none.
    #[serde(skip_serializing)]
    pub cache: Option<PathBuf>,
}

/// What a system of a model may have of its own: each key as in [`Config`], with the same default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
#[expect(missing_docs, reason = "Config says what they are")]
pub struct SystemConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ensemble: Option<usize>,
    pub class_weights: ClassWeights,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub corpora: Vec<String>,
    pub audio: AudioOptions,
    pub features: FeatureOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imported: Option<ImportedFeatures>,
    pub normalizer: NormalizerOptions,
    pub augment: AugmentOptions,
    pub network: NetworkOptions,
    pub training: TrainOptions,
}

/// How waveforms are prepared before features are taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AudioOptions {
    /// The silence that is removed. Default: none.
    #[serde(skip_serializing_if = "keeps_silence")]
    pub silence: SilenceRemoval,
    /// The level they are brought to. Default: peak.
    pub level: Level,
}

impl Default for AudioOptions {
    fn default() -> Self {
        Self { silence: SilenceRemoval::Keep, level: Level::Peak }
    }
}

fn keeps_silence(silence: &SilenceRemoval) -> bool {
    *silence == SilenceRemoval::Keep
}

/// How the training part is augmented. In TOML:
///
/// ```
/// let config: ser_experiment::Config = r#"
///     [[augment.waveform]]
///     kind = "speed"
///     factor = [0.9, 1.1]
///
///     [[augment.waveform]]
///     kind = "noise"
///     probability = 0.25
///     source = "bank"         # babble of training recordings
///     snr = [5.0, 30.0]
///
///     [[augment.features]]
///     kind = "frequency-mask"
/// "#.parse()?;
/// assert_eq!((config.augment.waveform.len(), config.augment.features.len()), (2, 1));
/// # Ok::<(), ser_experiment::Error>(())
/// ```
///
/// Every random number follows from the run's seed, the recording and the epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentOptions {
    /// Copies that are made once and learned from beside the recordings. Default: `"none"`.
    pub copies: TrainingCopies,
    /// Steps that change the waveform at the features' sample rate, before its level is set, anew in every epoch. The
    /// noise bank is babble: sums of six training recordings.
    pub waveform: Vec<WaveformStep>,
    /// Steps that change the normalised features, anew in every epoch.
    pub features: Vec<FeatureStep>,
}

/// Copies of training recordings that are made once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrainingCopies {
    /// Only the recordings.
    #[default]
    None,
    /// Four rows a recording: itself, with noise, with another pitch, with both ([`Copies::paper`](ser_augment::Copies::paper)).
    /// Under the protocol `leaky-seed`, which makes and splits the same copies, there are no more.
    Paper,
}

impl TrainingCopies {
    /// The rows of each recording.
    pub(crate) fn count(self) -> usize {
        match self {
            Self::None => 1,
            Self::Paper => 4,
        }
    }
}

/// Which predictions a model shall not accept, as it is not sure enough.
///
/// The threshold of the confidence is fitted on the validation part and stored in the model file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RejectOptions {
    /// The share of accepted validation clips that shall be right, 0 to 1; as many clips as possible are accepted.
    /// Default: none, and confidence plays no part in what is accepted.
    pub accuracy: Option<f64>,
}

impl RejectOptions {
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.accuracy {
            Some(accuracy) if !(0.0..=1.0).contains(&accuracy) => {
                let (option, value) = ("reject.accuracy", accuracy.to_string());
                Err(ser_model::Error::InvalidOption { option, value, allowed: "0 to 1" }.into())
            }
            _ => Ok(()),
        }
    }
}

/// How the classes of the training part are brought to one size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// They are left as they are.
    #[default]
    None,
    /// Clips of the smaller classes are repeated ([`TrainPart::oversample`]).
    Oversample,
    /// Clips of the larger classes are left out ([`TrainPart::undersample`]).
    Undersample,
}

impl Balance {
    pub(crate) fn apply(self, part: &TrainPart, labels: &LabelSet, seed: u64) -> TrainPart {
        match self {
            Self::None => part.clone(),
            Self::Oversample => part.oversample(labels, seed),
            Self::Undersample => part.undersample(labels, seed),
        }
    }
}

/// How much each class counts in the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassWeights {
    /// `n / (classes · n of the class)` in the training part, scikit-learn's `"balanced"`: every class counts the same.
    #[default]
    Balanced,
    /// The same within each corpus: all its classes count the same, and a class that a corpus does not have takes no part in
    /// the softmax of its clips. For merged corpora that tell different emotions apart.
    BalancedByCorpus,
    /// Every clip counts the same.
    None,
}

impl ClassWeights {
    /// One factor a class from the numbers of its training clips; 0 for a class without any.
    pub(crate) fn factors(self, counts: &[usize]) -> Vec<f32> {
        let total: usize = counts.iter().sum();
        let classes = counts.iter().filter(|n| **n > 0).count();
        let factor = |&n: &usize| match self {
            _ if n == 0 => 0.0,
            Self::Balanced | Self::BalancedByCorpus => total as f32 / (classes * n) as f32,
            Self::None => 1.0,
        };
        counts.iter().map(factor).collect()
    }
}

impl Config {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// A file that cannot be read, is not TOML, or has unknown keys or values; the file and the line are named.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::ConfigFile { path: path.into(), source: error.into() })?;
        toml::from_str(&text).map_err(|error| Error::ConfigFile { path: path.into(), source: error.into() })
    }
}

impl Config {
    /// All systems, the first of which is the configuration's own.
    pub(crate) fn systems(&self) -> Vec<SystemConfig> {
        let own = self.clone();
        let own = SystemConfig {
            ensemble: own.ensemble,
            class_weights: own.class_weights,
            corpora: own.corpora,
            audio: own.audio,
            features: own.features,
            imported: own.imported,
            normalizer: own.normalizer,
            augment: own.augment,
            network: own.network,
            training: own.training,
        };
        [own].into_iter().chain(self.fused.iter().cloned()).collect()
    }

    /// What the systems take.
    ///
    /// # Errors
    /// As [`SystemConfig::input`].
    pub(crate) fn inputs(&self) -> Result<Vec<Input>, Error> {
        self.systems().iter().map(|system| system.input(self.split.protocol)).collect()
    }

    /// Whether a system keeps the epoch that is best in validation; else all keep the last.
    pub(crate) fn chooses_epoch(&self) -> bool {
        self.systems().iter().any(|system| system.training.early_stopping.best_by != BestBy::Last)
    }

    /// The number of networks of all systems.
    pub(crate) fn n_networks(&self) -> usize {
        self.systems().iter().map(|system| system.ensemble.unwrap_or(1)).sum()
    }
}

impl SystemConfig {
    /// What the system takes.
    ///
    /// # Errors
    /// Imported features beside options of extracted ones, or that would have to be augmented.
    pub(crate) fn input(&self, protocol: Protocol) -> Result<Input, Error> {
        match &self.imported {
            None => {
                let AudioOptions { silence, level } = self.audio.clone();
                Ok(Input::Audio { silence, level, features: self.features.clone() })
            }
            Some(_) if self.features != FeatureOptions::default() || self.audio != AudioOptions::default() => {
                Err(Error::ImportedAndExtracted)
            }
            Some(_)
                if self.augment.copies != TrainingCopies::None
                    || !self.augment.waveform.is_empty()
                    || protocol == Protocol::LeakySeed =>
            {
                Err(Error::ImportedAndAugmented)
            }
            Some(imported) => Ok(Input::Imported(imported.clone())),
        }
    }
}

impl std::str::FromStr for Config {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        toml::from_str(text).map_err(|error| Error::Config(error.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_weights_are_scikit_learns() {
        // sklearn.utils.class_weight.compute_class_weight("balanced", classes=[0, 1, 2], y=[0] * 6 + [1] * 3 + [2])
        let weights = ClassWeights::Balanced.factors(&[6, 3, 1]);
        let expected = [0.555_555_6, 1.111_111, 3.333_333_3];
        assert!(weights.iter().zip(expected).all(|(w, e)| (w - e).abs() < 1e-6), "{weights:?}");
        assert_eq!(ClassWeights::None.factors(&[6, 3, 1]), [1.0; 3]);
        assert_eq!(ClassWeights::BalancedByCorpus.factors(&[6, 0, 2]), [8.0 / 12.0, 0.0, 2.0]);
    }

    #[test]
    fn imported_features_replace_the_others() {
        let imported = "[imported]\nname = 'wavlm-base'\nn_bins = 768\n";
        let config: Config = imported.parse().unwrap();
        assert!(matches!(config.inputs().unwrap()[0], Input::Imported(ImportedFeatures { n_bins: 768, .. })));
        for both in ["[features]\nhop_length = 200", "[audio]\nlevel = 'none'"] {
            let config: Config = format!("{imported}{both}").parse().unwrap();
            assert!(config.inputs().unwrap_err().to_string().contains("[imported] replaces"));
        }
        for augment in [
            "[augment]\ncopies = 'paper'",
            "[augment]\nwaveform = [{ kind = 'gain' }]",
            "[split]\nprotocol = 'leaky-seed'",
        ] {
            let config: Config = format!("{imported}{augment}").parse().unwrap();
            assert!(config.inputs().unwrap_err().to_string().contains("[augment]"));
        }
        assert!("[imported]\nname = 'wavlm-base'".parse::<Config>().is_err());
    }

    #[test]
    fn default_configuration_survives_toml() {
        let text = toml::to_string(&Config::default()).unwrap();
        assert_eq!(text.parse::<Config>().unwrap(), Config::default());
    }
}
