//! The pages of runs and corpora say what they were given, and leave out what they were not.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use ndarray::array;
use ser_metrics::ConfusionMatrix;
use ser_report::{
    Bins, CorpusSummary, CorpusTour, CountSeries, Distribution, EmotionExample, Error, Mistake, RunReport, Score,
    Spectrogram,
};

fn matrix() -> ConfusionMatrix {
    ConfusionMatrix::new(["angry", "sad"], [(0, 0), (0, 0), (0, 1), (1, 1)]).unwrap()
}

fn report(confusion: &ConfusionMatrix) -> RunReport<'_> {
    RunReport {
        title: "Run",
        guard: "No speaker is shared.",
        scope: "Scored on 4 clips.",
        warnings: &[],
        scores: &[],
        confusion,
        history: None,
        calibration: None,
        map: None,
        attributions: &[],
        groups: &[],
        mistakes: &[],
        configuration: "",
        environment: &[],
        commands: &[],
    }
}

#[test]
fn the_guards_line_comes_before_every_number() {
    let matrix = matrix();
    let score = Score { name: "Accuracy", value: 0.75, interval: None, deviation: None };
    let html = RunReport { scores: &[score], ..report(&matrix) }.to_page().unwrap().to_html();
    let [guard, number] = ["No speaker is shared.", "0.7500"].map(|text| html.find(text).unwrap());
    assert!(guard < number);
}

#[test]
fn a_bare_run_has_the_sections_that_it_can_fill() {
    let matrix = matrix();
    let html = report(&matrix).to_page().unwrap().to_html();
    for section in ["Scores", "Confusion", "To repeat it"] {
        assert!(html.contains(&format!(">{section}</h2>")), "{section}");
    }
    for section in ["Training", "Calibration", "Groups", "Worst mistakes"] {
        assert!(!html.contains(section), "{section}");
    }
    // Angry: precision 2/2, recall 2/3, F1 0.8; sad: 1/2, 1/1, 2/3.
    assert!(html.contains(
        "<th scope=\"row\">angry</th><td class=\"numeric\">1.000</td><td class=\"numeric\">0.667</td>\
         <td class=\"numeric\">0.800</td><td class=\"numeric\">3</td>"
    ));
    assert!(
        html.contains(
            "<td class=\"numeric\">0.500</td><td class=\"numeric\">1.000</td><td class=\"numeric\">0.667</td>"
        )
    );
}

#[test]
fn intervals_and_deviations_have_columns_only_where_there_are_some() {
    let matrix = matrix();
    let plain = Score { name: "Accuracy", value: 0.75, interval: None, deviation: None };
    let columns = |scores: &[Score<'_>]| {
        let html = RunReport { scores, ..report(&matrix) }.to_page().unwrap().to_html();
        ["95 % interval", "Standard deviation", "0.7000 – 0.8000", "0.0125"].map(|text| html.contains(text))
    };
    let interval = Some([0.7, 0.8]);
    assert_eq!(columns(&[plain]), [false, false, false, false]);
    assert_eq!(columns(&[plain, Score { interval, ..plain }]), [true, false, true, false]);
    assert_eq!(columns(&[plain, Score { deviation: Some(0.0125), ..plain }]), [false, true, false, true]);
    assert_eq!(columns(&[Score { interval, deviation: Some(0.0125), ..plain }]), [true; 4]);
}

#[test]
fn voices_are_in_the_page_only_if_handed_over_and_then_it_says_so() {
    let matrix = matrix();
    let mistake =
        Mistake { clip: "a.wav", speaker: "1", truth: "angry", prediction: "sad", confidence: 0.9, wav: None };
    let silent = RunReport { mistakes: &[mistake], ..report(&matrix) }.to_page().unwrap().to_html();
    assert!(silent.contains("a.wav") && !silent.contains("<audio") && !silent.contains("personal data"));
    let heard = Mistake { wav: Some(b"RIFF"), ..mistake };
    let html = RunReport { mistakes: &[heard], ..report(&matrix) }.to_page().unwrap().to_html();
    let [warning, player] =
        ["Voices are personal data", "src=\"data:audio/wav;base64,UklGRg==\""].map(|t| html.find(t).unwrap());
    assert!(warning < player);
}

#[test]
fn numbers_that_are_none_are_refused() {
    let matrix = matrix();
    let score = Score { name: "Accuracy", value: f64::NAN, interval: None, deviation: None };
    let error = RunReport { scores: &[score], ..report(&matrix) }.to_page().unwrap_err();
    assert!(matches!(error, Error::OutOfRange { what: "score", .. }));
}

#[test]
fn a_tour_shows_counts_recordings_warnings_and_emotions() {
    let decibels = array![[0.0, -40.0], [-10.0, -70.0]];
    let example = EmotionExample {
        emotion: "angry",
        clip: "a.wav",
        samples: &[0.0, 0.5],
        sample_rate: 2,
        spectrogram: Spectrogram {
            decibels: decibels.view(),
            hop: 0.5,
            first: 0.0,
            bins: Bins::Linear { nyquist: 1.0 },
        },
        wav: None,
    };
    let tour = CorpusTour {
        title: "Tour",
        warnings: &["b.wav is silent".into()],
        corpora: &[CorpusSummary { name: "Own", clips: 3, speakers: None, seconds: 5400.0 }],
        emotions: &["angry", "sad"],
        counts: &[CountSeries { name: "Own", counts: &[2, 1] }],
        sample_rates: &[(16_000, 3)],
        distributions: &[Distribution { name: "Duration", label: "Duration (s)", values: &[1.0, 2.0, 4.0] }],
        examples: &[example],
    };
    let html = tour.to_page().unwrap().to_html();
    for text in [
        "3 clips, 1.50 hours.",
        "not named",
        "Own: angry 2, sad 1.",
        "16,000",
        "3 values from 1.00 to 4.00, median 2.00.",
        "b.wav is silent",
        "<h3>angry</h3>",
        "angry: a.wav",
    ] {
        assert!(html.contains(text), "{text}");
    }
    assert!(!html.contains("<audio") && !html.contains("personal data"));
    let nine = [CountSeries { name: "One of nine", counts: &[2, 1] }; 9];
    let html = CorpusTour { counts: &nine, ..tour }.to_page().unwrap().to_html();
    assert_eq!(html.matches("Clips by emotion and corpus.").count(), 2);
    let heard = [EmotionExample { wav: Some(b"RIFF"), ..example }];
    let html = CorpusTour { examples: &heard, ..tour }.to_page().unwrap().to_html();
    assert!(html.contains("<audio") && html.contains("personal data"));
}
