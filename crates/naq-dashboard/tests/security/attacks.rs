//! Requests that the dashboard must refuse.

use axum::body::Body;
use axum::http::request::Builder;
use axum::http::{Method, Request, StatusCode, header};
use naq_core::transport::{Lookup, Operator};
use naq_core::{Clock, QueueName, SystemClock};

use crate::test_dashboard::{Answer, TestDashboard};

const FORM: &str = "application/x-www-form-urlencoded";

/// An action as the dashboard's script sends it.
fn action(path: &str) -> Builder {
    Request::post(path)
        .header(header::HOST, "localhost:8000")
        .header("sec-fetch-site", "same-origin")
        .header("x-naq-action", "1")
        .header(header::CONTENT_TYPE, FORM)
}

fn purge() -> Body {
    Body::from("queue=mail&confirm=mail")
}

/// Puts one job into the queue `mail`.
async fn with_a_job(dashboard: &TestDashboard) {
    let job = dashboard.client.enqueue_task("email.send", &[1]).unwrap();
    job.queue(mail()).await.unwrap();
}

fn mail() -> QueueName {
    QueueName::new("mail").unwrap()
}

async fn is_untouched(dashboard: &TestDashboard, answer: &Answer, status: StatusCode) {
    assert_eq!(answer.status, status, "{}", answer.body);
    let info = dashboard.broker.queue_info(&mail()).await.unwrap().unwrap();
    assert_eq!((info.pending, info.paused_until), (1, None));
    assert!(dashboard.client.audit_log(&Default::default()).await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn a_rebound_host_name_gets_no_page_no_asset_and_no_action() {
    let dashboard = TestDashboard::open(|options| options.hosts = vec!["naq.example".into()]);
    with_a_job(&dashboard).await;
    for path in ["/", "/queues", "/assets/naq.js", "/assets/naq.css", "/live?page=/", "/nothing"] {
        for host in
            ["evil.example", "evil.example:8000", "localhost.evil.example", "naq.example.evil"]
        {
            let request = Request::get(path).header(header::HOST, host).body(Body::empty());
            let answer = dashboard.ask(request.unwrap()).await;
            assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{path} of {host}");
            assert!(answer.body.contains("public host names"), "{}", answer.body);
        }
        let request = Request::get(path).header(header::HOST, "NAQ.example:443");
        let answer = dashboard.ask(request.body(Body::empty()).unwrap()).await;
        assert_ne!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{path}");
    }
    let request = Request::post("/act/queue/purge")
        .header(header::HOST, "evil.example")
        .header("sec-fetch-site", "same-origin")
        .header("x-naq-action", "1")
        .header(header::CONTENT_TYPE, FORM);
    let answer = dashboard.ask(request.body(purge()).unwrap()).await;
    is_untouched(&dashboard, &answer, StatusCode::MISDIRECTED_REQUEST).await;
}

#[tokio::test]
async fn a_rebound_host_name_gets_no_live_stream() {
    let dashboard = TestDashboard::open(|_| {});
    let live = |host| Request::get("/live?page=/").header(header::HOST, host).body(Body::empty());
    let answer = dashboard.ask(live("evil.example:8000").unwrap()).await;
    assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST);
    assert!(!answer.header("content-type").starts_with("text/event-stream"));
    let answer = dashboard.ask(live("[::1]:8000").unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.header("content-type").starts_with("text/event-stream"));
}

#[tokio::test]
async fn a_request_without_a_host_or_with_two_is_refused() {
    let dashboard = TestDashboard::open(|_| {});
    let none = Request::get("/").body(Body::empty()).unwrap();
    assert_eq!(dashboard.ask(none).await.status, StatusCode::MISDIRECTED_REQUEST);
    let two = Request::get("/").header("host", "localhost").header("host", "evil.example");
    let answer = dashboard.ask(two.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn a_cross_site_post_changes_nothing() {
    let dashboard = TestDashboard::open(|_| {});
    with_a_job(&dashboard).await;
    for from in ["cross-site", "same-site", "none", "", "same-origin, same-origin"] {
        let request = Request::post("/act/queue/purge")
            .header(header::HOST, "localhost:8000")
            .header("sec-fetch-site", from)
            .header("origin", "http://localhost:8000")
            .header("x-naq-action", "1")
            .header(header::CONTENT_TYPE, FORM);
        let answer = dashboard.ask(request.body(purge()).unwrap()).await;
        is_untouched(&dashboard, &answer, StatusCode::FORBIDDEN).await;
    }
}

#[tokio::test]
async fn a_simple_form_post_without_the_header_changes_nothing() {
    let dashboard = TestDashboard::open(|_| {});
    with_a_job(&dashboard).await;
    let request = Request::post("/act/queue/purge")
        .header(header::HOST, "localhost:8000")
        .header("sec-fetch-site", "same-origin")
        .header(header::CONTENT_TYPE, FORM);
    let answer = dashboard.ask(request.body(purge()).unwrap()).await;
    is_untouched(&dashboard, &answer, StatusCode::FORBIDDEN).await;
    assert!(answer.body.contains("X-NAQ-Action"));
}

#[tokio::test]
async fn a_post_with_a_missing_or_foreign_origin_changes_nothing_and_one_with_the_own_origin_does()
{
    let dashboard = TestDashboard::open(|_| {});
    with_a_job(&dashboard).await;
    let from = |origin: Option<&str>| {
        let request = Request::post("/act/queue/purge")
            .header(header::HOST, "localhost:8000")
            .header("x-naq-action", "1")
            .header(header::CONTENT_TYPE, FORM);
        let request = match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        };
        request.body(purge()).unwrap()
    };
    for origin in [
        None,
        Some("null"),
        Some("http://localhost"),
        Some("http://localhost:3000"),
        Some("http://evil.example"),
        Some("http://localhost:8000.evil.example"),
        Some("file://localhost:8000"),
    ] {
        let answer = dashboard.ask(from(origin)).await;
        is_untouched(&dashboard, &answer, StatusCode::FORBIDDEN).await;
    }
    let answer = dashboard.ask(from(Some("http://localhost:8000"))).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(dashboard.broker.queue_info(&mail()).await.unwrap().unwrap().pending, 0);
}

#[tokio::test]
async fn a_get_on_an_action_does_nothing() {
    for prefix in ["", "/naq"] {
        let dashboard = TestDashboard::open(|options| options.prefix = prefix.into());
        with_a_job(&dashboard).await;
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let request = Request::builder()
                .method(method)
                .uri(format!("{prefix}/act/queue/purge?queue=mail&confirm=mail"))
                .header(header::HOST, "localhost:8000")
                .header("sec-fetch-site", "same-origin")
                .header("x-naq-action", "1");
            let answer = dashboard.ask(request.body(Body::empty()).unwrap()).await;
            is_untouched(&dashboard, &answer, StatusCode::METHOD_NOT_ALLOWED).await;
        }
    }
}

#[tokio::test]
async fn a_post_on_a_page_does_nothing() {
    let dashboard = TestDashboard::open(|_| {});
    for path in ["/", "/queues/mail", "/live", "/assets/naq.js"] {
        let answer = dashboard.ask(action(path).body(purge()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
}

#[tokio::test]
async fn another_site_may_link_to_a_page_but_not_embed_or_fetch_it() {
    let dashboard = TestDashboard::open(|_| {});
    let from = |mode| {
        Request::get("/")
            .header(header::HOST, "localhost:8000")
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", mode)
            .body(Body::empty())
            .unwrap()
    };
    assert_eq!(dashboard.ask(from("navigate")).await.status, StatusCode::OK);
    for mode in ["no-cors", "cors", "websocket", "same-origin"] {
        assert_eq!(dashboard.ask(from(mode)).await.status, StatusCode::FORBIDDEN, "{mode}");
    }
}

#[tokio::test]
async fn a_request_without_the_right_password_is_refused() {
    let open = || {
        TestDashboard::open(|options| {
            options.logins = vec![("ann".into(), "sesame".into()), ("bob".into(), "other".into())];
        })
    };
    let dashboard = open();
    with_a_job(&dashboard).await;
    let with = |path: &str, login: Option<&str>| {
        let request = Request::get(path).header(header::HOST, "localhost");
        let request = match login {
            Some(login) => request.header(header::AUTHORIZATION, login),
            None => request,
        };
        request.body(Body::empty()).unwrap()
    };
    // ann:wrong, ann:other, bob:sesame, ann:, :sesame, eve:sesame, in base64.
    let wrong = [
        "YW5uOndyb25n",
        "YW5uOm90aGVy",
        "Ym9iOnNlc2FtZQ==",
        "YW5uOg==",
        "OnNlc2FtZQ==",
        "ZXZlOnNlc2FtZQ==",
    ];
    for path in ["/", "/queues", "/assets/naq.js", "/live?page=/"] {
        let all = wrong.iter().map(|code| format!("Basic {code}"));
        let all = all.chain(["Basic".into(), "Bearer sesame".into(), "Basic !!!".into()]);
        // Of its own, because it checks no more than twenty wrong logins in a minute. Each is answered late.
        let dashboard = open();
        let answers = all.map(Some).chain([None]).map(async |login: Option<String>| {
            let answer = dashboard.ask(with(path, login.as_deref())).await;
            (login, answer)
        });
        for (login, answer) in futures_util::future::join_all(answers).await {
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path} {login:?}");
            assert!(answer.header("www-authenticate").starts_with("Basic realm="));
            assert!(!answer.body.contains("sesame"));
        }
    }
    let answer = dashboard.ask(action("/act/queue/purge").body(purge()).unwrap()).await;
    is_untouched(&dashboard, &answer, StatusCode::UNAUTHORIZED).await;
    let answer = dashboard.ask(with("/", Some("Basic YW5uOnNlc2FtZQ=="))).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.contains(">ann<"), "{}", answer.body);
}

#[tokio::test]
async fn passwords_cannot_be_guessed_fast_and_a_visitor_who_has_logged_in_goes_on() {
    let dashboard = TestDashboard::open(|options| {
        options.logins = vec![("ann".into(), "sesame".into()), ("bob".into(), "other".into())];
    });
    let with = |login: &str| {
        let request = Request::get("/").header(header::HOST, "localhost");
        request.header(header::AUTHORIZATION, login).body(Body::empty()).unwrap()
    };
    // ann:sesame and bob:other, in base64.
    let (ann, bob) = ("Basic YW5uOnNlc2FtZQ==", "Basic Ym9iOm90aGVy");
    assert_eq!(dashboard.ask(with(ann)).await.status, StatusCode::OK);
    let began = SystemClock.now();
    let guesses = (0..40).map(|n| dashboard.ask(with(&format!("Basic YW5uOng{n}"))));
    let answers = futures_util::future::join_all(guesses).await;
    assert!(
        SystemClock.now().since(began) >= std::time::Duration::from_secs(1),
        "wrong logins are answered late"
    );
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!(count(StatusCode::UNAUTHORIZED), 20);
    assert_eq!(count(StatusCode::TOO_MANY_REQUESTS), 20);
    assert_eq!(dashboard.ask(with(ann)).await.status, StatusCode::OK, "she has logged in before");
    let refused = dashboard.ask(with(bob)).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.body);
}

#[tokio::test]
async fn the_probes_need_no_login_and_the_pages_under_their_names_do() {
    for prefix in ["", "/naq"] {
        let dashboard = TestDashboard::open(|options| {
            options.prefix = prefix.into();
            options.logins = vec![("ann".into(), "sesame".into())];
        });
        for path in ["/healthz", "/readyz", "/healthz/", "/readyz?x"] {
            let answer = dashboard.get(&format!("{prefix}{path}")).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{prefix}{path}: {}", answer.body);
        }
    }
    let broker = naq_client::Client::new(std::sync::Arc::new(naq_memory::MemoryTransport::new()));
    let mut options = naq_dashboard::Options::default();
    options.logins = vec![("ann".into(), "sesame".into())];
    let dashboard = naq_dashboard::Dashboard::new(broker, options).unwrap();
    let own = axum::Router::new()
        .route("/healthz", axum::routing::get(async || "alive"))
        .route("/metrics", axum::routing::get(async || "numbers"));
    let beside = dashboard.guard(own);
    for (path, status) in [("/healthz", StatusCode::OK), ("/metrics", StatusCode::UNAUTHORIZED)] {
        let request = Request::get(path).header(header::HOST, "localhost").body(Body::empty());
        let answer = tower::ServiceExt::oneshot(beside.clone(), request.unwrap()).await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }
}

#[tokio::test]
async fn a_read_only_dashboard_refuses_every_action_and_shows_none() {
    let dashboard = TestDashboard::open(|options| options.read_only = true);
    with_a_job(&dashboard).await;
    for path in ["/act/queue/purge", "/act/queue/pause", "/act/worker/drain", "/act/no/such"] {
        let answer = dashboard.ask(action(path).body(purge()).unwrap()).await;
        is_untouched(&dashboard, &answer, StatusCode::FORBIDDEN).await;
        assert!(answer.body.contains("read-only"), "{}", answer.body);
    }
    let page = dashboard.page("/queues/mail", "data-n=\"pending\"").await;
    assert!(page.contains("read-only") && !page.contains("data-act"), "{page}");
}

#[tokio::test]
async fn an_oversized_body_is_refused_with_and_without_a_content_length() {
    let dashboard = TestDashboard::open(|_| {});
    with_a_job(&dashboard).await;
    let large = format!("queue=mail&confirm=mail&reason={}", "x".repeat(70_000));
    let with_length = action("/act/queue/purge").header(header::CONTENT_LENGTH, large.len());
    let answer = dashboard.ask(with_length.body(Body::from(large.clone())).unwrap()).await;
    is_untouched(&dashboard, &answer, StatusCode::PAYLOAD_TOO_LARGE).await;
    let pieces: Vec<_> =
        large.as_bytes().chunks(1_000).map(|c| Ok::<_, std::io::Error>(c.to_vec())).collect();
    let without_length = Body::from_stream(futures_util::stream::iter(pieces));
    let answer = dashboard.ask(action("/act/queue/purge").body(without_length).unwrap()).await;
    is_untouched(&dashboard, &answer, StatusCode::PAYLOAD_TOO_LARGE).await;
}

#[tokio::test]
async fn a_purge_without_the_typed_name_removes_nothing() {
    let dashboard = TestDashboard::open(|_| {});
    with_a_job(&dashboard).await;
    for body in ["queue=mail", "queue=mail&confirm=", "queue=mail&confirm=Mail", "confirm=mail"] {
        let answer =
            dashboard.ask(action("/act/queue/purge").body(Body::from(body)).unwrap()).await;
        is_untouched(&dashboard, &answer, StatusCode::UNPROCESSABLE_ENTITY).await;
    }
}

#[tokio::test]
async fn every_response_forbids_framing_sniffing_caching_and_foreign_scripts() {
    let dashboard = TestDashboard::open(|_| {});
    for path in ["/", "/queues", "/no/such/page", "/assets/naq.js", "/live?page=/"] {
        let answer = dashboard.get(path).await;
        let policy = answer.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        for hole in ["unsafe-", "*", "http:", "https:", "data: ", "blob:"] {
            let scripts = policy.split("script-src").nth(1).unwrap().split(';').next().unwrap();
            assert!(!scripts.contains(hole), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe-"), "{path}: {policy}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{path}");
        if !path.starts_with("/assets") {
            assert!(answer.header("cache-control").contains("no-"), "{path}");
        }
    }
    // Refused requests have these headers too.
    let request = Request::get("/").header(header::HOST, "evil.example").body(Body::empty());
    let answer = dashboard.ask(request.unwrap()).await;
    assert_eq!(answer.header("x-frame-options"), "DENY");
    assert!(answer.header("content-type").starts_with("text/plain"));
}

#[tokio::test]
async fn a_live_stream_serves_only_pages_of_the_dashboard() {
    let dashboard = TestDashboard::open(|options| options.prefix = "/naq".into());
    for page in ["", "%00", "http://evil.example/", "//evil.example", "/naq/../../etc", "/etc"] {
        let answer = dashboard.get(&format!("/naq/live?page={page}")).await;
        let fine = answer.status == StatusCode::OK || answer.status == StatusCode::BAD_REQUEST;
        assert!(fine, "{page}: {}", answer.status);
    }
    assert_eq!(dashboard.get("/naq/live").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_pause_that_is_too_long_for_any_clock_is_handled() {
    let dashboard = TestDashboard::open(|_| {});
    with_a_job(&dashboard).await;
    let body = Body::from("queue=mail&for=500000000years");
    let answer = dashboard.ask(action("/act/queue/pause").body(body).unwrap()).await;
    assert!(answer.status.is_success() || answer.status.is_client_error(), "{}", answer.body);
    let page = dashboard.page("/queues/mail", "data-n=\"pending\"").await;
    assert!(page.contains("Queue mail"));
    let until = SystemClock.now();
    dashboard.broker.pause(&mail(), until).await.unwrap();
}
