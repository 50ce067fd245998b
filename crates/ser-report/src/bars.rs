use crate::axis::{Axis, HALF_TEXT, with_thousands};
use crate::chart::{AXIS_HEIGHT, MARGIN, Swatch, WIDTH, draw_legend, fill};
use crate::error::{finite, not_empty, same_length};
use crate::svg::{Anchor, Drawing, shortened, text_width};
use crate::{Error, Figure};

/// Names wider than this are shortened.
const WIDEST_NAME: f64 = 190.0;
const BAR: f64 = 15.0;
const ROW_GAP: f64 = 9.0;

/// Holds how many there are of each class, in one corpus or part.
#[derive(Debug, Clone, Copy)]
pub struct CountSeries<'a> {
    /// What was counted in.
    pub name: &'a str,
    /// One count a class.
    pub counts: &'a [u64],
}

/// Draws counts by class as bars, one a series, with the numbers beside them; `unit` says what was counted, such as "Clips".
///
/// # Errors
///
/// If there is no class or no series, if there are more than eight series, or if a series has not one count a class.
///
/// ```
/// use ser_report::{CountSeries, class_counts};
///
/// let train = CountSeries { name: "Training", counts: &[96, 192] };
/// let test = CountSeries { name: "Test", counts: &[24, 48] };
/// let figure = class_counts("Clips by emotion", "Clips", &["neutral", "angry"], &[train, test])?;
/// assert_eq!(figure.description(), "Training: neutral 96, angry 192. Test: neutral 24, angry 48.");
/// # Ok::<(), ser_report::Error>(())
/// ```
pub fn class_counts<N: AsRef<str>>(
    title: &str,
    unit: &str,
    classes: &[N],
    series: &[CountSeries<'_>],
) -> Result<Figure, Error> {
    not_empty("classes", classes)?;
    not_empty("series of counts", series)?;
    if series.len() > 8 {
        let allowed = "at most 8 can be told apart; draw several figures";
        return Err(Error::OutOfRange { what: "number of series", value: series.len() as f64, allowed });
    }
    for series in series {
        same_length("counts of a series", classes.len(), series.counts.len())?;
    }

    let mut drawing = Drawing::default();
    let left = name_width(classes.iter().map(AsRef::as_ref)) + MARGIN + 8.0;
    let largest = series.iter().flat_map(|series| series.counts).max().copied().unwrap_or_default();
    let right = WIDTH - MARGIN - text_width(&with_thousands(largest as f64, 0)) - 8.0;
    let mut top = 4.0;
    if series.len() > 1 {
        let names = series.iter().map(|series| series.name).enumerate();
        top = draw_legend(&mut drawing, names, Swatch::Box, [left, WIDTH - MARGIN, top]) + 4.0;
    }
    let row = BAR * series.len() as f64 + ROW_GAP;
    let bottom = top + row * classes.len() as f64 + ROW_GAP;
    let x = Axis::whole(unit, [0.0, largest as f64], [left, right]);
    x.draw_x_grid(&mut drawing, top, bottom);
    for (index, class) in classes.iter().enumerate() {
        let row_top = top + ROW_GAP + row * index as f64;
        let middle = row_top + BAR * series.len() as f64 / 2.0;
        drawing.text("", Anchor::End, [left - 8.0, middle + HALF_TEXT], &shortened(class.as_ref(), WIDEST_NAME));
        for (number, series) in series.iter().enumerate() {
            let count = series.counts[index] as f64;
            let y = row_top + BAR * number as f64;
            drawing.rect(fill(number), [left, y + 1.0], [x.at(count) - left, BAR - 2.0]);
            let text = with_thousands(count, 0);
            drawing.text("number", Anchor::Start, [x.at(count) + 5.0, y + BAR / 2.0 + HALF_TEXT - 0.5], &text);
        }
    }
    drawing.line("axis", [left, top], [left, bottom]);
    x.draw_x(&mut drawing, bottom);

    let descriptions = series.iter().map(|series| {
        let counts = classes.iter().zip(series.counts).map(|(class, count)| format!("{} {count}", class.as_ref()));
        format!("{}: {}.", series.name, counts.collect::<Vec<_>>().join(", "))
    });
    let description = descriptions.collect::<Vec<_>>().join(" ");
    Ok(Figure::new(title, description, [WIDTH, bottom + AXIS_HEIGHT], drawing))
}

/// Holds the score of one group of speakers or clips.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroupScore<'a> {
    /// The group.
    pub name: &'a str,
    /// Its score.
    pub score: f64,
    /// Lower and upper bound of the score's interval, if it was estimated.
    pub interval: Option<[f64; 2]>,
    /// How many clips the score is of.
    pub clips: u64,
}

