//! Augmentation reaches the training part alone, and neither threads nor the feature cache change what is learned.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{CONFIG, EMOTIONS, Outcome, example, file, write_ravdess};
use ser_core::{Config, Corpus, train};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Everything that chance decides: steps that are applied or not, ranges, and babble of training recordings.
const AUGMENT: &str = r#"
[augment]
copies = "paper"

[[augment.waveform]]
kind = "speed"
probability = 0.5

[[augment.waveform]]
kind = "noise"
probability = 0.5
source = "bank"

[[augment.features]]
kind = "frequency-mask"

[[augment.features]]
kind = "time-mask"
"#;

static CORPUS: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("augmentation");
    let _ = fs::remove_dir_all(&folder);
    write_ravdess(&folder, 1..=6, &EMOTIONS);
    folder
});

fn model(config: &str) -> Vec<u8> {
    let corpus = Corpus::ravdess(&*CORPUS).unwrap();
    train(&config.parse().unwrap(), &corpus, |_| ()).unwrap().model().to_vec()
}

fn with_cache(config: &str, folder: &Path) -> String {
    format!("cache = {:?}\n{config}", folder.to_str().unwrap())
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let shards = fs::read_dir(folder).unwrap().map(|shard| shard.unwrap().path());
    shards.flat_map(|shard| fs::read_dir(shard).unwrap().map(|entry| entry.unwrap().path())).collect()
}

#[test]
fn augmented_training_gives_the_same_bytes_for_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let config = file(folder.path(), "config.toml", format!("{CONFIG}{AUGMENT}"));
    let models = [1, 2].map(|threads| {
        let out = folder.path().join(threads.to_string());
        let mut command = example("train");
        command.env("RAYON_NUM_THREADS", threads.to_string()).arg("--config").arg(&config);
        command.arg("--corpus").arg(format!("ravdess={}", CORPUS.display())).arg("--out").arg(&out);
        Outcome::of(&mut command).success();
        fs::read(out.join("model.safetensors")).unwrap()
    });
    assert!(models[0] == models[1]);
}

#[test]
fn every_kind_of_augmentation_changes_what_is_learned_and_one_that_never_happens_nothing() {
    let plain = model(CONFIG);
    for augment in [
        "[augment]\ncopies = 'paper'",
        "[[augment.waveform]]\nkind = 'noise'\nsource = 'bank'",
        "[[augment.features]]\nkind = 'time-mask'",
    ] {
        assert!(model(&format!("{CONFIG}{augment}")) != plain, "{augment}");
    }
    let never = "[[augment.waveform]]\nkind = 'gain'\nprobability = 0.0\n[[augment.features]]\nkind = 'time-mask'\nprobability = 0.0";
    assert!(model(&format!("{CONFIG}{never}")) == plain);
}

#[test]
fn the_cache_changes_nothing_and_outlives_damage() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("new").join("cache");
    let config = format!("{CONFIG}[augment]\ncopies = 'paper'\n");
    let expected = model(&config);
    assert!(model(&with_cache(&config, &cache)) == expected, "while it is filled");

    let full = entries(&cache);
    let stamp = |path: &PathBuf| fs::metadata(path).unwrap().modified().unwrap();
    let stamps: Vec<_> = full.iter().map(stamp).collect();
    assert!(model(&with_cache(&config, &cache)) == expected, "when it is full");
    assert_eq!(entries(&cache).iter().map(stamp).collect::<Vec<_>>(), stamps, "nothing is extracted again");

    // What a killed run, a full disk or a failing one may leave.
    fs::write(full[0].with_extension("1-0.part"), "half of an entry").unwrap();
    fs::write(&full[1], "").unwrap();
    let bytes = fs::read(&full[2]).unwrap();
    fs::write(&full[2], &bytes[..bytes.len() / 2]).unwrap();
    assert!(model(&with_cache(&config, &cache)) == expected, "when it is damaged");

    let other = config.replace("seed = 5", "seed = 6");
    assert!(model(&with_cache(&other, &cache)) == model(&other), "with another seed");
}

#[test]
fn a_configuration_that_cannot_augment_says_why() {
    let corpus = Corpus::ravdess(&*CORPUS).unwrap();
    let error = |config: &str| {
        let error = match config.parse::<Config>() {
            Ok(config) => train(&config, &corpus, |_| ()).unwrap_err(),
            Err(error) => error.into(),
        };
        let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        causes.map(|cause| cause.to_string()).collect::<Vec<_>>().join(": ")
    };
    for (augment, said) in [
        ("[augment]\ncopies = 'seed'", "unknown variant `seed`"),
        ("[[augment.waveform]]\nkind = 'echo'", "unknown variant `echo`"),
        ("[[augment.waveform]]\nkind = 'gain'\nprobability = 2.0", "probability is 2.0"),
        ("[[augment.features]]\nkind = 'time-mask'\nmasks = 0", "masks is 0"),
    ] {
        let text = error(&format!("{CONFIG}{augment}"));
        assert!(text.contains(said), "{augment}: {text}");
    }
}

#[test]
fn a_clip_that_a_change_of_speed_makes_too_short_is_taken_as_it_was_recorded() {
    // Clips of 81 frames; 15 % faster they have 71.
    let features = "[features]\nhop_length = 160\ndeltas = [{ width = 75 }]\n[normalizer]\nutterance_mean = \"keep\"";
    let speed = |factor: &str| format!("[[augment.waveform]]\nkind = \"speed\"\nfactor = [{factor}]");
    let models = ["1.15, 1.15", "1.14, 1.14"].map(|factor| model(&format!("{CONFIG}\n{features}\n{}", speed(factor))));
    assert_eq!(models[0], models[1]);
    assert_ne!(models[0], model(&format!("{CONFIG}\n{features}\n{}", speed("0.9, 0.9"))));
}
