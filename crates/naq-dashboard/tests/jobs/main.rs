//! The pages about jobs, over HTTP and an in-memory broker: one job, lists of jobs, the policy
//! simulator, schedules and workflows.

mod lists;
mod one;
mod recurring;
mod simulator;
mod test_dashboard;
