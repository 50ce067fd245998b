//! The example `search` chooses options on validation speakers, goes on after it was killed, and writes what `train` takes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{CONFIG, Csv, EMOTIONS, Outcome, example, file, write_ravdess};
use ser_core::Config;
use ser_core::corpus::Validation;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::{TempDir, tempdir};

fn folder() -> (TempDir, PathBuf) {
    let folder = tempdir().unwrap();
    write_ravdess(&folder.path().join("corpus"), 1..=6, &EMOTIONS);
    let config = file(folder.path(), "config.toml", CONFIG.replace("max_epochs = 8", "max_epochs = 4"));
    (folder, config)
}

fn search(folder: &Path, config: &Path, space: &str, trials: usize, out: &str) -> Command {
    let space = file(folder, "space.toml", space);
    let mut command = example("search");
    command.arg("--config").arg(config).arg("--space").arg(space);
    command.arg("--corpus").arg(format!("ravdess={}", folder.join("corpus").display()));
    command.args(["--trials", &trials.to_string()]).arg("--out").arg(folder.join(out));
    command
}

const RANDOM: &str = "method = 'random'\n[space]\n\
                      training.learning_rate = { min = 1e-5, max = 1e-2, scale = 'log' }\n\
                      training.batch_size = { min = 4, max = 16 }\n\
                      network.dropout = [0.0, 0.25]\n";

/// Trials without their times.
fn rows(path: &Path) -> Vec<Vec<String>> {
    let mut csv = Csv::read(path);
    let header = fs::read_to_string(path).unwrap();
    assert!(header.starts_with("trial,max_epochs,seed,valid_uar,valid_loss,best_epoch,seconds,state,"), "{header}");
    csv.rows.iter_mut().for_each(|row| _ = row.remove(6));
    csv.rows
}

#[test]
fn a_grid_tries_every_point_and_the_best_configuration_trains() {
    let (folder, config) = folder();
    let folder = folder.path();
    // The smallest rate learns nothing in four epochs.
    let space = "method = 'grid'\n[space]\n'training.learning_rate' = { min = 1e-7, max = 1e-3, scale = 'log', steps = 2 }\n\
                 network.dropout = [0.1, 0.3]\n";
    let outcome = Outcome::of(&mut search(folder, &config, space, 4, "out")).success();
    let trials = Csv::read(&folder.join("out/trials.csv"));
    let [rates, dropouts] = ["training.learning_rate", "network.dropout"].map(|key| trials.column(key));
    let points: BTreeSet<_> = rates.into_iter().zip(dropouts).collect();
    assert_eq!(
        points,
        BTreeSet::from([("0.0000001", "0.1"), ("0.0000001", "0.3"), ("0.001", "0.1"), ("0.001", "0.3")])
    );
    assert_eq!(trials.column("seed"), ["5"; 4]);
    let score = |row: usize| {
        let [uar, loss] = ["valid_uar", "valid_loss"].map(|name| trials.column(name)[row].parse::<f64>().unwrap());
        (uar, -loss)
    };
    let best = (0..4).max_by(|&a, &b| score(a).partial_cmp(&score(b)).unwrap()).unwrap();
    let guard = "protocol speakers; validation and training: speakers disjoint, sentences shared; the best is chosen by these scores";
    assert_eq!(outcome.stdout.lines().next(), Some(guard));
    assert!(
        outcome.stdout.lines().last().unwrap().starts_with(&format!("best: trial {}; written to", best + 1)),
        "{outcome:?}"
    );
    let written = fs::read_to_string(folder.join("out/best.toml")).unwrap();
    assert!(written.starts_with(&format!("# trial {}, 4 epochs: validation UAR ", best + 1)), "{written}");
    assert_eq!(written.lines().nth(1), Some(format!("# {guard}").as_str()));

    // The configuration gives the trial's score again.
    let mut train = example("train");
    train.arg("--config").arg(folder.join("out/best.toml")).arg("--out").arg(folder.join("model"));
    Outcome::of(train.arg("--corpus").arg(format!("ravdess={}", folder.join("corpus").display()))).success();
    let history = Csv::read(&folder.join("model/history.csv"));
    let epoch: usize = trials.column("best_epoch")[best].parse().unwrap();
    assert_eq!(history.column("valid_uar")[epoch - 1], trials.column("valid_uar")[best]);
    assert_eq!(history.column("valid_loss")[epoch - 1], trials.column("valid_loss")[best]);
}

