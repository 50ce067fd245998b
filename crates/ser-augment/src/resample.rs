use std::f64::consts::PI;
use std::sync::LazyLock;

use pulp::{Arch, Simd, WithSimd};
use ser_features::Complex;

use crate::fourier::Fourier;
use crate::kaiser::{Kaiser, bessel_i0, sinc};

/// soxr 0.1.3's quality `HQ`, as librosa uses it: a pass-band to 0.91373 of the lower Nyquist frequency, half of the
/// amplitude midway from there to that frequency, and a Kaiser window of 22 bits. Tones through soxr gave the midpoint
/// (0.95687), the length and the shape of the window.
const PASS_BAND: f64 = 0.913_734;
const REJECTION: f64 = 133.0;

/// Blocks of this many samples are transformed, and back into one and a half times as many.
const BLOCK: usize = 2048;
const DENSE: usize = BLOCK / 2 * 3;
const DENSITY: f64 = DENSE as f64 / BLOCK as f64;

/// A block of dense samples, so many that the compiler sees every masked index inside.
type Dense = [f32; DENSE.next_power_of_two() + TAPS];

/// The filter of a larger step would leave a block no samples of its own: such a step is made of several.
const MOST_STEP: f64 = 4.0;

/// What lies between the dense samples is taken from this many of them, with weights for so many positions.
const TAPS: usize = 8;
const POSITIONS: usize = 512;

/// Resamples by any ratio: sample `i` of the result is the band-limited signal at sample `i · step` of the input,
/// without delay, and at a step of 1 the signal itself. Before its beginning and after its end the signal counts as silence.
///
/// The filter is soxr's, a low-pass and an interpolating kernel, but computed otherwise: as one response to multiply a
/// block's spectrum with. Values between samples come from a short smooth kernel, whose own response that product has
/// divided out before: the "non-uniform fast Fourier transform" (A. Dutt and V. Rokhlin, 1993; with the kernel of
/// J. Jackson et al., 1991). With 8 taps at 1.5 times the rate its error is 5e-7.
pub(crate) fn resample(fourier: &Fourier, samples: &[f32], step: f64, len: usize) -> Vec<f32> {
    if step == 1.0 {
        let mut same = samples.to_vec();
        same.resize(len, 0.0);
        return same;
    }
    if step > MOST_STEP {
        let rest = step / MOST_STEP;
        let fewer = resample(fourier, samples, rest, (samples.len() as f64 / rest).ceil() as usize);
        return resample(fourier, &fewer, MOST_STEP, len);
    }
    Arch::new().dispatch(Resampling { fourier, tables: &TABLES, samples, step, len })
}

struct Resampling<'a> {
    fourier: &'a Fourier,
    tables: &'a Tables,
    samples: &'a [f32],
    step: f64,
    len: usize,
}

impl WithSimd for Resampling<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let Self { fourier, tables, samples, step, len } = self;
        let (forward, inverse) = (fourier.plan(BLOCK), fourier.plan(DENSE));
        let kernel = Kernel::new(step);
        let mut dense: Dense = [0.0; _];
        let mut spectrum = vec![Complex::ZERO; inverse.spectrum_len()];
        let mut scratch = vec![Complex::ZERO; forward.scratch_len().max(inverse.scratch_len())];

        let filter_half = filter_half(step);
        let response = tables.response(step, filter_half, &kernel);
        // What a block holds on either side of its own samples, an even number.
        let margin = (filter_half as usize + 16) & !1;
        let own = BLOCK - 2 * margin;
        let mut block = [0.0; BLOCK];
        let mut output = Vec::with_capacity(len);
        for start in (0..).step_by(own) {
            if output.len() == len {
                break;
            }
            // Sample `start` is number `margin` of the block.
            let (before, from) = (margin.saturating_sub(start), start.saturating_sub(margin));
            let inside = samples.get(from..).unwrap_or_default();
            let inside = &inside[..inside.len().min(BLOCK - before)];
            let (filled, after) = block.split_at_mut(before + inside.len());
            filled[..before].fill(0.0);
            filled[before..].copy_from_slice(inside);
            after.fill(0.0);
            forward.forward(&mut block, &mut spectrum[..=BLOCK / 2], &mut scratch);
            for (bin, gain) in spectrum.iter_mut().zip(&response) {
                *bin = bin.scale(*gain);
            }
            spectrum[BLOCK / 2..].fill(Complex::ZERO);
            inverse.inverse(&mut spectrum, &mut dense[..DENSE], &mut scratch);

            let done = output.len();
            let first = done as f64 * step + margin as f64 - start as f64;
            output.resize((((start + own) as f64 / step).ceil() as usize).clamp(done, len), 0.0);
            tables.between(simd, &dense, DENSITY * first, DENSITY * step, &mut output[done..]);
            if start == 0 {
                tables.drop_ringing(simd, &dense, DENSITY * margin as f64, step, &kernel, &mut output);
            }
        }
        output
    }
}

