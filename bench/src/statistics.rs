//! What is said of several turns.

use std::fmt;

/// The middle one; of an even number the upper of the two. NaN of none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    quantile(&sorted(values), 0.5)
}

/// In rising order.
pub fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The value that so large a share of the sorted ones lies below: 0.5 is the median, 1 the largest. NaN of none.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = (sorted.len() as f64 * share) as usize;
    sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// What several rounds gave: their median, and between what it lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The least.
    pub low: f64,
    /// The largest.
    pub high: f64,
}

impl Spread {
    /// Of these; `None` of none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let sorted = sorted(values);
        Some(Spread { median: quantile(&sorted, 0.5), low: *sorted.first()?, high: *sorted.last()? })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} ({:.2} to {:.2})", self.median, self.low, self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one_in_any_order() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 3.0);
        assert!(median([]).is_nan());
    }

    #[test]
    fn quantiles_stay_within_the_values() {
        let sorted = sorted((0..100).map(f64::from));
        assert_eq!((quantile(&sorted, 0.0), quantile(&sorted, 0.99), quantile(&sorted, 1.0)), (0.0, 99.0, 99.0));
    }

    #[test]
    fn a_spread_tells_its_ends() {
        assert_eq!(Spread::of([1.5, 1.0, 2.0]).map(|spread| spread.to_string()), Some("1.50 (1.00 to 2.00)".to_owned()));
        assert_eq!(Spread::of([]), None);
    }
}
