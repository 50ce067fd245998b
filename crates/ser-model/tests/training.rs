//! What training promises: it learns, it is repeatable, and it leaves the best epoch.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use ndarray::{Array2, CowArray, Ix2};
use ser_model::{
    BestBy, BoxError, CompactOptions, Dataset, EarlyStopping, Error, Example, LinearOptions, Network, NetworkOptions,
    Optimizer, ReduceLrOnPlateau, Schedule, Stepper, TrainOptions, train,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

fn options() -> NetworkOptions {
    NetworkOptions::Compact(CompactOptions {
        channels: vec![4, 4, 8],
        embedding: 16,
        attention: 8,
        dropout: 0.1,
        separable: false,
    })
}

/// Three classes that differ in the speed of a modulation over time, in noise of a fixed recurrence.
fn examples(n: usize, offset: u32) -> Vec<Example> {
    let mut state = 17 + offset;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n)
        .map(|i| {
            let class = i % 3;
            let speed = [0.1, 0.4, 0.9][class];
            let phase = 6.0 * noise();
            let frames = 20 + (i * 7) % 25;
            let features =
                Array2::from_shape_fn((frames, 8), |(t, _)| (t as f32 * speed + phase).sin() + 0.3 * noise());
            Example { features, class }
        })
        .collect()
}

fn quick(optimizer: Optimizer) -> TrainOptions {
    TrainOptions {
        max_epochs: 12,
        batch_size: 16,
        learning_rate: 5e-3,
        crop_frames: 24,
        optimizer,
        ..Default::default()
    }
}

#[test]
fn of_equal_logits_the_first_class_is_recognised() {
    // Features of zeros, balanced classes in one batch: nothing is learned.
    let data: Vec<Example> = (0..4).map(|i| Example { features: Array2::zeros((3, 8)), class: i % 2 }).collect();
    let network = Network::new(&NetworkOptions::Linear(LinearOptions::default()), 8, 2, 1).unwrap();
    let options = TrainOptions { max_epochs: 1, batch_size: 4, ..Default::default() };
    let history = train(&network, &data, &data, &[1.0; 2], &options, 1, |_| ()).unwrap();
    assert_eq!((history[0].valid_accuracy, history[0].valid_uar), (0.5, 0.5));
}

#[test]
fn a_piecewise_linear_model_learns_what_lies_far_off_on_both_sides() {
    let data: Vec<Example> = (0..60)
        .map(|i| Example {
            features: Array2::from_elem((3, 1), [-2.0, 0.1, 2.0][i % 3]),
            class: usize::from(i % 3 == 1),
        })
        .collect();
    let options = TrainOptions { max_epochs: 40, batch_size: 10, learning_rate: 0.05, ..Default::default() };
    let uar = |piecewise| {
        let linear = LinearOptions { dropout: 0.0, piecewise, ..Default::default() };
        let network = Network::new(&NetworkOptions::Linear(linear), 1, 2, 1).unwrap();
        train(&network, &data, &data, &[1.0; 2], &options, 1, |_| ()).unwrap().last().unwrap().valid_uar
    };
    assert_eq!(uar(true), 1.0);
    assert!(uar(false) < 0.8, "a line cannot");
}