/// Half the length of the low-pass in samples of the input: Kaiser's formula (Oppenheim and Schafer, Discrete-Time Signal
/// Processing, 7.6), and by how much soxr's is longer, fitted too.
fn filter_half(step: f64) -> f64 {
    let transition = 0.5 * (1.0 - PASS_BAND) / step.max(1.0);
    (REJECTION - 7.95) / (2.285 * 2.0 * PI * transition) / 2.0 + 1.14
}

/// The short kernel at one position between two samples, and what it rises by up to the next, in a unit of 2⁻²⁴.
#[repr(align(64))]
struct Row {
    weights: [f32; TAPS],
    rise: [f32; TAPS],
}

impl Row {
    /// Adds up the weighted samples. Written out in vectors, as the compiler combines neighbouring taps instead.
    #[inline(always)]
    fn weigh<S: Simd>(&self, simd: S, between: f32, samples: &[f32; TAPS]) -> f32 {
        let between = simd.splat_f32s(between);
        let [(weights, weights_rest), (rise, rise_rest), (samples, samples_rest)] =
            [&self.weights, &self.rise, samples].map(|taps| S::as_simd_f32s(taps));
        let mut sum = simd.splat_f32s(0.0);
        for ((&weight, &rise), &sample) in weights.iter().zip(rise).zip(samples) {
            sum = simd.mul_add_e_f32s(simd.mul_add_e_f32s(between, rise, weight), sample, sum);
        }
        // All taps, where vectors are longer than that.
        if !weights_rest.is_empty() {
            let [weight, rise, sample] =
                [weights_rest, rise_rest, samples_rest].map(|taps| simd.partial_load_f32s(taps));
            sum = simd.mul_add_e_f32s(simd.mul_add_e_f32s(between, rise, weight), sample, sum);
        }
        simd.reduce_sum_f32s(sum)
    }
}

/// Steps of [`Tables::edge`] in one unit, and its last unit, beyond which it is 0.
const EDGE_STEPS: f64 = 400.0;
const EDGE_END: f64 = 2.5;

static TABLES: LazyLock<Tables> = LazyLock::new(Tables::new);

struct Tables {
    /// At every position from 0 to 1.
    rows: Box<[Row; POSITIONS]>,
    /// What undoes the response of the short kernel, for each bin of a block, with the scale of the transforms.
    band: Vec<f32>,
    /// The edge of a filter with this window: its gain at `fc + u / half`, from `u = 0` on, for the cutoff `fc`. It is
    /// the same for any cutoff and length. Below the cutoff it is 1 less the gain as far above.
    edge: Vec<f32>,
}

impl Tables {
    fn new() -> Self {
        let short = ShortKernel::new();
        let weights = |position: usize| -> [f64; TAPS] {
            let between = position as f64 / POSITIONS as f64;
            std::array::from_fn(|tap| short.at((tap + 1) as f64 - (TAPS / 2) as f64 - between))
        };
        let row = |position: usize| {
            let (here, next) = (weights(position), weights(position + 1));
            Row {
                weights: here.map(|weight| weight as f32),
                rise: std::array::from_fn(|tap| ((next[tap] - here[tap]) / f64::from(1 << 24)) as f32),
            }
        };
        let band = |k: usize| (1.0 / (short.response(k as f64 / DENSE as f64) * BLOCK as f64)) as f32;
        let window = Kaiser::new(REJECTION);
        let edge = |i: usize| {
            const POINTS: usize = 64;
            let slope = |point: usize| {
                let x = (point as f64 + 0.5) / POINTS as f64;
                window.at(x) * (2.0 * PI * i as f64 / EDGE_STEPS * x).sin() / (PI * x)
            };
            (0.5 - (0..POINTS).map(slope).sum::<f64>() / POINTS as f64) as f32
        };
        Self {
            rows: Box::new(std::array::from_fn(row)),
            band: (0..BLOCK / 2).map(band).collect(),
            edge: (0..=(EDGE_END * EDGE_STEPS) as usize).map(edge).collect(),
        }
    }

    /// The gain of each bin of a block.
    fn response(&self, step: f64, filter_half: f64, kernel: &Kernel) -> Vec<f32> {
        let cutoff = 0.25 * (1.0 + PASS_BAND) / step.max(1.0);
        let gain = |(k, band): (usize, &f32)| {
            let frequency = k as f64 / BLOCK as f64;
            let low_pass = self.gain((frequency - cutoff) * filter_half);
            band * low_pass * self.gain((0.5 * frequency - kernel.cutoff) * kernel.half)
        };
        self.band.iter().enumerate().map(gain).collect()
    }

    /// The gain of a filter beyond its cutoff, in the unit of [`Self::edge`].
    fn gain(&self, beyond: f64) -> f32 {
        let steps = beyond.abs() * EDGE_STEPS;
        let (index, between) = (steps as usize, steps.fract() as f32);
        let pair = self.edge.get(index..).and_then(<[f32]>::first_chunk);
        let gain = pair.map_or(0.0, |[here, next]| here + between * (next - here));
        if beyond < 0.0 { 1.0 - gain } else { gain }
    }

