use std::fmt;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::units::{draw, stream};
use crate::{Error, Units};

/// Describes a bootstrap: how often is resampled, and which interval is taken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BootstrapOptions {
    /// The number of resamples, at least 100 (default 2,000).
    pub resamples: usize,
    /// The share of resamples inside the interval, between 0 and 1 exclusive (default 0.95).
    pub level: f64,
    /// The seed of the draws (default 0).
    pub seed: u64,
}

impl Default for BootstrapOptions {
    fn default() -> Self {
        Self { resamples: 2_000, level: 0.95, seed: 0 }
    }
}

impl BootstrapOptions {
    fn validate(&self) -> Result<(), Error> {
        if self.resamples < 100 {
            return Err(Error::out_of_range("resamples", self.resamples, "at least 100"));
        }
        if !(self.level > 0.0 && self.level < 1.0) {
            return Err(Error::out_of_range("level", self.level, "between 0 and 1, such as 0.95"));
        }
        Ok(())
    }
}

/// Holds a statistic and its bootstrap confidence interval.
///
/// `Display` prints `0.712 [0.655, 0.764]`, or `0.712` where there is no interval, with three decimals unless asked otherwise:
/// `{interval:.4}`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Interval {
    /// The statistic of all samples.
    pub estimate: f64,
    /// The lower end; NaN of fewer than [`Interval::MIN_UNITS`] units, and where the statistic is not a number in any resample.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The share of resamples between the ends.
    pub level: f64,
    /// The number of resamples in which the statistic is a number: the others do not count.
    pub resamples: usize,
}

impl Interval {
    /// Fewer units have no interval: four have 35 different resamples, one a width of 0.
    pub const MIN_UNITS: usize = 5;
}

/// Estimates how much a statistic would change with other samples, by the percentile bootstrap (Efron 1979).
///
/// Each resample draws as many units as there are, with replacement, and hands the indices of their samples to
/// `statistic`; of a group all samples come, so resamples by group differ in length. The interval's ends are the
/// `(1 − level) / 2` and `(1 + level) / 2` quantiles over the resamples, interpolated linearly as in NumPy's `quantile`.
/// Resamples in which the statistic is NaN (a class that was not drawn) are left out and not counted in
/// [`Interval::resamples`].
///
/// Equal options give the same interval on every machine. With fewer than about ten units, percentile intervals are too
/// narrow; of fewer than [`Interval::MIN_UNITS`] there is none.
///
/// ```
/// use ser_metrics::{BootstrapOptions, ConfusionMatrix, Units, bootstrap};
///
/// let pairs = [(0, 0), (0, 1), (1, 1), (1, 1), (0, 0), (1, 0)].repeat(4);
/// let speakers = (0..24).map(|clip| clip / 4);
/// let uar = |indices: &[usize]| {
///     Ok(ConfusionMatrix::new(["calm", "angry"], indices.iter().map(|&index| pairs[index]))?.uar())
/// };
/// let interval = bootstrap(&Units::groups(speakers)?, &BootstrapOptions::default(), uar)?;
/// assert!(interval.low < interval.estimate && interval.estimate < interval.high);
/// println!("UAR {interval:.2}");
/// # Ok::<(), ser_metrics::Error>(())
/// ```
///
/// # Errors
///
/// If an option is out of range, or what `statistic` returns.
pub fn bootstrap(
    units: &Units,
    options: &BootstrapOptions,
    mut statistic: impl FnMut(&[usize]) -> Result<f64, Error>,
) -> Result<Interval, Error> {
    options.validate()?;
    let all: Vec<usize> = (0..units.samples()).collect();
    let estimate = statistic(&all)?;
    let mut rng = stream(options.seed);
    let mut indices = Vec::with_capacity(all.len());
    let mut values = Vec::with_capacity(options.resamples);
    for _ in 0..options.resamples {
        resample(units, &mut rng, &mut indices);
        values.push(statistic(&indices)?);
    }
    values.retain(|value| !value.is_nan());
    values.sort_by(f64::total_cmp);
    let tail = (1.0 - options.level) / 2.0;
    let end = |share| if units.len() < Interval::MIN_UNITS { f64::NAN } else { quantile(&values, share) };
    Ok(Interval { estimate, low: end(tail), high: end(1.0 - tail), level: options.level, resamples: values.len() })
}

fn resample(units: &Units, rng: &mut ChaCha8Rng, indices: &mut Vec<usize>) {
    indices.clear();
    for _ in 0..units.len() {
        indices.extend_from_slice(units.unit(draw(rng, units.len())));
    }
}

/// Interpolates between the sorted values.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len().saturating_sub(1)) as f64;
    let (below, fraction) = (place.floor(), place.fract());
    let at = |index: f64| sorted.get(index as usize).copied();
    match (at(below), at(below + 1.0)) {
        (Some(low), Some(high)) => low + fraction * (high - low),
        (Some(last), None) => last,
        _ => f64::NAN,
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(3);
        if self.low.is_nan() {
            return write!(f, "{:.digits$}", self.estimate);
        }
        write!(f, "{:.digits$} [{:.digits$}, {:.digits$}]", self.estimate, self.low, self.high)
    }
}
