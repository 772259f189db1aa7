//! Aims and bars: what a figure should be, and what it must be.

use std::cell::Cell;

/// A figure's aim; its bar is twice that, for slopes 1.2.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aim {
    aim: f64,
    bar: f64,
}

impl Aim {
    /// An aim whose bar is twice it.
    pub(crate) const fn of(aim: f64) -> Self {
        Self { aim, bar: 2.0 * aim }
    }

    /// The aim of slopes.
    pub(crate) const SLOPE: Self = Self { aim: 1.1, bar: 1.2 };

    /// Both, for a heading.
    pub(crate) fn told(self) -> String {
        format!("≤ {} ({})", self.aim, self.bar)
    }
}

/// What the figures of one row come to.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    over_aim: Vec<&'static str>,
    over_bar: Vec<&'static str>,
}

thread_local! {
    /// Rows that pass, that miss an aim, that miss a bar.
    static ROWS: Cell<[usize; 3]> = const { Cell::new([0; 3]) };
}

impl Verdict {
    /// The figure, with a mark where it misses its aim (`!`) or its bar (`!!`). Without an aim it is not judged.
    pub(crate) fn judge(&mut self, name: &'static str, aim: Option<Aim>, figure: f64, digits: usize) -> String {
        let mark = match aim {
            Some(aim) if figure > aim.bar => {
                self.over_bar.push(name);
                " !!"
            }
            Some(aim) if figure > aim.aim => {
                self.over_aim.push(name);
                " !"
            }
            _ => "",
        };
        format!("{figure:.digits$}{mark}")
    }

    /// Something was given up: no figure, and the bar is missed.
    pub(crate) fn give_up(&mut self, name: &'static str) {
        self.over_bar.push(name);
    }

    /// The last cell of the row, which counts.
    pub(crate) fn told(&self) -> String {
        let (kind, told) = match (self.over_aim.as_slice(), self.over_bar.as_slice()) {
            ([], []) => (0, "PASS".to_owned()),
            (over, []) => (1, format!("over aim: {}", over.join(", "))),
            ([], over) => (2, format!("OVER BAR: {}", over.join(", "))),
            (aim, bar) => (2, format!("OVER BAR: {}; over aim: {}", bar.join(", "), aim.join(", "))),
        };
        let mut rows = ROWS.get();
        rows[kind] += 1;
        ROWS.set(rows);
        told
    }

    /// The report's last line.
    pub(crate) fn sum() -> String {
        let [pass, aim, bar] = ROWS.get();
        format!("{pass} rows PASS, {aim} are over an aim, {bar} are over a bar.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_over_its_bar_is_marked_twice() {
        let mut verdict = Verdict::default();
        let mut judge = |name, aim, figure| verdict.judge(name, Some(aim), figure, 2);
        assert_eq!([3.0, 3.1, 6.1].map(|figure| judge("a", Aim::of(3.0), figure)), ["3.00", "3.10 !", "6.10 !!"]);
        assert_eq!(judge("slope", Aim::SLOPE, 1.15), "1.15 !");
        assert_eq!(verdict.judge("free", None, 1e3, 0), "1000");
        assert_eq!(verdict.told(), "OVER BAR: a; over aim: a, slope");
        assert_eq!(Verdict::default().told(), "PASS");
        assert_eq!(Verdict::sum(), "1 rows PASS, 0 are over an aim, 1 are over a bar.");
    }
}
