//! Networks for speech emotion recognition, their training, and the model file.
//!
//! The crate is fed features `[frames, bins]` and class indices and gives logits; it knows nothing of audio
//! files or emotions. It is the only user of [candle](https://docs.rs/candle-core), whose types appear in no
//! public signature.
//!
//! - [`NetworkOptions`], [`Network`]: what is built, and the built network.
//! - [`Dataset`], [`TrainOptions`], [`train`]: the training loop, with its [`Optimizer`], [`ReduceLrOnPlateau`] and [`EarlyStopping`].
//! - [`Weights`], [`encode_model`], [`decode_model`]: one safetensors file with a JSON manifest.

#![deny(unsafe_code)]

mod badshah;
mod batch;
mod checkpoint;
mod compact;
mod error;
mod kernels;
mod layers;
mod linear;
mod loss;
mod mixup;
mod model_file;
mod network;
mod ops;
mod optimizer;
mod paper;
mod parameters;
#[cfg(test)]
mod parity;
#[cfg(test)]
mod pytorch;
mod rnn;
mod schedule;
mod summary;
mod tim_net;
mod train;
mod zhao;

pub use badshah::BadshahOptions;
pub use batch::{BoxError, Dataset, Example};
pub use compact::CompactOptions;
pub use error::Error;
pub use kernels::instruction_set;
pub use linear::LinearOptions;
pub use model_file::{Precision, Weights, decode_model, encode_model, join_weights, split_weights};
pub use network::{Network, NetworkOptions};
pub use ops::cells::Cell;
pub use optimizer::Optimizer;
pub use paper::{PaperCnnOptions, PaperFramesOptions};
pub use rnn::RnnOptions;
pub use schedule::{BestBy, EarlyStopping, ReduceLrOnPlateau, Schedule};
pub use summary::{LayerSummary, Summary};
pub use tim_net::TimNetOptions;
pub use train::{Epoch, History, Stepper, TrainOptions, train, train_with_checkpoints};
pub use zhao::ZhaoOptions;

/// The matrix products of convolutions: alone, they are the floor of a step's time in `benches/peers/model.py`.
#[doc(hidden)]
pub mod products {
    pub use crate::kernels::{Matrix, multiply};
}

type Result<T, E = Error> = std::result::Result<T, E>;
