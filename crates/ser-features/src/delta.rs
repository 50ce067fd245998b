//! Deltas: the local slope and curvature of features over time.

use ndarray::{Array2, ArrayRef2};
use serde::{Deserialize, Serialize};

use crate::Error;

/// The widest window: 10 s of frames 10 ms apart.
const MAX_WIDTH: usize = 1001;

/// The highest order: up to it the weights, in float64, are good to 1e-12 of their largest, whatever the width.
const MAX_ORDER: usize = 16;

/// Bins summed side by side.
const LANES: usize = 8;

/// Describes deltas. The default is librosa's: width 9, order 1, edges from the first and last full window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeltaOptions {
    /// Number of frames that a value is computed from, odd, 3 to 1001. Default 9.
    pub width: usize,
    /// Order of the derivative, and degree of the polynomial, 1 to 16 and below `width`; 2 is delta-delta. Default 1.
    pub order: usize,
    /// What is done where the window reaches over an edge. Default interp.
    pub mode: DeltaMode,
}

impl Default for DeltaOptions {
    fn default() -> Self {
        Self { width: 9, order: 1, mode: DeltaMode::Interp }
    }
}

/// Says what stands in for frames before the first and after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeltaMode {
    /// Nothing: the polynomial of the first (last) full window holds up to the edge. Needs `width` frames.
    #[default]
    Interp,
    /// The first (last) frame: `a a | a b c | c c`.
    Nearest,
    /// The frames mirrored at the edge frame, which is not repeated: `c b | a b c | b a`.
    Mirror,
    /// Zeros: `0 0 | a b c | 0 0`.
    Constant,
    /// The frames of the other end: `b c | a b c | a b`.
    Wrap,
}

/// Planned deltas: the derivative, in units a frame, of a polynomial fitted to `width` frames by least squares.
///
/// Savitzky & Golay (1964). Equal to `librosa.feature.delta` (0.11.0), which fits a polynomial of degree `order` for
/// the derivative of that `order`.
///
/// ```
/// use ser_features::{Delta, DeltaOptions};
///
/// let delta = Delta::new(&DeltaOptions { width: 3, ..DeltaOptions::default() })?;
/// let features = ndarray::array![[1.0, 5.0], [3.0, 5.0], [5.0, 5.0], [7.0, 8.0]];
/// let slopes = ndarray::array![[2.0, 0.0], [2.0, 0.0], [2.0, 1.5], [2.0, 1.5]];
/// assert!((delta.process(&features)? - slopes).iter().all(|error| error.abs() < 1e-6));
/// # Ok::<(), ser_features::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Delta {
    mode: DeltaMode,
    weights: Vec<f64>,
}

impl Delta {
    /// Plans the weights.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] where an option is out of its range.
    pub fn new(options: &DeltaOptions) -> Result<Self, Error> {
        let &DeltaOptions { width, order, mode } = options;
        if width.is_multiple_of(2) || !(3..=MAX_WIDTH).contains(&width) {
            return Err(Error::option("width", width, format!("odd, 3 to {MAX_WIDTH} frames")));
        }
        if !(1..=MAX_ORDER).contains(&order) || order >= width {
            return Err(Error::option("order", order, format!("1 to {MAX_ORDER}, and below width = {width}")));
        }
        Ok(Self { mode, weights: weights(width, order) })
    }

    /// Computes the deltas of features `[frames, bins]`: an array of the same shape, summed in float64.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] where there are fewer frames than `width` in mode interp, or none at all in the
    /// others, or where a feature is not finite.
    pub fn process(&self, features: &ArrayRef2<f32>) -> Result<Array2<f32>, Error> {
        let (n_frames, n_bins) = features.dim();
        if self.mode == DeltaMode::Interp && n_frames < self.width() {
            let allowed = format!("width = {} or more in mode interp", self.width());
            return Err(Error::option("the number of frames", n_frames, allowed));
        }
        if n_frames == 0 {
            return Err(Error::option("the number of frames", n_frames, "1 or more"));
        }
        if let Some(value) = features.iter().find(|value| !value.is_finite()) {
            return Err(Error::option("a feature", value, "finite"));
        }

        let features: Vec<f32> = features.iter().copied().collect();
        let mut deltas = Array2::zeros((n_frames, n_bins));
        let mut output = vec![0.0; n_bins];
        for (frame, mut delta) in deltas.rows_mut().into_iter().enumerate() {
            self.process_frame(frame, n_frames, |source| &features[source * n_bins..][..n_bins], &mut output);
            delta.iter_mut().zip(&output).for_each(|(delta, value)| *delta = *value);
        }
        Ok(deltas)
    }

