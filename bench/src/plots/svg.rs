//! As much of SVG as plots need. Places are in pixels, from the upper left corner.

use std::fmt::Write as _;

/// A picture that is being drawn.
pub(crate) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

/// Where a text stands beside its place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// The letters of all texts, in pixels.
pub(crate) const TEXT_HEIGHT: f64 = 12.0;

const INK: &str = "#1a202c";
const FAINT: &str = "#cbd5e0";

impl Svg {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        Svg { width, height, body: String::new() }
    }

    pub(crate) fn text(&mut self, x: f64, y: f64, anchor: Anchor, text: &str) {
        self.element(x, y, anchor, "normal", text);
    }

    pub(crate) fn title(&mut self, x: f64, y: f64, text: &str) {
        self.element(x, y, Anchor::Start, "bold", text);
    }

    fn element(&mut self, x: f64, y: f64, anchor: Anchor, weight: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        self.write(format_args!(
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" font-weight="{weight}" fill="{INK}">{text}</text>"#
        ));
    }

    pub(crate) fn bar(&mut self, x: f64, y: f64, width: f64, height: f64, colour: &str) {
        let width = width.max(0.0);
        self.write(format_args!(r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{colour}"/>"#));
    }

    /// From one place to another.
    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.stroke(from, to, INK);
    }

    /// A line that things are read off at.
    pub(crate) fn grid_line(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.stroke(from, to, FAINT);
    }

    fn stroke(&mut self, from: (f64, f64), to: (f64, f64), colour: &str) {
        self.write(format_args!(
            r#"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="{colour}"/>"#,
            from.0, from.1, to.0, to.1
        ));
    }

    /// A line through places, each of them marked.
    pub(crate) fn curve(&mut self, places: &[(f64, f64)], colour: &str) {
        let points: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.write(format_args!(r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#, points.join(" ")));
        for (x, y) in places {
            self.write(format_args!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="3" fill="{colour}"/>"#));
        }
    }

    fn write(&mut self, element: std::fmt::Arguments<'_>) {
        // A String takes all.
        let _ = writeln!(self.body, "{element}");
    }

    /// The whole of it.
    pub(crate) fn finish(self) -> String {
        let Svg { width, height, body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" \
             font-family=\"sans-serif\" font-size=\"{TEXT_HEIGHT:.0}\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{body}</svg>\n"
        )
    }
}

/// A number as a person reads it: three digits that count.
pub(crate) fn short(number: f64) -> String {
    let size = number.abs();
    match size {
        _ if size >= 10_000.0 => format!("{}k", short(number / 1_000.0)),
        _ if size >= 100.0 || size == 0.0 => format!("{number:.0}"),
        _ if size >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}
