//! Readers over generated trees of empty files: they go by names alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{collections::BTreeMap, error::Error as _, path::Path};

use common::{tree, warnings, write};
use proptest::prelude::*;
use ser_corpus::{Corpus, CorpusKind, Emotion, Error, Intensity, LabelSet, Sex, Utterance};

/// The official names of RAVDESS's speech: all combinations but strong neutral.
fn ravdess_stems() -> Vec<(u32, String)> {
    let mut stems = Vec::new();
    for actor in 1..=24 {
        for emotion in 1..=8 {
            for intensity in 1..=if emotion == 1 { 1 } else { 2 } {
                for (statement, repetition) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
                    stems.push((
                        actor,
                        format!("03-01-{emotion:02}-{intensity:02}-{statement:02}-{repetition:02}-{actor:02}"),
                    ));
                }
            }
        }
    }
    stems
}

fn without_paths(corpus: &Corpus) -> Vec<Utterance> {
    let mut utterances = corpus.utterances().to_vec();
    for utterance in &mut utterances {
        utterance.path = utterance.path.file_stem().unwrap().into();
    }
    utterances
}

#[test]
fn ravdess_fields_are_read_from_the_name() {
    let root = tree(["Actor_12/03-01-06-02-01-02-12.wav", "Actor_11/03-01-02-01-02-01-11.wav"]);
    let corpus = Corpus::ravdess(root.path()).unwrap();
    let mut calm = Utterance::new(root.path().join("Actor_11/03-01-02-01-02-01-11.wav"), Emotion::Calm, "ravdess");
    calm.speaker = Some("11".into());
    calm.sex = Some(Sex::Male);
    calm.sentence = Some("02".into());
    calm.intensity = Some(Intensity::Normal);
    calm.repetition = Some(1);
    calm.language = Some("en".into());
    let mut fear = Utterance::new(root.path().join("Actor_12/03-01-06-02-01-02-12.wav"), Emotion::Fear, "ravdess");
    fear.speaker = Some("12".into());
    fear.sex = Some(Sex::Female);
    fear.sentence = Some("01".into());
    fear.intensity = Some(Intensity::Strong);
    fear.repetition = Some(2);
    fear.language = Some("en".into());
    assert_eq!(corpus.utterances(), [calm, fear]);
}

#[test]
fn emodb_fields_are_read_from_the_name() {
    let root = tree(["wav/16b10Td.wav", "wav/03a01Fa.wav"]);
    let corpus = Corpus::emodb(root.path()).unwrap();
    let mut happy = Utterance::new(root.path().join("wav/03a01Fa.wav"), Emotion::Happy, "emodb");
    happy.speaker = Some("03".into());
    happy.sex = Some(Sex::Male);
    happy.age = Some(31);
    happy.sentence = Some("a01".into());
    happy.repetition = Some(1);
    happy.language = Some("de".into());
    let mut sad = Utterance::new(root.path().join("wav/16b10Td.wav"), Emotion::Sad, "emodb");
    sad.speaker = Some("16".into());
    sad.sex = Some(Sex::Female);
    sad.age = Some(31);
    sad.sentence = Some("b10".into());
    sad.repetition = Some(4);
    sad.language = Some("de".into());
    assert_eq!(corpus.utterances(), [happy, sad]);
}

#[test]
fn emodb_letters_are_the_german_words_for_the_emotions() {
    for (letter, emotion) in [
        ('W', Emotion::Angry),
        ('L', Emotion::Boredom),
        ('E', Emotion::Disgust),
        ('A', Emotion::Fear),
        ('F', Emotion::Happy),
        ('T', Emotion::Sad),
        ('N', Emotion::Neutral),
    ] {
        let root = tree([format!("08a02{letter}b.wav")]);
        assert_eq!(Corpus::emodb(root.path()).unwrap().utterances()[0].emotion, emotion);
    }
}

