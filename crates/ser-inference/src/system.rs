use crate::{Dimension, Error, Frontend, Input, Manifest};
use ndarray::ArrayView2;
use ser_features::Normalizer;
use ser_model::{Network, NetworkOptions, Weights, split_weights};
use serde::{Deserialize, Serialize};

/// Checks that systems, each given by its input and the number of its networks, can be fused, and that none has too many networks.
///
/// # Errors
/// More than 8 systems, one of audio beside one of imported features or two of different ones, an ensemble of none or more than
/// 32 networks.
pub fn check_systems(systems: &[(&Input, Option<usize>)]) -> Result<(), Error> {
    let invalid = |option, value, allowed| Err(ser_model::Error::InvalidOption { option, value, allowed }.into());
    if systems.len() > 8 {
        return invalid("fused", format!("{} systems", systems.len() - 1), "at most 7");
    }
    for (input, ensemble) in systems {
        if !systems[0].0.takes_same_as(input) {
            let value = "a system of audio beside one of imported features, or of others".into();
            return invalid("fused", value, "systems that take the same recordings");
        }
        if let Some(n_networks) = ensemble.filter(|n| !(1..=32).contains(n)) {
            return invalid("ensemble", n_networks.to_string(), "1 to 32");
        }
    }
    Ok(())
}

/// What a system of a model consists of: features, their normaliser, and the networks that they are given to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// What it takes: the keys `level` and `features`, or `imported`.
    #[serde(flatten)]
    pub input: Input,
    /// The normaliser, fitted on the training part.
    pub normalizer: Normalizer,
    /// The network.
    pub network: NetworkOptions,
    /// The number of such networks whose probabilities are averaged, 2 to 32; none is one network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ensemble: Option<usize>,
}

/// What a model gives before it is calibrated.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// One logit a class: what calibration is fitted to. Those of an ensemble are the logarithms of the mean of its networks'
    /// probabilities, those of several systems the mean of the logarithms of the systems' probabilities.
    pub logits: Vec<f32>,
    /// The numbers that it gives beside the classes, with their names.
    pub dimensions: Vec<(String, f32)>,
}

/// A [`System`] at work.
pub(crate) struct LoadedSystem {
    pub frontend: Frontend,
    pub normalizer: Normalizer,
    /// One, or those of an ensemble.
    networks: Vec<Network>,
}

impl LoadedSystem {
    /// Builds the systems of a model from the weights of all of their networks, those of the first system first.
    pub fn all_of(manifest: &Manifest, weights: Weights) -> Result<Vec<Self>, Error> {
        let systems = manifest.systems();
        check_systems(&systems.iter().map(|system| (&system.input, system.ensemble)).collect::<Vec<_>>())?;
        let n_networks = |system: &System| system.ensemble.unwrap_or(1);
        let n_outputs = manifest.labels.len() + manifest.dimensions.len();
        let mut weights = split_weights(weights, systems.iter().map(n_networks).sum())?.into_iter();
        let load = |system: System| {
            let frontend = Frontend::new(&system.input)?;
            system.input.check_normalizer(system.normalizer.options())?;
            let n_bins = frontend.n_bins();
            if system.normalizer.n_bins() != n_bins {
                let (expected, actual) = (n_bins, system.normalizer.n_bins());
                return Err(ser_features::Error::BinCount { expected, actual }.into());
            }
            let own = weights.by_ref().take(n_networks(&system));
            let networks = own.map(|weights| Network::from_weights(&system.network, n_bins, n_outputs, weights));
            let networks: Vec<Network> = networks.collect::<Result<_, _>>()?;
            networks.iter().try_for_each(|network| frontend.check_network(network))?;
            Ok(Self { frontend, normalizer: system.normalizer, networks })
        };
        systems.into_iter().map(load).collect()
    }

    /// Computes what the networks together give for normalised features `[frames, bins]`.
    pub fn outputs(&self, normalized: ArrayView2<f32>, manifest: &Manifest) -> Result<Outputs, Error> {
        let outputs = |network: &Network| Ok(network.logits(&[normalized])?.into_raw_vec_and_offset().0);
        let mut of_networks: Vec<Vec<f32>> = self.networks.iter().map(outputs).collect::<Result<_, Error>>()?;
        let n_classes = manifest.labels.len();
        let values: Vec<Vec<f32>> = of_networks.iter_mut().map(|outputs| outputs.split_off(n_classes)).collect();
        let value = |(index, dimension): (usize, &Dimension)| {
            let mean = values.iter().map(|values| values[index]).sum::<f32>() / values.len() as f32;
            (dimension.name.clone(), dimension.value(mean))
        };
        let dimensions = manifest.dimensions.iter().enumerate().map(value).collect();
        Ok(Outputs { logits: mean_probabilities(of_networks), dimensions })
    }
}

impl Outputs {
    /// What several systems give together; that of a single one stays as it is.
    pub(crate) fn fuse(mut of_systems: Vec<Self>) -> Self {
        if of_systems.len() == 1 {
            return of_systems.remove(0);
        }
        let n_systems = of_systems.len() as f32;
        let part = |Self { mut logits, dimensions }: Self| {
            log_softmax(&mut logits);
            Self {
                logits: logits.into_iter().map(|logit| logit / n_systems).collect(),
                dimensions: dimensions.into_iter().map(|(name, x)| (name, x / n_systems)).collect(),
            }
        };
        let parts = of_systems.into_iter().map(part);
        let fused = parts.reduce(|mut sum, part| {
            sum.logits.iter_mut().zip(part.logits).for_each(|(sum, logit)| *sum += logit);
            sum.dimensions.iter_mut().zip(part.dimensions).for_each(|((_, sum), (_, x))| *sum += x);
            sum
        });
        fused.unwrap_or(Self { logits: Vec::new(), dimensions: Vec::new() })
    }
}

/// The logits that stand for the mean of the probabilities of several networks; those of a single one stay as they are.
fn mean_probabilities(mut of_networks: Vec<Vec<f32>>) -> Vec<f32> {
    if of_networks.len() == 1 {
        return of_networks.remove(0);
    }
    of_networks.iter_mut().for_each(|logits| log_softmax(logits));
    let n_classes = of_networks.first().map_or(0, Vec::len);
    let n_networks = of_networks.len() as f32;
    (0..n_classes).map(|class| log_sum_exp(of_networks.iter().map(|logits| logits[class])) - n_networks.ln()).collect()
}

/// Turns logits into logarithms of probabilities: finite, however far apart the logits are.
fn log_softmax(logits: &mut [f32]) {
    let sum = log_sum_exp(logits.iter().copied());
    logits.iter_mut().for_each(|logit| *logit = (*logit - sum).max(-1e30));
}

fn log_sum_exp(values: impl Iterator<Item = f32> + Clone) -> f32 {
    let max = values.clone().fold(f32::NEG_INFINITY, f32::max);
    max + values.map(|value| (value - max).exp()).sum::<f32>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_that_are_as_far_apart_as_floats_go_give_probabilities() {
        let far = [vec![3e38, -3e38], vec![-3e38, 3e38]];
        let outputs = far.each_ref().map(|logits| Outputs { logits: logits.clone(), dimensions: Vec::new() });
        for logits in [Outputs::fuse(outputs.into()).logits, mean_probabilities(far.into())] {
            assert!(logits.iter().all(|logit| logit.is_finite()) && logits[0] == logits[1], "{logits:?}");
        }
    }
}
