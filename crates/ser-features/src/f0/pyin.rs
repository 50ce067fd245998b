//! pYIN: voicing and a smooth pitch track from all of YIN's troughs.

use serde::{Deserialize, Serialize};

use super::difference::{Difference, YinScratch, lowest, troughs};
use super::viterbi::{Decoder, PitchModel};
use crate::frame::Signal;
use crate::{Error, Framing};

/// Describes pYIN. The default suits speech, and is otherwise that of `librosa.pyin`, which leaves `fmin` and `fmax`
/// open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PyinOptions {
    /// Lowest frequency looked for in hertz, above 0 and below `fmax`. Default 65.
    pub fmin: f32,
    /// Highest frequency looked for in hertz, at most half the sample rate. Default 600.
    pub fmax: f32,
    /// Length of a frame in samples: more than one period of `fmin`, and two for a sure result; at most 2²⁰.
    /// Default 2048.
    pub frame_length: usize,
    /// Number of thresholds, equally spaced over 0 to 1, 1 to 10,000. Default 100.
    pub n_thresholds: usize,
    /// Shape `(α, β)` of the beta distribution of the threshold, each above 0 and at most 100. Default `(2, 18)`:
    /// mean 0.1.
    pub beta_parameters: (f32, f32),
    /// Decay of the weight from one trough below a threshold to the next, above 0: `exp(-boltzmann_parameter)`.
    /// Default 2.
    pub boltzmann_parameter: f32,
    /// Distance of two pitch bins in semitones, 0.01 to 1; rounded down to a whole number of bins a semitone.
    /// Default 0.1.
    pub resolution: f32,
    /// Fastest change of pitch in octaves per second, above 0, so that a step stays within `fmin` to `fmax`. Rounded to
    /// whole semitones a frame. Default 35.92.
    pub max_transition_rate: f32,
    /// Probability that voicing changes from one frame to the next, between 0 and 1, both excluded. Default 0.01.
    pub switch_prob: f32,
    /// Share of its probability that a threshold below all troughs gives to the deepest, between 0 and 1, both
    /// excluded. Default 0.01.
    pub no_trough_prob: f32,
}

impl Default for PyinOptions {
    fn default() -> Self {
        Self {
            fmin: 65.0,
            fmax: 600.0,
            frame_length: 2048,
            n_thresholds: 100,
            beta_parameters: (2.0, 18.0),
            boltzmann_parameter: 2.0,
            resolution: 0.1,
            max_transition_rate: 35.92,
            switch_prob: 0.01,
            no_trough_prob: 0.01,
        }
    }
}

/// What pYIN says of one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PyinFrame {
    /// Fundamental frequency in hertz, the centre of a pitch bin; a guess where the frame is unvoiced.
    pub f0: f32,
    /// Whether the frame is voiced.
    pub voiced: bool,
    /// Probability that it is, by this frame alone, 0 to 1.
    pub voiced_probability: f32,
}

impl PyinFrame {
    /// Gives the fundamental frequency in hertz if the frame is voiced.
    ///
    /// What librosa's `fill_na` puts into unvoiced frames is `unwrap_or` here; `fill_na=None` is [`PyinFrame::f0`].
    pub fn voiced_f0(&self) -> Option<f32> {
        self.voiced.then_some(self.f0)
    }
}

