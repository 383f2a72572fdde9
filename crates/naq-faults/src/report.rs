//! What a run says about itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::Result;
use serde_json::json;

use crate::check::{Lateness, Verdict};
use crate::plan::Plan;

/// Violations shown in a table; JSON has all.
const SHOWN: usize = 50;

/// What is about to happen, with the seed that repeats it.
pub fn intent(plan: &Plan) -> String {
    let s = &plan.settings;
    format!(
        "seed {} (NAQ_FAULT_SEED={} repeats the plan): {} jobs over {} s, {} workers, {} faults",
        plan.seed,
        plan.seed,
        s.jobs,
        s.duration_ms / 1_000,
        s.workers,
        plan.faults.len()
    )
}

/// The verdict, for people.
pub fn table(verdict: &Verdict, plan: &Plan) -> String {
    let figures = &verdict.figures;
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<28}{value}");
    };
    row("seed", plan.seed.to_string());
    row("jobs acknowledged", format!("{} of {}", figures.acked, plan.jobs.len()));
    for (state, count) in &figures.ends {
        row(&format!("  {state}"), count.to_string());
    }
    for (fault, count) in &figures.faults {
        row(fault, count.to_string());
    }
    row("handler runs", figures.runs.to_string());
    row("  again, paid by a fault", figures.extra_runs.to_string());
    row("jobs no fault can have met", figures.untouched.to_string());
    row("retries late, no fault near", late(&figures.lateness));
    row("retries late, all", late(&figures.lateness_all));
    row("violations", verdict.violations.len().to_string());
    let mut kinds = BTreeMap::new();
    for violation in &verdict.violations {
        *kinds.entry(violation.what.name()).or_insert(0) += 1;
    }
    for (kind, count) in &kinds {
        row(&format!("  {kind}"), count.to_string());
    }
    for violation in verdict.violations.iter().take(SHOWN) {
        let _ = writeln!(text, "  {violation}");
    }
    if verdict.violations.len() > SHOWN {
        let _ = writeln!(text, "  and {} more: -o json", verdict.violations.len() - SHOWN);
    }
    text.truncate(text.trim_end().len());
    text
}

/// The verdict, for programs.
///
/// # Errors
/// It has no form in JSON.
pub fn json(verdict: &Verdict, plan: &Plan) -> Result<String> {
    let report = json!({
        "seed": plan.seed,
        "settings": plan.settings,
        "violations": verdict.violations,
        "figures": verdict.figures,
    });
    Ok(serde_json::to_string_pretty(&report)?)
}

fn late(late: &Lateness) -> String {
    let Lateness { retries, p50_ms, p99_ms, max_ms } = late;
    format!("p50 {p50_ms} ms, p99 {p99_ms} ms, max {max_ms} ms of {retries}")
}
