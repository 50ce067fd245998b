//! Intervals, tests between models and groups: where the truth is known by construction.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use ser_metrics::{
    BootstrapOptions, Error, GroupScores, McNemar, MeanStd, PermutationOptions, Units, bootstrap,
    paired_permutation_test,
};

/// The share of right samples among those drawn.
fn accuracy(right: &[bool]) -> impl Fn(&[usize]) -> Result<f64, Error> {
    |indices| Ok(indices.iter().filter(|&&index| right[index]).count() as f64 / indices.len() as f64)
}

fn options(resamples: usize, seed: u64) -> BootstrapOptions {
    BootstrapOptions { resamples, seed, ..BootstrapOptions::default() }
}

#[test]
fn resamples_draw_whole_groups_equally_often_with_replacement() {
    let units = Units::groups(["b", "c", "a", "c", "b", "c"]).unwrap();
    assert_eq!((units.len(), units.samples()), (3, 6));
    let mut seen = BTreeMap::<Vec<usize>, f64>::new();
    let count = |indices: &[usize]| {
        *seen.entry(indices.to_vec()).or_default() += 1.0;
        Ok(0.0)
    };
    bootstrap(&units, &options(27_000, 1), count).unwrap();
    // The first call is that with all samples in their order.
    assert_eq!(seen.remove(&vec![0, 1, 2, 3, 4, 5]), Some(1.0));
    let groups = [&[2][..], &[0, 4], &[1, 3, 5]];
    let mut expected: Vec<Vec<usize>> = Vec::new();
    for draw in 0..27 {
        expected.push([groups[draw / 9], groups[draw / 3 % 3], groups[draw % 3]].concat());
    }
    expected.sort();
    assert!(seen.keys().eq(&expected));
    // 1,000 of each are expected, with a standard deviation of 31: five of these.
    assert!(seen.values().all(|count| (count - 1000.0).abs() < 155.0), "{seen:?}");
}

#[test]
fn the_interval_of_a_share_is_that_of_the_binomial_distribution() {
    let right: Vec<bool> = (0..100).map(|index| index % 5 != 0).collect();
    let options = BootstrapOptions { resamples: 20_000, level: 0.8, seed: 3 };
    let interval = bootstrap(&Units::single(100).unwrap(), &options, accuracy(&right)).unwrap();
    assert_eq!(interval.estimate, 0.8);
    // scipy 1.17: binom.ppf([0.1, 0.9], 100, 0.8) = [75, 85]; the next step is at a probability of 0.0125 more, six
    // standard deviations of 20,000 draws.
    assert_eq!((interval.low, interval.high), (0.75, 0.85));
    assert_eq!(interval.resamples, 20_000);
}

#[test]
fn whole_speakers_give_the_wider_interval_where_speakers_differ() {
    // Twenty speakers of ten samples, all right or all wrong: there are twenty observations, not two hundred.
    let speakers: Vec<usize> = (0..200).map(|index| index / 10).collect();
    let right: Vec<bool> = speakers.iter().map(|speaker| speaker % 4 != 0).collect();
    let width = |units: Units| {
        let interval = bootstrap(&units, &options(4_000, 5), accuracy(&right)).unwrap();
        interval.high - interval.low
    };
    let ratio = width(Units::groups(&speakers).unwrap()) / width(Units::single(200).unwrap());
    // Ten equal samples a speaker: √10 times as wide, up to the steps of 1/20.
    assert!((ratio - 10.0_f64.sqrt()).abs() < 0.4, "{ratio}");
}

#[test]
fn a_seed_gives_one_interval_and_another_seed_another() {
    let right: Vec<bool> = (0..50).map(|index| index % 3 == 0).collect();
    let units = Units::groups((0..50).map(|index| index % 11)).unwrap();
    let of_seed = |seed| bootstrap(&units, &options(1_000, seed), accuracy(&right)).unwrap();
    assert_eq!(of_seed(7), of_seed(7));
    assert_ne!(of_seed(7), of_seed(8));
}

#[test]
fn the_order_of_samples_does_not_change_an_interval_by_group() {
    let speakers: Vec<usize> = (0..60).map(|index| index * index % 13).collect();
    let right: Vec<bool> = (0..60).map(|index| index % 7 < 4).collect();
    let interval = |speakers: &[usize], right: &[bool]| {
        bootstrap(&Units::groups(speakers).unwrap(), &options(500, 2), accuracy(right)).unwrap()
    };
    let (mut back_speakers, mut back_right) = (speakers.clone(), right.clone());
    back_speakers.reverse();
    back_right.reverse();
    assert_eq!(interval(&speakers, &right), interval(&back_speakers, &back_right));
}

