use crate::dataset::{
    Clip, Reader, first_line, normalization_note, normalize, record, refuse_shared_clips, with_labels,
};
use crate::evaluate::{Evaluation, Part, evaluate};
use crate::{Config, Error, Progress};
use ser_corpus::{Corpus, LabelSet, Split};
use ser_features::Normalizer;
use ser_inference::{Frontend, Manifest, Provenance, Recognizer, SCHEMA_VERSION, TestScores};
use ser_metrics::Report;
use ser_model::{Epoch, Example, Network, encode_model};

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
    let input = config.input()?;
    input.check_normalizer(&config.normalizer)?;
    let frontend = Frontend::new(&input)?;
    let network = Network::new(&config.network, frontend.n_bins(), labels.len(), config.seed)?;

    let mut reader = Reader::new(&labels, labelled.len(), &mut progress);
    let mut train = reader.clips(split.train().utterances(), &frontend)?;
    let mut valid = reader.clips(split.valid().utterances(), &frontend)?;
    let test = reader.clips(split.test().utterances(), &frontend)?;
    let unreadable = reader.unreadable;
    for (part, clips) in [("training", &train), ("validation", &valid), ("test", &test)] {
        if clips.is_empty() {
            let reason = format!("none of its recordings could be read{}", first_line(&unreadable));
            return Err(Error::EmptyPart { part, reason });
        }
    }
    refuse_shared_clips([("training", &train), ("validation", &valid), ("test", &test)])?;
    drop(test);

    let provenance = Provenance {
        license: config.license.clone(),
        seed: config.seed,
        protocol: config.split.protocol.to_string(),
        split_seed: config.split.seed,
        guard: format!("{}{}", split.overlap(), normalization_note(&config.normalizer)),
        train: record(&train),
        valid: record(&valid),
        test: TestScores::default(),
    };
    let class_weights = config.class_weights.factors(&class_counts(&train, &labels)?);
    let normalizer = Normalizer::fit(&config.normalizer, train.iter().map(|clip| clip.features.view()))?;
    normalize(&mut train, &normalizer)?;
    normalize(&mut valid, &normalizer)?;
    let history = ser_model::train(
        &network,
        &examples(train),
        &examples(valid),
        &class_weights,
        &config.training,
        config.seed,
        |epoch| progress(Progress::Epoch { epoch: epoch.clone(), max_epochs: config.training.max_epochs }),
    )?;

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
    let test = Corpus::new(split.test().utterances().to_vec());
    let evaluation = evaluate(&recognizer, &test, Part::Test, progress)?;
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
    warnings.extend(unreadable.iter().map(|line| format!("{line}: left out")));
    Ok(Trained { config: config.clone(), model, manifest, history, evaluation, warnings })
}

/// The number of training clips of each class.
fn class_counts(train: &[Clip], labels: &LabelSet) -> Result<Vec<usize>, Error> {
    let count = |class| train.iter().filter(|clip| clip.class == class).count();
    let counts: Vec<usize> = (0..labels.len()).map(count).collect();
    match labels.classes().iter().zip(&counts).find(|(_, count)| **count == 0) {
        Some((&class, _)) => Err(Error::ClassWithoutClips { class }),
        None => Ok(counts),
    }
}

fn examples(clips: Vec<Clip>) -> Vec<Example> {
    clips.into_iter().map(|clip| Example { features: clip.features, class: clip.class }).collect()
}
