//! What charts of two axes share.

use crate::axis::{Axis, HALF_TEXT};
use crate::svg::{Anchor, Drawing, text_width};

/// Width of figures in pixels.
pub(crate) const WIDTH: f64 = 720.0;
/// Room left of a plot for the numbers and the label of its y axis.
pub(crate) const LEFT: f64 = 76.0;
/// Room around.
pub(crate) const MARGIN: f64 = 16.0;
/// Room for the numbers and the label of an x axis.
pub(crate) const AXIS_HEIGHT: f64 = 48.0;
const LEGEND_LINE: f64 = 22.0;
const SWATCH: f64 = 22.0;

/// Draws the grid and the axes of a plot; what is plotted comes after it.
pub(crate) fn draw_frame(drawing: &mut Drawing, x: &Axis, y: &Axis) {
    x.draw_x_grid(drawing, y.end, y.start);
    y.draw_y(drawing, x.start, x.end);
    x.draw_x(drawing, y.start);
}

/// How a legend shows what a name stands for.
#[derive(Clone, Copy)]
pub(crate) enum Swatch {
    Box,
    Line,
    Marker,
}

/// Draws names with what they look like in lines between `left` and `right`, and returns where it ends below.
pub(crate) fn draw_legend<'a>(
    drawing: &mut Drawing,
    names: impl IntoIterator<Item = (usize, &'a str)>,
    swatch: Swatch,
    [left, right, top]: [f64; 3],
) -> f64 {
    let (mut x, mut y) = (left, top + LEGEND_LINE / 2.0);
    for (index, name) in names {
        let width = SWATCH + 8.0 + text_width(name) + 18.0;
        if x > left && x + width > right {
            (x, y) = (left, y + LEGEND_LINE);
        }
        match swatch {
            Swatch::Box => drawing.rect(fill(index), [x + 4.0, y - 6.0], [12.0, 12.0]),
            Swatch::Line => drawing.line(line(index), [x, y], [x + SWATCH, y]),
            Swatch::Marker => draw_marker(drawing, index, [x + SWATCH / 2.0, y]),
        }
        drawing.text("", Anchor::Start, [x + SWATCH + 6.0, y + HALF_TEXT], name);
        x += width;
    }
    y + LEGEND_LINE / 2.0
}

/// The class of the areas of a series: eight colours.
pub(crate) fn fill(index: usize) -> String {
    format!("fill{}", index % 8 + 1)
}

/// The class of the line of a series: four colours, each with its dashes.
pub(crate) fn line(index: usize) -> String {
    format!("line{}", index % 4 + 1)
}

/// Draws the marker of a class: circle, square, triangle, diamond, cross in turn, so that with eight colours forty classes differ.
pub(crate) fn draw_marker(drawing: &mut Drawing, index: usize, [x, y]: [f64; 2]) {
    let class = format!("outline {}", fill(index));
    let around: &[[f64; 2]] = match index % 5 {
        0 => return drawing.circle(class, [x, y], 4.0),
        1 => &[[-3.6, -3.6], [3.6, -3.6], [3.6, 3.6], [-3.6, 3.6]],
        2 => &[[0.0, -4.6], [4.4, 3.4], [-4.4, 3.4]],
        3 => &[[0.0, -5.0], [4.6, 0.0], [0.0, 5.0], [-4.6, 0.0]],
        _ => &[
            [-1.5, -4.8],
            [1.5, -4.8],
            [1.5, -1.5],
            [4.8, -1.5],
            [4.8, 1.5],
            [1.5, 1.5],
            [1.5, 4.8],
            [-1.5, 4.8],
            [-1.5, 1.5],
            [-4.8, 1.5],
            [-4.8, -1.5],
            [-1.5, -1.5],
        ],
    };
    drawing.path(class, around.iter().map(|[right, down]| [x + right, y + down]), true);
}