#[test]
fn resamples_without_a_value_are_left_out_and_counted() {
    let first_was_drawn = |indices: &[usize]| Ok(if indices.contains(&0) { 1.0 } else { f64::NAN });
    let interval = bootstrap(&Units::single(5).unwrap(), &options(4_000, 1), first_was_drawn).unwrap();
    assert_eq!((interval.low, interval.high), (1.0, 1.0));
    // 1 - 0.8⁵ = 0.672 of the resamples hold it: 2,689 with a standard deviation of 30.
    assert!(interval.resamples.abs_diff(2_689) < 150, "{interval:?}");

    let never = bootstrap(&Units::single(5).unwrap(), &options(100, 1), |_| Ok(f64::NAN)).unwrap();
    assert!(never.estimate.is_nan() && never.low.is_nan() && never.high.is_nan());
    assert_eq!(never.resamples, 0);
}

#[test]
fn four_units_have_no_interval() {
    let right = [true, false, true, true, false];
    let of = |n: usize| bootstrap(&Units::single(n).unwrap(), &options(100, 1), accuracy(&right[..n])).unwrap();
    assert!(of(4).low.is_nan() && of(4).high.is_nan());
    assert_eq!(of(4).to_string(), "0.750");
    assert!(of(5).low < of(5).high && of(5).to_string().starts_with("0.600 ["));
}

