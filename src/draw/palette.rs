//! Colours: one accent per role, for light and for dark. Classes alone, no variables: not everything that draws SVG is a
//! browser.

use std::fmt::Write;

/// A class with its fill and its ink, in light and in dark.
type Accent = (&'static str, [&'static str; 2], [&'static str; 2]);

/// Paper, raised paper, text, quiet text, hairline.
const LIGHT: [&str; 5] = ["#ffffff", "#fbfcfd", "#1b2128", "#57616c", "#d5dbe1"];
const DARK: [&str; 5] = ["#0e1216", "#131920", "#e8ebee", "#9ba6b2", "#303a44"];

const ROLES: [Accent; 7] = [
    ("value", ["#eef1f4", "#44505c"], ["#212932", "#bcc7d2"]),
    ("tag", ["#f3e9fc", "#6a2ca6"], ["#2d2040", "#d0b0f6"]),
    ("pointer", ["#e3eefb", "#0b5599"], ["#152b45", "#90c5f8"]),
    ("length", ["#dff3f2", "#0b5f62"], ["#10322f", "#80d8d3"]),
    ("handle", ["#e2f4e5", "#1c672c"], ["#17331d", "#90dc9f"]),
    ("flags", ["#fcf0da", "#774900"], ["#372a10", "#f0c675"]),
    ("union", ["#ffffff", "#57616c"], ["#0e1216", "#9ba6b2"]),
];

const CORES: [Accent; 4] = [
    ("i32", ["#eef1f4", "#44505c"], ["#212932", "#bcc7d2"]),
    ("i64", ["#e7e8fd", "#3a3cab"], ["#22244d", "#b9bdfb"]),
    ("f32", ["#fcf0da", "#774900"], ["#372a10", "#f0c675"]),
    ("f64", ["#fde8e6", "#9c2b20"], ["#40201d", "#f7b0a7"]),
];

/// What does not depend on the scheme.
const SHAPES: &str = "\
.fig text{font-family:ui-monospace,SFMono-Regular,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace;font-variant-numeric:tabular-nums;white-space:pre}
.fig .h1{font-size:20px;font-weight:700}
.fig .h2{font-size:15px;font-weight:700}
.fig .name{font-size:11px;font-weight:600}
.fig .small{font-size:10px}
.fig .tiny{font-size:9px}
.fig rect{stroke-width:1}
.fig g rect{stroke-opacity:.55}
.fig g .card{stroke-opacity:1}
.fig .hair,.fig .wire,.fig .limit{fill:none;stroke-width:1}
.fig .wire{stroke-width:1.25}
.fig .limit{stroke-width:1.5;stroke-dasharray:4 3}
.fig .over .box,.fig .union .box{stroke-dasharray:3 3}
";

/// Rules for SVG figures, both schemes.
pub(crate) fn figure_css() -> String {
    format!("{SHAPES}{}@media (prefers-color-scheme:dark){{\n{}}}\n", scheme(false), scheme(true))
}

fn scheme(dark: bool) -> String {
    let [paper, raised, ink, quiet, hair] = if dark { DARK } else { LIGHT };
    let mut css = format!(
        ".fig .paper{{fill:{paper}}}\n.fig .card{{fill:{raised};stroke:{hair}}}\n.fig text{{fill:{ink}}}\n\
         .fig .quiet{{fill:{quiet}}}\n.fig .hair{{stroke:{hair}}}\n.fig .gap .box{{fill:url(#gap);stroke:{hair}}}\n\
         .fig .gap text{{fill:{quiet}}}\n.fig .gap .plate{{fill:{raised};stroke:none}}\n.fig .stripe{{stroke:{hair};stroke-width:1.5}}\n\
         .fig .chip .pill{{fill:none;stroke:{hair};stroke-opacity:1}}\n"
    );
    for (class, light, night) in ROLES.iter().chain(&CORES) {
        let [fill, ink] = if dark { night } else { light };
        // Writing to a String cannot fail.
        let _ = writeln!(
            css,
            ".fig .{class} .box{{fill:{fill};stroke:{ink}}}\n.fig .{class} .ink,.fig .is-{class}{{fill:{ink}}}"
        );
    }
    let [[_, wire], [_, limit]] = if dark { [ROLES[2].2, CORES[3].2] } else { [ROLES[2].1, CORES[3].1] };
    let _ = writeln!(css, ".fig .wire{{stroke:{wire}}}\n.fig .tip{{fill:{wire}}}");
    let _ = writeln!(css, ".fig .limit{{stroke:{limit}}}\n.fig .over .ink,.fig .stop{{fill:{limit}}}");
    css
}

/// Rules for lines in the ink of the role that they stand in, and for frames; both schemes.
pub(crate) fn ink_rules(line: &str, frame: &str) -> String {
    let scheme = |dark: bool| {
        let roles = ROLES.iter().chain(&CORES).map(|(class, light, night)| {
            let ink = if dark { night[1] } else { light[1] };
            format!(".fig .{class} .{line}{{stroke:{ink}}}\n")
        });
        let quiet = if dark { DARK[3] } else { LIGHT[3] };
        roles.collect::<String>() + &format!(".fig .{frame}{{stroke:{quiet}}}\n")
    };
    format!("{}@media (prefers-color-scheme:dark){{\n{}}}\n", scheme(false), scheme(true))
}

/// Rules for the page around the figures.
pub(crate) fn page_css() -> String {
    let scheme = |[paper, raised, ink, quiet, hair]: [&str; 5], link: &str| {
        format!(":root{{--paper:{paper};--raised:{raised};--ink:{ink};--quiet:{quiet};--hair:{hair};--link:{link}}}")
    };
    let (light, dark) = (scheme(LIGHT, ROLES[2].1[1]), scheme(DARK, ROLES[2].2[1]));
    format!("{light}\n@media (prefers-color-scheme:dark){{{dark}}}\n{PAGE}")
}

const PAGE: &str = "\
:root{color-scheme:light dark}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
a{color:var(--link);text-underline-offset:.2em;text-decoration-thickness:1px}
.key{list-style:none;margin:1rem 0;padding:0;display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;font-size:.8125rem;color:var(--quiet)}
.key li{display:flex;align-items:center;gap:.5rem}
code,td.n,th.n,.mono,h1,h2{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}
:focus-visible{outline:3px solid var(--link);outline-offset:3px;border-radius:2px}
.skip{position:absolute;left:-999rem;top:0;padding:.75rem 1rem;background:var(--paper);z-index:1}
.skip:focus{left:0}
header,main,nav,footer{max-width:92rem;margin:0 auto;padding:0 1.5rem}
header{padding-top:3rem}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .5rem;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:0;overflow-wrap:anywhere}
.lead,.meta{color:var(--quiet);margin:.25rem 0}
.meta{font-size:.875rem;overflow-wrap:anywhere}
.docs{max-width:44rem;margin:.75rem 0;white-space:pre-line;overflow-wrap:anywhere}
nav{margin-top:1.5rem}
nav h2{font:600 .875rem/1.5 system-ui,sans-serif;color:var(--quiet);margin:1rem 0 .25rem}
nav ul{list-style:none;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:.25rem 1.25rem}
nav li{overflow-wrap:anywhere;min-width:0}
nav a{display:inline-block;padding:.2rem 0;font-size:.875rem}
section{border-top:1px solid var(--hair);padding:2rem 0;margin-top:2rem;scroll-margin-top:1rem}
figure{margin:1rem 0}
.scroll{overflow-x:auto;overscroll-behavior-x:contain}
.scroll svg{display:block}
pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:.75rem 0;font-size:.875rem}
details{margin:.5rem 0}
summary{cursor:pointer;color:var(--link);font-size:.875rem;padding:.25rem 0;width:fit-content}
table{border-collapse:collapse;font-size:.8125rem;margin:.5rem 0;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.25rem .75rem .25rem 0;border-bottom:1px solid var(--hair);vertical-align:top}
td,tbody th{font-weight:400;max-width:28rem;overflow-wrap:anywhere}
th.n,td.n{text-align:right}
tr.gap td,tr.gap th{color:var(--quiet)}
tr.head th{font-weight:600;padding-top:.75rem}
caption{text-align:left;color:var(--quiet);padding:.25rem 0}
footer{color:var(--quiet);font-size:.875rem;padding-bottom:3rem}
@media (max-width:40rem){header,main,nav,footer{padding-left:1rem;padding-right:1rem}header{padding-top:1.5rem}}
@media (prefers-reduced-motion:no-preference){html{scroll-behavior:smooth}}
@media print{.skip,nav{display:none}section{break-inside:avoid}.scroll{overflow:visible}.scroll svg{max-width:100%;height:auto}}
";

