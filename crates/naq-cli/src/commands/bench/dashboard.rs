//! The dashboard under load: many stored jobs, traffic, open tabs of which some read slowly; what a
//! page takes then, what the dashboard takes of memory, and what it asks the broker.

mod crowd;
mod house;
mod store;
mod visit;

use std::time::Duration;

use anyhow::Result;

use super::arena::{Arena, Plan};
use super::figure::{Figure, Target, Unit};
use super::stats::percentile;
use crowd::Crowd;
use house::House;
use store::Traffic;

pub(super) use house::serve;
pub(super) use store::work;

/// How many jobs and tabs, unless it is said.
pub(super) const JOBS: u32 = 1_000_000;
pub(super) const TABS: u32 = 200;

/// One of so many tabs hardly reads.
const SLOW: usize = 10;

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) jobs: usize,
    pub(super) tabs: usize,
    /// How often each page is asked for.
    pub(super) visits: usize,
    /// How long messages are counted.
    pub(super) span: Duration,
}

pub(super) async fn measure(arena: &Arena, plan: &Plan, load: Load) -> Result<Vec<Figure>> {
    let Load { jobs, tabs, visits, span } = load;
    plan.progress(format_args!("{jobs} jobs are stored"));
    store::fill(&arena.naq, jobs).await?;
    let traffic = Traffic::start(&arena.naq)?;
    let house = House::start(arena.config()).await?;
    let pages = visit::pages(house.address).await?;

    plan.progress(format_args!("messages to the broker, {} s with one tab", span.as_secs()));
    let mut one = Crowd::open(house.address, &pages, 1, usize::MAX);
    one.have_news().await?;
    let with_one = house.messages_a_second(span).await?;
    drop(one);

    plan.progress(format_args!("the same with {tabs} tabs"));
    let mut crowd = Crowd::open(house.address, &pages, tabs, SLOW);
    crowd.have_news().await?;
    let with_all = house.messages_a_second(span).await?;

    plan.progress(format_args!("{} pages, {visits} times each", pages.len()));
    let times = visit::all(house.address, &pages, visits).await?;
    // All of them are still being told.
    crowd.have_news().await?;
    let memory = house.peak_megabytes();
    drop(crowd);
    traffic.stop().await?;
    house.stop().await?;
    Ok(figures(load, &times, memory, (with_all, with_one)))
}

fn figures(
    load: Load,
    times: &[(String, Vec<f64>)],
    memory: Option<f64>,
    messages: (f64, f64),
) -> Vec<Figure> {
    let Load { jobs, tabs, .. } = load;
    let beside = format!("{jobs} jobs, {tabs} tabs");
    let figure = |name: String, unit, target, value| {
        let mut figure = Figure::new(name, unit, target);
        figure.alone(value);
        figure.done()
    };
    let all: Vec<f64> = times.iter().flat_map(|(_, times)| times).copied().collect();
    let p95 = |times: &[f64]| percentile(times, 0.95);
    let slowest = times.iter().max_by(|a, b| p95(&a.1).total_cmp(&p95(&b.1)));
    let mut figures = vec![
        figure(format!("page, p50, {beside}"), Unit::Millis, Target::None, percentile(&all, 0.5)),
        figure(format!("page, p95, {beside}"), Unit::Millis, Target::AtMost(300.0), p95(&all)),
    ];
    figures.extend(slowest.map(|(page, times)| {
        figure(format!("slowest page, p95: {page}"), Unit::Millis, Target::None, p95(times))
    }));
    figures.extend(memory.map(|peak| {
        let target = Target::AtMost(150.0);
        figure(format!("dashboard memory, {beside}"), Unit::Megabytes, target, peak)
    }));
    let name = format!("messages to the broker a second, {tabs} tabs");
    let mut asked = Figure::new(name, Unit::Messages, Target::RatioAtMost(1.2)).against("one tab");
    asked.pair(messages.0, messages.1);
    figures.push(asked.done());
    figures
}
