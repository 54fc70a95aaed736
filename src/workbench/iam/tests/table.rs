//! What each kind of statement becomes, and what is refused and doubted.

use super::*;
