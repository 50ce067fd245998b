//! What the fuzz targets check, and the inputs they begin with.

pub mod audio;
pub mod corpus;
#[cfg(feature = "models")]
pub mod checkpoint;
#[cfg(feature = "models")]
pub mod model;

use std::fs;
use std::path::Path;

/// Writes an input to begin with to the folder that the variable `SEEDS` names.
///
/// # Panics
///
/// If that folder cannot be written to.
fn write_seed(name: &str, content: &[u8]) {
    if let Some(folder) = std::env::var_os("SEEDS") {
        fs::write(Path::new(&folder).join(name), content).unwrap();
    }
}