#[cfg(test)]
mod tests {
    use super::{CORES, DARK, LIGHT, ROLES};

    fn luminance(colour: &str) -> f64 {
        let channel = |i| {
            let c = f64::from(u8::from_str_radix(&colour[i..i + 2], 16).expect("two digits")) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055_f64).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn every_text_can_be_read() {
        for (scheme, [paper, raised, ink, quiet, hair]) in [LIGHT, DARK].into_iter().enumerate() {
            for (class, light, dark) in ROLES.iter().chain(&CORES) {
                let [fill, accent] = [light, dark][scheme];
                for (what, text) in [("accent", *accent), ("ink", ink), ("quiet", quiet)] {
                    assert!(contrast(fill, text) >= 4.5, "{class} {what}: {:.2}", contrast(fill, text));
                }
            }
            for (core, role) in CORES.iter().flat_map(|core| ROLES.iter().map(move |role| (core, role))) {
                let (fill, accent) = ([core.1, core.2][scheme][0], [role.1, role.2][scheme][1]);
                assert!(contrast(fill, accent) >= 4.5, "{} in {}: {:.2}", role.0, core.0, contrast(fill, accent));
            }
            for (text, ground) in [(ink, paper), (ink, raised), (quiet, paper), (quiet, raised), (quiet, hair)] {
                assert!(contrast(text, ground) >= 4.5, "{text} on {ground}: {:.2}", contrast(text, ground));
            }
        }
    }
}
