use super::vectors::vectorised_fn;

/// Rows that are summed in f32 before their sum is added in f64.
const BLOCK: usize = 64;

/// Sums `term(x, channel)` over the rows of `[frames, channels]`, for each channel.
#[inline(always)]
fn sums_of_terms(values: &[f32], channels: usize, term: impl Fn(f32, usize) -> f32) -> Vec<f64> {
    let mut total = vec![0f64; channels];
    let mut sums = vec![0f32; channels];
    for block in values.chunks(BLOCK * channels) {
        sums.fill(0.0);
        for row in block.chunks_exact(channels) {
            for (c, (sum, &x)) in sums.iter_mut().zip(row).enumerate() {
                *sum += term(x, c);
            }
        }
        total.iter_mut().zip(&sums).for_each(|(total, &sum)| *total += f64::from(sum));
    }
    total
}

vectorised_fn! {
    /// Sums over the rows of `[frames, channels]`.
    pub(crate) fn column_sums(values: &[f32], channels: usize) -> Vec<f64> {
        sums_of_terms(values, channels, |x, _| x)
    }
}

/// Number, means and sums of squared deviations of some rows, by channel.
pub(crate) struct SummedMoments {
    pub count: f64,
    pub mean: Vec<f64>,
    pub squares: Vec<f64>,
}

impl SummedMoments {
    /// Of no rows.
    pub fn empty(channels: usize) -> Self {
        Self { count: 0.0, mean: vec![0.0; channels], squares: vec![0.0; channels] }
    }

    vectorised_fn! {
        /// Of `[frames, channels]`.
        pub fn of(values: &[f32], channels: usize) -> SummedMoments {
            let count = (values.len() / channels) as f64;
            let sums = sums_of_terms(values, channels, |x, _| x);
            let centre: Vec<f32> = sums.iter().map(|sum| (sum / count.max(1.0)) as f32).collect();
            let squares = sums_of_terms(values, channels, |x, c| (x - centre[c]) * (x - centre[c]));
            SummedMoments { count, mean: centre.into_iter().map(f64::from).collect(), squares }
        }
    }

    /// Adds the rows of another (Chan, Golub and LeVeque 1979, STAN-CS-79-773, equation 2.1).
    pub fn merge(mut self, other: &Self) -> Self {
        let count = self.count + other.count;
        if other.count == 0.0 {
            return self;
        }
        for c in 0..self.mean.len() {
            let difference = other.mean[c] - self.mean[c];
            self.mean[c] += difference * other.count / count;
            self.squares[c] += other.squares[c] + difference * difference * self.count * other.count / count;
        }
        self.count = count;
        self
    }

    /// The biased variances.
    pub fn variance(&self) -> impl Iterator<Item = f64> {
        self.squares.iter().map(|squares| squares / self.count.max(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn merged_moments_are_those_of_all_rows() {
        let values: Vec<f32> = (0..3 * 300).map(|i| 100.0 + ((i * 7 % 31) as f32).sin() * (i % 3) as f32).collect();
        let whole = SummedMoments::of(&values, 3);
        let (first, second) = values.split_at(3 * 77);
        let merged = [SummedMoments::of(first, 3), SummedMoments::of(&[], 3), SummedMoments::of(second, 3)]
            .iter()
            .fold(SummedMoments::empty(3), |all, part| all.merge(part));
        assert_eq!(merged.count, 300.0);
        for c in 0..3 {
            let column = || values.iter().skip(c).step_by(3).map(|&v| f64::from(v));
            let mean = column().sum::<f64>() / 300.0;
            let variance = column().map(|v| (v - mean).powi(2)).sum::<f64>() / 300.0;
            for moments in [&whole, &merged] {
                // A mean is rounded to f32: 4e-6 at 100.
                assert_relative_eq!(moments.mean[c], mean, max_relative = 1e-7);
                let got = moments.variance().nth(c).unwrap();
                assert_relative_eq!(got, variance, max_relative = 1e-5, epsilon = 1e-9);
            }
        }
    }
}
