use crate::Error;
use ndarray::{Array2, ShapeBuilder};
use ser_audio::{ReadOptions, Waveform};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The bytes that an `.npy` file begins with.
const NPY: &[u8] = b"\x93NUMPY";
/// What a model recognises: audio, or features that another tool took from it.
#[derive(Clone, Debug, PartialEq)]
pub enum Recording {
    /// Mono samples.
    Audio(Waveform),
    /// Features `[frames, bins]`, finite, of at least one frame.
    Features(Array2<f32>),
}

impl Recording {
    /// Reads an audio file, mixed to mono, or an `.npy` file: the content decides, not the name.
    ///
    /// An `.npy` file holds features `[frames, bins]`, or `[bins]` for one frame, in float32 or float64 and in C or
    /// Fortran order. Nothing in it is ever unpickled.
    ///
    /// # Errors
    /// A file that cannot be read, audio as [`Waveform::from_file`], features of other types and shapes, without a frame
    /// or with values that are not finite in float32; the path is named.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::from_file_with(path, &ReadOptions::default())
    }

    /// Does the same with one channel or a part of an audio file; an `.npy` file is read whole.
    ///
    /// # Errors
    /// As [`Recording::from_file`], and a channel that the file has not, or options out of range.
    pub fn from_file_with(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self, Error> {
        let path = path.as_ref();
        if !begins_as_npy(path) {
            return Ok(Self::Audio(Waveform::from_file_with(path, options)?));
        }
        let wrap = |source| Error::FeatureFile { path: path.into(), source };
        let bytes = std::fs::read(path).map_err(|error| wrap(error.into()))?;
        Ok(Self::Features(parse_npy(&bytes).map_err(wrap)?))
    }

    /// Its duration in seconds; `None` for features, as they do not tell.
    pub fn duration(&self) -> Option<f64> {
        match self {
            Self::Audio(waveform) => Some(waveform.duration()),
            Self::Features(_) => None,
        }
    }
}

impl From<Waveform> for Recording {
    fn from(waveform: Waveform) -> Self {
        Self::Audio(waveform)
    }
}

/// False for what cannot be read, too: reading it as audio says why.
fn begins_as_npy(path: &Path) -> bool {
    let mut head = [0; NPY.len()];
    // What is read from a pipe is gone.
    path.is_file() && File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == NPY
}

/// Reads numpy's format, versions 1 to 3 (numpy.lib.format): the magic bytes, the version, the length of a header, the
/// header, which is a Python dictionary of three keys, and the values. `ndarray-npy` panics on some damaged headers.
fn parse_npy(bytes: &[u8]) -> Result<Array2<f32>, Box<dyn std::error::Error + Send + Sync>> {
    const CUT: &str = "the header is cut short or damaged";
    let (length, rest) = match *bytes {
        [_, _, _, _, _, _, 1, _, a, b, ref rest @ ..] => (usize::from(u16::from_le_bytes([a, b])), rest),
        [_, _, _, _, _, _, _, _, a, b, c, d, ref rest @ ..] => (u32::from_le_bytes([a, b, c, d]) as usize, rest),
        _ => return Err(CUT.into()),
    };
    let (header, data) = rest.split_at_checked(length).ok_or(CUT)?;
    let header = str::from_utf8(header)?;
    let value = |key: &str| header.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start()).ok_or(CUT);

    let (dtype, fortran) = (value("descr")?, value("fortran_order")?.starts_with("True"));
    let size = match dtype.get(..5) {
        Some("'<f4'") => 4,
        Some("'<f8'") => 8,
        _ => {
            let dtype = dtype.split(',').next().unwrap_or_default();
            return Err(format!("dtype {dtype}, but float32 ('<f4') or float64 ('<f8') is needed").into());
        }
    };
    let shape = value("shape")?.strip_prefix('(').and_then(|rest| rest.split_once(')')).ok_or(CUT)?.0;
    let lengths: Result<Vec<usize>, _> =
        shape.split(',').map(str::trim).filter(|length| !length.is_empty()).map(str::parse).collect();
    let (frames, bins) = match lengths?[..] {
        [bins] => (1, bins),
        [frames, bins] => (frames, bins),
        _ => return Err(format!("shape ({shape}), but [frames, bins] or [bins] is needed").into()),
    };
    if frames == 0 || bins == 0 {
        return Err(format!("shape ({shape}), but at least one frame of one bin is needed").into());
    }
    if frames.checked_mul(bins).and_then(|n| n.checked_mul(size)) != Some(data.len()) {
        return Err(format!("cut short or damaged: {} bytes are no array of shape ({shape})", data.len()).into());
    }
    let values = match size {
        4 => data.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
        _ => data.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes) as f32).collect(),
    };
    let features = Array2::from_shape_vec((frames, bins).set_f(fortran), values)?;
    check_features(&features)?;
    Ok(features)
}

