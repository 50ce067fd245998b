use crate::batch::load;
use crate::optimizer::StoredMoments;
use crate::{Dataset, Epoch, Error, Network, Precision, Result, TrainOptions, Weights, decode_model, encode_model};
use ndarray::{Array1, ArrayD};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Everything that the rest of a training run depends on.
pub(crate) struct Checkpoint {
    pub history: Vec<Epoch>,
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

/// Which run a checkpoint belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fingerprint {
    options: TrainOptions,
    seed: u64,
    class_weights: Vec<f32>,
    /// FNV-1a of the shapes, features and classes of both parts, in hexadecimal.
    examples: String,
}

impl Fingerprint {
    pub fn new(
        options: &TrainOptions,
        seed: u64,
        class_weights: &[f32],
        parts: [&dyn Dataset; 2],
        n_bins: usize,
    ) -> Result<Self> {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        let mut add = |value: u64| hash = (hash ^ value).wrapping_mul(0x0000_0100_0000_01b3);
        for part in parts {
            add(part.len() as u64);
            for index in 0..part.len() {
                let features = &load(part, &[index], 0, n_bins)?[0];
                add(part.class(index) as u64);
                add(features.nrows() as u64);
                features.iter().for_each(|value| add(u64::from(value.to_bits())));
            }
        }
        let examples = format!("{hash:016x}");
        Ok(Self { options: options.clone(), seed, class_weights: class_weights.to_vec(), examples })
    }
}

/// What is not a tensor.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    run: Fingerprint,
    history: Vec<Epoch>,
    order: Vec<usize>,
    rng_seed: [u8; 32],
    /// Decimal: JSON's numbers have fewer bits.
    rng_stream: String,
    rng_position: String,
    steps: i32,
}

impl Checkpoint {
    /// Replaces the file in one step.
    pub fn write(&self, path: &Path, run: &Fingerprint) -> Result<()> {
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
            history: self.history.clone(),
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
    pub fn read(path: &Path, run: &Fingerprint, network: &Network) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| problem(path, "cannot be read", Some(Box::new(e))))?;
        let damaged = |source| problem(path, "is damaged; delete it to begin anew", source);
        let (manifest, mut tensors) =
            decode_model::<Manifest>(&bytes).map_err(|source| damaged(Some(Box::new(source))))?;
        if manifest.run != *run {
            let text =
                "belongs to a run of other examples, options or seed; give those again, or delete it to begin anew";
            return Err(problem(path, text, None));
        }
        let shapes = network.weights()?;
        let mut take = |prefix: &str| -> Result<Weights> {
            let tensor = |(name, like): (&String, &ArrayD<f32>)| {
                let array = tensors.remove(&format!("{prefix}.{name}")).filter(|array| array.len() == like.len());
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
        let Manifest { history, order, steps, .. } = manifest;
        Ok(Self { history, order, rng, steps, moments, weights, best_weights, average })
    }
}

impl Fingerprint {
    fn has_average(&self) -> bool {
        self.options.average_decay.is_some()
    }
}

fn problem(path: &Path, problem: &str, source: Option<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Checkpoint { path: path.display().to_string(), problem: problem.into(), source }
}
