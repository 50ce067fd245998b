use crate::recognizer::{check_window, is_speech, rms};
use crate::{Error, Recognizer, Segment};
use ser_audio::Waveform;

/// Seconds of sound around a stretch that are resampled with it: resampling reaches 64 ms to either side between usual rates.
const CONTEXT: f64 = 0.1;

/// Less than this many seconds that are left at the end are rounding, and belong to the segment before.
const REST: f64 = 1e-3;

/// A [`Recognizer`] at work on sound that arrives in chunks of any size: it gives the segments of [`Recognizer::timeline`], each
/// a tenth of a second after its end.
///
/// There are two differences, as what is to come is not known. Whether a segment is speech is told by the loudest one so far. What is
/// left at the end is a segment of its own, if it is a millisecond or longer and enough for the model's features.
#[derive(Debug)]
pub struct LiveRecognizer {
    recognizer: Recognizer,
    sample_rate: u32,
    seconds: f64,
    /// The samples that segments to come may need, from this whole second on.
    samples: Vec<f32>,
    first_second: usize,
    n_segments: usize,
    loudest: f64,
}

impl Recognizer {
    /// Recognises the emotion of each stretch of `seconds` (0.25 to 30) while the sound arrives, mono at this rate in hertz.
    ///
    /// # Errors
    /// A model of imported features, one that normalises per speaker and is not adapted to one, a length or a rate out of
    /// range, or a length that is too short for the model's features.
    pub fn live(&self, sample_rate: u32, seconds: f64) -> Result<LiveRecognizer, Error> {
        check_window(seconds)?;
        // What would fail later fails now.
        // Segments between two samples may be one shorter than others.
        let n_samples = (seconds * f64::from(sample_rate) + 1e-6) as usize;
        self.recognize(Waveform::new(vec![0.0; n_samples], sample_rate)?)?;
        Ok(LiveRecognizer {
            recognizer: self.clone(),
            sample_rate,
            seconds,
            samples: Vec::new(),
            first_second: 0,
            n_segments: 0,
            loudest: 0.0,
        })
    }
}

impl LiveRecognizer {
    /// Takes the next samples and gives the segments that are over, often none.
    ///
    /// # Errors
    /// A sample that is not finite; then none of these samples is taken. A result that is not.
    pub fn push(&mut self, samples: &[f32]) -> Result<Vec<Segment>, Error> {
        Waveform::new(samples.to_vec(), self.sample_rate)?;
        let mut segments = Vec::new();
        for second in samples.chunks(self.sample_rate as usize) {
            self.samples.extend_from_slice(second);
            while self.received() >= self.bound(self.n_segments + 1) + CONTEXT {
                segments.push(self.segment(Some(self.bound(self.n_segments + 1)))?);
            }
        }
        Ok(segments)
    }

    /// Ends the sound, gives the segments that are left, and makes it ready for another sound.
    ///
    /// # Errors
    /// A result that is not finite.
    pub fn finish(&mut self) -> Result<Vec<Segment>, Error> {
        let segments = self.rest();
        self.samples.clear();
        (self.first_second, self.n_segments, self.loudest) = (0, 0, 0.0);
        segments
    }

    fn rest(&mut self) -> Result<Vec<Segment>, Error> {
        let mut segments = Vec::new();
        while self.received() > self.bound(self.n_segments) + REST {
            let end = self.bound(self.n_segments + 1);
            match self.segment((end + REST < self.received()).then_some(end)) {
                Err(error) if error.is_too_short() => break,
                segment => segments.push(segment?),
            }
        }
        Ok(segments)
    }

    /// Seconds from the beginning to the last sample.
    fn received(&self) -> f64 {
        self.first_second as f64 + self.samples.len() as f64 / f64::from(self.sample_rate)
    }

    /// Where a segment begins, in seconds.
    fn bound(&self, segment: usize) -> f64 {
        segment as f64 * self.seconds
    }

    /// Recognises the next segment, up to `end` or to the last sample, and forgets what is not needed any more.
    fn segment(&mut self, end: Option<f64>) -> Result<Segment, Error> {
        let rate = f64::from(self.sample_rate);
        let (offset, start) = (self.first_second as f64, self.bound(self.n_segments));
        let needed = end.map_or(self.samples.len(), |end| ((end + CONTEXT - offset) * rate).ceil() as usize);
        let needed = &self.samples[..needed.min(self.samples.len())];
        // From a whole second on, which all rates have a sample at.
        let near = self.recognizer.resampled(&Waveform::new(needed.to_vec(), self.sample_rate)?)?;
        let range = |waveform: &Waveform| {
            let rate = f64::from(waveform.sample_rate());
            let skipped = self.first_second * waveform.sample_rate() as usize;
            let length = waveform.samples().len();
            let place = |seconds: f64| ((seconds * rate).round() as usize).saturating_sub(skipped).min(length);
            place(start)..end.map_or(length, place)
        };
        let prediction = self.recognizer.recognize_stretch(&near, range)?;
        let (first, own) = (&near[0], range(&near[0]));
        let samples = &first.samples()[own.clone()];
        self.loudest = rms(samples).max(self.loudest);
        let skipped = self.first_second * first.sample_rate() as usize;
        let time = |sample: usize| (skipped + sample) as f64 / f64::from(first.sample_rate());
        let segment = Segment {
            start: time(own.start),
            end: time(own.end),
            speech: is_speech(samples, self.loudest),
            prediction,
        };
        self.n_segments += 1;
        let kept = (self.bound(self.n_segments) - CONTEXT).max(0.0) as usize;
        let passed = (kept - self.first_second) * self.sample_rate as usize;
        self.samples.drain(..passed.min(self.samples.len()));
        self.first_second = kept;
        Ok(segment)
    }
}
