//! Each protocol does what its name says, and the guard's line tells what it shares.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod generated;

use std::collections::{BTreeMap, BTreeSet};

use generated::{
    EMOTIONS, acted, changed, corpora, corpus, emotions, fold, folds, names, options, parts, sentences, speakers,
};
use ser_corpus::{Corpus, Emotion, FoldPart, Protocol, Sex, Sharing, Split, SplitOptions, Utterance, Validation};

fn only(corpus: &Corpus, protocol: &str) -> Split {
    Split::new(corpus, &options(protocol.parse().unwrap(), 0)).unwrap()
}

/// All actors of RAVDESS, in the two sentences of it.
fn ravdess() -> Corpus {
    corpus("ravdess", 24, 2)
}

#[test]
fn every_protocol_is_read_from_the_name_that_it_writes() {
    for (name, protocol) in [
        ("speakers", Protocol::Speakers),
        ("sentences", Protocol::Sentences),
        ("speakers-sentences", Protocol::SpeakersSentences),
        ("corpora", Protocol::Corpora),
        ("loso", Protocol::LeaveOneSpeakerOut),
        ("lnso:2", Protocol::LeaveSpeakersOut(2)),
        ("speaker-kfold:5", Protocol::SpeakerKFold(5)),
        ("random-kfold:10", Protocol::RandomKFold(10)),
        ("ravdess-emobox6", Protocol::RavdessEmobox6),
        ("ravdess-lj5", Protocol::RavdessLj5),
        ("emobox", Protocol::Emobox),
        ("leaky-seed", Protocol::LeakySeed),
    ] {
        assert_eq!(name.parse::<Protocol>().unwrap(), protocol);
        assert_eq!(protocol.to_string(), name);
        let options: SplitOptions = toml::from_str(&format!("protocol = {name:?}\nfold = 2")).unwrap();
        assert_eq!((options.protocol, options.fold), (protocol, Some(2)));
        assert_eq!(toml::from_str::<SplitOptions>(&toml::to_string(&options).unwrap()).unwrap(), options);
    }
    let default = toml::to_string(&SplitOptions::default()).unwrap();
    assert_eq!(default, "protocol = \"speakers\"\nseed = 0\nvalidation = \"split\"\n");
    assert_eq!(format!("{:>6}|{:8}|", Protocol::LeaveOneSpeakerOut, Protocol::LeaveSpeakersOut(2)), "  loso|lnso:2  |");
}

#[test]
fn an_unknown_protocol_is_refused_with_all_names() {
    for name in ["random", "Speakers", "speakers:2", "loso:", "leaky", ""] {
        assert_eq!(
            name.parse::<Protocol>().unwrap_err().to_string(),
            format!(
                "unknown protocol {name:?}: use speakers, sentences, speakers-sentences, corpora, loso, lnso:N, \
                 speaker-kfold:K, random-kfold:K, ravdess-emobox6, ravdess-lj5, emobox or leaky-seed"
            )
        );
    }
}

#[test]
fn a_number_that_makes_no_folds_is_refused() {
    let too_large = "lnso:99999999999999999999";
    for name in ["lnso", "lnso:", "lnso:0", "lnso:-1", "lnso:two", too_large, "speaker-kfold:1", "random-kfold:0"] {
        assert_eq!(
            name.parse::<Protocol>().unwrap_err().to_string(),
            format!(
                "invalid protocol {name:?}: write lnso:N with the number of speakers to leave out, at least 1, or \
                 speaker-kfold:K or random-kfold:K with the number of folds, at least 2"
            )
        );
    }
    for protocol in [Protocol::LeaveSpeakersOut(0), Protocol::SpeakerKFold(1), Protocol::RandomKFold(0)] {
        let error = Split::folds(&corpus("c", 5, 2), &options(protocol, 0)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("invalid protocol \"{protocol}\"")), "{error}");
    }
}

#[test]
fn sentences_are_in_one_part_each_with_speakers_shared() {
    let split = only(&corpus("c", 4, 10), "sentences");
    assert_eq!(parts(&split).map(|part| sentences(part).len()), [7, 1, 2]);
    assert!(parts(&split).iter().all(|part| speakers(part).len() == 4));
    assert_eq!(split.overlap().to_string(), "speakers shared, sentences disjoint");
}

