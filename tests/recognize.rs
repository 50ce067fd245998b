//! The example `recognize` gives a result for every file that holds audio, and one line on stderr for each that does
//! not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::voice::{Speaker, speak};
use common::{ModelFile, Outcome, example, file, model, pcm, write_channels};
use ser_core::{Emotion, Recognizer};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/ser-audio/tests/assets");

/// A folder with the small model.
struct Scene {
    folder: TempDir,
    model: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let model = file(folder.path(), "model.safetensors", model());
        Self { folder, model }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs `recognize --json` with the small model.
    fn recognize<A: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Outcome {
        Outcome::of(example("recognize").arg("--model").arg(&self.model).arg("--json").args(arguments))
    }

    /// Writes 16-bit samples of one or more channels.
    fn wav(&self, name: &str, sample_rate: u32, channels: &[&[i16]]) -> PathBuf {
        let path = self.path().join(name);
        write_channels(&path, sample_rate, channels);
        path
    }
}

/// Speech at 16 kHz. Written at another rate it is higher and shorter.
fn samples(seconds: f64) -> Vec<i16> {
    pcm(&speak(Speaker::numbered(7), Emotion::Angry, 77, seconds))
}

fn check_json(line: &Value, path: &Path) {
    assert_eq!(line["path"], path.to_str().unwrap());
    let probabilities = line["probabilities"].as_object().unwrap();
    assert_eq!(probabilities.keys().collect::<Vec<_>>(), ["angry", "neutral", "sad"]);
    let values = || probabilities.values().map(|p| p.as_f64().unwrap());
    // Three f32 quotients of one sum: each is rounded by at most 2^-25.
    assert!((values().sum::<f64>() - 1.0).abs() < 2e-7, "{line}");
    let largest = values().fold(0.0, f64::max);
    assert_eq!(line["confidence"], largest, "{line}");
    assert_eq!(probabilities[line["emotion"].as_str().unwrap()], largest, "{line}");
}

#[test]
fn every_file_with_audio_gives_a_result_and_every_other_one_line() {
    let scene = Scene::new();
    let voice = samples(2.0);
    let backwards: Vec<i16> = voice.iter().rev().copied().collect();
    let recordings = Path::new(RECORDINGS);
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:\
                   6c3a0f1d9b2e47588f01c2d3e4a5b6978890a1b2c3d4e5f60718293a4b5c6d7e\nsize 28471\n";
    assert_eq!(pointer.len(), 130);

    // What it is, its duration in seconds where it holds audio, and whether it is accepted.
    let cases = [
        (scene.wav("stereo.wav", 48_000, &[&voice, &backwards]), Some((32_000.0 / 48_000.0, true))),
        (file(scene.path(), "pointer.wav", pointer), None),
        (scene.wav("cd.wav", 44_100, &[&voice]), Some((32_000.0 / 44_100.0, true))),
        // As make_assets.py makes them: 8,000 frames at 32 kHz, and 1,500 at 16 kHz, which is less than 0.25 s.
        (recordings.join("stereo.mp3"), Some((0.25, true))),
        (file(scene.path(), "empty.wav", ""), None),
        (recordings.join("stereo.flac"), Some((0.093_75, false))),
        (scene.path().join("missing.wav"), None),
        (scene.wav("short.wav", 16_000, &[&voice[8000..8320]]), Some((0.02, false))),
        (scene.path().to_owned(), None),
        (scene.wav("silence.wav", 16_000, &[&[0; 16_000]]), Some((1.0, false))),
        (scene.wav("no_samples.wav", 16_000, &[&[]]), None),
        (scene.wav("one_sample.wav", 22_050, &[&[12_345]]), Some((1.0 / 22_050.0, false))),
        (scene.wav("slow.wav", 1_000, &[&voice]), None),
        (scene.wav("speech.wav", 16_000, &[&voice]), Some((2.0, true))),
    ];
    let outcome = scene.recognize(cases.iter().map(|(path, _)| path));

    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    let lines = outcome.json_lines();
    let good: Vec<_> = cases.iter().filter_map(|(path, result)| Some((path, (*result)?))).collect();
    assert_eq!(lines.len(), good.len(), "{outcome:?}");
    for (line, (path, (duration, accepted))) in lines.iter().zip(good) {
        check_json(line, path);
        assert!((line["duration"].as_f64().unwrap() - duration).abs() < 1e-12, "{line}");
        assert_eq!(line["accepted"], accepted, "{line}");
    }
    let bad: Vec<_> = cases.iter().filter(|(_, result)| result.is_none()).map(|(path, _)| path).collect();
    assert_eq!(outcome.stderr.lines().count(), bad.len(), "{outcome:?}");
    for (line, path) in outcome.stderr.lines().zip(bad) {
        assert!(line.starts_with("error: ") && line.contains(path.to_str().unwrap()), "{path:?} in {line:?}");
    }
    assert!(outcome.stderr.contains("git lfs pull"), "{outcome:?}");
}

