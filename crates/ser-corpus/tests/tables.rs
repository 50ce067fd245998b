//! CSV and JSON Lines: as other tools write them, and out and in again.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use common::{tree, warnings, write};
use proptest::{collection::btree_map, option, prelude::*};
use ser_corpus::{Corpus, Emotion, Error, FoldPart, Intensity, LabelSet, Sex, Utterance};
use tempfile::TempDir;

fn csv(files: &[&str], content: &str) -> (TempDir, Result<Corpus, Error>) {
    let root = tree(files);
    write(&root, "list.csv", content);
    let corpus = Corpus::csv(root.path().join("list.csv"));
    (root, corpus)
}

#[test]
fn a_list_of_nkululeko_is_read_with_its_other_columns() {
    let content = "file,speaker,gender,emotion,arousal,valence,task,age\n\
                   audio/1.wav,ann,female,happiness,0.5,-1e-1,read,23.0\n\
                   audio/2.wav,bob,M,Anger,,0.25,\"talk, free\",\n";
    let (root, corpus) = csv(&["audio/1.wav", "audio/2.wav"], content);
    let corpus = corpus.unwrap();
    let mut ann = Utterance::new(root.path().join("audio/1.wav"), Emotion::Happy, "csv");
    ann.speaker = Some("ann".into());
    ann.sex = Some(Sex::Female);
    ann.age = Some(23);
    ann.attributes = BTreeMap::from([("task".into(), "read".into())]);
    ann.dimensions = BTreeMap::from([("arousal".into(), 0.5), ("valence".into(), -0.1)]);
    let mut bob = Utterance::new(root.path().join("audio/2.wav"), Emotion::Angry, "csv");
    bob.speaker = Some("bob".into());
    bob.sex = Some(Sex::Male);
    bob.attributes = BTreeMap::from([("task".into(), "talk, free".into())]);
    bob.dimensions = BTreeMap::from([("valence".into(), 0.25)]);
    assert_eq!(corpus.utterances(), [ann, bob]);
    assert_eq!(corpus.warnings(), []);
}

#[test]
fn numbers_that_pandas_wrote_with_a_fraction_are_names() {
    let content = "file,emotion,corpus,speaker,sentence\n1.wav,sad,crema-d,1001.0,3.0\n2.wav,sad,crema-d,,\n\
                   3.wav,sad,ravdess,Actor_04,\n4.wav,sad,ravdess,04,\n";
    let (_root, corpus) = csv(&["1.wav", "2.wav", "3.wav", "4.wav"], content);
    let corpus = corpus.unwrap();
    let names = corpus.utterances().iter().map(|u| (u.speaker.as_deref(), u.sentence.as_deref()));
    assert_eq!(
        names.collect::<Vec<_>>(),
        [(Some("1001"), Some("3")), (None, None), (Some("Actor_04"), None), (Some("Actor_04"), None)]
    );
    assert_eq!(corpus.warnings()[0].problem, "speaker \"04\" is also written \"Actor_04\"");
}

#[test]
fn a_table_of_audformat_is_read_where_its_segments_are_whole_files() {
    let content = "file,start,end,emotion,speaker\n\
                   1.wav,0 days,0 days 00:00:02.5,sad,a\n\
                   2.wav,0 days 00:00:00,NaT,sad,a\n\
                   3.wav,0 days 00:00:00,0 days 00:00:01,sad,b\n\
                   3.wav,0 days 00:00:01,0 days 00:00:02,angry,b\n";
    let (root, corpus) = csv(&["1.wav", "2.wav", "3.wav"], content);
    let corpus = corpus.unwrap();
    assert_eq!(corpus.len(), 2);
    let segment = ("3.wav", "listed as segments", "skipped: cut the segments into files of their own");
    assert_eq!(
        warnings(&corpus, &root),
        [("list.csv", "has a column `end`", "ignored: files are taken whole"), segment, segment]
    );
}

#[test]
fn segments_of_a_file_in_two_spellings_are_its_segments() {
    let content = "file,start,emotion\n1.wav,0,sad\n./1.wav,0.5,angry\n2.wav,0,sad\n";
    let (_root, corpus) = csv(&["1.wav", "2.wav"], content);
    let corpus = corpus.unwrap();
    assert_eq!(corpus.len(), 1);
    assert!(corpus.utterances()[0].path.ends_with("2.wav"));
}

