//! SVG to PNG, with the embedded font alone.

use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{self, fontdb, roxmltree::Document};

use crate::Error;

/// Roboto Regular (Copyright 2011 Google Inc., Apache License 2.0), cut down by `assets/subset_font.py`.
const FONT: &[u8] = include_bytes!("../assets/Roboto-subset.ttf");
/// The characters of the font.
const CHARACTERS: &str = include_str!("../assets/Roboto-subset.txt");
const MOST_PIXELS: f64 = 1e8;

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_source(fontdb::Source::Binary(Arc::new(FONT)));
    fonts.set_sans_serif_family("Roboto");
    Arc::new(fonts)
});

pub(crate) fn render(svg: &str, scale: f32) -> Result<Vec<u8>, Error> {
    if !(scale > 0.0 && scale.is_finite()) {
        let allowed = "a positive number of pixels for each pixel of the SVG, such as 2";
        return Err(Error::OutOfRange { what: "scale", value: scale.into(), allowed });
    }
    let options = usvg::Options { fontdb: Arc::clone(&FONTS), ..usvg::Options::default() };
    let failure = |[width, height]: [f64; 2], reason: String| Error::Png { width, height, reason };
    let unreadable = |error: &dyn ToString| failure([0.0, 0.0], error.to_string());
    let document = Document::parse(svg).map_err(|error| unreadable(&error))?;
    check_characters(&document)?;
    let tree = usvg::Tree::from_xmltree(&document, &options).map_err(|error| unreadable(&error))?;

    let size = [tree.size().width(), tree.size().height()].map(|length| f64::from((length * scale).ceil()));
    if size[0] * size[1] > MOST_PIXELS {
        return Err(failure(size, format!("more than {MOST_PIXELS} pixels; take a smaller scale than {scale}")));
    }
    let mut pixels = Pixmap::new(size[0] as u32, size[1] as u32)
        .ok_or_else(|| failure(size, format!("no pixels at scale {scale}; take a larger one")))?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| failure(size, error.to_string()))
}

/// Refuses text that would be drawn as empty boxes, or not at all.
fn check_characters(document: &Document<'_>) -> Result<(), Error> {
    let texts = document.descendants().filter(|node| node.has_tag_name("text")).filter_map(|node| node.text());
    for text in texts {
        if let Some(character) = text.chars().find(|character| !CHARACTERS.contains(*character)) {
            return Err(Error::MissingGlyph { character, text: text.into() });
        }
    }
    Ok(())
}
