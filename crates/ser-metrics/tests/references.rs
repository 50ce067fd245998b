//! Compares every metric with scikit-learn's: `assets/make_references.py` wrote the numbers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use approx::assert_abs_diff_eq;
use ser_metrics::ConfusionMatrix;
use serde_json::Value;

/// Sums in f64 of at most seven ratios in [0, 1]: their rounding stays below 1e-14.
const TOLERANCE: f64 = 1e-12;

struct Reference(Value);

impl Reference {
    fn all() -> Vec<Self> {
        let json: Value = serde_json::from_str(include_str!("assets/references.json")).unwrap();
        let cases = json.as_array().unwrap();
        assert!(cases.len() >= 18, "the file is cut off");
        cases.iter().cloned().map(Self).collect()
    }

    fn matrix(&self) -> ConfusionMatrix {
        let indices = |key| -> Vec<usize> { serde_json::from_value(self.0[key].clone()).unwrap() };
        let names: Vec<String> = serde_json::from_value(self.0["class_names"].clone()).unwrap();
        let pairs = indices("truth").into_iter().zip(indices("predictions"));
        ConfusionMatrix::new(names, pairs).unwrap()
    }

    fn text(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap()
    }

    fn number(&self, key: &str) -> f64 {
        self.0[key].as_f64().unwrap()
    }

    fn numbers(&self, key: &str) -> Vec<f64> {
        serde_json::from_value(self.0[key].clone()).unwrap()
    }
}

fn assert_close(case: &Reference, what: &str, actual: f64, expected: f64) {
    assert!(
        (actual - expected).abs() <= TOLERANCE,
        "{}: {what} is {actual}, scikit-learn has {expected}",
        case.text("name")
    );
}

#[test]
fn counts_equal_those_of_scikit_learn() {
    for case in Reference::all() {
        let matrix = case.matrix();
        let rows: Vec<Vec<u64>> = serde_json::from_value(case.0["confusion_matrix"].clone()).unwrap();
        assert!(matrix.truth_rows().eq(&rows), "{}", case.text("name"));
        for (truth, row) in rows.iter().enumerate() {
            for (prediction, &count) in row.iter().enumerate() {
                assert_eq!(matrix.count(truth, prediction), Some(count));
            }
        }
        assert_eq!(matrix.total(), rows.iter().flatten().sum::<u64>());
    }
}

#[test]
fn accuracy_and_uar_equal_those_of_scikit_learn() {
    for case in Reference::all() {
        let matrix = case.matrix();
        for (key, value) in [("accuracy", matrix.accuracy()), ("uar", matrix.uar())] {
            assert_close(&case, key, value, case.number(key));
        }
    }
}

#[test]
fn scores_per_class_equal_those_of_scikit_learn() {
    for case in Reference::all() {
        let scores = case.matrix().class_scores();
        assert_eq!(scores.len(), case.numbers("support").len());
        for (class, scores) in scores.iter().enumerate() {
            for (key, value) in [
                ("precision", scores.precision),
                ("recall", scores.recall),
                ("f1", scores.f1),
                ("support", scores.support as f64),
            ] {
                let what = format!("{key} of class {class}");
                assert_close(&case, &what, value, case.numbers(key)[class]);
            }
        }
    }
}

#[test]
fn averages_equal_those_of_scikit_learn() {
    for case in Reference::all() {
        let matrix = case.matrix();
        for (key, scores) in [("macro_avg", matrix.macro_average()), ("weighted_avg", matrix.weighted_average())] {
            let actual = [scores.precision, scores.recall, scores.f1];
            for (actual, expected) in actual.into_iter().zip(case.numbers(key)) {
                assert_close(&case, key, actual, expected);
            }
            assert_eq!(scores.support, matrix.total());
        }
    }
}

#[test]
fn the_printed_report_equals_that_of_scikit_learn_to_the_letter() {
    for case in Reference::all() {
        let report = case.matrix().report();
        assert_eq!(report.to_string(), case.text("report"));
        assert_eq!(format!("{report:.4}"), case.text("report_4"));
    }
}

#[test]
fn the_references_tell_a_transposed_matrix() {
    let transposed_differs = |case: &Reference| {
        let matrix = case.matrix();
        (0..matrix.class_names().len()).any(|i| (0..i).any(|j| matrix.count(i, j) != matrix.count(j, i)))
    };
    assert!(Reference::all().iter().filter(|c| transposed_differs(c)).count() >= 10);
}

#[test]
fn a_report_serialises_under_its_documented_names_in_class_order() {
    let matrix = ConfusionMatrix::new(["sad", "angry"], [(0, 0), (0, 1), (0, 0), (1, 1)]).unwrap();
    let json = serde_json::to_string(&matrix.report()).unwrap();
    let classes = json.find(r#""classes":{"sad":{"#).unwrap();
    assert!(json.find(r#""angry":{"#).unwrap() > classes);

    let json: Value = serde_json::from_str(&json).unwrap();
    assert_abs_diff_eq!(json["accuracy"].as_f64().unwrap(), 3.0 / 4.0);
    assert_abs_diff_eq!(json["uar"].as_f64().unwrap(), 5.0 / 6.0, epsilon = TOLERANCE);
    assert_abs_diff_eq!(json["classes"]["sad"]["recall"].as_f64().unwrap(), 2.0 / 3.0);
    assert_abs_diff_eq!(json["classes"]["angry"]["precision"].as_f64().unwrap(), 0.5);
    assert_abs_diff_eq!(json["classes"]["sad"]["f1"].as_f64().unwrap(), 4.0 / 5.0);
    assert_eq!(json["classes"]["angry"]["support"], 1);
    assert_eq!(json["macro_avg"]["support"], 4);
    assert_abs_diff_eq!(json["weighted_avg"]["precision"].as_f64().unwrap(), (3.0 * 1.0 + 1.0 * 0.5) / 4.0);
    assert_eq!(json["class_names"], serde_json::json!(["sad", "angry"]));
    assert_eq!(json["confusion_matrix"], serde_json::json!([[2, 1], [0, 1]]));
    assert_eq!(json.as_object().unwrap().len(), 9);
}
