//! Normalisation of every bin with the statistics of a training set, of a speaker or of the utterance itself.

use ndarray::{ArrayBase, ArrayRef2, Data, Ix2};
use serde::{Deserialize, Serialize};

use crate::{Error, Feature, FeatureOptions};

/// Fewer frames than this have no deviation of their own.
const MIN_OWN_FRAMES: usize = 2;

/// As many utterances as the training set counts for beside those of a speaker.
const CAUTION: f64 = 5.0;

/// Describes a normaliser. The default suits the default features, one block of log-mel bands.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NormalizerOptions {
    /// What every bin is shifted and divided by. Default: its mean and deviation.
    pub method: NormalizerMethod,
    /// Whose statistics those are. Default: those of the training set.
    pub scope: NormalizerScope,
    /// What happens to an utterance's own mean before its bins are normalised. Default: it is subtracted.
    pub utterance_mean: UtteranceMean,
    /// The largest magnitude that a normalised value keeps, above 0: what noise or a telephone moves far out of what was
    /// seen in training then has no more say than that. Default: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<f32>,
}

/// Names the statistics that a bin is normalised with, `(x - center) / scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormalizerMethod {
    /// Mean and deviation of the population, as scikit-learn's `StandardScaler`.
    #[default]
    Standard,
    /// Minimum and range, as scikit-learn's `MinMaxScaler`: what it was fitted on comes to lie in 0 to 1, other values
    /// may lie outside.
    MinMax,
    /// Median and interquartile range, as scikit-learn's `RobustScaler`. Fitting keeps a copy of all values.
    Robust,
    /// Bins stay as they are; the scope must be [`NormalizerScope::Training`].
    None,
}

/// Says whose statistics an utterance is normalised with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NormalizerScope {
    /// Those of the training set.
    #[default]
    Training,
    /// Those of its speaker's utterances, whose labels are not needed, drawn to those of the training set where there are
    /// few: see [`Normalizer::adapted_to`].
    Speaker,
    /// Its own.
    Utterance,
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
    /// Checks that the options make sense together, and for the features that will be normalised; `None` stands for
    /// features of another tool.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] where a scope has no method, where the utterance mean would be taken over anything
    /// but one block of log-mel bands, or statistics over the one row that functionals leave of an utterance.
    pub fn check(&self, features: Option<&FeatureOptions>) -> Result<(), Error> {
        self.validate()?;
        let one_block = features.is_some_and(|options| {
            matches!(options.features.as_slice(), [Feature::LogMel(_)])
                && options.deltas.is_empty()
                && options.functionals.is_empty()
        });
        if self.utterance_mean == UtteranceMean::Subtract && !one_block {
            let allowed = "keep, unless the features are one block of log-mel bands";
            return Err(Error::option("utterance_mean", "subtract", allowed));
        }
        let one_row = features.is_some_and(|options| !options.functionals.is_empty());
        if self.scope == NormalizerScope::Utterance && one_row {
            let allowed = "training or speaker, where functionals leave one row of an utterance";
            return Err(Error::option("scope", "utterance", allowed));
        }
        Ok(())
    }

    fn validate(&self) -> Result<(), Error> {
        if let Some(clip) = self.clip.filter(|clip| !(*clip > 0.0 && clip.is_finite())) {
            return Err(Error::option("clip", clip, "finite and above 0"));
        }
        match (self.method, self.scope) {
            (NormalizerMethod::None, NormalizerScope::Speaker | NormalizerScope::Utterance) => {
                Err(Error::option("method", "none", "standard, min-max or robust, unless scope is training"))
            }
            _ => Ok(()),
        }
    }
}

/// Shifts and scales every bin, the utterance's own mean first subtracted where the options say so.
///
/// Serialises with its statistics, those of the training set whatever the scope; what is read back is checked.
///
/// ```
/// use ndarray::array;
/// use ser_features::{Normalizer, NormalizerOptions, UtteranceMean};
///
/// let training = [array![[1.0, 10.0], [3.0, 10.0]], array![[5.0, 40.0]]];
/// let options = NormalizerOptions { utterance_mean: UtteranceMean::Keep, ..NormalizerOptions::default() };
/// let normalizer = Normalizer::fit(&options, training.iter().map(|utterance| utterance.view()))?;
/// assert_eq!(normalizer.center(), [3.0, 20.0]);
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
    center: Vec<f32>,
    scale: Vec<f32>,
}

