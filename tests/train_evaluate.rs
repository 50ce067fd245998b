//! The examples `train` and `evaluate` score a model on speakers that it never heard, say so, and refuse what would
//! not be honest.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{
    CONFIG, Csv, EMOTIONS, Outcome, example, file, ravdess_name, write_channels, write_emodb, write_folders,
    write_ravdess, write_wav,
};
use ser_core::{Config, Corpus, Emotion, Waveform};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use tempfile::tempdir;

const ACTORS: u8 = 10;
/// A clip of each actor, emotion and statement.
const CLIPS: usize = ACTORS as usize * EMOTIONS.len() * 2;
/// 15 % of ten actors, rounded, are two.
const TEST_CLIPS: usize = 2 * EMOTIONS.len() * 2;

/// A corpus under the names of RAVDESS and what `train` made of it, once for all tests here.
struct Run {
    corpus: PathBuf,
    out: PathBuf,
    outcome: Outcome,
}

static RUN: LazyLock<Run> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("train_evaluate");
    let _ = fs::remove_dir_all(&folder);
    let (corpus, out) = (folder.join("corpus"), folder.join("out"));
    write_ravdess(&corpus, 1..=ACTORS, &EMOTIONS);
    let config = file(&folder, "config.toml", CONFIG);
    let outcome = Outcome::of(&mut train(&config, "ravdess", &corpus, &out)).success();
    Run { corpus, out, outcome }
});

impl Run {
    fn report(&self) -> Value {
        json(&self.out.join("report.json"))
    }

    fn test_actors(&self) -> BTreeSet<u8> {
        let predictions = Csv::read(&self.out.join("predictions.csv")).only("part", "test");
        let speakers = predictions.column("speaker").into_iter();
        speakers.map(|speaker| speaker.strip_prefix("ravdess/").unwrap().parse().unwrap()).collect()
    }

    fn evaluate(&self, name: &str, corpus: &Path) -> Command {
        let mut command = example("evaluate");
        command.arg("--model").arg(self.out.join("model.safetensors"));
        command.arg("--corpus").arg(argument(name, corpus));
        command
    }
}

fn train(config: &Path, name: &str, corpus: &Path, out: &Path) -> Command {
    let mut command = example("train");
    command.arg("--config").arg(config).arg("--corpus").arg(argument(name, corpus)).arg("--out").arg(out);
    command
}

