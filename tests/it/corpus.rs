//! Sources for tests that compare: the specifications' examples, replies as language models write them, traps, and
//! seeded mixtures of all these.
//!
//! With `RILLMARK_TEST_LONG` set the mixtures are many and nothing is sampled.

use rillmark::markdown::Options;

use super::spec;

/// How many mixtures a run takes.
const MIXTURES: usize = 2_000;
const MIXTURES_LONG: usize = 100_000;

/// Shrinking a longer source takes too long.
const SHRINK_BYTES_MAX: usize = 4_000;

/// Every extension, of a finished source.
pub(crate) fn everything_on() -> Options {
    Options {
        provisional: false,
        task_lists: true,
        autolinks: true,
        footnotes: true,
        alerts: true,
        math: true,
        heading_ids: true,
        ..Options::default()
    }
}

/// A reply with prose, lists, code, a table, a quote, links.
pub(crate) const REPLIES: &[&str] = &[
    "Sure! Here's a quick overview of **how `async` works** in Rust, and *why* it matters.\n\n## The short answer\n\nAn `async fn` returns a `Future`; nothing runs until it is **polled**. See the [book](https://doc.rust-lang.org/book/) for more.\n\n1. **Define** the function:\n\n   ```rust\n   async fn fetch(url: &str) -> Result<String, Error> {\n       let body = get(url).await?;\n       Ok(body)\n   }\n   ```\n\n2. **Spawn** it on a runtime such as `tokio`.\n3. *Await* the result.\n\n> **Note:** don't block inside a future; use `spawn_blocking` instead.\n\nThat's it!\n",
    "Here is the comparison you asked for:\n\n| Crate | Speed | Notes |\n|---|---:|:---:|\n| `serde_json` | 1.0x | the default |\n| **simd-json** | 2.4x | needs `unsafe` |\n| sonic-rs | 2.9x | *newest* |\n\nA few things to keep in mind:\n\n- Benchmarks vary by **input size**\n- Memory use is 2-3x higher\n  - except for `serde_json`\n  - which streams\n- 5 * 3 = 15, and snake_case_names stay as they are\n\nLet me know if you'd like the ~~old~~ raw numbers.\n",
    "The roots of $ax^2 + bx + c = 0$ are\n\n$$x = \\frac{-b \\pm \\sqrt{b^2 - 4ac}}{2a}$$\n\nso for $a = 1$, $b = 2$ we get **two real roots** when $c < 1$.\n\n### Steps\n\n1. Compute the discriminant $\\Delta = b^2 - 4ac$.\n2. If $\\Delta > 0$ there are *two* roots[^1].\n3. Otherwise:\n   - $\\Delta = 0$: one root\n   - $\\Delta < 0$: none\n\n[^1]: Over the reals.\n\nCosts $5, or $10 with shipping.\n",
    "To undo the last commit, run:\n\n```bash\ngit reset --soft HEAD~1\n```\n\n**What this does**\n\n* keeps your changes *staged*\n* moves `HEAD` back by one\n* leaves the working tree alone\n\nIf you've already pushed, use `git revert <hash>` instead, and see [the docs][1] or https://git-scm.com/docs/git-reset for details.\n\n---\n\n- [x] commit undone\n- [ ] force-push (careful!)\n\n![diagram](https://example.com/a.png \"A diagram\")\n\n[1]: https://git-scm.com/docs/git-revert\n",
    "Good question. The two designs look alike on paper, but they fail in different ways, and that is what should decide.\n\n### Polling\n\nEach client asks every few seconds. It's **simple**, it survives proxies, and nobody has to think about connections. The price is latency: on average a message waits *half an interval* before anyone sees it, and most requests come back empty. With 10,000 clients and a 2-second interval that is 5,000 requests per second for nothing.\n\n### Server-sent events\n\nThe server keeps one response open and writes `data:` lines as things happen:\n\n```http\nHTTP/1.1 200 OK\nContent-Type: text/event-stream\n\nid: 41\ndata: {\"price\": 12.5}\n```\n\nThe browser reconnects by itself and sends `Last-Event-ID`, so a lost connection costs **nothing but a moment**. You do need to:\n\n1. disable buffering in the proxy (`proxy_buffering off` in nginx),\n2. send a comment line every 15 seconds or so, and\n3. raise the limit on open files.\n\nUnless your users sit behind very old proxies, I'd pick the second. If you later need messages *from* the client, an ordinary POST beside the stream is usually enough; a WebSocket is only worth its trouble when both directions are busy.\n",
    "Your query is slow for three reasons, roughly in this order:\n\n- **No index on `created_at`.** The planner reads the whole table (about 40 million rows) and sorts it. Add one:\n\n  ```sql\n  CREATE INDEX CONCURRENTLY orders_created_at_idx\n      ON orders (created_at DESC)\n      WHERE status <> 'archived';\n  ```\n\n- **`OFFSET 200000`.** The database still has to walk over every row it skips. Remember the last key instead and ask for what lies *below* it; that stays fast however far the user pages.\n- **`SELECT *`.** Two of the columns are large `jsonb` values that live outside the row, and each one costs an extra read.\n\nAfter the first change I'd expect something like this:\n\n| | before | after |\n|---|---:|---:|\n| rows read | 40,112,907 | 50 |\n| time | 8.4 s | 0.6 ms |\n| memory | 212 MB | 64 kB |\n\nRun `EXPLAIN (ANALYZE, BUFFERS)` again once the index is there. If the plan still says *Seq Scan*, the statistics are stale: `ANALYZE orders;` fixes that in a few seconds. Don't set `enable_seqscan = off` in production, tempting as it is.\n",
    "Das ist **wichtig**: die Größe »x« darf *nie* 0 sein. 例えば、**太字**はこうです。 Emoji 👩‍👩‍👧 and e\u{301} too.\n\nErstens:\n\n> Ein Zitat mit **fett\n> und kursiv** über zwei Zeilen,\n> und `code`.\n\nZweitens — siehe [hier](/pfad/äöü?x=1&y=2).\n\n    indented code\n    stays\n\nSchluss.\n",
];

