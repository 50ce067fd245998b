//! Draws every figure from made-up numbers: `gallery DIR` writes an SVG and a PNG file each, and a page with all of them.

use std::error::Error;
use std::f32::consts::TAU;
use std::path::PathBuf;

use ndarray::Array2;
use ser_metrics::ConfusionMatrix;
use ser_report::{
    Bins, CountSeries, Curve, EmbeddingMap, Figure, GroupScore, MelScale, Page, Panel, ReliabilityBin, Spectrogram,
    TrainingCurves, Trial, class_counts, confusion_matrix, embedding_map, group_scores, reliability_diagram,
    risk_coverage, search_results, spectrogram, time_panels, training_curves, waveform,
};

fn main() -> Result<(), Box<dyn Error>> {
    let out: PathBuf = std::env::args_os().nth(1).ok_or("usage: gallery DIR")?.into();
    std::fs::create_dir_all(&out)?;
    let mut page = Page::new("All figures");
    page.paragraph("Made-up numbers, to look at how they are drawn.");
    for (section, figures) in [("Over time", over_time()?), ("Data and results", of_results()?)] {
        page.section(section);
        for (name, figure) in figures {
            std::fs::write(out.join(name).with_extension("svg"), figure.to_svg())?;
            std::fs::write(out.join(name).with_extension("png"), figure.to_png(2.0)?)?;
            page.figure(&figure, figure.title());
        }
    }
    std::fs::write(out.join("gallery.html"), page.to_html())?;
    Ok(())
}

fn over_time() -> Result<Vec<(&'static str, Figure)>, ser_report::Error> {
    const RATE: u32 = 16_000;
    // Syllables of a falling tone.
    let samples: Vec<f32> = (0..40_000)
        .map(|n| n as f32 / RATE as f32)
        .map(|t| (TAU * (200.0 - 20.0 * t) * t).sin() * (TAU * t).sin().powi(2) * 0.6 * (-t / 2.0).exp())
        .collect();
    let levels = |bins: usize| {
        Array2::from_shape_fn((251, bins), |(frame, bin)| {
            let (time, height) = (frame as f32 / 100.0, bin as f32 / bins as f32);
            let voice = (TAU * time).sin().powi(2) * (-3.0 * height).exp();
            let harmonics = (40.0 * height * TAU).cos() * 8.0 * (1.0 - height);
            -90.0 + 70.0 * voice + harmonics + ((frame * 7919 + bin * 104_729) % 97) as f32 / 10.0
        })
    };
    let (linear, mel) = (levels(513), levels(80));
    let weights = Array2::from_shape_fn(mel.dim(), |(frame, band)| {
        let distance = ((frame as f32 - 70.0) / 20.0).powi(2) + ((band as f32 - 25.0) / 10.0).powi(2);
        let against = ((frame as f32 - 180.0) / 12.0).powi(2) + ((band as f32 - 60.0) / 8.0).powi(2);
        (-distance).exp() - 0.6 * (-against).exp()
    });
    let hop = 0.01;
    let linear =
        Spectrogram { decibels: linear.view(), hop, first: 0.0, bins: Bins::Linear { nyquist: f64::from(RATE) / 2.0 } };
    let bins = Bins::Mel { fmin: 0.0, fmax: 8000.0, scale: MelScale::Slaney };
    let mel = Spectrogram { decibels: mel.view(), hop, first: 0.0, bins };
    let column = [
        Panel::Waveform { label: "Original", samples: &samples, sample_rate: RATE },
        Panel::Spectrogram { label: "Original", spectrogram: linear },
        Panel::Waveform { label: "Shortened by half", samples: &samples[..20_000], sample_rate: RATE },
        Panel::Spectrogram { label: "On a mel axis", spectrogram: mel },
    ];
    let attribution = [Panel::Attribution { label: "", spectrogram: mel, weights: weights.view() }];
    Ok(vec![
        ("waveform", waveform("A waveform", &samples, RATE)?),
        ("waveform-short", waveform("Ten milliseconds", &samples[4000..4160], RATE)?),
        ("spectrogram", spectrogram("A spectrogram", linear)?),
        ("mel-spectrogram", spectrogram("A mel spectrogram", mel)?),
        ("panels", time_panels("One above another", &column)?),
        ("attribution", time_panels("What the model listened to", &attribution)?),
    ])
}

