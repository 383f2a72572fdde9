//! The embedded assets of all pages: one stylesheet, one script, one icon.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::app::App;

/// All style files, sent as one.
const STYLE: &str = concat!(
    include_str!("../assets/css/base.css"),
    include_str!("../assets/css/frame.css"),
    include_str!("../assets/css/parts.css"),
    include_str!("../assets/css/chart.css"),
    include_str!("../assets/css/job.css"),
    include_str!("../assets/css/retries.css"),
);
/// All script files, sent as one. `base.js` comes first; each other file wraps itself in a function.
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

/// A checksum of the assets, part of their links: a browser may cache an asset forever, because a
/// changed asset has another link.
pub(crate) const VERSION: u32 = checksum(ICON, checksum(SCRIPT, checksum(STYLE, 0x811c_9dc5)));

/// FNV-1a, 32 bits: enough to detect a changed text.
const fn checksum(text: &str, mut hash: u32) -> u32 {
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

async fn asset(content_type: &'static str, body: &'static str) -> impl IntoResponse {
    let cache = "private, max-age=31536000, immutable";
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, cache)], body)
}
