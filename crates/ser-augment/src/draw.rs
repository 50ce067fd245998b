use pulp::{Arch, NullaryFnOnce};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Says whose random numbers are drawn: the same three values give the same result, whatever came before, on
/// any thread.
///
/// ```
/// use ser_augment::Draw;
///
/// let draw = Draw { seed: 7, utterance: "ravdess/03-01-05-01-01-01-12", epoch: 0 };
/// let next_epoch = Draw { epoch: 1, ..draw };
/// assert_ne!(draw, next_epoch);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw<'a> {
    /// The seed of the run.
    pub seed: u64,
    /// What identifies the utterance in the run, whatever its place in a list.
    pub utterance: &'a str,
    /// The number of the epoch; 0 for copies that are made once.
    pub epoch: u64,
}

impl Draw<'_> {
    /// Begins the random stream of one step: ChaCha8 keyed by the seed, the utterance, the epoch and the step.
    pub(crate) fn stream(&self, step: u64) -> ChaCha8Rng {
        let mut key = [0; 32];
        let words = [self.seed, fnv1a(self.utterance), self.epoch, step];
        for (bytes, word) in key.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        ChaCha8Rng::from_seed(key)
    }
}

/// The 64-bit FNV-1a hash (RFC 9923), which is the same on every machine and in every version.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// Draws from [0, 1) with 53 bits.
pub(crate) fn unit(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / 2.0_f64.powi(53)
}

/// Draws from `[low, high)`; gives `low` where they are equal.
pub(crate) fn uniform(rng: &mut ChaCha8Rng, [low, high]: [f64; 2]) -> f64 {
    low + (high - low) * unit(rng)
}

/// Draws an index from `0..len` (0 where `len` is 0 or 1).
pub(crate) fn index(rng: &mut ChaCha8Rng, len: usize) -> usize {
    // A product of 64 bits each: the bias is len / 2⁶⁴.
    ((u128::from(rng.next_u64()) * len as u128) >> 64) as usize
}

/// Fills `output` with independent draws of the standard normal distribution.
///
/// Box and Muller's transform with polynomials for the logarithm, sine and cosine: vector instructions do it, and
/// the bits do not depend on a system's mathematical library. Magnitudes end at 5.9 (one draw in 3·10⁸ is beyond).
pub(crate) fn fill_normal(rng: &mut ChaCha8Rng, output: &mut [f32]) {
    Arch::new().dispatch(Normal { rng, output });
}

/// How many normal numbers are made at a time: enough to fill vector registers, few enough to stay in the cache.
const BATCH: usize = 512;

struct Normal<'a> {
    rng: &'a mut ChaCha8Rng,
    output: &'a mut [f32],
}

impl NullaryFnOnce for Normal<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let mut bytes = [0; 4 * BATCH];
        let mut normal = [0.0; BATCH];
        for batch in self.output.chunks_mut(BATCH) {
            self.rng.fill_bytes(&mut bytes);
            let (radii, angles) = bytes.as_chunks::<4>().0.split_at(BATCH / 2);
            let (first, second) = normal.split_at_mut(BATCH / 2);
            for (((a, b), radius), angle) in first.iter_mut().zip(second).zip(radii).zip(angles) {
                (*a, *b) = normal_pair(i32::from_le_bytes(*radius), i32::from_le_bytes(*angle));
            }
            batch.copy_from_slice(&normal[..batch.len()]);
        }
    }
}

/// Turns 64 uniform bits into two independent normal numbers.
#[inline(always)]
fn normal_pair(radius_bits: i32, angle_bits: i32) -> (f32, f32) {
    // In (0, 1], 24 bits.
    let uniform = ((radius_bits >> 8) & 0x00ff_ffff) as f32 / 16_777_216.0 + 0.5 / 16_777_216.0;
    let radius = (-2.0 * ln(uniform)).sqrt();

    // An angle within ±π/4 of 22 bits, then one of the four quadrants.
    let x = ((angle_bits >> 10) as f32 + 0.5) * (std::f32::consts::FRAC_PI_4 / 2_097_152.0);
    let x2 = x * x;
    let sin = x * (1.0 + x2 * (-1.0 / 6.0 + x2 * (1.0 / 120.0 + x2 * (-1.0 / 5040.0 + x2 / 362_880.0))));
    let cos = 1.0 + x2 * (-1.0 / 2.0 + x2 * (1.0 / 24.0 + x2 * (-1.0 / 720.0 + x2 / 40_320.0)));
    let (a, b) = if angle_bits & 1 == 0 { (cos, sin) } else { (sin, cos) };
    let radius = if angle_bits & 2 == 0 { radius } else { -radius };
    (radius * a, radius * b)
}

