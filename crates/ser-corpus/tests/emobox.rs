//! EmoBox's folds over generated trees.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;

use common::{tree, warnings, write};
use ser_corpus::{Corpus, Emotion, Error, FoldPart, Sex, Utterance};
use tempfile::TempDir;

/// A line as EmoBox writes it.
fn line(key: &str, wav: &str, emotion: &str) -> String {
    let dataset = key.split('-').next().unwrap();
    format!(
        "{{\"key\": \"{key}\", \"dataset\": \"{dataset}\", \"wav\": \"downloads/{dataset}/{wav}\", \"type\": \"raw\", \
         \"sample_rate\": 16000, \"num_frame\": 33978.0, \"task\": \"category\", \"length\": 2.123625, \
         \"emo\": \"{emotion}\", \"channel\": 1}}\n"
    )
}

fn fold(root: &TempDir, corpus: &str, part: &str, number: u32, lines: &[&str]) {
    let file = format!("data/{corpus}/fold_{number}/{corpus}_{part}_fold_{number}.jsonl");
    write(root, file, &lines.concat());
}

/// Two folds of EMO-DB, three recordings (one re-encoded), and its label map with its two oddities.
fn emodb() -> TempDir {
    let root = tree([
        "downloads/emodb/wav/03a01Nc.wav",
        "downloads/emodb/wav/08a02La.flac",
        "downloads/emodb/wav/09b03Ta.wav",
    ]);
    let happy = line("emodb-03a01Nc", "wav/03a01Nc.wav", "neutral");
    let bored = line("emodb-08a02La", "wav/08a02La.wav", "boredem");
    let sad = line("emodb-09b03Ta", "wav/09b03Ta.wav", "sad");
    fold(&root, "emodb", "train", 1, &[&happy, &bored]);
    fold(&root, "emodb", "test", 1, &[&sad]);
    fold(&root, "emodb", "train", 2, &[&sad]);
    fold(&root, "emodb", "test", 2, &[&bored, "\n", &happy]);
    write(&root, "data/emodb/label_map.json", r#"{"boredem": "Boredom", "Neutral": "Neutral", "sad": "Sad"}"#);
    root
}

#[test]
fn notes_of_an_operating_system_are_no_folds() {
    let root = emodb();
    let clean = Corpus::emobox(root.path()).unwrap();
    for file in ["data/.DS_Store", "data/emodb/._label_map.json", "data/emodb/fold_1/._emodb_train_fold_1.jsonl"] {
        write(&root, file, "no JSON");
    }
    let corpus = Corpus::emobox(root.path()).unwrap();
    assert_eq!(corpus.utterances(), clean.utterances());
    assert_eq!(corpus.warnings(), []);
}

#[test]
fn folds_are_kept_and_the_rest_is_as_of_the_corpus_s_own_reader() {
    let root = emodb();
    let own = Corpus::emodb(root.path().join("downloads")).unwrap();
    // Given EmoBox itself, all corpora, one corpus.
    for path in ["", "data", "data/emodb"] {
        let corpus = Corpus::emobox(root.path().join(path)).unwrap();
        assert_eq!(corpus.warnings(), []);
        let mut without_folds = corpus.utterances().to_vec();
        let folds: Vec<_> = without_folds.iter_mut().map(|utterance| std::mem::take(&mut utterance.folds)).collect();
        assert_eq!(without_folds, own.utterances());
        let (train, test) = (FoldPart::Train, FoldPart::Test);
        let first = BTreeMap::from([(1, train), (2, test)]);
        assert_eq!(folds, [first.clone(), first, BTreeMap::from([(1, test), (2, train)])]);
    }
}

#[test]
fn one_fold_alone_is_read() {
    let root = emodb();
    let corpus = Corpus::emobox(root.path().join("data/emodb/fold_2")).unwrap();
    assert_eq!(corpus.len(), 3);
    assert!(corpus.utterances().iter().all(|utterance| utterance.folds.keys().eq([&2])));
}

#[test]
fn speakers_of_all_corpora_with_readers_are_parsed_from_the_key() {
    for (key, emotion, corpus, speaker) in [
        ("cremad-1052-WSI-ANG-XX", "ANG", "crema-d", "1052"),
        ("emodb-03a02Wb", "anger", "emodb", "03"),
        ("emovo-gio-f2-b2", "gio", "emovo", "f2"),
        ("ravdess-03-01-07-02-02-02-11", "Disgust", "ravdess", "11"),
        ("savee-JE-sa08", "sa", "savee", "JE"),
        ("tess-OA-bite-neutral", "neutral", "tess", "OAF"),
    ] {
        let dataset = key.split('-').next().unwrap();
        let root = tree([format!("downloads/{dataset}/some/name.wav")]);
        fold(&root, dataset, "valid", 1, &[&line(key, "some/name.wav", emotion)]);
        let read = Corpus::emobox(root.path().join("data")).unwrap();
        let utterance = &read.utterances()[0];
        assert_eq!(utterance.speaker_key(), Some((corpus, speaker)));
        assert!(utterance.language.is_some());
        assert_eq!(utterance.folds, BTreeMap::from([(1, FoldPart::Valid)]));
    }
}

#[test]
fn the_label_map_says_what_the_labels_of_other_corpora_mean() {
    let root = tree(["downloads/iemocap/a.wav", "downloads/iemocap/b.wav", "downloads/iemocap/c.wav"]);
    let lines =
        [line("iemocap-a", "a.wav", "exc"), line("iemocap-b", "b.wav", "neutral"), line("iemocap-c", "c.wav", "oth")];
    fold(&root, "iemocap", "train", 1, &lines.each_ref().map(String::as_str));
    write(&root, "data/iemocap/label_map.json", r#"{"exc": "Happy", "oth": "No-agreement"}"#);
    let corpus = Corpus::emobox(root.path()).unwrap();
    let expected = [("a.wav", Emotion::Happy), ("b.wav", Emotion::Neutral)].map(|(name, emotion)| {
        let mut utterance = Utterance::new(root.path().join("downloads/iemocap").join(name), emotion, "iemocap");
        utterance.folds = BTreeMap::from([(1, FoldPart::Train)]);
        utterance
    });
    assert_eq!(corpus.utterances(), expected);
    assert_eq!(warnings(&corpus, &root), [("downloads/iemocap/c.wav", "unknown emotion \"No-agreement\"", "skipped")]);
}

#[test]
fn what_cannot_be_used_is_skipped_with_its_reason() {
    let root = emodb();
    let files = ["03a02Wb.wav", "11b03Wa.wav", "14a05Wa.wav"].map(|file| format!("downloads/emodb/wav/{file}"));
    for file in files {
        write(&root, file, "");
    }
    write(&root, "downloads/emodb/wav/12b02Wa.wav", "version https://git-lfs.github.com/spec/v1\n");
    let gone = line("emodb-16b10Wb", "wav/16b10Wb.wav", "anger");
    let misfit = line("emodb-77x99Qz", "wav/11b03Wa.wav", "anger");
    let pointer = line("emodb-12b02Wa", "wav/12b02Wa.wav", "anger");
    let both = line("emodb-03a02Wb", "wav/03a02Wb.wav", "anger");
    let segment = line("emodb-14a05Wa", "wav/14a05Wa.wav", "anger").replace("\"channel\": 1", "\"start_time\": 1.5");
    fold(&root, "emodb", "train", 3, &[&gone, &both, &pointer]);
    fold(&root, "emodb", "test", 3, &[&gone, &both, &misfit, &segment]);
    write(&root, "data/emodb/fold_3/emodb_test_fold3.jsonl", "{}");
    let corpus = Corpus::emobox(root.path()).unwrap();
    assert_eq!(corpus.len(), 4);
    assert_eq!(corpus.utterances()[1].folds, BTreeMap::from([(3, FoldPart::Test)]));
    assert_eq!(
        warnings(&corpus, &root),
        [
            ("data/emodb/fold_3/emodb_test_fold3.jsonl", "file name does not fit an EmoBox fold", "skipped"),
            ("downloads/emodb/wav/03a02Wb.wav", "in test and train of fold 3", "counts as test"),
            ("downloads/emodb/wav/11b03Wa.wav", "file name does not fit EMO-DB", "skipped"),
            ("downloads/emodb/wav/14a05Wa.wav", "listed as segments", "skipped"),
            ("downloads/emodb/wav/16b10Wb.wav", "listed, but not there", "skipped"),
            (
                "downloads/emodb/wav/12b02Wa.wav",
                "Git LFS pointer in place of audio",
                "skipped: run `git lfs pull` in its checkout"
            ),
        ]
    );
}

#[test]
fn clips_of_crema_d_that_cannot_be_trusted_are_left_out_here_too() {
    let root = tree(["downloads/cremad/1076_MTI_SAD_XX.wav", "downloads/cremad/1040_ITH_SAD_X.wav"]);
    let lines = [
        line("cremad-1076-MTI-SAD-XX", "1076_MTI_SAD_XX.wav", "SAD"),
        line("cremad-1040-ITH-SAD-X", "1040_ITH_SAD_X.wav", "SAD"),
    ];
    fold(&root, "cremad", "train", 1, &lines.each_ref().map(String::as_str));
    let corpus = Corpus::emobox(root.path()).unwrap();
    assert_eq!(corpus.utterances()[0].speaker.as_deref(), Some("1040"));
    assert_eq!(warnings(&corpus, &root), [("downloads/cremad/1076_MTI_SAD_XX.wav", "silent", "skipped")]);
}

#[test]
fn damaged_files_and_missing_recordings_are_errors_that_name_them() {
    let root = emodb();
    fold(&root, "emodb", "test", 1, &[&line("emodb-09b03Ta", "wav/09b03Ta.wav", "sad"), "{\"key\": 1}\n"]);
    let error = Corpus::emobox(root.path()).unwrap_err().to_string();
    assert!(error.contains("emodb_test_fold_1.jsonl") && error.contains("line 2: "), "{error}");

    let root = emodb();
    write(&root, "data/emodb/label_map.json", "[]");
    let error = Corpus::emobox(root.path()).unwrap_err().to_string();
    assert!(error.contains("label_map.json"), "{error}");

    let root = emodb();
    std::fs::remove_dir_all(root.path().join("downloads")).unwrap();
    assert!(matches!(Corpus::emobox(root.path()).unwrap_err(), Error::NoClips { .. }));
}

#[test]
fn merged_with_the_corpus_s_own_reader_each_speaker_stays_one_person() {
    let root = emodb();
    let folds = || Corpus::emobox(root.path()).unwrap();
    let own = || Corpus::emodb(root.path().join("downloads")).unwrap();
    for merged in [folds().merge(own()), own().merge(folds())] {
        assert_eq!(merged.len(), 3);
        assert!(merged.utterances().iter().all(|utterance| !utterance.folds.is_empty()));
        assert_eq!(merged.utterances()[1].sex, Some(Sex::Female));
    }
}

#[test]
fn the_first_segment_of_a_file_is_not_the_file() {
    let root = emodb();
    let first = line("emodb-08a02La", "wav/08a02La.wav", "neutral").replace("\"channel\": 1", "\"start_time\": 0.0");
    let second = line("emodb-08a02La", "wav/08a02La.wav", "sad").replace("\"channel\": 1", "\"start_time\": 1.5");
    fold(&root, "emodb", "train", 3, &[&first, &second]);
    let corpus = Corpus::emobox(root.path()).unwrap();
    assert_eq!(corpus.len(), 2);
    assert_eq!(warnings(&corpus, &root), [("downloads/emodb/wav/08a02La.flac", "listed as segments", "skipped")]);
}
