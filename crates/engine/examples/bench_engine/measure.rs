//! Medians of interleaved runs, and their printing.

use std::time::Instant;

/// Seconds of one side: on the clock, and of all threads together. The latter hardly
/// depends on what else the machine does.
#[derive(Clone, Copy)]
pub struct Seconds {
    pub wall: f64,
    pub cpu: f64,
}

/// CPU seconds of this process so far (Linux; elsewhere the ratio reads NaN).
pub fn cpu_seconds() -> f64 {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return f64::NAN };
    let nanoseconds: u64 = threads
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next().and_then(|run| run.parse::<u64>().ok()))
        .sum();
    nanoseconds as f64 * 1e-9
}

/// Medians of functions that are run in turn.
pub fn interleaved(runs: usize, sides: &mut [Box<dyn FnMut() + '_>]) -> Vec<Seconds> {
    let mut times = vec![Vec::new(); sides.len()];
    for _ in 0..runs {
        for (side, times) in sides.iter_mut().zip(&mut times) {
            let (start, cpu) = (Instant::now(), cpu_seconds());
            side();
            times.push(Seconds { wall: start.elapsed().as_secs_f64(), cpu: cpu_seconds() - cpu });
        }
    }
    let median = |times: &mut Vec<Seconds>, key: fn(&Seconds) -> f64| {
        times.sort_by(|a, b| key(a).total_cmp(&key(b)));
        key(&times[runs / 2])
    };
    let medians = times.iter_mut();
    medians.map(|t| Seconds { wall: median(t, |s| s.wall), cpu: median(t, |s| s.cpu) }).collect()
}

/// A table with a column for each backend, and the ratios it collects.
pub struct Table {
    title: &'static str,
    names: Vec<String>,
    ratios: Vec<Vec<[f64; 2]>>,
}

impl Table {
    pub fn new(title: &'static str, reference: &str, backends: &[verdict_engine::Backend]) -> Self {
        let names: Vec<String> = backends.iter().map(|backend| format!("{backend:?}")).collect();
        print!("\n{title:<34} {reference:>12}");
        for name in &names {
            print!(" {:>12} {:>6} {:>6}", name, "clock", "cpu");
        }
        println!();
        let ratios = vec![Vec::new(); names.len()];
        Self { title, names, ratios }
    }

    /// Prints a row: the reference's time, then each backend's with the ratios.
    pub fn row(&mut self, name: &str, reference: Seconds, ours: &[Seconds]) {
        print!("{name:<34} {:>9.2} ms", reference.wall * 1e3);
        for (seconds, ratios) in ours.iter().zip(&mut self.ratios) {
            let ratio = [reference.wall / seconds.wall, reference.cpu / seconds.cpu];
            print!(" {:>9.2} ms {:>5.2}x {:>5.2}x", seconds.wall * 1e3, ratio[0], ratio[1]);
            ratios.push(ratio);
        }
        println!();
    }

    /// Prints geometric mean and minimum of the rows.
    pub fn summary(&self) {
        for (name, ratios) in self.names.iter().zip(&self.ratios) {
            let mean = |i: usize| {
                (ratios.iter().map(|r| r[i].ln()).sum::<f64>() / ratios.len() as f64).exp()
            };
            let least = |i: usize| ratios.iter().map(|r| r[i]).fold(f64::INFINITY, f64::min);
            println!(
                "{} with {name}: geometric mean {:.2} x clock, {:.2} x cpu; least {:.2} and {:.2}",
                self.title,
                mean(0),
                mean(1),
                least(0),
                least(1)
            );
        }
    }
}

/// One line of a table of distances to the limit, if there is arithmetic at all.
pub fn distance(name: &str, products: u64, nanoseconds: f64, cpu: f64) {
    if products == 0 {
        return;
    }
    let limit = products as f64 * nanoseconds * 1e-9;
    println!(
        "{name:<34} {:>10.2} M products {:>9.2} ms at least {:>9.2} ms cpu {:>5.0} %",
        products as f64 * 1e-6,
        limit * 1e3,
        cpu * 1e3,
        100.0 * limit / cpu
    );
}
