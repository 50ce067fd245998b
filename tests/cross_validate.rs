//! The example `cross_validate` trains and scores every fold, goes on after it was killed, and says what its folds share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{CONFIG, Csv, EMOTIONS, Outcome, example, file, ravdess_name, write_emodb, write_ravdess};
use ser_core::Emotion;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::{TempDir, tempdir};

const ACTORS: u8 = 6;

/// A folder with a corpus under the names of RAVDESS in `corpus` and a configuration.
fn folder(more: &str) -> (TempDir, PathBuf) {
    let folder = tempdir().unwrap();
    write_ravdess(&folder.path().join("corpus"), 1..=ACTORS, &EMOTIONS);
    let config = CONFIG.replace("max_epochs = 8", "max_epochs = 3");
    let config = file(folder.path(), "config.toml", format!("{config}\n{more}"));
    (folder, config)
}

fn cross_validate(folder: &Path, config: &Path, protocol: &str, out: &str) -> Command {
    let mut command = example("cross_validate");
    command.arg("--config").arg(config).arg("--corpus").arg(format!("ravdess={}", folder.join("corpus").display()));
    command.args(["--protocol", protocol]).arg("--out").arg(folder.join(out));
    command
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len() as f64
}

/// Of a sample.
fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values.iter().copied());
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0)).sqrt()
}

#[test]
fn every_fold_and_seed_is_scored_and_summed_up() {
    let (folder, config) = folder("");
    let folder = folder.path();
    let outcome = Outcome::of(cross_validate(folder, &config, "loso", "out").args(["--seeds", "2"])).success();
    let report = json(&folder.join("out/report.json"));
    assert_eq!((&report["folds"], &report["seeds"]), (&6.into(), &serde_json::json!([5, 6])));
    assert_eq!((&report["speakers"], &report["honest"]), (&"disjoint".into(), &true.into()));
    assert_eq!(report["guard"], serde_json::json!(["speakers disjoint, sentences shared"]));
    assert!(report["parameters"].as_u64().unwrap() > 1000);

    // All is computed again from the predictions.
    let predictions = Csv::read(&folder.join("out/predictions.csv"));
    let [folds, seeds, truths, recognised] =
        ["fold", "seed", "truth", "prediction"].map(|name| predictions.column(name));
    assert_eq!(predictions.rows.len(), 2 * 36);
    let runs = report["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 12);
    let mut scores = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        let (fold, seed) = (index % 6 + 1, index / 6 + 5);
        assert_eq!((&run["fold"], &run["seed"]), (&fold.into(), &seed.into()));
        assert_eq!(run["protocol"], format!("loso, fold {fold} of 6, speaker ravdess/{fold:02}"));
        assert_eq!(run["guard"], format!("speakers disjoint, sentences shared; fold {fold} of 6"));
        let rows: Vec<usize> =
            (0..72).filter(|&row| folds[row] == fold.to_string() && seeds[row] == seed.to_string()).collect();
        assert_eq!(run["clips"], serde_json::json!([24, 6, 6]));
        let right = |rows: &[usize]| rows.iter().filter(|&&row| truths[row] == recognised[row]).count() as f64;
        let uar = mean(["angry", "neutral", "sad"].into_iter().map(|emotion| {
            let of: Vec<usize> = rows.iter().copied().filter(|&row| truths[row] == emotion).collect();
            right(&of) / of.len() as f64
        }));
        // Sums of few quotients in doubles.
        assert!((run["uar"].as_f64().unwrap() - uar).abs() < 1e-12);
        assert!((run["accuracy"].as_f64().unwrap() - right(&rows) / 6.0).abs() < 1e-12);
        scores.push(uar);
    }
    let of_folds: Vec<f64> = (0..6).map(|fold| (scores[fold] + scores[fold + 6]) / 2.0).collect();
    let of_seeds: Vec<f64> = scores.chunks(6).map(|scores| mean(scores.iter().copied())).collect();
    let near = |name: &str, expected: f64| {
        let value = report["uar"][name].as_f64().unwrap();
        assert!((value - expected).abs() < 1e-12, "{name}: {value}, {expected}");
    };
    near("mean", mean(scores.iter().copied()));
    near("std_over_folds", deviation(&of_folds));
    near("std_over_seeds", deviation(&of_seeds));
    let counts: u64 = report["pooled"]["confusion_matrix"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row.as_array().unwrap())
        .map(|n| n.as_u64().unwrap())
        .sum();
    assert_eq!(counts, 72);

    // The seeds together: the means of their probabilities.
    let classes = ["angry", "neutral", "sad"];
    let probabilities = classes.map(|class| -> Vec<f64> {
        predictions.column(&format!("p_{class}")).iter().map(|p| p.parse().unwrap()).collect()
    });
    let of_folds = (1..=6).map(|fold: usize| {
        let rows: Vec<usize> = (0..72).filter(|&row| folds[row] == fold.to_string() && seeds[row] == "5").collect();
        mean(classes.into_iter().enumerate().map(|(class, emotion)| {
            let of: Vec<usize> = rows.iter().copied().filter(|&row| truths[row] == emotion).collect();
            // The clips of a fold have the same order with each seed; there are 36 of them.
            let sum = |row: usize, class: usize| probabilities[class][row] + probabilities[class][row + 36];
            let is_right = |row: &&usize| (0..3).all(|other| sum(**row, class) >= sum(**row, other));
            of.iter().filter(is_right).count() as f64 / of.len() as f64
        }))
    });
    let together = report["ensemble"]["uar"]["mean"].as_f64().unwrap();
    assert!((together - mean(of_folds)).abs() < 1e-12, "{together}");

    assert!(outcome.stdout.starts_with("protocol loso: 6 folds × 2 seeds, speakers disjoint; "), "{outcome:?}");
    assert!(outcome.stdout.contains("together, their probabilities averaged:"), "{outcome:?}");
    assert!(outcome.stdout.contains("\nspeakers disjoint, sentences shared\n"), "{outcome:?}");
    let mean = report["uar"]["mean"].as_f64().unwrap();
    assert!(outcome.stdout.contains(&format!("\nUAR       {mean:.4} ± ")), "{outcome:?}");
    assert_eq!(outcome.stdout.matches("speaker ravdess/0").count(), 12, "{outcome:?}");

    let page = fs::read_to_string(folder.join("out/report.html")).unwrap();
    for part in [
        "Protocol loso: speakers disjoint, sentences shared.",
        "fold 6, seed 6",
        &format!("{mean:.4}"),
        "--seeds 2",
        "UAR of the networks of all seeds together",
        &format!("{together:.4}"),
    ] {
        assert!(page.contains(part), "{part}");
    }

    let printed =
        Outcome::of(cross_validate(folder, &config, "loso", "out").args(["--seeds", "2", "--resume", "--json"]));
    assert_eq!(printed.success().json_lines(), [report]);
}

