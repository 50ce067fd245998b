use crate::batch::{check_features, load, random_crop, stack};
use crate::checkpoint::{Checkpoint, RunDescription};
use crate::layers::Mode;
use crate::loss::{concordance_loss, cross_entropy};
use crate::mixup::Mixup;
use crate::ops::kept::backward;
use crate::optimizer::OptimizerState;
use crate::schedule::Monitor;
use crate::{
    BestBy, Dataset, EarlyStopping, Error, Example, Network, Optimizer, ReduceLrOnPlateau, Result, Schedule, Weights,
};
use candle_core::{Device, Tensor};
use ndarray::{ArrayView2, Axis};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Deserializer, Serialize};
use std::path::Path;

/// How a network is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainOptions {
    /// The most epochs that are run; at least 1.
    pub max_epochs: usize,
    /// Utterances in a mini-batch; at least 2. Mini-batches of one epoch differ in size by one at most.
    pub batch_size: usize,
    /// The learning rate of the first epoch; above 0.
    pub learning_rate: f64,
    /// The part of each target that is spread evenly over all classes; at least 0, below 1. Validation does not use it.
    pub label_smoothing: f32,
    /// Terms of the training loss are multiplied by (1 - probability) to this power: 0 is cross-entropy, 2 usual focal loss.
    /// At least 0, at most 10.
    pub focal_gamma: f32,
    /// The part of the loss that regression heads have where the examples have values: 1 - CCC (Lin 1989), the mean over the
    /// heads; above 0, below 1. The classes have the rest.
    pub regression_weight: f32,
    /// Utterances of a mini-batch are mixed in pairs, features and losses alike, with parts drawn from Beta(alpha, alpha)
    /// (mixup, Zhang et al. 2018, arXiv 1710.09412). Both lengths stay: the partner is cut, or repeated from its start. 0 mixes
    /// nothing; else 0.01 to 4. Usual are 0.1 to 0.4.
    pub mixup_alpha: f64,
    /// The greatest norm of all gradients together; longer ones are scaled down. Above 0; none by default.
    pub max_gradient_norm: Option<f64>,
    /// Decay, by step, of a moving average of the weights, which is then validated and kept in their place. Above 0,
    /// below 1; none by default.
    pub average_decay: Option<f64>,
    /// Training takes a random stretch of at most this many frames of each utterance, another in each epoch; 0 takes
    /// whole utterances. Validation always takes whole utterances.
    pub crop_frames: usize,
    /// The optimiser.
    pub optimizer: Optimizer,
    /// How the learning rate moves.
    pub schedule: Schedule,
    /// When the learning rate is lowered, by the schedule `plateau`.
    pub reduce_lr_on_plateau: ReduceLrOnPlateau,
    /// When training ends before `max_epochs`.
    pub early_stopping: EarlyStopping,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            max_epochs: 60,
            batch_size: 32,
            learning_rate: 1e-3,
            label_smoothing: 0.1,
            focal_gamma: 0.0,
            regression_weight: 0.5,
            mixup_alpha: 0.0,
            max_gradient_norm: None,
            average_decay: None,
            crop_frames: 200,
            optimizer: Optimizer::default(),
            schedule: Schedule::default(),
            reduce_lr_on_plateau: ReduceLrOnPlateau::default(),
            early_stopping: EarlyStopping::default(),
        }
    }
}