#[test]
fn of_two_sentences_one_trains_and_one_tests() {
    let split = only(&ravdess(), "sentences");
    let [train, valid, test] = parts(&split);
    assert_eq!((sentences(train).len(), sentences(test).len()), (1, 1));
    assert_eq!(sentences(train), sentences(valid));
    assert!(speakers(train).is_disjoint(&speakers(valid)));
    assert_eq!(split.overlap().to_string(), "speakers shared, sentences disjoint; validation by speaker");
    assert_eq!(split.validation_overlap().to_string(), "speakers disjoint, sentences shared");
}

#[test]
fn both_leaves_out_what_would_cross() {
    let split = only(&corpus("c", 10, 10), "speakers-sentences");
    // 6, 2 and 2 speakers; 7, 1 and 2 sentences; three emotions of each.
    assert_eq!(parts(&split).map(<[_]>::len), [6 * 7 * 3, 2 * 3, 2 * 2 * 3]);
    assert_eq!(split.left_out().len(), 300 - 126 - 6 - 12);
    assert_eq!(split.overlap().to_string(), "speakers disjoint, sentences disjoint; 156 clips left out");

    let split = only(&ravdess(), "speakers-sentences");
    // 16, 4 and 4 speakers; one sentence of two to train and validate on, the other to test.
    assert_eq!(parts(&split).map(<[_]>::len), [16 * 3, 4 * 3, 4 * 3]);
    assert_eq!(
        split.overlap().to_string(),
        "speakers disjoint, sentences disjoint; validation by speaker; 72 clips left out"
    );
}

#[test]
fn each_corpus_tests_once_and_another_validates() {
    let merged = corpus("a", 3, 2).merge(corpus("b", 4, 2)).merge(corpus("c", 5, 2));
    let folds = folds(&merged, "corpora", 3).unwrap();
    assert_eq!(
        folds.iter().map(|split| corpora(parts(split)[2])).collect::<Vec<_>>(),
        ["a", "b", "c"].map(|c| [c].into())
    );
    for split in &folds {
        assert!(parts(split).iter().all(|part| corpora(part).len() == 1));
    }
    assert_eq!(folds[1].protocol(), "corpora, fold 2 of 3, corpus b");
    assert_eq!(folds[1].overlap().to_string(), "speakers disjoint, sentences disjoint, corpora disjoint; fold 2 of 3");
    // Without a chosen fold the seed chooses.
    let tested = (0..20).map(|seed| Split::new(&merged, &options(Protocol::Corpora, seed)).unwrap());
    let tested: BTreeSet<_> = tested.map(|split| split.protocol().to_owned()).collect();
    assert_eq!(tested.len(), 3);
    assert!(folds.iter().all(|split| tested.contains(split.protocol())));
}

#[test]
fn of_two_corpora_speakers_of_one_validate() {
    let split = fold(&corpus("a", 3, 2).merge(corpus("b", 4, 2)), "corpora", 1).unwrap();
    let [train, valid, test] = parts(&split);
    assert_eq!([corpora(train), corpora(valid), corpora(test)], ["b", "b", "a"].map(|c| [c].into()));
    assert!(speakers(train).is_disjoint(&speakers(valid)));
    assert_eq!(
        split.overlap().to_string(),
        "speakers disjoint, sentences disjoint, corpora disjoint; fold 1 of 2; validation by speaker"
    );
}

#[test]
fn corpora_need_no_speakers() {
    let anonymous = |u: &mut Utterance| (u.speaker, u.sentence) = (None, None);
    let merged = changed(&corpus("a", 3, 2).merge(corpus("b", 4, 2)), anonymous);
    assert_eq!(
        fold(&merged, "corpora", 2).unwrap().overlap().to_string(),
        "speakers disjoint, sentences disjoint, corpora disjoint; fold 2 of 2; validation by clip"
    );
}

#[test]
fn each_speaker_is_left_out_once_in_order() {
    let folds = folds(&corpus("a", 3, 2).merge(corpus("b", 2, 2)), "loso", 0).unwrap();
    let tested: Vec<_> = folds.iter().map(Split::protocol).collect();
    assert_eq!(
        tested,
        [
            "loso, fold 1 of 5, speaker a/01",
            "loso, fold 2 of 5, speaker a/02",
            "loso, fold 3 of 5, speaker a/03",
            "loso, fold 4 of 5, speaker b/01",
            "loso, fold 5 of 5, speaker b/02",
        ]
    );
    for split in &folds {
        assert_eq!(parts(split).map(|part| speakers(part).len()), [3, 1, 1]);
    }
}

