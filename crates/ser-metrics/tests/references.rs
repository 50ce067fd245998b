//! Compares with scikit-learn, audmetric, netcal, scipy and statsmodels: `assets/make_references.py` wrote the numbers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use ser_metrics::{
    BootstrapOptions, ConfusionMatrix, McNemar, MeanStd, Normalization, PermutationOptions, Probabilities,
    RegressionScores, Reliability, RiskCoverage, Scores, Temperature, Units, ZeroDivision, bootstrap,
    paired_permutation_test,
};
use serde_json::Value;

/// Sums in f64 of at most a thousand numbers of magnitude 1 (log loss: 36): their rounding stays below 1e-13.
const TOLERANCE: f64 = 1e-12;

struct Reference(Value);

impl Reference {
    fn all(json: &str, at_least: usize) -> Vec<Self> {
        let json: Value = serde_json::from_str(json).unwrap();
        let cases = json.as_array().unwrap();
        assert!(cases.len() >= at_least, "the file is cut off");
        cases.iter().cloned().map(Self).collect()
    }

    fn confusion() -> Vec<Self> {
        Self::all(include_str!("assets/confusion.json"), 20)
    }

    fn probabilities() -> Vec<Self> {
        Self::all(include_str!("assets/probabilities.json"), 9)
    }

    fn calibration() -> Vec<Self> {
        Self::all(include_str!("assets/calibration.json"), 6)
    }

    fn matrix(&self) -> ConfusionMatrix {
        let digits = |key| self.text(key).bytes().map(|digit| usize::from(digit - b'0')).collect::<Vec<_>>();
        let names: Vec<String> = serde_json::from_value(self.0["class_names"].clone()).unwrap();
        ConfusionMatrix::new(names, digits("truth").into_iter().zip(digits("predictions"))).unwrap()
    }

    fn text(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap()
    }

    fn indices(&self, key: &str) -> Vec<usize> {
        serde_json::from_value(self.0[key].clone()).unwrap()
    }

    fn number(&self, key: &str) -> f64 {
        number(&self.0[key])
    }

    fn numbers(&self, key: &str) -> Vec<f64> {
        numbers(&self.0[key])
    }

    fn rows(&self, key: &str) -> Vec<Vec<f64>> {
        self.0[key].as_array().unwrap().iter().map(numbers).collect()
    }

    fn samples(&self, key: &str) -> Vec<(usize, Vec<f64>)> {
        self.indices("truth").into_iter().zip(self.rows(key)).collect()
    }

    fn confidences(&self) -> Vec<(f64, bool)> {
        self.numbers("confidences").into_iter().zip(self.indices("right").into_iter().map(|right| right == 1)).collect()
    }

    fn close(&self, what: &str, actual: f64, expected: f64) {
        let name = self.0["name"].as_str().unwrap_or_default();
        assert!(agree(actual, expected, TOLERANCE), "{name}: {what} is {actual}, the reference {expected}");
    }
}

/// NaN is `null` in the files.
fn number(value: &Value) -> f64 {
    if value.is_null() { f64::NAN } else { value.as_f64().unwrap() }
}

fn numbers(values: &Value) -> Vec<f64> {
    values.as_array().unwrap().iter().map(number).collect()
}

fn agree(actual: f64, expected: f64, tolerance: f64) -> bool {
    (actual.is_nan() && expected.is_nan()) || (actual - expected).abs() <= tolerance
}

fn array(scores: &Scores) -> [f64; 4] {
    [scores.precision, scores.recall, scores.f1, scores.specificity]
}

#[test]
fn counts_and_shares_equal_those_of_scikit_learn() {
    for case in Reference::confusion() {
        let matrix = case.matrix();
        let rows: Vec<Vec<u64>> = serde_json::from_value(case.0["confusion_matrix"].clone()).unwrap();
        assert!(matrix.truth_rows().eq(&rows), "{}", case.text("name"));
        for (truth, row) in rows.iter().enumerate() {
            for (prediction, &count) in row.iter().enumerate() {
                assert_eq!(matrix.count(truth, prediction), Some(count));
            }
        }
        assert_eq!(matrix.total(), rows.iter().flatten().sum::<u64>());
        for (key, over) in [
            ("normalized_true", Normalization::Truth),
            ("normalized_pred", Normalization::Prediction),
            ("normalized_all", Normalization::All),
        ] {
            if case.0.get(key).is_some() {
                let expected = case.rows(key).concat();
                for (actual, expected) in matrix.normalized(over).concat().into_iter().zip(expected) {
                    case.close(key, actual, expected);
                }
            }
        }
    }
}

