use crate::{Error, Input, System};
use ser_corpus::{LabelSet, plain_name};
use ser_features::{Normalizer, NormalizerScope};
use ser_model::NetworkOptions;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The version of the manifest's form that this version of the library writes. It reads this and all before it: version 1
/// had no calibration, version 2 one system.
pub const SCHEMA_VERSION: u32 = 3;

/// Everything between a file and logits that a trained model depends on, and where it comes from.
///
/// It is the one metadata key of a model file. It holds no times and no paths: equal runs give equal bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// At most [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The classes in the order of the logits, and the emotions that are mapped to them.
    pub labels: LabelSet,
    /// What the model takes: the keys `level` and `features`, or `imported`.
    #[serde(flatten)]
    pub input: Input,
    /// The normaliser, fitted on the training part.
    pub normalizer: Normalizer,
    /// The network.
    pub network: NetworkOptions,
    /// The number of such networks whose probabilities are averaged, 2 to 32; none is one network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ensemble: Option<usize>,
    /// Further systems, each with an input, a normaliser and networks of its own: their probabilities and those of the system
    /// above are averaged as logarithms, with equal weights. At most 7.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fused: Vec<System>,
    /// The numbers that the model gives beside the classes, in the order of the outputs after those of the classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dimensions: Vec<Dimension>,
    /// What its confidence is made of, and how much of it is enough. In version 1: the default.
    #[serde(default)]
    pub calibration: Calibration,
    /// What the model was trained on, and how it scored.
    pub provenance: Provenance,
}

impl Manifest {
    /// All systems: the model's own, and those that are fused with it.
    pub fn systems(&self) -> Vec<System> {
        let Self { input, normalizer, network, ensemble, fused, .. } = self.clone();
        let mut systems = vec![System { input, normalizer, network, ensemble }];
        systems.extend(fused);
        systems
    }

    /// Whether a system normalises each speaker by recordings of their own.
    pub fn normalizes_per_speaker(&self) -> bool {
        let fused = self.fused.iter().map(|system| &system.normalizer);
        fused.chain([&self.normalizer]).any(|normalizer| normalizer.options().scope == NormalizerScope::Speaker)
    }
}

/// A number that a model gives, such as arousal. The network's output is it minus the mean, divided by the deviation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dimension {
    /// Its name in the corpus.
    pub name: String,
    /// Its mean in the training part; at most 10³⁰ in magnitude.
    pub mean: f64,
    /// Its standard deviation there, over n; above 0, at most 10³⁰.
    pub std: f64,
}

impl Dimension {
    /// The most dimensions of a model.
    pub const MAX: usize = 64;

    /// Gives a value as the network learns it: with mean 0 and deviation 1 in the training part.
    pub fn standardize(&self, value: f64) -> f32 {
        ((value - self.mean) / self.std) as f32
    }

    /// Gives the value that an output of the network stands for.
    pub(crate) fn value(&self, output: f32) -> f32 {
        (self.mean + self.std * f64::from(output)) as f32
    }

    pub(crate) fn is_usable(&self) -> bool {
        self.mean.abs() <= 1e30 && self.std > 0.0 && self.std <= 1e30
    }
}

/// How logits become probabilities, and which predictions are accepted: both are fitted on the validation part.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// What the logits are divided by before the softmax; a normal number of 32 bits above 0. It changes no argmax. Default 1.
    pub temperature: f64,
    /// The least confidence, 0 to 1, with which a prediction is accepted. Default: none is asked for.
    pub threshold: Option<f64>,
}

impl Default for Calibration {
    fn default() -> Self {
        Self { temperature: 1.0, threshold: None }
    }
}

impl Calibration {
    /// Checks the ranges.
    ///
    /// # Errors
    /// A value out of range.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong =
            |option, value: f64, allowed| ser_model::Error::InvalidOption { option, value: value.to_string(), allowed };
        if !(f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX)).contains(&self.temperature) {
            return Err(wrong("calibration.temperature", self.temperature, "1.2e-38 to 3.4e38").into());
        }
        match self.threshold {
            Some(threshold) if !(0.0..=1.0).contains(&threshold) => {
                Err(wrong("calibration.threshold", threshold, "0 to 1").into())
            }
            _ => Ok(()),
        }
    }

    /// The softmax of `logits / temperature`.
    pub(crate) fn probabilities(&self, logits: &[f32]) -> Vec<f32> {
        let max = logits.iter().fold(f32::NEG_INFINITY, |max, &x| max.max(x));
        let exponentials: Vec<f32> = logits.iter().map(|x| ((x - max) / self.temperature as f32).exp()).collect();
        let sum: f32 = exponentials.iter().sum();
        exponentials.into_iter().map(|e| e / sum).collect()
    }
}

/// What a model was trained and validated on, by which protocol, and how it scored on the rest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The licence of the weights, which follows from that of the recordings.
    pub license: String,
    /// The seed of initialisation, shuffling and dropout; of several networks, that of the first.
    pub seed: u64,
    /// The split's protocol.
    pub protocol: String,
    /// The split's seed.
    pub split_seed: u64,
    /// What the parts share, and whether speakers are normalised by recordings of their own: the leak guard's line.
    pub guard: String,
    /// What the weights were fitted to.
    pub train: PartRecord,
    /// What the epoch was chosen on.
    pub valid: PartRecord,
    /// What the weights that training began with were fitted to; empty where they were random.
    #[serde(default, skip_serializing_if = "PartRecord::is_empty")]
    pub initial: PartRecord,
    /// The scores on the split's test part.
    pub test: TestScores,
}

impl Provenance {
    /// All that the model has learned from.
    pub fn parts(&self) -> [&PartRecord; 3] {
        [&self.train, &self.valid, &self.initial]
    }

    /// Whether the model has learned from this speaker, written `corpus/speaker`, by [`plain_name`].
    pub fn knows_speaker(&self, speaker: &str) -> bool {
        self.parts().into_iter().any(|part| part.knows_speaker(speaker))
    }

    /// Whether the model has learned from the clip with this content hash.
    pub fn knows_clip(&self, hash: &str) -> bool {
        self.parts().into_iter().any(|part| part.clips.contains(hash))
    }
}

/// The speakers and clips of one part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartRecord {
    /// Speakers, written `corpus/speaker`.
    pub speakers: BTreeSet<String>,
    /// Corpora of clips whose speakers are not known.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub nameless: BTreeSet<String>,
    /// Content hashes of the clips: the first 16 hexadecimal digits of the SHA-256 of the sample rate and the decoded
    /// mono samples; of imported features, of the number of bins and the values.
    pub clips: BTreeSet<String>,
}

impl PartRecord {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.speakers.is_empty() && self.nameless.is_empty() && self.clips.is_empty()
    }

    /// Whether this speaker, written `corpus/speaker`, is in it, by [`plain_name`].
    pub fn knows_speaker(&self, speaker: &str) -> bool {
        let speaker = plain_name(speaker);
        self.speakers.iter().any(|known| plain_name(known) == speaker)
    }

    /// The names of the corpora of its clips.
    pub fn corpora(&self) -> BTreeSet<&str> {
        let of_speakers = self.speakers.iter().filter_map(|speaker| Some(speaker.split_once('/')?.0));
        of_speakers.chain(self.nameless.iter().map(String::as_str)).collect()
    }
}

/// Scores on the test part; [`Provenance::guard`] says what it shares with training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestScores {
    /// The number of speakers.
    pub speakers: usize,
    /// The number of clips.
    pub clips: usize,
    /// Unweighted average recall, 0 to 1.
    pub uar: f64,
    /// Accuracy, 0 to 1.
    pub accuracy: f64,
}
