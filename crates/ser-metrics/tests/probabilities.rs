//! What probabilities, calibration and rejection refuse, and what holds for all of them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use ser_metrics::{ConfusionMatrix, Error, Probabilities, RegressionScores, Reliability, RiskCoverage, Temperature};

const CLASSES: usize = 3;
const GOOD: (usize, [f64; CLASSES]) = (1, [0.2, 0.5, 0.3]);

#[test]
fn rows_that_are_no_probabilities_are_refused_by_their_place() {
    let refused = |truth, row: &[f64]| {
        let samples = [(GOOD.0, GOOD.1.to_vec()), (truth, row.to_vec())];
        Probabilities::new(CLASSES, samples).unwrap_err().to_string()
    };
    for (row, message) in [
        (&[0.5, 0.5][..], "row 1 holds 2 numbers, but there are 3 classes: give one for each class, in their order"),
        (&[f64::NAN, 0.5, 0.5], "the probability of class 0 in row 1 is NaN, but must be from 0 to 1"),
        (&[0.5, 0.6, -0.1], "the probability of class 2 in row 1 is -0.1, but must be from 0 to 1"),
        (&[0.0, f64::INFINITY, 0.0], "the probability of class 1 in row 1 is inf, but must be from 0 to 1"),
        (
            &[0.5, 0.25, 0.0],
            "the probabilities of row 1 sum to 0.75, but must sum to 1 (±3.5e-4): apply a softmax to logits",
        ),
    ] {
        assert_eq!(refused(0, row), message);
    }
    assert_eq!(refused(3, &GOOD.1), "truth 3 is out of range: the 3 classes are numbered from 0");
    assert_eq!(Probabilities::new(0, [GOOD]), Err(Error::NoClasses));
    assert_eq!(Probabilities::new::<[f64; 3], f64>(CLASSES, []), Err(Error::NoSamples));
}

#[test]
fn the_tolerance_of_sums_lets_f32_and_decimals_pass_and_no_more() {
    let of_sum = |sum: f64| Probabilities::new(2, [(0, [0.5, sum - 0.5])]);
    assert!(of_sum(1.0003).is_ok() && of_sum(0.9997).is_ok());
    assert!(matches!(of_sum(1.0004), Err(Error::RowSum { row: 0, .. })));
    assert!(matches!(of_sum(0.9996), Err(Error::RowSum { row: 0, .. })));
    let seventh = 1.0_f32 / 7.0;
    assert!(Probabilities::new(7, [(0, [seventh; 7])]).is_ok());
}

#[test]
fn indices_and_ranks_out_of_range_are_refused() {
    let probabilities = Probabilities::new(CLASSES, [GOOD, GOOD]).unwrap();
    assert_eq!(probabilities.select(&[]), Err(Error::NoSamples));
    assert_eq!(probabilities.select(&[0, 2]).unwrap_err().to_string(), "sample index is 2, but must be below 2");
    let message = "k is 4, but must be from 1 to 3, the number of classes";
    assert_eq!(probabilities.top_k_accuracy(4).unwrap_err().to_string(), message);
    assert!(probabilities.top_k_accuracy(0).is_err());
    assert_eq!(probabilities.reliability(0).unwrap_err().to_string(), "number of bins is 0, but must be at least 1");
}

#[test]
fn the_first_of_equal_probabilities_is_predicted_and_the_last_ranks_first() {
    let tied = Probabilities::new(CLASSES, [(0, [0.4, 0.2, 0.4]), (2, [0.4, 0.2, 0.4])]).unwrap();
    assert!(tied.pairs().eq([(0, 0), (2, 0)]));
    assert_eq!(tied.top_k_accuracy(1).unwrap(), 0.5);
    assert_eq!(tied.top_k_accuracy(2).unwrap(), 1.0);
}

#[test]
fn confidences_that_are_none_are_refused() {
    for confidence in [f64::NAN, -0.1, 1.5] {
        let message = format!("confidence is {confidence} (sample 1), but must be from 0 to 1");
        let samples = [(0.5, true), (confidence, true)];
        assert_eq!(Reliability::new(samples, 10).unwrap_err().to_string(), message);
        assert_eq!(RiskCoverage::new(samples).unwrap_err().to_string(), message);
    }
    assert_eq!(Reliability::new([], 10), Err(Error::NoSamples));
    assert_eq!(RiskCoverage::new([]), Err(Error::NoSamples));
}

#[test]
fn an_empty_bin_has_no_accuracy_and_no_error() {
    let reliability = Reliability::new([(0.95, true), (0.85, false)], 10).unwrap();
    assert_eq!(reliability.bins.len(), 10);
    assert!(reliability.bins[3].accuracy.is_nan() && reliability.bins[3].confidence.is_nan());
    assert!((reliability.expected_calibration_error() - (0.05 + 0.85) / 2.0).abs() < 1e-15);
    assert!((reliability.maximum_calibration_error() - 0.85).abs() < 1e-15);
}

