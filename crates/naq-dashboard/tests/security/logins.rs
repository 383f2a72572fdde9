//! What a login may do: its role, its queues, its end, and logins by a proxy.

use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode, header};
use naq_core::transport::{Directory, WorkerInfo, WorkerStatus};
use naq_core::{Clock, QueueName, SystemClock, WorkerId};
use naq_dashboard::{Role, SsoProxy, User};

use crate::test_dashboard::{Answer, TestDashboard};

fn queue(name: &str) -> QueueName {
    QueueName::new(name).unwrap()
}

/// A user who comes through the proxy.
fn user(name: &str, role: Role, queues: &[&str]) -> User {
    let user = User::without_password(name, role).unwrap();
    if queues.is_empty() { user } else { user.queues(queues.iter().map(|name| queue(name))) }
}

const SECRET: &str = "a secret of a proxy";

/// A dashboard whose visitors come through a proxy with the secret.
fn dashboard() -> TestDashboard {
    TestDashboard::open(|options| {
        options.sso = Some(SsoProxy::new(SECRET));
        options.users = vec![
            user("admin", Role::Admin, &[]),
            user("operator", Role::Operate, &[]),
            user("viewer", Role::View, &[]),
            user("mail-admin", Role::Admin, &["mail"]),
            user("mail-operator", Role::Operate, &["mail"]),
            user("other-admin", Role::Admin, &["other"]),
        ];
    })
}

async fn get(dashboard: &TestDashboard, who: &str, path: &str) -> Answer {
    let request = Request::get(path)
        .header(header::HOST, "localhost")
        .header("x-naq-proxy-secret", SECRET)
        .header("x-forwarded-user", who);
    dashboard.ask(request.body(Body::empty()).unwrap()).await
}

async fn act(dashboard: &TestDashboard, who: &str, path: &str, body: &str) -> Answer {
    let request = Request::post(format!("/act{path}"))
        .header(header::HOST, "localhost")
        .header("sec-fetch-site", "same-origin")
        .header("x-naq-action", "1")
        .header("x-naq-proxy-secret", SECRET)
        .header("x-forwarded-user", who)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    dashboard.ask(request.body(Body::from(body.to_owned())).unwrap()).await
}

/// Every route that changes something, or prepares a change: the form, and whether it needs an admin. The
/// ids of the batch, the workflow and the schedule are filled in.
const ROUTES: &[(&str, &str, bool)] = &[
    ("/queue/pause", "queue=mail&for=15m", false),
    ("/queue/resume", "queue=mail", false),
    ("/queue/purge", "queue=mail&confirm=no", true),
    ("/queue/purge/preview", "queue=mail", true),
    ("/task/pause", "queue=mail&task=email.send&for=15m", false),
    ("/task/resume", "queue=mail&task=email.send", false),
    ("/job/retry-now", "job=mail/one", false),
    ("/job/cancel", "job=mail/one", false),
    ("/job/requeue", "job=mail/one", false),
    ("/worker/drain", "worker=w1", false),
    ("/schedule/pause", "schedule=nightly", false),
    ("/schedule/resume", "schedule=nightly", false),
    ("/schedule/run-now", "schedule=nightly", false),
    ("/workflow/cancel", "workflow=WORKFLOW", false),
    ("/batch", "verb=release&scope=waiting&queue=mail&agreed=x", false),
    ("/batch", "verb=purge&scope=letters&item=mail/one@1", true),
    ("/batch/preview", "verb=requeue&scope=dead&queue=mail", false),
    ("/batch/preview", "verb=purge&scope=dead&queue=mail", true),
    ("/batch/{id}/cancel", "", false),
    ("/batch/{id}/resume", "", false),
    ("/batch/{id}/undo", "", false),
];

