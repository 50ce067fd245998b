//! Figures over time: waveforms, spectrograms, and what a model listened to.

use ndarray::{Array2, ArrayView2};

use crate::axis::{Axis, HALF_TEXT, Y_GAP, with_thousands};
use crate::chart::{AXIS_HEIGHT, LEFT, MARGIN, WIDTH};
use crate::colour::{ColourMap, greys, viridis};
use crate::error::{all_finite, not_empty, same_length};
use crate::raster::{self, MOST_PIXELS, pooled};
use crate::svg::{Anchor, Drawing};
use crate::{Error, Figure, Spectrogram};

/// Room for a colour bar with its numbers and label.
const BAR_MARGIN: f64 = 88.0;
const BAR_WIDTH: f64 = 12.0;
const LABEL_HEIGHT: f64 = 22.0;
const GAP: f64 = 12.0;
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
    // Half of the topmost number.
    let mut top = 10.0;
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
                spectrogram.draw(drawing, time, y, style.levels, &viridis())?;
                let [low, high] = style.levels.map(f64::from);
                draw_bar(drawing, "Level (dB)", [low, high], [style.right, y[0], y[1]], &viridis(), None)?;
            }
            Self::Attribution { spectrogram, weights, .. } => {
                spectrogram.draw(drawing, time, y, style.levels, &greys())?;
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
    // Under weights, which are drawn over greys, lies the lightest of these.
    drawing.rect("paper", [x, top], [BAR_WIDTH, bottom - top]);
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
