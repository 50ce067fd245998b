use crate::colour::fixed_style;
use crate::svg::{Drawing, escape};

/// Room for the title above a figure in its own file, in pixels.
const TITLE_HEIGHT: f64 = 30.0;

/// Holds a drawn figure: a vector drawing with a title, and a description in words of what it shows.
///
/// As a file ([`to_svg`](Self::to_svg), [`to_png`](Self::to_png)) it has its title on top and is drawn for white paper. In a
/// [`Page`](crate::Page) the caption takes the title's place, and the colours follow the reader's choice of light or dark.
#[derive(Debug, Clone)]
pub struct Figure {
    title: String,
    description: String,
    width: f64,
    height: f64,
    elements: String,
}

impl Figure {
    pub(crate) fn new(title: &str, description: String, [width, height]: [f64; 2], drawing: Drawing) -> Self {
        Self { title: title.into(), description, width, height, elements: drawing.into_elements() }
    }

    /// Returns the title.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Returns in words what the figure shows, for those who cannot see it.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Returns an SVG file that refers to nothing outside itself.
    pub fn to_svg(&self) -> String {
        let [title, description] = [&self.title, &self.description].map(|text| escape(text));
        let (width, height) = (self.width, self.height + TITLE_HEIGHT);
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" class="figure" role="img" aria-labelledby="title description" width="{width}" height="{height}" viewBox="0 {top} {width} {height}" font-family="'Roboto', system-ui, sans-serif">
<title id="title">{title}</title>
<desc id="description">{description}</desc>
<style>{style}</style>
<rect class="background" x="0" y="{top}" width="{width}" height="{height}"/>
<text class="title" x="12" y="-9">{title}</text>
{elements}</svg>
"#,
            top = -TITLE_HEIGHT,
            style = fixed_style(),
            elements = self.elements,
        )
    }

    /// Returns an `<svg>` element for a page that gives the style.
    pub(crate) fn to_inline_svg(&self) -> String {
        let [title, description] = [&self.title, &self.description].map(|text| escape(text));
        format!(
            "<svg class=\"figure\" role=\"img\" aria-label=\"{title}. {description}\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\">\n{elements}</svg>",
            width = self.width,
            height = self.height,
            elements = self.elements,
        )
    }

    /// Returns a PNG file, drawn without the fonts or libraries of the system, at `scale` pixels for each pixel of the SVG
    /// (over 0; 2 suits screens and print).
    ///
    /// The embedded font, Roboto, has the Latin, Greek and Cyrillic scripts.
    ///
    /// # Errors
    ///
    /// If `scale` is not positive, if the image would have more than 100 million pixels, or if the font lacks a character.
    #[cfg(feature = "png")]
    pub fn to_png(&self, scale: f32) -> Result<Vec<u8>, crate::Error> {
        crate::rendering::render(&self.to_svg(), scale)
    }
}
