//! From a number to its place on an axis.

/// What an axis shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    is_logarithmic: bool,
}

/// Numbers that are so many times apart are shown by their orders of magnitude.
const WIDE: f64 = 50.0;

impl Scale {
    /// From nothing to the largest.
    pub(crate) fn from_zero(values: impl IntoIterator<Item = f64>) -> Self {
        let high = values.into_iter().fold(0.0, f64::max);
        Scale { low: 0.0, high: if high > 0.0 { high } else { 1.0 }, is_logarithmic: false }
    }

    /// In whole powers of ten that hold all of them.
    pub(crate) fn logarithmic(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = bounds(values);
        let (low, high) = (10_f64.powf(low.log10().floor()), 10_f64.powf(high.log10().ceil()));
        Scale { low, high: if high > low { high } else { low * 10.0 }, is_logarithmic: true }
    }

    /// Whichever suits them.
    pub(crate) fn fitting(values: impl IntoIterator<Item = f64> + Clone) -> Self {
        let (low, high) = bounds(values.clone());
        if high / low > WIDE { Self::logarithmic(values) } else { Self::from_zero(values) }
    }

    /// The share of the axis that lies below the number.
    pub(crate) fn place(&self, number: f64) -> f64 {
        let share = match self.is_logarithmic {
            true => (number.max(self.low) / self.low).log10() / (self.high / self.low).log10(),
            false => (number - self.low) / (self.high - self.low),
        };
        share.clamp(0.0, 1.0)
    }

    /// The numbers that stand at the axis.
    pub(crate) fn ticks(&self) -> Vec<f64> {
        if self.is_logarithmic {
            let decades = (self.high / self.low).log10().round() as i32;
            return (0..=decades).map(|decade| self.low * 10_f64.powi(decade)).collect();
        }
        let step = step(self.high);
        (0..).map(|tick| f64::from(tick) * step).take_while(|tick| *tick <= self.high * 1.000_001).collect()
    }
}

/// What stands at a tick: they are round.
pub(crate) fn tick_name(tick: f64) -> String {
    // What a sum of steps is off by is cut away.
    let rounded = (tick * 1e6).round() / 1e6;
    if rounded >= 10_000.0 { format!("{}k", rounded / 1_000.0) } else { rounded.to_string() }
}

/// The least and the largest of those above nothing.
fn bounds(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .into_iter()
        .filter(|value| *value > 0.0)
        .fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    if high > 0.0 { (low, high) } else { (1.0, 10.0) }
}

/// 1, 2 or 5 of some order of magnitude, so that there are a few ticks up to this.
fn step(high: f64) -> f64 {
    let order = 10_f64.powf(high.log10().floor());
    match high / order {
        part if part < 2.0 => order / 5.0,
        part if part < 5.0 => order / 2.0,
        _ => order,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_stay_on_the_axis() {
        assert_eq!(Scale::from_zero([0.3, 7.5]).ticks(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        assert_eq!(Scale::logarithmic([3.0, 450.0]).ticks(), [1.0, 10.0, 100.0, 1_000.0]);
    }

    #[test]
    fn ticks_are_named_without_what_computers_add() {
        assert_eq!([0.1 + 0.2, 10.0, 25_000.0].map(tick_name), ["0.3", "10", "25k"]);
    }

    #[test]
    fn places_go_from_the_beginning_to_the_end() {
        let scale = Scale::logarithmic([10.0, 1_000.0]);
        assert_eq!([10.0, 100.0, 1_000.0].map(|number| scale.place(number)), [0.0, 0.5, 1.0]);
        assert_eq!(Scale::from_zero([4.0]).place(1.0), 0.25);
    }

    #[test]
    fn nothing_at_all_has_an_axis_too() {
        assert!(!Scale::fitting([]).ticks().is_empty());
        assert!(!Scale::fitting([0.0]).ticks().is_empty());
    }
}
