use crate::{
    LabelSet, TrainPart,
    stratify::{rng, shuffle},
};

impl TrainPart {
    /// Repeats utterances at random until every class has as many as the largest.
    ///
    /// Each utterance of a class of `n` is repeated as often as it fits into the size of the largest
    /// class, and some, drawn without repetition, once more. Utterances whose emotion is dropped by
    /// the label set are left out, and a class that has none stays empty. The same seed repeats the
    /// same utterances; their order is that of the corpus.
    pub fn oversample(&self, labels: &LabelSet, seed: u64) -> Self {
        let classes = self.classes(labels);
        let size = classes.iter().map(Vec::len).max().unwrap_or(0);
        self.resample(&classes, size, seed)
    }

    /// Drops utterances at random until every class has as few as the smallest that has any.
    ///
    /// Utterances whose emotion is dropped by the label set are left out. The same seed drops the
    /// same utterances; their order is that of the corpus.
    pub fn undersample(&self, labels: &LabelSet, seed: u64) -> Self {
        let classes = self.classes(labels);
        let size = classes.iter().map(Vec::len).filter(|&size| size > 0).min().unwrap_or(0);
        self.resample(&classes, size, seed)
    }

    /// Keeps the utterances of these corpora.
    pub fn of_corpora(&self, names: &[String]) -> Self {
        Self(self.utterances().iter().filter(|utterance| names.contains(&utterance.corpus)).cloned().collect())
    }

    /// Lists, for each class, where its utterances are.
    fn classes(&self, labels: &LabelSet) -> Vec<Vec<usize>> {
        let mut classes = vec![Vec::new(); labels.len()];
        for (index, utterance) in self.utterances().iter().enumerate() {
            if let Some(class) = labels.index_of(utterance.emotion) {
                classes[class].push(index);
            }
        }
        classes
    }

    fn resample(&self, classes: &[Vec<usize>], size: usize, seed: u64) -> Self {
        let mut rng = rng(seed, 0);
        let mut indices = Vec::new();
        for class in classes.iter().filter(|class| !class.is_empty()) {
            for _ in 0..size / class.len() {
                indices.extend(class);
            }
            indices.extend(shuffle(class.iter().copied(), &mut rng).into_iter().take(size % class.len()));
        }
        indices.sort_unstable();
        Self(indices.into_iter().map(|index| self.utterances()[index].clone()).collect())
    }
}