#[test]
fn columns_are_found_in_any_case_and_under_their_other_names() {
    let content = "\u{feff}Path , LABEL,Speaker_ID,Sex,Database,language\n 1.wav , Sadness , 7 ,w,talks,fr\n";
    let (root, corpus) = csv(&["1.wav"], content);
    let mut expected = Utterance::new(root.path().join("1.wav"), Emotion::Sad, "talks");
    expected.speaker = Some("7".into());
    expected.sex = Some(Sex::Female);
    expected.language = Some("fr".into());
    assert_eq!(corpus.unwrap().utterances(), [expected]);
}

#[test]
fn what_pandas_writes_for_missing_words_names_nobody() {
    let content = "file,emotion,speaker,corpus,sentence,language\n1.wav,sad,nan,NaN,None,<NA>\n2.wav,sad,anna,x,a,en\n";
    let (_root, corpus) = csv(&["1.wav", "2.wav"], content);
    let corpus = corpus.unwrap();
    let one = corpus.utterances().iter().find(|utterance| utterance.path.ends_with("1.wav")).unwrap();
    assert_eq!((&one.speaker, &one.sentence, &one.language, &*one.corpus), (&None, &None, &None, "csv"));
}

#[test]
fn speakers_who_are_not_known_are_not_one_person() {
    let content =
        "file,emotion,speaker\n1.wav,sad,Unknown\n2.wav,sad,unk\n3.wav,sad,N/A\n4.wav,sad,?\n5.wav,sad,anna\n";
    let (root, corpus) = csv(&["1.wav", "2.wav", "3.wav", "4.wav", "5.wav"], content);
    let corpus = corpus.unwrap();
    let speakers: Vec<_> = corpus.utterances().iter().map(|utterance| utterance.speaker.as_deref()).collect();
    assert_eq!(speakers, [None, None, None, None, Some("anna")]);
    assert_eq!(warnings(&corpus, &root)[0], ("1.wav", "speaker \"Unknown\" names nobody", "left empty"));
}

#[test]
fn rows_that_cannot_be_used_are_skipped_and_cells_left_empty_with_the_reason() {
    let content = "file,emotion,gender,age,intensity,repetition,folds\n\
                   1.wav,sad,nan,NaN,none,,\n\
                   2.wav,glum,,,,,\n\
                   3.wav,,,,,,\n\
                   ,sad,,,,,\n\
                   gone.wav,sad,,,,,\n\
                   4.wav,sad,other,old,loud,two,1:best\n";
    let (root, corpus) = csv(&["1.wav", "2.wav", "3.wav", "4.wav"], content);
    let corpus = corpus.unwrap();
    assert_eq!(corpus.len(), 2);
    assert!(corpus.utterances().iter().all(|u| u.sex.is_none() && u.age.is_none() && u.attributes.is_empty()));
    assert_eq!(
        warnings(&corpus, &root),
        [
            ("2.wav", "unknown emotion \"glum\"", "skipped"),
            ("3.wav", "unknown emotion \"\"", "skipped"),
            ("list.csv", "a row names no file", "skipped"),
            ("gone.wav", "listed, but not there", "skipped"),
            ("4.wav", "unknown gender \"other\"", "left empty"),
            ("4.wav", "unknown age \"old\"", "left empty"),
            ("4.wav", "unknown intensity \"loud\"", "left empty"),
            ("4.wav", "unknown repetition \"two\"", "left empty"),
            ("4.wav", "unknown folds \"1:best\"", "left empty"),
        ]
    );
}

#[test]
fn one_file_listed_with_two_emotions_is_left_out() {
    let (root, corpus) = csv(&["1.wav", "2.wav"], "file,emotion\n1.wav,sad\n2.wav,sad\n1.wav,happy\n2.wav,sad\n");
    let corpus = corpus.unwrap();
    assert_eq!(corpus.len(), 1);
    let expected = [("1.wav", "listed with several emotions", "left out"), ("2.wav", "listed twice", "taken once")];
    assert_eq!(warnings(&corpus, &root), expected);
}

