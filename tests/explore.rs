//! The example `explore` writes one page about corpora, and voices into it only where it is asked to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{EMOTIONS, Outcome, example, file, write_channels, write_emodb, write_ravdess};
use ser_core::Emotion;
use std::fs;
use std::path::Path;
use tempfile::tempdir;

fn explore(corpora: &[(&str, &Path)], out: &Path, arguments: &[&str]) -> Outcome {
    let mut command = example("explore");
    for (name, path) in corpora {
        command.arg("--corpus").arg(format!("{name}={}", path.display()));
    }
    Outcome::of(command.arg("--out").arg(out).args(arguments))
}

#[test]
fn the_page_counts_measures_and_shows_each_emotion() {
    let folder = tempdir().unwrap();
    let [ravdess, emodb, out] = ["ravdess", "emodb", "out"].map(|name| folder.path().join(name));
    write_ravdess(&ravdess, 1..=3, &EMOTIONS);
    write_emodb(&emodb, [3, 8], &[Emotion::Angry, Emotion::Boredom]);
    // 48 samples a second clipped at both ends.
    let clipped = [i16::MAX, i16::MAX, i16::MAX, i16::MIN, i16::MIN, i16::MIN].repeat(2_000);
    write_channels(&emodb.join("09b01Wa.wav"), 8_000, &[&clipped]);
    let outcome = explore(&[("ravdess", &ravdess), ("emodb", &emodb)], &out, &[]).success();
    let html = fs::read_to_string(out.join("index.html")).unwrap();
    let last = outcome.stdout.lines().last().unwrap();
    // Both corpora are smaller than the official ones, and one clip is cut off.
    assert_eq!(last, format!("23 clips, 3 warnings; written to {}", out.join("index.html").display()));
    assert!(outcome.stdout.contains("09b01Wa.wav\": clipped: "), "{outcome:?}");
    assert_eq!(outcome.stdout.lines().filter(|line| line.starts_with("warning: ")).count(), 3);
    for text in [
        "A look at emodb, ravdess",
        "emodb: angry 3, boredom 2, neutral 0, sad 0. ravdess: angry 6, boredom 0, neutral 6, sad 6.",
        "<th scope=\"row\" class=\"numeric\">8,000</th><td class=\"numeric\">1</td>",
        "<th scope=\"row\" class=\"numeric\">16,000</th><td class=\"numeric\">22</td>",
        "<h3>angry</h3>",
        "<h3>boredom</h3>",
        "clipped: waves are cut off flat",
    ] {
        assert!(html.contains(text), "{text} is not in the page");
    }
    assert!(!html.contains("<audio") && !html.contains(folder.path().join("ravdess/Actor_01").to_str().unwrap()));
}

#[test]
fn voices_are_in_the_page_only_with_audio() {
    let folder = tempdir().unwrap();
    let [ravdess, out] = ["ravdess", "out"].map(|name| folder.path().join(name));
    write_ravdess(&ravdess, 1..=2, &EMOTIONS);
    explore(&[("ravdess", &ravdess)], &out, &["--audio"]).success();
    let html = fs::read_to_string(out.join("index.html")).unwrap();
    assert_eq!(html.matches("<audio").count(), EMOTIONS.len());
    assert!(html.contains("Voices are personal data"));
}

#[test]
fn a_recording_that_cannot_be_read_is_a_warning_and_status_1() {
    let folder = tempdir().unwrap();
    let [ravdess, out] = ["ravdess", "out"].map(|name| folder.path().join(name));
    write_ravdess(&ravdess, 1..=2, &EMOTIONS);
    let broken = file(&ravdess.join("Actor_01"), "03-01-05-01-02-02-01.wav", "<html>404</html>\n");
    let outcome = explore(&[("ravdess", &ravdess)], &out, &[]);
    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    assert!(outcome.stdout.contains(broken.to_str().unwrap()), "{outcome:?}");
    assert!(out.join("index.html").is_file());

    let nothing = explore(&[("ravdess", &folder.path().join("missing"))], &out, &[]);
    assert!(nothing.only_error().contains("missing"), "{nothing:?}");
}

#[test]
fn where_nothing_can_be_read_the_reasons_are_given() {
    let folder = tempdir().unwrap();
    let speaker = folder.path().join("corpus/sad/ann");
    fs::create_dir_all(&speaker).unwrap();
    let broken = file(&speaker, "a.wav", "<html>404</html>\n");
    let outcome = explore(&[("folder", &folder.path().join("corpus"))], &folder.path().join("out"), &[]);
    assert!(
        outcome.status == Some(1) && outcome.stderr.contains("none of the 1 recordings could be read"),
        "{outcome:?}"
    );
    assert!(outcome.stderr.contains(&format!("warning: cannot read {}", broken.display())), "{outcome:?}");
}

#[test]
fn a_recording_that_git_lfs_has_not_fetched_is_no_success() {
    let folder = tempdir().unwrap();
    let ravdess = folder.path().join("ravdess");
    write_ravdess(&ravdess, 1..=2, &EMOTIONS);
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:6c3a\nsize 28471\n";
    file(&ravdess.join("Actor_01"), "03-01-05-01-02-02-01.wav", pointer);
    let outcome = explore(&[("ravdess", &ravdess)], &folder.path().join("out"), &[]);
    assert!(outcome.status == Some(1) && outcome.stdout.contains("git lfs pull"), "{outcome:?}");
}

#[test]
fn what_is_listed_and_not_there_is_no_success() {
    let folder = tempdir().unwrap();
    write_ravdess(&folder.path().join("ravdess"), 1..=1, &EMOTIONS);
    let clip = "ravdess/Actor_01/03-01-05-01-01-01-01.wav";
    let list = file(folder.path(), "list.csv", format!("file,emotion\n{clip},angry\ngone.wav,sad\n"));
    let outcome = explore(&[("csv", &list)], &folder.path().join("out"), &[]);
    assert_eq!(outcome.status, Some(1));
    assert!(outcome.stdout.contains("gone.wav\": listed, but not there"), "{outcome:?}");
    let outcome = explore(&[("csv", folder.path())], &folder.path().join("out"), &[]);
    assert!(outcome.only_error().contains("it is a folder: give the file of the table"), "{outcome:?}");
}

#[test]
fn a_recording_at_a_rate_that_no_training_takes_is_a_warning_and_status_1() {
    let folder = tempdir().unwrap();
    write_ravdess(&folder.path().join("corpus"), 1..=2, &[Emotion::Angry]);
    let slow = folder.path().join("corpus/Actor_01/03-01-04-01-01-01-01.wav");
    write_channels(&slow, 2_000, &[&[3_000; 4_000]]);
    let out = folder.path().join("out");
    let outcome = explore(&[("ravdess", &folder.path().join("corpus"))], &out, &[]);
    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    let warned = |line: &str| {
        line.contains("03-01-04-01-01-01-01.wav") && line.contains("2000 Hz") && line.ends_with("left out")
    };
    assert!(outcome.stdout.lines().any(warned), "{outcome:?}");
    assert!(out.join("index.html").exists());
}
