#![doc = include_str!("../MODEL_CARD.md")]
#![forbid(unsafe_code)]

/// The model file.
pub static EMODB: &[u8] = include_bytes!("../emodb.safetensors");