#[test]
fn a_step_refuses_what_does_not_fit() {
    let network = Network::new(&options(), 8, 3, 1).unwrap();
    let (data, train) = (examples(3, 0), TrainOptions::default());
    let mut stepper = Stepper::new(&network, &data, &[1.0; 3], &train, 1).unwrap();
    let narrow = Example { features: Array2::zeros((20, 7)), class: 0 };
    let unknown = Example { class: 3, ..data[0].clone() };
    for (batch, reason) in [
        (vec![], "at least 2 needed"),
        (vec![&data[0]], "at least 2 needed"),
        (vec![&data[0], &narrow], "[20, 7]"),
        (vec![&data[0], &unknown], "class index 3"),
    ] {
        let error = stepper.step(&batch, 1e-3).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    assert!(stepper.step(&data.iter().collect::<Vec<_>>(), 1e-3).unwrap().is_finite());
}

#[test]
fn a_network_of_a_model_file_is_not_trained() {
    let network = Network::new(&options(), 8, 3, 1).unwrap();
    let stored = Network::from_weights(&options(), 8, 3, network.weights().unwrap()).unwrap();
    let (data, valid) = (examples(6, 0), examples(3, 9));
    let error = train(&stored, &data, &valid, &[1.0; 3], &quick(Optimizer::default()), 1, |_| ()).unwrap_err();
    assert!(error.to_string().contains("one of a model file"), "{error}");
}

#[test]
fn optimisers_schedules_and_losses_learn_what_can_be_learned() {
    let adam = || quick(Optimizer::default());
    let adam_w = Optimizer::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weight_decay: 0.01 };
    for options in [
        adam(),
        quick(Optimizer::RmsProp { rho: 0.9, epsilon: 1e-7 }),
        quick(adam_w),
        TrainOptions { learning_rate: 0.05, ..quick(Optimizer::Sgd { momentum: 0.9 }) },
        TrainOptions { schedule: Schedule::Cosine { warm_up: 0.1 }, ..adam() },
        TrainOptions { schedule: Schedule::OneCycle { warm_up: 0.3 }, learning_rate: 0.01, ..adam() },
        TrainOptions { focal_gamma: 2.0, max_gradient_norm: Some(1.0), average_decay: Some(0.8), ..adam() },
        TrainOptions { mixup_alpha: 0.2, ..adam() },
        TrainOptions { early_stopping: EarlyStopping { best_by: BestBy::Uar, ..Default::default() }, ..adam() },
    ] {
        let network = Network::new(&self::options(), 8, 3, 1).unwrap();
        let history = train(&network, &examples(90, 0), &examples(45, 9), &[1.0; 3], &options, 1, |_| ()).unwrap();
        let best = history.iter().rev().find(|epoch| epoch.is_best).unwrap();
        assert!(best.valid_accuracy > 0.8, "{options:?}: {history:?}");
    }
}

#[test]
fn the_network_is_left_with_the_best_epoch() {
    // Validation labels that contradict the training labels: what is learned raises the validation loss.
    let mut valid = examples(30, 9);
    valid.iter_mut().for_each(|example| example.class = (example.class + 1) % 3);
    for average_decay in [None, Some(0.8)] {
        let network = Network::new(&options(), 8, 3, 2).unwrap();
        let options = TrainOptions { average_decay, ..quick(Optimizer::default()) };
        let history = train(&network, &examples(60, 0), &valid, &[1.0; 3], &options, 1, |_| ()).unwrap();
        let best = history.iter().rev().find(|epoch| epoch.is_best).unwrap();
        assert!(best.epoch < history.len(), "the last epoch must not be the best here: {history:?}");
        let losses = valid.iter().map(|example| {
            let logits = network.logits(&[example.features.view()]).unwrap();
            logits.iter().map(|x| x.exp()).sum::<f32>().ln() - logits[[0, example.class]]
        });
        let loss = losses.sum::<f32>() / valid.len() as f32;
        // Summed in another order.
        assert!((loss - best.valid_loss).abs() < 1e-5, "{average_decay:?}: {loss}, {best:?}");
    }
}

#[test]
fn averaged_weights_follow_the_trained_ones_by_their_decay() {
    let weights = |average_decay, max_epochs| {
        let network = Network::new(&options(), 8, 3, 2).unwrap();
        let before = network.weights().unwrap();
        let early_stopping = EarlyStopping { best_by: BestBy::Last, ..Default::default() };
        let options =
            TrainOptions { average_decay, max_epochs, batch_size: 60, early_stopping, ..quick(Optimizer::default()) };
        train(&network, &examples(60, 0), &Vec::<Example>::new(), &[1.0; 3], &options, 1, |_| ()).unwrap();
        [before, network.weights().unwrap()]
    };
    // One step an epoch, whose crops are those of the other runs.
    let [start, one] = weights(None, 1);
    let [_, two] = weights(None, 2);
    let [_, averaged] = weights(Some(0.9), 2);
    for (name, mean) in &averaged {
        for (index, value) in mean.iter().enumerate() {
            let [start, one, two] = [&start, &one, &two].map(|weights| *weights[name].iter().nth(index).unwrap());
            let expected = 0.9 * (0.9 * start + 0.1 * one) + 0.1 * two;
            assert!((value - expected).abs() < 1e-5 * expected.abs().max(1.0), "{name} {index}: {value} {expected}");
        }
    }
}

