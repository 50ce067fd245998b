//! What all batch normalisations compute by channel.

use crate::kernels::SummedMoments;

/// Per-channel mean and biased variance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moments {
    pub mean: Vec<f32>,
    pub variance: Vec<f32>,
}

impl Moments {
    pub(super) fn inverse_deviation(&self, epsilon: f64) -> Vec<f32> {
        self.variance.iter().map(|&v| (1.0 / (f64::from(v) + epsilon).sqrt()) as f32).collect()
    }
}

impl From<&SummedMoments> for Moments {
    fn from(summed: &SummedMoments) -> Self {
        Self {
            mean: summed.mean.iter().map(|&mean| mean as f32).collect(),
            variance: summed.variance().map(|variance| variance as f32).collect(),
        }
    }
}

/// `scale * x + shift` for each channel.
#[derive(Clone, Default)]
pub(super) struct Affine {
    pub(super) scale: Vec<f32>,
    pub(super) shift: Vec<f32>,
}

impl Affine {
    /// A normalisation with its own scale and shift.
    pub(super) fn new(moments: &Moments, epsilon: f64, scale: &[f32], shift: &[f32]) -> Self {
        let scale: Vec<f32> = moments.inverse_deviation(epsilon).iter().zip(scale).map(|(s, w)| s * w).collect();
        let means = moments.mean.iter().zip(&scale);
        let shift = shift.iter().zip(means).map(|(b, (mean, scale))| b - mean * scale).collect();
        Self { scale, shift }
    }

    pub(super) fn identity(channels: usize) -> Self {
        Self { scale: vec![1.0; channels], shift: vec![0.0; channels] }
    }

    /// For each channel of each of `bins` bins: loops over whole frames are long enough for vectors.
    pub(super) fn repeated(&self, bins: usize) -> Self {
        Self { scale: self.scale.repeat(bins), shift: self.shift.repeat(bins) }
    }
}

/// The gradients of a normalisation's parameters, and what takes the gradient of its output to that of its input.
pub(super) struct NormGradient {
    pub(super) scale: Vec<f64>,
    pub(super) shift: Vec<f64>,
    /// Before the normalisation the gradient is `a * g + b * x + c` by channel (Ioffe and Szegedy 2015, arXiv 1502.03167,
    /// section 3).
    pub(super) a: Vec<f32>,
    pub(super) b: Vec<f32>,
    pub(super) c: Vec<f32>,
}

impl NormGradient {
    /// From the sums over `count` values of the gradient times the value less its mean, and of the gradient.
    pub(super) fn new(
        moments: &Moments,
        epsilon: f64,
        scale: &[f32],
        [by_value, sum]: [Vec<f64>; 2],
        count: f64,
    ) -> Self {
        let inverse_deviation = moments.inverse_deviation(epsilon);
        let grad_scale: Vec<f64> = by_value.iter().zip(&inverse_deviation).map(|(x, &s)| x * f64::from(s)).collect();
        let a: Vec<f32> = scale.iter().zip(&inverse_deviation).map(|(w, s)| w * s).collect();
        let of_value = |i: usize| (-f64::from(a[i] * inverse_deviation[i]) * grad_scale[i] / count) as f32;
        let b: Vec<f32> = (0..a.len()).map(of_value).collect();
        let constant = |i: usize| (-f64::from(a[i]) * sum[i] / count) as f32 - b[i] * moments.mean[i];
        let c = (0..a.len()).map(constant).collect();
        Self { scale: grad_scale, shift: sum, a, b, c }
    }
}
