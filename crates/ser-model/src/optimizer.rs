use crate::{Error, Result};
use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use serde::{Deserialize, Serialize};

/// Which optimiser updates the weights, and its options; the learning rate is set by the training loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase", deny_unknown_fields)]
pub enum Optimizer {
    /// Adam (Kingma and Ba 2015, arXiv 1412.6980, algorithm 1), as PyTorch computes it.
    Adam {
        /// Decay of the mean gradient; at least 0, below 1. Default 0.9.
        #[serde(default = "adam::beta1")]
        beta1: f64,
        /// Decay of the mean squared gradient; at least 0, below 1. Default 0.999.
        #[serde(default = "adam::beta2")]
        beta2: f64,
        /// Added to the denominator; above 0. Default 1e-7, Keras's.
        #[serde(default = "epsilon")]
        epsilon: f64,
    },
    /// RMSprop (Hinton 2012, lecture 6e) without momentum, as PyTorch computes it.
    RmsProp {
        /// Decay of the mean squared gradient; at least 0, below 1. Default 0.9, Keras's.
        #[serde(default = "rmsprop::rho")]
        rho: f64,
        /// Added to the denominator; above 0. Default 1e-7, Keras's.
        #[serde(default = "epsilon")]
        epsilon: f64,
    },
}

fn epsilon() -> f64 {
    1e-7
}

mod adam {
    pub(super) fn beta1() -> f64 {
        0.9
    }
    pub(super) fn beta2() -> f64 {
        0.999
    }
}

mod rmsprop {
    pub(super) fn rho() -> f64 {
        0.9
    }
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::Adam { beta1: adam::beta1(), beta2: adam::beta2(), epsilon: epsilon() }
    }
}

impl Optimizer {
    pub(crate) fn validate(&self) -> Result<()> {
        let (decays, epsilon) = match *self {
            Self::Adam { beta1, beta2, epsilon } => (vec![("beta1", beta1), ("beta2", beta2)], epsilon),
            Self::RmsProp { rho, epsilon } => (vec![("rho", rho)], epsilon),
        };
        for (option, value) in decays {
            if !(0.0..1.0).contains(&value) {
                return Err(Error::InvalidOption { option, value: value.to_string(), allowed: "at least 0, below 1" });
            }
        }
        if !(epsilon > 0.0 && epsilon.is_finite()) {
            return Err(Error::InvalidOption { option: "epsilon", value: epsilon.to_string(), allowed: "above 0" });
        }
        Ok(())
    }
}

/// An optimiser at work: the variables and their moving averages.
pub(crate) struct OptimizerState {
    optimizer: Optimizer,
    slots: Vec<Slot>,
    step: i32,
}

struct Slot {
    variable: Var,
    mean: Tensor,
    mean_square: Tensor,
}

impl OptimizerState {
    pub fn new(optimizer: &Optimizer, variables: Vec<Var>) -> Result<Self> {
        let slots = variables
            .into_iter()
            .map(|variable| {
                let (mean, mean_square) = (variable.zeros_like()?, variable.zeros_like()?);
                Ok(Slot { variable, mean, mean_square })
            })
            .collect::<candle_core::Result<_>>()?;
        Ok(Self { optimizer: optimizer.clone(), slots, step: 0 })
    }

    /// Updates every variable that has a gradient.
    pub fn step(&mut self, gradients: &GradStore, learning_rate: f64) -> Result<()> {
        self.step += 1;
        for slot in &mut self.slots {
            let Some(gradient) = gradients.get(&slot.variable) else { continue };
            // The gradient's own graph must not live on in the averages.
            let gradient = gradient.detach();
            let update = match self.optimizer {
                Optimizer::Adam { beta1, beta2, epsilon } => {
                    slot.mean = ((&slot.mean * beta1)? + (&gradient * (1.0 - beta1))?)?;
                    slot.mean_square = ((&slot.mean_square * beta2)? + (gradient.sqr()? * (1.0 - beta2))?)?;
                    let mean = (&slot.mean / (1.0 - beta1.powi(self.step)))?;
                    let mean_square = (&slot.mean_square / (1.0 - beta2.powi(self.step)))?;
                    (mean / (mean_square.sqrt()? + epsilon)?)?
                }
                Optimizer::RmsProp { rho, epsilon } => {
                    slot.mean_square = ((&slot.mean_square * rho)? + (gradient.sqr()? * (1.0 - rho))?)?;
                    (gradient / (slot.mean_square.sqrt()? + epsilon)?)?
                }
            };
            slot.variable.set(&(slot.variable.as_tensor() - (update * learning_rate)?)?)?;
        }
        Ok(())
    }
}
