//! For programs.

use crate::workbench::matrix::{Matrix, Plain};
use serde_json::{Value, json};

/// The folded matrix. `version` changes when a member changes its meaning or goes.
pub fn json(matrix: &Matrix) -> Value {
    json!({ "version": 1, "cells": matrix.cells, "sections": matrix.sections, "notes": matrix.notes })
}

/// Every cell by itself.
pub fn json_of_cells(cells: &[Plain]) -> Value {
    json!({ "version": 1, "cells": cells })
}