#[test]
fn emodb_has_five_women_and_five_men() {
    for (speakers, sex) in [(["08", "09", "13", "14", "16"], Sex::Female), (["03", "10", "11", "12", "15"], Sex::Male)]
    {
        for speaker in speakers {
            let root = tree([format!("{speaker}b02Na.wav")]);
            let corpus = Corpus::emodb(root.path()).unwrap();
            assert_eq!(corpus.utterances()[0].sex, Some(sex), "{speaker}");
        }
    }
}

#[test]
fn ravdess_numbers_are_its_eight_emotions() {
    for (number, emotion) in [
        ("01", Emotion::Neutral),
        ("02", Emotion::Calm),
        ("03", Emotion::Happy),
        ("04", Emotion::Sad),
        ("05", Emotion::Angry),
        ("06", Emotion::Fear),
        ("07", Emotion::Disgust),
        ("08", Emotion::Surprise),
    ] {
        let root = tree([format!("03-01-{number}-01-02-01-07.wav")]);
        assert_eq!(Corpus::ravdess(root.path()).unwrap().utterances()[0].emotion, emotion);
    }
}

#[test]
fn the_whole_of_ravdess_is_counted_in_every_layout_alike() {
    let stems = ravdess_stems();
    let folders = tree(stems.iter().map(|(actor, s)| format!("Actor_{actor:02}/{s}.wav")));
    let flat = tree(stems.iter().map(|(_, stem)| format!("{stem}.FLAC")));
    let nested =
        tree(stems.iter().map(|(actor, stem)| format!("RAVDESS/audio_speech_actors_01-24/actor_{actor}/{stem}.mp3")));
    let corpus = Corpus::ravdess(folders.path()).unwrap();
    assert_eq!(corpus.len(), 1440);
    assert_eq!(
        warnings(&corpus, &folders),
        [(
            "Actor_07/03-01-03-01-02-02-07.wav",
            "in the official release the same bytes as 03-01-03-01-02-01-07",
            "both kept: same speaker, sentence and emotion"
        )]
    );
    let expected = LabelSet::eight()
        .classes()
        .to_vec()
        .into_iter()
        .map(|emotion| (emotion, if emotion == Emotion::Neutral { 96 } else { 192 }));
    assert_eq!(corpus.emotion_counts(), expected.collect::<BTreeMap<_, _>>());
    for other in [flat, nested] {
        let other = Corpus::ravdess(other.path()).unwrap();
        assert_eq!(without_paths(&other), without_paths(&corpus));
    }
}

#[test]
fn a_copy_that_holds_every_clip_twice_is_taken_once_and_said_so_in_one_line() {
    let stems = ravdess_stems();
    let once = stems.iter().map(|(actor, s)| format!("Actor_{actor:02}/{s}.wav"));
    let again = stems.iter().map(|(actor, s)| format!("audio_speech_actors_01-24/Actor_{actor:02}/{s}.wav"));
    let root = tree(once.chain(again));
    let corpus = Corpus::ravdess(root.path()).unwrap();
    assert_eq!(corpus.len(), 1440);
    assert_eq!(corpus.warnings().len(), 1441);
    assert!(
        corpus.utterances().iter().all(|u| u.path.strip_prefix(root.path()).unwrap().starts_with("Actor_01")
            == (u.speaker.as_deref() == Some("01")))
    );
    let lines = corpus.warning_lines();
    assert_eq!(lines.len(), 2);
    assert!(lines[1].starts_with("1440 files, such as "), "{}", lines[1]);
    assert!(lines[1].ends_with("second file of this clip: skipped"), "{}", lines[1]);
}

