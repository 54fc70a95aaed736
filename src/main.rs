//! The findings-gate executable.

fn main() {}
