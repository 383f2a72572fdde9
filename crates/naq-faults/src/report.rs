//! The report of a run, as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;
use serde_json::json;

use crate::check::{CheckReport, Lateness, Stall};
use crate::plan::RunPlan;

/// How many violations the table shows. JSON contains all.
const SHOWN: usize = 50;

/// The seed and size of a run, printed before it starts.
pub fn run_header(plan: &RunPlan) -> String {
    let s = &plan.settings;
    format!(
        "seed {} (NAQ_FAULT_SEED={} repeats the plan): {} jobs over {} s, {} workers, {} servers, {} \
         faults, {} deeds of operators",
        plan.seed,
        plan.seed,
        s.jobs,
        s.duration_ms / 1_000,
        s.workers,
        s.servers,
        plan.faults.len(),
        plan.deeds.len()
    )
}

/// The report as a table.
pub fn table(report: &CheckReport, plan: &RunPlan) -> String {
    let figures = &report.figures;
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<44}{value}");
    };
    row("seed", plan.seed.to_string());
    row("jobs acknowledged", format!("{} of {}", figures.acked, plan.jobs.len()));
    for (state, count) in &figures.ends {
        row(&format!("  {state}"), count.to_string());
    }
    for (fault, count) in &figures.faults {
        row(fault, count.to_string());
    }
    for (deed, count) in &figures.deeds {
        row(deed, count.to_string());
    }
    row("purged and gone", figures.gone.to_string());
    row("lost", count(report, "Lost").to_string());
    row("begun after their end", count(report, "RanAfterEnd").to_string());
    row("crashes counted", figures.crashes.to_string());
    row("  without a death", count(report, "CrashWithoutDeath").to_string());
    row("  deaths under a job", figures.deaths.to_string());
    row("stranded", figures.stranded.to_string());
    row("retries early", count(report, "Early").to_string());
    row("handler runs", figures.runs.to_string());
    row("  again, after a fault", figures.extra_runs.to_string());
    row("jobs untouched by faults", figures.untouched.to_string());
    row("lateness without faults", lateness(&figures.lateness));
    row("lateness of all retries", lateness(&figures.lateness_all));
    for stall in &figures.stalls {
        let Stall { queue, broker_ms, enqueue_ms, start_ms } = stall;
        let times = format!("broker {broker_ms} ms, enqueue {enqueue_ms} ms, start {start_ms} ms");
        row(&format!("stall, leader of {queue} killed"), times);
    }
    row("violations", report.violations.len().to_string());
    let mut kinds = BTreeMap::new();
    for violation in &report.violations {
        *kinds.entry(violation.what.name()).or_insert(0) += 1;
    }
    for (kind, count) in &kinds {
        row(&format!("  {kind}"), count.to_string());
    }
    for violation in report.violations.iter().take(SHOWN) {
        let _ = writeln!(text, "  {violation}");
    }
    if report.violations.len() > SHOWN {
        let _ = writeln!(text, "  and {} more: -o json", report.violations.len() - SHOWN);
    }
    text.truncate(text.trim_end().len());
    text
}

/// How many violations have this name.
fn count(report: &CheckReport, name: &str) -> usize {
    report.violations.iter().filter(|violation| violation.what.name() == name).count()
}

/// The report as JSON.
///
/// # Errors
/// The report cannot be written as JSON.
pub fn json(report: &CheckReport, plan: &RunPlan) -> Result<String> {
    let report = json!({
        "seed": plan.seed,
        "settings": plan.settings,
        "violations": report.violations,
        "figures": report.figures,
    });
    Ok(serde_json::to_string_pretty(&report)?)
}

fn lateness(lateness: &Lateness) -> String {
    let Lateness { retries, p50_ms, p99_ms, max_ms } = lateness;
    format!("p50 {p50_ms} ms, p99 {p99_ms} ms, max {max_ms} ms of {retries} retries")
}
