//! Reads figures back.

#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::Engine;
use roxmltree::{Document, Node};

pub fn parse(svg: &str) -> Document<'_> {
    Document::parse(svg).unwrap()
}

pub fn number(node: Node<'_, '_>, attribute: &str) -> f64 {
    node.attribute(attribute).unwrap().parse().unwrap()
}

/// All texts in the drawing, the title included.
pub fn texts(document: &Document<'_>) -> Vec<String> {
    document.descendants().filter(|node| node.has_tag_name("text")).map(|node| node.text().unwrap().into()).collect()
}

/// All elements of a class.
pub fn of_class<'a>(document: &'a Document<'a>, class: &str) -> Vec<Node<'a, 'a>> {
    document
        .descendants()
        .filter(|node| node.attribute("class").is_some_and(|names| names.split(' ').any(|name| name == class)))
        .collect()
}

/// The points of the first path of a class.
pub fn points(document: &Document<'_>, class: &str) -> Vec<[f64; 2]> {
    path_points(of_class(document, class)[0])
}

pub fn path_points(path: Node<'_, '_>) -> Vec<[f64; 2]> {
    let data = path.attribute("d").unwrap().trim_end_matches('Z');
    data.split(['M', 'L'])
        .filter(|point| !point.is_empty())
        .map(|point| {
            let (x, y) = point.split_once(' ').unwrap();
            [x.parse().unwrap(), y.parse().unwrap()]
        })
        .collect()
}

/// The pixel of the first tick with this text: on the x axis (its numbers are centred) or a y axis (they end at it).
pub fn tick(document: &Document<'_>, text: &str, axis: char) -> f64 {
    let anchor = if axis == 'x' { "middle" } else { "end" };
    let number_node = of_class(document, "number")
        .into_iter()
        .find(|node| node.text() == Some(text) && node.attribute("text-anchor") == Some(anchor))
        .unwrap_or_else(|| panic!("no tick {text} among {:?}", texts(document)));
    match axis {
        'x' => number(number_node, "x"),
        // A number's baseline lies 0.36 of its 12 pixels below its middle.
        _ => number(number_node, "y") - 0.36 * 12.0,
    }
}

/// Width, height and colours, row by row from the top, of an image in the document.
pub fn image_pixels(document: &Document<'_>, index: usize) -> (usize, usize, Vec<[u8; 3]>) {
    let image = document.descendants().filter(|node| node.has_tag_name("image")).nth(index).unwrap();
    let data = image.attribute("href").unwrap().strip_prefix("data:image/png;base64,").unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut indices = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut indices).unwrap();
    let palette = reader.info().palette.clone().unwrap();
    let colours = indices.iter().map(|&index| {
        let at = 3 * usize::from(index);
        [palette[at], palette[at + 1], palette[at + 2]]
    });
    (frame.width as usize, frame.height as usize, colours.collect())
}
