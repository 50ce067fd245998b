//! `train` follows every protocol that its configuration names, and says in its lines what the protocol shares.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::voice::{Speaker, speak};
use common::{CONFIG, EMOTIONS, write_emodb, write_ravdess, write_wav};
use ser_core::corpus::Utterance;
use ser_core::{Config, Corpus, Error, Part, Recognizer, Trained, evaluate, train};
use std::collections::BTreeMap;
use tempfile::TempDir;

/// Six actors of two statements, under the names of RAVDESS.
fn corpus() -> (TempDir, Corpus) {
    let folder = tempfile::tempdir().unwrap();
    write_ravdess(folder.path(), 1..=6, &EMOTIONS);
    let corpus = Corpus::ravdess(folder.path()).unwrap();
    (folder, corpus)
}

fn run(corpus: &Corpus, split: &str) -> Result<Trained, Error> {
    let config: Config = format!("{CONFIG}\n{split}").replace("max_epochs = 8", "max_epochs = 2").parse()?;
    train(&config, corpus, |_| ())
}

fn message(error: &Error) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(|cause| cause.to_string()).collect::<Vec<_>>().join(": ")
}

#[test]
fn a_fold_is_trained_and_named() {
    let (_folder, corpus) = corpus();
    let trained = run(&corpus, "[split]\nprotocol = 'loso'\nfold = 2").unwrap();
    let provenance = &trained.manifest().provenance;
    assert_eq!(provenance.protocol, "loso, fold 2 of 6, speaker ravdess/02");
    assert!(provenance.guard.starts_with("speakers disjoint, sentences shared; fold 2 of 6"), "{}", provenance.guard);
    assert!(trained.evaluation().is_honest());
    assert!(trained.evaluation().predictions().iter().all(|clip| clip.speaker.as_deref() == Some("ravdess/02")));

    let error = message(&run(&corpus, "[split]\nprotocol = 'loso'").unwrap_err());
    assert!(error.contains("loso") && error.contains('6') && error.contains("fold"), "{error}");
    let error = message(&run(&corpus, "[split]\nprotocol = 'loso'\nfold = 7").unwrap_err());
    assert!(error.contains('7') && error.contains('6'), "{error}");
}

#[test]
fn speakers_of_helping_clips_that_nobody_knows_may_be_those_that_are_tested() {
    let (folder, corpus) = corpus();
    let other = folder.path().join("others");
    for (number, emotion) in (20..).zip(EMOTIONS) {
        write_wav(&other.join(emotion.name()).join("a.wav"), &speak(Speaker::numbered(number), emotion, 7, 0.8));
    }
    let corpus = corpus.merge(Corpus::folder(&other).unwrap());
    let trained = run(&corpus, "[split]\nprotocol = 'loso'\nfold = 2\ntest_corpus = 'ravdess'").unwrap();
    let provenance = &trained.manifest().provenance;
    assert_eq!(provenance.train.nameless.iter().collect::<Vec<_>>(), ["folder"]);
    assert!(provenance.guard.starts_with("speakers unknown"), "{}", provenance.guard);
    assert!(!trained.evaluation().is_honest(), "{}", trained.evaluation().scope());
    assert!(
        trained.evaluation().scope().contains("whose all those were is not known"),
        "{}",
        trained.evaluation().scope()
    );
    assert!(trained.model_card().contains("| training | folder, ravdess |"), "{}", trained.model_card());
    let recognizer = Recognizer::from_bytes(trained.model()).unwrap();
    assert!(!evaluate(&recognizer, &corpus, Part::Test, |_| ()).unwrap().is_honest());

    // A corpus that has a name is of other people.
    let mut named: Vec<Utterance> = corpus.utterances().to_vec();
    named.iter_mut().filter(|clip| clip.corpus == "folder").for_each(|clip| clip.corpus = "calls".into());
    let trained = run(&Corpus::new(named), "[split]\nprotocol = 'loso'\nfold = 2\ntest_corpus = 'ravdess'").unwrap();
    assert!(trained.manifest().provenance.guard.starts_with("speakers disjoint"));
    assert!(trained.evaluation().is_honest(), "{}", trained.evaluation().scope());

    // Where nobody at all is known, clips are drawn.
    let mut nameless: Vec<Utterance> = corpus.utterances().to_vec();
    nameless.iter_mut().for_each(|clip| clip.speaker = None);
    let trained = run(&Corpus::new(nameless), "[split]\nprotocol = 'random-kfold:3'\nfold = 1").unwrap();
    let clips = trained.evaluation().predictions().len();
    let card = trained.model_card();
    assert!(
        card.contains(&format!("intervals over {clips} clips of unknown speakers (the speakers of {clips} clips")),
        "{card}"
    );
}

