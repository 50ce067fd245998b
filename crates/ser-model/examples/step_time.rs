//! Takes training steps on random features, for `benches/peers/model.py`: one for each line of standard input, and prints
//! its seconds; at the end of the input, the growth of the process's peak memory since before the first step, in bytes.
//!
//! Arguments: a network's description in JSON, then batch size, frames and bins, and `infer` for logits alone. In place of a description, `floor`
//! takes nothing but the matrix products of `paper-cnn`, and `features` says which vector instructions they use.

use ndarray::Array2;
use rayon::prelude::*;
use ser_model::products::{Matrix, multiply};
use ser_model::{Error, Example, Network, Stepper, TrainOptions, instruction_set};
use std::io::BufRead;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize| -> usize { arguments.get(index).and_then(|text| text.parse().ok()).unwrap_or(1) };
    let (batch, frames, bins) = (number(1), number(2), number(3));
    match arguments.first().map(String::as_str) {
        None => Err("a network's description, `floor` or `features` is needed".into()),
        Some("features") => {
            println!("{}", instruction_set());
            Ok(())
        }
        Some("floor") => {
            let layers = [(1, 512, 5), (512, 512, 5), (512, 256, 5), (256, 256, 3), (256, 128, 3)];
            let mut buffers = vec![Buffers::default(); 8];
            time(|| {
                let mut length = frames * bins;
                for (channels, outputs, kernel) in layers {
                    let in_group = batch.div_ceil(buffers.len());
                    buffers.par_iter_mut().take(batch.div_ceil(in_group)).for_each(|buffers| {
                        (0..in_group).for_each(|_| buffers.multiply(length, channels, outputs, kernel));
                    });
                    length = length.div_ceil(2);
                }
                Ok(())
            })
        }
        Some(description) => {
            let examples: Vec<Example> = (0..batch).map(|index| example(index, frames, bins)).collect();
            let batch: Vec<&Example> = examples.iter().collect();
            let network = Network::new(&serde_json::from_str(description)?, bins, 7, 1)?;
            if arguments.get(4).is_some_and(|word| word == "infer") {
                let views: Vec<_> = batch.iter().map(|example| example.features.view()).collect();
                return time(|| network.logits(&views).map(|_| ()));
            }
            let options = TrainOptions { crop_frames: 0, label_smoothing: 0.0, ..Default::default() };
            let mut stepper = Stepper::new(&network, &examples, &[1.0; 7], &options, 1)?;
            time(|| stepper.step(&batch, 1e-3).map(|_| ()))
        }
    }
}

fn example(index: usize, frames: usize, bins: usize) -> Example {
    let value = |(frame, bin): (usize, usize)| ((frame * 7 + bin * 13 + index * 29) as f32).sin();
    Example { features: Array2::from_shape_fn((frames, bins), value), class: index % 7 }
}

/// Runs one step for each line of the input.
fn time(mut step: impl FnMut() -> Result<(), Error>) -> Result<(), Box<dyn std::error::Error>> {
    let before = memory("VmRSS:");
    for line in std::io::stdin().lock().lines() {
        line?;
        let start = Instant::now();
        step()?;
        println!("{}", start.elapsed().as_secs_f64());
    }
    println!("{}", memory("VmHWM:").saturating_sub(before));
    Ok(())
}

/// A line of Linux's `/proc/self/status`, in bytes; 0 elsewhere.
fn memory(key: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = status.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse().ok());
    1024 * kilobytes.unwrap_or(0)
}

/// One utterance's operands, kept from step to step.
#[derive(Clone, Default)]
struct Buffers {
    input: Vec<f32>,
    weight: Vec<f32>,
    output: Vec<f32>,
    grad_weight: Vec<f32>,
}

impl Buffers {
    /// The three products of one layer and one utterance: output, gradient of the weight, gradient of the input.
    fn multiply(&mut self, length: usize, channels: usize, outputs: usize, kernel: usize) {
        let width = kernel * channels;
        let Self { input, weight, output, grad_weight } = self;
        input.resize((length + kernel) * channels.max(outputs), 0.5);
        weight.resize(width * outputs, 0.5);
        output.resize((length + kernel) * channels.max(outputs), 0.5);
        grad_weight.resize(width * outputs, 0.5);
        let inputs = Matrix::with_row_stride(input, length, width, channels);
        multiply(inputs, Matrix::new(weight, width, outputs), &mut output[..length * outputs], false);
        multiply(inputs.transposed(), Matrix::new(output, length, outputs), grad_weight, true);
        if channels > 1 {
            let gradients = Matrix::with_row_stride(output, length, kernel * outputs, outputs);
            let adjoint = Matrix::new(weight, kernel * outputs, channels);
            multiply(gradients, adjoint, &mut input[..length * channels], false);
        }
    }
}
