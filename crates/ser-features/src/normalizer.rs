//! Standardisation with the statistics of a training set.

use ndarray::{ArrayRef2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::{Error, Feature, FeatureOptions};

/// Describes a normaliser. The default suits the default features, one block of log-mel bands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NormalizerOptions {
    /// What happens to an utterance's own mean before its bins are standardised. Default: it is subtracted.
    pub utterance_mean: UtteranceMean,
}

/// Says what happens to the mean over all frames and bins of an utterance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UtteranceMean {
    /// It is subtracted, which takes the recording level out of decibels. It makes no sense where bins of different
    /// kinds lie side by side: [`NormalizerOptions::check`] refuses that.
    #[default]
    Subtract,
    /// It is kept.
    Keep,
}

impl NormalizerOptions {
    /// Checks that the options make sense for the features that will be normalised.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] where the utterance mean would be taken over anything but one block of log-mel bands.
    pub fn check(&self, features: &FeatureOptions) -> Result<(), Error> {
        match (self.utterance_mean, features.features.as_slice()) {
            (UtteranceMean::Keep, _) | (UtteranceMean::Subtract, [Feature::LogMel(_)]) => Ok(()),
            (UtteranceMean::Subtract, _) => {
                let allowed = "keep, unless the features are one block of log-mel bands";
                Err(Error::option("utterance_mean", "subtract", allowed))
            }
        }
    }
}

/// Standardises every bin to mean 0 and deviation 1 over the training set, the utterance's own mean first subtracted
/// where the options say so.
///
/// Serialises with its statistics; what is read back is checked.
///
/// ```
/// use ndarray::array;
/// use ser_features::{Normalizer, NormalizerOptions, UtteranceMean};
///
/// let training = [array![[1.0, 10.0], [3.0, 10.0]], array![[5.0, 40.0]]];
/// let options = NormalizerOptions { utterance_mean: UtteranceMean::Keep };
/// let normalizer = Normalizer::fit(&options, training.iter().map(|utterance| utterance.view()))?;
/// assert_eq!(normalizer.mean(), [3.0, 20.0]);
///
/// let mut utterance = array![[3.0, 20.0]];
/// normalizer.apply(&mut utterance)?;
/// assert_eq!(utterance, array![[0.0, 0.0]]);
/// # Ok::<(), ser_features::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Normalizer {
    #[serde(flatten)]
    options: NormalizerOptions,
    mean: Vec<f32>,
    scale: Vec<f32>,
}

impl Normalizer {
    /// Measures utterances `[frames, bins]` in one pass (Welford's update in float64).
    ///
    /// The deviation is that of the population (divided by the number of frames), as in scikit-learn's
    /// `StandardScaler`; a bin that does not vary by more than the rounding of its values gets scale 1.
    ///
    /// # Errors
    ///
    /// [`Error::NothingToFit`] where there is no frame, [`Error::BinCount`] where utterances differ in bins,
    /// [`Error::InvalidFeature`] where a value is not finite.
    pub fn fit<'a>(
        options: &NormalizerOptions,
        utterances: impl IntoIterator<Item = ArrayView2<'a, f32>>,
    ) -> Result<Self, Error> {
        let mut bins: Vec<Moments> = Vec::new();
        for (index, utterance) in utterances.into_iter().enumerate() {
            if bins.is_empty() {
                bins = vec![Moments::default(); utterance.ncols()];
            }
            if utterance.ncols() != bins.len() {
                return Err(Error::BinCount { expected: bins.len(), actual: utterance.ncols() });
            }
            if let Some(((_, bin), &value)) = utterance.indexed_iter().find(|(_, value)| !value.is_finite()) {
                return Err(Error::InvalidFeature { utterance: index, bin, value });
            }
            let offset = options.utterance_mean.of(&utterance);
            for frame in utterance.rows() {
                for (moments, &value) in bins.iter_mut().zip(frame) {
                    moments.add(value, offset);
                }
            }
        }
        if bins.first().is_none_or(|moments| moments.count == 0.0) {
            return Err(Error::NothingToFit);
        }
        Ok(Self {
            options: options.clone(),
            mean: bins.iter().map(|moments| moments.mean as f32).collect(),
            scale: bins.iter().map(Moments::scale).collect(),
        })
    }

    /// Normalises one utterance `[frames, bins]` in place: `(x - utterance mean - mean) / scale`.
    ///
    /// # Errors
    ///
    /// [`Error::BinCount`] where it has other bins than the training set.
    pub fn apply(&self, utterance: &mut ArrayRef2<f32>) -> Result<(), Error> {
        if utterance.ncols() != self.n_bins() {
            return Err(Error::BinCount { expected: self.n_bins(), actual: utterance.ncols() });
        }
        let offset = self.options.utterance_mean.of(utterance) as f32;
        for mut frame in utterance.rows_mut() {
            for ((value, mean), scale) in frame.iter_mut().zip(&self.mean).zip(&self.scale) {
                *value = (*value - offset - mean) / scale;
            }
        }
        Ok(())
    }

    /// Counts the bins that an utterance must have.
    pub fn n_bins(&self) -> usize {
        self.mean.len()
    }

    /// Gives the options it was fitted with.
    pub fn options(&self) -> &NormalizerOptions {
        &self.options
    }

    /// Gives the mean of every bin, after the utterance mean was subtracted if it is.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// Gives what every bin is divided by, above 0.
    pub fn scale(&self) -> &[f32] {
        &self.scale
    }
}

impl UtteranceMean {
    /// Computes what is subtracted from the whole utterance.
    fn of(self, utterance: &ArrayRef2<f32>) -> f64 {
        match self {
            Self::Keep => 0.0,
            Self::Subtract if utterance.is_empty() => 0.0,
            Self::Subtract => utterance.iter().map(|&value| f64::from(value)).sum::<f64>() / utterance.len() as f64,
        }
    }
}

/// Welford's running moments of one bin.
#[derive(Debug, Clone, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
    /// The largest magnitude before any offset: its rounding bounds what a deviation can mean.
    peak: f32,
}

impl Moments {
    fn add(&mut self, value: f32, offset: f64) {
        self.peak = self.peak.max(value.abs());
        let value = f64::from(value) - offset;
        self.count += 1.0;
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }

    fn scale(&self) -> f32 {
        let deviation = (self.squares / self.count).sqrt() as f32;
        if deviation > f32::EPSILON * self.peak { deviation } else { 1.0 }
    }
}

/// A normaliser as it lies in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    utterance_mean: UtteranceMean,
    mean: Vec<f32>,
    scale: Vec<f32>,
}

impl TryFrom<Stored> for Normalizer {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self, Error> {
        let Stored { utterance_mean, mean, scale } = stored;
        if mean.is_empty() || mean.len() != scale.len() {
            return Err(Error::option(
                "scale",
                format!("{} values long", scale.len()),
                format!("as long as mean ({}), and not empty", mean.len()),
            ));
        }
        if let Some(value) = mean.iter().find(|value| !value.is_finite()) {
            return Err(Error::option("mean", value, "finite"));
        }
        if let Some(value) = scale.iter().find(|value| !(value.is_finite() && **value > 0.0)) {
            return Err(Error::option("scale", value, "finite and above 0"));
        }
        Ok(Self { options: NormalizerOptions { utterance_mean }, mean, scale })
    }
}