/// Requires at least one value, and all of them finite.
pub(crate) fn check_features(features: &Array2<f32>) -> Result<(), String> {
    if features.is_empty() {
        return Err(format!("shape {:?}, but at least one frame of one bin is needed", features.shape()));
    }
    match features.indexed_iter().find(|(_, value)| !value.is_finite()) {
        Some(((frame, bin), value)) => {
            Err(format!("bin {bin} of frame {frame} is {value}, but features must be finite in float32"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array0, Array1, Array3, array};
    use ndarray_npy::WriteNpyExt;

    fn npy(array: &impl WriteNpyExt) -> Vec<u8> {
        let mut bytes = Vec::new();
        array.write_npy(&mut bytes).unwrap();
        bytes
    }

    /// An `.npy` file of version 1 with any header.
    fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
        let header = format!("{header}\n");
        [NPY, &[1, 0], &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
    }

    #[test]
    fn both_widths_and_orders_and_one_frame_are_read() {
        let expected = array![[1.5, -2.0, 3.25], [0.1, 5.0, -6.0]];
        assert_eq!(parse_npy(&npy(&expected)).unwrap(), expected);
        assert_eq!(parse_npy(&npy(&expected.mapv(f64::from))).unwrap(), expected);
        let mut fortran = Array2::zeros((2, 3).f());
        fortran.assign(&expected);
        assert_ne!(npy(&fortran), npy(&expected));
        assert_eq!(parse_npy(&npy(&fortran)).unwrap(), expected);
        assert_eq!(parse_npy(&npy(&array![7.0_f32, 8.0, 9.0])).unwrap(), array![[7.0, 8.0, 9.0]]);
        // Version 2 differs in the width of the header's length.
        let version_1 = npy(&expected);
        let version_2 = [NPY, &[2, 0], &version_1[8..10], &[0, 0], &version_1[10..]].concat();
        assert_eq!(parse_npy(&version_2).unwrap(), expected);
    }

    #[test]
    fn what_is_no_array_of_features_says_why() {
        let good = npy(&array![[1.0_f32, 2.0]]);
        let header = |dtype, shape: &str| format!("{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}");
        let cases = [
            (with_header(&header("'|O'", "(2,)"), b"\x80\x04]\x94."), "dtype '|O', but float32 ('<f4') or float64"),
            (with_header(&header("[('a', '<f4')]", "(2,)"), &[0; 8]), "dtype [('a'"),
            (with_header(&header("'>f4'", "(2,)"), &[0; 8]), "dtype '>f4'"),
            (npy(&array![[1_i32, 2]]), "dtype '<i4'"),
            (npy(&Array3::<f32>::zeros((2, 3, 4))), "shape (2, 3, 4), but [frames, bins] or [bins] is needed"),
            (npy(&Array0::<f32>::zeros(())), "shape ()"),
            (npy(&Array2::<f32>::zeros((0, 4))), "shape (0, 4), but at least one frame"),
            (npy(&Array2::<f32>::zeros((4, 0))), "at least one frame of one bin"),
            (npy(&Array1::<f64>::zeros(0)), "at least one frame of one bin"),
            (npy(&array![[1.0, f32::NAN]]), "bin 1 of frame 0 is NaN"),
            (npy(&array![[1.0], [1e39_f64]]), "bin 0 of frame 1 is inf, but features must be finite in float32"),
            (good[..good.len() - 1].to_vec(), "cut short or damaged: 7 bytes"),
            ([&good[..], &[0]].concat(), "cut short or damaged: 9 bytes"),
            (good[..9].to_vec(), "the header is cut short"),
            (good[..40].to_vec(), "the header is cut short"),
            (with_header(&header("'<f4'", "(4611686018427387904, 4)"), &[0; 16]), "cut short or damaged: 16 bytes"),
            (with_header(&header("'<f4'", "(0, 9223372036854775807, 4)"), &[]), "shape (0, 92"),
            (with_header(&header("'<f4'", "(-2, 3)"), &[]), "invalid digit"),
            (with_header(&header("'<f4'", "(2, 3"), &[]), "the header is cut short or damaged"),
            (with_header(&"(".repeat(60_000), &[]), "the header is cut short or damaged"),
            (with_header("{'shape': (2,)}", &[]), "the header is cut short or damaged"),
        ];
        for (bytes, reason) in cases {
            let error = parse_npy(&bytes).unwrap_err().to_string();
            assert!(error.contains(reason), "{error:?} is not {reason:?}");
        }
    }
}
