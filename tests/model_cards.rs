//! The model cards of the embedded weights say what their model files say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use ser_core::Recognizer;

fn check(recognizer: &Recognizer, card: &str, licence: &str) {
    let manifest = recognizer.manifest();
    let provenance = &manifest.provenance;
    assert_eq!(provenance.license, licence);
    let corpus = |speaker: &String| speaker.split('/').next().unwrap_or_default().to_owned();
    let mut corpora: Vec<String> = provenance.train.speakers.iter().map(corpus).collect();
    corpora.dedup();
    let corpora = corpora.iter().map(|name| match name.as_str() {
        "emodb" => "EMO-DB".to_owned(),
        "nemo" => "nEMO".to_owned(),
        "ravdess" => "RAVDESS".to_owned(),
        other => panic!("the cards know no {other}"),
    });
    let classes = recognizer.emotions().iter().map(|emotion| emotion.to_string());
    let trained_on = provenance.train.clips.len().to_string();
    let trained_on = match trained_on.split_at_checked(trained_on.len().saturating_sub(3)) {
        Some((thousands, rest)) if !thousands.is_empty() => format!("{thousands},{rest}"),
        _ => trained_on,
    };
    let facts = [
        format!("{trained_on} clips of {} speakers", provenance.train.speakers.len()),
        format!("{} validation speakers", provenance.valid.speakers.len()),
        format!("**unweighted average recall {:.3}, accuracy {:.3}**", provenance.test.uar, provenance.test.accuracy),
        format!("{} clips", provenance.test.clips),
        format!("temperature {:.3}", manifest.calibration.temperature),
        licence.into(),
    ];
    let threshold = manifest.calibration.threshold.map(|threshold| format!("below {:.1} %", 100.0 * threshold));
    let unwrapped = card.replace('\n', " ");
    for fact in facts.into_iter().chain(threshold).chain(corpora).chain(classes) {
        assert!(unwrapped.contains(&fact), "the card does not say \"{fact}\"");
    }
}

#[test]
fn the_free_weights_are_what_their_card_says() {
    let card = include_str!("../crates/ser-pretrained/MODEL_CARD.md");
    check(&Recognizer::pretrained().unwrap(), card, "CC BY 4.0");
}

#[test]
fn the_weights_that_are_not_for_commercial_use_are_what_their_card_says() {
    let card = include_str!("../crates/ser-pretrained-nc/MODEL_CARD.md");
    let recognizer = Recognizer::pretrained_nc().unwrap();
    check(&recognizer, card, "CC BY-NC-SA 4.0");
    assert_eq!(recognizer.emotions().len(), 7);
    let file = include_bytes!("../crates/ser-pretrained-nc/merged.safetensors");
    assert!(file.len() <= 1_000_000, "{} bytes", file.len());
}

#[test]
fn licences_are_plain_text() {
    for licence in
        [include_str!("../crates/ser-pretrained/LICENSE"), include_str!("../crates/ser-pretrained-nc/LICENSE")]
    {
        assert!(licence.ends_with("Creative Commons may be contacted at creativecommons.org.\n"));
        assert!(!licence.contains("r#\"") && licence.contains("\n\nCreative Commons Attribution"));
    }
}