/// A planned probabilistic fundamental frequency tracker.
///
/// Each trough of YIN's difference function is a candidate, the more probable the more thresholds it lies below and
/// the shorter its period; the most probable path through pitch bins and voicing (Viterbi) is the result. It depends
/// on the whole signal.
///
/// Equal to `librosa.pyin` (0.11.0) on float64 samples: the same voicing and voiced pitch bins, probabilities within
/// 1e-6. What comes from rounding in librosa may differ: guesses in unvoiced frames where several are equally probable,
/// and a probability of up to `no_trough_prob` in digital silence with single non-zero samples.
///
/// M. Mauch and S. Dixon, "pYIN: a fundamental frequency estimator using probabilistic threshold distributions",
/// ICASSP 2014.
///
/// ```
/// use ser_features::{Pyin, PyinOptions};
///
/// let pyin = Pyin::new(&PyinOptions::default(), 16_000, 160, true)?;
/// let angle = |n| n as f32 * 220.0 / 16_000.0 * std::f32::consts::TAU;
/// let mut samples: Vec<f32> = (0..8000).map(|n| angle(n).sin()).collect();
/// samples.resize(16_000, 0.0);
/// let frames = pyin.process(&samples)?;
/// // Bins lie 0.1 semitones apart: the next one is at most 0.3 % away.
/// assert!((frames[25].voiced_f0().unwrap_or(0.0) - 220.0).abs() < 0.7);
/// assert_eq!(frames[75].voiced_f0(), None);
/// # Ok::<(), ser_features::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pyin {
    difference: Difference,
    model: PitchModel,
    fmin: f64,
    bins_per_octave: f64,
    /// Thresholds and their probabilities.
    thresholds: Vec<(f64, f64)>,
    /// Weights of the troughs below a threshold, in their order.
    trough_weights: Vec<f64>,
    no_trough_prob: f64,
}

