use std::{
    borrow::Cow,
    collections::{BTreeSet, HashSet},
};

use serde::{Deserialize, Serialize};

use crate::corpus::{file, spell_corpora, spell_speakers};
use crate::{Corpus, Error, Overlap, Protocol, Sharing, Utterance, folds, holdout, overlap::shared_clip, stratify};

/// Says how a corpus is to be split.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SplitOptions {
    /// The rule; default [`Protocol::Speakers`].
    pub protocol: Protocol,
    /// What chance is drawn from; default 0. The same seed gives the same split.
    pub seed: u64,
    /// Which fold of a protocol that has folds, counted from 1; default none. [`Split::new`] needs it for all of these
    /// but [`Protocol::Corpora`]; [`Split::folds`] does not look at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fold: Option<usize>,
    /// The corpus that the protocol divides, by its name; the clips of all others train, whatever the fold. So the parts
    /// of this corpus are those that it has alone. Default none: the protocol divides all corpora, or those that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_corpus: Option<String>,
    /// Whether a validation part is split from the training part; default [`Validation::Split`].
    pub validation: Validation,
}

/// Says whether a part of what could be trained on is kept to choose by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Validation {
    /// A validation part is split from the training part.
    #[default]
    Split,
    /// The clips that would validate train, too, and the validation part is empty. Honest only where nothing is chosen:
    /// no epoch, no option.
    None,
}

/// Holds the three parts of a corpus: to train on, to choose by, and to test on.
///
/// Chance is seeded: the same corpus, options and version give the same split, in whatever order corpora were merged.
/// Speakers are told apart by corpus and name. Whatever is divided is stratified as far as whole speakers or sentences
/// allow: the parts get their shares of each emotion, of each corpus's emotions and of each corpus's sexes (greedily,
/// after scikit-learn's `StratifiedGroupKFold`).
///
/// [`Protocol::Speakers`] is simpler, as speakers of acted corpora have all emotions: each corpus of at least three
/// speakers is split on its own: 15 % of its speakers (rounded, at least one) test, as many validate, and the others
/// train, with the sexes balanced as far as their numbers allow. Speakers of smaller corpora are pooled and split
/// likewise, or train if they are fewer than three. A corpus of at least three speakers is split in the same way
/// whatever it is merged with. Only where the draw leaves a part without an emotion that three speakers have, the
/// speakers are stratified as above.
///
/// Two splits cannot be built: one whose parts share a recording (but by [`Protocol::LeakySeed`], whose name says so),
/// and one that shares what its protocol promises not to. What else the parts share, [`Split::overlap`] says.
///
/// ```no_run
/// use ser_corpus::{Corpus, Protocol, Split, SplitOptions};
///
/// let corpus = Corpus::emodb("EMO-DB")?;
/// let split = Split::new(&corpus, &SplitOptions { seed: 7, ..SplitOptions::default() })?;
/// println!("tested on {} clips: {}", split.test().utterances().len(), split.overlap());
///
/// let options = SplitOptions { protocol: Protocol::LeaveOneSpeakerOut, ..SplitOptions::default() };
/// for split in Split::folds(&corpus, &options)? {
///     println!("{}", split.protocol()); // loso, fold 1 of 10, speaker emodb/03
/// }
/// # Ok::<(), ser_corpus::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    train: TrainPart,
    valid: ValidPart,
    test: TestPart,
    left_out: Vec<Utterance>,
    protocol: String,
    overlap: Overlap,
}

/// Holds the utterances to train on. Only a [`Split`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainPart(pub(crate) Vec<Utterance>);

/// Holds the utterances to choose the best epoch and options by. Only a [`Split`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidPart(Vec<Utterance>);

/// Holds the utterances to test on, once. Only a [`Split`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestPart(Vec<Utterance>);

/// Where a protocol puts an utterance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Train,
    Valid,
    Test,
    LeftOut,
}

