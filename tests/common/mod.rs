//! What the tests share: a synthetic voice, corpora of it, a small model, and the examples as programs.
#![allow(dead_code, reason = "each test uses some of it")]

pub mod voice;

use ser_core::{Config, Corpus, Emotion, Waveform, train};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use voice::{Speaker, speak};

/// Emotions that a small network tells apart in a few epochs.
pub const EMOTIONS: [Emotion; 3] = [Emotion::Angry, Emotion::Neutral, Emotion::Sad];

/// A network of some 4,000 parameters that trains in a second.
pub const CONFIG: &str = r#"
    seed = 5
    labels = "own"

    [network]
    architecture = "compact"
    channels = [4, 4, 8]
    embedding = 16
    attention = 8

    [training]
    max_epochs = 8
    batch_size = 8
    learning_rate = 0.003
    crop_frames = 60
"#;

/// One clip of each actor, emotion and statement (1 and 2) under the names of RAVDESS.
pub fn write_ravdess(root: &Path, actors: impl IntoIterator<Item = u8>, emotions: &[Emotion]) {
    for actor in actors {
        for &emotion in emotions {
            for statement in [1, 2] {
                let path = root.join(format!("Actor_{actor:02}")).join(ravdess_name(actor, emotion, statement));
                write_wav(&path, &clip(actor, emotion, statement));
            }
        }
    }
}

pub fn ravdess_name(actor: u8, emotion: Emotion, statement: u8) -> String {
    let code = match emotion {
        Emotion::Neutral => 1,
        Emotion::Calm => 2,
        Emotion::Happy => 3,
        Emotion::Sad => 4,
        Emotion::Angry => 5,
        Emotion::Fear => 6,
        Emotion::Disgust => 7,
        Emotion::Surprise => 8,
        other => panic!("RAVDESS has no {other}"),
    };
    format!("03-01-{code:02}-01-{statement:02}-01-{actor:02}.wav")
}

/// One clip of each speaker and emotion under the names of EMO-DB.
pub fn write_emodb(root: &Path, speakers: impl IntoIterator<Item = u8>, emotions: &[Emotion]) {
    for speaker in speakers {
        for &emotion in emotions {
            let code = match emotion {
                Emotion::Angry => 'W',
                Emotion::Boredom => 'L',
                Emotion::Disgust => 'E',
                Emotion::Fear => 'A',
                Emotion::Happy => 'F',
                Emotion::Sad => 'T',
                Emotion::Neutral => 'N',
                other => panic!("EMO-DB has no {other}"),
            };
            write_wav(&root.join(format!("{speaker:02}a01{code}a.wav")), &clip(speaker, emotion, 3));
        }
    }
}

/// One clip of each speaker and emotion in folders `EMOTION/SPEAKER/`; all speakers say other sentences than in the
/// other corpora, so that no recording is in two of them.
pub fn write_folders(root: &Path, speakers: &[&str], emotions: &[Emotion]) {
    for (number, speaker) in (40..).zip(speakers) {
        for &emotion in emotions {
            write_wav(&root.join(emotion.name()).join(speaker).join("a.wav"), &clip(number, emotion, 4));
        }
    }
}

fn clip(speaker: u8, emotion: Emotion, sentence: u8) -> Waveform {
    // No two speakers share a seed, even where their voices are the same.
    let seed = 100 * u64::from(speaker) + u64::from(sentence);
    speak(Speaker::numbered(speaker), emotion, seed, 0.8)
}

/// Writes 16-bit mono, with the folders that it lies in.
pub fn write_wav(path: &Path, waveform: &Waveform) {
    write_channels(path, waveform.sample_rate(), &[&pcm(waveform)]);
}

/// Writes 16-bit samples of one or more channels.
pub fn write_channels(path: &Path, sample_rate: u32, channels: &[&[i16]]) {
    let spec = hound::WavSpec {
        channels: channels.len() as u16,
        sample_rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for n in 0..channels[0].len() {
        channels.iter().for_each(|channel| writer.write_sample(channel[n]).unwrap());
    }
    writer.finalize().unwrap();
}

pub fn pcm(waveform: &Waveform) -> Vec<i16> {
    waveform.samples().iter().map(|x| (x * 32767.0).round() as i16).collect()
}

/// A small model of `angry`, `neutral` and `sad`, trained once for all tests of a file.
pub fn model() -> &'static [u8] {
    static MODEL: LazyLock<Vec<u8>> = LazyLock::new(|| trained(CONFIG));
    &MODEL
}

