//! Indexing a large corpus.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{fs, time::Instant};

use ser_corpus::Corpus;

/// Some ten times what a machine with two cores takes.
const SECONDS: u64 = 5;

#[test]
#[ignore = "makes 100,000 files"]
fn a_hundred_thousand_utterances_are_indexed_in_seconds() {
    let root = tempfile::tempdir().unwrap();
    for emotion in ["angry", "happy", "neutral", "sad"] {
        for speaker in 0..25 {
            let folder = root.path().join(format!("{emotion}/speaker {speaker:02}"));
            fs::create_dir_all(&folder).unwrap();
            for clip in 0..1000 {
                fs::write(folder.join(format!("{clip:04}.wav")), []).unwrap();
            }
        }
    }
    let timed = |what: &str, read: &dyn Fn() -> Corpus| {
        let start = Instant::now();
        let corpus = read();
        let elapsed = start.elapsed();
        println!("{what}: {elapsed:?}");
        assert_eq!(corpus.len(), 100_000);
        assert!(elapsed.as_secs() < SECONDS, "{what} took {elapsed:?}");
        corpus
    };
    let corpus = timed("folder", &|| Corpus::folder(root.path()).unwrap());
    let (csv, lines) = (root.path().join("list.csv"), root.path().join("list.jsonl"));
    corpus.save_csv(&csv).unwrap();
    corpus.save_json_lines(&lines).unwrap();
    assert_eq!(timed("csv", &|| Corpus::csv(&csv).unwrap()), corpus);
    assert_eq!(timed("json lines", &|| Corpus::json_lines(&lines).unwrap()), corpus);
}
