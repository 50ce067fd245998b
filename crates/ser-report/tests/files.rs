//! SVG, PNG and HTML as files: escaping, alternative text, nothing from outside.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{parse, texts};
use ser_report::{Column, Error, Page, waveform};

#[test]
fn names_are_escaped_wherever_they_stand() {
    let name = "<b>\"R&D\"</b> 'x' \u{0}\u{1b}";
    let mut page = Page::new(name);
    page.note(name);
    page.section(name);
    page.paragraph(name);
    page.warning(name);
    page.list(&[name]);
    page.code(name, name);
    page.audio(name, b"RIFF");
    page.table(name, &[Column::text(name)], &[vec![name.into()]]).unwrap();
    let figure = waveform(name, &[0.0, 1.0], 1).unwrap();
    page.figure(&figure, name);
    let html = page.to_html();
    assert!(!html.contains("<b>") && !html.contains("\"R&D") && !html.contains('\0'));
    assert!(html.matches("&lt;b&gt;&quot;R&amp;D&quot;&lt;/b&gt; 'x' \u{FFFD}\u{FFFD}").count() >= 14);

    let svg = figure.to_svg();
    let document = parse(&svg);
    assert_eq!(texts(&document)[0], "<b>\"R&D\"</b> 'x' \u{FFFD}\u{FFFD}");
}

#[test]
fn a_figure_says_what_it_is_to_screen_readers() {
    let svg = waveform("Title", &[0.0, 0.25], 1).unwrap().to_svg();
    let document = parse(&svg);
    let root = document.root_element();
    assert_eq!(root.attribute("role"), Some("img"));
    let labels: Vec<&str> = root.attribute("aria-labelledby").unwrap().split(' ').collect();
    let spoken: Vec<&str> = labels
        .iter()
        .map(|id| document.descendants().find(|node| node.attribute("id") == Some(id)).unwrap().text().unwrap())
        .collect();
    assert_eq!(spoken, ["Title", "waveform of 2.00 s, largest amplitude 0.250."]);
}

#[test]
fn nothing_refers_outside() {
    let figure = waveform("Title", &[0.0, 0.25], 1).unwrap();
    let mut page = Page::new("Page");
    page.figure(&figure, "Caption");
    page.audio("Clip", b"RIFF");
    for text in [figure.to_svg(), page.to_html()] {
        let without_namespace = text.replace("http://www.w3.org/2000/svg", "");
        for outside in ["http:", "https:", "//", "url(", "@import", "<script", "<link rel=\"stylesheet"] {
            assert!(!without_namespace.contains(outside), "{outside} in {text}");
        }
        for reference in text.split("href=\"").skip(1).chain(text.split("src=\"").skip(1)) {
            assert!(reference.starts_with("data:") || reference.starts_with('#'), "{reference}");
        }
    }
}

#[test]
fn a_page_lists_its_sections() {
    let mut page = Page::new("Page");
    page.paragraph("Before all sections.");
    page.section("First");
    page.section("Second");
    let html = page.to_html();
    assert!(html.contains("<li><a href=\"#section-2\">Second</a></li>"));
    assert!(html.contains("<h2 id=\"section-2\">Second</h2>"));
    let [lead, nav] = ["Before all sections.", "<nav"].map(|text| html.find(text).unwrap());
    assert!(lead < nav);
}

#[test]
fn a_row_of_another_length_is_refused() {
    let mut page = Page::new("Page");
    let error = page.table("Caption", &[Column::text("a"), Column::number("b")], &[vec!["1".into()]]).unwrap_err();
    assert_eq!(error, Error::Lengths { what: "cells of a table's row", expected: 2, actual: 1 });
}

#[cfg(feature = "png")]
mod png_files {
    use super::*;

    fn decode(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut pixels).unwrap();
        (frame.width, frame.height, pixels)
    }

    #[test]
    fn has_the_size_asked_for_and_ink_of_shapes_text_and_images() {
        let figure = waveform("Title", &[0.0, 0.9, -0.9, 0.0], 4).unwrap();
        let (width, height, _) = decode(&figure.to_png(1.0).unwrap());
        let (double_width, double_height, pixels) = decode(&figure.to_png(2.0).unwrap());
        assert_eq!((double_width, double_height), (2 * width, 2 * height));
        let colours: Vec<&[u8]> = pixels.chunks_exact(4).collect();
        assert_eq!(colours[0], [255, 255, 255, 255], "white paper");
        assert!(colours.contains(&&[0x00, 0x72, 0xb2, 255][..]), "the wave");
        // The title is drawn in the first 30 lines and nothing else is.
        let title = &colours[..(60 * double_width) as usize];
        let ink = title.iter().filter(|colour| colour[0] < 128).count();
        assert!((100..2000).contains(&ink), "{ink} dark pixels of the title");
    }

    #[test]
    fn shows_heat_maps() {
        let decibels = ndarray::array![[0.0, -80.0], [-80.0, 0.0]];
        let spectrogram = ser_report::Spectrogram {
            decibels: decibels.view(),
            hop: 1.0,
            first: 0.5,
            bins: ser_report::Bins::Linear { nyquist: 1.0 },
        };
        let (_, _, pixels) = decode(&ser_report::spectrogram("Map", spectrogram).unwrap().to_png(1.0).unwrap());
        for end in [[0x44, 0x01, 0x54, 255], [0xfd, 0xe7, 0x25, 255]] {
            let count = pixels.chunks_exact(4).filter(|colour| *colour == end).count();
            assert!(count > 20_000, "{count} pixels of {end:?}");
        }
    }

    #[test]
    fn a_character_that_the_font_lacks_is_refused() {
        let error = waveform("怒り", &[0.0, 1.0], 1).unwrap().to_png(1.0).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the embedded font has no '怒' (U+6012), which \"怒り\" needs in a PNG file: \
             write the figure as SVG, which takes the reader's fonts"
        );
        waveform("Ärger, złość, гнев, θυμός, −1 ≤ x", &[0.0, 1.0], 1).unwrap().to_png(1.0).unwrap();
    }

    #[test]
    fn an_impossible_scale_is_refused() {
        let figure = waveform("Title", &[0.0, 1.0], 1).unwrap();
        for scale in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert!(matches!(figure.to_png(scale), Err(Error::OutOfRange { what: "scale", .. })), "{scale}");
        }
        let error = figure.to_png(100.0).unwrap_err().to_string();
        assert!(error.contains("take a smaller scale than 100"), "{error}");
        assert!(matches!(figure.to_png(1e-9), Ok(_) | Err(Error::Png { .. })));
    }
}
