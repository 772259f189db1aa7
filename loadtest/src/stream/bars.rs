//! Aims and bars: what a figure should be, and what it must be.

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

    /// The figure, with a mark where it misses its aim (`!`) or its bar (`!!`).
    pub(crate) fn judge(self, figure: f64, digits: usize) -> String {
        let mark = match figure {
            _ if figure > self.bar => " !!",
            _ if figure > self.aim => " !",
            _ => "",
        };
        format!("{figure:.digits$}{mark}")
    }

    /// Both, for a heading.
    pub(crate) fn told(self) -> String {
        format!("≤ {} ({})", self.aim, self.bar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_over_its_bar_is_marked_twice() {
        assert_eq!([3.0, 3.1, 6.1].map(|figure| Aim::of(3.0).judge(figure, 1)), ["3.0", "3.1 !", "6.1 !!"]);
        assert_eq!(Aim::SLOPE.judge(1.15, 2), "1.15 !");
    }
}
