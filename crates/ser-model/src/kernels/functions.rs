//! Exponential functions without branches or calls, which compilers turn into vector instructions.

/// The exponential, to 2 units in the last place; inputs are clamped to where it is a normal number.
///
/// Cephes's `expf` (Moshier 1989): `e^x = 2^n e^r` with `|r| <= ln(2) / 2`, and a polynomial for `e^r`.
#[inline]
pub(crate) fn exp(x: f32) -> f32 {
    /// Adding and subtracting it rounds to an integer, which the last bits of the sum are.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts, so that r is exact.
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let mut p = 1.987_569_2e-4;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = p * r + coefficient;
    }
    // A conversion to an integer would be done value by value, for NaN.
    (p * r * r + r + 1.0) * f32::from_bits((shifted.to_bits() << 23).wrapping_add(1f32.to_bits()))
}

/// `1 / (1 + e^-x)`.
#[inline]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The hyperbolic tangent, with an absolute error below 2e-7.
#[inline]
pub(crate) fn tanh(x: f32) -> f32 {
    2.0 * sigmoid(2.0 * x) - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_those_of_float64() {
        for i in -8700..=8800 {
            let x = i as f32 / 100.0 + 0.003_7;
            let wide = f64::from(x);
            // 2 units in the last place, 2.4e-7.
            let error = f64::from(exp(x)) / wide.exp() - 1.0;
            assert!(x > 88.0 || error.abs() < 2.4e-7, "exp({x}): {error:e}");
            assert!((f64::from(sigmoid(x)) - 1.0 / (1.0 + (-wide).exp())).abs() < 1.5e-7, "sigmoid({x})");
            assert!((f64::from(tanh(x)) - wide.tanh()).abs() < 3e-7, "tanh({x})");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!([sigmoid(f32::INFINITY), tanh(1e30), tanh(-1e30)], [1.0, 1.0, -1.0]);
    }
}