impl TrainOptions {
    /// Checks the ranges.
    ///
    /// # Errors
    /// An option outside its range; it is named.
    pub fn validate(&self) -> Result<()> {
        let plateau = &self.reduce_lr_on_plateau;
        let checks = [
            ("max_epochs", self.max_epochs.to_string(), "at least 1", self.max_epochs >= 1),
            ("batch_size", self.batch_size.to_string(), "at least 2", self.batch_size >= 2),
            (
                "learning_rate",
                self.learning_rate.to_string(),
                "above 0",
                self.learning_rate > 0.0 && self.learning_rate.is_finite(),
            ),
            (
                "label_smoothing",
                self.label_smoothing.to_string(),
                "at least 0, below 1",
                (0.0..1.0).contains(&self.label_smoothing),
            ),
            (
                "focal_gamma",
                self.focal_gamma.to_string(),
                "at least 0, at most 10",
                (0.0..=10.0).contains(&self.focal_gamma),
            ),
            (
                "regression_weight",
                self.regression_weight.to_string(),
                "above 0, below 1",
                self.regression_weight > 0.0 && self.regression_weight < 1.0,
            ),
            (
                "mixup_alpha",
                self.mixup_alpha.to_string(),
                "0, or 0.01 to 4",
                self.mixup_alpha == 0.0 || (0.01..=4.0).contains(&self.mixup_alpha),
            ),
            (
                "max_gradient_norm",
                format!("{:?}", self.max_gradient_norm),
                "none, or above 0",
                self.max_gradient_norm.is_none_or(|norm| norm > 0.0 && norm.is_finite()),
            ),
            (
                "average_decay",
                format!("{:?}", self.average_decay),
                "none, or above 0 and below 1",
                self.average_decay.is_none_or(|decay| decay > 0.0 && decay < 1.0),
            ),
            (
                "reduce_lr_on_plateau.factor",
                plateau.factor.to_string(),
                "above 0, below 1",
                plateau.factor > 0.0 && plateau.factor < 1.0,
            ),
            ("reduce_lr_on_plateau.patience", plateau.patience.to_string(), "at least 1", plateau.patience >= 1),
            (
                "reduce_lr_on_plateau.min_learning_rate",
                plateau.min_learning_rate.to_string(),
                "at least 0",
                plateau.min_learning_rate >= 0.0 && plateau.min_learning_rate.is_finite(),
            ),
            (
                "early_stopping.patience",
                self.early_stopping.patience.to_string(),
                "at least 1",
                self.early_stopping.patience >= 1,
            ),
        ];
        for (option, value, allowed, holds) in checks {
            if !holds {
                return Err(Error::InvalidOption { option, value, allowed });
            }
        }
        self.schedule.validate()?;
        self.optimizer.validate()
    }
}

/// What happened in one epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Its number, from 1.
    pub epoch: usize,
    /// The learning rate of its last step.
    pub learning_rate: f64,
    /// The mean training loss, label smoothing and dropout included.
    pub train_loss: f32,
    /// The validation loss, with class weights and without label smoothing; regression heads have their part in it. NaN, as the
    /// next two, where the validation
    /// part is empty.
    #[serde(deserialize_with = "null_as_nan")]
    pub valid_loss: f32,
    /// The part of the validation utterances that were classified right; 0 to 1.
    #[serde(deserialize_with = "null_as_nan")]
    pub valid_accuracy: f32,
    /// The mean over the classes of the validation part of the part that was classified right; 0 to 1.
    #[serde(deserialize_with = "null_as_nan")]
    pub valid_uar: f32,
    /// The mean over the regression heads of the concordance correlation coefficient in validation, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_ccc: Option<f32>,
    /// Whether this epoch is the best so far.
    pub is_best: bool,
}

/// JSON has no NaN, and serde_json writes `null`.
fn null_as_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f32::NAN))
}

/// Trains a network and leaves it with the weights of the best epoch: see [`EarlyStopping`].
///
/// `class_weights` has one factor for each class, for utterances that have none of their own ([`Dataset::class_weights`]). The network has an output for each class, and one for each of the examples'
/// [`Dataset::values`] after them. Equal seeds give equal bits, whatever the number of threads.
/// `on_epoch` is called after each epoch with all epochs so far.
///
/// # Errors
/// An option outside its range, features or classes that do not fit the network, an empty part, or a loss or a gradient
/// that is not finite.
pub fn train(
    network: &Network,
    train: &dyn Dataset,
    valid: &dyn Dataset,
    class_weights: &[f32],
    options: &TrainOptions,
    seed: u64,
    on_epoch: impl FnMut(&[Epoch]),
) -> Result<Vec<Epoch>> {
    Ok(run(network, train, valid, class_weights, options, seed, None, on_epoch)?.epochs)
}