#[test]
fn what_is_not_ravdess_speech_is_skipped_with_its_reason() {
    let root = tree([
        "03-01-01-01-01-01-01.wav",
        "03-02-02-01-01-01-01.wav",
        "02-01-06-01-02-01-12.mp4",
        "01-01-06-01-02-01-12.wav",
        "03-01-06-01-02-01-25.wav",
        "03-01-06-01-02-01-+1.wav",
        "03-01-09-01-02-01-01.wav",
        "03-01-06-03-02-01-01.wav",
        "03-01-06-01-03-01-01.wav",
        "03-01-06-01-02-03-01.wav",
        "03-01-06-01-02-01.wav",
        "intro.wav",
        "._03-01-01-01-01-01-01.wav",
        ".hidden/03-01-03-01-01-01-01.wav",
        "readme.txt",
    ]);
    let corpus = Corpus::ravdess(root.path()).unwrap();
    assert_eq!(corpus.len(), 1);
    let mut expected = vec![
        ("02-01-06-01-02-01-12.mp4", "video"),
        ("01-01-06-01-02-01-12.wav", "from a video, not the audio release"),
        ("03-02-02-01-01-01-01.wav", "song, not speech"),
    ];
    expected.extend(
        [
            "03-01-06-01-02-01-+1.wav",
            "03-01-06-01-02-01-25.wav",
            "03-01-06-01-02-01.wav",
            "03-01-06-01-02-03-01.wav",
            "03-01-06-01-03-01-01.wav",
            "03-01-06-03-02-01-01.wav",
            "03-01-09-01-02-01-01.wav",
            "intro.wav",
        ]
        .map(|name| (name, "file name does not fit RAVDESS")),
    );
    let mut expected: Vec<_> = expected.into_iter().map(|(p, why)| (p, why, "skipped")).collect();
    expected.push(("", "number of clips is 1, officially 1440", "used as it is"));
    let mut actual = warnings(&corpus, &root);
    expected.sort_unstable();
    actual.sort_unstable();
    assert_eq!(actual, expected);
}

#[test]
fn what_is_not_emodb_is_skipped_with_its_reason() {
    let misfits = ["04a01Fa.wav", "03a01Xa.wav", "03c01Fa.wav", "03a01F.wav", "03a01Fä.wav", "ä3a01F.wav"];
    let root = tree(misfits.into_iter().chain(["wav/03a01Fa.wav", "03A01FA.aiff"]));
    let corpus = Corpus::emodb(root.path()).unwrap();
    assert_eq!(corpus.len(), 1);
    let actual = warnings(&corpus, &root);
    for misfit in misfits {
        assert!(actual.contains(&(misfit, "file name does not fit EMO-DB", "skipped")), "{misfit}");
    }
    assert!(actual.contains(&("wav/03a01Fa.wav", "second file of this clip", "skipped")));
    assert!(actual.contains(&("", "number of clips is 1, officially 535", "used as it is")));
    assert_eq!(actual.len(), misfits.len() + 2);
}

#[test]
fn a_folder_gives_emotion_and_speaker_in_either_order() {
    let root = tree(["Angry/loose.wav", "Fearful/anna/1.mp3", "ben/SADNESS/2.ogg", "batch/ben/joy/3.m4a"]);
    let corpus = Corpus::folder(root.path()).unwrap();
    let facts: Vec<_> =
        corpus.utterances().iter().map(|u| (u.emotion, u.speaker.as_deref(), u.corpus.as_str())).collect();
    assert_eq!(
        facts,
        [
            (Emotion::Fear, Some("anna"), "folder"),
            (Emotion::Sad, Some("ben"), "folder"),
            (Emotion::Happy, None, "folder"),
            (Emotion::Angry, None, "folder"),
        ]
    );
    assert_eq!(corpus.warnings(), []);
}

