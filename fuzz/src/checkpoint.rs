//! What holds for any bytes that are read as a checkpoint.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use ser_model::{CompactOptions, Dataset, Example, Network, NetworkOptions, TrainOptions, train_with_checkpoints};

use crate::write_seed;

const EPOCHS: usize = 2;

/// A file of this process alone, in memory where the system has such a folder.
static PATH: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("ser-fuzz-{}.checkpoint", std::process::id())));

fn run(path: &Path, max_epochs: usize) -> Result<usize, ser_model::Error> {
    let compact = CompactOptions { channels: vec![1, 2], embedding: 2, attention: 1, dropout: 0.2, separable: false };
    let network = Network::new(&NetworkOptions::Compact(compact), 4, 2, 1)?;
    let examples: Vec<Example> = (0..4)
        .map(|class| Example { features: vec![[class as f32, 1.0, 0.5, -1.0]; 3].into(), class: class % 2 })
        .collect();
    let options = TrainOptions { max_epochs, batch_size: 2, average_decay: Some(0.5), ..TrainOptions::default() };
    let parts: [&dyn Dataset; 2] = [&examples, &examples];
    let history = train_with_checkpoints(&network, parts[0], parts[1], &[1.0; 2], &options, 7, path, |_| ())?;
    Ok(history.epochs.len())
}

/// Writes a checkpoint to begin with: of a finished run, and of one with an epoch left.
pub fn write_seeds() {
    let _ = std::fs::remove_file(&*PATH);
    for epochs in [EPOCHS, EPOCHS - 1] {
        run(&PATH, epochs).unwrap();
        write_seed(&format!("{epochs}.checkpoint"), &std::fs::read(&*PATH).unwrap());
        std::fs::remove_file(&*PATH).unwrap();
    }
}

/// Resumes a run from the bytes.
///
/// # Panics
///
/// If a run that was resumed has not all epochs.
pub fn check(bytes: &[u8]) {
    std::fs::write(&*PATH, bytes).unwrap();
    if let Ok(epochs) = run(&PATH, EPOCHS) {
        assert!(epochs >= EPOCHS, "{epochs}");
    }
}
