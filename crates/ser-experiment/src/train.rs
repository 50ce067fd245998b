use crate::calibrate::calibrate;
use crate::clip_prediction::ClipPrediction;
use crate::dataset::{
    Clip, Kept, Loader, Reader, by_speaker, check_dimensions, contradictions, first_line, keep_common,
    normalization_note, record, rows, shared_clips,
};
use crate::evaluate::{Evaluation, Part, score};
use crate::initial::Initial;
use crate::output::{check_for_training, create, numbered, remove_run, write_history};
use crate::train_clips::{PartClips, TrainClips, WeightsOfClasses, check_classes};
use crate::{AugmentOptions, Config, Error, Progress, SystemConfig, TrainingCopies};
use ser_augment::ChainOptions;
use ser_corpus::{Corpus, LabelSet, Overlap, Protocol, Split, SplitOptions, TrainPart, Utterance, Validation};
use ser_features::{Normalizer, NormalizerScope};
use ser_inference::{
    Calibration, Dimension, Input, Manifest, Provenance, Recognizer, SCHEMA_VERSION, System, TestScores, check_systems,
};
use ser_metrics::Report;
use ser_model::{Epoch, History, Network, TrainOptions, Weights, encode_model, join_weights};
use std::collections::{BTreeSet, HashSet};
use std::fmt::Display;
use std::path::Path;
use std::time::Instant;

/// A trained model with how it came about and how it scored.
#[derive(Debug)]
pub struct Trained {
    config: Config,
    model: Vec<u8>,
    manifest: Manifest,
    histories: Vec<Vec<Epoch>>,
    evaluation: Evaluation,
    validation: Vec<ClipPrediction>,
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

    /// What happened in each epoch; of several networks, in those of the first.
    pub fn history(&self) -> &[Epoch] {
        self.histories.first().map_or(&[], Vec::as_slice)
    }

    /// The epoch whose weights were kept; of several networks, that of the first.
    pub fn best_epoch(&self) -> Option<&Epoch> {
        best_epoch(self.history())
    }

    /// What happened in each epoch of each network.
    pub fn histories(&self) -> &[Vec<Epoch>] {
        &self.histories
    }

    /// How the model scored on the test part.
    pub fn evaluation(&self) -> &Evaluation {
        &self.evaluation
    }