impl Split {
    /// Splits a corpus.
    ///
    /// # Errors
    ///
    /// If an utterance does not say what the protocol needs to know of it (its speaker, its sentence, its folds), if
    /// there are too few speakers, sentences, corpora or clips for the protocol or for three parts, if the protocol has
    /// folds and none is chosen, or if there is no such fold or no such corpus.
    pub fn new(corpus: &Corpus, options: &SplitOptions) -> Result<Self, Error> {
        let SplitOptions { protocol, seed, fold, .. } = *options;
        let divided = divided(corpus, options)?;
        let folds = folds::test_folds(&divided, protocol, seed)?;
        let count = folds.len().max(1);
        let fold = match fold {
            Some(fold) if (1..=count).contains(&fold) => fold - 1,
            Some(fold) => return Err(Error::NoSuchFold { protocol, fold, folds: count }),
            None if count == 1 => 0,
            None if protocol == Protocol::Corpora => stratify::shuffle(0..count, &mut stratify::rng(seed, 0))[0],
            None => return Err(Error::NoFoldChosen { protocol, folds: count }),
        };
        Self::build(corpus, &divided, options, &folds, fold)
    }

    /// Makes all folds of a protocol; of a protocol without folds, its one split.
    ///
    /// Each holds its own copy of the corpus's entries. Where many folds of a large corpus are too much at once, take
    /// [`Split::fold_count`] and call [`Split::new`] for one after the other: the folds are the same.
    ///
    /// # Errors
    ///
    /// As of [`Split::new`].
    pub fn folds(corpus: &Corpus, options: &SplitOptions) -> Result<Vec<Self>, Error> {
        let divided = divided(corpus, options)?;
        let folds = folds::test_folds(&divided, options.protocol, options.seed)?;
        let numbers = 0..folds.len().max(1);
        numbers.map(|fold| Self::build(corpus, &divided, options, &folds, fold)).collect()
    }

    /// Counts the folds that a protocol makes of a corpus; 1 for a protocol without folds.
    ///
    /// # Errors
    ///
    /// As of [`Split::new`].
    pub fn fold_count(corpus: &Corpus, options: &SplitOptions) -> Result<usize, Error> {
        Ok(folds::test_folds(&divided(corpus, options)?, options.protocol, options.seed)?.len().max(1))
    }

    /// Takes the parts as they are given, for lists of one's own. [`Split::protocol`] is `custom`. Corpora and speakers in several spellings are one, as
    /// in [`Corpus::new`].
    ///
    /// # Errors
    ///
    /// If a part is empty or a file is listed twice, under any spelling of its path.
    pub fn custom(train: Vec<Utterance>, valid: Vec<Utterance>, test: Vec<Utterance>) -> Result<Self, Error> {
        let ends = [train.len(), train.len() + valid.len()];
        let mut all = [train, valid, test].concat();
        let mut seen = HashSet::new();
        if let Some(twice) = all.iter().find(|clip| !seen.insert(file(&clip.path))) {
            return Err(Error::SharedClip { path: twice.path.clone() });
        }
        let mut spellings = Vec::new();
        spell_corpora(&mut all, &mut spellings);
        spell_speakers(&mut all, &mut spellings);
        let test = all.split_off(ends[1]);
        let valid = all.split_off(ends[0]);
        Self::of_parts([all, valid, test], Vec::new(), "custom".into(), None, Validation::Split)
    }

    fn build(
        corpus: &Corpus,
        divided: &[Utterance],
        options: &SplitOptions,
        folds: &[Vec<usize>],
        fold: usize,
    ) -> Result<Self, Error> {
        let SplitOptions { protocol, seed, .. } = *options;
        let places = match protocol {
            Protocol::Speakers => holdout::by_speakers(divided, seed)?,
            Protocol::Sentences => holdout::by_sentences(divided, seed)?,
            Protocol::SpeakersSentences => holdout::by_speakers_and_sentences(divided, seed)?,
            Protocol::LeakySeed => Vec::new(),
            _ => folds::places(divided, protocol, folds, fold, seed),
        };
        let mut placed: Vec<_> = match protocol {
            Protocol::LeakySeed => holdout::leaky_seed(divided, seed),
            _ => divided.iter().cloned().zip(places).collect(),
        };
        if let Some(divided) = &options.test_corpus {
            let others = corpus.utterances().iter().filter(|utterance| utterance.corpus != *divided);
            placed.extend(others.map(|utterance| (utterance.clone(), Place::Train)));
            placed.sort_by(|(a, _), (b, _)| a.corpus.cmp(&b.corpus));
        }
        let number = (folds.len() > 1).then(|| format!("fold {} of {}", fold + 1, folds.len()));
        Self::assemble(placed, protocol, number, options.validation)
    }

