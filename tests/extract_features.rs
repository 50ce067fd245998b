//! The example `extract_features` writes the library's features of every recording, under a name that no other
//! recording's result has.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{Outcome, example, file, write_channels};
use ndarray_npy::read_npy;
use ser_core::Waveform;
use ser_core::features::ndarray::Array2;
use ser_core::features::{FeatureExtractor, FeatureOptions};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder for recordings, and one in it for results.
struct Scene(TempDir);

impl Scene {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn out(&self) -> PathBuf {
        self.path().join("out/new")
    }

    /// Writes a rising tone: `paper` gives it so many frames.
    fn recording(&self, name: &str, frames: usize) -> PathBuf {
        let path = self.path().join(name);
        write_channels(&path, 22_050, &[&tone(512 * (frames - 1))]);
        path
    }

    fn extract<A: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Outcome {
        let mut program = example("extract_features");
        Outcome::of(program.current_dir(self.path()).arg("--out").arg(self.out()).args(arguments))
    }

    fn result(&self, name: &str) -> Array2<f32> {
        read_npy(self.out().join(name)).unwrap()
    }

    /// The names of the files written, but for the two that describe them.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.out()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != "columns.json" && name != "features.toml");
        names.sort();
        names
    }

    /// Extracts recordings of 2, 3, 4 … frames with these names in this order; requires these results for them.
    fn check_names(&self, recordings_and_results: &[(&str, &str)]) {
        let recordings: Vec<_> =
            (2..).zip(recordings_and_results).map(|(frames, (name, _))| self.recording(name, frames)).collect();
        let expected: BTreeMap<_, _> =
            recordings_and_results.iter().zip(2..).map(|((_, result), frames)| ((*result).into(), frames)).collect();
        for reversed in [false, true] {
            let mut files = recordings.clone();
            if reversed {
                files.reverse();
            }
            self.extract(&files).success();
            let found: BTreeMap<String, usize> =
                self.names().into_iter().map(|name| (name.clone(), self.result(&name).nrows())).collect();
            assert_eq!(found, expected, "reversed: {reversed}");
            fs::remove_dir_all(self.out()).unwrap();
        }
    }
}

/// A tone of 200 to some thousand hertz at 22,050 Hz, quiet at the beginning.
fn tone(n_samples: usize) -> Vec<i16> {
    let value = |n: f64| (n / 40_000.0).min(0.6) * (n * (0.06 + n * 1e-5)).sin();
    (0..n_samples).map(|n| (32_767.0 * value(n as f64)) as i16).collect()
}

/// What the library gives for a recording.
fn expected(options: &FeatureOptions, path: &Path) -> Array2<f32> {
    let waveform = Waveform::from_file(path).unwrap().resample(options.sample_rate).unwrap();
    FeatureExtractor::new(options).unwrap().extract(waveform.samples()).unwrap()
}

#[test]
fn every_recording_gives_the_librarys_features_and_the_columns_their_names() {
    let scene = Scene::new();
    let mono = scene.recording("mono.wav", 20);
    let stereo = scene.path().join("stereo.wav");
    let (left, right) = (tone(30_000), tone(30_000).into_iter().rev().collect::<Vec<_>>());
    write_channels(&stereo, 48_000, &[&left, &right]);
    for preset in FeatureOptions::PRESETS {
        scene.extract(["--preset", preset, "mono.wav", "stereo.wav"]).success();
        let options = FeatureOptions::preset(preset).unwrap();
        assert_eq!(scene.names(), ["mono.npy", "stereo.npy"], "{preset}");
        assert_eq!(scene.result("mono.npy"), expected(&options, &mono), "{preset}");
        assert_eq!(scene.result("stereo.npy"), expected(&options, &stereo), "{preset}");

        let columns = fs::read_to_string(scene.out().join("columns.json")).unwrap();
        let columns: Vec<String> = serde_json::from_str(&columns).unwrap();
        assert_eq!(columns, FeatureExtractor::new(&options).unwrap().columns(), "{preset}");
        assert_eq!(columns.len(), scene.result("mono.npy").ncols(), "{preset}");
    }
}

#[test]
fn the_default_is_the_paper_preset_of_the_whole_recording() {
    let scene = Scene::new();
    // Silence at both ends, which stays: centred frames, one every 512 samples.
    let samples = [vec![0; 9_000], tone(4_000), vec![0; 9_000]].concat();
    write_channels(&scene.path().join("x.wav"), 22_050, &[&samples]);
    scene.extract(["x.wav"]).success();
    let result = scene.result("x.npy");
    assert_eq!(result.dim(), (1 + 22_000 / 512, 22));
    // The RMS of silence, and of the tone at the level that the file has.
    let peak = tone(4_000).into_iter().max().unwrap();
    let rms = result.column(1);
    assert_eq!((rms[0], rms[42]), (0.0, 0.0));
    assert!((1e-3..f32::from(peak) / 32_768.0).contains(&rms[21]), "{}", rms[21]);
}

