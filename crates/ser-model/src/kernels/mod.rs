//! Arithmetic on slices, one utterance at a time: callers run utterances in parallel.
//!
//! Activations are channels-last and row-major, `[frames, channels]`. Nothing here starts a thread, so a result never
//! depends on their number; which vector instructions a product uses is decided at run time by the `gemm` crate
//! ([`instruction_set`] says which).

mod causal_conv;
mod columns;
mod conv1d;
mod conv2d;
mod depthwise;
mod functions;
mod gate;
mod max_pool;
mod packed;
mod product;
mod terms;
mod vectors;

pub(crate) use causal_conv::{CausalConv, pad_rows, row_len};
pub(crate) use columns::{SummedMoments, column_sums};
pub(crate) use conv1d::{Conv1d, GRADIENT_ROWS};
pub(crate) use conv2d::{Conv2d, Geometry};
pub(crate) use functions::{exp, sigmoid, tanh};
pub(crate) use gate::{GateChannels, activate, activate_back, add_norm_sums, gate, gate_back, norm_back};
pub(crate) use max_pool::{MaxPool, PoolChannels};
pub(crate) use packed::PackedMatrix;
pub use product::{Matrix, instruction_set, multiply};
pub(crate) use terms::Row;
#[cfg(target_arch = "x86_64")]
pub(crate) use vectors::{has_avx2, has_avx512};
pub(crate) use vectors::{vectorised, vectorised_fn};