#[test]
fn some_of_the_folds_are_run_and_the_result_says_so() {
    let (folder, config) = folder("");
    let folder = folder.path();
    let outcome = Outcome::of(cross_validate(folder, &config, "loso", "out").args(["--folds", "2"])).success();
    assert!(outcome.stdout.starts_with("protocol loso: the first 2 of 6 folds × 1 seed, "), "{outcome:?}");
    let report = json(&folder.join("out/report.json"));
    assert_eq!((&report["folds"], &report["folds_of_protocol"]), (&2.into(), &6.into()));
    assert_eq!(report["runs"].as_array().unwrap().len(), 2);
    assert!(report["ensemble"].is_null());

    // The others follow later, and those that are there stay.
    let more = Outcome::of(cross_validate(folder, &config, "loso", "out").args(["--folds", "3", "--resume"])).success();
    assert!(more.stdout.starts_with("protocol loso: the first 3 of 6 folds × 1 seed, "), "{more:?}");
    let outcome = Outcome::of(cross_validate(folder, &config, "loso", "out").args(["--folds", "7"]));
    assert!(outcome.only_error().contains("folds"), "{outcome:?}");
}

#[test]
fn a_killed_run_goes_on_and_gives_the_bytes_of_an_unbroken_one() {
    let (folder, config) = folder("");
    let folder = folder.path();
    Outcome::of(&mut cross_validate(folder, &config, "speaker-kfold:3", "unbroken")).success();
    let runs = folder.join("killed/runs");
    let finished = || {
        fs::read_dir(&runs).map_or(0, |entries| {
            entries
                .filter(|entry| {
                    entry.as_ref().is_ok_and(|entry| entry.path().extension().is_some_and(|ending| ending == "json"))
                })
                .count()
        })
    };
    for so_far in 1..=2 {
        let mut command = cross_validate(folder, &config, "speaker-kfold:3", "killed");
        if so_far > 1 {
            command.arg("--resume");
        }
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let start = Instant::now();
        while finished() < so_far && start.elapsed() < Duration::from_secs(300) {
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!folder.join("killed/report.json").exists(), "it ended before it was killed");
    }
    let before = fs::metadata(runs.join("fold-1-seed-5.json")).unwrap().modified().unwrap();
    Outcome::of(cross_validate(folder, &config, "speaker-kfold:3", "killed").arg("--resume")).success();
    assert_eq!(fs::metadata(runs.join("fold-1-seed-5.json")).unwrap().modified().unwrap(), before, "trained again");
    for name in ["report.json", "predictions.csv"] {
        let read = |out: &str| fs::read(folder.join(out).join(name)).unwrap();
        assert!(read("killed") == read("unbroken"), "{name}");
    }

    // Another configuration must not be mixed in; without --resume it starts anew.
    let other = file(folder, "other.toml", CONFIG.replace("max_epochs = 8", "max_epochs = 1"));
    let refused = Outcome::of(cross_validate(folder, &other, "speaker-kfold:3", "killed").arg("--resume"));
    assert!(refused.only_error().contains("holds results of another configuration"), "{refused:?}");
    Outcome::of(&mut cross_validate(folder, &other, "speaker-kfold:3", "killed")).success();
    assert_eq!(json(&folder.join("killed/report.json"))["runs"][0]["epochs"], 1);
}

