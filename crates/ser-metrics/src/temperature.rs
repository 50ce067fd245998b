use serde::Serialize;

use crate::Error;
use crate::probabilities::rows;

/// Holds the temperature `T` that logits are divided by before the softmax, to calibrate a model (Guo et al. 2017).
///
/// Above 1 it makes a model less confident, below 1 more. The order of the classes' probabilities stays, and with it the
/// predicted class. It is fitted on validation samples; training samples would make a model overconfident.
///
/// ```
/// use ser_metrics::Temperature;
///
/// // Sure of itself by odds of e⁴ : 1, but right in three of four cases.
/// let validation = [(0, [4.0, 0.0]), (0, [4.0, 0.0]), (1, [0.0, 4.0]), (1, [4.0, 0.0])];
/// let temperature = Temperature::fit(2, validation)?;
/// assert!((temperature.value() - 4.0 / 3.0_f64.ln()).abs() < 1e-9);
/// let probabilities = temperature.softmax(&[4.0, 0.0])?;
/// assert!((probabilities[0] - 0.75).abs() < 1e-9);
/// # Ok::<(), ser_metrics::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Temperature(f64);

impl Temperature {
    /// The lowest temperature that is fitted.
    ///
    /// The best temperature of a model that is right on every validation sample is 0: any confidence would do. A fit
    /// that ends here says that the samples are too few.
    pub const MIN: f64 = 0.05;
    /// The highest temperature that is fitted.
    ///
    /// The best temperature of a model that is no better than chance is infinite. A fit that ends here says so.
    pub const MAX: f64 = 20.0;

    /// Takes a temperature that was fitted before.
    ///
    /// # Errors
    ///
    /// If it is not finite or not above 0.
    pub fn new(value: f64) -> Result<Self, Error> {
        if value.is_finite() && value > 0.0 {
            return Ok(Self(value));
        }
        Err(Error::out_of_range("temperature", value, "finite and above 0"))
    }

    /// Finds the temperature in `[MIN, MAX]` with the least log loss of the samples, each a true class and `classes`
    /// logits.
    ///
    /// The log loss is convex in `1/T`, so there is one minimum, where its slope is 0: found by bisection. Where no
    /// temperature changes anything (the logits of each sample are equal), it is 1. In place of logits, logarithms of
    /// probabilities above 0 do as well.
    ///
    /// # Errors
    ///
    /// If there is no class or sample, if a true class is out of range, if a row has another length, or if a logit is
    /// not finite.
    pub fn fit<R, T>(classes: usize, samples: impl IntoIterator<Item = (usize, R)>) -> Result<Self, Error>
    where
        R: AsRef<[T]>,
        T: Copy + Into<f64>,
    {
        let (truths, mut margins) = rows(classes, samples)?;
        for (row, logits) in margins.chunks_exact_mut(classes).enumerate() {
            let truth = logits[truths[row]];
            for logit in logits {
                let margin = *logit - truth;
                if !margin.is_finite() {
                    return Err(Error::NonFinite { what: "a logit of row", index: row, value: *logit });
                }
                *logit = margin;
            }
        }
        let slope = |scale| log_loss_slope(&margins, classes, scale);
        let (mut low, mut high) = (Self::MAX.recip(), Self::MIN.recip());
        if margins.iter().all(|&margin| margin == 0.0) {
            return Ok(Self(1.0));
        }
        // The slope rises with the scale. It is 0 at both where all margins are so large that nothing is left to gain.
        if slope(high) <= 0.0 {
            return Ok(Self(Self::MIN));
        }
        if slope(low) >= 0.0 {
            return Ok(Self(Self::MAX));
        }
        loop {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                return Ok(Self(middle.recip()));
            }
            if slope(middle) < 0.0 { low = middle } else { high = middle }
        }
    }

    /// Returns the number that logits are divided by.
    pub fn value(self) -> f64 {
        self.0
    }

    /// Returns whether the fit ended at [`MIN`](Self::MIN) or [`MAX`](Self::MAX), or the temperature lies beyond: the
    /// validation samples do not determine it.
    pub fn at_limit(self) -> bool {
        !(self.0 > Self::MIN && self.0 < Self::MAX)
    }

    /// Returns the probabilities of the classes: the softmax of `logits / T`.
    ///
    /// # Errors
    ///
    /// If there is no logit, or one is not finite.
    pub fn softmax<T: Copy + Into<f64>>(self, logits: &[T]) -> Result<Vec<f64>, Error> {
        let logits: Vec<f64> = logits.iter().map(|&logit| logit.into()).collect();
        if let Some((index, &value)) = logits.iter().enumerate().find(|(_, logit)| !logit.is_finite()) {
            return Err(Error::NonFinite { what: "logit", index, value });
        }
        let highest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let powers: Vec<f64> = logits.iter().map(|logit| ((logit - highest) / self.0).exp()).collect();
        let sum: f64 = powers.iter().sum();
        if powers.is_empty() { Err(Error::NoClasses) } else { Ok(powers.iter().map(|power| power / sum).collect()) }
    }
}

/// The derivative of the summed log loss by `scale = 1/T`.
///
/// With each class's margin over the true class, the loss of a sample is `ln Σ exp(scale · margin)`; its derivative is
/// the mean margin under the softmax.
fn log_loss_slope(margins: &[f64], classes: usize, scale: f64) -> f64 {
    let slope = |margins: &[f64]| {
        let highest = margins.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (mut sum, mut weights) = (0.0, 0.0);
        for margin in margins {
            let weight = (scale * (margin - highest)).exp();
            sum += weight * margin;
            weights += weight;
        }
        sum / weights
    };
    margins.chunks_exact(classes).map(slope).sum()
}
