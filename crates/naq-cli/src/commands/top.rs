//! `naq top`: the numbers of the dashboard, live in the terminal.

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

/// The time windows that the key `w` cycles through.
const WINDOWS: [Duration; 3] =
    [Duration::from_secs(5 * 60), Duration::from_secs(60 * 60), Duration::from_secs(24 * 60 * 60)];

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq top
  naq top --window 1h --sort dead
  naq top --once -o json

Keys: q quits; s, r, d and n sort tasks by starts, retry share, dead jobs and name; w changes the
time window. If stdout is not a terminal, it prints once.")]
pub(crate) struct TopArgs {
    /// Print once and end
    #[arg(long)]
    once: bool,
    /// How often to read from the broker
    #[arg(long, value_name = "DURATION", value_parser = parse_interval, default_value = "1s")]
    interval: Duration,
    /// The time that the numbers cover, at most 24h
    #[arg(short, long, value_name = "DURATION", value_parser = parse_window, default_value = "5m")]
    window: Duration,
    /// How to sort the tasks
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

/// The window and the sort order. Keys change both.
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
    let settings = TopSettings { window: args.window, sort: args.sort };
    let feed = Arc::new(TopFeed::default());
    feed.read(client).await?;
    if !args.once && out.format() == Format::Table && io::stdout().is_terminal() {
        return live(args.interval, settings, feed, client, out).await;
    }
    loop {
        let view = TopView::of(&feed.data(), client.now(), settings.window, settings.sort);
        out.one(&view, || frame::text(&view, None))?;
        if args.once || out.format() != Format::Jsonl || out.is_closed() {
            return Ok(());
        }
        SystemClock.sleep_until(SystemClock.now() + args.interval).await;
        feed.read(client).await?;
    }
}

/// Shows the screen until the user quits. The broker is read in the background, so that keys work even
/// while it does not answer.
async fn live(
    interval: Duration,
    mut settings: TopSettings,
    feed: Arc<TopFeed>,
    client: &Client,
    out: Output,
) -> Result<()> {
    let (screen, mut keys) = Screen::enter(out)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let reader = tokio::spawn(read_loop(client.clone(), feed.clone(), interval));
    loop {
        let view = TopView::of(&feed.data(), client.now(), settings.window, settings.sort);
        screen.draw(&frame::text(&view, screen::height()))?;
        let drawn = SystemClock.now();
        tokio::select! {
            () = SystemClock.sleep_until(drawn + interval) => {}
            key = keys.recv() => match key {
                Some(KeyPress::Quit) | None => break,
                Some(key) => settings.press(key),
            },
            _ = terminate.recv() => break,
        }
    }
    reader.abort();
    Ok(())
}

async fn read_loop(client: Client, feed: Arc<TopFeed>, interval: Duration) {
    loop {
        let began = SystemClock.now();
        if let Err(error) = feed.read(&client).await {
            feed.set_stale(&error);
        }
        SystemClock.sleep_until(began + interval).await;
    }
}
