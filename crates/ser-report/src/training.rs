use crate::axis::Axis;
use crate::chart::{AXIS_HEIGHT, LEFT, MARGIN, Swatch, WIDTH, draw_frame, draw_legend, line};
use crate::error::{finite, not_empty, same_length};
use crate::svg::{Anchor, Drawing};
use crate::{Error, Figure};

const PLOT_HEIGHT: f64 = 170.0;

/// Holds one number an epoch.
#[derive(Debug, Clone, Copy)]
pub struct Curve<'a> {
    /// What it is, such as "training".
    pub name: &'a str,
    /// One value an epoch; of scores 0 to 1.
    pub values: &'a [f64],
}

/// Holds what [`training_curves`] draws.
#[derive(Debug, Clone, Copy)]
pub struct TrainingCurves<'a> {
    /// The losses, at most four, drawn above.
    pub losses: &'a [Curve<'a>],
    /// What the scores are, such as "Unweighted average recall".
    pub score_label: &'a str,
    /// The scores in 0 to 1, at most four, drawn below. Without a validation part there are none, and no second plot.
    pub scores: &'a [Curve<'a>],
    /// The epoch whose weights were kept, from 1.
    pub chosen: usize,
}

/// Draws losses and scores over the epochs, one plot above the other, and marks the chosen epoch.
///
/// # Errors
///
/// If there is no loss, a plot has more than four curves, a curve has no value or another number of values than the first, a value is not finite,
/// or the chosen epoch does not exist.
pub fn training_curves(title: &str, curves: &TrainingCurves<'_>) -> Result<Figure, Error> {
    not_empty("losses", curves.losses)?;
    not_empty("values of a curve", curves.losses[0].values)?;
    let epochs = curves.losses[0].values.len();
    for plot in [curves.losses, curves.scores] {
        if plot.len() > 4 {
            let allowed = "at most 4 can be told apart";
            return Err(Error::OutOfRange { what: "number of curves", value: plot.len() as f64, allowed });
        }
        for curve in plot {
            same_length("values of a curve", epochs, curve.values.len())?;
            curve.values.iter().try_for_each(|&value| finite("value of a curve", value).map(|_| ()))?;
        }
    }
    if !(1..=epochs).contains(&curves.chosen) {
        let allowed = "an epoch between 1 and the number of values";
        return Err(Error::OutOfRange { what: "chosen epoch", value: curves.chosen as f64, allowed });
    }

    let mut drawing = Drawing::default();
    let mut top = 4.0;
    let mut descriptions = Vec::new();
    let x = Axis::whole("Epoch", [1.0, epochs as f64], [LEFT, WIDTH - MARGIN]);
    for (label, plot) in [("Loss", curves.losses), (curves.score_label, curves.scores)] {
        if plot.is_empty() {
            continue;
        }
        let values = || plot.iter().flat_map(|curve| curve.values).copied();
        let least = values().fold(0.0, f64::min);
        let most = values().fold(0.0, f64::max);
        let is_share = label == curves.score_label && least >= 0.0 && most <= 1.0;
        let range = if is_share { [0.0, 1.0] } else { [least, most + 0.04 * (most - least)] };

        top = draw_legend(
            &mut drawing,
            plot.iter().map(|curve| curve.name).enumerate(),
            Swatch::Line,
            [LEFT, WIDTH - MARGIN - 150.0, top],
        );
        let y = Axis::linear(label, range, [top + 6.0 + PLOT_HEIGHT, top + 6.0]);
        draw_frame(&mut drawing, &x, &y);
        let chosen = x.at(curves.chosen as f64);
        drawing.line("dashed", [chosen, y.end], [chosen, y.start]);
        for (index, curve) in plot.iter().enumerate() {
            let points = curve.values.iter().zip(1..).map(|(&value, epoch)| [x.at(f64::from(epoch)), y.at(value)]);
            drawing.path(line(index), points, false);
            let kept = curve.values[curves.chosen - 1];
            drawing.circle("point", [chosen, y.at(kept)], 3.5);
            descriptions.push(format!("{label}, {}: {kept:.3} at the chosen epoch.", curve.name));
        }
        let text = format!("chosen: epoch {}", curves.chosen);
        // At the right end of the legend's line, which leaves that free.
        drawing.text("number", Anchor::End, [WIDTH - MARGIN, y.end - 5.0], &text);
        top = y.start + AXIS_HEIGHT;
    }
    let description =
        format!("{epochs} epochs, of which number {} was chosen. {}", curves.chosen, descriptions.join(" "));
    Ok(Figure::new(title, description, [WIDTH, top], drawing))
}

/// Holds one trial of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trial<'a> {
    /// What was tried.
    pub name: &'a str,
    /// Its score on the validation part; larger is better.
    pub score: f64,
}

/// Draws the score of each trial in their order, and the best score so far as a line.
///
/// # Errors
///
/// If there is no trial or a score is not finite.
pub fn search_results(title: &str, score_label: &str, trials: &[Trial<'_>]) -> Result<Figure, Error> {
    not_empty("trials", trials)?;
    trials.iter().try_for_each(|trial| finite("score", trial.score).map(|_| ()))?;
    let scores = || trials.iter().map(|trial| trial.score);
    let [least, most] = [scores().fold(f64::INFINITY, f64::min), scores().fold(f64::NEG_INFINITY, f64::max)];
    let room = if most > least { 0.08 * (most - least) } else { 0.5 };

    let mut drawing = Drawing::default();
    let x = Axis::whole("Trial", [0.5, trials.len() as f64 + 0.5], [LEFT, WIDTH - MARGIN]);
    let y = Axis::linear(score_label, [least - room, most + room], [24.0 + 220.0, 24.0]);
    draw_frame(&mut drawing, &x, &y);
    let mut best = 0;
    let mut staircase = Vec::new();
    for (index, trial) in trials.iter().enumerate() {
        let place = x.at(index as f64 + 1.0);
        if index > 0 && trial.score > trials[best].score {
            staircase.push([place, y.at(trials[best].score)]);
            best = index;
        }
        staircase.push([place, y.at(trials[best].score)]);
    }
    drawing.path("dashed", staircase, false);
    for (index, trial) in trials.iter().enumerate() {
        let class = if index == best { "outline fill5" } else { "outline fill1" };
        drawing.circle(class, [x.at(index as f64 + 1.0), y.at(trial.score)], if index == best { 5.5 } else { 4.0 });
    }
    let best_place = x.at(best as f64 + 1.0);
    let anchor = if best_place > WIDTH / 2.0 { Anchor::End } else { Anchor::Start };
    let Trial { name, score } = trials[best];
    let text = format!("best: trial {}, {score:.3}", best + 1);
    drawing.text("number", anchor, [best_place, y.end - 8.0], &text);
    let description = format!(
        "{} trials with {score_label} from {least:.3} to {most:.3}. Trial {} was best: {name}, {score:.3}.",
        trials.len(),
        best + 1
    );
    Ok(Figure::new(title, description, [WIDTH, y.start + AXIS_HEIGHT], drawing))
}
