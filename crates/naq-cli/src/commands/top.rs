//! `naq top`: the numbers of the dashboard, live in a terminal.

mod feed;
mod frame;
mod rows;
mod screen;
#[cfg(test)]
mod tests;
mod view;

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use naq_client::Client;
use naq_core::{Clock, SystemClock, Timer};
use tokio::signal::unix::{SignalKind, signal};

use crate::output::{Format, Output};
use crate::text::parse_duration;

use feed::TopFeed;
use screen::{KeyPress, Screen};
use view::{Sort, TopView};

/// The windows that `w` goes through.
const WINDOWS: [Duration; 3] =
    [Duration::from_secs(5 * 60), Duration::from_secs(60 * 60), Duration::from_secs(24 * 60 * 60)];

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq top
  naq top --window 1h --sort dead
  naq top --once -o json

Keys: q ends it; s, r, d and n sort tasks by starts, retry share, dead jobs and name; w changes
the window. Where nobody sees a screen, in a pipe, it prints once.")]
pub(crate) struct TopArgs {
    /// Print once, and end
    #[arg(long)]
    once: bool,
    /// Look at the broker this often
    #[arg(long, value_name = "DURATION", value_parser = parse_interval, default_value = "1s")]
    interval: Duration,
    /// Sum up this much time, at most a day
    #[arg(short, long, value_name = "DURATION", value_parser = parse_window, default_value = "5m")]
    window: Duration,
    /// Sort tasks by
    #[arg(short, long, value_enum, default_value_t)]
    sort: Sort,
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text)?;
    let least = Duration::from_millis(200);
    if interval >= least { Ok(interval) } else { Err("use at least 200ms".into()) }
}

fn parse_window(text: &str) -> Result<Duration, String> {
    let window = parse_duration(text)?;
    let (least, most) = (Duration::from_secs(60), WINDOWS[2]);
    if (least..=most).contains(&window) { Ok(window) } else { Err("use 1m to 24h".into()) }
}

/// How it is looked at.
#[derive(Debug, Clone, Copy)]
struct TopSettings {
    window: Duration,
    sort: Sort,
}

impl TopSettings {
    fn press(&mut self, key: KeyPress) {
        match key {
            KeyPress::Sort(sort) => self.sort = sort,
            KeyPress::Window => {
                let longer = WINDOWS.into_iter().find(|window| *window > self.window);
                self.window = longer.unwrap_or(WINDOWS[0]);
            }
            KeyPress::Quit => {}
        }
    }
}

pub(crate) async fn run(args: &TopArgs, client: &Client, out: Output) -> Result<()> {
    let view = TopSettings { window: args.window, sort: args.sort };
    let facts = Arc::new(TopFeed::default());
    facts.look(client).await?;
    if !args.once && out.format() == Format::Table && io::stdout().is_terminal() {
        return live(args.interval, view, facts, client, out).await;
    }
    loop {
        let model = TopView::of(&facts.known(), client.now(), view.window, view.sort);
        out.one(&model, || frame::text(&model, None))?;
        if args.once || out.format() != Format::Jsonl {
            return Ok(());
        }
        SystemClock.sleep_until(SystemClock.now() + args.interval).await;
        facts.look(client).await?;
    }
}

/// Reads in the background, so that a key is answered also while the broker is not.
async fn live(
    interval: Duration,
    mut view: TopSettings,
    facts: Arc<TopFeed>,
    client: &Client,
    out: Output,
) -> Result<()> {
    let (screen, mut keys) = Screen::enter(out)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let reader = tokio::spawn(read(client.clone(), facts.clone(), interval));
    loop {
        let model = TopView::of(&facts.known(), client.now(), view.window, view.sort);
        screen.draw(&frame::text(&model, screen::height()))?;
        let drawn = SystemClock.now();
        tokio::select! {
            () = SystemClock.sleep_until(drawn + interval) => {}
            key = keys.recv() => match key {
                Some(KeyPress::Quit) | None => break,
                Some(key) => view.press(key),
            },
            _ = terminate.recv() => break,
        }
    }
    reader.abort();
    Ok(())
}

async fn read(client: Client, facts: Arc<TopFeed>, interval: Duration) {
    loop {
        let began = SystemClock.now();
        if let Err(error) = facts.look(&client).await {
            facts.stale(&error);
        }
        SystemClock.sleep_until(began + interval).await;
    }
}
