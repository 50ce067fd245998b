use crate::model_file::Weights;
use crate::{Error, Result};
use candle_core::{DType, Device, Shape, Tensor, Var};
use candle_nn::init::NormalOrUniform;
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use ndarray::{ArrayD, IxDyn};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The named tensors of one network, in the order of their names, so that no sum depends on a hash map's order.
#[derive(Clone)]
pub(crate) struct Parameters(Arc<Mutex<State>>);

struct State {
    tensors: BTreeMap<String, Tensor>,
    source: Source,
}

enum Source {
    /// New variables, drawn in the order in which the layers ask for them.
    Random(Box<ChaCha8Rng>),
    /// Weights that were read; each is taken out once.
    Stored(Weights),
}

impl Parameters {
    /// Parameters that are drawn from the seed and can be trained.
    pub fn random(seed: u64) -> Self {
        Self::new(Source::Random(Box::new(ChaCha8Rng::seed_from_u64(seed))))
    }

    /// Fixed parameters from a model file.
    pub fn stored(weights: Weights) -> Self {
        Self::new(Source::Stored(weights))
    }

    fn new(source: Source) -> Self {
        Self(Arc::new(Mutex::new(State { tensors: BTreeMap::new(), source })))
    }

    pub fn builder(&self) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), DType::F32, Device::Cpu)
    }

    /// Refuses stored weights that no layer asked for.
    pub fn check_all_used(&self) -> Result<()> {
        match &self.lock().source {
            Source::Stored(weights) if let Some(name) = weights.keys().next() => {
                Err(Error::Weight { name: name.clone(), problem: "is not part of the network".into() })
            }
            _ => Ok(()),
        }
    }

    /// The variables, in the order of their names.
    ///
    /// # Errors
    /// Parameters of a model file, which are none.
    pub fn variables(&self) -> Result<Vec<Var>> {
        let state = self.lock();
        if let Source::Stored(_) = state.source {
            let value = "one of a model file".into();
            return Err(Error::InvalidOption { option: "network", value, allowed: "one of Network::new" });
        }
        Ok(state.tensors.values().map(Var::from_tensor).collect::<candle_core::Result<_>>()?)
    }

    /// The names of all parameters, in order.
    pub fn names(&self) -> Vec<String> {
        self.lock().tensors.keys().cloned().collect()
    }

    /// Copies the values of all parameters.
    pub fn weights(&self) -> Result<Weights> {
        let state = self.lock();
        let copies = state.tensors.iter().map(|(name, tensor)| {
            let values = tensor.flatten_all()?.to_vec1::<f32>()?;
            let array = ArrayD::from_shape_vec(IxDyn(tensor.dims()), values).map_err(|e| Error::Tensor(Box::new(e)))?;
            Ok((name.clone(), array))
        });
        copies.collect()
    }

    /// Puts back values that [`Parameters::weights`] copied.
    pub fn restore(&self, weights: &Weights) -> Result<()> {
        for (name, tensor) in &self.lock().tensors {
            if let Some(array) = weights.get(name) {
                Var::from_tensor(tensor)?.set(&to_tensor(array)?)?;
            }
        }
        Ok(())
    }

    /// The number of trainable values: all but the running statistics.
    pub fn n_trainable(&self) -> usize {
        let state = self.lock();
        let trainable = state.tensors.iter().filter(|(name, _)| !name.contains(".running_"));
        trainable.map(|(_, tensor)| tensor.elem_count()).sum()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn to_tensor(array: &ArrayD<f32>) -> candle_core::Result<Tensor> {
    Tensor::from_vec(array.iter().copied().collect::<Vec<f32>>(), array.shape(), &Device::Cpu)
}

impl SimpleBackend for Parameters {
    fn get(&self, shape: Shape, name: &str, init: Init, _: DType, device: &Device) -> candle_core::Result<Tensor> {
        let mut state = self.lock();
        let tensor = match &mut state.source {
            Source::Random(rng) => {
                let values = draw(rng, init, &shape)?;
                Var::from_tensor(&Tensor::from_vec(values, shape, device)?)?.as_tensor().clone()
            }
            Source::Stored(weights) => {
                let problem = |problem: String| candle_core::Error::wrap(Error::Weight { name: name.into(), problem });
                let array = weights.remove(name).ok_or_else(|| problem("is missing".into()))?;
                if array.shape() != shape.dims() {
                    return Err(problem(format!("has shape {:?}, expected {:?}", array.shape(), shape.dims())));
                }
                to_tensor(&array)?
            }
        };
        state.tensors.insert(name.into(), tensor.clone());
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        candle_core::bail!("parameter {name} was asked for without a shape")
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.lock().tensors.contains_key(name)
    }
}

fn draw(rng: &mut ChaCha8Rng, init: Init, shape: &Shape) -> candle_core::Result<Vec<f32>> {
    let n = shape.elem_count();
    match init {
        Init::Const(value) => Ok(vec![value as f32; n]),
        Init::Uniform { lo, up } => Ok((0..n).map(|_| rng.random_range(lo as f32..=up as f32)).collect()),
        Init::Kaiming { dist: NormalOrUniform::Uniform, fan, non_linearity } => {
            let bound = (non_linearity.gain() * (3.0 / fan.for_shape(shape) as f64).sqrt()) as f32;
            Ok((0..n).map(|_| rng.random_range(-bound..=bound)).collect())
        }
        _ => candle_core::bail!("initialisation {init:?} is not used by any layer here"),
    }
}
