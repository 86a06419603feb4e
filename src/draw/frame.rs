//! The frames: an HTML page and an SVG file, each of which stands alone. The page is well-formed XML as well, so that a
//! parser can be its judge.

use super::palette::{figure_css, page_css};
use super::pen::Block;
use super::words::escape;
use std::fmt::Write;

/// Hatching and arrow heads; once in a file.
const DEFS: &str = "\
<defs><pattern id=\"gap\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
<path class=\"stripe\" d=\"M0 0V6\"/></pattern>\
<marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
<path class=\"tip\" d=\"M0 .5L7.5 4L0 7.5Z\"/></marker></defs>\n";

/// An SVG file. Further rules are for the classes that only this drawing has.
pub(crate) fn svg_file(title: &str, description: &str, rules: &str, block: &Block, margin: i64) -> String {
    let (width, height) = (block.width, block.height);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"fig\" role=\"img\" aria-labelledby=\"title desc\" \
         width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
         <title id=\"title\">{}</title>\n<desc id=\"desc\">{}</desc>\n<style>\n{}{rules}</style>\n{DEFS}\
         <rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>\n\
         <g transform=\"translate({margin} 0)\">\n{}</g>\n</svg>\n",
        escape(title),
        escape(description),
        figure_css(),
        block.body,
    )
}

/// A page in the making.
pub(crate) struct Page {
    out: String,
}

impl Page {
    /// Everything up to the header's first heading, which is to be closed with `</header>`.
    pub(crate) fn open(title: &str, heading: &str, skip: &str, rules: &str) -> Page {
        let mut page = Page { out: String::new() };
        page.put("<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta charset=\"utf-8\"/>\n");
        page.put("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n");
        page.put("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n");
        page.put("<meta name=\"color-scheme\" content=\"light dark\"/>\n");
        page.tag("title", title);
        // Nothing in the style sheets is `<` or `&`; they read the same as HTML and as XML.
        let style = format!("<style>\n{}{}{rules}</style>\n</head>\n<body>\n", page_css(), figure_css());
        page.put(&style);
        page.tag("a class=\"skip\" href=\"#main\"", skip);
        let hidden = "\n<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"fig\" width=\"0\" height=\"0\" style=\"position:absolute\" aria-hidden=\"true\">";
        page.put(&format!("{hidden}{DEFS}</svg>\n<header>\n"));
        page.tag("h1", heading);
        page
    }

    /// The page, with its end.
    pub(crate) fn close(mut self) -> String {
        self.put("</main>\n<footer><p>Drawn by lowlift ");
        self.put(env!("CARGO_PKG_VERSION"));
        self.put(".</p></footer>\n</body>\n</html>\n");
        self.out
    }

    /// Markup.
    pub(crate) fn put(&mut self, markup: &str) {
        self.out.push_str(markup);
    }

    /// An element with text.
    pub(crate) fn tag(&mut self, open: &str, text: &str) {
        let name = open.split(' ').next().unwrap_or(open);
        // Writing to a String cannot fail.
        let _ = write!(self.out, "<{open}>{}</{name}>", escape(text));
    }

    /// What the colours mean: swatches and words.
    pub(crate) fn key(&mut self, entries: impl Iterator<Item = (Block, &'static str)>) {
        self.put("<ul class=\"key\" aria-label=\"Colours\">\n");
        for (swatch, says) in entries {
            let open = "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"fig\" aria-hidden=\"true\"";
            self.put(&format!("<li>{open} width=\"16\" height=\"16\">{}</svg>{says}</li>\n", swatch.body));
        }
        self.put("</ul>\n");
    }

    /// A figure that scrolls by itself where the page is narrower.
    pub(crate) fn figure(&mut self, block: &Block, label: &str) {
        let (width, height, label) = (block.width + 1, block.height + 1, escape(label));
        let _ = write!(
            self.out,
            "<figure><div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{label}\">\
             <svg xmlns=\"http://www.w3.org/2000/svg\" class=\"fig\" role=\"img\" aria-label=\"{label}\" width=\"{width}\" \
             height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n{}</svg></div></figure>\n",
            block.body
        );
    }
}