#[test]
fn where_one_speaker_is_left_sentences_validate_and_the_line_says_so() {
    // As TESS: two speakers.
    let tess = acted("tess", &["OAF", "YAF"], &["back", "bar", "base", "bath", "bean", "beg", "bite"]);
    let split = fold(&tess, "loso", 2).unwrap();
    let [train, valid, test] = parts(&split);
    assert_eq!([names(train), names(valid), names(test)], [["OAF"], ["OAF"], ["YAF"]]);
    assert_eq!([sentences(train).len(), sentences(valid).len()], [6, 1]);
    assert!(sentences(train).is_disjoint(&sentences(valid)));
    assert_eq!(split.protocol(), "loso, fold 2 of 2, speaker tess/YAF");
    assert_eq!(split.overlap().to_string(), "speakers disjoint, sentences shared; fold 2 of 2; validation by sentence");

    let wordless = changed(&tess, |u| u.sentence = None);
    assert_eq!(
        fold(&wordless, "loso", 1).unwrap().overlap().to_string(),
        "speakers disjoint, sentences unknown; fold 1 of 2; validation by clip"
    );
}

#[test]
fn speakers_are_left_out_n_at_a_time_with_the_sexes_mixed() {
    let folds = folds(&corpus("c", 10, 2), "lnso:4", 5).unwrap();
    assert_eq!(folds.iter().map(|split| names(parts(split)[2]).len()).collect::<Vec<_>>(), [4, 4, 2]);
    for split in &folds {
        let test = parts(split)[2];
        let women = test.iter().filter(|u| u.sex == Some(Sex::Female)).count();
        assert_eq!(2 * women, test.len());
    }
    let mut tested: Vec<_> = folds.iter().flat_map(|split| names(parts(split)[2])).collect();
    tested.sort_unstable();
    assert_eq!(tested, ["01", "02", "03", "04", "05", "06", "07", "08", "09", "10"]);
}

#[test]
fn folds_of_speakers_are_equally_large_and_mixed_where_speakers_are_alike() {
    for seed in 0..20 {
        let folds = folds(&ravdess(), "speaker-kfold:6", seed).unwrap();
        for split in &folds {
            let [train, valid, test] = parts(split);
            assert_eq!([train, valid, test].map(|part| speakers(part).len()), [17, 3, 4]);
            let women = test.iter().filter(|u| u.sex == Some(Sex::Female)).count();
            assert_eq!(2 * women, test.len());
            assert_eq!(split.overlap().to_string(), format!("speakers disjoint, sentences shared; {}", number(split)));
        }
    }
}

/// `fold 1 of 6`, from `speaker-kfold:6, fold 1 of 6, speakers …`.
fn number(split: &Split) -> &str {
    split.protocol().split(", ").nth(1).unwrap()
}

#[test]
fn a_long_list_of_speakers_is_counted_in_the_name_of_a_fold() {
    let name = |k| folds(&corpus("c", 12, 2), k, 0).unwrap()[0].protocol().to_owned();
    assert_eq!(name("speaker-kfold:2"), "speaker-kfold:2, fold 1 of 2, 6 speakers");
    assert_eq!(name("speaker-kfold:12").matches("c/").count(), 1);
    assert_eq!(name("speaker-kfold:3").matches("c/").count(), 4);
}

#[test]
fn random_folds_hold_equally_many_of_each_emotion() {
    let uneven = changed(&corpus("c", 7, 5), |u| {
        if u.sentence.as_deref() == Some("a") {
            u.emotion = Emotion::Fear;
        }
    });
    let folds = folds(&uneven, "random-kfold:4", 9).unwrap();
    for emotion in [Emotion::Fear, Emotion::Angry] {
        let counts: Vec<_> =
            folds.iter().map(|split| parts(split)[2].iter().filter(|u| u.emotion == emotion).count()).collect();
        assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{emotion}: {counts:?}");
    }
    assert_eq!(folds[0].protocol(), "random-kfold:4, fold 1 of 4");
    assert_eq!(folds[0].overlap().to_string(), "speakers shared, sentences shared; fold 1 of 4");
}

#[test]
fn random_folds_need_no_speakers_and_say_that_they_are_unknown() {
    let anonymous = changed(&corpus("c", 7, 5), |u| u.speaker = None);
    let split = fold(&anonymous, "random-kfold:5", 5).unwrap();
    assert_eq!(split.overlap().speakers, Sharing::Unknown);
    assert_eq!(split.overlap().to_string(), "speakers unknown, sentences shared; fold 5 of 5");
}

