//! A pen for SVG. All text goes through it, so that none is longer than its room and none is markup.

use super::words::{columns, escape, fit};
use std::fmt::Write;

/// Sizes of text, in pixels.
pub(crate) const TITLE: i64 = 20;
pub(crate) const HEADING: i64 = 15;
pub(crate) const NAME: i64 = 11;
pub(crate) const SMALL: i64 = 10;
pub(crate) const TINY: i64 = 9;

/// Columns of monospaced text that fit in so many pixels. The fonts asked for advance 0.6 em or less.
pub(crate) fn columns_in(px: i64, size: i64) -> usize {
    usize::try_from(px * 100 / (size * 61)).unwrap_or(0)
}

/// Pixels that a text takes.
pub(crate) fn extent(text: &str, size: i64) -> i64 {
    i64::try_from(columns(text)).unwrap_or(i64::MAX / 10_000) * size * 61 / 100 + 1
}

/// A finished drawing.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) width: i64,
    pub(crate) height: i64,
    pub(crate) body: String,
}

/// Where text starts: left end, middle, or right end at the given place.
#[derive(Debug, Clone, Copy)]
pub(crate) enum At {
    Start,
    Middle,
    End,
}

/// How text looks: its size and its class besides.
pub(crate) type Style = (i64, &'static str);

/// A drawing in the making.
#[derive(Debug, Default)]
pub(crate) struct Pen {
    body: String,
}

impl Pen {
    /// The drawing.
    pub(crate) fn block(self, width: i64, height: i64) -> Block {
        Block { width, height, body: self.body }
    }

    fn put(&mut self, args: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.body.write_fmt(args);
    }

    /// Opens a group; its title is what a pointer over it shows.
    pub(crate) fn open(&mut self, class: &str, title: &str) {
        self.put(format_args!("<g class=\"{class}\">"));
        if !title.is_empty() {
            self.put(format_args!("<title>{}</title>", escape(title)));
        }
    }

    /// Closes a group.
    pub(crate) fn close(&mut self) {
        self.body.push_str("</g>\n");
    }

    /// A rectangle.
    pub(crate) fn rect(&mut self, class: &str, [x, y, width, height]: [i64; 4], radius: i64) {
        let class = if class.is_empty() { String::new() } else { format!("class=\"{class}\" ") };
        self.put(format_args!(
            "<rect {class}x=\"{x}.5\" y=\"{y}.5\" width=\"{width}\" height=\"{height}\" rx=\"{radius}\"/>"
        ));
    }

    /// A path.
    pub(crate) fn path(&mut self, class: &str, d: &str) {
        let tip = if class == "wire" { " marker-end=\"url(#tip)\"" } else { "" };
        self.put(format_args!("<path class=\"{class}\" d=\"{d}\"{tip}/>"));
    }

    /// Text in so many pixels, cut if need be.
    pub(crate) fn text(&mut self, [x, y, room]: [i64; 3], at: At, (size, class): Style, text: &str) {
        let shown = fit(text, columns_in(room, size));
        if shown.is_empty() {
            return;
        }
        let anchor = match at {
            At::Start => "",
            At::Middle => " text-anchor=\"middle\"",
            At::End => " text-anchor=\"end\"",
        };
        let look = match size {
            TITLE => "h1",
            HEADING => "h2",
            NAME => "name",
            SMALL => "small",
            _ => "tiny",
        };
        let class = if class.is_empty() { look.to_owned() } else { format!("{look} {class}") };
        self.put(format_args!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\"{anchor}>{}", escape(&shown)));
        if shown.ends_with('…') && !text.ends_with('…') {
            self.put(format_args!("<title>{}</title>", escape(text)));
        }
        self.body.push_str("</text>");
    }

    /// A drawing within this one.
    pub(crate) fn place(&mut self, x: i64, y: i64, block: &Block) {
        self.put(format_args!("<g transform=\"translate({x} {y})\">{}</g>\n", block.body));
    }
}

/// A row of small boxes that wraps; where they are is returned.
pub(crate) fn flow(widths: impl Iterator<Item = i64>, room: i64, gap: i64, line: i64) -> (Vec<[i64; 2]>, i64) {
    let (mut x, mut y) = (0, 0);
    let mut places = Vec::new();
    for width in widths {
        if x > 0 && x + width > room {
            (x, y) = (0, y + line);
        }
        places.push([x, y]);
        x += width + gap;
    }
    (places, y + line)
}
