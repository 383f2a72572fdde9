//! CPU time per job, read from /proc. On a busy machine it is steadier than a rate, and it shows
//! whether this process or the broker costs the time.

use std::time::Instant;

use crate::figure::{BenchFigure, FigureTarget, FigureUnit};
use crate::stats::{now, rate};

/// Ticks per second of the CPU times in /proc/PID/stat: the same on every Linux.
const TICKS: f64 = 100.0;

/// Measures time and CPU time from its creation to [`stop`](Self::stop).
#[derive(Debug)]
pub(crate) struct CpuMeter {
    start: Instant,
    pids: [Option<u32>; 2],
    begun: [Option<f64>; 2],
}

/// What one run of jobs cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunCost {
    /// Jobs a second.
    rate: f64,
    /// CPU time a job in microseconds, in this process and in the broker.
    cpu: [Option<f64>; 2],
}

impl CpuMeter {
    /// Starts to measure. `broker` is the broker's process, if it is known.
    pub(crate) fn start(broker: Option<u32>) -> Self {
        let pids = [Some(std::process::id()), broker];
        Self { begun: pids.map(|pid| cpu_micros(pid?)), pids, start: now() }
    }

    /// Ends the measurement of `jobs` jobs.
    pub(crate) fn stop(self, jobs: usize) -> RunCost {
        let rate = rate(jobs, self.start.elapsed());
        let mut cpu = [None, None];
        for (n, (pid, begun)) in self.pids.into_iter().zip(self.begun).enumerate() {
            let used = pid.and_then(cpu_micros).zip(begun).map(|(end, begun)| end - begun);
            cpu[n] = used.map(|micros| micros / jobs as f64);
        }
        RunCost { rate, cpu }
    }
}

/// User and system time that a process has used so far, in microseconds.
fn cpu_micros(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name is in brackets and may contain spaces and brackets itself. After it,
    // utime and stime are the 12th and 13th fields.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    Some((times.next()?.ok()? + times.next()?.ok()?) / TICKS * 1e6)
}

/// The rounds of one measure: its rate, and the CPU time behind it.
#[derive(Debug)]
pub(crate) struct CostSamples {
    rate: BenchFigure,
    cpu: [BenchFigure; 2],
}

impl CostSamples {
    pub(crate) fn new(name: &str, target: FigureTarget) -> Self {
        let cpu =
            |whose| BenchFigure::new(format!("  {whose}"), FigureUnit::Micros, FigureTarget::None);
        Self {
            rate: BenchFigure::new(name, FigureUnit::PerSecond, target),
            cpu: [cpu("CPU a job, this process"), cpu("CPU a job, broker")],
        }
    }

    /// Compares with this instead of raw async-nats.
    pub(crate) fn against(self, what: &'static str) -> Self {
        let cpu = self.cpu.map(|figure| figure.against(what));
        Self { rate: self.rate.against(what), cpu }
    }

    pub(crate) fn pair(&mut self, naq: RunCost, base: RunCost) {
        self.rate.pair(naq.rate, base.rate);
        for (figure, times) in self.cpu.iter_mut().zip(naq.cpu.into_iter().zip(base.cpu)) {
            if let (Some(naq), Some(base)) = times {
                figure.pair(naq, base);
            }
        }
    }

    /// The rate, and those CPU times that could be measured.
    pub(crate) fn done(self) -> Vec<BenchFigure> {
        let measured = self.cpu.into_iter().filter(BenchFigure::is_measured);
        std::iter::once(self.rate).chain(measured).map(BenchFigure::done).collect()
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
            assert!(start.elapsed().as_secs() < 10, "ten busy seconds without CPU time");
        }
        assert!(cpu_micros(u32::MAX).is_none());
    }
}
