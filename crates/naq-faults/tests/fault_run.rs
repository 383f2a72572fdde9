//! The short fault run. `NAQ_FAULT_SEED` replays a plan.

use std::path::Path;

use naq_faults::plan::{Plan, Settings};
use naq_faults::{report, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_short_fault_run_breaks_no_promise() {
    let seed = match std::env::var("NAQ_FAULT_SEED") {
        Ok(seed) => seed.parse().expect("NAQ_FAULT_SEED is a number"),
        Err(_) => fastrand::u64(..),
    };
    let plan = Plan::new(seed, Settings::SHORT);
    let dir = tempfile::Builder::new().prefix("naq-faults-").tempdir().expect("a directory");
    println!("{}", report::intent(&plan));

    let program = Path::new(env!("CARGO_BIN_EXE_naq-fault-run"));
    let verdict = run::run(&plan, program, dir.path(), |line| println!("{line}")).await;
    let verdict = verdict.unwrap_or_else(|error| panic!("seed {seed}: {error:#}"));

    let table = report::table(&verdict, &plan);
    println!("{table}");
    if !verdict.violations.is_empty() {
        panic!("ledgers and logs are in {}\n{table}", dir.keep().display());
    }
    // A run in which nothing happened would prove nothing.
    let figures = &verdict.figures;
    assert_eq!(figures.acked, u64::from(plan.settings.jobs));
    assert_eq!(figures.faults.get("broker killed"), Some(&2), "{table}");
    assert!(figures.faults.get("worker killed").is_some_and(|n| *n >= 4), "{table}");
    assert!(figures.faults.get("worker rolled").is_some_and(|n| *n >= 4), "{table}");
    assert!(figures.extra_runs > 0 && figures.untouched > 100, "{table}");
}
