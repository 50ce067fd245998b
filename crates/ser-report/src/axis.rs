//! Axes: from numbers to pixels, and ticks at round numbers.

use crate::mel::MelScale;
use crate::svg::{Anchor, Drawing, TEXT_SIZE, text_width};

/// A text's middle lies this far above its baseline.
pub(crate) const HALF_TEXT: f64 = 0.36 * TEXT_SIZE;

/// Ticks lie at least this far apart, in pixels.
const X_GAP: f64 = 56.0;
pub(crate) const Y_GAP: f64 = 24.0;

/// How numbers are spaced along an axis.
#[derive(Clone, Copy)]
pub(crate) enum Spacing {
    Linear,
    /// Linear, with ticks at whole numbers only.
    Whole,
    Mel(MelScale),
}

/// Numbers from `low` to `high`, laid over pixels from `start` to `end`.
pub(crate) struct Axis {
    pub(crate) label: String,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) start: f64,
    pub(crate) end: f64,
    pub(crate) spacing: Spacing,
}

impl Axis {
    /// Makes a linear axis. One number alone gets an axis from it to 1 above, a huge one to twice as much.
    pub(crate) fn linear(label: &str, [low, high]: [f64; 2], [start, end]: [f64; 2]) -> Self {
        let high = if high > low { high } else { low + if low.abs() < 1e9 { 1.0 } else { low.abs() } };
        Self { label: label.into(), low, high, start, end, spacing: Spacing::Linear }
    }

    /// Makes an axis of counts or numbers of things.
    pub(crate) fn whole(label: &str, range: [f64; 2], place: [f64; 2]) -> Self {
        Self { spacing: Spacing::Whole, ..Self::linear(label, range, place) }
    }

    /// Returns where a number lies, in pixels.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let place = |value| match self.spacing {
            Spacing::Linear | Spacing::Whole => value,
            Spacing::Mel(scale) => scale.to_mel(value),
        };
        let share = (place(value) - place(self.low)) / (place(self.high) - place(self.low));
        self.start + share * (self.end - self.start)
    }

    /// Returns ticks that lie at least `gap` pixels apart, with their labels.
    pub(crate) fn ticks(&self, gap: f64) -> Vec<(f64, String)> {
        match self.spacing {
            Spacing::Linear | Spacing::Whole => {
                let least = (self.high - self.low) * gap / (self.end - self.start).abs();
                let is_whole = matches!(self.spacing, Spacing::Whole);
                let step = round_step(if is_whole { least.max(1.0) } else { least });
                multiples(self.low, self.high, step)
            }
            Spacing::Mel(_) => {
                let octaves = std::iter::successors(Some(64_000.0), |hertz| (*hertz > 125.0).then_some(hertz / 2.0));
                let mut ticks: Vec<(f64, String)> = Vec::new();
                for hertz in std::iter::once(0.0).chain(octaves) {
                    let is_inside = (self.low..=self.high).contains(&hertz);
                    if is_inside && ticks.iter().all(|tick| (self.at(hertz) - self.at(tick.0)).abs() >= gap) {
                        ticks.push((hertz, with_thousands(hertz, 0)));
                    }
                }
                ticks
            }
        }
    }

    /// Draws the vertical lines of a plot's grid.
    pub(crate) fn draw_x_grid(&self, drawing: &mut Drawing, top: f64, bottom: f64) {
        for (value, _) in self.ticks(X_GAP) {
            drawing.line("grid", [self.at(value), top], [self.at(value), bottom]);
        }
    }

    /// Draws this as the x axis along the bottom of a plot: ticks, numbers and label.
    pub(crate) fn draw_x(&self, drawing: &mut Drawing, bottom: f64) {
        drawing.line("axis", [self.start, bottom], [self.end, bottom]);
        for (value, text) in self.ticks(X_GAP) {
            let x = self.at(value);
            drawing.line("axis", [x, bottom], [x, bottom + 4.0]);
            drawing.text("number", Anchor::Middle, [x, bottom + 17.0], &text);
        }
        let middle = (self.start + self.end) / 2.0;
        drawing.text("label", Anchor::Middle, [middle, bottom + 36.0], &self.label);
    }

    /// Draws this as the y axis along the left of a plot: grid lines to `right`, ticks, numbers and label.
    pub(crate) fn draw_y(&self, drawing: &mut Drawing, left: f64, right: f64) {
        let ticks = self.ticks(Y_GAP);
        let widest = ticks.iter().map(|(_, text)| text_width(text)).fold(0.0, f64::max);
        for (value, text) in ticks {
            let y = self.at(value);
            drawing.line("grid", [left, y], [right, y]);
            drawing.line("axis", [left - 4.0, y], [left, y]);
            drawing.text("number", Anchor::End, [left - 7.0, y + HALF_TEXT], &text);
        }
        drawing.line("axis", [left, self.start], [left, self.end]);
        let middle = (self.start + self.end) / 2.0;
        drawing.turned_text("label", Anchor::Middle, [left - widest - 16.0, middle], -90.0, &self.label);
    }
}

/// Returns the smallest of 1, 2 and 5 times a power of ten that is not below `least`.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    // A hundred-thousandth more, so that 0.1 + 0.2 counts as 0.3.
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power * 1.00001 >= least);
    factor.unwrap_or(10.0) * power
}

fn multiples(low: f64, high: f64, step: f64) -> Vec<(f64, String)> {
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let first = (low / step - 1e-6).ceil();
    let last = (high / step + 1e-6).floor();
    // At most a few hundred: a step is worth many pixels.
    let count = (last - first + 1.0).clamp(0.0, 1000.0) as usize;
    (0..count)
        .map(|index| (first + index as f64) * step)
        .map(|value| (value, with_thousands(value, decimals)))
        .collect()
}

/// Returns a number with commas between its thousands and a proper minus sign.
pub(crate) fn with_thousands(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(whole, part)| (whole, Some(part)));
    let mut number = String::new();
    if value < 0.0 && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) {
        number.push('−');
    }
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            number.push(',');
        }
        number.push(digit);
    }
    if let Some(fraction) = fraction {
        number.push('.');
        number.push_str(fraction);
    }
    number
}
