use super::with_slices;
use candle_core::{Device, Result, Tensor};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Memory that is used again from step to step or from call to call; of several threads at once, each has its own.
pub(crate) struct Kept<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Default> Kept<T> {
    pub fn take(&self) -> T {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    pub fn give(&self, memory: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
    }

    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// What an operation remembers from its forward to its backward pass. Clones share it, so that a layer reads the statistics.
pub(crate) struct Between<T>(Arc<Mutex<Option<T>>>);

impl<T> Clone for Between<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Between<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Default> Between<T> {
    pub fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes back through an operation on an input `[batch, frames, ..]` and parameters in one vector; the memory then goes to
    /// `kept`. `backward` is given the memory, the frames, the parameters, the gradient, and whether the input needs one: the
    /// network's own does not.
    pub fn backward(
        &self,
        kept: &Kept<T>,
        [input, packed, grad]: [&Tensor; 3],
        backward: impl FnOnce(&mut T, usize, &[f32], &[f32], bool) -> Result<(Option<Vec<f32>>, Vec<f32>)>,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let Some(mut memory) = self.lock().take() else {
            candle_core::bail!("a gradient goes back once through a forward pass")
        };
        let grad = grad.contiguous()?;
        let (frames, needs_input) = (input.dim(1)?, input.track_op());
        let (of_input, of_packed) =
            with_slices([packed, &grad], |[packed, grad]| backward(&mut memory, frames, packed, grad, needs_input))??;
        kept.give(memory);
        let of_input = of_input.map(|values| Tensor::from_vec(values, input.shape(), &Device::Cpu)).transpose()?;
        Ok((of_input, Some(Tensor::from_vec(of_packed, packed.shape(), &Device::Cpu)?)))
    }
}