#[test]
fn recordings_that_share_a_name_are_told_apart() {
    let scene = Scene::new();
    scene.check_names(&[("x.wav", "x.npy"), ("b/y.wav", "y.npy"), ("c/y.v2.wav", "y.v2.npy")]);
    // The examples of --help.
    scene.check_names(&[("d/x.wav", "x.wav.npy"), ("d/x.mp3", "x.mp3.npy")]);
    scene.check_names(&[("a/x.wav", "a_x.npy"), ("b/x.wav", "b_x.npy")]);
    scene.check_names(&[("a/x.wav", "a_x.wav.npy"), ("a/x.mp3", "a_x.mp3.npy"), ("b/x.wav", "b_x.wav.npy")]);
    scene.check_names(&[("1/a/x.wav", "1_a_x.npy"), ("2/a/x.wav", "2_a_x.npy"), ("2/b/x.wav", "2_b_x.npy")]);
}

#[test]
fn a_name_made_of_folders_is_not_another_recordings() {
    let scene = Scene::new();
    // `a_x` is taken: its owner keeps it, and the others are told apart in the next way, both alike.
    scene.check_names(&[("a_x.wav", "a_x.npy"), ("a/x.wav", "a_x.wav.npy"), ("b/x.wav", "b_x.wav.npy")]);
    // So is `x.wav`.
    scene.check_names(&[("d/x.wav", "d_x.wav.npy"), ("d/x.mp3", "d_x.mp3.npy"), ("x.wav.wav", "x.wav.npy")]);
    // Two pairs that would meet in `a_b_c`.
    let pairs = [
        ("a/b_c.wav", "a_b_c.npy"),
        ("z/b_c.wav", "z_b_c.npy"),
        ("a_b/c.wav", "a_b_c.wav.npy"),
        ("z/c.wav", "z_c.wav.npy"),
    ];
    scene.check_names(&pairs);
}

#[test]
fn names_differ_where_case_does_not_count() {
    let scene = Scene::new();
    scene.check_names(&[("a/Ärger.wav", "a_Ärger.npy"), ("b/ärger.wav", "b_ärger.npy"), ("c/z.wav", "z.npy")]);
    scene.check_names(&[("a/x.wav", "a_x.wav.npy"), ("b/x.wav", "b_x.wav.npy"), ("c/A_X.wav", "A_X.npy")]);
}

#[cfg(target_os = "linux")]
#[test]
fn what_differs_in_case_alone_is_numbered() {
    let scene = Scene::new();
    scene.check_names(&[("d/X.wav", "X-1.npy"), ("d/x.wav", "x-2.npy")]);
    // `x-1` is taken, so both are numbered from 2 on.
    scene.check_names(&[("d/X.wav", "X-2.npy"), ("d/x.wav", "x-3.npy"), ("x-1.wav", "x-1.npy")]);
}

#[test]
fn a_recording_that_is_given_twice_is_read_once() {
    let scene = Scene::new();
    let absolute = scene.recording("a/x.wav", 5);
    fs::create_dir(scene.path().join("b")).unwrap();
    scene.extract([Path::new("a/x.wav"), Path::new("./a/x.wav"), Path::new("b/../a/x.wav"), &absolute]).success();
    assert_eq!(scene.names(), ["x.npy"]);
}

#[cfg(unix)]
#[test]
fn a_link_gives_its_own_name() {
    let scene = Scene::new();
    let target = scene.recording("store/3f2a", 5);
    for name in ["one.wav", "two.wav"] {
        std::os::unix::fs::symlink(&target, scene.path().join(name)).unwrap();
    }
    scene.extract(["one.wav", "two.wav"]).success();
    assert_eq!(scene.names(), ["one.npy", "two.npy"]);
}

#[test]
fn a_bad_file_is_named_and_does_not_stop_the_others() {
    let scene = Scene::new();
    scene.recording("first.wav", 5);
    scene.recording("last.wav", 6);
    file(scene.path(), "text.wav", "no audio at all");
    file(scene.path(), "empty.wav", "");
    let outcome = scene.extract(["first.wav", "text.wav", "missing/m.wav", "empty.wav", "out", "..", "last.wav"]);
    assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(1), ""), "{outcome:?}");
    for bad in ["read text.wav: ", "open missing/m.wav: ", "read empty.wav: ", "out: ", "..: "] {
        let named = outcome.stderr.lines().filter(|line| line.starts_with("error: cannot ") && line.contains(bad));
        assert_eq!(named.count(), 1, "{bad}: {outcome:?}");
    }
    assert_eq!(outcome.stderr.lines().count(), 5, "{outcome:?}");
    assert_eq!(scene.names(), ["first.npy", "last.npy"]);
}