#[test]
fn folders_that_name_no_speaker_are_none() {
    let speakers = |files: &[&str]| {
        let root = tree(files);
        let corpus = Corpus::folder(root.path()).unwrap();
        let mut speakers: Vec<_> = corpus.utterances().iter().map(|u| u.speaker.clone()).collect();
        speakers.sort_unstable();
        let nests = warnings(&corpus, &root).into_iter().map(|(path, problem, _)| format!("{path}: {problem}"));
        (speakers.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>(), nests.collect::<Vec<_>>())
    };
    let nested = speakers(&["Urdu/Angry/1.wav", "Urdu/Sad/2.wav"]);
    assert_eq!(nested, (vec![String::new(); 2], vec!["Urdu: folder that holds all clips".into()]));
    let beside = ["Urdu/Angry/1.wav", "Urdu/Sad/2.wav", "noise.wav", "__MACOSX/Urdu/Angry/1.wav"];
    assert_eq!(speakers(&beside).0, [""; 2]);
    let (folds, _) = speakers(&["fold1/sad/1.wav", "Session 2/joy/2.wav"]);
    assert_eq!(folds, ["", ""]);
    let (one_emotion, _) = speakers(&["sad/anna/1.wav", "sad/ben/2.wav"]);
    assert_eq!(one_emotion, ["anna", "ben"]);
    let (named, _) = speakers(&["x/y/anna/sad/1.wav", "x/y/ben/sad/2.wav"]);
    assert_eq!(named, ["anna", "ben"]);
    let (parts, _) = speakers(&["train/sad/1.wav", "Test/joy/wav/2.wav", "sad/female/3.wav", "val/anna/sad/4.wav"]);
    assert_eq!(parts, ["", "", "", "anna"]);
    let (cases, _) = speakers(&["sad/Anna/1.wav", "joy/anna/2.wav", "fear/ANNA/3.wav", "joy/ben/4.wav"]);
    assert_eq!(cases[..2], cases[1..3]);
    assert_eq!(cases[3], "ben");
    let parts_of_one = ["0011/Angry/train/1.wav", "0011/Sad/evaluation/2.wav", "0012/Sad/test/3.wav"];
    assert_eq!(speakers(&parts_of_one).0, ["0011", "0011", "0012"]);
    let levels = ["M003/audio/angry/level_1/1.m4a", "W009/audio/sad/level_2/1.m4a", "W009/audio/sad/level_3/1.m4a"];
    assert_eq!(speakers(&levels).0, ["M003", "W009", "W009"]);
    assert_eq!(speakers(&["sad/Faible/1.wav", "joy/Fort/2.wav", "joy/unknown/3.wav"]).0, [""; 3]);
}

#[test]
fn clips_in_no_emotion_folder_or_in_two_are_skipped_with_a_warning() {
    let root = tree(["sad/1.wav", "2.wav", "anna/3.wav", "angry/Joy/4.wav", "sad/5.mp4"]);
    let corpus = Corpus::folder(root.path()).unwrap();
    assert_eq!(corpus.len(), 1);
    let mut actual = warnings(&corpus, &root);
    actual.sort_unstable();
    assert_eq!(
        actual,
        [
            ("2.wav", "in no folder named after an emotion", "skipped"),
            ("angry/Joy/4.wav", "in several folders named after emotions", "skipped"),
            ("anna/3.wav", "in no folder named after an emotion, but in \"anna\"", "skipped"),
            ("sad/5.mp4", "video", "skipped"),
        ]
    );
}

#[test]
fn features_stand_in_for_recordings_where_there_are_none() {
    let root = tree(["wav/03a01Fa.wav", "wav/08a01Na.wav", "wavlm/03a01Fa.npy", "wavlm/08a01Na.NPY", "sad/ann/1.npy"]);
    let features = Corpus::emodb(root.path().join("wavlm")).unwrap();
    let recordings = Corpus::emodb(root.path().join("wav")).unwrap();
    assert_eq!(without_paths(&features), without_paths(&recordings));
    assert!(features.utterances().iter().all(|u| u.path.extension().unwrap().eq_ignore_ascii_case("npy")));

    // Beside recordings they are left out, so that nobody trains on half of each.
    let both = Corpus::emodb(root.path()).unwrap();
    assert_eq!(both.utterances(), recordings.utterances());
    let skipped = warnings(&both, &root).into_iter().filter(|(_, problem, _)| *problem == "features beside audio");
    assert_eq!(
        skipped.map(|(path, ..)| path).collect::<Vec<_>>(),
        ["sad/ann/1.npy", "wavlm/03a01Fa.npy", "wavlm/08a01Na.NPY"]
    );

    let folder = tree(["sad/ann/1.npy"]);
    let folder = Corpus::folder(folder.path()).unwrap();
    assert_eq!((folder.len(), folder.utterances()[0].speaker.as_deref()), (1, Some("ann")));
}

