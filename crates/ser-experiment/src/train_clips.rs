//! What only the training part may do: balance the classes, fit the normaliser, be augmented.

use crate::babble::babble;
use crate::dataset::{Clip, Loader, PartNormalizer, Reader, Row, fit, rows, standardized};
use crate::{AugmentOptions, ClassWeights, Error, Progress, TrainingCopies};
use ser_augment::{Chain, ChainOptions, Draw, NoiseSource, WaveformStep};
use ser_corpus::{LabelSet, TrainPart};
use ser_features::ndarray::{Array2, CowArray, Ix2};
use ser_features::{Normalizer, NormalizerOptions};
use ser_inference::{Dimension, Recording};
use ser_model::{BoxError, Dataset};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::path::Path;

/// Checks that each class has rows in a training part; `fold` is that of the protocol, where it has several.
///
/// # Errors
/// A class without rows.
pub(crate) fn check_classes(counts: &[usize], labels: &LabelSet, fold: Option<usize>) -> Result<(), Error> {
    let of = |has_clips: bool| labels.classes().iter().zip(counts).filter(move |(_, count)| (**count > 0) == has_clips);
    match of(false).next() {
        Some((&class, _)) => {
            Err(Error::ClassWithoutClips { class, fold, others: of(true).map(|(&class, _)| class).collect() })
        }
        None => Ok(()),
    }
}

/// The clips of a training part. Nothing else makes one.
pub(crate) struct TrainClips<'a>(Vec<Clip<'a>>);

impl<'a> TrainClips<'a> {
    /// Reads the recordings, and makes the copies that are made once.
    pub fn read(
        part: &'a TrainPart,
        labels: &LabelSet,
        copies: TrainingCopies,
        loader: &Loader,
        reader: &mut Reader<impl FnMut(Progress)>,
    ) -> Result<Self, Error> {
        let rows = rows(part.utterances(), labels);
        // A row may be a copy already, and then no more are asked for.
        let rows: Vec<Row> = rows
            .into_iter()
            .flat_map(|row| (0..copies.count()).map(move |copy| Row { copy: row.copy + copy, ..row }))
            .collect();
        reader.clips(&rows, loader).map(Self)
    }

    pub fn clips(&self) -> &[Clip<'a>] {
        &self.0
    }

    /// The factors of the classes, in the order of the label set.
    pub fn class_weights(&self, weights: ClassWeights, labels: &LabelSet) -> Result<WeightsOfClasses, Error> {
        let mut counts = vec![0; labels.len()];
        let mut of_corpora = BTreeMap::<String, Vec<usize>>::new();
        for clip in &self.0 {
            let corpus = &clip.row.utterance.corpus;
            counts[clip.row.class] += 1;
            of_corpora.entry(corpus.clone()).or_insert_with(|| vec![0; labels.len()])[clip.row.class] += 1;
        }
        if weights != ClassWeights::BalancedByCorpus {
            of_corpora.clear();
        }
        check_classes(&counts, labels, None)?;
        Ok(WeightsOfClasses {
            of_all: weights.factors(&counts),
            of_corpora: of_corpora.into_iter().map(|(corpus, counts)| (corpus, weights.factors(&counts))).collect(),
        })
    }

