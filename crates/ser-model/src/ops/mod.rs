//! Differentiable operations on channels-last activations `[batch, frames, bins, channels]`, parallel over the batch.
//!
//! Every result is independent of the number of threads: work is divided by utterance, and sums over utterances are
//! taken in their order.

pub(crate) mod attentive_pooling;
pub(crate) mod batch_norm;
pub(crate) mod cells;
pub(crate) mod conv_block;
pub(crate) mod conv_blocks;
pub(crate) mod conv_norm;
pub(crate) mod conv_stack;
mod dropout;
pub(crate) mod gated_levels;
pub(crate) mod kept;
pub(crate) mod linear;
pub(crate) mod norm;
pub(crate) mod norm_rows;
pub(crate) mod recurrent;

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor};
use std::ops::AddAssign;

/// The contiguous values behind a storage.
fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        candle_core::bail!("a contiguous tensor is needed, got {layout:?}")
    };
    Ok(&storage.as_slice::<f32>()?[start..end])
}

/// Runs `f` on the contiguous values of a CPU tensor, without copying them.
pub(crate) fn with_slice<R>(tensor: &Tensor, f: impl FnOnce(&[f32]) -> R) -> Result<R> {
    with_slices([tensor], |[values]| f(values))
}

/// Does as [`with_slice`], for a number of tensors that is known late.
pub(crate) fn with_all_slices<R>(tensors: &[impl AsRef<Tensor>], f: impl FnOnce(&[&[f32]]) -> R) -> Result<R> {
    let storages: Vec<_> = tensors.iter().map(|tensor| tensor.as_ref().storage_and_layout()).collect();
    let slices = storages.iter().map(|(storage, layout)| match &**storage {
        Storage::Cpu(storage) => slice(storage, layout),
        _ => candle_core::bail!("only CPU tensors are supported"),
    });
    Ok(f(&slices.collect::<Result<Vec<_>>>()?))
}

/// Runs `f` on the contiguous values of CPU tensors, without copying them.
fn with_slices<R, const N: usize>(tensors: [&Tensor; N], f: impl FnOnce([&[f32]; N]) -> R) -> Result<R> {
    let storages = tensors.map(Tensor::storage_and_layout);
    let mut slices: [&[f32]; N] = [&[]; N];
    for (values, (storage, layout)) in slices.iter_mut().zip(&storages) {
        *values = match &**storage {
            Storage::Cpu(storage) => slice(storage, layout)?,
            _ => candle_core::bail!("only CPU tensors are supported"),
        };
    }
    Ok(f(slices))
}

/// Does both, the second on another thread if there is one. The calling thread works too: waiting for a pool's threads, it would be
/// one more than the pool has, and they would share its core for a while.
fn in_two(first: impl FnOnce(), second: impl FnOnce() + Send) {
    if rayon::current_num_threads() == 1 {
        first();
        return second();
    }
    rayon::in_place_scope(|scope| {
        scope.spawn(|_| second());
        first();
    });
}

/// Sums in the order of the parts.
fn total<'a, T: Copy + Default + AddAssign + 'a>(mut parts: impl Iterator<Item = &'a [T]>) -> Vec<T> {
    let mut sums = parts.next().map(<[T]>::to_vec).unwrap_or_default();
    parts.for_each(|part| sums.iter_mut().zip(part).for_each(|(sum, &term)| *sum += term));
    sums
}

/// Exchanges rows and columns.
fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| values.iter().skip(column).step_by(columns).copied()).collect()
}
