//! Panels of horizontal bars, one below the other: a panel for each workload, a bar for each contender.

use crate::scale::{Scale, tick_name};
use crate::svg::{Anchor, Svg, TEXT_HEIGHT, short};

/// What the parts of a bar are called, and their colours.
pub(crate) type Legend<'a> = &'a [(&'a str, &'a str)];

/// One bar.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) name: String,
    /// In the order of the legend.
    pub(crate) parts: Vec<f64>,
    /// From where to where the rounds went.
    pub(crate) range: Option<(f64, f64)>,
}

/// Bars of one axis.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) bars: Vec<Bar>,
    /// By orders of magnitude; for bars of one part.
    pub(crate) is_logarithmic: bool,
}

const NAMES_WIDTH: f64 = 250.0;
const BARS_WIDTH: f64 = 480.0;
const NUMBERS_WIDTH: f64 = 160.0;
const BAR_HEIGHT: f64 = 14.0;
const BAR_STEP: f64 = 19.0;
const MARGIN: f64 = 14.0;

impl Bar {
    fn end(&self) -> f64 {
        self.parts.iter().sum()
    }

    /// What it says in numbers: beside long bars the parts of short ones cannot be seen.
    fn numbers(&self) -> String {
        let parts: Vec<String> = self.parts.iter().map(|part| short(*part)).collect();
        if parts.len() == 1 { parts.concat() } else { format!("{} ({})", short(self.end()), parts.join(" + ")) }
    }
}

impl Panel {
    fn height(&self) -> f64 {
        // A title above, numbers of the axis below.
        self.bars.len() as f64 * BAR_STEP + 5.0 * TEXT_HEIGHT
    }

    fn draw(&self, svg: &mut Svg, top: f64, legend: Legend<'_>) {
        let values = self.bars.iter().flat_map(|bar| [bar.end(), bar.range.map_or(0.0, |(_, high)| high)]);
        let scale = if self.is_logarithmic { Scale::logarithmic(values) } else { Scale::from_zero(values) };
        let x = |number: f64| MARGIN + NAMES_WIDTH + scale.place(number) * BARS_WIDTH;
        let first = top + 2.0 * TEXT_HEIGHT;
        let bottom = first + self.bars.len() as f64 * BAR_STEP;
        svg.title(MARGIN, top + TEXT_HEIGHT, &self.title);
        for tick in scale.ticks() {
            svg.grid_line((x(tick), first), (x(tick), bottom));
            svg.text(x(tick), bottom + TEXT_HEIGHT * 1.2, Anchor::Middle, &tick_name(tick));
        }
        for (place, bar) in self.bars.iter().enumerate() {
            let y = first + place as f64 * BAR_STEP + (BAR_STEP - BAR_HEIGHT) / 2.0;
            let (middle, foot) = (y + BAR_HEIGHT / 2.0, y + BAR_HEIGHT - 2.0);
            svg.text(MARGIN + NAMES_WIDTH - 6.0, foot, Anchor::End, &bar.name);
            let mut from = 0.0;
            for (part, (_, colour)) in bar.parts.iter().zip(legend) {
                svg.bar(x(from), y, x(from + part) - x(from), BAR_HEIGHT, colour);
                from += part;
            }
            if let Some((low, high)) = bar.range {
                svg.line((x(low), middle), (x(high), middle));
                for end in [low, high] {
                    svg.line((x(end), middle - 4.0), (x(end), middle + 4.0));
                }
            }
            let behind = x(bar.end().max(bar.range.map_or(0.0, |(_, high)| high)));
            svg.text(behind + 6.0, foot, Anchor::Start, &bar.numbers());
        }
    }
}

/// The picture of them, under a title and what the colours mean.
pub(crate) fn draw(title: &str, legend: Legend<'_>, panels: &[Panel]) -> String {
    let head = 4.0 * TEXT_HEIGHT;
    let height = head + panels.iter().map(Panel::height).sum::<f64>();
    let mut svg = Svg::new(NAMES_WIDTH + BARS_WIDTH + NUMBERS_WIDTH + 2.0 * MARGIN, height);
    svg.title(MARGIN, 1.5 * TEXT_HEIGHT, title);
    if legend.len() > 1 {
        for (place, (name, colour)) in legend.iter().enumerate() {
            let x = MARGIN + NAMES_WIDTH + 110.0 * place as f64;
            svg.bar(x, 2.1 * TEXT_HEIGHT, TEXT_HEIGHT, TEXT_HEIGHT, colour);
            svg.text(x + 1.5 * TEXT_HEIGHT, 3.0 * TEXT_HEIGHT, Anchor::Start, name);
        }
    }
    let mut top = head;
    for panel in panels {
        panel.draw(&mut svg, top, legend);
        top += panel.height();
    }
    svg.finish()
}
