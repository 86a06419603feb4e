//! The sheet as one HTML page that stands alone. It is well-formed XML as well, so that a parser can be its judge.

use super::call::call;
use super::figure::{Head, KEY, area, swatch};
use super::rows::{Row, rows};
use super::sheet::{Area, Call, Sheet, Slot};
use super::svg::summary;
use super::text::{flat, measure, spill};
use crate::draw::frame::Page;
use crate::draw::words::{escape, number};

/// Writes the page.
pub fn html(sheet: &Sheet) -> String {
    let title = format!("{}: memory layout", sheet.title);
    let mut page = Page::open(&title, &sheet.title, "Skip to the figures", "");
    page.tag("p class=\"lead\"", &summary(sheet));
    page.key(KEY.into_iter().map(|(class, says)| (swatch(class), says)));
    page.put("</header>\n");
    let mut writer = Writer { page };
    writer.contents(sheet);
    writer.put("<main id=\"main\">\n");
    for (i, area) in sheet.types.iter().enumerate() {
        writer.area(i, area);
    }
    for (i, call) in sheet.functions.iter().enumerate() {
        writer.call(i, call);
    }
    writer.page.close()
}

/// A sheet's page in the making.
struct Writer {
    page: Page,
}

impl Writer {
    fn put(&mut self, markup: &str) {
        self.page.put(markup);
    }

    fn tag(&mut self, open: &str, text: &str) {
        self.page.tag(open, text);
    }

    fn contents(&mut self, sheet: &Sheet) {
        self.put("<nav aria-label=\"Contents\">\n");
        let types = sheet.types.iter().map(|a| &a.name);
        self.links("Types", "t", &mut types.into_iter());
        let functions = sheet.functions.iter().map(|c| &c.name);
        self.links("Functions", "f", &mut functions.into_iter());
        self.put("</nav>\n");
    }

    fn links(&mut self, title: &str, letter: &str, names: &mut dyn Iterator<Item = &String>) {
        let mut names = names.enumerate().peekable();
        if names.peek().is_none() {
            return;
        }
        self.tag("h2", title);
        self.put("\n<ul>\n");
        for (i, name) in names {
            self.put("<li>");
            self.tag(&format!("a class=\"mono\" href=\"#{letter}{i}\""), name);
            self.put("</li>\n");
        }
        self.put("</ul>\n");
    }

    fn docs(&mut self, docs: Option<&str>) {
        let Some(docs) = docs else { return };
        self.put("<p class=\"docs\">");
        for line in docs.trim().lines() {
            let line = escape(line);
            self.put(&line);
            self.put("\n");
        }
        self.put("</p>\n");
    }

    fn area(&mut self, i: usize, about: &Area) {
        self.put(&format!("<section id=\"t{i}\" aria-labelledby=\"t{i}h\">\n"));
        self.tag(&format!("h2 id=\"t{i}h\""), &about.name);
        let owner = if about.owner.is_empty() { String::new() } else { format!(" of {}", about.owner) };
        self.tag("p class=\"meta\"", &format!("{}{owner}: {}, {}", about.kind, measure(about), flat(about)));
        self.docs(about.docs.as_deref());
        self.page.figure(
            &area(about, Head::Hidden),
            &format!("Layout of {}, {}; the table below says the same", about.name, measure(about)),
        );
        self.table(about);
        self.put("</section>\n");
    }

    fn table(&mut self, area: &Area) {
        self.put("<details><summary>");
        self.put(&escape(&format!("{} as a table", area.name)));
        self.put("</summary><div class=\"scroll\"><table>\n");
        self.put("<thead><tr><th class=\"n\" scope=\"col\">Offset</th><th class=\"n\" scope=\"col\">Size</th>");
        self.put("<th scope=\"col\">Name</th><th scope=\"col\">Type</th></tr></thead>\n<tbody>\n");
        for row in rows(&area.layout) {
            self.row(row);
        }
        self.put("</tbody></table></div></details>\n");
    }

    fn row(&mut self, row: Row) {
        let style = |indent: usize| format!("scope=\"row\" style=\"padding-left:{}em\"", indent * 2);
        match row {
            Row::Bytes { from, size, indent, name, ty, gap } => {
                self.put(if gap { "<tr class=\"gap\">" } else { "<tr>" });
                self.tag("td class=\"n\"", &number(from));
                self.tag("td class=\"n\"", &number(size));
                self.tag(&format!("th {}", style(indent)), &name);
                self.tag("td", &ty);
                self.put("</tr>\n");
            }
            Row::Heading { indent, text } => {
                self.put("<tr class=\"head\"><td></td><td></td>");
                self.tag(&format!("th colspan=\"2\" {}", style(indent)), &text);
                self.put("</tr>\n");
            }
            Row::Names { indent, title, names } => {
                self.put("<tr><td></td><td></td>");
                self.tag(&format!("th {}", style(indent)), &title);
                self.tag("td", &names.join(", "));
                self.put("</tr>\n");
            }
        }
    }

    fn call(&mut self, i: usize, about: &Call) {
        self.put(&format!("<section id=\"f{i}\" aria-labelledby=\"f{i}h\">\n"));
        self.tag(&format!("h2 id=\"f{i}h\""), &about.name);
        let module = if about.module.is_empty() { "export".to_owned() } else { format!("import of {}", about.module) };
        self.tag("p class=\"meta\"", &module);
        self.put("<pre>");
        self.tag("code", &about.wit);
        self.put("</pre>\n");
        self.docs(about.docs.as_deref());
        if about.params_spilled {
            self.tag("p", &spill(about));
        }
        self.page.figure(
            &call(about, Head::Hidden),
            &format!("Core signature of {}; the tables below say the same", about.name),
        );
        self.slots(about);
        for area in &about.areas {
            self.table(area);
        }
        self.put("</section>\n");
    }

    fn slots(&mut self, call: &Call) {
        self.put("<details><summary>");
        self.put(&escape(&format!("{} as a table", call.name)));
        self.put("</summary><div class=\"scroll\"><table>\n");
        self.put("<thead><tr><th class=\"n\" scope=\"col\">Slot</th><th scope=\"col\">Core type</th>");
        self.put("<th scope=\"col\">Name</th><th scope=\"col\">Role</th></tr></thead>\n<tbody>\n");
        for (i, slot) in call.slots.iter().enumerate() {
            self.slot(&i.to_string(), slot);
        }
        if let Some(slot) = &call.result {
            self.slot("result", slot);
        }
        self.put("</tbody></table></div></details>\n");
    }

    fn slot(&mut self, number: &str, slot: &Slot) {
        self.put("<tr>");
        self.tag("td class=\"n\"", number);
        self.tag("td", slot.core.name());
        self.tag("th scope=\"row\"", &slot.name);
        self.tag("td", slot.role);
        self.put("</tr>\n");
    }
}
