use crate::{Error, Recognizer};
use ser_corpus::Corpus;
use ser_experiment::{Config, Evaluation, Part, Progress, Trained};

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
