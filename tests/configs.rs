//! Every configuration in `examples/configs` is one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use ser_core::audio::Level;
use ser_core::features::FeatureOptions;
use ser_core::model::{NetworkOptions, Optimizer, TimNetOptions};
use ser_core::{AudioOptions, Balance, ClassWeights, Config, Corpus, Emotion, SearchOptions, Space, search, train};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::tempdir;

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/configs").join(folder);
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "toml")).collect()
}

#[test]
fn every_configuration_is_read_and_says_what_it_is() {
    let files = files("");
    assert!(files.len() >= 8, "{files:?}");
    for path in files {
        Config::from_file(&path).unwrap_or_else(|error| panic!("{}: {:?}", path.display(), error));
        assert!(fs::read_to_string(&path).unwrap().starts_with("# "), "{}", path.display());
    }
}

/// The names of RAVDESS; nothing in the files can be read.
fn ravdess_without_sound() -> Corpus {
    let folder = tempdir().unwrap();
    for actor in 1..=24 {
        use Emotion::{Angry, Calm, Disgust, Fear, Happy, Neutral, Sad, Surprise};
        for emotion in [Neutral, Calm, Happy, Sad, Angry, Fear, Disgust, Surprise] {
            fs::write(folder.path().join(common::ravdess_name(actor, emotion, 1)), "no sound").unwrap();
        }
    }
    Corpus::ravdess(folder.path()).unwrap()
}

#[test]
fn every_configuration_fits_together_up_to_the_first_recording() {
    let ravdess = ravdess_without_sound();
    let folder = tempdir().unwrap();
    for speaker in ["03", "08", "09", "10", "11", "12", "13", "14", "15", "16"] {
        for emotion in ["N", "F", "T", "W", "A", "E", "L"] {
            fs::write(folder.path().join(format!("{speaker}a01{emotion}a.wav")), "no sound").unwrap();
        }
    }
    let both = ravdess.clone().merge(Corpus::emodb(folder.path()).unwrap());
    for path in files("") {
        let mut config = Config::from_file(&path).unwrap();
        let needs_two = config.split.test_corpus.is_some()
            || config.split.protocol.to_string() == "corpora"
            || path.ends_with("pretrained-emodb.toml");
        let corpus = if needs_two { &both } else { &ravdess };
        config.split.fold.get_or_insert(1);
        // Another configuration trains it.
        config.initial = None;
        if config.imported.is_none() {
            let error = train(&config, corpus, |_| ()).unwrap_err().to_string();
            assert!(error.contains("could be read"), "{}: {error}", path.display());
        }
    }
}

#[test]
fn fine_tuning_begins_with_a_network_of_its_own_kind() {
    let read = |name: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/configs");
        Config::from_file(folder.join(name).with_extension("toml")).unwrap()
    };
    let (first, then) = (read("compact-wide-pretrain"), read("compact-wide-fine-tune"));
    assert_eq!((&first.features, &first.network), (&then.features, &then.network));
    assert_eq!(then.initial, Some("out/compact-wide-pretrain/model.safetensors".into()));
}

#[test]
fn every_space_fits_the_configuration_of_its_name_up_to_the_first_recording() {
    let files = files("search");
    assert!(!files.is_empty());
    let (corpus, out) = (ravdess_without_sound(), tempdir().unwrap());
    for path in files {
        let space = Space::from_file(&path).unwrap_or_else(|error| panic!("{}: {:?}", path.display(), error));
        let config = Config::from_file(path.parent().unwrap().with_file_name(path.file_name().unwrap())).unwrap();
        let options = SearchOptions { trials: 27, ..SearchOptions::default() };
        let error = search(&config, &space, &corpus, out.path(), &options, |_| ()).unwrap_err().to_string();
        assert!(error.contains("could be read"), "{}: {error}", path.display());
    }
}

#[test]
fn a_configuration_can_be_written_in_rust() {
    let mut config = Config::default();
    config.audio = AudioOptions { level: Level::None, ..AudioOptions::default() };
    config.features = FeatureOptions::preset("mfcc-39").unwrap();
    config.network = NetworkOptions::TimNet(TimNetOptions { levels: 4, ..TimNetOptions::default() });
    config.class_weights = ClassWeights::None;
    config.balance = Balance::Oversample;
    config.training.optimizer = Optimizer::Adam { beta1: 0.93, beta2: 0.98, epsilon: 1e-8 };
    let toml = "features = 'mfcc-39'\nclass_weights = 'none'\nbalance = 'oversample'\naudio = { level = 'none' }\n\
                network = { architecture = 'tim-net', levels = 4 }\n\
                training = { optimizer = { name = 'adam', beta1 = 0.93, beta2 = 0.98, epsilon = 1e-8 } }";
    assert_eq!(config, toml.parse().unwrap());
}