fn argument(name: &str, corpus: &Path) -> String {
    format!("{name}={}", corpus.display())
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// What `train` says when it refuses; it must not have written anything.
fn refusal(config: &str, name: &str, corpus: &Path) -> String {
    let folder = tempdir().unwrap();
    let out = folder.path().join("out");
    let outcome = Outcome::of(&mut train(&file(folder.path(), "config.toml", config), name, corpus, &out));
    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    assert!(outcome.stdout.is_empty() && !out.exists(), "{outcome:?}");
    assert!(outcome.stderr.starts_with("error: "), "{outcome:?}");
    outcome.stderr
}

#[test]
fn train_writes_its_results_and_a_checkpoint_and_says_where() {
    let files: BTreeSet<_> = fs::read_dir(&RUN.out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let expected = [
        "MODEL_CARD.md",
        "checkpoint.safetensors",
        "history.csv",
        "model.safetensors",
        "predictions.csv",
        "report.html",
        "report.json",
    ];
    assert_eq!(files, BTreeSet::from(expected.map(Into::into)));
    let last = RUN.outcome.stdout.lines().last().unwrap();
    assert_eq!(last, format!("written to {}", RUN.out.display()));
    let count = format!("number of clips is {CLIPS}, officially 1440: used as it is");
    let warnings: Vec<&str> = RUN.outcome.stderr.lines().filter(|line| !line.starts_with("epoch ")).collect();
    assert!(warnings.len() == 1 && warnings[0].starts_with("warning: ") && warnings[0].ends_with(&count));
}

#[test]
fn train_writes_all_without_a_validation_part_and_says_that_the_last_epoch_counts() {
    let folder = tempdir().unwrap();
    let last = "[training.early_stopping]\nbest_by = 'last'\n[split]\nvalidation = 'none'";
    let config = CONFIG.replace("max_epochs = 8", "max_epochs = 2");
    let config = file(folder.path(), "config.toml", format!("{config}\n{last}"));
    let out = folder.path().join("out");
    let outcome = Outcome::of(&mut train(&config, "ravdess", &RUN.corpus, &out)).success();
    assert!(outcome.stdout.starts_with("best epoch 2 of 2\n"), "{outcome:?}");
    assert_eq!(
        json(&out.join("report.json"))["guard"],
        "speakers disjoint, sentences shared; no validation part; last epoch"
    );
    assert_eq!(Csv::read(&out.join("history.csv")).column("valid_loss"), ["NaN"; 2]);
    let first = outcome.stderr.lines().find(|line| line.starts_with("epoch 1/2: training loss ")).unwrap();
    assert!(!outcome.stderr.contains("NaN") && !first.contains("validation"), "{outcome:?}");
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("Training curves") && !page.contains("NaN"));
    let card = fs::read_to_string(out.join("MODEL_CARD.md")).unwrap();
    for text in [page, card] {
        assert!(
            text.contains("Not calibrated: there was no validation part.")
                && !text.contains("fitted on the validation")
        );
    }
}

#[test]
fn history_has_every_epoch_and_the_best_is_that_of_the_lowest_validation_loss() {
    let history = Csv::read(&RUN.out.join("history.csv"));
    assert_eq!(history.column("epoch"), ["1", "2", "3", "4", "5", "6", "7", "8"]);
    let losses: Vec<f64> = history.column("valid_loss").iter().map(|loss| loss.parse().unwrap()).collect();
    assert!(losses.iter().all(|loss| loss.is_finite()), "{losses:?}");
    let best = (1..=losses.len()).min_by(|a, b| losses[a - 1].total_cmp(&losses[b - 1])).unwrap();
    assert_eq!(RUN.report()["best_epoch"], best);
    assert_eq!(history.column("is_best")[best - 1], "true");
    assert!(RUN.outcome.stdout.starts_with(&format!("best epoch {best} of 8\n")), "{:?}", RUN.outcome);
}

#[test]
fn scores_are_those_of_the_predictions() {
    let predictions = Csv::read(&RUN.out.join("predictions.csv"));
    // The validation part has as many speakers.
    assert_eq!(predictions.rows.len(), 2 * TEST_CLIPS);
    let predictions = predictions.only("part", "test");
    assert_eq!(predictions.rows.len(), TEST_CLIPS);
    let paths: BTreeSet<_> = predictions.column("path").into_iter().collect();
    assert_eq!(paths.len(), TEST_CLIPS);
    assert!(paths.iter().all(|path| Path::new(path).is_file()));

    let columns = ["angry", "neutral", "sad"].map(|emotion| (emotion, predictions.column(&format!("p_{emotion}"))));
    let mut classes = BTreeMap::<&str, (u32, u32)>::new();
    for (row, (truth, prediction)) in
        predictions.column("truth").into_iter().zip(predictions.column("prediction")).enumerate()
    {
        let probability = |(_, column): &(&str, Vec<&str>)| column[row].parse::<f64>().unwrap();
        // Three f32 quotients of one sum: each is rounded by at most 2^-25.
        assert!((columns.iter().map(probability).sum::<f64>() - 1.0).abs() < 2e-7);
        let largest = columns.iter().max_by(|a, b| probability(a).total_cmp(&probability(b))).unwrap();
        assert_eq!(largest.0, prediction);
        let (right, all) = classes.entry(truth).or_default();
        *right += u32::from(truth == prediction);
        *all += 1;
    }
    assert!(classes.values().all(|(_, all)| *all == 4), "{classes:?}");
    let right: u32 = classes.values().map(|(right, _)| right).sum();
    let recalls = classes.values().map(|(right, all)| f64::from(*right) / f64::from(*all));
    let report = &RUN.report()["test"]["report"];
    // f64 sums of three quotients; one clip more or less moves either score by 0.08.
    let near = |name: &str, value: f64| (report[name].as_f64().unwrap() - value).abs() < 1e-12;
    assert!(near("accuracy", f64::from(right) / TEST_CLIPS as f64), "{right} right; {report}");
    assert!(near("uar", recalls.sum::<f64>() / 3.0), "{classes:?}; {report}");
}

#[test]
fn the_small_network_learns_the_emotions_of_new_speakers() {
    // Chance is 1/3; the synthetic emotions differ in pitch, rate and tilt by much more than the speakers do.
    let uar = RUN.report()["test"]["report"]["uar"].as_f64().unwrap();
    assert!(uar >= 0.6, "{uar}");
}

#[test]
fn train_scores_speakers_that_are_in_no_other_part() {
    let report = RUN.report();
    assert_eq!(report["guard"], "speakers disjoint, sentences shared");
    let scope = format!("{TEST_CLIPS} clips of 2 named speakers; speakers disjoint from training and validation");
    assert_eq!(report["test"]["scope"], scope);
    assert_eq!(report["test"]["honest"], true);
    let uar = report["test"]["report"]["uar"].as_f64().unwrap();
    assert!(RUN.outcome.stdout.contains(&format!("{scope}; unweighted average recall {uar:.4}\n")));
}

#[test]
fn evaluate_scores_the_test_speakers_alone_and_repeats_the_numbers_of_train() {
    let out = tempdir().unwrap();
    let outcome =
        Outcome::of(RUN.evaluate("ravdess", &RUN.corpus).arg("--json").arg("--out").arg(out.path())).success();
    let [evaluation] = &outcome.json_lines()[..] else { panic!("{outcome:?}") };
    assert_eq!(evaluation["left_out"]["known_speaker"], CLIPS - TEST_CLIPS);
    assert_eq!(evaluation["scope"], RUN.report()["test"]["scope"]);
    assert_eq!(evaluation["honest"], true);
    assert_eq!(evaluation["report"], RUN.report()["test"]["report"]);
    assert_eq!(*evaluation, json(&out.path().join("report.json")));
    assert_eq!(evaluation["statistics"], RUN.report()["test"]["statistics"]);
    let predictions = |folder: &Path| Csv::read(&folder.join("predictions.csv"));
    assert_eq!(predictions(out.path()), predictions(&RUN.out).only("part", "test"));
}

#[test]
fn a_score_on_known_speakers_is_marked_in_its_line() {
    let out = tempdir().unwrap();
    let outcome =
        Outcome::of(RUN.evaluate("ravdess", &RUN.corpus).args(["--part", "all"]).arg("--out").arg(out.path()))
            .success();
    let line = outcome.stdout.lines().next().unwrap();
    let expected = format!(
        "{CLIPS} clips of {ACTORS} named speakers; NOT HONEST: the model was trained or validated on {} of these",
        CLIPS - TEST_CLIPS
    );
    assert!(line.starts_with(&expected) && line.contains("unweighted average recall 0."), "{line}");
    assert_eq!(json(&out.path().join("report.json"))["honest"], false);
    let parts = Csv::read(&out.path().join("predictions.csv"));
    assert_eq!(parts.column("part").into_iter().filter(|part| *part == "test").count(), TEST_CLIPS);
}

#[test]
fn corpora_merge_and_emotions_that_the_model_does_not_know_are_left_out() {
    let emodb = tempdir().unwrap();
    write_emodb(emodb.path(), [3, 8], &[Emotion::Angry, Emotion::Boredom, Emotion::Sad]);
    let mut command = RUN.evaluate("ravdess", &RUN.corpus);
    let outcome = Outcome::of(command.arg("--corpus").arg(argument("emodb", emodb.path())).arg("--json")).success();
    let evaluation = &outcome.json_lines()[0];
    assert_eq!(evaluation["left_out"]["other_emotion"], 2);
    assert_eq!(evaluation["left_out"]["known_speaker"], CLIPS - TEST_CLIPS);
    let scope = evaluation["scope"].as_str().unwrap();
    assert!(scope.starts_with(&format!("{} clips of 4 named speakers; speakers disjoint", TEST_CLIPS + 4)), "{scope}");
}

#[test]
fn a_recording_that_is_scored_twice_is_named() {
    let folder = tempdir().unwrap();
    write_folders(folder.path(), &["max"], &EMOTIONS);
    fs::copy(folder.path().join("sad/max/a.wav"), folder.path().join("sad/max/b.wav")).unwrap();
    let outcome = Outcome::of(RUN.evaluate("folder", folder.path()).arg("--json")).success();
    let warning = outcome.json_lines()[0]["warnings"][0].as_str().unwrap().to_owned();
    assert!(warning.starts_with("1 of the scored clips are recordings that are scored before, such as "), "{warning}");
    assert!(outcome.stderr.contains(&warning) && warning.contains("b.wav, which is "), "{outcome:?}");
}

#[test]
fn a_training_clip_is_left_out_under_any_name() {
    let tested = RUN.test_actors();
    let trained = (1..=ACTORS).find(|actor| !tested.contains(actor)).unwrap();
    let copied = RUN.corpus.join(format!("Actor_{trained:02}")).join(ravdess_name(trained, Emotion::Angry, 1));
    let folder = tempdir().unwrap();
    write_folders(folder.path(), &["max", "zoe"], &EMOTIONS);
    fs::copy(copied, folder.path().join("angry/zoe/call.wav")).unwrap();

    let outcome = Outcome::of(RUN.evaluate("folder", folder.path()).arg("--json")).success();
    let evaluation = &outcome.json_lines()[0];
    assert_eq!(evaluation["left_out"]["known_clip"], 1);
    // Whose recording is known is known, too.
    assert_eq!(evaluation["left_out"]["known_speaker"], EMOTIONS.len());
    assert_eq!(evaluation["report"]["macro_avg"]["support"], EMOTIONS.len());
    assert_eq!(evaluation["honest"], false);
    let scope = evaluation["scope"].as_str().unwrap();
    assert!(scope.contains("this corpus is called folder, that of training ravdess"), "{scope}");
}

#[test]
fn what_no_reader_took_stands_in_the_report() {
    let folder = tempdir().unwrap();
    write_folders(folder.path(), &["max"], &EMOTIONS);
    fs::create_dir(folder.path().join("Freude")).unwrap();
    fs::copy(folder.path().join("sad/max/a.wav"), folder.path().join("Freude/b.wav")).unwrap();
    let outcome = Outcome::of(RUN.evaluate("folder", folder.path()).arg("--json")).success();
    let warning = outcome.json_lines()[0]["warnings"][0].as_str().unwrap().to_owned();
    assert!(warning.contains("in no folder named after an emotion, but in \"Freude\""), "{warning}");
}

#[test]
fn an_evaluation_does_not_replace_the_report_of_training() {
    let before = fs::read(RUN.out.join("report.json")).unwrap();
    let outcome = Outcome::of(RUN.evaluate("ravdess", &RUN.corpus).arg("--out").arg(&RUN.out));
    assert!(outcome.only_error().contains("history.csv is in the way"), "{outcome:?}");
    assert!(fs::read(RUN.out.join("report.json")).unwrap() == before);
}

#[test]
fn a_folder_that_cannot_be_written_is_named_before_anything_is_scored() {
    let folder = tempdir().unwrap();
    let taken = file(folder.path(), "taken", "a file");
    // A corpus that is not there would be named first, were it read before.
    let outcome = Outcome::of(RUN.evaluate("ravdess", &folder.path().join("missing")).arg("--out").arg(&taken));
    assert!(outcome.only_error().contains(taken.to_str().unwrap()), "{outcome:?}");
}

#[test]
fn a_folder_belongs_to_one_kind_of_run() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("out");
    let config = file(folder.path(), "config.toml", CONFIG.replace("max_epochs = 8", "max_epochs = 1"));
    let mut cross_validate = example("cross_validate");
    cross_validate.arg("--config").arg(&config).arg("--corpus").arg(format!("ravdess={}", RUN.corpus.display()));
    cross_validate.args(["--protocol", "speakers"]);
    Outcome::of(cross_validate.arg("--out").arg(&out)).success();
    let before = fs::read(out.join("report.json")).unwrap();
    let trained = Outcome::of(&mut train(&config, "ravdess", &RUN.corpus, &out));
    assert!(trained.only_error().contains("resume.json is in the way"), "{trained:?}");
    let evaluated = Outcome::of(RUN.evaluate("ravdess", &RUN.corpus).arg("--out").arg(&out));
    assert!(evaluated.only_error().contains("resume.json is in the way"), "{evaluated:?}");
    let space = file(folder.path(), "space.toml", "method = 'grid'\n[space]\n'training.learning_rate' = [1e-3]");
    let search = |out: &Path| {
        let mut search = example("search");
        search.arg("--config").arg(&config).arg("--corpus").arg(format!("ravdess={}", RUN.corpus.display()));
        Outcome::of(search.arg("--space").arg(&space).args(["--trials", "1"]).arg("--out").arg(out))
    };
    let searched = search(&out);
    assert!(searched.only_error().contains("resume.json is in the way"), "{searched:?}");
    assert!(fs::read(out.join("report.json")).unwrap() == before);

    let scored = folder.path().join("scored");
    Outcome::of(RUN.evaluate("ravdess", &RUN.corpus).arg("--out").arg(&scored)).success();
    let trained = Outcome::of(&mut train(&config, "ravdess", &RUN.corpus, &scored));
    assert!(trained.only_error().contains("report.json is in the way"), "{trained:?}");
    let searched = search(&scored);
    assert!(searched.only_error().contains("report.json is in the way"), "{searched:?}");
}