impl Normalizer {
    /// Measures utterances `[frames, bins]` in one pass (Welford's update in float64); the method `robust` keeps and
    /// sorts the values.
    ///
    /// A bin that does not vary by more than the rounding of its largest value gets scale 1. (scikit-learn's
    /// `StandardScaler` compares with the mean, its other scalers with a fixed number.)
    ///
    /// # Errors
    ///
    /// [`Error::NothingToFit`] where there is no frame, [`Error::BinCount`] where utterances differ in bins,
    /// [`Error::InvalidFeature`] where a value is not finite, [`Error::InvalidOption`] where a scope has no method, or
    /// where values lie so far apart that their scale is not finite in float32.
    pub fn fit<S: Data<Elem = f32>>(
        options: &NormalizerOptions,
        utterances: impl IntoIterator<Item = ArrayBase<S, Ix2>>,
    ) -> Result<Self, Error> {
        let bins = measure(options, utterances)?;
        let center_and_scale = |bin: Bin| {
            let (center, scale) = bin.center_and_scale(options.method);
            (center as f32, if scale > 0.0 { scale as f32 } else { 1.0 })
        };
        let (center, scale) = bins.into_iter().map(center_and_scale).unzip();
        Self { options: options.clone(), center, scale }.checked()
    }

    /// Draws the statistics to those of one speaker: of `n` utterances, center and scale are the mean of theirs, weighted
    /// by `n`, and the training set's, weighted by 5. They apply to every utterance: the scope is
    /// [`NormalizerScope::Training`].
    ///
    /// A few utterances, or those of one emotion, would otherwise be spread over the whole range, and what makes them what
    /// they are be lost (docs/RECIPE.md has the measurement).
    ///
    /// # Errors
    ///
    /// As [`Normalizer::fit`]; [`Error::BinCount`] where utterances have other bins than the training set.
    pub fn adapted_to<S: Data<Elem = f32>>(
        &self,
        utterances: impl IntoIterator<Item = ArrayBase<S, Ix2>>,
    ) -> Result<Self, Error> {
        let mut n = 0.0;
        let bins = measure(&self.options, utterances.into_iter().inspect(|_| n += 1.0))?;
        if bins.len() != self.n_bins() {
            return Err(Error::BinCount { expected: self.n_bins(), actual: bins.len() });
        }
        let drawn = |own: f64, of_training: f32| ((n * own + CAUTION * f64::from(of_training)) / (n + CAUTION)) as f32;
        let training = self.center.iter().zip(&self.scale);
        let (center, scale) = bins
            .into_iter()
            .zip(training)
            .map(|(bin, (&training_center, &training_scale))| {
                let (center, scale) = bin.center_and_scale(self.options.method);
                (drawn(center, training_center), drawn(scale, training_scale))
            })
            .unzip();
        let options = NormalizerOptions { scope: NormalizerScope::Training, ..self.options.clone() };
        Self { options, center, scale }.checked()
    }

    /// Fits a normaliser to one utterance alone.
    fn of_utterance(&self, utterance: &ArrayRef2<f32>) -> Result<Self, Error> {
        if utterance.nrows() < MIN_OWN_FRAMES {
            return Err(Error::TooFewFrames { n_frames: utterance.nrows(), required: MIN_OWN_FRAMES });
        }
        let options = NormalizerOptions { scope: NormalizerScope::Training, ..self.options.clone() };
        Self::fit(&options, [utterance.view()])
    }

    /// Normalises one utterance `[frames, bins]` in place: `(x - utterance mean - center) / scale`, clipped where the options say so.
    ///
    /// # Errors
    ///
    /// [`Error::BinCount`] where it has other bins than the training set; by the scope `speaker` always
    /// [`Error::UnknownSpeaker`], as [`Normalizer::adapted_to`] must come first; by the scope `utterance`
    /// [`Error::TooFewFrames`] for fewer than 2 frames and [`Error::InvalidFeature`] where a value is not finite.
    pub fn apply(&self, utterance: &mut ArrayRef2<f32>) -> Result<(), Error> {
        if utterance.ncols() != self.n_bins() {
            return Err(Error::BinCount { expected: self.n_bins(), actual: utterance.ncols() });
        }
        match self.options.scope {
            NormalizerScope::Training => {}
            NormalizerScope::Speaker => return Err(Error::UnknownSpeaker),
            NormalizerScope::Utterance => return self.of_utterance(utterance)?.apply(utterance),
        }
        let offset = self.options.utterance_mean.of(utterance) as f32;
        for mut frame in utterance.rows_mut() {
            for ((value, center), scale) in frame.iter_mut().zip(&self.center).zip(&self.scale) {
                *value = (*value - offset - center) / scale;
            }
        }
        if let Some(clip) = self.options.clip {
            utterance.iter_mut().for_each(|value| *value = value.clamp(-clip, clip));
        }
        Ok(())
    }

    /// Counts the bins that an utterance must have.
    pub fn n_bins(&self) -> usize {
        self.center.len()
    }

    /// Gives the options it was fitted with.
    pub fn options(&self) -> &NormalizerOptions {
        &self.options
    }

    /// Gives what is subtracted from every bin, after the utterance mean if that is subtracted: scikit-learn's `mean_`,
    /// `data_min_` or `center_`.
    pub fn center(&self) -> &[f32] {
        &self.center
    }