    fn assemble(
        placed: impl IntoIterator<Item = (Utterance, Place)>,
        protocol: Protocol,
        fold: Option<String>,
        validation: Validation,
    ) -> Result<Self, Error> {
        let (mut train, mut valid, mut test, mut left_out) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (utterance, place) in placed {
            match place {
                Place::Valid if validation == Validation::Split => valid.push(utterance),
                Place::Train | Place::Valid => train.push(utterance),
                Place::Test => test.push(utterance),
                Place::LeftOut => left_out.push(utterance),
            }
        }
        let name = match &fold {
            Some(fold) => format!("{protocol}, {fold}{}", tested(protocol, &test)),
            None => protocol.to_string(),
        };
        let split = Self::of_parts([train, valid, test], left_out, name, fold, validation)?;
        split.check(protocol)?;
        Ok(split)
    }

    fn of_parts(
        [train, valid, test]: [Vec<Utterance>; 3],
        left_out: Vec<Utterance>,
        protocol: String,
        fold: Option<String>,
        validation: Validation,
    ) -> Result<Self, Error> {
        for (part, clips) in [("training", &train), ("validation", &valid), ("test", &test)] {
            if clips.is_empty() && (part != "validation" || validation == Validation::Split) {
                return Err(Error::EmptyPart { part, protocol });
            }
        }
        let overlap = Overlap::between(&train, &valid, &test, fold, left_out.len());
        Ok(Self { train: TrainPart(train), valid: ValidPart(valid), test: TestPart(test), left_out, protocol, overlap })
    }

    /// Refuses a split that does not keep what its protocol promises, should one ever be made.
    fn check(&self, protocol: Protocol) -> Result<(), Error> {
        if self.overlap.clips != Sharing::Disjoint
            && protocol != Protocol::LeakySeed
            && let Some(path) = shared_clip([&self.train.0, &self.valid.0, &self.test.0])
        {
            return Err(Error::SharedClip { path: path.into() });
        }
        match protocol.broken_promise(&self.overlap) {
            Some(what) => Err(Error::BrokenPromise { protocol, what }),
            None => Ok(()),
        }
    }

    /// Returns the part to train on.
    pub fn train(&self) -> &TrainPart {
        &self.train
    }

    /// Returns the part to choose the best epoch and options by; empty under [`Validation::None`].
    pub fn valid(&self) -> &ValidPart {
        &self.valid
    }

    /// Returns the part to test on.
    pub fn test(&self) -> &TestPart {
        &self.test
    }

    /// Returns what is in no part: under [`Protocol::SpeakersSentences`], clips whose speaker and sentence belong into
    /// different parts; under [`Protocol::Emobox`], clips that the fold does not list.
    pub fn left_out(&self) -> &[Utterance] {
        &self.left_out
    }

    /// Returns the name to record beside scores: the protocol, and the fold where there are several, with what it tests
    /// on, such as `loso, fold 3 of 10, speaker emodb/09`.
    pub fn protocol(&self) -> &str {
        &self.protocol
    }

    /// Returns what the parts have in common.
    pub fn overlap(&self) -> &Overlap {
        &self.overlap
    }

    /// Returns what the validation part, in place of the test part, has in common with the training part: what belongs
    /// beside a validation score.
    pub fn validation_overlap(&self) -> Overlap {
        Overlap::of_validation(&self.train.0, &self.valid.0)
    }
}

