use std::{fs, path::Path};

use crate::{
    Corpus, Error, Utterance,
    readers::{
        files::{listed_warning, no_clips, path_in_table},
        table::invalid,
    },
};

impl Corpus {
    /// Reads utterances from a file of JSON Lines, as [`save_json_lines`](Self::save_json_lines)
    /// writes them: one object a line with the fields of [`Utterance`].
    ///
    /// Relative paths start at the file's folder. Listed files that are not there are left out with a
    /// warning.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, a line is no utterance, or no listed file is there.
    pub fn json_lines(path: impl AsRef<Path>) -> Result<Self, Error> {
        let table = path.as_ref();
        let folder = table.parent().unwrap_or(Path::new(""));
        let text = fs::read_to_string(table).map_err(|source| Error::File { path: table.into(), source })?;
        let (mut utterances, mut warnings) = (Vec::new(), Vec::new());
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let mut utterance: Utterance =
                serde_json::from_str(line).map_err(|error| invalid(table, format!("line {}: {error}", index + 1)))?;
            utterance.path = folder.join(&utterance.path);
            match listed_warning(&utterance.path) {
                Some(warning) => warnings.push(warning),
                None => utterances.push(utterance),
            }
        }
        if utterances.is_empty() {
            return Err(no_clips(table, "lines that list audio files", &warnings));
        }
        Ok(Self::with_warnings(utterances, warnings))
    }

    /// Writes the utterances as JSON Lines: one object a line with the fields of [`Utterance`] that
    /// are known. Warnings are not written.
    ///
    /// Paths below the file's folder are written relative to it, all others as absolute paths.
    /// [`json_lines`](Self::json_lines) reads the same utterances from the file.
    ///
    /// # Errors
    ///
    /// If the file cannot be written, or a path is not Unicode.
    pub fn save_json_lines(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let table = path.as_ref();
        let mut text = String::new();
        for utterance in self.utterances() {
            let path = path_in_table(&utterance.path, table)?.into();
            let line = serde_json::to_string(&Utterance { path, ..utterance.clone() });
            text += &line.map_err(|error| invalid(table, error.to_string()))?;
            text.push('\n');
        }
        fs::write(table, text).map_err(|source| Error::File { path: table.into(), source })
    }
}
