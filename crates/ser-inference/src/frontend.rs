use crate::recording::check_features;
use crate::{Error, ImportedFeatures, Input, Recording};
use ndarray::Array2;
use ser_audio::{PrepareOptions, SilenceRemoval, Waveform};
use ser_features::{Feature, FeatureExtractor, FeatureOptions};
use ser_model::Network;
use std::ops::Range;

/// Longer recordings are cut into equal windows of at most this many seconds.
pub(crate) const MAX_WINDOW: f64 = 30.0;

/// The way from a recording to features `[frames, bins]`, the same in training and in use: resample, remove the offset and silence,
/// set the level, extract; or take the features of another tool. Normalisation comes after it, as its statistics are those of the
/// training part.
#[derive(Clone, Debug)]
pub struct Frontend(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Audio { prepare: PrepareOptions, extractor: Box<FeatureExtractor> },
    Imported(ImportedFeatures),
}

impl Frontend {
    /// Plans the feature extraction.
    ///
    /// # Errors
    /// Options out of range.
    pub fn new(input: &Input) -> Result<Self, Error> {
        Ok(Self(match input {
            Input::Audio { silence, level, features } => {
                let prepare = PrepareOptions {
                    remove_dc: true,
                    silence: silence.clone(),
                    level: *level,
                    ..PrepareOptions::default()
                };
                check_hop(features)?;
                check_pitch(features)?;
                let extractor = FeatureExtractor::new(features)?;
                check_width(&extractor)?;
                let extractor = extractor.into();
                // Options that are out of range shall not wait for the first recording.
                Waveform::new(vec![0.0], features.sample_rate)?.prepare(&prepare)?;
                Kind::Audio { prepare, extractor }
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

    /// Checks that a network takes no gigabytes or hours for the longest window, 30 s: a small model file can ask for it. Of imported
    /// features, which have no windows, 3,000 frames are one.
    ///
    /// # Errors
    /// More than 2²⁸ values in all of its layers, or more than 2⁴⁰ multiply-adds.
    pub fn check_network(&self, network: &Network) -> Result<(), Error> {
        let frames = match &self.0 {
            Kind::Audio { extractor, .. } => {
                extractor.n_frames((MAX_WINDOW * f64::from(extractor.options().sample_rate)) as usize)
            }
            Kind::Imported(_) => 3_000,
        };
        let layers = network.summary(frames)?.layers;
        let size = |shape: &[usize]| shape.iter().fold(1, |product: usize, length| product.saturating_mul(*length));
        let values = layers.iter().map(|layer| size(&layer.output)).fold(0, usize::saturating_add);
        let products = layers.iter().map(|layer| layer.multiply_adds).fold(0, usize::saturating_add);
        if values <= 1 << 28 && products <= 1 << 40 {
            return Ok(());
        }
        Err(ser_model::Error::InvalidOption {
            option: "network",
            value: format!("{values} values and {products} multiply-adds for the {frames} frames of 30 s"),
            allowed: "at most 2^28 values and 2^40 multiply-adds: fewer channels, or a longer hop_length",
        }
        .into())
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
                // Of the recording as it is: the same number at any rate of the features.
                let n_windows = n_windows(&waveform);
                let waveform = self.resample(waveform)?;
                window_ranges(waveform.samples().len(), n_windows).map(|range| self.window(&waveform, range)).collect()
            }
            Recording::Features(features) => Ok(vec![self.imported(features)?]),
        }
    }

    /// Resamples a whole recording to the features' rate; where it has another, its offset is removed before, which would
    /// make a click of each end.
    ///
    /// # Errors
    /// A rate that cannot be resampled; imported features.
    pub fn resample(&self, waveform: Waveform) -> Result<Waveform, Error> {
        match &self.0 {
            Kind::Audio { extractor, .. } if waveform.sample_rate() != extractor.options().sample_rate => {
                self.resample_part(waveform.without_dc())
            }
            _ => self.resample_part(waveform),
        }
    }

    /// Resamples a part of a recording to the features' rate.
    pub(crate) fn resample_part(&self, waveform: Waveform) -> Result<Waveform, Error> {
        match &self.0 {
            Kind::Audio { extractor, .. } => Ok(waveform.resample(extractor.options().sample_rate)?),
            Kind::Imported(imported) => Err(Error::AudioGiven { name: imported.name.clone() }),
        }
    }

    /// Removes the offset and silence and sets the level, at the features' rate: all that is done before features are extracted.
    /// Where less than these need would be left, as of a knock in a pause, silence stays.
    pub(crate) fn prepare(&self, resampled: Waveform) -> Result<Waveform, Error> {
        match &self.0 {
            Kind::Audio { prepare, extractor } => {
                let prepared = resampled.clone().prepare(prepare)?.waveform;
                if prepared.samples().len() >= extractor.min_samples() {
                    return Ok(prepared);
                }
                let whole = PrepareOptions { silence: SilenceRemoval::Keep, ..prepare.clone() };
                Ok(resampled.prepare(&whole)?.waveform)
            }
            Kind::Imported(imported) => Err(Error::AudioGiven { name: imported.name.clone() }),
        }
    }

    /// Extracts features `[frames, bins]` of samples that are prepared.
    pub(crate) fn extract(&self, prepared: &[f32]) -> Result<Array2<f32>, Error> {
        match &self.0 {
            Kind::Audio { extractor, .. } => Ok(extractor.extract(prepared)?),
            Kind::Imported(imported) => Err(Error::AudioGiven { name: imported.name.clone() }),
        }
    }

    /// Prepares a range of samples at the features' rate and extracts features `[frames, bins]`.
    pub(crate) fn window(&self, resampled: &Waveform, range: Range<usize>) -> Result<Array2<f32>, Error> {
        self.extract(self.prepare(resampled.slice(range))?.samples())
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

/// The number of windows of at most 30 s that a recording is cut into.
pub(crate) fn n_windows(waveform: &Waveform) -> usize {
    (waveform.duration() / MAX_WINDOW).ceil().max(1.0) as usize
}

/// Cuts so many samples into equal windows.
pub(crate) fn window_ranges(length: usize, n_windows: usize) -> impl Iterator<Item = Range<usize>> {
    let bound = move |k: usize| length * k / n_windows;
    (0..n_windows).map(move |k| bound(k)..bound(k + 1))
}

/// Refuses frames so many that a short recording would take minutes and gigabytes.
fn check_hop(features: &FeatureOptions) -> Result<(), Error> {
    let least = (features.sample_rate as usize / 2_000).max(features.n_fft / 256).max(1);
    match features.hop_length >= least {
        true => Ok(()),
        false => Err(ser_features::Error::InvalidOption {
            name: "hop_length",
            value: features.hop_length.to_string(),
            allowed: format!("at least {least}: half a millisecond, and a 256th of n_fft"),
        }
        .into()),
    }
}

/// Refuses values so many, before functionals are taken of them, that a window would take gigabytes.
fn check_width(extractor: &FeatureExtractor) -> Result<(), Error> {
    let options = extractor.options();
    let frames = MAX_WINDOW * f64::from(options.sample_rate) / options.hop_length as f64;
    let width = extractor.n_bins() / options.functionals.len().max(1);
    match frames * width as f64 <= f64::from(1 << 28) {
        true => Ok(()),
        false => Err(ser_features::Error::InvalidOption {
            name: "hop_length",
            value: options.hop_length.to_string(),
            allowed: format!(
                "longer, or fewer features: {width} values in each of {frames:.0} frames of a window are more than 2^28"
            ),
        }
        .into()),
    }
}

/// Refuses pitch states so many that a window would take minutes and gigabytes.
fn check_pitch(features: &FeatureOptions) -> Result<(), Error> {
    let frames = MAX_WINDOW * f64::from(features.sample_rate) / features.hop_length as f64;
    for feature in &features.features {
        let (Feature::Pyin(pyin) | Feature::PitchContour(pyin)) = feature else { continue };
        let octaves = f64::from(pyin.fmax / pyin.fmin).log2();
        let states = 2.0 * 12.0 * (1.0 / f64::from(pyin.resolution)).ceil() * octaves + pyin.n_thresholds as f64;
        if states * frames > f64::from(1 << 27) {
            return Err(ser_features::Error::InvalidOption {
                name: "resolution",
                value: pyin.resolution.to_string(),
                allowed: format!(
                    "coarser, or a longer hop_length or fewer n_thresholds: {:.0} pitches and thresholds in each of {frames:.0} frames of \
                     a window are more than 2^27",
                    states
                ),
            }
            .into());
        }
    }
    Ok(())
}
