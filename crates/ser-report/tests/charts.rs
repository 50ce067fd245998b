//! Charts of data and results are where the numbers say.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{number, of_class, parse, path_points, points, texts, tick};
use ser_metrics::ConfusionMatrix;
use ser_report::{
    CountSeries, Curve, EmbeddingMap, Error, Figure, GroupScore, ReliabilityBin, TrainingCurves, Trial, class_counts,
    confusion_matrix, embedding_map, group_scores, histogram, reliability_diagram, risk_coverage, search_results,
    training_curves,
};

/// A hundredth of a pixel is what SVG files round to; two numbers are compared.
const ROUNDING: f64 = 0.021;

fn message(result: Result<Figure, Error>) -> String {
    result.map(|_| ()).unwrap_err().to_string()
}

#[test]
fn bars_are_as_long_as_the_counts() {
    let series = [CountSeries { name: "a", counts: &[30, 0, 1200] }, CountSeries { name: "b", counts: &[600, 7, 90] }];
    let svg = class_counts("Counts", "Clips", &["<x>", "y", "z"], &series).unwrap().to_svg();
    let document = parse(&svg);
    let (zero, thousand) = (tick(&document, "0", 'x'), tick(&document, "1,000", 'x'));
    for (class, series) in ["fill1", "fill2"].into_iter().zip(series) {
        // The first box is the legend's.
        let bars = &of_class(&document, class)[1..];
        assert_eq!(bars.len(), 3);
        for (bar, &count) in bars.iter().zip(series.counts) {
            assert!((number(*bar, "x") - zero).abs() < ROUNDING);
            let expected = (thousand - zero) * count as f64 / 1000.0;
            assert!((number(*bar, "width") - expected).abs() < ROUNDING, "{count}");
        }
    }
    for text in ["<x>", "1,200", "a", "b", "Clips"] {
        assert!(texts(&document).iter().any(|found| found == text), "{text}");
    }
}

#[test]
fn cells_of_the_matrix_have_truth_down_and_prediction_across() {
    // 3 of a are right, 1 is taken for b; b does not occur.
    let matrix = ConfusionMatrix::new(["a", "b"], [(0, 0), (0, 0), (0, 0), (0, 1)]).unwrap();
    let figure = confusion_matrix("Matrix", &matrix);
    let svg = figure.to_svg();
    let document = parse(&svg);
    let cells = of_class(&document, "heat");
    let place = |index: usize| ["x", "y"].map(|attribute| number(cells[index], attribute));
    assert!(place(1)[0] > place(0)[0] && (place(1)[1] - place(0)[1]).abs() < ROUNDING, "predictions go across");
    assert!(place(2)[1] > place(0)[1] && (place(2)[0] - place(0)[0]).abs() < ROUNDING, "truths go down");
    let shares: Vec<f64> = cells.iter().map(|cell| number(*cell, "fill-opacity")).collect();
    assert_eq!(shares, [0.6, 0.2, 0.0, 0.0], "0.8 of the share");
    let texts = texts(&document);
    for (count, percent) in [("3", "75 %"), ("1", "25 %"), ("0", "–")] {
        let at = texts.iter().position(|text| text == count).unwrap();
        assert_eq!(texts[at + 1], percent);
    }
    assert_eq!(figure.description(), "Truly a: 3 as a, 1 as b. Truly b: no clip.");
}

