use crate::dataset::Kept;
use crate::fold_results::{CrossValidation, FoldResult, Stored};
use crate::output::{create, read_json, remove_folder, write_json};
use crate::search::{TRIALS, Trials};
use crate::space::Point;
use crate::train::Plan;
use crate::{Config, Error, Progress, Space, Start, run_folder};
use ser_corpus::{Corpus, Split, SplitOptions};
use serde::Serialize;
use std::path::Path;

const RUNS: &str = "runs";
/// What a run leaves in the end.
const RESULTS: [&str; 5] = [RUNS, "report.json", "predictions.csv", "times.csv", "report.html"];

/// How a cross-validation is run.
#[derive(Clone, Debug)]
pub struct CrossValidationOptions {
    /// How often each fold is trained, with the configuration's seed and those that follow it (of several networks, those that
    /// follow its networks'); at least 1, by default 1. The folds stay the same.
    pub seeds: usize,
    /// The number of folds that are run, the first of the protocol's, where all of them would take too long; by default all.
    pub folds: Option<usize>,
    /// Whether results of an earlier run with the same arguments, found in the folder, are taken; else they are removed, once
    /// all arguments are checked.
    pub resume: bool,
    /// A search in every fold, as [`search`](crate::search()), on its training and validation parts alone; by default none.
    pub search: Option<NestedSearch>,
}

/// A search in every fold of a cross-validation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NestedSearch {
    /// What is chosen from, and how.
    pub space: Space,
    /// The number of trials in every fold; of a grid, the most; by successive halving, those in the first rung.
    pub trials: usize,
}

impl Default for CrossValidationOptions {
    fn default() -> Self {
        Self { seeds: 1, folds: None, resume: false, search: None }
    }
}

/// Trains and scores every fold of the configuration's protocol; a protocol without folds is one fold.
///
/// Recordings are read once and shared between folds and seeds: their features are held in memory, or, with a `cache` in
/// the configuration, on disk. Each run writes a checkpoint after every epoch and its result in the end to `runs/` in the
/// folder, and the trials of its search to `runs/fold-F-seed-S/trials.csv`, so that a killed cross-validation goes on from
/// there and gives the same report to the byte.
///
/// # Errors
/// As [`train`](crate::train); no seed; a folder that cannot be written, that holds results of other arguments and is to be
/// resumed, or a file under the name of a result that no such run left.
pub fn cross_validate(
    config: &Config,
    corpus: &Corpus,
    folder: impl AsRef<Path>,
    options: &CrossValidationOptions,
    mut progress: impl FnMut(Progress),
) -> Result<CrossValidation, Error> {
    if options.seeds == 0 {
        let allowed = "at least 1";
        return Err(ser_model::Error::InvalidOption { option: "seeds", value: "0".into(), allowed }.into());
    }
    let folder = folder.as_ref();
    let config = Config { split: SplitOptions { fold: None, ..config.split.clone() }, ..config.clone() };
    let kept = Kept::default();
    let plan = Plan::new(&config, corpus, Some(&kept))?;
    let (of_protocol, labels) = (Split::fold_count(&plan.corpus, &config.split)?, plan.labels.clone());
    let folds = options.folds.unwrap_or(of_protocol);
    if !(1..=of_protocol).contains(&folds) {
        return Err(Error::Folds { folds, of_protocol });
    }
    // The networks of a model have consecutive seeds.
    let step = config.n_networks() as u64;
    let seeds: Vec<u64> = (0..options.seeds as u64).map(|n| config.seed.wrapping_add(n * step)).collect();
    let of_run = |fold, seed| Config {
        seed,
        split: SplitOptions { fold: Some(fold), ..config.split.clone() },
        ..config.clone()
    };
    (1..=folds).try_for_each(|fold| plan.split(&of_run(fold, config.seed).split).map(drop))?;
    if let Some(NestedSearch { space, trials }) = &options.search {
        seeds.iter().try_for_each(|&seed| Trials::new(&of_run(1, seed), space, *trials, corpus).map(drop))?;
    }
    let origin = (&config, corpus, &options.search);
    run_folder::open(folder, "cross-validation", origin, options.resume, &RESULTS, &mut progress)?;
    let runs_folder = folder.join(RUNS);
    create(&runs_folder)?;

    let runs = seeds.iter().flat_map(|&seed| (1..=folds).map(move |fold| (fold, seed)));
    let mut stored = Vec::new();
    for (done, (fold, seed)) in runs.enumerate() {
        let name = format!("fold {fold} of {of_protocol}, seed {seed}");
        progress(Progress::Run { name, done, total: folds * seeds.len() });
        let path = runs_folder.join(format!("fold-{fold}-seed-{seed}.json"));
        let checkpoints = path.with_extension("checkpoints");
        let run: Stored = match read_json(&path)? {
            Some(run) => run,
            None => {
                let config = of_run(fold, seed);
                let (config, chosen) = match &options.search {
                    None => (config, None),
                    Some(NestedSearch { space, trials }) => {
                        let file = create(&path.with_extension(""))?.join(TRIALS);
                        let found = Trials::new(&config, space, *trials, corpus)?.run(&file, &mut progress)?;
                        (found.config, Some((found.trial.values, found.overlap)))
                    }
                };
                let run = run(&config, corpus, &kept, fold, &checkpoints, chosen, &mut progress);
                let run = run.map_err(|error| match error {
                    Error::Diverged { source, .. } => Error::FoldDiverged { fold, seed, source },
                    Error::Model(source) if source.is_divergence() => Error::FoldDiverged { fold, seed, source },
                    error => error,
                })?;
                write_json(&path, &run)?;
                run
            }
        };
        remove_folder(&checkpoints)?;
        stored.push(run);
        if fold == folds {
            kept.forget_copies();
        }
    }
    CrossValidation::new(config, corpus, &labels, (folds, of_protocol), seeds, options.search.clone(), stored)
}

fn run(
    config: &Config,
    corpus: &Corpus,
    kept: &Kept,
    fold: usize,
    checkpoints: &Path,
    chosen: Option<(Point, String)>,
    progress: &mut impl FnMut(Progress),
) -> Result<Stored, Error> {
    // Features of another kind are not those that other folds share.
    let plan = Plan::new(config, corpus, chosen.is_none().then_some(kept))?;
    let split = Split::new(&plan.corpus, &config.split)?;
    let fitted = plan.fit(&split, Some((checkpoints, Start::Resume)), &mut *progress)?;
    let (best_epoch, epochs) =
        (fitted.best_epochs().next().map_or(0, |epoch| epoch.epoch), fitted.histories.iter().map(Vec::len).sum());
    let (parameters, training_seconds) = (fitted.parameters, fitted.training_seconds);
    let trained = fitted.score(&plan, &mut *progress)?;
    let provenance = &trained.manifest().provenance;
    let evaluation = trained.evaluation();
    let (chosen, search_guard) = chosen.unzip();
    let result = FoldResult {
        fold,
        seed: config.seed,
        protocol: provenance.protocol.clone(),
        guard: provenance.guard.clone(),
        speakers: plan.overlap(&split).speakers.to_string(),
        honest: evaluation.is_honest(),
        clips: [provenance.train.clips.len(), provenance.valid.clips.len(), evaluation.predictions().len()],
        parameters,
        best_epoch,
        epochs,
        uar: evaluation.report().uar,
        accuracy: evaluation.report().accuracy,
        adapted: evaluation.adapted(),
        chosen: chosen.unwrap_or_default(),
        search_guard,
        warnings: trained.warnings().to_vec(),
    };
    Ok(Stored { result, training_seconds, predictions: evaluation.predictions().to_vec() })
}
