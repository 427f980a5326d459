//! Which of several servers is the right one.

use waltap_error::Result;

use super::parameters::Parameters;

/// libpq's `target_session_attrs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionTarget {
    /// Whichever answers.
    Any,
    /// One whose sessions may write.
    ReadWrite,
    /// One whose sessions may not.
    ReadOnly,
    /// A primary.
    Primary,
    /// A standby.
    Standby,
    /// A standby, or whichever answers when none does.
    PreferStandby,
}

/// What a server turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    /// It is a standby.
    pub(crate) standby: bool,
    /// Its transactions are read-only unless they ask otherwise.
    pub(crate) read_only: bool,
}

impl SessionTarget {
    pub(super) fn read(parameters: &Parameters<'_>) -> Result<SessionTarget> {
        let words = [
            ("any", SessionTarget::Any),
            ("read-write", SessionTarget::ReadWrite),
            ("read-only", SessionTarget::ReadOnly),
            ("primary", SessionTarget::Primary),
            ("standby", SessionTarget::Standby),
            ("prefer-standby", SessionTarget::PreferStandby),
        ];
        parameters.choice("target_session_attrs", &words, SessionTarget::Any)
    }

    /// What to ask for, round by round: a preference is a demand that is given up in the second round.
    pub(crate) fn rounds(self) -> &'static [SessionTarget] {
        match self {
            SessionTarget::PreferStandby => &[SessionTarget::Standby, SessionTarget::Any],
            SessionTarget::Any => &[SessionTarget::Any],
            SessionTarget::ReadWrite => &[SessionTarget::ReadWrite],
            SessionTarget::ReadOnly => &[SessionTarget::ReadOnly],
            SessionTarget::Primary => &[SessionTarget::Primary],
            SessionTarget::Standby => &[SessionTarget::Standby],
        }
    }

    /// Whether a server is what is wanted.
    pub(crate) fn accepts(self, role: Role) -> bool {
        match self {
            SessionTarget::Any | SessionTarget::PreferStandby => true,
            SessionTarget::ReadWrite => !role.standby && !role.read_only,
            SessionTarget::ReadOnly => role.standby || role.read_only,
            SessionTarget::Primary => !role.standby,
            SessionTarget::Standby => role.standby,
        }
    }

    /// As it is written in a source.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            SessionTarget::Any => "any",
            SessionTarget::ReadWrite => "read-write",
            SessionTarget::ReadOnly => "read-only",
            SessionTarget::Primary => "primary",
            SessionTarget::Standby => "standby",
            SessionTarget::PreferStandby => "prefer-standby",
        }
    }
}