#[test]
fn curves_pass_through_their_values_and_the_chosen_epoch_is_marked() {
    let curves = TrainingCurves {
        losses: &[
            Curve { name: "training", values: &[2.0, 1.0, 0.5] },
            Curve { name: "validation", values: &[2.0, 1.5, 1.8] },
        ],
        score_label: "Recall",
        scores: &[Curve { name: "validation", values: &[0.2, 0.6, 0.5] }],
        chosen: 2,
    };
    let figure = training_curves("Training", &curves).unwrap();
    let svg = figure.to_svg();
    let document = parse(&svg);
    let paths = |class: &str| -> Vec<Vec<[f64; 2]>> {
        let lines = of_class(&document, class).into_iter().map(path_points);
        lines.filter(|points| points.len() == 3).collect()
    };
    let (validation, recall) = (&paths("line2")[0], &paths("line1")[1]);
    for (epoch, x) in ["1", "2", "3"].into_iter().zip(0..) {
        assert!((validation[x][0] - tick(&document, epoch, 'x')).abs() < ROUNDING);
    }
    let (zero, two) = (tick(&document, "0.0", 'y'), tick(&document, "2.0", 'y'));
    assert!((validation[1][1] - (zero + 0.75 * (two - zero))).abs() < ROUNDING);
    let marks = of_class(&document, "dashed");
    assert_eq!(marks.len(), 2);
    for mark in marks {
        assert!((path_points(mark)[0][0] - tick(&document, "2", 'x')).abs() < ROUNDING);
    }
    assert!(recall[1][1] < recall[2][1] && recall[2][1] < recall[0][1], "the largest recall is the highest");
    assert!(figure.description().contains("Recall, validation: 0.600 at the chosen epoch."));

    let svg = training_curves("Training", &TrainingCurves { scores: &[], ..curves }).unwrap().to_svg();
    let document = parse(&svg);
    assert_eq!(of_class(&document, "dashed").len(), 1, "without scores there is one plot");
    assert!(!texts(&document).contains(&"Recall".into()));
}

#[test]
fn reliability_is_plotted_over_confidence() {
    let bins = [
        ReliabilityBin { confidence: 0.2, accuracy: 0.1, count: 50 },
        ReliabilityBin { confidence: 0.5, accuracy: f64::NAN, count: 0 },
        ReliabilityBin { confidence: 0.8, accuracy: 0.6, count: 100 },
    ];
    let svg = reliability_diagram("Reliability", &bins).unwrap().to_svg();
    let document = parse(&svg);
    let circles: Vec<_> = of_class(&document, "outline");
    assert_eq!(circles.len(), 2, "a bin without a prediction has no accuracy");
    for (circle, bin) in circles.iter().zip([bins[0], bins[2]]) {
        let place = |axis, attribute, value: f64| {
            let tick = tick(&document, &format!("{value:.1}"), axis);
            assert!((number(*circle, attribute) - tick).abs() < ROUNDING, "{value}");
        };
        place('x', "cx", bin.confidence);
        place('y', "cy", bin.accuracy);
    }
    let bars = of_class(&document, "bar");
    assert!((2.0 * number(bars[0], "height") - number(bars[1], "height")).abs() < ROUNDING);
}

#[test]
fn risk_is_plotted_over_coverage_in_the_order_of_coverage() {
    let curve = [[1.0, 0.4], [0.5, 0.1]];
    let figure = risk_coverage("Risk", &curve, Some([0.5, 0.1])).unwrap();
    let svg = figure.to_svg();
    let document = parse(&svg);
    let line = points(&document, "line1");
    assert!((line[1][0] - tick(&document, "1.0", 'x')).abs() < ROUNDING);
    assert!((line[1][1] - tick(&document, "0.40", 'y')).abs() < ROUNDING);
    assert!((line[0][1] - tick(&document, "0.10", 'y')).abs() < ROUNDING);
    assert!(figure.description().ends_with("The threshold answers 0.50 with risk 0.100."));
}

#[test]
fn whiskers_end_at_the_bounds() {
    let groups = [
        GroupScore { name: "female", score: 0.7, interval: Some([0.6, 0.8]), clips: 1200 },
        GroupScore { name: "male", score: 0.4, interval: None, clips: 3 },
    ];
    let figure = group_scores("Groups", "Recall", &groups, Some(0.6)).unwrap();
    let svg = figure.to_svg();
    let document = parse(&svg);
    let tick = |text| tick(&document, text, 'x');
    let whiskers = of_class(&document, "interval");
    assert_eq!(whiskers.len(), 1);
    let whisker = path_points(whiskers[0]);
    assert!((whisker[0][0] - tick("0.6")).abs() < ROUNDING && (whisker[1][0] - tick("0.8")).abs() < ROUNDING);
    let bars = of_class(&document, "bar");
    assert!((number(bars[1], "x") + number(bars[1], "width") - tick("0.4")).abs() < 2.0 * ROUNDING);
    assert!((points(&document, "dashed")[0][0] - tick("0.6")).abs() < ROUNDING);
    assert_eq!(figure.description(), "Recall: all 0.600; female 0.700 [0.600, 0.800], n = 1,200; male 0.400, n = 3.");
}