/// Draws one bar a group, with its interval as a whisker and the numbers beside it; `overall`, the score of all, is a dashed line.
///
/// # Errors
///
/// If there is no group, a score or a bound is not finite, or a lower bound is above the upper one.
pub fn group_scores(
    title: &str,
    score_label: &str,
    groups: &[GroupScore<'_>],
    overall: Option<f64>,
) -> Result<Figure, Error> {
    not_empty("groups", groups)?;
    let mut range = [0.0_f64, 1.0];
    for group in groups {
        finite("score", group.score)?;
        // A percentile interval need not contain the score.
        let [low, high] = group.interval.unwrap_or([group.score; 2]);
        if low > high {
            let allowed = "at most the upper bound";
            return Err(Error::OutOfRange { what: "lower bound of a score", value: low, allowed });
        }
        range = [range[0].min(finite("lower bound", low)?), range[1].max(finite("upper bound", high)?)];
    }
    if let Some(overall) = overall {
        finite("overall score", overall)?;
        range = [range[0].min(overall), range[1].max(overall)];
    }

    let numbers: Vec<String> = groups
        .iter()
        .map(|group| {
            let interval = group.interval.map(|[low, high]| format!(" [{low:.3}, {high:.3}]")).unwrap_or_default();
            format!("{:.3}{interval}, n = {}", group.score, with_thousands(group.clips as f64, 0))
        })
        .collect();
    let mut drawing = Drawing::default();
    let left = name_width(groups.iter().map(|group| group.name)) + MARGIN + 8.0;
    let widest = numbers.iter().map(|text| text_width(text)).fold(0.0, f64::max);
    let right = WIDTH - MARGIN - widest - 12.0;
    let (row, top) = (26.0, 20.0);
    let bottom = top + row * groups.len() as f64 + 4.0;
    let x = Axis::linear(score_label, range, [left, right]);
    x.draw_x_grid(&mut drawing, top, bottom);
    let zero = x.at(0.0);
    for ((index, group), numbers) in groups.iter().enumerate().zip(&numbers) {
        let middle = top + 4.0 + row * (index as f64 + 0.5);
        drawing.text("", Anchor::End, [left - 8.0, middle + HALF_TEXT], &shortened(group.name, WIDEST_NAME));
        let end = x.at(group.score);
        drawing.rect("bar", [zero.min(end), middle - 8.0], [(end - zero).abs(), 16.0]);
        if let Some([low, high]) = group.interval.map(|interval| interval.map(|bound| x.at(bound))) {
            drawing.line("mark interval", [low, middle], [high, middle]);
            for bound in [low, high] {
                drawing.line("mark", [bound, middle - 5.0], [bound, middle + 5.0]);
            }
        }
        drawing.text("number", Anchor::Start, [right + 12.0, middle + HALF_TEXT], numbers);
    }
    if let Some(overall) = overall {
        let all = x.at(overall);
        drawing.line("dashed", [all, top], [all, bottom]);
        drawing.text("number", Anchor::Middle, [all, top - 6.0], &format!("all: {overall:.3}"));
    }
    drawing.line("axis", [zero, top], [zero, bottom]);
    x.draw_x(&mut drawing, bottom);

    let all = overall.map(|overall| format!("all {overall:.3}; ")).unwrap_or_default();
    let each = groups.iter().zip(&numbers).map(|(group, numbers)| format!("{} {numbers}", group.name));
    let description = format!("{score_label}: {all}{}.", each.collect::<Vec<_>>().join("; "));
    Ok(Figure::new(title, description, [WIDTH, bottom + AXIS_HEIGHT], drawing))
}

fn name_width<'a>(names: impl Iterator<Item = &'a str>) -> f64 {
    names.map(text_width).fold(0.0, f64::max).min(WIDEST_NAME)
}
