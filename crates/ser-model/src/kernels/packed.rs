use super::terms::{LANES, Row, Terms};

/// Columns that are multiplied together: as many vectors as leave registers for eight rows.
const PANEL: usize = 3 * LANES;

/// Rows that are multiplied with all panels, one after the other: with some hundred values each they stay in a core's own cache.
const BLOCK: usize = 64;

/// The right operand of many products, laid out once as panels of columns: a product of few rows reads each panel from its
/// beginning to its end.
#[derive(Default)]
pub(crate) struct PackedMatrix {
    memory: Vec<f32>,
    /// Where the panels begin in the memory: at a cache line.
    start: usize,
    inner: usize,
    columns: usize,
}

impl PackedMatrix {
    /// Lays out `[inner, columns]`.
    pub fn pack(&mut self, values: &[f32], columns: usize) {
        self.resize(values.len(), columns);
        for (k, row) in values.chunks_exact(columns).enumerate() {
            for (panel, part) in row.chunks(PANEL).enumerate() {
                let at = self.start + panel * PANEL * self.inner + k * part.len();
                self.memory[at..][..part.len()].copy_from_slice(part);
            }
        }
    }

    /// Lays out the transposed matrix of `[columns, inner]`.
    pub fn pack_transposed(&mut self, values: &[f32], columns: usize) {
        self.resize(values.len(), columns);
        for first in (0..columns).step_by(PANEL) {
            let width = PANEL.min(columns - first);
            let panel = &mut self.memory[self.start + first * self.inner..][..width * self.inner];
            for (column, row) in values[first * self.inner..].chunks_exact(self.inner).take(width).enumerate() {
                row.iter().zip(panel[column..].iter_mut().step_by(width)).for_each(|(&value, to)| *to = value);
            }
        }
    }

    fn resize(&mut self, len: usize, columns: usize) {
        (self.inner, self.columns) = (len / columns, columns);
        self.memory.resize(len + LANES, 0.0);
        self.start = self.memory.as_ptr().align_offset(64).min(LANES);
    }

    /// Writes the products of rows of `left`, or adds them to what is there.
    ///
    /// # Panics
    /// Places past the end of a slice.
    pub fn multiply(&self, left: &[f32], rows: &[Row], output: &mut [f32], accumulate: bool) {
        for rows in rows.chunks(BLOCK) {
            for first in (0..self.columns).step_by(PANEL) {
                let width = PANEL.min(self.columns - first);
                let terms = Terms {
                    left,
                    left_step: 1,
                    right: &self.memory[self.start + first * self.inner..][..width * self.inner],
                    right_step: width,
                    starts: &[[0, 0]],
                    inner: self.inner,
                    columns: width,
                };
                terms.sum(rows, &mut output[first..], accumulate);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Multiples of 1/8 up to 1: their products and sums are exact in f32.
    fn values(n: usize, step: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * step % 17) as f32 - 8.0) / 8.0).collect()
    }

    #[test]
    fn products_are_those_of_the_definition() {
        for (n, inner, columns) in [(1, 1, 1), (9, 5, 48), (70, 7, 100), (3, 20, 512), (8, 3, 33)] {
            let (x, w) = (values(n * (inner + 2), 5), values(inner * columns, 7));
            let rows: Vec<Row> = (0..n).map(|i| [(n - 1 - i) * (inner + 2), i * columns]).collect();
            let mut expected = vec![0f32; n * columns];
            for row in &rows {
                for (k, w) in w.chunks_exact(columns).enumerate() {
                    let x = x[row[0] + k];
                    let outputs = expected[row[1]..].iter_mut().zip(w);
                    outputs.for_each(|(y, w)| *y += x * w);
                }
            }
            let transposed: Vec<f32> = (0..columns).flat_map(|c| w.iter().skip(c).step_by(columns).copied()).collect();
            let (mut straight, mut turned) = (PackedMatrix::default(), PackedMatrix::default());
            straight.pack(&w, columns);
            turned.pack_transposed(&transposed, columns);
            for packed in [straight, turned] {
                let mut output = vec![f32::NAN; n * columns];
                packed.multiply(&x, &rows, &mut output, false);
                assert_eq!(output, expected, "{n} {inner} {columns}");
                packed.multiply(&x, &rows, &mut output, true);
                assert_eq!(output, expected.iter().map(|y| 2.0 * y).collect::<Vec<_>>(), "{n} {inner} {columns}");
            }
        }
    }
}