#[test]
fn rates_are_those_of_their_schedules_in_each_epoch() {
    // Nothing improves: validation has the labels that are not learned.
    let mut contrary = examples(30, 9);
    contrary.iter_mut().for_each(|example| example.class = (example.class + 1) % 3);
    let rates = |options: &TrainOptions| -> Vec<f64> {
        let network = Network::new(&self::options(), 8, 3, 2).unwrap();
        let history = train(&network, &examples(60, 0), &contrary, &[1.0; 3], options, 1, |_| ()).unwrap();
        let best = history.iter().rev().find(|epoch| epoch.is_best).unwrap();
        assert_eq!(best.epoch, 1, "{history:?}");
        history.iter().map(|epoch| epoch.learning_rate).collect()
    };
    let slow = TrainOptions { learning_rate: 0.02, max_epochs: 8, ..quick(Optimizer::default()) };
    let reduce_lr_on_plateau = ReduceLrOnPlateau { factor: 0.5, patience: 3, min_learning_rate: 0.008 };
    let plateau = TrainOptions { reduce_lr_on_plateau, ..slow.clone() };
    assert_eq!(rates(&plateau), [0.02, 0.02, 0.02, 0.02, 0.01, 0.01, 0.01, 0.008]);
    // Four batches an epoch; an epoch shows the rate of its last one.
    let cosine = TrainOptions { schedule: Schedule::Cosine { warm_up: 0.0 }, ..slow };
    for (epoch, rate) in rates(&cosine).into_iter().enumerate() {
        let step = (4 * epoch + 3) as f64;
        let expected = 0.01 * (1.0 + (std::f64::consts::PI * step / 32.0).cos());
        assert!((rate - expected).abs() < 1e-12, "epoch {epoch}: {rate} {expected}");
    }
}

#[test]
fn the_network_is_left_with_the_last_epoch_where_nothing_is_chosen() {
    let mut options = quick(Optimizer::default());
    options.early_stopping = EarlyStopping { patience: 1, best_by: BestBy::Last };
    let run = |valid: &Vec<Example>| {
        let network = Network::new(&self::options(), 8, 3, 2).unwrap();
        let history = train(&network, &examples(60, 0), valid, &[1.0; 3], &options, 1, |_| ()).unwrap();
        assert_eq!(history.len(), options.max_epochs);
        assert!(history.iter().all(|epoch| epoch.is_best));
        (network.weights().unwrap(), history)
    };
    // Validation gets worse and worse, and changes nothing.
    let mut contrary = examples(30, 9);
    contrary.iter_mut().for_each(|example| example.class = (example.class + 1) % 3);
    let (weights, history) = run(&contrary);
    assert!(history[11].valid_loss > history[0].valid_loss);
    let (without, history) = run(&Vec::new());
    assert_eq!(without, weights);
    assert!(history.iter().all(|epoch| epoch.valid_loss.is_nan() && epoch.valid_uar.is_nan()));
    let json = serde_json::to_string(&history[11]).unwrap();
    let read: ser_model::Epoch = serde_json::from_str(&json).unwrap();
    assert!(read.valid_accuracy.is_nan() && read.train_loss == history[11].train_loss);
}

#[test]
fn equal_seeds_give_equal_bits() {
    let run = |seed| {
        let network = Network::new(&options(), 8, 3, seed).unwrap();
        let mut options = quick(Optimizer::default());
        options.max_epochs = 2;
        let history =
            train(&network, &examples(40, 0), &examples(9, 9), &[1.0, 2.0, 0.5], &options, seed, |_| ()).unwrap();
        (network.weights().unwrap(), history)
    };
    assert_eq!(run(4), run(4));
    assert_ne!(run(4).0, run(5).0);
}

