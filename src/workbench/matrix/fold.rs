//! Folding: cells that nothing distinguishes become one row, and the rows together say what the cells say.

use std::collections::{BTreeMap, BTreeSet};

/// A row: what it is restricted to, and what holds there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<T> {
    /// By dimension, the classes for which it holds. Dimensions that are not named do not matter.
    pub only: BTreeMap<usize, BTreeSet<usize>>,
    /// What holds.
    pub says: T,
}

impl<T> Row<T> {
    /// Whether a cell with these classes is in this row.
    pub fn covers(&self, classes: &[usize]) -> bool {
        self.only.iter().all(|(dimension, only)| classes.get(*dimension).is_some_and(|class| only.contains(class)))
    }
}

/// Up to so many cells several ways to split are followed to the end, and the one with the fewest rows is taken.
const FEW: usize = 400;
/// How many ways.
const WAYS: usize = 3;

/// The rows that say of each cell what was said of it: every cell is in exactly one.
///
/// Cells are split by the dimension that tells most about what is said; classes of which the same is said go together.
pub fn fold<T: Clone + Ord>(cells: &[(&[usize], T)]) -> Vec<Row<T>> {
    let all: Vec<usize> = (0..cells.len()).collect();
    let dimensions = cells.first().map_or(0, |(classes, _)| classes.len());
    Folder { cells }.rows(&all, &(0..dimensions).collect::<Vec<_>>())
}

struct Folder<'c, T> {
    cells: &'c [(&'c [usize], T)],
}

impl<T: Clone + Ord> Folder<'_, T> {
    fn rows(&self, cells: &[usize], dimensions: &[usize]) -> Vec<Row<T>> {
        let Some(first) = cells.first() else { return Vec::new() };
        let says = &self.cells[*first].1;
        if cells.iter().all(|cell| self.cells[*cell].1 == *says) {
            return vec![Row { only: BTreeMap::new(), says: says.clone() }];
        }
        let mut ways: Vec<(f64, usize)> = dimensions
            .iter()
            .filter(|dimension| self.classes(cells, **dimension).len() > 1)
            .map(|dimension| (self.left_to_tell(cells, *dimension), *dimension))
            .collect();
        ways.sort_by(|one, other| one.partial_cmp(other).unwrap_or(std::cmp::Ordering::Equal));
        ways.truncate(if cells.len() <= FEW { WAYS } else { 1 });
        let split = ways.into_iter().map(|(_, dimension)| self.split(cells, dimensions, dimension));
        split.min_by_key(|rows| (rows.len(), rows.iter().map(|row| row.only.len()).sum::<usize>())).unwrap_or_default()
    }

    fn classes(&self, cells: &[usize], dimension: usize) -> BTreeMap<usize, Vec<usize>> {
        let mut classes: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for cell in cells {
            classes.entry(self.cells[*cell].0[dimension]).or_default().push(*cell);
        }
        classes
    }

    fn split(&self, cells: &[usize], dimensions: &[usize], dimension: usize) -> Vec<Row<T>> {
        let left: Vec<usize> = dimensions.iter().copied().filter(|other| *other != dimension).collect();
        let mut alike: Vec<(BTreeSet<usize>, Vec<Row<T>>)> = Vec::new();
        for (class, cells) in self.classes(cells, dimension) {
            let rows = self.rows(&cells, &left);
            match alike.iter_mut().find(|(_, known)| *known == rows) {
                Some((classes, _)) => drop(classes.insert(class)),
                None => alike.push((BTreeSet::from([class]), rows)),
            }
        }
        let restricted = |(classes, rows): (BTreeSet<usize>, Vec<Row<T>>)| {
            rows.into_iter().map(move |mut row| {
                row.only.insert(dimension, classes.clone());
                row
            })
        };
        alike.into_iter().flat_map(restricted).collect()
    }

    /// How much is left to tell of what is said, once the class in this dimension is known: bits, on average.
    #[expect(clippy::cast_precision_loss, reason = "counts of cells, which are few")]
    fn left_to_tell(&self, cells: &[usize], dimension: usize) -> f64 {
        let classes = self.classes(cells, dimension);
        let bits = classes.values().map(|cells| {
            let mut counts: BTreeMap<&T, usize> = BTreeMap::new();
            for cell in cells {
                *counts.entry(&self.cells[*cell].1).or_default() += 1;
            }
            let total = cells.len() as f64;
            let entropy: f64 = counts.values().map(|count| *count as f64 / total).map(|part| -part * part.log2()).sum();
            entropy * total
        });
        bits.sum::<f64>() / cells.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(cells: &[(Vec<usize>, u8)]) -> Vec<Row<u8>> {
        fold(&cells.iter().map(|(classes, says)| (classes.as_slice(), *says)).collect::<Vec<_>>())
    }

    #[test]
    fn what_does_not_matter_is_not_named() {
        let cells: Vec<(Vec<usize>, u8)> =
            (0..4).flat_map(|a| (0..3).map(move |b| (vec![a, b], u8::from(a == 2 && b != 1)))).collect();
        let rows = rows(&cells);
        assert_eq!(rows.len(), 3, "{rows:?}");
        let named = |row: &Row<u8>| row.only.iter().map(|(at, only)| (*at, only.len())).collect::<Vec<_>>();
        assert!(rows.iter().any(|row| named(row) == [(0, 3)] || named(row) == [(1, 1)]), "{rows:?}");
    }

    proptest! {
        /// Folded or not, the matrix means the same: every cell is in one row, which says what was said of the cell.
        #[test]
        fn rows_cover_the_cells_exactly(
            sparse in prop::collection::btree_map((0..4_usize, 0..3_usize, 0..3_usize, 0..2_usize), 0..3_u8, 1..60),
        ) {
            let cells: Vec<(Vec<usize>, u8)> =
                sparse.into_iter().map(|((a, b, c, d), says)| (vec![a, b, c, d], says)).collect();
            let rows = rows(&cells);
            for (classes, says) in &cells {
                let covering: Vec<&Row<u8>> = rows.iter().filter(|row| row.covers(classes)).collect();
                prop_assert_eq!(covering.len(), 1, "{:?}", classes);
                prop_assert_eq!(covering[0].says, *says);
            }
        }
    }
}