    /// Gives what every bin is divided by, above 0: scikit-learn's `scale_`, or `data_range_` of its `MinMaxScaler`.
    pub fn scale(&self) -> &[f32] {
        &self.scale
    }

    fn checked(self) -> Result<Self, Error> {
        let Self { options, center, scale } = &self;
        options.validate()?;
        if center.is_empty() || center.len() != scale.len() {
            return Err(Error::option(
                "scale",
                format!("{} values long", scale.len()),
                format!("as long as center ({}), and not empty", center.len()),
            ));
        }
        if let Some(value) = center.iter().find(|value| !value.is_finite()) {
            return Err(Error::option("center", value, "finite"));
        }
        if let Some(value) = scale.iter().find(|value| !(value.is_finite() && **value > 0.0)) {
            return Err(Error::option("scale", value, "finite and above 0"));
        }
        Ok(self)
    }
}

/// Measures every bin of utterances, of which there must be a frame.
fn measure<S: Data<Elem = f32>>(
    options: &NormalizerOptions,
    utterances: impl IntoIterator<Item = ArrayBase<S, Ix2>>,
) -> Result<Vec<Bin>, Error> {
    let mut bins: Vec<Bin> = Vec::new();
    for (index, utterance) in utterances.into_iter().enumerate() {
        if bins.is_empty() {
            bins = vec![Bin::default(); utterance.ncols()];
        }
        if utterance.ncols() != bins.len() {
            return Err(Error::BinCount { expected: bins.len(), actual: utterance.ncols() });
        }
        if let Some(((_, bin), &value)) = utterance.indexed_iter().find(|(_, value)| !value.is_finite()) {
            return Err(Error::InvalidFeature { utterance: index, bin, value });
        }
        let offset = options.utterance_mean.of(&utterance);
        for frame in utterance.rows() {
            for (bin, &value) in bins.iter_mut().zip(frame) {
                bin.add(value, offset, options.method);
            }
        }
    }
    match bins.first().is_none_or(|bin| bin.count == 0.0) {
        true => Err(Error::NothingToFit),
        false => Ok(bins),
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

/// What is measured of one bin.
#[derive(Debug, Clone)]
struct Bin {
    count: f64,
    mean: f64,
    /// The sum of squared differences from the mean: Welford's.
    squares: f64,
    min: f64,
    max: f64,
    /// All values, for the method `robust` alone.
    values: Vec<f32>,
    /// The largest magnitude before any offset: its rounding bounds what a scale can mean.
    peak: f32,
}

impl Default for Bin {
    fn default() -> Self {
        let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
        Self { count: 0.0, mean: 0.0, squares: 0.0, min, max, values: Vec::new(), peak: 0.0 }
    }
}

impl Bin {
    fn add(&mut self, value: f32, offset: f64, method: NormalizerMethod) {
        self.peak = self.peak.max(value.abs());
        let value = f64::from(value) - offset;
        self.count += 1.0;
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        if method == NormalizerMethod::Robust {
            self.values.push(value as f32);
        }
    }

    /// The scale is 0 where values do not differ by more than rounding.
    fn center_and_scale(mut self, method: NormalizerMethod) -> (f64, f64) {
        let (center, scale) = match method {
            NormalizerMethod::Standard => (self.mean, (self.squares / self.count).sqrt()),
            NormalizerMethod::MinMax => (self.min, self.max - self.min),
            NormalizerMethod::Robust => {
                self.values.sort_unstable_by(f32::total_cmp);
                let quartile = |q| quantile(&self.values, q);
                (quartile(0.5), quartile(0.75) - quartile(0.25))
            }
            NormalizerMethod::None => (0.0, 1.0),
        };
        (center, if scale as f32 > f32::EPSILON * self.peak { scale } else { 0.0 })
    }
}

/// Interpolates linearly between the two nearest of sorted values, numpy's default; 0 where there is none.
fn quantile(sorted: &[f32], q: f64) -> f64 {
    let place = q * sorted.len().saturating_sub(1) as f64;
    let at = |index: f64| sorted.get(index as usize).copied().map_or(0.0, f64::from);
    at(place.floor()) + place.fract() * (at(place.ceil()) - at(place.floor()))
}

/// A normaliser as it lies in a file. What earlier versions did not write is the default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    #[serde(default)]
    method: NormalizerMethod,
    #[serde(default)]
    scope: NormalizerScope,
    utterance_mean: UtteranceMean,
    #[serde(default)]
    clip: Option<f32>,
    #[serde(alias = "mean")]
    center: Vec<f32>,
    scale: Vec<f32>,
}

impl TryFrom<Stored> for Normalizer {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self, Error> {
        let Stored { method, scope, utterance_mean, clip, center, scale } = stored;
        Self { options: NormalizerOptions { method, scope, utterance_mean, clip }, center, scale }.checked()
    }
}
