use super::{Activations, kaiming};
use crate::ops::conv::{ConvOp, Window};
use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use candle_nn::init::{FanInOut, NonLinearity};

/// A two-dimensional convolution over frames and bins without bias, zero-padded to `ceil(n / stride)` positions.
///
/// The weight is `[kernel * kernel * in_channels, out_channels]`, taps in the order frame, bin, channel.
pub(crate) struct Conv {
    weight: Tensor,
    window: Window,
}

impl Conv {
    /// `kernel` must be odd.
    pub fn new(in_channels: usize, out_channels: usize, window: Window, vb: VarBuilder) -> Result<Self> {
        let shape = (window.kernel * window.kernel * in_channels, out_channels);
        let weight = vb.get_with_hints(shape, "weight", kaiming(FanInOut::FanOut, NonLinearity::ReLU))?;
        Ok(Self { weight, window })
    }

    /// Convolves; frames past the new lengths are not zeroed: a [`super::BatchNorm`] follows.
    pub fn forward(&self, input: &Activations) -> Result<Activations> {
        Ok(Activations {
            values: input.values.apply_op2(&self.weight, ConvOp(self.window))?,
            lengths: input.lengths.iter().map(|&n| self.window.output_len(n)).collect(),
        })
    }
}
