//! The fuzz run: stores messages that a hostile or a broken producer may store, by the raw protocol of the broker,
//! while workers, commands and the dashboard read them. It fails if one of these processes ends, or if a message
//! has no end and is not stored any more.
//!
//! `just fuzz --messages 1000000 --seed 7` runs it, or
//! `cargo run --release -p naq-cli --all-features --example fuzz -- --messages 1000000`. The variable
//! `NAQ_NATS_SERVER` names the broker's binary, as in the tests.

mod accounts;
mod messages;
mod readers;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use naq_core::transport::Lookup;
use naq_core::{Clock, Failure, SystemClock};
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{MALFORMED, NatsConnection, NatsServer, eventually};
use naq_worker::{Context, Registry};
use serde_json::Value;
use tokio::time::Instant;

use self::accounts::Accounts;
use self::messages::Message;
use self::readers::{Processes, RUNS_NAQ};

/// The queue of the run.
const QUEUE: &str = "fuzz";
/// The longest time that an ordinary step takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(100);
/// The least jobs that the workers end in a second, on a busy machine.
const LEAST_PER_SECOND: u64 = 50;

#[derive(Debug, Parser)]
struct Args {
    /// How many messages the run stores
    #[arg(long, default_value_t = 2_000)]
    messages: u64,
    /// The seed: the same seed gives the same messages
    #[arg(long, default_value_t = 11)]
    seed: u64,
}

/// Succeeds, fails without a retry, or fails with one, by its arguments.
async fn greet(args: Value, cx: Context<()>) -> Result<Value, Failure> {
    match args.as_u64().map(|n| n % 20) {
        Some(0) => Err(Failure::msg("never").fatal()),
        Some(1) if cx.attempt() == 1 => Err(Failure::msg("once more").retry_after(Duration::ZERO)),
        _ => Ok(args),
    }
}

fn main() -> ExitCode {
    // The processes of the run are this binary too: it is the whole `naq` command.
    if std::env::var_os(RUNS_NAQ).is_some() {
        return naq_cli::main(Registry::new().raw("greet", greet));
    }
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ran = runtime.context("cannot start the runtime").and_then(|rt| rt.block_on(run(&args)));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            let _ = writeln!(std::io::stderr(), "seed {}: {err:#}", args.seed);
            ExitCode::FAILURE
        }
    }
}

/// Stores what is in no queue, so that no worker removes it and all lists read past it.
fn store_beside(raw: &mut NatsConnection) -> Result<()> {
    for message in MALFORMED {
        for place in ["r.other.", "d.other.", "s.fuzz.", "k.pause.", "k.schedule.", "w.", "m."] {
            let place = format!("naq.{place}{}", message.name);
            raw.publish(&[place.as_bytes(), message.subject].concat(), message.headers, b"{}")?;
        }
        raw.publish(b"naq.ctl", message.headers, b"{}")?;
    }
    Ok(())
}

async fn run(args: &Args) -> Result<()> {
    let began = SystemClock.now();
    let seconds = || SystemClock.now().since(began).as_secs();
    let server = NatsServer::start()?;
    let mut processes = Processes::start(&server.url()).await?;
    let transport = NatsTransport::connect(NatsConfig::new(server.url())).await?;
    let mut accounts = Accounts::default();
    let queue = QUEUE.parse()?;
    eventually("a queue", PATIENCE, async || {
        let info = transport.queue_info(&queue).await.map_err(|err| err.to_string())?;
        info.and_then(|info| info.lease).ok_or_else(|| "no consumer".to_owned())
    })
    .await;
    let mut raw = NatsConnection::connect(&server.address(), "")?;
    store_beside(&mut raw)?;
    // Messages that are stored before the queue is empty again.
    let chunk = (args.messages / 20).clamp(1_000, 50_000);
    for n in 0..args.messages {
        let message = Message::new(args.seed, n);
        raw.publish(&message.subject, &message.headers, &message.body)?;
        accounts.stored(n, message.name);
        if (n + 1) % chunk != 0 && n + 1 != args.messages {
            continue;
        }
        raw.wait_until_read()?;
        processes.read_everything()?;
        let limit = PATIENCE + Duration::from_secs(chunk / LEAST_PER_SECOND);
        eventually("an empty queue", limit, async || {
            let info = transport.queue_info(&queue).await.map_err(|err| err.to_string())?;
            let info = info.ok_or_else(|| "no queue".to_owned())?;
            let is_empty = info.pending + info.running == 0;
            is_empty
                .then_some(())
                .ok_or_else(|| format!("{} pending, {} running", info.pending, info.running))
        })
        .await;
        processes.check()?;
        accounts.read_ends(&transport).await?;
        writeln!(std::io::stderr(), "{} messages after {} s", n + 1, seconds())?;
    }
    // A message that moves from one place to another during a look is found by the next one.
    let end = Instant::now() + PATIENCE;
    loop {
        accounts.read_waiting(&transport).await?;
        match accounts.check() {
            Err(_) if Instant::now() < end => {}
            checked => break checked?,
        }
    }
    let slowest = processes.end().await?;
    let took = seconds();
    writeln!(
        std::io::stdout(),
        "seed {}: {} messages in {took} s: {accounts}; no process ended; the slowest look was {slowest}",
        args.seed,
        args.messages,
    )?;
    ensure!(args.messages > 0, "no message was stored");
    Ok(())
}
