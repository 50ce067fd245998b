#![doc = include_str!("../MODEL_CARD.md")]
#![forbid(unsafe_code)]

/// The model file.
pub static MERGED: &[u8] = include_bytes!("../merged.safetensors");
