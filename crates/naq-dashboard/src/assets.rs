//! What pages are dressed in, embedded: one stylesheet, one script, one icon.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::app::App;

/// One file a concern, sent as one.
const STYLE: &str = concat!(
    include_str!("../assets/css/base.css"),
    include_str!("../assets/css/frame.css"),
    include_str!("../assets/css/parts.css"),
    include_str!("../assets/css/chart.css"),
    include_str!("../assets/css/job.css"),
    include_str!("../assets/css/retries.css"),
);
/// `base.js` first; of the others each is a function of its own.
const SCRIPT: &str = concat!(
    include_str!("../assets/js/base.js"),
    include_str!("../assets/js/theme.js"),
    include_str!("../assets/js/times.js"),
    include_str!("../assets/js/morph.js"),
    include_str!("../assets/js/live.js"),
    include_str!("../assets/js/toast.js"),
    include_str!("../assets/js/act.js"),
    include_str!("../assets/js/forms.js"),
    include_str!("../assets/js/keys.js"),
);
const ICON: &str = include_str!("../assets/icon.svg");

/// Changes when an asset does, so that a browser may keep what it has for good: part of their
/// links.
pub(crate) const VERSION: u32 = sum(ICON, sum(SCRIPT, sum(STYLE, 0x811c_9dc5)));

/// FNV-1a, 32 bits: whether two texts differ, nothing more.
const fn sum(text: &str, mut hash: u32) -> u32 {
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        hash = (hash ^ *byte as u32).wrapping_mul(0x0100_0193);
        rest = after;
    }
    hash
}

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/assets/naq.css", get(|| asset("text/css; charset=utf-8", STYLE)))
        .route("/assets/naq.js", get(|| asset("text/javascript; charset=utf-8", SCRIPT)))
        .route("/assets/icon.svg", get(|| asset("image/svg+xml", ICON)))
}

async fn asset(kind: &'static str, body: &'static str) -> impl IntoResponse {
    let keep = "private, max-age=31536000, immutable";
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, keep)], body)
}
