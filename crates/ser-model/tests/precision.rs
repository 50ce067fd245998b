//! What it costs to store weights in fewer bits: how far weights, logits and sizes are from those of f32.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use ndarray::{Array2, ArrayD};
use ser_model::{
    Cell, Network, NetworkOptions, PaperFramesOptions, Precision, RnnOptions, TimNetOptions, Weights, decode_model,
    encode_model,
};

fn stored(weights: &Weights, precision: Precision) -> (usize, Weights) {
    let bytes = encode_model(&"", weights, precision).unwrap();
    (bytes.len(), decode_model::<String>(&bytes).unwrap().1)
}

#[test]
fn each_weight_is_off_by_its_last_bit_at_most() {
    let network = Network::new(&NetworkOptions::default(), 64, 7, 2).unwrap();
    let weights = network.weights().unwrap();
    // Half a unit in the last of 11 and of 8 significant bits.
    for (precision, unit) in [(Precision::F16, 2f32.powi(-11)), (Precision::Bf16, 2f32.powi(-8))] {
        let (_, read) = stored(&weights, precision);
        for (name, array) in &weights {
            for (value, read) in array.iter().zip(&read[name]) {
                // 2⁻²⁵: half of f16's smallest number above 0.
                assert!((value - read).abs() <= unit * value.abs() + 2f32.powi(-25), "{name}: {value}, {read}");
            }
        }
    }
    let (_, read) = stored(&weights, Precision::Int8);
    let mut rounded = 0;
    for (name, array) in &weights {
        let read = &read[name];
        if array.ndim() < 2 {
            assert_eq!(array, read, "{name}");
            continue;
        }
        // The channels are along one of the two axes; within each, half of a 127th of the largest, and f32's rounding
        // of a quotient of up to 127.
        let holds = |axis: usize| {
            array.axis_iter(ndarray::Axis(axis)).zip(read.axis_iter(ndarray::Axis(axis))).all(|(channel, read)| {
                let largest = channel.iter().fold(0f32, |largest, v| largest.max(v.abs()));
                channel.iter().zip(&read).all(|(value, read)| (value - read).abs() <= largest / 254.0 * (1.0 + 1e-4))
            })
        };
        assert!(holds(0) || holds(array.ndim() - 1), "{name}");
        rounded += usize::from(array != read);
    }
    assert!(rounded > 5, "{rounded}");
}

#[test]
fn logits_move_by_no_more_than_the_roundings_of_their_layers() {
    let rnn = RnnOptions { cell: Cell::Gru, units: 32, ..Default::default() };
    for options in [
        NetworkOptions::default(),
        NetworkOptions::PaperFrames(PaperFramesOptions::default()),
        NetworkOptions::TimNet(TimNetOptions::default()),
        NetworkOptions::Rnn(rnn),
    ] {
        let network = Network::new(&options, 39, 7, 4).unwrap();
        let weights = network.weights().unwrap();
        let input = Array2::from_shape_fn((60, 39), |(t, f)| (t as f32 * 0.7 + f as f32 * 1.3).sin());
        let exact = network.logits(&[input.view()]).unwrap();
        let largest = exact.iter().fold(0f32, |largest, v| largest.max(v.abs()));
        // The weights of a layer are off by `unit` of themselves at most (int8: of a 127th of their channel's largest, which is
        // twice a usual weight), and so is its output by about as much; the layers' roundings are independent, but are counted as
        // though they all had one sign, over ten layers.
        let mut errors = Vec::new();
        for (precision, unit) in
            [(Precision::F16, 2f32.powi(-11)), (Precision::Bf16, 2f32.powi(-8)), (Precision::Int8, 2.0 / 254.0)]
        {
            let (_, read) = stored(&weights, precision);
            let logits = Network::from_weights(&options, 39, 7, read).unwrap().logits(&[input.view()]).unwrap();
            let error = (&logits - &exact).iter().fold(0f32, |largest, v| largest.max(v.abs())) / largest;
            println!("{precision:?}: {error:e} of {options:?}");
            assert!(error > 0.0 && error < 10.0 * unit, "{options:?}, {precision:?}: {error:e}");
            errors.push(error);
        }
        assert!(errors[0] < errors[1], "{options:?}: {errors:?}");
    }
}

#[test]
fn files_have_the_documented_sizes() {
    let weights = Network::new(&NetworkOptions::default(), 64, 7, 2).unwrap().weights().unwrap();
    let [f32s, f16s, bf16s, int8s] = [Precision::F32, Precision::F16, Precision::Bf16, Precision::Int8]
        .map(|precision| stored(&weights, precision).0 as f64);
    println!("{f32s} {f16s} {bf16s} {int8s}");
    // The header with the names and the shapes is some kilobytes.
    assert!(f16s < 0.51 * f32s && bf16s < 0.51 * f32s && int8s < 0.3 * f32s, "{f32s} {f16s} {bf16s} {int8s}");
}

#[test]
fn zeros_and_single_rows_survive_int8() {
    let array = |shape: &[usize], values: &[f32]| ArrayD::from_shape_vec(shape, values.to_vec()).unwrap();
    let weights = Weights::from([
        ("empty".into(), array(&[0, 3], &[])),
        ("one".into(), array(&[1, 3], &[127.0, -127.0, 5.0])),
        ("zeros".into(), array(&[2, 2], &[0.0, 0.0, 0.0, 254.0])),
    ]);
    let (_, read) = stored(&weights, Precision::Int8);
    assert_eq!(read, weights);
}
