//! Jobs that wait for other jobs: the [`jobs`], and the [`flows`] that they make up.

pub mod demo;
pub mod flows;
pub mod jobs;
