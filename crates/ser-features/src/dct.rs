//! The discrete cosine transform.

use std::f64::consts::PI;

use crate::Error;

/// A planned orthonormal DCT-II that keeps the first coefficients.
///
/// Coefficient `k` of `N` inputs is `s Σ x[n] cos(πk(2n + 1) / 2N)` with `s = √(1/N)` for `k = 0`, else `√(2/N)`:
/// `scipy.fft.dct(x, type=2, norm="ortho")[:n_output]`.
///
/// ```
/// let dct = ser_features::Dct::new(4, 2)?;
/// let coefficients = dct.process(&[3.0; 4])?;
/// assert!((coefficients[0] - 6.0).abs() < 1e-6 && coefficients[1].abs() < 1e-6);
/// # Ok::<(), ser_features::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Dct {
    n_input: usize,
    n_output: usize,
    /// For every `LANES` coefficients, the last of them filled up with zeros, `n_input` rows of weights.
    blocks: Vec<[f32; LANES]>,
}

/// Coefficients that are summed side by side: several vector registers of them, as one addition waits for the one before.
const LANES: usize = 32;

/// Inputs that are summed apart: the roundings of one long sum of decibels of one sign would show in the cepstrum.
const PARTIAL: usize = 16;

/// The longest input: its full matrix takes 64 MiB.
const MAX_INPUT: usize = 4096;

impl Dct {
    /// Plans the first `n_output` coefficients (1 to `n_input`) of `n_input` values (1 to 4096).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] where a length is out of its range.
    pub fn new(n_input: usize, n_output: usize) -> Result<Self, Error> {
        if !(1..=MAX_INPUT).contains(&n_input) {
            return Err(Error::option("n_input", n_input, format!("1 to {MAX_INPUT}")));
        }
        if !(1..=n_input).contains(&n_output) {
            return Err(Error::option("n_output", n_output, format!("1 to n_input = {n_input}")));
        }
        let coefficient = |k: usize, n: usize| {
            let scale = if k == 0 { 1.0 } else { 2.0 } / n_input as f64;
            // The angle's period is 4N in k(2n + 1): reduced exactly, whatever the size.
            let turn = k * (2 * n + 1) % (4 * n_input);
            (scale.sqrt() * (PI * turn as f64 / (2 * n_input) as f64).cos()) as f32
        };
        let mut blocks = Vec::with_capacity(n_output.div_ceil(LANES) * n_input);
        for first in (0..n_output).step_by(LANES) {
            blocks.extend((0..n_input).map(|n| {
                std::array::from_fn(|lane| if first + lane < n_output { coefficient(first + lane, n) } else { 0.0 })
            }));
        }
        Ok(Self { n_input, n_output, blocks })
    }

    /// Gives the number of coefficients.
    pub fn n_output(&self) -> usize {
        self.n_output
    }

    /// Transforms `n_input` values to `n_output` coefficients.
    ///
    /// # Errors
    ///
    /// [`Error::BinCount`] where `input` has another length.
    pub fn process(&self, input: &[f32]) -> Result<Vec<f32>, Error> {
        if input.len() != self.n_input {
            return Err(Error::BinCount { expected: self.n_input, actual: input.len() });
        }
        let mut output = vec![0.0; self.n_output];
        self.process_into(input, &mut output);
        Ok(output)
    }

    /// Transforms `n_input` values to `n_output` coefficients.
    #[inline(always)]
    pub(crate) fn process_into(&self, input: &[f32], output: &mut [f32]) {
        for (output, rows) in output.chunks_mut(LANES).zip(self.blocks.chunks_exact(self.n_input)) {
            let mut sums = [0.0; LANES];
            for (values, rows) in input.chunks(PARTIAL).zip(rows.chunks(PARTIAL)) {
                let mut partial = [0.0; LANES];
                for (value, weights) in values.iter().zip(rows) {
                    for (partial, weight) in partial.iter_mut().zip(weights) {
                        *partial += weight * value;
                    }
                }
                sums.iter_mut().zip(partial).for_each(|(sum, partial)| *sum += partial);
            }
            output.copy_from_slice(&sums[..output.len()]);
        }
    }

    /// Transforms `L` inputs side by side: `input` holds `n_input` rows, `output` gets `n_output`.
    pub(crate) fn transform<const L: usize>(&self, input: &[[f32; L]], output: &mut [[f32; L]]) {
        for (k, output) in output.iter_mut().enumerate() {
            let rows = &self.blocks[k / LANES * self.n_input..][..self.n_input];
            let mut sums = [0.0; L];
            for (values, rows) in input.chunks(PARTIAL).zip(rows.chunks(PARTIAL)) {
                let mut partial = [0.0; L];
                for (values, weights) in values.iter().zip(rows) {
                    for (partial, value) in partial.iter_mut().zip(values) {
                        *partial += weights[k % LANES] * value;
                    }
                }
                sums.iter_mut().zip(partial).for_each(|(sum, partial)| *sum += partial);
            }
            *output = sums;
        }
    }
}
