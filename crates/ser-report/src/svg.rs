//! The few SVG elements that figures are made of.

use std::fmt::{self, Display, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Height of ordinary text in pixels.
pub(crate) const TEXT_SIZE: f64 = 12.0;

/// Where a text's position is within it.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// Collects SVG elements. Their colours are those of their class, which the style sheet of the file or page gives.
#[derive(Debug, Default)]
pub(crate) struct Drawing {
    elements: String,
}

impl Drawing {
    pub(crate) fn into_elements(self) -> String {
        self.elements
    }

    pub(crate) fn rect(&mut self, class: impl Display, [x, y]: [f64; 2], [width, height]: [f64; 2]) {
        self.push(format_args!(
            r#"<rect class="{class}" x="{}" y="{}" width="{}" height="{}"/>"#,
            Number(x),
            Number(y),
            Number(width),
            Number(height)
        ));
    }

    /// Draws a rectangle of the class `heat`, the stronger the larger `share` in 0 to 1 is.
    pub(crate) fn heat(&mut self, share: f64, [x, y]: [f64; 2], [width, height]: [f64; 2]) {
        self.push(format_args!(
            r#"<rect class="heat" fill-opacity="{}" x="{}" y="{}" width="{}" height="{}"/>"#,
            // Text on the strongest cell keeps a contrast of 4.5 : 1 in light and in dark.
            Number(0.8 * share),
            Number(x),
            Number(y),
            Number(width),
            Number(height)
        ));
    }

    pub(crate) fn circle(&mut self, class: impl Display, [x, y]: [f64; 2], radius: f64) {
        self.push(format_args!(
            r#"<circle class="{class}" cx="{}" cy="{}" r="{}"/>"#,
            Number(x),
            Number(y),
            Number(radius)
        ));
    }

    /// Draws a path of straight lines.
    pub(crate) fn path(&mut self, class: impl Display, points: impl IntoIterator<Item = [f64; 2]>, closed: bool) {
        let mut data = String::new();
        for [x, y] in points {
            let command = if data.is_empty() { 'M' } else { 'L' };
            // Writing to a String cannot fail.
            let _ = write!(data, "{command}{} {}", Number(x), Number(y));
        }
        let end = if closed { "Z" } else { "" };
        self.push(format_args!(r#"<path class="{class}" d="{data}{end}"/>"#));
    }

    pub(crate) fn line(&mut self, class: impl Display, from: [f64; 2], to: [f64; 2]) {
        self.path(class, [from, to], false);
    }

    pub(crate) fn text(&mut self, class: impl Display, anchor: Anchor, [x, y]: [f64; 2], text: &str) {
        self.push(format_args!(
            r#"<text class="{class}"{} x="{}" y="{}">{}</text>"#,
            anchor.attribute(),
            Number(x),
            Number(y),
            escape(text)
        ));
    }

    /// Writes a text that runs upwards for -90 degrees, downwards for 90.
    pub(crate) fn turned_text(
        &mut self,
        class: impl Display,
        anchor: Anchor,
        [x, y]: [f64; 2],
        degrees: f64,
        text: &str,
    ) {
        let (x, y) = (Number(x), Number(y));
        self.push(format_args!(
            r#"<text class="{class}"{} transform="translate({x} {y}) rotate({})">{}</text>"#,
            anchor.attribute(),
            Number(degrees),
            escape(text)
        ));
    }

    /// Draws a PNG image stretched over `image`, of which only what lies in `window` is seen; both are `[x, y, width, height]`.
    pub(crate) fn image(&mut self, window: [f64; 4], image: [f64; 4], png: &[u8]) {
        let [left, top, width, height] = window.map(Number);
        let [x, y] = [Number(image[0] - window[0]), Number(image[1] - window[1])];
        let [image_width, image_height] = [Number(image[2]), Number(image[3])];
        self.push(format_args!(
            r#"<svg x="{left}" y="{top}" width="{width}" height="{height}"><image x="{x}" y="{y}" width="{image_width}" height="{image_height}" preserveAspectRatio="none" href="{}"/></svg>"#,
            data_uri("image/png", png)
        ));
    }

    fn push(&mut self, element: fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.elements.write_fmt(element);
        self.elements.push('\n');
    }
}

impl Anchor {
    fn attribute(self) -> &'static str {
        match self {
            Self::Start => "",
            Self::Middle => r#" text-anchor="middle""#,
            Self::End => r#" text-anchor="end""#,
        }
    }
}

/// A length in pixels, to a hundredth of a pixel.
struct Number(f64);

impl Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.2}", self.0);
        let short = text.trim_end_matches('0').trim_end_matches('.');
        f.write_str(if short == "-0" { "0" } else { short })
    }
}

/// Returns `text` as it stands in XML and HTML, between tags or in an attribute. Control characters, which XML cannot hold, become U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' => escaped.push(character),
            '\u{FFFE}' | '\u{FFFF}' => escaped.push('\u{FFFD}'),
            _ if character.is_control() => escaped.push('\u{FFFD}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

pub(crate) fn data_uri(media_type: &str, bytes: &[u8]) -> String {
    format!("data:{media_type};base64,{}", STANDARD.encode(bytes))
}

/// Returns about how wide ordinary text is, in pixels: what the reader's fonts do is not known.
pub(crate) fn text_width(text: &str) -> f64 {
    let ems = text.chars().map(|character| match character {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | '(' | ')' | '[' | ']' | ' ' => 0.3,
        'f' | 'r' | 't' | '-' | '/' => 0.4,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 0.92,
        '\u{0300}'..='\u{036F}' => 0.0,
        'A'..='Z' => 0.68,
        // Chinese, Japanese, Korean.
        '\u{2E80}'.. => 1.0,
        _ => 0.58,
    });
    TEXT_SIZE * ems.sum::<f64>()
}

/// Returns the text, or its beginning and `…` where it is wider than `width` pixels.
pub(crate) fn shortened(text: &str, width: f64) -> String {
    if text_width(text) <= width {
        return text.into();
    }
    let mut short = String::new();
    for character in text.chars() {
        short.push(character);
        if text_width(&short) > width - TEXT_SIZE {
            break;
        }
    }
    short.push('…');
    short
}