#[test]
fn whether_a_corpus_without_a_name_has_the_speakers_of_another_is_not_known() {
    let [named, nameless] = ["emodb", "csv"].map(|name| corpus(name, 4, 3));
    let merged = named.clone().merge(nameless);
    for protocol in ["corpora", "loso", "speaker-kfold:4"] {
        let overlap = fold(&merged, protocol, 1).unwrap().overlap().clone();
        assert_eq!(overlap.speakers, Sharing::Unknown, "{overlap}");
        assert!(overlap.to_string().contains("under other names, is not known"), "{overlap}");
    }
    let named = named.merge(corpus("savee", 4, 3));
    assert_eq!(fold(&named, "corpora", 1).unwrap().overlap().speakers, Sharing::Disjoint);
}

#[test]
fn the_named_folds_of_ravdess_test_the_published_actors() {
    // From Ma et al. (2024) and Luna-Jiménez et al. (2021).
    let emobox = ["01 11 20 21", "04 10 12 14", "08 09 19 23", "03 05 07 24", "02 15 16 18", "06 13 17 22"];
    let lj = ["02 05 14 15 16", "03 06 07 13 18", "10 11 12 19 20", "08 17 21 23 24", "01 04 09 22"];
    for (protocol, actors) in [("ravdess-emobox6", &emobox[..]), ("ravdess-lj5", &lj)] {
        let folds = folds(&ravdess(), protocol, 0).unwrap();
        assert_eq!(folds.iter().map(|split| names(parts(split)[2]).join(" ")).collect::<Vec<_>>(), actors);
        for split in &folds {
            let [train, valid, test] = parts(split);
            assert_eq!(train.len() + valid.len() + test.len(), 24 * 6);
            assert_eq!(split.overlap().to_string(), format!("speakers disjoint, sentences shared; {}", number(split)));
        }
    }
    assert_eq!(
        fold(&ravdess(), "ravdess-emobox6", 1).unwrap().protocol(),
        "ravdess-emobox6, fold 1 of 6, speakers ravdess/01 ravdess/11 ravdess/20 ravdess/21"
    );
    // As a table may have them, after the folders.
    let folders = changed(&ravdess(), |clip| clip.speaker = clip.speaker.take().map(|name| format!("Actor_{name}")));
    let tested = fold(&folders, "ravdess-emobox6", 2).unwrap();
    assert_eq!(names(parts(&tested)[2]), ["Actor_04", "Actor_10", "Actor_12", "Actor_14"]);
}

#[test]
fn other_corpora_are_only_trained_on_beside_the_named_folds() {
    let merged = ravdess().merge(corpus("emodb", 10, 3)).merge(changed(&corpus("own", 2, 1), |u| u.speaker = None));
    let split = fold(&merged, "ravdess-lj5", 5).unwrap();
    let [train, valid, test] = parts(&split);
    assert_eq!(corpora(train), ["emodb", "own", "ravdess"].into());
    assert_eq!([corpora(valid), corpora(test)], [["ravdess"].into(), ["ravdess"].into()]);
    assert_eq!(
        split.overlap().to_string(),
        "speakers disjoint, sentences shared, corpora shared; fold 5 of 5; trained on only: emodb, own"
    );
}

#[test]
fn the_parts_of_a_test_corpus_are_those_that_it_has_alone_and_all_others_train() {
    let (alone, other) = (corpus("emodb", 6, 4), corpus("ravdess", 24, 2));
    let merged = other.merge(alone.clone());
    for name in ["loso", "lnso:2", "speaker-kfold:3", "random-kfold:3", "speakers", "sentences"] {
        let protocol = name.parse().unwrap();
        let test_corpus = Some("emodb".into());
        let folds = Split::folds(&merged, &SplitOptions { test_corpus, ..options(protocol, 3) }).unwrap();
        let folds_alone = Split::folds(&alone, &options(protocol, 3)).unwrap();
        assert_eq!(folds.len(), folds_alone.len());
        for (split, alone) in folds.iter().zip(&folds_alone) {
            assert_eq!((split.test(), split.valid()), (alone.test(), alone.valid()), "{name}");
            let (own, others): (Vec<_>, Vec<_>) =
                split.train().utterances().iter().cloned().partition(|clip| clip.corpus == "emodb");
            assert_eq!(own, alone.train().utterances(), "{name}");
            assert_eq!(others.len(), 24 * 2 * EMOTIONS.len());
            assert!(split.overlap().to_string().contains("; trained on only: ravdess"), "{}", split.overlap());
            assert_eq!(split.overlap().speakers, alone.overlap().speakers);
        }
    }
    let options = SplitOptions { test_corpus: Some("savee".into()), ..options(Protocol::LeaveOneSpeakerOut, 0) };
    let error = Split::folds(&merged, &options).unwrap_err().to_string();
    assert!(error.contains("\"savee\"") && error.ends_with("there are emodb, ravdess"), "{error}");
}

