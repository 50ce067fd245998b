use crate::axis::Axis;
use crate::chart::{AXIS_HEIGHT, LEFT, MARGIN, Swatch, WIDTH, draw_frame, draw_legend, draw_marker};
use crate::error::{finite, not_empty, same_length};
use crate::svg::Drawing;
use crate::{Error, Figure};

/// Holds points in the plane and their classes.
#[derive(Debug, Clone, Copy)]
pub struct EmbeddingMap<'a, N> {
    /// One point a clip, such as its first two principal components.
    pub points: &'a [[f64; 2]],
    /// The class of each point, an index into the names.
    pub classes: &'a [usize],
    /// The names of the classes.
    pub class_names: &'a [N],
    /// What the axes are, such as "Component 1" and "Component 2".
    pub axes: [&'a str; 2],
}

/// Draws a point a clip, with one colour and shape a class; both axes have one scale, so that distances can be compared.
///
/// # Errors
///
/// If there is no point, one is not finite, points and classes differ in number, or a class has no name.
pub fn embedding_map<N: AsRef<str>>(title: &str, map: &EmbeddingMap<'_, N>) -> Result<Figure, Error> {
    not_empty("points", map.points)?;
    same_length("classes of the points", map.points.len(), map.classes.len())?;
    let mut counts = vec![0; map.class_names.len()];
    for &class in map.classes {
        let what = "class of a point";
        *counts.get_mut(class).ok_or(Error::OutOfRange {
            what,
            value: class as f64,
            allowed: "an index into the names",
        })? += 1;
    }
    let mut low = [f64::INFINITY; 2];
    let mut high = [f64::NEG_INFINITY; 2];
    for point in map.points {
        for axis in 0..2 {
            low[axis] = low[axis].min(finite("coordinate", point[axis])?);
            high[axis] = high[axis].max(point[axis]);
        }
    }
    let middle = [0, 1].map(|axis| (low[axis] + high[axis]) / 2.0);
    let [x_width, y_width] = [0, 1].map(|axis| 1.06 * (high[axis] - low[axis]));
    let (width, tallest) = (WIDTH - LEFT - MARGIN, 520.0);
    // Units a pixel; where all points are one, the plot is one unit wide.
    let scale = (x_width / width).max(y_width / tallest);
    let scale = if scale > 0.0 { scale } else { 1.0 / width };
    let height = (y_width / scale).clamp(160.0, tallest);
    let half = [width * scale / 2.0, height * scale / 2.0];

    let mut drawing = Drawing::default();
    let names = map.class_names.iter().map(AsRef::as_ref).enumerate();
    let top = draw_legend(&mut drawing, names, Swatch::Marker, [LEFT, WIDTH - MARGIN, 2.0]) + 8.0;
    let [x_range, y_range] = [0, 1].map(|axis| [middle[axis] - half[axis], middle[axis] + half[axis]]);
    let x = Axis::linear(map.axes[0], x_range, [LEFT, LEFT + width]);
    let y = Axis::linear(map.axes[1], y_range, [top + height, top]);
    draw_frame(&mut drawing, &x, &y);
    for (point, &class) in map.points.iter().zip(map.classes) {
        draw_marker(&mut drawing, class, [x.at(point[0]), y.at(point[1])]);
    }
    let counts = map.class_names.iter().zip(counts).map(|(name, count)| format!("{} {count}", name.as_ref()));
    let description = format!("{} points: {}.", map.points.len(), counts.collect::<Vec<_>>().join(", "));
    Ok(Figure::new(title, description, [WIDTH, y.start + AXIS_HEIGHT], drawing))
}
