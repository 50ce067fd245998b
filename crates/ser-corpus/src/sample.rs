use std::collections::BTreeMap;

use crate::{
    Corpus, Error,
    stratify::{rng, shuffle},
};

impl Corpus {
    /// Draws the same fraction of the clips of each emotion, rounded to the nearest number of clips.
    ///
    /// The same seed draws the same clips.
    ///
    /// # Errors
    ///
    /// If the fraction is not from 0 to 1.
    pub fn sample_fraction(self, fraction: f64, seed: u64) -> Result<Self, Error> {
        if !(0.0..=1.0).contains(&fraction) {
            return Err(Error::Fraction { fraction });
        }
        Ok(self.sample(|clips| (fraction * clips as f64).round() as usize, seed))
    }

    /// Draws at most the given number of clips of each emotion.
    ///
    /// The same seed draws the same clips.
    pub fn sample_per_emotion(self, clips: usize, seed: u64) -> Self {
        self.sample(|_| clips, seed)
    }

    /// Draws as many clips of each emotion as the given function of their number says.
    fn sample(self, size: impl Fn(usize) -> usize, seed: u64) -> Self {
        let mut emotions = BTreeMap::<_, Vec<_>>::new();
        for (index, utterance) in self.utterances().iter().enumerate() {
            emotions.entry(utterance.emotion).or_default().push(index);
        }
        let mut rng = rng(seed, 0);
        let mut drawn = vec![false; self.len()];
        for indices in emotions.into_values() {
            let size = size(indices.len());
            for index in shuffle(indices, &mut rng).into_iter().take(size) {
                drawn[index] = true;
            }
        }
        let mut drawn = drawn.into_iter();
        self.filter(|_| drawn.next() == Some(true))
    }
}
