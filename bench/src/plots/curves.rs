//! A figure against another: how cost grows.

use std::collections::BTreeMap;

use crate::scale::{Scale, tick_name};
use crate::svg::{Anchor, Svg, TEXT_HEIGHT};

/// Curves of one pair of axes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Curves {
    pub(crate) title: String,
    pub(crate) x_name: String,
    pub(crate) y_name: String,
    /// By their names, from left to right.
    pub(crate) series: BTreeMap<String, Vec<(f64, f64)>>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 200.0;

const COLOURS: [&str; 8] = ["#2b6cb0", "#dd6b20", "#2f855a", "#c53030", "#6b46c1", "#718096", "#b7791f", "#0987a0"];

/// The picture of them.
pub(crate) fn draw(curves: &Curves) -> String {
    let top = 3.0 * TEXT_HEIGHT;
    let mut svg = Svg::new(LEFT + WIDTH + RIGHT, top + HEIGHT + 4.0 * TEXT_HEIGHT);
    let values = |of: fn(&(f64, f64)) -> f64| curves.series.values().flatten().map(of).collect::<Vec<f64>>();
    let (across, up) = (Scale::fitting(values(|(x, _)| *x)), Scale::fitting(values(|(_, y)| *y)));
    let x = |number: f64| LEFT + across.place(number) * WIDTH;
    let y = |number: f64| top + HEIGHT - up.place(number) * HEIGHT;
    svg.title(LEFT, 1.2 * TEXT_HEIGHT, &curves.title);
    svg.text(LEFT, 2.6 * TEXT_HEIGHT, Anchor::Start, &curves.y_name);
    for tick in across.ticks() {
        svg.grid_line((x(tick), top), (x(tick), top + HEIGHT));
        svg.text(x(tick), top + HEIGHT + 1.3 * TEXT_HEIGHT, Anchor::Middle, &tick_name(tick));
    }
    for tick in up.ticks() {
        svg.grid_line((LEFT, y(tick)), (LEFT + WIDTH, y(tick)));
        svg.text(LEFT - 6.0, y(tick) + 4.0, Anchor::End, &tick_name(tick));
    }
    svg.text(LEFT + WIDTH / 2.0, top + HEIGHT + 3.0 * TEXT_HEIGHT, Anchor::Middle, &curves.x_name);
    for (place, ((name, points), colour)) in curves.series.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let places: Vec<(f64, f64)> = points.iter().map(|(across, up)| (x(*across), y(*up))).collect();
        svg.curve(&places, colour);
        let line = top + (place as f64 + 1.0) * 1.5 * TEXT_HEIGHT;
        svg.bar(LEFT + WIDTH + 14.0, line - TEXT_HEIGHT * 0.8, TEXT_HEIGHT, TEXT_HEIGHT, colour);
        svg.text(LEFT + WIDTH + 32.0, line, Anchor::Start, name);
    }
    svg.finish()
}
