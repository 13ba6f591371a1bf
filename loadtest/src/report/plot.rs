//! Plots as SVG without any text in it: the drawing stretches to the width of the page, and its labels are HTML around it, so that
//! they are as large on a narrow screen as on a wide one.

use super::markup::{Markup, tick as text_of};

/// Width and height of the drawing's own coordinates.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 250.0;

/// How values are spread over an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// From zero.
    Linear,
    /// By powers of ten.
    Logarithmic,
}

/// What is drawn for a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A line; a value that is missing interrupts it.
    Line,
    /// A dashed line.
    Dashed,
    /// An area on top of the areas before it.
    Area,
}

/// One series: places and values.
pub(super) struct Series {
    pub name: String,
    /// Number of the colour in the style sheet: `c0` and so on.
    pub colour: usize,
    pub shape: Shape,
    pub points: Vec<(f64, Option<f64>)>,
}

/// A stretch of the x axis that is marked.
pub(super) struct Band {
    pub name: String,
    pub from: f64,
    pub to: f64,
}

/// A plot.
pub(super) struct Plot {
    pub title: String,
    /// What the y axis counts.
    pub unit: String,
    pub scale: Scale,
    pub x_end: f64,
    /// Places on the x axis with their labels.
    pub x_ticks: Vec<(f64, String)>,
    pub x_name: String,
    pub series: Vec<Series>,
    pub bands: Vec<Band>,
}

impl Plot {
    /// Draws it; nothing if there is no value at all.
    pub fn write(mut self, markup: &mut Markup) {
        self.stack();
        let Some(axis) = Axis::of(&self) else { return };
        markup.element("figure", &[("class", "plot")], |markup| {
            markup.element("figcaption", &[], |markup| self.write_caption(markup));
            markup.element("div", &[("class", "frame")], |markup| {
                markup.element("div", &[("class", "y")], |markup| {
                    for tick in &axis.ticks {
                        let place = format!("bottom:{:.2}%", axis.place(*tick) * 100.0);
                        markup.text_element("span", &[("style", &place)], &text_of(*tick));
                    }
                });
                self.write_drawing(markup, &axis);
            });
            markup.element("div", &[("class", "x")], |markup| {
                for (at, label) in &self.x_ticks {
                    let share = at / self.x_end;
                    let place = format!("left:{:.2}%", share * 100.0);
                    // In the middle of its place it would leave a narrow page.
                    let class = if share > 0.97 { "last" } else { "tick" };
                    let attributes = [("class", class), ("style", &*place)];
                    markup.text_element("span", &attributes, label);
                }
            });
            markup.text_element("p", &[("class", "x-name")], &self.x_name);
        });
    }

    fn write_caption(&self, markup: &mut Markup) {
        markup.text_element("strong", &[], &self.title);
        markup.text(&format!(" ({})", self.unit));
        for series in &self.series {
            let class = match series.shape {
                Shape::Dashed => format!("key dashed c{}", series.colour),
                _ => format!("key c{}", series.colour),
            };
            markup.text(" ");
            markup.text_element("span", &[("class", &class)], &series.name);
        }
    }

    /// Puts each area on top of those before it.
    fn stack(&mut self) {
        let mut below: Vec<f64> = Vec::new();
        for series in &mut self.series {
            if series.shape != Shape::Area {
                continue;
            }
            below.resize(series.points.len().max(below.len()), 0.0);
            for ((_, value), below) in series.points.iter_mut().zip(&mut below) {
                *below += value.unwrap_or(0.0);
                *value = Some(*below);
            }
        }
    }

    fn write_drawing(&self, markup: &mut Markup, axis: &Axis) {
        let view = format!("0 0 {WIDTH} {HEIGHT}");
        let attributes = [
            ("viewBox", &*view),
            ("preserveAspectRatio", "none"),
            ("role", "img"),
            ("aria-label", &*self.title),
        ];
        markup.element("svg", &attributes, |markup| {
            for tick in &axis.ticks {
                let y = HEIGHT - axis.place(*tick) * HEIGHT;
                let path = format!("M0 {y:.1}H{WIDTH}");
                markup.empty("path", &[("class", "grid"), ("d", &path)]);
            }
            // The areas on top are drawn first, so that each shows what it adds.
            for series in self.series.iter().rev() {
                self.write_series(markup, axis, series);
            }
            // On top, so that no area hides them.
            for band in &self.bands {
                let x = |at: f64| (at / self.x_end * WIDTH).clamp(0.0, WIDTH);
                let (from, to) = (x(band.from), x(band.to));
                // An event of a moment is seen, too.
                let width = format!("{:.1}", (to - from).max(3.0));
                let from = format!("{from:.1}");
                let height = HEIGHT.to_string();
                let attributes = [
                    ("class", "band"),
                    ("x", &*from),
                    ("y", "0"),
                    ("width", &*width),
                    ("height", &*height),
                ];
                markup.element("rect", &attributes, |markup| {
                    markup.text_element("title", &[], &band.name);
                });
            }
        });
    }

    fn write_series(&self, markup: &mut Markup, axis: &Axis, series: &Series) {
        let mut path = String::new();
        let mut is_begun = false;
        let (mut first, mut last) = (None, 0.0);
        for (at, value) in &series.points {
            let Some(value) = value else {
                is_begun = false;
                continue;
            };
            let x = at / self.x_end * WIDTH;
            let y = HEIGHT - axis.place(*value) * HEIGHT;
            path.push_str(&format!(
                "{}{x:.1} {y:.1}",
                if is_begun { "L" } else { "M" }
            ));
            is_begun = true;
            first.get_or_insert(x);
            last = x;
        }
        let Some(first) = first else { return };
        let class = match series.shape {
            Shape::Line => format!("line c{}", series.colour),
            Shape::Dashed => format!("line dashed c{}", series.colour),
            Shape::Area => {
                path.push_str(&format!("L{last:.1} {HEIGHT}L{first:.1} {HEIGHT}Z"));
                format!("area c{}", series.colour)
            }
        };
        markup.empty("path", &[("class", &class), ("d", &path)]);
    }
}

