//! CREMA-D, SAVEE, TESS, nEMO and EMOVO over generated trees: every layout, every known oddity.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;

use common::{tree, warnings, write};
use ser_corpus::{Corpus, Emotion, Error, Intensity, Sex, Utterance};

const CREMA_D_SENTENCES: [&str; 12] =
    ["IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI"];

/// Names as in the release: of the 91 actors' 82 possible clips 20 are missing, here the last ones.
fn crema_d_names() -> Vec<String> {
    let mut names = Vec::new();
    for actor in 1001..=1091 {
        for sentence in CREMA_D_SENTENCES {
            for emotion in ["ANG", "DIS", "FEA", "HAP", "NEU", "SAD"] {
                let levels: &[&str] = if sentence == "IEO" && emotion != "NEU" { &["LO", "MD", "HI"] } else { &["XX"] };
                names.extend(levels.iter().map(|level| format!("{actor}_{sentence}_{emotion}_{level}")));
            }
        }
    }
    names.truncate(7442);
    let x = names.iter().position(|name| name == "1040_ITH_SAD_XX").unwrap();
    names[x].pop();
    names
}

const DEMOGRAPHICS: &str = "\"ActorID\",\"Age\",\"Sex\",\"Race\",\"Ethnicity\"\n\
                            1001,51,\"Male\",\"Caucasian\",\"Not Hispanic\"\n\
                            1040,42,\"Male\",\"Caucasian\",\"Not Hispanic\"\n\
                            1047,22,\"Female\",\"Unknown\",\"Hispanic\"\n";

fn only(corpus: &Corpus) -> &Utterance {
    assert_eq!(corpus.len(), 1);
    &corpus.utterances()[0]
}

fn count_warning(corpus: &Corpus) -> Option<&str> {
    let problems = corpus.warnings().iter().map(|warning| warning.problem.as_str());
    problems.into_iter().find(|problem| problem.starts_with("number of clips"))
}

#[test]
fn crema_d_fields_are_read_from_the_name_and_the_demographics() {
    let root = tree(["AudioWAV/1047_IEO_FEA_MD.wav"]);
    write(&root, "VideoDemographics.csv", DEMOGRAPHICS);
    let mut expected = Utterance::new(root.path().join("AudioWAV/1047_IEO_FEA_MD.wav"), Emotion::Fear, "crema-d");
    expected.speaker = Some("1047".into());
    expected.sex = Some(Sex::Female);
    expected.age = Some(22);
    expected.sentence = Some("IEO".into());
    expected.intensity = Some(Intensity::Medium);
    expected.language = Some("en".into());
    expected.attributes = BTreeMap::from([("race".into(), "Unknown".into()), ("ethnicity".into(), "Hispanic".into())]);
    // From the corpus's folder, and from that of the audio, above which the table lies.
    for path in ["", "AudioWAV"] {
        let corpus = Corpus::crema_d(root.path().join(path)).unwrap();
        assert_eq!(only(&corpus), &expected);
        assert_eq!(corpus.warnings().len(), 1);
        assert_eq!(count_warning(&corpus), Some("number of clips is 1, officially 7442"));
    }
}

#[test]
fn crema_d_intensities_and_emotions_are_the_codes_of_the_release() {
    for (code, intensity) in
        [("LO", Some(Intensity::Low)), ("MD", Some(Intensity::Medium)), ("HI", Some(Intensity::High)), ("xx", None)]
    {
        let root = tree([format!("1001_IEO_DIS_{code}.mp3")]);
        assert_eq!(only(&Corpus::crema_d(root.path()).unwrap()).intensity, intensity, "{code}");
    }
    for (code, emotion) in [
        ("ANG", Emotion::Angry),
        ("DIS", Emotion::Disgust),
        ("FEA", Emotion::Fear),
        ("HAP", Emotion::Happy),
        ("NEU", Emotion::Neutral),
        ("SAD", Emotion::Sad),
    ] {
        let root = tree([format!("1091_TSI_{code}_XX.flac")]);
        assert_eq!(only(&Corpus::crema_d(root.path()).unwrap()).emotion, emotion, "{code}");
    }
}