#[test]
fn what_no_run_left_stays() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("out");
    let config = file(folder.path(), "config.toml", CONFIG.replace("max_epochs = 8", "max_epochs = 1"));
    fs::create_dir(&out).unwrap();
    fs::write(out.join("checkpoint-2.safetensors"), "mine").unwrap();
    Outcome::of(&mut train(&config, "ravdess", &RUN.corpus, &out)).success();
    assert_eq!(fs::read_to_string(out.join("checkpoint-2.safetensors")).unwrap(), "mine");

    // A history of another tool is no sign that the rest is ours.
    let [trained, scored, searched, begun] =
        ["trained", "scored", "searched", "begun"].map(|name| folder.path().join(name));
    for (out, files) in [
        (&trained, ["history.csv", "model.safetensors"]),
        (&scored, ["report.html", "robustness.csv"]),
        (&searched, ["resume.json", "trials.csv"]),
        (&begun, ["history.csv", "checkpoint.safetensors"]),
    ] {
        fs::create_dir(out).unwrap();
        files.iter().for_each(|name| fs::write(out.join(name), "epoch,loss\n").unwrap());
    }
    let outcome = Outcome::of(&mut train(&config, "ravdess", &RUN.corpus, &trained));
    assert!(outcome.only_error().contains("model.safetensors is in the way"), "{outcome:?}");
    let outcome = Outcome::of(&mut train(&config, "ravdess", &RUN.corpus, &begun));
    assert!(outcome.only_error().contains("history.csv is in the way"), "{outcome:?}");
    let outcome = Outcome::of(RUN.evaluate("ravdess", &RUN.corpus).arg("--out").arg(&scored));
    assert!(outcome.only_error().contains("report.html is in the way"), "{outcome:?}");
    let space = file(folder.path(), "space.toml", "method = 'grid'\n[space]\n'training.learning_rate' = [1e-3]");
    let mut search = example("search");
    search.arg("--config").arg(&config).arg("--corpus").arg(format!("ravdess={}", RUN.corpus.display()));
    let outcome = Outcome::of(search.arg("--space").arg(&space).args(["--trials", "1"]).arg("--out").arg(&searched));
    assert!(outcome.only_error().contains("resume.json is in the way"), "{outcome:?}");
    for path in [
        trained.join("history.csv"),
        scored.join("robustness.csv"),
        searched.join("trials.csv"),
        begun.join("checkpoint.safetensors"),
    ] {
        assert_eq!(fs::read_to_string(path).unwrap(), "epoch,loss\n");
    }
    assert_eq!(fs::read_dir(&trained).unwrap().count(), 2);
}

