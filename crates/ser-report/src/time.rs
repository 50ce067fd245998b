//! Figures over time: waveforms, spectrograms, and what a model listened to.

use ndarray::{Array2, ArrayView2};

use crate::axis::{Axis, HALF_TEXT, Spacing, Y_GAP, with_thousands};
use crate::colour::{ColourMap, greys, viridis};
use crate::error::{finite, not_empty, same_length};
use crate::mel::MelScale;
use crate::raster::{self, MOST_PIXELS, pooled};
use crate::svg::{Anchor, Drawing};
use crate::{Error, Figure};

const WIDTH: f64 = 720.0;
const LEFT: f64 = 76.0;
const MARGIN: f64 = 16.0;
/// Room for a colour bar with its numbers and label.
const BAR_MARGIN: f64 = 88.0;
const BAR_WIDTH: f64 = 12.0;
const LABEL_HEIGHT: f64 = 22.0;
const GAP: f64 = 12.0;
const AXIS_HEIGHT: f64 = 48.0;
const WAVEFORM_HEIGHT: f64 = 80.0;
const MAP_HEIGHT: f64 = 150.0;
/// Levels this far below the loudest have the colour of the quietest.
const TOP_DECIBELS: f32 = 80.0;

/// Holds one of the plots that stand one above another in [`time_panels`].
#[derive(Debug, Clone, Copy)]
pub enum Panel<'a> {
    /// Amplitude over time.
    Waveform {
        /// What it is, written above the plot.
        label: &'a str,
        /// Samples; full scale is 1.
        samples: &'a [f32],
        /// Samples a second.
        sample_rate: u32,
    },
    /// Level over time and frequency.
    Spectrogram {
        /// What it is, written above the plot.
        label: &'a str,
        /// The levels.
        spectrogram: Spectrogram<'a>,
    },
    /// How much each point of a spectrogram spoke for (or, below zero, against) a decision, in colour over the spectrogram in grey.
    Attribution {
        /// What it is, written above the plot.
        label: &'a str,
        /// The levels.
        spectrogram: Spectrogram<'a>,
        /// The weights, of the shape of the levels; only their ratios are shown.
        weights: ArrayView2<'a, f32>,
    },
}

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

/// Draws a waveform: time in s, amplitude.
///
/// Where several samples share a pixel, the band between their smallest and largest is drawn.
///
/// # Errors
///
/// If there is no sample, one is not finite, or the rate is 0.
pub fn waveform(title: &str, samples: &[f32], sample_rate: u32) -> Result<Figure, Error> {
    time_panels(title, &[Panel::Waveform { label: "", samples, sample_rate }])
}

/// Draws a spectrogram: time in s, frequency in Hz (on a mel axis for mel bands), level as colour with a bar in dB.
///
/// Levels more than 80 dB below the loudest have the colour of the quietest. Where several frames or bins share a pixel, the
/// loudest is shown.
///
/// # Errors
///
/// If there is no frame or bin, a level is not finite, or the hop or a frequency is out of range.
///
/// ```
/// use ser_report::{Bins, Spectrogram};
///
/// let decibels = ndarray::Array2::from_shape_fn((100, 129), |(_, bin)| -0.5 * bin as f32);
/// let spectrogram =
///     Spectrogram { decibels: decibels.view(), hop: 0.01, first: 0.0, bins: Bins::Linear { nyquist: 8000.0 } };
/// let svg = ser_report::spectrogram("Falling with frequency", spectrogram)?.to_svg();
/// assert!(svg.contains("Frequency (Hz)"));
/// # Ok::<(), ser_report::Error>(())
/// ```
pub fn spectrogram(title: &str, spectrogram: Spectrogram<'_>) -> Result<Figure, Error> {
    time_panels(title, &[Panel::Spectrogram { label: "", spectrogram }])
}