#[test]
fn the_best_epoch_is_that_of_the_highest_recall_where_recall_decides() {
    let network = Network::new(&options(), 8, 3, 2).unwrap();
    let mut options = quick(Optimizer::default());
    options.early_stopping.best_by = BestBy::Uar;
    // Two classes of unequal size, so that accuracy and recall differ.
    let valid: Vec<Example> =
        examples(60, 9).into_iter().enumerate().filter(|(i, e)| e.class == 0 || i % 5 == 1).map(|(_, e)| e).collect();
    let history = train(&network, &examples(60, 0), &valid, &[1.0; 3], &options, 1, |_| ()).unwrap();
    let mut best = f32::NEG_INFINITY;
    for epoch in &history {
        assert_eq!(epoch.is_best, epoch.valid_uar > best, "{history:?}");
        best = best.max(epoch.valid_uar);
    }
    let mut of_classes = [(0, 0); 3];
    for example in &valid {
        let logits = network.logits(&[example.features.view()]).unwrap();
        let class = (0..3).max_by(|&a, &b| logits[[0, a]].total_cmp(&logits[[0, b]])).unwrap();
        of_classes[example.class].0 += i32::from(class == example.class);
        of_classes[example.class].1 += 1;
    }
    let recalls: Vec<f32> =
        of_classes.iter().filter(|(_, n)| *n > 0).map(|(right, n)| *right as f32 / *n as f32).collect();
    let uar = recalls.iter().sum::<f32>() / recalls.len() as f32;
    assert!((uar - best).abs() < 1e-6, "{uar}, {best}");
    assert!(history.iter().any(|epoch| epoch.valid_uar != epoch.valid_accuracy));
}

#[test]
fn training_stops_after_the_patience() {
    let network = Network::new(&options(), 8, 3, 2).unwrap();
    let mut options = quick(Optimizer::default());
    options.learning_rate = 1e-12;
    options.max_epochs = 50;
    options.early_stopping = EarlyStopping { patience: 2, ..Default::default() };
    let mut seen = 0;
    let history =
        train(&network, &examples(30, 0), &examples(9, 9), &[1.0; 3], &options, 1, |epochs| seen = epochs.len())
            .unwrap();
    let best = history.iter().rev().find(|epoch| epoch.is_best).unwrap();
    assert!(history.len() < 50 && history.len() == best.epoch + 2, "{history:?}");
    assert_eq!(seen, history.len());
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let network = || Network::new(&options(), 8, 3, 2).unwrap();
    let (good, valid) = (examples(9, 0), examples(3, 9));
    let run = |train_part: &Vec<Example>, valid: &Vec<Example>, weights: &[f32], options: &TrainOptions| {
        train(&network(), train_part, valid, weights, options, 1, |_| ()).unwrap_err()
    };
    let weights = [1.0; 3];
    let defaults = quick(Optimizer::default());
    assert!(matches!(run(&vec![], &valid, &weights, &defaults), Error::TooFewExamples { part: "training", .. }));
    assert!(matches!(run(&good, &vec![], &weights, &defaults), Error::TooFewExamples { part: "validation", .. }));
    assert!(matches!(run(&good, &valid, &[1.0, 1.0], &defaults), Error::InvalidOption { option: "class_weights", .. }));
    let mut outside = good.clone();
    outside[3].class = 3;
    assert!(matches!(run(&outside, &valid, &weights, &defaults), Error::ClassOutOfRange { class: 3, classes: 3 }));
    for (change, option) in [
        (&(|o: &mut TrainOptions| o.batch_size = 1) as &dyn Fn(&mut TrainOptions), "batch_size"),
        (&|o| o.max_epochs = 0, "max_epochs"),
        (&|o| o.learning_rate = -1.0, "learning_rate"),
        (&|o| o.label_smoothing = 1.0, "label_smoothing"),
        (&|o| o.reduce_lr_on_plateau.factor = 1.5, "reduce_lr_on_plateau.factor"),
        (&|o| o.early_stopping.patience = 0, "early_stopping.patience"),
        (&|o| o.focal_gamma = -1.0, "focal_gamma"),
        (&|o| o.mixup_alpha = 5.0, "mixup_alpha"),
        (&|o| o.max_gradient_norm = Some(0.0), "max_gradient_norm"),
        (&|o| o.average_decay = Some(1.0), "average_decay"),
        (&|o| o.schedule = Schedule::OneCycle { warm_up: 0.0 }, "schedule.warm_up"),
        (&|o| o.optimizer = Optimizer::Sgd { momentum: 1.0 }, "momentum"),
        (&|o| o.optimizer = Optimizer::RmsProp { rho: 1.0, epsilon: 1e-7 }, "rho"),
    ] {
        let mut options = defaults.clone();
        change(&mut options);
        let error = run(&good, &valid, &weights, &options);
        assert!(error.to_string().starts_with(option), "{error}");
    }
}