#[test]
fn without_validation_all_but_the_test_part_trains_and_the_line_says_so() {
    let corpus = corpus("emodb", 5, 4);
    for name in ["speakers", "sentences", "speakers-sentences", "loso", "random-kfold:3", "leaky-seed"] {
        let with = options(name.parse().unwrap(), 1);
        let without = SplitOptions { validation: Validation::None, ..with.clone() };
        let [with, without] = [with, without].map(|options| Split::folds(&corpus, &options).unwrap());
        for (with, without) in with.iter().zip(&without) {
            assert_eq!(without.test(), with.test());
            assert!(without.valid().utterances().is_empty());
            let known = with.train().utterances().len() + with.valid().utterances().len();
            assert_eq!(without.train().utterances().len(), known);
            assert!(without.overlap().notes.iter().any(|note| note == "no validation part"), "{}", without.overlap());
            assert_eq!(without.overlap().speakers, with.overlap().speakers, "{name}");
        }
    }
}

#[test]
fn the_named_folds_are_refused_without_all_actors_of_ravdess() {
    for (corpus, reason) in [
        (corpus("emodb", 24, 2), "there is no clip of RAVDESS"),
        (acted("ravdess", &["01", "02", "03"], &["01"]), "these are missing: 04, 05, 06,"),
        (corpus("ravdess", 25, 2), "speaker \"25\" is none of them"),
    ] {
        let error = folds(&corpus, "ravdess-emobox6", 0).unwrap_err().to_string();
        let start = "the protocol ravdess-emobox6 needs the 24 actors of RAVDESS: ";
        assert!(error.starts_with(&format!("{start}{reason}")), "{error}");
        assert!(error.ends_with("; read all of RAVDESS, or use loso"), "{error}");
    }
}

/// Speakers 01 to 06 in three folds of two, the last without a validation part of its own.
fn published() -> Corpus {
    changed(&corpus("iemocap", 6, 2), |utterance| {
        let speaker: u32 = utterance.speaker.as_deref().unwrap().parse().unwrap();
        for fold in 1..=3 {
            let part = match (speaker + 2 * fold) % 6 {
                0 | 1 => FoldPart::Test,
                2 if fold < 3 => FoldPart::Valid,
                _ => FoldPart::Train,
            };
            utterance.folds.insert(fold, part);
        }
        if speaker == 6 {
            utterance.folds.remove(&1);
        }
    })
}

#[test]
fn published_folds_are_taken_as_they_are() {
    let merged = published().merge(corpus("extra", 3, 1));
    let folds = folds(&merged, "emobox", 0).unwrap();
    let own = |part: &[Utterance]| -> Vec<String> {
        speakers(part).into_iter().filter(|(corpus, _)| *corpus != "extra").map(|(_, name)| name.into()).collect()
    };
    let tested: Vec<_> = folds.iter().map(|split| own(parts(split)[2])).collect();
    assert_eq!(tested, [["04", "05"], ["02", "03"], ["01", "06"]]);

    // The first fold does not list speaker 06, and like the third has no validation part of its own.
    assert_eq!(names(folds[0].left_out()), ["06"]);
    assert_eq!(own(parts(&folds[0])[0]).len() + own(parts(&folds[0])[1]).len(), 3);
    assert_eq!(parts(&folds[1]).map(own), [vec!["01", "05", "06"], vec!["04"], vec!["02", "03"]]);
    assert_eq!(own(parts(&folds[2])[0]).len() + own(parts(&folds[2])[1]).len(), 4);
    assert!(folds.iter().all(|split| !corpora(parts(split)[1]).contains("extra")));
    assert_eq!(folds[0].protocol(), "emobox, fold 1 of 3");
    assert_eq!(
        folds[0].overlap().to_string(),
        "speakers disjoint, sentences shared, corpora shared; fold 1 of 3; trained on only: extra; 6 clips left out"
    );
}

