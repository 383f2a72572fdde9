//! Which tasks there are: from the file, the command line, and the handlers themselves.

use naq_handlers::{HandlerSources, Handlers};
use naq_worker::Registry;
use naq_worker::testing::Harness;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::kit::{handlers, run};

#[tokio::test]
async fn a_command_of_the_command_line_runs_a_task() {
    let mut sources = HandlerSources::default();
    sources.exec.push("t=sh -c 'echo hello'".to_owned());
    let handlers = Handlers::new(&sources).expect("handlers");
    let harness = Harness::new(handlers.register(Registry::new()).expect("no task twice"));
    assert_eq!(run(&harness).await.result::<String>(), "hello");
}

#[tokio::test]
async fn a_service_lists_its_tasks_and_how_many_it_runs_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/naq", listener.local_addr().expect("bound"));
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await.expect("a request");
        assert!(piece[..read].starts_with(b"GET /naq HTTP/1.1\r\n"));
        let body = r#"{"v":1,"tasks":["a","b"],"concurrency":3}"#;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).await.expect("written");
    });
    let mut sources = HandlerSources::default();
    sources.http.push(url);
    let handlers = Handlers::new(&sources).expect("handlers");
    let handlers = handlers.ask_for_tasks().await.expect("a list");
    assert_eq!(handlers.concurrency(), Some(3));
    let registry = handlers.register(Registry::new()).expect("no task twice");
    let names: Vec<_> = registry.task_names().map(ToString::to_string).collect();
    assert_eq!(names, ["a", "b"]);
}

#[tokio::test]
async fn a_command_lists_its_tasks_and_serves_all_of_them_from_one_pool() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = dir.path().join("handler");
    let text = r#"if [ "$1" = --describe ]; then echo '{"tasks":["t","u"]}'; exit; fi
while read -r line; do printf '{"result":%s}\n' $$; done"#;
    std::fs::write(&script, text).expect("write");
    let mut sources = HandlerSources::default();
    sources.exec_pool.push(format!("sh {}", script.display()));
    let handlers = Handlers::new(&sources).expect("handlers");
    let handlers = handlers.ask_for_tasks().await.expect("a list");
    let harness = Harness::new(handlers.register(Registry::new()).expect("no task twice"));
    let first: u32 = run(&harness).await.result();
    let other =
        harness.client().enqueue_task("u", &json!(1)).expect("a task").await.expect("stored");
    harness.drain().await;
    assert_eq!(harness.job(&other).result::<u32>(), first);
}

#[tokio::test]
async fn a_handler_that_lists_nothing_says_what_to_do() {
    let mut sources = HandlerSources::default();
    sources.exec_pool.push("sh -c 'echo no; echo sorry >&2; exit 2'".to_owned());
    let handlers = Handlers::new(&sources).expect("handlers");
    let err = handlers.ask_for_tasks().await.expect_err("no list").to_string();
    assert!(err.contains("sorry") && err.contains("name the tasks in naq.toml"), "{err}");
}

#[test]
fn a_wrong_configuration_is_found_at_the_start() {
    for (toml, error) in [
        ("[tasks.t]\ntimeout = \"1s\"", "give it exactly one of exec, exec_pool and http"),
        ("[tasks.t]\nexec = \"sh\"\nhttp = \"http://localhost\"", "exactly one"),
        ("[tasks.t]\nexec = \"no-such-program\"", "is not found"),
        ("[tasks.t]\nexec = \"sh\"\ndir = \"/no/such/dir\"", "is not found"),
        ("[tasks.t]\nexec = \"./Cargo.toml\"", "is not found"),
        ("[tasks.\"no name\"]\nexec = \"sh\"", "no name"),
        ("[tasks.t]\nhttp = \"http://10.0.0.7\"", "is another machine"),
        ("[tasks.t]\nhttp = \"https://example.com\"", "give keys"),
    ] {
        let err = handlers(toml).expect_err(toml).to_string();
        assert!(err.contains(error), "{err}");
    }
}

#[test]
fn a_task_has_one_handler() {
    let mut sources = HandlerSources::default();
    sources.exec = vec!["t=sh".to_owned(), "t=sh".to_owned()];
    let err = Handlers::new(&sources).expect_err("twice").to_string();
    assert_eq!(err, "task t has two handlers: remove one of them");
    sources.exec.truncate(1);
    let handlers = Handlers::new(&sources).expect("handlers");
    let own = |_: serde_json::Value, _| async { Ok::<_, naq_core::Failure>(()) };
    let err = handlers.register(Registry::new().raw("t", own)).expect_err("twice");
    assert!(err.to_string().contains("two handlers"), "{err}");
}
