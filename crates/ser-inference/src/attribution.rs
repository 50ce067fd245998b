use crate::frontend::MAX_WINDOW;
use crate::{Error, Recognizer};
use ndarray::{Array2, ArrayView1};
use rayon::prelude::*;
use ser_audio::Waveform;
use ser_corpus::Emotion;
use ser_features::{Complex, DecibelOptions, Istft, MelScale, Reference, Stft, StftOptions, power_to_db};
use std::ops::Range;

/// The cells of the map are at least this long, in seconds, and at most [`MOST_COLUMNS`] in number.
const COLUMN: f64 = 0.1;
const MOST_COLUMNS: usize = 32;
/// Bands of equal width in mel, from 0 Hz to half the sample rate.
const BANDS: usize = 12;

/// What a model listened to: how much each stretch of time and frequency of a recording spoke for its emotion.
///
/// Made by occlusion (Zeiler & Fergus 2014, arXiv 1311.2901): each cell of a grid over the spectrogram is lowered in turn
/// to the recording's background, the level of its frequency in the quietest tenth of the frames, and the recording is
/// recognised again. A weight is by how much that lowers the emotion's log-odds, `ln(p / (1 − p))` at
/// temperature 1: above 0, the cell spoke for the emotion, below 0 against it. What is background anyway has the weight 0.
///
/// It says what this model reacts to, not what makes speech emotional, and cells that say the same can stand in for each
/// other: both then weigh little. Of several systems, each prepares every lowered copy as it does a recording: where it sets
/// the level, lowering the loudest cell raises the rest.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attribution {
    /// The most probable emotion, which the weights are for.
    pub emotion: Emotion,
    /// The recording at the model's sample rate and level, without the silence that the model removes; of several systems, at the
    /// highest of their rates, as it is.
    pub waveform: Waveform,
    /// The spectrogram in decibels, `[frames, bins]`: bins from 0 Hz to half the sample rate, frames centred on multiples of
    /// `hop_length`.
    pub decibels: Array2<f32>,
    /// The weights, of the shape of the spectrogram; all points of a cell have one.
    pub weights: Array2<f32>,
    /// The distance of two frames in samples.
    pub hop_length: usize,
}

impl Recognizer {
    /// Maps what the model listens to in a recording; of more than 30 s, in the first 30.
    ///
    /// It recognises the recording some hundred times, on all cores.
    ///
    /// # Errors
    /// As [`Recognizer::recognize`], and a model of imported features, of which there is no spectrogram.
    pub fn attribution(&self, waveform: &Waveform) -> Result<Attribution, Error> {
        let waveform = self.heard(waveform.clone())?;
        let rate = f64::from(waveform.sample_rate());
        let length = waveform.samples().len().min((MAX_WINDOW * rate) as usize);
        let samples = &waveform.samples()[..length];
        let logits = |samples: &[f32]| -> Result<Vec<f32>, Error> {
            Ok(self.heard_outputs(&Waveform::new(samples.to_vec(), waveform.sample_rate())?)?.logits)
        };
        let heard = logits(samples)?;
        let emotion = self.emotion(&heard)?;
        let class = self.manifest().labels.index_of(emotion).unwrap_or(0);

        // Windows of some 50 ms, four to each.
        let n_fft = (waveform.sample_rate() as usize / 20).next_power_of_two();
        let options = StftOptions { n_fft, win_length: n_fft, hop_length: n_fft / 4, ..StftOptions::default() };
        let spectra = Stft::new(&options)?.complex(samples)?;
        let inverse = Istft::new(&options)?;
        let background: Vec<f32> = spectra.columns().into_iter().map(quietest_tenth).collect();
        let cells = grid(spectra.dim(), rate, options.hop_length);
        let weight = |cell: &Cell| -> Result<f32, Error> {
            let mut spectra = spectra.clone();
            cell.lower(&mut spectra, &background);
            let occluded = inverse.process(&spectra, samples.len())?;
            Ok(log_odds(&heard, class) - log_odds(&logits(&occluded)?, class))
        };
        let of_cells: Vec<f32> = cells.par_iter().map(weight).collect::<Result<_, _>>()?;
        let mut weights = Array2::zeros(spectra.dim());
        cells.iter().zip(of_cells).for_each(|(cell, weight)| cell.fill(&mut weights, weight));
        let decibels = DecibelOptions { reference: Reference::Max, ..DecibelOptions::default() };
        let decibels = power_to_db(&spectra.mapv(|value| value.norm_sqr()), &decibels)?;
        let waveform = Waveform::new(samples.to_vec(), waveform.sample_rate())?;
        Ok(Attribution { emotion, waveform, decibels, weights, hop_length: options.hop_length })
    }
}

/// The logit of a class over those of all others together.
fn log_odds(logits: &[f32], class: usize) -> f32 {
    let others = || logits.iter().enumerate().filter(|(index, _)| *index != class).map(|(_, logit)| *logit);
    let max = others().fold(f32::NEG_INFINITY, f32::max);
    logits[class] - max - others().map(|logit| (logit - max).exp()).sum::<f32>().ln()
}

/// The magnitude below which a tenth of the frames of a bin lie.
fn quietest_tenth(bin: ArrayView1<Complex<f32>>) -> f32 {
    let mut magnitudes: Vec<f32> = bin.iter().map(|value| value.norm()).collect();
    magnitudes.sort_by(f32::total_cmp);
    magnitudes[magnitudes.len() / 10]
}

/// The frames and bins that are lowered together.
struct Cell {
    frames: Range<usize>,
    bins: Range<usize>,
}

impl Cell {
    fn places<'a, T>(&self, array: &'a mut Array2<T>) -> impl Iterator<Item = (usize, &'a mut T)> + use<'a, T> {
        let (frames, bins) = (self.frames.clone(), self.bins.clone());
        let own = array.rows_mut().into_iter().skip(frames.start).take(frames.len());
        own.flat_map(move |frame| frame.into_iter().enumerate().skip(bins.start).take(bins.len()))
    }

    /// Lowers each magnitude to that of its bin in the background.
    fn lower(&self, spectra: &mut Array2<Complex<f32>>, background: &[f32]) {
        for (bin, value) in self.places(spectra) {
            let magnitude = value.norm();
            if magnitude > background[bin] {
                *value *= background[bin] / magnitude;
            }
        }
    }

    fn fill(&self, weights: &mut Array2<f32>, weight: f32) {
        self.places(weights).for_each(|(_, place)| *place = weight);
    }
}

/// Divides a spectrogram into cells.
fn grid((n_frames, n_bins): (usize, usize), rate: f64, hop_length: usize) -> Vec<Cell> {
    let least = (COLUMN * rate / hop_length as f64).ceil() as usize;
    let columns = (n_frames / least).clamp(1, MOST_COLUMNS);
    let highest = MelScale::Slaney.hz_to_mel(rate / 2.0);
    let bin = |band: usize| {
        let hertz = MelScale::Slaney.mel_to_hz(highest * band as f64 / BANDS as f64);
        (hertz / (rate / 2.0) * n_bins as f64).round() as usize
    };
    let frame = |column: usize| n_frames * column / columns;
    let cell =
        |column: usize, band: usize| Cell { frames: frame(column)..frame(column + 1), bins: bin(band)..bin(band + 1) };
    (0..columns).flat_map(|column| (0..BANDS).map(move |band| cell(column, band))).collect()
}