#[test]
fn folders_above_the_root_do_not_count() {
    let root = tree(["happy/anna/sad/1.wav"]);
    let corpus = Corpus::folder(root.path().join("happy/anna")).unwrap();
    assert_eq!(corpus.utterances()[0].emotion, Emotion::Sad);
    assert_eq!(corpus.utterances()[0].speaker, None);
}

#[test]
fn a_folder_without_clips_names_itself_and_the_expected_names() {
    let root = tree(["notes.txt", "other.wav"]);
    for (kind, expected) in [
        (CorpusKind::CremaD, "expected CREMA-D audio files such as 1001_DFA_ANG_XX.wav"),
        (CorpusKind::Savee, "expected SAVEE audio files such as DC_a01.wav or DC/a01.wav"),
        (CorpusKind::Tess, "expected TESS audio files such as OAF_back_angry.wav"),
        (CorpusKind::Nemo, "expected nEMO audio files such as WR0_surprised_64.wav"),
        (CorpusKind::Emovo, "expected EMOVO audio files such as dis-f1-b1.wav"),
        (CorpusKind::Emobox, "and the recordings that they name in the same folder or one above it"),
        (CorpusKind::Ravdess, "expected RAVDESS audio files such as 03-01-06-01-02-01-12.wav"),
        (CorpusKind::Emodb, "expected EMO-DB audio files such as 03a01Fa.wav"),
        (CorpusKind::Folder, "expected audio files like angry/clip.wav or angry/SPEAKER/clip.wav"),
    ] {
        let message = Corpus::read(kind, root.path()).unwrap_err().to_string();
        assert!(message.contains(root.path().to_str().unwrap()), "{message}");
        // And why the file that is there is none; EMO-DB's and EmoBox's own folders hold other things.
        assert!(message.contains(expected), "{message}");
        assert_eq!(message.contains("other.wav\": "), kind != CorpusKind::Emobox, "{message}");
    }
}

#[test]
fn a_missing_folder_and_a_file_in_its_place_are_errors_with_a_cause() {
    let root = tree(["sad/1.wav"]);
    for path in ["nowhere", "sad/1.wav"] {
        let path = root.path().join(path);
        for kind in CorpusKind::ALL.into_iter().filter(|&kind| kind != CorpusKind::Csv) {
            let error = Corpus::read(kind, &path).unwrap_err();
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
            assert!(error.source().is_some());
        }
    }
}

#[test]
fn corpora_are_named_and_an_unknown_name_lists_the_known_ones() {
    for kind in CorpusKind::ALL {
        assert_eq!(kind.to_string().parse::<CorpusKind>().unwrap(), kind);
    }
    let error = "iemocap".parse::<CorpusKind>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown corpus \"iemocap\": use one of crema-d, ravdess, savee, tess, emodb, nemo, emovo, folder, csv, emobox"
    );
}

#[test]
fn merging_keeps_all_in_one_order_and_takes_a_file_once() {
    let ravdess = tree(["03-01-05-01-01-01-03.wav", "03-01-04-01-01-01-02.wav"]);
    let emodb = tree(["03a01Fa.wav", "08a01Na.wav"]);
    let (r, e) = (Corpus::ravdess(ravdess.path()).unwrap(), Corpus::emodb(emodb.path()).unwrap());
    let merged = r.clone().merge(e.clone());
    assert_eq!(merged.utterances(), e.clone().merge(r.clone()).utterances());
    assert_eq!(merged.utterances(), [e.utterances(), r.utterances()].concat());
    assert_eq!(merged.warnings(), [r.warnings(), e.warnings()].concat());

    let twice = merged.clone().merge(e.clone());
    assert_eq!(twice.utterances(), merged.utterances());
    let listed: Vec<_> = twice.warnings().iter().filter(|w| w.problem == "listed twice").collect();
    assert_eq!(
        listed.iter().map(|warning| &warning.path).collect::<Vec<_>>(),
        e.utterances().iter().map(|utterance| &utterance.path).collect::<Vec<_>>()
    );
}