/// The y axis.
struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    ticks: Vec<f64>,
}

impl Axis {
    fn of(plot: &Plot) -> Option<Self> {
        let values = || {
            let points = plot.series.iter().flat_map(|series| &series.points);
            points.filter_map(|(_, value)| *value)
        };
        let highest = values().reduce(f64::max)?;
        match plot.scale {
            Scale::Linear => {
                let step = step_of(highest);
                let high = (highest / step).ceil().max(1.0) * step;
                let steps = (high / step).round() as usize;
                let ticks = (0..=steps).map(|tick| tick as f64 * step).collect();
                Some(Self {
                    scale: plot.scale,
                    low: 0.0,
                    high,
                    ticks,
                })
            }
            Scale::Logarithmic => {
                let lowest = values().filter(|value| *value > 0.0).reduce(f64::min)?;
                let decades = |value: f64| value.log10();
                let (low, high) = (decades(lowest).floor(), decades(highest).ceil());
                let high = high.max(low + 1.0);
                let mut ticks = Vec::new();
                for decade in low as i32..=high as i32 {
                    let parts: &[f64] = if high - low <= 2.0 {
                        &[1.0, 2.0, 5.0]
                    } else {
                        &[1.0]
                    };
                    ticks.extend(parts.iter().map(|part| part * 10_f64.powi(decade)));
                }
                ticks.retain(|tick| *tick <= 10_f64.powf(high) * 1.001);
                Some(Self {
                    scale: plot.scale,
                    low,
                    high,
                    ticks,
                })
            }
        }
    }

    /// Where a value stands, from 0 at the bottom to 1 at the top.
    fn place(&self, value: f64) -> f64 {
        let value = match self.scale {
            Scale::Linear => value,
            Scale::Logarithmic if value > 0.0 => value.log10(),
            Scale::Logarithmic => self.low,
        };
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// The distance of ticks that makes four to eight of them up to `end`: 1, 2 or 5 times a power of ten.
pub(super) fn step_of(end: f64) -> f64 {
    if end <= 0.0 {
        return 1.0;
    }
    let rough = end / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps
        .into_iter()
        .find(|step| rough <= *step * 1.000_001)
        .unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    //! A failure: a value drawn at another height than its own, an axis without ticks, or one that does not reach its values.

    use super::*;

    fn plot(scale: Scale, values: &[f64]) -> Plot {
        let points = values.iter().enumerate();
        Plot {
            title: "a title".into(),
            unit: "ms".into(),
            scale,
            x_end: 10.0,
            x_ticks: vec![(0.0, "0".into())],
            x_name: "seconds".into(),
            series: vec![Series {
                name: "values".into(),
                colour: 0,
                shape: Shape::Line,
                points: points
                    .map(|(at, value)| (at as f64, Some(*value)))
                    .collect(),
            }],
            bands: Vec::new(),
        }
    }

    #[test]
    fn axes_reach_from_their_bottom_to_above_the_highest_value() {
        for highest in [0.03, 0.9, 1.0, 7.0, 99.0, 101.0, 5_000.0, 5_001.0] {
            let axis = Axis::of(&plot(Scale::Linear, &[0.0, highest]));
            let axis = axis.map(|axis| (axis.high, axis.ticks.len(), axis.place(highest)));
            let Some((high, ticks, place)) = axis else {
                panic!("no axis");
            };
            assert!(high >= highest && place > 0.6, "{highest}: {high}");
            assert!((4..=11).contains(&ticks), "{highest}: {ticks} ticks");
        }
        let Some(axis) = Axis::of(&plot(Scale::Logarithmic, &[0.2, 30.0])) else {
            panic!("no axis");
        };
        assert_eq!(axis.ticks, [0.1, 1.0, 10.0, 100.0]);
        assert!((axis.place(1.0) - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(axis.place(0.0), 0.0);
    }

    #[test]
    fn areas_of_a_plot_are_stacked_on_each_other() {
        let mut plot = plot(Scale::Linear, &[1.0, 2.0]);
        plot.series.push(plot_series(&[3.0, 4.0]));
        for series in &mut plot.series {
            series.shape = Shape::Area;
        }
        plot.stack();
        let values = |series: &Series| series.points.iter().map(|(_, value)| *value).collect();
        let stacked: Vec<Vec<_>> = plot.series.iter().map(values).collect();
        assert_eq!(stacked, [[Some(1.0), Some(2.0)], [Some(4.0), Some(6.0)]]);
    }

    fn plot_series(values: &[f64]) -> Series {
        plot(Scale::Linear, values).series.remove(0)
    }

    #[test]
    fn a_gap_interrupts_a_line_and_a_plot_without_values_is_none() {
        let mut with_gap = plot(Scale::Linear, &[1.0, 2.0, 3.0]);
        with_gap.series[0].points[1].1 = None;
        let mut markup = Markup::default();
        with_gap.write(&mut markup);
        let text = markup.into_string();
        let line = text.split("class=\"line c0\" d=\"").nth(1);
        assert_eq!(line.map(|line| line[..20].matches('M').count()), Some(2));
        let mut markup = Markup::default();
        plot(Scale::Linear, &[]).write(&mut markup);
        assert_eq!(markup.into_string(), "");
    }
}
