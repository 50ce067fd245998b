//! Training goes on from the weights of a model, and is scored on nothing that this model knows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{CONFIG, Csv, EMOTIONS, Outcome, example, file, ravdess_name, trained, write_ravdess};
use ser_core::Emotion;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::{TempDir, tempdir};

/// Six actors that the models here, of actors 1 to 8, have not heard.
const NEW: std::ops::RangeInclusive<u8> = 11..=16;

struct Folder(TempDir);

impl Folder {
    /// A model of other speakers, and recordings of new ones.
    fn new(emotions: &[Emotion]) -> Self {
        let folder = tempdir().unwrap();
        file(folder.path(), "other.safetensors", common::model());
        write_ravdess(&folder.path().join("corpus"), NEW, emotions);
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A configuration that begins with a model, of a rate that moves no weight by more than rounding.
    fn config(&self, change: impl FnOnce(String) -> String) -> PathBuf {
        let config = CONFIG.replace("max_epochs = 8", "max_epochs = 1").replace("0.003", "1e-9");
        let initial = format!("seed = 5\ninitial = {:?}", self.path("other.safetensors").display().to_string());
        file(self.0.path(), "config.toml", change(config.replace("seed = 5", &initial)))
    }

    fn run(&self, program: &str, config: &Path, corpus: &str, out: &str) -> Command {
        let mut command = example(program);
        command.arg("--config").arg(config);
        command.arg("--corpus").arg(format!("ravdess={}", self.path(corpus).display()));
        command.arg("--out").arg(self.path(out));
        command
    }

    fn train(&self, change: impl FnOnce(String) -> String) -> Outcome {
        Outcome::of(&mut self.run("train", &self.config(change), "corpus", "out"))
    }

    fn report(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path("out/report.json")).unwrap()).unwrap()
    }

    fn weights(&self, model: &str, name: &str) -> Vec<f32> {
        let file = common::ModelFile::parse(&fs::read(self.path(model)).unwrap());
        let [begin, end] = [0, 1].map(|i| file.header[name]["data_offsets"][i].as_u64().unwrap() as usize);
        file.weights[begin..end].chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
    }

    /// Of each network, after the only epoch, which learned nothing.
    fn losses(&self) -> Vec<f64> {
        let names = std::iter::once("out/history.csv".into()).chain((2..).map(|n| format!("out/history-{n}.csv")));
        let tables = names.map(|name| self.path(&name)).take_while(|path| path.exists());
        tables.map(|path| Csv::read(&path).column("valid_loss")[0].parse().unwrap()).collect()
    }
}

fn as_it_is(config: String) -> String {
    config
}

