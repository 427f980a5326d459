//! Results as a table of Markdown, which also reads well on a terminal.

/// Prints rows under their head, columns as wide as they need; all but the first are set to the right.
pub fn print(head: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(head.get(column).map(|name| name.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let cells = cells
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") });
        println!("| {} |", cells.collect::<Vec<_>>().join(" | "));
    };
    line(&head.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    let rule =
        |(column, width): (usize, &usize)| if column == 0 { "-".repeat(*width) } else { format!("{}:", "-".repeat(width - 1)) };
    line(&widths.iter().enumerate().map(rule).collect::<Vec<_>>());
    rows.iter().for_each(|row| line(row));
}

/// What the machine is, as far as it says.
pub fn machine() -> String {
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown", |name| name.trim_start_matches([' ', '\t', ':']));
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{model}, {count} processors, {}", std::env::consts::ARCH)
}
