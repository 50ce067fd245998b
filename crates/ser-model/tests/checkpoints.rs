//! What checkpoints promise: a run that is ended at any moment and started again gives the bits of an unbroken one.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use ndarray::Array2;
use ser_model::{
    BestBy, CompactOptions, Epoch, Error, Example, History, Network, NetworkOptions, Optimizer, Precision, RnnOptions,
    Schedule, TrainOptions, encode_model, train, train_with_checkpoints,
};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const CLASS_WEIGHTS: [f32; 3] = [1.0, 2.0, 0.5];

fn examples(n: usize, phase: f32) -> Vec<Example> {
    let features = |i: usize| Array2::from_shape_fn((12 + i % 5, 6), |(t, f)| (phase + (t * i + 3 * f) as f32).sin());
    (0..n).map(|i| Example { features: features(i), class: i % 3 }).collect()
}

fn options(max_epochs: usize) -> TrainOptions {
    TrainOptions {
        max_epochs,
        batch_size: 8,
        crop_frames: 10,
        average_decay: Some(0.9),
        max_gradient_norm: Some(1.0),
        schedule: Schedule::Cosine { warm_up: 0.2 },
        early_stopping: ser_model::EarlyStopping { patience: 1000, ..Default::default() },
        ..Default::default()
    }
}

fn network() -> Network {
    let options =
        CompactOptions { channels: vec![4, 4, 8], embedding: 16, attention: 8, dropout: 0.2, separable: false };
    Network::new(&NetworkOptions::Compact(options), 6, 3, 1).unwrap()
}

/// The bytes of a trained model, and the history.
fn run(max_epochs: usize, checkpoint: Option<&Path>) -> Result<(Vec<u8>, Vec<Epoch>), Error> {
    let (network, options) = (network(), options(max_epochs));
    let history = match checkpoint {
        None => train(&network, &examples(40, 0.0), &examples(9, 0.5), &CLASS_WEIGHTS, &options, 7, |_| ())?,
        Some(path) => run_with(&network, &options, 7, path)?.epochs,
    };
    Ok((encode_model(&"", &network.weights()?, Precision::F32)?, history))
}

fn run_with(network: &Network, options: &TrainOptions, seed: u64, path: &Path) -> Result<History, Error> {
    let (examples, valid) = (examples(40, 0.0), examples(9, 0.5));
    train_with_checkpoints(network, &examples, &valid, &CLASS_WEIGHTS, options, seed, path, |_| ())
}