/// What happened in a run that was written to a checkpoint.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct History {
    /// All epochs, those before the last resumption included.
    pub epochs: Vec<Epoch>,
    /// The options that were changed when the run was resumed, one line each. Such a run is no longer repeated by its seed
    /// and its last options alone.
    pub changes: Vec<String>,
}

impl History {
    /// A run whose options never changed.
    pub fn new(epochs: Vec<Epoch>) -> Self {
        Self { epochs, changes: Vec::new() }
    }
}

/// Does as [`train`], writes a checkpoint after each epoch, and goes on from it where the file exists.
///
/// The file is replaced in one step. A run that is ended at any moment and started again with the same arguments gives the
/// bits of an unbroken one. `on_epoch` is called for the epochs of this call; the history has all. The file is left when
/// training ends.
///
/// A run may be resumed with another `learning_rate`, `schedule`, `reduce_lr_on_plateau`, `max_gradient_norm`, `max_epochs`
/// or `early_stopping.patience`: so one that diverged can go on from its last good epoch, and one that ended early can go on
/// for longer. Rates follow from the new options as though they had held from the first epoch on, and
/// [`History::changes`] says what changed after which epoch. Nothing else may change.
///
/// # Errors
/// As [`train`]; a file that cannot be read or written, is damaged, or belongs to a run of another network, data, options or
/// seed.
#[allow(clippy::too_many_arguments, reason = "each is one thing that a run depends on")]
pub fn train_with_checkpoints(
    network: &Network,
    train: &dyn Dataset,
    valid: &dyn Dataset,
    class_weights: &[f32],
    options: &TrainOptions,
    seed: u64,
    checkpoint: &Path,
    on_epoch: impl FnMut(&[Epoch]),
) -> Result<History> {
    run(network, train, valid, class_weights, options, seed, Some(checkpoint), on_epoch)
}