#[test]
fn the_whole_of_crema_d_is_taken_once_without_the_seven_clips_that_cannot_be_trusted() {
    let names = crema_d_names();
    let audio = names.iter().map(|name| format!("AudioWAV/{name}.wav"));
    let copies = names.iter().take(300);
    let copies = copies.flat_map(|name| [format!("AudioMP3/{name}.mp3"), format!("VideoFlash/{name}.flv")]);
    let root = tree(audio.chain(copies));
    let corpus = Corpus::crema_d(root.path()).unwrap();
    assert_eq!(corpus.len(), 7435);
    assert!(corpus.utterances().iter().all(|u| u.path.parent().unwrap().ends_with("AudioWAV")));
    // No word about the number of clips: all that belong to the corpus are there.
    assert_eq!(count_warning(&corpus), None);
    let count = |problem: &str| corpus.warnings().iter().filter(|warning| warning.problem == problem).count();
    assert_eq!(count("second file of this clip"), 300);
    assert_eq!(count("video"), 300);

    let left_out: Vec<_> = warnings(&corpus, &root).into_iter().filter(|(.., action)| *action == "left out").collect();
    let contradictory = "same audio as another clip that is labelled with another emotion";
    assert_eq!(
        left_out,
        [
            ("AudioWAV/1006_TIE_HAP_XX.wav", contradictory, "left out"),
            ("AudioWAV/1006_TIE_NEU_XX.wav", contradictory, "left out"),
            ("AudioWAV/1013_WSI_DIS_XX.wav", contradictory, "left out"),
            ("AudioWAV/1013_WSI_SAD_XX.wav", contradictory, "left out"),
            ("AudioWAV/1017_IWW_ANG_XX.wav", contradictory, "left out"),
            ("AudioWAV/1017_IWW_FEA_XX.wav", contradictory, "left out"),
            ("AudioWAV/1076_MTI_SAD_XX.wav", "silent", "left out"),
        ]
    );
    assert!(warnings(&corpus, &root).contains(&(
        "AudioWAV/1040_ITH_SAD_X.wav",
        "intensity XX is misspelt X",
        "taken as XX"
    )));
    assert!(warnings(&corpus, &root).contains(&(
        "",
        "no VideoDemographics.csv in it or above it",
        "age, sex, race and ethnicity are not known"
    )));
}

#[test]
fn what_is_not_crema_d_is_skipped_with_its_reason() {
    let misfits = [
        "1092_DFA_ANG_XX.wav",
        "01001_DFA_ANG_XX.wav",
        "1001_ABC_ANG_XX.wav",
        "1001_DFA_JOY_XX.wav",
        "1001_DFA_ANG_ZZ.wav",
        "1001_DFA_ANG.wav",
        "1001_DFA_ANG_XX_2.wav",
        "notes.mp3",
    ];
    let root = tree(misfits.into_iter().chain(["1001_DFA_ANG_XX.wav"]));
    let corpus = Corpus::crema_d(root.path()).unwrap();
    assert_eq!(corpus.len(), 1);
    for misfit in misfits {
        assert!(warnings(&corpus, &root).contains(&(misfit, "file name does not fit CREMA-D", "skipped")), "{misfit}");
    }
}

