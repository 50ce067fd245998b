use crate::{Error, Result};
use half::{bf16, f16};
use ndarray::{ArrayD, ArrayView1, Axis, IxDyn, Zip};
use safetensors::tensor::{Dtype, Metadata, TensorView};
use safetensors::{SafeTensors, serialize};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// The weights of a network by name, running statistics included.
pub type Weights = BTreeMap<String, ArrayD<f32>>;

/// The one metadata key of a model file.
const MANIFEST_KEY: &str = "manifest";

/// What a scale's name has after that of the weight it belongs to.
const SCALE: &str = ":scale";

/// How weights are stored. They are f32 again when a file is read: other precisions save space, not time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit floats: half the size; weights are rounded to 11 significant bits, and at most 65,504 in magnitude.
    F16,
    /// The upper halves of 32-bit floats: half the size; weights are rounded to 8 significant bits.
    Bf16,
    /// 8-bit whole numbers with one scale for each output channel: little more than a quarter of the size. A weight is off by at most 1/254 of
    /// its channel's largest. Biases, normalisation and running statistics stay 32-bit floats.
    Int8,
}

/// Puts the weights of the networks of an ensemble together, as one file holds them: the names of the first begin with
/// `network1.`, and so on. Those of a single network stay as they are.
pub fn join_weights(mut networks: Vec<Weights>) -> Weights {
    if networks.len() == 1 {
        return networks.remove(0);
    }
    let named = networks.into_iter().zip(1..).flat_map(|(weights, number)| {
        weights.into_iter().map(move |(name, array)| (format!("network{number}.{name}"), array))
    });
    named.collect()
}

/// Takes the weights of `n_networks` networks apart that [`join_weights`] put together.
///
/// # Errors
/// A weight of none of them.
pub fn split_weights(weights: Weights, n_networks: usize) -> Result<Vec<Weights>> {
    if n_networks == 1 {
        return Ok(vec![weights]);
    }
    let mut networks = vec![Weights::new(); n_networks];
    for (name, array) in weights {
        let parts = name.strip_prefix("network").and_then(|rest| rest.split_once('.'));
        let place = parts.and_then(|(number, own)| Some((number.parse::<usize>().ok()?.checked_sub(1)?, own)));
        match place.and_then(|(index, own)| Some((networks.get_mut(index)?, own))) {
            Some((network, own)) => network.insert(own.to_owned(), array),
            None => return Err(Error::Weight { name, problem: "is not part of the ensemble".into() }),
        };
    }
    Ok(networks)
}

