//! Features of other tools stand in for extracted ones: trained, scored, recognised, and refused by name where they do
//! not fit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{CONFIG, EMOTIONS, ModelFile, Outcome, example, file, model, ravdess_name, write_ravdess};
use ndarray_npy::write_npy;
use ser_core::features::ndarray::{Array1, Array2, Array3, ShapeBuilder};
use ser_core::{Config, Corpus, Recognizer, Recording, train};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tempfile::{TempDir, tempdir};

const BINS: usize = 12;

/// Embeddings of one clip: each emotion has its own direction, each speaker an offset.
fn embeddings(actor: u8, emotion: usize, statement: u8, frames: usize) -> Array2<f32> {
    Array2::from_shape_fn((frames, BINS), |(frame, bin)| {
        let wave = |a: usize, b: f32| ((a * 31 + bin * 7) as f32 * b).sin();
        2.0 * wave(emotion, 1.7)
            + 0.5 * wave(usize::from(actor), 0.9)
            + 0.3 * wave(10 * frame + usize::from(statement) + usize::from(actor), 2.3)
    })
}

/// A clip of each actor, emotion and statement, in both widths and both orders.
fn write_embeddings(root: &Path, actors: std::ops::RangeInclusive<u8>, frames: usize) {
    for actor in actors {
        for (index, &emotion) in EMOTIONS.iter().enumerate() {
            for statement in [1, 2] {
                let array = embeddings(actor, index, statement, frames);
                let path = root.join(ravdess_name(actor, emotion, statement)).with_extension("npy");
                match (frames, statement) {
                    (1, 1) => write_npy(path, &array.row(0)).unwrap(),
                    (_, 1) => write_npy(path, &array.mapv(f64::from)).unwrap(),
                    _ => {
                        let mut fortran = Array2::zeros((frames, BINS).f());
                        fortran.assign(&array);
                        write_npy(path, &fortran).unwrap();
                    }
                }
            }
        }
    }
}

fn config(more: &str) -> String {
    let normalizer = "[normalizer]\nutterance_mean = \"keep\"";
    format!("{CONFIG}\n[imported]\nname = \"toy\"\nn_bins = {BINS}\n{normalizer}\n{more}")
}

/// What `train` made of ten actors, once for all tests here.
struct Run {
    corpus: PathBuf,
    out: PathBuf,
}

static RUN: LazyLock<Run> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("imported");
    let _ = fs::remove_dir_all(&folder);
    let (corpus, out) = (folder.join("corpus"), folder.join("out"));
    fs::create_dir_all(&corpus).unwrap();
    write_embeddings(&corpus, 1..=10, 7);
    run_train(&folder, &config(""), &corpus, &out).success();
    Run { corpus, out }
});

impl Run {
    fn model(&self) -> PathBuf {
        self.out.join("model.safetensors")
    }

    fn report(&self) -> Value {
        serde_json::from_slice(&fs::read(self.out.join("report.json")).unwrap()).unwrap()
    }
}

fn run_train(folder: &Path, config: &str, corpus: &Path, out: &Path) -> Outcome {
    let mut command = example("train");
    command.arg("--config").arg(file(folder, "config.toml", config)).arg("--out").arg(out);
    Outcome::of(command.arg("--corpus").arg(format!("ravdess={}", corpus.display())))
}

/// The error of a training run that is refused.
fn refusal(config: &str, corpus: &Path) -> String {
    let folder = tempdir().unwrap();
    let outcome = run_train(folder.path(), config, corpus, &folder.path().join("out"));
    assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(1), ""), "{outcome:?}");
    outcome.stderr
}

fn recognize(model: &Path, arguments: &[&Path]) -> Outcome {
    Outcome::of(example("recognize").arg("--json").arg("--model").arg(model).args(arguments))
}

/// A folder with embeddings of one clip, two frames, and other files.
fn scene() -> (TempDir, PathBuf) {
    let folder = tempdir().unwrap();
    let path = folder.path().join("call.npy");
    write_npy(&path, &embeddings(77, 0, 9, 2)).unwrap();
    (folder, path)
}

