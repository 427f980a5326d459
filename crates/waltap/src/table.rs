//! A table for a terminal: columns as wide as their widest cell, numbers to the right.

/// Which side of its column a cell keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// Draws a table. Rows have as many cells as there are columns.
pub(crate) fn draw(columns: &[(&str, Side)], rows: &[Vec<String>]) -> String {
    let width = |index: usize, name: &str| {
        let cells = rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count());
        cells.chain([name.chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = columns.iter().enumerate().map(|(index, (name, _))| width(index, name)).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for ((cell, (_, side)), width) in cells.zip(columns).zip(&widths) {
            let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
            if !line.is_empty() {
                line.push_str("  ");
            }
            match side {
                Side::Left => line.extend([cell, &padding]),
                Side::Right => line.extend([&padding, cell]),
            }
        }
        format!("{}\n", line.trim_end())
    };
    let mut table = line(&mut columns.iter().map(|(name, _)| *name));
    for row in rows {
        table.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let columns = [("DATABASE", Side::Left), ("LAG", Side::Right), ("STATE", Side::Left)];
        let rows = [
            vec!["shop".to_owned(), "12".to_owned(), "streaming".to_owned()],
            vec!["größer als".into(), "123456".into(), "".into()],
        ];
        assert_eq!(draw(&columns, &rows), "DATABASE       LAG  STATE\nshop            12  streaming\ngrößer als  123456\n");
    }
}
