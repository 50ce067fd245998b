use crate::{Config, Error};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;
use toml::Value;

/// Results under different values of these could not be compared.
const FIXED: [&str; 5] = ["seed", "labels", "split", "cache", "license"];
/// More than any machine finishes.
const MOST_TRIALS: usize = 10_000;

/// What a search may choose from: keys of the [`Config`] with lists or ranges, and the method. In TOML:
///
/// ```
/// let space: ser_experiment::Space = r#"
///     method = "random"       # or "grid", or "successive-halving"
///
///     [space]
///     training.learning_rate = { min = 1e-4, max = 1e-2, scale = "log" }
///     training.batch_size = { min = 8, max = 64, scale = "log" }
///     network.dropout = [0.0, 0.2, 0.4]
/// "#.parse()?;
/// assert_eq!(space.keys().collect::<Vec<_>>(), ["network.dropout", "training.batch_size", "training.learning_rate"]);
/// # Ok::<(), ser_experiment::Error>(())
/// ```
///
/// A range is `linear` unless its `scale` is `log`; whole where `min` and `max` are; both ends belong to it. A grid takes
/// as many values of it as its `steps` say. A list may hold any values, whole tables among them
/// (`network = [{ architecture = "rnn" }, { architecture = "tim-net" }]`).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Space {
    method: Method,
    #[serde(rename = "space")]
    choices: BTreeMap<String, Choice>,
}

/// How a space is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Method {
    /// `method = "grid"`: every combination, the last key changing fastest.
    Grid,
    /// `method = "random"`: values drawn one by one.
    Random,
    /// `method = "successive-halving"`: of many trials with few epochs, the best go on to more (Jamieson and Talwalkar 2016,
    /// arXiv 1502.07943). Trials are drawn as by `random`; in each rung the best 1 / `factor` are trained anew with `factor`
    /// times the epochs, up to the configuration's `max_epochs` in the last, which the space therefore cannot have.
    SuccessiveHalving {
        /// At least 2; in TOML `factor = 3`, the default.
        factor: usize,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum Choice {
    List(Vec<Value>),
    Range(Range),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    min: Value,
    max: Value,
    #[serde(default)]
    scale: Scale,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Scale {
    #[default]
    Linear,
    Log,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    method: String,
    factor: Option<usize>,
    space: toml::Table,
}

/// The values of a trial, by key.
pub(crate) type Point = BTreeMap<String, Value>;

impl Space {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// A file that cannot be read or is not of the form above; the file and the key are named.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let wrap = |source| Error::ConfigFile { path: path.into(), source };
        let text = std::fs::read_to_string(path).map_err(|error| wrap(error.into()))?;
        text.parse().map_err(|error| match error {
            Error::Space(source) => wrap(source),
            error => error,
        })
    }

    /// How it is searched.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The keys that are chosen, in alphabetical order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.choices.keys().map(String::as_str)
    }

    /// The points that are tried first: all of a grid, else as many as asked for.
    pub(crate) fn points(&self, trials: usize, seed: u64) -> Result<Vec<Point>, Error> {
        if !(1..=MOST_TRIALS).contains(&trials) {
            return Err(space(format!("the number of trials is {trials}: 1 to {MOST_TRIALS} are allowed")));
        }
        let Method::Grid = self.method else {
            return Ok((0..trials as u64).map(|trial| self.draw(trial, seed)).collect());
        };
        let mut points = vec![Point::new()];
        for (key, choice) in &self.choices {
            let values = choice.values(key)?;
            let n = points.len() * values.len();
            if n > trials {
                return Err(space(format!(
                    "the grid has {n} points or more, and {trials} trials are allowed: allow more, or take fewer values"
                )));
            }
            points = points
                .into_iter()
                .flat_map(|point| {
                    values.iter().map(move |value| {
                        let mut point = point.clone();
                        point.insert(key.clone(), value.clone());
                        point
                    })
                })
                .collect();
        }
        Ok(points)
    }

    /// Draws a point that depends on its number and the seed alone.
    fn draw(&self, trial: u64, seed: u64) -> Point {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(trial);
        self.choices.iter().map(|(key, choice)| (key.clone(), choice.draw(&mut rng))).collect()
    }
}

impl FromStr for Space {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let Document { method, factor, space: table } =
            toml::from_str(text).map_err(|error| Error::Space(error.into()))?;
        let method = match (method.as_str(), factor) {
            ("grid", None) => Method::Grid,
            ("random", None) => Method::Random,
            ("successive-halving", factor) => Method::SuccessiveHalving { factor: factor.unwrap_or(3) },
            ("grid" | "random", Some(_)) => return Err(space("factor belongs to the method successive-halving alone")),
            _ => return Err(space(format!("method {method:?}: use grid, random or successive-halving"))),
        };
        if let Method::SuccessiveHalving { factor: factor @ (0 | 1) } = method {
            return Err(space(format!("factor is {factor}: at least 2 is needed")));
        }
        let mut choices = BTreeMap::new();
        flatten("", table, &mut choices)?;
        if choices.is_empty() {
            return Err(space("[space] is empty: name a key, such as training.learning_rate = [1e-3, 1e-2]"));
        }
        for (key, choice) in &choices {
            let reason = match key.split('.').next().unwrap_or(key) {
                name if FIXED.contains(&name) => "results under different values could not be compared",
                "ensemble" => {
                    "the seeds of a cross-validation are counted by it; search one network, then train several"
                }
                "initial" => "search for each model to begin with by itself",
                "fused" => "a search tries one system; search each by itself, then fuse them",
                _ if matches!(method, Method::SuccessiveHalving { .. }) && choice.sets_epochs(key) => {
                    "successive halving sets it; max_epochs of the configuration is that of the last rung"
                }
                _ => continue,
            };
            return Err(space(format!("{key} cannot be searched: {reason}")));
        }
        Ok(Self { method, choices })
    }
}

