//! The dashboard under load: many stored jobs, running traffic, and open tabs of which some read
//! slowly. Measures how long a page takes, the dashboard's memory, and its messages to the broker.

mod open_tabs;
mod page_times;
mod process;
mod stored_jobs;

use std::time::Duration;

use anyhow::Result;

use crate::contestants::{BenchPlan, Contestants};
use crate::figure::{BenchFigure, FigureTarget, FigureUnit};
use crate::stats::percentile;
use open_tabs::OpenTabs;
use process::DashboardProcess;
use stored_jobs::Traffic;

pub(crate) use process::serve;
pub(crate) use stored_jobs::work;

/// Stored jobs and open tabs, if `--jobs` and `--tabs` are not given.
pub(crate) const JOBS: u32 = 1_000_000;
pub(crate) const TABS: u32 = 200;

/// One tab in this many reads very slowly.
const SLOW: usize = 10;

/// How much load to put on the dashboard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DashboardLoad {
    pub(crate) jobs: usize,
    pub(crate) tabs: usize,
    /// How often each page is requested.
    pub(crate) visits: usize,
    /// How long messages to the broker are counted.
    pub(crate) span: Duration,
}

pub(crate) async fn measure(
    contestants: &Contestants,
    plan: &BenchPlan,
    load: DashboardLoad,
) -> Result<Vec<BenchFigure>> {
    let DashboardLoad { jobs, tabs, visits, span } = load;
    plan.progress(format_args!("storing {jobs} jobs"));
    stored_jobs::fill(&contestants.naq, jobs).await?;
    let traffic = Traffic::start(&contestants.naq)?;
    let process = DashboardProcess::start(contestants.config()).await?;
    let pages = page_times::pages(process.address).await?;

    plan.progress(format_args!("messages to the broker, {} s with one tab", span.as_secs()));
    let mut one = OpenTabs::open(process.address, &pages, 1, usize::MAX);
    one.wait_for_updates().await?;
    let with_one = process.messages_a_second(span).await?;
    drop(one);

    plan.progress(format_args!("the same with {tabs} tabs"));
    let mut tabs_open = OpenTabs::open(process.address, &pages, tabs, SLOW);
    tabs_open.wait_for_updates().await?;
    let with_all = process.messages_a_second(span).await?;

    plan.progress(format_args!("{} pages, {visits} times each", pages.len()));
    let times = page_times::all(process.address, &pages, visits).await?;
    // Every tab must still receive updates. Otherwise the times above were measured with fewer tabs.
    tabs_open.wait_for_updates().await?;
    let memory = process.peak_megabytes();
    drop(tabs_open);
    traffic.stop().await?;
    process.stop().await?;
    Ok(figures(load, &times, memory, (with_all, with_one)))
}

fn figures(
    load: DashboardLoad,
    times: &[(String, Vec<f64>)],
    memory: Option<f64>,
    messages: (f64, f64),
) -> Vec<BenchFigure> {
    let DashboardLoad { jobs, tabs, .. } = load;
    let beside = format!("{jobs} jobs, {tabs} tabs");
    let figure = |name: String, unit, target, value| {
        let mut figure = BenchFigure::new(name, unit, target);
        figure.alone(value);
        figure.done()
    };
    let all: Vec<f64> = times.iter().flat_map(|(_, times)| times).copied().collect();
    let p95 = |times: &[f64]| percentile(times, 0.95);
    let slowest = times.iter().max_by(|a, b| p95(&a.1).total_cmp(&p95(&b.1)));
    let mut figures = vec![
        figure(
            format!("page, p50, {beside}"),
            FigureUnit::Millis,
            FigureTarget::None,
            percentile(&all, 0.5),
        ),
        figure(
            format!("page, p95, {beside}"),
            FigureUnit::Millis,
            FigureTarget::AtMost(300.0),
            p95(&all),
        ),
    ];
    figures.extend(slowest.map(|(page, times)| {
        figure(
            format!("slowest page, p95: {page}"),
            FigureUnit::Millis,
            FigureTarget::None,
            p95(times),
        )
    }));
    figures.extend(memory.map(|peak| {
        let target = FigureTarget::AtMost(150.0);
        figure(format!("dashboard memory, {beside}"), FigureUnit::Megabytes, target, peak)
    }));
    let name = format!("messages to the broker a second, {tabs} tabs");
    let mut asked = BenchFigure::new(name, FigureUnit::Messages, FigureTarget::RatioAtMost(1.2))
        .against("one tab");
    asked.pair(messages.0, messages.1);
    figures.push(asked.done());
    figures
}
