use crate::{Error, Result};
use half::f16;
use ndarray::{ArrayD, IxDyn};
use safetensors::tensor::{Dtype, Metadata, TensorView};
use safetensors::{SafeTensors, serialize};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// The weights of a network by name, running statistics included.
pub type Weights = BTreeMap<String, ArrayD<f32>>;

/// The one metadata key of a model file.
const MANIFEST_KEY: &str = "manifest";

/// How weights are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit floats: half the size; weights are rounded to 11 significant bits, and at most 65,504 in magnitude.
    F16,
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
    let encoded: Vec<(&String, &[usize], Vec<u8>)> = weights
        .iter()
        .map(|(name, array)| {
            let bytes = match precision {
                Precision::F32 => array.iter().flat_map(|v| v.to_le_bytes()).collect(),
                Precision::F16 => array.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect(),
            };
            let is_finite = |v: &f32| match precision {
                Precision::F32 => v.is_finite(),
                Precision::F16 => f16::from_f32(*v).is_finite(),
            };
            match array.iter().find(|v| !is_finite(v)) {
                Some(value) => Err(Error::Weight { name: name.clone(), problem: format!("holds {value}") }),
                None => Ok((name, array.shape(), bytes)),
            }
        })
        .collect::<Result<_>>()?;
    let dtype = match precision {
        Precision::F32 => Dtype::F32,
        Precision::F16 => Dtype::F16,
    };
    let views = encoded
        .iter()
        .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(dtype, shape.to_vec(), bytes)?)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(Error::Safetensors)?;
    serialize(views, Some(metadata)).map_err(Error::Safetensors)
}

/// Reads what [`encode_model`] wrote.
///
/// # Errors
/// Bytes that are no safetensors file, no or more than one metadata key, a manifest of another form, or weights of
/// another type than f32 and f16.
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
            other => return Err(problem(format!("has type {other:?}; f32 and f16 are supported"))),
        };
        let array = ArrayD::from_shape_vec(IxDyn(view.shape()), values).map_err(|e| problem(e.to_string()))?;
        weights.insert(name.to_string(), array);
    }
    Ok((manifest, weights))
}
