//! The pages about jobs, over HTTP and a broker in memory: one job, lists of jobs, the policy
//! simulator, schedules and workflows.

mod lists;
mod one;
mod recurring;
mod simulator;
mod site;
