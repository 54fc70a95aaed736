//! What a condition can look at.

use std::fmt;

/// Something in a question that a condition looks at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Term {
    /// What the caller called.
    Operation,
    /// What is proposed.
    Proposed(Part),
    /// Whose the finding is.
    Owner,
    /// Which finding it is: `resource.id`, `resource.productArn`, or the finding itself.
    Identity,
    /// Whether an import creates the finding.
    IsNew,
    /// An attribute of the finding as it is; the two maps as a whole.
    Attribute(&'static str),
    /// A key of the finding's UserDefinedFields.
    Key(String),
    /// A key of its resources' tags.
    Tag(String),
    /// Which fields travel with it.
    Fields,
    /// The note that travels with it.
    Note,
    /// A key of the UserDefinedFields that travel with it.
    ProposedKey(String),
    /// The UserDefinedFields that travel with it, as a whole.
    ProposedKeys,
    /// The time of the request.
    Now,
}

/// A part of what is proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// `context.key`
    Key,
    /// `context.id`
    Id,
    /// `context.productArn`
    ProductArn,
    /// `context.value`, and what it means: `rank`, `date`, `number`.
    Value,
}

impl Term {
    /// Whether it is about the finding as it is, which may not be known.
    pub const fn is_state(&self) -> bool {
        matches!(self, Self::IsNew | Self::Attribute(_) | Self::Key(_) | Self::Tag(_))
    }
}

/// What people call it.
impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operation => f.write_str("call"),
            Self::Proposed(Part::Value) => f.write_str("value"),
            Self::Proposed(Part::Key) => f.write_str("key"),
            Self::Proposed(Part::Id) => f.write_str("id"),
            Self::Proposed(Part::ProductArn) => f.write_str("product"),
            Self::Owner => f.write_str("account"),
            Self::Identity => f.write_str("finding's name"),
            Self::IsNew => f.write_str("finding"),
            Self::Attribute(name) => write!(f, "finding's {name}"),
            Self::Key(key) => write!(f, "finding's {key}"),
            Self::Tag(key) => write!(f, "tag {key}"),
            Self::Fields => f.write_str("sent"),
            Self::Note => f.write_str("with note"),
            Self::ProposedKey(key) => write!(f, "with {key}"),
            Self::ProposedKeys => f.write_str("with UserDefinedFields"),
            Self::Now => f.write_str("now"),
        }
    }
}
