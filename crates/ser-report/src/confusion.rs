use ser_metrics::ConfusionMatrix;

use crate::Figure;
use crate::axis::{HALF_TEXT, with_thousands};
use crate::chart::MARGIN;
use crate::svg::{Anchor, Drawing, shortened, text_width};

/// Names wider than this are shortened.
const WIDEST_NAME: f64 = 140.0;
/// Names under the columns rise at this angle where they are wider than a column.
const DEGREES: f64 = 40.0;

/// Draws a confusion matrix: rows are the truth, columns the prediction; each cell has its count and its share of the row, the
/// recall on the diagonal. Long names are cut; the description has them whole.
pub fn confusion_matrix(title: &str, matrix: &ConfusionMatrix) -> Figure {
    let names: Vec<String> = matrix.class_names().iter().map(|name| shortened(name, WIDEST_NAME)).collect();
    let widest = names.iter().map(|name| text_width(name)).fold(0.0, f64::max);
    let classes = names.len() as f64;
    let cell = (560.0 / classes).clamp(46.0, 76.0);
    let [left, top] = [MARGIN + 22.0 + widest + 10.0, 6.0];
    let side = cell * classes;
    let bottom = top + side;
    let mut drawing = Drawing::default();

    let mut descriptions = Vec::new();
    for (truth, row) in matrix.truth_rows().enumerate() {
        let support: u64 = row.iter().sum();
        let y = top + cell * truth as f64;
        for (prediction, &count) in row.iter().enumerate() {
            let x = left + cell * prediction as f64;
            let share = if support == 0 { 0.0 } else { count as f64 / support as f64 };
            drawing.heat(share, [x, y], [cell, cell]);
            let middle = [x + cell / 2.0, y + cell / 2.0];
            let text = with_thousands(count as f64, 0);
            drawing.text("", Anchor::Middle, [middle[0], middle[1] - 2.0], &text);
            // A row without a clip has no shares.
            let percent = if support == 0 { "–".into() } else { format!("{:.0} %", 100.0 * share) };
            drawing.text("small", Anchor::Middle, [middle[0], middle[1] + 13.0], &percent);
        }
        drawing.text("", Anchor::End, [left - 10.0, y + cell / 2.0 + HALF_TEXT], &names[truth]);
        let counts = matrix.class_names().iter().zip(row).filter(|(_, count)| **count > 0);
        let counts: Vec<String> = counts.map(|(name, count)| format!("{count} as {name}")).collect();
        let counts = if counts.is_empty() { "no clip".into() } else { counts.join(", ") };
        descriptions.push(format!("Truly {}: {counts}.", matrix.class_names()[truth]));
    }
    for line in 0..=names.len() {
        let offset = cell * line as f64;
        drawing.line("grid", [left, top + offset], [left + side, top + offset]);
        drawing.line("grid", [left + offset, top], [left + offset, bottom]);
    }
    let is_turned = widest > cell - 4.0;
    for (index, name) in names.iter().enumerate() {
        let x = left + cell * (index as f64 + 0.5);
        if is_turned {
            drawing.turned_text("", Anchor::End, [x + 4.0, bottom + 16.0], -DEGREES, name);
        } else {
            drawing.text("", Anchor::Middle, [x, bottom + 18.0], name);
        }
    }
    let label = bottom + if is_turned { 26.0 + widest * DEGREES.to_radians().sin() + 14.0 } else { 40.0 };
    drawing.text("label", Anchor::Middle, [left + side / 2.0, label], "Prediction");
    drawing.turned_text("label", Anchor::Middle, [MARGIN + 8.0, top + side / 2.0], -90.0, "Truth");
    Figure::new(title, descriptions.join(" "), [left + side + MARGIN, label + 10.0], drawing)
}
