//! The short fault run. `NAQ_FAULT_SEED` repeats a plan.

use std::path::Path;

use naq_faults::plan::{RunPlan, RunSettings};
use naq_faults::{report, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_short_fault_run_breaks_no_promise() {
    let seed = match std::env::var("NAQ_FAULT_SEED") {
        Ok(seed) => seed.parse().expect("NAQ_FAULT_SEED is a number"),
        Err(_) => fastrand::u64(..),
    };
    let plan = RunPlan::new(seed, RunSettings::SHORT);
    let dir = tempfile::Builder::new().prefix("naq-faults-").tempdir().expect("a directory");
    println!("{}", report::run_header(&plan));

    let program = Path::new(env!("CARGO_BIN_EXE_naq-fault-run"));
    let report = run::run(&plan, program, dir.path(), |line| println!("{line}")).await;
    let report = report.unwrap_or_else(|error| panic!("seed {seed}: {error:#}"));

    let table = report::table(&report, &plan);
    println!("{table}");
    if !report.violations.is_empty() {
        panic!("ledgers and logs are in {}\n{table}", dir.keep().display());
    }
    // A run without faults would prove nothing.
    let figures = &report.figures;
    assert_eq!(figures.acked, u64::from(plan.settings.jobs));
    assert_eq!(figures.faults.get("broker killed"), Some(&2), "{table}");
    assert!(figures.faults.get("worker killed").is_some_and(|n| *n >= 4), "{table}");
    assert!(figures.faults.get("worker rolled").is_some_and(|n| *n >= 4), "{table}");
    assert!(figures.extra_runs > 0 && figures.untouched > 0, "{table}");
}
