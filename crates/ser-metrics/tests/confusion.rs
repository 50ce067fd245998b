//! What a confusion matrix refuses, and what holds for every one.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use ser_metrics::{ConfusionMatrix, Error, Normalization};

const NAMES: [&str; 4] = ["angry", "fear", "neutral", "sad"];

#[test]
fn an_index_out_of_range_is_refused_by_its_role() {
    let refused = |pair| ConfusionMatrix::new(NAMES, [(1, 2), pair]).unwrap_err();
    let error = |role, index| Error::ClassOutOfRange { role, index, classes: 4 };
    assert_eq!(refused((4, 0)), error("truth", 4));
    assert_eq!(refused((0, usize::MAX)), error("prediction", usize::MAX));
    assert_eq!(refused((3, 7)).to_string(), "prediction 7 is out of range: the 4 classes are numbered from 0");
}

#[test]
fn no_classes_no_samples_and_repeated_names_are_refused() {
    let empty: [&str; 0] = [];
    assert_eq!(ConfusionMatrix::new(empty, [(0, 0)]), Err(Error::NoClasses));
    assert_eq!(ConfusionMatrix::new(NAMES, []), Err(Error::NoSamples));
    assert_eq!(
        ConfusionMatrix::new(["sad", "fear", "sad"], [(0, 1)]),
        Err(Error::DuplicateClass { name: "sad".into() })
    );
}

#[test]
fn a_matrix_over_other_classes_is_not_merged() {
    let mut own = ConfusionMatrix::new(["fear", "sad"], [(0, 1), (1, 1)]).unwrap();
    let before = own.clone();
    for names in [vec!["sad", "fear"], vec!["fear", "sad", "happy"]] {
        let other = ConfusionMatrix::new(names, [(0, 1)]).unwrap();
        assert!(matches!(own.merge(&other), Err(Error::ClassesDiffer { .. })));
        assert_eq!(own, before);
    }
}

#[test]
fn a_count_out_of_range_is_none() {
    let matrix = ConfusionMatrix::new(["fear", "sad"], [(0, 1)]).unwrap();
    assert_eq!(matrix.count(0, 1), Some(1));
    assert_eq!(matrix.count(0, 2), None);
    assert_eq!(matrix.count(2, 0), None);
}

#[test]
fn a_very_long_name_prints_without_a_panic() {
    let name = "n".repeat(100_000);
    let report = ConfusionMatrix::new([name.as_str(), "short"], [(0, 0), (1, 0)]).unwrap().report();
    assert!(report.to_string().contains(&name));
}

/// Truth and prediction of 1 to 60 samples over the four classes.
fn samples() -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((0..NAMES.len(), 0..NAMES.len()), 1..60)
}

fn matrix(pairs: &[(usize, usize)]) -> ConfusionMatrix {
    ConfusionMatrix::new(NAMES, pairs.iter().copied()).unwrap()
}

proptest! {
    #[test]
    fn merged_folds_equal_the_matrix_of_all_predictions(
        folds in prop::collection::vec(samples(), 1..6)
    ) {
        let mut merged = matrix(&folds[0]);
        for fold in &folds[1..] {
            merged.merge(&matrix(fold)).unwrap();
        }
        prop_assert_eq!(merged, matrix(&folds.concat()));
    }

    #[test]
    fn permuted_classes_permute_the_scores(
        pairs in samples(),
        order in Just([0, 1, 2, 3]).prop_shuffle(),
    ) {
        let names = order.map(|class| NAMES[class]);
        let place = |class| order.iter().position(|&c| c == class).unwrap();
        let permuted = ConfusionMatrix::new(
            names,
            pairs.iter().map(|&(truth, prediction)| (place(truth), place(prediction))),
        )
        .unwrap();
        let original = matrix(&pairs);
        for class in 0..NAMES.len() {
            prop_assert_eq!(permuted.class_scores()[place(class)], original.class_scores()[class]);
        }
        // The order of summation changes the last bits only.
        prop_assert!((permuted.uar() - original.uar()).abs() < 1e-14);
        prop_assert_eq!(permuted.accuracy(), original.accuracy());
        prop_assert_eq!(permuted.matthews_correlation(), original.matthews_correlation());
        prop_assert_eq!(permuted.cohen_kappa().to_bits(), original.cohen_kappa().to_bits());
    }

    #[test]
    fn accuracy_equals_the_micro_averages(pairs in samples()) {
        let matrix = matrix(&pairs);
        let hits = pairs.iter().filter(|(truth, prediction)| truth == prediction).count();
        // With one label a sample, micro precision, recall and F1 are all hits over samples.
        prop_assert_eq!(matrix.accuracy(), hits as f64 / pairs.len() as f64);
        prop_assert!((matrix.weighted_average().recall - matrix.accuracy()).abs() < 1e-14);
        let micro = matrix.micro_average();
        prop_assert_eq!([micro.precision, micro.recall, micro.f1], [matrix.accuracy(); 3]);
        prop_assert_eq!(micro.support, matrix.total());
    }

    #[test]
    fn exchanged_truth_and_prediction_exchange_recall_and_precision(pairs in samples()) {
        let exchanged: Vec<_> = pairs.iter().map(|&(truth, prediction)| (prediction, truth)).collect();
        let (matrix, exchanged) = (matrix(&pairs), matrix(&exchanged));
        for (scores, exchanged) in matrix.class_scores().iter().zip(exchanged.class_scores()) {
            prop_assert_eq!(scores.precision, exchanged.recall);
            prop_assert_eq!(scores.f1, exchanged.f1);
        }
        for (over, exchanged_over) in [(Normalization::Truth, Normalization::Prediction), (Normalization::All, Normalization::All)] {
            let (shares, exchanged) = (matrix.normalized(over), exchanged.normalized(exchanged_over));
            prop_assert!((0..16).all(|i| shares[i / 4][i % 4] == exchanged[i % 4][i / 4]));
        }
    }

    #[test]
    fn every_score_is_in_the_unit_interval(pairs in samples()) {
        let matrix = matrix(&pairs);
        let averages = [matrix.macro_average(), matrix.weighted_average()];
        for scores in matrix.class_scores().into_iter().chain(averages) {
            for score in [scores.precision, scores.recall, scores.f1, scores.specificity] {
                prop_assert!((0.0..=1.0 + 1e-14).contains(&score));
            }
        }
        prop_assert!((0.0..=1.0 + 1e-14).contains(&matrix.uar()));
    }
}