#[test]
fn the_map_has_one_scale_for_both_axes() {
    let map = EmbeddingMap {
        points: &[[0.0, 0.0], [10.0, 0.0], [10.0, 5.0]],
        classes: &[0, 1, 0],
        class_names: &["a", "b"],
        axes: ["One", "Two"],
    };
    let svg = embedding_map("Map", &map).unwrap().to_svg();
    let document = parse(&svg);
    // The first marker of each class is the legend's.
    let circles = &of_class(&document, "fill1")[1..];
    let across = number(circles[1], "cx") - number(circles[0], "cx");
    let up = number(circles[0], "cy") - number(circles[1], "cy");
    assert!((across - 2.0 * up).abs() < 2.0 * ROUNDING, "{across} {up}");
}

#[test]
fn the_best_trial_is_marked() {
    let trials = [0.5, 0.7, 0.6, 0.7].map(|score| Trial { name: "rate", score });
    let figure = search_results("Search", "Recall", &trials).unwrap();
    let svg = figure.to_svg();
    let document = parse(&svg);
    let best = of_class(&document, "fill5");
    assert_eq!(best.len(), 1);
    assert!((number(best[0], "cx") - tick(&document, "2", 'x')).abs() < ROUNDING, "the first of equals");
    assert!((number(best[0], "cy") - tick(&document, "0.70", 'y')).abs() < ROUNDING);
    assert!(figure.description().ends_with("Trial 2 was best: rate, 0.700."));
}

#[test]
fn a_histogram_counts_every_value_once() {
    // Nine values: three bins of one each.
    let values = [0.0, 0.5, 0.9, 1.0, 1.2, 2.1, 2.2, 2.9, 3.0];
    let figure = histogram("Histogram", "Value", &values).unwrap();
    let svg = figure.to_svg();
    let document = parse(&svg);
    let heights: Vec<f64> = of_class(&document, "bar").into_iter().map(|bar| number(bar, "height")).collect();
    let one = tick(&document, "0", 'y') - tick(&document, "1", 'y');
    let counts: Vec<f64> = heights.iter().map(|height| (height / one).round()).collect();
    assert_eq!(counts, [3.0, 2.0, 4.0]);
    assert_eq!(figure.description(), "9 values from 0.00 to 3.00, median 1.20.");
    let figure = histogram("", "", &[1.0, 2.0]).unwrap();
    assert_eq!(figure.description(), "2 values from 1.00 to 2.00, median 1.50.");
}

