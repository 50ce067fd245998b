use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs,
    path::Path,
};

use csv::StringRecord;

use crate::{
    Corpus, Emotion, Error, FoldPart, Intensity, Sex, Utterance, Warning,
    corpus::file,
    readers::{
        files::{listed_warning, no_clips, path_in_table},
        table::{Table, cell, invalid},
    },
};

// The names that a column can have, the one that is written first.
const FILE: &[&str] = &["file", "path", "filename"];
const EMOTION: &[&str] = &["emotion", "label"];
const CORPUS: &[&str] = &["corpus", "dataset", "database"];
const SPEAKER: &[&str] = &["speaker", "speaker_id"];
const SEX: &[&str] = &["gender", "sex"];
const AGE: &[&str] = &["age"];
const SENTENCE: &[&str] = &["sentence", "sentence_id"];
const INTENSITY: &[&str] = &["intensity"];
const REPETITION: &[&str] = &["repetition"];
const LANGUAGE: &[&str] = &["language"];
const FOLDS: &[&str] = &["folds"];
const WRITTEN: [&[&str]; 11] =
    [FILE, EMOTION, CORPUS, SPEAKER, SEX, AGE, SENTENCE, INTENSITY, REPETITION, LANGUAGE, FOLDS];
// Where a segment begins and ends in its file.
const START: &[&str] = &["start"];
const END: &[&str] = &["end"];

// What a column's name begins with where the name alone would be read as something else.
const ATTRIBUTE: &str = "attribute:";
const DIMENSION: &str = "dimension:";

impl Corpus {
    /// Reads utterances from a file of comma-separated values with a header, such as nkululeko and
    /// audformat write.
    ///
    /// | column, in any case | meaning |
    /// | --- | --- |
    /// | `file`, `path` or `filename` | the audio; a relative path starts at the folder of the CSV |
    /// | `emotion` or `label` | the emotion, in any of the spellings that [`Emotion`] reads |
    /// | `corpus`, `dataset` or `database` | the corpus; `csv` where it is missing |
    /// | `speaker` or `speaker_id` | the speaker |
    /// | `gender` or `sex` | `female` or `male`, or the first letter |
    /// | `age`, `sentence`, `intensity`, `repetition`, `language` | as in [`Utterance`] |
    /// | `folds` | as [`save_csv`](Self::save_csv) writes them: `1:test 2:train` |
    /// | `start`, `end` | where a segment begins and ends in its file |
    /// | any other | a dimension if all cells are numbers or empty, or else an attribute |
    ///
    /// Only `file` and `emotion` must be there. Cells are read without the space around them, and an
    /// empty one is not known. Utterances are whole files: those whose file is listed with a `start`
    /// other than 0 are left out with a warning. So are files that are not there and labels that are
    /// no emotion. Cells that cannot be read as what their column holds are left empty with a
    /// warning.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, has no column of files or of emotions, has rows of different
    /// lengths, or lists no file that is there.
    pub fn csv(path: impl AsRef<Path>) -> Result<Self, Error> {
        let csv = path.as_ref();
        let table = Table::comma_separated(csv)?;
        let columns = Columns::of(&table, csv)?;
        let folder = csv.parent().unwrap_or(Path::new(""));
        let mut warnings = Vec::new();
        if table.rows().iter().any(|row| cell(row, columns.end).is_some_and(is_time)) {
            warnings.push(Warning::new(csv, "has a column `end`", "ignored: files are taken whole"));
        }
        let rows = table.rows().iter();
        let segmented: HashSet<_> = rows
            .filter(|row| cell(row, columns.start).is_some_and(is_time))
            .filter_map(|row| cell(row, Some(columns.file)))
            .map(|name| file(&folder.join(name)))
            .collect();
        let mut utterances = Vec::new();
        for row in table.rows() {
            let Some(name) = cell(row, Some(columns.file)) else {
                warnings.push(Warning::new(csv, "a row names no file", "skipped"));
                continue;
            };
            let path = folder.join(name);
            if !segmented.is_empty() && segmented.contains(&file(&path)) {
                let action = "skipped: cut the segments into files of their own";
                warnings.push(Warning::new(path, "listed as segments", action));
                continue;
            }
            let label = cell(row, Some(columns.emotion)).unwrap_or_default();
            let Ok(emotion) = label.parse::<Emotion>() else {
                warnings.push(Warning::new(path, format!("unknown emotion {label:?}"), "skipped"));
                continue;
            };
            match listed_warning(&path) {
                Some(warning) => warnings.push(warning),
                None => {
                    let corpus = word(row, columns.corpus).unwrap_or("csv");
                    let mut utterance = Utterance::new(path, emotion, corpus);
                    columns.read(row, &mut utterance, &mut warnings);
                    utterances.push(utterance);
                }
            }
        }
        if utterances.is_empty() {
            return Err(no_clips(csv, "rows that list audio files and their emotions", &warnings));
        }
        Ok(Self::with_warnings(utterances, warnings))
    }