/// Writes a model file: safetensors whose one metadata key holds the manifest as JSON with sorted keys.
///
/// Equal arguments give equal bytes.
///
/// # Errors
/// A manifest that is not representable as JSON, or a weight that is not finite in the chosen precision.
pub fn encode_model(manifest: &impl Serialize, weights: &Weights, precision: Precision) -> Result<Vec<u8>> {
    let mut manifest = serde_json::to_value(manifest).map_err(|e| Error::Manifest(e.to_string()))?;
    manifest.sort_all_objects();
    let metadata = HashMap::from([(MANIFEST_KEY.to_string(), manifest.to_string())]);
    let mut encoded: Vec<(String, Dtype, &[usize], Vec<u8>)> = Vec::new();
    let floats = |array: &ArrayD<f32>| array.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let quantized: Vec<Option<(ArrayD<i8>, ArrayD<f32>)>> = weights
        .values()
        .map(|array| (precision == Precision::Int8 && array.ndim() >= 2).then(|| quantize(array)))
        .collect();
    for ((name, array), quantized) in weights.iter().zip(&quantized) {
        let is_finite = |v: &f32| match precision {
            Precision::F32 | Precision::Int8 => v.is_finite(),
            Precision::F16 => f16::from_f32(*v).is_finite(),
            Precision::Bf16 => bf16::from_f32(*v).is_finite(),
        };
        if let Some(value) = array.iter().find(|v| !is_finite(v)) {
            return Err(Error::Weight { name: name.clone(), problem: format!("holds {value}") });
        }
        let (dtype, bytes) = match (precision, quantized) {
            (_, Some((codes, scale))) => {
                encoded.push((format!("{name}{SCALE}"), Dtype::F32, scale.shape(), floats(scale)));
                (Dtype::I8, codes.iter().flat_map(|v| v.to_le_bytes()).collect())
            }
            (Precision::F32 | Precision::Int8, None) => (Dtype::F32, floats(array)),
            (Precision::F16, None) => {
                (Dtype::F16, array.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect())
            }
            (Precision::Bf16, None) => {
                (Dtype::BF16, array.iter().flat_map(|&v| bf16::from_f32(v).to_le_bytes()).collect())
            }
        };
        encoded.push((name.clone(), dtype, array.shape(), bytes));
    }
    let views = encoded
        .iter()
        .map(|(name, dtype, shape, bytes)| Ok((name.as_str(), TensorView::new(*dtype, shape.to_vec(), bytes)?)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(Error::Safetensors)?;
    serialize(views, Some(metadata)).map_err(Error::Safetensors)
}

/// Reads what [`encode_model`] wrote.
///
/// # Errors
/// Bytes that are no safetensors file, no or more than one metadata key, a manifest of another form, or weights of
/// another type than those of [`Precision`].
pub fn decode_model<M: DeserializeOwned>(bytes: &[u8]) -> Result<(M, Weights)> {
    let (_, metadata): (usize, Metadata) = SafeTensors::read_metadata(bytes).map_err(Error::Safetensors)?;
    let manifest = match metadata.metadata() {
        Some(map) if map.len() == 1 => map.get(MANIFEST_KEY),
        _ => None,
    };
    let manifest = manifest
        .ok_or_else(|| Error::Manifest(format!("its metadata must hold the key {MANIFEST_KEY:?} and no other")))?;
    let manifest = serde_json::from_str(manifest).map_err(|e| Error::Manifest(e.to_string()))?;
    let tensors = SafeTensors::deserialize(bytes).map_err(Error::Safetensors)?;
    let mut weights = Weights::new();
    for (name, view) in tensors.iter() {
        let problem = |problem: String| Error::Weight { name: name.to_string(), problem };
        let values: Vec<f32> = match view.dtype() {
            Dtype::F32 => view.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Dtype::F16 => view.data().as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
            Dtype::BF16 => view.data().as_chunks().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
            Dtype::I8 => view.data().iter().map(|&b| f32::from(b as i8)).collect(),
            other => return Err(problem(format!("has type {other:?}; f32, f16, bf16 and int8 are supported"))),
        };
        let array = ArrayD::from_shape_vec(IxDyn(view.shape()), values).map_err(|e| problem(e.to_string()))?;
        weights.insert(name.to_string(), array);
    }
    let integers = tensors.iter().filter(|(_, view)| view.dtype() == Dtype::I8);
    for name in integers.map(|(name, _)| name.to_string()) {
        let problem = |problem: &str| Error::Weight { name: name.clone(), problem: problem.into() };
        let scale = weights.remove(&format!("{name}{SCALE}")).ok_or_else(|| problem("has no scale"))?;
        // A chain of names with scales as integers would use up a scale before its own turn.
        let array = weights.get_mut(&name).ok_or_else(|| problem("is an integer scale"))?;
        let scale = match scale.broadcast(array.raw_dim()) {
            Some(scale) if scale.ndim() == array.ndim() => scale,
            _ => return Err(problem("has a scale of another shape")),
        };
        array.zip_mut_with(&scale, |value, scale| *value *= scale);
    }
    Ok((manifest, weights))
}

/// Rounds to whole numbers of at most 127 in magnitude, times a scale for each place along the first or the last axis:
/// along one of them every layer has its output channels. The one is taken that loses less.
fn quantize(array: &ArrayD<f32>) -> (ArrayD<i8>, ArrayD<f32>) {
    let along = |axis: usize| {
        let mut scale = array.clone();
        for other in (0..array.ndim()).filter(|&other| other != axis) {
            let largest = |lane: ArrayView1<f32>| lane.fold(0f32, |largest, v| largest.max(v.abs()));
            scale = scale.map_axis(Axis(other), largest).insert_axis(Axis(other));
        }
        scale.mapv_inplace(|largest| largest.abs() / 127.0);
        let mut loss = 0.0;
        let codes = Zip::from(array).and_broadcast(&scale).map_collect(|&value, &scale| {
            // A quotient of zeros is NaN, which becomes 0.
            let code = (value / scale).round() as i8;
            loss += f64::from(value - f32::from(code) * scale).powi(2);
            code
        });
        (loss, (codes, scale))
    };
    let [first, last] = [along(0), along(array.ndim() - 1)];
    if first.0 <= last.0 { first.1 } else { last.1 }
}
