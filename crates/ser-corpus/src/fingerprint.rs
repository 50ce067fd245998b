use std::collections::HashMap;

/// Compared frames without which two recordings are never one by sound: 0.32 s of speech.
const MIN_FRAMES: usize = 40;
/// The highest share of bits that differ between two copies of one recording; see [`Fingerprint`].
const MAX_BIT_ERROR_RATE: f32 = 0.16;
/// How many places of one word are looked at for each frame: bounds the time where a corpus repeats a sound without end.
const MAX_PLACES: usize = 64;

/// What tells one recording from all others: a hash of its samples, and words that describe its sound.
///
/// A word has 32 bits and describes one frame; equal steps of time lie between frames. Two recordings are the same where their
/// hashes are equal, or where at most 16 % of the bits of their words differ when one is shifted against the other. Only
/// frames that have a word in both are compared, at least 40 of them and half of those of the shorter recording.
///
/// This crate compares; `ser-experiment` computes, and says how often that errs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    exact: String,
    /// From the first frame with a word to the last.
    words: Vec<Option<u32>>,
    /// Frames that have a word.
    n_words: usize,
}

impl Fingerprint {
    /// Takes a hash of the samples, and a word for each frame that can be told from others, `None` for silence.
    ///
    /// A recording of fewer than 40 words is compared by its hash alone.
    pub fn new(exact: impl Into<String>, words: &[Option<u32>]) -> Self {
        let exact = exact.into();
        let n_words = words.iter().flatten().count();
        if n_words < MIN_FRAMES {
            return Self { exact, words: Vec::new(), n_words: 0 };
        }
        let from = words.iter().position(Option::is_some).unwrap_or_default();
        let to = words.iter().rposition(Option::is_some).map_or(from, |last| last + 1);
        Self { exact, words: words[from..to].to_vec(), n_words }
    }

    /// The hash of the samples.
    pub fn exact(&self) -> &str {
        &self.exact
    }

    /// The words, from the first frame with one to the last; none where there are too few.
    pub fn words(&self) -> &[Option<u32>] {
        &self.words
    }

    /// Whether there are words enough to compare it by sound.
    pub fn is_acoustic(&self) -> bool {
        self.n_words > 0
    }

    /// The lowest share of bits that differ, over all shifts of one recording against the other; 0 to 1.
    ///
    /// About 0.45 where the recordings have nothing in common; `None` where they cannot be compared by sound. Hashes are not
    /// looked at.
    pub fn bit_error_rate(&self, other: &Self) -> Option<f32> {
        let shifts = -(other.words.len() as isize)..self.words.len() as isize;
        shifts.filter_map(|shift| self.bit_error_rate_at(other, shift)).min_by(f32::total_cmp)
    }

    /// Compares frame `n + shift` with frame `n` of the other recording.
    fn bit_error_rate_at(&self, other: &Self, shift: isize) -> Option<f32> {
        let own = self.words.get(shift.max(0) as usize..)?;
        let others = other.words.get(shift.min(0).unsigned_abs()..)?;
        let (mut frames, mut errors) = (0, 0);
        for (own, other) in own.iter().zip(others) {
            if let (Some(own), Some(other)) = (own, other) {
                frames += 1;
                errors += (own ^ other).count_ones();
            }
        }
        let required = MIN_FRAMES.max(self.n_words.min(other.n_words).div_ceil(2));
        (frames >= required).then(|| errors as f32 / (32 * frames) as f32)
    }
}

/// One recording in two parts.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct SharedRecording {
    /// Where it is first.
    pub first: Place,
    /// Where it is again, in a later part.
    pub second: Place,
    /// The share of bits in which the sounds differ, 0 to 0.16; 0 where the samples are the same.
    pub bit_error_rate: f32,
}

/// Where a clip is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The index of the part.
    pub part: usize,
    /// The index of the clip in that part.
    pub clip: usize,
}

