use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use serde::{Deserialize, Serialize};

use crate::{Corpus, Error, Overlap, Protocol, Sex, Utterance};

/// Says how a corpus is to be split.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SplitOptions {
    /// The rule; default [`Protocol::Speakers`].
    pub protocol: Protocol,
    /// What chance is drawn from; default 0. The same seed gives the same split.
    pub seed: u64,
}

/// Holds the three parts of a corpus: to train on, to choose by, and to test on.
///
/// Under [`Protocol::Speakers`] each corpus of at least three speakers is split on its own: 15 %
/// of its speakers (rounded, at least one) test, as many validate, and the others train, with the
/// sexes balanced as far as their numbers allow. Speakers of smaller corpora are pooled and split
/// likewise, or train if they are fewer than three. A corpus of at least three speakers is split
/// in the same way whatever it is merged with, and the order of merging never matters.
///
/// ```no_run
/// use ser_corpus::{Corpus, Protocol, Split, SplitOptions};
///
/// let corpus = Corpus::emodb("EMO-DB")?;
/// let options = SplitOptions { protocol: Protocol::Speakers, seed: 7 };
/// let split = Split::new(&corpus, &options)?;
/// println!("tested on {} clips", split.test().utterances().len());
/// # Ok::<(), ser_corpus::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    train: TrainPart,
    valid: ValidPart,
    test: TestPart,
}

/// Holds the utterances to train on. Only a [`Split`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainPart(Vec<Utterance>);

/// Holds the utterances to choose the best epoch and options by. Only a [`Split`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidPart(Vec<Utterance>);

/// Holds the utterances to test on, once. Only a [`Split`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestPart(Vec<Utterance>);

impl Split {
    /// Splits a corpus.
    ///
    /// # Errors
    ///
    /// If the speaker of an utterance is not known, or if there are fewer than three speakers.
    pub fn new(corpus: &Corpus, options: &SplitOptions) -> Result<Self, Error> {
        match options.protocol {
            Protocol::Speakers => by_speakers(corpus, options.seed),
        }
    }

    /// Returns the part to train on.
    pub fn train(&self) -> &TrainPart {
        &self.train
    }

    /// Returns the part to choose the best epoch and options by.
    pub fn valid(&self) -> &ValidPart {
        &self.valid
    }

    /// Returns the part to test on.
    pub fn test(&self) -> &TestPart {
        &self.test
    }

    /// Finds out what the parts have in common.
    pub fn overlap(&self) -> Overlap {
        Overlap::between([&self.train.0, &self.valid.0, &self.test.0])
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

/// Corpus and speaker.
type Speaker<'c> = (&'c str, &'c str);

fn by_speakers(corpus: &Corpus, seed: u64) -> Result<Split, Error> {
    let speakers = speakers(corpus)?;
    if speakers.len() < 3 {
        return Err(Error::TooFewSpeakers { speakers: speakers.len() });
    }
    let mut corpora = BTreeMap::<_, Vec<_>>::new();
    for (speaker, sex) in speakers {
        corpora.entry(speaker.0).or_default().push((speaker, sex));
    }
    let (mut strata, small): (Vec<_>, Vec<_>) = corpora.into_values().partition(|speakers| speakers.len() >= 3);
    strata.push(small.concat());

    let (mut valid, mut test) = (BTreeSet::new(), BTreeSet::new());
    for stratum in strata.into_iter().filter(|stratum| stratum.len() >= 3) {
        let size = ((0.15 * stratum.len() as f64).round() as usize).max(1);
        let mut drawn = draw(stratum, seed).into_iter();
        test.extend(drawn.by_ref().take(size));
        valid.extend(drawn.take(size));
    }

    let mut parts = (Vec::new(), Vec::new(), Vec::new());
    for utterance in corpus.utterances() {
        let Some(speaker) = utterance.speaker_key() else {
            continue;
        };
        let part = if test.contains(&speaker) {
            &mut parts.2
        } else if valid.contains(&speaker) {
            &mut parts.1
        } else {
            &mut parts.0
        };
        part.push(utterance.clone());
    }
    Ok(Split { train: TrainPart(parts.0), valid: ValidPart(parts.1), test: TestPart(parts.2) })
}

/// Lists the speakers in order, each with the sex that is stated first.
fn speakers(corpus: &Corpus) -> Result<BTreeMap<Speaker<'_>, Option<Sex>>, Error> {
    let mut speakers = BTreeMap::new();
    let mut unknown = Vec::new();
    for utterance in corpus.utterances() {
        match utterance.speaker_key() {
            Some(speaker) => {
                let sex = speakers.entry(speaker).or_insert(utterance.sex);
                *sex = sex.or(utterance.sex);
            }
            None => unknown.push(&utterance.path),
        }
    }
    match unknown.first() {
        None => Ok(speakers),
        Some(&path) => Err(Error::NoSpeaker { path: path.clone(), count: unknown.len() }),
    }
}

/// Orders speakers at random, such that every run of them holds the sexes in nearly the same
/// proportion: within each sex the order is random, and the members of a sex of `n` take the
/// places `(i + offset) / n` with one random offset (systematic sampling).
fn draw(speakers: Vec<(Speaker<'_>, Option<Sex>)>, seed: u64) -> Vec<Speaker<'_>> {
    // Numbers are drawn and sorted here rather than by a shuffle of the rand crate, as that may
    // change from version to version.
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut sexes = BTreeMap::<_, Vec<_>>::new();
    for (speaker, sex) in speakers {
        sexes.entry(sex).or_default().push((rng.next_u64(), speaker));
    }
    let mut places = Vec::new();
    for mut speakers in sexes.into_values() {
        speakers.sort_unstable();
        let offset = f64::from(rng.next_u32()) / 2.0_f64.powi(32);
        let n = speakers.len() as f64;
        for (i, (_, speaker)) in speakers.into_iter().enumerate() {
            places.push(((i as f64 + offset) / n, speaker));
        }
    }
    places.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    places.into_iter().map(|(_, speaker)| speaker).collect()
}
