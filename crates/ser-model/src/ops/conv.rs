use super::{slice, with_slice};
use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Tensor};
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};
use rayon::prelude::*;

/// A two-dimensional sliding window over frames and bins, zero-padded by `(kernel - 1) / 2` on every side, so that
/// the output has `ceil(n / stride)` positions along each axis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Odd width along both axes.
    pub kernel: usize,
    /// Step along both axes.
    pub stride: usize,
}

impl Window {
    /// The number of positions along an axis of `n` values.
    pub fn output_len(self, n: usize) -> usize {
        n.div_ceil(self.stride)
    }
}

/// About this many unfolded values are held at a time, so that they stay in a core's cache.
const BLOCK: usize = 1 << 16;

/// Convolves `[batch, frames, bins, in]` with a weight `[kernel * kernel * in, out]`, taps in the order frame, bin,
/// channel, to `[batch, frames', bins', out]`.
///
/// Each output position's inputs are unfolded into one row, and rows are multiplied with the weight, a block of frames
/// at a time.
pub(crate) struct ConvOp(pub Window);

impl CustomOp2 for ConvOp {
    fn name(&self) -> &'static str {
        "conv"
    }

    fn cpu_fwd(
        &self,
        input: &CpuStorage,
        input_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let geometry = Geometry::new(self.0, input_layout.shape(), weight_layout.shape())?;
        let batch = input_layout.dims()[0];
        let weight = view(slice(weight, weight_layout)?, geometry.width(), geometry.outputs)?;
        let mut output = vec![0f32; batch * geometry.output_len()];
        slice(input, input_layout)?
            .par_chunks_exact(geometry.input_len())
            .zip(output.par_chunks_exact_mut(geometry.output_len()))
            .try_for_each(|(values, output)| {
                let mut rows = Vec::new();
                for frames in geometry.blocks() {
                    let n_rows = frames.len() * geometry.out_bins;
                    let output = &mut output[frames.start * geometry.out_bins * geometry.outputs..];
                    let mut output = view_mut(&mut output[..n_rows * geometry.outputs], n_rows, geometry.outputs)?;
                    geometry.unfold(values, frames, &mut rows);
                    general_mat_mul(1.0, &view(&rows, n_rows, geometry.width())?, &weight, 0.0, &mut output);
                }
                Ok::<(), candle_core::Error>(())
            })?;
        let shape = (batch, geometry.out_frames, geometry.out_bins, geometry.outputs);
        Ok((CpuStorage::F32(output), Shape::from(shape)))
    }

    fn bwd(
        &self,
        input: &Tensor,
        weight: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let geometry = Geometry::new(self.0, input.shape(), weight.shape())?;
        let grad = grad.contiguous()?;
        // The network's own input needs no gradient.
        let mut grad_input = vec![0f32; if input.track_op() { input.elem_count() } else { 0 }];
        let grad_weights = with_slice(input, |values| {
            with_slice(&grad, |grad| {
                with_slice(weight, |weight| self.gradients(geometry, values, grad, weight, &mut grad_input))
            })
        })????;
        let mut grad_weight = vec![0f32; geometry.width() * geometry.outputs];
        for of_utterance in grad_weights {
            grad_weight.iter_mut().zip(of_utterance).for_each(|(sum, term)| *sum += term);
        }
        let grad_input = match grad_input.is_empty() {
            true => None,
            false => Some(Tensor::from_vec(grad_input, input.shape(), &Device::Cpu)?),
        };
        Ok((grad_input, Some(Tensor::from_vec(grad_weight, weight.shape(), &Device::Cpu)?)))
    }
}

