//! CPU time per job, where /proc says it. On a busy machine it is steadier than a rate, and it says
//! where a rate is lost: here or in the broker.

use std::time::Instant;

use super::figure::{Figure, Target, Unit};
use super::stats::{now, rate};

/// Ticks of the CPU times in /proc/PID/stat in a second: the same on all of Linux.
const TICKS: f64 = 100.0;

/// Counts from its making on.
#[derive(Debug)]
pub(super) struct Meter {
    start: Instant,
    pids: [Option<u32>; 2],
    begun: [Option<f64>; 2],
}

/// What a number of jobs took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    /// Jobs a second.
    rate: f64,
    /// CPU time of a job in microseconds, here and in the broker.
    cpu: [Option<f64>; 2],
}

impl Meter {
    /// Begins; the broker's process is known if it is our own.
    pub(super) fn start(broker: Option<u32>) -> Self {
        let pids = [Some(std::process::id()), broker];
        Self { begun: pids.map(|pid| cpu_micros(pid?)), pids, start: now() }
    }

    /// That many jobs are done.
    pub(super) fn stop(self, jobs: usize) -> Cost {
        let rate = rate(jobs, self.start.elapsed());
        let mut cpu = [None, None];
        for (n, (pid, begun)) in self.pids.into_iter().zip(self.begun).enumerate() {
            let used = pid.and_then(cpu_micros).zip(begun).map(|(end, begun)| end - begun);
            cpu[n] = used.map(|micros| micros / jobs as f64);
        }
        Cost { rate, cpu }
    }
}

/// User and system time of a process so far.
fn cpu_micros(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program, in brackets, may hold anything; utime and stime follow as 12th and
    // 13th.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Some((times.next()?.ok()? + times.next()?.ok()?) / TICKS * 1e6)
}

/// A rate, and the CPU time behind it.
#[derive(Debug)]
pub(super) struct Costs {
    rate: Figure,
    cpu: [Figure; 2],
}

impl Costs {
    pub(super) fn new(name: &str, target: Target) -> Self {
        let cpu = |whose| Figure::new(format!("  {whose}"), Unit::Micros, Target::None);
        Self {
            rate: Figure::new(name, Unit::PerSecond, target),
            cpu: [cpu("CPU a job, this process"), cpu("CPU a job, broker")],
        }
    }

    /// Compares with this instead of raw async-nats.
    pub(super) fn against(self, what: &'static str) -> Self {
        let cpu = self.cpu.map(|figure| figure.against(what));
        Self { rate: self.rate.against(what), cpu }
    }

    pub(super) fn pair(&mut self, naq: Cost, base: Cost) {
        self.rate.pair(naq.rate, base.rate);
        for (figure, times) in self.cpu.iter_mut().zip(naq.cpu.into_iter().zip(base.cpu)) {
            if let (Some(naq), Some(base)) = times {
                figure.pair(naq, base);
            }
        }
    }

    /// The rate, and the times that could be had.
    pub(super) fn done(self) -> Vec<Figure> {
        let measured = self.cpu.into_iter().filter(Figure::is_measured);
        std::iter::once(self.rate).chain(measured).map(Figure::done).collect()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn work_takes_cpu_time() {
        let before = cpu_micros(std::process::id()).expect("a process");
        let start = now();
        while cpu_micros(std::process::id()).expect("a process") == before {
            assert!(start.elapsed().as_secs() < 10, "busy all along, and no CPU time");
        }
        assert!(cpu_micros(u32::MAX).is_none());
    }
}
