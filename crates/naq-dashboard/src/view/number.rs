//! Numbers as text.

pub(crate) use naq_core::stats::grouped as count;

/// A share from 0 to 1 as `95.6 %`; a dash for none.
pub(crate) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0))
}