/// The paths in the source, so that a new route needs a row in [`ROUTES`].
fn routes_of_the_source() -> Vec<String> {
    let sources = [
        include_str!("../../src/actions/batch.rs"),
        include_str!("../../src/actions/breaker.rs"),
        include_str!("../../src/actions/job.rs"),
        include_str!("../../src/actions/queue.rs"),
        include_str!("../../src/actions/schedule.rs"),
        include_str!("../../src/actions/task.rs"),
        include_str!("../../src/actions/worker.rs"),
        include_str!("../../src/actions/workflow.rs"),
    ];
    let merged = include_str!("../../src/actions/mod.rs").matches("::routes())").count();
    assert_eq!(merged, sources.len(), "a file with routes is not read here");
    let of = |source: &str| -> Vec<String> {
        let routes = source.split(".route(\"").skip(1);
        routes.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    sources.into_iter().flat_map(of).collect()
}

async fn with_everything(dashboard: &TestDashboard) -> (String, String) {
    let client = &dashboard.client;
    client.enqueue_task("email.send", &[1]).unwrap().queue(queue("mail")).id("one").await.unwrap();
    let job = client.enqueue_task("email.send", &[1]).unwrap().queue(queue("mail"));
    let far = Duration::from_secs(9_999_999);
    client.schedule("nightly").every(far).template(job).await.unwrap();
    let job = client.enqueue_task("email.send", &[1]).unwrap().queue(queue("mail"));
    let workflow = naq_client::Workflow::new("w").job("a", job);
    let workflow = client.start(workflow).await.unwrap().id().to_string();
    let now = SystemClock.now();
    let worker = WorkerInfo {
        worker_id: WorkerId::new("w1").unwrap(),
        status: WorkerStatus::Busy,
        queues: vec![queue("mail")],
        concurrency: 10,
        running: 2,
        hostname: "h".into(),
        pid: 1,
        version: "1".into(),
        started_at: now,
        heartbeat_at: now,
        finished: 0,
        failed: 0,
        signed: Vec::new(),
    };
    dashboard.broker.heartbeat(&worker, Duration::from_secs(600)).await.unwrap();
    let later = client.enqueue_task("email.send", &[1]).unwrap().queue(queue("mail")).delay(far);
    later.await.unwrap();
    let scope = naq_client::BatchScope::Waiting(naq_client::WaitingFilter {
        queue: Some(queue("mail")),
        ..Default::default()
    });
    let order = naq_client::BatchOrder::new(naq_client::BatchAction::Release, scope, "ann");
    let batch = client.start_batch(order).await.unwrap().id.to_string();
    (batch, workflow)
}

/// Actions that touch any queue.
const FOR_ALL_QUEUES: [(&str, &str); 4] = [
    ("/breaker/close", "key=stripe"),
    ("/batch/preview", "verb=requeue&scope=dead"),
    ("/batch/preview", "verb=release&scope=waiting"),
    ("/batch/preview", "verb=requeue&scope=letters&item=mail/a@1&item=other/b@2"),
];

#[tokio::test]
async fn every_action_is_refused_to_a_login_that_lacks_the_role_or_the_queue() {
    for route in routes_of_the_source() {
        let is_for_all = FOR_ALL_QUEUES.iter().any(|(path, _)| *path == route);
        let has_row = is_for_all || ROUTES.iter().any(|(path, ..)| *path == route);
        assert!(has_row, "{route} has no row here");
    }
    let dashboard = dashboard();
    let (batch, workflow) = with_everything(&dashboard).await;
    for (path, body, needs_admin) in ROUTES {
        let path = path.replace("{id}", &batch);
        let body = body.replace("WORKFLOW", &workflow);
        let refused: &[&str] = match needs_admin {
            true => &["viewer", "other-admin", "operator", "mail-operator"],
            false => &["viewer", "other-admin"],
        };
        for who in refused {
            let answer = act(&dashboard, who, &path, &body).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{who} {path}: {}", answer.body);
            assert!(answer.body.contains("your login"), "{who} {path}: {}", answer.body);
        }
    }
    let log = dashboard.client.audit_log(&Default::default()).await.unwrap();
    assert!(log.entries.iter().all(|entry| entry.who == "ann"), "{log:?}");
    for (path, body, needs_admin) in ROUTES {
        let path = path.replace("{id}", &batch);
        let body = body.replace("WORKFLOW", &workflow);
        let allowed: &[&str] = match needs_admin {
            true => &["mail-admin", "admin"],
            false => &["mail-operator", "operator", "mail-admin", "admin"],
        };
        for who in allowed {
            let answer = act(&dashboard, who, &path, &body).await;
            assert_ne!(answer.status, StatusCode::FORBIDDEN, "{who} {path}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn an_action_on_all_queues_needs_a_login_for_all_queues() {
    let dashboard = dashboard();
    for (path, body) in FOR_ALL_QUEUES {
        for (who, is_allowed) in [("viewer", false), ("mail-admin", false), ("operator", true)] {
            let answer = act(&dashboard, who, path, body).await;
            let is_refused = answer.status == StatusCode::FORBIDDEN;
            assert_eq!(is_refused, !is_allowed, "{who} {path} {body}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn a_page_has_no_buttons_for_what_the_login_may_not_do() {
    let dashboard = dashboard();
    with_everything(&dashboard).await;
    dashboard_shows(&dashboard, "viewer", "/queues/mail").await;
    for path in ["/queues/mail", "/jobs/mail/one", "/schedules", "/workers"] {
        for (who, sees) in
            [("viewer", false), ("other-admin", false), ("mail-operator", true), ("admin", true)]
        {
            let page = get(&dashboard, who, path).await.body;
            let acts = page.contains("data-act method") && page.contains("/act/");
            let drains = path == "/workers" && page.contains("data-fill=\"worker=w1\"");
            let has_buttons = if path == "/workers" { drains } else { acts };
            assert_eq!(has_buttons, sees, "{who} {path}: {page}");
        }
    }
    for (who, sees) in [("mail-operator", false), ("operator", false), ("mail-admin", true)] {
        let page = get(&dashboard, who, "/queues/mail").await.body;
        assert_eq!(page.contains("/act/queue/purge"), sees, "{who}: {page}");
    }
    let page = get(&dashboard, "viewer", "/").await.body;
    assert!(page.contains("read-only") && page.contains(">viewer<"), "{page}");
}

async fn dashboard_shows(dashboard: &TestDashboard, who: &str, path: &str) {
    naq_testing::eventually("the first read", crate::test_dashboard::SOON, async || {
        let answer = get(dashboard, who, path).await;
        if answer.status == StatusCode::OK { Ok(()) } else { Err(answer.body) }
    })
    .await;
}

#[tokio::test]
async fn a_proxy_without_the_right_secret_names_no_visitor() {
    let dashboard = dashboard();
    for secret in [None, Some("a secret of a proxY"), Some(""), Some("a secret of a proxy\0")] {
        let request = Request::get("/").header(header::HOST, "localhost");
        let request = request.header("x-forwarded-user", "admin");
        let request = match secret {
            Some(secret) => request.header("x-naq-proxy-secret", secret.as_bytes()),
            None => request,
        };
        let Ok(request) = request.body(Body::empty()) else { continue };
        let answer = dashboard.ask(request).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{secret:?}: {}", answer.body);
    }
    let unknown = get(&dashboard, "mallory", "/").await;
    assert_eq!(unknown.status, StatusCode::FORBIDDEN, "{}", unknown.body);
    assert_eq!(get(&dashboard, "", "/").await.status, StatusCode::FORBIDDEN);
    assert_eq!(get(&dashboard, "viewer", "/").await.status, StatusCode::OK);
    let open = TestDashboard::open(|options| {
        let mut proxy = SsoProxy::new(SECRET);
        proxy.role = Some(Role::View);
        options.sso = Some(proxy);
    });
    let page = get(&open, "mallory", "/").await;
    assert!(page.status == StatusCode::OK && page.body.contains("read-only"), "{}", page.body);
}

/// A request with a login, from this address.
fn with_login(path: &str, login: &str, from: &str) -> Request<Body> {
    use base64::Engine;
    let code = base64::engine::general_purpose::STANDARD.encode(login);
    let request = Request::get(path).header(header::HOST, "localhost");
    let request = request.header(header::AUTHORIZATION, format!("Basic {code}"));
    let mut request = request.body(Body::empty()).unwrap();
    let peer: std::net::SocketAddr = from.parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    request
}

fn with_passwords() -> TestDashboard {
    TestDashboard::open(|options| {
        options.users = vec![User::new("ann", "sesame", Role::View).unwrap()];
        options.logins = vec![("bob".into(), "other".into())];
    })
}

#[tokio::test]
async fn a_peer_that_guesses_locks_out_no_other_peer() {
    let dashboard = with_passwords();
    let guess = |n: usize| dashboard.ask(with_login("/", &format!("x{n}:y"), "10.0.0.1:1"));
    let answers = futures_util::future::join_all((0..30).map(guess)).await;
    let refused = answers.iter().filter(|it| it.status == StatusCode::TOO_MANY_REQUESTS).count();
    assert_eq!(refused, 10);
    let there = dashboard.ask(with_login("/", "ann:sesame", "10.0.0.1:2")).await;
    assert_eq!(there.status, StatusCode::TOO_MANY_REQUESTS);
    let elsewhere = dashboard.ask(with_login("/", "ann:sesame", "10.0.0.2:1")).await;
    assert_eq!(elsewhere.status, StatusCode::OK, "{}", elsewhere.body);
}

#[tokio::test]
async fn a_visitor_logs_out_and_the_browser_forgets_the_login() {
    let dashboard = with_passwords();
    let ask = async |path: &str| dashboard.ask(with_login(path, "ann:sesame", "10.0.0.1:1")).await;
    let page = ask("/").await;
    assert!(page.body.contains("href=\"/logout\""), "{}", page.body);
    let gone = ask("/logout").await;
    assert_eq!(gone.status, StatusCode::UNAUTHORIZED);
    assert!(gone.header("www-authenticate").starts_with("Basic realm="));
    assert!(gone.header("clear-site-data").contains("cookies"));
    assert!(gone.body.contains("logged out"), "{}", gone.body);
    // The browser asks again, and the visitor logs in at the address of the logout.
    let again = ask("/logout").await;
    assert_eq!((again.status, again.header("location")), (StatusCode::SEE_OTHER, "/"));
    let image = Request::get("/logout")
        .header(header::HOST, "localhost")
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "no-cors");
    let answer = dashboard.ask(image.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn users_with_one_name_and_short_secrets_are_refused() {
    let mut options = naq_dashboard::Options::default();
    options.users = vec![user("ann", Role::View, &[])];
    options.logins = vec![("ann".into(), "sesame".into())];
    assert!(options.check().unwrap_err().to_string().contains("two users"));
    let mut options = naq_dashboard::Options::default();
    options.sso = Some(SsoProxy::new("short"));
    assert!(options.check().unwrap_err().to_string().contains("16"));
}
