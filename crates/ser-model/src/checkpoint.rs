use crate::batch::load;
use crate::optimizer::StoredMoments;
use crate::{
    Dataset, Epoch, Error, History, Network, NetworkOptions, Precision, Result, TrainOptions, Weights, decode_model,
    encode_model,
};
use ndarray::{Array1, ArrayD};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Everything that the rest of a training run depends on.
pub(crate) struct Checkpoint {
    pub history: History,
    /// The order in which the last epoch took the examples.
    pub order: Vec<usize>,
    pub rng: ChaCha8Rng,
    /// Of the optimiser.
    pub steps: i32,
    pub moments: Vec<StoredMoments>,
    pub weights: Weights,
    pub best_weights: Weights,
    pub average: Option<Weights>,
}

/// Options of [`TrainOptions`] that may be other ones when a run is resumed: none of them is part of what a checkpoint holds.
const MAY_CHANGE: [&str; 6] = [
    "options.early_stopping.patience",
    "options.learning_rate",
    "options.max_epochs",
    "options.max_gradient_norm",
    "options.reduce_lr_on_plateau",
    "options.schedule",
];

/// Which run a checkpoint belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunDescription {
    network: NetworkOptions,
    bins: usize,
    outputs: usize,
    options: TrainOptions,
    seed: u64,
    class_weights: Vec<f32>,
    /// FNV-1a of the weights that the network was given to begin with, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    /// FNV-1a of the shapes, features, classes and own class weights of both parts, in hexadecimal.
    examples: String,
}

impl RunDescription {
    pub fn new(
        network: &Network,
        options: &TrainOptions,
        seed: u64,
        class_weights: &[f32],
        parts: [&dyn Dataset; 2],
    ) -> Result<Self> {
        let mut all = Fnv::new();
        for part in parts {
            all.add(part.len() as u64);
            let hash = |index: usize| -> Result<u64> {
                let mut one = Fnv::new();
                let features = &load(part, &[index], 0, network.n_bins())?[0];
                one.add(part.class(index) as u64);
                let own_weights = part.class_weights(index).unwrap_or_default();
                own_weights.iter().for_each(|weight| one.add(u64::from(weight.to_bits())));
                part.values(index).iter().for_each(|value| one.add(u64::from(value.to_bits())));
                one.add(features.nrows() as u64);
                features.iter().for_each(|value| one.add(u64::from(value.to_bits())));
                Ok(one.0)
            };
            let hashes: Vec<u64> = (0..part.len()).into_par_iter().map(hash).collect::<Result<_>>()?;
            hashes.into_iter().for_each(|hash| all.add(hash));
        }
        Ok(Self {
            network: network.options().clone(),
            bins: network.n_bins(),
            outputs: network.n_outputs(),
            options: options.clone(),
            seed,
            class_weights: class_weights.to_vec(),
            start: network.start.clone(),
            examples: format!("{:016x}", all.0),
        })
    }

    /// The options that differ and may, as `NAME OLD -> NEW`; else the first thing that must not.
    fn changes_since(&self, earlier: &Self) -> Result<Vec<String>, String> {
        let mut differences = Vec::new();
        // By way of text, so that f32 values are shown as they were written.
        let json = |run: &Self| -> Result<Value, String> {
            serde_json::to_string(run).and_then(|text| serde_json::from_str(&text)).map_err(|error| error.to_string())
        };
        compare("", &json(earlier)?, &json(self)?, &mut differences);
        let may_change = |name: &str| {
            MAY_CHANGE
                .iter()
                .any(|may| name.strip_prefix(may).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
        };
        let of_options = |name: &str| name.strip_prefix("options.").unwrap_or(name).to_owned();
        match differences.iter().find(|(name, ..)| !may_change(name)) {
            None => {
                Ok(differences.iter().map(|(name, old, new)| format!("{} {old} -> {new}", of_options(name))).collect())
            }
            Some((name, ..)) if name == "examples" => Err("the examples (features, classes or their order)".into()),
            Some((name, ..)) if name == "start" => Err("the weights that training began with".into()),
            Some((name, old, new)) => Err(format!("{} ({old} then, {new} now)", of_options(name))),
        }
    }

    fn has_average(&self) -> bool {
        self.options.average_decay.is_some()
    }
}

/// Collects the names and values of what differs.
fn compare(name: &str, old: &Value, new: &Value, differences: &mut Vec<(String, Value, Value)>) {
    match (old, new) {
        (Value::Object(olds), Value::Object(news)) => {
            let keys: BTreeSet<&String> = olds.keys().chain(news.keys()).collect();
            for key in keys {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                let [old, new] = [olds, news].map(|map| map.get(key).unwrap_or(&Value::Null));
                compare(&name, old, new, differences);
            }
        }
        _ if old == new => {}
        _ => differences.push((name.to_owned(), old.clone(), new.clone())),
    }
}

/// The hash of Fowler, Noll and Vo, over numbers instead of bytes.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, value: u64) {
        self.0 = (self.0 ^ value).wrapping_mul(0x0000_0100_0000_01b3);
    }
}