#[test]
fn shared_speakers_are_scored_as_asked_and_marked() {
    let (_folder, corpus) = corpus();
    let trained = run(&corpus, "[split]\nprotocol = 'random-kfold:3'\nfold = 1").unwrap();
    assert!(trained.manifest().provenance.guard.starts_with("speakers shared"), "{:?}", trained.manifest().provenance);
    assert!(!trained.evaluation().is_honest());
    assert!(trained.evaluation().scope().contains("NOT HONEST"), "{}", trained.evaluation().scope());
    // All of the fold, although the model knows the speakers.
    assert_eq!(trained.evaluation().predictions().len(), 12);
}

#[test]
fn a_corpus_is_left_out_whole() {
    let (folder, corpus) = corpus();
    let other = folder.path().join("emodb");
    write_emodb(&other, [3, 8, 9], &EMOTIONS);
    let corpus = corpus.merge(Corpus::emodb(&other).unwrap());
    let trained = run(&corpus, "[split]\nprotocol = 'corpora'\nfold = 1").unwrap();
    assert_eq!(trained.manifest().provenance.protocol, "corpora, fold 1 of 2, corpus emodb");
    assert!(trained.evaluation().predictions().iter().all(|clip| clip.path.starts_with(&other)));
}

#[test]
fn the_leaky_protocol_splits_four_copies_of_each_clip_and_says_what_it_shares() {
    let (_folder, corpus) = corpus();
    let trained = run(&corpus, "[split]\nprotocol = 'leaky-seed'").unwrap();
    let provenance = &trained.manifest().provenance;
    assert_eq!(provenance.protocol, "leaky-seed");
    for shared in ["clips shared", "speakers shared", "sentences shared"] {
        assert!(provenance.guard.contains(shared), "{}", provenance.guard);
    }
    assert!(trained.evaluation().scope().contains("NOT HONEST"), "{}", trained.evaluation().scope());
    // A fifth of 4 · 36 rows, of each emotion alike; copies of one clip are told apart by the network.
    let predictions = trained.evaluation().predictions();
    assert!((27..=30).contains(&predictions.len()), "{}", predictions.len());
    let mut rows = BTreeMap::<_, Vec<_>>::new();
    for clip in predictions {
        rows.entry(&clip.path).or_default().push(clip.probabilities.clone());
    }
    let pair = rows.values().find(|copies| copies.len() > 1).unwrap();
    assert_ne!(pair[0], pair[1]);

    // Nothing of the corpus is new to such a model.
    let recognizer = Recognizer::from_bytes(trained.model()).unwrap();
    let error = message(&evaluate(&recognizer, &corpus, Part::Test, |_| ()).unwrap_err());
    assert!(error.contains("no clip is left in the test part"), "{error}");
    // Asking for the same copies again makes no more of them.
    let again = run(&corpus, "[augment]\ncopies = 'paper'\n[split]\nprotocol = 'leaky-seed'").unwrap();
    assert_eq!(again.history(), trained.history());
}

