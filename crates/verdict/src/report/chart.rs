//! Pictures as SVG, in the colours of the page.

use std::fmt::Write;

use super::{Accuracy, CircuitRows, OtherCircuit, Report, Rows};
use crate::figures::grouped;

/// Cells of the picture of rows: so many columns …
const ACROSS: usize = 64;
/// … and lines.
const DOWN: usize = 16;
/// Width and height of a cell with its border.
const CELL: usize = 12;

/// What cannot stand in SVG as it is.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// What rows are for, in words, and the class that colours them.
pub(super) fn purpose(rows: &Rows) -> (&'static str, String) {
    match rows.kind {
        Some(kind) => (kind.name(), format!("kind-{}", kind as usize)),
        None => ("public values, biases, ends of layers", "kind-shared".into()),
    }
}

/// All purposes of rows with their classes and numbers.
pub(super) fn purposes(rows: &CircuitRows) -> Vec<(&'static str, String, usize)> {
    let taken = rows.taken.iter().map(|own| {
        let (name, class) = purpose(own);
        (name, class, own.rows)
    });
    let rest = [
        ("tables only", "kind-tables".to_owned(), rows.tables_only),
        ("free", "kind-free".to_owned(), rows.free),
    ];
    taken.chain(rest).filter(|(.., rows)| *rows > 0).collect()
}

/// The circuit's rows, a cell for so many of them, coloured by what they are for.
pub(super) fn rows(rows: &CircuitRows) -> String {
    let cells = (ACROSS * DOWN).min(rows.all).max(1);
    let purposes = purposes(rows);
    // The purpose in which the middle of a cell is.
    let purpose_of = |cell: usize| {
        let mut at = (2 * cell + 1) * rows.all / (2 * cells);
        let mut index = 0;
        while index + 1 < purposes.len() && at >= purposes[index].2 {
            at -= purposes[index].2;
            index += 1;
        }
        index
    };
    let (width, height) = (ACROSS * CELL, cells.div_ceil(ACROSS) * CELL);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"the circuit's rows by what \
         they are for\">"
    );
    let mut cell = 0;
    while cell < cells {
        // As many of one line as have one purpose.
        let (own, line) = (purpose_of(cell), cell / ACROSS);
        let mut end = cell + 1;
        while end < cells && end / ACROSS == line && purpose_of(end) == own {
            end += 1;
        }
        let (name, class, count) = &purposes[own];
        let (x, y, wide) = (cell % ACROSS * CELL, line * CELL, (end - cell) * CELL);
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{wide}\" height=\"{}\"><title>{}: {} \
             rows</title></rect>",
            CELL - 1,
            escaped(name),
            grouped(*count as u64)
        );
        cell = end;
    }
    svg.push_str("</svg>");
    svg
}

/// A number on an axis.
fn tick(value: f64) -> String {
    if value == 0.0 { "0".into() } else { format!("{value:.1e}").replace(".0e", "e") }
}

/// How the largest errors of the samples are distributed.
pub(super) fn distribution(accuracy: &Accuracy) -> String {
    const WIDTH: f64 = 720.0;
    const HEIGHT: f64 = 200.0;
    const BASE: f64 = HEIGHT - 22.0;
    let bars = &accuracy.distribution;
    let most = bars.iter().map(|bar| bar.samples).max().unwrap_or(1).max(1);
    let wide = WIDTH / bars.len().max(1) as f64;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"samples by their largest \
         error\"><line class=\"axis\" x1=\"0\" y1=\"{BASE}\" x2=\"{WIDTH}\" y2=\"{BASE}\"/>"
    );
    for (index, bar) in bars.iter().enumerate() {
        let x = index as f64 * wide;
        let high = (BASE - 18.0) * bar.samples as f64 / most as f64;
        let _ = write!(
            svg,
            "<rect class=\"bar\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{high:.1}\"><title>{} \
             samples from {} to {}</title></rect><text class=\"tick\" x=\"{x:.1}\" y=\"{}\">{}</text>",
            x + 1.0,
            BASE - high,
            (wide - 2.0).max(1.0),
            grouped(bar.samples as u64),
            tick(bar.from),
            tick(bar.to),
            HEIGHT - 6.0,
            tick(bar.from)
        );
        if bar.samples > 0 {
            let _ = write!(
                svg,
                "<text class=\"count\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                x + wide / 2.0,
                BASE - high - 4.0,
                grouped(bar.samples as u64)
            );
        }
    }
    svg.push_str("</svg>");
    svg
}