impl ConvOp {
    /// Fills the gradient of the input, unless that is empty, and gives the gradient of the weight by utterance.
    fn gradients(
        &self,
        geometry: Geometry,
        values: &[f32],
        grad: &[f32],
        weight: &[f32],
        grad_input: &mut [f32],
    ) -> Result<Vec<Vec<f32>>> {
        let weight = view(weight, geometry.width(), geometry.outputs)?;
        let batch = values.len() / geometry.input_len();
        let grad_inputs: Vec<&mut [f32]> = match grad_input.is_empty() {
            true => (0..batch).map(|_| Default::default()).collect(),
            false => grad_input.chunks_exact_mut(geometry.input_len()).collect(),
        };
        values
            .par_chunks_exact(geometry.input_len())
            .zip(grad.par_chunks_exact(geometry.output_len()))
            .zip(grad_inputs)
            .map(|((values, grad), grad_input)| {
                let mut rows = Vec::new();
                let mut grad_weight = vec![0f32; geometry.width() * geometry.outputs];
                for frames in geometry.blocks() {
                    let n_rows = frames.len() * geometry.out_bins;
                    let grad = &grad[frames.start * geometry.out_bins * geometry.outputs..];
                    let grad = view(&grad[..n_rows * geometry.outputs], n_rows, geometry.outputs)?;
                    geometry.unfold(values, frames.clone(), &mut rows);
                    let mut sum = view_mut(&mut grad_weight, geometry.width(), geometry.outputs)?;
                    general_mat_mul(1.0, &view(&rows, n_rows, geometry.width())?.t(), &grad, 1.0, &mut sum);
                    if !grad_input.is_empty() {
                        let mut grad_rows = view_mut(&mut rows, n_rows, geometry.width())?;
                        general_mat_mul(1.0, &grad, &weight.t(), 0.0, &mut grad_rows);
                        geometry.fold(&rows, frames, grad_input);
                    }
                }
                Ok(grad_weight)
            })
            .collect()
    }
}

/// The sizes of one convolution of one utterance.
#[derive(Clone, Copy)]
struct Geometry {
    window: Window,
    frames: usize,
    bins: usize,
    channels: usize,
    out_frames: usize,
    out_bins: usize,
    outputs: usize,
}

impl Geometry {
    fn new(window: Window, input: &Shape, weight: &Shape) -> Result<Self> {
        let (_, frames, bins, channels) = input.dims4()?;
        let (width, outputs) = weight.dims2()?;
        let (out_frames, out_bins) = (window.output_len(frames), window.output_len(bins));
        let geometry = Self { window, frames, bins, channels, out_frames, out_bins, outputs };
        if width != geometry.width() {
            candle_core::bail!("weight {weight:?} does not fit input {input:?} and {window:?}");
        }
        Ok(geometry)
    }

    fn input_len(self) -> usize {
        self.frames * self.bins * self.channels
    }

    fn output_len(self) -> usize {
        self.out_frames * self.out_bins * self.outputs
    }

    /// The length of an unfolded row.
    fn width(self) -> usize {
        self.window.kernel * self.window.kernel * self.channels
    }

    /// Ranges of output frames that are unfolded together.
    fn blocks(self) -> impl Iterator<Item = std::ops::Range<usize>> {
        let frames = (BLOCK / (self.out_bins * self.width())).max(1);
        (0..self.out_frames).step_by(frames).map(move |start| start..(start + frames).min(self.out_frames))
    }

    /// Unfolds the inputs of some output frames into rows `[out_frames * out_bins, width]`.
    fn unfold(self, values: &[f32], frames: std::ops::Range<usize>, rows: &mut Vec<f32>) {
        rows.clear();
        rows.resize(frames.len() * self.out_bins * self.width(), 0.0);
        self.for_each_run(frames, |row, value, len| rows[row..row + len].copy_from_slice(&values[value..value + len]));
    }

    /// Adds unfolded rows back to where they were read: the adjoint of [`Self::unfold`].
    fn fold(self, rows: &[f32], frames: std::ops::Range<usize>, values: &mut [f32]) {
        self.for_each_run(frames, |row, value, len| {
            for (sum, term) in values[value..value + len].iter_mut().zip(&rows[row..row + len]) {
                *sum += term;
            }
        });
    }

    /// Visits the stretches that are contiguous both in the rows and in the values: `visit(in_rows, in_values, len)`.
    fn for_each_run(self, out_frames: std::ops::Range<usize>, mut visit: impl FnMut(usize, usize, usize)) {
        let Self { window: Window { kernel, stride }, frames, bins, channels, .. } = self;
        let pad = (kernel - 1) / 2;
        let run = kernel * channels;
        let mut row = 0;
        for out_frame in out_frames {
            for out_bin in 0..self.out_bins {
                // Positions are counted from `pad` before the first, to stay unsigned.
                let first = out_bin * stride;
                let skipped = pad.saturating_sub(first);
                let end = kernel.min(bins + pad - first);
                for offset in 0..kernel {
                    let frame = out_frame * stride + offset;
                    if frame >= pad && frame - pad < frames {
                        let value = ((frame - pad) * bins + first + skipped - pad) * channels;
                        visit(row + offset * run + skipped * channels, value, (end - skipped) * channels);
                    }
                }
                row += kernel * run;
            }
        }
    }
}

