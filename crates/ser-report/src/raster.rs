//! Heat maps: arrays to small PNG images with a palette.

use ndarray::{Array2, ArrayView2, Axis};

use crate::Error;
use crate::colour::ColourMap;

/// The most pixels of a heat map, `[columns, rows]`: what is larger is pooled.
pub(crate) const MOST_PIXELS: [usize; 2] = [800, 256];

/// Returns the map with at most `most` rows and columns, each the strongest of those it stands for: the one `is_stronger`.
pub(crate) fn pooled(map: ArrayView2<'_, f32>, most: [usize; 2], is_stronger: fn(f32, f32) -> bool) -> Array2<f32> {
    let [columns, rows] = [map.nrows().min(most[0]), map.ncols().min(most[1])];
    let range = |index: usize, of: usize, length: usize| index * length / of..(index + 1) * length / of;
    Array2::from_shape_fn((columns, rows), |(column, row)| {
        // Not sliced by `s!`, which contains an `allow(unsafe_code)`.
        let frames = map.slice_axis(Axis(0), range(column, columns, map.nrows()).into());
        let cell = frames.slice_axis(Axis(1), range(row, rows, map.ncols()).into());
        let first = cell.first().copied().unwrap_or_default();
        cell.iter().fold(first, |best, &value| if is_stronger(value, best) { value } else { best })
    })
}

/// Encodes `[columns, rows]` of colour indices, the first row at the bottom.
pub(crate) fn encode(indices: &Array2<u8>, colours: &ColourMap, alpha: Option<&[u8; 256]>) -> Result<Vec<u8>, Error> {
    let (width, height) = indices.dim();
    let pixels: Vec<u8> =
        (0..height).rev().flat_map(|row| indices.column(row).iter().copied().collect::<Vec<_>>()).collect();
    let mut bytes = Vec::new();
    let failure = |error: png::EncodingError| Error::Png {
        width: width as f64,
        height: height as f64,
        reason: error.to_string(),
    };
    // What the standard allows; `pooled` keeps heat maps far below.
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(colours.as_flattened());
    if let Some(alpha) = alpha {
        encoder.set_trns(alpha.as_slice());
    }
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().map_err(failure)?;
    writer.write_image_data(&pixels).map_err(failure)?;
    writer.finish().map_err(failure)?;
    Ok(bytes)
}

/// Returns the index of a colour map's colour for `value` between `low` and `high`.
pub(crate) fn index(value: f32, low: f32, high: f32) -> u8 {
    // A cast of a float saturates.
    (255.0 * (value - low) / (high - low)).round() as u8
}
