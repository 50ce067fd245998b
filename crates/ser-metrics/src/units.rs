use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::Error;

/// Says what is drawn together when samples are resampled or exchanged: single samples, or whole groups.
///
/// Samples of one speaker resemble each other. Where a number shall say something about new speakers, whole speakers
/// must be drawn; drawing single samples then gives intervals that are too narrow.
///
/// ```
/// use ser_metrics::Units;
///
/// let by_speaker = Units::groups(["anna", "ben", "anna", "carl"])?;
/// assert_eq!(by_speaker.len(), 3);
/// assert_eq!(by_speaker.samples(), 4);
/// # Ok::<(), ser_metrics::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Units {
    /// The indices of all samples, unit after unit.
    order: Vec<usize>,
    /// Where each unit ends in `order`.
    ends: Vec<usize>,
}

impl Units {
    /// Takes each of `samples` samples as a unit of its own.
    ///
    /// # Errors
    ///
    /// If there is no sample.
    pub fn single(samples: usize) -> Result<Self, Error> {
        Self::groups(0..samples)
    }

    /// Takes samples with equal keys, such as the speaker, as one unit; there is one key for each sample.
    ///
    /// Units are ordered by key, so the order of the samples does not change what is drawn.
    ///
    /// # Errors
    ///
    /// If there is no sample.
    pub fn groups<K: Ord>(keys: impl IntoIterator<Item = K>) -> Result<Self, Error> {
        let mut units = BTreeMap::<K, Vec<usize>>::new();
        for (index, key) in keys.into_iter().enumerate() {
            units.entry(key).or_default().push(index);
        }
        let (mut order, mut ends) = (Vec::new(), Vec::new());
        for unit in units.into_values() {
            order.extend(unit);
            ends.push(order.len());
        }
        if order.is_empty() { Err(Error::NoSamples) } else { Ok(Self { order, ends }) }
    }

    /// Returns the number of units, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "there is at least one unit")]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns the number of samples.
    pub fn samples(&self) -> usize {
        self.order.len()
    }

    /// The indices of the samples of each unit.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[usize]> {
        (0..self.len()).map(|unit| self.unit(unit))
    }

    pub(crate) fn unit(&self, unit: usize) -> &[usize] {
        let start = if unit == 0 { 0 } else { self.ends[unit - 1] };
        &self.order[start..self.ends[unit]]
    }

    /// Refuses a list that is not one of these samples.
    pub(crate) fn check_length(&self, what: &'static str, actual: usize) -> Result<(), Error> {
        let expected = self.samples();
        if actual == expected { Ok(()) } else { Err(Error::LengthsDiffer { what, expected, actual }) }
    }
}

/// The random stream of a seed, the same on every machine and in every version.
pub(crate) fn stream(seed: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// Draws from `0..len`.
pub(crate) fn draw(rng: &mut ChaCha8Rng, len: usize) -> usize {
    // A product of 64 bits each: the bias is len / 2⁶⁴.
    ((u128::from(rng.next_u64()) * len as u128) >> 64) as usize
}
