//! The most probable way through pitch bins and voicing.

use std::mem;

/// The logarithm of `f64::MIN_POSITIVE`, which librosa has in place of the logarithm of 0.
const LOG_ZERO: f64 = -708.396_418_532_264_1;

/// Pitch bins that are moved to side by side: they fit into vector registers.
const LANES: usize = 8;

/// A hidden Markov model of `2 n_bins` states: `n_bins` pitch bins when voiced, then the same when unvoiced.
///
/// Pitch moves within a band of `width` bins with triangular weights that sum to 1
/// (`librosa.sequence.transition_local`); voicing switches with `switch_prob`, independently of that. Every other
/// move has the logarithmic probability `LOG_ZERO`.
#[derive(Debug, Clone)]
pub(super) struct PitchModel {
    n_bins: usize,
    log_stay: f64,
    log_switch: f64,
    /// The logarithms of the triangle's weights.
    band: Vec<f64>,
    /// How many bins below a bin it can be moved to from.
    reach_below: usize,
    /// For every bin, the logarithm of the sum of the weights with which it is left.
    log_sums: Vec<f64>,
}

impl PitchModel {
    /// Plans 2 to 2¹⁵ bins and a band of 1 to `n_bins`.
    pub(super) fn new(n_bins: usize, width: usize, switch_prob: f64) -> Self {
        let weight = |place: usize| (2 * (place + 1).min(width - place) - usize::from(width.is_multiple_of(2))) as f64;
        let triangle: Vec<f64> = (0..width).map(weight).collect();
        // Where librosa's padding and rolling put the middle: a band of even width leans to one side.
        let reach_above = n_bins - (n_bins - width) / 2 - n_bins / 2 - 1;
        let log_sum = |bin: usize| {
            let inside = reach_above.saturating_sub(bin)..width.min(n_bins + reach_above - bin);
            triangle[inside].iter().sum::<f64>().ln()
        };
        Self {
            n_bins,
            log_stay: (1.0 - switch_prob).ln(),
            log_switch: switch_prob.ln(),
            log_sums: (0..n_bins).map(log_sum).collect(),
            band: triangle.into_iter().map(f64::ln).collect(),
            reach_below: width - 1 - reach_above,
        }
    }

    pub(super) fn n_bins(&self) -> usize {
        self.n_bins
    }

    /// Finds the best move to each of `LANES` bins, and its place in the band, the first of several.
    fn best_moves(&self, departures: &[f64]) -> ([f64; LANES], [u64; LANES]) {
        let (mut best, mut places) = ([f64::NEG_INFINITY; LANES], [0; LANES]);
        for (place, (weight, departures)) in (0..).zip(self.band.iter().zip(departures.array_windows::<LANES>())) {
            for ((best, best_place), departure) in best.iter_mut().zip(&mut places).zip(departures) {
                let value = departure + weight;
                (*best, *best_place) = if value > *best { (value, place) } else { (*best, *best_place) };
            }
        }
        (best, places)
    }
}

/// Decodes one observation after the other; the path is known after the last.
#[derive(Debug)]
pub(super) struct Decoder<'a> {
    model: &'a PitchModel,
    /// The logarithmic probability of the best path to every state.
    values: Vec<f64>,
    /// The state before every state on that path, `[observations - 1, 2 n_bins]`.
    sources: Vec<u16>,
    next: Vec<f64>,
    /// For every bin, the better of leaving it voiced or unvoiced, with nothing (-∞) around for whole bands.
    departures: Vec<f64>,
    /// The state that is.
    departing: Vec<u16>,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(model: &'a PitchModel) -> Self {
        Self {
            model,
            values: Vec::new(),
            sources: Vec::new(),
            next: Vec::new(),
            departures: vec![f64::NEG_INFINITY; model.n_bins + model.band.len() + LANES],
            departing: vec![0; model.n_bins],
        }
    }

    /// Takes in the probability of every pitch bin when voiced, and that of each when unvoiced.
    pub(super) fn observe(&mut self, voiced: &[f64], unvoiced: f64) {
        let n_bins = self.model.n_bins;
        if self.values.is_empty() {
            let equally_probable = -((2 * n_bins) as f64).ln();
            self.values.resize(2 * n_bins, equally_probable);
        } else {
            self.advance();
        }
        let log = |probability: f64| if probability > 0.0 { probability.ln() } else { LOG_ZERO };
        let (voiced_values, unvoiced_values) = self.values.split_at_mut(n_bins);
        voiced_values.iter_mut().zip(voiced).for_each(|(value, &probability)| *value += log(probability));
        let unvoiced = log(unvoiced);
        unvoiced_values.iter_mut().for_each(|value| *value += unvoiced);
    }

    /// Gives the most probable states.
    pub(super) fn path(self) -> Vec<usize> {
        if self.values.is_empty() {
            return Vec::new();
        }
        let mut state = highest(&self.values);
        let mut path = vec![state];
        for sources in self.sources.rchunks_exact(2 * self.model.n_bins) {
            state = sources[state].into();
            path.push(state);
        }
        path.reverse();
        path
    }

    /// Moves every path by one state.
    fn advance(&mut self) {
        let PitchModel { n_bins, log_stay, log_switch, reach_below, ref log_sums, .. } = *self.model;
        let leap = highest(&self.values);
        let leap_value = self.values[leap] + LOG_ZERO;
        let (voiced, unvoiced) = self.values.split_at(n_bins);
        self.next.clear();
        for (log_from_voiced, log_from_unvoiced) in [(log_stay, log_switch), (log_switch, log_stay)] {
            let departures = self.departures[reach_below..].iter_mut().zip(&mut self.departing);
            for (bin, (departure, state)) in departures.take(n_bins).enumerate() {
                let (voiced, unvoiced) = (voiced[bin] + log_from_voiced, unvoiced[bin] + log_from_unvoiced);
                let (value, source) = if voiced >= unvoiced { (voiced, bin) } else { (unvoiced, n_bins + bin) };
                (*departure, *state) = (value - log_sums[bin], source as u16);
            }
            for first in (0..n_bins).step_by(LANES) {
                let (best, places) = self.model.best_moves(&self.departures[first..]);
                for ((bin, value), place) in (first..n_bins).zip(best).zip(places) {
                    let leaps = leap_value > value;
                    self.next.push(if leaps { leap_value } else { value });
                    self.sources.push(if leaps {
                        leap as u16
                    } else {
                        self.departing[bin + place as usize - reach_below]
                    });
                }
            }
        }
        mem::swap(&mut self.values, &mut self.next);
    }
}

