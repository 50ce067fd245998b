use std::ops::Range;

/// A sum of products of small matrices, with the result in registers until the last term: what a convolution over frames
/// and bins is, one term for each row of its kernel.
///
/// Row `i` of the result is the sum over the terms `[l, r]` and over `k` of `left[rows[i] + l + k * left_step]` times the
/// `columns` values of `right` from `r + k * right_step` on. Nothing is copied or packed: with few channels that would take as
/// long as the products do. Without AVX-512 the right operand is, where many rows share more products than a first-level
/// cache holds, or where all columns fill no vector.
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

/// Values in a vector of AVX-512.
pub(super) const LANES: usize = 16;
/// Rows whose sums are in its registers together.
const ROWS: usize = 8;
/// Values in a vector of machines without AVX-512.
const SHORT_LANES: usize = 8;
/// Products whose right operands, two such vectors each, are copied together: to half of a first-level cache.
const PACKED: usize = 256;
/// Rows that are worth the copy.
const PACKED_ROWS: usize = 128;

#[inline(always)]
fn multiply_add<const FUSED: bool>(x: f32, y: f32, sum: f32) -> f32 {
    if FUSED { x.mul_add(y, sum) } else { x * y + sum }
}

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
        // SAFETY: `check` has passed.
        #[allow(unsafe_code, reason = "the inner loop reads by pointers")]
        unsafe {
            self.sum_short(rows, output, accumulate);
        }
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

    /// Sums with vectors of eight, which the compiler makes of loops: with AVX2 where the machine has it.
    ///
    /// # Safety
    /// [`Self::check`] must have passed.
    #[allow(unsafe_code, reason = "the inner loop reads by pointers")]
    unsafe fn sum_short(&self, rows: &[Row], output: &mut [f32], accumulate: bool) {
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx2,fma")]
            unsafe fn with_avx2(terms: &Terms, rows: &[Row], output: &mut [f32], accumulate: bool) {
                // SAFETY: as the outer function's.
                unsafe { terms.sum_panels::<true>(rows, output, accumulate) }
            }
            if super::vectors::has_avx2() {
                // SAFETY: as this function's, and the machine has the instructions: it was asked.
                return unsafe { with_avx2(self, rows, output, accumulate) };
            }
        }
        // SAFETY: as this function's.
        unsafe { self.sum_panels::<{ cfg!(target_arch = "aarch64") }>(rows, output, accumulate) }
    }

    /// `FUSED`: a product and its sum are rounded once, as by AVX-512. Without such an instruction that would be a call.
    ///
    /// # Safety
    /// As [`Self::sum_short`]'s.
    #[inline(always)]
    #[allow(unsafe_code, reason = "the inner loop reads by pointers")]
    unsafe fn sum_panels<const FUSED: bool>(&self, rows: &[Row], output: &mut [f32], accumulate: bool) {
        let mut column = 0;
        while column < self.columns {
            // SAFETY: as this function's; the columns are there.
            unsafe {
                match (self.columns - column) / SHORT_LANES {
                    0 => return self.sum_last::<FUSED>(rows, column, output, accumulate),
                    1 => {
                        self.sum_panel::<8, 1, FUSED>(rows, column, output, accumulate);
                        column += SHORT_LANES;
                    }
                    _ => {
                        if rows.len() >= PACKED_ROWS && self.starts.len() * self.inner > 2 * PACKED {
                            self.sum_packed::<FUSED>(rows, column, output, accumulate);
                        } else {
                            self.sum_panel::<6, 2, FUSED>(rows, column, output, accumulate);
                        }
                        column += 2 * SHORT_LANES;
                    }
                }
            }
        }
    }

    /// Sums two vectors of columns, some products of all rows after the other, whose right operands are copied together first:
    /// where columns are many, those of one vector share few places of a cache.
    ///
    /// # Safety
    /// As [`Self::sum_panel`]'s, and there are products.
    #[inline(always)]
    #[allow(unsafe_code, reason = "the inner loop reads by pointers")]
    unsafe fn sum_packed<const FUSED: bool>(
        &self,
        rows: &[Row],
        column: usize,
        output: &mut [f32],
        mut accumulate: bool,
    ) {
        let mut block = Block::<{ 2 * SHORT_LANES }>::EMPTY;
        for (terms, first, inner) in self.blocks() {
            block.fill(self, terms, first..first + inner, column);
            let block = block.terms(self, inner, terms.len());
            // SAFETY: as `Block::terms` has it.
            unsafe { block.sum_panel::<6, 2, FUSED>(rows, 0, &mut output[column..], accumulate) };
            accumulate = true;
        }
    }

    /// Terms, and the first and the number of their products, that a block holds.
    fn blocks(&self) -> impl Iterator<Item = (&[[usize; 2]], usize, usize)> {
        let longest = self.inner.clamp(1, PACKED);
        let of_terms = move |terms| {
            (0..self.inner).step_by(longest).map(move |first| (terms, first, longest.min(self.inner - first)))
        };
        self.starts.chunks(PACKED / longest).flat_map(of_terms)
    }

    /// Sums `V` vectors of columns, `M` rows at a time.
    ///
    /// # Safety
    /// As [`Self::sum_short`]'s, and there are `V` vectors of columns from `column` on.
    #[inline(always)]
    #[allow(unsafe_code, reason = "the inner loop reads by pointers")]
    unsafe fn sum_panel<const M: usize, const V: usize, const FUSED: bool>(
        &self,
        rows: &[Row],
        column: usize,
        output: &mut [f32],
        accumulate: bool,
    ) {
        let (tiles, rest) = rows.as_chunks::<M>();
        let (fours, rest) = rest.as_chunks::<4>();
        let (pairs, rest) = rest.as_chunks::<2>();
        // SAFETY: as this function's.
        unsafe {
            for rows in tiles {
                self.sum_tile::<M, V, FUSED>(rows, column, output, accumulate);
            }
            for rows in fours {
                self.sum_tile::<4, V, FUSED>(rows, column, output, accumulate);
            }
            for rows in pairs {
                self.sum_tile::<2, V, FUSED>(rows, column, output, accumulate);
            }
            for &row in rest {
                self.sum_tile::<1, V, FUSED>(&[row], column, output, accumulate);
            }
        }
    }

    /// Sums the columns from `column` on, which fill no vector: the last of a vector that ends with them, or, where all columns
    /// fill none, one whose right operands are copied together with zeros after them.
    ///
    /// # Safety
    /// As [`Self::sum_short`]'s.
    #[inline(always)]
    #[allow(unsafe_code, reason = "the inner loop reads by pointers")]
    unsafe fn sum_last<const FUSED: bool>(&self, rows: &[Row], column: usize, output: &mut [f32], accumulate: bool) {
        if let Some(first) = self.columns.checked_sub(SHORT_LANES) {
            let last = Terms { right: self.right.get(first..).unwrap_or_default(), columns: SHORT_LANES, ..*self };
            // SAFETY: as this function's: what is left of `right` begins at `first`, and is a vector wide.
            return unsafe { last.sum_aside::<FUSED>(rows, first..self.columns, column, output, accumulate) };
        }
        if !accumulate {
            rows.iter().for_each(|row| output[row[1]..][..self.columns].fill(0.0));
        }
        let mut block = Block::<SHORT_LANES>::EMPTY;
        for (terms, first, inner) in self.blocks() {
            block.fill(self, terms, first..first + inner, 0);
            // SAFETY: as `Block::terms` has it.
            unsafe { block.terms(self, inner, terms.len()).sum_aside::<FUSED>(rows, 0..self.columns, 0, output, true) };
        }
    }

    /// Sums a vector of columns beside `output`, of which it has `columns`, and writes those from `written` on.
    ///
    /// # Safety
    /// As [`Self::sum_short`]'s, and there is one vector of columns.
    #[inline(always)]
    #[allow(unsafe_code, reason = "the inner loop reads by pointers")]
    unsafe fn sum_aside<const FUSED: bool>(
        &self,
        rows: &[Row],
        columns: Range<usize>,
        written: usize,
        output: &mut [f32],
        accumulate: bool,
    ) {
        const TILE: usize = 8;
        for rows in rows.chunks(TILE) {
            let (mut places, mut sums) = ([[0; 2]; TILE], [[0f32; SHORT_LANES]; TILE]);
            for (m, row) in rows.iter().enumerate() {
                places[m] = [row[0], m * SHORT_LANES];
                sums[m][..columns.len()].copy_from_slice(&output[row[1]..][columns.clone()]);
            }
            // SAFETY: as this function's.
            unsafe {
                self.sum_panel::<TILE, 1, FUSED>(&places[..rows.len()], 0, sums.as_flattened_mut(), accumulate);
            }
            for (sums, row) in sums.iter().zip(rows) {
                let sums = &sums[written - columns.start..columns.len()];
                output[row[1]..][written..columns.end].copy_from_slice(sums);
            }
        }
    }

    /// Sums `M` rows and `V` vectors of columns.
    ///
    /// # Safety
    /// As [`Self::sum_panel`]'s.
    #[inline(always)]
    #[allow(unsafe_code, reason = "with indices that are checked, or known to the compiler, it is half as fast")]
    #[allow(clippy::needless_range_loop, reason = "loops over registers, which are unrolled")]
    unsafe fn sum_tile<const M: usize, const V: usize, const FUSED: bool>(
        &self,
        rows: &[Row; M],
        column: usize,
        output: &mut [f32],
        accumulate: bool,
    ) {
        let mut sums = [[[0f32; SHORT_LANES]; V]; M];
        if accumulate {
            for (sums, row) in sums.iter_mut().zip(rows) {
                sums.as_flattened_mut().copy_from_slice(&output[row[1] + column..][..V * SHORT_LANES]);
            }
        }
        for start in self.starts {
            // Without products, a term may begin past the end.
            let left: [*const f32; M] = rows.map(|row| self.left.as_ptr().wrapping_add(row[0] + start[0]));
            let right = self.right.as_ptr().wrapping_add(start[1] + column);
            for k in 0..self.inner {
                // SAFETY: `check` has seen that the places of every product are within the slices.
                unsafe {
                    let right: [[f32; SHORT_LANES]; V] =
                        right.wrapping_add(k * self.right_step).cast::<[_; V]>().read_unaligned();
                    for m in 0..M {
                        let x = *left[m].wrapping_add(k * self.left_step);
                        for v in 0..V {
                            for lane in 0..SHORT_LANES {
                                sums[m][v][lane] = multiply_add::<FUSED>(x, right[v][lane], sums[m][v][lane]);
                            }
                        }
                    }
                }
            }
        }
        for (sums, row) in sums.iter().zip(rows) {
            output[row[1] + column..][..V * SHORT_LANES].copy_from_slice(sums.as_flattened());
        }
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

/// `N` columns of right operands, copied together.
struct Block<const N: usize> {
    right: [[f32; N]; PACKED],
    starts: [[usize; 2]; PACKED],
}

impl<const N: usize> Block<N> {
    const EMPTY: Self = Self { right: [[0.0; N]; PACKED], starts: [[0; 2]; PACKED] };

    /// Copies these products' columns from `column` on, as many as there are.
    fn fill(&mut self, from: &Terms, terms: &[[usize; 2]], products: Range<usize>, column: usize) {
        let width = N.min(from.columns - column);
        let parts = self.right.chunks_exact_mut(products.len()).zip(&mut self.starts);
        for (index, (term, (right, start))) in terms.iter().zip(parts).enumerate() {
            for (k, to) in products.clone().zip(right) {
                to[..width].copy_from_slice(&from.right[term[1] + k * from.right_step + column..][..width]);
            }
            *start = [term[0] + products.start * from.left_step, index * products.len() * N];
        }
    }

    /// The sums over them. Where `from` has passed [`Terms::check`], so would they: `left` is read at some of its places.
    fn terms<'a>(&'a self, from: &Terms<'a>, inner: usize, terms: usize) -> Terms<'a> {
        let (right, starts) = (self.right.as_flattened(), &self.starts[..terms]);
        Terms { left: from.left, left_step: from.left_step, right, right_step: N, starts, inner, columns: N }
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
    fn sums_of_all_instruction_sets_are_those_of_the_definition() {
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
            (13, 39, 4),
            (3, 15, 2),
            (8, 8, 3),
            (7, 24, 6),
            (128, 70, 100),
            (3, 5, 0),
            (140, 3, 300),
            (131, 33, 171),
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
                    terms.check(&rows, output.len());
                    // SAFETY: `check` has passed.
                    #[allow(unsafe_code, reason = "as in `sum`")]
                    unsafe {
                        terms.sum_short(&rows, &mut output, accumulate);
                    }
                    assert_eq!(output, expected, "{n_rows} rows, {columns} columns, {inner} products, short vectors");
                    let mut output = before.clone();
                    // SAFETY: as above.
                    #[allow(unsafe_code, reason = "as in `sum`")]
                    unsafe {
                        terms.sum_panels::<false>(&rows, &mut output, accumulate);
                    }
                    assert_eq!(output, expected, "{n_rows} rows, {columns} columns, {inner} products, any machine");
                }
            }
        }
    }

    /// With AVX2 or AVX-512, each term is added by a fused multiply-add, whatever the vectors' width.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn sums_are_rounded_as_by_scalar_multiply_adds() {
        if !super::super::vectors::has_avx2() {
            return;
        }
        let rounded = |n: usize, step: f32| (0..n).map(|i| (i as f32 * step).sin()).collect::<Vec<f32>>();
        for columns in [3, 8, 15, 24, 39, 48, 70] {
            let (inner, starts) = (11, [[0, 0], [4, 5]]);
            let (left, right) = (rounded(40, 0.7), rounded(inner * columns + 5, 0.3));
            let rows: Vec<Row> = (0..17).map(|i| [i, i * columns]).collect();
            let terms = Terms {
                left: &left,
                left_step: 1,
                right: &right,
                right_step: columns,
                starts: &starts,
                inner,
                columns,
            };
            let mut expected = vec![0f32; rows.len() * columns];
            for (row, column) in rows.iter().flat_map(|row| (0..columns).map(move |column| (row, column))) {
                for (start, k) in starts.iter().flat_map(|start| (0..inner).map(move |k| (start, k))) {
                    let sum = &mut expected[row[1] + column];
                    *sum = left[row[0] + start[0] + k].mul_add(right[start[1] + k * columns + column], *sum);
                }
            }
            let (mut widest, mut short) = (vec![0f32; expected.len()], vec![0f32; expected.len()]);
            terms.sum(&rows, &mut widest, false);
            // SAFETY: `sum` has checked the same places.
            #[allow(unsafe_code, reason = "as in `sum`")]
            unsafe {
                terms.sum_short(&rows, &mut short, false);
            }
            assert_eq!([&widest, &short], [&expected; 2], "{columns} columns");
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
