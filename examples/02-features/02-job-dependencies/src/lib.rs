//! Jobs that wait for other jobs: the [`jobs`], the [`flows`] that connect them, and a [`demo`].

pub mod demo;
pub mod flows;
pub mod jobs;