#[test]
fn a_diverging_run_stops_with_an_error_that_says_where() {
    let mut options = quick(Optimizer::default());
    options.learning_rate = 1e30;
    let error = train(
        &Network::new(&self::options(), 8, 3, 2).unwrap(),
        &examples(30, 0),
        &examples(3, 9),
        &[1.0; 3],
        &options,
        1,
        |_| (),
    )
    .unwrap_err();
    assert!(matches!(error, Error::NonFiniteLoss { epoch: 1, .. }), "{error}");
}

/// Gives each utterance of an inner data set, and keeps whose were asked for in which epochs.
struct Watched {
    inner: Vec<Example>,
    asked: Mutex<BTreeMap<usize, BTreeSet<usize>>>,
    fails_in: usize,
}

impl Dataset for Watched {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn class(&self, index: usize) -> usize {
        self.inner[index].class
    }

    fn features(&self, index: usize, epoch: usize) -> Result<CowArray<'_, f32, Ix2>, BoxError> {
        if epoch == self.fails_in {
            return Err("the disk is gone".into());
        }
        self.asked.lock().unwrap().entry(epoch).or_default().insert(index);
        self.inner.features(index, epoch)
    }
}

#[test]
fn every_epoch_asks_for_every_utterance_and_an_error_ends_training() {
    let watched = |fails_in| Watched { inner: examples(30, 0), asked: Mutex::default(), fails_in };
    let options = TrainOptions { max_epochs: 3, ..quick(Optimizer::default()) };
    let network = || Network::new(&self::options(), 8, 3, 2).unwrap();
    let (good, valid) = (watched(usize::MAX), watched(usize::MAX));
    train(&network(), &good, &valid, &[1.0; 3], &options, 1, |_| ()).unwrap();
    let all = || (0..30).collect::<BTreeSet<_>>();
    assert_eq!(good.asked.into_inner().unwrap(), BTreeMap::from([(1, all()), (2, all()), (3, all())]));
    assert_eq!(valid.asked.into_inner().unwrap(), BTreeMap::from([(0, all())]));

    let error = train(&network(), &watched(2), &examples(9, 9), &[1.0; 3], &options, 1, |_| ()).unwrap_err();
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the disk is gone");
}

/// A corpus of the first two classes alone.
struct OfTwoClasses(Vec<Example>);

impl Dataset for OfTwoClasses {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn class(&self, index: usize) -> usize {
        self.0[index].class
    }

    fn features(&self, index: usize, _: usize) -> Result<CowArray<'_, f32, Ix2>, BoxError> {
        Ok(self.0[index].features.view().into())
    }

    fn class_weights(&self, _: usize) -> Option<&[f32]> {
        Some(&[1.0, 1.0, 0.0])
    }
}

#[test]
fn validation_recognises_among_all_classes_whatever_the_corpus_of_a_clip_has() {
    // A network that always answers the third class.
    let network = Network::new(&NetworkOptions::Linear(LinearOptions::default()), 8, 3, 1).unwrap();
    let data: Vec<Example> =
        (0..12).map(|i| Example { features: Array2::ones((3, 8)), class: [2, 2, 2, 2, 0, 1][i % 6] }).collect();
    let options = TrainOptions { max_epochs: 20, batch_size: 12, learning_rate: 0.05, ..Default::default() };
    let valid = OfTwoClasses((0..4).map(|i| Example { class: i % 2, ..data[0].clone() }).collect());
    let last = train(&network, &data, &valid, &[1.0; 3], &options, 1, |_| ()).unwrap().pop().unwrap();
    assert_eq!((last.valid_accuracy, last.valid_uar), (0.0, 0.0));
    // The loss is that of training, between the two classes: they are as frequent.
    assert!((last.valid_loss - 2f32.ln()).abs() < 0.1, "{last:?}");
}
