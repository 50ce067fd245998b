use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

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

/// Projects rows of numbers onto their first two principal components, scikit-learn's `PCA(n_components=2)`: centred, not
/// scaled; of each component, the coefficient with the largest magnitude is positive. Rows of one number have 0 for the second.
///
/// # Errors
///
/// If there is no row or column, or a number is not finite.
///
/// ```
/// let rows = ndarray::array![[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]];
/// let points = ser_report::principal_components(rows.view())?;
/// assert!((points[2][0] - 2_f64.sqrt()).abs() < 1e-12 && points[2][1].abs() < 1e-12);
/// # Ok::<(), ser_report::Error>(())
/// ```
pub fn principal_components(rows: ArrayView2<'_, f64>) -> Result<Vec<[f64; 2]>, Error> {
    let mean = rows.mean_axis(ndarray::Axis(0)).filter(|mean| !mean.is_empty()).ok_or(Error::Empty { what: "rows" })?;
    mean.iter().try_for_each(|&mean| finite("a number of a row", mean).map(|_| ()))?;
    let centred = &rows - &mean;
    let components = leading_eigenvectors(centred.t().dot(&centred));
    let project = |row: ArrayView1<'_, f64>| components.each_ref().map(|component| row.dot(component));
    Ok(centred.rows().into_iter().map(project).collect())
}

/// Returns the eigenvectors of the two largest eigenvalues of a symmetric matrix, found by Jacobi's rotations; the second is
/// zero for a matrix of one row.
fn leading_eigenvectors(mut matrix: Array2<f64>) -> [Array1<f64>; 2] {
    let n = matrix.nrows();
    let mut vectors = Array2::eye(n);
    let scale = matrix.diag().sum();
    // Each sweep squares what is left off the diagonal: ten are more than enough for f64.
    for _ in 0..30 {
        for p in 0..n {
            for q in p + 1..n {
                let off = matrix[[p, q]];
                if off.abs() <= 1e-18 * scale {
                    continue;
                }
                let theta = (matrix[[q, q]] - matrix[[p, p]]) / (2.0 * off);
                let tangent = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let cosine = tangent.hypot(1.0).recip();
                let sine = tangent * cosine;
                let rotate = |a: &mut f64, b: &mut f64| (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
                for k in 0..n {
                    let [mut a, mut b] = [matrix[[k, p]], matrix[[k, q]]];
                    rotate(&mut a, &mut b);
                    [matrix[[k, p]], matrix[[k, q]]] = [a, b];
                }
                for k in 0..n {
                    let [mut a, mut b] = [matrix[[p, k]], matrix[[q, k]]];
                    rotate(&mut a, &mut b);
                    [matrix[[p, k]], matrix[[q, k]]] = [a, b];
                    let [mut a, mut b] = [vectors[[k, p]], vectors[[k, q]]];
                    rotate(&mut a, &mut b);
                    [vectors[[k, p]], vectors[[k, q]]] = [a, b];
                }
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| matrix[[b, b]].total_cmp(&matrix[[a, a]]));
    [0, 1].map(|component| {
        let Some(&index) = order.get(component) else { return Array1::zeros(n) };
        let vector = vectors.column(index).to_owned();
        let largest = vector.iter().fold(0.0_f64, |largest, &x| if x.abs() > largest.abs() { x } else { largest });
        if largest < 0.0 { -vector } else { vector }
    })
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