#[test]
fn one_corpus_is_tested_and_the_others_train_in_every_fold() {
    let (folder, config) =
        folder("[split]\ntest_corpus = 'emodb'\nvalidation = 'none'\n[training.early_stopping]\nbest_by = 'last'");
    let folder = folder.path();
    write_emodb(&folder.join("emodb"), [3, 8, 9], &EMOTIONS);
    let mut command = cross_validate(folder, &config, "loso", "out");
    Outcome::of(command.arg("--corpus").arg(format!("emodb={}", folder.join("emodb").display()))).success();
    let report = json(&folder.join("out/report.json"));
    assert_eq!(report["corpora"], serde_json::json!(["emodb", "ravdess"]));
    let guard =
        "speakers disjoint, sentences shared, corpora shared; no validation part; trained on only: ravdess; last epoch";
    assert_eq!(report["guard"], serde_json::json!([guard]));
    for run in report["runs"].as_array().unwrap() {
        assert_eq!(run["clips"], serde_json::json!([36 + 6, 0, 3]));
        assert_eq!(run["best_epoch"], 3);
    }
    let speakers = Csv::read(&folder.join("out/predictions.csv"));
    let speakers: BTreeSet<_> = speakers.column("speaker").into_iter().collect();
    assert_eq!(speakers, BTreeSet::from(["emodb/03", "emodb/08", "emodb/09"]));
}

#[test]
fn what_is_shared_stands_in_the_first_lines_and_one_split_is_one_fold() {
    let (folder, config) = folder("");
    let folder = folder.path();
    let random = Outcome::of(&mut cross_validate(folder, &config, "random-kfold:2", "out")).success();
    assert!(random.stdout.starts_with("protocol random-kfold:2: 2 folds × 1 seed, speakers shared; "), "{random:?}");
    assert_eq!(json(&folder.join("out/report.json"))["honest"], false);
    let scores = random.stdout.lines().filter(|line| line.starts_with("UAR") || line.starts_with("accuracy"));
    assert!(
        scores.clone().count() == 2 && scores.clone().all(|line| line.ends_with("  (NOT HONEST: speakers shared)"))
    );
    let single = Outcome::of(&mut cross_validate(folder, &config, "speakers", "out")).success();
    assert!(single.stdout.starts_with("protocol speakers: 1 fold × 1 seed, speakers disjoint; "), "{single:?}");
    let report = json(&folder.join("out/report.json"));
    assert!(report["uar"]["std_over_folds"].is_null() && report["uar"]["std_over_seeds"].is_null());
    assert_eq!(report["uar"]["mean"], report["pooled"]["uar"]);

    // The fold that the configuration names and the protocol are not what the command line asks for.
    let refused = Outcome::of(cross_validate(folder, &config, "loso", "out").args(["--seeds", "0"]));
    assert!(refused.only_error().contains("seeds"), "{refused:?}");
}

