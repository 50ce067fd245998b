//! Agreement of whole networks with PyTorch: logits, gradients and ten training steps from equal weights, by references
//! that `tests/assets/make_network_references.py` wrote in float64.

use crate::batch::stack;
use crate::layers::Mode;
use crate::loss::cross_entropy;
use crate::ops::kept::backward;
use crate::pytorch::{assert_close, load, variable};
use crate::{CompactOptions, Example, Network, NetworkOptions, Optimizer, Result, Stepper, TrainOptions, Weights};
use candle_core::Tensor;
use ndarray::{Array1, Array2, ArrayD, ArrayView2};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

#[derive(Deserialize)]
struct Manifest {
    network: NetworkOptions,
    bins: usize,
    lengths: Vec<usize>,
    targets: Vec<usize>,
    classes: usize,
    learning_rate: f64,
    epsilon: f64,
    parameters: usize,
}

/// The script's function of the same name.
fn pseudo_random(stream: u64, count: usize) -> impl Iterator<Item = f64> {
    let mask = u64::from(u32::MAX);
    (0..count as u64).map(move |index| {
        let mut h = (index * 2_654_435_761 + (stream + 1) * 374_761_393) & mask;
        for multiplier in [2_246_822_519, 3_266_489_917] {
            h ^= h >> 15;
            h = (h * multiplier) & mask;
        }
        h ^= h >> 16;
        (h >> 8) as f64 / f64::from(1 << 23) - 1.0
    })
}

/// The script's function of the same name.
fn parameter(stream: u64, name: &str, shape: &[usize]) -> ArrayD<f32> {
    let scale: f64 = if shape.len() > 1 { (6.0 / shape.iter().sum::<usize>() as f64).sqrt() } else { 0.25 };
    let around_one = shape.len() == 1 && (name.ends_with("norm.weight") || name.ends_with("running_var"));
    let value = |u: f64| if around_one { 1.0 + 0.5 * u } else { scale * u };
    let values = pseudo_random(stream, shape.iter().product()).map(|u| value(u) as f32).collect();
    ArrayD::from_shape_vec(shape, values).unwrap()
}

struct Case {
    manifest: Manifest,
    references: Weights,
    network: Network,
    examples: Vec<Example>,
}

fn case(name: &str) -> Result<Case> {
    let (manifest, references) = load::<Manifest>(name);
    let network = Network::new(&manifest.network, manifest.bins, manifest.classes, 0)?;
    assert_eq!(network.n_parameters(), manifest.parameters);
    let weights = network.weights()?.into_iter().enumerate();
    let weights = weights.map(|(stream, (name, array))| {
        let values = parameter(stream as u64, &name, array.shape());
        (name, values)
    });
    network.parameters.restore(&weights.collect())?;
    let examples = manifest.lengths.iter().zip(&manifest.targets).enumerate().map(|(index, (&frames, &class))| {
        let values = pseudo_random(1000 + index as u64, frames * manifest.bins).map(|u| u as f32).collect();
        Example { features: Array2::from_shape_vec((frames, manifest.bins), values).unwrap(), class }
    });
    let examples = examples.collect();
    Ok(Case { manifest, references, network, examples })
}

/// Tolerances are relative to the largest value of an array: each about ten times what was seen, and each far below what
/// one wrong padding, mask, place of a constant or order of layers does (10⁻² and more).
fn agrees(name: &str, forward: f32, gradient: f32, loss: f32) -> Result<()> {
    let Case { manifest, references, network, examples } = case(name)?;
    let views: Vec<ArrayView2<f32>> = examples.iter().map(|example| example.features.view()).collect();
    let logits = network.logits(&views)?;
    assert_close("logits", &variable(&logits.into_dyn()), &references["logits"], forward);

    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let class_weights = vec![1.0; manifest.classes];
    let before = network.weights()?;
    let logits = network.forward(&stack(&views)?, &mut Mode::Train(&mut rng))?;
    let class_weights_of = vec![class_weights.as_slice(); manifest.targets.len()];
    let gradients = backward(&cross_entropy(&logits, &manifest.targets, &class_weights_of, 0.0, 0.0)?)?;
    for (name, variable) in before.keys().zip(network.parameters.variables()?) {
        let Some(expected) = references.get(&format!("gradient.{name}")) else {
            assert!(name.contains("running_"), "{name} has no reference");
            continue;
        };
        let actual = gradients.get(&variable).unwrap().flatten_all()?.to_vec1::<f32>()?;
        let norm = actual.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt() as f32;
        let expected_norm = references[&format!("norm.{name}")][[0]];
        let scale = expected_norm.max(1e-2);
        assert!((norm - expected_norm).abs() <= gradient * scale, "norm of {name}: {norm}, PyTorch's {expected_norm}");
        for (sample, &expected) in expected.iter().enumerate() {
            let actual = actual[sample * actual.len() / expected_len(&references, name)];
            let error = (actual - expected).abs() / scale;
            assert!(error <= gradient, "{name}: sample {sample} is {actual}, PyTorch's {expected}: off by {error:e}");
        }
    }

    network.parameters.restore(&before)?;
    let epsilon = manifest.epsilon;
    let options = TrainOptions {
        crop_frames: 0,
        label_smoothing: 0.0,
        optimizer: Optimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon },
        ..Default::default()
    };
    let mut stepper = Stepper::new(&network, &examples, &class_weights, &options, 0)?;
    let batch: Vec<&Example> = examples.iter().collect();
    let expected = &references["losses"];
    let losses: Vec<f32> =
        (0..expected.len()).map(|_| stepper.step(&batch, manifest.learning_rate)).collect::<Result<_>>()?;
    assert!(losses[9] < 0.95 * losses[0], "ten steps must matter: {losses:?}");
    assert_close("losses", &Tensor::clone(&variable(&Array1::from(losses).into_dyn())), expected, loss);
    Ok(())
}

