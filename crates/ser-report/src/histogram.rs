use crate::axis::{Axis, with_thousands};
use crate::chart::{AXIS_HEIGHT, LEFT, MARGIN, WIDTH, draw_frame};
use crate::error::{finite, not_empty};
use crate::svg::Drawing;
use crate::{Error, Figure};

/// Draws how often values occur, in bins of equal width whose number grows with the square root of the number of values.
///
/// # Errors
///
/// If there is no value or one is not finite.
pub fn histogram(title: &str, label: &str, values: &[f64]) -> Result<Figure, Error> {
    not_empty("values", values)?;
    let mut sorted = values.to_vec();
    sorted.iter().try_for_each(|&value| finite("value", value).map(|_| ()))?;
    sorted.sort_by(f64::total_cmp);
    let [low, high] = [sorted[0], sorted[sorted.len() - 1]];
    let median = 0.5 * sorted[(sorted.len() - 1) / 2] + 0.5 * sorted[sorted.len() / 2];

    // At most 60, so that bars are at least 10 pixels wide.
    let bins = if high > low { ((values.len() as f64).sqrt().ceil() as usize).min(60) } else { 1 };
    let mut counts = vec![0_u64; bins];
    for value in values {
        let bin = if high > low { ((value - low) / (high - low) * bins as f64) as usize } else { 0 };
        // The largest value belongs to the last bin.
        counts[bin.min(bins - 1)] += 1;
    }
    let most = counts.iter().max().copied().unwrap_or_default();

    let mut drawing = Drawing::default();
    let x = Axis::linear(label, [low, high], [LEFT, WIDTH - MARGIN]);
    let y = Axis::whole("Count", [0.0, most as f64], [8.0 + 160.0, 8.0]);
    draw_frame(&mut drawing, &x, &y);
    let width = (x.end - x.start) / bins as f64;
    for (bin, &count) in counts.iter().enumerate() {
        let top = y.at(count as f64);
        drawing.rect("bar", [x.start + width * bin as f64 + 0.5, top], [width - 1.0, y.start - top]);
    }
    let [low, high, median] = [low, high, median].map(|value| with_thousands(value, 2));
    let count = with_thousands(values.len() as f64, 0);
    let description = format!("{count} values from {low} to {high}, median {median}.");
    Ok(Figure::new(title, description, [WIDTH, y.start + AXIS_HEIGHT], drawing))
}
