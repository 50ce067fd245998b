use crate::kernels::vectorised_fn;
use crate::ops::with_slice;
use crate::{Error, Result};
use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, InplaceOp2, Layout, Tensor, Var};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};

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
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv 1711.05101), as PyTorch computes it: every
    /// parameter decays.
    AdamW {
        /// Decay of the mean gradient; at least 0, below 1. Default 0.9.
        #[serde(default = "adam::beta1")]
        beta1: f64,
        /// Decay of the mean squared gradient; at least 0, below 1. Default 0.999.
        #[serde(default = "adam::beta2")]
        beta2: f64,
        /// Added to the denominator; above 0. Default 1e-7, Keras's.
        #[serde(default = "epsilon")]
        epsilon: f64,
        /// The part of a parameter that is lost in a step of learning rate 1; at least 0, below 1. Default 0.01.
        #[serde(default = "adam::weight_decay")]
        weight_decay: f64,
    },
    /// Gradient descent with momentum, as PyTorch computes it (no dampening).
    Sgd {
        /// Decay of the sum of gradients; at least 0, below 1. Default 0.9.
        #[serde(default = "sgd::momentum")]
        momentum: f64,
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
    pub(super) fn weight_decay() -> f64 {
        0.01
    }
}

mod sgd {
    pub(super) fn momentum() -> f64 {
        0.9
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
        let (fractions, epsilon) = match *self {
            Self::Adam { beta1, beta2, epsilon } => (vec![("beta1", beta1), ("beta2", beta2)], epsilon),
            Self::AdamW { beta1, beta2, epsilon, weight_decay } => {
                (vec![("beta1", beta1), ("beta2", beta2), ("weight_decay", weight_decay)], epsilon)
            }
            Self::Sgd { momentum } => (vec![("momentum", momentum)], epsilon()),
            Self::RmsProp { rho, epsilon } => (vec![("rho", rho)], epsilon),
        };
        for (option, value) in fractions {
            if !(0.0..1.0).contains(&value) {
                return Err(Error::InvalidOption { option, value: value.to_string(), allowed: "at least 0, below 1" });
            }
        }
        if !(epsilon > 0.0 && epsilon.is_finite()) {
            return Err(Error::InvalidOption { option: "epsilon", value: epsilon.to_string(), allowed: "above 0" });
        }
        Ok(())
    }

    vectorised_fn! {
        /// Updates some values in place: one pass over memory. `first` and `second` are the moments of the gradient.
        fn update(optimizer: &Optimizer, step: i32, learning_rate: f64, values: &mut [f32], grads: &[f32], moments: Moments) {
            let Moments { first, second } = moments;
            match *optimizer {
                Optimizer::Adam { beta1, beta2, epsilon } | Optimizer::AdamW { beta1, beta2, epsilon, .. } => {
                    let weight_decay = if let Optimizer::AdamW { weight_decay, .. } = *optimizer { weight_decay } else { 0.0 };
                    let kept = (1.0 - learning_rate * weight_decay) as f32;
                    let mean_scale = (1.0 / (1.0 - beta1.powi(step))) as f32;
                    let square_scale = (1.0 / (1.0 - beta2.powi(step))) as f32;
                    let (mix1, mix2) = ((1.0 - beta1) as f32, (1.0 - beta2) as f32);
                    let (beta1, beta2, epsilon) = (beta1 as f32, beta2 as f32, epsilon as f32);
                    let learning_rate = learning_rate as f32;
                    for (((value, &grad), mean), mean_square) in values.iter_mut().zip(grads).zip(first).zip(second) {
                        *mean = *mean * beta1 + grad * mix1;
                        *mean_square = *mean_square * beta2 + grad * grad * mix2;
                        let update = *mean * mean_scale / ((*mean_square * square_scale).sqrt() + epsilon);
                        *value = *value * kept - update * learning_rate;
                    }
                }
                Optimizer::Sgd { momentum } => {
                    let (momentum, learning_rate) = (momentum as f32, learning_rate as f32);
                    for ((value, &grad), sum) in values.iter_mut().zip(grads).zip(first) {
                        *sum = momentum * *sum + grad;
                        *value -= learning_rate * *sum;
                    }
                }
                Optimizer::RmsProp { rho, epsilon } => {
                    let (rho, one_minus_rho, epsilon) = (rho as f32, (1.0 - rho) as f32, epsilon as f32);
                    let learning_rate = learning_rate as f32;
                    for ((value, &grad), mean_square) in values.iter_mut().zip(grads).zip(second) {
                        *mean_square = *mean_square * rho + grad * grad * one_minus_rho;
                        *value -= grad / (mean_square.sqrt() + epsilon) * learning_rate;
                    }
                }
            }
        }
    }
}

/// Moments of the gradients of some values.
struct Moments<'a> {
    first: &'a mut [f32],
    second: &'a mut [f32],
}

/// An optimiser at work: the variables and their moving averages.
pub(crate) struct OptimizerState {
    optimizer: Optimizer,
    slots: Vec<Slot>,
    step: i32,
}

