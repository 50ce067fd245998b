//! Tables beside the audio: small files of rows with a header.

use std::{fs, path::Path};

use csv::{ReaderBuilder, StringRecord};

use crate::Error;

pub struct Table {
    header: Vec<String>,
    rows: Vec<StringRecord>,
}

impl Table {
    /// Reads comma-separated values with quotes.
    pub fn comma_separated(path: &Path) -> Result<Self, Error> {
        Self::read(path, ReaderBuilder::new().has_headers(false))
    }

    /// Reads tab-separated values, in which quotes are text.
    pub fn tab_separated(path: &Path) -> Result<Self, Error> {
        Self::read(path, ReaderBuilder::new().has_headers(false).delimiter(b'\t').quoting(false))
    }

    fn read(path: &Path, format: &ReaderBuilder) -> Result<Self, Error> {
        if path.is_dir() {
            let reason =
                "it is a folder: give the file of the table, or read the folder's corpus by its own name".into();
            return Err(Error::Table { path: path.into(), reason });
        }
        let bytes = fs::read(path).map_err(|source| Error::File { path: path.into(), source })?;
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let rows: Result<Vec<_>, _> = format.from_reader(text).into_records().collect();
        let mut rows = rows.map_err(|error| invalid(path, error.to_string()))?;
        if rows.is_empty() {
            return Err(invalid(path, "it is empty, and should begin with a header".into()));
        }
        let header = rows.remove(0).iter().map(String::from).collect();
        Ok(Self { header, rows })
    }

    pub fn header(&self) -> &[String] {
        &self.header
    }

    pub fn rows(&self) -> &[StringRecord] {
        &self.rows
    }

    /// Finds the column with the first of these names that there is, in any case.
    pub fn column(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.header.iter().position(|h| h.trim().eq_ignore_ascii_case(name)))
    }

    pub fn required_column(&self, path: &Path, names: &[&str]) -> Result<usize, Error> {
        self.column(names).ok_or_else(|| {
            let (wanted, header) = (names.join(" or "), self.header.join(", "));
            invalid(path, format!("it has no column {wanted}; its columns are {header}"))
        })
    }
}

/// Returns a cell without the space around it, or `None` if it is empty.
pub fn cell(row: &StringRecord, column: Option<usize>) -> Option<&str> {
    row.get(column?).map(str::trim).filter(|cell| !cell.is_empty())
}

pub fn invalid(path: &Path, reason: String) -> Error {
    Error::Table { path: path.into(), reason }
}