    /// The clips of the validation part, which the epoch, the temperature and the threshold were chosen on: no honest
    /// score can be made of them.
    pub fn validation(&self) -> &[ClipPrediction] {
        &self.validation
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

/// Trains a model on a corpus: splits it, fits on the training part alone, keeps the epoch that validation is best in,
/// and scores once on the test part.
///
/// Recordings that cannot be read are left out and named in [`Trained::warnings`]. Equal arguments give equal bytes,
/// whatever the number of threads.
///
/// `progress` is called on this thread: after every 32 recordings that are read, after each epoch, and while the test part is
/// scored.
///
/// At its peak, memory holds the features of all parts for each system (4 bytes times frames times bins a clip; none of it with
/// [`Config::cache`]); the weights of a network six times (with gradients, the optimiser's two moments, those of the best epoch, and an average
/// or a copy for the checkpoint); and the activations of one mini-batch, which grow with `batch_size` times `crop_frames`.
///
/// # Errors
/// Options out of range, a split that the corpus does not allow, a class without training clips, one recording in two
/// parts, or a loss that is not finite.
pub fn train(config: &Config, corpus: &Corpus, progress: impl FnMut(Progress)) -> Result<Trained, Error> {
    run(config, corpus, None, progress)
}

/// What a run does with a checkpoint that it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Begins with the first epoch, and removes what an earlier run left: its checkpoint, its model and its reports.
    Anew,
    /// Goes on from the checkpoint; begins with the first epoch where there is none.
    Resume,
}

/// Does as [`train`], and keeps `checkpoint.safetensors` and `history.csv` in a folder, which is created: both are written
/// after each epoch, and each in one step. Those of a second network, of an ensemble or of a fused system, are `checkpoint-2.safetensors` and
/// `history-2.csv`, and so on.
///
/// A run that is killed at any moment and resumed gives the bytes of an unbroken one. The checkpoint holds about five times
/// what the weights do, and is left when training ends: resumed then, the run is only scored again.
///
/// A run may be resumed with another `learning_rate`, `schedule`, `reduce_lr_on_plateau`, `max_gradient_norm`, `max_epochs` or
/// `early_stopping.patience` in `[training]`, so that one that diverged can go on from its last good epoch
/// ([`ser_model::train_with_checkpoints`] says what holds for the epochs before). [`Trained::warnings`] then says what was
/// changed after which epoch.
///
/// # Errors
/// As [`train`]; a folder or file that cannot be written; a checkpoint that is damaged, or of other recordings, features,
/// options or seed.
pub fn train_with_checkpoints(
    config: &Config,
    corpus: &Corpus,
    folder: impl AsRef<Path>,
    start: Start,
    progress: impl FnMut(Progress),
) -> Result<Trained, Error> {
    run(config, corpus, Some((folder.as_ref(), start)), progress)
}

fn run(
    config: &Config,
    corpus: &Corpus,
    checkpoints: Option<(&Path, Start)>,
    mut progress: impl FnMut(Progress),
) -> Result<Trained, Error> {
    let plan = Plan::new(config, corpus, None)?;
    let split = plan.split(&config.split)?;
    plan.fit(&split, checkpoints, &mut progress)?.score(&plan, progress)
}

/// What is the same for all splits of a corpus.
pub(crate) struct Plan<'a> {
    config: &'a Config,
    pub labels: LabelSet,
    /// The utterances whose emotions are in the label set.
    pub corpus: Corpus,
    systems: Vec<SystemPlan>,
    initial: Option<Initial>,
    warnings: Vec<String>,
}

struct SystemPlan {
    config: SystemConfig,
    input: Input,
    loader: Loader,
}

impl<'a> Plan<'a> {
    /// Checks all that does not depend on the split, before anything is read. What is read is kept in `kept`, or taken from there.
    pub fn new(config: &'a Config, corpus: &Corpus, kept: Option<&Kept>) -> Result<Self, Error> {
        let labels = config.labels.resolve(corpus)?;
        let labelled = corpus.clone().filter(|utterance| labels.index_of(utterance.emotion).is_some());
        check_dimensions(&labelled, &config.dimensions)?;
        let systems = config.systems();
        let inputs = config.inputs()?;
        check_systems(&inputs.iter().zip(systems.iter().map(|system| system.ensemble)).collect::<Vec<_>>())?;
        let chooses = config.chooses_epoch() || config.reject.accuracy.is_some();
        if config.split.validation == Validation::None && chooses {
            return Err(Error::ChosenWithoutValidation);
        }
        config.reject.check()?;
        if systems.iter().any(|system| system.normalizer.scope == NormalizerScope::Speaker) {
            by_speaker(labelled.utterances(), |utterance| utterance)?;
        }
        let plan = |(system, input): (SystemConfig, &Input)| {
            input.check_normalizer(&system.normalizer)?;
            system.training.validate()?;
            let AugmentOptions { waveform, features, .. } = system.augment.clone();
            ChainOptions { waveform, features }.check()?;
            // Systems of one input share what is read.
            let number = inputs.iter().position(|other| other == input).unwrap_or(0);
            let kept = kept.map(|kept| (kept.clone(), number));
            let loader = Loader::new(input, config.cache.as_deref(), config.seed, kept)?;
            Ok(SystemPlan { config: system, input: input.clone(), loader })
        };
        let systems = systems.into_iter().zip(&inputs).map(plan).collect::<Result<_, Error>>()?;
        let mut warnings = corpus.warning_lines();
        let dropped = corpus.len() - labelled.len();
        if dropped > 0 {
            warnings.push(format!("{dropped} clips have emotions outside the label set: left out"));
        }
        let initial = Initial::of(config, &inputs, &labels)?;
        let plan = Self { config, labels, corpus: labelled, systems, initial, warnings };
        plan.networks()?;
        Ok(plan)
    }