    /// Computes the deltas of one frame of `n_frames`, whose rows `base` gives.
    pub(crate) fn process_frame<'a>(
        &self,
        frame: usize,
        n_frames: usize,
        base: impl Fn(usize) -> &'a [f32],
        output: &mut [f32],
    ) {
        let row = |position| self.source(frame, position, n_frames).map(&base);
        self.process_window(row, output);
    }

    /// Gives the least number of frames that deltas can be taken of.
    pub(crate) fn min_frames(&self) -> usize {
        if self.mode == DeltaMode::Interp { self.width() } else { 1 }
    }

    /// Whether the first frames depend on the last.
    pub(crate) fn wraps(&self) -> bool {
        self.mode == DeltaMode::Wrap
    }

    /// Gives the number of frames in a window.
    pub(crate) fn width(&self) -> usize {
        self.weights.len()
    }

    /// Computes one row of deltas from the `width` rows that `row` gives for the positions of its window; `None` is zeros.
    ///
    /// It is the same row for every position inside the window, as the derivative of order k of a polynomial of
    /// degree k is constant: in mode interp the first and last `width / 2` rows are those of the full window next to
    /// them.
    fn process_window<'a>(&self, row: impl Fn(usize) -> Option<&'a [f32]>, output: &mut [f32]) {
        for (block, output) in output.chunks_mut(LANES).enumerate() {
            let mut sums = [0.0; LANES];
            for (position, weight) in self.weights.iter().enumerate() {
                let Some(row) = row(position) else { continue };
                for (sum, &value) in sums.iter_mut().zip(&row[block * LANES..]) {
                    *sum += weight * f64::from(value);
                }
            }
            output.iter_mut().zip(sums).for_each(|(output, sum)| *output = sum as f32);
        }
    }

    /// Gives the frame at `position` of the window for `frame`; `None` is a row of zeros.
    fn source(&self, frame: usize, position: usize, n_frames: usize) -> Option<usize> {
        let half = self.width() / 2;
        let last = n_frames - 1;
        let index = (frame + position) as isize - half as isize;
        match self.mode {
            DeltaMode::Interp => Some(frame.saturating_sub(half).min(n_frames - self.width()) + position),
            DeltaMode::Nearest => Some(index.clamp(0, last as isize) as usize),
            DeltaMode::Mirror if last == 0 => Some(0),
            DeltaMode::Mirror => {
                let folded = index.rem_euclid(2 * last as isize) as usize;
                Some(folded.min(2 * last - folded))
            }
            DeltaMode::Constant => usize::try_from(index).ok().filter(|&index| index < n_frames),
            DeltaMode::Wrap => Some(index.rem_euclid(n_frames as isize) as usize),
        }
    }
}

/// Gives the weights whose sum over `width` frames is the derivative of that order of the fitted polynomial.
///
/// The leading coefficient of a least-squares fit of degree k is `<y, P_k> / <P_k, P_k>` with P_k the monic polynomial
/// orthogonal over the window (Gram's), and the derivative is k! times it. So the weights are
/// `w_k = k! P_k / <P_k, P_k>`; Gram's recurrence `P_{k+1} = x P_k - b_k P_{k-1}`, `<P_k, P_k> = b_k <P_{k-1}, P_{k-1}>`,
/// `b_k = k² (width² - k²) / (4 (4 k² - 1))` becomes `w_{k+1} = (k + 1) / b_{k+1} (x w_k - k w_{k-1})`.
fn weights(width: usize, order: usize) -> Vec<f64> {
    let n = width as f64;
    let weight = |position: usize| {
        let x = position as f64 - (n - 1.0) / 2.0;
        let (mut previous, mut weight) = (0.0, 1.0 / n);
        for k in 1..=order {
            let k = k as f64;
            let scale = 4.0 * (4.0 * k * k - 1.0) / (k * (n * n - k * k));
            (previous, weight) = (weight, scale * (x * weight - (k - 1.0) * previous));
        }
        weight
    };
    (0..width).map(weight).collect()
}
