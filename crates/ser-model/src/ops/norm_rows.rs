//! What a normalisation over frames and bins, with the function that follows it, computes value by value, on one utterance at a
//! time: `[frames, bins, channels]`, beside a row of each of what there is by channel, repeated for every bin.

use super::norm::Affine;
use crate::kernels::{SummedMoments, exp, vectorised_fn};

/// The function that follows a normalisation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Nonlinearity {
    Identity,
    Relu,
    /// Exponential linear unit (Clevert et al. 2015, arXiv 1511.07289), with `alpha` 1.
    Elu,
}

impl Nonlinearity {
    #[inline(always)]
    pub(super) fn apply(self, x: f32) -> f32 {
        match self {
            Self::Identity => x,
            Self::Relu => x.max(0.0),
            Self::Elu => x.max(0.0) + (exp(x.min(0.0)) - 1.0),
        }
    }

    /// The derivative, from the function's value.
    #[inline(always)]
    pub(super) fn derivative(self, y: f32) -> f32 {
        match self {
            Self::Identity => 1.0,
            Self::Relu => f32::from(u8::from(y > 0.0)),
            Self::Elu => 1.0 + y.min(0.0),
        }
    }

    /// The gradient before the function, from that after it.
    #[inline(always)]
    fn before(self, grad: f32, x: f32) -> f32 {
        match self {
            Self::Identity => grad,
            _ => grad * self.derivative(self.apply(x)),
        }
    }
}
/// Sums over bins, for each channel, what was summed over frames.
pub(super) fn fold(sums: &[f64], channels: usize) -> Vec<f64> {
    let mut folded = vec![0f64; channels];
    for row in sums.chunks_exact(channels) {
        folded.iter_mut().zip(row).for_each(|(sum, term)| *sum += term);
    }
    folded
}

/// Frames that are summed in f32 before their sum is added in f64.
const BLOCK: usize = 64;

/// Sums over frames of some number of values: `add` adds a frame to the sums.
#[inline(always)]
fn frame_sums(frames: usize, width: usize, mut add: impl FnMut(usize, &mut [f32])) -> Vec<f64> {
    let (mut total, mut sums) = (vec![0f64; width], vec![0f32; width]);
    for start in (0..frames).step_by(BLOCK) {
        sums.fill(0.0);
        for frame in start..frames.min(start + BLOCK) {
            add(frame, &mut sums);
        }
        total.iter_mut().zip(&sums).for_each(|(total, &sum)| *total += f64::from(sum));
    }
    total
}

vectorised_fn! {
    pub(super) fn summed_moments(values: &[f32], bins: usize, channels: usize) -> SummedMoments {
        let width = bins * channels;
        let frames = values.len() / width;
        let count = (frames * bins) as f64;
        let sums = frame_sums(frames, width, |frame, sums| {
            sums.iter_mut().zip(&values[frame * width..]).for_each(|(sum, x)| *sum += x);
        });
        let mean: Vec<f32> = fold(&sums, channels).iter().map(|sum| (sum / count.max(1.0)) as f32).collect();
        let centre = mean.repeat(bins);
        let squares = frame_sums(frames, width, |frame, sums| {
            let row = &values[frame * width..];
            sums.iter_mut().zip(row).zip(&centre).for_each(|((sum, x), mean)| *sum += (x - mean) * (x - mean));
        });
        SummedMoments { count, mean: mean.into_iter().map(f64::from).collect(), squares: fold(&squares, channels) }
    }
}

/// Runs a loop with each function in turn, so that it is compiled without a branch: `with_function!(function, f => loop)`.
macro_rules! with_function {
    ($function:expr, $name:ident => $loop:expr) => {
        match $function {
            Nonlinearity::Identity => {
                const $name: Nonlinearity = Nonlinearity::Identity;
                $loop
            }
            Nonlinearity::Relu => {
                const $name: Nonlinearity = Nonlinearity::Relu;
                $loop
            }
            Nonlinearity::Elu => {
                const $name: Nonlinearity = Nonlinearity::Elu;
                $loop
            }
        }
    };
}
pub(super) use with_function;