#[test]
fn summary_scores_equal_those_of_scikit_learn_and_audmetric() {
    for case in Reference::confusion() {
        let report = case.matrix().report();
        for (key, value) in [
            ("accuracy", report.accuracy),
            ("uar", report.uar),
            ("audmetric_uar", report.macro_avg.recall),
            ("cohen_kappa", report.cohen_kappa),
            ("matthews_correlation", report.matthews_correlation),
        ] {
            case.close(key, value, case.number(key));
        }
    }
}

#[test]
fn scores_and_averages_equal_those_of_scikit_learn_under_every_zero_division() {
    for case in Reference::confusion() {
        for (key, zero_division) in
            [("zero", ZeroDivision::Zero), ("one", ZeroDivision::One), ("nan", ZeroDivision::Nan)]
        {
            let Some(expected) = case.0.get(key) else { continue };
            let matrix = case.matrix().with_zero_division(zero_division);
            let classes = matrix.class_scores();
            assert_eq!(classes.len(), expected["classes"].as_array().unwrap().len());
            for (class, scores) in classes.iter().enumerate() {
                assert_eq!(scores.support as usize, case.indices("support")[class]);
                for (actual, expected) in array(scores).into_iter().zip(numbers(&expected["classes"][class])) {
                    case.close(&format!("{key}: a score of class {class}"), actual, expected);
                }
            }
            for (average, scores) in [
                ("macro_avg", matrix.macro_average()),
                ("weighted_avg", matrix.weighted_average()),
                ("micro_avg", matrix.micro_average()),
            ] {
                assert_eq!(scores.support, matrix.total());
                for (actual, expected) in array(&scores).into_iter().zip(numbers(&expected[average])) {
                    case.close(&format!("{key}: {average}"), actual, expected);
                }
            }
        }
    }
}

#[test]
fn the_printed_report_equals_that_of_scikit_learn_to_the_letter() {
    for case in Reference::confusion() {
        let report = case.matrix().report();
        assert_eq!(report.to_string(), case.text("report"));
        assert_eq!(format!("{report:.4}"), case.text("report_4"));
        if case.0.get("report_nan").is_some() {
            let report = case.matrix().with_zero_division(ZeroDivision::Nan).report();
            assert_eq!(report.to_string(), case.text("report_nan"));
        }
    }
}

#[test]
fn the_references_tell_a_transposed_matrix() {
    let transposed_differs = |case: &Reference| {
        let matrix = case.matrix();
        (0..matrix.class_names().len()).any(|i| (0..i).any(|j| matrix.count(i, j) != matrix.count(j, i)))
    };
    assert!(Reference::confusion().iter().filter(|c| transposed_differs(c)).count() >= 10);
}

#[test]
fn metrics_of_probabilities_equal_those_of_scikit_learn() {
    for case in Reference::probabilities() {
        let samples = case.samples("probabilities");
        let classes = samples[0].1.len();
        let probabilities = Probabilities::new(classes, samples).unwrap();
        case.close("log loss", probabilities.log_loss(), case.number("log_loss"));
        case.close("Brier score", probabilities.brier_score(), case.number("brier"));
        for (actual, expected) in probabilities.roc_auc().into_iter().zip(case.numbers("roc_auc")) {
            case.close("ROC-AUC of a class", actual, expected);
        }
        if classes == 2 {
            case.close("ROC-AUC", probabilities.roc_auc()[1], case.number("binary_roc_auc"));
        } else {
            case.close("macro ROC-AUC", probabilities.macro_roc_auc(), case.number("macro_roc_auc"));
            case.close("weighted ROC-AUC", probabilities.weighted_roc_auc(), case.number("weighted_roc_auc"));
            for (k, expected) in (1..).zip(case.numbers("top_k")) {
                case.close("top-k accuracy", probabilities.top_k_accuracy(k).unwrap(), expected);
            }
        }
    }
}

#[test]
fn calibration_errors_of_several_classes_equal_those_of_netcal() {
    let mut compared = 0;
    for case in Reference::probabilities().iter().filter(|case| case.0.get("calibration").is_some()) {
        let samples = case.samples("probabilities");
        let probabilities = Probabilities::new(samples[0].1.len(), samples).unwrap();
        for row in case.rows("calibration") {
            let reliability = probabilities.reliability(row[0] as usize).unwrap();
            case.close("ECE", reliability.expected_calibration_error(), row[1]);
            case.close("MCE", reliability.maximum_calibration_error(), row[2]);
            compared += 1;
        }
    }
    assert!(compared >= 20, "{compared}");
}

#[test]
fn calibration_errors_of_confidences_equal_those_of_netcal_and_bins_those_of_numpy() {
    for case in Reference::calibration() {
        for row in case.rows("bins") {
            let reliability = Reliability::new(case.confidences(), row[0] as usize).unwrap();
            case.close("ECE", reliability.expected_calibration_error(), row[1]);
            case.close("MCE", reliability.maximum_calibration_error(), row[2]);
        }
        let bins = Reliability::new(case.confidences(), 10).unwrap().bins;
        let counts: Vec<u64> = bins.iter().map(|bin| bin.count).collect();
        let expected: Vec<u64> = serde_json::from_value(case.0["counts"].clone()).unwrap();
        assert_eq!(counts, expected, "{}", case.text("name"));
    }
}