fn of_results() -> Result<Vec<(&'static str, Figure)>, Box<dyn Error>> {
    const EMOTIONS: [&str; 7] = ["neutral", "happiness", "sadness", "anger", "fear", "disgust", "surprise"];
    let counts: [u64; 7] = [288, 192, 192, 192, 192, 192, 192];
    let other: [u64; 7] = [79, 71, 62, 127, 69, 46, 0];
    let series = [CountSeries { name: "RAVDESS", counts: &counts }, CountSeries { name: "EMO-DB", counts: &other }];

    let pairs = (0..700).map(|clip| {
        let truth = clip % 7;
        (truth, if clip * clip % 11 < 7 { truth } else { (truth + clip / 7) % 7 })
    });
    let matrix = ConfusionMatrix::new(EMOTIONS, pairs)?;

    let long_names = EMOTIONS.map(|emotion| format!("{emotion}, acted on a stage"));
    let few = (0..70).map(|clip| (clip % 7, clip * clip % 7));
    let long_named = ConfusionMatrix::new(long_names, few)?;

    let fall =
        |floor: f64, speed: f64| (0..40).map(|e| floor + 1.5 * (-f64::from(e) * speed).exp()).collect::<Vec<_>>();
    let (train, valid) = (fall(0.3, 0.1), fall(0.9, 0.15));
    let rise: Vec<f64> = (0..40).map(|e| 0.68 - 0.5 * (-f64::from(e) * 0.2).exp() - 0.003 * f64::from(e)).collect();
    let curves = TrainingCurves {
        losses: &[Curve { name: "training", values: &train }, Curve { name: "validation", values: &valid }],
        score_label: "Unweighted average recall",
        scores: &[Curve { name: "validation", values: &rise }],
        chosen: 20,
    };

    let bins: Vec<ReliabilityBin> = (2..10)
        .map(|bin| f64::from(bin) / 10.0 + 0.05)
        .map(|confidence| ReliabilityBin {
            confidence,
            accuracy: confidence.powf(1.5),
            count: (400.0 * confidence) as u64,
        })
        .collect();
    let risk: Vec<[f64; 2]> =
        (1..=50).map(|n| f64::from(n) / 50.0).map(|share| [share, 0.35 * share.powi(2)]).collect();

    let group =
        |name, score: f64, clips| GroupScore { name, score, interval: Some([score - 0.06, score + 0.05]), clips };
    let groups =
        [group("female", 0.713, 720), group("male", 0.641, 720), group("speaker of a very long name indeed", 0.5, 12)];

    let points: Vec<[f64; 2]> = (0..700)
        .map(|n| {
            let (class, angle) = (f64::from(n % 7), f64::from(n) * 2.4);
            let spread = f64::from(n % 53) / 40.0;
            [3.0 * class.cos() + spread * angle.cos(), 2.0 * class.sin() + spread * angle.sin()]
        })
        .collect();
    let classes: Vec<usize> = (0..700).map(|n| n % 7).collect();
    let map = EmbeddingMap {
        points: &points,
        classes: &classes,
        class_names: &EMOTIONS,
        axes: ["Component 1", "Component 2"],
    };

    let trials: Vec<Trial<'_>> = [0.52, 0.55, 0.49, 0.61, 0.60, 0.63, 0.58, 0.66, 0.64, 0.65, 0.62, 0.66]
        .map(|score| Trial { name: "learning rate 0.001", score })
        .into();
    Ok(vec![
        ("class-counts", class_counts("Clips by emotion and corpus", "Clips", &EMOTIONS, &series)?),
        ("confusion-matrix", confusion_matrix("Confusion matrix", &matrix)),
        ("confusion-matrix-long", confusion_matrix("Long names", &long_named)),
        ("training-curves", training_curves("Training", &curves)?),
        ("reliability-diagram", reliability_diagram("Reliability", &bins)?),
        ("risk-coverage", risk_coverage("Risk and coverage", &risk, Some([0.7, 0.1715]))?),
        ("group-scores", group_scores("Recall by group", "Unweighted average recall", &groups, Some(0.677))?),
        ("embedding-map", embedding_map("Embeddings", &map)?),
        ("search-results", search_results("Search", "Unweighted average recall", &trials)?),
    ])
}
