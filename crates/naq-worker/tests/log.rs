//! The log lines. A program of its own, since the subscriber is set for a whole process.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use bench::{Bench, Do, Script, secs};

#[path = "worker/bench.rs"]
#[allow(dead_code, reason = "the other tests use more of it")]
mod bench;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn at_debug_the_log_has_each_step_of_each_attempt_and_no_payload() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(lines.clone())
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .finish();
    let _listening = tracing::subscriber::set_default(subscriber);
    let bench = Bench::new();
    let _worker = bench.start().await;
    let fail = || Do::Fail("ConnectionError".into());
    bench.enqueue("good", [fail(), Do::Succeed]).await;
    bench.pass(secs(5)).await;
    let bad = bench.client.enqueue(Script(vec![fail()])).id("bad").max_retries(0);
    bad.await.expect("sent");
    bench.turn().await;

    let text = String::from_utf8(lines.0.lock().expect("not poisoned").clone()).expect("text");
    let of = |id: &str| -> Vec<String> {
        let span = format!("job={id} ");
        let ours = text.lines().filter(|line| line.contains(&span));
        ours.map(|line| line.split_once("}: ").expect("a span").1.to_owned()).collect()
    };
    assert_eq!(
        of("good"),
        [
            "attempt 1 of 4 started",
            "attempt 1 of 4 failed: ConnectionError: as the script says; retrying in 5s (strategy: \
             fixed) kind=ConnectionError rule=strategy delay_ms=5000 next_at=2026-01-01T00:00:05.000Z",
            "attempt 2 of 4 started",
            "attempt 2 of 4 succeeded in 0s took_ms=0",
        ],
        "{text}"
    );
    assert_eq!(
        of("bad"),
        [
            "attempt 1 of 1 started",
            "dead after attempt 1 of 1: ConnectionError: as the script says (rule max_retries: \
             attempt 1 of 1 failed with ConnectionError, and no retry is left) kind=ConnectionError rule=max_retries",
        ]
    );
    assert!(text.contains("attempt{job=bad task=script queue=default attempt=1}"), "{text}");
    assert!(!text.contains("Succeed") && !text.contains("Fail("), "{text}");
}