#[test]
fn the_threshold_accepts_as_much_as_the_accuracy_allows() {
    // Accuracies from the most confident on: 1/1, 1/2, 3/4 (two tied), 3/5.
    let curve = RiskCoverage::new([(0.6, false), (0.7, true), (0.9, true), (0.8, false), (0.7, true)]).unwrap();
    let threshold = |accuracy| curve.threshold_for_accuracy(accuracy).unwrap().threshold;
    assert_eq!([0.0, 0.6, 0.61, 0.75, 0.76, 1.0].map(threshold), [0.6, 0.6, 0.7, 0.7, 0.9, 0.9]);
    assert_eq!(curve.points.iter().map(|point| point.accepted).collect::<Vec<_>>(), [1, 2, 4, 5]);
    assert_eq!(curve.threshold_for_accuracy(0.76).unwrap().coverage, 0.2);
}

#[test]
fn an_accuracy_that_no_threshold_reaches_is_an_error_that_names_the_best() {
    let curve = RiskCoverage::new([(0.9, false), (0.8, true), (0.7, false), (0.6, true)]).unwrap();
    let error = curve.threshold_for_accuracy(0.8).unwrap_err();
    assert_eq!(error, Error::Unreachable { wished: 0.8, best: 0.5, coverage: 1.0 });
    let message =
        "no threshold reaches accuracy 0.8: the best is 0.5 at coverage 1; wish for less or improve the model";
    assert_eq!(error.to_string(), message);
    for accuracy in [f64::NAN, -0.1, 1.1] {
        assert!(matches!(curve.threshold_for_accuracy(accuracy), Err(Error::OutOfRange { .. })));
    }
}

#[test]
fn a_temperature_that_samples_do_not_determine_is_at_its_limit_or_one() {
    let fit = |samples: &[(usize, [f64; 2])]| Temperature::fit(2, samples.iter().copied()).unwrap();
    let always_right = fit(&[(0, [3.0, 1.0]), (1, [0.0, 0.5])]);
    assert_eq!((always_right.value(), always_right.at_limit()), (Temperature::MIN, true));
    let far_apart = fit(&[(0, [20_000.0, 0.0]), (1, [0.0, 20_000.0])]);
    assert_eq!((far_apart.value(), far_apart.at_limit()), (Temperature::MIN, true));
    let worse_than_chance = fit(&[(0, [1.0, 3.0]), (1, [0.5, 0.0])]);
    assert_eq!((worse_than_chance.value(), worse_than_chance.at_limit()), (Temperature::MAX, true));
    let no_opinion = fit(&[(0, [2.0, 2.0]), (1, [-1.0, -1.0])]);
    assert_eq!((no_opinion.value(), no_opinion.at_limit()), (1.0, false));
    assert_eq!(Temperature::fit(1, [(0, [2.0]), (0, [5.0])]).unwrap().value(), 1.0);
}

#[test]
fn temperatures_and_logits_that_are_none_are_refused() {
    for value in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let message = format!("temperature is {value}, but must be finite and above 0");
        assert_eq!(Temperature::new(value).unwrap_err().to_string(), message);
    }
    let temperature = Temperature::new(2.0).unwrap();
    assert_eq!(temperature.softmax(&[0.0, f64::NAN]).unwrap_err().to_string(), "logit 1 is NaN, but must be finite");
    assert_eq!(temperature.softmax::<f64>(&[]), Err(Error::NoClasses));
    let refused = Temperature::fit(2, [(0, [0.0, 1.0]), (1, [f64::NEG_INFINITY, 1.0])]).unwrap_err();
    assert_eq!(refused.to_string(), "a logit of row 1 is -inf, but must be finite");
    assert!(matches!(Temperature::fit(2, [(0, [0.0; 3])]), Err(Error::RowLength { row: 0, .. })));
    assert!(matches!(Temperature::fit(2, [(2, [0.0; 2])]), Err(Error::ClassOutOfRange { .. })));
    assert_eq!(Temperature::fit::<[f64; 2], f64>(2, []), Err(Error::NoSamples));
}

#[test]
fn numbers_that_are_not_finite_have_no_regression_scores() {
    assert_eq!(RegressionScores::new([]), Err(Error::NoSamples));
    let refused = |pair| RegressionScores::new([(0.0, 1.0), pair]).unwrap_err().to_string();
    assert_eq!(refused((f64::NAN, 0.0)), "truth 1 is NaN, but must be finite");
    assert_eq!(refused((0.0, f64::INFINITY)), "prediction 1 is inf, but must be finite");
}

#[test]
fn equal_numbers_have_no_correlation_however_their_mean_is_rounded() {
    let scores = RegressionScores::new([(0.1, 0.5), (0.1, 0.7), (0.1, 0.2)]).unwrap();
    assert!(scores.pearson.is_nan());
    assert_eq!(scores.ccc, 0.0);
}

