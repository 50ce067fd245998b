//! Power on a logarithmic scale.

use ndarray::{Array2, ArrayRef2};

use crate::Error;

/// The least power that is told from silence: -100 dB.
const AMIN: f32 = 1e-10;

/// Converts power to decibels relative to 1: `10 log10(max(power, 1e-10))`, at least -100 dB.
///
/// With `top_db`, nothing lies more than that many decibels below the maximum of the whole array.
/// `librosa.power_to_db` (0.11.0) with its defaults `ref=1.0`, `amin=1e-10`; its default `top_db` is 80.
///
/// ```
/// let power = ndarray::array![[1.0, 0.1], [0.0, 100.0]];
/// let decibels = ser_features::power_to_db(&power, Some(80.0))?;
/// assert_eq!(decibels.mapv(f32::round), ndarray::array![[0.0, -10.0], [-60.0, 20.0]]);
/// # Ok::<(), ser_features::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::InvalidOption`] where `top_db` is not a finite number above 0, or a power is not finite.
pub fn power_to_db(power: &ArrayRef2<f32>, top_db: Option<f32>) -> Result<Array2<f32>, Error> {
    check_top_db(top_db)?;
    if let Some(value) = power.iter().find(|value| !value.is_finite()) {
        return Err(Error::option("power", value, "finite"));
    }
    let mut decibels = power.mapv(decibel);
    if let Some(top_db) = top_db {
        let floor = floor(&decibels, top_db);
        decibels.mapv_inplace(|value| value.max(floor));
    }
    Ok(decibels)
}

pub(crate) fn check_top_db(top_db: Option<f32>) -> Result<(), Error> {
    match top_db {
        Some(value) if !(value > 0.0 && value.is_finite()) => {
            Err(Error::option("top_db", value, "a finite number of decibels above 0, or none"))
        }
        _ => Ok(()),
    }
}

/// Computes `10 log10(max(power, AMIN))` of a finite power, to within four roundings of the result.
///
/// `f32::log10` is a call for each value; this is straight arithmetic, which the compiler vectorises. With
/// `power = m 2^e`, `m` in `√½..√2`, the logarithm of `m` is `2 artanh(s)`, `s = (m - 1) / (m + 1)`, whose series
/// is cut where the next term is below 1e-9.
pub(crate) fn decibel(power: f32) -> f32 {
    const SQRT_HALF: i32 = std::f32::consts::FRAC_1_SQRT_2.to_bits() as i32;
    const DB_PER_NEPER: f32 = 10.0 * std::f32::consts::LOG10_E;
    const DB_PER_OCTAVE: f32 = 10.0 * std::f32::consts::LOG10_2;

    let bits = power.max(AMIN).to_bits() as i32;
    let exponent = (bits - SQRT_HALF) >> 23;
    let mantissa = f32::from_bits((bits - (exponent << 23)) as u32);
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let s2 = s * s;
    let series = 1.0 + s2 * (1.0 / 3.0 + s2 * (1.0 / 5.0 + s2 * (1.0 / 7.0 + s2 * (1.0 / 9.0))));
    exponent as f32 * DB_PER_OCTAVE + 2.0 * DB_PER_NEPER * s * series
}

/// Gives the level `top_db` below the loudest of `decibels`.
pub(crate) fn floor<'a>(decibels: impl IntoIterator<Item = &'a f32>, top_db: f32) -> f32 {
    decibels.into_iter().fold(f32::NEG_INFINITY, |max, &value| max.max(value)) - top_db
}

#[cfg(test)]
mod tests {
    use super::decibel;

    #[test]
    fn decibel_is_the_float64_logarithm_rounded() {
        let mut power = 1.0e-10_f32;
        while power < 1e30 {
            let exact = 10.0 * f64::from(power).log10();
            // Four roundings of the result, or of the 3 dB of an octave where that is near 0.
            let tolerance = 2.0 * f64::from(f32::EPSILON) * exact.abs().max(3.0);
            assert!((f64::from(decibel(power)) - exact).abs() <= tolerance, "{power}: {} for {exact}", decibel(power));
            power *= 1.000_37;
        }
    }
}
