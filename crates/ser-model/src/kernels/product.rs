/// A matrix to read from: entry `(i, j)` is value `i * row_stride + j * column_stride`. Rows may overlap, which is what
/// makes an unfolded convolution input a matrix without a copy.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Rows that follow each other.
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        Self::with_row_stride(values, rows, columns, columns)
    }

    /// Rows of consecutive values, one beginning every `row_stride` values.
    pub fn with_row_stride(values: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        Self { values, rows, columns, row_stride, column_stride: 1 }
    }

    /// Rows for columns.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// One more than the greatest index of an entry.
    fn extent(self) -> Option<usize> {
        let last_row = self.rows.checked_sub(1)?.checked_mul(self.row_stride)?;
        let last_column = self.columns.checked_sub(1)?.checked_mul(self.column_stride)?;
        last_row.checked_add(last_column)?.checked_add(1)
    }
}

/// Writes `left · right` to the row-major `output`, or adds it to what is there.
///
/// Runs on the calling thread, and sums in an order that depends on the shapes alone.
///
/// # Panics
/// Shapes that do not fit each other, the output or the values behind them.
pub fn multiply(left: Matrix, right: Matrix, output: &mut [f32], accumulate: bool) {
    let (rows, inner, columns) = (left.rows, left.columns, right.columns);
    assert_eq!(inner, right.rows, "inner dimensions of a product");
    assert_eq!(Some(output.len()), rows.checked_mul(columns), "length of a product");
    if rows == 0 || columns == 0 {
        return;
    }
    if inner == 0 {
        if !accumulate {
            output.fill(0.0);
        }
        return;
    }
    for operand in [left, right] {
        assert!(operand.extent().is_some_and(|extent| extent <= operand.values.len()), "a matrix past its values");
    }
    // Safe code cannot do it: ndarray's product, over `matrixmultiply`, accepts these strides but has no AVX-512 kernel.
    // The assertions above are the whole contract of `gemm`: every index it forms is within its slice (strides and sizes
    // are below `isize::MAX`, since slices are), the output is borrowed exclusively and its entries do not overlap.
    #[allow(unsafe_code, reason = "gemm takes pointers")]
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            output.as_mut_ptr(),
            1,
            columns as isize,
            accumulate,
            left.values.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.values.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// The vector instructions that matrix products use on this machine.
pub fn instruction_set() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            return "AVX-512";
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return "AVX2 with FMA";
        }
        "scalar"
    }
    #[cfg(target_arch = "aarch64")]
    {
        "NEON"
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        "scalar"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naive(left: Matrix, right: Matrix) -> Vec<f32> {
        let at = |m: Matrix, i, j| m.values[i * m.row_stride + j * m.column_stride];
        let entry = |i, j| (0..left.columns).map(|k| at(left, i, k) * at(right, k, j)).sum();
        (0..left.rows).flat_map(|i| (0..right.columns).map(move |j| (i, j))).map(|(i, j)| entry(i, j)).collect()
    }

    /// Multiples of 1/8 up to 1: their products and sums are exact in f32.
    fn values(n: usize, step: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * step % 17) as f32 - 8.0) / 8.0).collect()
    }

    #[test]
    fn products_of_overlapping_and_transposed_matrices_are_those_of_the_definition() {
        for (rows, inner, columns) in [(1, 1, 1), (7, 5, 3), (33, 18, 17), (70, 40, 65), (129, 3, 130)] {
            for row_stride in [1, 2, inner] {
                let (x, y) = (values((rows - 1) * row_stride + inner, 5), values(inner * columns, 7));
                let left = Matrix::with_row_stride(&x, rows, inner, row_stride);
                let right = Matrix::new(&y, inner, columns);
                let expected = naive(left, right);
                let mut output = vec![f32::NAN; rows * columns];
                multiply(left, right, &mut output, false);
                assert_eq!(output, expected, "{rows} {inner} {columns} {row_stride}");
                multiply(left, right, &mut output, true);
                assert_eq!(output, expected.iter().map(|v| 2.0 * v).collect::<Vec<_>>());

                let g = values(rows * columns, 11);
                let gradient = Matrix::new(&g, rows, columns);
                let mut output = vec![f32::NAN; inner * columns];
                multiply(left.transposed(), gradient, &mut output, false);
                assert_eq!(output, naive(left.transposed(), gradient));
                let mut output = vec![f32::NAN; rows * inner];
                multiply(gradient, right.transposed(), &mut output, false);
                assert_eq!(output, naive(gradient, right.transposed()));
            }
        }
    }

    #[test]
    fn an_empty_sum_is_zero() {
        let mut output = [3.0; 4];
        multiply(Matrix::new(&[], 2, 0), Matrix::new(&[], 0, 2), &mut output, true);
        assert_eq!(output, [3.0; 4]);
        multiply(Matrix::new(&[], 2, 0), Matrix::new(&[], 0, 2), &mut output, false);
        assert_eq!(output, [0.0; 4]);
    }

    #[test]
    #[should_panic(expected = "a matrix past its values")]
    fn a_matrix_past_its_values_is_refused() {
        multiply(Matrix::with_row_stride(&[1.0; 5], 3, 2, 2), Matrix::new(&[1.0; 2], 2, 1), &mut [0.0; 3], false);
    }
}