/// The first and second moments of a variable's gradient, as a checkpoint holds them.
pub(crate) type StoredMoments = (Vec<f32>, Vec<f32>);

struct Slot {
    variable: Var,
    moments: Mutex<StoredMoments>,
}

impl OptimizerState {
    pub fn new(optimizer: &Optimizer, variables: Vec<Var>) -> Self {
        let slots = variables.into_iter().map(|variable| {
            let zeros = vec![0f32; variable.elem_count()];
            Slot { variable, moments: Mutex::new((zeros.clone(), zeros)) }
        });
        Self { optimizer: optimizer.clone(), slots: slots.collect(), step: 0 }
    }

    /// Updates every variable that has a gradient, with gradients scaled down to a norm of at most `max_norm` over all
    /// variables (as PyTorch's `clip_grad_norm_`). Gives the index of the first variable with a gradient that is not
    /// finite, and then leaves all variables as they were.
    pub fn step(&mut self, gradients: &GradStore, learning_rate: f64, max_norm: Option<f64>) -> Result<Option<usize>> {
        let gradient_of = |slot: &Slot| gradients.get(&slot.variable).map(Tensor::contiguous).transpose();
        let of_slots = self.slots.iter().map(gradient_of).collect::<candle_core::Result<Vec<_>>>()?;
        let mut squares = 0.0;
        for (index, gradient) in of_slots.iter().enumerate() {
            let Some(gradient) = gradient else { continue };
            let sum = with_slice(gradient, sum_of_squares)?;
            if !sum.is_finite() {
                return Ok(Some(index));
            }
            squares += sum;
        }
        let factor = max_norm.map_or(1.0, |max_norm| (max_norm / (squares.sqrt() + 1e-6)).min(1.0)) as f32;
        self.step = self.step.saturating_add(1);
        for (slot, gradient) in self.slots.iter().zip(of_slots) {
            let Some(gradient) = gradient else { continue };
            let Self { optimizer, step, .. } = self;
            let update = Update { optimizer, moments: &slot.moments, step: *step, learning_rate, factor };
            slot.variable.inplace_op2(&gradient, &update)?;
        }
        Ok(None)
    }

    /// The number of steps that were taken, and the moments of the gradients of each variable.
    pub fn moments(&self) -> (i32, Vec<StoredMoments>) {
        let moments = |slot: &Slot| slot.moments.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (self.step, self.slots.iter().map(moments).collect())
    }

    /// Puts back what [`Self::moments`] gave.
    pub fn restore(&mut self, step: i32, moments: Vec<StoredMoments>) {
        self.step = step;
        for (slot, moments) in self.slots.iter_mut().zip(moments) {
            slot.moments = Mutex::new(moments);
        }
    }
}

/// One step of one variable.
struct Update<'a> {
    optimizer: &'a Optimizer,
    moments: &'a Mutex<StoredMoments>,
    step: i32,
    learning_rate: f64,
    /// What gradients are multiplied by first.
    factor: f32,
}

/// In f32 within a stretch and in f64 over stretches, in their order.
fn sum_of_squares(values: &[f32]) -> f64 {
    let sums: Vec<f32> = values.par_chunks(1 << 10).map(|chunk| chunk.iter().map(|v| v * v).sum()).collect();
    sums.into_iter().map(f64::from).sum()
}

impl InplaceOp2 for Update<'_> {
    fn name(&self) -> &'static str {
        "optimizer-step"
    }

    fn cpu_fwd(
        &self,
        variable: &mut CpuStorage,
        variable_layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> candle_core::Result<()> {
        /// Values that are updated by one thread at a time.
        const CHUNK: usize = 1 << 14;
        let (start, end) = contiguous(variable_layout)?;
        let CpuStorage::F32(values) = variable else { candle_core::bail!("parameters are f32") };
        let values = &mut values[start..end];
        let (start, end) = contiguous(gradient_layout)?;
        let grads = &gradient.as_slice::<f32>()?[start..end];
        let mut moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, second) = &mut *moments;
        let update = |values: &mut [f32], grads: &[f32], moments: Moments| {
            if self.factor == 1.0 {
                Optimizer::update(self.optimizer, self.step, self.learning_rate, values, grads, moments);
            } else {
                let grads: Vec<f32> = grads.iter().map(|grad| grad * self.factor).collect();
                Optimizer::update(self.optimizer, self.step, self.learning_rate, values, &grads, moments);
            }
        };
        if values.len() <= CHUNK {
            update(values, grads, Moments { first, second });
            return Ok(());
        }
        values
            .par_chunks_mut(CHUNK)
            .zip(grads.par_chunks(CHUNK))
            .zip(first.par_chunks_mut(CHUNK).zip(second.par_chunks_mut(CHUNK)))
            .for_each(|((values, grads), (first, second))| update(values, grads, Moments { first, second }));
        Ok(())
    }
}

fn contiguous(layout: &Layout) -> candle_core::Result<(usize, usize)> {
    match layout.contiguous_offsets() {
        Some(offsets) => Ok(offsets),
        None => candle_core::bail!("a contiguous tensor is needed, got {layout:?}"),
    }
}
