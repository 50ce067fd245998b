//! Pre-emphasis: a filter that lifts high frequencies, and its inverse.

use crate::{Error, Framing};

/// Lifts high frequencies: `y[n] = x[n] - coef x[n-1]`, `coef` 0 to 1 (librosa's default is 0.97).
///
/// The sample before the first is extrapolated so that `y[0] = x[0] + (2 x[0] - x[1])`: equal to
/// `librosa.effects.preemphasis` (0.11.0) with its default `zi`.
///
/// ```
/// let samples = [1.0, 2.0, 4.0];
/// let lifted = ser_features::preemphasis(&samples, 0.5)?;
/// assert_eq!(lifted, [1.0, 1.5, 3.0]);
/// assert_eq!(ser_features::deemphasis(&lifted, 0.5)?, samples);
/// # Ok::<(), ser_features::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::InvalidOption`] where `coef` is out of its range, [`Error::TooShort`] for less than two samples,
/// [`Error::InvalidSample`] where a sample is not finite.
pub fn preemphasis(samples: &[f32], coef: f32) -> Result<Vec<f32>, Error> {
    let mut filter = PreEmphasis::new(coef)?;
    check(samples)?;
    let mut output = Vec::with_capacity(samples.len());
    filter.process(samples, &mut output);
    Ok(output)
}

/// Undoes [`preemphasis`]: `y[n] = x[n] + coef y[n-1]`, `coef` 0 to 1.
///
/// `y[0]` is `x[0] - ((2 - coef) x[0] - x[1]) / (3 - coef)`, which is what pre-emphasis began with: equal to
/// `librosa.effects.deemphasis` (0.11.0) with its default `zi`.
///
/// # Errors
///
/// As [`preemphasis`].
pub fn deemphasis(samples: &[f32], coef: f32) -> Result<Vec<f32>, Error> {
    check_coef(coef)?;
    check(samples)?;
    let coef = f64::from(coef);
    let (first, second) = (f64::from(samples[0]), f64::from(samples[1]));
    let mut previous = 0.0;
    let mut excess = ((2.0 - coef) * first - second) / (3.0 - coef);
    Ok(samples
        .iter()
        .map(|&sample| {
            previous = f64::from(sample) + coef * previous - std::mem::take(&mut excess);
            previous as f32
        })
        .collect())
}

/// [`preemphasis`] of a signal that arrives in pieces: the same bits, however it is cut.
#[derive(Debug, Clone)]
pub(crate) struct PreEmphasis {
    coef: f32,
    seen: Seen,
}

#[derive(Debug, Clone, Copy)]
enum Seen {
    Nothing,
    /// One sample, whose result waits for the second.
    First(f32),
    /// Two samples or more, of which this is the latest.
    Latest(f32),
}

impl PreEmphasis {
    pub(crate) fn new(coef: f32) -> Result<Self, Error> {
        check_coef(coef)?;
        Ok(Self { coef, seen: Seen::Nothing })
    }

    /// Filters the next samples and appends one result for each, but for the signal's first, which comes with its
    /// second.
    pub(crate) fn process(&mut self, samples: &[f32], output: &mut Vec<f32>) {
        let coef = self.coef;
        for (index, &sample) in samples.iter().enumerate() {
            match self.seen {
                Seen::Nothing => self.seen = Seen::First(sample),
                Seen::First(first) => {
                    output.extend([first + (2.0 * first - sample), sample - coef * first]);
                    self.seen = Seen::Latest(sample);
                }
                Seen::Latest(previous) => {
                    let rest = &samples[index..];
                    output.push(sample - coef * previous);
                    output.extend(rest.windows(2).map(|pair| pair[1] - coef * pair[0]));
                    self.seen = Seen::Latest(rest[rest.len() - 1]);
                    return;
                }
            }
        }
    }
}

fn check_coef(coef: f32) -> Result<(), Error> {
    if !(0.0..=1.0).contains(&coef) {
        return Err(Error::option("coef", coef, "0 to 1"));
    }
    Ok(())
}

/// Refuses less than two samples, and those that are not finite and sane.
fn check(samples: &[f32]) -> Result<(), Error> {
    Framing::new(2, 1, false)?.check(samples)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{PreEmphasis, preemphasis};

    proptest! {
        #[test]
        fn pieces_give_the_bits_of_the_whole(
            pieces in prop::collection::vec(prop::collection::vec(-1.0_f32..1.0, 0..5), 2..20),
            coef in 0.0_f32..=1.0,
        ) {
            let whole = pieces.concat();
            prop_assume!(whole.len() >= 2);
            let (mut filter, mut output) = (PreEmphasis::new(coef).unwrap(), Vec::new());
            pieces.iter().for_each(|piece| filter.process(piece, &mut output));
            prop_assert_eq!(output, preemphasis(&whole, coef).unwrap());
        }
    }

    #[test]
    fn the_first_sample_waits_for_the_second() {
        let (mut filter, mut output) = (PreEmphasis::new(0.5).unwrap(), Vec::new());
        filter.process(&[1.0], &mut output);
        assert_eq!(output, [0.0; 0]);
        filter.process(&[2.0], &mut output);
        assert_eq!(output, [1.0, 1.5]);
    }
}
