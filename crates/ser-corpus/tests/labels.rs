//! Names of emotions, label sets, and how they read in a configuration.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use ser_corpus::{Corpus, Emotion, Error, LabelSet, Labels, Protocol, SplitOptions, Utterance};
use serde::{Deserialize, Serialize};

#[test]
fn the_words_of_the_corpora_are_understood_in_any_case() {
    for (words, emotion) in [
        (&["angry", "Anger", "ANGRY"][..], Emotion::Angry),
        (&["boredom", "bored"], Emotion::Boredom),
        (&["calm", " Calm "], Emotion::Calm),
        (&["contempt", "Contempt"], Emotion::Contempt),
        (&["disgust", "Disgusted"], Emotion::Disgust),
        (&["excited", "Excitement"], Emotion::Excited),
        (&["fear", "Fearful"], Emotion::Fear),
        (&["frustrated", "frustration"], Emotion::Frustrated),
        (&["happy", "happiness", "joy"], Emotion::Happy),
        (&["neutral", "Neutral"], Emotion::Neutral),
        (&["sad", "sadness"], Emotion::Sad),
        (&["surprise", "surprised", "ps", "Pleasant_surprise", "pleasant surprised"], Emotion::Surprise),
    ] {
        for word in words {
            assert_eq!(word.parse::<Emotion>().unwrap(), emotion, "{word}");
        }
    }
}

#[test]
fn an_unknown_emotion_is_named_beside_the_known_ones() {
    let error = "hungry".parse::<Emotion>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown emotion \"hungry\": use one of angry, boredom, calm, contempt, disgust, excited, fear, \
         frustrated, happy, neutral, sad, surprise"
    );
}

#[test]
fn names_and_serde_round_trip_for_every_emotion() {
    for emotion in Emotion::ALL {
        assert_eq!(emotion.to_string().parse::<Emotion>().unwrap(), emotion);
        let json = serde_json::to_string(&emotion).unwrap();
        assert_eq!(json, format!("\"{emotion}\""));
        assert_eq!(serde_json::from_str::<Emotion>(&json).unwrap(), emotion);
    }
}

#[test]
fn the_seven_merge_calm_into_neutral_and_drop_boredom() {
    let labels = LabelSet::seven();
    assert_eq!(labels.names(), ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]);
    assert_eq!(labels.index_of(Emotion::Calm), Some(4));
    assert_eq!(labels.index_of(Emotion::Neutral), Some(4));
    assert_eq!(labels.index_of(Emotion::Surprise), Some(6));
    assert_eq!(labels.index_of(Emotion::Boredom), None);
    assert_eq!(labels.emotion(2), Some(Emotion::Fear));
    assert_eq!(labels.emotion(7), None);
    assert_eq!(labels.len(), 7);
}

#[test]
fn the_eight_are_those_of_ravdess_and_keep_calm_apart() {
    let labels = LabelSet::eight();
    assert_eq!(labels.names(), ["angry", "calm", "disgust", "fear", "happy", "neutral", "sad", "surprise"]);
    assert_eq!(labels.index_of(Emotion::Calm), Some(1));
    assert_eq!(labels.index_of(Emotion::Boredom), None);
}

#[test]
fn the_four_merge_excited_into_happy_and_drop_the_rest() {
    let labels = LabelSet::four();
    assert_eq!(labels.names(), ["angry", "happy", "neutral", "sad"]);
    assert_eq!(labels.index_of(Emotion::Excited), Some(1));
    for dropped in [Emotion::Calm, Emotion::Fear, Emotion::Frustrated, Emotion::Disgust, Emotion::Surprise] {
        assert_eq!(labels.index_of(dropped), None, "{dropped}");
    }
}

#[test]
fn index_name_and_one_hot_lead_to_each_other() {
    for labels in [LabelSet::seven(), LabelSet::eight(), LabelSet::four()] {
        for index in 0..labels.len() {
            let name = labels.name(index).unwrap();
            assert_eq!(labels.index_of_name(name), Some(index));
            let encoding = labels.one_hot(index).unwrap();
            assert_eq!((encoding.len(), encoding.iter().sum::<f32>(), encoding[index]), (labels.len(), 1.0, 1.0));
            assert_eq!(labels.index_of_one_hot(&encoding), Some(index));
        }
        assert_eq!((labels.name(labels.len()), labels.one_hot(labels.len())), (None, None));
    }
    let four = LabelSet::four();
    assert_eq!(four.index_of_name("Excitement"), Some(1));
    assert_eq!((four.index_of_name("fear"), four.index_of_name("glum")), (None, None));
    for wrong in
        [&[0.0, 1.0, 0.0][..], &[0.0; 4], &[1.0, 1.0, 0.0, 0.0], &[0.5, 0.5, 0.0, 0.0], &[1.0, 0.0, 0.0, f32::NAN], &[]]
    {
        assert_eq!(four.index_of_one_hot(wrong), None, "{wrong:?}");
    }
}