/// A file in the folder for temporary files that no other test uses.
fn temporary(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("ser-model-{}-{name}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

#[test]
#[ignore = "the run that the next test starts and kills"]
fn child() {
    let Some(path) = std::env::var_os("SER_MODEL_CHECKPOINT") else { return };
    let path = PathBuf::from(path);
    let (bytes, _) = run(20, Some(&path)).unwrap();
    std::fs::write(path.with_extension("done"), bytes).unwrap();
}

#[test]
fn a_run_that_is_killed_twenty_times_gives_the_bytes_of_an_unbroken_one() {
    let started = Instant::now();
    let (expected, _) = run(20, None).unwrap();
    let whole = started.elapsed();
    let (path, done) = (temporary("killed"), temporary("killed").with_extension("done"));
    let start = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored"])
            .env("SER_MODEL_CHECKPOINT", &path)
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    let (mut kills, mut state) = (0, 12_345u32);
    while kills < 20 {
        let mut process = start();
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        std::thread::sleep(whole.mul_f64(0.5 * f64::from(state >> 8) / f64::from(1 << 24)) + Duration::from_millis(2));
        match process.try_wait().unwrap() {
            // It was done before: another run begins.
            Some(status) => {
                assert!(status.success());
                assert_eq!(std::fs::read(&done).unwrap(), expected);
                std::fs::remove_file(&path).unwrap();
            }
            None => {
                process.kill().unwrap();
                process.wait().unwrap();
                kills += 1;
            }
        }
    }
    assert!(start().wait().unwrap().success());
    assert!(std::fs::read(&done).unwrap() == expected, "the bytes differ");
    std::fs::remove_file(&path).unwrap();
    std::fs::remove_file(&done).unwrap();
}

#[test]
fn a_finished_run_is_not_run_again_and_another_run_is_refused() {
    let path = temporary("finished");
    let (bytes, history) = run(3, Some(&path)).unwrap();
    assert_eq!(run(3, None).unwrap(), (bytes.clone(), history.clone()));
    assert_eq!(run(3, Some(&path)).unwrap(), (bytes, history));
    for (change, seed, difference) in [
        (
            &(|o: &mut TrainOptions| o.label_smoothing = 0.2) as &dyn Fn(&mut TrainOptions),
            7,
            "label_smoothing (0.1 then, 0.2 now)",
        ),
        (&|o| o.batch_size = 9, 7, "batch_size (8 then, 9 now)"),
        (&|o| o.optimizer = Optimizer::Sgd { momentum: 0.9 }, 7, "optimizer"),
        (&|o| o.early_stopping.best_by = BestBy::Uar, 7, "early_stopping.best_by (\"loss\" then, \"uar\" now)"),
        (&|o| o.average_decay = None, 7, "average_decay (0.9 then, null now)"),
        (&|_| (), 8, "seed (7 then, 8 now)"),
    ] {
        let mut options = options(3);
        change(&mut options);
        let error = run_with(&network(), &options, seed, &path).unwrap_err().to_string();
        assert!(error.contains(&format!("belongs to another run: {difference}")), "{error}");
    }
    let rnn = Network::new(&NetworkOptions::Rnn(RnnOptions::default()), 6, 3, 1).unwrap();
    let error = run_with(&rnn, &options(3), 7, &path).unwrap_err().to_string();
    assert!(error.contains("belongs to another run: network."), "{error}");
    let mut begun = network();
    begun.start_from(&network().weights().unwrap(), true).unwrap();
    let error = run_with(&begun, &options(3), 7, &path).unwrap_err().to_string();
    assert!(error.contains("belongs to another run: the weights that training began with"), "{error}");
    let other = examples(40, 0.1);
    let error =
        train_with_checkpoints(&network(), &other, &examples(9, 0.5), &CLASS_WEIGHTS, &options(3), 7, &path, |_| ())
            .unwrap_err();
    assert!(error.to_string().contains("belongs to another run: the examples"), "{error}");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_finished_run_goes_on_for_more_epochs_and_says_so() {
    let path = temporary("longer");
    let plateau = |max_epochs| TrainOptions { schedule: Schedule::Plateau, ..options(max_epochs) };
    let (broken, unbroken) = (network(), network());
    assert!(run_with(&broken, &plateau(3), 7, &path).unwrap().changes.is_empty());
    let history = run_with(&network(), &plateau(5), 7, &path).unwrap();
    std::fs::remove_file(&path).unwrap();
    // With the schedule `plateau`, nothing but the end depends on the number of epochs.
    let expected = run_with(&unbroken, &plateau(5), 7, &path).unwrap();
    assert_eq!(history.epochs, expected.epochs);
    assert_eq!(history.changes, ["after epoch 3: max_epochs 3 -> 5"]);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_run_that_diverged_goes_on_from_its_last_good_epoch_at_a_lower_rate() {
    let path = temporary("diverged");
    // The rate rises over 18 epochs until the numbers overflow: how soon depends on every other number, so some are tried, the
    // least first: the numbers of the last good epoch are then not yet near the greatest.
    let reckless = |learning_rate: f64| TrainOptions {
        learning_rate,
        optimizer: Optimizer::Sgd { momentum: 0.9 },
        schedule: Schedule::Cosine { warm_up: 0.9 },
        max_gradient_norm: None,
        ..options(20)
    };
    let diverged = [3.0, 10.0, 30.0, 100.0].into_iter().find_map(|rate| {
        let _ = std::fs::remove_file(&path);
        let error = run_with(&network(), &reckless(rate), 7, &path).err()?;
        assert!(error.is_divergence(), "{error}");
        path.exists().then_some((rate, reckless(rate), error.to_string()))
    });
    let (rate, reckless, error) = diverged.expect("one of these rates diverges after an epoch");
    let good = (1..20).find(|good| error.contains(&format!("epoch {}", good + 1))).unwrap();
    assert_eq!(run_with(&network(), &reckless, 7, &path).unwrap_err().to_string(), error);

    let careful = TrainOptions {
        learning_rate: 0.01,
        schedule: Schedule::Plateau,
        max_gradient_norm: Some(1.0),
        max_epochs: 30,
        ..reckless.clone()
    };
    let history = run_with(&network(), &careful, 7, &path).unwrap();
    assert_eq!(
        history.changes,
        [
            format!("learning_rate {rate:?} -> 0.01"),
            "max_epochs 20 -> 30".into(),
            "max_gradient_norm null -> 1.0".into(),
            "schedule.name \"cosine\" -> \"plateau\"".into(),
            "schedule.warm_up 0.9 -> null".into()
        ]
        .map(|change| format!("after epoch {good}: {change}"))
    );
    assert_eq!(history.epochs.len(), 30);
    assert!(history.epochs[good - 1].learning_rate > 0.1 && history.epochs[good].learning_rate <= 0.01, "{history:?}");
    // What was changed once is told for good.
    assert_eq!(run_with(&network(), &careful, 7, &path).unwrap(), history);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_damaged_checkpoint_is_refused_by_name() {
    let path = temporary("damaged");
    run(2, Some(&path)).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for length in [0, 7, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let error = run(2, Some(&path)).unwrap_err().to_string();
        assert!(error.contains("is damaged") && error.contains(path.to_str().unwrap()), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
    let error = run(2, Some(Path::new("/nowhere/at/all"))).unwrap_err().to_string();
    assert!(error.contains("cannot be written"), "{error}");
}

#[test]
fn a_checkpoint_with_changed_bytes_is_refused_or_resumed_and_nothing_else() {
    let path = temporary("changed");
    run(2, Some(&path)).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let mut state = 99u32;
    let mut below = |n: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % n
    };
    let (mut refused, mut resumed) = (0, 0);
    for round in 0..600 {
        let mut changed = bytes.clone();
        for _ in 0..1 + below(3) {
            // Two of three in the header, whose digits and letters become others.
            let place = below(if round % 3 == 0 { bytes.len() } else { header });
            changed[place] = if place < 8 { below(256) as u8 } else { b"0123456789,-.e[]{}\"az"[below(21)] };
        }
        std::fs::write(&path, changed).unwrap();
        match run(2, Some(&path)) {
            Ok((_, history)) => {
                assert!(history.len() >= 2);
                resumed += 1;
            }
            Err(error) => {
                assert!(matches!(error, Error::Checkpoint { .. } | Error::NonFiniteValidation { .. }), "{error:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > 100 && resumed > 10, "{refused} refused, {resumed} resumed");
    std::fs::remove_file(&path).unwrap();
}