#[allow(clippy::too_many_arguments, reason = "each is one thing that a run depends on")]
fn run(
    network: &Network,
    train: &dyn Dataset,
    valid: &dyn Dataset,
    class_weights: &[f32],
    options: &TrainOptions,
    seed: u64,
    checkpoint: Option<&Path>,
    mut on_epoch: impl FnMut(&[Epoch]),
) -> Result<History> {
    options.validate()?;
    let chooses = options.early_stopping.best_by != BestBy::Last;
    check_dataset(network, "validation", valid, usize::from(chooses), class_weights)?;
    let mut stepper = Stepper::new(network, train, class_weights, options, seed)?;
    let mut best_weights = network.parameters.weights()?;
    let mut history = History::new(Vec::new());
    let mut order: Vec<usize> = (0..train.len()).collect();
    let description = match checkpoint {
        Some(_) => Some(RunDescription::new(network, options, seed, class_weights, [train, valid])?),
        None => None,
    };
    let checkpoint = checkpoint.zip(description.as_ref());
    if let Some((path, description)) = checkpoint.filter(|(path, _)| path.exists()) {
        let state = Checkpoint::read(path, description, network, train.len())?;
        best_weights = stepper.resume(state, &mut history, &mut order)?;
    }
    let n_batches = train.len().div_ceil(options.batch_size).min(train.len() / 2);
    let n_steps = options.max_epochs.saturating_mul(n_batches);

    // What the epochs so far have led to.
    let mut monitor = Monitor::new();
    let mut plateau_rate = options.learning_rate;
    for epoch in &history.epochs {
        monitor.observe(score(epoch, options));
        plateau_rate = monitor.reduce(plateau_rate, &options.reduce_lr_on_plateau);
    }

    for epoch in history.epochs.len() + 1..=options.max_epochs {
        if monitor.should_stop(&options.early_stopping) {
            break;
        }
        order.shuffle(&mut stepper.rng);
        let mut loss_sum = 0.0;
        let mut learning_rate = 0.0;
        for batch in 0..n_batches {
            learning_rate = match options.schedule {
                Schedule::Plateau => plateau_rate,
                _ => options.learning_rate * options.schedule.factor((epoch - 1) * n_batches + batch, n_steps),
            };
            let indices = &order[batch * train.len() / n_batches..(batch + 1) * train.len() / n_batches];
            let utterances = load(train, indices, epoch, network.n_bins())?;
            let features: Vec<ArrayView2<f32>> = utterances.iter().map(|features| features.view()).collect();
            let targets: Vec<usize> = indices.iter().map(|&index| train.class(index)).collect();
            let values: Vec<&[f32]> = indices.iter().map(|&index| train.values(index)).collect();
            let weights: Vec<&[f32]> = indices.iter().map(|&index| weights_of(train, index, class_weights)).collect();
            let (loss, spoiled) = stepper.try_step(&features, &targets, &weights, &values, learning_rate)?;
            let batch = batch + 1;
            if !loss.is_finite() {
                return Err(Error::NonFiniteLoss { loss, epoch, batch, learning_rate });
            }
            if let Some(parameter) = spoiled {
                return Err(Error::NonFiniteGradient { parameter, epoch, batch, learning_rate });
            }
            loss_sum += loss * indices.len() as f32;
        }

        if let Some(parameter) = stepper.non_finite_weight()? {
            return Err(Error::NonFiniteWeight { parameter, epoch, learning_rate });
        }
        let raw_weights = stepper.swap_in_average()?;
        let mut record = match validate(network, valid, class_weights, options.regression_weight) {
            Err(Error::NonFiniteLogits) => return Err(Error::NonFiniteValidation { epoch, learning_rate }),
            record => record?,
        };
        record.epoch = epoch;
        record.learning_rate = learning_rate;
        record.train_loss = loss_sum / train.len() as f32;
        record.is_best = monitor.observe(score(&record, options));
        if record.is_best {
            best_weights = network.parameters.weights()?;
        }
        if let Some(raw_weights) = raw_weights {
            network.parameters.restore(&raw_weights)?;
        }
        plateau_rate = monitor.reduce(plateau_rate, &options.reduce_lr_on_plateau);
        history.epochs.push(record);
        if let Some((path, description)) = checkpoint {
            stepper.checkpoint(&history, &order, &best_weights)?.write(path, description)?;
        }
        on_epoch(&history.epochs);
    }
    network.parameters.restore(&best_weights)?;
    Ok(history)
}

/// What falls as a network improves.
fn score(epoch: &Epoch, options: &TrainOptions) -> f32 {
    match options.early_stopping.best_by {
        BestBy::Loss => epoch.valid_loss,
        BestBy::Uar => -epoch.valid_uar,
        BestBy::Last => -(epoch.epoch as f32),
    }
}

/// Takes the single steps that [`train`] is made of.
pub struct Stepper<'a> {
    network: &'a Network,
    class_weights: &'a [f32],
    options: &'a TrainOptions,
    optimizer: OptimizerState,
    rng: ChaCha8Rng,
    average: Option<Weights>,
}

impl<'a> Stepper<'a> {
    /// Prepares to train a network on some of `examples`; each step says on which.
    ///
    /// # Errors
    /// As [`train`].
    pub fn new(
        network: &'a Network,
        examples: &dyn Dataset,
        class_weights: &'a [f32],
        options: &'a TrainOptions,
        seed: u64,
    ) -> Result<Self> {
        options.validate()?;
        check_dataset(network, "training", examples, 2, class_weights)?;
        let optimizer = OptimizerState::new(&options.optimizer, network.parameters.variables()?);
        let average = options.average_decay.map(|_| network.parameters.weights()).transpose()?;
        Ok(Self { network, class_weights, options, optimizer, rng: ChaCha8Rng::seed_from_u64(seed), average })
    }

