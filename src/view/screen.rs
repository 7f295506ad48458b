//! What text is shown on: how wide it is, and which letters it has.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::letters::Letters;
use super::table::Table;

/// The smallest width that counts as one: a name and a number beside each other.
const NARROWEST: usize = 20;

/// A name of a table is cut no shorter than this while columns can be left out.
const NAME: usize = 12;

/// The same of the last name beside the last number.
const SHORTEST: usize = 6;

/// The heading of a column of numbers is cut no shorter than this.
const HEADING: usize = 16;

/// Spaces beside each cell.
const GAP: usize = 2;

/// A place that shows text: a terminal, or a file of any width.
#[derive(Debug, Clone, Default)]
pub struct Screen {
    /// Columns of a line; `None` where a line may be as long as it is.
    width: Option<usize>,
    /// The letters it has.
    pub letters: Letters,
}

impl Screen {
    /// One of any width, with all letters.
    pub const ANY: Self = Self { width: None, letters: Letters::Unicode };

    /// One of so many columns, 0 for as many as there is to show.
    pub fn new(width: usize, letters: Letters) -> Self {
        Self { width: (width > 0).then_some(width.max(NARROWEST)), letters }
    }

    /// A table with what there is room for: names are cut in the middle, then columns are left out, the least important
    /// first, and a line says which.
    pub fn table(&self, table: &Table) -> String {
        let table = table.in_letters(&self.letters);
        match self.width {
            Some(width) => self.fitted(&table, width),
            None => table.to_string(),
        }
    }

    /// Names in a column, and beside each what it is, a line or as many as it takes.
    pub fn glossary(&self, entries: &[(&str, &str)]) -> String {
        let names = entries.iter().map(|(name, _)| name.width()).max().unwrap_or(0) + GAP;
        let room = self.width.map(|width| width.saturating_sub(names).max(SHORTEST));
        let entry = |(name, what): &(&str, &str)| {
            let what = self.letters.of(what);
            let lines = room.map_or_else(|| what.to_string(), |room| broken(&what, room));
            format!("{name:names$}{}\n", lines.replace('\n', &format!("\n{:names$}", "")))
        };
        entries.iter().map(entry).collect()
    }

