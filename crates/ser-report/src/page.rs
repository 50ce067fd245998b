use std::fmt::{self, Write};
use std::path::Path;

use crate::colour::{FIGURE_STYLE, page_variables};
use crate::error::same_length;
use crate::svg::{data_uri, escape};
use crate::{Error, Figure};

/// Builds one self-contained HTML page: no script, and nothing is fetched, which a Content-Security-Policy enforces.
///
/// What is added appears in that order. All text is escaped. Sections are listed on top; screen readers and keyboards are served
/// by landmarks, headings, captions and descriptions; colours follow the reader's choice of light or dark, and paper gets light.
///
/// ```
/// use ser_report::{Column, Page};
///
/// let mut page = Page::new("Two clips");
/// page.section("Durations");
/// page.table("Seconds by clip", &[Column::text("Clip"), Column::number("Seconds")], &[vec!["a".into(), "1.5".into()]])?;
/// assert!(page.to_html().starts_with("<!DOCTYPE html>"));
/// # Ok::<(), ser_report::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Page {
    title: String,
    sections: Vec<String>,
    /// What stands before the first section.
    head: String,
    body: String,
    has_audio: bool,
}

/// What tells our pages from others.
const GENERATOR: &str = r#"<meta name="generator" content="ser-core">"#;

const VOICES: &str = "this page contains recordings of voices. Voices are personal data: whoever gets the page gets them. \
     Share it only with those who may hear them.";

fn warning(text: &str) -> String {
    format!("<p class=\"warning\"><strong>Warning:</strong> {}</p>\n", escape(text))
}

/// Names a column of a table and says how it is aligned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    name: String,
    is_number: bool,
}

impl Column {
    /// Makes a column of words, aligned to the left.
    pub fn text(name: &str) -> Self {
        Self { name: name.into(), is_number: false }
    }

    /// Makes a column of numbers, aligned to the right.
    pub fn number(name: &str) -> Self {
        Self { name: name.into(), is_number: true }
    }

    fn class(&self) -> &'static str {
        if self.is_number { r#" class="numeric""# } else { "" }
    }
}

impl Page {
    /// Starts a page with its title.
    pub fn new(title: &str) -> Self {
        Self { title: title.into(), sections: Vec::new(), head: String::new(), body: String::new(), has_audio: false }
    }

    /// Checks that no file of these names would be replaced in a folder, but those of an earlier page `index.html` of this
    /// library.
    ///
    /// # Errors
    ///
    /// [`Error::InTheWay`] names the first such file.
    pub fn check_folder(folder: &Path, names: &[&str]) -> Result<(), Error> {
        let is_ours = |page: Vec<u8>| page.windows(GENERATOR.len()).any(|part| part == GENERATOR.as_bytes());
        if std::fs::read(folder.join("index.html")).is_ok_and(is_ours) {
            return Ok(());
        }
        match names.iter().map(|name| folder.join(name)).find(|path| path.exists()) {
            Some(path) => Err(Error::InTheWay { path }),
            None => Ok(()),
        }
    }

    /// Starts a section, which the list on top links to.
    pub fn section(&mut self, title: &str) {
        self.sections.push(title.into());
        let number = self.sections.len();
        self.push(format_args!("<h2 id=\"section-{number}\">{}</h2>\n", escape(title)));
    }

    /// Starts a part of a section; before the first section there is none.
    pub fn subsection(&mut self, title: &str) {
        let level = if self.sections.is_empty() { 2 } else { 3 };
        self.push(format_args!("<h{level}>{}</h{level}>\n", escape(title)));
    }

    /// Adds a paragraph.
    pub fn paragraph(&mut self, text: &str) {
        self.push(format_args!("<p>{}</p>\n", escape(text)));
    }

    /// Adds a paragraph that must not be overlooked.
    pub fn note(&mut self, text: &str) {
        self.push(format_args!("<p class=\"note\">{}</p>\n", escape(text)));
    }

    /// Adds a paragraph that warns.
    pub fn warning(&mut self, text: &str) {
        self.push(format_args!("{}", warning(text)));
    }

