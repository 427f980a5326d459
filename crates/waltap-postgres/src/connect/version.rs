//! Which PostgreSQL this is.

use std::fmt;

/// A server's version, as `server_version_num` counts it: 150020 is 15.20.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerVersion(u32);

impl ServerVersion {
    /// From `server_version_num`.
    pub fn from_number(number: u32) -> Self {
        ServerVersion(number)
    }

    /// From the `server_version` that a server reports at start-up: `15.20 (Debian 15.20-1)`, `17beta2`.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| -> Option<u32> {
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            text[..digits].parse().ok()
        };
        let major = number(text)?;
        let minor = text.split_once('.').and_then(|(_, rest)| number(rest)).unwrap_or(0);
        Some(ServerVersion(major.checked_mul(10_000)?.checked_add(minor)?))
    }

    /// As `server_version_num` has it.
    pub fn number(self) -> u32 {
        self.0
    }

    /// The major version: 15.
    pub fn major(self) -> u32 {
        self.0 / 10_000
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major(), self.0 % 10_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_as_servers_report_them() {
        for (text, number) in
            [("15.20 (Debian 15.20-1.pgdg120+1)", 150_020), ("17beta2", 170_000), ("13.0", 130_000), ("9.6.24", 90_006)]
        {
            assert_eq!(ServerVersion::parse(text).map(ServerVersion::number), Some(number), "{text}");
        }
        assert_eq!(ServerVersion::parse("EDB"), None);
        assert_eq!(ServerVersion::from_number(150_020).to_string(), "15.20");
    }
}