#[test]
fn a_file_is_taken_once_under_any_spelling_of_its_path() {
    let root = tree(["wav/03a01Fa.wav", "wav/08a01Na.wav"]);
    let corpus = Corpus::emodb(root.path()).unwrap();
    let again = Corpus::emodb(root.path().join("wav/../../").join(root.path().file_name().unwrap())).unwrap();
    assert_ne!(corpus.utterances(), again.utterances());
    let merged = corpus.merge(again);
    assert_eq!(merged.len(), 2);
    assert_eq!(merged.warnings().iter().filter(|w| w.problem == "listed twice").count(), 2);
}

#[cfg(unix)]
#[test]
fn a_file_is_taken_once_through_links() {
    let root = tree(["sad/1/a.wav", "happy/1/b.wav"]);
    std::os::unix::fs::symlink(root.path().join("sad/1/a.wav"), root.path().join("sad/1/c.wav")).unwrap();
    std::os::unix::fs::symlink(root.path().join("happy/1/b.wav"), root.path().join("sad/1/d.wav")).unwrap();
    let corpus = Corpus::folder(root.path()).unwrap();
    assert_eq!(corpus.len(), 1);
    let problems: Vec<_> = corpus.warnings().iter().map(|w| w.problem.as_str()).collect();
    assert_eq!(problems, ["listed with several emotions", "listed twice"]);
}

#[test]
fn a_speaker_in_several_spellings_is_one_person() {
    // The second ç is a c and a cedilla, as macOS writes names of folders.
    let root = tree(["sad/\u{e7}elik/1.wav", "happy/c\u{327}elik/2.wav", "sad/agent_4/3.wav", "happy/Agent-4/4.wav"]);
    let corpus = Corpus::folder(root.path()).unwrap();
    let speakers: Vec<_> = corpus.utterances().iter().map(|u| u.speaker.as_deref().unwrap()).collect();
    assert_eq!(speakers, ["\u{e7}elik", "\u{e7}elik", "agent_4", "agent_4"]);
    let lines = corpus.warning_lines();
    assert!(lines[0].ends_with("speaker \"Agent-4\" is also written \"agent_4\": taken for one person"), "{lines:?}");
}

const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 121234\n";

#[test]
fn what_git_has_in_place_of_audio_is_skipped_with_the_fix() {
    let root = tree(["wav/03a01Fa.mp3", "wav/08a01Na.wav"]);
    for file in ["flac/03a01Fa.flac", "flac/08a01Na.flac", "flac/09a01Wa.flac"] {
        write(&root, file, POINTER);
    }
    let corpus = Corpus::emodb(root.path()).unwrap();
    assert_eq!(corpus.len(), 2);
    let (problem, there) = ("Git LFS pointer in place of audio", "skipped, as another file of this clip is there");
    assert_eq!(
        warnings(&corpus, &root)[..3],
        [
            ("flac/03a01Fa.flac", problem, there),
            ("flac/08a01Na.flac", problem, there),
            ("flac/09a01Wa.flac", problem, "skipped: run `git lfs pull` in its checkout"),
        ]
    );
    assert_eq!(corpus.warnings().iter().map(|warning| warning.is_lost).collect::<Vec<_>>()[..3], [false, false, true]);

    let error = Corpus::emodb(root.path().join("flac")).unwrap_err();
    assert!(matches!(error, Error::LfsPointers { pointers: 3, .. }));
    assert!(error.to_string().ends_with("run `git lfs pull` in that checkout"), "{error}");
}