#[test]
fn test_speakers_do_not_matter_to_a_search() {
    let (folder, config) = folder();
    let folder = folder.path();
    Outcome::of(&mut search(folder, &config, RANDOM, 2, "before")).success();
    // The same clips, with every label of the test speaker changed, are another corpus; the split stays as it is.
    let corpus = ser_core::Corpus::ravdess(folder.join("corpus")).unwrap();
    let split = ser_core::corpus::Split::new(&corpus, &ser_core::corpus::SplitOptions::default()).unwrap();
    for clip in split.test().utterances() {
        let name = clip.path.file_name().unwrap().to_str().unwrap();
        let other = match &name[6..8] {
            "01" => "04",
            "04" => "05",
            _ => "01",
        };
        fs::rename(&clip.path, clip.path.with_file_name(format!("{}{other}{}.new", &name[..6], &name[8..]))).unwrap();
    }
    for entry in fs::read_dir(split.test().utterances()[0].path.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        fs::rename(&path, path.with_extension("")).unwrap();
    }
    Outcome::of(&mut search(folder, &config, RANDOM, 2, "after")).success();
    assert_eq!(rows(&folder.join("before/trials.csv")), rows(&folder.join("after/trials.csv")));
}

#[test]
fn a_killed_search_goes_on_and_finds_the_same() {
    let (folder, config) = folder();
    let folder = folder.path();
    Outcome::of(&mut search(folder, &config, RANDOM, 4, "unbroken")).success();
    let trials = folder.join("killed/trials.csv");
    let finished = || fs::read_to_string(&trials).map_or(0, |text| text.lines().count().saturating_sub(1));
    let mut child =
        search(folder, &config, RANDOM, 4, "killed").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while finished() < 2 && start.elapsed() < Duration::from_secs(300) {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = Csv::read(&trials);
    assert!((2..4).contains(&before.rows.len()), "it ended before it was killed");
    Outcome::of(search(folder, &config, RANDOM, 4, "killed").arg("--resume")).success();
    // Trials that were finished keep their times: they were not trained again.
    assert_eq!(Csv::read(&trials).rows[..before.rows.len()], before.rows);
    assert_eq!(rows(&trials), rows(&folder.join("unbroken/trials.csv")));
    let best = |out: &str| fs::read_to_string(folder.join(out).join("best.toml")).unwrap();
    assert_eq!(best("killed"), best("unbroken"));

    let refused = Outcome::of(search(folder, &config, &RANDOM.replace("16", "12"), 4, "killed").arg("--resume"));
    assert!(refused.only_error().contains("holds results of another configuration"), "{refused:?}");
}

#[test]
fn successive_halving_gives_the_best_more_epochs() {
    let (folder, config) = folder();
    let folder = folder.path();
    let space = RANDOM.replace("'random'", "'successive-halving'\nfactor = 2");
    Outcome::of(&mut search(folder, &config, &space, 4, "out")).success();
    let trials = Csv::read(&folder.join("out/trials.csv"));
    assert_eq!(trials.column("max_epochs"), ["1", "1", "1", "1", "2", "2", "4"]);
    let score = |row: usize| {
        let [uar, loss] = ["valid_uar", "valid_loss"].map(|name| trials.column(name)[row].parse::<f64>().unwrap());
        (uar, -loss)
    };
    let mut first: Vec<usize> = (0..4).collect();
    first.sort_by(|&a, &b| score(b).partial_cmp(&score(a)).unwrap());
    let numbers = trials.column("trial");
    assert_eq!(numbers[4..6], [(first[0] + 1).to_string(), (first[1] + 1).to_string()]);
    let second = if score(4) >= score(5) { numbers[4] } else { numbers[5] };
    assert_eq!(numbers[6], second);
    let best = fs::read_to_string(folder.join("out/best.toml")).unwrap();
    assert!(best.starts_with(&format!("# trial {second}, 4 epochs")), "{best}");
}

#[test]
fn what_validation_shares_with_training_stands_beside_its_scores() {
    let (folder, _) = folder();
    let folder = folder.path();
    let config = CONFIG.replace("max_epochs = 8", "max_epochs = 1");
    let shared = "[split]\nprotocol = 'leaky-seed'\n[normalizer]\nscope = 'speaker'";
    let config = file(folder, "shared.toml", format!("{config}\n{shared}"));
    let space = "method = 'grid'\n[space]\nnetwork.dropout = [0.1]\n";
    let outcome = Outcome::of(&mut search(folder, &config, space, 1, "out")).success();
    let guard = outcome.stdout.lines().next().unwrap();
    assert!(guard.contains("validation and training: clips shared, speakers shared, "), "{guard}");
    assert!(guard.contains("; normalised per speaker: "), "{guard}");
    assert!(fs::read_to_string(folder.join("out/best.toml")).unwrap().contains(guard));
}

#[test]
fn where_the_last_rung_diverges_the_best_of_the_rung_before_stays() {
    let (folder, config) = folder();
    let folder = folder.path();
    let space = RANDOM.replace("'random'", "'successive-halving'\nfactor = 2");
    Outcome::of(&mut search(folder, &config, &space, 4, "out")).success();
    // The last trial as it is written where it diverged; a resumed search takes the rows as they are.
    let path = folder.join("out/trials.csv");
    let mut rows: Vec<String> = fs::read_to_string(&path).unwrap().lines().map(String::from).collect();
    let last: Vec<&str> = rows[7].split(',').collect();
    let diverged = [&last[..3], &["", "", "0", "1.5", "diverged"], &last[8..]].concat().join(",");
    let best = last[0].to_owned();
    rows[7] = diverged;
    fs::write(&path, rows.join("\n")).unwrap();
    let outcome = Outcome::of(search(folder, &config, &space, 4, "out").arg("--resume")).success();
    let written = fs::read_to_string(folder.join("out/best.toml")).unwrap();
    assert!(written.starts_with(&format!("# trial {best}, 2 epochs: validation UAR ")), "{written}");
    assert!(written.contains("max_epochs = 2"), "{written}");
    let trials: Vec<_> = outcome.stdout.lines().filter(|line| line.starts_with("trial ")).collect();
    assert!(trials.len() == 3 && trials[2].starts_with(&format!("trial {best}, 4 epochs: diverged")), "{outcome:?}");
}

#[test]
fn trials_of_few_epochs_are_printed_beside_the_best() {
    let (folder, config) = folder();
    let folder = folder.path();
    let space = "method = 'grid'\n[space]\ntraining.max_epochs = [1, 2, 4]\nnetwork.dropout = [0.0, 0.1, 0.2, 0.3]\n";
    let outcome = Outcome::of(&mut search(folder, &config, space, 12, "out")).success();
    let printed: BTreeSet<_> = outcome.stdout.lines().filter(|line| line.starts_with("trial ")).collect();
    assert_eq!(printed.len(), 12, "{outcome:?}");
}

#[test]
fn a_space_that_cannot_be_searched_is_refused_with_its_key() {
    let (folder, config) = folder();
    let folder = folder.path();
    for (space, reason) in [
        (
            "method = 'best'\n[space]\nnetwork.dropout = [0.1]",
            "method \"best\": use grid, random or successive-halving",
        ),
        ("method = 'random'\n[space]\n", "[space] is empty"),
        ("method = 'random'\n[space]\nnetwork.dropout = 0.1", "network.dropout = 0.1: give a list"),
        ("method = 'random'\n[space]\nnetwork.dropout = []", "network.dropout: the list is empty"),
        ("method = 'random'\n[space]\nnetwork.dropout = { min = 0.5, max = 0.1 }", "min must be the smaller one"),
        ("method = 'random'\n[space]\nnetwork.dropout = { min = 0.0, max = 0.1, scale = 'log' }", "a min above 0"),
        ("method = 'random'\n[space]\nnetwork.dropout = { min = 0.0, max = 0.1, step = 2 }", "unknown field `step`"),
        ("method = 'grid'\n[space]\nnetwork.dropout = { min = 0.0, max = 0.1 }", "needs the steps of a range"),
        ("method = 'grid'\n[space]\nnetwork.dropout = [0.1, 0.2, 0.3, 0.4]", "has 4 points or more, and 3 trials"),
        // More points than fit into memory.
        (
            "method = 'grid'\n[space]\nnetwork.dropout = { min = 0.0, max = 0.1, steps = 10000 }\n\
             training.learning_rate = { min = 0.1, max = 0.2, steps = 10000 }",
            "has 10000 points or more, and 3 trials",
        ),
        ("method = 'random'\n[space]\nsplit.seed = [1, 2]", "split.seed cannot be searched"),
        ("method = 'grid'\n[space]\nensemble = [1, 3]", "ensemble cannot be searched: the seeds of a cross-validation"),
        ("method = 'grid'\n[space]\ninitial = ['a', 'b']", "initial cannot be searched: search for each model"),
        ("method = 'random'\n[space]\nfused = [[{}], [{}, {}]]", "fused cannot be searched: a search tries one system"),
        (
            "method = 'successive-halving'\n[space]\ntraining.max_epochs = { min = 10, max = 80 }",
            "training.max_epochs cannot be searched: successive halving sets it",
        ),
        (
            "method = 'successive-halving'\n[space]\ntraining = [{ batch_size = 8 }, { max_epochs = 9 }]",
            "training cannot be searched: successive halving sets it",
        ),
        ("method = 'random'\n[space]\ntraining.rate = [1, 2]", "unknown field `rate`"),
        ("method = 'random'\nfactor = 2\n[space]\nnetwork.dropout = [0.1]", "factor belongs to"),
        ("method = 'random'\n[space]\nnetwork.dropout = [2.0]", "dropout"),
    ] {
        let outcome = Outcome::of(&mut search(folder, &config, space, 3, "out"));
        assert!(outcome.only_error().contains(reason), "{space}: {outcome:?}");
    }
    let config = file(folder, "early.toml", format!("{CONFIG}\n[split]\nvalidation = 'none'"));
    let outcome = Outcome::of(&mut search(folder, &config, RANDOM, 3, "out"));
    assert!(outcome.only_error().contains("nothing to choose"), "{outcome:?}");
}

#[test]
fn what_trains_without_a_validation_part_is_chosen_on_one() {
    let (folder, _) = folder();
    let folder = folder.path();
    let last = "\n[training.early_stopping]\nbest_by = 'last'\n";
    let [split, none] = ["", "\n[split]\nvalidation = 'none'"].map(|validation| {
        let config = file(folder, "last.toml", format!("{CONFIG}{last}{validation}"));
        Outcome::of(&mut search(folder, &config, RANDOM, 2, "out")).success();
        let best = fs::read_to_string(folder.join("out/best.toml")).unwrap();
        let config: Config = best.parse().unwrap();
        let lines: Vec<_> = best.lines().take(2).map(String::from).collect();
        (rows(&folder.join("out/trials.csv")), lines, config.split.validation)
    });
    assert_eq!((&split.0, &split.1), (&none.0, &none.1), "the trials are the same");
    assert!(none.1[1].contains("validation and training: speakers disjoint"), "{none:?}");
    assert_eq!([split.2, none.2], [Validation::Split, Validation::None]);
}

#[test]
fn an_earlier_result_goes_only_when_the_next_search_begins() {
    let (folder, config) = folder();
    let folder = folder.path();
    let space = "method = 'grid'\n[space]\nnetwork.dropout = [0.1]\n";
    Outcome::of(&mut search(folder, &config, space, 1, "out")).success();
    let results = || ["trials.csv", "best.toml"].map(|name| fs::read(folder.join("out").join(name)).unwrap());
    let before = results();
    for (space, trials, reason) in [
        (space, 0, "the number of trials is 0"),
        (space, 100_000_000_000, "the number of trials is 100000000000: 1 to 10000 are allowed"),
        (
            &space.replace("[0.1]", "{ min = 0.1, max = 0.2, steps = 100000000000 }"),
            2,
            "network.dropout: a grid needs the steps of a range, 2 to 10000",
        ),
        (&space.replace("network", "training"), 1, "unknown field `dropout`"),
        (&space.replace("0.1", "1.5"), 1, "dropout"),
        (&space.replace("network.dropout = [0.1]", "training.batch_size = [1]"), 1, "batch_size"),
        (&space.replace("network.dropout = [0.1]", "corpora = [['emodb']]"), 1, "corpora names \"emodb\""),
        (
            &space
                .replace("network.dropout = [0.1]", "augment.features = [[{ kind = 'time-mask', probability = 2.0 }]]"),
            1,
            "probability",
        ),
    ] {
        let outcome = Outcome::of(&mut search(folder, &config, space, trials, "out"));
        assert!(outcome.only_error().contains(reason), "{space}: {outcome:?}");
    }
    let protocol = file(folder, "loso.toml", format!("{CONFIG}\n[split]\nprotocol = 'loso'\nfold = 7"));
    let outcome = Outcome::of(&mut search(folder, &protocol, space, 1, "out"));
    assert!(outcome.only_error().contains("fold"), "{outcome:?}");
    assert!(results() == before);

    let again = Outcome::of(&mut search(folder, &config, &space.replace("0.1", "0.2"), 1, "out")).success();
    let warning = format!("warning: the results of an earlier run in {} were removed", folder.join("out").display());
    let warnings: Vec<_> = again.stderr.lines().filter(|line| line.starts_with(&warning)).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("--resume"), "{again:?}");
    assert!(results() != before);

    // Results of unknown arguments cannot be gone on from.
    fs::remove_file(folder.join("out/resume.json")).unwrap();
    let refused = Outcome::of(search(folder, &config, space, 1, "out").arg("--resume"));
    assert!(refused.only_error().contains("holds results of another configuration"), "{refused:?}");
    // Nor is what nobody knows to be results removed.
    let refused = Outcome::of(&mut search(folder, &config, space, 1, "out"));
    assert!(refused.only_error().contains("trials.csv is in the way"), "{refused:?}");
    assert!(folder.join("out/trials.csv").exists());
}

#[test]
fn a_recording_that_cannot_be_read_is_named() {
    let (folder, config) = folder();
    let folder = folder.path();
    let damaged = folder.join("corpus/Actor_01/03-01-01-01-02-02-01.wav");
    fs::write(&damaged, "<html>").unwrap();
    let space = "method = 'grid'\n[space]\nnetwork.dropout = [0.1]\n";
    let outcome = Outcome::of(&mut search(folder, &config, space, 1, "out")).success();
    let named =
        outcome.stderr.lines().find(|line| line.starts_with("warning:") && line.contains("03-01-01-01-02-02-01.wav"));
    assert!(named.is_some_and(|line| line.ends_with(": left out")), "{outcome:?}");
}