    /// Updates the weights by one mini-batch, and gives its loss before that. Where a gradient is not finite, what is learned stays
    /// as it is; running statistics have moved by then.
    ///
    /// # Errors
    /// Fewer than two examples, or such that do not fit the network; then nothing has changed.
    pub fn step(&mut self, examples: &[&Example], learning_rate: f64) -> Result<f32> {
        if examples.len() < 2 {
            return Err(Error::TooFewExamples { part: "training", needed: 2 });
        }
        let classes = self.class_weights.len();
        // Examples have no values for regression heads.
        let expected = self.network.n_outputs().saturating_sub(classes);
        if expected > 0 {
            return Err(Error::Values { index: 0, values: Vec::new(), expected });
        }
        for example in examples {
            check_features(example.features.view(), self.network.n_bins())?;
            if example.class >= classes {
                return Err(Error::ClassOutOfRange { class: example.class, classes });
            }
        }
        let features: Vec<ArrayView2<f32>> = examples.iter().map(|example| example.features.view()).collect();
        let targets: Vec<usize> = examples.iter().map(|example| example.class).collect();
        let values: Vec<&[f32]> = vec![&[]; targets.len()];
        let weights = vec![self.class_weights; targets.len()];
        Ok(self.try_step(&features, &targets, &weights, &values, learning_rate)?.0)
    }

    /// Gives the loss, and the name of a parameter whose gradient is not finite.
    fn try_step(
        &mut self,
        features: &[ArrayView2<f32>],
        targets: &[usize],
        class_weights: &[&[f32]],
        values: &[&[f32]],
        learning_rate: f64,
    ) -> Result<(f32, Option<String>)> {
        let crops: Vec<ArrayView2<f32>> = features
            .iter()
            .map(|features| match self.options.crop_frames {
                0 => features.view(),
                frames => random_crop(features, frames, &mut self.rng),
            })
            .collect();
        let TrainOptions { label_smoothing, focal_gamma, mixup_alpha, max_gradient_norm, average_decay, .. } =
            *self.options;
        let mixup = (mixup_alpha > 0.0).then(|| Mixup::draw(mixup_alpha, crops.len(), &mut self.rng));
        let mixed = mixup.as_ref().map(|mixup| mixup.features(&crops));
        let input = match &mixed {
            Some(mixed) => stack(&mixed.iter().map(|features| features.view()).collect::<Vec<_>>())?,
            None => stack(&crops)?,
        };
        let outputs = self.network.forward(&input, &mut Mode::Train(&mut self.rng))?;
        let (n_classes, n_values) = (self.class_weights.len(), values[0].len());
        let logits = if n_values > 0 { outputs.narrow(1, 0, n_classes)? } else { outputs.clone() };
        let loss_of = |targets: &[usize], weights: &[&[f32]]| {
            cross_entropy(&logits, targets, weights, label_smoothing, focal_gamma)
        };
        let mut loss = loss_of(targets, class_weights)?;
        if let Some(mixup) = &mixup {
            loss = mixup.loss(loss, loss_of(&mixup.of_partners(targets), &mixup.of_partners(class_weights))?)?;
        }
        if n_values > 0 {
            let mut truths = values.concat();
            if let Some(mixup) = &mixup {
                let others = mixup.of_partners(values).concat();
                truths.iter_mut().zip(others).for_each(|(own, other)| {
                    *own = mixup.part * *own + (1.0 - mixup.part) * other;
                });
            }
            let truths = Tensor::from_vec(truths, (values.len(), n_values), &Device::Cpu)?;
            let regression = concordance_loss(&outputs.narrow(1, n_classes, n_values)?, &truths)?;
            let part = f64::from(self.options.regression_weight);
            loss = ((loss * (1.0 - part))? + (regression * part)?)?;
        }
        let value = loss.to_scalar::<f32>()?;
        let spoiled = self.optimizer.step(&backward(&loss)?, learning_rate, max_gradient_norm)?;
        if let (Some(average), Some(decay)) = (&mut self.average, average_decay) {
            let decay = decay as f32;
            for (mean, now) in average.values_mut().zip(self.network.parameters.weights()?.values()) {
                mean.zip_mut_with(now, |mean, now| *mean = decay * *mean + (1.0 - decay) * now);
            }
        }
        Ok((value, spoiled.and_then(|index| self.network.parameters.names().into_iter().nth(index))))
    }

