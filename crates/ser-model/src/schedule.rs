use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// Lowers the learning rate when validation stops improving, as Keras's `ReduceLROnPlateau` with
/// `min_delta=0`: the least improvement counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReduceLrOnPlateau {
    /// What the rate is multiplied by; above 0, below 1.
    pub factor: f64,
    /// The number of epochs without a new best one that is waited for; at least 1.
    pub patience: usize,
    /// The rate is not lowered further than this; at least 0.
    pub min_learning_rate: f64,
}

impl Default for ReduceLrOnPlateau {
    fn default() -> Self {
        Self { factor: 0.5, patience: 3, min_learning_rate: 1e-5 }
    }
}

/// How the learning rate moves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// It is lowered when the validation stops improving: see [`ReduceLrOnPlateau`].
    #[default]
    Plateau,
    /// It rises in equal steps, then falls along half a cosine towards zero (Loshchilov and Hutter 2017, arXiv
    /// 1608.03983).
    Cosine {
        /// The part of all steps in which it rises; at least 0, below 1. Default 0.1.
        #[serde(default = "cosine_warm_up")]
        warm_up: f64,
    },
    /// It rises from a 25th along half a cosine, and falls along another to a 250,000th (Smith and Topin 2018, arXiv
    /// 1708.07120), as PyTorch's `OneCycleLR` with `cycle_momentum=False`.
    OneCycle {
        /// The part of all steps in which it rises; above 0, below 1. Default 0.3.
        #[serde(default = "one_cycle_warm_up")]
        warm_up: f64,
    },
}

fn cosine_warm_up() -> f64 {
    0.1
}

fn one_cycle_warm_up() -> f64 {
    0.3
}

impl Schedule {
    pub(crate) fn validate(&self) -> Result<()> {
        let (warm_up, is_valid, allowed) = match *self {
            Self::Plateau => return Ok(()),
            Self::Cosine { warm_up } => (warm_up, (0.0..1.0).contains(&warm_up), "at least 0, below 1"),
            Self::OneCycle { warm_up } => (warm_up, warm_up > 0.0 && warm_up < 1.0, "above 0, below 1"),
        };
        if is_valid {
            return Ok(());
        }
        Err(Error::InvalidOption { option: "schedule.warm_up", value: warm_up.to_string(), allowed })
    }

    /// What the learning rate is multiplied by in a step, counted from 0.
    pub(crate) fn factor(&self, step: usize, steps: usize) -> f64 {
        /// From `start` to `end` along half a cosine.
        fn anneal(start: f64, end: f64, progress: f64) -> f64 {
            end + (start - end) / 2.0 * (1.0 + (PI * progress).cos())
        }
        let (step, steps) = (step as f64, steps as f64);
        match *self {
            Self::Plateau => 1.0,
            Self::Cosine { warm_up } => {
                let rising = (warm_up * steps).floor();
                if step < rising {
                    return (step + 1.0) / rising;
                }
                anneal(1.0, 0.0, (step - rising) / (steps - rising).max(1.0))
            }
            Self::OneCycle { warm_up } => {
                let (first, last) = (1.0 / 25.0, 1.0 / 250_000.0);
                let highest = warm_up * steps - 1.0;
                if step <= highest {
                    return anneal(first, 1.0, step / highest.max(f64::MIN_POSITIVE));
                }
                anneal(1.0, last, (step - highest) / (steps - 1.0 - highest).max(f64::MIN_POSITIVE))
            }
        }
    }
}

/// What says which epoch is best.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BestBy {
    /// The lowest validation loss.
    #[default]
    Loss,
    /// The highest unweighted average recall in validation; of equals, the first.
    Uar,
    /// Being the last: nothing is chosen. All `max_epochs` are run, the schedule `plateau` never lowers the rate, and the
    /// validation part may be empty.
    Last,
}

/// Stops training when validation stops improving. The weights of the best epoch are kept in any case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EarlyStopping {
    /// The number of epochs without a new best one after which training ends; at least 1.
    pub patience: usize,
    /// What says which epoch is best, here and for [`ReduceLrOnPlateau`].
    pub best_by: BestBy,
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self { patience: 10, best_by: BestBy::Loss }
    }
}