fn without_initial(config: &str) -> String {
    config.lines().filter(|line| !line.starts_with("initial")).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_the_model_learned_is_there_before_anything_is_learned() {
    let folder = Folder::new(&EMOTIONS);
    let outcome = folder.train(as_it_is).success();
    let (continued, report) = (folder.losses()[0], folder.report());
    let card = fs::read_to_string(folder.path("out/MODEL_CARD.md")).unwrap();
    folder.train(|config| without_initial(&config)).success();
    let random = folder.losses()[0];
    // A guess between three costs 1.1.
    assert!(continued < 0.8 * random && random > 0.9, "{continued} {random} {outcome:?}");

    let guard = report["guard"].as_str().unwrap();
    assert!(guard.starts_with("speakers disjoint") && guard.contains("; began with a model ("), "{guard}");
    assert!(guard.ends_with("), fitted to 42 clips of ravdess"), "{guard}");
    assert!(card.contains("| the weights that training began with | ravdess | 7 | 42 |"), "{card}");
}

#[test]
fn other_classes_have_a_classifier_of_their_own() {
    let emotions = [Emotion::Angry, Emotion::Fear, Emotion::Neutral, Emotion::Sad];
    let folder = Folder::new(&emotions);
    folder.train(as_it_is).success();
    let manifest = common::ModelFile::parse(&fs::read(folder.path("out/model.safetensors")).unwrap()).manifest();
    assert_eq!(manifest["labels"]["classes"].as_array().unwrap().len(), 4, "{}", manifest["labels"]);
    let [old, new] = ["other.safetensors", "out/model.safetensors"].map(|path| folder.weights(path, "stem.weight"));
    assert!(
        old.iter().zip(&new).all(|(old, new)| (old - new).abs() < 1e-6) && old.len() == new.len(),
        "{old:?} {new:?}"
    );
}

#[test]
fn a_model_knows_what_the_one_knew_that_it_began_with() {
    let folder = Folder::new(&EMOTIONS);
    folder.train(as_it_is).success();
    let known = folder.path("known");
    write_ravdess(&known, 1..=8, &EMOTIONS);
    let evaluate = |more: &[&str]| {
        let mut command = example("evaluate");
        command.arg("--model").arg(folder.path("out/model.safetensors"));
        command.arg("--corpus").arg(format!("ravdess={}", known.display())).args(more);
        Outcome::of(&mut command)
    };
    let all = evaluate(&["--part", "all"]).success();
    // The tested speaker of eight is not known.
    assert!(all.stdout.contains("NOT HONEST: the model was trained or validated on 42 of these clips"), "{all:?}");
    let unknown = evaluate(&[]).success();
    assert!(unknown.stdout.starts_with("6 clips of 1 named speakers; speakers disjoint from training"), "{unknown:?}");
}

#[test]
fn speakers_and_recordings_that_the_model_knows_are_not_tested_on() {
    let folder = Folder::new(&EMOTIONS);
    write_ravdess(&folder.path("known"), 1..=8, &EMOTIONS);
    let refused = |program: &str, corpus: &str, more: &[&str]| {
        let outcome = Outcome::of(folder.run(program, &folder.config(as_it_is), corpus, "out").args(more));
        assert!(outcome.status == Some(1) && outcome.stdout.is_empty(), "{outcome:?}");
        assert!(!folder.path("out").exists(), "{outcome:?}");
        outcome.stderr
    };
    let speaker = refused("cross_validate", "known", &["--protocol", "loso"]);
    assert!(speaker.contains("other.safetensors has learned from the speaker ravdess/"), "{speaker}");
    assert!(speaker.contains("the score would not be honest; begin with a model that has not, or"), "{speaker}");

    // The recordings of all known actors under the names of new ones.
    for (actor, new) in (1..=8).zip(21..) {
        for emotion in EMOTIONS {
            for statement in [1, 2] {
                let old = format!("known/Actor_{actor:02}/{}", ravdess_name(actor, emotion, statement));
                let new = format!("renamed/Actor_{new}/{}", ravdess_name(new, emotion, statement));
                fs::create_dir_all(folder.path(&new).parent().unwrap()).unwrap();
                fs::copy(folder.path(&old), folder.path(&new)).unwrap();
            }
        }
    }
    let clip = refused("train", "renamed", &[]);
    assert!(clip.contains("other.safetensors has learned from ") && clip.contains("renamed/Actor_2"), "{clip}");
}

#[test]
fn a_model_that_does_not_fit_is_refused_by_name() {
    let folder = Folder::new(&EMOTIONS);
    let refusal = |change: &dyn Fn(String) -> String| {
        let outcome = folder.train(change);
        let error = outcome.stderr.lines().find(|line| line.starts_with("error: ")).unwrap().to_owned();
        assert!(outcome.status == Some(1) && outcome.stdout.is_empty(), "{outcome:?}");
        assert!(error.contains("cannot begin with ") && error.contains("other.safetensors"), "{outcome:?}");
        error
    };
    let features = refusal(&|config| config.replace("seed = 5", "seed = 5\nfeatures = 'log-mel-80'"));
    assert!(features.ends_with("its features or their preparation are not those of the configuration"), "{features}");
    let fused = refusal(&|config| format!("{config}\n[[fused]]\n[fused.training]\nmax_epochs = 1"));
    assert!(fused.contains("its systems have [1] networks, and those of the configuration [1, 1]"), "{fused}");
    let wider = refusal(&|config| config.replace("[4, 4, 8]", "[4, 4, 9]"));
    assert!(wider.contains("has shape ["), "{wider}");
    fs::write(folder.path("other.safetensors"), b"RIFF").unwrap();
    refusal(&|config| config);
    fs::remove_file(folder.path("other.safetensors")).unwrap();
    refusal(&|config| config);
}

#[test]
fn results_that_began_with_another_model_are_not_gone_on_from() {
    let folder = Folder::new(&EMOTIONS);
    let config = folder.config(as_it_is);
    let run = |more: &[&str]| {
        let mut command = folder.run("cross_validate", &config, "corpus", "out");
        Outcome::of(command.args(["--protocol", "speaker-kfold:2"]).args(more))
    };
    run(&[]).success();
    run(&["--resume"]).success();
    fs::write(folder.path("other.safetensors"), trained(&CONFIG.replace("seed = 5", "seed = 6"))).unwrap();
    let other = run(&["--resume"]);
    assert!(other.only_error().contains("holds results of another configuration, corpus or version"), "{other:?}");
}

#[test]
fn each_network_begins_with_its_own_and_what_the_first_of_three_knew_the_last_knows() {
    let folder = Folder::new(&EMOTIONS);
    fs::write(folder.path("other.safetensors"), trained(&CONFIG.replace("seed = 5", "seed = 5\nensemble = 2")))
        .unwrap();
    let with = |number: u8| move |config: String| config.replace("seed = 5", &format!("seed = 5\nensemble = {number}"));
    let two = with(2);
    let three = folder.train(with(3));
    assert!(three.stderr.contains("its systems have [2] networks, and those of the configuration [3]"), "{three:?}");
    folder.train(two).success();
    let losses = folder.losses();
    assert!(losses.len() == 2 && losses.iter().all(|loss| *loss < 0.8) && losses[0] != losses[1], "{losses:?}");

    fs::copy(folder.path("out/model.safetensors"), folder.path("other.safetensors")).unwrap();
    write_ravdess(&folder.path("newest"), 17..=22, &EMOTIONS);
    Outcome::of(&mut folder.run("train", &folder.config(two), "newest", "out")).success();
    let provenance =
        &common::ModelFile::parse(&fs::read(folder.path("out/model.safetensors")).unwrap()).manifest()["provenance"];
    let known = |part: &str| provenance[part]["clips"].as_array().unwrap().len();
    // All but the tested of eight, and all but that of six; a sixth is tested and one validated of the newest.
    assert_eq!([known("initial"), known("train"), known("valid")], [42 + 30, 24, 6]);
}

#[test]
fn one_network_is_what_all_of_an_ensemble_begin_with() {
    let folder = Folder::new(&EMOTIONS);
    folder.train(|config| config.replace("seed = 5", "seed = 5\nensemble = 3")).success();
    let losses = folder.losses();
    assert!(losses.len() == 3 && losses.iter().all(|loss| *loss < 0.8), "{losses:?}");
}

#[test]
fn where_speakers_have_other_names_no_score_is_called_honest() {
    let folder = Folder::new(&EMOTIONS);
    let corpus = folder.path("folders");
    common::write_folders(&corpus, &["ann", "ben", "cem", "dora", "eva"], &EMOTIONS);
    let config = CONFIG.parse().unwrap();
    let model = ser_core::train(&config, &ser_core::Corpus::folder(&corpus).unwrap(), |_| ()).unwrap().model().to_vec();
    fs::write(folder.path("other.safetensors"), model).unwrap();
    let config = folder.config(as_it_is);
    let run = |protocol: &str| {
        Outcome::of(folder.run("cross_validate", &config, "corpus", protocol).args(["--protocol", protocol])).success()
    };
    let unknown = run("speaker-kfold:2");
    assert!(unknown.stdout.contains("speakers unknown, sentences shared; began with"), "{unknown:?}");
    assert!(unknown.stdout.contains("(NOT HONEST: speakers unknown)"), "{unknown:?}");
    let shared = run("random-kfold:2");
    assert!(shared.stdout.contains("(NOT HONEST: speakers shared)"), "{shared:?}");
}

#[test]
fn the_model_is_not_replaced_by_what_begins_with_it() {
    let folder = Folder::new(&EMOTIONS);
    fs::create_dir(folder.path("out")).unwrap();
    let model = folder.path("out/model.safetensors");
    fs::rename(folder.path("other.safetensors"), &model).unwrap();
    let before = fs::read(&model).unwrap();
    let outcome = folder.train(|config| config.replace("other.safetensors", "out/model.safetensors"));
    assert!(
        outcome.status == Some(1) && outcome.stderr.contains("it lies in the folder that results are written to"),
        "{outcome:?}"
    );
    assert!(fs::read(&model).unwrap() == before);
}

#[test]
fn the_licence_of_the_weights_is_named_beside_another() {
    let folder = Folder::new(&EMOTIONS);
    fs::write(folder.path("other.safetensors"), trained(&CONFIG.replace("seed", "license = 'CC BY 4.0'\nseed")))
        .unwrap();
    let license = |outcome: Outcome| {
        outcome.success();
        let model = fs::read(folder.path("out/model.safetensors")).unwrap();
        common::ModelFile::parse(&model).manifest()["provenance"]["license"].as_str().unwrap().to_owned()
    };
    let of_weights = "the weights that training began with: CC BY 4.0";
    assert_eq!(license(folder.train(as_it_is)), format!("not stated; {of_weights}"));
    let with =
        |license: &'static str| move |config: String| config.replace("seed", &format!("license = '{license}'\nseed"));
    assert_eq!(license(folder.train(with("MIT"))), format!("MIT; {of_weights}"));
    assert_eq!(license(folder.train(with("CC BY 4.0"))), "CC BY 4.0");
    fs::write(folder.path("other.safetensors"), common::model()).unwrap();
    let unknown = "MIT; the weights that training began with: not stated";
    assert_eq!(license(folder.train(with("MIT"))), unknown);
}

#[test]
fn a_search_chooses_by_speakers_that_the_model_has_not_heard() {
    let folder = Folder::new(&EMOTIONS);
    write_ravdess(&folder.path("known"), 1..=8, &EMOTIONS);
    let config = folder.config(as_it_is);
    let space = file(folder.0.path(), "space.toml", "method = 'grid'\n[space]\nnetwork.dropout = [0.1]\n");
    let search = |corpus: &str| {
        let mut command = folder.run("search", &config, corpus, "out");
        Outcome::of(command.arg("--space").arg(&space).args(["--trials", "1"]))
    };
    search("corpus").success();
    let best = fs::read_to_string(folder.path("out/best.toml")).unwrap();
    assert!(best.contains("; began with a model (") && best.contains("), fitted to 42 clips of ravdess; "), "{best}");
    let known = search("known");
    assert!(known.stderr.contains("other.safetensors has learned from the speaker ravdess/"), "{known:?}");
}

#[test]
fn each_fused_system_begins_with_its_own() {
    let second = |epochs: u8, rate: f32| {
        move |config: String| {
            format!(
                "{config}\n[[fused]]\n[fused.network]\narchitecture = 'rnn'\nunits = 8\n[fused.training]\n\
                 max_epochs = {epochs}\nlearning_rate = {rate}\nbatch_size = 8"
            )
        }
    };
    let folder = Folder::new(&EMOTIONS);
    fs::write(folder.path("other.safetensors"), trained(&second(8, 0.01)(CONFIG.into()))).unwrap();
    folder.train(second(1, 1e-9)).success();
    let continued = folder.losses();
    folder.train(|config| second(1, 1e-9)(without_initial(&config))).success();
    let random = folder.losses();
    assert_eq!((continued.len(), random.len()), (2, 2));
    assert!(
        continued.iter().zip(&random).all(|(continued, random)| *continued < 0.8 * random),
        "{continued:?} {random:?}"
    );
}

#[test]
fn a_classifier_goes_on_only_with_the_same_numbers_beside_the_classes() {
    let folder = Folder::new(&EMOTIONS);
    let train = |actors: std::ops::RangeInclusive<u8>| {
        write_ravdess(&folder.path("corpus"), actors.clone(), &EMOTIONS);
        let mut table = String::from("path,emotion,speaker,arousal\n");
        for actor in actors {
            for (emotion, arousal) in EMOTIONS.into_iter().zip([0.9, 0.5, 0.2]) {
                let path = format!("corpus/Actor_{actor:02}/{}", ravdess_name(actor, emotion, 1));
                table += &format!("{path},{emotion},s{actor},{arousal}\n");
            }
        }
        let config = folder.config(|config| config.replace("seed = 5", "seed = 5\ndimensions = ['arousal']"));
        let corpus = format!("csv={}", file(folder.0.path(), "corpus.csv", table).display());
        let mut command = example("train");
        command.arg("--config").arg(config).args(["--corpus", &corpus]).arg("--out").arg(folder.path("out"));
        Outcome::of(&mut command).success();
        let [stem, classifier] = ["stem.weight", "classifier.weight"].map(|name| {
            let [old, new] = ["other.safetensors", "out/model.safetensors"].map(|path| folder.weights(path, name));
            old.len() == new.len() && old.iter().zip(&new).all(|(old, new)| (old - new).abs() < 1e-6)
        });
        (stem, classifier)
    };
    assert_eq!(train(NEW), (true, false));
    fs::copy(folder.path("out/model.safetensors"), folder.path("other.safetensors")).unwrap();
    assert_eq!(train(17..=22), (true, true));
}