/// What tells weights from others.
pub(crate) fn digest(weights: &Weights) -> String {
    let mut hash = Fnv::new();
    weights.values().flatten().for_each(|value| hash.add(u64::from(value.to_bits())));
    format!("{:016x}", hash.0)
}

/// What is not a tensor.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    run: RunDescription,
    history: Vec<Epoch>,
    changes: Vec<String>,
    order: Vec<usize>,
    rng_seed: [u8; 32],
    /// Decimal: JSON's numbers have fewer bits.
    rng_stream: String,
    rng_position: String,
    steps: i32,
}

impl Checkpoint {
    /// Replaces the file in one step.
    pub fn write(&self, path: &Path, run: &RunDescription) -> Result<()> {
        let mut tensors = Weights::new();
        let mut add = |prefix: &str, weights: &Weights| {
            tensors.extend(weights.iter().map(|(name, array)| (format!("{prefix}.{name}"), array.clone())));
        };
        add("weights", &self.weights);
        add("best", &self.best_weights);
        if let Some(average) = &self.average {
            add("average", average);
        }
        for (name, (first, second)) in self.weights.keys().zip(&self.moments) {
            for (prefix, values) in [("first", first), ("second", second)] {
                tensors.insert(format!("{prefix}.{name}"), Array1::from(values.clone()).into_dyn());
            }
        }
        let manifest = Manifest {
            run: run.clone(),
            history: self.history.epochs.clone(),
            changes: self.history.changes.clone(),
            order: self.order.clone(),
            rng_seed: self.rng.get_seed(),
            rng_stream: self.rng.get_stream().to_string(),
            rng_position: self.rng.get_word_pos().to_string(),
            steps: self.steps,
        };
        let bytes = encode_model(&manifest, &tensors, Precision::F32)?;
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let write = || -> std::io::Result<()> {
            use std::io::Write;
            let mut file = std::fs::File::create(&partial)?;
            file.write_all(&bytes)?;
            // Without this a crash of the machine could leave the new name on an empty file.
            file.sync_all()?;
            std::fs::rename(&partial, path)
        };
        write().map_err(|source| problem(path, "cannot be written", Some(Box::new(source))))
    }

    /// Reads what [`Checkpoint::write`] wrote for the same run.
    pub fn read(path: &Path, run: &RunDescription, network: &Network, n_examples: usize) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| problem(path, "cannot be read", Some(Box::new(e))))?;
        let damaged = |source| problem(path, "is damaged; delete it to begin anew", source);
        let (manifest, mut tensors) =
            decode_model::<Manifest>(&bytes).map_err(|source| damaged(Some(Box::new(source))))?;
        let changes = run.changes_since(&manifest.run).map_err(|difference| {
            let text = format!("belongs to another run: {difference} must be the same; give it again, or begin anew");
            problem(path, &text, None)
        })?;
        let shapes = network.weights()?;
        let mut take = |prefix: &str| -> Result<Weights> {
            let tensor = |(name, like): (&String, &ArrayD<f32>)| {
                let array = tensors.remove(&format!("{prefix}.{name}"));
                let array = array.filter(|array| array.iter().all(|value| value.is_finite()));
                let array = array.and_then(|array| array.into_shape_with_order(like.raw_dim()).ok());
                Ok((name.clone(), array.ok_or_else(|| damaged(None))?))
            };
            shapes.iter().map(tensor).collect()
        };
        let (weights, best_weights) = (take("weights")?, take("best")?);
        let average = run.has_average().then(|| take("average")).transpose()?;
        let values = |weights: Weights| weights.into_values().map(|array| array.into_iter().collect::<Vec<f32>>());
        let moments = values(take("first")?).zip(values(take("second")?)).collect();
        let mut rng = ChaCha8Rng::from_seed(manifest.rng_seed);
        rng.set_stream(manifest.rng_stream.parse().map_err(|_| damaged(None))?);
        rng.set_word_pos(manifest.rng_position.parse().map_err(|_| damaged(None))?);
        let mut sorted = manifest.order.clone();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..manifest.order.len()) {
            return Err(damaged(None));
        }
        let Manifest { history: epochs, changes: mut all_changes, order, steps, .. } = manifest;
        let is_whole = epochs.iter().map(|epoch| epoch.epoch).eq(1..=epochs.len()) && !epochs.is_empty();
        if !is_whole || steps < 1 || order.len() != n_examples {
            return Err(damaged(None));
        }
        all_changes.extend(changes.iter().map(|change| format!("after epoch {}: {change}", epochs.len())));
        let history = History { epochs, changes: all_changes };
        Ok(Self { history, order, rng, steps, moments, weights, best_weights, average })
    }
}

fn problem(path: &Path, problem: &str, source: Option<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Checkpoint { path: path.display().to_string(), problem: problem.into(), source }
}