/// Where rules meet.
pub(crate) const TRAPS: &[&str] = &[
    "*a **b* c** ***d* e** _f __g_ h__ ~~i ~j~~ k~\n",
    "**bold\n\n- **a\n- b**\n\n> **q\n> r** s\n",
    "a ``b ` c`` d `e`` f\n`g\nh` i\n",
    "[a](b \"c\") [d]( <e f> 'g' ) [h](i(j)k) [l][m] [m][] [m] ![n](o) ![p][m] [[q](r)](s)\n\n[m]: /t \"u\"\n",
    "[a]: /b\n\"title\"\n\n[c]: <d e>\n'f\ng'\n[h]:\n/i\n(j)\nk [a] [c] [h]\n",
    "x[0][1] a[i](j) \\(x\\) f(x)[y] {z}[w] [link](u)\n",
    "| a | b |\n|---|:-:|\n| `c|d` | **e |\n| f\\|g | h** | surplus |\ni | j\n\n| not | a table\ntext\n",
    "> | a |\n> |---|\n> | *b* |\n> c\n\n- | d | e |\n  |---|---|\n  | f\n",
    "```\na\n``\n```\n\n~~~ rust extra\nb\n~~~~\n\n> ```\n> c\nd\n\n- ```\n  e\n  ```\n  f\n",
    "Setext\n===\n\nAgain\n---\n\n# ATX ##\n## `code` # x #\n###### six\n####### seven\n#\n",
    "1. a\n2. b\n   1) c\n   2) d\n\n10. e\n- f\n+ g\n* * *\n- - -\n-\n  h\n",
    "<div>\n*a*\n</div>\n\nb <b title=\"*c*\">d</b> <!-- *e* --> <https://x.y/?a=*b*> <me@x.y> <a*b>\n",
    "&amp; &copy; &#42;a&#42; &#x22; &nosuch; AT&T &#0; &#1; a&#13;b &#9;\n",
    "- <v>\n\t*\n\n  <w>\n\n\n\tx www.a.b\n- <!--\n\ty\n",
    "a  \nb\\\nc\\\\\nd \\* \\` \\[e]\n",
    "http://a.b/c_d_e. www.x.y (www.x.y/z) me@x.y, https://a.b?c=(d)) *www.em.ph* ftp://no.no WWW.Up.Case http://a..b www.a_b.c\n",
    ">http://a.b\n>www.x.y z\n#http://c.d\n1.www.e.f\n-me@x.y\n- [ ] www.g.h\n*www.i.j* [k](l)www.m.n `o`www.p.q\\\nwww.r.s  \nwww.t.u\n",
    "$a$ $$b$$ $5 and $6, $x_1$ ${a}$ $$c\nd$$ \\$e$ `$f$`\n",
    "> [!NOTE]\n> a\n\n> [!tip] no\n\n> [!WARNING]\n\n- [ ] a\n- [x] **b\n- [X] c\n  - [ ]\n",
    "a[^1] b[^x] [^1] [c[^1]](d) ![e[^x]](f)\n\n[^1]: g\n[^x]: h\n\n    i\n\n[^x]: again\n",
    "# Same\n# Same\n## same !\n# *a* `b` & <c> ![d](e) [f](g)\n#  \u{e9}\u{c9} x_y-z 1\n",
    "![a](//evil/x) ![b](/ok/../x) ![c](/ok/y \"t\") ![d](javascript:x) [e](JaVa&#9;script:x) [f](mailto:a@b) [g](//h) [i](HTTP://j)\n",
    "- a\n\n  b\n- c\n\n\n- d\n\t- e\n\n\t  f\n1. g\n   > h\n   i\n",
];