#[test]
fn small_files_that_only_resemble_a_pointer_are_clips() {
    let root = tree(["03a01Fa.wav"]);
    write(&root, "08a01Na.wav", "version https://git");
    write(&root, "09a01Na.wav", &format!("{POINTER}{}", "x".repeat(1024)));
    write(&root, "10a01Na.wav", "RIFF of no use at all, and a little longer");
    assert_eq!(Corpus::emodb(root.path()).unwrap().len(), 4);
}

#[test]
fn of_two_copies_the_lossless_one_is_taken() {
    let root = tree(["AudioMP3/03a01Fa.mp3", "AudioWAV/03a01Fa.wav", "a/08a01Na.ogg", "b/08a01Na.MP3"]);
    let corpus = Corpus::emodb(root.path()).unwrap();
    let paths: Vec<_> = corpus.utterances().iter().map(|u| u.path.strip_prefix(root.path()).unwrap()).collect();
    assert_eq!(paths, [Path::new("AudioWAV/03a01Fa.wav"), Path::new("a/08a01Na.ogg")]);
}

#[test]
fn a_file_with_two_labels_is_left_out() {
    let utterance = |path: &str, emotion| Utterance::new(path, emotion, "calls");
    let corpus = Corpus::new(vec![
        utterance("1.wav", Emotion::Sad),
        utterance("2.wav", Emotion::Sad),
        utterance("1.wav", Emotion::Angry),
        utterance("1.wav", Emotion::Sad),
    ]);
    assert_eq!(corpus.utterances(), [utterance("2.wav", Emotion::Sad)]);
    assert_eq!(corpus.warning_lines(), ["\"1.wav\": listed with several emotions: left out"]);
}

#[test]
fn a_file_with_two_labels_is_left_out_of_whatever_is_merged_later() {
    let list = |emotion| Corpus::new(vec![Utterance::new("1.wav", emotion, "calls")]);
    let [sad, angry] = [Emotion::Sad, Emotion::Angry].map(list);
    for order in [[&sad, &angry, &sad], [&sad, &sad, &angry], [&angry, &sad, &sad]] {
        let merged = order.into_iter().cloned().reduce(Corpus::merge).unwrap();
        assert!(merged.is_empty(), "{merged:?}");
        let left_out = merged.warnings().iter().filter(|w| w.problem == "listed with several emotions");
        assert_eq!(left_out.count(), 1);
    }
}

#[test]
fn a_corpus_in_several_spellings_is_one() {
    let clip = |path: &str, corpus: &str| {
        let mut clip = Utterance::new(path, Emotion::Sad, corpus);
        clip.speaker = Some("anna".into());
        clip
    };
    let corpus = Corpus::new(vec![clip("1.wav", "my calls"), clip("2.wav", "My_Calls")]);
    assert!(corpus.utterances().iter().all(|clip| clip.corpus == "My_Calls"), "{corpus:?}");
    let lines = corpus.warning_lines();
    assert_eq!(lines, ["\"1.wav\": corpus \"my calls\" is \"My_Calls\" in another spelling: taken for one corpus"]);
    // No other spelling is there, but a reader has one.
    for (spelling, name) in [("RAVDESS", "ravdess"), ("EMO-DB", "emodb"), ("CREMAD", "crema-d")] {
        let alone = Corpus::new(vec![Utterance::new("1.wav", Emotion::Sad, spelling)]);
        let line = format!("\"1.wav\": corpus {spelling:?} is {name:?} in another spelling: taken for one corpus");
        assert_eq!(alone.warning_lines(), [line]);
    }
}