#[test]
fn the_area_under_risk_and_coverage_is_the_mean_over_all_orders_of_ties() {
    for case in Reference::calibration() {
        let area = RiskCoverage::new(case.confidences()).unwrap().area;
        case.close("area", area, case.number("area"));
    }
}

#[test]
fn fitted_temperatures_are_those_of_scipy() {
    for case in Reference::all(include_str!("assets/temperature.json"), 4) {
        let samples = case.samples("logits");
        let temperature = Temperature::fit(samples[0].1.len(), samples.clone()).unwrap();
        let expected = case.number("temperature");
        // Both find a zero of sums that are rounded at 1e-13; the slope there is above 1e-4.
        assert!(agree(temperature.value() / expected, 1.0, 1e-9), "{temperature:?}, the reference {expected}");

        let scaled = samples.iter().map(|(truth, logits)| (*truth, temperature.softmax(logits).unwrap()));
        let scaled = Probabilities::new(samples[0].1.len(), scaled).unwrap();
        assert!(agree(scaled.log_loss(), case.number("log_loss"), TOLERANCE));
        for (actual, expected) in temperature.softmax(&samples[0].1).unwrap().into_iter().zip(case.numbers("first_row"))
        {
            // A relative error of 1e-9 of the temperature moves no probability by more than its logit's share of that.
            assert!(agree(actual, expected, 1e-8), "{actual}, the reference {expected}");
        }
    }
}

#[test]
fn scores_of_regression_equal_those_of_audmetric_and_scikit_learn() {
    for case in Reference::all(include_str!("assets/regression.json"), 11) {
        let scores = RegressionScores::new(case.numbers("truth").into_iter().zip(case.numbers("predictions"))).unwrap();
        for (key, value) in
            [("ccc", scores.ccc), ("pearson", scores.pearson), ("mae", scores.mae), ("rmse", scores.rmse)]
        {
            // Numbers at 1e6 are themselves rounded at 1e-10.
            let tolerance = if case.text("name") == "far from zero" { 1e-9 } else { TOLERANCE };
            let expected = case.number(key);
            assert!(agree(value, expected, tolerance), "{}: {key} is {value}, not {expected}", case.text("name"));
        }
    }
}

fn significance() -> Reference {
    Reference::all(include_str!("assets/significance.json"), 1).remove(0)
}

#[test]
fn mcnemars_test_equals_that_of_statsmodels() {
    for case in significance().0["mcnemar"].as_array().unwrap() {
        let count = |key: &str| case[key].as_u64().unwrap() as usize;
        let first = [(true, false)].repeat(count("only_first"));
        let second = [(false, true)].repeat(count("only_second"));
        let both = [(true, true), (false, false), (true, true)];
        let test = McNemar::new(first.into_iter().chain(second).chain(both)).unwrap();
        assert_eq!((test.both_right, test.both_wrong), (2, 1));
        // The p-values go down to 1e-120: relative. scipy states no accuracy; 1e-10 is far below a wrong term.
        let relative = |actual: f64, key: &str| {
            let expected = number(&case[key]);
            agree(actual, expected, 1e-10 * expected)
        };
        assert!(relative(test.exact(), "exact"), "{test:?}: {}, not {}", test.exact(), case["exact"]);
        let chi_square = test.chi_square();
        assert!(
            relative(chi_square.statistic, "statistic") && relative(chi_square.p_value, "p_value"),
            "{chi_square:?}"
        );
    }
}

#[test]
fn the_exact_permutation_test_equals_that_of_scipy() {
    for case in significance().0["permutation"].as_array().unwrap() {
        let truth = numbers(&case["truth"]);
        let metric = |predictions: &[f64]| {
            let pairs = truth.iter().copied().zip(predictions.iter().copied());
            if case["metric"] == "mae" {
                return Ok(RegressionScores::new(pairs)?.mae);
            }
            let pairs = pairs.map(|(truth, prediction)| (truth as usize, prediction as usize));
            let matrix = ConfusionMatrix::new(["a", "b", "c"], pairs)?;
            Ok(if case["metric"] == "uar" { matrix.uar() } else { matrix.accuracy() })
        };
        let units = Units::single(truth.len()).unwrap();
        let (first, second) = (numbers(&case["first"]), numbers(&case["second"]));
        let test = paired_permutation_test(&first, &second, &units, &PermutationOptions::default(), metric).unwrap();
        assert!(test.exact);
        assert_eq!(test.resamples, 1 << truth.len());
        assert!(agree(test.difference, number(&case["difference"]), TOLERANCE));
        assert_eq!(test.p_value, number(&case["p_value"]), "{case}");
    }
}