    /// Takes the mean and the deviation of each number that is to be learned.
    pub fn fit_dimensions(&self, names: &[String]) -> Result<Vec<Dimension>, Error> {
        let fit = |name: &String| {
            let values = || self.0.iter().filter_map(|clip| clip.row.utterance.dimensions.get(name));
            let n = self.0.len() as f64;
            let mean = values().sum::<f64>() / n;
            let std = (values().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
            // Rounding alone gives equal numbers a deviation of some 10⁻¹⁶ of them.
            if std > 1e-12 * mean.abs() && mean.abs() <= 1e30 && std <= 1e30 {
                return Ok(Dimension { name: name.clone(), mean, std });
            }
            let reason = "all training clips have the same number, or one is beyond 1e30";
            Err(Error::Dimension { name: name.clone(), reason })
        };
        names.iter().map(fit).collect()
    }

    pub fn fit_normalizer(&self, options: &NormalizerOptions) -> Result<Normalizer, Error> {
        fit(&self.0, |features| Normalizer::fit(options, features))
    }

    /// Gives what is learned from: normalised, and augmented anew in every epoch.
    pub fn augmented(
        &'a self,
        options: &AugmentOptions,
        loader: &'a Loader,
        normalizer: &'a Normalizer,
        class_weights: &'a WeightsOfClasses,
        dimensions: &[Dimension],
        seed: u64,
    ) -> Result<PartClips<'a>, Error> {
        let AugmentOptions { waveform, features, .. } = options.clone();
        let from_bank = |step: &WaveformStep| matches!(step, WaveformStep::Noise(n) if n.source == NoiseSource::Bank);
        let bank = if waveform.iter().any(from_bank) {
            let paths: Vec<&Path> = self.0.iter().map(|clip| clip.row.utterance.path.as_path()).collect();
            babble(&paths, &loader.frontend, seed)?
        } else {
            Vec::new()
        };
        let augmentation = Augmentation {
            repetitions: repetitions(&self.0),
            chain: Chain::with_noise_bank(ChainOptions { waveform, features }, bank)?,
            changes_waveforms: !options.waveform.is_empty(),
            loader,
            seed,
        };
        let clips = PartClips::new(&self.0, normalizer, class_weights, dimensions)?;
        Ok(PartClips { augmentation: Some(augmentation), ..clips })
    }
}

/// How much each class counts in the loss.
pub(crate) struct WeightsOfClasses {
    pub of_all: Vec<f32>,
    /// Of the clips of a corpus, where they are weighted by themselves.
    of_corpora: BTreeMap<String, Vec<f32>>,
}

impl WeightsOfClasses {
    /// Those that a clip has of its own. A clip of a class that its corpus does not have in training has none.
    fn own(&self, row: &Row) -> Option<&[f32]> {
        let weights = self.of_corpora.get(&row.utterance.corpus)?;
        Some(weights.as_slice()).filter(|weights| weights[row.class] > 0.0)
    }
}

/// How often each clip is among those before it.
fn repetitions(clips: &[Clip]) -> Vec<usize> {
    let mut counts = HashMap::new();
    let count = clips.iter().map(|clip| {
        let count = counts.entry((&clip.row.utterance.path, clip.row.copy)).or_insert(0);
        *count += 1;
        *count - 1
    });
    count.collect()
}

/// How the clips of the training part are changed in every epoch.
struct Augmentation<'a> {
    /// How often each clip was there before, as in classes that are brought to one size.
    repetitions: Vec<usize>,
    chain: Chain,
    changes_waveforms: bool,
    loader: &'a Loader,
    seed: u64,
}

/// What the network learns from, or what the epoch is chosen by: normalised, and never augmented unless
/// [`TrainClips::augmented`] made it.
pub(crate) struct PartClips<'a> {
    clips: &'a [Clip<'a>],
    class_weights: &'a WeightsOfClasses,
    values: Vec<Vec<f32>>,
    normalizer: PartNormalizer<'a>,
    augmentation: Option<Augmentation<'a>>,
}

impl<'a> PartClips<'a> {
    pub fn new(
        clips: &'a [Clip<'a>],
        normalizer: &'a Normalizer,
        class_weights: &'a WeightsOfClasses,
        dimensions: &[Dimension],
    ) -> Result<Self, Error> {
        let (values, normalizer) = (standardized(clips, dimensions), PartNormalizer::new(normalizer, clips)?);
        Ok(Self { clips, class_weights, values, normalizer, augmentation: None })
    }
}