#[cfg(unix)]
#[test]
fn a_pipe_is_read_as_a_file_is() {
    let scene = Scene::new();
    let path = scene.wav("speech.wav", 16_000, &[&samples(2.0)]);
    let of_file = scene.recognize([&path]).json_lines();
    let mut command = example("recognize");
    command.args(["--json", "--model"]).arg(&scene.model).arg("/dev/stdin");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&fs::read(&path).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    let of_pipe: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success());
    assert_eq!(of_pipe["probabilities"], of_file[0]["probabilities"]);

    let adapted = scene.recognize([Path::new("--adapt"), &path, &path]).json_lines();
    let mut command = example("recognize");
    command.args(["--json", "--model"]).arg(&scene.model).args(["--adapt", "/dev/stdin"]).arg(&path);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&fs::read(&path).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let of_pipe: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(of_pipe["probabilities"], adapted[0]["probabilities"]);
}

#[test]
fn text_names_the_file_its_emotion_and_all_probabilities() {
    let scene = Scene::new();
    let path = scene.wav("speech.wav", 16_000, &[&samples(1.0)]);
    let silence = scene.wav("silence.wav", 16_000, &[&[0; 16_000]]);
    let outcome = Outcome::of(example("recognize").arg("--model").arg(&scene.model).args([&path, &silence])).success();
    let lines: Vec<_> = outcome.stdout.lines().collect();
    assert_eq!(lines.len(), 8, "{outcome:?}");
    let json = &scene.recognize([&path]).json_lines()[0];
    let percent = 100.0 * json["confidence"].as_f64().unwrap() as f32;
    let expected = format!("{}: {} {percent:.0} %", path.display(), json["emotion"].as_str().unwrap());
    assert_eq!(lines[0], expected);
    for (line, emotion) in lines[1..4].iter().zip(["angry", "neutral", "sad"]) {
        let probability = json["probabilities"][emotion].as_f64().unwrap();
        assert_eq!(*line, format!("  {emotion:<9} {probability:.3}"));
    }
    assert!(lines[4].ends_with("(not accepted: silent or too short)"), "{outcome:?}");
}

#[test]
fn a_timeline_tiles_the_duration() {
    let scene = Scene::new();
    let voice = samples(1.0);
    // 0.5 s pieces: speech, silence, speech; the last has 0.125 s more, as that is less than half of one.
    let parts = [&voice[4000..12_000], &[0; 8000], &voice[..10_000]].concat();
    let path = scene.wav("pause.wav", 16_000, &[&parts]);
    let outcome = scene.recognize([Path::new("--timeline"), Path::new("0.5"), &path]).success();
    let line = &outcome.json_lines()[0];
    check_json(line, &path);
    let segments = line["timeline"].as_array().unwrap();
    let field = |name: &str| segments.iter().map(|s| s[name].as_f64().unwrap()).collect::<Vec<_>>();
    assert_eq!(field("start"), [0.0, 0.5, 1.0]);
    assert_eq!(field("end"), [0.5, 1.0, 1.625]);
    assert_eq!(line["duration"], 1.625);
    assert_eq!(segments.iter().map(|s| s["speech"].as_bool().unwrap()).collect::<Vec<_>>(), [true, false, true]);
    for segment in segments {
        segment["emotion"].as_str().unwrap().parse::<Emotion>().unwrap();
        assert!((1.0 / 3.0..=1.0).contains(&segment["confidence"].as_f64().unwrap()), "{segment}");
    }
}

#[test]
fn a_timeline_of_a_length_out_of_range_is_refused() {
    let scene = Scene::new();
    let path = scene.wav("speech.wav", 16_000, &[&samples(1.0)]);
    for length in ["0.1", "31", "NaN", "inf", "0"] {
        let outcome = scene.recognize([Path::new("--timeline"), Path::new(length), &path, &path]);
        assert!(outcome.only_error().contains("0.25 to 30 s"), "{outcome:?}");
    }
}

#[test]
fn one_channel_of_a_call_is_recognised_as_if_it_were_alone() {
    let scene = Scene::new();
    let agent = samples(1.0);
    let customer = pcm(&speak(Speaker::numbered(8), Emotion::Sad, 5, 1.0));
    let call = scene.wav("call.wav", 16_000, &[&agent, &customer]);
    for (channel, alone) in [("0", &agent), ("1", &customer)] {
        let alone = scene.wav("alone.wav", 16_000, &[alone]);
        let alone = scene.recognize([&alone]).success().json_lines().remove(0);
        let arguments = [Path::new("--channel"), Path::new(channel), &call];
        let line = scene.recognize(arguments).success().json_lines().remove(0);
        assert_eq!(line["probabilities"], alone["probabilities"], "channel {channel}");
    }
    let outcome = scene.recognize([Path::new("--channel"), Path::new("2"), &call]);
    let line = outcome.only_error();
    assert!(line.contains("call.wav") && line.contains("channel 2"), "{line}");
}