/// Draws plots one above another over one time axis, with one range of amplitudes and one of levels, so that they can be compared.
///
/// # Errors
///
/// If there is no panel, or one is not fit to be drawn: see [`waveform`] and [`spectrogram`]; or if weights and levels differ in shape.
pub fn time_panels(title: &str, panels: &[Panel<'_>]) -> Result<Figure, Error> {
    not_empty("panels", panels)?;
    let mut peak = 0_f32;
    let mut levels = [f32::INFINITY, f32::NEG_INFINITY];
    let mut time = [0_f64, 0.0];
    let mut descriptions = Vec::new();
    for panel in panels {
        let [start, end] = panel.check()?;
        time = [time[0].min(start), time[1].max(end)];
        match panel {
            Panel::Waveform { samples, .. } => {
                peak = samples.iter().fold(peak, |peak, sample| peak.max(sample.abs()));
            }
            Panel::Spectrogram { spectrogram, .. } | Panel::Attribution { spectrogram, .. } => {
                levels = spectrogram.decibels.iter().fold(levels, |[low, high], &v| [low.min(v), high.max(v)]);
            }
        }
        descriptions.push(panel.description());
    }
    let lowest = levels[0].max(levels[1] - TOP_DECIBELS);
    let style = Style {
        peak: if peak > 0.0 { peak } else { 1.0 },
        levels: if lowest < levels[1] { [lowest, levels[1]] } else { [levels[1] - 1.0, levels[1]] },
        right: if levels[1].is_finite() { WIDTH - BAR_MARGIN } else { WIDTH - MARGIN },
    };

    let time = Axis::linear("Time (s)", time, [LEFT, style.right]);
    let mut drawing = Drawing::default();
    let mut top = 4.0;
    for (index, panel) in panels.iter().enumerate() {
        if !panel.label().is_empty() {
            drawing.text("", Anchor::Start, [LEFT, top + LABEL_HEIGHT - 8.0], panel.label());
            top += LABEL_HEIGHT;
        }
        let bottom = top + panel.height();
        time.draw_x_grid(&mut drawing, top, bottom);
        panel.draw(&mut drawing, &time, [top, bottom], &style)?;
        let is_last = index + 1 == panels.len();
        if is_last {
            time.draw_x(&mut drawing, bottom);
        }
        top = bottom + if is_last { AXIS_HEIGHT } else { GAP };
    }
    Ok(Figure::new(title, descriptions.join(" "), [WIDTH, top], drawing))
}

/// What all panels of a figure share.
struct Style {
    /// The largest amplitude.
    peak: f32,
    /// The levels with the first and the last colour.
    levels: [f32; 2],
    /// Where plots end.
    right: f64,
}

impl Panel<'_> {
    fn label(&self) -> &str {
        match self {
            Self::Waveform { label, .. } | Self::Spectrogram { label, .. } | Self::Attribution { label, .. } => label,
        }
    }

    fn height(&self) -> f64 {
        match self {
            Self::Waveform { .. } => WAVEFORM_HEIGHT,
            Self::Spectrogram { .. } | Self::Attribution { .. } => MAP_HEIGHT,
        }
    }

    /// Returns when this begins and ends, in seconds.
    fn check(&self) -> Result<[f64; 2], Error> {
        match self {
            Self::Waveform { samples, sample_rate, .. } => {
                not_empty("samples", samples)?;
                if *sample_rate == 0 {
                    return Err(Error::OutOfRange { what: "sample rate", value: 0.0, allowed: "at least 1 Hz" });
                }
                all_finite("sample", samples.iter())?;
                Ok([0.0, samples.len() as f64 / f64::from(*sample_rate)])
            }
            Self::Spectrogram { spectrogram, .. } => spectrogram.check(),
            Self::Attribution { spectrogram, weights, .. } => {
                same_length("frames of the weights", spectrogram.decibels.nrows(), weights.nrows())?;
                same_length("bins of the weights", spectrogram.decibels.ncols(), weights.ncols())?;
                all_finite("weight", weights.iter())?;
                spectrogram.check()
            }
        }
    }

    fn description(&self) -> String {
        let label = if self.label().is_empty() { String::new() } else { format!("{}: ", self.label()) };
        match self {
            Self::Waveform { samples, sample_rate, .. } => {
                let seconds = samples.len() as f64 / f64::from(*sample_rate);
                let peak = samples.iter().fold(0_f32, |peak, sample| peak.max(sample.abs()));
                format!("{label}waveform of {seconds:.2} s, largest amplitude {peak:.3}.")
            }
            Self::Spectrogram { spectrogram, .. } => format!("{label}{}", spectrogram.description()),
            Self::Attribution { spectrogram, weights, .. } => {
                let [time, frequency] = spectrogram.place_of_largest(weights.view());
                format!(
                    "{label}attribution over a {} The largest weight is at {time:.2} s and {} Hz.",
                    spectrogram.description(),
                    with_thousands(frequency, 0)
                )
            }
        }
    }

    fn draw(&self, drawing: &mut Drawing, time: &Axis, y: [f64; 2], style: &Style) -> Result<(), Error> {
        match self {
            Self::Waveform { samples, sample_rate, .. } => {
                // A little room, so that peaks keep clear of the frame.
                let peak = 1.05 * f64::from(style.peak);
                let amplitude = Axis::linear("Amplitude", [-peak, peak], [y[1], y[0]]);
                amplitude.draw_y(drawing, time.start, time.end);
                draw_waveform(drawing, samples, *sample_rate, time, &amplitude);
            }
            Self::Spectrogram { spectrogram, .. } => {
                spectrogram.draw(drawing, time, y, style, &viridis())?;
                let [low, high] = style.levels.map(f64::from);
                draw_bar(drawing, "Level (dB)", [low, high], [style.right, y[0], y[1]], &viridis(), None)?;
            }
            Self::Attribution { spectrogram, weights, .. } => {
                spectrogram.draw(drawing, time, y, style, &greys())?;
                let strongest = pooled(*weights, MOST_PIXELS, |value, best| value.abs() > best.abs());
                let largest = strongest.iter().fold(0_f32, |largest, weight| largest.max(weight.abs()));
                let largest = if largest > 0.0 { largest } else { 1.0 };
                let indices = strongest.mapv(|weight| raster::index(weight, -largest, largest));
                let (colours, alpha) = overlay();
                let (window, image) = spectrogram.place(time, y);
                drawing.image(window, image, &raster::encode(&indices, &colours, Some(&alpha))?);
                let low = if strongest.iter().any(|&weight| weight < 0.0) { -1.0 } else { 0.0 };
                draw_bar(drawing, "Weight", [low, 1.0], [style.right, y[0], y[1]], &colours, Some(&alpha))?;
            }
        }
        Ok(())
    }
}