    /// Adds a list, or nothing if it has no item.
    pub fn list<T: AsRef<str>>(&mut self, items: &[T]) {
        if !items.is_empty() {
            let items: String = items.iter().map(|item| format!("<li>{}</li>", escape(item.as_ref()))).collect();
            self.push(format_args!("<ul>{items}</ul>\n"));
        }
    }

    /// Adds a table; the first cell of a row names it.
    ///
    /// # Errors
    ///
    /// If a row has more or fewer cells than there are columns.
    pub fn table(&mut self, caption: &str, columns: &[Column], rows: &[Vec<String>]) -> Result<(), Error> {
        for row in rows {
            same_length("cells of a table's row", columns.len(), row.len())?;
        }
        let caption = escape(caption);
        let heads = columns.iter().map(|column| {
            let (class, name) = (column.class(), escape(&column.name));
            format!("<th scope=\"col\"{class}>{name}</th>")
        });
        let heads: String = heads.collect();
        // Keyboards can scroll what has the focus.
        self.push(format_args!(
            "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\">\n\
             <table><caption>{caption}</caption><thead><tr>{heads}</tr></thead><tbody>\n"
        ));
        for row in rows {
            self.push(format_args!("<tr>"));
            for (index, (cell, column)) in row.iter().zip(columns).enumerate() {
                let (class, cell) = (column.class(), escape(cell));
                if index == 0 {
                    self.push(format_args!("<th scope=\"row\"{class}>{cell}</th>"));
                } else {
                    self.push(format_args!("<td{class}>{cell}</td>"));
                }
            }
            self.push(format_args!("</tr>\n"));
        }
        self.push(format_args!("</tbody></table></div>\n"));
        Ok(())
    }

    /// Adds a figure with a caption under it. Its title and description are its alternative text.
    pub fn figure(&mut self, figure: &Figure, caption: &str) {
        let (svg, caption) = (figure.to_inline_svg(), escape(caption));
        self.push(format_args!("<figure>\n{svg}\n<figcaption>{caption}</figcaption></figure>\n"));
    }

    /// Adds a player for a WAV file, which becomes part of the page; this then says so on top.
    ///
    /// A voice is personal data: whoever has the page has the voice.
    pub fn audio(&mut self, label: &str, wav: &[u8]) {
        self.has_audio = true;
        let (label, source) = (escape(label), data_uri("audio/wav", wav));
        self.push(format_args!(
            "<figure><figcaption>{label}</figcaption>\
             <audio controls preload=\"metadata\" aria-label=\"{label}\" src=\"{source}\"></audio></figure>\n"
        ));
    }

    /// Adds text whose lines and spaces are kept, such as a command or a configuration; `label` says what it is.
    pub fn code(&mut self, label: &str, text: &str) {
        let (label, text) = (escape(label), escape(text));
        self.push(format_args!("<pre tabindex=\"0\" role=\"region\" aria-label=\"{label}\">{text}</pre>\n"));
    }

    /// Returns the page.
    pub fn to_html(&self) -> String {
        let title = escape(&self.title);
        let links: String = self
            .sections
            .iter()
            .zip(1..)
            .map(|(section, number)| format!("<li><a href=\"#section-{number}\">{}</a></li>", escape(section)))
            .collect();
        let nav = if self.sections.len() < 2 {
            String::new()
        } else {
            format!("<nav aria-label=\"Sections\"><ul>{links}</ul></nav>\n")
        };
        format!(
            r##"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
{GENERATOR}
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
{variables}{page_style}{FIGURE_STYLE}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header>
<h1>{title}</h1>
{voices}{head}</header>
{nav}<main id="content">
{body}</main>
</body>
</html>
"##,
            variables = page_variables(),
            page_style = include_str!("../assets/page.css"),
            voices = if self.has_audio { warning(VOICES) } else { String::new() },
            head = self.head,
            body = self.body,
        )
    }

    fn push(&mut self, html: fmt::Arguments<'_>) {
        let part = if self.sections.is_empty() { &mut self.head } else { &mut self.body };
        // Writing to a String cannot fail.
        let _ = part.write_fmt(html);
    }
}
