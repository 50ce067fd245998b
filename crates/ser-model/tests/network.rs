//! What a network promises: any length, no influence of padding, refusal of what does not fit.

use approx::assert_abs_diff_eq;
use ndarray::{Array2, ArrayD};
use ser_model::{CompactOptions, Error, Network, NetworkOptions, Precision, decode_model, encode_model};

fn small() -> NetworkOptions {
    NetworkOptions::Compact(CompactOptions {
        channels: vec![3, 3, 5],
        embedding: 8,
        attention: 4,
        dropout: 0.3,
        separable: false,
    })
}

fn features(frames: usize, bins: usize, phase: f32) -> Array2<f32> {
    Array2::from_shape_fn((frames, bins), |(t, f)| (t as f32 * 0.7 + f as f32 * 1.3 + phase).sin())
}

#[test]
fn padding_in_a_batch_does_not_change_the_logits() {
    let network = Network::new(&NetworkOptions::default(), 64, 7, 3).unwrap();
    let utterances = [features(31, 64, 0.1), features(1, 64, 0.2), features(130, 64, 0.3), features(64, 64, 0.4)];
    let together = network.logits(&utterances.each_ref().map(|u| u.view())).unwrap();
    for (utterance, row) in utterances.iter().zip(together.rows()) {
        let alone = network.logits(&[utterance.view()]).unwrap();
        // Rounding only: the matrix products are blocked differently.
        for (a, b) in alone.iter().zip(row) {
            assert_abs_diff_eq!(a, b, epsilon = 1e-5);
        }
    }
    let spread = together.column(0).iter().fold(0f32, |m, v| m.max((v - together[[0, 0]]).abs()));
    assert!(spread > 1e-2, "different utterances must get different logits");
}

#[test]
fn default_network_has_the_documented_size() {
    let network = Network::new(&NetworkOptions::default(), 64, 7, 0).unwrap();
    assert!(network.n_parameters() <= 500_000, "{}", network.n_parameters());
}

#[test]
fn equal_seeds_give_equal_weights_and_others_do_not() {
    let weights = |seed| Network::new(&small(), 10, 3, seed).unwrap().weights().unwrap();
    assert_eq!(weights(1), weights(1));
    assert_ne!(weights(1), weights(2));
}

#[test]
fn a_saved_network_gives_the_same_logits() {
    let network = Network::new(&small(), 10, 3, 5).unwrap();
    let input = features(17, 10, 0.5);
    let expected = network.logits(&[input.view()]).unwrap();
    for (precision, tolerance) in
        [(Precision::F32, 0.0), (Precision::F16, 5e-3), (Precision::Bf16, 4e-2), (Precision::Int8, 4e-2)]
    {
        let bytes = encode_model(&"manifest", &network.weights().unwrap(), precision).unwrap();
        let (manifest, weights) = decode_model::<String>(&bytes).unwrap();
        assert_eq!(manifest, "manifest");
        let loaded = Network::from_weights(&small(), 10, 3, weights).unwrap();
        let logits = loaded.logits(&[input.view()]).unwrap();
        for (a, b) in logits.iter().zip(&expected) {
            assert_abs_diff_eq!(a, b, epsilon = tolerance);
        }
    }
}