/// True classes and rows of sixteenths, with many ties.
fn samples() -> impl Strategy<Value = Vec<(usize, [f64; CLASSES])>> {
    let row = (0..=16_u8, 0..=16_u8).prop_map(|(a, b)| {
        let (low, high) = (a.min(b), a.max(b));
        [low, high - low, 16 - high].map(|part| f64::from(part) / 16.0)
    });
    prop::collection::vec((0..CLASSES, row), 1..40)
}

fn logits() -> impl Strategy<Value = Vec<(usize, [f64; CLASSES])>> {
    let row = [-40..=40_i8, -40..=40_i8, -40..=40_i8].prop_map(|row| row.map(|logit| f64::from(logit) / 8.0));
    prop::collection::vec((0..CLASSES, row), 1..40)
}

fn argmax(row: &[f64]) -> usize {
    (0..row.len()).rev().max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap()
}

proptest! {
    #[test]
    fn renamed_classes_and_reordered_samples_change_no_metric(
        samples in samples(),
        order in Just([0, 1, 2]).prop_shuffle(),
    ) {
        let renamed = samples.iter().rev().map(|&(truth, row)| {
            (order.iter().position(|&class| class == truth).unwrap(), order.map(|class| row[class]))
        });
        let renamed = Probabilities::new(CLASSES, renamed).unwrap();
        let original = Probabilities::new(CLASSES, samples).unwrap();
        let close = |a: f64, b: f64| (a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-13;
        prop_assert!(close(renamed.log_loss(), original.log_loss()));
        prop_assert!(close(renamed.brier_score(), original.brier_score()));
        prop_assert!(close(renamed.macro_roc_auc(), original.macro_roc_auc()));
        prop_assert!(close(renamed.weighted_roc_auc(), original.weighted_roc_auc()));
        for (place, &class) in order.iter().enumerate() {
            prop_assert!(close(renamed.roc_auc()[place], original.roc_auc()[class]));
        }
    }

    #[test]
    fn accuracy_is_one_less_the_risk_of_accepting_all_and_the_mean_over_bins(samples in samples()) {
        let probabilities = Probabilities::new(CLASSES, samples).unwrap();
        let accuracy = ConfusionMatrix::new(["a", "b", "c"], probabilities.pairs()).unwrap().accuracy();
        let curve = probabilities.risk_coverage();
        let last = curve.points.last().unwrap();
        prop_assert_eq!((last.coverage, last.accuracy), (1.0, accuracy));
        prop_assert!((0.0..=1.0).contains(&curve.area));
        prop_assert!(curve.points.is_sorted_by(|a, b| a.threshold > b.threshold && a.accepted < b.accepted));
        let bins = probabilities.reliability(7).unwrap().bins;
        let right: f64 = bins.iter().filter(|bin| bin.count > 0).map(|bin| bin.accuracy * bin.count as f64).sum();
        prop_assert!((right / probabilities.len() as f64 - accuracy).abs() < 1e-13);
    }

    #[test]
    fn all_samples_once_are_the_same_samples(samples in samples()) {
        let probabilities = Probabilities::new(CLASSES, samples).unwrap();
        let all: Vec<usize> = (0..probabilities.len()).collect();
        prop_assert_eq!(probabilities.select(&all).unwrap(), probabilities);
    }

    #[test]
    fn a_temperature_changes_no_prediction(samples in logits(), value in 0.05..20.0) {
        let temperature = Temperature::new(value).unwrap();
        for (_, row) in samples {
            let probabilities = temperature.softmax(&row).unwrap();
            prop_assert_eq!(argmax(&probabilities), argmax(&row));
            prop_assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-15 * 4.0);
        }
    }

    #[test]
    fn no_temperature_has_a_lower_log_loss_than_the_fitted_one(samples in logits(), other in 0.05..20.0) {
        let log_loss = |temperature: Temperature| {
            let rows = samples.iter().map(|(truth, row)| (*truth, temperature.softmax(row).unwrap()));
            Probabilities::new(CLASSES, rows).unwrap().log_loss()
        };
        let fitted = Temperature::fit(CLASSES, samples.iter().copied()).unwrap();
        // Near the minimum the loss is flat: only its rounding (and the clipping at 1e-16) shows.
        prop_assert!(log_loss(fitted) <= log_loss(Temperature::new(other).unwrap()) + 1e-13);
    }

    #[test]
    fn logits_four_times_as_large_have_four_times_the_temperature(samples in logits()) {
        let fit = |scale: f64| {
            let rows = samples.iter().map(|&(truth, row)| (truth, row.map(|logit| scale * logit)));
            Temperature::fit(CLASSES, rows).unwrap()
        };
        let (small, large) = (fit(1.0), fit(4.0));
        if !small.at_limit() && !large.at_limit() && small.value() != 1.0 {
            prop_assert!((large.value() / small.value() - 4.0).abs() < 1e-6, "{small:?} {large:?}");
        }
    }
}