/// Circuits by gas and time.
pub(super) fn circuits(report: &Report) -> String {
    const WIDTH: f64 = 720.0;
    const HEIGHT: f64 = 260.0;
    const LEFT: f64 = 64.0;
    const BASE: f64 = HEIGHT - 40.0;
    let all: Vec<&OtherCircuit> = report.others.iter().chain([&report.expected]).collect();
    let span = |of: fn(&OtherCircuit) -> f64| {
        let ends = all.iter().fold((f64::INFINITY, 0.0f64), |(low, high), own| {
            (low.min(of(own)), high.max(of(own)))
        });
        // Some air around the outermost, also around a single one.
        let (low, high) = (0.92 * ends.0.max(1e-9), 1.08 * ends.1.max(2e-9));
        move |own: &OtherCircuit| (of(own) / low).ln() / (high / low).ln()
    };
    let (gas, time) = (span(|own| own.gas), span(|own| own.seconds));
    let place = |own: &OtherCircuit| {
        (LEFT + (WIDTH - LEFT - 12.0) * time(own), BASE - (BASE - 12.0) * gas(own))
    };
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"circuits by gas and \
         time\"><line class=\"axis\" x1=\"{LEFT}\" y1=\"{BASE}\" x2=\"{WIDTH}\" y2=\"{BASE}\"/><line \
         class=\"axis\" x1=\"{LEFT}\" y1=\"0\" x2=\"{LEFT}\" y2=\"{BASE}\"/><text class=\"tick\" \
         x=\"{LEFT}\" y=\"{}\">seconds of a proof on two cores, expected →</text><text class=\"tick\" \
         x=\"0\" y=\"12\">gas ↑</text>",
        HEIGHT - 4.0
    );
    for own in &all {
        let ((x, y), is_own) = (place(own), std::ptr::eq(*own, &report.expected));
        let class = if is_own { "point own" } else { "point" };
        let _ = write!(
            svg,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{}\"><title>{}: 2^{} rows, {} gas, \
             {:.3} s, error {:.1e}</title></circle>",
            if is_own { 7 } else { 4 },
            escaped(&own.shape),
            own.k,
            grouped(own.gas as u64),
            own.seconds,
            own.error
        );
        let label = match (is_own, own.target_error, own.objective) {
            (true, ..) => "this setup".to_owned(),
            (false, Some(target), _) => format!("--target-error {target:.0e}"),
            (false, None, Some(objective)) => format!("--optimize {objective}"),
            (false, None, None) => continue,
        };
        // To the left of what is far to the right.
        let (x, anchor) = if x > 0.7 * WIDTH { (x - 10.0, "end") } else { (x + 10.0, "start") };
        let _ = write!(
            svg,
            "<text class=\"label\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{:.1}\">{label}</text>",
            y + 4.0
        );
    }
    for (value, own) in [
        all.iter().min_by(|a, b| a.gas.total_cmp(&b.gas)),
        all.iter().max_by(|a, b| a.gas.total_cmp(&b.gas)),
    ]
    .into_iter()
    .flatten()
    .map(|own| (own.gas, own))
    {
        let (_, y) = place(own);
        let _ = write!(
            svg,
            "<text class=\"tick\" x=\"0\" y=\"{:.1}\">{}</text>",
            y + 4.0,
            grouped(value as u64)
        );
    }
    for own in [
        all.iter().min_by(|a, b| a.seconds.total_cmp(&b.seconds)),
        all.iter().max_by(|a, b| a.seconds.total_cmp(&b.seconds)),
    ]
    .into_iter()
    .flatten()
    {
        let (x, _) = place(own);
        let _ = write!(
            svg,
            "<text class=\"tick\" text-anchor=\"middle\" x=\"{:.1}\" y=\"{:.1}\">{:.3} s</text>",
            x.min(WIDTH - 24.0),
            BASE + 16.0,
            own.seconds
        );
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;
    use verdict_prover::costs::NodeKind;

    #[test]
    fn every_row_has_its_part_of_the_picture() {
        let rows = CircuitRows {
            all: 4096,
            k: 12,
            taken: vec![
                Rows { kind: Some(NodeKind::Input), rows: 1024 },
                Rows { kind: Some(NodeKind::Linear), rows: 512 },
                Rows { kind: None, rows: 0 },
            ],
            tables_only: 512,
            free: 2048,
            dominated_by: String::new(),
        };
        let picture = super::rows(&rows);
        let width = |class: &str| -> usize {
            let start = format!("<rect class=\"{class}\"");
            let own = picture.split(&start).skip(1);
            own.map(|part| {
                let wide = part.split("width=\"").nth(1).and_then(|rest| rest.split('"').next());
                wide.and_then(|wide| wide.parse::<usize>().ok()).expect("a width")
            })
            .sum()
        };
        // 1,024 cells, so four rows each.
        assert_eq!(width(&format!("kind-{}", NodeKind::Input as usize)), 256 * CELL);
        assert_eq!(width(&format!("kind-{}", NodeKind::Linear as usize)), 128 * CELL);
        assert_eq!(width("kind-shared"), 0);
        assert_eq!(width("kind-tables"), 128 * CELL);
        assert_eq!(width("kind-free"), 512 * CELL);
    }

    #[test]
    fn names_of_nodes_are_text_and_nothing_else() {
        assert_eq!(escaped("a<b>&\"c'"), "a&lt;b&gt;&amp;&quot;c&#39;");
    }
}
