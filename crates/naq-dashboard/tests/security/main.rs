//! Attacks on the dashboard, each a test of its name.

mod attacks;
mod hostile;
mod scan;
mod site;
mod words;
