//! Networks for speech emotion recognition, their training, and the model file.
//!
//! The crate is fed features `[frames, bins]` and class indices and gives logits; it knows nothing of audio
//! files or emotions. It is the only user of [candle](https://docs.rs/candle-core), whose types appear in no
//! public signature.
//!
//! - [`NetworkOptions`], [`Network`]: what is built, and the built network.
//! - [`Dataset`], [`TrainOptions`], [`train`]: the training loop, with its [`Optimizer`], [`ReduceLrOnPlateau`] and [`EarlyStopping`].
//! - [`Weights`], [`encode_model`], [`decode_model`]: one safetensors file with a JSON manifest.

#![forbid(unsafe_code)]

mod batch;
mod compact;
mod error;
mod layers;
mod loss;
mod model_file;
mod network;
mod ops;
mod optimizer;
mod parameters;
#[cfg(test)]
mod pytorch;
mod schedule;
mod train;

pub use batch::{BoxError, Dataset, Example};
pub use compact::CompactOptions;
pub use error::Error;
pub use model_file::{Precision, Weights, decode_model, encode_model};
pub use network::{Network, NetworkOptions};
pub use optimizer::Optimizer;
pub use schedule::{EarlyStopping, ReduceLrOnPlateau};
pub use train::{Epoch, TrainOptions, train};

type Result<T, E = Error> = std::result::Result<T, E>;
