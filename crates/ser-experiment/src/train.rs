use crate::dataset::{Loader, Reader, first_line, normalization_note, record, rows, shared_clips, with_labels};
use crate::evaluate::{Evaluation, Part, score};
use crate::train_clips::{TrainClips, ValidClips};
use crate::{Config, Error, Progress, TrainingCopies};
use ser_corpus::{Corpus, Protocol, Split, Utterance};
use ser_inference::{Manifest, Provenance, Recognizer, SCHEMA_VERSION, TestScores};
use ser_metrics::Report;
use ser_model::{Epoch, Network, encode_model};

/// A trained model with how it came about and how it scored.
#[derive(Debug)]
pub struct Trained {
    config: Config,
    model: Vec<u8>,
    manifest: Manifest,
    history: Vec<Epoch>,
    evaluation: Evaluation,
    warnings: Vec<String>,
}

impl Trained {
    /// The configuration that it was trained with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The model file's bytes.
    pub fn model(&self) -> &[u8] {
        &self.model
    }

    /// What the model file says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What happened in each epoch.
    pub fn history(&self) -> &[Epoch] {
        &self.history
    }

    /// How the model scored on the test part.
    pub fn evaluation(&self) -> &Evaluation {
        &self.evaluation
    }

    /// The classification report of the test part.
    pub fn test_report(&self) -> &Report {
        self.evaluation.report()
    }

    /// What was left out of the corpus, and why: one line each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// Trains a model on a corpus: splits it, fits on the training part alone, keeps the epoch with the lowest validation
/// loss, and scores once on the test part.
///
/// Recordings that cannot be read are left out and named in [`Trained::warnings`]. Equal arguments give equal bytes,
/// whatever the number of threads.
///
/// # Errors
/// Options out of range, a split that the corpus does not allow, a class without training clips, one recording in two
/// parts, or a loss that is not finite.
pub fn train(config: &Config, corpus: &Corpus, mut progress: impl FnMut(Progress)) -> Result<Trained, Error> {
    let labels = config.labels.resolve(corpus)?;
    let labelled = with_labels(corpus, &labels);
    let split = Split::new(&labelled, &config.split)?;
    if config.split.protocol == Protocol::LeakySeed && config.augment.copies != TrainingCopies::None {
        return Err(Error::CopiesOfCopies);
    }
    let input = config.input()?;
    input.check_normalizer(&config.normalizer)?;
    let loader = Loader::new(&input, config.cache.as_deref(), config.seed)?;
    let network = Network::new(&config.network, loader.frontend.n_bins(), labels.len(), config.seed)?;

    let copies = config.augment.copies;
    let train_part = config.balance.apply(split.train(), &labels, config.seed);
    let [valid_part, test_part] = [split.valid().utterances(), split.test().utterances()];
    let total = copies.count() * train_part.utterances().len() + valid_part.len() + test_part.len();
    let mut reader = Reader::new(total, &mut progress);
    let train = TrainClips::read(&train_part, &labels, copies, &loader, &mut reader)?;
    let mut valid = reader.clips(&rows(valid_part, &labels), &loader)?;
    let test = reader.clips(&rows(test_part, &labels), &loader)?;
    let unreadable = reader.unreadable;
    let parts = [("training", train.clips()), ("validation", &valid), ("test", &test)];
    for (part, clips) in parts {
        if clips.is_empty() {
            let reason = format!("none of its recordings could be read{}", first_line(&unreadable));
            return Err(Error::EmptyPart { part, reason });
        }
    }
    let shared = if config.split.protocol == Protocol::LeakySeed { Vec::new() } else { shared_clips(parts)? };
    let is_kept = |utterance: &Utterance| shared.iter().all(|(path, _)| *path != utterance.path);
    drop(test);
    valid.retain(|clip| is_kept(clip.row.utterance));
    let test_part: Vec<_> = test_part.iter().filter(|utterance| is_kept(utterance)).cloned().collect();

    let provenance = Provenance {
        license: config.license.clone(),
        seed: config.seed,
        protocol: split.protocol().into(),
        split_seed: config.split.seed,
        guard: format!("{}{}", split.overlap(), normalization_note(&config.normalizer)),
        train: record(train.clips()),
        valid: record(&valid),
        test: TestScores::default(),
    };
    let class_weights = train.class_weights(config.class_weights, &labels)?;
    let normalizer = train.fit_normalizer(&config.normalizer)?;
    let history = ser_model::train(
        &network,
        &train.augmented(&config.augment, &loader, &normalizer, config.seed)?,
        &ValidClips::new(&valid, &normalizer)?,
        &class_weights,
        &config.training,
        config.seed,
        |epoch| progress(Progress::Epoch { epoch: epoch.clone(), max_epochs: config.training.max_epochs }),
    )
    .map_err(own_error)?;

    let mut manifest = Manifest {
        schema_version: SCHEMA_VERSION,
        labels,
        input,
        normalizer,
        network: config.network.clone(),
        provenance,
    };
    let weights = network.weights()?;
    // The model is scored as it is stored, rounding included; its own scores then go into the file.
    let recognizer = Recognizer::from_bytes(&encode_model(&manifest, &weights, config.precision)?)?;
    // Nothing of the test part is left out: what the model knows of it, as some protocols want it, is marked.
    let evaluation = score(&recognizer, &test_part, Part::All, |row| loader.open(row), progress)?;
    manifest.provenance.test = TestScores {
        speakers: evaluation.n_speakers(),
        clips: evaluation.predictions().len(),
        uar: evaluation.report().uar,
        accuracy: evaluation.report().accuracy,
    };
    let model = encode_model(&manifest, &weights, config.precision)?;

    let mut warnings = corpus.warning_lines();
    let dropped = corpus.len() - labelled.len();
    if dropped > 0 {
        warnings.push(format!("{dropped} clips have emotions outside the label set: left out"));
    }
    warnings.extend(shared.into_iter().map(|(_, line)| line));
    warnings.extend(unreadable.iter().map(|line| format!("{line}: left out")));
    Ok(Trained { config: config.clone(), model, manifest, history, evaluation, warnings })
}

/// An error of ours that came back through the training loop.
fn own_error(error: ser_model::Error) -> Error {
    match error {
        ser_model::Error::Dataset { source } => match source.downcast::<Error>() {
            Ok(error) => *error,
            Err(source) => ser_model::Error::Dataset { source }.into(),
        },
        error => error.into(),
    }
}
