//! The explanation as one HTML page that stands alone.

use super::model::Explanation;
use super::picture::{KEY, figure, rules, swatch};
use super::story::{Grid, story};
use crate::draw::frame::Page;
use crate::draw::words::{count, escape, fit};

/// Rows of a table; the rest is counted.
const ROWS: usize = 1000;
/// Columns of a cell; the rest of a longer one is cut.
const CELL: usize = 300;

/// Wide tables scroll instead of breaking their words; sections are too long to be kept on one sheet of paper.
const RULES: &str = "\
.scroll table{min-width:34rem}
td.n{white-space:nowrap}
@media print{section{break-inside:auto}h2,summary{break-after:avoid}tr{break-inside:avoid}}
";

/// Writes the page.
pub fn html(told: &Explanation, title: &str) -> String {
    let phases = story(told);
    let rules = rules() + RULES;
    let mut page = Page::open(&format!("{title}: how it was linked"), title, "Skip to the graph", &rules);
    page.tag("p class=\"lead\"", "How the component became one core module, phase by phase.");
    page.put("</header>\n<nav aria-label=\"Contents\"><h2>Phases</h2>\n<ul>\n<li><a href=\"#graph\">graph</a></li>\n");
    for phase in &phases {
        let item = format!("<li><a href=\"#{0}\">{0}</a></li>\n", phase.title);
        page.put(&item);
    }
    page.put("</ul>\n</nav>\n<main id=\"main\">\n<section id=\"graph\" aria-labelledby=\"graphh\">\n");
    page.tag("h2 id=\"graphh\"", "graph");
    page.tag("p class=\"meta\"", "Core instances in instantiation order. A line leaves who provides something and enters who takes it; what is struck out was in the component and is gone.");
    page.key(KEY.into_iter().map(|(class, says)| (swatch(class), says)));
    page.figure(&figure(told), "Graph of core instances; the tables below say the same");
    page.put("</section>\n");
    for phase in &phases {
        let title = phase.title;
        page.put(&format!("<section id=\"{title}\" aria-labelledby=\"{title}h\">\n"));
        page.tag(&format!("h2 id=\"{title}h\""), title);
        page.tag("p class=\"meta\"", &phase.summary);
        for grid in &phase.tables {
            table(grid, &mut page);
        }
        page.put("</section>\n");
    }
    page.close()
}

fn table(grid: &Grid, page: &mut Page) {
    // Open, so that the page prints whole.
    page.put("<details open=\"open\"><summary>");
    page.tag("span", &fit(&grid.caption, CELL));
    let label = escape(&fit(&grid.caption, CELL));
    page.put("</summary><div class=\"scroll\" role=\"region\" tabindex=\"0\"");
    page.put(&format!(" aria-label=\"{label}\"><table>\n<thead><tr>"));
    let open = |tag: &str, column: usize, scope: &str| {
        format!("{tag}{}{scope}", if grid.numbers.contains(&column) { " class=\"n\"" } else { "" })
    };
    for (column, head) in grid.head.iter().enumerate() {
        page.tag(&open("th", column, " scope=\"col\""), head);
    }
    page.put("</tr></thead>\n<tbody>\n");
    for row in grid.rows.iter().take(ROWS) {
        page.put("<tr>");
        for (column, cell) in row.iter().enumerate() {
            page.tag(&open("td", column, ""), &fit(cell, CELL));
        }
        page.put("</tr>\n");
    }
    page.put("</tbody></table></div>\n");
    if grid.rows.len() > ROWS {
        page.tag("p class=\"meta\"", &format!("… {} more", count((grid.rows.len() - ROWS) as u64, "row")));
    }
    page.put("</details>\n");
}
