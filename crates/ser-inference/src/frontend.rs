use crate::recording::check_features;
use crate::{Error, ImportedFeatures, Input, Recording};
use ndarray::Array2;
use ser_audio::{Level, Waveform};
use ser_features::FeatureExtractor;
use std::ops::Range;

/// Longer recordings are cut into equal windows of at most this many seconds.
pub(crate) const MAX_WINDOW: f64 = 30.0;

/// The way from a recording to features `[frames, bins]`, the same in training and in use: resample, set the level,
/// extract; or take the features of another tool. Normalisation comes after it, as its statistics are those of the
/// training part.
#[derive(Clone, Debug)]
pub struct Frontend(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Audio { level: Level, extractor: Box<FeatureExtractor> },
    Imported(ImportedFeatures),
}

impl Frontend {
    /// Plans the feature extraction.
    ///
    /// # Errors
    /// Feature options out of range.
    pub fn new(input: &Input) -> Result<Self, Error> {
        Ok(Self(match input {
            Input::Audio { level, features } => {
                Kind::Audio { level: *level, extractor: FeatureExtractor::new(features)?.into() }
            }
            Input::Imported(imported) => Kind::Imported(imported.clone()),
        }))
    }

    /// The number of bins of each frame.
    pub fn n_bins(&self) -> usize {
        match &self.0 {
            Kind::Audio { extractor, .. } => extractor.n_bins(),
            Kind::Imported(imported) => imported.n_bins,
        }
    }

    /// Takes the features `[frames, bins]` of a whole recording.
    ///
    /// # Errors
    /// Audio where features are imported, or the reverse ([`Error::is_other_input`]); an empty waveform, or a rate that
    /// cannot be resampled; features of another number of bins, without a frame, or not finite.
    pub fn features(&self, recording: Recording) -> Result<Array2<f32>, Error> {
        match recording {
            Recording::Audio(waveform) => {
                let waveform = self.resample(waveform)?;
                let all = 0..waveform.samples().len();
                self.window(&waveform, all)
            }
            Recording::Features(features) => self.imported(features),
        }
    }

    /// Takes the features of equal windows of at most 30 s; imported ones are one window.
    pub(crate) fn windows(&self, recording: Recording) -> Result<Vec<Array2<f32>>, Error> {
        match recording {
            Recording::Audio(waveform) => {
                let waveform = self.resample(waveform)?;
                let n_windows = (waveform.duration() / MAX_WINDOW).ceil().max(1.0) as usize;
                let bound = |k: usize| waveform.samples().len() * k / n_windows;
                (0..n_windows).map(|k| self.window(&waveform, bound(k)..bound(k + 1))).collect()
            }
            Recording::Features(features) => Ok(vec![self.imported(features)?]),
        }
    }

    /// Resamples to the features' rate.
    ///
    /// # Errors
    /// A rate that cannot be resampled; imported features.
    pub fn resample(&self, waveform: Waveform) -> Result<Waveform, Error> {
        match &self.0 {
            Kind::Audio { extractor, .. } => Ok(waveform.resample(extractor.options().sample_rate)?),
            Kind::Imported(imported) => Err(Error::AudioGiven { name: imported.name.clone() }),
        }
    }

    /// Resamples and sets the level: all that is done before features are extracted.
    pub(crate) fn levelled(&self, waveform: Waveform) -> Result<Waveform, Error> {
        let resampled = self.resample(waveform)?;
        Ok(match &self.0 {
            Kind::Audio { level, .. } => resampled.with_level(*level),
            Kind::Imported(_) => resampled,
        })
    }

    /// Extracts features `[frames, bins]` of samples whose rate and level are set.
    pub(crate) fn extract(&self, levelled: &[f32]) -> Result<Array2<f32>, Error> {
        match &self.0 {
            Kind::Audio { extractor, .. } => Ok(extractor.extract(levelled)?),
            Kind::Imported(imported) => Err(Error::AudioGiven { name: imported.name.clone() }),
        }
    }

    /// Sets the level of a range of samples at the features' rate and extracts features `[frames, bins]`.
    pub(crate) fn window(&self, resampled: &Waveform, range: Range<usize>) -> Result<Array2<f32>, Error> {
        match &self.0 {
            Kind::Audio { level, .. } => {
                let window = Waveform::new(resampled.samples()[range].to_vec(), resampled.sample_rate())?;
                self.extract(window.with_level(*level).samples())
            }
            Kind::Imported(imported) => Err(Error::AudioGiven { name: imported.name.clone() }),
        }
    }

    fn imported(&self, features: Array2<f32>) -> Result<Array2<f32>, Error> {
        let Kind::Imported(imported) = &self.0 else { return Err(Error::FeaturesGiven) };
        if features.ncols() != imported.n_bins {
            let (name, expected, actual) = (imported.name.clone(), imported.n_bins, features.ncols());
            return Err(Error::ImportedBins { name, expected, actual });
        }
        check_features(&features).map_err(Error::ImportedValues)?;
        Ok(features)
    }
}
