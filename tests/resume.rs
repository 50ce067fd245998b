//! The example `train` can be killed at any moment, and resumed, and resumed with other rates after it diverged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{CONFIG, EMOTIONS, Outcome, example, file, write_ravdess};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_ravdess(&folder.path().join("corpus"), 1..=6, &EMOTIONS);
        Self(folder)
    }

    fn out(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn train(&self, config: &str, out: &Path, resume: bool) -> Command {
        let mut command = example("train");
        command.arg("--config").arg(file(self.0.path(), "config.toml", config));
        command.arg("--corpus").arg(format!("ravdess={}", self.0.path().join("corpus").display()));
        command.arg("--out").arg(out);
        if resume {
            command.arg("--resume");
        }
        command
    }
}

fn assert_same_results(a: &Path, b: &Path) {
    for name in ["model.safetensors", "history.csv", "predictions.csv", "report.json"] {
        let read = |out: &Path| fs::read(out.join(name)).unwrap();
        assert!(read(a) == read(b), "{name} differs");
    }
}

#[test]
fn a_program_that_is_killed_twenty_times_writes_the_bytes_of_an_unbroken_one() {
    let folder = Folder::new();
    let (unbroken, broken) = (folder.out("unbroken"), folder.out("broken"));
    let started = Instant::now();
    Outcome::of(&mut folder.train(CONFIG, &unbroken, false)).success();
    let whole = started.elapsed();
    let (mut kills, mut kills_in_training, mut state) = (0, 0, 20_260u32);
    while kills < 20 {
        let mut process =
            folder.train(CONFIG, &broken, true).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        std::thread::sleep(whole.mul_f64(f64::from(state >> 8) / f64::from(1 << 24)) + Duration::from_millis(2));
        match process.try_wait().unwrap() {
            // It was done before: another run begins.
            Some(status) => {
                assert!(status.success());
                assert_same_results(&unbroken, &broken);
                fs::remove_dir_all(&broken).unwrap();
            }
            None => {
                process.kill().unwrap();
                process.wait().unwrap();
                kills += 1;
                kills_in_training += usize::from(broken.join("checkpoint.safetensors").exists());
            }
        }
    }
    assert!(kills_in_training > 0, "no kill left a checkpoint: the test has tested nothing");
    Outcome::of(&mut folder.train(CONFIG, &broken, true)).success();
    assert_same_results(&unbroken, &broken);
}

#[test]
fn a_cache_that_killed_programs_left_changes_nothing() {
    let folder = Folder::new();
    let (unbroken, broken, cache) = (folder.out("unbroken"), folder.out("broken"), folder.out("cache"));
    Outcome::of(&mut folder.train(CONFIG, &unbroken, false)).success();
    let config = format!("cache = {cache:?}\n{CONFIG}");
    let files = |folder: &Path| fs::read_dir(folder).map_or(0, |files| files.count());
    let entries = || fs::read_dir(&cache).map_or(0, |shards| shards.map(|shard| files(&shard.unwrap().path())).sum());
    let mut kills_in_writing = 0;
    for more in [1, 3, 7, 2, 5] {
        let wanted = entries() + more;
        let mut process =
            folder.train(&config, &broken, false).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while entries() < wanted && process.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        process.kill().unwrap();
        process.wait().unwrap();
        kills_in_writing += usize::from(entries() < 36);
    }
    assert!(kills_in_writing > 0, "all 36 entries were there at the first kill: the test has tested nothing");
    Outcome::of(&mut folder.train(&config, &broken, false)).success();
    assert_same_results(&unbroken, &broken);
}

#[test]
fn progress_is_one_line_an_epoch_and_a_finished_run_is_only_scored_again() {
    let folder = Folder::new();
    let out = folder.out("out");
    let first = Outcome::of(&mut folder.train(CONFIG, &out, true)).success();
    let lines = |outcome: &Outcome| outcome.stderr.lines().filter(|line| line.starts_with("epoch ")).count();
    assert_eq!(lines(&first), 8, "{first:?}");
    let again = Outcome::of(&mut folder.train(CONFIG, &out, true)).success();
    assert_eq!((lines(&again), &again.stdout), (0, &first.stdout));
    let anew = Outcome::of(&mut folder.train(CONFIG, &out, false)).success();
    assert_eq!((lines(&anew), &anew.stdout), (8, &first.stdout));
}

#[test]
fn a_checkpoint_of_another_run_is_refused_with_what_differs() {
    let folder = Folder::new();
    let out = folder.out("out");
    Outcome::of(&mut folder.train(CONFIG, &out, false)).success();
    for (old, new, difference) in [
        ("seed = 5", "seed = 6", "seed (5 then, 6 now)"),
        ("batch_size = 8", "batch_size = 9", "batch_size (8 then, 9 now)"),
        ("embedding = 16", "embedding = 17", "network.embedding (16 then, 17 now)"),
        ("[training]", "[features]\nhop_length = 200\n[training]", "the examples (features, classes or their order)"),
    ] {
        let outcome = Outcome::of(&mut folder.train(&CONFIG.replace(old, new), &out, true));
        let expected = format!(
            "error: checkpoint {}: belongs to another run: {difference}",
            out.join("checkpoint.safetensors").display()
        );
        assert!(outcome.only_error().starts_with(&expected), "{outcome:?}");
    }
}

#[test]
fn a_run_that_diverged_goes_on_from_its_last_good_epoch_with_a_lower_rate() {
    let folder = Folder::new();
    let out = folder.out("out");
    // The rate rises until the numbers overflow: how soon depends on every other number, so several are tried.
    let reckless = |rate: f64| {
        format!(
            "learning_rate = {rate:?}\nschedule = {{ name = 'cosine', warm_up = 0.9 }}\noptimizer = {{ name = 'sgd' }}"
        )
    };
    let careful = "learning_rate = 0.003\noptimizer = { name = 'sgd' }";
    let config = |rate: &str| CONFIG.replace("learning_rate = 0.003", rate);
    let mut runs = [1000.0, 300.0, 100.0, 30.0, 10.0].into_iter().map(|rate| {
        let outcome = Outcome::of(&mut folder.train(&config(&reckless(rate)), &out, false));
        let epochs = outcome.stderr.lines().filter(|line| line.starts_with("epoch ")).count();
        (rate, outcome, epochs)
    });
    let diverged = runs.find(|(_, outcome, epochs)| outcome.status == Some(1) && *epochs > 0);
    let (rate, outcome, epochs) = diverged.expect("one of these rates diverges after an epoch");
    let error = outcome.stderr.lines().last().unwrap();
    let checkpoint = out.join("checkpoint.safetensors").display().to_string();
    assert!(error.contains(&format!("error: training diverged, and {checkpoint} holds")), "{error}");
    assert!(error.contains(&format!("epoch {}", epochs + 1)) && error.contains("--resume"), "{error}");

    let resumed = Outcome::of(&mut folder.train(&config(careful), &out, true)).success();
    let change = format!("learning_rate {rate:?} -> 0.003");
    let warning = format!("warning: training options were changed after epoch {epochs}: {change}");
    assert!(resumed.stderr.lines().any(|line| line == warning), "{resumed:?}");
    let report = fs::read_to_string(out.join("report.json")).unwrap();
    assert!(report.contains(&change), "{report}");
}
