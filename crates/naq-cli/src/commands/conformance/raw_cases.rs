//! The cases that a worker never sends: broken, slow and forged requests to a service.

use std::time::Duration;

use naq_core::{Clock, SystemClock, Timer};
use naq_handlers::Keys;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Adapter;
use super::case::Verdict;
use super::job_cases::TASKS;

/// A service on this machine that is called without a worker.
pub(super) struct RawService {
    /// Host and port, and the path.
    place: Option<(String, String)>,
    keys: Option<Keys>,
    patience: Duration,
}

/// The status and the body of a reply.
type Reply = Result<(u16, String), String>;

impl RawService {
    pub(super) fn new(target: &str, keys: Option<String>, patience: Duration) -> Self {
        let place = target.strip_prefix("http://").map(|rest| match rest.split_once('/') {
            Some((host, path)) => (host.to_owned(), format!("/{}", path.trim_end_matches('/'))),
            None => (rest.to_owned(), String::new()),
        });
        Self { place, keys: keys.and_then(|keys| Keys::new(&keys).ok()), patience }
    }

    fn place(&self) -> (&str, &str) {
        self.place.as_ref().map_or(("", ""), |(host, path)| (host, path))
    }

    fn path(&self, task: &str) -> String {
        let (_, path) = self.place();
        match task {
            "" if path.is_empty() => "/".to_owned(),
            "" => path.to_owned(),
            task => format!("{path}/{task}"),
        }
    }

    async fn connect(&self) -> Result<TcpStream, String> {
        TcpStream::connect(self.place().0).await.map_err(|err| format!("no connection: {err}"))
    }

    /// The head of a request, signed if there are keys.
    fn head(&self, method: &str, task: &str, body: &[u8]) -> String {
        let path = self.path(task);
        let signature = self.keys.as_ref().map(|keys| keys.sign(SystemClock.now(), &path, body));
        self.head_with(method, task, body.len(), signature.as_deref())
    }

    fn head_with(
        &self,
        method: &str,
        task: &str,
        length: usize,
        signature: Option<&str>,
    ) -> String {
        let signature = signature.map(|it| format!("Naq-Signature: {it}\r\n")).unwrap_or_default();
        format!(
            "{method} {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: \
             {length}\r\n{signature}Connection: close\r\n\r\n",
            self.path(task),
            self.place().0
        )
    }

    /// Sends these pieces, 50 ms apart, and reads the reply.
    async fn send(&self, pieces: &[&[u8]]) -> Reply {
        let talk = async {
            let mut stream = self.connect().await?;
            for (at, piece) in pieces.iter().enumerate() {
                if at > 0 {
                    SystemClock.sleep_until(SystemClock.now() + Duration::from_millis(50)).await;
                }
                stream.write_all(piece).await.map_err(|err| err.to_string())?;
            }
            let mut reply = Vec::new();
            stream.read_to_end(&mut reply).await.map_err(|err| err.to_string())?;
            let text = String::from_utf8_lossy(&reply).into_owned();
            let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
            let status = status.ok_or("the reply is no HTTP")?;
            Ok((status, text.split_once("\r\n\r\n").map(|it| it.1.to_owned()).unwrap_or_default()))
        };
        let late = || Err(format!("no reply within {:?}", self.patience));
        tokio::time::timeout(self.patience, talk).await.unwrap_or_else(|_| late())
    }

    async fn call(&self, method: &str, task: &str, body: &[u8]) -> Reply {
        self.send(&[self.head(method, task, body).as_bytes(), body]).await
    }

    /// Opens a connection, sends this and hangs up.
    async fn hang_up_after(&self, text: &[u8]) -> Result<(), String> {
        let mut stream = self.connect().await?;
        stream.write_all(text).await.map_err(|err| err.to_string())?;
        SystemClock.sleep_until(SystemClock.now() + Duration::from_millis(100)).await;
        Ok(())
    }

    /// Whether the service answers a good request.
    async fn answers(&self) -> Verdict {
        let body = request("conformance.echo", &json!("still here"));
        match self.call("POST", "conformance.echo", body.as_bytes()).await {
            Ok((200, reply)) if reply.contains("still here") => Verdict::Passed,
            other => Verdict::Failed(format!("the service does not answer any more: {other:?}")),
        }
    }

    async fn survives(&self, broken: &[u8]) -> Verdict {
        match self.hang_up_after(broken).await {
            Ok(()) => self.answers().await,
            Err(why) => Verdict::Failed(why),
        }
    }
}

