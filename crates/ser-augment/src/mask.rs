use ndarray::{ArrayRef2, Axis, Slice};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::draw::{index, uniform};
use crate::options::{check, check_range};

/// Hides runs of frames or of bins: SpecAugment's masks (Park et al., 2019), with the mean of all values in their place,
/// which is 0 for normalised features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mask {
    /// How often it is applied, 0 to 1, default 1.
    pub probability: f64,
    /// The number of runs, 1 to 100, default 2; they may overlap.
    pub masks: usize,
    /// The part of all frames or bins that one run hides, within 0 to 1, default 0 to 0.1.
    pub width: [f64; 2],
}

impl Default for Mask {
    fn default() -> Self {
        Self { probability: 1.0, masks: 2, width: [0.0, 0.1] }
    }
}

impl Mask {
    pub(crate) fn check(&self) -> Result<(), Error> {
        check("masks", self.masks, (1..=100).contains(&self.masks), "1 to 100")?;
        check_range("width", self.width, 0.0..=1.0, "[low, high] within 0 to 1")
    }

    /// Masks runs along the axis: 0 for frames, 1 for bins.
    pub(crate) fn apply(&self, features: &mut ArrayRef2<f32>, axis: Axis, rng: &mut ChaCha8Rng) -> Result<(), Error> {
        let sum: f64 = features.iter().map(|&value| f64::from(value)).sum();
        if !sum.is_finite() {
            return Err(Error::NonFiniteFeature);
        }
        let mean = (sum / features.len().max(1) as f64) as f32;
        let len = features.len_of(axis);
        for _ in 0..self.masks {
            let width = (uniform(rng, self.width) * len as f64).round() as usize;
            let start = index(rng, len - width + 1);
            features.slice_axis_mut(axis, Slice::from(start..start + width)).fill(mean);
        }
        Ok(())
    }
}
