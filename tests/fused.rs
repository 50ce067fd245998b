//! Fused systems: one file of several kinds of features, each with its networks, whose probabilities are averaged as
//! logarithms.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::voice::{Speaker, speak};
use common::{
    CONFIG, Csv, EMOTIONS, ModelFile, Outcome, example, file, trained, write_emodb, write_ravdess, write_wav,
};
use ser_core::{
    Adaptation, Config, Corpus, Emotion, Recognizer, Recording, SearchOptions, Space, Waveform, search, train,
};
use std::fs;
use std::path::Path;
use tempfile::tempdir;

/// Statistics of MFCC at another rate, without the pauses at the ends, and a linear layer: the keys of a system.
const STATISTICS: &str = r#"
    audio = { level = "none", silence = { trim = { top-db = 35.0 } } }
    network = { architecture = "linear" }
    [SYSTEM.features]
    sample_rate = 8000
    n_fft = 256
    win_length = 256
    features = ["mfcc"]
    functionals = ["mean", "standard-deviation"]
    [SYSTEM.normalizer]
    utterance_mean = "keep"
    [SYSTEM.training]
    max_epochs = 8
    batch_size = 8
    learning_rate = 0.003
"#;

fn fused() -> String {
    format!("{CONFIG}\n[[fused]]\n{}", STATISTICS.replace("SYSTEM", "fused"))
}

/// At temperature 1, what is averaged is seen.
fn at_temperature_1(config: &str) -> Recognizer {
    let file = ModelFile::parse(&trained(config)).with("/calibration/temperature", 1.0);
    Recognizer::from_bytes(&file.to_bytes()).unwrap()
}

fn probabilities(recognizer: &Recognizer, waveform: &Waveform) -> Vec<f32> {
    recognizer.recognize(waveform).unwrap().probabilities().iter().map(|(_, p)| *p).collect()
}

#[test]
fn probabilities_are_the_geometric_mean_of_those_of_the_systems_alone() {
    let fused = at_temperature_1(&fused());
    // Each network has the seed after that of the one before.
    let statistics = format!("seed = 6\nlabels = 'own'\n{}", STATISTICS.replace("SYSTEM.", ""));
    let alone = [at_temperature_1(CONFIG), at_temperature_1(&statistics)];
    for (emotion, seconds) in [(Emotion::Sad, 0.9), (Emotion::Angry, 2.0)] {
        let voice = speak(Speaker::numbered(77), emotion, 3, seconds);
        let [first, second] = alone.each_ref().map(|recognizer| probabilities(recognizer, &voice));
        assert_ne!(first, second);
        let products: Vec<f32> = first.iter().zip(&second).map(|(p, q)| (p * q).sqrt()).collect();
        let sum: f32 = products.iter().sum();
        for (together, product) in probabilities(&fused, &voice).into_iter().zip(products) {
            assert!((together - product / sum).abs() < 1e-5, "{together}, {}", product / sum);
        }
    }
}

#[test]
fn long_recordings_timelines_and_attribution_work_at_two_rates() {
    let recognizer = Recognizer::from_bytes(&trained(&fused())).unwrap();
    let voice = |seconds| speak(Speaker::numbered(12), Emotion::Sad, 5, seconds);
    let sum: f32 = probabilities(&recognizer, &voice(61.0)).iter().sum();
    assert!((sum - 1.0).abs() < 1e-6);
    let segments = recognizer.timeline(&voice(5.0), 1.0).unwrap();
    assert_eq!(segments.len(), 5);
    let whole = Recognizer::recognize(&recognizer, &voice(5.0)).unwrap();
    // Resampled without and with its offset, which is next to none.
    let segment = &recognizer.timeline(&voice(5.0), 5.0).unwrap()[0].prediction;
    let pairs = segment.probabilities().iter().zip(whole.probabilities());
    assert!(pairs.into_iter().all(|(one, other)| (one.1 - other.1).abs() < 1e-5), "{segment:?} {whole:?}");
    for emotion in EMOTIONS {
        let voice = speak(Speaker::numbered(12), emotion, 6, 1.0);
        let attribution = recognizer.attribution(&voice).unwrap();
        assert_eq!(attribution.emotion, recognizer.recognize(&voice).unwrap().emotion());
        assert_eq!(attribution.waveform.sample_rate(), 16_000, "the higher of both");
        assert!(attribution.weights.iter().any(|weight| *weight != 0.0));
    }
}