#[test]
fn the_emotions_of_new_speakers_are_learned_and_evaluate_repeats_the_numbers() {
    let report = RUN.report();
    assert_eq!(report["test"]["honest"], true);
    assert_eq!(report["config"]["imported"]["name"], "toy");
    // Chance is 1/3; an emotion moves the embeddings four times as far as a speaker does.
    assert!(report["test"]["report"]["uar"].as_f64().unwrap() >= 0.8, "{report}");
    let mut evaluate = example("evaluate");
    evaluate.arg("--json").arg("--model").arg(RUN.model());
    evaluate.arg("--corpus").arg(format!("ravdess={}", RUN.corpus.display()));
    let evaluation = &Outcome::of(&mut evaluate).success().json_lines()[0];
    assert_eq!(evaluation["report"], report["test"]["report"]);
    assert_eq!(evaluation["left_out"]["known_speaker"], 60 - 12);
}

#[test]
fn the_manifest_stores_them_in_place_of_extracted_ones() {
    let manifest = ModelFile::parse(&fs::read(RUN.model()).unwrap()).manifest();
    assert_eq!(manifest["imported"], serde_json::json!({"name": "toy", "n_bins": BINS}));
    assert!(manifest.get("features").is_none() && manifest.get("level").is_none(), "{manifest}");
}

#[test]
fn features_are_recognised_without_the_rules_of_audio() {
    let (_folder, path) = scene();
    let lines = recognize(&RUN.model(), &[&path]).success().json_lines();
    assert_eq!(lines[0]["path"], path.to_str().unwrap());
    assert_eq!(lines[0]["duration"], Value::Null);
    assert_eq!(lines[0]["accepted"], true);
    assert!(lines[0].get("adapted").is_none());
    let recognizer = Recognizer::from_file(RUN.model()).unwrap();
    let from_memory = recognizer.recognize_recording(&Recording::Features(embeddings(77, 0, 9, 2))).unwrap();
    assert_eq!(lines[0]["emotion"], from_memory.emotion().to_string());
    assert_eq!(recognizer.recognize_file(&path).unwrap(), from_memory);

    let error = recognizer.recognize_recording(&Recording::Features(Array2::zeros((0, BINS)))).unwrap_err();
    assert!(error.to_string().contains("at least one frame"), "{error}");
    let outcome = recognize(&RUN.model(), &[Path::new("--timeline"), Path::new("1"), &path]);
    assert!(outcome.only_error().contains("a timeline needs audio"), "{outcome:?}");
}