/// Finds recordings that are in two parts, by their samples and by their sound; copies within one part are none.
///
/// For each clip one copy in an earlier part is named, if there is any; the clips are in order. As in Haitsma & Kalker's
/// "A highly robust audio fingerprinting system" (ISMIR 2002), recordings are compared at the shifts at which they have a word
/// in common, so the time grows with the number of clips, not of pairs. Memory: 12 bytes for each word.
///
/// ```
/// use ser_corpus::{Fingerprint, find_copies};
///
/// // A word for each frame: noise is as good as speech here.
/// let words: Vec<_> = (1..200_u32).map(|n| Some(n.wrapping_mul(2_654_435_769).rotate_left(n))).collect();
/// let train = Fingerprint::new("5d41402a", &words);
/// let test = Fingerprint::new("7d793037", &words[20..]);
/// let copies = find_copies(&[vec![&train], vec![&test]]);
/// assert_eq!(copies.len(), 1);
/// assert_eq!((copies[0].first.part, copies[0].second.part), (0, 1));
/// ```
pub fn find_copies(parts: &[Vec<&Fingerprint>]) -> Vec<SharedRecording> {
    let clips: Vec<(Place, &Fingerprint)> = parts
        .iter()
        .enumerate()
        .flat_map(|(part, clips)| clips.iter().enumerate().map(move |(clip, &print)| (Place { part, clip }, print)))
        .collect();
    let mut index: Vec<Occurrence> = (0..)
        .zip(&clips)
        .flat_map(|(clip, (_, print))| {
            let words = (0..).zip(&print.words);
            words.filter_map(move |(frame, word)| word.map(|word| Occurrence { word, clip, frame }))
        })
        .collect();
    index.sort_unstable();

    let mut hashes = HashMap::new();
    let mut found: Vec<Option<(usize, f32)>> = (0..)
        .zip(&clips)
        .map(|(clip, (place, print))| {
            let first = *hashes.entry(print.exact()).or_insert(clip);
            (clips[first].0.part < place.part).then_some((first, 0.0))
        })
        .collect();
    for places in index.chunk_by(|a, b| a.word == b.word) {
        for (n, second) in places.iter().enumerate() {
            let (place, print) = clips[second.clip as usize];
            let found = &mut found[second.clip as usize];
            if found.is_none() {
                let is_earlier = |first: &&Occurrence| clips[first.clip as usize].0.part < place.part;
                let earlier = places[..n].iter().take_while(is_earlier).take(MAX_PLACES);
                *found = earlier.map(|first| (first, clips[first.clip as usize].1)).find_map(|(first, earlier)| {
                    let rate = earlier.bit_error_rate_at(print, first.frame as isize - second.frame as isize)?;
                    (rate <= MAX_BIT_ERROR_RATE).then_some((first.clip as usize, rate))
                });
            }
        }
    }
    let shared = |(found, (second, _)): (Option<_>, &(Place, _))| {
        found.map(|(first, bit_error_rate): (usize, _)| SharedRecording {
            first: clips[first].0,
            second: *second,
            bit_error_rate,
        })
    };
    found.into_iter().zip(&clips).filter_map(shared).collect()
}