    /// Gives the values at `first`, `first + step` and so on, in dense samples.
    #[inline(always)]
    fn between<S: Simd>(&self, simd: S, dense: &Dense, first: f64, step: f64, output: &mut [f32]) {
        // Numbers of 48 binary places: exact enough over a block, and cheap to take apart.
        const PLACES: u32 = 48;
        const ROW_PLACES: u32 = PLACES - POSITIONS.trailing_zeros();
        let fixed = |x: f64| (x * (1_u64 << PLACES) as f64) as u64;
        let (mut at, step) = (fixed(first + 1.0 - (TAPS / 2) as f64), fixed(step));
        for value in output {
            let row = &self.rows[(at >> ROW_PLACES) as usize % POSITIONS];
            let between = ((at >> (ROW_PLACES - 24)) & 0x00ff_ffff) as i32 as f32;
            let around = dense[(at >> PLACES) as usize % (dense.len() - TAPS)..].first_chunk();
            *value = around.map_or(0.0, |samples| row.weigh(simd, between, samples));
            at += step;
        }
    }

    /// Takes from the first values what rings before the first sample (at `first`, in dense samples): soxr drops that
    /// after the low-pass, so that its interpolating kernel finds silence there.
    #[inline(always)]
    fn drop_ringing<S: Simd>(
        &self,
        simd: S,
        dense: &Dense,
        first: f64,
        step: f64,
        kernel: &Kernel,
        output: &mut [f32],
    ) {
        let (half, mut before) = (0.5 * DENSITY, [0.0; Kernel::MAX_HALF]);
        self.between(simd, dense, first - half * Kernel::MAX_HALF as f64, half, &mut before);
        for (i, value) in output.iter_mut().enumerate() {
            let position = 2.0 * step * i as f64;
            if position >= kernel.half {
                break;
            }
            for (distance, ringing) in (1..).zip(before.iter().rev()) {
                *value -= kernel.at(position + f64::from(distance)) as f32 * ringing;
            }
        }
    }
}

/// The kernel with which soxr interpolates between samples at twice the rate, for up to half as many samples; it does
/// otherwise beyond. Half its amplitude is at `cutoff` cycles a sample, and it reaches `half` samples far. Both, and their
/// steps, were fitted to what soxr makes of single samples, within 2e-5 of them.
struct Kernel {
    cutoff: f64,
    half: f64,
}

impl Kernel {
    const MAX_HALF: usize = 8;

    fn new(step: f64) -> Self {
        let half = match step {
            ..=1.0 => 7.4,
            ..1.09 => 7.9,
            ..1.37 => 6.9,
            _ => 5.9,
        };
        Self { cutoff: 0.428_07 + 0.0264 / step.max(1.0), half }
    }

    fn at(&self, x: f64) -> f64 {
        2.0 * self.cutoff * sinc(2.0 * self.cutoff * x) * Kaiser::new(REJECTION).at(x / self.half)
    }
}

/// The window of Kaiser and Bessel over the taps, with the steepness that suits a signal within 1/3 cycle a sample.
struct ShortKernel {
    beta: f64,
    at_centre: f64,
}

impl ShortKernel {
    fn new() -> Self {
        let beta = PI * TAPS as f64 * (1.0 - 0.5 / DENSITY);
        Self { beta, at_centre: bessel_i0(beta) }
    }

    fn at(&self, x: f64) -> f64 {
        let inside = 1.0 - (2.0 * x / TAPS as f64).powi(2);
        if inside < 0.0 { 0.0 } else { bessel_i0(self.beta * inside.sqrt()) / self.at_centre }
    }

    /// Its Fourier transform at a frequency in cycles a sample.
    fn response(&self, frequency: f64) -> f64 {
        let root = (self.beta.powi(2) - (PI * TAPS as f64 * frequency).powi(2)).sqrt();
        TAPS as f64 * root.sinh() / root / self.at_centre
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tones_are_found_between_samples() {
        for (frequency, step) in [(0.01, 1.037), (0.2, 0.93), (0.44, 0.5), (0.11, 3.7)] {
            let tone = |t: f64| (2.0 * PI * frequency * t).sin();
            let samples: Vec<f32> = (0..9000).map(|i| tone(f64::from(i)) as f32).collect();
            let len = (9000.0 / step) as usize;
            let resampled = resample(&Fourier::default(), &samples, step, len);
            let kernel = Kernel::new(step);
            // The band of the kernel ends below 2, so that four points a sample sum up to its integral.
            let weight = |i: i32| kernel.at(0.25 * f64::from(i)) * (0.25 * PI * frequency * f64::from(i)).cos();
            let gain = 0.25 * (-4 * 8..4 * 8).map(weight).sum::<f64>();
            let mut worst = 0.0_f64;
            for (i, x) in resampled.iter().enumerate() {
                let t = step * i as f64;
                if (600.0..8400.0).contains(&t) {
                    worst = worst.max((f64::from(*x) - gain * tone(t)).abs());
                }
            }
            // The error of the short kernel, 5e-7, and f32 roundings: their spectrum is divided by that kernel's, 8 times
            // as much at the Nyquist frequency.
            assert!(worst < 4e-6, "{frequency} at {step}: {worst:e}");
        }
    }
}