impl Spectrogram<'_> {
    fn check(&self) -> Result<[f64; 2], Error> {
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
    fn place(&self, time: &Axis, y: [f64; 2]) -> ([f64; 4], [f64; 4]) {
        let start = time.at(self.first - self.hop / 2.0);
        let end = time.at(self.first + (self.decibels.nrows() as f64 - 0.5) * self.hop);
        let axis = self.axis(y);
        let [bottom, top] = self.edges().map(|edge| axis.at(edge));
        let left = start.max(time.start);
        let right = end.min(time.end);
        ([left, y[0], right - left, y[1] - y[0]], [start, top, end - start, bottom - top])
    }

    /// Returns seconds and hertz of the largest number of an array of this shape.
    fn place_of_largest(&self, map: ArrayView2<'_, f32>) -> [f64; 2] {
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

    fn description(&self) -> String {
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

    fn draw(
        &self,
        drawing: &mut Drawing,
        time: &Axis,
        y: [f64; 2],
        style: &Style,
        colours: &ColourMap,
    ) -> Result<(), Error> {
        let [low, high] = style.levels;
        let loudest = pooled(self.decibels, MOST_PIXELS, |value, best| value > best);
        let indices = loudest.mapv(|level| raster::index(level, low, high));
        let (window, image) = self.place(time, y);
        self.axis(y).draw_y(drawing, time.start, time.end);
        drawing.image(window, image, &raster::encode(&indices, colours, None)?);
        Ok(())
    }
}

fn draw_waveform(drawing: &mut Drawing, samples: &[f32], sample_rate: u32, time: &Axis, amplitude: &Axis) {
    let x = |index: usize| time.at(index as f64 / f64::from(sample_rate));
    let y = |sample: f32| amplitude.at(sample.into());
    let columns = (x(samples.len()) - x(0)).round() as usize;
    if samples.len() <= 2 * columns {
        drawing.path("trace", samples.iter().enumerate().map(|(index, &sample)| [x(index), y(sample)]), false);
        return;
    }
    let columns = columns.max(1);
    let bands: Vec<[f64; 3]> = (0..columns)
        .map(|column| {
            let start = column * samples.len() / columns;
            // One sample further, so that neighbouring bands touch.
            let end = ((column + 1) * samples.len() / columns + 1).min(samples.len());
            let band = samples[start..end]
                .iter()
                .fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], &sample| [low.min(sample), high.max(sample)]);
            [x(start), y(band[0]), y(band[1])]
        })
        .collect();
    let above = bands.iter().map(|&[x, _, high]| [x, high]);
    let below = bands.iter().rev().map(|&[x, low, _]| [x, low]);
    drawing.path("wave", above.chain(below), true);
}