    /// Trains on a split. The test part is read, as none of its recordings may be in another part, and not scored.
    pub fn fit(
        &self,
        split: &Split,
        checkpoints: Option<(&Path, Start)>,
        mut progress: impl FnMut(Progress),
    ) -> Result<Fitted, Error> {
        let Self { config, labels, systems, .. } = self;
        if let Some(initial) = &self.initial {
            initial.check_split(split)?;
            checkpoints.iter().try_for_each(|(folder, _)| initial.check_folder(folder))?;
        }
        checkpoints.iter().try_for_each(|(folder, _)| check_for_training(folder))?;
        let networks = self.networks()?;
        let train_parts = self.train_parts(split)?;
        let Heard { train, valid, test_part, mut warnings } = self.hear(split, &train_parts, &mut progress)?;

        let of_systems = || train.iter().zip(systems);
        let class_weights =
            of_systems().map(|(clips, system)| clips.class_weights(system.config.class_weights, labels));
        let class_weights: Vec<WeightsOfClasses> = class_weights.collect::<Result<_, _>>()?;
        let normalizers = of_systems().map(|(clips, system)| clips.fit_normalizer(&system.config.normalizer));
        let normalizers: Vec<Normalizer> = normalizers.collect::<Result<_, _>>()?;
        let dimensions = train[0].fit_dimensions(&config.dimensions)?;
        let valid_clips = valid.iter().zip(normalizers.iter().zip(&class_weights));
        let valid_clips: Vec<PartClips> = valid_clips
            .map(|(clips, (normalizer, weights))| PartClips::new(clips, normalizer, weights, &dimensions))
            .collect::<Result<_, _>>()?;

        if let Some((folder, Start::Anew)) = checkpoints
            && remove_run(folder)?
        {
            progress(Progress::Replaced { folder: folder.into() });
        }
        let start = Instant::now();
        let mut histories = Vec::new();
        let n_networks = config.n_networks();
        for (index, SystemPlan { config: options, loader, .. }) in systems.iter().enumerate() {
            let (normalizer, weights) = (&normalizers[index], &class_weights[index]);
            for network in &networks[index] {
                let seed = config.seed.wrapping_add(histories.len() as u64);
                let train = train[index].augmented(&options.augment, loader, normalizer, weights, &dimensions, seed)?;
                let (number, max_epochs) = (histories.len() + 1, options.training.max_epochs);
                let show = |epochs: &[Epoch]| {
                    if let Some(epoch) = epochs.last() {
                        progress(Progress::Epoch { epoch: epoch.clone(), max_epochs, network: (number, n_networks) });
                    }
                };
                let valid = &valid_clips[index];
                let run = Run { network, train: &train, valid, class_weights: &weights.of_all, seed };
                histories.push(match checkpoints {
                    None => History::new(run.train(&options.training, show)?),
                    Some((folder, _)) => run.train_with_checkpoints(&options.training, folder, number, show)?,
                });
            }
        }
        let training_seconds = start.elapsed().as_secs_f64();

        let of_networks = networks.iter().flatten();
        let weights = join_weights(of_networks.clone().map(Network::weights).collect::<Result<_, _>>()?);
        let parameters = of_networks.map(Network::n_parameters).sum();
        let mut manifest = self.manifest(split, normalizers.clone(), dimensions.clone());
        manifest.provenance.train = record(train.iter().flat_map(TrainClips::clips));
        manifest.provenance.valid = record(&valid[0]);
        if let Some(initial) = &self.initial {
            initial.join(&mut manifest.provenance);
        }
        let (mut validation, mut calibration_warnings) = (Vec::new(), Vec::new());
        if !valid[0].is_empty() {
            // As it is stored, rounding included.
            let uncalibrated = Recognizer::from_bytes(&encode_model(&manifest, &weights, config.precision)?)?;
            let calibrated = calibrate(&uncalibrated, &valid[0], &valid_clips, &config.reject)?;
            manifest.calibration = calibrated.calibration;
            (validation, calibration_warnings) = (calibrated.predictions, calibrated.warnings);
        }
        let changes = histories.iter().flat_map(|history| &history.changes);
        warnings.extend(changes.map(|change| format!("training options were changed {change}")));
        warnings.extend(calibration_warnings);
        let histories = histories.into_iter().map(|history| history.epochs).collect();
        Ok(Fitted { parameters, weights, manifest, histories, training_seconds, validation, test_part, warnings })
    }

