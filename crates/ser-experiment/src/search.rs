use crate::dataset::{Kept, normalization_note};
use crate::output::{failed, write_atomically, write_csv};
use crate::space::{Point, configure};
use crate::train::Plan;
use crate::{Config, Error, Method, Progress, Space, run_folder};
use ser_corpus::{Corpus, Split, Validation};
use serde::Serialize;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Instant;

pub(crate) const TRIALS: &str = "trials.csv";
const BEST: &str = "best.toml";
const HEADER: [&str; 8] = ["trial", "max_epochs", "seed", "valid_uar", "valid_loss", "best_epoch", "seconds", "state"];

/// How a search is run.
#[derive(Clone, Debug)]
pub struct SearchOptions {
    /// The number of trials; of a grid, the most; by default 20. By successive halving, the number in the first rung.
    pub trials: usize,
    /// Whether trials of an earlier run with the same arguments, found in the folder, are taken; else they are removed, once
    /// all arguments are checked.
    pub resume: bool,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self { trials: 20, resume: false }
    }
}

/// One trained configuration.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Trial {
    /// Its number, from 1. By successive halving, a trial that goes on keeps its number.
    pub trial: usize,
    /// The most epochs that it was given.
    pub max_epochs: usize,
    /// The seed of its training: the configuration's, so that no trial wins by a luckier one.
    pub seed: u64,
    /// The unweighted average recall in validation, and the validation loss, of the epoch whose weights were kept (of an
    /// ensemble, their means over the networks); none where the training diverged.
    pub score: Option<(f32, f32)>,
    /// The epoch whose weights were kept; 0 where the training diverged.
    pub best_epoch: usize,
    /// How long it took.
    pub seconds: f64,
    /// The chosen values, by key.
    pub values: BTreeMap<String, toml::Value>,
}

/// What a search found.
///
/// `Display` prints the guard's line and the trials from the rung of the best on (of a grid and by `random`, all), the best first.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Search {
    /// All trials, in the order in which they were trained.
    pub trials: Vec<Trial>,
    /// The one with the highest validation recall (of equals, the lowest loss) in the last rung; where all of that diverged,
    /// in the rung before.
    pub trial: Trial,
    /// The configuration of that trial.
    pub config: Config,
    /// The protocol, what the validation part, which all scores are of, shares with the training part, and whether a trial
    /// normalises speakers by recordings of their own: one line.
    pub guard: String,
    /// The same without the protocol.
    pub(crate) overlap: String,
    /// What is odd about the recordings, and which could not be read and were left out: one line each. What trials of an
    /// earlier run met is in it where one of this run met it, too.
    pub warnings: Vec<String>,
    /// Where the trials of the best one's rung begin.
    rung: usize,
}

/// Searches a space for the configuration that is best on the validation part of the configuration's split. The test part
/// is never scored. With `validation = "none"` the trials hold a validation part out all the same, and the configuration that
/// is found learns from it, too, as the refitting of scikit-learn's searches does.
///
/// Writes `trials.csv` into the folder after each trial, from which a killed search goes on, and in the end `best.toml`.
///
/// # Errors
/// As [`train`](crate::train); a space that gives no valid configuration, no trial that ended, a folder that cannot be written,
/// that holds trials of other arguments and is to be resumed, or a file under the name of a result that no such run left.
pub fn search(
    config: &Config,
    space: &Space,
    corpus: &Corpus,
    folder: impl AsRef<Path>,
    options: &SearchOptions,
    mut progress: impl FnMut(Progress),
) -> Result<Search, Error> {
    let (folder, trials) = (folder.as_ref(), options.trials);
    let checked = Trials::new(config, space, trials, corpus)?;
    let origin = (config, corpus, &(space, trials));
    run_folder::open(folder, "search", origin, options.resume, &[TRIALS, BEST], &mut progress)?;
    let found = checked.run(&folder.join(TRIALS), &mut progress)?;
    let config = toml::to_string(&found.config).map_err(|error| failed(&folder.join(BEST), error))?;
    let best = format!("# {}\n# {}\n{config}", found.trial, found.guard);
    write_atomically(&folder.join(BEST), best.as_bytes())?;
    Ok(found)
}

/// The trials of a search, none of which would stop for its options.
pub(crate) struct Trials<'a> {
    corpus: &'a Corpus,
    points: Vec<Point>,
    configs: Vec<Config>,
    /// The sizes of the rungs, and their epochs where those are not the configuration's.
    rungs: Vec<(usize, Option<usize>)>,
    /// The protocol, and what validation shares with training.
    guard: (String, String),
    /// That of the configuration to be found.
    validation: Validation,
}