#[test]
fn a_signal_without_a_frame_is_named() {
    let scene = Scene::new();
    let options = FeatureOptions { center: false, ..FeatureOptions::paper() };
    let config = file(scene.path(), "config.toml", toml::to_string(&options).unwrap());
    scene.recording("short.wav", 3);
    let outcome = scene.extract([Path::new("--config"), &config, Path::new("short.wav")]);
    let error = outcome.only_error();
    assert!(error.starts_with("error: cannot extract the features of short.wav: "), "{error}");
    assert!(error.contains("1024 samples"), "{error}");
    assert!(scene.names().is_empty());
}

#[test]
fn a_result_that_cannot_be_written_is_named() {
    let scene = Scene::new();
    scene.recording("x.wav", 5);
    scene.recording("y.wav", 6);
    fs::create_dir_all(scene.out().join("x.npy")).unwrap();
    let outcome = scene.extract(["x.wav", "y.wav"]);
    let error = outcome.only_error();
    assert!(error.starts_with("error: cannot write ") && error.contains("x.npy: "), "{error}");
    assert_eq!(scene.names(), ["x.npy", "y.npy"]);
}

#[test]
fn the_written_options_repeat_the_result() {
    for preset in FeatureOptions::PRESETS {
        let scene = Scene::new();
        scene.recording("x.wav", 12);
        scene.extract(["--preset", preset, "x.wav"]).success();
        let read = |name| fs::read(scene.out().join(name)).unwrap();
        let first = ["x.npy", "columns.json", "features.toml"].map(read);

        let config = scene.path().join("kept.toml");
        fs::rename(scene.out().join("features.toml"), &config).unwrap();
        fs::remove_dir_all(scene.out()).unwrap();
        scene.extract([Path::new("--config"), &config, Path::new("x.wav")]).success();
        assert!(first == ["x.npy", "columns.json", "features.toml"].map(read), "{preset}");
    }
}

#[test]
fn what_no_earlier_run_wrote_stays() {
    let scene = Scene::new();
    scene.recording("x.wav", 5);
    fs::create_dir_all(scene.out()).unwrap();
    let [embedding, config] = ["x.npy", "features.toml"].map(|name| scene.out().join(name));
    fs::write(&embedding, "of another tool").unwrap();
    assert!(scene.extract(["x.wav"]).only_error().contains("x.npy is in the way"));
    assert_eq!(fs::read_to_string(&embedding).unwrap(), "of another tool");
    fs::remove_file(&embedding).unwrap();
    let written_by_hand = "# For calls.\nhop_length = 200\n";
    fs::write(&config, written_by_hand).unwrap();
    scene.extract([Path::new("--config"), &config, Path::new("x.wav")]).success();
    assert_eq!(fs::read_to_string(&config).unwrap(), written_by_hand);
    assert!(scene.extract(["x.wav"]).only_error().contains("features.toml is in the way"));
    assert_eq!(fs::read_to_string(&config).unwrap(), written_by_hand);
    // Its own results are replaced.
    fs::remove_file(&config).unwrap();
    scene.extract(["x.wav"]).success();
    scene.extract(["--preset", "mfcc-39", "x.wav"]).success();
}

#[test]
fn a_config_that_is_wrong_is_refused_before_anything_is_written() {
    let scene = Scene::new();
    scene.recording("x.wav", 5);
    let cases = [
        ("sample_rte = 16000", "sample_rte"),
        ("hop_length = 0", "hop_length"),
        ("features = []", "features"),
        ("features = [{ log-mel = { n_mels = 40 }, top_db = 'none' }]", "top_db"),
        ("features = [{ mfcc = { n_mfcc = 13 }, log-mel = { n_mels = 40 } }]", "one key"),
        ("n_fft = ", "config.toml"),
    ];
    for (text, named) in cases {
        file(scene.path(), "config.toml", text);
        let outcome = scene.extract(["--config", "config.toml", "x.wav"]);
        assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(1), ""), "{outcome:?}");
        assert!(outcome.stderr.starts_with("error: ") && outcome.stderr.contains(named), "{outcome:?}");
        assert!(!scene.out().exists(), "{text}");
    }
    let outcome = scene.extract(["--config", "absent.toml", "x.wav"]);
    assert!(outcome.only_error().starts_with("error: cannot read absent.toml: "), "{outcome:?}");
}

#[test]
fn a_command_line_that_is_wrong_is_refused_before_anything_is_written() {
    let scene = Scene::new();
    scene.recording("x.wav", 5);
    let cases: [(&[&str], &str); 3] = [
        (&[], "<FILES>"),
        (&["--preset", "papr", "x.wav"], "log-mel-80"),
        (&["--preset", "paper", "--config", "c.toml", "x.wav"], "--config"),
    ];
    for (arguments, named) in cases {
        let outcome = scene.extract(arguments);
        assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(2), ""), "{outcome:?}");
        assert!(outcome.stderr.contains(named), "{outcome:?}");
        assert!(!scene.out().exists());
    }
}