#[test]
fn options_out_of_range_are_refused() {
    let units = Units::single(3).unwrap();
    let refused = |options| bootstrap(&units, &options, |_| Ok(0.0)).unwrap_err().to_string();
    assert_eq!(refused(options(99, 0)), "resamples is 99, but must be at least 100");
    for level in [0.0, 1.0, -0.5, f64::NAN] {
        let message = format!("level is {level}, but must be between 0 and 1, such as 0.95");
        assert_eq!(refused(BootstrapOptions { level, ..options(100, 0) }), message);
    }
    assert_eq!(Units::single(0), Err(Error::NoSamples));
    assert_eq!(Units::groups::<&str>([]), Err(Error::NoSamples));
    assert!(bootstrap(&units, &options(100, 0), |_| Err(Error::Undefined)).is_err());
    assert!(serde_json::from_str::<BootstrapOptions>(r#"{"resample": 100}"#).is_err());
    let default = serde_json::from_str::<BootstrapOptions>("{}").unwrap();
    assert_eq!((default.resamples, default.level, default.seed), (2_000, 0.95, 0));
}

#[test]
fn intervals_and_deviations_print_with_the_decimals_asked_for() {
    let interval = bootstrap(&Units::single(5).unwrap(), &options(100, 0), |_| Ok(0.25)).unwrap();
    assert_eq!(interval.to_string(), "0.250 [0.250, 0.250]");
    assert_eq!(format!("{interval:.1}"), "0.2 [0.2, 0.2]");
    assert_eq!(MeanStd::new([0.5, 0.75]).unwrap().to_string(), "0.625 ± 0.177");
}

#[test]
fn the_deviation_of_one_run_is_not_a_number() {
    let one = MeanStd::new([0.5]).unwrap();
    assert_eq!((one.mean, one.runs), (0.5, 1));
    assert!(one.std.is_nan());
    assert_eq!(MeanStd::new([]), Err(Error::NoSamples));
    assert!(matches!(MeanStd::new([0.5, f64::NAN]), Err(Error::NonFinite { what: "value", index: 1, .. })));
}

#[test]
fn models_that_are_right_on_the_same_samples_do_not_differ() {
    let test = McNemar::new([(true, true), (false, false)]).unwrap();
    assert_eq!(test.exact(), 1.0);
    assert_eq!((test.chi_square().statistic, test.chi_square().p_value), (0.0, 1.0));
    assert_eq!(McNemar::new([]), Err(Error::NoSamples));
}

fn mean(values: &[f64]) -> Result<f64, Error> {
    Ok(values.iter().sum::<f64>() / values.len() as f64)
}

#[test]
fn whole_units_are_exchanged_together() {
    // Three speakers: the sign of each one's sum is all that an exchange changes. Of ±(3 + 5), ±2, ±1 only those with
    // equal signs reach the sum 11: 2 of 8.
    let first = [3.0, 2.0, 5.0, 1.0];
    let units = Units::groups(["anna", "ben", "anna", "carl"]).unwrap();
    let test = paired_permutation_test(&first, &[0.0; 4], &units, &PermutationOptions::default(), mean).unwrap();
    assert_eq!((test.difference, test.p_value), (11.0 / 4.0, 0.25));
    assert_eq!((test.exact, test.resamples), (true, 8));
}

#[test]
fn random_exchanges_estimate_what_all_exchanges_give() {
    let first: Vec<f64> = (0..14).map(|i| f64::from(i * i % 7) + 0.6).collect();
    let second: Vec<f64> = (0..14).map(|i| f64::from(i * 3 % 7)).collect();
    let units = Units::single(14).unwrap();
    let test = |resamples| {
        let options = PermutationOptions { resamples, seed: 3 };
        paired_permutation_test(&first, &second, &units, &options, mean).unwrap()
    };
    let (all, random) = (test(1 << 14), test(10_000));
    assert!(all.exact && !random.exact);
    assert!(all.p_value > 0.05 && all.p_value < 0.95, "{all:?}");
    // Five standard deviations of a share of 10,000 draws.
    assert!((all.p_value - random.p_value).abs() < 0.025, "{all:?} {random:?}");
    assert_eq!(random, test(10_000));
}

#[test]
fn more_than_sixty_four_units_are_all_exchanged() {
    // The difference is the sum over the units past the first 64; were these never exchanged, p would be 1.
    let first: Vec<f64> = (0..130).map(|unit| if unit < 64 { 0.0 } else { 1.0 }).collect();
    let units = Units::single(130).unwrap();
    let options = PermutationOptions { resamples: 500, seed: 0 };
    let test = paired_permutation_test(&first, &[0.0; 130], &units, &options, mean).unwrap();
    assert_eq!(test.p_value, 1.0 / 501.0);
}

#[test]
fn predictions_that_do_not_pair_are_refused() {
    let units = Units::single(3).unwrap();
    let test = |first: &[f64], second: &[f64], resamples| {
        let options = PermutationOptions { resamples, seed: 0 };
        paired_permutation_test(first, second, &units, &options, mean).unwrap_err().to_string()
    };
    let message = "2 predictions of the second model for 3 samples: give one for each sample, in the same order";
    assert_eq!(test(&[0.0; 3], &[0.0; 2], 100), message);
    assert!(test(&[0.0; 4], &[0.0; 3], 100).starts_with("4 predictions of the first model for 3 samples"));
    assert_eq!(test(&[0.0; 3], &[0.0; 3], 99), "resamples is 99, but must be at least 100");
    assert!(test(&[f64::NAN; 3], &[0.0; 3], 100).starts_with("the metric is not a number"));
}

/// `speakers` speakers of `each` samples in a group.
fn group(name: &'static str, speakers: usize, each: usize) -> impl Iterator<Item = (Option<&'static str>, String)> {
    (0..speakers * each).map(move |sample| (Some(name), format!("{name} {}", sample / each)))
}

fn scores(samples: Vec<(Option<&str>, String)>, right: &[bool]) -> GroupScores {
    let (groups, speakers): (Vec<_>, Vec<_>) = samples.into_iter().unzip();
    let distinct = Units::single(groups.len()).unwrap();
    GroupScores::new(&groups, &Units::groups(speakers).unwrap(), &distinct, &options(400, 9), accuracy(right)).unwrap()
}

#[test]
fn a_group_with_too_few_samples_or_speakers_is_named_and_has_no_part_in_the_gap() {
    let samples: Vec<_> = group("few samples", 29, 1)
        .chain(group("enough", 5, 6))
        .chain(group("few speakers", 4, 50))
        .chain([(None, "unknown".into())])
        .collect();
    let right = vec![true; samples.len()];
    let scores = scores(samples, &right);
    let seen: Vec<_> = scores.groups.iter().map(|group| (&*group.name, group.samples, group.units)).collect();
    assert_eq!(seen, [("enough", 30, 5), ("few samples", 29, 29), ("few speakers", 200, 4)]);
    assert_eq!(scores.groups.iter().map(|group| group.too_small).collect::<Vec<_>>(), [false, true, true]);
    assert_eq!(scores.gap, None);
    assert_eq!(scores.without_group, 1);
}

#[test]
fn the_largest_gap_is_that_of_the_best_and_the_worst_group() {
    let samples: Vec<_> = group("a", 20, 4).chain(group("b", 20, 4)).chain(group("c", 20, 4)).collect();
    // 3/4, 1/4 and 2/4 of every speaker's samples.
    let right: Vec<bool> = (0..240).map(|sample| sample % 4 < [3, 1, 2][sample / 80]).collect();
    let scores = scores(samples, &right);
    let estimates: Vec<f64> = scores.groups.iter().map(|group| group.metric.estimate).collect();
    assert_eq!(estimates, [0.75, 0.25, 0.5]);
    let gap = scores.gap.unwrap();
    assert_eq!((&*gap.highest, &*gap.lowest), ("a", "b"));
    // Every speaker of a group is alike, so no resample differs.
    assert_eq!((gap.difference.estimate, gap.difference.low, gap.difference.high), (0.5, 0.5, 0.5));
    assert_eq!(scores.groups[0].metric.low, 0.75);
    assert!(serde_json::to_string(&scores.groups).unwrap().starts_with(r#"[{"name":"a","metric":{"estimate":0.75,"#));
}

#[test]
fn a_gap_between_groups_that_do_not_differ_may_be_zero() {
    let samples: Vec<_> = group("female", 12, 5).chain(group("male", 12, 5)).collect();
    // Speakers differ much, and the same in both groups, but for one sample.
    let right: Vec<bool> = (0..120).map(|sample| sample / 5 % 3 != 0 || sample == 0).collect();
    let gap = scores(samples, &right).gap.unwrap();
    assert!((gap.difference.estimate - 1.0 / 60.0).abs() < 1e-12);
    assert!(gap.difference.low < 0.0 && gap.difference.high > 0.0, "{gap:?}");
}

#[test]
fn groups_that_do_not_fit_the_samples_are_refused() {
    let units = Units::single(3).unwrap();
    let refused =
        |groups: &[Option<&str>]| GroupScores::new(groups, &units, &units, &options(100, 0), |_| Ok(0.0)).unwrap_err();
    let message = "2 groups for 3 samples: give one for each sample, in the same order";
    assert_eq!(refused(&[None, Some("a")]).to_string(), message);
    assert_eq!(refused(&[None, None, None]), Error::NoSamples);
}

proptest! {
    #[test]
    fn exchanged_models_have_the_same_p_values(
        right in prop::collection::vec((any::<bool>(), any::<bool>()), 1..40),
    ) {
        let exchanged = right.iter().map(|&(first, second)| (second, first));
        let (test, exchanged) = (McNemar::new(right.iter().copied()).unwrap(), McNemar::new(exchanged).unwrap());
        prop_assert_eq!(test.exact(), exchanged.exact());
        prop_assert_eq!(test.chi_square(), exchanged.chi_square());
        prop_assert!((0.0..=1.0).contains(&test.exact()));
    }

    #[test]
    fn an_interval_lies_within_the_values(
        values in prop::collection::vec(-5.0..5.0, 5..20),
        level in 0.01..0.99,
        seed: u64,
    ) {
        let units = Units::single(values.len()).unwrap();
        let options = BootstrapOptions { resamples: 100, level, seed };
        let value_mean = |indices: &[usize]| mean(&indices.iter().map(|&index| values[index]).collect::<Vec<_>>());
        let interval = bootstrap(&units, &options, value_mean).unwrap();
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // Means are rounded.
        prop_assert!(least - 1e-12 <= interval.low && interval.low <= interval.high && interval.high <= most + 1e-12);
    }
}

#[test]
fn repetitions_make_no_group_larger() {
    // Ten samples of each of two groups, of which four models said something.
    let groups: Vec<_> = (0..80).map(|index| Some(if index % 20 < 10 { "a" } else { "b" })).collect();
    let samples = Units::groups((0..80).map(|index| index % 20)).unwrap();
    let scores = GroupScores::new(&groups, &samples, &samples, &options(100, 0), |_| Ok(0.5)).unwrap();
    assert!(scores.groups.iter().all(|group| group.samples == 10 && group.too_small), "{scores:?}");
    assert_eq!(scores.gap, None);
}