#[test]
fn incomplete_published_folds_are_refused() {
    for (number, found) in [(0, "[0]"), (2, "[2]"), (u32::MAX, "[4294967295]")] {
        let corpus = changed(&corpus("c", 3, 2), |u| u.folds = BTreeMap::from([(number, FoldPart::Test)]));
        let error = folds(&corpus, "emobox", 0).unwrap_err().to_string();
        assert!(error.contains(&format!("there are clips of the folds {found}")), "{error}");
    }
    let error = folds(&corpus("c", 3, 2), "emobox", 0).unwrap_err().to_string();
    assert_eq!(
        error,
        "the protocol emobox needs clips that test the folds 1, 2, 3 and so on, and there are clips of the folds []: \
         read the corpus from EmoBox's files with all of its folds"
    );
}

#[test]
fn the_protocol_of_the_seed_splits_copies_and_its_line_says_what_that_shares() {
    let corpus = corpus("c", 10, 5);
    let split = only(&corpus, "leaky-seed");
    let [train, valid, test] = parts(&split);
    // 600 rows; a fifth tests (scikit-learn rounds up), a tenth of the others validates.
    assert_eq!([train.len(), valid.len(), test.len()], [432, 48, 120]);
    let rows: BTreeSet<_> = parts(&split).into_iter().flatten().map(|u| (&u.path, u.copy())).collect();
    let expected = corpus.utterances().iter().flat_map(|u| (0..4).map(move |copy| (&u.path, copy)));
    assert_eq!(rows, expected.collect());
    assert_eq!(split.overlap().clips, Sharing::Shared);
    assert_eq!(split.overlap().to_string(), "clips shared, speakers shared, sentences shared");
    assert_eq!(split.protocol(), "leaky-seed");

    // The seed's corpora: 12,162 clips, and 9,730 tested rows in its tables.
    let utterances = (0..12_162).map(|n| Utterance::new(format!("{n}.wav"), Emotion::Sad, "c")).collect();
    assert_eq!(only(&Corpus::new(utterances), "leaky-seed").test().utterances().len(), 9_730);
}

#[test]
fn no_other_protocol_makes_copies() {
    for protocol in ["speakers", "sentences", "loso", "random-kfold:3"] {
        for split in folds(&corpus("c", 5, 4), protocol, 1).unwrap() {
            assert!(parts(&split).into_iter().flatten().all(|utterance| utterance.copy() == 0));
        }
    }
}

#[test]
fn one_split_of_many_folds_must_be_chosen() {
    let corpus = corpus("c", 10, 2);
    let error = Split::new(&corpus, &options(Protocol::LeaveOneSpeakerOut, 0)).unwrap_err();
    assert_eq!(error.to_string(), "the protocol loso has 10 folds: set `fold` to a number from 1 to 10");
    for wrong in [0, 11] {
        assert_eq!(
            fold(&corpus, "loso", wrong).unwrap_err().to_string(),
            format!("there is no fold {wrong}: the protocol loso has 10 of this corpus; set `fold` from 1 to 10")
        );
    }
    assert!(fold(&corpus, "speakers", 2).is_err());
    assert_eq!(fold(&corpus, "speakers", 1).unwrap(), only(&corpus, "speakers"));
}

#[test]
fn a_chosen_fold_is_that_of_all_folds() {
    let merged = corpus("a", 6, 4).merge(corpus("b", 5, 2));
    for protocol in ["corpora", "loso", "lnso:3", "speaker-kfold:4", "random-kfold:3", "speakers", "leaky-seed"] {
        let all = folds(&merged, protocol, 0).unwrap();
        assert_eq!(Split::fold_count(&merged, &options(protocol.parse().unwrap(), 0)).unwrap(), all.len());
        for (index, split) in all.iter().enumerate() {
            assert_eq!(&fold(&merged, protocol, index + 1).unwrap(), split);
        }
    }
}

