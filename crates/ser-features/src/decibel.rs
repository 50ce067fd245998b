//! Power on a logarithmic scale.

use ndarray::{Array2, ArrayRef2};

use crate::Error;

/// Describes a conversion to decibels. The default is that of `librosa.power_to_db`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecibelOptions {
    /// The power (or amplitude) of 0 dB. Default 1.
    pub reference: Reference,
    /// The least power that is told from silence, above 0; of amplitudes its square root. Default 1e-10, -100 dB.
    pub amin: f32,
    /// Decibels below the maximum of the whole array that are kept, above 0; `None` for all. Default 80.
    pub top_db: Option<f32>,
}

/// Says which power, or amplitude, is 0 dB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reference {
    /// This one, above 0.
    Value(f32),
    /// The largest of the array: librosa's `ref=np.max`.
    Max,
}

impl Default for DecibelOptions {
    fn default() -> Self {
        Self { reference: Reference::Value(1.0), amin: AMIN, top_db: Some(80.0) }
    }
}

/// The least power that is told from silence: -100 dB.
const AMIN: f32 = 1e-10;

/// Converts power to decibels: `10 log10(max(power, amin) / max(reference, amin))`.
///
/// With `top_db`, nothing lies more than that many decibels below the maximum of the whole array.
/// `librosa.power_to_db` (0.11.0).
///
/// ```
/// use ser_features::{DecibelOptions, power_to_db};
///
/// let power = ndarray::array![[1.0, 0.1], [0.0, 100.0]];
/// let decibels = power_to_db(&power, &DecibelOptions::default())?;
/// assert_eq!(decibels.mapv(f32::round), ndarray::array![[0.0, -10.0], [-60.0, 20.0]]);
/// # Ok::<(), ser_features::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::InvalidOption`] where an option is out of its range, or a power is not finite.
pub fn power_to_db(power: &ArrayRef2<f32>, options: &DecibelOptions) -> Result<Array2<f32>, Error> {
    let &DecibelOptions { reference, amin, top_db } = options;
    check_top_db(top_db)?;
    if !(amin > 0.0 && amin.is_finite()) {
        return Err(Error::option("amin", amin, "finite and above 0"));
    }
    if let Some(value) = power.iter().find(|value| !value.is_finite()) {
        return Err(Error::option("power", value, "finite"));
    }
    let reference = match reference {
        Reference::Value(value) if !(value > 0.0 && value.is_finite()) => {
            return Err(Error::option("reference", value, "finite and above 0"));
        }
        Reference::Value(value) => value,
        Reference::Max => maximum(power),
    };
    let offset = decibel(reference.max(amin));
    let mut decibels = power.mapv(|value| decibel(value.max(amin)) - offset);
    if let Some(top_db) = top_db {
        let floor = maximum(&decibels) - top_db;
        decibels.mapv_inplace(|value| value.max(floor));
    }
    Ok(decibels)
}

/// Converts amplitude to decibels: [`power_to_db`] of the squares, with the square of the reference.
///
/// `librosa.amplitude_to_db` (0.11.0), whose default `amin=1e-5` is the default `amin` here, a power of 1e-10.
///
/// # Errors
///
/// As [`power_to_db`].
pub fn amplitude_to_db(amplitude: &ArrayRef2<f32>, options: &DecibelOptions) -> Result<Array2<f32>, Error> {
    let reference = match options.reference {
        Reference::Value(value) => Reference::Value(value * value.abs()),
        Reference::Max => Reference::Max,
    };
    power_to_db(&amplitude.mapv(|value| value * value), &DecibelOptions { reference, ..*options })
}

/// Converts decibels to power relative to `reference`: `reference 10^(decibels / 10)`. `librosa.db_to_power` (0.11.0).
pub fn db_to_power(decibels: &ArrayRef2<f32>, reference: f32) -> Array2<f32> {
    decibels.mapv(|value| (f64::from(reference) * 10f64.powf(f64::from(value) / 10.0)) as f32)
}

/// Converts decibels to amplitude relative to `reference`: `reference 10^(decibels / 20)`. `librosa.db_to_amplitude` (0.11.0).
pub fn db_to_amplitude(decibels: &ArrayRef2<f32>, reference: f32) -> Array2<f32> {
    decibels.mapv(|value| (f64::from(reference) * 10f64.powf(f64::from(value) / 20.0)) as f32)
}

pub(crate) fn check_top_db(top_db: Option<f32>) -> Result<(), Error> {
    match top_db {
        Some(value) if !(value > 0.0 && value.is_finite()) => {
            Err(Error::option("top_db", value, "a finite number of decibels above 0, or none"))
        }
        _ => Ok(()),
    }
}

/// Computes `10 log10(max(power, AMIN))`.
#[inline(always)]
pub(crate) fn floored_decibel(power: f32) -> f32 {
    decibel(power.max(AMIN))
}

/// Computes `10 log10(power)` of a normal number above 0, to within four roundings of the result.
///
/// `f32::log10` is a call for each value; this is straight arithmetic, which the compiler vectorises. With
/// `power = m 2^e`, `m` in `√½..√2`, the logarithm of `m` is `2 artanh(s)`, `s = (m - 1) / (m + 1)`, whose series
/// is cut where the next term is below 1e-9.
#[inline(always)]
pub(crate) fn decibel(power: f32) -> f32 {
    const SQRT_HALF: i32 = std::f32::consts::FRAC_1_SQRT_2.to_bits() as i32;
    const DB_PER_NEPER: f32 = 10.0 * std::f32::consts::LOG10_E;
    const DB_PER_OCTAVE: f32 = 10.0 * std::f32::consts::LOG10_2;

    let bits = power.max(f32::MIN_POSITIVE).to_bits() as i32;
    let exponent = (bits - SQRT_HALF) >> 23;
    let mantissa = f32::from_bits((bits - (exponent << 23)) as u32);
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let s2 = s * s;
    let series = 1.0 + s2 * (1.0 / 3.0 + s2 * (1.0 / 5.0 + s2 * (1.0 / 7.0 + s2 * (1.0 / 9.0))));
    exponent as f32 * DB_PER_OCTAVE + 2.0 * DB_PER_NEPER * s * series
}

#[inline(always)]
pub(crate) fn maximum<'a>(values: impl IntoIterator<Item = &'a f32>) -> f32 {
    values.into_iter().fold(f32::NEG_INFINITY, |max, &value| max.max(value))
}

#[cfg(test)]
mod tests {
    use super::decibel;

    #[test]
    fn decibel_is_the_float64_logarithm_rounded() {
        let mut power = 1.0e-30_f32;
        while power < 1e30 {
            let exact = 10.0 * f64::from(power).log10();
            // Four roundings of the result, or of the 3 dB of an octave where that is near 0.
            let tolerance = 2.0 * f64::from(f32::EPSILON) * exact.abs().max(3.0);
            assert!((f64::from(decibel(power)) - exact).abs() <= tolerance, "{power}: {} for {exact}", decibel(power));
            power *= 1.000_37;
        }
    }
}
