//! Real recordings, where they are at hand: `SER_CORPORA` holds RAVDESS and EMO-DB as a whole in
//! `ravdess/` and `emodb/`, two speakers of nEMO in `nemo/`, and odd files of others in `quirks/`.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, env, fs, path::PathBuf};

use ser_corpus::{Corpus, Emotion, Sex, Split, SplitOptions, Summary, SummaryBy};

fn corpora() -> PathBuf {
    env::var_os("SER_CORPORA").expect("SER_CORPORA is not set").into()
}

#[test]
#[ignore = "needs SER_CORPORA"]
fn ravdess_has_its_official_counts() {
    let corpus = Corpus::ravdess(corpora().join("ravdess")).unwrap();
    assert_eq!(corpus.warnings().len(), 1);
    let twin = &corpus.warnings()[0];
    assert!(twin.path.ends_with("Actor_07/03-01-03-01-02-02-07.flac"));
    // The warning is true of these files.
    let first = fs::read(twin.path.with_file_name("03-01-03-01-02-01-07.flac")).unwrap();
    assert!(first == fs::read(&twin.path).unwrap());
    assert_eq!(
        corpus.emotion_counts(),
        BTreeMap::from([
            (Emotion::Angry, 192),
            (Emotion::Calm, 192),
            (Emotion::Disgust, 192),
            (Emotion::Fear, 192),
            (Emotion::Happy, 192),
            (Emotion::Neutral, 96),
            (Emotion::Sad, 192),
            (Emotion::Surprise, 192),
        ])
    );
}

#[test]
#[ignore = "needs SER_CORPORA"]
fn emodb_has_its_official_counts() {
    let corpus = Corpus::emodb(corpora().join("emodb")).unwrap();
    assert_eq!(corpus.warnings(), []);
    assert_eq!(
        corpus.emotion_counts(),
        BTreeMap::from([
            (Emotion::Angry, 127),
            (Emotion::Boredom, 81),
            (Emotion::Disgust, 46),
            (Emotion::Fear, 69),
            (Emotion::Happy, 71),
            (Emotion::Neutral, 79),
            (Emotion::Sad, 62),
        ])
    );
}

#[test]
#[ignore = "needs SER_CORPORA"]
fn two_speakers_of_nemo_are_read_with_sex_and_age() {
    let corpus = Corpus::nemo(corpora().join("nemo")).unwrap();
    assert_eq!(corpus.len(), 1079);
    let problems: Vec<_> = corpus.warnings().iter().map(|warning| warning.problem.as_str()).collect();
    assert_eq!(problems, ["number of clips is 1079, officially 4481"]);
    let summary = Summary::new(corpus.utterances(), SummaryBy::Speaker);
    let speakers: Vec<_> = summary.rows.iter().map(|row| (row.speaker.as_deref(), &row.clips[..])).collect();
    assert_eq!(speakers, [(Some("KD0"), &[90; 6][..]), (Some("WR0"), &[90, 90, 90, 89, 90, 90])]);
    let known = |speaker, sex, age| {
        let mut utterances = corpus.utterances().iter().filter(|u| u.speaker.as_deref() == Some(speaker));
        utterances.all(|u| (u.sex, u.age) == (Some(sex), Some(age)))
    };
    assert!(known("KD0", Sex::Female, 28) && known("WR0", Sex::Male, 23));
}

#[test]
#[ignore = "needs SER_CORPORA"]
fn the_odd_names_of_the_releases_are_read() {
    let quirks = corpora().join("quirks");
    let names = |corpus: &Corpus, problem: &str| {
        let warnings = corpus.warnings().iter().filter(|warning| warning.problem == problem);
        warnings.filter_map(|warning| warning.path.file_name()?.to_str()).map(String::from).collect::<Vec<_>>()
    };
    let crema_d = Corpus::crema_d(quirks.join("crema-d")).unwrap();
    assert_eq!(crema_d.len(), 8);
    assert_eq!(names(&crema_d, "video"), ["1001_DFA_HAP_XX.flv"]);
    let tess = Corpus::tess(quirks.join("tess")).unwrap();
    assert_eq!(tess.len(), 7);
    let aiff = ["YAF_germ_angry.wav", "YAF_neat_fear.wav"];
    assert_eq!(names(&tess, "AIFF under the name of a WAV"), aiff);
    assert_eq!(names(&tess, "actress OAF is misspelt OA"), ["OA_bite_neutral.wav"]);
    assert_eq!(Corpus::savee(quirks.join("savee")).unwrap().len(), 4);
    assert_eq!(Corpus::ravdess(quirks.join("ravdess")).unwrap().len(), 2);
    for corpus in [crema_d, tess] {
        assert!(corpus.warnings().iter().all(|warning| !warning.problem.contains("does not fit")));
    }
}

#[test]
#[ignore = "needs SER_CORPORA"]
fn both_together_split_into_16_and_6_4_and_2_4_and_2_speakers() {
    let ravdess = Corpus::ravdess(corpora().join("ravdess")).unwrap();
    let corpus = ravdess.merge(Corpus::emodb(corpora().join("emodb")).unwrap());
    let split = Split::new(&corpus, &SplitOptions::default()).unwrap();
    assert_eq!(split.overlap().to_string(), "speakers disjoint, sentences shared, corpora shared");
    let clips = |corpus: &str| {
        [split.train().utterances(), split.valid().utterances(), split.test().utterances()]
            .map(|part| part.iter().filter(|u| u.corpus == corpus).count())
    };
    assert_eq!(clips("ravdess"), [16 * 60, 4 * 60, 4 * 60]);
    assert_eq!(clips("emodb").iter().sum::<usize>(), 535);
}