#[test]
fn what_does_not_fit_the_model_is_named() {
    let (folder, path) = scene();
    let audio_model = file(folder.path(), "audio.safetensors", model());
    let wav = folder.path().join("clip.wav");
    common::write_channels(&wav, 16_000, &[&[100; 8000]]);
    let npy = |name: &str| folder.path().join(name);
    write_npy(npy("bins.npy"), &Array2::<f32>::zeros((3, BINS + 1))).unwrap();
    write_npy(npy("nan.npy"), &Array2::from_elem((3, BINS), f32::NAN)).unwrap();
    write_npy(npy("cube.npy"), &Array3::<f32>::zeros((1, 2, BINS))).unwrap();
    write_npy(npy("empty.npy"), &Array2::<f64>::zeros((0, BINS))).unwrap();
    write_npy(npy("integers.npy"), &Array1::<i64>::zeros(BINS)).unwrap();
    fs::write(npy("cut.npy"), &fs::read(&path).unwrap()[..150]).unwrap();
    // pickle.dumps([1.0]) under the name of an array.
    fs::write(npy("pickle.npy"), b"\x80\x04\x95\x0e\0\0\0\0\0\0\0]\x94G?\xf0\0\0\0\0\0\0a.").unwrap();
    let cases = [
        (&audio_model, path.clone(), "these are features (.npy), but the model takes audio"),
        (&RUN.model(), wav, "this is audio, but the model takes imported features (toy)"),
        (&RUN.model(), npy("bins.npy"), "have 13 bins a frame, but those of the model (toy) have 12"),
        (&RUN.model(), npy("nan.npy"), "bin 0 of frame 0 is NaN"),
        (&RUN.model(), npy("cube.npy"), "shape (1, 2, 12)"),
        (&RUN.model(), npy("empty.npy"), "at least one frame"),
        (&RUN.model(), npy("integers.npy"), "dtype '<i8'"),
        (&RUN.model(), npy("cut.npy"), "cut short or damaged: 22 bytes"),
        (&RUN.model(), npy("pickle.npy"), "cannot read"),
    ];
    for (model, path, reason) in cases {
        let outcome = recognize(model, &[&path]);
        let line = outcome.only_error();
        assert!(line.contains(path.to_str().unwrap()) && line.contains(reason), "{line} is not {reason}");
        let error = Recognizer::from_file(model).unwrap().recognize_file(&path).unwrap_err();
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}

#[test]
fn a_corpus_of_the_other_kind_is_refused_by_the_name_of_its_first_file() {
    let folder = tempdir().unwrap();
    write_ravdess(folder.path(), 1..=3, &EMOTIONS);
    let error = refusal(&config(""), folder.path());
    assert!(error.contains(".wav: this is audio, but the model takes imported features (toy)"), "{error}");
    let error = refusal(CONFIG, &RUN.corpus);
    assert!(error.contains(".npy: these are features (.npy), but the model takes audio"), "{error}");

    // Beside audio, features are no clips.
    write_embeddings(folder.path(), 1..=3, 7);
    let corpus = Corpus::ravdess(folder.path()).unwrap();
    assert_eq!(corpus.len(), 18);
    assert!(corpus.warning_lines().iter().any(|line| line.ends_with("features beside audio: skipped")));
}

#[test]
fn features_that_do_not_fit_the_configuration_are_refused() {
    let error = refusal(&config("").replace("n_bins = 12", "n_bins = 13"), &RUN.corpus);
    assert!(error.contains("none of its recordings could be read, such as cannot use "), "{error}");
    assert!(error.contains(".npy: the features have 12 bins a frame, but those of the model (toy) have 13"), "{error}");
    let error = refusal(&config("").replace("n_bins = 12", "n_bins = 0"), &RUN.corpus);
    assert!(error.contains("bins is 0"), "{error}");
    let error = refusal(&config("[features]\nhop_length = 200"), &RUN.corpus);
    assert!(error.contains("[imported] replaces [audio] and [features]"), "{error}");
    let error = refusal(&config("").replace("\"keep\"", "\"subtract\""), &RUN.corpus);
    assert!(error.contains("utterance_mean is subtract, but must be keep"), "{error}");
}

#[test]
fn the_same_features_in_two_parts_are_refused() {
    let folder = tempdir().unwrap();
    write_embeddings(folder.path(), 1..=3, 7);
    let name = |actor| folder.path().join(ravdess_name(actor, EMOTIONS[0], 1)).with_extension("npy");
    // The same values in float32: what counts is what is read.
    write_npy(name(1), &embeddings(2, 0, 1, 7)).unwrap();
    let error = refusal(&config(""), folder.path());
    assert!(error.contains("are the same recording"), "{error}");
}

#[test]
fn one_frame_a_recording_is_enough() {
    let folder = tempdir().unwrap();
    write_embeddings(folder.path(), 1..=10, 1);
    let corpus = Corpus::ravdess(folder.path()).unwrap();
    let train = |text: &str| train(&text.parse::<Config>().unwrap(), &corpus, |_| ());
    let trained = train(&config("")).unwrap();
    assert!(trained.test_report().uar >= 0.6, "{}", trained.test_report());
    let recognizer = Recognizer::from_bytes(trained.model()).unwrap();
    let prediction = recognizer.recognize_recording(&Recording::Features(embeddings(77, 0, 9, 1))).unwrap();
    assert!(prediction.confidence().is_finite());

    // But it has no statistics of its own.
    let error = train(&config("scope = \"utterance\"")).unwrap_err();
    let causes: Vec<_> = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
        .map(ToString::to_string)
        .collect();
    assert!(causes[0].starts_with("cannot normalise ") && causes[0].ends_with(".npy"), "{causes:?}");
    assert!(causes[1].contains("there are 1 frames, but at least 2 are needed"), "{causes:?}");
}

#[test]
fn imported_features_are_normalised_per_speaker_too() {
    let corpus = Corpus::ravdess(&RUN.corpus).unwrap();
    let config: Config = config("scope = \"speaker\"").parse().unwrap();
    let trained = train(&config, &corpus, |_| ()).unwrap();
    assert!(trained.evaluation().scope().contains("normalised per speaker"), "{}", trained.evaluation().scope());
    let (folder, path) = scene();
    let model = file(folder.path(), "model.safetensors", trained.model());
    assert!(recognize(&model, &[&path]).only_error().contains("--adapt FILE"));
    let lines = recognize(&model, &[Path::new("--adapt"), &path, &path]).success().json_lines();
    assert_eq!(lines[0]["adapted"], true);
}