#[test]
fn a_table_that_cannot_be_understood_is_an_error_that_names_it() {
    for (content, reason) in [
        ("", "it is empty, and should begin with a header"),
        ("name,emotion\n1.wav,sad\n", "it has no column file or path or filename; its columns are name, emotion"),
        ("file;emotion\n1.wav;sad\n", "it has no column file or path or filename; its columns are file;emotion"),
        ("file,feeling\n1.wav,sad\n", "it has no column emotion or label; its columns are file, feeling"),
        (
            "file,start,arousal,valence,task\n1.wav,0,0.5,-1,read\n",
            "it has numbers (arousal, valence) and no column emotion or label: numbers are learned beside emotions, not \
             alone, as splits, scores and models are of classes; add a column with the emotion of each file",
        ),
        ("file,emotion\n1.wav\n", "found record with 1 fields"),
    ] {
        let error = csv(&["1.wav"], content).1.unwrap_err();
        assert!(matches!(error, Error::Table { .. }), "{error}");
        assert!(error.to_string().contains("list.csv") && error.to_string().contains(reason), "{error}");
    }
    let error = csv(&[], "file,emotion\n1.wav,sad\n").1.unwrap_err();
    assert!(matches!(error, Error::NoClips { .. }));
    let reason = "expected rows that list audio files and their emotions; ";
    assert!(
        error.to_string().contains(reason) && error.to_string().contains("1.wav\": listed, but not there"),
        "{error}"
    );
    let coded = csv(&["1.wav", "2.wav"], "file,emotion\n1.wav,SAD\n2.wav,DIS\n").1.unwrap();
    let error = LabelSet::own(&coded).unwrap_err().to_string();
    assert!(error.contains("has only sad") && error.contains("2.wav") && error.contains("\"DIS\""), "{error}");
    let folder = tree(["1.wav"]);
    assert!(matches!(Corpus::csv(folder.path()).unwrap_err(), Error::Table { .. }));
    assert!(matches!(Corpus::json_lines(folder.path()).unwrap_err(), Error::File { .. }));
    let nowhere = folder.path().join("no/list.csv");
    let corpus = Corpus::new(vec![Utterance::new(folder.path().join("1.wav"), Emotion::Sad, "x")]);
    assert!(matches!(corpus.save_csv(&nowhere).unwrap_err(), Error::File { .. }));
    assert!(matches!(corpus.save_json_lines(&nowhere).unwrap_err(), Error::File { .. }));
}

#[test]
fn a_line_that_is_no_utterance_is_an_error_with_its_number() {
    let root = tree(["1.wav"]);
    let good = r#"{"path":"1.wav","emotion":"sad","corpus":"x"}"#;
    for (line, reason) in [
        ("{", "line 3: EOF while parsing"),
        (r#"{"path":"1.wav","corpus":"x"}"#, "line 3: missing field `emotion`"),
        (r#"{"path":"1.wav","emotion":"glum","corpus":"x"}"#, "line 3: unknown emotion \"glum\""),
        (r#"{"path":"1.wav","emotion":"sad","corpus":"x","who":"me"}"#, "line 3: unknown field `who`"),
    ] {
        write(&root, "list.jsonl", &format!("{good}\n\n{line}\n"));
        let error = Corpus::json_lines(root.path().join("list.jsonl")).unwrap_err().to_string();
        assert!(error.contains("list.jsonl") && error.contains(reason), "{error}");
    }
}

#[test]
fn git_lfs_pointers_in_a_table_are_skipped() {
    let root = tree(["1.wav"]);
    write(&root, "2.wav", "version https://git-lfs.github.com/spec/v1\n");
    write(&root, "list.csv", "file,emotion\n1.wav,sad\n2.wav,sad\n");
    let corpus = Corpus::csv(root.path().join("list.csv")).unwrap();
    assert_eq!(warnings(&corpus, &root)[0].1, "Git LFS pointer in place of audio");
    assert_eq!(corpus.len(), 1);
}

#[test]
fn what_is_written_is_what_other_tools_read() {
    let root = tree(["a/1.wav"]);
    let mut utterance = Utterance::new(root.path().join("a/1.wav"), Emotion::Fear, "x");
    utterance.speaker = Some("ann".into());
    utterance.sex = Some(Sex::Female);
    utterance.intensity = Some(Intensity::Strong);
    utterance.folds = BTreeMap::from([(1, FoldPart::Test), (2, FoldPart::Train)]);
    utterance.attributes = BTreeMap::from([("room".into(), "12".into()), ("task".into(), "read".into())]);
    utterance.dimensions = BTreeMap::from([("arousal".into(), 0.5)]);
    let corpus = Corpus::new(vec![utterance]);
    corpus.save_csv(root.path().join("list.csv")).unwrap();
    assert_eq!(
        fs::read_to_string(root.path().join("list.csv")).unwrap(),
        "file,emotion,corpus,speaker,gender,age,sentence,intensity,repetition,language,folds,attribute:room,task,\
         arousal\na/1.wav,fear,x,ann,female,,,strong,,,1:test 2:train,12,read,0.5\n"
    );
    corpus.save_json_lines(root.path().join("list.jsonl")).unwrap();
    assert_eq!(
        fs::read_to_string(root.path().join("list.jsonl")).unwrap(),
        "{\"path\":\"a/1.wav\",\"emotion\":\"fear\",\"corpus\":\"x\",\"speaker\":\"ann\",\"sex\":\"female\",\
         \"intensity\":\"strong\",\"folds\":{\"1\":\"test\",\"2\":\"train\"},\
         \"attributes\":{\"room\":\"12\",\"task\":\"read\"},\"dimensions\":{\"arousal\":0.5}}\n"
    );
}

// Other systems refuse to create such names.
#[cfg(target_os = "linux")]
#[test]
fn a_path_that_is_not_unicode_cannot_be_written_and_says_so() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

    let root = tree([Path::new(OsStr::from_bytes(b"sad/2\xfe.wav"))]);
    let corpus = Corpus::folder(root.path()).unwrap();
    for error in [
        corpus.save_csv(root.path().join("list.csv")).unwrap_err(),
        corpus.save_json_lines(root.path().join("list.jsonl")).unwrap_err(),
    ] {
        let error = error.to_string();
        assert!(error.contains("list.") && error.ends_with("is not Unicode: rename the file"), "{error}");
    }
}

/// Text without space around it, with what is hard to write.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9äß]{1,4}",
        "[ -~äß\n]{1,8}",
        Just("nan".into()),
        Just("1.5".into()),
        Just("attribute:x".into()),
        Just("Emotion".into()),
        Just("start".into()),
    ]
    .prop_map(|text: String| text.trim().to_string())
    .prop_filter("empty", |text| !text.is_empty())
}