/// Draws a bar of all colours right of a plot; `place` is the plot's right edge, top and bottom.
fn draw_bar(
    drawing: &mut Drawing,
    label: &str,
    [low, high]: [f64; 2],
    [right, top, bottom]: [f64; 3],
    colours: &ColourMap,
    alpha: Option<&[u8; 256]>,
) -> Result<(), Error> {
    let x = right + 12.0;
    let place = [x, top, BAR_WIDTH, bottom - top];
    // The colours of weights begin in the middle where none is negative.
    let first: u8 = if alpha.is_some() && low >= 0.0 { 128 } else { 0 };
    let ramp = Array2::from_shape_fn((1, 256 - usize::from(first)), |(_, row)| first + row as u8);
    drawing.image(place, place, &raster::encode(&ramp, colours, alpha)?);
    drawing.path("axis", [[x, top], [x + BAR_WIDTH, top], [x + BAR_WIDTH, bottom], [x, bottom]], true);
    let axis = Axis::linear(label, [low, high], [bottom, top]);
    for (value, text) in axis.ticks(Y_GAP) {
        let y = axis.at(value);
        drawing.line("axis", [x + BAR_WIDTH, y], [x + BAR_WIDTH + 4.0, y]);
        drawing.text("number", Anchor::Start, [x + BAR_WIDTH + 7.0, y + HALF_TEXT], &text);
    }
    drawing.turned_text("label", Anchor::Middle, [x + 68.0, (top + bottom) / 2.0], -90.0, label);
    Ok(())
}

/// Returns the colours of weights from -1 (blue) to 1 (vermillion), the clearer the larger.
fn overlay() -> (ColourMap, [u8; 256]) {
    let colours = std::array::from_fn(|index| if index < 128 { [0x00, 0x72, 0xb2] } else { [0xd5, 0x5e, 0x00] });
    let alpha = std::array::from_fn(|index| ((index as f64 - 127.5).abs() * 2.0).round() as u8);
    (colours, alpha)
}

fn all_finite<'a>(what: &'static str, numbers: impl IntoIterator<Item = &'a f32>) -> Result<(), Error> {
    numbers.into_iter().try_for_each(|&number| finite(what, number.into()).map(|_| ()))
}
