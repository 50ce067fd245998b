//! Regression heads learn numbers beside the classes, and what does not fit them is refused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use ndarray::{Array2, CowArray, Ix2};
use ser_model::{
    BoxError, CompactOptions, Dataset, Error, Example, Network, NetworkOptions, Stepper, TrainOptions, train,
    train_with_checkpoints,
};

/// Tones whose level and speed are two numbers; the class is which of both is higher.
struct Tones {
    features: Vec<Array2<f32>>,
    values: Vec<Vec<f32>>,
}

impl Tones {
    fn new(n: usize, seed: u32) -> Self {
        let mut state = seed;
        let mut uniform = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let values: Vec<Vec<f32>> = (0..n).map(|_| vec![uniform() * 1.7, uniform() * 1.7]).collect();
        let tone = |values: &Vec<f32>| {
            let (level, speed) = (1.0 + 0.4 * values[0], 0.6 + 0.2 * values[1]);
            Array2::from_shape_fn((30, 6), |(t, f)| level * (t as f32 * speed + f as f32).sin())
        };
        Self { features: values.iter().map(tone).collect(), values }
    }
}

impl Dataset for Tones {
    fn len(&self) -> usize {
        self.features.len()
    }

    fn class(&self, index: usize) -> usize {
        usize::from(self.values[index][0] > self.values[index][1])
    }

    fn values(&self, index: usize) -> &[f32] {
        &self.values[index]
    }

    fn features(&self, index: usize, _epoch: usize) -> Result<CowArray<'_, f32, Ix2>, BoxError> {
        Ok(self.features[index].view().into())
    }
}

fn network(outputs: usize) -> Network {
    let options =
        CompactOptions { channels: vec![4, 4, 8], embedding: 16, attention: 8, dropout: 0.0, separable: false };
    Network::new(&NetworkOptions::Compact(options), 6, outputs, 1).unwrap()
}

fn options() -> TrainOptions {
    TrainOptions { max_epochs: 20, batch_size: 16, learning_rate: 1e-2, crop_frames: 0, ..Default::default() }
}

#[test]
fn heads_learn_numbers_and_classes_together() {
    for mixup_alpha in [0.0, 0.2] {
        let (network, valid) = (network(4), Tones::new(40, 9));
        let options = TrainOptions { mixup_alpha, ..options() };
        let history = train(&network, &Tones::new(160, 1), &valid, &[1.0; 2], &options, 1, |_| ()).unwrap();
        let best = history.iter().rev().find(|epoch| epoch.is_best).unwrap();
        assert!(best.valid_ccc.unwrap() > 0.8 && best.valid_accuracy > 0.7, "{history:?}");
        // The recorded coefficient is that of the outputs after the classes.
        let outputs: Vec<_> =
            valid.features.iter().map(|features| network.logits(&[features.view()]).unwrap()).collect();
        let n = outputs.len() as f64;
        let ccc = |head: usize| {
            let pairs: Vec<(f64, f64)> = outputs
                .iter()
                .zip(&valid.values)
                .map(|(output, values)| (f64::from(output[[0, 2 + head]]), f64::from(values[head])))
                .collect();
            let mean = |f: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>() / n;
            let (p, t) = (mean(&|pair| pair.0), mean(&|pair| pair.1));
            let covariance = mean(&|pair| (pair.0 - p) * (pair.1 - t));
            let variances = mean(&|pair| (pair.0 - p).powi(2)) + mean(&|pair| (pair.1 - t).powi(2));
            2.0 * covariance / (variances + (p - t).powi(2))
        };
        // f32 sums of forty terms.
        assert!(((ccc(0) + ccc(1)) / 2.0 - f64::from(best.valid_ccc.unwrap())).abs() < 1e-5);
    }
}

#[test]
fn values_that_do_not_fit_are_refused() {
    let (good, valid) = (Tones::new(8, 1), Tones::new(4, 2));
    let refused = |outputs: usize, data: &Tones, options: &TrainOptions| {
        train(&network(outputs), data, &valid, &[1.0; 2], options, 1, |_| ()).unwrap_err()
    };
    assert!(matches!(refused(3, &good, &options()), Error::Values { index: 0, expected: 1, .. }));
    let mut infinite = Tones::new(8, 1);
    infinite.values[5][1] = f32::INFINITY;
    assert!(matches!(refused(4, &infinite, &options()), Error::Values { index: 5, expected: 2, .. }));
    let error = refused(4, &good, &TrainOptions { regression_weight: 1.0, ..options() });
    assert!(error.to_string().starts_with("regression_weight is 1"), "{error}");
}

#[test]
fn a_checkpoint_of_other_values_is_refused() {
    let path = std::env::temp_dir().join(format!("ser-model-{}-values", std::process::id()));
    let options = TrainOptions { max_epochs: 1, ..options() };
    let run = |data: &Tones| {
        train_with_checkpoints(&network(4), data, &Tones::new(4, 2), &[1.0; 2], &options, 1, &path, |_| ())
    };
    let mut data = Tones::new(8, 1);
    run(&data).unwrap();
    data.values[3][0] += 1e-3;
    assert!(run(&data).unwrap_err().to_string().contains("belongs to another run"));
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn single_steps_of_examples_without_numbers_are_refused_before_anything_changes() {
    let (network, tones, options) = (network(4), Tones::new(8, 1), options());
    let mut stepper = Stepper::new(&network, &tones, &[1.0; 2], &options, 1).unwrap();
    let examples = [0, 1].map(|index| Example { features: tones.features[index].clone(), class: tones.class(index) });
    let before = network.weights().unwrap();
    let error = stepper.step(&examples.each_ref(), 1e-3).unwrap_err();
    assert!(matches!(error, Error::Values { expected: 2, .. }), "{error}");
    assert_eq!(network.weights().unwrap(), before);
}