#[test]
fn a_damaged_model_is_refused_in_one_line() {
    let scene = Scene::new();
    let speech = scene.wav("speech.wav", 16_000, &[&samples(0.5)]);
    let good = model();
    let random: Vec<u8> = good.iter().enumerate().map(|(i, byte)| byte ^ (i * 7919 % 251) as u8).collect();
    let mut renamed = ModelFile::parse(good);
    let manifest = renamed.header["__metadata__"]["manifest"].take();
    renamed.header["__metadata__"] = serde_json::json!({ "manifesto": manifest });
    let newer = ModelFile::parse(good).with("/schema_version", 99).to_bytes();

    let cases = [
        ("truncated", good[..good.len() / 2].to_vec(), "not a safetensors file, or a damaged one"),
        ("text", b"this is no model\n".to_vec(), "not a safetensors file, or a damaged one"),
        ("empty", Vec::new(), "not a safetensors file, or a damaged one"),
        ("random", random, "not a safetensors file, or a damaged one"),
        ("renamed", renamed.to_bytes(), "manifest"),
        ("newer", newer, "schema version 99"),
    ];
    for (name, content, reason) in cases {
        let path = file(scene.path(), name, content);
        let outcome = Outcome::of(example("recognize").arg("--model").arg(&path).arg(&speech));
        let line = outcome.only_error();
        assert!(line.contains(path.to_str().unwrap()) && line.contains(reason), "{line}");
    }
    for path in [scene.path(), &scene.path().join("missing")] {
        let outcome = Outcome::of(example("recognize").arg("--model").arg(path).arg(&speech));
        assert!(outcome.only_error().contains(path.to_str().unwrap()), "{outcome:?}");
    }
}

#[test]
fn without_an_argument_the_embedded_weights_recognise_the_synthetic_clip() {
    let outcome = Outcome::of(&mut example("recognize")).success();
    assert!(
        outcome.stderr.starts_with("model: the embedded weights") && outcome.stderr.lines().count() == 1,
        "{outcome:?}"
    );
    let recognizer = Recognizer::pretrained().unwrap();
    let mut lines = outcome.stdout.lines();
    let (name, result) = lines.next().unwrap().split_once(": ").unwrap();
    assert_eq!(name, "synthetic.wav");
    assert!(!result.contains("not accepted"), "{outcome:?}");
    assert_eq!(lines.count(), recognizer.emotions().len(), "{outcome:?}");
    // It prints what the README shows, of another processor perhaps.
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let shown = readme.split("```text\nsynthetic.wav: ").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(shown.split(' ').next(), result.split(' ').next());
    let probabilities = |text: &str| -> Vec<(String, f64)> {
        let rows = text.lines().skip(1).map(|line| line.trim().split_once(' ').unwrap());
        rows.map(|(name, p)| (name.into(), p.trim().parse().unwrap())).collect()
    };
    let (shown, printed) = (probabilities(shown), probabilities(&outcome.stdout));
    assert_eq!(shown.len(), recognizer.emotions().len());
    for ((name, p), (other, q)) in shown.iter().zip(&printed) {
        assert!(name == other && (p - q).abs() < 0.01, "{name} {p}, {other} {q}");
    }
}

#[test]
fn embedded_weights_tell_what_they_were_trained_on() {
    let recognizer = Recognizer::pretrained().unwrap();
    let provenance = &recognizer.manifest().provenance;
    assert!(provenance.train.speakers.iter().chain(&provenance.valid.speakers).all(|name| name.starts_with("emodb/")));
    assert!(provenance.license.contains("CC BY 4.0") || provenance.license.contains("CC-BY-4.0"), "{provenance:?}");
    assert!(provenance.guard.starts_with("speakers disjoint"), "{provenance:?}");
}

#[test]
fn a_reader_that_has_gone_is_an_error_and_no_panic() {
    let scene = Scene::new();
    let clip = scene.wav("a.wav", 16000, &[&samples(1.0)]);
    let mut command = example("recognize");
    command.arg("--model").arg(&scene.model).arg(&clip).arg(&clip).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), stderr.lines().count()), (Some(1), 1), "{stderr}");
    assert!(stderr.starts_with("error: cannot recognise ") && stderr.contains("Broken pipe"), "{stderr}");
}