vectorised_fn! {
    /// Normalises whole frames and applies the function.
    pub(super) fn normalise(values: &[f32], affine: &Affine, function: Nonlinearity, output: &mut [f32]) {
        let Affine { scale, shift } = affine;
        for (output, values) in output.chunks_exact_mut(scale.len()).zip(values.chunks_exact(scale.len())) {
            let by_channel = scale.iter().zip(shift);
            let rows = output.iter_mut().zip(values).zip(by_channel);
            with_function!(function, FUNCTION => rows.for_each(|((y, x), (scale, shift))| {
                *y = FUNCTION.apply(x * scale + shift);
            }));
        }
    }
}

vectorised_fn! {
    /// Normalises whole frames of two batches, adds them and applies the ReLU.
    pub(super) fn add_normalised(values: &[f32], affine: &Affine, other: &[f32], other_affine: &Affine, output: &mut [f32]) {
        let width = affine.scale.len();
        let rows = values.chunks_exact(width).zip(other.chunks_exact(width));
        for (output, (values, other)) in output.chunks_exact_mut(width).zip(rows) {
            let affine = affine.scale.iter().zip(&affine.shift).zip(other_affine.scale.iter().zip(&other_affine.shift));
            for (((y, x), other), ((s, b), (other_s, other_b))) in output.iter_mut().zip(values).zip(other).zip(affine) {
                *y = (x * s + b + (other * other_s + other_b)).max(0.0);
            }
        }
    }
}

vectorised_fn! {
    /// The sums over frames of the gradients before the function, times the values less their means, then of themselves.
    pub(super) fn norm_sums(grad: &[f32], values: &[f32], affine: &Affine, mean: &[f32], function: Nonlinearity) -> Vec<f64> {
        let width = mean.len();
        let (mut total, mut sums) = (vec![0f64; 2 * width], vec![0f32; 2 * width]);
        for (grad, values) in grad.chunks(BLOCK * width).zip(values.chunks(BLOCK * width)) {
            sums.fill(0.0);
            let (by_value, sum) = sums.split_at_mut(width);
            for (grad, values) in grad.chunks_exact(width).zip(values.chunks_exact(width)) {
                let by_channel = affine.scale.iter().zip(&affine.shift).zip(mean);
                let rows = by_value.iter_mut().zip(&mut *sum).zip(grad.iter().zip(values)).zip(by_channel);
                with_function!(function, FUNCTION => rows.for_each(
                    |(((by_value, sum), (&grad, &x)), ((&scale, &shift), &mean))| {
                        let grad = FUNCTION.before(grad, x * scale + shift);
                        *by_value += grad * (x - mean);
                        *sum += grad;
                    }
                ));
            }
            total.iter_mut().zip(&sums).for_each(|(total, &sum)| *total += f64::from(sum));
        }
        total
    }
}

vectorised_fn! {
    /// The gradient of a frame's values, from that of what the function gives, and `[a, b, c]` of the normalisation.
    pub(super) fn norm_back(
        grad: &[f32],
        values: &[f32],
        affine: &Affine,
        norm: &[Vec<f32>; 3],
        function: Nonlinearity,
        output: &mut [f32],
    ) {
        let [a, b, c] = norm;
        let by_channel = affine.scale.iter().zip(&affine.shift).zip(a.iter().zip(b).zip(c));
        let rows = output.iter_mut().zip(grad.iter().zip(values)).zip(by_channel);
        with_function!(function, FUNCTION => rows.for_each(
            |((to, (&grad, &x)), ((&scale, &shift), ((&a, &b), &c)))| {
                *to = a * FUNCTION.before(grad, x * scale + shift) + b * x + c;
            }
        ));
    }
}
