//! The operations that this gate carries through to the findings backend.

use std::fmt;

/// An operation that can be opened. The other operations of the API are known by name only, to refuse them
/// (`proxy::doors`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `PATCH /findings/batchupdate`: one update for up to 100 findings.
    BatchUpdateFindings,
    /// `POST /findings/import`: up to 100 findings, created or updated as their provider sees them.
    BatchImportFindings,
    /// `POST /findings`: a read, though it is a POST.
    GetFindings,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::BatchUpdateFindings, Self::BatchImportFindings, Self::GetFindings];

    /// The name in the API model.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BatchUpdateFindings => "BatchUpdateFindings",
            Self::BatchImportFindings => "BatchImportFindings",
            Self::GetFindings => "GetFindings",
        }
    }

    /// The operation of that name, or nothing.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }

    /// The HTTP method.
    pub const fn method(self) -> &'static str {
        match self {
            Self::BatchUpdateFindings => "PATCH",
            Self::BatchImportFindings | Self::GetFindings => "POST",
        }
    }

    /// The path, without label or query.
    pub const fn path(self) -> &'static str {
        match self {
            Self::BatchUpdateFindings => "/findings/batchupdate",
            Self::BatchImportFindings => "/findings/import",
            Self::GetFindings => "/findings",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
