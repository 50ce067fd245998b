//! Divides utterances, or groups of them such as those of one speaker, so that all parts are alike.

use std::{cmp::Reverse, collections::BTreeMap};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use crate::{Emotion, Sex, Utterance};

/// Returns the generator of one of the independent streams of a seed.
pub fn rng(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// Brings items into a random order.
pub fn shuffle<T>(items: impl IntoIterator<Item = T>, rng: &mut ChaCha8Rng) -> Vec<T> {
    // Numbers are drawn and sorted here rather than by a shuffle of the rand crate, as that may
    // change from version to version.
    let mut keyed: Vec<_> = items.into_iter().map(|item| (rng.next_u64(), item)).collect();
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, item)| item).collect()
}

/// Deals the utterances out to `k` folds at random, such that the folds' counts of each emotion of a corpus differ by
/// one at most, and so do their sizes (scikit-learn's `StratifiedKFold`).
pub fn deal(utterances: &[Utterance], k: usize, rng: &mut ChaCha8Rng) -> Vec<Vec<usize>> {
    let mut order = shuffle(0..utterances.len(), rng);
    order.sort_by_key(|&index| (utterances[index].corpus.as_str(), utterances[index].emotion));
    let mut folds = vec![Vec::new(); k];
    for (place, index) in order.into_iter().enumerate() {
        folds[place % k].push(index);
    }
    folds
}

/// What every part is to hold in proportion to its share.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class<'u> {
    Any,
    Emotion(Emotion),
    EmotionOfCorpus(&'u str, Emotion),
    SexOfCorpus(&'u str, Sex),
}

impl<'u> Class<'u> {
    fn of(utterance: &'u Utterance) -> impl Iterator<Item = Self> {
        let (corpus, emotion) = (utterance.corpus.as_str(), utterance.emotion);
        let sex = utterance.sex.map(|sex| Self::SexOfCorpus(corpus, sex));
        [Self::Any, Self::Emotion(emotion), Self::EmotionOfCorpus(corpus, emotion)].into_iter().chain(sex)
    }

    /// How much it matters that no part is without it; any utterance at all matters more than all emotions.
    fn need(self) -> usize {
        match self {
            Self::Any => 1 + Emotion::ALL.len(),
            Self::Emotion(_) => 1,
            Self::EmotionOfCorpus(..) | Self::SexOfCorpus(..) => 0,
        }
    }
}

/// Assigns each group to a part such that the emotions, the emotions of each corpus and the sexes of each corpus are
/// spread over the parts in proportion to the parts' shares of all utterances, as far as whole groups allow.
///
/// Greedy, after scikit-learn's `StratifiedGroupKFold`: groups come one by one, large ones first (by powers of two of
/// their sizes, at random among equals, so that the seed matters), and each goes where it adds least to the weighted
/// variance `Σ x² / share` over the parts, where `x` is the fraction of a class that a part holds. But once there are no
/// more groups with any utterance, or with an emotion, than parts without, such a part is preferred: no part stays
/// empty, and none without an emotion that enough groups have.
pub fn assign(utterances: &[Utterance], groups: &[Vec<usize>], shares: &[f64], rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut classes = BTreeMap::new();
    let counts: Vec<BTreeMap<usize, usize>> = groups
        .iter()
        .map(|group| {
            let mut counts = BTreeMap::new();
            for class in group.iter().flat_map(|&index| Class::of(&utterances[index])) {
                let n = classes.len();
                *counts.entry(*classes.entry(class).or_insert(n)).or_default() += 1;
            }
            counts
        })
        .collect();
    let mut needs = vec![0; classes.len()];
    classes.into_iter().for_each(|(class, index)| needs[index] = class.need());
    let mut totals = vec![0; needs.len()];
    let mut groups_left = vec![0; needs.len()];
    for (&class, &count) in counts.iter().flatten() {
        totals[class] += count;
        groups_left[class] += 1;
    }

    let mut held = vec![vec![0; needs.len()]; shares.len()];
    let mut sizes = vec![0; shares.len()];
    let mut parts_without = vec![shares.len(); needs.len()];
    let mut part_of = vec![0; groups.len()];
    let mut order = shuffle(0..groups.len(), rng);
    order.sort_by_key(|&group| Reverse(groups[group].len().checked_ilog2()));
    for group in order {
        let rank = |part: usize| {
            let (mut need, mut variance) = (0, 0.0);
            for (&class, &count) in &counts[group] {
                let held = held[part][class];
                if held == 0 && groups_left[class] <= parts_without[class] {
                    need += needs[class];
                }
                let total = totals[class] as f64;
                variance += count as f64 / total * ((2 * held + count) as f64 / total) / shares[part];
            }
            (Reverse(need), variance, sizes[part] as f64 / shares[part])
        };
        let ranks = (0..shares.len()).map(|part| (rank(part), part));
        let best = ranks.min_by(|(a, _), (b, _)| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.total_cmp(&b.2)));
        let part = best.map_or(0, |(_, part)| part);
        part_of[group] = part;
        sizes[part] += groups[group].len();
        for (&class, &count) in &counts[group] {
            groups_left[class] -= 1;
            parts_without[class] -= usize::from(held[part][class] == 0);
            held[part][class] += count;
        }
    }
    part_of
}