#[test]
fn what_an_earlier_run_left_goes_before_the_first_epoch() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("out");
    let config = file(folder.path(), "config.toml", CONFIG.replace("max_epochs = 8", "max_epochs = 1"));
    Outcome::of(&mut train(&config, "ravdess", &RUN.corpus, &out)).success();
    fs::write(out.join("history-2.csv"), "of an ensemble").unwrap();
    fs::write(out.join("checkpoint-2.safetensors"), "of an ensemble").unwrap();
    fs::write(out.join("notes.txt"), "mine").unwrap();
    let diverging = CONFIG.replace("learning_rate = 0.003", "learning_rate = 1e30");
    let diverging = file(folder.path(), "diverging.toml", diverging);
    let failed = Outcome::of(&mut train(&diverging, "ravdess", &RUN.corpus, &out));
    assert!(failed.stderr.contains("lower the learning rate"), "{failed:?}");
    for name in [
        "model.safetensors",
        "report.json",
        "report.html",
        "predictions.csv",
        "MODEL_CARD.md",
        "history-2.csv",
        "checkpoint-2.safetensors",
    ] {
        assert!(!out.join(name).exists(), "{name}");
    }
    assert!(out.join("notes.txt").exists());
}

#[test]
fn a_score_without_known_speakers_does_not_claim_to_be_honest() {
    let folder = tempdir().unwrap();
    write_folders(folder.path(), &["."], &EMOTIONS);
    let outcome = Outcome::of(RUN.evaluate("folder", folder.path()).arg("--json")).success();
    let evaluation = &outcome.json_lines()[0];
    assert_eq!(evaluation["honest"], false);
    assert!(evaluation["scope"].as_str().unwrap().contains("speakers of 3 clips unknown"), "{evaluation}");
}

