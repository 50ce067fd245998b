use crate::{ClipPrediction, Error, Evaluation, Robustness, Trained, run_folder};
use ser_inference::Calibration;
use ser_model::Epoch;
use serde::{Serialize, de::DeserializeOwned};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The most networks of a model: 8 systems of 32.
const MAX_NETWORKS: usize = 256;

/// The version of the form of `report.json`.
pub(crate) const REPORT_SCHEMA_VERSION: u32 = 1;

impl Trained {
    /// Writes `model.safetensors`, `history.csv`, `predictions.csv`, `report.json` and `MODEL_CARD.md` into a folder, which is
    /// created.
    ///
    /// `report.json` holds `schema_version` (1), `config` (the whole [`Config`](crate::Config)), `protocol`, `guard` (what the
    /// split's parts share), `best_epoch`, `calibration` (temperature and threshold, fitted on the validation part), `test`
    /// (the [`Evaluation`] of the test part) and `warnings`; `docs/REPORT.md` explains every field. `history.csv` has the
    /// fields of [`Epoch`]; further networks have files of their own, from `history-2.csv` on. `predictions.csv` has the clips of the test part and after them those of the
    /// validation part.
    ///
    /// # Errors
    /// A folder or file that cannot be written; it is named.
    pub fn write(&self, folder: impl AsRef<Path>) -> Result<(), Error> {
        let folder = create(folder.as_ref())?;
        write_atomically(&folder.join("model.safetensors"), self.model())?;
        for (number, history) in (1..).zip(self.histories()) {
            write_history(history, number, folder)?;
        }
        write_predictions(self.evaluation(), self.validation(), folder)?;
        write_atomically(&folder.join("MODEL_CARD.md"), self.model_card().as_bytes())?;

        /// `report.json` of a training run.
        #[derive(Serialize)]
        struct Document<'a> {
            schema_version: u32,
            config: &'a crate::Config,
            protocol: &'a str,
            guard: &'a str,
            best_epoch: Option<usize>,
            calibration: &'a Calibration,
            test: &'a Evaluation,
            warnings: &'a [String],
        }
        let document = Document {
            schema_version: REPORT_SCHEMA_VERSION,
            config: self.config(),
            protocol: &self.manifest().provenance.protocol,
            guard: &self.manifest().provenance.guard,
            best_epoch: self.best_epoch().map(|epoch| epoch.epoch),
            calibration: &self.manifest().calibration,
            test: self.evaluation(),
            warnings: self.warnings(),
        };
        write_json(&folder.join("report.json"), &document)
    }
}

impl Evaluation {
    /// Checks that a folder holds no training run, search or cross-validation, whose report [`Evaluation::write`] would replace,
    /// nor other files of the names that it writes.
    ///
    /// # Errors
    /// It does; what shows it is named.
    pub fn check_folder(folder: impl AsRef<Path>) -> Result<(), Error> {
        let folder = folder.as_ref();
        check_not_resumable(folder)?;
        if let Some(path) = sign_of_training(folder) {
            return Err(Error::NotResults { path });
        }
        let report = fs::read(folder.join("report.json")).ok();
        let report: Option<serde_json::Value> = report.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let is_ours =
            report.is_some_and(|report| ["schema_version", "scope"].iter().all(|key| report.get(key).is_some()));
        match first_of(&["report.json", "report.html", "predictions.csv", "robustness.csv"], folder) {
            Some(path) if !is_ours => Err(Error::NotResults { path }),
            _ => Ok(()),
        }
    }

    /// Writes `predictions.csv` and `report.json` into a folder, which is created. The `robustness.csv` of an earlier evaluation is
    /// removed.
    ///
    /// # Errors
    /// A folder or file that cannot be written; it is named. As [`Evaluation::check_folder`].
    pub fn write(&self, folder: impl AsRef<Path>) -> Result<(), Error> {
        let folder = create(folder.as_ref())?;
        Self::check_folder(folder)?;
        remove(&folder.join("robustness.csv"))?;
        // First what says whose the others are.
        write_json(&folder.join("report.json"), self)?;
        write_predictions(self, &[], folder)
    }
}

/// What training writes from the first epoch on. Other tools have files of these names, too.
const SIGNS: [&str; 2] = ["history.csv", "checkpoint.safetensors"];

/// What training writes beside checkpoints and histories.
const OF_TRAINING: [&str; 5] = ["report.json", "model.safetensors", "predictions.csv", "report.html", "MODEL_CARD.md"];

/// Refuses a folder that holds an evaluation, a search or a cross-validation, whose report training would replace, or files of
/// the names that it writes that no training run left.
pub(crate) fn check_for_training(folder: &Path) -> Result<(), Error> {
    check_not_resumable(folder)?;
    match first_of(&[&OF_TRAINING[..], &SIGNS].concat(), folder) {
        Some(path) if sign_of_training(folder).is_none() => Err(Error::NotResults { path }),
        _ => Ok(()),
    }
}

fn first_of(names: &[&str], folder: &Path) -> Option<PathBuf> {
    names.iter().map(|name| folder.join(name)).find(|path| path.exists())
}

/// Refuses a folder that a search or a cross-validation writes to.
fn check_not_resumable(folder: &Path) -> Result<(), Error> {
    let path = folder.join(run_folder::NAME);
    if path.exists() { Err(Error::NotResults { path }) } else { Ok(()) }
}