    /// The name of a weight that is not finite, of the network or of the average: statistics of activations overflow before
    /// a loss does.
    fn non_finite_weight(&self) -> Result<Option<String>> {
        let weights = self.network.parameters.weights()?;
        let mut all = weights.iter().chain(self.average.iter().flatten());
        let spoiled = all.find(|(_, array)| array.iter().any(|value| !value.is_finite()));
        Ok(spoiled.map(|(name, _)| name.clone()))
    }

    /// Gives the network the average of its weights, if one is kept, and returns those that it had.
    fn swap_in_average(&self) -> Result<Option<Weights>> {
        let Some(average) = &self.average else { return Ok(None) };
        let raw = self.network.parameters.weights()?;
        self.network.parameters.restore(average)?;
        Ok(Some(raw))
    }

    fn checkpoint(&self, history: &History, order: &[usize], best_weights: &Weights) -> Result<Checkpoint> {
        let (steps, moments) = self.optimizer.moments();
        Ok(Checkpoint {
            history: history.clone(),
            order: order.to_vec(),
            rng: self.rng.clone(),
            steps,
            moments,
            weights: self.network.parameters.weights()?,
            best_weights: best_weights.clone(),
            average: self.average.clone(),
        })
    }

    /// Takes up a run where it was left; gives the best weights so far.
    fn resume(&mut self, state: Checkpoint, history: &mut History, order: &mut Vec<usize>) -> Result<Weights> {
        self.network.parameters.restore(&state.weights)?;
        self.optimizer.restore(state.steps, state.moments);
        self.rng = state.rng;
        self.average = state.average;
        *history = state.history;
        *order = state.order;
        Ok(state.best_weights)
    }
}

/// The factors of the classes in the loss of an utterance.
fn weights_of<'a>(dataset: &'a dyn Dataset, index: usize, of_all: &'a [f32]) -> &'a [f32] {
    dataset.class_weights(index).unwrap_or(of_all)
}

/// Checks that the classes, weights and values of a part fit the network and the class weights.
fn check_dataset(
    network: &Network,
    part: &'static str,
    dataset: &dyn Dataset,
    needed: usize,
    class_weights: &[f32],
) -> Result<()> {
    if dataset.len() < needed {
        return Err(Error::TooFewExamples { part, needed });
    }
    if dataset.is_empty() {
        return Ok(());
    }
    let classes = class_weights.len();
    if dataset.values(0).is_empty() && classes != network.n_outputs()
        || class_weights.iter().any(|weight| !(*weight > 0.0 && weight.is_finite()))
    {
        return Err(Error::InvalidOption {
            option: "class_weights",
            value: format!("{class_weights:?}"),
            allowed: "one finite factor above 0 for each class: the network's outputs less the values of an utterance",
        });
    }
    if let Some(class) = (0..dataset.len()).map(|index| dataset.class(index)).find(|&class| class >= classes) {
        return Err(Error::ClassOutOfRange { class, classes });
    }
    let is_usable = |index: usize| match dataset.class_weights(index) {
        Some(weights) => {
            weights.len() == classes
                && weights[dataset.class(index)] > 0.0
                && weights.iter().all(|weight| *weight >= 0.0 && weight.is_finite())
        }
        None => true,
    };
    if let Some(index) = (0..dataset.len()).find(|&index| !is_usable(index)) {
        return Err(Error::InvalidOption {
            option: "class_weights",
            value: format!("{:?} of utterance {index}", weights_of(dataset, index, class_weights)),
            allowed: "one finite factor of at least 0 for each class, above 0 for the utterance's own",
        });
    }
    let expected = network.n_outputs().saturating_sub(classes);
    let fits = |values: &[f32]| values.len() == expected && values.iter().all(|value| value.is_finite());
    match (0..dataset.len()).find(|&index| !fits(dataset.values(index))) {
        Some(index) => Err(Error::Values { index, values: dataset.values(index).to_vec(), expected }),
        None => Ok(()),
    }
}