    /// Writes the utterances as comma-separated values, in columns as [`csv`](Self::csv) reads them.
    /// Warnings are not written.
    ///
    /// Paths below the file's folder are written relative to it, all others as absolute paths.
    /// [`csv`](Self::csv) reads the same utterances from the file, but that it takes the space around
    /// every cell off, and an empty one, or `nan`, `none` and `<NA>` where no attribute stands, as not known, and `7.0` for `7` as a speaker or a sentence. Attributes and dimensions have columns of their own
    /// names; where such a name would be read as something else it begins with `attribute:` or
    /// `dimension:`.
    ///
    /// # Errors
    ///
    /// If the file cannot be written, or a path is not Unicode.
    pub fn save_csv(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let csv = path.as_ref();
        let failed = |error: csv::Error| invalid(csv, error.to_string());
        let mut attributes = BTreeMap::<_, Vec<&str>>::new();
        let mut dimensions = BTreeSet::new();
        for utterance in self.utterances() {
            for (name, value) in &utterance.attributes {
                attributes.entry(name).or_default().push(value);
            }
            dimensions.extend(utterance.dimensions.keys());
        }
        let mut header: Vec<_> = WRITTEN.iter().map(|names| names[0].to_string()).collect();
        header.extend(attributes.iter().map(|(name, values)| {
            let clear = is_free(name) && !is_numeric(values.iter().copied()) && !dimensions.contains(name);
            if clear { name.to_string() } else { format!("{ATTRIBUTE}{name}") }
        }));
        header.extend(dimensions.iter().map(|name| {
            let clear = is_free(name) && !attributes.contains_key(name);
            if clear { name.to_string() } else { format!("{DIMENSION}{name}") }
        }));
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&header).map_err(failed)?;
        for utterance in self.utterances() {
            let folds: Vec<_> = utterance.folds.iter().map(|(fold, part)| format!("{fold}:{part}")).collect();
            let text = |value: &Option<String>| value.clone().unwrap_or_default();
            let mut row = vec![
                path_in_table(&utterance.path, csv)?,
                utterance.emotion.to_string(),
                utterance.corpus.clone(),
                text(&utterance.speaker),
                text(&utterance.sex.map(|sex| sex.to_string())),
                text(&utterance.age.map(|age| age.to_string())),
                text(&utterance.sentence),
                text(&utterance.intensity.map(|intensity| intensity.to_string())),
                text(&utterance.repetition.map(|repetition| repetition.to_string())),
                text(&utterance.language),
                folds.join(" "),
            ];
            row.extend(attributes.keys().map(|&name| text(&utterance.attributes.get(name).cloned())));
            row.extend(dimensions.iter().map(|&name| text(&utterance.dimensions.get(name).map(f64::to_string))));
            writer.write_record(&row).map_err(failed)?;
        }
        let bytes = writer.into_inner().map_err(|error| invalid(csv, error.to_string()))?;
        fs::write(csv, bytes).map_err(|source| Error::File { path: csv.into(), source })
    }
}

/// Where a table has what.
struct Columns {
    file: usize,
    emotion: usize,
    corpus: Option<usize>,
    speaker: Option<usize>,
    sex: Option<usize>,
    age: Option<usize>,
    sentence: Option<usize>,
    intensity: Option<usize>,
    repetition: Option<usize>,
    language: Option<usize>,
    folds: Option<usize>,
    start: Option<usize>,
    end: Option<usize>,
    attributes: Vec<(usize, String)>,
    dimensions: Vec<(usize, String)>,
}

impl Columns {
    fn of(table: &Table, path: &Path) -> Result<Self, Error> {
        let file = table.required_column(path, FILE)?;
        if table.column(EMOTION).is_none() {
            let cells = |column| table.rows().iter().filter_map(move |row| cell(row, Some(column)));
            let numeric =
                table.header().iter().enumerate().filter(|&(column, _)| column != file && is_numeric(cells(column)));
            let numeric: Vec<_> = numeric.map(|(_, name)| name.trim()).filter(|name| is_free(name)).collect();
            if !numeric.is_empty() {
                let reason = format!(
                    "it has numbers ({}) and no column {}: numbers are learned beside emotions, not alone, as splits, scores \
                     and models are of classes; add a column with the emotion of each file",
                    numeric.join(", "),
                    EMOTION.join(" or ")
                );
                return Err(invalid(path, reason));
            }
        }
        let mut columns = Self {
            file,
            emotion: table.required_column(path, EMOTION)?,
            corpus: table.column(CORPUS),
            speaker: table.column(SPEAKER),
            sex: table.column(SEX),
            age: table.column(AGE),
            sentence: table.column(SENTENCE),
            intensity: table.column(INTENSITY),
            repetition: table.column(REPETITION),
            language: table.column(LANGUAGE),
            folds: table.column(FOLDS),
            start: table.column(START),
            end: table.column(END),
            attributes: Vec::new(),
            dimensions: Vec::new(),
        };
        let taken = columns.taken();
        for (column, name) in table.header().iter().enumerate().filter(|(column, _)| !taken.contains(column)) {
            let cells = table.rows().iter().filter_map(|row| cell(row, Some(column)));
            if let Some(name) = name.strip_prefix(ATTRIBUTE) {
                columns.attributes.push((column, name.into()));
            } else if let Some(name) = name.strip_prefix(DIMENSION) {
                columns.dimensions.push((column, name.into()));
            } else if is_numeric(cells) {
                columns.dimensions.push((column, name.trim().into()));
            } else {
                columns.attributes.push((column, name.trim().into()));
            }
        }
        Ok(columns)
    }