    /// Splits the corpus, and checks what is left to check before anything is read.
    pub fn split(&self, options: &SplitOptions) -> Result<Split, Error> {
        let split = Split::new(&self.corpus, options)?;
        self.initial.iter().try_for_each(|initial| initial.check_split(&split))?;
        for part in self.train_parts(&split)? {
            let mut counts = vec![0; self.labels.len()];
            rows(part.utterances(), &self.labels).iter().for_each(|row| counts[row.class] += 1);
            check_classes(&counts, &self.labels, options.fold)?;
        }
        Ok(split)
    }

    /// What the test part shares with all that is learned from.
    pub fn overlap(&self, split: &Split) -> Overlap {
        let overlap = split.overlap().clone();
        self.initial.iter().fold(overlap, |overlap, initial| initial.overlap(overlap, split.test().utterances()))
    }

    /// What the validation part shares with all that is learned from.
    pub fn validation_overlap(&self, split: &Split) -> Overlap {
        let overlap = split.validation_overlap();
        self.initial.iter().fold(overlap, |overlap, initial| initial.overlap(overlap, split.valid().utterances()))
    }

    fn train_parts(&self, split: &Split) -> Result<Vec<TrainPart>, Error> {
        self.systems.iter().map(|system| self.train_part(split, &system.config.corpora)).collect()
    }

    /// What a system learns from: the training part, or what it has of these corpora, balanced.
    fn train_part(&self, split: &Split, corpora: &[String]) -> Result<TrainPart, Error> {
        let Self { config, labels, .. } = self;
        if corpora.is_empty() {
            return Ok(config.balance.apply(split.train(), labels, config.seed));
        }
        let known: BTreeSet<&String> = split.train().utterances().iter().map(|clip| &clip.corpus).collect();
        if let Some(name) = corpora.iter().find(|name| !known.contains(name)) {
            let known = known.into_iter().cloned().collect();
            return Err(Error::UnknownTrainingCorpus { name: name.clone(), known });
        }
        Ok(config.balance.apply(&split.train().of_corpora(corpora), labels, config.seed))
    }

