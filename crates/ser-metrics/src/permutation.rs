use rand_chacha::rand_core::Rng;
use serde::{Deserialize, Serialize};

use crate::units::stream;
use crate::{Error, Units};

/// Describes a permutation test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PermutationOptions {
    /// The number of random exchanges, at least 100 (default 9,999, scipy's). If all exchanges are not more than that,
    /// each is tried once in their place.
    pub resamples: usize,
    /// The seed of the exchanges (default 0).
    pub seed: u64,
}

impl Default for PermutationOptions {
    fn default() -> Self {
        Self { resamples: 9_999, seed: 0 }
    }
}

/// Holds the outcome of a paired permutation test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PermutationTest {
    /// The metric of the first model minus that of the second.
    pub difference: f64,
    /// How often exchanged predictions differ as much, in either direction; above 0, at most 1.
    pub p_value: f64,
    /// The number of exchanges tried.
    pub resamples: usize,
    /// Whether these were all exchanges there are.
    pub exact: bool,
}

/// Tests whether two models that predicted the same samples differ in a metric.
///
/// If they did not, their predictions could be exchanged in any unit (sample or speaker, see [`Units`]). The p-value is
/// two-sided: the share of exchanges whose difference is at least as large as the one observed. Up to 13 units all 2ⁿ
/// exchanges are tried by default; beyond, random ones, and the observed one is added to them (Phipson and Smyth 2010).
/// Where all exchanges are tried, this is scipy's `permutation_test` with `permutation_type="samples"`; of random ones scipy doubles
/// the smaller tail.
///
/// `metric` gets the predictions of one model, in the order of the samples. A prediction is what the metric needs: a
/// class, a number, a slice of probabilities.
///
/// ```
/// use ser_metrics::{ConfusionMatrix, PermutationOptions, Units, paired_permutation_test};
///
/// let truth = [0, 0, 1, 1, 1, 0];
/// let (first, second) = ([0, 0, 1, 1, 1, 1], [0, 1, 0, 1, 0, 1]);
/// let uar = |predictions: &[usize]| {
///     let pairs = truth.into_iter().zip(predictions.iter().copied());
///     Ok(ConfusionMatrix::new(["calm", "angry"], pairs)?.uar())
/// };
/// let units = Units::single(truth.len())?;
/// let test = paired_permutation_test(&first, &second, &units, &PermutationOptions::default(), uar)?;
/// assert!(test.exact && test.difference > 0.0);
/// assert_eq!(test.p_value, 0.25); // 2 of the 2³ exchanges of predictions that differ
/// # Ok::<(), ser_metrics::Error>(())
/// ```
///
/// # Errors
///
/// If the lengths differ, if there are fewer than 100 resamples, if the metric is NaN, or what `metric` returns.
pub fn paired_permutation_test<P: Copy>(
    first: &[P],
    second: &[P],
    units: &Units,
    options: &PermutationOptions,
    mut metric: impl FnMut(&[P]) -> Result<f64, Error>,
) -> Result<PermutationTest, Error> {
    units.check_length("predictions of the first model", first.len())?;
    units.check_length("predictions of the second model", second.len())?;
    if options.resamples < 100 {
        return Err(Error::out_of_range("resamples", options.resamples, "at least 100"));
    }
    let mut difference = |first: &[P], second: &[P]| match metric(first)? - metric(second)? {
        difference if difference.is_nan() => Err(Error::Undefined),
        difference => Ok(difference),
    };
    let observed = difference(first, second)?;
    // Differences that are equal but for their rounding count as equal, as in scipy.
    let least = observed.abs() - 100.0 * f64::EPSILON * observed.abs().max(1.0);

    let all = u32::try_from(units.len())
        .ok()
        .and_then(|units| 1_usize.checked_shl(units))
        .filter(|&all| all <= options.resamples);
    let resamples = all.unwrap_or(options.resamples);
    let mut rng = stream(options.seed);
    let mut as_large = 0_usize;
    for exchange in 0..resamples {
        let (mut one, mut other) = (first.to_vec(), second.to_vec());
        let mut bits = exchange as u64;
        for (place, unit) in units.iter().enumerate() {
            if all.is_none() && place % 64 == 0 {
                bits = rng.next_u64();
            }
            if bits >> (place % 64) & 1 == 1 {
                for &index in unit {
                    std::mem::swap(&mut one[index], &mut other[index]);
                }
            }
        }
        as_large += usize::from(difference(&one, &other)?.abs() >= least);
    }
    let p_value = match all {
        Some(all) => as_large as f64 / all as f64,
        None => (as_large + 1) as f64 / (resamples + 1) as f64,
    };
    Ok(PermutationTest { difference: observed, p_value, resamples, exact: all.is_some() })
}
