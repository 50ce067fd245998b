//! Agreement with PyTorch, by references that `tests/assets/make_references.py` wrote in float64 from the same inputs.
//!
//! What is left to differ is this crate's rounding: each tolerance is relative to the largest expected value of its
//! array, and is a few f32 roundings (6e-8 each) for every layer or step that they go through.

use crate::batch::stack;
use crate::kernels::Conv2d;
use crate::layers::{Activations, AttentiveStatistics, BatchNorm, Mode, NormConstants};
use crate::loss::{concordance_loss, cross_entropy};
use crate::ops::batch_norm::Activation;
use crate::ops::kept;
use crate::optimizer::OptimizerState;
use crate::parameters::Parameters;
use crate::{Epoch, Example, Network, NetworkOptions, Optimizer, Result, TrainOptions, Weights, decode_model, train};
use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};
use ndarray::{Array1, ArrayD, ArrayView2, Axis, Ix2};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

pub(crate) fn load<M: DeserializeOwned>(name: &str) -> (M, Weights) {
    let path = format!("{}/tests/assets/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    decode_model(&bytes).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The arrays whose names begin with `prefix`, without it.
fn under(references: &Weights, prefix: &str) -> Weights {
    let named = references.iter().filter_map(|(name, array)| Some((name.strip_prefix(prefix)?.into(), array.clone())));
    named.collect()
}

pub(crate) fn variable(array: &ArrayD<f32>) -> Var {
    Var::from_slice(array.as_slice().unwrap(), array.shape(), &Device::Cpu).unwrap()
}

/// What a tolerance is relative to where all values are smaller: some gradients, of a shift before a batch
/// normalisation or a softmax, are zero in exact arithmetic and rounding errors of larger sums in f32.
const SMALLEST_SCALE: f32 = 0.1;

pub(crate) fn assert_close(name: &str, actual: &Tensor, expected: &ArrayD<f32>, tolerance: f32) {
    assert_eq!(actual.dims(), expected.shape(), "{name}");
    let actual = actual.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let largest = expected.iter().fold(SMALLEST_SCALE, |max, v| max.max(v.abs()));
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let error = (actual - expected).abs() / largest;
        assert!(error <= tolerance, "{name}: value {index} is {actual}, PyTorch's {expected}: off by {error:e}");
    }
}

/// Backpropagates the given gradient of an output.
fn backward(output: &Tensor, grad: &ArrayD<f32>) -> Result<GradStore> {
    Ok(kept::backward(&(output * variable(grad).as_tensor())?.sum_all()?)?)
}

/// Compares the gradient of every parameter but the running statistics, which have none.
fn assert_gradients(parameters: &Parameters, gradients: &GradStore, expected: &Weights, tolerance: f32) -> Result<()> {
    let names = parameters.weights()?.into_keys();
    for (name, variable) in names.zip(parameters.variables()?).filter(|(name, _)| !name.contains("running_")) {
        assert_close(&name, gradients.get(&variable).unwrap(), &expected[&name], tolerance);
    }
    Ok(())
}

#[test]
fn cross_entropy_has_pytorchs_value_and_gradient() -> Result<()> {
    #[derive(Deserialize)]
    struct Manifest {
        targets: Vec<usize>,
        label_smoothings: Vec<f32>,
    }
    let (manifest, references) = load::<Manifest>("cross_entropy");
    let class_weights = references["class_weights"].as_slice().unwrap();
    for (case, &smoothing) in manifest.label_smoothings.iter().enumerate() {
        let logits = variable(&references["logits"]);
        let loss =
            cross_entropy(&logits, &manifest.targets, &vec![class_weights; manifest.targets.len()], smoothing, 0.0)?;
        let gradients = loss.backward()?;
        assert_close(&format!("loss {case}"), &loss, &references[&format!("loss.{case}")], 5e-7);
        let name = format!("gradient.{case}");
        assert_close(&name, gradients.get(&logits).unwrap(), &references[&name], 5e-7);
    }
    Ok(())
}

#[test]
fn optimisers_take_pytorchs_steps() -> Result<()> {
    #[derive(Deserialize)]
    struct Manifest {
        learning_rate: f64,
    }
    let adam_w = Optimizer::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-7, weight_decay: 0.125 };
    for (file, optimizer) in [
        ("adam", Optimizer::default()),
        ("rmsprop", Optimizer::RmsProp { rho: 0.9, epsilon: 1e-7 }),
        ("adamw", adam_w),
        ("sgd", Optimizer::Sgd { momentum: 0.9 }),
    ] {
        let (manifest, references) = load::<Manifest>(file);
        let weights = variable(&references["initial"]);
        let mut state = OptimizerState::new(&optimizer, vec![weights.clone()]);
        let steps = references["gradients"].outer_iter().zip(references["trajectory"].outer_iter());
        for (step, (gradient, expected)) in steps.enumerate() {
            assert!(state.step(&backward(&weights, &gradient.to_owned())?, manifest.learning_rate, None)?.is_none());
            assert_close(&format!("{file} step {step}"), &weights, &expected.to_owned(), 1e-6);
        }
    }
    Ok(())
}