/// Scores the validation part: the fields of [`Epoch`] that begin with `valid`. Utterances go one by one: nothing depends on
/// how they would be batched.
fn validate(network: &Network, valid: &dyn Dataset, class_weights: &[f32], regression_weight: f32) -> Result<Epoch> {
    let n_classes = class_weights.len();
    let scores: Vec<(f32, bool, Vec<f32>)> = (0..valid.len())
        .into_par_iter()
        .map(|index| {
            let outputs = network.logits(&[load(valid, &[index], 0, network.n_bins())?[0].view()])?;
            let (logits, values) = outputs.row(0).split_at(Axis(0), n_classes);
            // Of equals the first is recognised, and of all classes, as in use.
            let max = logits.iter().fold(f32::NEG_INFINITY, |max, &x| max.max(x));
            let recognized = logits.iter().position(|&x| x == max);
            // The loss is that of training: classes of weight 0 leave the softmax.
            let weights = weights_of(valid, index, class_weights);
            let possible = logits.iter().zip(weights).filter(|(_, weight)| **weight > 0.0).map(|(&x, _)| x);
            let max = possible.clone().fold(f32::NEG_INFINITY, f32::max);
            let log_sum = max + possible.map(|x| (x - max).exp()).sum::<f32>().ln();
            let class = valid.class(index);
            Ok((log_sum - logits[class], recognized == Some(class), values.to_vec()))
        })
        .collect::<Result<_>>()?;
    let classes = || (0..valid.len()).map(|index| valid.class(index));
    let weights = || (0..valid.len()).map(|index| weights_of(valid, index, class_weights)[valid.class(index)]);
    let loss: f32 = scores.iter().zip(weights()).map(|((loss, ..), weight)| loss * weight).sum();
    let mut of_classes = vec![(0usize, 0usize); n_classes];
    for (class, (_, correct, _)) in classes().zip(&scores) {
        let (right, all) = &mut of_classes[class];
        *right += usize::from(*correct);
        *all += 1;
    }
    let recalls: Vec<f32> =
        of_classes.iter().filter(|(_, all)| *all > 0).map(|&(right, all)| right as f32 / all as f32).collect();
    let correct: usize = of_classes.iter().map(|(right, _)| right).sum();
    let mut valid_loss = loss / weights().sum::<f32>();
    let mut valid_ccc = None;
    let n_values = network.n_outputs() - n_classes;
    if n_values > 0 && !scores.is_empty() {
        let all = |values: Vec<f32>| Tensor::from_vec(values, (scores.len(), n_values), &Device::Cpu);
        let predictions = all(scores.iter().flat_map(|(.., values)| values.clone()).collect())?;
        let truths = all((0..valid.len()).flat_map(|index| valid.values(index).to_vec()).collect())?;
        let regression = concordance_loss(&predictions, &truths)?.to_scalar::<f32>()?;
        valid_loss = (1.0 - regression_weight) * valid_loss + regression_weight * regression;
        valid_ccc = Some(1.0 - regression);
    }
    Ok(Epoch {
        epoch: 0,
        learning_rate: 0.0,
        train_loss: 0.0,
        valid_loss,
        valid_accuracy: correct as f32 / valid.len() as f32,
        valid_uar: recalls.iter().sum::<f32>() / recalls.len() as f32,
        valid_ccc,
        is_best: false,
    })
}