#[test]
fn train_writes_one_file_and_goes_on_with_the_system_that_is_missing() {
    let folder = tempdir().unwrap();
    let (corpus, out) = (folder.path().join("corpus"), folder.path().join("out"));
    write_ravdess(&corpus, 1..=6, &EMOTIONS);
    let config = file(folder.path(), "config.toml", fused());
    let run = |resume: bool| {
        let mut command = example("train");
        command.arg("--config").arg(&config).arg("--corpus").arg(format!("ravdess={}", corpus.display()));
        Outcome::of(command.arg("--out").arg(&out).args(resume.then_some("--resume"))).success()
    };
    let first = run(false);
    assert!(first.stderr.lines().any(|line| line.starts_with("network 2/2, epoch 1/8")), "{first:?}");
    let read = |name: &str| fs::read(out.join(name)).unwrap();
    let (model, history) = (read("model.safetensors"), read("history-2.csv"));
    assert!(history != read("history.csv"));
    assert!(String::from_utf8(read("MODEL_CARD.md")).unwrap().contains("2 systems"));
    fs::remove_file(out.join("checkpoint-2.safetensors")).unwrap();
    let resumed = run(true);
    assert_eq!(resumed.stderr.lines().filter(|line| line.starts_with("network ")).count(), 8, "{resumed:?}");
    assert!(read("model.safetensors") == model);

    let evaluated = folder.path().join("evaluated");
    let mut command = example("evaluate");
    command.arg("--model").arg(out.join("model.safetensors")).arg("--out").arg(&evaluated);
    Outcome::of(command.arg("--corpus").arg(format!("ravdess={}", corpus.display()))).success();
    let test = |folder: &Path| Csv::read(&folder.join("predictions.csv")).only("part", "test");
    assert_eq!(test(&evaluated), test(&out));
}

#[test]
fn a_system_that_normalises_per_speaker_makes_the_model_do_so() {
    let statistics =
        STATISTICS.replace("utterance_mean", "scope = 'speaker'\nutterance_mean").replace("SYSTEM", "fused");
    let recognizer = Recognizer::from_bytes(&trained(&format!("{CONFIG}\n[[fused]]\n{statistics}"))).unwrap();
    let guard = &recognizer.manifest().provenance.guard;
    assert!(guard.contains("normalised per speaker"), "{guard}");
    let voices = EMOTIONS.map(|emotion| Recording::from(speak(Speaker::numbered(12), emotion, 9, 1.0)));
    let error = recognizer.recognize_recording(&voices[0]).unwrap_err().to_string();
    assert!(error.contains("adapt it first"), "{error}");

    let adapted = recognizer.adapted_to(&voices).unwrap();
    let folder = tempdir().unwrap();
    let path = folder.path().join("voice.json");
    adapted.adaptation().unwrap().write(&path).unwrap();
    let again = recognizer.with_adaptation(Adaptation::from_file(&path).unwrap()).unwrap();
    for voice in &voices {
        assert_eq!(again.recognize_recording(voice).unwrap(), adapted.recognize_recording(voice).unwrap());
    }
    // Statistics for one system too few.
    let mut adaptation: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    adaptation["normalizers"].as_array_mut().unwrap().pop();
    let cut = Adaptation::from_file(file(folder.path(), "cut.json", adaptation.to_string())).unwrap();
    let error = recognizer.with_adaptation(cut).unwrap_err().to_string();
    assert!(error.contains("made with another model"), "{error}");
}

#[test]
fn what_one_system_cannot_use_is_not_scored() {
    let folder = tempdir().unwrap();
    write_ravdess(folder.path(), 1..=8, &EMOTIONS);
    // A fifth of a second has fewer frames than a delta of this width needs.
    for actor in 1..=8 {
        let path = folder.path().join(format!("Actor_{actor:02}/03-01-05-02-01-01-{actor:02}.wav"));
        write_wav(&path, &speak(Speaker::numbered(actor), Emotion::Angry, u64::from(actor) + 4_000, 0.2));
    }
    let statistics =
        STATISTICS.replace("functionals", "deltas = [{ width = 25 }]\nfunctionals").replace("SYSTEM", "fused");
    let config: Config = format!("{CONFIG}\n[[fused]]\n{statistics}").parse().unwrap();
    let trained = train(&config, &Corpus::ravdess(folder.path()).unwrap(), |_| ()).unwrap();
    let left_out: Vec<_> = trained.warnings().iter().filter(|line| line.contains("-02-01-01-")).collect();
    assert!(
        left_out.len() == 8 && left_out.iter().all(|line| line.ends_with(": left out")),
        "{:?}",
        trained.warnings()
    );
    // The other system learns from them.
    let provenance = &trained.manifest().provenance;
    let clips = [provenance.train.clips.len(), provenance.valid.clips.len(), trained.evaluation().predictions().len()];
    assert_eq!(clips, [6 * 7, 6, 6]);
}

