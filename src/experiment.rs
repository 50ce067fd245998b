use crate::{Error, Recognizer};
use ser_corpus::Corpus;
#[cfg(feature = "report")]
use ser_experiment::PageOptions;
use ser_experiment::{
    Config, CrossValidation, CrossValidationOptions, Evaluation, Part, Progress, Robustness, Search, SearchOptions,
    Space, Start, Trained,
};
use std::path::Path;

/// Trains a model on a corpus: fits on training speakers, keeps the best epoch on validation speakers, and scores once
/// on test speakers, which neither heard.
///
/// ```no_run
/// use ser_core::{Config, Corpus, train};
///
/// let corpus = Corpus::ravdess("RAVDESS")?.merge(Corpus::emodb("EMO-DB")?);
/// let trained = train(&Config::default(), &corpus, |progress| eprintln!("{progress}"))?;
/// println!("{}\n{}", trained.evaluation().scope(), trained.test_report());
/// trained.write("out")?;
/// # Ok::<(), ser_core::Error>(())
/// ```
///
/// # Errors
/// Options out of range, a corpus that cannot be split by speaker, a class without training clips, one recording in two
/// parts ([`Error::is_leak`]), or a loss that is not finite.
pub fn train(config: &Config, corpus: &Corpus, progress: impl FnMut(Progress)) -> Result<Trained, Error> {
    Ok(ser_experiment::train(config, corpus, progress)?)
}

/// Does as [`train`], and keeps a checkpoint and the history in a folder after each epoch: a run that is killed at any moment and
/// resumed gives the bytes of an unbroken one.
///
/// A run may be resumed with another `learning_rate`, `schedule`, `reduce_lr_on_plateau`, `max_gradient_norm`, `max_epochs` or
/// `early_stopping.patience` in `[training]`, so that one that diverged can go on from its last good epoch;
/// [`Trained::warnings`] then says so.
///
/// ```no_run
/// use ser_core::{Config, Corpus, Start, train_with_checkpoints};
///
/// let corpus = Corpus::emodb("EMO-DB")?;
/// let show = |progress| eprintln!("{progress}");
/// let trained = train_with_checkpoints(&Config::default(), &corpus, "out", Start::Resume, show)?;
/// trained.write("out")?;
/// # Ok::<(), ser_core::Error>(())
/// ```
///
/// # Errors
/// As [`train`]; a folder that cannot be written; a checkpoint that is damaged, or of other recordings, features, options
/// or seed. Where training diverges ([`Error::is_divergence`]), the message names the checkpoint that can be gone on from.
pub fn train_with_checkpoints(
    config: &Config,
    corpus: &Corpus,
    folder: impl AsRef<Path>,
    start: Start,
    progress: impl FnMut(Progress),
) -> Result<Trained, Error> {
    Ok(ser_experiment::train_with_checkpoints(config, corpus, folder, start, progress)?)
}

/// Writes `report.html` for an evaluation into a folder, which is created: one page that needs nothing else. The model is
/// the one that was scored.
///
/// # Errors
/// A file that cannot be written, or a recording that cannot be read any more.
#[cfg(feature = "report")]
pub fn write_page(
    evaluation: &Evaluation,
    recognizer: &Recognizer,
    folder: impl AsRef<Path>,
    options: &PageOptions,
) -> Result<(), Error> {
    Ok(evaluation.write_page(&recognizer.0, folder, options)?)
}

/// Scores a model on a corpus, by default on what it was neither trained nor validated on.
///
/// # Errors
/// Nothing left to score, or a result that is not finite.
pub fn evaluate(
    recognizer: &Recognizer,
    corpus: &Corpus,
    part: Part,
    progress: impl FnMut(Progress),
) -> Result<Evaluation, Error> {
    Ok(ser_experiment::evaluate(&recognizer.0, corpus, part, progress)?)
}

/// Scores a model as [`evaluate`] does, and again with the same recordings softer, noisier, farther away, faster, shorter
/// and longer: [`ser_experiment::robustness`] lists the conditions.
///
/// # Errors
/// As [`evaluate`]; a model of imported features.
pub fn robustness(
    recognizer: &Recognizer,
    corpus: &Corpus,
    part: Part,
    progress: impl FnMut(Progress),
) -> Result<Robustness, Error> {
    Ok(ser_experiment::robustness(&recognizer.0, corpus, part, progress)?)
}

/// Trains and scores every fold of the configuration's protocol, with one seed or several.
///
/// Each result is written into the folder when it is there, so that a killed run goes on from it.
///
/// ```no_run
/// use ser_core::{Config, Corpus, CrossValidationOptions, cross_validate};
///
/// let config: Config = "[split]\nprotocol = 'loso'".parse()?;
/// let options = CrossValidationOptions { seeds: 3, ..Default::default() };
/// let result = cross_validate(&config, &Corpus::emodb("EMO-DB")?, "out", &options, |progress| eprintln!("{progress}"))?;
/// println!("{result}");
/// result.write("out")?;
/// # Ok::<(), ser_core::Error>(())
/// ```
///
/// # Errors
/// As [`train`]; no seed, or a folder that cannot be written, or that holds results of other arguments and is to be
/// resumed.
pub fn cross_validate(
    config: &Config,
    corpus: &Corpus,
    folder: impl AsRef<Path>,
    options: &CrossValidationOptions,
    progress: impl FnMut(Progress),
) -> Result<CrossValidation, Error> {
    Ok(ser_experiment::cross_validate(config, corpus, folder, options, progress)?)
}

/// Searches a space for the configuration that is best on the validation part; the test part is never scored. With
/// `validation = "none"` trials hold one out all the same.
///
/// # Errors
/// As [`train`]; a space that gives no valid configuration, no trial that ended, or a folder that cannot be written, or that holds trials of other arguments and is to be resumed.
pub fn search(
    config: &Config,
    space: &Space,
    corpus: &Corpus,
    folder: impl AsRef<Path>,
    options: &SearchOptions,
    progress: impl FnMut(Progress),
) -> Result<Search, Error> {
    Ok(ser_experiment::search(config, space, corpus, folder, options, progress)?)
}
