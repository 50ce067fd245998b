/// Says why a figure or a page cannot be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file would be replaced that no page of this library belongs to.
    #[error("{} is in the way, and there is no index.html of an earlier run beside it: move it, or write to another folder", path.display())]
    InTheWay {
        /// The file.
        path: std::path::PathBuf,
    },
    /// There is nothing to draw.
    #[error("{what}: nothing to draw; give at least one")]
    Empty {
        /// What is missing.
        what: &'static str,
    },
    /// A number cannot be placed on an axis.
    #[error("{what} {value} is out of range: {allowed}")]
    OutOfRange {
        /// What the number is.
        what: &'static str,
        /// The number.
        value: f64,
        /// What is allowed, and the fix where it is not obvious.
        allowed: &'static str,
    },
    /// Two things that belong together differ in length.
    #[error("{what}: expected {expected}, got {actual}")]
    Lengths {
        /// What has the wrong length.
        what: &'static str,
        /// The length that the other thing has.
        expected: usize,
        /// The length that this has.
        actual: usize,
    },
    /// The embedded font of PNG files lacks a character.
    #[error(
        "the embedded font has no {character:?} (U+{:04X}), which {text:?} needs in a PNG file: \
         write the figure as SVG, which takes the reader's fonts",
        *character as u32
    )]
    MissingGlyph {
        /// The first character that is missing.
        character: char,
        /// The text that it stands in.
        text: String,
    },
    /// A PNG file would be too large, or cannot be written.
    #[error("cannot make a PNG file of {width} x {height} pixels: {reason}")]
    Png {
        /// Width in pixels.
        width: f64,
        /// Height in pixels.
        height: f64,
        /// What is wrong, and the fix.
        reason: String,
    },
}

/// Returns the number if it is finite.
pub(crate) fn finite(what: &'static str, value: f64) -> Result<f64, Error> {
    if value.is_finite() {
        return Ok(value);
    }
    Err(Error::OutOfRange { what, value, allowed: "only finite numbers can be drawn" })
}

/// Returns the number if it is a share.
pub(crate) fn share(what: &'static str, value: f64) -> Result<f64, Error> {
    if (0.0..=1.0).contains(&value) {
        return Ok(value);
    }
    Err(Error::OutOfRange { what, value, allowed: "0 to 1" })
}

/// Checks that there is something.
pub(crate) fn not_empty<T>(what: &'static str, items: &[T]) -> Result<(), Error> {
    if items.is_empty() { Err(Error::Empty { what }) } else { Ok(()) }
}

/// Checks that two things that belong together have one length.
pub(crate) fn same_length(what: &'static str, expected: usize, actual: usize) -> Result<(), Error> {
    if expected == actual { Ok(()) } else { Err(Error::Lengths { what, expected, actual }) }
}

/// Checks that all numbers can be drawn.
pub(crate) fn all_finite<'a>(what: &'static str, numbers: impl IntoIterator<Item = &'a f32>) -> Result<(), Error> {
    numbers.into_iter().try_for_each(|&number| finite(what, number.into()).map(|_| ()))
}
