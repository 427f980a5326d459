//! Dates and times under `DateStyle = ISO`.

/// A date and what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    /// Astronomical: 1 BC is 0.
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
}

/// A time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Time<'a> {
    pub(crate) seconds: i64,
    pub(crate) fraction: &'a str,
    /// All of it.
    pub(crate) text: &'a str,
}

impl Date {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (text, before_christ) = text.strip_suffix(" BC").map_or((text, false), |text| (text, true));
        let mut parts = text.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        // PostgreSQL fills years up to four digits and writes no more of them than they have.
        let year_as_printed = match year.len() {
            4 => true,
            5..=7 => !year.starts_with('0'),
            _ => false,
        };
        if parts.next().is_some() || !year_as_printed || month.len() != 2 || day.len() != 2 {
            return None;
        }
        let (year, month, day) = (number(year)?, number(month)?, number(day)?);
        let in_range = year > 0 && (1..=12).contains(&month) && (1..=31).contains(&day);
        in_range.then_some(Date { year: if before_christ { 1 - year } else { year }, month, day })
    }

    /// ISO 8601.
    pub(crate) fn iso(self) -> String {
        let Date { year, month, day } = self;
        let sign = match year {
            10_000.. => "+",
            0..10_000 => "",
            _ => "-",
        };
        format!("{sign}{:04}-{month:02}-{day:02}", year.abs())
    }

    /// Days since 1970-01-01, counted as PostgreSQL does (`date2j`).
    pub(crate) fn days(self) -> i64 {
        let (year, month) = if self.month > 2 { (self.year + 4800, self.month + 1) } else { (self.year + 4799, self.month + 13) };
        let century = year.div_euclid(100);
        let julian = year * 365 - 32_167 + year.div_euclid(4) - century + century.div_euclid(4) + 7_834 * month / 256 + self.day;
        julian - 2_440_588
    }

    /// The date that is so many days after 1970-01-01, by counting.
    pub(crate) fn of_days(days: i64) -> Self {
        let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let (mut year, mut rest) = (1970 + 400 * days.div_euclid(146_097), days.rem_euclid(146_097));
        while rest >= 365 + i64::from(leap(year)) {
            rest -= 365 + i64::from(leap(year));
            year += 1;
        }
        let mut month = 1;
        for length in [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
            if rest < length {
                break;
            }
            rest -= length;
            month += 1;
        }
        Date { year, month, day: rest + 1 }
    }
}

impl<'a> Time<'a> {
    /// Reads the time at the start, and gives what follows.
    pub(crate) fn parse(text: &'a str) -> Option<(Self, &'a str)> {
        let (clock, mut rest) = text.split_at_checked(8)?;
        let [hour, minute, second] = clock.split(':').collect::<Vec<_>>()[..] else { return None };
        if [hour, minute, second].iter().any(|part| part.len() != 2) {
            return None;
        }
        let (hour, minute, second) = (number(hour)?, number(minute)?, number(second)?);
        if hour > 24 || minute > 59 || second > 60 {
            return None;
        }
        let mut fraction = "";
        if let Some(after) = rest.strip_prefix('.') {
            let count = after.find(|character: char| !character.is_ascii_digit()).unwrap_or(after.len());
            if count == 0 {
                return None;
            }
            (fraction, rest) = after.split_at(count);
        }
        let text = &text[..text.len() - rest.len()];
        Some((Time { seconds: hour * 3600 + minute * 60 + second, fraction, text }, rest))
    }

    /// Since midnight; none where there are more digits than that.
    pub(crate) fn micros(self) -> Option<i128> {
        (self.fraction.len() <= 6)
            .then(|| i128::from(self.seconds) * 1_000_000 + number(&format!("{:0<6}", self.fraction)).map_or(0, i128::from))
    }
}

/// A timestamp, and what follows its time but for the era.
pub(crate) fn timestamp(text: &str) -> Option<(Date, Time<'_>, &str)> {
    let (text, era) = text.strip_suffix(" BC").map_or((text, ""), |text| (text, " BC"));
    let (date, time) = text.split_once(' ')?;
    let (time, rest) = Time::parse(time)?;
    Some((Date::parse(&format!("{date}{era}"))?, time, rest))
}

/// Seconds east of Greenwich.
pub(crate) fn offset(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('+').map(|digits| (1, digits)).or_else(|| Some((-1, text.strip_prefix('-')?)))?;
    let parts: Vec<&str> = digits.split(':').collect();
    if parts.len() > 3 || parts.iter().any(|part| part.len() != 2) {
        return None;
    }
    let seconds = parts.iter().zip([3600, 60, 1]).try_fold(0, |seconds, (part, unit)| Some(seconds + number(part)? * unit))?;
    Some(sign * seconds)
}

/// ISO 8601 of a time of day.
pub(crate) fn clock(second: i64) -> String {
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

fn number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_count_both_ways() {
        for (text, days) in
            [("1970-01-01", 0), ("4713-01-01 BC", -2_440_550), ("294276-12-31", 106_762_939), ("2000-02-29", 11_016)]
        {
            let date = Date::parse(text).unwrap();
            assert_eq!(date.days(), days, "{text}");
            assert_eq!(Date::of_days(days), date);
        }
    }
}
