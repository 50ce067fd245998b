//! The model that training begins with.

use crate::dataset::{Clip, speaker_name};
use crate::{Config, Error};
use ser_corpus::{LabelSet, Sharing, Split};
use ser_inference::{Input, Manifest, PartRecord, Provenance, Recognizer};
use ser_model::{Network, Weights, decode_model, split_weights};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// What a model file gives to networks of the same kind.
pub(crate) struct Initial {
    path: PathBuf,
    digest: String,
    provenance: Provenance,
    /// Of each network.
    weights: Vec<Weights>,
    keeps_classifier: bool,
}

impl Initial {
    /// Reads the file that a configuration names, if it names one.
    ///
    /// # Errors
    /// A file that is no model, of other features, or of another number of networks.
    pub fn of(config: &Config, inputs: &[Input], labels: &LabelSet) -> Result<Option<Self>, Error> {
        let Some(path) = &config.initial else { return Ok(None) };
        let bytes = std::fs::read(path).map_err(|error| cannot_begin(path, error))?;
        // Checks all that a model file has to be.
        Recognizer::from_bytes(&bytes).map_err(|error| cannot_begin(path, error))?;
        let (manifest, weights): (Manifest, Weights) =
            decode_model(&bytes).map_err(|error| cannot_begin(path, error))?;
        let systems = manifest.systems();
        if !systems.iter().map(|system| &system.input).eq(inputs) {
            return Err(cannot_begin(path, "its features or their preparation are not those of the configuration"));
        }
        let [own, other] = [config.n_networks(), systems.iter().map(|system| system.ensemble.unwrap_or(1)).sum()];
        if own != other {
            return Err(cannot_begin(
                path,
                format!("the number of its networks is {other}, and that of the configuration {own}"),
            ));
        }
        let weights = split_weights(weights, own).map_err(|error| cannot_begin(path, error))?;
        let dimensions = manifest.dimensions.iter().map(|dimension| &dimension.name);
        let keeps_classifier = manifest.labels.classes() == labels.classes() && dimensions.eq(&config.dimensions);
        let digest = Sha256::digest(&bytes)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Some(Self { path: path.clone(), digest, provenance: manifest.provenance, weights, keeps_classifier }))
    }

    /// Gives each network its weights.
    ///
    /// # Errors
    /// Networks with other layers.
    pub fn start<'n>(&self, networks: impl IntoIterator<Item = &'n mut Network>) -> Result<(), Error> {
        let mut pairs = networks.into_iter().zip(&self.weights);
        pairs
            .try_for_each(|(network, weights)| network.start_from(weights, self.keeps_classifier))
            .map_err(|error| cannot_begin(&self.path, error))
    }

    /// Refuses a split that tests or validates on speakers that the model knows, unless it shares speakers anyway.
    pub fn check_speakers(&self, split: &Split) -> Result<(), Error> {
        if split.overlap().speakers == Sharing::Shared {
            return Ok(());
        }
        for (part, utterances) in [("validation", split.valid().utterances()), ("test", split.test().utterances())] {
            let mut speakers = utterances.iter().filter_map(speaker_name);
            if let Some(speaker) = speakers.find(|speaker| self.provenance.knows_speaker(speaker)) {
                return Err(self.knows(format!("the speaker {speaker}"), part));
            }
        }
        Ok(())
    }

    /// Refuses recordings to test or validate on that the model knows.
    pub fn check_clips(&self, part: &'static str, clips: &[Clip]) -> Result<(), Error> {
        match clips.iter().find(|clip| self.provenance.knows_clip(clip.fingerprint.exact())) {
            Some(clip) => Err(self.knows(clip.row.utterance.path.display().to_string(), part)),
            None => Ok(()),
        }
    }

    fn knows(&self, knows: String, part: &'static str) -> Error {
        Error::InitialKnows { path: self.path.clone(), knows, part }
    }

    /// Adds what the model was fitted to, under which licence, to what is known of one that begins with it.
    pub fn join(&self, provenance: &mut Provenance) {
        let Provenance { license, train, valid, .. } = &self.provenance;
        for PartRecord { speakers, nameless, clips } in [train, valid] {
            provenance.train.speakers.extend(speakers.iter().cloned());
            provenance.train.nameless.extend(nameless.iter().cloned());
            provenance.train.clips.extend(clips.iter().cloned());
        }
        if provenance.license.is_empty() {
            provenance.license = license.clone();
        }
        let name = self.path.file_name().unwrap_or_default().display();
        let clips = train.clips.len() + valid.clips.len();
        provenance.guard += &format!("; began with {name} ({}), fitted to {clips} clips", self.digest);
    }

    /// What has to be known of the licence.
    pub fn warning(&self, license: &str) -> Option<String> {
        let own = &self.provenance.license;
        (!license.is_empty() && !own.is_empty() && license != own).then(|| {
            format!(
                "the weights of {} are under {own:?}, and license is {license:?}: both hold for what is made of them",
                self.path.display()
            )
        })
    }
}

fn cannot_begin(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Initial { path: path.into(), source: source.into() }
}