#[test]
fn gradients_are_clipped_together_as_by_pytorch() -> Result<()> {
    #[derive(Deserialize)]
    struct Manifest {
        learning_rate: f64,
        max_norm: f64,
    }
    let (manifest, references) = load::<Manifest>("clipped");
    let variables = [0, 1].map(|index| variable(&references[&format!("initial.{index}")]));
    let mut state = OptimizerState::new(&Optimizer::Sgd { momentum: 0.5 }, variables.to_vec());
    let at = |name: &str, index: usize, step: usize| {
        references[&format!("{name}.{index}")].index_axis(Axis(0), step).to_owned()
    };
    for step in 0..references["gradients.0"].shape()[0] {
        let terms =
            [0, 1].map(|index| variables[index].as_tensor() * variable(&at("gradients", index, step)).as_tensor());
        let [first, second] = terms;
        let gradients = (first?.sum_all()? + second?.sum_all()?)?.backward()?;
        assert_eq!(state.step(&gradients, manifest.learning_rate, Some(manifest.max_norm))?, None);
        for (index, variable) in variables.iter().enumerate() {
            assert_close(&format!("variable {index}, step {step}"), variable, &at("trajectory", index, step), 1e-6);
        }
    }
    Ok(())
}

#[test]
fn a_gradient_that_is_not_finite_is_named_and_changes_nothing() -> Result<()> {
    let variables = [1.0f32, 2.0].map(|value| Var::new(&[value], &Device::Cpu).unwrap());
    let mut state = OptimizerState::new(&Optimizer::default(), variables.to_vec());
    let gradients = (variables[0].sum_all()? + (variables[1].as_tensor() * f64::INFINITY)?.sum_all()?)?.backward()?;
    assert_eq!(state.step(&gradients, 0.1, None)?, Some(1));
    assert_eq!(variables[0].to_vec1::<f32>()?, [1.0]);
    assert_eq!(variables[1].to_vec1::<f32>()?, [2.0]);
    Ok(())
}

#[test]
fn focal_loss_is_that_of_its_definition() -> Result<()> {
    #[derive(Deserialize)]
    struct Manifest {
        targets: Vec<usize>,
        gamma: f32,
    }
    let (manifest, references) = load::<Manifest>("focal");
    let logits = variable(&references["logits"]);
    let class_weights = references["class_weights"].as_slice().unwrap();
    let loss =
        cross_entropy(&logits, &manifest.targets, &vec![class_weights; manifest.targets.len()], 0.0, manifest.gamma)?;
    let gradients = loss.backward()?;
    assert_close("loss", &loss, &references["loss"], 1e-6);
    assert_close("gradient", gradients.get(&logits).unwrap(), &references["gradient"], 1e-6);
    Ok(())
}

#[test]
fn concordance_loss_has_pytorchs_value_and_gradient() -> Result<()> {
    let (_, references) = load::<()>("concordance");
    let predictions = variable(&references["predictions"]);
    let loss = concordance_loss(&predictions, variable(&references["truths"]).as_tensor())?;
    let gradients = loss.backward()?;
    assert_close("loss", &loss, &references["loss"], 1e-6);
    assert_close("gradient", gradients.get(&predictions).unwrap(), &references["gradient"], 1e-6);
    Ok(())
}

