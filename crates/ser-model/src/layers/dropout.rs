use super::Mode;
use candle_core::{Device, Result, Tensor};
use rand::RngExt;

/// Inverted dropout: in training, zeroes each value with the given probability and scales the rest to keep the mean.
pub(crate) struct Dropout {
    pub probability: f64,
}

impl Dropout {
    pub fn forward(&self, input: &Tensor, mode: &mut Mode) -> Result<Tensor> {
        let Mode::Train(rng) = mode else { return Ok(input.clone()) };
        if self.probability == 0.0 {
            return Ok(input.clone());
        }
        let kept = (1.0 / (1.0 - self.probability)) as f32;
        let mask: Vec<f32> =
            (0..input.elem_count()).map(|_| if rng.random_bool(self.probability) { 0.0 } else { kept }).collect();
        input * Tensor::from_vec(mask, input.shape(), &Device::Cpu)?
    }
}
