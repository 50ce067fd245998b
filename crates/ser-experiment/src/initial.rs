//! The model that training begins with.

use crate::dataset::{Clip, speaker_name};
use crate::{Config, Error};
use ser_corpus::{LabelSet, Overlap, Sharing, Split, Utterance, may_share_speakers, plain_name};
use ser_inference::{Input, Manifest, PartRecord, Provenance, Recognizer};
use ser_model::{Network, Weights, decode_model, split_weights};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a model file gives to networks of the same kind.
pub(crate) struct Initial {
    path: PathBuf,
    digest: String,
    license: String,
    /// All that it has learned from.
    known: PartRecord,
    /// Of each network.
    weights: Vec<Weights>,
    keeps_classifier: bool,
}

impl Initial {
    /// Reads the file that a configuration names, if it names one.
    ///
    /// # Errors
    /// A file that is no model, of other features, or of other numbers of networks.
    pub fn of(config: &Config, inputs: &[Input], labels: &LabelSet) -> Result<Option<Self>, Error> {
        let Some(path) = &config.initial else { return Ok(None) };
        let bytes = std::fs::read(path).map_err(|error| cannot_begin(path, error))?;
        // Checks all that a model file has to be.
        Recognizer::from_bytes(&bytes).map_err(|error| cannot_begin(path, error))?;
        let (manifest, weights): (Manifest, Weights) =
            decode_model(&bytes).map_err(|error| cannot_begin(path, error))?;
        let systems = manifest.systems();
        let n_networks = |ensemble: Option<usize>| ensemble.unwrap_or(1);
        let own: Vec<_> = config.systems().iter().map(|system| n_networks(system.ensemble)).collect();
        let other: Vec<_> = systems.iter().map(|system| n_networks(system.ensemble)).collect();
        let fits = |(own, other): (&usize, &usize)| *other == 1 || own == other;
        if own.len() != other.len() || !own.iter().zip(&other).all(fits) {
            let reason = format!(
                "its systems have {other:?} networks, and those of the configuration {own:?}: as many are needed, or one for all of a system"
            );
            return Err(cannot_begin(path, reason));
        }
        if !systems.iter().map(|system| &system.input).eq(inputs) {
            let reason = "its features or their preparation are not those of the configuration";
            return Err(cannot_begin(path, reason));
        }
        let networks = split_weights(weights, other.iter().sum()).map_err(|error| cannot_begin(path, error))?;
        let mut networks = networks.into_iter();
        let mut weights = Vec::new();
        for (own, other) in own.into_iter().zip(other) {
            let of_system: Vec<Weights> = networks.by_ref().take(other).collect();
            weights.extend(of_system.into_iter().cycle().take(own));
        }
        let dimensions = manifest.dimensions.iter().map(|dimension| &dimension.name);
        let keeps_classifier = manifest.labels.classes() == labels.classes() && dimensions.eq(&config.dimensions);
        let digest = Sha256::digest(&bytes)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let known = knowledge(&manifest.provenance);
        let license = manifest.provenance.license;
        Ok(Some(Self { path: path.clone(), digest, license, known, weights, keeps_classifier }))
    }

