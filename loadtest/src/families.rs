//! Inputs made to cost more than they should: each family grows to any size by repeating what hurts.

/// One family.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    /// Makes an input of about so many bytes.
    pub(crate) make: fn(usize) -> String,
}

const fn family(name: &'static str, make: fn(usize) -> String) -> Family {
    Family { name, make }
}

/// `unit` as often as fits into `bytes`, at least once.
fn fill(unit: &str, bytes: usize) -> String {
    unit.repeat((bytes / unit.len()).max(1))
}

/// `head`, then `unit` up to `bytes` in all.
fn after(head: &str, unit: &str, bytes: usize) -> String {
    head.to_owned() + &fill(unit, bytes.saturating_sub(head.len()))
}

/// `unit(0)`, `unit(1)`, … up to `bytes`.
fn count(bytes: usize, unit: impl Fn(usize) -> String) -> String {
    let mut out = String::with_capacity(bytes + 64);
    for i in 0.. {
        out.push_str(&unit(i));
        if out.len() >= bytes {
            break;
        }
    }
    out
}

/// Half of the bytes open containers on one line, the other half are lazy lines.
fn lazy(marker: &str, bytes: usize) -> String {
    fill(marker, bytes / 2) + "x\n" + &fill("y\n", bytes / 2)
}

/// As many containers as one line may hold, then lazy lines.
fn lazy_at_the_bound(marker: &str, bytes: usize) -> String {
    after(&(marker.repeat(64) + "x\n"), "y\n", bytes)
}

/// Nested as deep as the bounds allow, over several lines: 500 lists by indentation and 64 quotes by markers.
fn ladder(bytes: usize, unit: &str) -> String {
    let mut head = String::new();
    for level in (0..500).step_by(50) {
        head += &"\t".repeat(level / 2);
        head += &"- ".repeat(50);
        head += "x\n";
    }
    head += &"\t".repeat(250);
    head += &">".repeat(64);
    head += "x\n";
    after(&head, unit, bytes)
}

/// A table of a third of the bytes in columns, and short rows.
fn wide_table(delimiter: &str, row: &str, bytes: usize) -> String {
    let columns = bytes / 3 / (2 + delimiter.len());
    after(&format!("{}\n{}\n", "|a".repeat(columns), delimiter.repeat(columns)), row, bytes)
}

