//! With a feature cache, a run over more than twice as many recordings takes no more memory.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::voice::{Speaker, speak};
use common::{CONFIG, EMOTIONS, example, file, write_wav};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// Features of a clip take 1 MB.
const FEATURES: &str = "\n[features]\nhop_length = 16\n";

/// So many clips of each of six speakers and three emotions, in folders.
fn write_corpus(root: &Path, takes: u64) -> PathBuf {
    for speaker in 1..=6 {
        for emotion in EMOTIONS {
            for take in 0..takes {
                let path = root.join(format!("{emotion}/{speaker}/{take}.wav"));
                write_wav(&path, &speak(Speaker::numbered(speaker), emotion, 100 * take + u64::from(speaker), 4.0));
            }
        }
    }
    root.into()
}

/// The most memory that `train` held, in kB.
fn peak(config: &Path, corpus: &Path, out: &Path) -> u64 {
    let mut command = example("train");
    command.arg("--config").arg(config).arg("--corpus").arg(format!("folder={}", corpus.display()));
    let mut child = command.arg("--out").arg(out).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.map_or(peak, |line| line.trim().trim_end_matches(" kB").parse().unwrap());
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(child.wait().unwrap().success());
    peak
}

#[test]
fn memory_does_not_grow_with_the_corpus_where_features_are_cached() {
    let folder = tempfile::tempdir().unwrap();
    let corpora = [2, 5].map(|takes| write_corpus(&folder.path().join(takes.to_string()), takes));
    let config = CONFIG.replace("max_epochs = 8", "max_epochs = 1");
    let config = |name: &str, head: &str| file(folder.path(), name, format!("{head}\n{config}{FEATURES}"));
    let cached = config("cached.toml", &format!("cache = {:?}", folder.path().join("cache")));
    let in_memory = config("in-memory.toml", "");
    let growth = |config| {
        let [few, many] = corpora.each_ref().map(|corpus| peak(config, corpus, &folder.path().join("out")));
        many.saturating_sub(few)
    };
    // 54 clips more, of 1 MB each. What is left beside features is a few hundred bytes a clip, and the allocator's whims.
    let (cached, in_memory) = (growth(&cached), growth(&in_memory));
    assert!(in_memory > 40_000, "the corpus is too small to show anything: {in_memory} kB more");
    assert!(cached < 20_000, "{cached} kB more");
}
