use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{BootstrapOptions, Error, Interval, Units, bootstrap};

/// Holds a metric of each group of samples, such as sexes, age bands, corpora, languages or speakers, and the largest
/// gap between two groups.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GroupScores {
    /// The groups, sorted by name.
    pub groups: Vec<GroupScore>,
    /// The number of samples of no group.
    pub without_group: usize,
    /// The largest gap; `None` where fewer than two groups are large enough.
    pub gap: Option<Gap>,
}

/// Holds the metric of one group.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GroupScore {
    /// The name of the group.
    pub name: String,
    /// The metric and its bootstrap interval, drawn from this group's units alone.
    pub metric: Interval,
    /// The number of samples; of repeated ones, how many there are beside repetitions.
    pub samples: usize,
    /// The number of units (speakers, or samples) that they come from.
    pub units: usize,
    /// Whether there are fewer samples than [`GroupScores::MIN_SAMPLES`] or fewer units than [`GroupScores::MIN_UNITS`].
    pub too_small: bool,
}

/// Holds the largest difference of a metric between two groups that are large enough.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Gap {
    /// The group with the highest value.
    pub highest: String,
    /// The group with the lowest value.
    pub lowest: String,
    /// The difference of these two groups, highest minus lowest, and its bootstrap interval. Where that holds 0, the
    /// samples do not show a difference.
    pub difference: Interval,
}

impl GroupScores {
    /// A group with fewer samples is too small: a share of 30 is uncertain by up to ±0.18 (at 95 %).
    pub const MIN_SAMPLES: usize = 30;
    /// A group with fewer units is too small.
    pub const MIN_UNITS: usize = Interval::MIN_UNITS;

    /// Computes `metric` of each group; `groups` names that of each sample, `None` where it is not known.
    ///
    /// `metric` gets the indices of samples. `units` says what is drawn for the intervals: speakers, where the groups
    /// are larger than a speaker, else single samples. `distinct` has the repetitions of a sample, such as what several models
    /// said of it, in one unit: they make no group larger. Groups that are [`too_small`](GroupScore::too_small) or whose
    /// metric is NaN have no part in the gap. The pair with the largest gap is chosen on all samples and then kept in every
    /// resample; the more groups there are, the more such a choice exaggerates.
    ///
    /// ```
    /// use ser_metrics::{BootstrapOptions, ConfusionMatrix, GroupScores, Units};
    ///
    /// let truth = [0, 0, 1, 1].repeat(20);
    /// let predictions = [0, 1, 1, 1].repeat(20);
    /// let sexes = [Some("female"), Some("male"), Some("female"), None].repeat(20);
    /// let speakers = (0..80).map(|sample| sample / 4);
    /// let accuracy = |indices: &[usize]| {
    ///     let pairs = indices.iter().map(|&index| (truth[index], predictions[index]));
    ///     Ok(ConfusionMatrix::new(["calm", "angry"], pairs)?.accuracy())
    /// };
    /// let (speakers, distinct) = (Units::groups(speakers)?, Units::single(80)?);
    /// let scores = GroupScores::new(&sexes, &speakers, &distinct, &BootstrapOptions::default(), accuracy)?;
    /// assert_eq!(scores.groups[0].metric.estimate, 1.0);
    /// assert_eq!(scores.without_group, 20);
    /// assert!(scores.groups[1].name == "male" && scores.groups[1].too_small);
    /// # Ok::<(), ser_metrics::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the lengths differ, if no sample has a group, if an option is out of range, or what `metric` returns.
    pub fn new<G: AsRef<str>>(
        groups: &[Option<G>],
        units: &Units,
        distinct: &Units,
        options: &BootstrapOptions,
        mut metric: impl FnMut(&[usize]) -> Result<f64, Error>,
    ) -> Result<Self, Error> {
        units.check_length("groups", groups.len())?;
        distinct.check_length("groups", groups.len())?;
        let [unit_of, distinct_of] = [units, distinct].map(|units| {
            let mut unit_of = vec![0; groups.len()];
            for (unit, samples) in units.iter().enumerate() {
                samples.iter().for_each(|&sample| unit_of[sample] = unit);
            }
            unit_of
        });
        let mut members = BTreeMap::<&str, Vec<usize>>::new();
        for (sample, group) in groups.iter().enumerate() {
            if let Some(name) = group {
                members.entry(name.as_ref()).or_default().push(sample);
            }
        }
        if members.is_empty() {
            return Err(Error::NoSamples);
        }
        let without =
            groups.iter().zip(&distinct_of).filter(|(group, _)| group.is_none()).map(|(_, distinct)| distinct);
        let without_group = without.collect::<BTreeSet<_>>().len();
        let mut scores = Vec::new();
        for (name, samples) in members {
            let own_units = Units::groups(samples.iter().map(|&sample| unit_of[sample]))?;
            let interval = bootstrap(&own_units, options, |places| {
                metric(&places.iter().map(|&place| samples[place]).collect::<Vec<_>>())
            })?;
            let n_samples = samples.iter().map(|&sample| distinct_of[sample]).collect::<BTreeSet<_>>().len();
            scores.push(GroupScore {
                name: name.into(),
                metric: interval,
                samples: n_samples,
                units: own_units.len(),
                too_small: n_samples < Self::MIN_SAMPLES || own_units.len() < Self::MIN_UNITS,
            });
        }
        let gap = largest_gap(groups, units, options, &scores, metric)?;
        Ok(Self { groups: scores, without_group, gap })
    }
}

fn largest_gap<G: AsRef<str>>(
    groups: &[Option<G>],
    units: &Units,
    options: &BootstrapOptions,
    scores: &[GroupScore],
    mut metric: impl FnMut(&[usize]) -> Result<f64, Error>,
) -> Result<Option<Gap>, Error> {
    let mut large: Vec<_> = scores.iter().filter(|group| !group.too_small && !group.metric.estimate.is_nan()).collect();
    large.sort_by(|a, b| a.metric.estimate.total_cmp(&b.metric.estimate));
    let [lowest, .., highest] = large[..] else { return Ok(None) };
    let mut metric_of = |group: &GroupScore, indices: &[usize]| {
        let is_own = |&index: &usize| groups[index].as_ref().is_some_and(|name| name.as_ref() == group.name);
        let own: Vec<usize> = indices.iter().copied().filter(is_own).collect();
        if own.is_empty() { Ok(f64::NAN) } else { metric(&own) }
    };
    let difference =
        bootstrap(units, options, |indices| Ok(metric_of(highest, indices)? - metric_of(lowest, indices)?))?;
    Ok(Some(Gap { highest: highest.name.clone(), lowest: lowest.name.clone(), difference }))
}
