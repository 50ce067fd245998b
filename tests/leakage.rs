//! The example `leakage` prints what one network scores by a protocol that leaks and by one that does not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{EMOTIONS, Outcome, example, write_ravdess};

#[test]
fn both_protocols_stand_in_one_table_with_what_they_share() {
    let folder = tempfile::tempdir().unwrap();
    write_ravdess(folder.path(), 1..=6, &EMOTIONS);
    let damaged = folder.path().join("Actor_01/03-01-05-01-01-02-01.wav");
    std::fs::write(&damaged, "<html>").unwrap();
    let corpus = format!("ravdess={}", folder.path().display());
    let outcome = Outcome::of(example("leakage").arg("--corpus").arg(corpus)).success();
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    let [head, leaky, honest] = lines[..] else { panic!("{outcome:?}") };
    assert!(head.starts_with("protocol") && head.contains("accuracy") && head.contains("UAR"), "{head}");
    let named = outcome.stderr.lines().filter(|line| line.contains("03-01-05-01-01-02-01.wav"));
    assert!(named.clone().count() == 1 && named.clone().all(|line| line.ends_with(": left out")), "{outcome:?}");
    let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    // A fifth of 4 · 37 rows, of which 4 cannot be read, and the six clips of one actor of six.
    for (line, protocol, tested) in [(leaky, "leaky-seed", 25..=30), (honest, "speakers", 6..=6)] {
        let fields = fields(line);
        assert_eq!(fields[0], protocol, "{line}");
        assert!(fields[1..3].iter().all(|score| (0.0..=1.0).contains(&score.parse::<f64>().unwrap())), "{line}");
        assert!(tested.contains(&fields[3].parse::<usize>().unwrap()), "{line}");
    }
    assert!(leaky.ends_with("clips shared, speakers shared, sentences shared"), "{leaky}");
    assert!(honest.ends_with("speakers disjoint, sentences shared"), "{honest}");
}

#[test]
fn what_one_of_both_cannot_split_is_found_before_anything_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    write_ravdess(folder.path(), [1], &EMOTIONS);
    let corpus = format!("ravdess={}", folder.path().display());
    let outcome = Outcome::of(example("leakage").arg("--corpus").arg(corpus));
    assert!(outcome.status == Some(1) && outcome.stdout.is_empty(), "{outcome:?}");
    assert!(outcome.stderr.contains("error: too few speakers"), "{outcome:?}");
}