impl Pyin {
    /// Plans the tracker for samples at `sample_rate` hertz and frames `hop_length` samples apart (1 to 2²⁰), with
    /// `center` as in [`Framing`].
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] where an option is out of its range.
    pub fn new(options: &PyinOptions, sample_rate: u32, hop_length: usize, center: bool) -> Result<Self, Error> {
        let &PyinOptions { fmin, fmax, frame_length, n_thresholds, resolution, max_transition_rate, .. } = options;
        let difference = Difference::new((fmin, fmax), frame_length, sample_rate, hop_length, center)?;
        if !(1..=10_000).contains(&n_thresholds) {
            return Err(Error::option("n_thresholds", n_thresholds, "1 to 10000"));
        }
        let (alpha, beta) = options.beta_parameters;
        for parameter in [alpha, beta] {
            if !(parameter > 0.0 && parameter <= 100.0) {
                return Err(Error::option(
                    "beta_parameters",
                    format!("({alpha}, {beta})"),
                    "above 0 and at most 100 each",
                ));
            }
        }
        let decay = options.boltzmann_parameter;
        if !(decay > 0.0 && decay.is_finite()) {
            return Err(Error::option("boltzmann_parameter", decay, "above 0 and finite"));
        }
        for (name, probability) in [("switch_prob", options.switch_prob), ("no_trough_prob", options.no_trough_prob)] {
            if !(probability > 0.0 && probability < 1.0) {
                return Err(Error::option(name, probability, "above 0 and below 1"));
            }
        }
        if !(0.01..=1.0).contains(&resolution) {
            return Err(Error::option("resolution", resolution, "0.01 to 1 semitone"));
        }

        let bins_per_semitone = (1.0 / resolution).ceil() as usize;
        let bins_per_octave = (12 * bins_per_semitone) as f64;
        let (fmin, octaves) = (f64::from(fmin), (f64::from(fmax) / f64::from(fmin)).log2());
        let n_bins = (bins_per_octave * octaves).floor() as usize + 1;
        if n_bins < 2 {
            let allowed = format!("at least one pitch bin, {resolution} semitones, above fmin = {} Hz", options.fmin);
            return Err(Error::option("fmax", fmax, allowed));
        }
        let frames_per_second = f64::from(sample_rate) / hop_length as f64;
        let semitones = (f64::from(max_transition_rate) * 12.0 / frames_per_second).round_ties_even();
        let most_semitones = (n_bins - 1) / bins_per_semitone;
        if !(max_transition_rate > 0.0 && semitones <= most_semitones as f64) {
            let limit = (most_semitones as f64 + 0.5) / 12.0 * frames_per_second;
            let allowed = format!(
                "above 0 and below {limit} octaves a second, so that a step of one frame stays within fmin to fmax"
            );
            return Err(Error::option("max_transition_rate", max_transition_rate, allowed));
        }

        let edge = |index: usize| index as f64 / n_thresholds as f64;
        let cumulative = |index| beta_cdf(edge(index), alpha.into(), beta.into());
        let thresholds = (0..n_thresholds).map(|index| (edge(index + 1), cumulative(index + 1) - cumulative(index)));
        // Two troughs have a peak between them.
        let most_troughs = difference.n_periods().div_ceil(2);
        Ok(Self {
            model: PitchModel::new(n_bins, semitones as usize * bins_per_semitone + 1, options.switch_prob.into()),
            fmin,
            bins_per_octave,
            thresholds: thresholds.collect(),
            trough_weights: (0..most_troughs).map(|index| (-f64::from(decay) * index as f64).exp()).collect(),
            no_trough_prob: options.no_trough_prob.into(),
            difference,
        })
    }

    /// Gives the frames that are looked at.
    pub fn framing(&self) -> &Framing {
        self.difference.framing()
    }

    /// Tracks the fundamental frequency and voicing of every frame.
    ///
    /// Takes four bytes a frame and pitch bin while it runs.
    ///
    /// # Errors
    ///
    /// [`Error::TooShort`] where the signal has no frame, [`Error::InvalidSample`] where a sample is not finite.
    pub fn process(&self, samples: &[f32]) -> Result<Vec<PyinFrame>, Error> {
        self.framing().check(samples)?;
        Ok(self.track(samples))
    }

    /// Gives the pitch of tracked frames without gaps, in semitones above 27.5 Hz, as eGeMAPS counts them (Eyben et al. 2016). Unvoiced
    /// frames lie on the line between their voiced neighbours, or have the pitch of the only one; where no frame is voiced, all
    /// have that of `fmin`.
    ///
    /// ```
    /// use ser_features::{Pyin, PyinFrame, PyinOptions};
    ///
    /// let pyin = Pyin::new(&PyinOptions::default(), 16_000, 160, true)?;
    /// let frame = |f0, voiced| PyinFrame { f0, voiced, voiced_probability: 0.5 };
    /// let frames = [frame(90.0, false), frame(110.0, true), frame(300.0, false), frame(220.0, true)];
    /// assert_eq!(pyin.contour(&frames), [24.0, 24.0, 30.0, 36.0]);
    /// # Ok::<(), ser_features::Error>(())
    /// ```
    pub fn contour(&self, frames: &[PyinFrame]) -> Vec<f32> {
        let semitones = |f0: f64| (12.0 * (f0 / 27.5).log2()) as f32;
        let pitch = |(index, frame): (usize, &PyinFrame)| Some((index, semitones(frame.voiced_f0()?.into())));
        let voiced: Vec<(usize, f32)> = frames.iter().enumerate().filter_map(pitch).collect();
        let (Some(first), Some(last)) = (voiced.first(), voiced.last()) else {
            return vec![semitones(self.fmin); frames.len()];
        };
        let mut contour = vec![first.1; first.0];
        for (&(start, before), &(end, after)) in voiced.iter().zip(&voiced[1..]) {
            let slope = (after - before) / (end - start) as f32;
            contour.extend((0..end - start).map(|step| before + slope * step as f32));
        }
        contour.resize(frames.len(), last.1);
        contour
    }

    /// Tracks checked samples.
    pub(crate) fn track(&self, samples: &[f32]) -> Vec<PyinFrame> {
        let n_bins = self.model.n_bins();
        let (mut frame, mut scratch) = (Vec::new(), YinScratch::default());
        let (mut candidates, mut bins) = (Vec::new(), vec![0.0; n_bins]);
        let mut decoder = Decoder::new(&self.model);
        let mut probabilities = Vec::with_capacity(self.framing().n_frames(samples.len()));
        for index in 0..self.framing().n_frames(samples.len()) {
            self.difference.cut(Signal::whole(samples), index, &mut frame);
            self.observe(self.difference.process(&frame, &mut scratch), &mut candidates, &mut bins);
            let voiced_probability = bins.iter().sum::<f64>().min(1.0);
            decoder.observe(&bins, (1.0 - voiced_probability) / n_bins as f64);
            probabilities.push(voiced_probability as f32);
        }
        let frame = |(state, voiced_probability): (usize, f32)| PyinFrame {
            f0: (self.fmin * ((state % n_bins) as f64 / self.bins_per_octave).exp2()) as f32,
            voiced: state < n_bins,
            voiced_probability,
        };
        decoder.path().into_iter().zip(probabilities).map(frame).collect()
    }

    /// Writes the probability of every pitch bin in one frame.
    fn observe(&self, difference: &[f64], candidates: &mut Vec<(usize, f64)>, bins: &mut [f64]) {
        bins.fill(0.0);
        candidates.clear();
        candidates.extend(troughs(difference).map(|trough| (trough, 0.0)));
        let Some(deepest) = lowest(difference, candidates.iter().map(|&(trough, _)| trough)) else { return };
        for &(threshold, share) in &self.thresholds {
            let below = candidates.iter_mut().filter(|(trough, _)| difference[*trough] < threshold);
            let weights = &self.trough_weights[..below.count()];
            if weights.is_empty() {
                let deepest = candidates.iter_mut().filter(|(trough, _)| *trough == deepest);
                deepest.for_each(|(_, probability)| *probability += self.no_trough_prob * share);
            }
            let total: f64 = weights.iter().sum();
            let below = candidates.iter_mut().filter(|(trough, _)| difference[*trough] < threshold);
            below.zip(weights).for_each(|((_, probability), weight)| *probability += share * weight / total);
        }
        for &(trough, probability) in candidates.iter().filter(|(_, probability)| *probability > 0.0) {
            let octaves = (self.difference.frequency(difference, trough) / self.fmin).log2();
            // As in librosa: what lies above the last bin counts as unvoiced, what lies below the first as that bin, and
            // of two troughs in one bin the later one counts.
            let bin = (self.bins_per_octave * octaves).round_ties_even().max(0.0) as usize;
            if let Some(cell) = bins.get_mut(bin) {
                *cell = probability;
            }
        }
    }
}