#[test]
fn a_corpus_that_is_not_to_be_tested_is_trained_on_whole() {
    let (folder, corpus) = corpus();
    let other = folder.path().join("emodb");
    write_emodb(&other, [3, 8, 9], &EMOTIONS);
    let corpus = corpus.merge(Corpus::emodb(&other).unwrap());
    let trained = run(&corpus, "[split]\nprotocol = 'loso'\ntest_corpus = 'emodb'\nfold = 1").unwrap();
    let provenance = &trained.manifest().provenance;
    assert_eq!(provenance.protocol, "loso, fold 1 of 3, speaker emodb/03");
    assert!(provenance.guard.ends_with("trained on only: ravdess"), "{}", provenance.guard);
    assert_eq!(provenance.train.speakers.iter().filter(|name| name.starts_with("ravdess/")).count(), 6);
    assert!(trained.evaluation().predictions().iter().all(|clip| clip.path.starts_with(&other)));
}

#[test]
fn without_a_validation_part_the_last_epoch_is_scored_and_the_guard_says_so() {
    let (_folder, corpus) = corpus();
    let split = "[split]\nprotocol = 'loso'\nfold = 2\nvalidation = 'none'";
    let error = message(&run(&corpus, split).unwrap_err());
    assert!(error.contains("best_by = \"last\""), "{error}");
    let trained = run(&corpus, &format!("[training.early_stopping]\nbest_by = 'last'\n{split}")).unwrap();
    let provenance = &trained.manifest().provenance;
    assert!(provenance.guard.ends_with("; no validation part; last epoch"), "{}", provenance.guard);
    assert_eq!((provenance.train.clips.len(), provenance.valid.clips.len()), (30, 0));
    assert_eq!(provenance.train.speakers.len(), 5);
    assert!(trained.history().iter().all(|epoch| epoch.is_best && epoch.valid_loss.is_nan()));
}

#[test]
fn only_what_is_trained_on_is_balanced() {
    let (_folder, corpus) = corpus();
    let first = |clip: &Utterance| clip.sentence.as_deref() == Some("01");
    let corpus = corpus.filter(|clip| clip.emotion != EMOTIONS[2] || first(clip));
    let [none, over, under] = ["none", "oversample", "undersample"].map(|balance| {
        let config = format!("balance = '{balance}'\n{CONFIG}").replace("max_epochs = 8", "max_epochs = 2");
        train(&config.parse().unwrap(), &corpus, |_| ()).unwrap()
    });
    for balanced in [&over, &under] {
        assert_ne!(balanced.history(), none.history());
        let paths =
            |trained: &Trained| trained.evaluation().predictions().iter().map(|c| c.path.clone()).collect::<Vec<_>>();
        assert_eq!(paths(balanced), paths(&none), "the test part stays as it is");
    }
    // Four training speakers have 8, 8 and 4 clips: all of them, or 4 each.
    let clips = |trained: &Trained| trained.manifest().provenance.train.clips.len();
    assert_eq!([&none, &over, &under].map(clips), [20, 20, 12]);
}

#[test]
fn copies_of_recordings_that_were_learned_are_marked_though_nobody_knows_whose_they_are() {
    let folder = tempfile::tempdir().unwrap();
    for (number, emotion) in (0..10).flat_map(|number| EMOTIONS.map(|emotion| (number, emotion))) {
        let path = folder.path().join(emotion.name()).join(format!("{number}.wav"));
        write_wav(&path, &speak(Speaker::numbered(number), emotion, 7, 0.6));
    }
    let corpus = Corpus::folder(folder.path()).unwrap();
    let trained = run(&corpus, "[split]\nprotocol = 'leaky-seed'").unwrap();
    let predictions = trained.evaluation().predictions();
    // Of four copies of a recording three are elsewhere, most of them in training.
    let known = predictions.iter().filter(|clip| clip.known).count();
    assert!(known == predictions.len() && known > 20, "{known} of {}", predictions.len());
}
