//! The table of results.

use std::time::Duration;

use crate::binaries::Binary;
use crate::callgrind::Instructions;
use crate::measure::{Start, Warm};
use crate::requests::Workload;
use crate::stack::Calls;

/// The measurements of a workload and of its yardsticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// The floor, started alternately with it.
    pub(crate) floor: Start,
    pub(crate) start: Start,
    /// The lean function, run alternately with it.
    pub(crate) lean: Warm,
    pub(crate) warm: Warm,
    /// The floor's peak memory, in bytes.
    pub(crate) floor_memory: u64,
    /// Instructions per warm request, if Valgrind is installed.
    pub(crate) instructions: Option<u64>,
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Row(Vec<String>);

const COLUMNS: [&str; 20] = [
    "function",
    "request",
    "binary MB",
    "zip MB",
    "Stripe calls",
    "DynamoDB calls",
    "in a row",
    "to poll Minstr",
    "to answer Minstr",
    "start to poll ms",
    "to answer ms",
    "× floor",
    "CPU ms",
    "warm p50 µs",
    "p99 µs",
    "CPU µs",
    "× f3",
    "kinstr",
    "peak MB",
    "× floor",
];

impl Row {
    /// The columns that need no clock.
    pub(crate) fn counted(workload: &Workload, binary: &Binary, calls: Calls, counted: Option<Instructions>) -> Self {
        let megabytes = |bytes: u64| format!("{:.2}", bytes as f64 / 1e6);
        let millions = |count: Option<u64>| count.map_or("–".to_owned(), |count| format!("{:.2}", count as f64 / 1e6));
        Self(vec![
            workload.function.to_owned(),
            workload.title.to_owned(),
            megabytes(binary.size),
            megabytes(binary.zipped),
            calls.stripe.to_string(),
            calls.dynamodb.to_string(),
            calls.dynamodb_trips.to_string(),
            millions(counted.map(|counted| counted.first_poll)),
            millions(counted.map(|counted| counted.first_answer)),
        ])
    }

    /// All columns.
    pub(crate) fn measured(workload: &Workload, binary: &Binary, calls: Calls, counted: Option<Instructions>, figures: Figures) -> Self {
        let Figures { floor, start, lean, warm, floor_memory, instructions } = figures;
        let milliseconds = |time: Duration| format!("{:.2}", time.as_secs_f64() * 1e3);
        let microseconds = |time: Duration| format!("{:.0}", time.as_secs_f64() * 1e6);
        let ratio = |one: Duration, other: Duration| format!("{:.2}", one.as_secs_f64() / other.as_secs_f64());
        let mut row = Self::counted(workload, binary, calls, counted);
        row.0.extend([
            milliseconds(start.first_poll),
            milliseconds(start.first_answer),
            ratio(start.first_answer, floor.first_answer),
            milliseconds(start.cpu),
            microseconds(warm.median),
            microseconds(warm.p99),
            microseconds(warm.cpu),
            ratio(warm.cpu, lean.cpu),
            instructions.map_or("–".to_owned(), |count| format!("{:.0}", count as f64 / 1e3)),
            format!("{:.1}", warm.peak_memory as f64 / 1e6),
            format!("{:.2}", warm.peak_memory as f64 / floor_memory as f64),
        ]);
        row
    }
}

/// All rows below their headings, as an aligned Markdown table.
pub(crate) fn table(rows: &[Row]) -> String {
    let count = rows.iter().map(|row| row.0.len()).max().unwrap_or_default();
    let heading: Vec<String> = COLUMNS[..count].iter().map(|column| (*column).to_owned()).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| &row.0[column]).chain([&heading[column]]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 | 1 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        format!("| {} |", padded.collect::<Vec<_>>().join(" | "))
    };
    let rule: Vec<String> = widths
        .iter()
        .enumerate()
        .map(|(column, width)| if column < 2 { "-".repeat(*width) } else { format!("{}:", "-".repeat(width - 1)) })
        .collect();
    let lines = [heading, rule].iter().map(|cells| line(cells)).chain(rows.iter().map(|row| line(&row.0))).collect::<Vec<_>>();
    lines.join("\n")
}