#[test]
fn errors_may_cross_threads() {
    fn is_send_sync<T: Send + Sync + 'static>() {}
    is_send_sync::<Error>();
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_loop_of_links_ends_with_a_warning() {
        let root = tree(["wav/03a01Fa.wav"]);
        symlink(root.path(), root.path().join("wav/loop")).unwrap();
        let corpus = Corpus::emodb(root.path()).unwrap();
        assert_eq!(corpus.len(), 1);
        assert!(warnings(&corpus, &root).contains(&("wav/loop", "link to a folder that it is in", "skipped")));
    }

    #[test]
    fn links_to_one_another_are_walked_once() {
        let root = tree(["0/notes.txt", "40/03a01Fa.wav"]);
        for n in 0..40 {
            std::fs::create_dir_all(root.path().join(n.to_string())).unwrap();
            for link in ["a", "b"] {
                symlink(root.path().join((n + 1).to_string()), root.path().join(format!("{n}/{link}"))).unwrap();
            }
        }
        // 2⁴⁰ paths lead to the one clip.
        let corpus = Corpus::emodb(root.path()).unwrap();
        assert_eq!(corpus.len(), 1);
        let link = ("0/b", "link to a folder that is read under another name", "skipped");
        assert!(warnings(&corpus, &root).contains(&link));
    }

    #[test]
    fn a_linked_corpus_is_read_and_a_broken_link_is_a_warning() {
        let original = tree(["03a01Fa.wav"]);
        let root = tree(["notes.txt"]);
        symlink(original.path(), root.path().join("wav")).unwrap();
        symlink("nowhere.wav", root.path().join("08a01Na.wav")).unwrap();
        let corpus = Corpus::emodb(root.path()).unwrap();
        assert_eq!(corpus.utterances()[0].path, root.path().join("wav/03a01Fa.wav"));
        assert_eq!(corpus.len(), 1);
        assert_eq!(warnings(&corpus, &root)[0].0, "08a01Na.wav");
    }

    // Other systems refuse to create such names.
    #[cfg(target_os = "linux")]
    #[test]
    fn names_that_are_not_utf8_are_read_or_warned_of() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

        let name = |bytes: &[u8]| Path::new(OsStr::from_bytes(bytes)).to_path_buf();
        let root =
            tree([name(b"sad/anna\xff/1.wav"), name(b"sad/2\xfe.wav"), name(b"03a01Fa\xff.wav"), name(b"03a01Fa.wav")]);
        let folder = Corpus::folder(root.path()).unwrap();
        assert_eq!(folder.len(), 2);
        assert_eq!(folder.utterances()[0].speaker.as_deref(), Some("anna\u{fffd}"));
        let emodb = Corpus::emodb(root.path()).unwrap();
        assert_eq!(emodb.len(), 1);
        assert_eq!(emodb.warnings().len(), 4);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_audio_file_is_a_clip_or_a_warning(
        names in prop::collection::btree_set(
            prop_oneof![
                "[0-3]{2}-0[12]-0[0-9]-0[1-3]-0[12]-0[12]-[0-2][0-9]",
                "(03|08|17)[abc]0[1-7][WLEAFTNX][a-c]?",
                "(1006|1076|1092)_(TIE|MTI)_(HAP|SAD|JOY)_(XX|X|LO)",
                "(DC|KL|DG)[_-]?(a|sa|su|n)[0-3][0-9]?",
                "(OAF|OA|YAF)_(bite|b1te)_(ps|sad|anger)",
                "(WR0|KD0)_(anger|happy|sadness)_[0-9]{1,2}",
                "(dis|gio|joy)-[fm][1-4]-[bdln][1-5]",
                "[a-z0-9 ä-]{1,12}",
            ],
            1..20,
        )
    ) {
        let root = tree(names.iter().map(|name| format!("sad/{name}.wav")));
        for kind in CorpusKind::ALL {
            if let Ok(corpus) = Corpus::read(kind, root.path()) {
                let skipped = corpus.warnings().iter();
                let skipped = skipped.filter(|w| w.action == "skipped" || w.action == "left out").count();
                prop_assert_eq!(corpus.len() + skipped, names.len());
            }
        }
    }
}