impl<'a> Trials<'a> {
    /// Checks all that can be checked before anything is read.
    pub fn new(config: &Config, space: &Space, trials: usize, corpus: &'a Corpus) -> Result<Self, Error> {
        if !config.fused.is_empty() {
            return Err(Error::SearchOfFused);
        }
        let points = space.points(trials, config.seed)?;
        let mut configs = points.iter().map(|point| configure(config, point)).collect::<Result<Vec<_>, _>>()?;
        let note = normalization_note(configs.iter().map(|config| &config.normalizer));
        let mut guard = (String::new(), String::new());
        for config in &mut configs {
            if config.split.validation != Validation::Split {
                Plan::new(config, corpus, None)?;
                config.split.validation = Validation::Split;
            }
            let plan = Plan::new(config, corpus, None)?;
            let split = plan.split(&config.split)?;
            let (protocol, overlap) = (split.protocol(), plan.validation_overlap(&split));
            guard = (
                format!("protocol {protocol}"),
                format!("validation and training: {overlap}; the best is chosen by these scores{note}"),
            );
        }
        let rungs = rungs(space.method(), points.len(), config.training.max_epochs);
        Ok(Self { corpus, points, configs, rungs, guard, validation: config.split.validation })
    }

    /// Runs them. Rows of an earlier run are taken from the file, into which all so far are written after each trial.
    pub fn run(self, path: &Path, progress: &mut impl FnMut(Progress)) -> Result<Search, Error> {
        let Self { corpus, points, configs, rungs, guard, validation } = self;
        let total = rungs.iter().map(|(size, _)| size).sum();
        let mut kept: Option<(Vec<ser_inference::Input>, Kept)> = None;
        let mut warnings = corpus.warning_lines();
        let mut all: Vec<Trial> = Vec::new();
        let mut done = read_trials(path)?.into_iter();
        let n_done = done.len();
        let mut best: Option<(usize, Trial)> = None;
        let mut candidates: Vec<usize> = (0..points.len()).collect();
        for (size, max_epochs) in rungs {
            candidates.truncate(size);
            let first = all.len();
            let mut rung = Vec::new();
            for &candidate in &candidates {
                let name = format!("trial {} of {}", candidate + 1, points.len());
                progress(Progress::Run { name, done: all.len(), total });
                let mut config = configs[candidate].clone();
                if let Some(max_epochs) = max_epochs {
                    config.training.max_epochs = max_epochs;
                }
                let values = points[candidate].clone();
                let trial = match done.next() {
                    Some(row) => row.trial(candidate + 1, &config, values),
                    None => try_one(candidate + 1, &config, values, corpus, &mut kept, &mut warnings, progress)?,
                };
                all.push(trial.clone());
                rung.push(trial);
                if all.len() > n_done {
                    write_trials(path, &all)?;
                }
            }
            rung.retain(|trial| trial.score.is_some());
            rung.sort_by(Trial::order);
            candidates = rung.iter().map(|trial| trial.trial - 1).collect();
            // Where all of a rung diverged, the best of the one before stays.
            best = rung.into_iter().next().map(|trial| (first, trial)).or(best);
        }
        let (rung, trial) = best.ok_or(Error::NoTrial { trials: points.len() })?;
        let mut config = configs[trial.trial - 1].clone();
        config.training.max_epochs = trial.max_epochs;
        config.split.validation = validation;
        let (protocol, overlap) = guard;
        let guard = format!("{protocol}; {overlap}");
        Ok(Search { trials: all, trial, config, guard, overlap, warnings, rung })
    }
}

fn rungs(method: Method, trials: usize, max_epochs: usize) -> Vec<(usize, Option<usize>)> {
    let Method::SuccessiveHalving { factor } = method else { return vec![(trials, None)] };
    let sizes: Vec<usize> =
        std::iter::successors(Some(trials), |size| Some(size / factor).filter(|size| *size > 0)).collect();
    let last = sizes.len() - 1;
    let epochs =
        |rung: usize| (max_epochs as f64 / (factor as f64).powi((last - rung) as i32)).round().max(1.0) as usize;
    sizes.into_iter().enumerate().map(|(rung, size)| (size, Some(epochs(rung)))).collect()
}

