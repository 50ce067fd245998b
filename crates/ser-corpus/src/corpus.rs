use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    path::{Path, PathBuf},
};

use crate::{CorpusKind, Emotion, Utterance, plain_name};

/// Holds the utterances of one or more corpora, and what was odd about their files.
///
/// The utterances are in order of corpus, file name and path: the same corpus gives the same order
/// on every file system, and for corpora whose file names are unique, in every folder layout.
///
/// ```no_run
/// use ser_corpus::Corpus;
///
/// let corpus = Corpus::ravdess("RAVDESS")?.merge(Corpus::emodb("EMO-DB")?);
/// assert_eq!(corpus.len(), 1440 + 535);
/// # Ok::<(), ser_corpus::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Corpus {
    utterances: Vec<Utterance>,
    /// Of files with several emotions: they contradict what is merged later, too.
    left_out: Vec<Utterance>,
    warnings: Vec<Warning>,
}

/// Tells what is odd about one file or folder, and what was done about it.
///
/// `problem` and `action` are the same text for every file with the same oddity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Warning {
    /// The file or folder.
    pub path: PathBuf,
    /// What is odd about it.
    pub problem: String,
    /// What was done about it.
    pub action: String,
    /// Whether there should be a recording, and there is none that can be read: a file that a table lists, a Git LFS pointer, a link to
    /// nothing.
    pub is_lost: bool,
}

impl Corpus {
    /// Makes a corpus of utterances from any source.
    ///
    /// Corpora whose [`plain_name`]s are equal are one, and so are speakers of one corpus, with a warning.
    ///
    /// Of utterances of one file, whatever its spelling and through links, the first (by corpus name) is kept, with a warning. Where these are
    /// labelled with several emotions, none is kept, as nobody knows which is right.
    pub fn new(utterances: Vec<Utterance>) -> Self {
        Self::with_warnings(utterances, Vec::new())
    }

    pub(crate) fn with_warnings(mut utterances: Vec<Utterance>, mut warnings: Vec<Warning>) -> Self {
        utterances.sort_by(|a, b| order(a).cmp(&order(b)));
        spell_corpora(&mut utterances, &mut warnings);
        utterances.sort_by(|a, b| order(a).cmp(&order(b)));
        spell_speakers(&mut utterances, &mut warnings);
        let left_out = take_once(&mut utterances, &mut warnings);
        Self { utterances, left_out, warnings }
    }

    /// Joins two corpora into one, with the warnings of both.
    ///
    /// A file that is in both is taken once, with a warning, under any spelling of its path. Where both name one corpus, what only one of them says of it
    /// is kept, such as the published folds or the speaker.
    pub fn merge(mut self, other: Self) -> Self {
        for utterances in [other.utterances, self.left_out, other.left_out] {
            self.utterances.extend(utterances);
        }
        self.warnings.extend(other.warnings);
        Self::with_warnings(self.utterances, self.warnings)
    }

    /// Keeps the utterances for which a condition holds, and all warnings.
    ///
    /// ```no_run
    /// use ser_corpus::{Corpus, Intensity};
    ///
    /// let strong = Corpus::ravdess("RAVDESS")?.filter(|u| u.intensity == Some(Intensity::Strong));
    /// assert_eq!(strong.len(), 672);
    /// # Ok::<(), ser_corpus::Error>(())
    /// ```
    pub fn filter(mut self, keep: impl FnMut(&Utterance) -> bool) -> Self {
        self.utterances.retain(keep);
        self
    }

    /// Returns the utterances in order of corpus, file name and path.
    pub fn utterances(&self) -> &[Utterance] {
        &self.utterances
    }

    /// Returns what was odd: files that were skipped or taken once, counts that differ.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Sums the warnings up for a reader: one line for all files with the same oddity.
    pub fn warning_lines(&self) -> Vec<String> {
        lines(&self.warnings)
    }

    /// What was skipped and why, for the end of an error: empty, or the first reasons, each after a semicolon.
    pub(crate) fn skipped(warnings: &[Warning]) -> String {
        const MOST_REASONS: usize = 3;
        let skipped = warnings.iter().filter(|warning| warning.action.starts_with("skipped"));
        lines(skipped).iter().take(MOST_REASONS).map(|line| format!("; {line}")).collect()
    }

    /// Returns the number of utterances.
    pub fn len(&self) -> usize {
        self.utterances.len()
    }

    /// Tells whether there is no utterance.
    pub fn is_empty(&self) -> bool {
        self.utterances.is_empty()
    }

    /// Counts the utterances of each emotion that occurs, in alphabetical order.
    pub fn emotion_counts(&self) -> BTreeMap<Emotion, usize> {
        let mut counts = BTreeMap::new();
        for utterance in &self.utterances {
            *counts.entry(utterance.emotion).or_default() += 1;
        }
        counts
    }
}

