//! What every network promises: its size, no influence of padding, equal bits for any number of threads, and refusal of
//! options outside their range.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use approx::assert_abs_diff_eq;
use ndarray::Array2;
use ser_model::{
    BadshahOptions, Cell, CompactOptions, Example, LinearOptions, Network, NetworkOptions, PaperCnnOptions,
    PaperFramesOptions, RnnOptions, Stepper, TimNetOptions, TrainOptions, ZhaoOptions,
};
use std::process::Command;

fn features(frames: usize, bins: usize, phase: f32) -> Array2<f32> {
    Array2::from_shape_fn((frames, bins), |(t, f)| (t as f32 * 0.7 + f as f32 * 1.3 + phase).sin())
}

fn paper_cnn(frames: usize) -> NetworkOptions {
    NetworkOptions::PaperCnn(PaperCnnOptions { frames, groups: vec![], ..Default::default() })
}

/// One of each, small where that can be chosen.
fn networks() -> Vec<NetworkOptions> {
    let rnn = RnnOptions { units: 5, ..Default::default() };
    let compact =
        |separable| CompactOptions { channels: vec![4, 4, 8], embedding: 16, attention: 8, dropout: 0.2, separable };
    vec![
        NetworkOptions::Compact(compact(false)),
        NetworkOptions::Compact(compact(true)),
        paper_cnn(9),
        NetworkOptions::PaperFrames(PaperFramesOptions::default()),
        NetworkOptions::TimNet(TimNetOptions { channels: 6, levels: 5, ..Default::default() }),
        NetworkOptions::Linear(LinearOptions::default()),
        NetworkOptions::Linear(LinearOptions { hidden: Some(5), ..Default::default() }),
        NetworkOptions::Linear(LinearOptions { piecewise: true, ..Default::default() }),
        NetworkOptions::Rnn(rnn.clone()),
        NetworkOptions::Zhao(ZhaoOptions { channels: [3, 4, 5, 6], units: 7 }),
        NetworkOptions::Badshah(BadshahOptions { channels: [5, 17, 7], hidden: 9, ..Default::default() }),
        NetworkOptions::Rnn(RnnOptions { cell: Cell::Gru, bidirectional: false, ..rnn }),
    ]
}

/// Running statistics are not trained, but Keras counts them.
fn n_values(network: &Network) -> usize {
    network.weights().unwrap().values().map(|array| array.len()).sum()
}

#[test]
fn published_networks_have_their_published_sizes() {
    let flat = Network::new(&paper_cnn(2376), 1, 7, 0).unwrap();
    assert_eq!(n_values(&flat), 7_193_223);
    let frames = Network::new(&NetworkOptions::PaperCnn(PaperCnnOptions::default()), 22, 7, 0).unwrap();
    assert_eq!(n_values(&frames), 7_193_223);
    let tim_net = Network::new(&NetworkOptions::TimNet(TimNetOptions::default()), 39, 7, 0).unwrap();
    assert_eq!(tim_net.n_parameters(), 104_496);
}

#[test]
fn padding_in_a_batch_does_not_change_the_logits() {
    for options in networks() {
        let mut weights = Network::new(&options, 4, 3, 3).unwrap().weights().unwrap();
        // Some begin with zeros.
        weights.values_mut().for_each(|array| {
            array.iter_mut().zip(0..).for_each(|(value, index)| *value += 0.1 * (index as f32).sin());
        });
        let network = Network::from_weights(&options, 4, 3, weights).unwrap();
        let utterances = [features(9, 4, 0.1), features(1, 4, 0.2), features(40, 4, 0.3), features(6, 4, 0.4)];
        let together = network.logits(&utterances.each_ref().map(|u| u.view())).unwrap();
        for (utterance, row) in utterances.iter().zip(together.rows()) {
            let alone = network.logits(&[utterance.view()]).unwrap();
            // Rounding only: products of other shapes are blocked differently.
            for (a, b) in alone.iter().zip(row) {
                assert_abs_diff_eq!(a, b, epsilon = 1e-5);
            }
        }
        let spread = together.column(0).iter().fold(0f32, |m, v| m.max((v - together[[0, 0]]).abs()));
        assert!(spread > 1e-3, "different utterances must get different logits: {options:?}");
    }
}

