use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{ConfusionMatrix, Scores};

/// Holds all metrics of a [`ConfusionMatrix`], ready to be printed or serialised.
///
/// `Display` prints the layout of scikit-learn's `classification_report`, with its two decimals;
/// another precision is asked for as of a float: `{report:.4}`. The one difference: where not one
/// prediction is right, scikit-learn 1.9 prints the supports as floats.
///
/// `Serialize` writes these fields:
///
/// | field | holds |
/// | --- | --- |
/// | `accuracy`, `uar`, `cohen_kappa`, `matthews_correlation` | a number each |
/// | `classes` | a map from class name to `precision`, `recall`, `f1`, `specificity`, `support`, in class order |
/// | `macro_avg`, `weighted_avg` | `precision`, `recall`, `f1`, `specificity`, `support` |
/// | `class_names` | the names in class order |
/// | `confusion_matrix` | one list per true class, of counts by predicted class |
///
/// What is not a number becomes `null` in JSON: Cohen's κ of one class alone, or what
/// [`ZeroDivision::Nan`](crate::ZeroDivision::Nan) asks for.
///
/// ```
/// let matrix = ser_metrics::ConfusionMatrix::new(["no", "yes"], [(0, 0), (0, 0), (1, 1), (1, 0)])?;
/// assert_eq!(
///     matrix.report().to_string(),
///     "              precision    recall  f1-score   support
///
///           no       0.67      1.00      0.80         2
///          yes       1.00      0.50      0.67         2
///
///     accuracy                           0.75         4
///    macro avg       0.83      0.75      0.73         4
/// weighted avg       0.83      0.75      0.73         4
/// "
/// );
/// # Ok::<(), ser_metrics::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The share of samples predicted right (WA).
    pub accuracy: f64,
    /// The mean recall over the classes that occur in the truth (UA).
    pub uar: f64,
    /// Cohen's κ, in `[−1, 1]`; NaN where all truths and predictions are of one class.
    pub cohen_kappa: f64,
    /// Matthews's correlation coefficient, in `[−1, 1]`.
    pub matthews_correlation: f64,
    /// Each class's name and scores, in class order.
    #[serde(serialize_with = "as_map")]
    pub classes: Vec<(String, Scores)>,
    /// The mean of the scores over all classes.
    pub macro_avg: Scores,
    /// The mean of the scores over all classes, weighted by support.
    pub weighted_avg: Scores,
    /// The names in class order.
    pub class_names: Vec<String>,
    /// The counts, `[truth][prediction]`.
    pub confusion_matrix: Vec<Vec<u64>>,
}

impl Report {
    pub(crate) fn new(matrix: &ConfusionMatrix) -> Self {
        let class_names = matrix.class_names().to_vec();
        Self {
            accuracy: matrix.accuracy(),
            uar: matrix.uar(),
            cohen_kappa: matrix.cohen_kappa(),
            matthews_correlation: matrix.matthews_correlation(),
            classes: class_names.iter().cloned().zip(matrix.class_scores()).collect(),
            macro_avg: matrix.macro_average(),
            weighted_avg: matrix.weighted_average(),
            class_names,
            confusion_matrix: matrix.truth_rows().map(<[u64]>::to_vec).collect(),
        }
    }
}

impl Report {
    /// Says which classes have no sample, and what counts them: one sentence, or nothing where all have some.
    pub fn absent_note(&self) -> Option<String> {
        let absent = self.classes.iter().filter(|(_, scores)| scores.support == 0).map(|(name, _)| name.as_str());
        let absent: Vec<&str> = absent.collect();
        let names = absent.join(", ");
        (!absent.is_empty()).then(|| {
            format!("There is no clip of {names}: 0 in the macro averages, as in scikit-learn, and left out of the unweighted average recall.")
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(2);
        let names = self.class_names.iter().map(|name| name.chars().count());
        let widest = names.chain(["weighted avg".len(), digits]).max();
        // `format!` panics on a width above 65,535.
        let width = widest.unwrap_or(0).min(u16::MAX.into());
        let row = |f: &mut fmt::Formatter<'_>, name: &str, scores: &Scores| {
            let [precision, recall, f1] = [scores.precision, scores.recall, scores.f1].map(|score| match score {
                _ if score.is_nan() => "nan".into(),
                _ => format!("{score:.digits$}"),
            });
            writeln!(f, "{name:>width$}  {precision:>9} {recall:>9} {f1:>9} {:>9}", scores.support)
        };
        writeln!(f, "{:>width$}  {:>9} {:>9} {:>9} {:>9}\n", "", "precision", "recall", "f1-score", "support")?;
        for (name, scores) in &self.classes {
            row(f, name, scores)?;
        }
        writeln!(
            f,
            "\n{:>width$}  {:>9} {:>9} {:>9.digits$} {:>9}",
            "accuracy", "", "", self.accuracy, self.macro_avg.support
        )?;
        row(f, "macro avg", &self.macro_avg)?;
        row(f, "weighted avg", &self.weighted_avg)
    }
}

fn as_map<S: Serializer>(classes: &[(String, Scores)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(classes.len()))?;
    for (name, scores) in classes {
        map.serialize_entry(name, scores)?;
    }
    map.end()
}