/// A request as a worker sends it.
fn request(task: &str, args: &Value) -> String {
    json!({
        "v": 1, "run": "raw-1", "id": "raw", "queue": "default", "task": task, "args": args,
        "attempt": 1, "max_attempts": 1, "crashes": 0, "snoozes": 0, "last_error": null,
        "timeout_ms": null, "deadline": null, "idempotency_key": "raw", "traceparent": null,
        "tags": [], "worker": "raw", "checkpoint": null, "of_a_later_version": {"a": 1}
    })
    .to_string()
}

fn status(reply: Reply, fits: impl Fn(u16) -> bool, must: &str) -> Verdict {
    match reply {
        Ok((status, _)) if fits(status) => Verdict::Passed,
        Ok((status, body)) => {
            let body: String = body.chars().take(80).collect();
            Verdict::Failed(format!("the status is {status}, and must be {must}: {body}"))
        }
        Err(why) => Verdict::Failed(why),
    }
}

/// The names of the cases, with their verdicts.
pub(super) async fn all(adapter: Adapter, service: RawService) -> Vec<(&'static str, Verdict)> {
    let forged = [
        "a request without a signature is refused",
        "a request with a wrong signature is refused",
        "a request that was signed an hour ago is refused",
    ];
    let plain = [
        "the list names every task",
        "an unknown task is 404",
        "a body that is not JSON is refused with 4xx",
        "a body that comes in pieces, with fields of a later version",
        "half a body, and the caller hangs up",
        "a caller that hangs up while the attempt runs",
        "a request that is no HTTP",
    ];
    let left_out =
        |why| plain.iter().chain(&forged).map(move |name| (*name, Verdict::LeftOut(why)));
    if adapter != Adapter::Http {
        return left_out("only for services").collect();
    }
    if service.place.is_none() {
        return left_out("only for plain http").collect();
    }
    let body = request("conformance.echo", &json!("still here"));
    let (first, rest) = body.as_bytes().split_at(body.len() / 2);
    let slow = request("conformance.slow", &json!(5_000));
    let listed = match service.call("GET", "", b"").await {
        Ok((200, list)) => match TASKS.iter().find(|task| !list.contains(*task)) {
            None => Verdict::Passed,
            Some(task) => Verdict::Failed(format!("the list lacks {task}")),
        },
        reply => status(reply, |it| it == 200, "200"),
    };
    let unknown = request("conformance.unknown", &Value::Null);
    let unknown = service.call("POST", "conformance.unknown", unknown.as_bytes()).await;
    let no_json = service.call("POST", "conformance.echo", b"{\"v\":1,").await;
    let head = service.head("POST", "conformance.echo", body.as_bytes());
    let in_pieces = match service.send(&[head.as_bytes(), first, rest]).await {
        Ok((200, reply)) if reply.contains("still here") => Verdict::Passed,
        reply => Verdict::Failed(format!("{reply:?}")),
    };
    let half = [head.as_bytes(), first].concat();
    let slow_head = service.head("POST", "conformance.slow", slow.as_bytes());
    let slow_call = [slow_head.as_bytes(), slow.as_bytes()].concat();
    let mut verdicts = vec![
        listed,
        status(unknown, |it| it == 404, "404"),
        status(no_json, |it| (400..500).contains(&it), "4xx"),
        in_pieces,
        service.survives(&half).await,
        service.survives(&slow_call).await,
        service.survives(b"\x16\x03\x01 this is no HTTP\r\n\r\n").await,
    ];
    verdicts.extend(forgeries(&service, body.as_bytes()).await);
    plain.into_iter().chain(forged).zip(verdicts).collect()
}

/// Requests that no worker with the key has made.
async fn forgeries(service: &RawService, body: &[u8]) -> [Verdict; 3] {
    let Some(keys) = &service.keys else {
        return [(); 3].map(|()| Verdict::LeftOut("no keys are given: NAQ_HANDLER_KEYS"));
    };
    let path = service.path("conformance.echo");
    let now = SystemClock.now();
    let good = keys.sign(now, &path, body);
    let other_body = keys.sign(now, &path, b"another body");
    let old = keys.sign(now.saturating_sub(Duration::from_secs(3_600)), &path, body);
    debug_assert_ne!(good, other_body);
    let mut verdicts = Vec::new();
    for signature in [None, Some(other_body.as_str()), Some(old.as_str())] {
        let head = service.head_with("POST", "conformance.echo", body.len(), signature);
        let reply = service.send(&[head.as_bytes(), body]).await;
        verdicts.push(status(reply, |it| it == 401 || it == 403, "401"));
    }
    let mut verdicts = verdicts.into_iter();
    [(); 3].map(|()| verdicts.next().unwrap_or(Verdict::LeftOut("not run")))
}
