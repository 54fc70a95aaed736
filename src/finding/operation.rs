//! The operations that this gate and its backend know how to carry out.

use std::fmt;

/// Declares the operations: name, method, path, and whether the gate lets them through.
macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident $method:literal $path:literal $door:ident,)+) => {
        /// An operation with a meaning of its own here. The other operations of the API are known by name only, to refuse
        /// them (`proxy::doors`).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Operation { $($(#[$doc])* $name,)+ }

        impl Operation {
            /// All of them: what the embedded backend answers.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The name in the API model.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// The HTTP method.
            pub const fn method(self) -> &'static str {
                match self { $(Self::$name => $method,)+ }
            }

            /// The path, without label or query.
            pub const fn path(self) -> &'static str {
                match self { $(Self::$name => $path,)+ }
            }

            const fn door(self) -> Door {
                match self { $(Self::$name => Door::$door,)+ }
            }
        }
    };
}

/// What a gate's configuration can do about an operation.
#[derive(PartialEq, Eq)]
enum Door {
    /// Always open.
    Open,
    /// Open if the configuration says so.
    Openable,
    /// Never open at a gate.
    Closed,
}

operations! {
    /// Up to 100 findings, created or updated as their provider sees them.
    BatchImportFindings "POST" "/findings/import" Openable,
    /// One update for up to 100 findings.
    BatchUpdateFindings "PATCH" "/findings/batchupdate" Open,
    /// One update for up to 100 findings, in terms of OCSF.
    BatchUpdateFindingsV2 "PATCH" "/findingsv2/batchupdatev2" Openable,
    /// Reads findings, though it is a POST.
    GetFindings "POST" "/findings" Openable,
    /// Reads findings in terms of OCSF.
    GetFindingsV2 "POST" "/findingsv2" Openable,
    /// Stores a rule that updates findings as they come in.
    CreateAutomationRule "POST" "/automationrules/create" Openable,
    /// Changes such rules.
    BatchUpdateAutomationRules "PATCH" "/automationrules/update" Openable,
    /// Removes such rules.
    BatchDeleteAutomationRules "POST" "/automationrules/delete" Closed,
    /// Reads such rules by their ARNs.
    BatchGetAutomationRules "POST" "/automationrules/get" Openable,
    /// Lists such rules; the one operation here that takes a query string.
    ListAutomationRules "GET" "/automationrules/list" Openable,
}

impl Operation {
    /// The operation of that name, or nothing.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|operation| operation.name() == name)
    }

    /// Whether its input is in the query string and it has no body: so it is with each GET.
    pub fn has_query(self) -> bool {
        self.method() == "GET"
    }

    /// Whether a gate lets it through without being told to.
    pub fn is_always_open(self) -> bool {
        self.door() == Door::Open
    }

    /// Those that a gate's configuration can open.
    pub fn openable() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|operation| operation.door() == Door::Openable)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