/// Finds the highest value, the first of several.
fn highest(values: &[f64]) -> usize {
    (1..values.len()).fold(0, |highest, index| if values[index] > values[highest] { index } else { highest })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The transition matrix as librosa.sequence.transition_local builds it: a padded triangle, rolled into place,
    /// cut to the band, normalised.
    fn transition_local(n_bins: usize, width: usize) -> Vec<Vec<f64>> {
        let mut padded = vec![0.0; n_bins];
        for place in 0..width {
            let distance = (2 * place + 1).abs_diff(width) as f64;
            padded[(n_bins - width) / 2 + place] = 1.0 - distance / (width + width % 2) as f64;
        }
        let row = |bin: usize| {
            let mut row = padded.clone();
            row.rotate_right((n_bins / 2 + bin + 1) % n_bins);
            row.iter_mut().enumerate().filter(|(to, _)| to.abs_diff(bin) > width / 2).for_each(|(_, cell)| *cell = 0.0);
            let sum: f64 = row.iter().sum();
            row.into_iter().map(|cell| cell / sum).collect()
        };
        (0..n_bins).map(row).collect()
    }

    /// The logarithmic probability of a path under the dense model.
    fn log_probability(path: &[usize], observations: &[(Vec<f64>, f64)], width: usize, switch_prob: f64) -> f64 {
        let n_bins = observations[0].0.len();
        let transition = transition_local(n_bins, width);
        let log = |probability: f64| (probability + f64::MIN_POSITIVE).ln();
        let observed = |(state, (voiced, unvoiced)): (&usize, &(Vec<f64>, f64))| {
            log(voiced.get(*state).copied().unwrap_or(*unvoiced))
        };
        let moved = |pair: &[usize]| {
            let switch = if (pair[0] < n_bins) == (pair[1] < n_bins) { 1.0 - switch_prob } else { switch_prob };
            log(switch * transition[pair[0] % n_bins][pair[1] % n_bins])
        };
        path.iter().zip(observations).map(observed).sum::<f64>() + path.windows(2).map(moved).sum::<f64>()
    }

    /// Dense Viterbi decoding: the best value over every pair of states.
    fn dense_best(observations: &[(Vec<f64>, f64)], width: usize, switch_prob: f64) -> f64 {
        let n_states = 2 * observations[0].0.len();
        let single = |state, observation: &(Vec<f64>, f64)| {
            log_probability(&[state], std::slice::from_ref(observation), width, switch_prob)
        };
        let mut values: Vec<f64> = (0..n_states).map(|state| single(state, &observations[0])).collect();
        for pair in observations.windows(2) {
            let best = |to: usize| {
                let from = |from: usize| {
                    values[from] + log_probability(&[from, to], pair, width, switch_prob) - single(from, &pair[0])
                };
                (0..n_states).map(from).fold(f64::NEG_INFINITY, f64::max)
            };
            values = (0..n_states).map(best).collect();
        }
        values.into_iter().fold(f64::NEG_INFINITY, f64::max)
    }

    proptest! {
        #[test]
        fn no_path_is_more_probable_than_the_decoded_one(
            n_bins in 2_usize..14,
            width in 0_usize..14,
            switch_prob in 0.01_f64..0.9,
            seeds in prop::collection::vec((prop::collection::vec(0.0_f64..1.0, 14), 0.0_f64..1.0), 1..7),
        ) {
            // A band of even width as wide as the range would reach around its end in librosa.
            let width = 1 + width % n_bins;
            prop_assume!(width < n_bins || !width.is_multiple_of(2));
            // Most bins have no candidate, and some frames are surely voiced, as in speech.
            let sparse = |value: f64| if value < 0.7 { 0.0 } else { value };
            let observations: Vec<(Vec<f64>, f64)> = seeds
                .iter()
                .map(|(voiced, unvoiced)| (voiced[..n_bins].iter().map(|&value| sparse(value)).collect(), sparse(*unvoiced)))
                .collect();
            let model = PitchModel::new(n_bins, width, switch_prob);
            let mut decoder = Decoder::new(&model);
            observations.iter().for_each(|(voiced, unvoiced)| decoder.observe(voiced, *unvoiced));
            let path = decoder.path();
            prop_assert_eq!(path.len(), observations.len());
            let ours = log_probability(&path, &observations, width, switch_prob);
            let best = dense_best(&observations, width, switch_prob);
            // Some hundred roundings of values up to 1e4.
            prop_assert!((ours - best).abs() < 1e-9, "{} is not {}", ours, best);
        }
    }

    #[test]
    fn the_logarithm_of_zero_is_librosas() {
        assert_eq!(LOG_ZERO, f64::MIN_POSITIVE.ln());
    }
}
