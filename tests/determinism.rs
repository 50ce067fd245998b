//! Training with one seed gives the same bytes, whatever the number of threads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{CONFIG, EMOTIONS, Outcome, example, file, write_ravdess};
use std::fs;
use std::path::{Path, PathBuf};

/// Trains in a process of its own, as the number of threads is fixed for a process.
fn train(folder: &Path, config: &str, threads: usize) -> PathBuf {
    let out = folder.join(format!("{}_{threads}", config.len()));
    let config = file(folder, "config.toml", config);
    let mut command = example("train");
    command.env("RAYON_NUM_THREADS", threads.to_string()).arg("--config").arg(config);
    command.arg("--corpus").arg(format!("ravdess={}", folder.join("corpus").display())).arg("--out").arg(&out);
    Outcome::of(&mut command).success();
    out
}

#[test]
fn one_seed_gives_the_same_bytes_with_one_thread_and_with_two() {
    let folder = tempfile::tempdir().unwrap();
    write_ravdess(&folder.path().join("corpus"), 1..=7, &EMOTIONS);
    let (one, two) = (train(folder.path(), CONFIG, 1), train(folder.path(), CONFIG, 2));
    for name in ["model.safetensors", "checkpoint.safetensors", "history.csv", "predictions.csv", "report.json"] {
        let read = |out: &PathBuf| fs::read(out.join(name)).unwrap();
        assert!(read(&one) == read(&two), "{name} differs between {} and {}", one.display(), two.display());
    }

    // Masks, crops and mixup together: each draws from the seed, too.
    let together = format!(
        "{CONFIG}\nmixup_alpha = 0.3\n[[augment.features]]\nkind = 'frequency-mask'\n[[augment.features]]\nkind = 'time-mask'\n"
    );
    let [one_thread, two_threads] = [1, 2].map(|threads| train(folder.path(), &together, threads));
    let read = |out: &PathBuf| fs::read(out.join("model.safetensors")).unwrap();
    assert!(read(&one_thread) == read(&two_threads) && read(&one_thread) != read(&one));

    let other = train(folder.path(), &CONFIG.replace("seed = 5", "seed = 66"), 2);
    let model = |out: &PathBuf| fs::read(out.join("model.safetensors")).unwrap();
    assert!(model(&one) != model(&other), "the seed changes nothing");
}