fn utterances() -> impl Strategy<Value = Vec<Utterance>> {
    let file = "[a-z0-9]{1,6}(/[a-z ä,\"]{1,5})?\\.(wav|flac)"
        .prop_filter("space", |f| !f.contains("/ ") && !f.contains(" ."));
    let sex = option::of(prop_oneof![Just(Sex::Female), Just(Sex::Male)]);
    let intensity = prop_oneof![Just(Intensity::Normal), Just(Intensity::Strong), Just(Intensity::Low)];
    let part = prop_oneof![Just(FoldPart::Train), Just(FoldPart::Valid), Just(FoldPart::Test)];
    let facts = (sex, option::of(0_u32..=120), option::of(intensity), option::of(any::<u32>()));
    let name = || text().prop_filter("not known", |text| !["nan", "none", "<na>"].contains(&&*text.to_lowercase()));
    let names = (name(), option::of(name()), option::of(name()), option::of(name()));
    let number = any::<f64>().prop_filter("finite", |number| number.is_finite());
    let maps = (btree_map(any::<u32>(), part, 0..3), btree_map(text(), text(), 0..3), btree_map(text(), number, 0..3));
    let utterance = (file, prop::sample::select(Emotion::ALL.to_vec()), names, facts, maps);
    let utterance = utterance.prop_map(|(file, emotion, names, facts, maps)| {
        let mut utterance = Utterance::new(file, emotion, names.0);
        (utterance.speaker, utterance.sentence, utterance.language) = (names.1, names.2, names.3);
        (utterance.sex, utterance.age, utterance.intensity, utterance.repetition) = facts;
        (utterance.folds, utterance.attributes, utterance.dimensions) = maps;
        utterance
    });
    prop::collection::vec(utterance, 1..6).prop_filter("a folder cannot be a file", |utterances| {
        let files: BTreeSet<_> = utterances.iter().map(|u| u.path.clone()).collect();
        utterances.iter().all(|u| !files.contains(u.path.parent().unwrap()))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn csv_and_json_lines_go_out_and_in_again_without_loss(mut utterances in utterances()) {
        let root = tree(utterances.iter().map(|utterance| &utterance.path));
        for utterance in &mut utterances {
            utterance.path = root.path().join(&utterance.path);
        }
        let corpus = Corpus::new(utterances);
        prop_assume!(!corpus.is_empty());
        // From the same folder, and from one that the files are not below.
        fs::create_dir(root.path().join("TABLES")).unwrap();
        for folder in ["", "TABLES"] {
            let table = root.path().join(folder).join("list.csv");
            corpus.save_csv(&table).unwrap();
            let read = Corpus::csv(&table).unwrap();
            prop_assert_eq!(read.utterances(), corpus.utterances());
            let lines = root.path().join(folder).join("list.jsonl");
            corpus.save_json_lines(&lines).unwrap();
            let read = Corpus::json_lines(&lines).unwrap();
            prop_assert_eq!(read.utterances(), corpus.utterances());
        }
    }

    #[test]
    fn no_table_panics(bytes in "[a-e,;\"\n\t0-9:. ]{0,80}") {
        let _ = csv(&["a"], &format!("file,emotion,folds,age\n{bytes}")).1;
        let _ = csv(&["a"], &bytes).1;
    }
}