    /// Text with lines that the screen has room for, broken between words. Lines of tables, which begin with a space,
    /// stay.
    pub fn lines(&self, text: &str) -> String {
        let text = self.letters.of(text);
        let Some(width) = self.width else { return text.into_owned() };
        let lines = text.split('\n').map(|line| match line.starts_with(' ') {
            true => line.to_owned(),
            false => broken(line, width),
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn fitted(&self, table: &Table, width: usize) -> String {
        let widths = table.widths();
        let kept = kept(table, width);
        let mut room: Vec<usize> = kept.columns.iter().map(|&i| widths[i]).collect();
        while room.iter().map(|w| w + GAP).sum::<usize>() > width {
            let least = |i: usize| table.least(kept.columns[i], kept.shortest, HEADING);
            match (0..room.len()).filter(|&i| room[i] > least(i)).max_by_key(|&i| room[i]) {
                Some(widest) => room[widest] -= 1,
                None => break,
            }
        }
        let cut =
            |column: usize, text: &str| shortened(text, room[column], self.letters.ellipsis());
        let shown = table.part(&kept.columns, cut).to_string();
        let left = (0..widths.len()).filter(|i| !kept.columns.contains(i));
        let left: Vec<&str> = left.map(|i| table.title(i)).collect();
        match left.len() {
            0 => shown,
            1 => format!("{shown}\n(no room for the column {}; -f md has it)", left[0]),
            n => {
                format!("{shown}\n(no room for {n} columns: {}; -f md has them)", left.join(", "))
            }
        }
    }
}

/// Columns that are shown, and how short their names may become.
struct Kept {
    columns: Vec<usize>,
    shortest: usize,
}

fn kept(table: &Table, width: usize) -> Kept {
    let least = |columns: &[usize], shortest: usize| -> usize {
        columns.iter().map(|&i| table.least(i, shortest, HEADING) + GAP).sum()
    };
    let mut ranked = table.by_importance();
    for shortest in [NAME, SHORTEST] {
        for count in (2..=ranked.len()).rev() {
            let mut columns = ranked[..count].to_vec();
            columns.sort_unstable();
            if least(&columns, shortest) <= width {
                return Kept { columns, shortest };
            }
        }
    }
    ranked.truncate(1);
    Kept { columns: ranked, shortest: SHORTEST }
}

/// A name in no more than so many columns: its beginning and its end, which tells names apart.
pub fn shortened(name: &str, room: usize, ellipsis: &str) -> String {
    if name.width() <= room {
        return name.to_owned();
    }
    let room = room.saturating_sub(ellipsis.width());
    let first = room * 2 / 5;
    let begin = taken(name.chars(), first);
    let mut end = taken(name.chars().rev(), room - first);
    end.reverse();
    begin.into_iter().chain(ellipsis.chars()).chain(end).collect()
}

/// The letters that have room in so many columns.
fn taken(letters: impl Iterator<Item = char>, room: usize) -> Vec<char> {
    let mut used = 0;
    let fits = |letter: &char| {
        used += letter.width().unwrap_or(0);
        used <= room
    };
    letters.take_while(fits).collect()
}

/// A line broken into several of at most so many columns; longer words stay whole.
fn broken(line: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for (i, word) in line.split(' ').enumerate() {
        let last = lines.len() - 1;
        if i > 0 && lines[last].width() + 1 + word.width() > width {
            lines.push(word.to_owned());
        } else {
            lines[last].push_str(if i > 0 { " " } else { "" });
            lines[last].push_str(word);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::table;

    fn wide() -> Table {
        let mut table =
            table::new(&["layer of A", "best match in B", "CKA", "a control", "another"]);
        table.add_row(["features.transformer.block.11.attention", "b", "0.9123", "0.5", "0.25"]);
        table.add_row(["c", "features.transformer.block.10.attention", "0.8", "0.5", "0.25"]);
        table.align_right(&[2, 3, 4]);
        table.keep_first(&[0, 2, 1]);
        table
    }

    #[test]
    fn what_names_are_is_broken_beside_them() {
        let entries = [("cka", "CKA of all layers"), ("compare", "Layers by several measures")];
        let whole = "cka      CKA of all layers\ncompare  Layers by several measures\n";
        assert_eq!(Screen::default().glossary(&entries), whole);
        let narrow = "cka      CKA of all\n         layers\ncompare  Layers by\n         several\n         measures\n";
        assert_eq!(Screen::new(20, Letters::Unicode).glossary(&entries), narrow);
    }

    fn widest(text: &str) -> usize {
        text.lines()
            .filter(|line| line.starts_with(' '))
            .map(|line| line.trim_end().width())
            .max()
            .unwrap_or(0)
    }

    #[test]
    fn tables_take_the_room_there_is() {
        let whole = Screen::default().table(&wide());
        assert_eq!(Screen::new(200, Letters::Unicode).table(&wide()), whole);
        assert_eq!(Screen::new(0, Letters::Unicode).table(&wide()), whole);
        for width in [20, 30, 40, 60, 80, 100] {
            let shown = Screen::new(width, Letters::Unicode).table(&wide());
            assert!(widest(&shown) <= width, "{width}\n{shown}");
            assert!(shown.contains("0.9123") && shown.contains('…'), "{width}\n{shown}");
        }
        let shown = Screen::new(30, Letters::Unicode).table(&wide());
        assert!(shown.ends_with(
            "(no room for 3 columns: best match in B, a control, another; -f md has them)"
        ));
        assert!(shown.contains("on "), "names keep their end: {shown}");
        let shown = Screen::new(1, Letters::Ascii(vec![])).table(&wide());
        assert!(shown.is_ascii() && widest(&shown) <= NARROWEST, "{shown}");
    }

    #[test]
    fn lines_break_between_words() {
        let screen = Screen::new(20, Letters::Unicode);
        let text =
            "one two three four five\n a table stays as it is and is\nverylongwordthatstayswhole x";
        let wanted = "one two three four\nfive\n a table stays as it is and is\nverylongwordthatstayswhole\nx";
        assert_eq!(screen.lines(text), wanted);
    }

    #[test]
    fn names_are_cut_in_the_middle() {
        assert_eq!(shortened("a/b/noise-0.1.npy", 10, "…"), "a/b….1.npy");
        assert_eq!(shortened("abc", 3, "…"), "abc");
        assert_eq!(shortened("日本日本日本", 7, "…"), "日…日本");
    }
}