    fn taken(&self) -> HashSet<usize> {
        let optional = [
            self.corpus,
            self.speaker,
            self.sex,
            self.age,
            self.sentence,
            self.intensity,
            self.repetition,
            self.language,
            self.folds,
            self.start,
            self.end,
        ];
        optional.into_iter().flatten().chain([self.file, self.emotion]).collect()
    }

    /// Reads what a row says beside the file and its emotion.
    fn read(&self, row: &StringRecord, utterance: &mut Utterance, warnings: &mut Vec<Warning>) {
        let text = |column| word(row, column).map(String::from);
        utterance.speaker = word(row, self.speaker).map(without_fraction);
        utterance.sentence = word(row, self.sentence).map(without_fraction);
        utterance.language = text(self.language);
        let mut unread = Vec::new();
        utterance.sex = read(row, self.sex, "gender", Sex::from_word, &mut unread);
        utterance.age = read(row, self.age, "age", years, &mut unread);
        utterance.intensity = read(row, self.intensity, "intensity", Intensity::from_word, &mut unread);
        utterance.repetition = read(row, self.repetition, "repetition", |cell| cell.parse().ok(), &mut unread);
        utterance.folds = read(row, self.folds, "folds", folds, &mut unread).unwrap_or_default();
        warnings.extend(unread.into_iter().map(|problem| Warning::new(&utterance.path, problem, "left empty")));
        for (column, name) in &self.attributes {
            if let Some(value) = cell(row, Some(*column)) {
                utterance.attributes.insert(name.clone(), value.into());
            }
        }
        for (column, name) in &self.dimensions {
            if let Some(value) = cell(row, Some(*column)).and_then(number) {
                utterance.dimensions.insert(name.clone(), value);
            }
        }
    }
}

/// A cell that says something.
fn word(row: &StringRecord, column: Option<usize>) -> Option<&str> {
    cell(row, column).filter(|cell| !is_nan(cell))
}

/// Reads a cell, or says that it cannot be read.
fn read<T>(
    row: &StringRecord,
    column: Option<usize>,
    name: &str,
    read: impl FnOnce(&str) -> Option<T>,
    unread: &mut Vec<String>,
) -> Option<T> {
    let cell = word(row, column)?;
    let value = read(cell);
    if value.is_none() {
        unread.push(format!("unknown {name} {cell:?}"));
    }
    value
}

/// Tells whether a column of this name would be read back as an attribute or a dimension.
fn is_free(name: &str) -> bool {
    let reserved = WRITTEN.iter().chain([&START, &END]).copied().flatten();
    let is_reserved = reserved.into_iter().any(|known| name.eq_ignore_ascii_case(known));
    !is_reserved
        && !name.is_empty()
        && name == name.trim()
        && ![ATTRIBUTE, DIMENSION].iter().any(|p| name.starts_with(p))
}

fn number(cell: &str) -> Option<f64> {
    cell.parse().ok().filter(|number: &f64| number.is_finite())
}

fn is_numeric<'c>(cells: impl Iterator<Item = &'c str>) -> bool {
    let mut cells = cells.filter(|cell| !is_nan(cell)).peekable();
    cells.peek().is_some() && cells.all(|cell| number(cell).is_some())
}

/// Tells whether pandas writes a missing number or word so.
fn is_nan(cell: &str) -> bool {
    ["nan", "none", "<na>"].iter().any(|nan| cell.eq_ignore_ascii_case(nan))
}

/// Tells whether a time, such as `0 days 00:00:01.5` or `1.5`, is there and not 0.
fn is_time(cell: &str) -> bool {
    cell.contains(|c| matches!(c, '1'..='9'))
}

/// Reads a name, which, where it is a number, pandas writes as `1001.0` where others are missing.
fn without_fraction(cell: &str) -> String {
    let number = cell.strip_suffix(".0").filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    number.filter(|number| !number.is_empty()).unwrap_or(cell).into()
}

/// Reads an age, which pandas writes as `23.0` where other ages are missing.
fn years(cell: &str) -> Option<u32> {
    let years = number(cell).filter(|years| (0.0..=150.0).contains(years))?;
    Some(years as u32)
}

fn folds(cell: &str) -> Option<BTreeMap<u32, FoldPart>> {
    let folds = cell.split_whitespace().map(|fold| {
        let (number, part) = fold.split_once(':')?;
        Some((number.parse().ok()?, FoldPart::from_word(part)?))
    });
    folds.collect()
}