/// Where a word is; ordered by the word, then by the clip.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Occurrence {
    word: u32,
    clip: u32,
    frame: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    /// Words of a recording that nobody made.
    fn words(seed: u64, n: usize) -> Vec<Option<u32>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..n).map(|_| Some(rng.next_u32())).collect()
    }

    /// Flips bits of three words in four.
    fn with_errors(words: &[Option<u32>], bits: usize) -> Vec<Option<u32>> {
        let mask = (0..bits).fold(0_u32, |mask, bit| mask | 1 << (bit * 5 % 32));
        let flip = |(n, word): (usize, &Option<u32>)| {
            word.map(|w| if n % 4 == 0 { w } else { w ^ mask.rotate_left(n as u32) })
        };
        words.iter().enumerate().map(flip).collect()
    }

    fn places(copies: &[SharedRecording]) -> Vec<(usize, usize, usize, usize)> {
        copies.iter().map(|c| (c.first.part, c.first.clip, c.second.part, c.second.clip)).collect()
    }

    #[test]
    fn one_recording_is_found_by_its_hash_and_by_its_sound_in_another_part_only() {
        let hash_only = |hash: &str| Fingerprint::new(hash, &[]);
        let sound = words(1, 100);
        let (a, copy) = (Fingerprint::new("a", &sound), Fingerprint::new("b", &with_errors(&sound, 4)));
        let (c, d, other) = (hash_only("c"), hash_only("d"), Fingerprint::new("e", &words(2, 100)));
        let parts = [vec![&a, &copy, &c], vec![&d, &other], vec![&other, &c, &copy, &d]];
        assert_eq!(places(&find_copies(&parts)), [(1, 1, 2, 0), (0, 2, 2, 1), (0, 1, 2, 2), (1, 0, 2, 3)]);
        assert_eq!(find_copies(&[vec![&a, &copy, &a], vec![&other]]), []);
        assert_eq!(find_copies(&[]), []);
        assert_eq!(find_copies(&[vec![], vec![&a], vec![], vec![&copy]]).len(), 1);
    }

    #[test]
    fn the_bit_error_rate_is_that_of_the_best_shift() {
        let sound = words(3, 200);
        let print = Fingerprint::new("a", &sound);
        assert_eq!(print.bit_error_rate(&print), Some(0.0));
        // Three words in four differ in 4 of 32 bits; silence before a recording does not count as a frame.
        let late = [vec![None; 7], with_errors(&sound, 4)].concat();
        assert_eq!(print.bit_error_rate(&Fingerprint::new("b", &late)), Some(3.0 / 32.0));
        assert_eq!(Fingerprint::new("b", &late).bit_error_rate(&print), Some(3.0 / 32.0));
        let unlike = print.bit_error_rate(&Fingerprint::new("c", &words(4, 200))).unwrap();
        // 100 frames or more of random bits: 0.5 less five deviations of sqrt(0.25 / 3200), for 200 shifts.
        assert!((0.45..0.5).contains(&unlike), "{unlike}");
    }

    #[test]
    fn a_sixth_of_the_bits_and_half_of_the_shorter_recording_are_the_limits() {
        let sound = words(5, 120);
        let print = Fingerprint::new("a", &sound);
        let found =
            |words: &[Option<u32>]| !find_copies(&[vec![&print], vec![&Fingerprint::new("b", words)]]).is_empty();
        assert!(found(&with_errors(&sound, 6))); // 18/128 = 0.14
        assert!(!found(&with_errors(&sound, 7))); // 21/128 = 0.164
        // A part of a recording is that recording, down to 40 frames.
        assert!(found(&sound[70..110]) && !found(&sound[70..109]));
        // Half of it from here, half from elsewhere: still a copy; a frame less is none.
        assert!(found(&[&sound[60..], &words(6, 60)].concat()) && !found(&[&sound[61..], &words(6, 61)].concat()));
    }

    #[test]
    fn endless_repetition_of_a_sound_does_not_hide_a_copy() {
        let hum: Vec<_> = words(7, 4).into_iter().cycle().take(400).collect();
        let speech = words(8, 400);
        let hummed = |seed| Fingerprint::new(format!("hum {seed}"), &[&hum, words(seed, 600).as_slice()].concat());
        let prints: Vec<_> = (100..140).map(hummed).collect();
        let (a, b) = (
            Fingerprint::new("a", &[&hum, speech.as_slice()].concat()),
            Fingerprint::new("b", &with_errors(&[&hum, speech.as_slice()].concat(), 3)),
        );
        let parts = [prints.iter().chain([&a]).collect(), vec![&b]];
        assert_eq!(places(&find_copies(&parts)), [(0, 40, 1, 0)]);
    }

    #[test]
    #[ignore = "slow without optimisation"]
    fn a_hundred_thousand_clips_are_compared() {
        let prints: Vec<_> = (0..100_000).map(|seed| Fingerprint::new(seed.to_string(), &words(seed, 200))).collect();
        let copies: Vec<_> = (0..100)
            .map(|n| Fingerprint::new(format!("copy {n}"), &with_errors(&words(700 * n + 5, 200)[30..], 4)))
            .collect();
        let start = std::time::Instant::now();
        let (train, test) = prints.split_at(70_000);
        let found = find_copies(&[train.iter().collect(), test.iter().chain(&copies).collect()]);
        println!("{} clips in {:.1} s", prints.len() + copies.len(), start.elapsed().as_secs_f64());
        let expected: Vec<_> = (0..100).map(|n| (0, 700 * n + 5, 1, 30_000 + n)).collect();
        assert_eq!(places(&found), expected);
    }
}
