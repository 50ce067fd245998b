//! Bounds how much may be read without any audio coming out of it.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use symphonia::core::io::MediaSource;

/// As many bytes of tags, pictures and damage may stand between the audio.
const BYTES: u64 = 64 << 20;

/// What is left to be read before more audio must come.
#[derive(Clone)]
pub(super) struct Budget(Arc<AtomicU64>);

impl Budget {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(BYTES)))
    }

    /// Allows as many bytes as samples can take that came out.
    pub(super) fn earn(&self, samples: u64) {
        self.0.fetch_add(8 * samples, Ordering::Relaxed);
    }

    /// Fails once nothing is left.
    pub(super) fn spend(&self, bytes: u64) -> io::Result<()> {
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(left.saturating_sub(bytes), Ordering::Relaxed);
        if left == 0 { Err(io::Error::other(Spent)) } else { Ok(()) }
    }
}

/// The cause of the system's error when the budget is spent.
#[derive(Debug, thiserror::Error)]
#[error("{} MiB without any audio", BYTES >> 20)]
pub(super) struct Spent;

/// Reads within a budget.
pub(super) struct Metered<R> {
    inner: R,
    budget: Budget,
    stated_len: u64,
}

impl<R> Metered<R> {
    pub(super) fn new(inner: R, budget: &Budget) -> Self {
        Self { inner, budget: budget.clone(), stated_len: 0 }
    }

    /// Seems to be at least as long as the file says, so that a demuxer begins with one that is cut short.
    pub(super) fn with_stated_len(self, stated_len: u64) -> Self {
        Self { stated_len, ..self }
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.inner.read(buffer)?;
        self.budget.spend(len as u64)?;
        Ok(len)
    }
}

impl<R: Seek> Seek for Metered<R> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let reached = self.inner.seek(position)?;
        Ok(if position == SeekFrom::End(0) { reached.max(self.stated_len) } else { reached })
    }
}

impl<R: Read + Seek + Send + Sync> MediaSource for Metered<R> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        None
    }
}