/// Gives the utterances that the protocol divides.
fn divided<'c>(corpus: &'c Corpus, options: &SplitOptions) -> Result<Cow<'c, [Utterance]>, Error> {
    let Some(name) = &options.test_corpus else { return Ok(corpus.utterances().into()) };
    let divided: Vec<_> = corpus.utterances().iter().filter(|utterance| utterance.corpus == *name).cloned().collect();
    if divided.is_empty() {
        let corpora: BTreeSet<_> = corpus.utterances().iter().map(|utterance| utterance.corpus.as_str()).collect();
        let corpora = corpora.into_iter().collect::<Vec<_>>().join(", ");
        return Err(Error::NoSuchTestCorpus { name: name.clone(), corpora });
    }
    Ok(divided.into())
}

/// Names what a fold tests on, where its protocol goes by that: `, speaker emodb/09`.
fn tested(protocol: Protocol, test: &[Utterance]) -> String {
    const MOST: usize = 5;
    let speakers: BTreeSet<_> = test.iter().filter_map(Utterance::speaker_key).collect();
    match protocol {
        Protocol::Corpora => test.first().map_or_else(String::new, |clip| format!(", corpus {}", clip.corpus)),
        Protocol::RandomKFold(_) | Protocol::Emobox => String::new(),
        _ if speakers.len() > MOST => format!(", {} speakers", speakers.len()),
        _ => {
            let names: Vec<_> = speakers.iter().map(|(corpus, speaker)| format!("{corpus}/{speaker}")).collect();
            let noun = if names.len() == 1 { "speaker" } else { "speakers" };
            format!(", {noun} {}", names.join(" "))
        }
    }
}

impl TrainPart {
    /// Returns the utterances in the order of the corpus.
    pub fn utterances(&self) -> &[Utterance] {
        &self.0
    }
}

impl ValidPart {
    /// Returns the utterances in the order of the corpus.
    pub fn utterances(&self) -> &[Utterance] {
        &self.0
    }
}

impl TestPart {
    /// Returns the utterances in the order of the corpus.
    pub fn utterances(&self) -> &[Utterance] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::Emotion;

    /// One clip in each part, by these speakers; the test clip's path is the training clip's where it is `shared`.
    fn assemble(protocol: Protocol, speakers: [&str; 3], shared: bool) -> Result<Split, Error> {
        let places = [Place::Train, Place::Valid, Place::Test];
        let placed = places.into_iter().zip(speakers).enumerate().map(|(index, (place, speaker))| {
            let index = if shared { index % 2 } else { index };
            let mut clip = Utterance::new(format!("{index}.wav"), Emotion::Sad, "c");
            (clip.speaker, clip.sentence) = (Some(speaker.into()), Some(speaker.into()));
            (clip, place)
        });
        Split::assemble(placed, protocol, None, Validation::Split)
    }

    #[test]
    fn a_split_that_breaks_its_promise_is_not_built() {
        for (protocol, what) in [
            (Protocol::Speakers, "speakers"),
            (Protocol::LeaveOneSpeakerOut, "speakers"),
            (Protocol::LeaveSpeakersOut(1), "speakers"),
            (Protocol::SpeakerKFold(3), "speakers"),
            (Protocol::RavdessEmobox6, "speakers"),
            (Protocol::RavdessLj5, "speakers"),
            (Protocol::Sentences, "sentences"),
            (Protocol::SpeakersSentences, "speakers"),
            (Protocol::Corpora, "speakers"),
        ] {
            for speakers in [["1", "2", "1"], ["1", "2", "2"]] {
                let error = assemble(protocol, speakers, false).unwrap_err();
                assert!(matches!(error, Error::BrokenPromise { what: shared, .. } if shared == what), "{error}");
                assert!(error.is_leak());
            }
            let kept = assemble(protocol, ["1", "2", "3"], false);
            assert_eq!(kept.is_ok(), protocol != Protocol::Corpora, "one corpus is always shared");
        }
    }

    #[test]
    fn only_the_leaky_seed_may_share_a_clip() {
        for protocol in [Protocol::Speakers, Protocol::RandomKFold(3), Protocol::Emobox] {
            let error = assemble(protocol, ["1", "2", "3"], true).unwrap_err();
            assert!(matches!(error, Error::SharedClip { .. }) && error.is_leak(), "{error}");
        }
        assert!(assemble(Protocol::LeakySeed, ["1", "2", "3"], true).is_ok());
    }
}
