use crate::{Error, Manifest, System};
use ser_features::Normalizer;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a model takes from unlabelled recordings of a voice or a channel, to know it from then on.
///
/// It says which emotions the model finds in these recordings too readily ([`PriorShift`]) and, of a model that normalises per
/// speaker, their statistics. It holds no sound and no label, takes less than a kilobyte (some forty bytes more for each bin
/// that has statistics), and lies apart from the model: keep
/// it in a file, give it to another program, or delete it, and the model is what it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adaptation {
    /// The digest of the model file that it belongs to.
    pub(crate) model: String,
    pub(crate) recordings: usize,
    /// Of each system, if one normalises per speaker; else empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) normalizers: Vec<Option<Normalizer>>,
    pub(crate) prior_shift: PriorShift,
}

impl Adaptation {
    /// The number of recordings that it was taken from.
    pub fn recordings(&self) -> usize {
        self.recordings
    }

    /// Reads a file that [`Adaptation::write`] wrote.
    ///
    /// # Errors
    /// A file that cannot be read, or is none; the path is named.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let wrap = |source| Error::AdaptationFile { path: path.into(), source };
        let bytes = std::fs::read(path).map_err(|error| wrap(error.into()))?;
        serde_json::from_slice(&bytes).map_err(|error| wrap(error.into()))
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// A file that cannot be written; the path is named.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let wrap = |source| Error::AdaptationFile { path: path.into(), source };
        let text = serde_json::to_string_pretty(self).map_err(|error| wrap(error.into()))?;
        // Beside it first: whoever reads it never sees half of it.
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".part");
        let written = std::fs::write(&unfinished, text + "\n").and_then(|()| std::fs::rename(&unfinished, path));
        written.map_err(|error| {
            let _ = std::fs::remove_file(&unfinished);
            wrap(error.into())
        })
    }

    /// Checks that it can be used with a model.
    pub(crate) fn check(&self, digest: &str, manifest: &Manifest) -> Result<(), Error> {
        let systems = manifest.systems();
        let is_of = |(own, system): (&Option<Normalizer>, &System)| {
            own.as_ref().is_none_or(|own| own.n_bins() == system.normalizer.n_bins())
        };
        let fits = self.prior_shift.0.len() == manifest.labels.len()
            && self.prior_shift.0.iter().all(|shift| shift.abs() <= -PriorShift::FLOOR.ln())
            && (self.normalizers.is_empty() || self.normalizers.len() == systems.len())
            && self.normalizers.iter().zip(&systems).all(is_of);
        match self.model == digest && fits {
            true => Ok(()),
            false => Err(Error::OtherModelsAdaptation),
        }
    }
}

/// By how much a model's log-probabilities of the classes are too high or too low for a voice or a channel: what it says of
/// some recordings on average, were it free of leanings, would favour no class.
///
/// For `n` recordings, the mean of their log-probabilities, less its mean over the classes, times `n / (n + 10)`: the fewer
/// there are, the less can they say, and the more of it may be one emotion that they share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PriorShift(Vec<f32>);

impl PriorShift {
    /// As many recordings as the belief in no leaning is worth: chosen on speakers of RAVDESS, where few recordings, or those of
    /// one emotion, whose mean is taken for a leaning, then lower no UAR.
    const CAUTION: f32 = 10.0;
    /// No probability counts as less.
    const FLOOR: f32 = 1e-6;

    /// Takes the probabilities of recordings; of none, it is no shift.
    pub fn fit<'a>(n_classes: usize, recordings: impl IntoIterator<Item = &'a [f32]>) -> Self {
        let mut sums = vec![0.0; n_classes];
        let mut n = 0.0;
        for probabilities in recordings {
            sums.iter_mut().zip(probabilities).for_each(|(sum, p)| *sum += p.max(Self::FLOOR).ln());
            n += 1.0;
        }
        let mean = sums.iter().sum::<f32>() / n_classes as f32;
        Self(sums.into_iter().map(|sum| (sum - mean) / (n + Self::CAUTION)).collect())
    }

    /// Takes the shift out of the probabilities of a recording, which sum to 1 again.
    pub fn apply(&self, probabilities: &mut [f32]) {
        probabilities.iter_mut().zip(&self.0).for_each(|(p, shift)| *p = p.max(Self::FLOOR) * (-shift).exp());
        let sum: f32 = probabilities.iter().sum();
        probabilities.iter_mut().for_each(|p| *p /= sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_model_leans_to_is_taken_out_and_the_more_the_more_was_heard() {
        // Always 0.8, 0.1, 0.1: in the end, nothing is favoured.
        let leaning = [0.8f32, 0.1, 0.1];
        let after = |n: usize| {
            let mut probabilities = leaning;
            PriorShift::fit(3, std::iter::repeat_n(leaning.as_slice(), n)).apply(&mut probabilities);
            assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6);
            probabilities[0]
        };
        assert_eq!(after(0), 0.8);
        // The odds of 8 lose the power n / (n + 10).
        for n in [1, 10, 100] {
            let odds = 8f32.powf(10.0 / (n as f32 + 10.0));
            assert!((after(n) - odds / (odds + 2.0)).abs() < 1e-6, "{n}: {}", after(n));
        }
    }

    #[test]
    fn certain_probabilities_stay_finite() {
        let mut probabilities = [1.0, 0.0];
        PriorShift::fit(2, [[0.0, 1.0].as_slice()]).apply(&mut probabilities);
        assert!(probabilities.iter().all(|p| p.is_finite()) && probabilities[0] > 0.99);
    }
}
