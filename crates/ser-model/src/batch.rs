use crate::layers::Activations;
use crate::{Error, Result};
use candle_core::{Device, Tensor};
use ndarray::{Array2, ArrayRef2, ArrayView2, Axis, CowArray, Ix2};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// One utterance to learn from or to validate on.
#[derive(Clone, Debug)]
pub struct Example {
    /// Features `[frames, bins]`.
    pub features: Array2<f32>,
    /// The class index, from 0.
    pub class: usize,
}

/// Gives utterances one by one, so that they need not all be in memory: a `Vec` of [`Example`]s does, and so can what
/// reads or augments them when they are asked for.
pub trait Dataset: Sync {
    /// The number of utterances.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The class index of an utterance, from 0.
    fn class(&self, index: usize) -> usize;

    /// The factors of the classes in the loss of an utterance, in place of those that hold for all; 0 for a class that it
    /// cannot have been given, as its corpus does not tell it apart, and which then takes no part in its softmax. None by
    /// default.
    fn class_weights(&self, _index: usize) -> Option<&[f32]> {
        None
    }

    /// The numbers that regression heads learn to give for an utterance, such as arousal and valence: finite, as many for
    /// each, and best with mean 0 and deviation 1. None by default.
    fn values(&self, _index: usize) -> &[f32] {
        &[]
    }

    /// The features `[frames, bins]` of an utterance in an epoch (from 1; 0 where it is validated, and to tell whether a checkpoint is of the same data). The same arguments
    /// must give the same values, on any thread.
    ///
    /// # Errors
    /// Whatever keeps it from being had; training then ends.
    fn features(&self, index: usize, epoch: usize) -> Result<CowArray<'_, f32, Ix2>, BoxError>;
}

/// What a [`Dataset`] fails with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Dataset for Vec<Example> {
    fn len(&self) -> usize {
        self.len()
    }

    fn class(&self, index: usize) -> usize {
        self[index].class
    }

    fn features(&self, index: usize, _epoch: usize) -> Result<CowArray<'_, f32, Ix2>, BoxError> {
        Ok(self[index].features.view().into())
    }
}

/// Loads utterances in parallel and checks their features.
pub(crate) fn load<'d>(
    dataset: &'d dyn Dataset,
    indices: &[usize],
    epoch: usize,
    n_bins: usize,
) -> Result<Vec<CowArray<'d, f32, Ix2>>> {
    let load = |&index: &usize| {
        let features = dataset.features(index, epoch).map_err(|source| Error::Dataset { source })?;
        check_features(features.view(), n_bins)?;
        Ok(features)
    };
    indices.par_iter().map(load).collect()
}

/// Checks one utterance's features against the number of bins that the network takes.
pub(crate) fn check_features(features: ArrayView2<f32>, expected_bins: usize) -> Result<()> {
    let (frames, bins) = features.dim();
    if frames == 0 || bins != expected_bins {
        return Err(Error::FeatureShape { frames, bins, expected_bins });
    }
    match features.indexed_iter().find(|(_, value)| !value.is_finite()) {
        Some(((frame, bin), &value)) => Err(Error::NonFiniteFeature { frame, bin, value }),
        None => Ok(()),
    }
}

/// Stacks utterances to `[batch, frames, bins, 1]`, zero-padded to the longest.
pub(crate) fn stack(utterances: &[ArrayView2<f32>]) -> candle_core::Result<Activations> {
    let frames = utterances.iter().map(|u| u.nrows()).max().unwrap_or(0);
    let bins = utterances.first().map_or(0, |u| u.ncols());
    let mut values = Vec::with_capacity(utterances.len() * frames * bins);
    for (index, utterance) in utterances.iter().enumerate() {
        values.extend(utterance.iter());
        values.resize((index + 1) * frames * bins, 0.0);
    }
    Ok(Activations {
        values: Tensor::from_vec(values, (utterances.len(), frames, bins, 1), &Device::Cpu)?,
        lengths: utterances.iter().map(|u| u.nrows()).collect(),
    })
}

/// A random stretch of at most `frames` frames.
pub(crate) fn random_crop<'a>(
    features: &'a ArrayRef2<f32>,
    frames: usize,
    rng: &mut ChaCha8Rng,
) -> ArrayView2<'a, f32> {
    let spare = features.nrows().saturating_sub(frames);
    let start = rng.random_range(0..=spare);
    features.slice_axis(Axis(0), (start..features.nrows() - (spare - start)).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use std::collections::BTreeSet;

    #[test]
    fn a_crop_begins_at_any_frame_that_leaves_enough() {
        let features = Array2::from_shape_fn((7, 2), |(frame, _)| frame as f32);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut starts = BTreeSet::new();
        for _ in 0..200 {
            let crop = random_crop(&features, 4, &mut rng);
            let start = crop[[0, 0]] as usize;
            assert_eq!(crop, features.slice_axis(Axis(0), (start..start + 4).into()));
            starts.insert(start);
        }
        assert_eq!(starts, BTreeSet::from([0, 1, 2, 3]));
        assert_eq!(random_crop(&features, 9, &mut rng), features);
    }
}