#[test]
fn mean_and_deviation_equal_those_of_numpy() {
    let reference = significance();
    let expected = &reference.0["mean_std"];
    let runs = MeanStd::new(numbers(&expected["values"])).unwrap();
    assert!(agree(runs.mean, number(&expected["mean"]), TOLERANCE));
    assert!(agree(runs.std, number(&expected["std"]), TOLERANCE));
}

#[test]
fn interval_ends_are_quantiles_as_in_numpy() {
    let reference = significance();
    let values = numbers(&reference.0["mean_std"]["values"]);
    for row in reference.rows("quantiles") {
        let options = BootstrapOptions { resamples: values.len(), level: row[0], seed: 7 };
        // The statistic of all samples comes first.
        let mut statistics = [0.5].iter().chain(&values);
        let interval = bootstrap(&Units::single(5).unwrap(), &options, |_| Ok(*statistics.next().unwrap())).unwrap();
        assert_eq!(interval.estimate, 0.5);
        assert!(agree(interval.low, row[1], TOLERANCE) && agree(interval.high, row[2], TOLERANCE), "{interval:?}");
    }
}

#[test]
fn the_draws_of_a_seed_are_those_of_chacha8() {
    let draws = &significance().0["draws"];
    let expected: Vec<Vec<usize>> = serde_json::from_value(draws["resamples"].clone()).unwrap();
    let options =
        BootstrapOptions { resamples: 100, seed: draws["seed"].as_u64().unwrap(), ..BootstrapOptions::default() };
    let mut drawn = Vec::new();
    let keep = |indices: &[usize]| {
        drawn.push(indices.to_vec());
        Ok(0.0)
    };
    bootstrap(&Units::single(expected[0].len()).unwrap(), &options, keep).unwrap();
    // The first call is that with all samples in their order.
    assert_eq!(drawn[1..=expected.len()], expected);
}

#[test]
fn the_interval_of_a_mean_is_that_of_scipys_bootstrap() {
    let reference = significance();
    let values = numbers(&reference.0["mean_std"]["values"]);
    let options = BootstrapOptions { resamples: 20_000, level: 0.9, seed: 7 };
    let mean = |indices: &[usize]| Ok(indices.iter().map(|&index| values[index]).sum::<f64>() / indices.len() as f64);
    let interval = bootstrap(&Units::single(values.len()).unwrap(), &options, mean).unwrap();
    let expected = numbers(&reference.0["bootstrap"]["interval"]);
    // The 5 % quantile of 20,000 draws has the standard error √(0.05 · 0.95 / 20,000) / 0.103 = 0.015 deviations of the
    // mean, 7.5e-5 here: five of these. The interval is 40 times as wide.
    assert!(agree(interval.low, expected[0], 4e-4) && agree(interval.high, expected[1], 4e-4), "{interval:?}");
}

#[test]
fn a_report_serialises_under_its_documented_names_in_class_order() {
    let matrix = ConfusionMatrix::new(["sad", "angry"], [(0, 0), (0, 1), (0, 0), (1, 1)]).unwrap();
    let json = serde_json::to_string(&matrix.report()).unwrap();
    let classes = json.find(r#""classes":{"sad":{"#).unwrap();
    assert!(json.find(r#""angry":{"#).unwrap() > classes);

    let json: Value = serde_json::from_str(&json).unwrap();
    let is =
        |value: &Value, expected: f64| assert!(agree(number(value), expected, TOLERANCE), "{value}, not {expected}");
    is(&json["accuracy"], 3.0 / 4.0);
    is(&json["uar"], 5.0 / 6.0);
    is(&json["cohen_kappa"], 1.0 / 2.0);
    is(&json["matthews_correlation"], 1.0 / 3.0_f64.sqrt());
    is(&json["classes"]["sad"]["recall"], 2.0 / 3.0);
    is(&json["classes"]["angry"]["precision"], 0.5);
    is(&json["classes"]["angry"]["specificity"], 2.0 / 3.0);
    is(&json["classes"]["sad"]["f1"], 4.0 / 5.0);
    assert_eq!(json["classes"]["angry"]["support"], 1);
    assert_eq!(json["macro_avg"]["support"], 4);
    is(&json["weighted_avg"]["precision"], (3.0 * 1.0 + 1.0 * 0.5) / 4.0);
    assert_eq!(json["class_names"], serde_json::json!(["sad", "angry"]));
    assert_eq!(json["confusion_matrix"], serde_json::json!([[2, 1], [0, 1]]));
    assert_eq!(json.as_object().unwrap().len(), 9);
}