#[test]
fn what_is_too_little_for_a_protocol_is_named() {
    let few = corpus("c", 3, 1);
    for (protocol, message) in [
        ("sentences", "too few sentences: the protocol sentences needs at least 2, and there are 1"),
        ("speakers-sentences", "too few sentences: the protocol speakers-sentences needs at least 2, and there are 1"),
        ("corpora", "too few corpora: the protocol corpora needs at least 2, and there are 1"),
        ("lnso:3", "too few speakers: the protocol lnso:3 needs at least 4, and there are 3"),
        ("speaker-kfold:4", "too few speakers: the protocol speaker-kfold:4 needs at least 4, and there are 3"),
        ("random-kfold:10", "too few clips: the protocol random-kfold:10 needs at least 10, and there are 9"),
    ] {
        let error = folds(&few, protocol, 0).unwrap_err().to_string();
        assert_eq!(error, format!("{message}; merge in another corpus or choose another protocol"));
    }
    let error = folds(&corpus("c", 1, 5), "loso", 0).unwrap_err().to_string();
    assert!(error.starts_with("too few speakers: the protocol loso needs at least 2, and there are 1"), "{error}");
    for protocol in ["leaky-seed", "random-kfold:2", "loso", "speakers", "sentences", "corpora", "emobox"] {
        assert!(folds(&Corpus::default(), protocol, 0).is_err());
    }
}

#[test]
fn an_empty_part_is_refused() {
    // One clip each: none is left to validate on.
    let pair = acted("a", &["01", "02"], &["a"]);
    let pair = Corpus::new(pair.utterances().iter().filter(|u| u.emotion == EMOTIONS[0]).cloned().collect());
    assert_eq!(
        folds(&pair, "loso", 0).unwrap_err().to_string(),
        "the validation part of a split by loso, fold 1 of 2, speaker a/01 is empty: merge in another corpus or \
         choose another protocol"
    );
}

#[test]
fn clips_without_what_a_protocol_needs_are_named() {
    let corpus = corpus("c", 5, 3);
    let wordless = changed(&corpus, |u| u.sentence = None);
    assert_eq!(
        folds(&wordless, "sentences", 0).unwrap_err().to_string(),
        "45 utterances have no sentence, the first is \"c/01 angry a.wav\": a split by sentence needs to know what is \
         said; split by speakers, if they are known, or by random-kfold:5"
    );
    let anonymous = changed(&corpus, |u| u.speaker = u.speaker.take().filter(|speaker| speaker != "04"));
    for protocol in ["speakers", "speakers-sentences", "loso", "lnso:2", "speaker-kfold:2"] {
        let error = folds(&anonymous, protocol, 0).unwrap_err().to_string();
        assert!(error.starts_with("9 utterances have no speaker, the first is \"c/04 angry a.wav\""), "{error}");
    }
}

#[test]
fn lists_of_ones_own_are_taken_but_for_shared_clips_and_empty_parts() {
    let corpus = corpus("c", 4, 2);
    let of = |wanted: &[&str]| -> Vec<Utterance> {
        corpus.utterances().iter().filter(|u| wanted.contains(&u.speaker.as_deref().unwrap())).cloned().collect()
    };
    let split = Split::custom(of(&["01", "02"]), of(&["03"]), of(&["04"])).unwrap();
    assert_eq!(split.protocol(), "custom");
    assert_eq!(split.overlap().to_string(), "speakers disjoint, sentences shared");

    // Validation by clip is told, and so is a speaker on both sides.
    let (half, other) = of(&["01"]).into_iter().partition(|u| u.emotion == Emotion::Angry);
    assert_eq!(
        Split::custom(half, other, of(&["04"])).unwrap().overlap().to_string(),
        "speakers disjoint, sentences shared; validation by clip"
    );
    let (half, other) = of(&["01"]).into_iter().partition(|u| u.emotion == Emotion::Angry);
    let shared = Split::custom(half, of(&["02"]), other).unwrap();
    assert_eq!(shared.overlap().to_string(), "speakers shared, sentences shared");

    // As everywhere, a name in two spellings is one person.
    let respelled = changed(&corpus, |u| {
        (u.corpus, u.path) = ("C".into(), format!("other/{}", u.path.display()).into());
        u.speaker = u.speaker.take().map(|speaker| speaker.trim_start_matches('0').into());
    });
    let test = respelled.utterances().iter().filter(|u| u.speaker.as_deref() == Some("1")).cloned().collect();
    let split = Split::custom(of(&["01", "02"]), of(&["03"]), test).unwrap();
    assert_eq!(split.overlap().to_string(), "speakers shared, sentences shared");

    let twice = "\"c/01 angry a.wav\" is in a split twice: a recording belongs into one part, and once; take it out of \
                 the others";
    for error in [
        Split::custom(of(&["01"]), of(&["03"]), of(&["01", "04"])).unwrap_err(),
        Split::custom([of(&["01"]), of(&["01"])].concat(), of(&["03"]), of(&["04"])).unwrap_err(),
    ] {
        assert_eq!(error.to_string(), twice);
    }
    assert_eq!(
        Split::custom(of(&["01"]), of(&["03"]), Vec::new()).unwrap_err().to_string(),
        "the test part of a split by custom is empty: merge in another corpus or choose another protocol"
    );
}

