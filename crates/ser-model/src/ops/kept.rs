use super::{slice, with_slices};
use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Tensor};
use std::sync::{Arc, Mutex, PoisonError};

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

/// An operation on an input `[batch, frames, ..]` and parameters in one vector, which keeps its memory from step to step. In
/// candle's graph, the edges between its parts would cost three passes each over activations that are larger than a cache, and fresh
/// memory in each step, of which each page is a fault.
pub(crate) trait KeepingOp: Send + Sync + 'static {
    const NAME: &'static str;
    /// What the forward pass writes and the backward pass reads.
    type Memory: Default + Send + 'static;

    /// The output and its shape.
    fn forward(
        &self,
        memory: &mut Self::Memory,
        shape: &Shape,
        input: &[f32],
        packed: &[f32],
    ) -> Result<(Vec<f32>, Shape)>;

    /// The gradients of the input, if it is wanted, and of the parameters.
    fn backward(&self, memory: &mut Self::Memory, pass: BackwardPass) -> Result<(Option<Vec<f32>>, Vec<f32>)>;
}

/// What a backward pass is given.
#[derive(Clone, Copy)]
pub(crate) struct BackwardPass<'a> {
    /// Of the input.
    pub shape: &'a Shape,
    pub input: &'a [f32],
    pub packed: &'a [f32],
    pub output: &'a [f32],
    /// The gradient of the output.
    pub grad: &'a [f32],
    /// Whether that of the input is wanted: of the network's own it is not.
    pub needs_input: bool,
}

/// Applies an operation in training; `read` sees the memory between the passes.
pub(crate) fn train<O: KeepingOp>(
    op: O,
    kept: &Kept<O::Memory>,
    input: &Tensor,
    packed: &Tensor,
    read: impl FnOnce(&O::Memory) -> Result<()>,
) -> Result<Tensor> {
    let between = Arc::default();
    let output = input.apply_op2(packed, Step { op, kept: kept.clone(), between: Arc::clone(&between) })?;
    if let Some(memory) = &*between.lock().unwrap_or_else(PoisonError::into_inner) {
        read(memory)?;
    }
    Ok(output)
}

/// Applies an operation that no gradient goes through.
pub(crate) fn infer<O: KeepingOp>(op: O, kept: &Kept<O::Memory>, input: &Tensor, packed: &Tensor) -> Result<Tensor> {
    let step = Step { op, kept: kept.clone(), between: Arc::default() };
    let output = input.apply_op2_no_bwd(packed, &step)?;
    if let Some(memory) = step.take() {
        kept.give(memory);
    }
    Ok(output)
}

/// An operation with the memory of one step.
struct Step<O: KeepingOp> {
    op: O,
    kept: Kept<O::Memory>,
    between: Arc<Mutex<Option<O::Memory>>>,
}

impl<O: KeepingOp> Step<O> {
    fn take(&self) -> Option<O::Memory> {
        self.between.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<O: KeepingOp> CustomOp2 for Step<O> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn cpu_fwd(
        &self,
        input: &CpuStorage,
        input_layout: &Layout,
        packed: &CpuStorage,
        packed_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let mut memory = self.kept.take();
        let (input, packed) = (slice(input, input_layout)?, slice(packed, packed_layout)?);
        let (output, shape) = self.op.forward(&mut memory, input_layout.shape(), input, packed)?;
        *self.between.lock().unwrap_or_else(PoisonError::into_inner) = Some(memory);
        Ok((CpuStorage::F32(output), shape))
    }

    fn bwd(
        &self,
        input: &Tensor,
        packed: &Tensor,
        output: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let Some(mut memory) = self.take() else {
            candle_core::bail!("a gradient goes back once through a forward pass")
        };
        let grad = &grad.contiguous()?;
        let (of_input, of_packed) =
            with_slices([input, packed, output, grad], |[values, parameters, output, grad]| {
                let (shape, needs_input) = (input.shape(), input.track_op());
                let pass = BackwardPass { shape, input: values, packed: parameters, output, grad, needs_input };
                self.op.backward(&mut memory, pass)
            })??;
        self.kept.give(memory);
        let of_input = of_input.map(|values| Tensor::from_vec(values, input.shape(), &Device::Cpu)).transpose()?;
        Ok((of_input, Some(Tensor::from_vec(of_packed, packed.shape(), &Device::Cpu)?)))
    }
}