#[test]
fn a_system_learns_from_the_corpora_that_it_names() {
    let folder = tempdir().unwrap();
    let [ravdess, emodb] = ["ravdess", "emodb"].map(|name| folder.path().join(name));
    write_ravdess(&ravdess, 1..=6, &EMOTIONS);
    write_emodb(&emodb, [3, 8, 9, 10, 11, 12], &EMOTIONS);
    let corpus = Corpus::ravdess(&ravdess).unwrap().merge(Corpus::emodb(&emodb).unwrap());
    let statistics = STATISTICS.replace("SYSTEM", "fused");
    let with =
        |corpora: &str| train(&format!("{CONFIG}\n[[fused]]\n{corpora}{statistics}").parse().unwrap(), &corpus, |_| ());
    let [all, own] = ["", "corpora = ['emodb']"].map(|corpora| with(corpora).unwrap());
    assert_eq!(all.manifest().normalizer, own.manifest().normalizer);
    assert_ne!(all.manifest().fused[0].normalizer, own.manifest().fused[0].normalizer);
    assert_eq!(
        all.manifest().provenance.train,
        own.manifest().provenance.train,
        "what another system learned is known"
    );
    let only = train(&format!("corpora = ['emodb']\n{CONFIG}").parse().unwrap(), &corpus, |_| ()).unwrap();
    let speakers = &only.manifest().provenance.train.speakers;
    assert!(!speakers.is_empty() && speakers.iter().all(|name| name.starts_with("emodb/")), "{speakers:?}");
    let error = with("corpora = ['tess']").unwrap_err().to_string();
    assert!(
        error.contains(
            "corpora names \"tess\", which has no clip in the training part; there are clips of emodb, ravdess"
        ),
        "{error}"
    );
}

#[test]
fn systems_that_do_not_fit_together_are_errors() {
    let folder = tempdir().unwrap();
    write_ravdess(folder.path(), 1..=4, &EMOTIONS);
    let corpus = Corpus::ravdess(folder.path()).unwrap();
    let error = |fused: &str| {
        let config = format!("{CONFIG}\n{fused}").parse::<Config>().unwrap();
        train(&config, &corpus, |_| ()).unwrap_err().to_string()
    };
    assert!(error("[[fused]]\nensemble = 0").contains("ensemble is 0; allowed: 1 to 32"));
    let many = error(&"[[fused]]\n".repeat(8));
    assert!(many.contains("fused is 8 systems; allowed: at most 7"), "{many}");
    let imported = error("[[fused]]\nimported = { name = 'wavlm-base', n_bins = 768 }");
    assert!(imported.contains("systems that take the same recordings"), "{imported}");
    let space = "method = 'grid'\n[space]\ntraining.learning_rate = [0.1, 0.2]".parse::<Space>().unwrap();
    let config = fused().parse::<Config>().unwrap();
    let out = folder.path().join("search");
    let error = search(&config, &space, &corpus, out, &SearchOptions::default(), |_| ()).unwrap_err().to_string();
    assert!(error.contains("search each by itself"), "{error}");
    assert!(format!("{CONFIG}\n[[fused]]\nseed = 1").parse::<Config>().is_err(), "a key that systems share");

    let model = ModelFile::parse(&trained(&fused()));
    let mut manifest = model.manifest();
    let one = manifest["fused"][0].clone();
    manifest["fused"] = vec![one; 8].into();
    let with = |manifest: &serde_json::Value| {
        let mut model = ModelFile::parse(&model.to_bytes());
        model.header["__metadata__"]["manifest"] = manifest.to_string().into();
        let error = Recognizer::from_bytes(&model.to_bytes()).unwrap_err();
        format!("{:?}", error)
    };
    assert!(with(&manifest).contains("at most 7"));
    let few = manifest["fused"].as_array().unwrap()[..2].to_vec();
    manifest["fused"] = few.into();
    assert!(with(&manifest).contains("weight") || with(&manifest).contains("Weight"), "{}", with(&manifest));
}