impl Dataset for PartClips<'_> {
    fn len(&self) -> usize {
        self.clips.len()
    }

    fn class(&self, index: usize) -> usize {
        self.clips[index].row.class
    }

    fn class_weights(&self, index: usize) -> Option<&[f32]> {
        self.class_weights.own(&self.clips[index].row)
    }

    fn values(&self, index: usize) -> &[f32] {
        &self.values[index]
    }

    fn features(&self, index: usize, epoch: usize) -> Result<CowArray<'_, f32, Ix2>, BoxError> {
        let clip = &self.clips[index];
        let Some(augmentation) = &self.augmentation else {
            let mut features = clip.features()?.into_owned();
            self.normalizer.apply(clip.row.utterance, &mut features)?;
            return Ok(features.into());
        };
        let mut utterance = format!("{}/{}", clip.fingerprint.exact(), clip.row.copy);
        if augmentation.repetitions[index] > 0 {
            write!(utterance, "/{}", augmentation.repetitions[index])?;
        }
        let draw = Draw { seed: augmentation.seed, utterance: &utterance, epoch: epoch as u64 };
        let mut features = augmentation.features(clip, &draw)?;
        self.normalizer.apply(clip.row.utterance, &mut features)?;
        augmentation.chain.apply_to_features(&mut features, &draw)?;
        Ok(features.into())
    }
}