impl Warning {
    pub(crate) fn new(path: impl Into<PathBuf>, problem: impl Into<String>, action: impl Into<String>) -> Self {
        Self { path: path.into(), problem: problem.into(), action: action.into(), is_lost: false }
    }

    /// Where a recording should be and is not.
    pub(crate) fn lost(path: impl Into<PathBuf>, problem: impl Into<String>, action: impl Into<String>) -> Self {
        Self { is_lost: true, ..Self::new(path, problem, action) }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}: {}", self.path, self.problem, self.action)
    }
}

fn lines<'w>(warnings: impl IntoIterator<Item = &'w Warning>) -> Vec<String> {
    let mut kinds = BTreeMap::<_, Vec<_>>::new();
    for warning in warnings {
        let kind = (&warning.problem, &warning.action);
        kinds.entry(kind).or_default().push(warning);
    }
    let lines = kinds.into_iter().map(|((problem, action), warnings)| {
        let first = warnings[0];
        match warnings.iter().map(|warning| &warning.path).collect::<HashSet<_>>().len() {
            1 => first.to_string(),
            n => format!("{n} files, such as {:?}: {problem}: {action}", first.path),
        }
    });
    lines.collect()
}

/// Gives a corpus one spelling: that of its reader, which protocols go by, or the first. EMO-DB and EmoDB are one, too.
pub(crate) fn spell_corpora(utterances: &mut [Utterance], warnings: &mut Vec<Warning>) {
    let plain = |name: &str| plain_name(name).replace(' ', "");
    let mut spellings = HashMap::from(CorpusKind::ALL.map(|kind| (plain(kind.name()), kind.name().to_owned())));
    for Utterance { path, corpus, .. } in utterances {
        let first = spellings.entry(plain(corpus)).or_insert_with(|| corpus.clone());
        if first != corpus {
            let problem = format!("corpus {corpus:?} is {first:?} in another spelling");
            warnings.push(Warning::new(&*path, problem, "taken for one corpus"));
            corpus.clone_from(first);
        }
    }
}

/// What is written in the place of a speaker who is not known: all of them are not one person.
const NOBODY: [&str; 5] = ["", "n/a", "null", "unk", "unknown"];

/// Gives a speaker one spelling, the first, and none to one who is not known.
pub(crate) fn spell_speakers(utterances: &mut [Utterance], warnings: &mut Vec<Warning>) {
    let mut spellings = HashMap::new();
    for Utterance { path, corpus, speaker, .. } in utterances {
        if let Some(nobody) = speaker.take_if(|speaker| NOBODY.contains(&&*plain_name(speaker))) {
            warnings.push(Warning::new(&*path, format!("speaker {nobody:?} names nobody"), "left empty"));
        }
        let Some(speaker) = speaker else { continue };
        let first = spellings.entry((corpus.clone(), plain_name(speaker))).or_insert_with(|| speaker.clone());
        if first != speaker {
            let problem = format!("speaker {speaker:?} is also written {first:?}");
            warnings.push(Warning::new(&*path, problem, "taken for one person"));
            speaker.clone_from(first);
        }
    }
}

const SEVERAL: &str = "listed with several emotions";

/// Takes one utterance of each file, or none where these have several emotions: those are given back.
fn take_once(utterances: &mut Vec<Utterance>, warnings: &mut Vec<Warning>) -> Vec<Utterance> {
    let mut emotions = HashMap::<_, HashSet<_>>::new();
    let files: Vec<_> = utterances.iter().map(|utterance| file(&utterance.path)).collect();
    for (file, utterance) in files.iter().zip(&*utterances) {
        emotions.entry(file).or_default().insert(utterance.emotion);
    }
    if emotions.len() == utterances.len() {
        return Vec::new();
    }
    // Those that were left out before a merge have their warning.
    let warned: HashSet<PathBuf> =
        warnings.iter().filter(|warning| warning.problem == SEVERAL).map(|warning| warning.path.clone()).collect();
    let mut places = HashMap::new();
    let (mut kept, mut left_out) = (Vec::<Utterance>::new(), Vec::new());
    for (file, utterance) in files.iter().zip(utterances.drain(..)) {
        let first = !places.contains_key(file);
        let place = *places.entry(file).or_insert(kept.len());
        if emotions[file].len() > 1 {
            if first && !warned.contains(&utterance.path) {
                warnings.push(Warning::new(&utterance.path, SEVERAL, "left out"));
            }
            left_out.push(utterance);
        } else if first {
            kept.push(utterance);
        } else {
            warnings.push(Warning::new(&utterance.path, "listed twice", "taken once"));
            if kept[place].corpus == utterance.corpus {
                kept[place].complete(utterance);
            }
        }
    }
    *utterances = kept;
    left_out
}

/// The file behind a path: one for all spellings of it, and for links to it. The path itself where there is no such file.
pub(crate) fn file(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.into())
}

fn order(utterance: &Utterance) -> impl Ord + '_ {
    let path = &utterance.path;
    (&utterance.corpus, path.file_name(), path)
}
