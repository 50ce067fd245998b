use super::{Activations, Mode};
use crate::ops::batch_norm::{Activation, BatchNormOp, moments};
use crate::ops::norm::Moments;
use candle_core::{Device, Result, Tensor, Var};
use candle_nn::{Init, VarBuilder};

/// The two constants of a batch normalisation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NormConstants {
    /// Added to the variance.
    pub epsilon: f64,
    /// The part of a batch's statistics in the new running ones (PyTorch's convention; one minus Keras's momentum).
    pub momentum: f32,
}

impl NormConstants {
    pub const PYTORCH: Self = Self { epsilon: 1e-5, momentum: 0.1 };
    pub const KERAS: Self = Self { epsilon: 1e-3, momentum: 0.01 };
}

/// Batch normalisation over the valid frames, and the activation. Running statistics as PyTorch
/// keeps them (unbiased variance).
pub(crate) struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    running: RunningStatistics,
    activation: Activation,
    constants: NormConstants,
}

impl BatchNorm {
    pub fn new(channels: usize, activation: Activation, constants: NormConstants, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            weight: vb.get_with_hints(channels, "weight", Init::Const(1.0))?,
            bias: vb.get_with_hints(channels, "bias", Init::Const(0.0))?,
            running: RunningStatistics::new(channels, vb)?,
            activation,
            constants,
        })
    }

    pub fn forward(&self, input: &Activations, mode: &Mode) -> Result<Activations> {
        let affine = Tensor::stack(&[&self.weight, &self.bias], 0)?;
        let x = &input.values;
        let moments = match mode {
            Mode::Train(_) => {
                let moments = moments(x, &input.lengths)?;
                let count = input.lengths.iter().sum::<usize>() * x.dim(2)?;
                self.running.update(&moments, count as f32, self.constants.momentum)?;
                moments
            }
            Mode::Evaluate => self.running.moments()?,
        };
        let lengths = input.lengths.clone();
        let op = BatchNormOp {
            lengths: lengths.clone(),
            moments,
            epsilon: self.constants.epsilon,
            activation: self.activation,
        };
        let values = match mode {
            Mode::Train(_) => x.apply_op2(&affine, op)?,
            Mode::Evaluate => x.apply_op2_no_bwd(&affine, &op)?,
        };
        Ok(Activations { values, lengths })
    }

    /// `[batch, channels]`, each row one valid frame.
    pub fn forward_vectors(&self, input: &Tensor, mode: &Mode) -> Result<Tensor> {
        let (batch, channels) = input.dims2()?;
        let input = Activations { values: input.reshape((batch, 1, 1, channels))?, lengths: vec![1; batch].into() };
        self.forward(&input, mode)?.values.reshape((batch, channels))
    }
}

/// What a batch normalisation remembers for use after training.
pub(crate) struct RunningStatistics {
    mean: Tensor,
    variance: Tensor,
}

impl RunningStatistics {
    pub fn new(channels: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            mean: vb.get_with_hints(channels, "running_mean", Init::Const(0.0))?,
            variance: vb.get_with_hints(channels, "running_var", Init::Const(1.0))?,
        })
    }

    pub fn moments(&self) -> Result<Moments> {
        Ok(Moments { mean: self.mean.to_vec1()?, variance: self.variance.to_vec1()? })
    }

    /// Mixes in the moments of a batch of `count` values.
    pub fn update(&self, batch: &Moments, count: f32, momentum: f32) -> Result<()> {
        let unbiased = count / (count - 1.0).max(1.0);
        let update = |running: &Tensor, batch: &[f32], factor: f32| {
            let mixed: Vec<f32> = running
                .to_vec1::<f32>()?
                .iter()
                .zip(batch)
                .map(|(running, batch)| (1.0 - momentum) * running + momentum * factor * batch)
                .collect();
            let mixed = Tensor::from_vec(mixed, batch.len(), &Device::Cpu)?;
            Var::from_tensor(running)?.set(&mixed)
        };
        update(&self.mean, &batch.mean, 1.0)?;
        update(&self.variance, &batch.variance, unbiased)
    }
}