/// What shows that a training run wrote here.
pub(crate) fn sign_of_training(folder: &Path) -> Option<PathBuf> {
    let [history, checkpoint] = SIGNS.map(|name| folder.join(name));
    let has = |path: &Path, offset: u64, beginning: &[u8]| {
        let mut bytes = vec![0; beginning.len()];
        let read = File::open(path).and_then(|mut file| {
            file.seek(SeekFrom::Start(offset))?;
            file.read_exact(&mut bytes)
        });
        read.is_ok() && bytes == beginning
    };
    if has(&history, 0, b"epoch,learning_rate,train_loss,") {
        return Some(history);
    }
    // The length of the header comes first.
    has(&checkpoint, 8, br#"{"__metadata__":{"manifest":"#).then_some(checkpoint)
}

/// Removes what an earlier training run left, so that nothing of it is gone on from or stands beside what a new one writes;
/// whether there was one.
pub(crate) fn remove_run(folder: &Path) -> Result<bool, Error> {
    if sign_of_training(folder).is_none() {
        return Ok(false);
    }
    for name in OF_TRAINING {
        remove(&folder.join(name))?;
    }
    // What shows that there was a run goes last.
    for number in (1..=MAX_NETWORKS).rev() {
        remove(&folder.join(numbered("checkpoint", number, "safetensors")))?;
        remove(&folder.join(numbered("history", number, "csv")))?;
    }
    Ok(true)
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(path, error)),
        _ => Ok(()),
    }
}

pub(crate) fn remove_folder(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(folder, error)),
        _ => Ok(()),
    }
}

/// The name of a file of one network: those of the first have no number.
pub(crate) fn numbered(stem: &str, number: usize, extension: &str) -> String {
    match number {
        1 => format!("{stem}.{extension}"),
        number => format!("{stem}-{number}.{extension}"),
    }
}

/// One row an epoch.
pub(crate) fn write_history(epochs: &[Epoch], number: usize, folder: &Path) -> Result<(), Error> {
    write_csv(&folder.join(numbered("history", number, "csv")), |csv| {
        epochs.iter().try_for_each(|epoch| csv.serialize(epoch))
    })
}

impl Robustness {
    /// Writes `robustness.csv` into a folder, which is created: a row a condition, with the fields of [`ConditionScore`](crate::ConditionScore).
    ///
    /// # Errors
    /// A folder or file that cannot be written; it is named.
    pub fn write(&self, folder: impl AsRef<Path>) -> Result<(), Error> {
        write_csv(&create(folder.as_ref())?.join("robustness.csv"), |csv| {
            self.conditions().iter().try_for_each(|condition| csv.serialize(condition))
        })
    }
}

/// One row a clip: path, corpus, speaker, sex, age, language, part (`test`; `known` where the model was trained or validated
/// on the clip or its speaker; `valid` for those of the validation part), truth, prediction, one probability a class,
/// and the truth and the prediction of each number that the model gives.
fn write_predictions(evaluation: &Evaluation, validation: &[ClipPrediction], folder: &Path) -> Result<(), Error> {
    write_csv(&folder.join("predictions.csv"), |csv| {
        let header =
            ["path", "corpus", "speaker", "sex", "age", "language", "part", "truth", "prediction"].map(String::from);
        let classes = evaluation.report().class_names.iter().map(|name| format!("p_{name}"));
        let dimensions = evaluation.predictions().first().into_iter().flat_map(ClipPrediction::dimension_columns);
        csv.write_record(header.into_iter().chain(classes).chain(dimensions))?;
        let scored = evaluation.predictions().iter().map(|clip| (if clip.known { "known" } else { "test" }, clip));
        scored.chain(validation.iter().map(|clip| ("valid", clip))).try_for_each(|(part, clip)| {
            let fields = [
                clip.path.to_string_lossy().into_owned(),
                clip.corpus.clone(),
                clip.speaker.clone().unwrap_or_default(),
                clip.sex.map(|sex| sex.to_string()).unwrap_or_default(),
                clip.age.map(|age| age.to_string()).unwrap_or_default(),
                clip.language.clone().unwrap_or_default(),
                part.into(),
                clip.truth.to_string(),
                clip.prediction.to_string(),
            ];
            let probabilities = clip.probabilities.iter().map(f32::to_string);
            csv.write_record(fields.into_iter().chain(probabilities).chain(clip.dimension_cells()))
        })
    })
}

pub(crate) fn create(folder: &Path) -> Result<&Path, Error> {
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    Ok(folder)
}

pub(crate) fn write_csv(
    path: &Path,
    fill: impl FnOnce(&mut csv::Writer<Vec<u8>>) -> csv::Result<()>,
) -> Result<(), Error> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    fill(&mut csv).map_err(|error| failed(path, error))?;
    let bytes = csv.into_inner().map_err(|error| failed(path, error.into_error()))?;
    write_atomically(path, &bytes)
}

pub(crate) fn write_json(path: &Path, document: &impl Serialize) -> Result<(), Error> {
    let mut json = serde_json::to_vec_pretty(document).map_err(|error| failed(path, error))?;
    json.push(b'\n');
    write_atomically(path, &json)
}

/// Reads a file of JSON; `None` where there is none.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    let damaged = |source: Box<dyn std::error::Error + Send + Sync>| Error::DamagedResult { path: path.into(), source };
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| damaged(error.into())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(damaged(error.into())),
    }
}

/// Writes beside the file and renames, so that no reader ever sees half of it.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".part");
    let write = || {
        let mut file = File::create(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&unfinished);
        failed(path, error)
    })
}

pub(crate) fn failed(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Write { path: path.into(), source: source.into() }
}