/// Repeatable chance.
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice that fall the same way for the same seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

/// Whether the run may take its time.
pub(crate) fn long() -> bool {
    std::env::var_os("RILLMARK_TEST_LONG").is_some()
}

/// The examples (if they were fetched), the replies and the traps.
pub(crate) fn sources() -> Vec<String> {
    let ours = REPLIES.iter().chain(TRAPS).map(|source| (*source).to_owned());
    spec::sources().unwrap_or_default().into_iter().chain(ours).collect()
}

/// Every `step`th prefix of every source, in a long run every one; each source itself is among them.
pub(crate) fn prefixes(sources: &[String], step: usize) -> Vec<&str> {
    let step = if long() { 1 } else { step };
    let mut all = Vec::new();
    let mut count = 0;
    for source in sources {
        for (at, _) in source.char_indices() {
            count += 1;
            if count % step == 0 {
                all.push(&source[..at]);
            }
        }
        all.push(source);
    }
    all
}

/// Sources put together from parts of others, some with letters added, doubled or lost.
pub(crate) fn mixtures(seed: u64) -> impl Iterator<Item = String> {
    const SYNTAX: &[&str] = &[
        "*", "**", "_", "~~", "`", "```", "[", "]", "](", ")", "!", "<", ">", "> ", "\n", "\n\n", "    ", "\t", "- ",
        "1. ", "# ", "|", "|---|", "\\", "&", "&amp;", ":", "\"", "=", "---", "$", "$$", "[^1]", "[^1]: ", "[a]: /b",
        "[a]", "www.a.b", "[ ] ", "[!NOTE]", "é", "“",
    ];
    let pool = sources();
    let mut dice = Dice::new(seed);
    let count = if long() { MIXTURES_LONG } else { MIXTURES };
    (0..count).map(move |_| {
        let mut source = String::new();
        for _ in 0..=dice.below(3) {
            source += &pool[dice.below(pool.len())];
        }
        for _ in 0..dice.below(7) {
            let mut at = dice.below(source.len() + 1);
            while !source.is_char_boundary(at) {
                at -= 1;
            }
            match dice.below(3) {
                0 => source.insert_str(at, SYNTAX[dice.below(SYNTAX.len())]),
                1 => source.truncate(at),
                _ if at < source.len() => drop(source.remove(at)),
                _ => {}
            }
        }
        source
    })
}

/// A source that `fails` and of which no part can be left out, for the message of a failing test; a long one is left as
/// it is.
pub(crate) fn shrink(source: &str, fails: &dyn Fn(&str) -> bool) -> String {
    if source.len() > SHRINK_BYTES_MAX {
        return source.to_owned();
    }
    let mut chars: Vec<char> = source.chars().collect();
    let mut width = chars.len().div_ceil(2);
    while width > 0 {
        let mut at = 0;
        let before = chars.len();
        while at < chars.len() {
            let end = (at + width).min(chars.len());
            let without: Vec<char> = chars[..at].iter().chain(&chars[end..]).copied().collect();
            if fails(&without.iter().collect::<String>()) {
                chars = without;
            } else {
                at += width;
            }
        }
        if chars.len() == before || width > 1 {
            width /= 2;
        }
    }
    chars.into_iter().collect()
}