#[derive(Deserialize)]
struct Lengths {
    lengths: Vec<usize>,
}

#[test]
fn batch_norm_is_pytorchs_over_the_valid_frames() -> Result<()> {
    let (Lengths { lengths }, references) = load("batch_norm");
    let lengths: Arc<[usize]> = lengths.into();
    let activations = |values: &Var| Activations { values: values.as_tensor().clone(), lengths: lengths.clone() };
    let expected = under(&references, "alone.");
    let parameters = Parameters::random(0);
    let channels = references["input"].shape()[3];
    let layer = BatchNorm::new(channels, Activation::Relu, NormConstants::PYTORCH, parameters.builder())?;
    parameters.restore(&under(&references, "initial."))?;
    let input = variable(&references["input"]);

    let output = layer.forward(&activations(&input), &Mode::Train(&mut ChaCha8Rng::seed_from_u64(0)))?.values;
    assert_close("output", &output, &expected["output"], 1e-6);
    let gradients = backward(&output, &references["grad"])?;
    assert_close("input", gradients.get(&input).unwrap(), &expected["gradient.input"], 1e-6);
    assert_gradients(&parameters, &gradients, &under(&expected, "gradient."), 1e-6)?;
    let updated = parameters.weights()?;
    for (name, expected) in under(&expected, "updated.") {
        assert_close(&name, &variable(&updated[&name]), &expected, 2e-7);
    }
    let evaluated = layer.forward(&activations(&input), &Mode::Evaluate)?.values;
    assert_close("evaluated", &evaluated, &expected["evaluated"], 1e-6);
    Ok(())
}

#[test]
fn convolution_is_pytorchs() -> Result<()> {
    agrees_on_convolution("conv")
}

#[test]
fn depthwise_convolution_is_pytorchs() -> Result<()> {
    agrees_on_convolution("depthwise")
}

fn agrees_on_convolution(file: &str) -> Result<()> {
    #[derive(Deserialize)]
    struct Manifest {
        /// Kernel and stride.
        cases: Vec<(usize, usize)>,
        /// Whether each channel is convolved by itself.
        #[serde(default)]
        depthwise: bool,
    }
    let (manifest, references) = load::<Manifest>(file);
    for (case, (kernel, stride)) in manifest.cases.into_iter().enumerate() {
        let reference = |name: &str| &references[&format!("{name}.{case}")];
        let values = |name: &str| reference(name).as_slice().unwrap().to_vec();
        let (input, output) = (reference("input").shape(), reference("output").shape());
        let (frames, bins) = (input[1], input[2]);
        let conv = Conv2d { kernel, stride, channels: input[3], outputs: output[3], depthwise: manifest.depthwise };
        let geometry = conv.plan(frames, bins);
        let (x, grad, weight) = (values("input"), values("grad"), values("weight"));
        let (mut y, mut grad_x, mut grad_weight) =
            (vec![0f32; grad.len()], vec![0f32; x.len()], vec![0f32; weight.len()]);
        let (mut padded, mut padded_grad) = (Vec::new(), Vec::new());
        let (of_x, of_y) = (x.len() / input[0], y.len() / output[0]);
        for index in 0..input[0] {
            let (x, grad) = (&x[index * of_x..], &grad[index * of_y..][..of_y]);
            conv.pad_inputs(frames, bins, &mut padded, |frame, to| {
                to.copy_from_slice(&x[frame * to.len()..][..to.len()])
            });
            conv.pad_gradients(output[1], output[2], &mut padded_grad, |frame, to| {
                to.copy_from_slice(&grad[frame * to.len()..][..to.len()]);
            });
            geometry.forward(&padded, &weight, &mut y[index * of_y..][..of_y]);
            geometry.add_weight_gradient(&padded, &padded_grad, output[1], &mut grad_weight);
            let adjoint = conv.adjoint_weight(&weight);
            geometry.input_gradient(&padded_grad, &adjoint, &mut grad_x[index * of_x..][..of_x], false);
        }
        for (name, actual) in [("output", y), ("gradient.input", grad_x), ("gradient.weight", grad_weight)] {
            let actual = Tensor::from_vec(actual, reference(name).shape(), &Device::Cpu)?;
            assert_close(&format!("{name} of kernel {kernel}, stride {stride}"), &actual, reference(name), 1e-6);
        }
    }
    Ok(())
}

