//! Functionals: statistics over time that make one vector of an utterance.

use std::fmt;

use ndarray::ArrayRef2;
use serde::{Deserialize, Serialize};

use crate::Error;

/// Names one statistic over the frames of an utterance.
///
/// In TOML a list such as `["mean", "standard-deviation", { percentile = 95 }, "slope"]`. As text it is the ending of
/// a column's name.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Functional {
    /// Arithmetic mean: `mean`.
    Mean,
    /// Standard deviation of the population, √(Σ(x - mean)² / n): `std`.
    StandardDeviation,
    /// Least value: `min`.
    Min,
    /// Greatest value: `max`.
    Max,
    /// Greatest less least value: `range`.
    Range,
    /// Percentile, 0 to 100, by linear interpolation between the two nearest values (`numpy.percentile`): `p95`.
    Percentile(f64),
    /// Slope of the line fitted by least squares, in units of the feature a frame: `slope`. For one frame 0.
    Slope,
    /// Skewness, m₃ / m₂^1.5 of the population's central moments: `skewness`. For a constant 0.
    Skewness,
    /// Excess kurtosis, m₄ / m₂² - 3 of the population's central moments, 0 for a normal distribution: `kurtosis`.
    /// For a constant 0.
    Kurtosis,
}

impl fmt::Display for Functional {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mean => f.write_str("mean"),
            Self::StandardDeviation => f.write_str("std"),
            Self::Min => f.write_str("min"),
            Self::Max => f.write_str("max"),
            Self::Range => f.write_str("range"),
            Self::Percentile(percent) => write!(f, "p{percent}"),
            Self::Slope => f.write_str("slope"),
            Self::Skewness => f.write_str("skewness"),
            Self::Kurtosis => f.write_str("kurtosis"),
        }
    }
}

/// Planned functionals: `[frames, bins]` to one vector, whatever the number of frames.
///
/// The vector holds all functionals of the first bin, then all of the second, and so on. Equal to numpy 2 (`mean`,
/// `std`, `percentile`) and scipy 1.17 (`stats.linregress`, `stats.skew`, `stats.kurtosis`) in float64.
///
/// ```
/// use ser_features::{Functional, Functionals};
///
/// let functionals = Functionals::new(&[Functional::Mean, Functional::Percentile(75.0), Functional::Slope])?;
/// let features = ndarray::array![[1.0, 7.0], [3.0, 7.0], [5.0, 7.0]];
/// assert_eq!(functionals.process(&features)?, [3.0, 4.0, 2.0, 7.0, 7.0, 0.0]);
/// let columns = functionals.columns(&["rms".into(), "zcr".into()]);
/// assert_eq!(columns, ["rms_mean", "rms_p75", "rms_slope", "zcr_mean", "zcr_p75", "zcr_slope"]);
/// # Ok::<(), ser_features::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Functionals {
    functionals: Vec<Functional>,
}

impl Functionals {
    /// Plans functionals: one or more, each once.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] where there are none, one is there twice, or a percentile is not 0 to 100.
    pub fn new(functionals: &[Functional]) -> Result<Self, Error> {
        if functionals.is_empty() {
            return Err(Error::option("functionals", "empty", "a list of one functional or more"));
        }
        for (index, functional) in functionals.iter().enumerate() {
            if let Functional::Percentile(percent) = functional
                && !(0.0..=100.0).contains(percent)
            {
                return Err(Error::option("percentile", percent, "0 to 100"));
            }
            if functionals[..index].contains(functional) {
                let value = format!("a list with {functional} twice");
                return Err(Error::option("functionals", value, "a list with each functional once"));
            }
        }
        Ok(Self { functionals: functionals.to_vec() })
    }

    /// Names the values of [`Functionals::process`], given the names of the bins: `mfcc_0_mean`, `mfcc_0_p95` …
    pub fn columns(&self, bins: &[String]) -> Vec<String> {
        bins.iter()
            .flat_map(|bin| self.functionals.iter().map(move |functional| format!("{bin}_{functional}")))
            .collect()
    }

    /// Computes the functionals of features `[frames, bins]`: for each bin all of them, in the order of the plan.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] where there is no frame, or a feature is not finite.
    pub fn process(&self, features: &ArrayRef2<f32>) -> Result<Vec<f32>, Error> {
        if features.nrows() == 0 {
            return Err(Error::option("the number of frames", 0, "1 or more"));
        }
        if let Some(value) = features.iter().find(|value| !value.is_finite()) {
            return Err(Error::option("a feature", value, "finite"));
        }
        let mut vector = Vec::with_capacity(features.ncols() * self.functionals.len());
        for column in features.columns() {
            let track = Track::new(column.iter().copied().map(f64::from).collect());
            vector.extend(self.functionals.iter().map(|&functional| track.compute(functional) as f32));
        }
        Ok(vector)
    }
}

/// One bin over time, at least one frame.
struct Track {
    values: Vec<f64>,
    mean: f64,
}

impl Track {
    fn new(values: Vec<f64>) -> Self {
        // Relative to the first value, the sum over a constant is exactly 0, and so are its moments.
        let mean = values[0] + values.iter().map(|value| value - values[0]).sum::<f64>() / values.len() as f64;
        Self { values, mean }
    }

    fn compute(&self, functional: Functional) -> f64 {
        let min = || self.values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = || self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        match functional {
            Functional::Mean => self.mean,
            Functional::StandardDeviation => self.central_moment(2).sqrt(),
            Functional::Min => min(),
            Functional::Max => max(),
            Functional::Range => max() - min(),
            Functional::Percentile(percent) => self.percentile(percent),
            Functional::Slope => self.slope(),
            Functional::Skewness | Functional::Kurtosis if self.central_moment(2) == 0.0 => 0.0,
            Functional::Skewness => self.standardised_moment(3),
            Functional::Kurtosis => self.standardised_moment(4) - 3.0,
        }
    }

    fn percentile(&self, percent: f64) -> f64 {
        let place = percent / 100.0 * (self.values.len() - 1) as f64;
        let mut values = self.values.clone();
        let (_, &mut below, rest) = values.select_nth_unstable_by(place as usize, f64::total_cmp);
        let above = rest.iter().copied().fold(f64::INFINITY, f64::min);
        if rest.is_empty() { below } else { below + (above - below) * place.fract() }
    }

    fn slope(&self) -> f64 {
        let n = self.values.len() as f64;
        let middle = (n - 1.0) / 2.0;
        let products =
            self.values.iter().enumerate().map(|(frame, value)| (frame as f64 - middle) * (value - self.mean));
        // Σ (frame - middle)² is n (n² - 1) / 12.
        if self.values.len() == 1 { 0.0 } else { 12.0 * products.sum::<f64>() / (n * (n * n - 1.0)) }
    }

    fn standardised_moment(&self, power: i32) -> f64 {
        self.central_moment(power) / self.central_moment(2).sqrt().powi(power)
    }

    fn central_moment(&self, power: i32) -> f64 {
        self.values.iter().map(|value| (value - self.mean).powi(power)).sum::<f64>() / self.values.len() as f64
    }
}
