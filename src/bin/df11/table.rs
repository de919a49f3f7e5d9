//! Rows as aligned columns.

use std::fmt::Write;

use df11::shown::line;

/// How the text of a column is aligned.
#[derive(Clone, Copy)]
pub enum Side {
    Left,
    Right,
}

/// The widest alignment, in letters: one long name does not make every row as long.
const WIDEST: usize = 200;

/// Aligns rows as columns, with two spaces between. A cell stays on its line whatever it holds. A
/// cell of more than [`WIDEST`] letters pushes the rest of its row to the right.
pub fn columns<const N: usize>(rows: Vec<[String; N]>, sides: &[Side; N]) -> String {
    let rows: Vec<[String; N]> = rows.into_iter().map(|row| row.map(|cell| line(&cell).to_string())).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).min(WIDEST);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let cell = |column: usize| match sides[column] {
            Side::Left => format!("{:<1$}", row[column], widths[column]),
            Side::Right => format!("{:>1$}", row[column], widths[column]),
        };
        let cells: [String; N] = std::array::from_fn(cell);
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = vec![["a".to_owned(), "1".to_owned()], ["long".to_owned(), "1000".to_owned()]];
        assert_eq!(columns(rows, &[Side::Left, Side::Right]), "a        1\nlong  1000\n");
    }

    #[test]
    fn a_cell_never_begins_a_line() {
        let rows = vec![["a\nnote: fine".to_owned(), "\u{1b}[2K".to_owned()]];
        assert_eq!(columns(rows, &[Side::Left, Side::Left]), "a\\nnote: fine  \\u001b[2K\n");
    }

    #[test]
    fn a_long_text_is_whole_and_costs_the_other_rows_nothing() {
        let long = "x".repeat(100_000);
        let text = columns(vec![[long.clone(), "1".into()], ["a".into(), "2".into()]], &[Side::Left, Side::Right]);
        assert_eq!(text.lines().map(str::len).collect::<Vec<_>>(), [long.len() + 3, WIDEST + 3]);
    }
}