#[test]
fn nothing_left_to_score_says_what_became_of_the_clips() {
    let tested = RUN.test_actors();
    let folder = tempdir().unwrap();
    write_ravdess(folder.path(), (1..=ACTORS).filter(|actor| !tested.contains(actor)), &[Emotion::Sad]);
    let outcome = Outcome::of(&mut RUN.evaluate("ravdess", folder.path()));
    let line = outcome.only_error();
    assert!(line.contains("of 16 clips, 16 are of speakers"), "{line}");
}

#[test]
fn a_corpus_without_speakers_is_refused_with_the_fix() {
    let folder = tempdir().unwrap();
    write_folders(folder.path(), &["."], &EMOTIONS);
    let error = refusal(CONFIG, "folder", folder.path());
    assert!(error.contains("no speaker") && error.contains("EMOTION/SPEAKER/"), "{error}");
}

#[test]
fn too_few_speakers_for_three_parts_are_refused() {
    let folder = tempdir().unwrap();
    write_folders(folder.path(), &["ann", "ben"], &EMOTIONS);
    let error = refusal(CONFIG, "folder", folder.path());
    assert!(error.contains("at least 3") && error.contains("there are 2"), "{error}");
}

#[test]
fn one_recording_in_two_parts_is_refused() {
    let folder = tempdir().unwrap();
    // Of three speakers each part gets one, so two speakers are always in two parts.
    write_folders(folder.path(), &["ann", "ben", "cho"], &EMOTIONS);
    let (first, second) = (folder.path().join("sad/ann/a.wav"), folder.path().join("sad/cho/renamed.wav"));
    fs::copy(&first, &second).unwrap();
    let error = refusal(CONFIG, "folder", folder.path());
    assert!(error.contains("are the same recording") && error.contains("not be honest"), "{error}");
    assert!(!error.contains("more such pairs"), "{error}");
    for path in [first, second] {
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
    for speaker in ["ann", "ben"] {
        fs::copy(
            folder.path().join(format!("angry/{speaker}/a.wav")),
            folder.path().join("angry/cho/").join(speaker.to_owned() + ".wav"),
        )
        .unwrap();
    }
    let error = refusal(CONFIG, "folder", folder.path());
    assert!(error.contains(", and so are 2 more such pairs: the score"), "{error}");
}

#[test]
fn a_recording_under_two_emotions_is_learned_with_a_warning() {
    let folder = tempdir().unwrap();
    write_folders(folder.path(), &["ann", "ben", "cho", "dee"], &EMOTIONS);
    for speaker in ["ann", "ben", "cho", "dee"] {
        let [sad, angry] = ["sad", "angry"].map(|emotion| folder.path().join(emotion).join(speaker));
        fs::copy(sad.join("a.wav"), angry.join("same.wav")).unwrap();
    }
    let trained = ser_core::train(&CONFIG.parse().unwrap(), &Corpus::folder(folder.path()).unwrap(), |_| ()).unwrap();
    let warnings = trained.warnings().join("\n");
    assert!(
        warnings.contains("2 of the training clips are recordings that are there under another emotion, such as"),
        "{warnings}"
    );
}

#[test]
fn a_copy_that_was_changed_is_known_by_its_sound() {
    let folder = tempdir().unwrap();
    write_folders(folder.path(), &["ann", "ben", "cho"], &EMOTIONS);
    let original = folder.path().join("sad/ann/a.wav");
    let copy = folder.path().join("sad/cho/renamed.wav");
    let waveform = Waveform::from_file(&original).unwrap().resample(22_050).unwrap();
    let quieter = waveform.samples().iter().map(|sample| 0.5 * sample).collect();
    write_wav(&copy, &Waveform::new(quieter, 22_050).unwrap());
    let error = refusal(CONFIG, "folder", folder.path());
    assert!(error.contains("are the same recording by their sound"), "{error}");
    for path in [original, copy] {
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
}

#[test]
fn a_re_encoded_copy_is_known_by_its_sound() {
    let folder = tempdir().unwrap();
    write_folders(folder.path(), &["ann", "ben", "cho"], &EMOTIONS);
    // A synthetic voice, and the same after an MP3 encoder at 64 kbit/s.
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/ser-experiment/tests/assets");
    let (original, copy) = (folder.path().join("sad/ann/z.flac"), folder.path().join("sad/cho/call.mp3"));
    fs::copy(assets.join("utterance.flac"), &original).unwrap();
    fs::copy(assets.join("copy.mp3"), &copy).unwrap();
    let error = refusal(CONFIG, "folder", folder.path());
    assert!(error.contains("are the same recording by their sound"), "{error}");
    for path in [original, copy] {
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
}

#[test]
fn a_recording_that_a_speaker_has_twice_is_not_tested_where_speakers_are_shared() {
    let folder = tempdir().unwrap();
    write_ravdess(folder.path(), 1..=6, &EMOTIONS);
    // As actor 7 of the release: two repetitions are one recording.
    let first = folder.path().join("Actor_03").join(ravdess_name(3, EMOTIONS[0], 1));
    let second = first.with_file_name(first.file_name().unwrap().to_str().unwrap().replace("-01-03.wav", "-02-03.wav"));
    fs::copy(&first, &second).unwrap();
    let corpus = Corpus::ravdess(folder.path()).unwrap();
    let mut left_out = 0;
    for fold in 1..=4 {
        let split = format!("[split]\nprotocol = 'random-kfold:4'\nfold = {fold}");
        let config: Config = format!("{CONFIG}\n{split}").replace("max_epochs = 8", "max_epochs = 1").parse().unwrap();
        let trained = ser_core::train(&config, &corpus, |_| ()).unwrap();
        left_out += trained.warnings().iter().filter(|line| line.contains("is the same recording as")).count();
    }
    assert!(left_out > 0, "no fold tests one and trains on the other");
}

#[test]
fn an_unreadable_recording_is_named_and_left_out() {
    let folder = tempdir().unwrap();
    let corpus = folder.path().join("corpus");
    write_folders(&corpus, &["ann", "ben", "cho"], &EMOTIONS);
    // Two more for each speaker, so that every part has them: one that is no audio, and one at a rate too low.
    let speakers = ["ann", "ben", "cho"].map(|speaker| corpus.join("angry").join(speaker));
    let pointers = speakers.each_ref().map(|f| file(f, "broken.wav", "<html>404</html>\n"));
    let slow = speakers.map(|folder| folder.join("slow.wav"));
    slow.iter().for_each(|path| write_channels(path, 1_000, &[&[9, -8, 7]]));
    let broken = [pointers, slow].concat();
    let out = folder.path().join("out");
    let config = file(folder.path(), "config.toml", CONFIG);
    let trained = Outcome::of(&mut train(&config, "folder", &corpus, &out)).success();
    for path in &broken {
        let named = |line: &str| line.starts_with("warning: ") && line.contains(path.to_str().unwrap());
        assert_eq!(trained.stderr.lines().filter(|line| named(line)).count(), 1, "{trained:?}");
    }
    let report = json(&out.join("report.json"));
    assert_eq!(report["warnings"].as_array().unwrap().len(), 6, "{report}");
    assert_eq!(report["test"]["left_out"]["unreadable"], 2, "{report}");

    let scored = Outcome::of(RUN.evaluate("folder", &corpus).arg("--json"));
    assert_eq!(scored.status, Some(1), "{scored:?}");
    assert_eq!(scored.stderr.lines().count(), 6, "{scored:?}");
    for (line, path) in scored.stderr.lines().zip(&broken) {
        assert!(line.starts_with("error: ") && line.contains(path.to_str().unwrap()), "{scored:?}");
    }
    let evaluation = &scored.json_lines()[0];
    assert_eq!(evaluation["left_out"]["unreadable"], 6);
    assert_eq!(evaluation["report"]["macro_avg"]["support"], 9);
}

#[test]
fn a_class_without_clips_is_named() {
    let config = CONFIG.replace(r#"labels = "own""#, r#"labels = { classes = ["angry", "fear", "neutral", "sad"] }"#);
    let error = refusal(&config, "ravdess", &RUN.corpus);
    assert!(error.contains("class fear has no clip in the training part"), "{error}");
}

#[test]
fn a_key_that_is_misspelt_is_named_with_its_file() {
    let error = refusal(&CONFIG.replace("max_epochs", "max_epoch"), "ravdess", &RUN.corpus);
    assert!(error.contains("config.toml") && error.contains("unknown field `max_epoch`"), "{error}");
}

#[test]
fn a_missing_corpus_is_named() {
    let missing = RUN.corpus.join("missing");
    let error = refusal(CONFIG, "ravdess", &missing);
    assert!(error.contains(missing.to_str().unwrap()), "{error}");
}

#[test]
fn an_unknown_corpus_name_lists_the_known_ones() {
    let folder = tempdir().unwrap();
    let config = file(folder.path(), "config.toml", CONFIG);
    let outcome = Outcome::of(&mut train(&config, "ravdes", &RUN.corpus, &folder.path().join("out")));
    assert_ne!(outcome.status, Some(0), "{outcome:?}");
    assert!(
        outcome
            .stderr
            .contains("\"ravdes\": use one of crema-d, ravdess, savee, tess, emodb, nemo, emovo, folder, csv, emobox"),
        "{outcome:?}"
    );
}