#[test]
fn numbers_that_cannot_be_drawn_are_refused() {
    let series = [CountSeries { name: "a", counts: &[1] }];
    assert_eq!(message(class_counts::<&str>("", "", &[], &series)), "classes: nothing to draw; give at least one");
    assert_eq!(message(class_counts("", "", &["x", "y"], &series)), "counts of a series: expected 2, got 1");
    assert_eq!(
        message(class_counts("", "", &["x"], &[series[0]; 9])),
        "number of series 9 is out of range: at most 8 can be told apart; draw several figures"
    );
    let group = GroupScore { name: "g", score: 0.5, interval: Some([0.7, 0.6]), clips: 1 };
    assert_eq!(
        message(group_scores("", "", &[group], None)),
        "lower bound of a score 0.7 is out of range: at most the upper bound"
    );
    assert!(message(group_scores("", "", &[GroupScore { score: f64::NAN, ..group }], None)).starts_with("score NaN"));
    let good = Curve { name: "", values: &[1.0, 2.0] };
    let curves = TrainingCurves { losses: &[good], score_label: "", scores: &[good], chosen: 2 };
    assert_eq!(
        message(training_curves("", &TrainingCurves { chosen: 0, ..curves })),
        "chosen epoch 0 is out of range: an epoch between 1 and the number of values"
    );
    let bad = Curve { name: "", values: &[1.0, f64::INFINITY] };
    assert!(
        message(training_curves("", &TrainingCurves { scores: &[bad], ..curves })).starts_with("value of a curve inf")
    );
    assert!(message(training_curves("", &TrainingCurves { losses: &[], ..curves })).starts_with("losses: nothing"));
    let bin = ReliabilityBin { confidence: 1.2, accuracy: 0.5, count: 1 };
    assert_eq!(message(reliability_diagram("", &[bin])), "confidence 1.2 is out of range: 0 to 1");
    assert!(message(reliability_diagram("", &[ReliabilityBin { count: 0, ..bin }])).contains("nothing to draw"));
    assert_eq!(message(risk_coverage("", &[[0.5, -0.1]], None)), "risk -0.1 is out of range: 0 to 1");
    let map = EmbeddingMap { points: &[[0.0, 1.0]], classes: &[1], class_names: &["a"], axes: ["", ""] };
    assert_eq!(message(embedding_map("", &map)), "class of a point 1 is out of range: an index into the names");
    assert_eq!(
        message(embedding_map("", &EmbeddingMap { classes: &[], ..map })),
        "classes of the points: expected 1, got 0"
    );
    assert!(message(search_results("", "", &[])).starts_with("trials: nothing to draw"));
    assert!(message(histogram("", "", &[1.0, f64::NAN])).starts_with("value NaN"));
}

#[test]
fn degenerate_numbers_are_drawn() {
    let figures = [
        class_counts("", "Clips", &["x"], &[CountSeries { name: "a", counts: &[0] }]),
        histogram("", "", &[2.0]),
        histogram("", "", &[2.0, 2.0, 2.0]),
        histogram("", "", &[1e17]),
        search_results("", "", &[Trial { name: "", score: 0.0 }]),
        risk_coverage("", &[[1.0, 0.0]], None),
        reliability_diagram("", &[ReliabilityBin { confidence: 1.0, accuracy: 1.0, count: u64::MAX }]),
        embedding_map("", &EmbeddingMap { points: &[[1.0, 1.0]], classes: &[0], class_names: &["a"], axes: ["", ""] }),
        training_curves(
            "",
            &TrainingCurves {
                losses: &[Curve { name: "", values: &[0.0] }],
                score_label: "",
                scores: &[Curve { name: "", values: &[-1.0] }],
                chosen: 1,
            },
        ),
        group_scores("", "", &[GroupScore { name: "", score: -0.5, interval: None, clips: 0 }], None),
        Ok(confusion_matrix("", &ConfusionMatrix::new([""], [(0, 0)]).unwrap())),
    ];
    for (index, figure) in figures.into_iter().enumerate() {
        let svg = figure.unwrap().to_svg();
        parse(&svg);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "figure {index}: {svg}");
    }
}

#[test]
fn principal_components_are_scikit_learns() {
    let rows = ndarray::array![[2.5, 2.4, 0.1], [0.5, 0.7, -1.3], [2.2, 2.9, 0.4], [1.9, 2.2, -0.2], [3.1, 3.0, 1.5]];
    let points = ser_report::principal_components(rows.view()).unwrap();
    // sklearn.decomposition.PCA(2).fit_transform(rows), version 1.9.1
    let expected = [
        [0.3545479428555493, 0.10186327641817323],
        [-2.5805127353752946, -0.20107509142565722],
        [0.6342806312785054, 0.301857279595761],
        [-0.28433756162266294, 0.1695491968294801],
        [1.8760217228639033, -0.37219466141775603],
    ];
    for (point, expected) in points.iter().flatten().zip(expected.iter().flatten()) {
        assert!((point - expected).abs() < 1e-12, "{point} {expected}");
    }
    let one = ser_report::principal_components(ndarray::array![[1.0], [3.0]].view()).unwrap();
    assert_eq!(one, [[-1.0, 0.0], [1.0, 0.0]]);
    assert!(ser_report::principal_components(ndarray::Array2::zeros((0, 3)).view()).is_err());
    assert!(ser_report::principal_components(ndarray::array![[f64::NAN, 1.0]].view()).is_err());
}
