use serde::{Deserialize, Serialize};

/// Lowers the learning rate when the validation loss stops falling, as Keras's `ReduceLROnPlateau`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReduceLrOnPlateau {
    /// What the rate is multiplied by; above 0, below 1.
    pub factor: f64,
    /// The number of epochs without a new best loss that is waited for; at least 1.
    pub patience: usize,
    /// The rate is not lowered further than this; at least 0.
    pub min_learning_rate: f64,
}

impl Default for ReduceLrOnPlateau {
    fn default() -> Self {
        Self { factor: 0.5, patience: 3, min_learning_rate: 1e-5 }
    }
}

/// Stops training when the validation loss stops falling. The weights of the best epoch are kept in any case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EarlyStopping {
    /// The number of epochs without a new best loss after which training ends; at least 1.
    pub patience: usize,
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self { patience: 10 }
    }
}

/// Follows the validation loss: which epoch was best, when to slow down, when to stop.
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
    fn stopping_counts_from_the_best_epoch_only() {
        let stopping = EarlyStopping { patience: 3 };
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
