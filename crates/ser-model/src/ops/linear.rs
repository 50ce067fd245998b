use super::kept::give_gradient;
use super::{in_two, slice, transposed, with_slices};
use crate::kernels::{Matrix, column_sums, multiply};
use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

/// A linear layer: `x · weightᵀ + bias`, of `[rows, inputs]`, `[outputs, inputs]` and `[outputs]`.
///
/// Rows or, if there are fewer than outputs, the weight are read in parts in parallel, and so is the weight's gradient written;
/// candle's product would copy that three times, once transposed.
pub(crate) struct LinearOp;

/// Rows or columns that one thread takes at a time.
const PART: usize = 64;

impl LinearOp {
    fn forward(x: &[f32], weight: &[f32], bias: &[f32], inputs: usize) -> Vec<f32> {
        let (rows, outputs) = (x.len() / inputs, bias.len());
        let mut output = vec![0f32; outputs * rows];
        if rows >= outputs {
            let weight = Matrix::new(weight, outputs, inputs).transposed();
            output.par_chunks_mut(PART * outputs).zip(x.par_chunks(PART * inputs)).for_each(|(output, x)| {
                multiply(Matrix::new(x, x.len() / inputs, inputs), weight, output, false);
                for output in output.chunks_exact_mut(outputs) {
                    output.iter_mut().zip(bias).for_each(|(y, bias)| *y += bias);
                }
            });
            return output;
        }
        let x = Matrix::new(x, rows, inputs);
        let run = |((output, weight), bias): ((&mut [f32], &[f32]), &[f32])| {
            multiply(Matrix::new(weight, bias.len(), inputs), x.transposed(), output, false);
            for (output, bias) in output.chunks_exact_mut(rows).zip(bias) {
                output.iter_mut().for_each(|y| *y += bias);
            }
        };
        if rows == 1 {
            let mut parts = output.chunks_mut(PART).zip(weight.chunks(PART * inputs)).zip(bias.chunks(PART));
            let half: Vec<_> = parts.by_ref().take(outputs.div_ceil(2 * PART)).collect();
            in_two(|| half.into_iter().for_each(run), || parts.for_each(run));
            return output;
        }
        let parts = output.par_chunks_mut(PART * rows).zip(weight.par_chunks(PART * inputs));
        parts.zip(bias.par_chunks(PART)).for_each(run);
        transposed(&output, rows)
    }

    /// The gradients of the three arguments.
    fn backward(x: &[f32], weight: &[f32], grad: &[f32], inputs: usize, outputs: usize) -> [Vec<f32>; 3] {
        let rows = x.len() / inputs;
        let mut grad_weight = vec![0f32; weight.len()];
        grad_weight.par_chunks_mut(PART * inputs).enumerate().for_each(|(part, grad_weight)| {
            let columns = Matrix::with_row_stride(&grad[part * PART..], rows, grad_weight.len() / inputs, outputs);
            multiply(columns.transposed(), Matrix::new(x, rows, inputs), grad_weight, false);
        });
        let grad_bias = column_sums(grad, outputs).into_iter().map(|sum| sum as f32).collect();
        let mut grad_x = vec![0f32; x.len()];
        if rows >= outputs {
            let weight = Matrix::new(weight, outputs, inputs);
            grad_x.par_chunks_mut(PART * inputs).zip(grad.par_chunks(PART * outputs)).for_each(|(grad_x, grad)| {
                multiply(Matrix::new(grad, grad.len() / outputs, outputs), weight, grad_x, false);
            });
            return [grad_x, grad_weight, grad_bias];
        }
        grad_x.par_chunks_mut(PART * rows).enumerate().for_each(|(part, grad_x)| {
            let columns = Matrix::with_row_stride(&weight[part * PART..], outputs, grad_x.len() / rows, inputs);
            multiply(columns.transposed(), Matrix::new(grad, rows, outputs).transposed(), grad_x, false);
        });
        [transposed(&grad_x, rows), grad_weight, grad_bias]
    }
}

impl CustomOp3 for LinearOp {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, inputs) = x_layout.shape().dims2()?;
        let outputs = bias_layout.shape().dims1()?;
        if weight_layout.shape().dims2()? != (outputs, inputs) || rows == 0 || inputs == 0 {
            candle_core::bail!("a weight {:?} does not fit rows {:?}", weight_layout.shape(), x_layout.shape());
        }
        let output =
            Self::forward(slice(x, x_layout)?, slice(weight, weight_layout)?, slice(bias, bias_layout)?, inputs);
        Ok((CpuStorage::F32(output), Shape::from((rows, outputs))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _output: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (outputs, inputs) = weight.dims2()?;
        let grad = grad.contiguous()?;
        let gradients =
            with_slices([x, weight, &grad], |[x, weight, grad]| Self::backward(x, weight, grad, inputs, outputs))?;
        let [of_x, of_weight, of_bias] = gradients;
        let tensor = |values: Vec<f32>, like: &Tensor| Tensor::from_vec(values, like.shape(), &Device::Cpu);
        give_gradient(weight, tensor(of_weight, weight)?);
        give_gradient(bias, tensor(of_bias, bias)?);
        Ok((Some(tensor(of_x, x)?), None, None))
    }
}