#[test]
fn a_corpus_has_its_own_classes_in_alphabetical_order() {
    let utterance = |name: &str, emotion| Utterance::new(name, emotion, "x");
    let sad = utterance("a.wav", Emotion::Sad);
    let calm = utterance("b.wav", Emotion::Calm);
    let corpus = Corpus::new(vec![sad.clone(), calm, utterance("c.wav", Emotion::Sad)]);
    let labels = Labels::Own.resolve(&corpus).unwrap();
    assert_eq!(labels.classes(), [Emotion::Calm, Emotion::Sad]);
    assert_eq!(Labels::Seven.resolve(&corpus).unwrap(), LabelSet::seven());
    assert_eq!(Labels::Eight.resolve(&corpus).unwrap(), LabelSet::eight());
    assert_eq!(Labels::Four.resolve(&corpus).unwrap(), LabelSet::four());

    let error = LabelSet::own(&Corpus::new(vec![sad])).unwrap_err();
    assert_eq!(error.to_string(), "invalid label set: needs at least 2 classes, has only sad: add what has others");
}

#[test]
fn a_label_set_that_contradicts_itself_is_refused() {
    use Emotion::{Angry, Boredom, Calm, Neutral, Sad};
    for (classes, map, reason) in [
        (vec![Sad, Angry, Sad], vec![], "class sad is listed twice: list it once"),
        (vec![Angry, Neutral], vec![(Neutral, Angry)], "neutral is a class and is also mapped to angry: remove one"),
        (
            vec![Angry, Neutral],
            vec![(Calm, Boredom)],
            "calm is mapped to boredom, which is no class: add it to the classes",
        ),
    ] {
        match LabelSet::new(classes, map.into_iter().collect::<std::collections::BTreeMap<_, _>>()) {
            Err(Error::InvalidLabelSet { reason: actual }) => assert_eq!(actual, reason),
            other => panic!("{other:?}"),
        }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Config {
    labels: Labels,
}

#[test]
fn labels_read_from_toml_as_a_name_or_a_table() {
    let labels = |text: &str| toml::from_str::<Config>(text).map(|config| config.labels);
    assert_eq!(labels(r#"labels = "seven""#).unwrap(), Labels::Seven);
    assert_eq!(labels(r#"labels = "eight""#).unwrap(), Labels::Eight);
    assert_eq!(labels(r#"labels = "four""#).unwrap(), Labels::Four);
    assert_eq!(labels(r#"labels = "own""#).unwrap(), Labels::Own);
    for named in [Labels::Seven, Labels::Eight, Labels::Four, Labels::Own] {
        let config = Config { labels: named };
        assert_eq!(toml::from_str::<Config>(&toml::to_string(&config).unwrap()).unwrap(), config);
    }
    let table = labels("[labels]\nclasses = [\"sad\", \"anger\"]\nmap = { calm = \"sad\" }").unwrap();
    let expected = LabelSet::new([Emotion::Sad, Emotion::Angry], [(Emotion::Calm, Emotion::Sad)]);
    assert_eq!(table, Labels::Custom(expected.unwrap()));
}

#[test]
fn wrong_labels_in_toml_are_refused_with_the_reason() {
    for (text, reason) in [
        (r#"labels = "nine""#, r#"expected "seven", "eight", "four", "own" or a table"#),
        ("labels = 7", r#"expected "seven", "eight", "four", "own" or a table"#),
        (r#"labels = { classes = ["sad"] }"#, "needs at least 2 classes, has only sad"),
        (r#"labels = { classes = ["sad", "glum"] }"#, "unknown emotion \"glum\""),
        (r#"labels = { classes = ["sad", "fear"], drop = [] }"#, "unknown field `drop`"),
    ] {
        let error = toml::from_str::<Config>(text).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn split_options_read_from_toml() {
    let options: SplitOptions = toml::from_str("protocol = \"speakers\"\nseed = 3").unwrap();
    assert_eq!((options.protocol, options.seed), (Protocol::Speakers, 3));
    assert_eq!(toml::from_str::<SplitOptions>("").unwrap(), SplitOptions::default());
    let error = toml::from_str::<SplitOptions>("protocol = \"random\"").unwrap_err();
    assert!(error.to_string().contains("unknown protocol \"random\": use speakers"));
}

proptest! {
    #[test]
    fn label_sets_survive_json_and_toml(
        emotions in Just(Emotion::ALL.to_vec()).prop_shuffle(),
        classes in 2_usize..=12,
        targets in prop::collection::vec(any::<prop::sample::Index>(), 10),
        mapped in 0_usize..=10,
    ) {
        let (classes, rest) = emotions.split_at(classes);
        let map: std::collections::BTreeMap<_, _> = rest
            .iter()
            .zip(targets)
            .take(mapped)
            .map(|(&from, to)| (from, *to.get(classes)))
            .collect();
        let labels = LabelSet::new(classes, map).unwrap();
        let json = serde_json::to_string(&labels).unwrap();
        prop_assert_eq!(&serde_json::from_str::<LabelSet>(&json).unwrap(), &labels);
        for (index, &class) in classes.iter().enumerate() {
            prop_assert_eq!(labels.index_of(class), Some(index));
            prop_assert_eq!(labels.emotion(index), Some(class));
        }
        let config = Config { labels: Labels::Custom(labels) };
        let text = toml::to_string(&config).unwrap();
        prop_assert_eq!(toml::from_str::<Config>(&text).unwrap(), config);
    }

    #[test]
    fn no_text_panics_as_an_emotion(text in ".*") {
        let _ = text.parse::<Emotion>();
    }
}