/// Gives the natural logarithm of a positive normal number to within 2e-7: `x = m · 2^e` with `m` within a factor √2
/// of 1, and `ln m = 2 artanh((m - 1) / (m + 1))`.
#[inline(always)]
fn ln(x: f32) -> f32 {
    const SQRT_HALF: i32 = 0x3f35_04f3;
    let bits = x.to_bits() as i32;
    let exponent = (bits - SQRT_HALF) >> 23;
    let m = f32::from_bits((bits - (exponent << 23)) as u32);
    let s = (m - 1.0) / (m + 1.0);
    let s2 = s * s;
    let ln_m = 2.0 * s * (1.0 + s2 * (1.0 / 3.0 + s2 * (1.0 / 5.0 + s2 * (1.0 / 7.0 + s2 / 9.0))));
    exponent as f32 * std::f32::consts::LN_2 + ln_m
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_stability_of_the_streams() {
        let draw = Draw { seed: 1, utterance: "a", epoch: 2 };
        // FNV-1a's published test vectors.
        assert_eq!(
            [fnv1a(""), fnv1a("a"), fnv1a("foobar")],
            [0xcbf29ce484222325, 0xaf63dc4c8601ec8c, 0x85944171f73967e8]
        );
        assert_eq!(draw.stream(3).next_u64(), 17_664_818_265_074_257_991);
    }

    #[test]
    fn the_logarithm_is_the_standard_librarys() {
        for word in (0..1 << 24).step_by(97) {
            let x = (word as f32 + 0.5) / 16_777_216.0;
            // Three roundings of a value up to 17.4.
            let tolerance = 3.0 * f32::EPSILON * x.ln().abs().max(0.7);
            assert!((ln(x) - x.ln()).abs() <= tolerance, "ln {x} is {} not {}", ln(x), x.ln());
        }
    }

    #[test]
    fn every_quadrant_and_angle_lies_on_the_circle() {
        let mut quadrants = [0; 4];
        for word in (0..=u32::MAX).step_by(99_991) {
            let (radius, _) = normal_pair(12_345_678, 0);
            let (a, b) = normal_pair(12_345_678, word as i32);
            let full = (-2.0 * ((12_345_678 >> 8) as f32 / 16_777_216.0).ln()).sqrt();
            assert!((a.hypot(b) - full).abs() < 2e-6 * full && radius <= full * 1.000_002);
            quadrants[usize::from(a < 0.0) + 2 * usize::from(b < 0.0)] += 1;
        }
        assert!(quadrants.iter().all(|&n| n > 10_000), "{quadrants:?}");
    }

    #[test]
    fn normal_numbers_have_the_moments_and_tails_of_the_normal_distribution() {
        let mut x = vec![0.0; 1_000_001];
        fill_normal(&mut Draw { seed: 1, utterance: "", epoch: 0 }.stream(0), &mut x);
        let moment = |p: i32| x.iter().map(|&x| f64::from(x).powi(p)).sum::<f64>() / x.len() as f64;
        // Four standard errors: sqrt(variance of the power / 10⁶).
        assert!(moment(1).abs() < 4e-3 && (moment(2) - 1.0).abs() < 6e-3);
        assert!(moment(3).abs() < 16e-3 && (moment(4) - 3.0).abs() < 40e-3);
        for (limit, beyond) in [(1.0, 0.317_311), (2.0, 0.045_500), (3.0, 0.002_700)] {
            let share = x.iter().filter(|x| x.abs() > limit).count() as f64 / x.len() as f64;
            assert!((share - beyond).abs() < 4.0 * (beyond / 1e6_f64).sqrt(), "{share} beyond {limit}");
        }
        // Neighbours, and the two numbers of one pair (256 apart), are uncorrelated.
        for lag in [1, 256] {
            let sum: f64 = x.iter().zip(&x[lag..]).map(|(&a, &b)| f64::from(a * b)).sum();
            assert!((sum / x.len() as f64).abs() < 4e-3, "lag {lag}");
        }
    }
}