/// Computes the beta distribution's cumulative probability of `x`, 0 to 1, for parameters of at most 100.
fn beta_cdf(x: f64, alpha: f64, beta: f64) -> f64 {
    // The incomplete beta function as a hypergeometric series of positive terms, which halve in the end.
    let lower = |x: f64, alpha: f64, beta: f64| {
        let (mut term, mut sum, mut index) = (1.0, 0.0, 0.0);
        while term > f64::EPSILON * sum {
            sum += term;
            term *= x * (alpha + beta + index) / (alpha + 1.0 + index);
            index += 1.0;
        }
        sum * x.powf(alpha) * (1.0 - x).powf(beta) / alpha
    };
    let whole = lower(0.5, alpha, beta) + lower(0.5, beta, alpha);
    if x <= 0.5 { lower(x, alpha, beta) / whole } else { 1.0 - lower(1.0 - x, beta, alpha) / whole }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beta_distribution_is_its_closed_forms() {
        let binomial = |n: u32, k: u32| (0..k).fold(1.0, |product, j| product * f64::from(n - j) / f64::from(j + 1));
        for step in 0..=50 {
            let x = f64::from(step) / 50.0;
            // For whole parameters: the probability of `alpha` successes or more in `alpha + beta - 1` trials.
            for (alpha, beta) in [(2, 18), (1, 1), (7, 3), (40, 60)] {
                let n = alpha + beta - 1;
                let term = |k: u32| binomial(n, k) * x.powf(k.into()) * (1.0 - x).powf((n - k).into());
                let expected: f64 = (alpha..=n).map(term).sum();
                let ours = beta_cdf(x, alpha.into(), beta.into());
                assert!((ours - expected).abs() < 1e-14, "{x} ({alpha}, {beta}): {ours} is not {expected}");
            }
            let arcsine = x.sqrt().asin() / std::f64::consts::FRAC_PI_2;
            assert!((beta_cdf(x, 0.5, 0.5) - arcsine).abs() < 1e-14, "{x}");
            assert!((beta_cdf(x, 11.3, 1.0) - x.powf(11.3)).abs() < 1e-14, "{x}");
        }
    }
}