/// Follows the validation loss, or what else falls as a network improves: which epoch was best, when to slow down, when to stop.
pub(crate) struct Monitor {
    best: f32,
    /// Epochs since the best one.
    since_best: usize,
    /// Epochs since the best one or the last reduction.
    since_change: usize,
}

impl Monitor {
    pub fn new() -> Self {
        Self { best: f32::INFINITY, since_best: 0, since_change: 0 }
    }

    /// Takes one epoch's loss; true where it is the best so far.
    pub fn observe(&mut self, loss: f32) -> bool {
        let is_best = loss < self.best;
        if is_best {
            *self = Self { best: loss, since_best: 0, since_change: 0 };
        } else {
            self.since_best += 1;
            self.since_change += 1;
        }
        is_best
    }

    /// The learning rate for the next epoch.
    pub fn reduce(&mut self, rate: f64, plateau: &ReduceLrOnPlateau) -> f64 {
        if self.since_change < plateau.patience {
            return rate;
        }
        self.since_change = 0;
        (rate * plateau.factor).max(plateau.min_learning_rate).min(rate)
    }

    pub fn should_stop(&self, early_stopping: &EarlyStopping) -> bool {
        self.since_best >= early_stopping.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plateau_halves_after_patience_and_stops_at_the_floor() {
        let plateau = ReduceLrOnPlateau { factor: 0.5, patience: 2, min_learning_rate: 0.3 };
        let mut monitor = Monitor::new();
        let mut rate = 1.0;
        let rates: Vec<f64> = [3.0, 2.0, 2.5, 2.5, 2.1, 1.9, 2.0, 2.0, 2.0]
            .into_iter()
            .map(|loss| {
                monitor.observe(loss);
                rate = monitor.reduce(rate, &plateau);
                rate
            })
            .collect();
        assert_eq!(rates, [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.3, 0.3]);
    }

    #[test]
    fn one_cycle_is_pytorchs() {
        // torch 2.15: OneCycleLR(SGD([p], 1.0), max_lr=1.0, total_steps=10, pct_start=0.3).get_last_lr() before each step.
        let expected = [
            0.040000000000000036,
            0.52,
            1.0,
            0.9504846320134737,
            0.8117456539497631,
            0.6112620219362893,
            0.38874197806371075,
            0.18825834605023697,
            0.049519367986526286,
            4e-06,
        ];
        let schedule = Schedule::OneCycle { warm_up: 0.3 };
        for (step, expected) in expected.into_iter().enumerate() {
            let factor = schedule.factor(step, 10);
            assert!((factor - expected).abs() < 1e-12, "step {step}: {factor}, PyTorch's {expected}");
        }
    }

    #[test]
    fn a_rise_of_one_step_is_its_first() {
        let factors: Vec<f64> = (0..10).map(|step| Schedule::OneCycle { warm_up: 0.1 }.factor(step, 10)).collect();
        assert!((factors[0] - 0.04).abs() < 1e-12 && factors[9] == 4e-6, "{factors:?}");
        assert!(factors[1..].is_sorted_by(|one, next| one > next), "{factors:?}");
    }

    #[test]
    fn cosine_rises_in_equal_steps_and_falls_to_zero() {
        let factors: Vec<f64> = (0..8).map(|step| Schedule::Cosine { warm_up: 0.5 }.factor(step, 8)).collect();
        let fall = |part: f64| 0.5 + 0.5 * (PI * part).cos();
        assert_eq!(factors, [0.25, 0.5, 0.75, 1.0, 1.0, fall(0.25), fall(0.5), fall(0.75)]);
        assert_eq!(Schedule::Cosine { warm_up: 0.0 }.factor(0, 1), 1.0);
    }

    #[test]
    fn stopping_counts_from_the_best_epoch_only() {
        let stopping = EarlyStopping { patience: 3, ..Default::default() };
        let mut monitor = Monitor::new();
        let stops: Vec<bool> = [2.0, 2.1, 2.2, 1.5, 1.6, 1.7, f32::NAN]
            .into_iter()
            .map(|loss| {
                monitor.observe(loss);
                monitor.should_stop(&stopping)
            })
            .collect();
        assert_eq!(stops, [false, false, false, false, false, false, true]);
    }
}