    /// Reads all parts, and the test part once, as none of its recordings may be in another part.
    fn hear<'p>(
        &self,
        split: &'p Split,
        train_parts: &'p [TrainPart],
        progress: impl FnMut(Progress),
    ) -> Result<Heard<'p>, Error> {
        let Self { config, labels, systems, .. } = self;
        // That protocol has made these copies itself.
        let leaky = config.split.protocol == Protocol::LeakySeed;
        let copies = |system: &SystemPlan| if leaky { TrainingCopies::None } else { system.config.augment.copies };
        let [valid_part, test_part] = [split.valid().utterances(), split.test().utterances()];
        let of_systems = || systems.iter().zip(train_parts);
        let n_rows = |(system, part): (&SystemPlan, &TrainPart)| copies(system).count() * part.utterances().len();
        let total = of_systems().map(n_rows).sum::<usize>() + systems.len() * valid_part.len() + test_part.len();
        let mut reader = Reader::new(total, progress);
        let (mut train, mut valid) = (Vec::new(), Vec::new());
        for (system, part) in of_systems() {
            train.push(TrainClips::read(part, labels, copies(system), &system.loader, &mut reader)?);
            valid.push(reader.clips(&rows(valid_part, labels), &system.loader)?);
        }
        let test = reader.clips(&rows(test_part, labels), &systems[0].loader)?;
        let unreadable = reader.unreadable;
        keep_common(&mut valid);
        let mut shared = Vec::new();
        for clips in &train {
            let parts = [("training", clips.clips()), ("validation", &valid[0]), ("test", &test)];
            for (part, clips) in parts {
                if clips.is_empty() && (part != "validation" || config.split.validation != Validation::None) {
                    let reason = format!("none of its recordings could be read{}", first_line(&unreadable));
                    return Err(Error::EmptyPart { part, reason });
                }
            }
            if !leaky {
                shared.extend(shared_clips(parts)?);
            }
        }
        if let Some(initial) = &self.initial {
            initial.check_clips("validation", &valid[0])?;
            initial.check_clips("test", &test)?;
        }
        let is_kept = |utterance: &Utterance| shared.iter().all(|(path, _)| *path != utterance.path);
        valid.iter_mut().for_each(|clips| clips.retain(|clip| is_kept(clip.row.utterance)));
        let test_part = test_part.iter().filter(|utterance| is_kept(utterance)).cloned().collect();
        let mut warnings = self.warnings.clone();
        warnings.extend(train.iter().find_map(|clips| contradictions(clips.clips())));
        warnings.extend(shared.into_iter().map(|(_, line)| line));
        warnings.extend(unreadable.into_iter().map(left_out));
        Ok(Heard { train, valid, test_part, warnings })
    }

    /// The networks of each system, not trained.
    fn networks(&self) -> Result<Vec<Vec<Network>>, Error> {
        let n_outputs = self.labels.len() + self.config.dimensions.len();
        let mut seed = self.config.seed;
        let of_system = |system: &SystemPlan| {
            let network = |_| {
                let own = seed;
                seed = seed.wrapping_add(1);
                let frontend = &system.loader.frontend;
                let network = Network::new(&system.config.network, frontend.n_bins(), n_outputs, own)?;
                frontend.check_network(&network)?;
                Ok(network)
            };
            (0..system.config.ensemble.unwrap_or(1)).map(network).collect()
        };
        let mut networks: Vec<Vec<Network>> = self.systems.iter().map(of_system).collect::<Result<_, Error>>()?;
        self.initial.iter().try_for_each(|initial| initial.start(networks.iter_mut().flatten()))?;
        Ok(networks)
    }

    /// What the model file says of itself, but for the parts and the scores.
    fn manifest(&self, split: &Split, normalizers: Vec<Normalizer>, dimensions: Vec<Dimension>) -> Manifest {
        let Self { config, labels, systems, .. } = self;
        let of_systems = systems.iter().zip(normalizers).map(|(system, normalizer)| System {
            input: system.input.clone(),
            normalizer,
            network: system.config.network.clone(),
            ensemble: system.config.ensemble,
        });
        let mut fused: Vec<System> = of_systems.collect();
        let System { input, normalizer, network, ensemble } = fused.remove(0);
        let last = if config.chooses_epoch() { "" } else { "; last epoch" };
        let note = normalization_note(systems.iter().map(|system| &system.config.normalizer));
        let provenance = Provenance {
            license: config.license.clone(),
            seed: config.seed,
            protocol: split.protocol().into(),
            split_seed: config.split.seed,
            guard: format!("{}{last}{note}", self.overlap(split)),
            ..Provenance::default()
        };
        Manifest {
            schema_version: SCHEMA_VERSION,
            labels: labels.clone(),
            input,
            normalizer,
            network,
            ensemble,
            fused,
            dimensions,
            calibration: Calibration::default(),
            provenance,
        }
    }
}

/// The parts of a split, read.
struct Heard<'p> {
    /// What each system learns from.
    train: Vec<TrainClips<'p>>,
    /// The same recordings for each system.
    valid: Vec<Vec<Clip<'p>>>,
    test_part: Vec<Utterance>,
    warnings: Vec<String>,
}