#[test]
fn options_are_searched_in_every_fold_on_its_validation_speakers() {
    let (folder, config) = folder("");
    let folder = folder.path();
    let space = "method = 'grid'\n[space]\ntraining.learning_rate = [1e-6, 3e-3]\n";
    let space = file(folder, "space.toml", space);
    let run = |more: &[&str]| {
        let mut command = cross_validate(folder, &config, "speaker-kfold:2", "out");
        Outcome::of(command.arg("--space").arg(&space).args(["--trials", "2"]).args(more)).success()
    };
    let outcome = run(&[]);
    let report = || json(&folder.join("out/report.json"));
    let before = report();
    let searched = serde_json::json!({
        "space": { "method": { "name": "grid" }, "space": { "training.learning_rate": [1e-6, 3e-3] } },
        "trials": 2,
    });
    assert_eq!(before["search"], searched);
    assert!(outcome.stdout.contains("chosen in each fold by at most 2 trials"), "{outcome:?}");
    let shared = "validation and training: speakers disjoint, sentences shared; the best is chosen by these scores";
    assert_eq!(outcome.stdout.lines().filter(|line| *line == shared).count(), 1, "{outcome:?}");
    let trials = |fold: usize| folder.join(format!("out/runs/fold-{fold}-seed-5/trials.csv"));
    for (fold, run) in (1..).zip(before["runs"].as_array().unwrap()) {
        let of_fold = Csv::read(&trials(fold));
        let uar = of_fold.column("valid_uar");
        let loss = |row: usize| of_fold.column("valid_loss")[row].parse::<f64>().unwrap();
        let best = usize::from(uar[1] > uar[0] || uar[1] == uar[0] && loss(1) < loss(0));
        let rate = of_fold.column("training.learning_rate")[best];
        assert_eq!(run["chosen"]["training.learning_rate"].to_string().parse::<f64>(), rate.parse());
        assert_eq!(run["search_guard"], shared);
        assert!(
            outcome.stdout.contains(&format!("\n{fold:4}     5  training.learning_rate = {rate}\n")),
            "{outcome:?}"
        );
    }
    let page = fs::read_to_string(folder.join("out/report.html")).unwrap();
    let chosen = "At most 2 trials, scored on clips held out of each fold's training, chose training.learning_rate";
    assert!(page.contains(&format!("{chosen} ({shared}).")), "{shared}");

    // As it was killed in the second trial of the second fold: the first one is not run again and keeps its time.
    fs::remove_file(folder.join("out/runs/fold-2-seed-5.json")).unwrap();
    let text = fs::read_to_string(trials(2)).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').map(String::from).collect::<Vec<_>>());
    let [header, mut first] = [lines.next().unwrap(), lines.next().unwrap()];
    first[6] = "1.5".into();
    fs::write(trials(2), format!("{}\n{}\n", header.join(","), first.join(","))).unwrap();
    run(&["--resume"]);
    assert_eq!(report(), before);
    let resumed = Csv::read(&trials(2));
    assert!(
        resumed.rows.len() == 2 && resumed.rows[0] == first && resumed.column("seconds")[1] != "1.5",
        "{resumed:?}"
    );
}

#[test]
fn results_of_other_recordings_are_not_gone_on_from() {
    let (folder, config) = folder("");
    let folder = folder.path();
    Outcome::of(&mut cross_validate(folder, &config, "speaker-kfold:2", "out")).success();
    // Another clip under the same name, of the same length.
    let clip = |actor: u8| folder.join(format!("corpus/Actor_{actor:02}/{}", ravdess_name(actor, EMOTIONS[0], 1)));
    fs::copy(clip(2), clip(1)).unwrap();
    let outcome = Outcome::of(cross_validate(folder, &config, "speaker-kfold:2", "out").arg("--resume"));
    assert!(outcome.only_error().contains("holds results of another configuration, corpus or version"), "{outcome:?}");
}

