use crate::batch::{load, random_crop, stack};
use crate::layers::Mode;
use crate::loss::cross_entropy;
use crate::optimizer::OptimizerState;
use crate::schedule::Monitor;
use crate::{Dataset, EarlyStopping, Error, Network, Optimizer, ReduceLrOnPlateau, Result};
use ndarray::ArrayView2;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

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
    /// Training takes a random stretch of at most this many frames of each utterance, another in each epoch; 0 takes
    /// whole utterances. Validation always takes whole utterances.
    pub crop_frames: usize,
    /// The optimiser.
    pub optimizer: Optimizer,
    /// When the learning rate is lowered.
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
            crop_frames: 200,
            optimizer: Optimizer::default(),
            reduce_lr_on_plateau: ReduceLrOnPlateau::default(),
            early_stopping: EarlyStopping::default(),
        }
    }
}

impl TrainOptions {
    fn validate(&self) -> Result<()> {
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
        self.optimizer.validate()
    }
}

/// What happened in one epoch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Epoch {
    /// Its number, from 1.
    pub epoch: usize,
    /// The learning rate in force.
    pub learning_rate: f64,
    /// The mean training loss, label smoothing and dropout included.
    pub train_loss: f32,
    /// The validation loss, with class weights and without label smoothing. The best epoch is the one where it is lowest.
    pub valid_loss: f32,
    /// The part of the validation utterances that were classified right; 0 to 1.
    pub valid_accuracy: f32,
    /// Whether this epoch is the best so far.
    pub is_best: bool,
}

/// Trains a network and leaves it with the weights of the epoch with the lowest validation loss.
///
/// `class_weights` has one factor for each class. Equal seeds give equal bits, whatever the number of threads.
/// `on_epoch` is called after each epoch.
///
/// # Errors
/// An option outside its range, features or classes that do not fit the network, an empty part, or a loss that is not
/// finite.
pub fn train(
    network: &Network,
    train: &dyn Dataset,
    valid: &dyn Dataset,
    class_weights: &[f32],
    options: &TrainOptions,
    seed: u64,
    mut on_epoch: impl FnMut(&Epoch),
) -> Result<Vec<Epoch>> {
    options.validate()?;
    check_dataset(network, "training", train, 2)?;
    check_dataset(network, "validation", valid, 1)?;
    if class_weights.len() != network.n_classes() || class_weights.iter().any(|w| !(*w > 0.0 && w.is_finite())) {
        return Err(Error::InvalidOption {
            option: "class_weights",
            value: format!("{class_weights:?}"),
            allowed: "one finite factor above 0 for each class",
        });
    }

    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut optimizer = OptimizerState::new(&options.optimizer, network.parameters.variables()?)?;
    let mut monitor = Monitor::new();
    let mut learning_rate = options.learning_rate;
    let mut best_weights = network.parameters.weights()?;
    let mut history = Vec::new();
    let mut order: Vec<usize> = (0..train.len()).collect();
    let n_batches = train.len().div_ceil(options.batch_size).min(train.len() / 2);

    for epoch in 1..=options.max_epochs {
        order.shuffle(&mut rng);
        let mut loss_sum = 0.0;
        for batch in 0..n_batches {
            let indices = &order[batch * train.len() / n_batches..(batch + 1) * train.len() / n_batches];
            let utterances = load(train, indices, epoch, network.n_bins())?;
            let crops: Vec<ArrayView2<f32>> = utterances
                .iter()
                .map(|features| match options.crop_frames {
                    0 => features.view(),
                    frames => random_crop(features, frames, &mut rng),
                })
                .collect();
            let targets: Vec<usize> = indices.iter().map(|&index| train.class(index)).collect();
            let logits = network.forward(&stack(&crops)?, &mut Mode::Train(&mut rng))?;
            let loss = cross_entropy(&logits, &targets, class_weights, options.label_smoothing)?;
            optimizer.step(&loss.backward()?, learning_rate)?;
            let loss = loss.to_scalar::<f32>()?;
            if !loss.is_finite() {
                return Err(Error::NonFiniteLoss { loss, epoch, batch: batch + 1, learning_rate });
            }
            loss_sum += loss * indices.len() as f32;
        }

        let (valid_loss, valid_accuracy) = validate(network, valid, class_weights)?;
        let is_best = monitor.observe(valid_loss);
        if is_best {
            best_weights = network.parameters.weights()?;
        }
        let train_loss = loss_sum / train.len() as f32;
        let record = Epoch { epoch, learning_rate, train_loss, valid_loss, valid_accuracy, is_best };
        on_epoch(&record);
        history.push(record);
        if monitor.should_stop(&options.early_stopping) {
            break;
        }
        learning_rate = monitor.reduce(learning_rate, &options.reduce_lr_on_plateau);
    }
    network.parameters.restore(&best_weights)?;
    Ok(history)
}

fn check_dataset(network: &Network, part: &'static str, dataset: &dyn Dataset, needed: usize) -> Result<()> {
    if dataset.len() < needed {
        return Err(Error::TooFewExamples { part, needed });
    }
    match (0..dataset.len()).map(|index| dataset.class(index)).find(|&class| class >= network.n_classes()) {
        Some(class) => Err(Error::ClassOutOfRange { class, classes: network.n_classes() }),
        None => Ok(()),
    }
}

/// Mean weighted cross-entropy and accuracy. Utterances go one by one: nothing depends on how they would be batched.
fn validate(network: &Network, valid: &dyn Dataset, class_weights: &[f32]) -> Result<(f32, f32)> {
    use rayon::prelude::*;
    let scores: Vec<(f32, bool)> = (0..valid.len())
        .into_par_iter()
        .map(|index| {
            let logits = network.logits(&[load(valid, &[index], 0, network.n_bins())?[0].view()])?;
            let logits = logits.row(0);
            let max = logits.fold(f32::NEG_INFINITY, |max, &x| max.max(x));
            let log_sum = max + logits.iter().map(|x| (x - max).exp()).sum::<f32>().ln();
            let truth = logits[valid.class(index)];
            Ok((log_sum - truth, truth == max))
        })
        .collect::<Result<_>>()?;
    let weights = || (0..valid.len()).map(|index| class_weights[valid.class(index)]);
    let loss: f32 = scores.iter().zip(weights()).map(|((loss, _), weight)| loss * weight).sum();
    let correct = scores.iter().filter(|(_, correct)| *correct).count();
    Ok((loss / weights().sum::<f32>(), correct as f32 / valid.len() as f32))
}
