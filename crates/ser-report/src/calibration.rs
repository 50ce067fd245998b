use crate::axis::{Axis, with_thousands};
use crate::chart::{AXIS_HEIGHT, LEFT, MARGIN, draw_frame};
use crate::error::{not_empty, share};
use crate::svg::{Anchor, Drawing};
use crate::{Error, Figure};

const SIDE: f64 = 320.0;
const WIDTH: f64 = LEFT + SIDE + MARGIN;

/// Holds the predictions whose confidence lies between two bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReliabilityBin {
    /// Their mean confidence, 0 to 1.
    pub confidence: f64,
    /// The share of them that is right, 0 to 1.
    pub accuracy: f64,
    /// How many there are.
    pub count: u64,
}

/// Draws how often predictions of each confidence are right, over the number of them: on the diagonal, confidence can be believed.
///
/// Bins without a prediction are left out.
///
/// # Errors
///
/// If no bin has a prediction, or a confidence or accuracy is not in 0 to 1.
pub fn reliability_diagram(title: &str, bins: &[ReliabilityBin]) -> Result<Figure, Error> {
    let bins: Vec<ReliabilityBin> = bins.iter().filter(|bin| bin.count > 0).copied().collect();
    not_empty("bins with a prediction", &bins)?;
    for bin in &bins {
        share("confidence", bin.confidence)?;
        share("accuracy", bin.accuracy)?;
    }

    let mut drawing = Drawing::default();
    let x = Axis::linear("Confidence", [0.0, 1.0], [LEFT, LEFT + SIDE]);
    let y = Axis::linear("Share that is right", [0.0, 1.0], [8.0 + SIDE, 8.0]);
    x.draw_x_grid(&mut drawing, y.end, y.start);
    y.draw_y(&mut drawing, x.start, x.end);
    drawing.line("axis", [x.start, y.start], [x.end, y.start]);
    drawing.line("dashed", [x.start, y.start], [x.end, y.end]);
    let point = |bin: &ReliabilityBin| [x.at(bin.confidence), y.at(bin.accuracy)];
    for bin in &bins {
        // The gap that the calibration error sums.
        drawing.line("gap", point(bin), [x.at(bin.confidence), y.at(bin.confidence)]);
    }
    drawing.path("line1", bins.iter().map(point), false);
    for bin in &bins {
        drawing.circle("outline fill1", point(bin), 4.5);
    }

    let most = bins.iter().map(|bin| bin.count).max().unwrap_or_default();
    let top = y.start + 18.0;
    let counts = Axis::whole("Count", [0.0, most as f64], [top + 64.0, top]);
    draw_frame(&mut drawing, &x, &counts);
    for bin in &bins {
        let height = counts.start - counts.at(bin.count as f64);
        drawing.rect("bar", [x.at(bin.confidence) - 6.0, counts.start - height], [12.0, height]);
    }

    let each = bins
        .iter()
        .map(|bin| format!("at {:.2} {:.2} of {}", bin.confidence, bin.accuracy, with_thousands(bin.count as f64, 0)));
    let description = format!("Share that is right by mean confidence: {}.", each.collect::<Vec<_>>().join(", "));
    Ok(Figure::new(title, description, [WIDTH, counts.start + AXIS_HEIGHT], drawing))
}

/// Draws how the share of wrong answers (risk) falls when only the more confident share (coverage) is answered; `chosen`, if given,
/// is the coverage and the risk at the model's threshold.
///
/// `curve` has a coverage and a risk, each 0 to 1, a point.
///
/// # Errors
///
/// If there is no point, or one is not in 0 to 1.
pub fn risk_coverage(title: &str, curve: &[[f64; 2]], chosen: Option<[f64; 2]>) -> Result<Figure, Error> {
    not_empty("points of the curve", curve)?;
    for [coverage, risk] in curve.iter().chain(&chosen) {
        share("coverage", *coverage)?;
        share("risk", *risk)?;
    }
    let mut points = curve.to_vec();
    points.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let most = points.iter().chain(&chosen).map(|point| point[1]).fold(0.0, f64::max);

    let mut drawing = Drawing::default();
    // The threshold's line of text stands above the plot, where no curve is.
    let top = if chosen.is_some() { 26.0 } else { 8.0 };
    let x = Axis::linear("Coverage (share answered)", [0.0, 1.0], [LEFT, LEFT + SIDE]);
    let y = Axis::linear("Risk (share wrong of these)", [0.0, 1.1 * most], [top + 240.0, top]);
    draw_frame(&mut drawing, &x, &y);
    let place = |&[coverage, risk]: &[f64; 2]| [x.at(coverage), y.at(risk)];
    drawing.path("line1", points.iter().map(place), false);
    let mut description = match &points[..] {
        [first, .., last] => format!(
            "Risk from {:.3} at coverage {:.2} to {:.3} at coverage {:.2}.",
            first[1], first[0], last[1], last[0]
        ),
        _ => format!("Risk {:.3} at coverage {:.2}.", points[0][1], points[0][0]),
    };
    if let Some(chosen) = chosen {
        let [right, up] = place(&chosen);
        drawing.line("dashed", [right, y.start], [right, up]);
        drawing.line("dashed", [x.start, up], [right, up]);
        drawing.circle("outline fill5", [right, up], 5.0);
        let [coverage, risk] = chosen;
        let text = format!("threshold: {coverage:.2} answered, {risk:.3} wrong");
        drawing.text("number", Anchor::End, [x.end, top - 10.0], &text);
        description.push_str(&format!(" The threshold answers {coverage:.2} with risk {risk:.3}."));
    }
    Ok(Figure::new(title, description, [WIDTH, y.start + AXIS_HEIGHT], drawing))
}