#[test]
fn speakers_of_one_emotion_each_are_stratified() {
    // Five speakers for each of three emotions: a blind draw of 2, 2 and 11 of them often misses one.
    let natural = changed(&corpus("c", 15, 4), |u| {
        let speaker: usize = u.speaker.as_deref().unwrap().parse().unwrap();
        u.emotion = EMOTIONS[speaker % 3];
        u.sex = None;
    });
    for seed in 0..30 {
        let split = Split::new(&natural, &options(Protocol::Speakers, seed)).unwrap();
        assert!(parts(&split).iter().all(|part| emotions(part).len() == 3), "seed {seed}");
    }
}

#[test]
fn value_stability() {
    // Published results name protocol, fold and seed: none of these may change.
    let merged = corpus("a", 7, 4).merge(corpus("b", 5, 3));
    for (protocol, expected) in [
        ("speakers", ["a01 a02 a03 a04 a07 b01 b02 b03 ", "a06 b05 ", "a05 b04 "]),
        ("sentences", ["ac ad ba bb bc ", "ab ", "aa "]),
        ("speakers-sentences", ["a01 a02 a03 a04 a07 b01 b02 b03 ", "a06 ", "a05 "]),
        ("corpora", ["b02 b03 b04 b05 ", "b01 ", "a01 a02 a03 a04 a05 a06 a07 "]),
        ("loso", ["a02 a03 a04 a05 a06 b01 b02 b04 b05 ", "a07 b03 ", "a01 "]),
        ("lnso:3", ["a02 a03 a04 a07 b01 b02 b04 b05 ", "a01 ", "a05 a06 b03 "]),
        ("speaker-kfold:4", ["a02 a03 a04 a07 b02 b03 b05 ", "a05 b01 ", "a01 a06 b04 "]),
    ] {
        let split = &folds(&merged, protocol, 42).unwrap()[0];
        let keys = if protocol == "sentences" { sentences } else { speakers };
        let shown =
            parts(split).map(|part| keys(part).into_iter().map(|(c, name)| format!("{c}{name} ")).collect::<String>());
        assert_eq!(shown, expected, "{protocol}");
    }
    for (protocol, expected) in [
        ("random-kfold:20", "a/03 angry d.wav 0, a/03 sad b.wav 0, a/04 sad d.wav 0"),
        ("leaky-seed", "a/01 angry b.wav 1, a/01 angry d.wav 3, a/01 happy a.wav 1"),
    ] {
        let split = &folds(&merged, protocol, 42).unwrap()[0];
        let rows = split.test().utterances().iter().take(3);
        let shown: Vec<_> = rows.map(|row| format!("{} {}", row.path.display(), row.copy())).collect();
        assert_eq!(shown.join(", "), expected, "{protocol}");
    }
}

#[test]
fn an_actor_whose_number_is_written_in_two_ways_is_in_one_fold() {
    let songs = changed(&ravdess(), |u| {
        u.corpus = "RAVDESS".into();
        u.path = format!("songs/{}", u.path.display()).into();
        u.speaker = u.speaker.take().map(|speaker| speaker.trim_start_matches('0').into());
    });
    let merged = ravdess().merge(songs);
    let options =
        SplitOptions { protocol: Protocol::RavdessEmobox6, validation: Validation::None, ..Default::default() };
    let folds = Split::folds(&merged, &options).unwrap();
    let tested: usize = folds.iter().map(|split| split.test().utterances().len()).sum();
    assert_eq!(tested, 2 * ravdess().len());
    for split in folds {
        assert!(split.overlap().to_string().starts_with("speakers disjoint"), "{}", split.overlap());
        let numbers = |utterances: &[Utterance]| -> BTreeSet<u8> {
            utterances.iter().map(|u| u.speaker.as_deref().unwrap().parse().unwrap()).collect()
        };
        assert!(numbers(split.train().utterances()).is_disjoint(&numbers(split.test().utterances())));
    }
}
