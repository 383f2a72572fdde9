//! The order of rows with an order key, as pure functions: which rows may be taken, and which are sent together.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::taken_row::TakenRow;

/// The order keys of these rows, each once.
pub(crate) fn keys(rows: &[TakenRow]) -> BTreeSet<String> {
    rows.iter().filter_map(|row| row.order_key.clone()).collect()
}

/// Leaves out each row before which there is an open row of its key that is not among them. `open` are all open
/// rows of these keys, up to the last row, by their numbers. Another relay has such a row, or it failed.
pub(crate) fn only_first(mut rows: Vec<TakenRow>, open: Vec<(String, i64)>) -> Vec<TakenRow> {
    let found: HashSet<i64> = rows.iter().map(|row| row.seq).collect();
    let mut missing: HashMap<String, i64> = HashMap::new();
    for (key, seq) in open {
        if !found.contains(&seq) {
            let first = missing.entry(key).or_insert(seq);
            *first = seq.min(*first);
        }
    }
    rows.retain(|row| {
        let first_missing = row.order_key.as_ref().and_then(|key| missing.get(key));
        first_missing.is_none_or(|missing| row.seq < *missing)
    });
    rows
}

/// Divides rows into groups that are sent one after the other. A group has at most one row of each key, and rows of
/// one key are in the order of their numbers. Rows without a key are in the first group.
pub(crate) fn waves(mut rows: Vec<TakenRow>) -> Vec<Vec<TakenRow>> {
    rows.sort_by_key(|row| row.seq);
    let mut waves: Vec<Vec<TakenRow>> = Vec::new();
    let mut next: HashMap<String, usize> = HashMap::new();
    for row in rows {
        let wave = row.order_key.clone().map_or(0, |key| {
            let next = next.entry(key).or_default();
            *next += 1;
            *next - 1
        });
        if waves.len() <= wave {
            waves.resize_with(wave + 1, Vec::new);
        }
        waves[wave].push(row);
    }
    waves
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(seq: i64, key: Option<&str>) -> TakenRow {
        let order_key = key.map(str::to_owned);
        TakenRow { seq, order_key, attempts: 0, offered: None, job: Err("none".to_owned()) }
    }

    fn seqs(rows: &[TakenRow]) -> Vec<i64> {
        rows.iter().map(|row| row.seq).collect()
    }

    #[test]
    fn a_row_is_left_out_if_an_earlier_open_row_of_its_key_is_not_there() {
        let rows = || {
            vec![
                row(1, None),
                row(2, Some("a")),
                row(4, Some("a")),
                row(5, Some("b")),
                row(6, None),
            ]
        };
        let open = |seqs: &[(&str, i64)]| seqs.iter().map(|(k, s)| ((*k).to_owned(), *s)).collect();
        let all = [("a", 2), ("a", 4), ("b", 5)];
        assert_eq!(seqs(&only_first(rows(), open(&all))), [1, 2, 4, 5, 6]);
        // Another relay has row 3 of the key a.
        let with_3 = [("a", 2), ("a", 3), ("a", 4), ("b", 5)];
        assert_eq!(seqs(&only_first(rows(), open(&with_3))), [1, 2, 5, 6]);
        let with_0 = [("a", 0), ("a", 2), ("a", 4), ("b", 5)];
        assert_eq!(seqs(&only_first(rows(), open(&with_0))), [1, 5, 6]);
    }

    proptest! {
        #[test]
        fn waves_keep_every_row_and_the_order_of_each_key(keys in prop::collection::vec(prop::option::of(0..4_u8), 0..60)) {
            let rows: Vec<_> = keys
                .iter()
                .enumerate()
                .map(|(seq, key)| row(seq as i64, key.map(|key| key.to_string()).as_deref()))
                .rev()
                .collect();
            let waves = waves(rows);
            let mut all: Vec<_> = waves.iter().flat_map(|wave| seqs(wave)).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..keys.len() as i64).collect::<Vec<_>>());
            let mut last: HashMap<String, (usize, i64)> = HashMap::new();
            for (number, wave) in waves.iter().enumerate() {
                for row in wave {
                    let Some(key) = row.order_key.clone() else {
                        prop_assert_eq!(number, 0);
                        continue;
                    };
                    if let Some((earlier, seq)) = last.insert(key, (number, row.seq)) {
                        prop_assert!(earlier < number && seq < row.seq);
                    }
                }
            }
        }
    }
}
