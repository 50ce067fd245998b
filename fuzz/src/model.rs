//! What holds for any bytes that are read as a model file.

use std::sync::LazyLock;

use ser_audio::Waveform;
use ser_inference::{Manifest, Recognizer};
use ser_model::{Network, NetworkOptions, Precision, decode_model, encode_model, join_weights};
use serde_json::{Value, json};

use crate::write_seed;

const PRETRAINED: &[u8] = include_bytes!("../../crates/ser-pretrained/emodb.safetensors");

/// The bins of the small model.
const BINS: usize = 4;

/// The manifest of a small network.
pub static MANIFEST: LazyLock<String> = LazyLock::new(|| {
    let (mut manifest, _) = decode_model::<Value>(PRETRAINED).unwrap();
    manifest.as_object_mut().unwrap().remove("fused");
    manifest["features"]["features"][0]["log-mel"]["n_mels"] = json!(BINS);
    for statistic in ["center", "scale"] {
        manifest["normalizer"][statistic].as_array_mut().unwrap().truncate(BINS);
    }
    let network =
        json!({"architecture": "compact", "channels": [1, 2], "embedding": 2, "attention": 1, "dropout": 0.2});
    manifest["network"] = network;
    manifest["provenance"]["train"]["clips"].as_array_mut().unwrap().truncate(1);
    manifest["provenance"]["valid"]["clips"].as_array_mut().unwrap().truncate(1);
    manifest.to_string()
});

/// A model file of that network.
static MODEL: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let manifest: Manifest = serde_json::from_str(&MANIFEST).unwrap();
    let NetworkOptions::Compact(_) = &manifest.network else { panic!("not a compact network") };
    let network = Network::new(&manifest.network, BINS, manifest.labels.len(), 1).unwrap();
    encode_model(&manifest, &network.weights().unwrap(), Precision::F16).unwrap()
});

/// An ensemble of two such networks, with 8-bit weights.
static ENSEMBLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut manifest: Manifest = serde_json::from_str(&MANIFEST).unwrap();
    manifest.ensemble = Some(2);
    let network = |seed| Network::new(&manifest.network, BINS, manifest.labels.len(), seed).unwrap();
    let weights = join_weights([1, 2].map(|seed| network(seed).weights().unwrap()).into());
    encode_model(&manifest, &weights, Precision::Int8).unwrap()
});

/// Two systems of one such network each.
static FUSED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut manifest: Manifest = serde_json::from_str(&MANIFEST).unwrap();
    manifest.fused = manifest.systems();
    let network = |seed| Network::new(&manifest.network, BINS, manifest.labels.len(), seed).unwrap();
    let weights = join_weights([1, 2].map(|seed| network(seed).weights().unwrap()).into());
    encode_model(&manifest, &weights, Precision::F16).unwrap()
});

/// Writes manifests to begin with.
pub fn write_manifest_seeds() {
    write_seed("manifest.json", MANIFEST.as_bytes());
    let mut fused: Manifest = serde_json::from_str(&MANIFEST).unwrap();
    fused.fused = fused.systems();
    write_seed("fused.json", serde_json::to_string(&fused).unwrap().as_bytes());
    let mut manifest: Value = serde_json::from_str(&MANIFEST).unwrap();
    let object = manifest.as_object_mut().unwrap();
    object.remove("level");
    object.remove("features");
    object.insert("imported".into(), json!({"name": "wavlm", "n_bins": BINS}));
    write_seed("imported.json", manifest.to_string().as_bytes());
}

/// Writes a model file to begin with.
pub fn write_model_seeds() {
    write_seed("small.safetensors", &MODEL);
    write_seed("ensemble.safetensors", &ENSEMBLE);
    write_seed("fused.safetensors", &FUSED);
}

/// Puts a manifest into the small model's file and reads it.
///
/// # Panics
///
/// As [`check`], or if the manifest is read differently after it was written.
pub fn check_manifest(manifest: &str) {
    if let Ok(read) = serde_json::from_str::<Manifest>(manifest) {
        let written = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&written).unwrap(), read);
    }
    // A safetensors file is the length of a header in JSON, that header, and the weights.
    let (header, weights) = MODEL[8..].split_at(u64::from_le_bytes(*MODEL.first_chunk().unwrap()) as usize);
    let mut header: Value = serde_json::from_slice(header).unwrap();
    header["__metadata__"]["manifest"] = manifest.into();
    let mut header = header.to_string();
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    check(&[&(header.len() as u64).to_le_bytes(), header.as_bytes(), weights].concat());
}

/// Reads a model file and recognises a third of a second with it.
///
/// # Panics
///
/// If the probabilities are none.
pub fn check(bytes: &[u8]) {
    let Ok(recognizer) = Recognizer::from_bytes(bytes) else { return };
    let tone = (0..5_000).map(|i| (i as f32 * 0.1).sin()).collect();
    if let Ok(prediction) = recognizer.recognize(Waveform::new(tone, 16_000).unwrap()) {
        let sum: f32 = prediction.probabilities().iter().map(|(_, probability)| probability).sum();
        assert!((sum - 1.0).abs() < 1e-3, "{sum}");
    }
}