fn try_one(
    trial: usize,
    config: &Config,
    values: Point,
    corpus: &Corpus,
    kept: &mut Option<(Vec<ser_inference::Input>, Kept)>,
    warnings: &mut Vec<String>,
    progress: &mut impl FnMut(Progress),
) -> Result<Trial, Error> {
    let start = Instant::now();
    let inputs = config.inputs()?;
    let kept = match kept {
        Some((of, kept)) if *of == inputs => kept,
        _ => &mut kept.insert((inputs, Kept::default())).1,
    };
    let plan = Plan::new(config, corpus, Some(kept))?;
    let split = Split::new(&plan.corpus, &config.split)?;
    let (score, best_epoch) = match plan.fit(&split, None, progress) {
        Ok(fitted) => {
            for line in &fitted.warnings {
                if !warnings.contains(line) {
                    warnings.push(line.clone());
                }
            }
            let best: Vec<_> = fitted.best_epochs().collect();
            let mean = |of: fn(&ser_model::Epoch) -> f32| best.iter().map(|e| of(e)).sum::<f32>() / best.len() as f32;
            (Some((mean(|e| e.valid_uar), mean(|e| e.valid_loss))), best.first().map_or(0, |epoch| epoch.epoch))
        }
        Err(Error::Model(error)) if error.is_divergence() => (None, 0),
        Err(error) => return Err(error),
    };
    let (seconds, max_epochs, seed) = (start.elapsed().as_secs_f64(), config.training.max_epochs, config.seed);
    Ok(Trial { trial, max_epochs, seed, score, best_epoch, seconds, values })
}

impl Trial {
    /// The best first: by recall, of equals by loss. What diverged is last.
    fn order(&self, other: &Self) -> Ordering {
        let score = |trial: &Self| trial.score.unwrap_or((f32::NEG_INFINITY, f32::INFINITY));
        let [(own_uar, own_loss), (uar, loss)] = [score(self), score(other)];
        uar.total_cmp(&own_uar).then(own_loss.total_cmp(&loss))
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "trial {}, {} epochs: ", self.trial, self.max_epochs)?;
        match self.score {
            Some((uar, loss)) => write!(f, "validation UAR {uar:.4}, loss {loss:.4}")?,
            None => f.write_str("diverged")?,
        }
        self.values.iter().try_for_each(|(key, value)| write!(f, ", {key} = {value}"))
    }
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last: Vec<_> = self.trials[self.rung..].iter().collect();
        last.sort_by(|a, b| a.order(b));
        writeln!(f, "{}", self.guard)?;
        last.iter().try_for_each(|trial| writeln!(f, "{trial}"))
    }
}

/// A row of `trials.csv` of an earlier run, which was asked for the same.
struct Row {
    score: Option<(f32, f32)>,
    best_epoch: usize,
    seconds: f64,
}

impl Row {
    fn trial(self, trial: usize, config: &Config, values: Point) -> Trial {
        let Self { score, best_epoch, seconds } = self;
        Trial { trial, max_epochs: config.training.max_epochs, seed: config.seed, score, best_epoch, seconds, values }
    }
}

fn write_trials(path: &Path, trials: &[Trial]) -> Result<(), Error> {
    write_csv(path, |csv| {
        let keys = trials.first().into_iter().flat_map(|trial| trial.values.keys());
        csv.write_record(HEADER.into_iter().chain(keys.map(String::as_str)))?;
        trials.iter().try_for_each(|trial| {
            let score = |part: fn((f32, f32)) -> f32| trial.score.map(|s| part(s).to_string()).unwrap_or_default();
            let fields = [
                trial.trial.to_string(),
                trial.max_epochs.to_string(),
                trial.seed.to_string(),
                score(|(uar, _)| uar),
                score(|(_, loss)| loss),
                trial.best_epoch.to_string(),
                trial.seconds.to_string(),
                if trial.score.is_some() { "ended" } else { "diverged" }.into(),
            ];
            csv.write_record(fields.into_iter().chain(trial.values.values().map(toml::Value::to_string)))
        })
    })
}

/// Reads what an earlier run left, which was written whole or not at all.
fn read_trials(path: &Path) -> Result<Vec<Row>, Error> {
    let damaged = |source: Box<dyn std::error::Error + Send + Sync>| Error::DamagedResult { path: path.into(), source };
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        bytes => bytes.map_err(|error| damaged(error.into()))?,
    };
    let rows = csv::Reader::from_reader(&bytes[..]).into_records().map(|row| {
        let row = row.map_err(|error| damaged(error.into()))?;
        let field = |name: &str| row.get(HEADER.iter().position(|column| *column == name).unwrap_or(0)).unwrap_or("");
        let number = |name: &str| field(name).parse::<f32>().map_err(|error| damaged(error.into()));
        Ok(Row {
            score: if field("valid_uar").is_empty() {
                None
            } else {
                Some((number("valid_uar")?, number("valid_loss")?))
            },
            best_epoch: field("best_epoch").parse().map_err(|error| damaged(Box::new(error)))?,
            seconds: field("seconds").parse().map_err(|error| damaged(Box::new(error)))?,
        })
    });
    rows.collect()
}
