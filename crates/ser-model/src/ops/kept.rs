use super::{slice, with_all_slices, with_slices};
use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Tensor};
use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

thread_local! {
    /// The gradients of parameters that operations found in the [`backward`] at work.
    static OF_PARAMETERS: RefCell<Vec<(Tensor, Tensor)>> = const { RefCell::new(Vec::new()) };
}

/// Gives the gradient of a parameter to the [`backward`] at work.
pub(crate) fn give_gradient(parameter: &Tensor, gradient: Tensor) {
    OF_PARAMETERS.with_borrow_mut(|gradients| gradients.push((parameter.clone(), gradient)));
}

/// The gradients of a loss. Those of parameters go by candle's graph, which would add each to fresh zeros, and again at every
/// reshape and concatenation, on one thread.
pub(crate) fn backward(loss: &Tensor) -> Result<GradStore> {
    // While an operation waits for others of its threads, this one may be given the training of another network.
    let outer = OF_PARAMETERS.take();
    let gradients = loss.backward();
    let of_parameters = OF_PARAMETERS.replace(outer);
    let mut gradients = gradients?;
    for (parameter, gradient) in of_parameters {
        let sum = match gradients.get(&parameter) {
            Some(other) => (other + gradient)?,
            None => gradient,
        };
        gradients.insert(&parameter, sum);
    }
    Ok(gradients)
}

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

/// An operation on an input `[batch, frames, ..]` and parameters, in one vector, which keeps its memory from step to step. In
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
pub(crate) fn train<'a, O: KeepingOp>(
    op: O,
    kept: &Kept<O::Memory>,
    input: &Tensor,
    parameters: impl IntoIterator<Item = &'a Tensor>,
    read: impl FnOnce(&O::Memory) -> Result<()>,
) -> Result<Tensor> {
    let step = Step::new(op, kept, parameters);
    let between = Arc::clone(&step.between);
    let output = input.apply_op2(&step.trained()?, step)?;
    if let Some((memory, _)) = &*between.lock().unwrap_or_else(PoisonError::into_inner) {
        read(memory)?;
    }
    Ok(output)
}

/// Applies an operation that no gradient goes through.
pub(crate) fn infer<'a, O: KeepingOp>(
    op: O,
    kept: &Kept<O::Memory>,
    input: &Tensor,
    parameters: impl IntoIterator<Item = &'a Tensor>,
) -> Result<Tensor> {
    let step = Step::new(op, kept, parameters);
    let output = input.apply_op2_no_bwd(&step.trained()?, &step)?;
    if let Some((memory, _)) = step.take() {
        kept.give(memory);
    }
    Ok(output)
}

/// An operation with the memory of one step. Its second argument is the first of the parameters, so that candle goes back through
/// it; their gradients are given to [`backward`].
struct Step<O: KeepingOp> {
    op: O,
    parameters: Vec<Tensor>,
    kept: Kept<O::Memory>,
    between: Arc<Mutex<Option<Passed<O>>>>,
}

/// What the backward pass has of the forward pass: the memory, and the parameters in one vector.
type Passed<O> = (<O as KeepingOp>::Memory, Vec<f32>);

impl<O: KeepingOp> Step<O> {
    fn new<'a>(op: O, kept: &Kept<O::Memory>, parameters: impl IntoIterator<Item = &'a Tensor>) -> Self {
        let parameters = parameters.into_iter().cloned().collect();
        Self { op, parameters, kept: kept.clone(), between: Arc::default() }
    }

    fn trained(&self) -> Result<Tensor> {
        match self.parameters.first() {
            Some(parameter) => Ok(parameter.clone()),
            None => candle_core::bail!("an operation without parameters"),
        }
    }

    fn take(&self) -> Option<Passed<O>> {
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
        _trained: &CpuStorage,
        _trained_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let mut memory = self.kept.take();
        let packed = with_all_slices(&self.parameters, |slices| slices.concat())?;
        let (output, shape) =
            self.op.forward(&mut memory, input_layout.shape(), slice(input, input_layout)?, &packed)?;
        *self.between.lock().unwrap_or_else(PoisonError::into_inner) = Some((memory, packed));
        Ok((CpuStorage::F32(output), shape))
    }

    fn bwd(
        &self,
        input: &Tensor,
        _trained: &Tensor,
        output: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let Some((mut memory, packed)) = self.take() else {
            candle_core::bail!("a gradient goes back once through a forward pass")
        };
        let grad = &grad.contiguous()?;
        let (of_input, of_packed) = with_slices([input, output, grad], |[values, output, grad]| {
            let (shape, needs_input) = (input.shape(), input.track_op());
            let pass = BackwardPass { shape, input: values, packed: &packed, output, grad, needs_input };
            self.op.backward(&mut memory, pass)
        })??;
        self.kept.give(memory);
        let of_packed = Tensor::from_vec(of_packed, packed.len(), &Device::Cpu)?;
        let mut start = 0;
        for parameter in &self.parameters {
            let n = parameter.elem_count();
            give_gradient(parameter, of_packed.narrow(0, start, n)?.reshape(parameter.shape())?);
            start += n;
        }
        let of_input = of_input.map(|values| Tensor::from_vec(values, input.shape(), &Device::Cpu)).transpose()?;
        Ok((of_input, None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Var;

    #[test]
    fn a_backward_pass_within_another_leaves_that_its_gradients() {
        let parameter = |value: f32| Var::new(value, &Device::Cpu).unwrap();
        let (outer, inner) = (parameter(1.0), parameter(2.0));
        give_gradient(&outer, outer.ones_like().unwrap());
        let gradients = backward(&inner.sqr().unwrap()).unwrap();
        assert!(gradients.get(&inner).is_some() && gradients.get(&outer).is_none());
        assert_eq!(OF_PARAMETERS.take().len(), 1);
    }
}