    /// Gives each network its weights.
    ///
    /// # Errors
    /// Networks with other layers.
    pub fn start<'n>(&self, networks: impl IntoIterator<Item = &'n mut Network>) -> Result<(), Error> {
        for (network, weights) in networks.into_iter().zip(&self.weights) {
            network.start_from(weights, self.keeps_classifier).map_err(|error| cannot_begin(&self.path, error))?;
        }
        Ok(())
    }

    /// Refuses a folder that the model lies in: training writes its own there.
    pub fn check_folder(&self, folder: &Path) -> Result<(), Error> {
        let is_inside = |path: PathBuf| folder.canonicalize().is_ok_and(|folder| path.parent() == Some(&folder));
        match self.path.canonicalize().is_ok_and(is_inside) {
            true => Err(cannot_begin(&self.path, "it lies in the folder that results are written to: choose another")),
            false => Ok(()),
        }
    }

    /// Refuses a split that validates or tests on speakers that the model knows.
    pub fn check_split(&self, split: &Split) -> Result<(), Error> {
        for (part, utterances) in [("validation", split.valid().utterances()), ("test", split.test().utterances())] {
            let speakers: BTreeSet<String> = utterances.iter().filter_map(speaker_name).collect();
            if let Some(speaker) = speakers.iter().find(|speaker| self.known.knows_speaker(speaker)) {
                return Err(self.knows(format!("the speaker {speaker}"), part));
            }
        }
        Ok(())
    }

    /// Refuses recordings to test or validate on that the model knows.
    pub fn check_clips(&self, part: &'static str, clips: &[Clip]) -> Result<(), Error> {
        match clips.iter().find(|clip| self.known.clips.contains(clip.fingerprint.exact())) {
            Some(clip) => Err(self.knows(clip.row.utterance.path.display().to_string(), part)),
            None => Ok(()),
        }
    }

    fn knows(&self, knows: String, part: &'static str) -> Error {
        Error::InitialKnows { path: self.path.clone(), knows, part }
    }

    /// What a part shares with all that is learned from, by what it shares with training.
    pub fn overlap(&self, mut overlap: Overlap, utterances: &[Utterance]) -> Overlap {
        let (corpora, nameless) = (self.known.corpora(), &self.known.nameless);
        // Of each corpus, whether some of its speakers have no names.
        let mut of_part = BTreeMap::new();
        for utterance in utterances {
            *of_part.entry(plain_name(&utterance.corpus)).or_insert(false) |= utterance.speaker.is_none();
        }
        let known_as = |own: &str| corpora.iter().find(|other| plain_name(other) == own);
        let is_known = of_part.keys().any(|own| known_as(own).is_some());
        let may_be_known = of_part.iter().any(|(own, has_nameless)| {
            known_as(own).is_some_and(|other| *has_nameless || nameless.contains(*other))
                || corpora.iter().any(|other| may_share_speakers(own, other))
        });
        let or_unknown = |sharing| if sharing == Sharing::Disjoint { Sharing::Unknown } else { sharing };
        if may_be_known {
            overlap.speakers = or_unknown(overlap.speakers);
        }
        // A model does not say which sentences it has learned from.
        if is_known || may_be_known {
            overlap.sentences = or_unknown(overlap.sentences);
        }
        if is_known {
            overlap.corpora = overlap.corpora.map(|_| Sharing::Shared);
        }
        let (clips, corpora) = (self.known.clips.len(), corpora.into_iter().collect::<Vec<_>>().join(", "));
        overlap.notes.push(format!("began with a model ({}), fitted to {clips} clips of {corpora}", self.digest));
        overlap
    }

    /// Adds what the model was fitted to, and its licence, to what is known of one that begins with it.
    pub fn join(&self, provenance: &mut Provenance) {
        provenance.initial = self.known.clone();
        let (own, other) = (&provenance.license, &self.license);
        if own != other {
            let [own, other] = [own, other].map(|license| if license.is_empty() { "not stated" } else { license });
            provenance.license = format!("{own}; the weights that training began with: {other}");
        }
    }
}

/// All that a model has learned from, that which it began with included.
fn knowledge(provenance: &Provenance) -> PartRecord {
    let mut known = PartRecord::default();
    for part in provenance.parts() {
        known.speakers.extend(part.speakers.iter().cloned());
        known.nameless.extend(part.nameless.iter().cloned());
        known.clips.extend(part.clips.iter().cloned());
        // The first versions did not name the corpora of such clips.
        if part.corpora().is_empty() && !part.clips.is_empty() {
            known.nameless.insert("folder".into());
        }
    }
    known
}

fn cannot_begin(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Initial { path: path.into(), source: source.into() }
}
