use ndarray::ArrayView2;

use crate::Error;
use crate::axis::{Axis, Spacing, with_thousands};
use crate::colour::ColourMap;
use crate::error::{all_finite, finite, not_empty};
use crate::mel::MelScale;
use crate::raster::{self, MOST_PIXELS, pooled};
use crate::svg::Drawing;

/// Holds levels over time and frequency.
#[derive(Debug, Clone, Copy)]
pub struct Spectrogram<'a> {
    /// Levels in dB, `[frames, bins]`, the lowest frequency first.
    pub decibels: ArrayView2<'a, f32>,
    /// Seconds from one frame to the next.
    pub hop: f64,
    /// Where the middle of the first frame is, in seconds: 0 for librosa's centred frames.
    pub first: f64,
    /// Which frequencies the bins have.
    pub bins: Bins,
}

/// Says which frequencies the bins of a [`Spectrogram`] have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bins {
    /// Evenly spaced from 0 Hz to the Nyquist frequency, as those of a Fourier transform.
    Linear {
        /// Half of the sample rate, in hertz.
        nyquist: f64,
    },
    /// Mel bands, whose edges are evenly spaced in mel from `fmin` to `fmax`.
    Mel {
        /// Lower edge of the lowest band in hertz.
        fmin: f64,
        /// Upper edge of the highest band in hertz.
        fmax: f64,
        /// What a mel is.
        scale: MelScale,
    },
}

impl Spectrogram<'_> {
    /// Returns when this begins and ends, in seconds.
    pub(crate) fn check(&self) -> Result<[f64; 2], Error> {
        not_empty("levels", self.decibels.iter().take(1).collect::<Vec<_>>().as_slice())?;
        all_finite("level", self.decibels.iter())?;
        if !(self.hop > 0.0 && self.hop.is_finite()) {
            return Err(Error::OutOfRange { what: "hop", value: self.hop, allowed: "a positive number of seconds" });
        }
        finite("time of the first frame", self.first)?;
        let (low, high) = match self.bins {
            Bins::Linear { nyquist } => (0.0, nyquist),
            Bins::Mel { fmin, fmax, .. } => (fmin, fmax),
        };
        if !(low >= 0.0 && low.is_finite()) {
            return Err(Error::OutOfRange { what: "lowest frequency", value: low, allowed: "at least 0 Hz" });
        }
        if !(high > low && high.is_finite()) {
            let allowed = "finite, and above the lowest frequency";
            return Err(Error::OutOfRange { what: "highest frequency", value: high, allowed });
        }
        let end = self.first + (self.decibels.nrows() as f64 - 0.5) * self.hop;
        Ok([self.first - self.hop / 2.0, end].map(|time| time.max(0.0)))
    }

    fn axis(&self, y: [f64; 2]) -> Axis {
        let (label, low, high, spacing) = match self.bins {
            Bins::Linear { nyquist } => ("Frequency (Hz)", 0.0, nyquist, Spacing::Linear),
            Bins::Mel { fmin, fmax, scale } => ("Frequency (Hz, mel axis)", fmin, fmax, Spacing::Mel(scale)),
        };
        Axis { label: label.into(), low, high, start: y[1], end: y[0], spacing }
    }

    /// Returns the lower edge of the first bin's pixels and the upper edge of the last's in hertz: half a step outside the
    /// middle of the bin.
    fn edges(&self) -> [f64; 2] {
        let bins = self.decibels.ncols() as f64;
        match self.bins {
            Bins::Linear { nyquist } => {
                let half = nyquist / (bins - 1.0).max(1.0) / 2.0;
                [-half, nyquist + half]
            }
            Bins::Mel { fmin, fmax, scale } => {
                let [low, high] = [fmin, fmax].map(|hertz| scale.to_mel(hertz));
                let half = (high - low) / (bins + 1.0) / 2.0;
                [low + half, high - half].map(|mel| scale.to_hertz(mel))
            }
        }
    }

    /// Returns the window of the plot that has levels, and where all pixels lie; each `[x, y, width, height]`.
    pub(crate) fn place(&self, time: &Axis, y: [f64; 2]) -> ([f64; 4], [f64; 4]) {
        let start = time.at(self.first - self.hop / 2.0);
        let end = time.at(self.first + (self.decibels.nrows() as f64 - 0.5) * self.hop);
        let axis = self.axis(y);
        let [bottom, top] = self.edges().map(|edge| axis.at(edge));
        let left = start.max(time.start);
        let right = end.min(time.end);
        ([left, y[0], right - left, y[1] - y[0]], [start, top, end - start, bottom - top])
    }

    /// Returns seconds and hertz of the largest number of an array of this shape.
    pub(crate) fn place_of_largest(&self, map: ArrayView2<'_, f32>) -> [f64; 2] {
        let largest = map.indexed_iter().max_by(|a, b| a.1.total_cmp(b.1));
        let (frame, bin) = largest.map_or((0, 0), |(place, _)| place);
        let share = (bin as f64 + 0.5) / self.decibels.ncols() as f64;
        let [low, high] = self.edges();
        let frequency = match self.bins {
            Bins::Linear { .. } => low + share * (high - low),
            Bins::Mel { scale, .. } => {
                let [low, high] = [low, high].map(|hertz| scale.to_mel(hertz));
                scale.to_hertz(low + share * (high - low))
            }
        };
        [self.first + frame as f64 * self.hop, frequency]
    }

    pub(crate) fn description(&self) -> String {
        let (frames, bins) = self.decibels.dim();
        let kind = match self.bins {
            Bins::Linear { .. } => "spectrogram",
            Bins::Mel { .. } => "mel spectrogram",
        };
        let [time, frequency] = self.place_of_largest(self.decibels);
        let is_pooled = frames > MOST_PIXELS[0] || bins > MOST_PIXELS[1];
        let pooling = if is_pooled { "; each pixel shows the loudest of the points that it covers" } else { "" };
        format!(
            "{kind} of {} frames and {} bins, loudest at {time:.2} s and {} Hz{pooling}.",
            with_thousands(frames as f64, 0),
            with_thousands(bins as f64, 0),
            with_thousands(frequency, 0)
        )
    }

    /// Draws the axis and the levels, with the first colour at `low` and the last at `high`.
    pub(crate) fn draw(
        &self,
        drawing: &mut Drawing,
        time: &Axis,
        y: [f64; 2],
        [low, high]: [f32; 2],
        colours: &ColourMap,
    ) -> Result<(), Error> {
        let loudest = pooled(self.decibels, MOST_PIXELS, |value, best| value > best);
        let indices = loudest.mapv(|level| raster::index(level, low, high));
        let (window, image) = self.place(time, y);
        self.axis(y).draw_y(drawing, time.start, time.end);
        drawing.image(window, image, &raster::encode(&indices, colours, None)?);
        Ok(())
    }
}
