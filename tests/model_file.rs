//! The model file is one safetensors file with one metadata key, and no damage to it makes the library panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::voice::{Speaker, speak};
use common::{CONFIG, ModelFile, model, trained};
use ser_core::{Config, Corpus, Emotion, Recognizer, Waveform, train};
use serde_json::Value;

/// Whether all objects of a JSON text are written in the order of their keys, and without spaces.
fn keys_are_sorted(text: &str) -> bool {
    let mut value: Value = serde_json::from_str(text).unwrap();
    value.sort_all_objects();
    let sorted = value.to_string();
    sorted == text
}

fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().flat_map(strings).collect(),
        Value::Object(fields) => fields.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn the_metadata_is_one_key_with_sorted_json_and_without_a_path() {
    let file = ModelFile::parse(model());
    assert_eq!(file.metadata().keys().collect::<Vec<_>>(), ["manifest"]);
    assert!(keys_are_sorted(file.metadata()["manifest"].as_str().unwrap()));
    assert!(!keys_are_sorted(r#"{"b":1,"a":{"d":1,"c":2}}"#), "the check sees what is not sorted");
    let manifest = file.manifest();
    let speakers = manifest["provenance"]["train"]["speakers"].as_array().unwrap();
    assert_eq!(speakers.len(), 6, "eight actors, of whom one validates and one tests");
    let strings = strings(&manifest);
    assert!(strings.len() > 40, "{strings:?}");
    // A slash is in `corpus/speaker` and nowhere else, and nothing looks like a file, a date or a time of day.
    for text in strings {
        assert!(
            text.strip_prefix("ravdess/").unwrap_or(text).chars().all(|c| !matches!(c, '/' | '\\' | ':')),
            "{text}"
        );
        assert!(!text.contains(".wav") && !text.contains("202"), "{text}");
    }
}

#[test]
fn weights_in_f16_take_half_of_the_room_and_recognise_the_same() {
    let half = trained(&format!("precision = \"f16\"\n{CONFIG}"));
    let (half_file, full_file) = (ModelFile::parse(&half), ModelFile::parse(model()));
    assert_eq!(2 * half_file.weights.len(), full_file.weights.len());

    let voice = speak(Speaker::numbered(12), Emotion::Sad, 5, 1.0);
    let probabilities = |bytes: &[u8]| {
        let prediction = Recognizer::from_bytes(bytes).unwrap().recognize(&voice).unwrap();
        prediction.probabilities().iter().map(|(_, p)| *p).collect::<Vec<_>>()
    };
    let (half, full) = (probabilities(&half), probabilities(model()));
    // Eleven significant bits a weight: relative errors of 2^-12 in six layers, and logits below 10.
    assert!(half.iter().zip(&full).all(|(h, f)| (h - f).abs() < 5e-3), "{half:?} {full:?}");
    assert_ne!(half, full);
}

#[test]
fn a_changed_file_that_is_put_together_again_is_read() {
    let file = ModelFile::parse(model()).with("/provenance/license", "CC0-1.0");
    let recognizer = Recognizer::from_bytes(&file.to_bytes()).unwrap();
    assert_eq!(recognizer.manifest().provenance.license, "CC0-1.0");
    assert_eq!(recognizer.emotions(), [Emotion::Angry, Emotion::Neutral, Emotion::Sad]);
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = model();
    for length in 0..bytes.len() {
        assert!(Recognizer::from_bytes(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
    }
    let longer = [bytes, &[0]].concat();
    assert!(Recognizer::from_bytes(&longer).is_err(), "a byte too many");
}

#[test]
fn a_flipped_byte_is_an_error_or_a_model_that_works() {
    let voice = speak(Speaker::numbered(3), Emotion::Angry, 9, 0.3);
    let bytes = model();
    // Steps without a common divisor with the length of a weight or of a repeated field reach every kind of place.
    for (index, flip) in (0..bytes.len()).step_by(7).zip([0x01, 0x08, 0x10, 0x80, 0xff].into_iter().cycle()) {
        let mut damaged = bytes.to_vec();
        damaged[index] ^= flip;
        // A weight may be huge then, and the result an error, but never a prediction without probabilities.
        if let Ok(prediction) = Recognizer::from_bytes(&damaged).and_then(|recognizer| recognizer.recognize(&voice)) {
            let sum: f32 = prediction.probabilities().iter().map(|(_, p)| p).sum();
            assert!((sum - 1.0).abs() < 1e-6, "byte {index} ^ {flip:#x}: {prediction:?}");
        }
    }
}

#[test]
fn a_manifest_that_does_not_fit_is_an_error() {
    let file = || ModelFile::parse(model());
    let mel = "/features/features/0/log-mel";
    let cases = [
        ("/schema_version", Value::from(0), "schema version 0"),
        ("/schema_version", 4.into(), "schema version 4"),
        ("/schema_version", "1".into(), "manifest"),
        ("/labels/classes", vec!["angry", "sad"].into(), "weight"),
        ("/labels/classes", vec!["angry", "fear", "neutral", "sad"].into(), "weight"),
        ("/labels/classes", vec!["angry"].into(), "at least 2 classes"),
        ("/labels/classes", vec!["angry", "angry", "sad"].into(), "twice"),
        ("/labels/classes", vec!["angry", "bored stiff", "sad"].into(), "bored stiff"),
        ("/features/n_fft", 0.into(), "n_fft"),
        ("/features/n_fft", (1_u64 << 40).into(), "n_fft"),
        ("/features/n_fft", (-512).into(), "manifest"),
        ("/features/hop_length", 0.into(), "hop_length"),
        ("/features/hop_length", u64::MAX.into(), "hop_length"),
        ("/features/hop_length", 7.into(), "hop_length is 7, but must be at least 8"),
        ("/features/win_length", 513.into(), "win_length"),
        ("/features/sample_rate", 0.into(), "sample_rate"),
        ("/features/features", Vec::<Value>::new().into(), "features"),
        (&format!("{mel}/n_mels"), 0.into(), "n_mels"),
        (&format!("{mel}/n_mels"), (1_u64 << 40).into(), "mel"),
        (&format!("{mel}/n_mels"), 63.into(), "63"),
        (&format!("{mel}/fmin"), 9000.into(), "fmin"),
        (&format!("{mel}/fmax"), 1e30.into(), "fmax"),
        (&format!("{mel}/top_db"), (-80).into(), "top_db"),
        ("/calibration/temperature", 0.into(), "temperature"),
        ("/calibration/temperature", 1e-46.into(), "temperature"),
        ("/calibration/threshold", 1.5.into(), "threshold"),
        ("/normalizer/center", vec![0.5; 63].into(), "63"),
        ("/normalizer/scope", "clip".into(), "clip"),
        ("/normalizer/scale", vec![0.0; 64].into(), "scale"),
        ("/network/channels", vec![4, 4].into(), "weight"),
        ("/network/channels", Vec::<u64>::new().into(), "channels"),
        ("/network/embedding", (1_u64 << 40).into(), "embedding"),
        ("/network/architecture", "transformer".into(), "transformer"),
        ("/network/dropout", 1.5.into(), "dropout"),
        ("/provenance/train", Value::Null, "manifest"),
    ];
    for (pointer, value, reason) in cases {
        let described = format!("{pointer} = {value}");
        let error = Recognizer::from_bytes(&file().with(pointer, value).to_bytes()).expect_err(&described);
        assert!(chain(&error).contains(reason), "{described}: {}", chain(&error));
    }
}

#[test]
fn keys_that_are_unknown_or_contradict_each_other_are_errors() {
    let imported = serde_json::json!({ "name": "wavlm-base", "n_bins": 64 });
    let either = "either level and features are needed, or imported alone";
    let cases = [
        ("date", Some("today".into()), "unknown field `date`"),
        ("imported", Some(imported), either),
        ("level", None, either),
        ("features", None, either),
        ("network", None, "missing field `network`"),
    ];
    for (key, value, reason) in cases {
        let mut file = ModelFile::parse(model());
        let mut manifest = file.manifest();
        let fields = manifest.as_object_mut().unwrap();
        match value {
            Some(value) => fields.insert(key.into(), value),
            None => fields.remove(key),
        };
        file.header["__metadata__"]["manifest"] = manifest.to_string().into();
        let error = Recognizer::from_bytes(&file.to_bytes()).expect_err(key);
        assert!(chain(&error).contains(reason), "{key}: {}", chain(&error));
    }
}

#[test]
fn a_later_version_is_named_whatever_else_it_has() {
    let mut file = ModelFile::parse(model());
    let mut manifest = file.manifest();
    manifest["schema_version"] = 1000.into();
    manifest["streaming"] = true.into();
    file.header["__metadata__"]["manifest"] = manifest.to_string().into();
    let error = chain(&Recognizer::from_bytes(&file.to_bytes()).unwrap_err());
    assert!(error.contains("schema version 1000"), "{error}");
}

#[test]
fn a_timeline_of_stretches_that_are_cut_between_samples_accepts_them() {
    let file =
        ModelFile::parse(model()).with("/features/sample_rate", 22_050).with("/features/features/0/log-mel/fmax", 8000);
    let recognizer = Recognizer::from_bytes(&file.to_bytes()).unwrap();
    let tone: Vec<f32> = (0..44_100).map(|i| 0.3 * (i as f32 * 0.07).sin()).collect();
    let timeline = recognizer.timeline(&Waveform::new(tone, 22_050).unwrap(), 0.25).unwrap();
    assert_eq!(timeline.len(), 8);
    assert!(timeline.iter().all(|segment| segment.prediction.accepted()), "{timeline:?}");
}

#[test]
fn missing_foreign_and_non_finite_weights_are_errors() {
    let names: Vec<String> = tensors(&ModelFile::parse(model()));
    assert!(names.len() > 10, "{names:?}");
    for name in &names {
        let mut renamed = ModelFile::parse(model());
        let tensor = renamed.header.as_object_mut().unwrap().remove(name).unwrap();
        renamed.header["foreign"] = tensor;
        let error = Recognizer::from_bytes(&renamed.to_bytes()).unwrap_err();
        assert!(chain(&error).contains(name.as_str()), "{name}: {}", chain(&error));
    }

    let mut without = ModelFile::parse(model());
    without.header = serde_json::json!({ "__metadata__": without.header["__metadata__"] });
    without.weights.clear();
    assert!(Recognizer::from_bytes(&without.to_bytes()).is_err());

    let mut infinite = ModelFile::parse(model());
    infinite.weights[..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
    let error = Recognizer::from_bytes(&infinite.to_bytes()).unwrap_err();
    assert!(chain(&error).contains("NaN or infinite"), "{}", chain(&error));
}

#[test]
fn a_second_metadata_key_is_an_error() {
    let mut file = ModelFile::parse(model());
    file.header["__metadata__"]["date"] = "today".into();
    assert!(Recognizer::from_bytes(&file.to_bytes()).is_err());
}

fn tensors(file: &ModelFile) -> Vec<String> {
    file.header.as_object().unwrap().keys().filter(|name| *name != "__metadata__").cloned().collect()
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[test]
fn a_small_file_that_asks_for_gigabytes_is_refused() {
    let wide = trained(&CONFIG.replace("channels = [4, 4, 8]", "channels = [400, 2, 2]"));
    // 30,000 frames of 32 bins and 400 channels.
    let file = ModelFile::parse(&wide).with("/features/hop_length", 8);
    assert!(file.to_bytes().len() < 500_000);
    let error = Recognizer::from_bytes(&file.to_bytes()).unwrap_err().to_string();
    assert!(error.contains("network is") && error.contains("at most 2^28 values"), "{error}");

    let features = "\n[features]\nhop_length = 8\nfeatures = [{ pyin = { resolution = 0.01, fmax = 4000.0 } }]\n[normalizer]\nutterance_mean = 'keep'\n";
    let config: Config = (CONFIG.replace("labels = \"own\"", "labels = \"seven\"") + features).parse().unwrap();
    let error = train(&config, &Corpus::new(Vec::new()), |_| ()).unwrap_err().to_string();
    assert!(error.contains("resolution is 0.01") && error.contains("2^27"), "{error}");
}

#[test]
fn features_of_gigabytes_are_refused_before_their_columns_are_named() {
    let deltas: Vec<_> = (1..500).map(|n| serde_json::json!({ "width": 2 * n + 1 })).collect();
    let spectrogram = serde_json::json!(["spectrogram"]);
    let millions = ModelFile::parse(model())
        .with("/features/n_fft", 1 << 20)
        .with("/features/hop_length", 1 << 12)
        .with("/features/features", spectrogram.clone())
        .with("/features/deltas", deltas);
    let error = chain(&Recognizer::from_bytes(&millions.to_bytes()).unwrap_err());
    assert!(error.contains("columns") && error.contains("at most 2^20 columns"), "{error}");

    // 22,500 frames of 65,536 bins.
    let wide = ModelFile::parse(model())
        .with("/features/sample_rate", 384_000)
        .with("/features/n_fft", 131_070)
        .with("/features/hop_length", 512)
        .with("/features/features", spectrogram);
    let error = chain(&Recognizer::from_bytes(&wide.to_bytes()).unwrap_err());
    assert!(error.contains("hop_length is 512") && error.contains("2^28"), "{error}");
}
