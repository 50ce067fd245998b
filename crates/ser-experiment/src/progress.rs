use ser_model::Epoch;
use std::fmt;
use std::path::PathBuf;

/// What is reported while an experiment runs; its `Display` is one line.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Progress {
    /// Recordings are read and their features extracted.
    Reading {
        /// How many are done.
        done: usize,
        /// How many there are.
        total: usize,
    },
    /// The results of an earlier run were removed, as it was not to be resumed: a warning.
    Replaced {
        /// Where they were.
        folder: PathBuf,
    },
    /// One of several runs begins: a fold of a cross-validation, a trial of a search.
    Run {
        /// What it is.
        name: String,
        /// How many are done.
        done: usize,
        /// How many there are.
        total: usize,
    },
    /// An epoch has ended.
    Epoch {
        /// What happened in it.
        epoch: Epoch,
        /// The most epochs there will be.
        max_epochs: usize,
        /// Which network is trained, from 1, and how many there are, of ensembles and fused systems.
        network: (usize, usize),
    },
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reading { done, total } => write!(f, "read {done} of {total} recordings"),
            Self::Replaced { folder } => write!(
                f,
                "the results of an earlier run in {} were removed, as it was not resumed (--resume)",
                folder.display()
            ),
            Self::Run { name, done, total } => write!(f, "{name} ({done} of {total} done)"),
            Self::Epoch { epoch, max_epochs, network: (network, networks) } => {
                if *networks > 1 {
                    write!(f, "network {network}/{networks}, ")?;
                }
                let mark = if epoch.is_best { " (best)" } else { "" };
                write!(f, "epoch {}/{max_epochs}: training loss {:.4}", epoch.epoch, epoch.train_loss)?;
                if epoch.valid_loss.is_nan() {
                    // There is no validation part, so the last epoch is the best.
                    return Ok(());
                }
                write!(f, ", validation loss {:.4}, accuracy {:.4}{mark}", epoch.valid_loss, epoch.valid_accuracy)
            }
        }
    }
}