fn view(values: &[f32], rows: usize, columns: usize) -> Result<ArrayView2<'_, f32>> {
    ArrayView2::from_shape((rows, columns), values).map_err(candle_core::Error::wrap)
}

fn view_mut(values: &mut [f32], rows: usize, columns: usize) -> Result<ArrayViewMut2<'_, f32>> {
    ArrayViewMut2::from_shape((rows, columns), values).map_err(candle_core::Error::wrap)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Var;

    const CASES: [([usize; 4], usize, usize); 5] = [
        ([2, 5, 4, 3], 3, 1),
        ([1, 6, 7, 2], 3, 2),
        ([2, 1, 1, 2], 5, 2),
        ([1, 900, 9, 1], 5, 1),
        ([3, 4, 5, 2], 1, 2),
    ];
    const OUTPUTS: usize = 2;

    /// Multiples of 1/16 up to 2 in magnitude: their products and sums are exact in f32.
    fn values(n: usize, step: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * step % 65) as f32 - 32.0) / 16.0).collect()
    }

    /// The definition: every output position, every tap, zero outside; calls `tap(output, input, weight)`.
    fn for_each_tap(dims: [usize; 4], window: Window, mut tap: impl FnMut(usize, usize, usize)) {
        let [batch, frames, bins, channels] = dims;
        let pad = (window.kernel / 2) as isize;
        let mut position = 0;
        for b in 0..batch {
            for out_frame in 0..frames.div_ceil(window.stride) {
                for out_bin in 0..bins.div_ceil(window.stride) {
                    for (i, j) in (0..window.kernel * window.kernel).map(|k| (k / window.kernel, k % window.kernel)) {
                        let t = (out_frame * window.stride + i) as isize - pad;
                        let f = (out_bin * window.stride + j) as isize - pad;
                        if !(0..frames as isize).contains(&t) || !(0..bins as isize).contains(&f) {
                            continue;
                        }
                        for c in 0..channels {
                            let input = ((b * frames + t as usize) * bins + f as usize) * channels + c;
                            for o in 0..OUTPUTS {
                                let weight = ((i * window.kernel + j) * channels + c) * OUTPUTS + o;
                                tap(position * OUTPUTS + o, input, weight);
                            }
                        }
                    }
                    position += 1;
                }
            }
        }
    }

    #[test]
    fn output_and_gradients_are_those_of_the_definition() -> Result<()> {
        for (dims, kernel, stride) in CASES {
            let window = Window { kernel, stride };
            let x = values(dims.iter().product(), 37);
            let w = values(kernel * kernel * dims[3] * OUTPUTS, 29);
            let input = Var::from_slice(&x, &dims[..], &Device::Cpu)?;
            let weight = Var::from_slice(&w, (kernel * kernel * dims[3], OUTPUTS), &Device::Cpu)?;
            let output = input.apply_op2(&weight, ConvOp(window))?;
            let g = values(output.elem_count(), 41);
            let loss = (&output * Tensor::from_slice(&g, output.shape(), &Device::Cpu)?)?.sum_all()?;
            let gradients = loss.backward()?;

            let (mut y, mut dx, mut dw) = (vec![0f32; g.len()], vec![0f32; x.len()], vec![0f32; w.len()]);
            for_each_tap(dims, window, |o, i, k| {
                y[o] += x[i] * w[k];
                dx[i] += g[o] * w[k];
                dw[k] += g[o] * x[i];
            });
            let of = |variable: &Var| gradients.get(variable).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(output.flatten_all()?.to_vec1::<f32>()?, y, "{dims:?} {window:?}");
            assert_eq!(of(&input), dx, "{dims:?} {window:?}");
            assert_eq!(of(&weight), dw, "{dims:?} {window:?}");
        }
        Ok(())
    }
}