fn left_out(line: impl Display) -> String {
    format!("{line}: left out")
}

/// A model that is trained and not scored.
pub(crate) struct Fitted {
    /// The number of trainable ones of all networks and systems.
    pub parameters: usize,
    weights: Weights,
    manifest: Manifest,
    /// Of each network.
    pub histories: Vec<Vec<Epoch>>,
    pub training_seconds: f64,
    validation: Vec<ClipPrediction>,
    test_part: Vec<Utterance>,
    pub warnings: Vec<String>,
}

fn best_epoch(history: &[Epoch]) -> Option<&Epoch> {
    history.iter().rev().find(|epoch| epoch.is_best)
}

impl Fitted {
    /// The epoch whose weights each network has.
    pub fn best_epochs(&self) -> impl Iterator<Item = &Epoch> {
        self.histories.iter().filter_map(|history| best_epoch(history))
    }

    /// Scores the model on the test part, as it is stored, rounding included; its own scores then go into the file.
    pub fn score(self, plan: &Plan, progress: impl FnMut(Progress)) -> Result<Trained, Error> {
        let Self { weights, mut manifest, histories, validation, test_part, mut warnings, .. } = self;
        let recognizer = Recognizer::from_bytes(&encode_model(&manifest, &weights, plan.config.precision)?)?;
        // Nothing of the test part is left out: what the model knows of it, as some protocols want it, is marked.
        // Copies are made at the highest rate that a system takes.
        let highest = plan.systems.iter().rev().max_by_key(|system| system.input.sample_rate());
        let loader = &highest.unwrap_or(&plan.systems[0]).loader;
        let evaluation = score(&recognizer, &test_part, Part::All, |row| loader.open(row), progress)?;
        // The first system could read them.
        warnings.extend(evaluation.unreadable().iter().map(left_out));
        warnings.extend(evaluation.warnings().iter().cloned());
        let mut seen = HashSet::new();
        warnings.retain(|line| seen.insert(line.clone()));
        manifest.provenance.test = TestScores {
            speakers: evaluation.n_speakers(),
            clips: evaluation.predictions().len(),
            uar: evaluation.report().uar,
            accuracy: evaluation.report().accuracy,
        };
        let model = encode_model(&manifest, &weights, plan.config.precision)?;
        Ok(Trained { config: plan.config.clone(), model, manifest, histories, evaluation, validation, warnings })
    }
}

/// What is trained, and on what.
struct Run<'a> {
    network: &'a Network,
    train: &'a PartClips<'a>,
    valid: &'a PartClips<'a>,
    class_weights: &'a [f32],
    seed: u64,
}

impl Run<'_> {
    fn train(&self, options: &TrainOptions, on_epoch: impl FnMut(&[Epoch])) -> Result<Vec<Epoch>, Error> {
        let Self { network, train, valid, class_weights, seed } = *self;
        ser_model::train(network, train, valid, class_weights, options, seed, on_epoch).map_err(own_error)
    }

    fn train_with_checkpoints(
        &self,
        options: &TrainOptions,
        folder: &Path,
        number: usize,
        mut on_epoch: impl FnMut(&[Epoch]),
    ) -> Result<History, Error> {
        let Self { network, train, valid, class_weights, seed } = *self;
        let checkpoint = create(folder)?.join(numbered("checkpoint", number, "safetensors"));
        let mut written = Ok(());
        let on_epoch = |epochs: &[Epoch]| {
            if written.is_ok() {
                written = write_history(epochs, number, folder);
            }
            on_epoch(epochs);
        };
        let history = ser_model::train_with_checkpoints(
            network,
            train,
            valid,
            class_weights,
            options,
            seed,
            &checkpoint,
            on_epoch,
        );
        let history = history.map_err(|error| match own_error(error) {
            Error::Model(source) if source.is_divergence() && checkpoint.exists() => {
                Error::Diverged { checkpoint, source }
            }
            error => error,
        })?;
        written.map(|()| history)
    }
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
