//! An ensemble is one file of several networks, each that of its own seed, whose probabilities are averaged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{CONFIG, EMOTIONS, ModelFile, Outcome, example, file, trained, write_ravdess};
use ser_core::{Emotion, Recognizer, Waveform};
use std::fs;
use std::path::Path;

fn with_seed(seed: u64, ensemble: &str) -> String {
    CONFIG.replace("seed = 5", &format!("seed = {seed}\n{ensemble}"))
}

#[test]
fn probabilities_are_the_mean_of_those_of_the_networks_alone() {
    // Each model has a temperature of its own, fitted to its logits: at 1, what is averaged is seen.
    let at_temperature_1 = |config: &str| {
        let file = ModelFile::parse(&trained(config)).with("/calibration/temperature", 1.0);
        Recognizer::from_bytes(&file.to_bytes()).unwrap()
    };
    let ensemble = at_temperature_1(&with_seed(5, "ensemble = 3"));
    let alone = [5, 6, 7].map(|seed| at_temperature_1(&with_seed(seed, "")));
    let voice = common::voice::speak(common::voice::Speaker::numbered(77), Emotion::Sad, 3, 0.9);
    let probabilities = |recognizer: &Recognizer, waveform: &Waveform| -> Vec<f32> {
        recognizer.recognize(waveform).unwrap().probabilities().iter().map(|(_, p)| *p).collect()
    };
    let of_networks = alone.each_ref().map(|recognizer| probabilities(recognizer, &voice));
    assert_ne!(of_networks[0], of_networks[1]);
    for (class, together) in probabilities(&ensemble, &voice).into_iter().enumerate() {
        let mean = of_networks.iter().map(|p| p[class]).sum::<f32>() / 3.0;
        assert!((together - mean).abs() < 1e-6, "{together}, {mean}");
    }
}

#[test]
fn one_file_holds_all_and_a_run_in_a_folder_keeps_each_history() {
    let folder = tempfile::tempdir().unwrap();
    let (corpus, out) = (folder.path().join("corpus"), folder.path().join("out"));
    write_ravdess(&corpus, 1..=6, &EMOTIONS);
    let train = |ensemble: &str, out: &Path, resume: bool| {
        let mut command = example("train");
        command.arg("--config").arg(file(folder.path(), "config.toml", with_seed(5, ensemble)));
        command.arg("--corpus").arg(format!("ravdess={}", corpus.display())).arg("--out").arg(out);
        command.args(resume.then_some("--resume"));
        Outcome::of(&mut command)
    };
    let first = train("ensemble = 2", &out, false).success();
    assert!(first.stderr.lines().any(|line| line.starts_with("network 2/2, epoch 1/8")), "{first:?}");
    let single = folder.path().join("single");
    train("", &single, false).success();
    let size = |out: &Path| fs::metadata(out.join("model.safetensors")).unwrap().len() as f64;
    // The weights twice; the manifest once.
    assert!(size(&out) < 2.0 * size(&single) && size(&out) > 1.3 * size(&single), "{} {}", size(&out), size(&single));
    let read = |out: &Path, name: &str| fs::read(out.join(name)).unwrap();
    assert!(read(&out, "history.csv") == read(&single, "history.csv"));
    assert!(read(&out, "history-2.csv") != read(&out, "history.csv"));

    // Without the second network's checkpoint it is trained again, and the first is not.
    let model = read(&out, "model.safetensors");
    fs::remove_file(out.join("checkpoint-2.safetensors")).unwrap();
    let resumed = train("ensemble = 2", &out, true).success();
    assert_eq!(resumed.stderr.lines().filter(|line| line.starts_with("network ")).count(), 8, "{resumed:?}");
    assert!(read(&out, "model.safetensors") == model);

    let error = train("ensemble = 0", &out, false);
    assert!(error.only_error().contains("ensemble is 0; allowed: 1 to 32"), "{error:?}");
}