/// Every family, roughly by what it attacks.
pub(crate) const FAMILIES: &[Family] = &[
    // Containers.
    family("quote markers on one line", |n| fill(">", n)),
    family("64 quote markers a line", |n| fill(&(">".repeat(64) + "\n"), n)),
    family("64 quote markers, closed again", |n| fill(&(">".repeat(64) + "\n\n"), n)),
    family("64 list markers a line", |n| fill(&("- ".repeat(64) + "x\n"), n)),
    family("64 list markers, other each line", |n| fill(&format!("{}x\n{}x\n", "- ".repeat(64), "+ ".repeat(64)), n)),
    family("lazy lines under quotes", |n| lazy(">", n)),
    family("lazy lines under bullets", |n| lazy("- ", n)),
    family("lazy lines under stars", |n| lazy("* ", n)),
    family("lazy lines under numbers", |n| lazy("1. ", n)),
    family("lazy lines under footnotes", |n| lazy("[^a]: ", n)),
    family("lazy lines under 64 quotes", |n| lazy_at_the_bound(">", n)),
    family("lazy lines under 64 bullets", |n| lazy_at_the_bound("- ", n)),
    family("lazy lines under 64 numbers", |n| lazy_at_the_bound("1. ", n)),
    family("lazy lines under 564 levels", |n| ladder(n, "y\n")),
    family("blank lines under 564 levels", |n| ladder(n, "\n")),
    family("blank lines with a space there", |n| ladder(n, " \n")),
    family("definitions under 564 levels", |n| ladder(n, "[a]: b\n")),
    family("bullets under 564 levels", |n| ladder(n, "- \n")),
    family("1,000 columns on every line", |n| ladder(n, &("\t".repeat(250) + "y\n"))),
    family("thematic breaks of many marks", |n| fill(&("- ".repeat(500) + "\n"), n)),
    family("almost thematic breaks", |n| fill(&("* ".repeat(60) + "a\n"), n)),
    family("empty items", |n| fill("-\n", n)),
    family("empty items of changing lists", |n| fill("-\n+\n", n)),
    family("blank lines after an item", |n| after("- a\n", "\n", n)),
    family("lazy lines behind a fake fence", |n| format!("- ```\n{}", lazy("- ", n))),
    family("wide table behind a fake fence", |n| format!("<!--\n```\n-->\n{}", wide_table("|-", "|x\n", n))),
    family("quotes behind a closed fence", |n| format!("```\n```\n{}", fill(">", n))),
    // Tables.
    family("wide table, short rows", |n| wide_table("|-", "|x\n", n)),
    family("wide centred table, short rows", |n| wide_table("|:-:", "|x\n", n)),
    family("many tables of 100 columns", |n| {
        fill(&format!("{}\n{}\n{}\n", "|a".repeat(100), "|-".repeat(100), "|x\n".repeat(60)), n)
    }),
    family("full rows of empty centred cells", |n| {
        let row = "|".repeat(201) + "\n";
        after(&format!("{row}{}\n", "|:-:".repeat(200)), &row, n)
    }),
    family("one row of empty centred cells", |n| format!("{0}\n{1}\n{0}\n", "|".repeat(n / 6), "|:-:".repeat(n / 6))),
    family("headers without a table", |n| fill("|a|b\n", n)),
    family("escaped pipes", |n| after("|a\n|-\n", "\\|", n)),
    // Links, images, references.
    family("open brackets", |n| fill("[", n)),
    family("image brackets", |n| fill("![", n)),
    family("closed brackets", |n| fill("a]", n)),
    family("links without an end", |n| fill("[a](", n)),
    family("links with an angle bracket", |n| fill("[a](<b", n)),
    family("links with a title", |n| fill("[a](b \"c", n)),
    family("empty links", |n| fill("[](", n)),
    family("nested images", |n| fill("![", n / 2) + &fill("](a)", n / 2)),
    family("links in brackets", |n| fill("[ (](", n)),
    family("short references", |n| after("[a]: /u\n\n", "[a]", n)),
    family("one long definition, used often", |n| {
        let url = "u".repeat(2000);
        after(&format!("[a]: /{url} '{}'\n\n", "&".repeat(20)), "[a]", n)
    }),
    family("long definitions, each used often", |n| {
        let definitions = count(n / 2, |i| format!("[{i}]: /{}\n\n", "u".repeat(1000)));
        definitions + &count(n / 2, |i| format!("[{}] ", i % (n / 2000 + 1)))
    }),
    family("many definitions", |n| count(n, |i| format!("[{i}]: /u\n"))),
    family("many definitions and references", |n| count(n, |i| format!("[{i}]: /u\n\n[{i}]\n\n"))),
    family("references to nothing", |n| count(n, |i| format!("[{i}][x{i}]"))),
    family("definitions with open titles", |n| fill("[a]: /u \"\n", n)),
    family("open labels over lines", |n| fill("[a\n", n)),
    family("definition of one long label", |n| format!("[{}]: /u", "a".repeat(n))),
    family("definition with one long title", |n| format!("[a]: /u '{}'\n\n[a][a]", fill("b\n", n))),
    // Inlines.
    family("emphasis that never closes", |n| fill("*a **a ", n)),
    family("emphasis that cannot open", |n| fill("a**b", n / 2) + &fill("c* ", n / 2)),
    family("mixed emphasis", |n| fill("*_", n)),
    family("nested emphasis", |n| fill("*a _b ", n / 2) + &fill("b_ a*", n / 2)),
    family("nested strong", |n| fill("**a ", n / 2) + &fill(" a**", n / 2)),
    family("runs of underscores", |n| fill("_", n)),
    family("strikes", |n| fill("~~a~", n)),
    family("emphasis around links", |n| fill("**x [a*b**c*](d)", n)),
    family("growing backtick runs", |n| count(n, |i| format!("e{}", "`".repeat(i + 1)))),
    family("backticks", |n| fill("`", n)),
    family("backticks of two lengths", |n| fill("`a``", n)),
    family("open angle brackets", |n| fill("<", n)),
    family("open tags", |n| fill("<a ", n)),
    family("open attributes", |n| fill("<a b=\"", n)),
    family("open comments", |n| fill("a<!--", n)),
    family("open instructions", |n| fill("a<?", n)),
    family("open declarations", |n| fill("a<!A ", n)),
    family("open character data", |n| fill("a<![CDATA[", n)),
    family("tags", |n| fill("<b>", n)),
    family("ampersands", |n| fill("&", n)),
    family("entities", |n| fill("&lt;", n)),
    family("numeric entities", |n| fill("&#1;", n)),
    family("backslashes", |n| fill("\\", n)),
    family("hard breaks", |n| fill("a\\\n", n)),
    family("spaces in a line", |n| fill("a    ", n)),
    family("angle links", |n| fill("<ab:>", n)),
    family("angle e-mail", |n| fill("<a@b.c>", n)),
    family("bare links", |n| fill("www.a.b ", n)),
    family("a bare link that ends in brackets", |n| format!("http://a.b{}", ")".repeat(n))),
    family("a bare link of brackets", |n| format!("http://a.b{}", "()".repeat(n / 2))),
    family("a bare link of entities", |n| format!("http://a.b{}", fill("&a;", n))),
    family("almost e-mail", |n| fill("a@", n)),
    family("almost e-mail, long", |n| fill("a", n / 2) + &fill("@a.", n / 2)),
    family("bare links without an end", |n| fill("http://", n)),
    family("dollars", |n| fill("$", n)),
    family("formulas", |n| fill("$a$", n)),
    family("open formulas", |n| fill("$a{", n)),
    // Blocks.
    family("headings", |n| fill("#\n", n)),
    family("headings with one id", |n| fill("# a\n", n)),
    family("headings whose ids collide", |n| count(n, |i| format!("# a\n# a-{}\n", i + 1))),
    family("setext headings", |n| fill("a\n=\n", n)),
    family("fences", |n| fill("```\n", n)),
    family("fences without an end", |n| fill("~~~\n```\n", n)),
    family("HTML blocks", |n| fill("<b>\n\n", n)),
    family("one HTML block", |n| fill("<!--\n", n)),
    family("footnotes", |n| after("[^a]: b\n\n", "[^a]", n)),
    family("footnote definitions", |n| count(n, |i| format!("[^{i}]: b\n"))),
    family("footnotes, each its own", |n| count(n, |i| format!("[^{i}] \n\n[^{i}]: b\n\n"))),
    family("tasks", |n| fill("- [x] \n", n)),
    family("alerts", |n| fill("> [!TIP]\n\n", n)),
    family("controls", |n| fill("\u{1}", n)),
    family("carriage returns", |n| fill("\r", n)),
    family("blank lines", |n| fill("\n", n)),
    family("plain text", |n| fill("some plain text on a line\n", n)),
    family("one plain line", |n| fill("some plain text ", n)),
    family("not ASCII", |n| fill("語", n)),
];

#[cfg(test)]
mod tests {
    use super::*;
    use pulldown_cmark::{Event, Parser, Tag, TagEnd};
    use rillmark::markdown::bounds::trip;

    #[test]
    fn the_ladder_is_as_deep_as_the_bounds_allow() {
        let source = ladder(10_000, "y\n");
        assert_eq!(trip(&source), None);
        let (mut depth, mut deepest) = (0, 0);
        for event in Parser::new(&source) {
            match event {
                Event::Start(Tag::Item | Tag::BlockQuote(_)) => depth += 1,
                Event::End(TagEnd::Item | TagEnd::BlockQuote(_)) => depth -= 1,
                _ => {}
            }
            deepest = deepest.max(depth);
        }
        assert_eq!(deepest, 564);
    }

    #[test]
    fn families_have_their_size_and_their_own_name() {
        for (i, family) in FAMILIES.iter().enumerate() {
            let bytes = (family.make)(100_000).len();
            assert!((66_000..=150_000).contains(&bytes), "{}: {bytes}", family.name);
            assert!(FAMILIES[..i].iter().all(|other| other.name != family.name), "{}", family.name);
        }
    }
}