fn space(reason: impl Into<String>) -> Error {
    Error::Space(reason.into().into())
}

/// Finds lists and ranges, under keys with dots.
fn flatten(prefix: &str, table: toml::Table, choices: &mut BTreeMap<String, Choice>) -> Result<(), Error> {
    for (name, value) in table {
        let key = format!("{prefix}{name}");
        let choice = match value {
            Value::Array(values) if values.is_empty() => return Err(space(format!("{key}: the list is empty"))),
            Value::Array(values) => Choice::List(values),
            Value::Table(range) if range.contains_key("min") || range.contains_key("max") => {
                let range: Range =
                    Value::Table(range).try_into().map_err(|error| space(format!("{key}: {error}").trim_end()))?;
                range.check(&key)?;
                Choice::Range(range)
            }
            Value::Table(table) => {
                flatten(&format!("{key}."), table, choices)?;
                continue;
            }
            value => {
                return Err(space(format!(
                    "{key} = {value}: give a list such as [1, 2], or a range such as {{ min = 1, max = 2 }}"
                )));
            }
        };
        choices.insert(key, choice);
    }
    Ok(())
}

impl Choice {
    fn sets_epochs(&self, key: &str) -> bool {
        let in_table = |value: &Value| value.get("max_epochs").is_some();
        key == "training.max_epochs" || key == "training" && matches!(self, Self::List(v) if v.iter().any(in_table))
    }

    /// The values of a grid.
    fn values(&self, key: &str) -> Result<Vec<Value>, Error> {
        match self {
            Self::List(values) => Ok(values.clone()),
            Self::Range(range) => match range.steps {
                Some(steps @ 2..=MOST_TRIALS) => {
                    let mut values: Vec<_> =
                        (0..steps).map(|step| range.at(step as f64 / (steps - 1) as f64, false)).collect();
                    values.dedup();
                    Ok(values)
                }
                _ => Err(space(format!("{key}: a grid needs the steps of a range, 2 to {MOST_TRIALS}"))),
            },
        }
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> Value {
        match self {
            Self::List(values) => values[(rng.next_u64() % values.len() as u64) as usize].clone(),
            // 53 bits: all that a double in [0, 1) has.
            Self::Range(range) => range.at((rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64, true),
        }
    }
}

impl Range {
    fn check(&self, key: &str) -> Result<(), Error> {
        let Some([min, max]) = self.ends() else {
            return Err(space(format!("{key}: min and max must be numbers")));
        };
        if !(min < max && max.is_finite() && min.is_finite()) {
            return Err(space(format!("{key}: min is {min} and max is {max}: min must be the smaller one")));
        }
        if self.scale == Scale::Log && min <= 0.0 {
            return Err(space(format!("{key}: min is {min}: a log scale needs a min above 0")));
        }
        Ok(())
    }

    fn is_whole(&self) -> bool {
        matches!((&self.min, &self.max), (Value::Integer(_), Value::Integer(_)))
    }

    fn ends(&self) -> Option<[f64; 2]> {
        let number = |value: &Value| value.as_float().or_else(|| value.as_integer().map(|n| n as f64));
        Some([number(&self.min)?, number(&self.max)?])
    }

    /// The value at a part of the way from `min` to `max`. Drawn whole numbers are equally likely (by the scale), so the part
    /// is taken of the way to the number after `max`.
    fn at(&self, part: f64, is_drawn: bool) -> Value {
        let [min, max] = self.ends().unwrap_or_default();
        let whole = self.is_whole();
        let end = if whole && is_drawn { max + 1.0 } else { max };
        let value = match self.scale {
            Scale::Linear => min + part * (end - min),
            Scale::Log => (min.ln() + part * (end.ln() - min.ln())).exp(),
        };
        if whole {
            let value = if is_drawn { value.floor() } else { value.round() };
            return Value::Integer(value.clamp(min, max) as i64);
        }
        // Four digits: nobody can tell more apart, and they can be read.
        let rounded = format!("{value:.3e}").parse().unwrap_or(value);
        Value::Float(f64::clamp(rounded, min, max))
    }
}

/// Sets the values of a point in a configuration.
pub(crate) fn configure(config: &Config, point: &Point) -> Result<Config, Error> {
    let wrap = |error: Box<dyn std::error::Error + Send + Sync>| Error::Space(error);
    let mut document = toml::Table::try_from(config).map_err(|error| wrap(error.into()))?;
    for (key, value) in point {
        let mut table = &mut document;
        let mut names = key.split('.').peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                table.insert(name.into(), value.clone());
                break;
            }
            let entry = table.entry(name).or_insert_with(|| Value::Table(toml::Table::new()));
            table =
                entry.as_table_mut().ok_or_else(|| space(format!("{key}: {name} of the configuration is no table")))?;
        }
    }
    let configured: Config = document.try_into().map_err(|error: toml::de::Error| {
        let values: Vec<_> = point.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        space(format!("with {}: {}", values.join(", "), error.message()))
    })?;
    Ok(Config { cache: config.cache.clone(), ..configured })
}
