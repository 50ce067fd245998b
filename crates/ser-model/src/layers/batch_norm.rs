use super::{Activations, Mode};
use crate::ops::batch_norm::{Activation, BatchNormOp, Moments, moments};
use candle_core::{Device, Result, Tensor, Var};
use candle_nn::{Init, VarBuilder};

/// PyTorch's defaults.
const EPSILON: f32 = 1e-5;
const MOMENTUM: f32 = 0.1;

/// Batch normalisation over the valid frames, an optional residual, and the activation. Running statistics as PyTorch keeps them (momentum
/// 0.1, unbiased variance).
pub(crate) struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    activation: Activation,
}

impl BatchNorm {
    pub fn new(channels: usize, activation: Activation, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            weight: vb.get_with_hints(channels, "weight", Init::Const(1.0))?,
            bias: vb.get_with_hints(channels, "bias", Init::Const(0.0))?,
            running_mean: vb.get_with_hints(channels, "running_mean", Init::Const(0.0))?,
            running_var: vb.get_with_hints(channels, "running_var", Init::Const(1.0))?,
            activation,
        })
    }

    pub fn forward(&self, input: &Activations, mode: &Mode) -> Result<Activations> {
        self.apply(input, None, mode)
    }

    /// Normalises, adds the residual, and applies the activation.
    pub fn forward_add(&self, input: &Activations, residual: &Activations, mode: &Mode) -> Result<Activations> {
        self.apply(input, Some(&residual.values), mode)
    }

    fn apply(&self, input: &Activations, residual: Option<&Tensor>, mode: &Mode) -> Result<Activations> {
        let affine = Tensor::stack(&[&self.weight, &self.bias], 0)?;
        let x = &input.values;
        let moments = match mode {
            Mode::Train(_) => {
                let moments = moments(x, &input.lengths)?;
                self.update_running_statistics(&moments, input)?;
                moments
            }
            Mode::Evaluate => Moments { mean: self.running_mean.to_vec1()?, variance: self.running_var.to_vec1()? },
        };
        let lengths = input.lengths.clone();
        let op = BatchNormOp { lengths: lengths.clone(), moments, epsilon: EPSILON, activation: self.activation };
        let values = match (mode, residual) {
            (Mode::Train(_), None) => x.apply_op2(&affine, op)?,
            (Mode::Train(_), Some(residual)) => x.apply_op3(&affine, residual, op)?,
            (Mode::Evaluate, None) => x.apply_op2_no_bwd(&affine, &op)?,
            (Mode::Evaluate, Some(residual)) => x.apply_op3_no_bwd(&affine, residual, &op)?,
        };
        Ok(Activations { values, lengths })
    }

    fn update_running_statistics(&self, moments: &Moments, input: &Activations) -> Result<()> {
        let n = (input.lengths.iter().sum::<usize>() * input.values.dim(2)?) as f32;
        let unbiased = n / (n - 1.0).max(1.0);
        let update = |running: &Tensor, batch: &[f32], factor: f32| {
            let mixed: Vec<f32> = running
                .to_vec1::<f32>()?
                .iter()
                .zip(batch)
                .map(|(running, batch)| (1.0 - MOMENTUM) * running + MOMENTUM * factor * batch)
                .collect();
            let mixed = Tensor::from_vec(mixed, batch.len(), &Device::Cpu)?;
            Var::from_tensor(running)?.set(&mixed)
        };
        update(&self.running_mean, &moments.mean, 1.0)?;
        update(&self.running_var, &moments.variance, unbiased)
    }
}