#[test]
fn attentive_statistics_are_pytorchs() -> Result<()> {
    let (Lengths { lengths }, references) = load("pooling");
    let parameters = Parameters::random(0);
    let layer = AttentiveStatistics::new(5, 3, parameters.builder())?;
    parameters.restore(&under(&references, "initial."))?;
    let input = variable(&references["input"]);

    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let output = layer.forward(&input, &lengths.into(), &Mode::Train(&mut rng))?;
    assert_close("output", &output, &references["output"], 1e-6);
    let gradients = backward(&output, &references["grad"])?;
    assert_close("input", gradients.get(&input).unwrap(), &references["gradient.input"], 1e-6);
    assert_gradients(&parameters, &gradients, &under(&references, "gradient."), 1e-6)
}

#[derive(Deserialize)]
struct Training {
    targets: Vec<usize>,
    label_smoothing: f32,
    learning_rate: f64,
    epsilon: f64,
}

/// The script's network, its references, and the utterances that it was run on.
fn network() -> Result<(Network, Training, Weights, Vec<Example>)> {
    let (options, weights) = load::<NetworkOptions>("network");
    let (training, references) = load::<Training>("network_results");
    let network = Network::new(&options, 9, 3, 0)?;
    network.parameters.restore(&weights)?;
    assert_eq!(network.weights()?, weights);
    let examples = training.targets.iter().enumerate().map(|(index, &class)| {
        let features = references[&format!("features.{index}")].clone().into_dimensionality::<Ix2>().unwrap();
        Example { features, class }
    });
    let examples = examples.collect();
    Ok((network, training, references, examples))
}

fn views(examples: &[Example]) -> Vec<ArrayView2<'_, f32>> {
    examples.iter().map(|example| example.features.view()).collect()
}

#[test]
fn compact_network_read_from_a_file_has_pytorchs_logits() -> Result<()> {
    let (options, weights) = load::<NetworkOptions>("network");
    let (_, _, references, examples) = network()?;
    let logits = Network::from_weights(&options, 9, 3, weights)?.logits(&views(&examples))?;
    assert_close("logits", &variable(&logits.into_dyn()), &references["logits"], 2e-6);
    Ok(())
}

#[test]
fn compact_network_has_pytorchs_gradients() -> Result<()> {
    let (network, training, references, examples) = network()?;
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let logits = network.forward(&stack(&views(&examples))?, &mut Mode::Train(&mut rng))?;
    let class_weights = references["class_weights"].as_slice().unwrap();
    let loss = cross_entropy(
        &logits,
        &training.targets,
        &vec![class_weights; training.targets.len()],
        training.label_smoothing,
        0.0,
    )?;
    assert_gradients(&network.parameters, &kept::backward(&loss)?, &under(&references, "gradient."), 1e-5)
}

#[test]
fn compact_network_trains_as_in_pytorch() -> Result<()> {
    let (network, training, references, examples) = network()?;
    let options = TrainOptions {
        max_epochs: 10,
        batch_size: examples.len(),
        learning_rate: training.learning_rate,
        label_smoothing: training.label_smoothing,
        crop_frames: 0,
        optimizer: Optimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: training.epsilon },
        ..Default::default()
    };
    let class_weights = references["class_weights"].as_slice().unwrap();
    let history = train(&network, &examples, &examples, class_weights, &options, 0, |_| ())?;
    let losses = |loss: fn(&Epoch) -> f32| variable(&history.iter().map(loss).collect::<Array1<f32>>().into_dyn());
    // Each step adds to the rounding of those before.
    assert_close("train losses", &losses(|epoch| epoch.train_loss), &references["train_losses"], 1e-5);
    assert_close("valid losses", &losses(|epoch| epoch.valid_loss), &references["valid_losses"], 1e-5);
    Ok(())
}