/// The model file that a configuration gives on eight synthetic actors.
pub fn trained(config: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    write_ravdess(folder.path(), 1..=8, &EMOTIONS);
    let config: Config = config.parse().unwrap();
    train(&config, &Corpus::ravdess(folder.path()).unwrap(), |_| ()).unwrap().model().to_vec()
}

/// The parts of a safetensors file: the length of the header in 8 bytes, the header in JSON, the weights.
pub struct ModelFile {
    pub header: Value,
    pub weights: Vec<u8>,
}

impl ModelFile {
    pub fn parse(bytes: &[u8]) -> Self {
        let (length, rest) = bytes.split_first_chunk().unwrap();
        let (header, weights) = rest.split_at(u64::from_le_bytes(*length) as usize);
        Self { header: serde_json::from_slice(header).unwrap(), weights: weights.to_vec() }
    }

    pub fn metadata(&self) -> &serde_json::Map<String, Value> {
        self.header["__metadata__"].as_object().unwrap()
    }

    pub fn manifest(&self) -> Value {
        serde_json::from_str(self.metadata()["manifest"].as_str().unwrap()).unwrap()
    }

    /// Changes one value of the manifest, at a JSON pointer such as `/features/n_fft`.
    pub fn with(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        let mut manifest = self.manifest();
        *manifest.pointer_mut(pointer).expect(pointer) = value.into();
        self.header["__metadata__"]["manifest"] = manifest.to_string().into();
        self
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let header = self.header.to_string().into_bytes();
        [&(header.len() as u64).to_le_bytes(), header.as_slice(), &self.weights].concat()
    }
}

/// One of the examples, which a bare `cargo test` builds into the folder beside that of the tests.
pub fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let program = profile.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    let modified = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
    let Ok(built) = modified(&program) else {
        panic!("{} is missing: run `cargo build --examples` first", program.display());
    };
    // `cargo test --test NAME` leaves the examples as they are: no old program must pass for the new one.
    let sources = fs::read_to_string(program.with_extension("d")).unwrap();
    let newer = sources.split_whitespace().find(|path| modified(path.as_ref()).is_ok_and(|time| time > built));
    assert_eq!(newer, None, "{} is older than its source: run `cargo build --examples` first", program.display());
    Command::new(program)
}

/// What a program did.
#[derive(Debug)]
pub struct Outcome {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    /// Runs a program to its end; it must not panic.
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let outcome = Self {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        assert!(!outcome.stderr.contains("panicked"), "{outcome:?}");
        outcome
    }

    /// The JSON objects on stdout, one a line.
    pub fn json_lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The one line on stderr of a program that failed with status 1 and printed no result.
    pub fn only_error(&self) -> &str {
        assert_eq!((self.status, self.stdout.as_str(), self.stderr.lines().count()), (Some(1), "", 1), "{self:?}");
        self.stderr.trim_end()
    }

    /// Requires status 0.
    pub fn success(self) -> Self {
        assert_eq!(self.status, Some(0), "{self:?}");
        self
    }
}

/// Writes a file into a folder and gives its path.
pub fn file(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    path
}

/// A table without quoted fields: a header and rows.
#[derive(Debug, PartialEq)]
pub struct Csv {
    header: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Csv {
    pub fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        assert!(!text.contains('"'), "{} has quoted fields", path.display());
        let mut lines = text.lines().map(|line| line.split(',').map(String::from).collect());
        Self { header: lines.next().unwrap(), rows: lines.collect() }
    }

    /// The rows that have a value in a column.
    pub fn only(mut self, name: &str, value: &str) -> Self {
        let index = self.header.iter().position(|column| column == name).unwrap();
        self.rows.retain(|row| row[index] == value);
        self
    }

    pub fn column(&self, name: &str) -> Vec<&str> {
        let index = self.header.iter().position(|column| column == name).unwrap();
        self.rows.iter().map(|row| row[index].as_str()).collect()
    }
}