#[test]
fn a_class_that_a_later_fold_cannot_learn_is_found_before_the_first() {
    let (folder, config) = folder("");
    let folder = folder.path();
    // Only one actor is afraid.
    write_ravdess(&folder.join("corpus"), 4..=4, &[Emotion::Fear]);
    let outcome = Outcome::of(&mut cross_validate(folder, &config, "loso", "out"));
    assert!(outcome.only_error().contains("class fear has no clip in the training part of fold 4"), "{outcome:?}");
    assert!(!folder.join("out").exists());
}

#[test]
fn earlier_results_go_only_when_the_next_run_begins() {
    let (folder, config) = folder("");
    let folder = folder.path();
    let first = Outcome::of(&mut cross_validate(folder, &config, "speaker-kfold:2", "out")).success();
    assert!(!first.stderr.contains("removed"), "{first:?}");
    let run = || fs::read(folder.join("out/runs/fold-2-seed-5.json")).unwrap();
    let before = run();
    let space = file(folder, "space.toml", "method = 'random'\n[space]\ntraining.batch_size = [1]\n");
    let batch = file(folder, "batch.toml", CONFIG.replace("batch_size = 8", "batch_size = 1"));
    let network = file(folder, "network.toml", CONFIG.replace("embedding = 16", "embedding = 0"));
    let searched = ["--trials", "2", "--space", space.to_str().unwrap()];
    for (config, protocol, more, reason) in [
        (&config, "speaker-kfold:2", &["--seeds", "0"][..], "seeds"),
        (&config, "speaker-kfold:7", &[], "7"),
        (&config, "speaker-kfold:2", &searched, "batch_size"),
        (&batch, "speaker-kfold:2", &[], "batch_size"),
        (&network, "speaker-kfold:2", &[], "embedding"),
    ] {
        let outcome = Outcome::of(cross_validate(folder, config, protocol, "out").args(more));
        assert!(outcome.only_error().contains(reason), "{outcome:?}");
    }
    assert!(run() == before);

    // What began and failed leaves no report that could be taken for its own.
    let rate = file(folder, "rate.toml", CONFIG.replace("learning_rate = 0.003", "learning_rate = 1e30"));
    let failed = Outcome::of(&mut cross_validate(folder, &rate, "speaker-kfold:2", "out"));
    assert!(failed.stderr.contains("lower the learning rate"), "{failed:?}");
    let left = ["report.json", "report.html", "predictions.csv", "times.csv"].map(|name| folder.join("out").join(name));
    assert!(left.iter().all(|path| !path.exists()), "{left:?}");

    let again = Outcome::of(&mut cross_validate(folder, &config, "speakers", "out")).success();
    let warning = format!("warning: the results of an earlier run in {} were removed", folder.join("out").display());
    let warnings: Vec<_> = again.stderr.lines().filter(|line| line.starts_with(&warning)).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("--resume"), "{again:?}");

    let mine = folder.join("mine/runs/notes.txt");
    fs::create_dir_all(mine.parent().unwrap()).unwrap();
    fs::write(&mine, "precious").unwrap();
    let refused = Outcome::of(&mut cross_validate(folder, &config, "speakers", "mine"));
    assert!(
        refused.only_error().contains("runs is in the way, and no earlier run of this kind left it"),
        "{refused:?}"
    );
    assert_eq!(fs::read_to_string(&mine).unwrap(), "precious");
}

#[test]
fn a_fold_that_diverges_is_named_and_what_is_finished_stays() {
    let (folder, config) = folder("");
    let folder = folder.path();
    let text = fs::read_to_string(&config).unwrap().replace("learning_rate = 0.003", "learning_rate = 1e30");
    fs::write(&config, text).unwrap();
    let outcome = Outcome::of(&mut cross_validate(folder, &config, "loso", "out"));
    assert_eq!(outcome.status, Some(1));
    let expected = "training diverged in fold 1 with seed 5: lower learning_rate";
    assert!(outcome.stderr.contains(expected) && outcome.stderr.contains("another folder"), "{outcome:?}");
    assert!(folder.join("out/runs").is_dir());
}
