//! How much work goes into a figure, as the command line says.

/// How long to measure, and which tables.
pub(crate) struct Effort {
    thoroughness: Thoroughness,
    tables: Vec<String>,
}

#[derive(Clone, Copy)]
enum Thoroughness {
    Once,
    Quick,
    Full,
}

impl Effort {
    /// `cargo bench` asks with `--bench`; `--quick` is for trying something out. Otherwise (`cargo test --benches`) each case
    /// runs once or twice, which only shows that it still runs.
    pub(crate) fn from_args() -> Self {
        let given = |name: &str| std::env::args().any(|arg| arg == name);
        let thoroughness = match (given("--bench"), given("--quick")) {
            (false, _) => Thoroughness::Once,
            (true, true) => Thoroughness::Quick,
            (true, false) => Thoroughness::Full,
        };
        Self { thoroughness, tables: std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect() }
    }

    /// What fits: only to see that it runs, for a rough answer, or for figures to rely on.
    pub(crate) fn pick<T>(&self, once: T, quick: T, full: T) -> T {
        match self.thoroughness {
            Thoroughness::Once => once,
            Thoroughness::Quick => quick,
            Thoroughness::Full => full,
        }
    }

    /// Whether a table is wanted: all are, unless some are named.
    pub(crate) fn wants(&self, table: &str) -> bool {
        self.tables.is_empty() || self.tables.iter().any(|name| name == table)
    }
}
