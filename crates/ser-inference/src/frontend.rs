use crate::Error;
use ndarray::Array2;
use ser_audio::{Level, Waveform};
use ser_features::{FeatureExtractor, FeatureOptions};

/// The way from a waveform to features `[frames, bins]`, the same in training and in use: resample, set the level,
/// extract. Normalisation comes after it, as its statistics are those of the training part.
#[derive(Clone, Debug)]
pub struct Frontend {
    level: Level,
    extractor: FeatureExtractor,
}

impl Frontend {
    /// Plans the feature extraction.
    ///
    /// # Errors
    /// Feature options out of range.
    pub fn new(level: Level, features: &FeatureOptions) -> Result<Self, Error> {
        Ok(Self { level, extractor: FeatureExtractor::new(features)? })
    }

    /// The number of bins of each frame.
    pub fn n_bins(&self) -> usize {
        self.extractor.n_bins()
    }

    /// Resamples to the features' rate.
    ///
    /// # Errors
    /// A sample rate that cannot be resampled.
    pub fn resample(&self, waveform: Waveform) -> Result<Waveform, Error> {
        Ok(waveform.resample(self.extractor.options().sample_rate)?)
    }

    /// Sets the level and extracts features `[frames, bins]` from a waveform at the features' rate.
    ///
    /// # Errors
    /// An empty waveform, or one at another rate.
    pub fn features(&self, waveform: Waveform) -> Result<Array2<f32>, Error> {
        Ok(self.extractor.extract(waveform.with_level(self.level).samples())?)
    }
}