impl Augmentation<'_> {
    /// Takes the features of a clip before normalisation. Where waveforms are augmented, the recording is read again: so no more
    /// than a batch of them is in memory. What becomes too short for the features is taken as it was recorded.
    fn features(&self, clip: &Clip, draw: &Draw) -> Result<Array2<f32>, BoxError> {
        if !self.changes_waveforms {
            return Ok(clip.features()?.into_owned());
        }
        let recording = match self.loader.open(&clip.row)? {
            Recording::Audio(waveform) => self.chain.apply(&self.loader.frontend.resample(waveform)?, draw)?.into(),
            features => features,
        };
        match self.loader.frontend.features(recording) {
            // Faster, a short recording may be less than the features need.
            Err(error) if error.is_too_short() => Ok(clip.features()?.into_owned()),
            features => Ok(features?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use ser_audio::{WavFormat, Waveform};
    use ser_corpus::{Corpus, Emotion, Protocol, Split, SplitOptions, Utterance};
    use std::collections::BTreeSet;

    /// Which copies of which recordings are learned from, with their features.
    fn learned(corpus: &Corpus, protocol: Protocol, copies: TrainingCopies) -> Vec<(String, usize, Vec<f32>)> {
        let split = Split::new(corpus, &SplitOptions { protocol, ..SplitOptions::default() }).unwrap();
        let loader = Loader::new(&Config::default().inputs().unwrap()[0], None, 1, None).unwrap();
        let labels = LabelSet::own(corpus).unwrap();
        let clips = TrainClips::read(split.train(), &labels, copies, &loader, &mut Reader::new(0, |_| ())).unwrap();
        let clip = |clip: &Clip| {
            let utterance = clip.row.utterance;
            (utterance.speaker.clone().unwrap(), clip.row.copy, clip.features().unwrap().iter().copied().collect())
        };
        clips.clips().iter().map(clip).collect()
    }

    #[test]
    fn corpora_weigh_the_classes_that_they_have() {
        let folder = tempfile::tempdir().unwrap();
        let emotions = [
            ("a", Emotion::Angry),
            ("a", Emotion::Sad),
            ("a", Emotion::Sad),
            ("b", Emotion::Sad),
            ("b", Emotion::Fear),
            ("b", Emotion::Fear),
            ("b", Emotion::Fear),
        ];
        let clips = emotions.iter().enumerate().map(|(n, &(corpus, emotion))| {
            let path = folder.path().join(format!("{n}.wav"));
            let samples = (0..8_000).map(|i| 0.3 * ((i * (n + 2)) as f32 * 0.02).sin()).collect();
            Waveform::new(samples, 16_000).unwrap().write_wav(&path, WavFormat::Int16).unwrap();
            let mut clip = Utterance::new(path, emotion, corpus);
            clip.speaker = Some(n.to_string());
            clip
        });
        let corpus = Corpus::new(clips.collect());
        // The last two are the other parts.
        let [train, valid, test] = [0..5, 5..6, 6..7].map(|part| corpus.utterances()[part].to_vec());
        let split = Split::custom(train, valid, test).unwrap();
        let loader = Loader::new(&Config::default().inputs().unwrap()[0], None, 1, None).unwrap();
        let labels = LabelSet::own(&corpus).unwrap();
        assert_eq!(labels.classes(), [Emotion::Angry, Emotion::Fear, Emotion::Sad]);
        let reader = &mut Reader::new(0, |_| ());
        let clips = TrainClips::read(split.train(), &labels, TrainingCopies::None, &loader, reader).unwrap();
        let own = |weights: ClassWeights| {
            let weights = clips.class_weights(weights, &labels).unwrap();
            clips.clips().iter().map(|clip| weights.own(&clip.row).map(<[f32]>::to_vec)).collect::<Vec<_>>()
        };
        assert_eq!(own(ClassWeights::Balanced), vec![None; 5]);
        let [a, b] = [vec![1.5, 0.0, 0.75], vec![0.0, 1.0, 1.0]].map(Some);
        assert_eq!(own(ClassWeights::BalancedByCorpus), [a.clone(), a.clone(), a, b.clone(), b]);
    }

    #[test]
    fn a_clip_that_is_repeated_is_augmented_in_another_way() {
        let folder = tempfile::tempdir().unwrap();
        let clips = (0..7).map(|n| {
            let path = folder.path().join(format!("{n}.wav"));
            let samples = (0..8_000).map(|i| 0.3 * ((i * (n + 2)) as f32 * 0.02).sin()).collect();
            Waveform::new(samples, 16_000).unwrap().write_wav(&path, WavFormat::Int16).unwrap();
            let mut clip = Utterance::new(path, if n == 0 { Emotion::Angry } else { Emotion::Sad }, "c");
            clip.speaker = Some(n.to_string());
            clip
        });
        let corpus = Corpus::new(clips.collect());
        let [train, valid, test] = [0..5, 5..6, 6..7].map(|part| corpus.utterances()[part].to_vec());
        let split = Split::custom(train, valid, test).unwrap();
        let config: Config =
            "balance = 'oversample'\nlabels = 'own'\naugment = { waveform = [{ kind = 'noise' }] }".parse().unwrap();
        let (labels, loader) =
            (LabelSet::own(&corpus).unwrap(), Loader::new(&config.inputs().unwrap()[0], None, 1, None).unwrap());
        let part = config.balance.apply(split.train(), &labels, 1);
        let clips =
            TrainClips::read(&part, &labels, TrainingCopies::None, &loader, &mut Reader::new(0, |_| ())).unwrap();
        let (normalizer, weights) = (
            clips.fit_normalizer(&config.normalizer).unwrap(),
            clips.class_weights(ClassWeights::None, &labels).unwrap(),
        );
        let augmented = clips.augmented(&config.augment, &loader, &normalizer, &weights, &[], 1).unwrap();
        let angry: Vec<_> = (0..augmented.len()).filter(|&index| augmented.class(index) == 0).collect();
        assert_eq!(angry.len(), 4, "of one recording");
        let features: Vec<_> = angry.iter().map(|&index| augmented.features(index, 0).unwrap()).collect();
        assert!((1..4).all(|n| features[..n].iter().all(|other| other != features[n])));
    }

    #[test]
    fn copies_are_learned_from_as_they_are_under_either_protocol() {
        let folder = tempfile::tempdir().unwrap();
        let clips = (0..8).map(|n| {
            let path = folder.path().join(format!("{n}.wav"));
            let samples = (0..16_000).map(|i| 0.3 * ((i * (n + 2)) as f32 * 0.02).sin()).collect();
            Waveform::new(samples, 16_000).unwrap().write_wav(&path, WavFormat::Int16).unwrap();
            let mut clip = Utterance::new(path, Emotion::ALL[n % 2], "c");
            clip.speaker = Some(n.to_string());
            clip
        });
        let corpus = Corpus::new(clips.collect());
        for (protocol, copies) in
            [(Protocol::LeakySeed, TrainingCopies::None), (Protocol::Speakers, TrainingCopies::Paper)]
        {
            let learned = learned(&corpus, protocol, copies);
            let kinds: BTreeSet<_> = learned.iter().map(|(_, copy, _)| *copy).collect();
            assert_eq!(kinds, BTreeSet::from([0, 1, 2, 3]), "{protocol}");
            // Each sounds otherwise.
            for (n, one) in learned.iter().enumerate() {
                assert!(learned[..n].iter().all(|other| one.2 != other.2), "{protocol}: {} {}", one.0, one.1);
            }
        }
    }
}