#[test]
fn options_are_read_by_their_names() {
    for (text, expected) in [
        (r#"{"architecture":"paper-cnn"}"#, NetworkOptions::PaperCnn(PaperCnnOptions::default())),
        (r#"{"architecture":"paper-frames"}"#, NetworkOptions::PaperFrames(PaperFramesOptions::default())),
        (r#"{"architecture":"zhao"}"#, NetworkOptions::Zhao(ZhaoOptions::default())),
        (r#"{"architecture":"badshah"}"#, NetworkOptions::Badshah(BadshahOptions::default())),
        (r#"{"architecture":"tim-net"}"#, NetworkOptions::TimNet(TimNetOptions::default())),
        (
            r#"{"architecture":"rnn","cell":"gru"}"#,
            NetworkOptions::Rnn(RnnOptions { cell: Cell::Gru, ..Default::default() }),
        ),
    ] {
        assert_eq!(serde_json::from_str::<NetworkOptions>(text).unwrap(), expected);
    }
    assert!(serde_json::from_str::<NetworkOptions>(r#"{"architecture":"rnn","celll":"gru"}"#).is_err());
}

#[test]
fn options_out_of_range_are_refused() {
    let tim_net = TimNetOptions::default;
    let rnn = RnnOptions::default;
    let badshah = BadshahOptions::default;
    for (options, name) in [
        (paper_cnn(0), "network.frames"),
        (NetworkOptions::PaperCnn(PaperCnnOptions { groups: vec![1, 2], ..Default::default() }), "network.groups"),
        (NetworkOptions::PaperCnn(PaperCnnOptions { groups: vec![0, 4], ..Default::default() }), "network.groups"),
        (
            NetworkOptions::PaperCnn(PaperCnnOptions { groups: vec![usize::MAX, 5], ..Default::default() }),
            "network.groups",
        ),
        (NetworkOptions::PaperFrames(PaperFramesOptions { dropout: 1.0 }), "network.dropout"),
        (NetworkOptions::Zhao(ZhaoOptions { channels: [1, 0, 1, 1], units: 1 }), "network.channels"),
        (NetworkOptions::Zhao(ZhaoOptions { units: 2049, ..Default::default() }), "network.units"),
        (NetworkOptions::Badshah(BadshahOptions { channels: [1, 1, 1025], ..badshah() }), "network.channels"),
        (NetworkOptions::Badshah(BadshahOptions { hidden: 0, ..badshah() }), "network.hidden"),
        (NetworkOptions::Badshah(BadshahOptions { dropout: -0.5, ..badshah() }), "network.dropout"),
        (NetworkOptions::TimNet(TimNetOptions { channels: 0, ..tim_net() }), "network.channels"),
        (NetworkOptions::TimNet(TimNetOptions { levels: 64, ..tim_net() }), "network.levels"),
        (NetworkOptions::TimNet(TimNetOptions { kernel: 0, ..tim_net() }), "network.kernel"),
        (NetworkOptions::TimNet(TimNetOptions { dropout: f64::NAN, ..tim_net() }), "network.dropout"),
        (NetworkOptions::Rnn(RnnOptions { units: 1 << 40, ..rnn() }), "network.units"),
        (NetworkOptions::Rnn(RnnOptions { layers: 0, ..rnn() }), "network.layers"),
    ] {
        let error = Network::new(&options, 4, 3, 0).err().unwrap();
        assert!(error.to_string().starts_with(name), "{error}");
    }
}

/// The bits of each network's weights after some steps, as one number.
fn bits_after_training() -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for options in networks().into_iter().chain([NetworkOptions::default()]) {
        let network = Network::new(&options, 4, 3, 3).unwrap();
        let examples: Vec<Example> =
            (0..21).map(|i| Example { features: features(3 + 5 * i % 17, 4, i as f32), class: i % 3 }).collect();
        let train = TrainOptions { mixup_alpha: 0.3, ..Default::default() };
        let mut stepper = Stepper::new(&network, &examples, &[1.0; 3], &train, 5).unwrap();
        let batch: Vec<&Example> = examples.iter().collect();
        for _ in 0..3 {
            stepper.step(&batch, 1e-3).unwrap();
        }
        for value in network.weights().unwrap().values().flatten() {
            hash = (hash ^ u64::from(value.to_bits())).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    format!("bits {hash:016x}")
}

#[test]
#[ignore = "the process that the next test starts"]
fn child() {
    println!("{}", bits_after_training());
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let bits = |threads: &str| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env("RAYON_NUM_THREADS", threads)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text[text.find("bits ").unwrap()..][..21].to_string()
    };
    let one = bits("1");
    assert_eq!([bits("2"), bits("5")], [one.clone(), one]);
}

#[test]
fn summaries_have_the_published_sizes_and_all_parameters() {
    let paper = Network::new(&NetworkOptions::PaperCnn(PaperCnnOptions::default()), 22, 7, 0).unwrap();
    let summary = paper.summary(108).unwrap();
    assert_eq!(summary.parameters(), 7_193_223);
    assert_eq!((summary.multiply_adds() as f64 / 1e7).round(), 203.0);
    assert_eq!(summary.layers[0].output, [1188, 512]);
    let tim_net = Network::new(&NetworkOptions::TimNet(TimNetOptions::default()), 39, 7, 0).unwrap();
    assert_eq!(tim_net.summary(100).unwrap().trainable, 104_496);
    for options in networks().into_iter().chain([NetworkOptions::default()]) {
        let network = Network::new(&options, 4, 3, 3).unwrap();
        let summary = network.summary(50).unwrap();
        assert_eq!(summary.parameters(), n_values(&network), "{summary}");
        assert!(summary.layers.iter().all(|layer| layer.output.iter().all(|&n| n > 0)), "{summary}");
        assert_eq!(summary.to_string().lines().count(), summary.layers.len() + 3);
    }
    assert!(paper.summary(0).is_err());
}

#[test]
fn one_network_gives_many_threads_the_logits_that_it_gives_one() {
    for options in networks().into_iter().chain([NetworkOptions::default()]) {
        let network = Network::new(&options, 4, 3, 3).unwrap();
        let inputs: Vec<Array2<f32>> = (0..6).map(|i| features(5 + 7 * i, 4, i as f32)).collect();
        let expected: Vec<_> = inputs.iter().map(|input| network.logits(&[input.view()]).unwrap()).collect();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for (input, expected) in inputs.iter().zip(&expected) {
                        assert_eq!(network.logits(&[input.view()]).unwrap(), expected);
                    }
                });
            }
        });
    }
}