#[test]
fn features_that_do_not_fit_are_refused() {
    let network = Network::new(&small(), 10, 3, 5).unwrap();
    let wrong_bins = features(4, 9, 0.0);
    assert!(matches!(
        network.logits(&[wrong_bins.view()]),
        Err(Error::FeatureShape { bins: 9, expected_bins: 10, .. })
    ));
    let empty = Array2::zeros((0, 10));
    assert!(matches!(network.logits(&[empty.view()]), Err(Error::FeatureShape { frames: 0, .. })));
    let mut hole = features(4, 10, 0.0);
    hole[[2, 7]] = f32::NAN;
    assert!(matches!(network.logits(&[hole.view()]), Err(Error::NonFiniteFeature { frame: 2, bin: 7, .. })));
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let weights = || Network::new(&small(), 10, 3, 5).unwrap().weights().unwrap();
    let load = |weights| Network::from_weights(&small(), 10, 3, weights).err().map(|e| source_chain(&e));
    assert_eq!(load(weights()), None);

    let mut missing = weights();
    missing.remove("stem.weight");
    assert!(load(missing).unwrap().contains("stem.weight is missing"));
    let mut extra = weights();
    extra.insert("surprise".into(), ArrayD::ones(vec![2]));
    assert!(load(extra).unwrap().contains("surprise is not part of the network"));
    let mut reshaped = weights();
    reshaped.insert("classifier.bias".into(), ArrayD::ones(vec![4]));
    assert!(load(reshaped).unwrap().contains("classifier.bias has shape [4], expected [3]"));
    let mut infinite = weights();
    infinite.insert("classifier.bias".into(), ArrayD::from_elem(vec![3], f32::INFINITY));
    assert!(load(infinite).unwrap().contains("classifier.bias holds NaN or infinite values"));
}

#[test]
fn a_network_starts_from_the_weights_of_another_and_keeps_its_own_classifier_where_the_classes_differ() {
    let network = |outputs, seed| Network::new(&small(), 10, outputs, seed).unwrap();
    let other = network(3, 5).weights().unwrap();
    let mut same_classes = network(3, 1);
    same_classes.start_from(&other, true).unwrap();
    assert_eq!(same_classes.weights().unwrap(), other);

    let mut more_classes = network(4, 1);
    let drawn = more_classes.weights().unwrap();
    more_classes.start_from(&other, false).unwrap();
    for (name, weights) in more_classes.weights().unwrap() {
        let source = if name.starts_with("classifier.") { &drawn } else { &other };
        assert_eq!(weights, source[&name], "{name}");
    }
    assert!(drawn.keys().any(|name| name.starts_with("classifier.")) && drawn["stem.weight"] != other["stem.weight"]);
}

#[test]
fn weights_that_do_not_fit_are_not_started_from() {
    let weights = || Network::new(&small(), 10, 3, 5).unwrap().weights().unwrap();
    let mut network = Network::new(&small(), 10, 4, 1).unwrap();
    let before = network.weights().unwrap();
    let mut refusal = |weights, classifier| source_chain(&network.start_from(&weights, classifier).unwrap_err());
    assert!(refusal(weights(), true).contains("classifier.weight has shape [3"));
    let mut missing = weights();
    missing.remove("stem.weight");
    assert!(refusal(missing, false).contains("stem.weight is missing"));
    let mut extra = weights();
    extra.insert("surprise".into(), ArrayD::ones(vec![2]));
    assert!(refusal(extra, false).contains("surprise is not part of the network"));
    assert_eq!(network.weights().unwrap(), before);

    let mut stored = Network::from_weights(&small(), 10, 3, weights()).unwrap();
    let error = stored.start_from(&weights(), true).unwrap_err().to_string();
    assert!(error.contains("one of a model file"), "{error}");
}

#[test]
fn options_out_of_range_are_refused_before_anything_is_allocated() {
    for (options, name) in [
        (CompactOptions { channels: vec![16], ..Default::default() }, "network.channels"),
        (CompactOptions { channels: vec![16, usize::MAX], ..Default::default() }, "network.channels"),
        (CompactOptions { embedding: 0, ..Default::default() }, "network.embedding"),
        (CompactOptions { attention: 1 << 40, ..Default::default() }, "network.attention"),
        (CompactOptions { dropout: 1.0, ..Default::default() }, "network.dropout"),
        (CompactOptions { dropout: f64::NAN, ..Default::default() }, "network.dropout"),
    ] {
        let error = Network::new(&NetworkOptions::Compact(options), 64, 7, 0).err().unwrap();
        assert!(error.to_string().starts_with(name), "{error}");
    }
    assert!(Network::new(&NetworkOptions::default(), 0, 7, 0).is_err());
    assert!(Network::new(&NetworkOptions::default(), 64, 1, 0).is_err());
}

fn source_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}
