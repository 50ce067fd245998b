//! The example `augment` writes five sounds, a figure and a page that holds all of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::voice::{Speaker, speak};
use common::{Outcome, example, file, write_wav};
use ser_core::{Emotion, Waveform};
use std::fs;
use std::path::Path;

const SOUNDS: [&str; 5] = ["original", "noised", "stretched", "shifted", "pitched"];

fn augment(recording: &Path, out: &Path, seed: &str) -> Outcome {
    Outcome::of(example("augment").arg(recording).arg("--out").arg(out).args(["--seed", seed]))
}

#[test]
fn five_sounds_a_figure_and_a_page_are_written() {
    let folder = tempfile::tempdir().unwrap();
    // The figure's font has neither 録 nor 音.
    let recording = folder.path().join("a <録音>.wav");
    let speech = speak(Speaker::numbered(3), Emotion::Angry, 9, 1.0);
    write_wav(&recording, &speech);
    let out = folder.path().join("new/out");
    let outcome = augment(&recording, &out, "7").success();
    assert_eq!(outcome.stdout.lines().count(), 8, "{outcome:?}");

    let sounds = SOUNDS.map(|name| Waveform::from_file(out.join(name).with_extension("wav")).unwrap());
    let rate = speech.sample_rate() as usize;
    // Stretched to 1 / 0.8 of the length.
    assert_eq!(sounds.each_ref().map(|sound| sound.samples().len()), [rate, rate, rate * 5 / 4, rate, rate]);
    assert_eq!(sounds[0], Waveform::from_file(&recording).unwrap());
    assert!(sounds[1..].iter().all(|sound| sound.samples()[..rate] != *sounds[0].samples()));

    assert_eq!(fs::read(out.join("figure.png")).unwrap()[..8], *b"\x89PNG\r\n\x1a\n");
    let figure = fs::read_to_string(out.join("figure.svg")).unwrap();
    let page = fs::read_to_string(out.join("index.html")).unwrap();
    assert!(page.contains("a &lt;録音&gt;.wav") && !page.contains("<録音>"), "the name is escaped");
    assert!([&figure, &page].iter().all(|text| SOUNDS.iter().all(|name| text.contains(name))));
    assert_eq!(page.matches("<audio").count(), 5);
    assert!(page.find("Voices are personal data").unwrap() < page.find("<audio").unwrap());
    assert!(!page.contains("src=\"http") && !page.contains("href=\"http"), "the page works offline");
}

#[test]
fn the_seed_decides_what_chance_decides() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("voice.wav");
    write_wav(&recording, &speak(Speaker::numbered(3), Emotion::Sad, 9, 0.5));
    let [first, again, other] = [("first", "1"), ("again", "1"), ("other", "2")].map(|(name, seed)| {
        let out = folder.path().join(name);
        augment(&recording, &out, seed).success();
        SOUNDS.map(|name| fs::read(out.join(name).with_extension("wav")).unwrap())
    });
    assert!(first == again);
    // Noise and shift are drawn; stretch and pitch are fixed.
    let same: Vec<_> =
        SOUNDS.iter().zip(first.iter().zip(&other)).filter(|(_, (a, b))| a == b).map(|(n, _)| *n).collect();
    assert_eq!(same, ["original", "stretched", "pitched"]);
}

#[test]
fn the_recording_is_not_replaced_by_its_copy() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("original.wav");
    write_wav(&recording, &speak(Speaker::numbered(3), Emotion::Angry, 9, 0.5));
    let before = fs::read(&recording).unwrap();
    let outcome = augment(&recording, folder.path(), "1");
    assert!(outcome.only_error().contains("original.wav would be replaced"), "{outcome:?}");
    assert!(fs::read(&recording).unwrap() == before);
}

#[test]
fn a_page_of_somebody_else_stays() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("voice.wav");
    write_wav(&recording, &speak(Speaker::numbered(3), Emotion::Angry, 9, 0.5));
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    let page = file(&out, "index.html", "<title>Mine</title>");
    assert!(augment(&recording, &out, "1").only_error().contains("index.html is in the way"));
    assert_eq!(fs::read_to_string(&page).unwrap(), "<title>Mine</title>");
    assert!(!out.join("original.wav").exists());
    fs::remove_file(page).unwrap();
    augment(&recording, &out, "1").success();
    augment(&recording, &out, "2").success();
}

#[test]
fn nothing_is_written_before_a_copy_is_refused_and_a_closed_output_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let [recording, original] = ["pitched.wav", "original.wav"].map(|name| folder.path().join(name));
    write_wav(&recording, &speak(Speaker::numbered(3), Emotion::Angry, 9, 0.5));
    assert!(augment(&recording, folder.path(), "1").only_error().contains("pitched.wav would be replaced"));
    assert!(!original.exists());

    let out = folder.path().join("out");
    let mut command = example("augment");
    command.arg(&recording).arg("--out").arg(&out).stdout(std::process::Stdio::piped());
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("error: ") && !stderr.contains("panicked"), "{stderr}");
    assert!(out.join("index.html").exists() && out.join("pitched.wav").exists());
}

#[test]
fn what_is_no_sound_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.wav");
    write_wav(&empty, &Waveform::new(Vec::new(), 16_000).unwrap());
    for path in [empty, file(folder.path(), "text.wav", "no sound"), folder.path().join("missing.wav")] {
        let out = folder.path().join("out");
        let outcome = augment(&path, &out, "1");
        assert!(outcome.only_error().contains(path.to_str().unwrap()), "{outcome:?}");
        assert!(!out.exists());
    }
}
