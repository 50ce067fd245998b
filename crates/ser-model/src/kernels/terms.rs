use super::vectors::vectorised;

/// A sum of products of small matrices, with the result in registers until the last term: what a convolution over frames
/// and bins is, one term for each row of its kernel.
///
/// Row `i` of the result is the sum over the terms `[l, r]` and over `k` of `left[rows[i] + l + k * left_step]` times the
/// `columns` values of `right` from `r + k * right_step` on. Nothing is copied or packed: with few channels that would take as
/// long as the products do.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    pub left: &'a [f32],
    pub left_step: usize,
    pub right: &'a [f32],
    pub right_step: usize,
    /// Where each term begins in `left` (from the row's own place) and in `right`.
    pub starts: &'a [[usize; 2]],
    /// Products in each term.
    pub inner: usize,
    pub columns: usize,
}

/// A row of the result: its place in `left`, and in the output.
pub(crate) type Row = [usize; 2];

/// Values in a vector.
pub(super) const LANES: usize = 16;
/// Rows whose sums are in registers together.
const ROWS: usize = 8;

impl Terms<'_> {
    /// Writes the sums to the rows of `output`, or adds them to what is there.
    ///
    /// Runs on the calling thread, in an order that depends on the shapes alone.
    ///
    /// # Panics
    /// Places past the end of a slice.
    pub fn sum(self, rows: &[Row], output: &mut [f32], accumulate: bool) {
        if rows.is_empty() || self.columns == 0 {
            return;
        }
        self.check(rows, output.len());
        #[cfg(target_arch = "x86_64")]
        if super::vectors::has_avx512() {
            // The machine has the instructions, and `check` has seen that every place is within its slice.
            #[allow(unsafe_code, reason = "AVX-512 loads and stores take pointers")]
            unsafe {
                self.sum_avx512(rows, output, accumulate);
            }
            return;
        }
        self.sum_portable(rows, output, accumulate);
    }

    fn check(&self, rows: &[Row], outputs: usize) {
        let greatest = |of: usize| rows.iter().map(|row| row[of]).max().unwrap_or(0);
        let (left, output) = (greatest(0), greatest(1));
        assert!(output + self.columns <= outputs, "a row past the output");
        if self.inner > 0 {
            let last = self.inner - 1;
            for start in self.starts {
                assert!(left + start[0] + last * self.left_step < self.left.len(), "a term past the left operand");
                let end = start[1] + last * self.right_step + self.columns;
                assert!(end <= self.right.len(), "a term past the right operand");
            }
        }
    }

    fn sum_portable(self, rows: &[Row], output: &mut [f32], accumulate: bool) {
        vectorised(|| {
            for column in (0..self.columns).step_by(LANES) {
                let width = LANES.min(self.columns - column);
                for row in rows {
                    let output = &mut output[row[1] + column..][..width];
                    let mut sums = [0f32; LANES];
                    if accumulate {
                        sums[..width].copy_from_slice(output);
                    }
                    for start in self.starts {
                        for k in 0..self.inner {
                            let x = self.left[row[0] + start[0] + k * self.left_step];
                            let right = &self.right[start[1] + k * self.right_step + column..][..width];
                            sums.iter_mut().zip(right).for_each(|(sum, y)| *sum += x * y);
                        }
                    }
                    output.copy_from_slice(&sums[..width]);
                }
            }
        });
    }

    /// # Safety
    /// The machine must have AVX-512, and [`Self::check`] must have passed.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,fma")]
    #[allow(unsafe_code, reason = "AVX-512 loads and stores take pointers")]
    unsafe fn sum_avx512(&self, rows: &[Row], output: &mut [f32], accumulate: bool) {
        let mut column = 0;
        while column < self.columns {
            let vectors = (self.columns - column).div_ceil(LANES);
            // As many vectors as leave registers for eight rows, and no narrow rest.
            let vectors = match vectors {
                3 | 5.. => 3,
                2 | 4 => 2,
                _ => 1,
            };
            // SAFETY: as this function's; the panels divide the columns.
            unsafe {
                match vectors {
                    3 => self.panel::<3>(rows, column, output, accumulate),
                    2 => self.panel::<2>(rows, column, output, accumulate),
                    _ => self.panel::<1>(rows, column, output, accumulate),
                }
            }
            column += vectors * LANES;
        }
    }

    /// # Safety
    /// As [`Self::sum_avx512`]'s.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,fma")]
    #[allow(unsafe_code, reason = "AVX-512 loads and stores take pointers")]
    unsafe fn panel<const V: usize>(&self, rows: &[Row], column: usize, output: &mut [f32], accumulate: bool) {
        let mut tiles = rows.chunks_exact(ROWS);
        // SAFETY: as this function's.
        unsafe {
            for tile in &mut tiles {
                self.tile::<ROWS, V>(tile, column, output, accumulate);
            }
            let mut rest = tiles.remainder();
            if rest.len() >= 4 {
                self.tile::<4, V>(&rest[..4], column, output, accumulate);
                rest = &rest[4..];
            }
            if rest.len() >= 2 {
                self.tile::<2, V>(&rest[..2], column, output, accumulate);
                rest = &rest[2..];
            }
            if !rest.is_empty() {
                self.tile::<1, V>(rest, column, output, accumulate);
            }
        }
    }

    /// Sums `M` rows and `V` vectors of columns; the last vector may go past the last column, which is masked.
    ///
    /// # Safety
    /// As [`Self::sum_avx512`]'s, and there are `M` rows.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,fma")]
    #[inline]
    #[allow(unsafe_code, reason = "AVX-512 loads and stores take pointers")]
    #[allow(clippy::needless_range_loop, reason = "loops over registers, which are unrolled")]
    unsafe fn tile<const M: usize, const V: usize>(
        &self,
        rows: &[Row],
        column: usize,
        output: &mut [f32],
        accumulate: bool,
    ) {
        use std::arch::x86_64::*;
        let in_last = (self.columns - column - (V - 1) * LANES).min(LANES);
        let mask: __mmask16 = (u16::MAX) >> (LANES - in_last);
        let mask = |v: usize| if v + 1 == V { mask } else { u16::MAX };
        let mut sums = [[_mm512_setzero_ps(); V]; M];
        let mut left = [self.left.as_ptr(); M];
        // SAFETY: `check` has seen that every place that is read or written is within its slice; masked lanes are not touched.
        unsafe {
            for m in 0..M {
                left[m] = left[m].add(rows[m][0]);
                if accumulate {
                    for v in 0..V {
                        let from = output.as_ptr().add(rows[m][1] + column + v * LANES);
                        sums[m][v] = _mm512_maskz_loadu_ps(mask(v), from);
                    }
                }
            }
            for start in self.starts {
                let mut at = start[0];
                // Without terms, it may begin past the end.
                let mut right = self.right.as_ptr().wrapping_add(start[1] + column);
                for _ in 0..self.inner {
                    let mut factors = [_mm512_setzero_ps(); V];
                    for v in 0..V {
                        factors[v] = _mm512_maskz_loadu_ps(mask(v), right.add(v * LANES));
                    }
                    for m in 0..M {
                        let x = _mm512_set1_ps(*left[m].add(at));
                        for v in 0..V {
                            sums[m][v] = _mm512_fmadd_ps(x, factors[v], sums[m][v]);
                        }
                    }
                    at += self.left_step;
                    right = right.wrapping_add(self.right_step);
                }
            }
            for m in 0..M {
                for v in 0..V {
                    let to = output.as_mut_ptr().add(rows[m][1] + column + v * LANES);
                    _mm512_mask_storeu_ps(to, mask(v), sums[m][v]);
                }
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
    fn sums_of_both_instruction_sets_are_those_of_the_definition() {
        for (n_rows, columns, inner) in [
            (1, 1, 1),
            (3, 5, 4),
            (8, 16, 3),
            (9, 17, 2),
            (15, 32, 5),
            (17, 48, 3),
            (6, 70, 9),
            (24, 96, 2),
            (5, 128, 0),
        ] {
            for (left_step, gap) in [(1, 0), (3, 2)] {
                let starts = [[0, 0], [7, columns], [2, 3]];
                let right_step = columns + gap;
                let left = values(2 * n_rows + 9 + inner * left_step, 5);
                let right = values((inner + 2) * right_step + 3, 7);
                let rows: Vec<Row> = (0..n_rows).map(|i| [2 * i, (n_rows - 1 - i) * (columns + 1)]).collect();
                let terms =
                    Terms { left: &left, left_step, right: &right, right_step, starts: &starts, inner, columns };
                let before = values(n_rows * (columns + 1), 3);
                for accumulate in [false, true] {
                    let mut expected = before.clone();
                    for row in &rows {
                        for column in 0..columns {
                            let out = &mut expected[row[1] + column];
                            *out *= f32::from(u8::from(accumulate));
                            for start in starts {
                                for k in 0..inner {
                                    *out += left[row[0] + start[0] + k * left_step]
                                        * right[start[1] + k * right_step + column];
                                }
                            }
                        }
                    }
                    let mut output = before.clone();
                    terms.sum(&rows, &mut output, accumulate);
                    assert_eq!(output, expected, "{n_rows} rows, {columns} columns, {inner} products");
                    let mut output = before.clone();
                    terms.sum_portable(&rows, &mut output, accumulate);
                    assert_eq!(output, expected, "{n_rows} rows, {columns} columns, {inner} products, portable");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "a term past the right operand")]
    fn a_term_past_its_values_is_refused() {
        let terms = Terms {
            left: &[1.0; 4],
            left_step: 1,
            right: &[1.0; 7],
            right_step: 2,
            starts: &[[0, 0]],
            inner: 4,
            columns: 2,
        };
        terms.sum(&[[0, 0]], &mut [0.0; 2], false);
    }
}