fn expected_len(references: &Weights, name: &str) -> usize {
    references[&format!("gradient.{name}")].len()
}

#[test]
fn paper_cnn_is_pytorchs() -> Result<()> {
    agrees("paper-cnn", 1e-5, 1e-4, 1e-4)
}

#[test]
fn paper_frames_is_pytorchs() -> Result<()> {
    agrees("paper-frames", 1e-5, 1e-4, 1e-4)
}

#[test]
fn tim_net_is_pytorchs() -> Result<()> {
    agrees("tim-net", 1e-5, 1e-4, 1e-4)
}

#[test]
fn lstm_is_pytorchs() -> Result<()> {
    agrees("rnn.lstm", 1e-5, 1e-4, 1e-4)
}

#[test]
fn gru_is_pytorchs() -> Result<()> {
    agrees("rnn.gru", 1e-5, 1e-4, 1e-4)
}

#[test]
fn zhao_is_pytorchs() -> Result<()> {
    agrees("zhao", 1e-5, 1e-4, 1e-4)
}

#[test]
fn badshah_is_pytorchs() -> Result<()> {
    agrees("badshah", 1e-5, 1e-4, 1e-4)
}

/// Compares, for each parameter, the length of its gradient with the slope of the loss along it by central differences.
fn gradients_are_slopes(network: &Network, examples: &[Example], targets: &[usize], classes: usize) -> Result<()> {
    /// How much the loss rises or falls, or the parameter if that is less: between the loss's roundings (some 1e-7, or 1e-4 of it)
    /// and its bends, as of maxima that change place.
    const CHANGE: f32 = 2e-3;
    let weights = network.weights()?;
    let views: Vec<ArrayView2<f32>> = examples.iter().map(|example| example.features.view()).collect();
    let class_weights = vec![1.0; classes];
    let loss = || -> Result<Tensor> {
        // The same dropout each time.
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let logits = network.forward(&stack(&views)?, &mut Mode::Train(&mut rng))?;
        cross_entropy(&logits, targets, &vec![class_weights.as_slice(); targets.len()], 0.0, 0.0)
    };
    let gradients = backward(&loss()?)?;
    let mut compared = 0;
    for (name, variable) in weights.keys().zip(network.parameters.variables()?) {
        let Some(gradient) = gradients.get(&variable) else { continue };
        let gradient = Array1::from(gradient.flatten_all()?.to_vec1::<f32>()?);
        let norm = gradient.iter().map(|v| v * v).sum::<f32>().sqrt();
        // Zero in exact arithmetic, as of a bias before a normalisation.
        if norm < 1e-3 {
            continue;
        }
        let loss_at = |step: f32| -> Result<f32> {
            let mut moved = weights.clone();
            if let Some(values) = moved.get_mut(name) {
                values.iter_mut().zip(&gradient).for_each(|(value, grad)| *value += step * grad / norm);
            }
            network.parameters.restore(&moved)?;
            Ok(loss()?.to_scalar::<f32>()?)
        };
        let step = CHANGE / norm.max(1.0);
        let [before, here, after] = [loss_at(-step)?, loss_at(0.0)?, loss_at(step)?];
        let slope = (after - before) / (2.0 * step);
        // Between one side and the other it changes by as much as the loss bends.
        let bend = (after - 2.0 * here + before).abs() / (2.0 * step);
        let allowed = 0.02 * norm + bend + 2e-4;
        assert!(allowed < 0.5 * norm, "{name}: the loss bends by {bend}, which leaves nothing of {norm} to compare");
        assert!((slope - norm).abs() <= allowed, "{name}: the loss rises by {slope}, its gradient says {norm}");
        compared += 1;
    }
    assert!(compared > 3, "{compared} parameters");
    Ok(())
}

#[test]
fn gradients_are_those_of_central_differences() -> Result<()> {
    for name in ["paper-cnn", "paper-frames", "tim-net", "rnn.lstm", "rnn.gru", "zhao", "badshah"] {
        let Case { manifest, network, examples, .. } = case(name)?;
        gradients_are_slopes(&network, &examples, &manifest.targets, manifest.classes)?;
    }
    for separable in [false, true] {
        let options = CompactOptions { channels: vec![4, 4, 6], embedding: 8, attention: 5, dropout: 0.2, separable };
        let network = Network::new(&NetworkOptions::Compact(options), 9, 3, 1)?;
        let examples: Vec<Example> = [14, 9, 11]
            .iter()
            .enumerate()
            .map(|(index, &frames)| {
                let values = pseudo_random(index as u64, frames * 9).map(|u| u as f32).collect();
                Example { features: Array2::from_shape_vec((frames, 9), values).unwrap(), class: index }
            })
            .collect();
        gradients_are_slopes(&network, &examples, &[0, 1, 2], 3)?;
    }
    Ok(())
}