#[test]
fn damaged_demographics_are_an_error_that_names_the_file_and_the_column() {
    let root = tree(["1001_DFA_ANG_XX.wav"]);
    for (content, reason) in [
        ("", "it is empty, and should begin with a header"),
        ("ActorID,Age\n1001,51\n", "it has no column Sex; its columns are ActorID, Age"),
        ("ActorID,Age,Sex,Race,Ethnicity\n1001,51\n", "2 fields, but the previous record has 5 fields"),
    ] {
        write(&root, "videodemographics.CSV", content);
        let error = Corpus::crema_d(root.path()).unwrap_err();
        assert!(matches!(error, Error::Table { .. }));
        assert!(error.to_string().contains("videodemographics.CSV"), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
    write(&root, "videodemographics.CSV", DEMOGRAPHICS.replace("1001,", "1002,").as_str());
    let corpus = Corpus::crema_d(root.path()).unwrap();
    let problem = "its speaker is not in VideoDemographics.csv";
    assert!(warnings(&corpus, &root).contains(&("1001_DFA_ANG_XX.wav", problem, "age and sex are not known")));
}

#[test]
fn savee_is_read_from_folders_of_speakers_and_from_the_flat_copy_alike() {
    let numbers = |emotion| 1..=if emotion == "n" { 30 } else { 15 };
    let mut clips = Vec::new();
    for speaker in ["DC", "JE", "JK", "KL"] {
        for emotion in ["a", "d", "f", "h", "n", "sa", "su"] {
            clips.extend(numbers(emotion).map(|number| (speaker, format!("{emotion}{number:02}"))));
        }
    }
    let folders = tree(clips.iter().map(|(speaker, code)| format!("AudioData/{speaker}/{code}.wav")));
    let flat = tree(clips.iter().map(|(speaker, code)| format!("all/{}_{code}.WAV", speaker.to_lowercase())));
    let both = tree(
        clips.iter().flat_map(|(speaker, code)| [format!("{speaker}/{code}.wav"), format!("ALL/{speaker}_{code}.wav")]),
    );
    for root in [&folders, &flat, &both] {
        let corpus = Corpus::savee(root.path()).unwrap();
        assert_eq!(corpus.len(), 480);
        assert_eq!(count_warning(&corpus), None);
        let neutral = |emotion| if emotion == Emotion::Neutral { 120 } else { 60 };
        assert!(corpus.emotion_counts().into_iter().all(|(emotion, clips)| clips == neutral(emotion)));
        assert_eq!(corpus.emotion_counts().len(), 7);
        let second = corpus.warnings().iter().filter(|warning| warning.problem == "second file of this clip");
        assert_eq!(second.count(), if root.path() == both.path() { 480 } else { 0 });
        let jk = corpus.utterances().iter().filter(|u| u.speaker.as_deref() == Some("JK"));
        assert_eq!(jk.count(), 120);
    }
}

#[test]
fn savee_fields_are_read_from_the_name_and_the_sentence_is_not_claimed() {
    let root = tree(["ALL/KL_su01.wav"]);
    let mut expected = Utterance::new(root.path().join("ALL/KL_su01.wav"), Emotion::Surprise, "savee");
    expected.speaker = Some("KL".into());
    expected.sex = Some(Sex::Male);
    expected.language = Some("en".into());
    expected.attributes = BTreeMap::from([("number".into(), "01".into())]);
    assert_eq!(only(&Corpus::savee(root.path()).unwrap()), &expected);

    let misfits =
        ["KL_a16.wav", "KL_n31.wav", "KL_n00.wav", "KL_x01.wav", "XX_a01.wav", "KL_a+1.wav", "a.wav", "é.wav"];
    let root = tree(misfits.into_iter().chain(["DC/d03.wav", "loose/d03.wav"]));
    let corpus = Corpus::savee(root.path()).unwrap();
    assert_eq!(only(&corpus).emotion, Emotion::Disgust);
    for misfit in misfits.into_iter().chain(["loose/d03.wav"]) {
        assert!(warnings(&corpus, &root).contains(&(misfit, "file name does not fit SAVEE", "skipped")), "{misfit}");
    }
}

/// Folders as in the release, whose names have no rule.
const TESS_FOLDERS: [(&str, &str); 14] = [
    ("OAF_angry", "angry"),
    ("OAF_disgust", "disgust"),
    ("OAF_Fear", "fear"),
    ("OAF_happy", "happy"),
    ("OAF_neutral", "neutral"),
    ("OAF_Pleasant_surprise", "ps"),
    ("OAF_Sad", "sad"),
    ("YAF_angry", "angry"),
    ("YAF_disgust", "disgust"),
    ("YAF_fear", "fear"),
    ("YAF_happy", "happy"),
    ("YAF_neutral", "neutral"),
    ("YAF_pleasant_surprised", "ps"),
    ("YAF_sad", "sad"),
];

/// A word for each number, of letters as all words are.
fn word(number: u8) -> String {
    [b'a' + number / 26, b'a' + number % 26].map(char::from).iter().collect()
}

#[test]
fn the_whole_of_tess_is_taken_once_whatever_its_folders_are_called() {
    let files = TESS_FOLDERS.iter().flat_map(|(folder, emotion)| {
        (0..200).map(move |number| {
            let actress = if (*folder, number) == ("OAF_neutral", 7) { "OA" } else { &folder[..3] };
            format!("{folder}/{actress}_{}_{emotion}.wav", word(number))
        })
    });
    let files: Vec<_> = files.collect();
    let twice = files.iter().map(|file| format!("TESS Toronto emotional speech set data/{file}"));
    let root = tree(files.iter().cloned().chain(twice));
    let corpus = Corpus::tess(root.path()).unwrap();
    assert_eq!(corpus.len(), 2800);
    assert_eq!(count_warning(&corpus), None);
    assert!(corpus.emotion_counts().into_values().all(|clips| clips == 400));
    let oaf = corpus.utterances().iter().filter(|u| u.speaker.as_deref() == Some("OAF"));
    assert_eq!(oaf.count(), 1400);
    let misspelt = ("OAF_neutral/OA_ah_neutral.wav", "actress OAF is misspelt OA", "taken as OAF");
    assert!(warnings(&corpus, &root).contains(&misspelt));
    assert_eq!(corpus.warnings().len(), 2801);
}

#[test]
fn an_aiff_under_the_name_of_a_wav_is_read_and_named() {
    let root = tree(["OAF_sad/OAF_back_sad.wav"]);
    write(&root, "YAF_angry/YAF_germ_angry.wav", "FORM\0\0\0\x2eAIFF");
    write(&root, "YAF_angry/YAF_good_angry.aiff", "FORM\0\0\0\x2eAIFF");
    let corpus = Corpus::tess(root.path()).unwrap();
    assert_eq!(corpus.len(), 3);
    let problem = "AIFF under the name of a WAV";
    let named: Vec<_> = warnings(&corpus, &root).into_iter().filter(|warning| warning.1 == problem).collect();
    assert_eq!(named, [("YAF_angry/YAF_germ_angry.wav", problem, "read as what it is")]);
}

#[test]
fn tess_fields_are_read_from_the_name() {
    let root = tree(["YAF_pleasant_surprised/YAF_Back_ps.wav"]);
    let path = root.path().join("YAF_pleasant_surprised/YAF_Back_ps.wav");
    let mut expected = Utterance::new(path, Emotion::Surprise, "tess");
    expected.speaker = Some("YAF".into());
    expected.sex = Some(Sex::Female);
    expected.age = Some(26);
    expected.sentence = Some("back".into());
    expected.language = Some("en".into());
    assert_eq!(only(&Corpus::tess(root.path()).unwrap()), &expected);

    let misfits = ["OAF_back.wav", "MAF_back_sad.wav", "OAF_back_calm.wav", "OAF__sad.wav", "OAF_b4ck_sad.wav"];
    let root = tree(misfits.into_iter().chain(["OAF_back_sad.wav", "oaf_back_sad.mp3"]));
    let corpus = Corpus::tess(root.path()).unwrap();
    assert_eq!((only(&corpus).age, corpus.warnings().len()), (Some(64), misfits.len() + 2));
    for misfit in misfits {
        assert!(warnings(&corpus, &root).contains(&(misfit, "file name does not fit TESS", "skipped")), "{misfit}");
    }
}

const NEMO_TABLE: &str = "file_id\temotion\traw_text\tnormalized_text\tspeaker_id\tgender\tage\n\
                          WR0_surprised_64.wav\tsurprised\tUcho \"wykrywa\t.\t        WR0\tmale\t23\n\
                          KD0_anger_1.wav\tanger\tKot.\tkot\t        KD0\tfemale\t28\n";

#[test]
fn nemo_speakers_are_found_in_the_table_that_pads_their_names() {
    let root = tree(["samples/WR0_surprised_64.flac", "samples/KD0_anger_1.wav", "samples/ZZ9_neutral_90.wav"]);
    write(&root, "data.tsv", NEMO_TABLE);
    let mut expected = Utterance::new(root.path().join("samples/WR0_surprised_64.flac"), Emotion::Surprise, "nemo");
    expected.speaker = Some("WR0".into());
    expected.sex = Some(Sex::Male);
    expected.age = Some(23);
    expected.sentence = Some("64".into());
    expected.language = Some("pl".into());
    for path in ["", "samples"] {
        let corpus = Corpus::nemo(root.path().join(path)).unwrap();
        assert_eq!(corpus.utterances()[1], expected);
        assert_eq!((corpus.utterances()[0].sex, corpus.utterances()[0].age), (Some(Sex::Female), Some(28)));
        assert_eq!(count_warning(&corpus), Some("number of clips is 3, officially 4481"));
        let unknown = ("samples/ZZ9_neutral_90.wav", "its speaker is not in data.tsv", "age and sex are not known");
        assert!(warnings(&corpus, &root).contains(&unknown));
        assert_eq!(corpus.warnings().len(), 2);
    }
}

#[test]
fn nemo_is_read_without_its_table_and_misfits_are_skipped() {
    let misfits = [
        "WR0_calm_1.wav",
        "WRO_anger_1.wav",
        "WR0_anger_91.wav",
        "WR0_anger_0.wav",
        "WR0_anger_+1.wav",
        "WR0_anger.wav",
    ];
    let root = tree(misfits.into_iter().chain(["wr0_Happiness_7.ogg"]));
    let corpus = Corpus::nemo(root.path()).unwrap();
    let utterance = only(&corpus);
    assert_eq!((utterance.speaker.as_deref(), utterance.emotion), (Some("WR0"), Emotion::Happy));
    assert_eq!((utterance.sex, utterance.age), (None, None));
    for misfit in misfits {
        assert!(warnings(&corpus, &root).contains(&(misfit, "file name does not fit nEMO", "skipped")), "{misfit}");
    }
    assert!(warnings(&corpus, &root).contains(&("", "no data.tsv in it or above it", "age and sex are not known")));

    write(&root, "data.tsv", "file_id\temotion\nWR0_anger_1.wav\tanger\n");
    let error = Corpus::nemo(root.path()).unwrap_err().to_string();
    assert!(error.ends_with("it has no column speaker_id; its columns are file_id, emotion"), "{error}");
}

#[test]
fn the_whole_of_emovo_is_read() {
    let sentences = ["b1", "b2", "b3", "l1", "l2", "l3", "l4", "n1", "n2", "n3", "n4", "n5", "d1", "d2"];
    let mut files = Vec::new();
    for speaker in ["f1", "f2", "f3", "m1", "m2", "m3"] {
        for emotion in ["dis", "gio", "pau", "rab", "sor", "tri", "neu"] {
            files.extend(sentences.map(|sentence| format!("EMOVO/{speaker}/{emotion}-{speaker}-{sentence}.wav")));
        }
    }
    let corpus = Corpus::emovo(tree(files).path()).unwrap();
    assert_eq!((corpus.len(), corpus.warnings()), (588, &[][..]));
    assert!(corpus.emotion_counts().into_values().all(|clips| clips == 84));
}

#[test]
fn emovo_words_are_the_italian_ones_for_the_emotions() {
    for (code, emotion) in [
        ("dis", Emotion::Disgust),
        ("gio", Emotion::Happy),
        ("pau", Emotion::Fear),
        ("rab", Emotion::Angry),
        ("sor", Emotion::Surprise),
        ("tri", Emotion::Sad),
        ("NEU", Emotion::Neutral),
    ] {
        let root = tree([format!("{code}-F2-l4.wav")]);
        let corpus = Corpus::emovo(root.path()).unwrap();
        let mut expected = Utterance::new(root.path().join(format!("{code}-F2-l4.wav")), emotion, "emovo");
        expected.speaker = Some("f2".into());
        expected.sex = Some(Sex::Female);
        expected.age = Some(23);
        expected.sentence = Some("l4".into());
        expected.language = Some("it".into());
        assert_eq!(only(&corpus), &expected);
    }
    let misfits = ["gioia-f1-b1.wav", "gio-f4-b1.wav", "gio-f1-b4.wav", "gio-f1.wav"];
    let root = tree(misfits.into_iter().chain(["gio-m3-n5.wav"]));
    let corpus = Corpus::emovo(root.path()).unwrap();
    assert_eq!(corpus.len(), 1);
    for misfit in misfits {
        assert!(warnings(&corpus, &root).contains(&(misfit, "file name does not fit EMOVO", "skipped")), "{misfit}");
    }
}
