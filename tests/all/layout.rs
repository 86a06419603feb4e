//! Drawings of layouts: what they say, that nothing overlaps, and that no name gets out of its text.

mod samples;

use lowlift::layout::{Body, Node, Sheet, html, sheet, svg, text};
use lowlift::wit::{Gates, built_in};
use lowlift::witx::{Options, Reading, Scope, derive, print, read};
use roxmltree::{Document, ParsingOptions};
use samples::*;

fn parse(xml: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(xml, options).expect("well-formed XML")
}

fn sheet_of(layout: Node) -> Sheet {
    Sheet { title: "t".into(), types: vec![area("a", "", "record", None, layout)], functions: vec![] }
}

/// Offset, size and name of the rows of a text.
fn rows(text: &str) -> Vec<(u64, u64, String)> {
    let row = |line: &str| {
        let mut words = line.split_whitespace();
        let mut number = || words.next()?.replace(',', "").parse().ok();
        let (offset, size) = (number()?, number()?);
        let name = words.take_while(|w| *w != "type").collect::<Vec<_>>();
        let name = if name.first() == Some(&"··") { name.join(" ") } else { name.first()?.to_string() };
        Some((offset, size, name))
    };
    text.lines().filter_map(row).collect()
}

/// Places of the cells of each lane: x, y, width.
fn lanes(xml: &Document<'_>) -> Vec<Vec<[i64; 3]>> {
    let is = |node: &roxmltree::Node<'_, '_>, class: &str| node.attribute("class") == Some(class);
    let lanes = xml
        .descendants()
        .filter(|n| n.has_tag_name(("http://www.w3.org/2000/svg", "g")) && (is(n, "lane") || is(n, "case")));
    let cells = |lane: roxmltree::Node<'_, '_>| {
        let cells = lane.children().flat_map(|g| g.children()).filter(|r| is(r, "box")).map(|r| {
            ["x", "y", "width"].map(|a| r.attribute(a).and_then(|v| v.trim_end_matches(".5").parse().ok()).expect(a))
        });
        cells.collect()
    };
    lanes.map(cells).collect()
}

fn samples() -> Vec<Sheet> {
    vec![http_error(), outparam(), spilled(), padded(), hostile()]
}

#[test]
fn every_field_is_told_with_its_offset() {
    let told = rows(&text(&padded()));
    let fields = [
        (0, 1, "rights"),
        (1, 1, "kind"),
        (2, 2, "links"),
        (4, 4, "owner"),
        (8, 8, "size"),
        (16, 8, "name"),
        (24, 16, "modified"),
        (24, 8, "seconds"),
        (32, 4, "nanoseconds"),
        (40, 8, "attributes"),
        (48, 32, "digest"),
        (80, 1, "last"),
    ];
    for (offset, size, name) in fields {
        assert!(told.contains(&(offset, size, name.to_owned())), "{name} in {told:?}");
    }
    let xml = svg(&padded());
    for title in [
        "links u16, 2 bytes at offset 2",
        "seconds u64 in modified, 8 bytes at offset 24",
        "last bool, 1 byte at offset 80",
    ] {
        assert!(xml.contains(title), "{title}");
    }
}

#[test]
fn padding_is_what_no_field_covers() {
    let told = text(&padded());
    let (small, stat) = told.split_once("stat  record").expect("both types");
    let padding = |text| rows(text).into_iter().filter(|r| r.2 == "·· padding").map(|r| r.1).sum::<u64>();
    assert_eq!(padding(small), 12 - (1 + 4 + 2));
    let payload = record("", "pair", [4, 8, 4], vec![scalar("a", "u32", 4, 4), scalar("b", "u8", 8, 1)]);
    let long = scalar("", "u32", 12, 16);
    let cases = variant("", "v", [0, 28, 4], 4, vec![("pair", Some(payload)), ("long", Some(long))]);
    let told = rows(&text(&sheet_of(cases)));
    assert!(told.contains(&(9, 3, "·· padding".into())) && told.contains(&(12, 16, "·· unused".into())), "{told:?}");
    assert_eq!(padding(stat), 88 - (1 + 1 + 2 + 4 + 8 + 8 + 8 + 4 + 8 + 32 + 1));
}

#[test]
fn each_case_with_a_payload_is_a_lane_over_all_bytes() {
    let (drawn, told) = (svg(&http_error()), text(&http_error()));
    let lanes = lanes(&parse(&drawn));
    assert_eq!(lanes.len(), 1 + 15, "any case, and the 15 that have a payload");
    for lane in lanes {
        assert_eq!(lane.iter().map(|[_, _, width]| width + 2).sum::<i64>(), 32 * 24);
    }
    assert!(told.contains("case 38  internal-error"));
    for unit in ["0 DNS-timeout", "12 TLS-protocol-error", "37 configuration-error"] {
        assert!(told.contains(unit), "{unit}");
    }
    assert!(rows(&told).contains(&(8, 24, "payload".into())));
}

#[test]
fn cells_and_texts_keep_within_their_places() {
    for sheet in samples() {
        let drawn = svg(&sheet);
        let xml = parse(&drawn);
        for mut lane in lanes(&xml) {
            lane.sort_by_key(|&[x, y, _]| (y, x));
            for pair in lane.windows(2) {
                let [[x, y, width], [next, below, _]] = [pair[0], pair[1]];
                assert!(y != below || x + width < next, "{pair:?}");
            }
        }
        for text in xml.descendants().filter(|n| n.has_tag_name(("http://www.w3.org/2000/svg", "text"))) {
            let Some(cell) = text.prev_siblings().find(|n| n.attribute("class") == Some("box")) else { continue };
            let of = |node: roxmltree::Node<'_, '_>, name| {
                node.attribute(name).and_then(|v| v.parse::<f64>().ok()).expect("a number")
            };
            let class = text.attribute("class").unwrap_or_default();
            let size = if class.starts_with("name") {
                11.0
            } else if class.starts_with("small") {
                10.0
            } else {
                9.0
            };
            let long = text.text().unwrap_or_default().chars().count() as f64 * size * 0.602;
            let start = match text.attribute("text-anchor") {
                Some("middle") => of(text, "x") - long / 2.0,
                Some("end") => of(text, "x") - long,
                _ => of(text, "x"),
            };
            let (left, width) = (of(cell, "x"), of(cell, "width"));
            assert!(start >= left && start + long <= left + width, "{:?} in {width}", text.text());
        }
    }
}

#[test]
fn slots_stand_in_the_order_of_the_core_signature() {
    let told = text(&outparam());
    let cores: Vec<&str> =
        told.lines().filter_map(|l| l.split_whitespace().nth(1)).filter(|w| ["i32", "i64"].contains(w)).collect();
    assert_eq!(cores, ["i32", "i32", "i32", "i32", "i64", "i32", "i32", "i32", "i32"]);
    assert!(told.contains("→  ()"));
    assert!(!told.contains("flattened"), "nothing is spilled:\n{told}");
    let json = serde_json::to_value(outparam()).expect("a sheet is JSON");
    assert_eq!(json["functions"][0]["slots"][4]["core"], "i64");
}

#[test]
fn a_spill_is_marked_where_it_happens() {
    let says = "17 flat slots > 16: one pointer to args.ptr";
    let told = text(&spilled());
    let at = |what: &str| told.lines().position(|l| l.contains(what)).unwrap_or_else(|| panic!("{what} in\n{told}"));
    assert_eq!([at("limit of 16"), at("16  i64  p16")], [at("15  i64  p15") + 1, at("15  i64  p15") + 2]);
    assert!(at("0  i32  args.ptr") > at(says));
    let drawn = svg(&spilled());
    assert!(parse(&drawn).descendants().any(|n| n.text() == Some(says)));
    assert!(drawn.contains("limit 16"));
    let areas = parse(&drawn).descendants().filter(|n| n.attribute("class") == Some("area")).count();
    assert_eq!(areas, 2, "args.ptr and ret.ptr");
}

#[test]
fn names_stay_text() {
    let sheet = hostile();
    let (svg, html, text) = (svg(&sheet), html(&sheet), text(&sheet));
    parse(&svg);
    parse(&html);
    for out in [&svg, &html] {
        assert!(!out.contains("<script"), "markup from a name");
        assert!(parse(out).descendants().flat_map(|n| n.attributes()).all(|a| !a.name().starts_with("on")));
        assert!(out.contains("&lt;script&gt;"));
    }
    for out in [&svg, &html, &text] {
        assert!(!out.contains(|c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c)));
    }
    assert!(text.lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn a_drawing_needs_nothing_but_itself() {
    for sheet in samples() {
        for out in [svg(&sheet), html(&sheet)] {
            let xml = parse(&out);
            for node in xml.descendants() {
                for attribute in node.attributes() {
                    let (name, value) = (attribute.name(), attribute.value());
                    assert!(name != "src" && (name != "href" || value.starts_with('#')), "{name}={value}");
                }
                assert!(!node.has_tag_name("script"));
            }
            assert!(!out.contains("@import") && !out.replace("url(#", "").contains("url("));
            assert!(out.contains("prefers-color-scheme:dark"));
        }
    }
}

#[test]
fn a_page_can_be_read_without_its_figures() {
    let page = html(&spilled());
    let xml = parse(&page);
    let named = |name: &'static str| xml.descendants().filter(move |n| n.tag_name().name() == name);
    let ids: Vec<_> = xml.descendants().filter_map(|n| n.attribute("id")).collect();
    assert!(ids.iter().enumerate().all(|(i, id)| !ids[i + 1..].contains(id)), "ids are unique: {ids:?}");
    for link in named("a").filter_map(|a| a.attribute("href")) {
        assert!(ids.contains(&link.trim_start_matches('#')), "{link}");
    }
    assert_eq!(xml.root_element().attribute("lang"), Some("en"));
    assert_eq!(named("table").count(), 3, "slots, args.ptr and ret.ptr");
    assert!(named("svg").all(|s| s.has_attribute("aria-label") || s.attribute("aria-hidden") == Some("true")));
    assert!(page.contains("default-src 'none'; style-src 'unsafe-inline'"));
    assert!(page.contains("width=device-width"));
}

#[test]
fn what_is_too_much_is_counted_instead() {
    let many = (0..100_000).map(|i| scalar(&format!("field-{i}"), "u32", i * 4, 4)).collect();
    let many = record("", "many", [0, 400_000, 4], many);
    let huge = Body::Array { length: u32::MAX, element: Box::new(scalar("", "u8", 8, 1)) };
    let huge = vec![
        scalar("a", "u32", 0, 4),
        node("b", "list<u8>", [8, u32::MAX - 16, 1], huge),
        scalar("c", "u8", u32::MAX - 1, 1),
    ];
    let huge = record("", "huge", [0, u32::MAX, 8], huge);
    let cases = (0..5000).map(|_| ("case", Some(scalar("", "u8", 1, 1)))).collect();
    let cases = variant("", "cases", [0, 2, 1], 1, cases);
    for (layout, says) in [(many, "not drawn"), (huge, "of the same"), (cases, "more cases")] {
        let sheet = sheet_of(layout);
        let (svg, html, text) = (svg(&sheet), html(&sheet), text(&sheet));
        parse(&svg);
        parse(&html);
        assert!(svg.len() + html.len() + text.len() < 16 << 20, "{} {} {}", svg.len(), html.len(), text.len());
        assert!(svg.contains(says) || says == "more cases", "{says}");
        assert_eq!(svg, lowlift::layout::svg(&sheet), "the same again");
    }
}

#[test]
fn depth_has_an_end() {
    let (mut records, mut pointers, mut options, mut results) =
        (scalar("x", "u8", 0, 1), scalar("x", "u8", 0, 1), scalar("x", "u8", 200, 1), scalar("x", "u8", 200, 1));
    for i in 0..200 {
        records = record("deeper", "record", [0, 1, 1], vec![records]);
        pointers = list("deeper", 0, pointers);
        let at = 199 - i;
        options = variant("deeper", "option", [at, 2 + i, 1], at + 1, vec![("none", None), ("some", Some(options))]);
        let ok = Some(scalar("ok", "u8", at + 1, 1));
        results = variant("deeper", "result", [at, 2 + i, 1], at + 1, vec![("ok", ok), ("error", Some(results))]);
    }
    for layout in [records, pointers, options, results] {
        let sheet = sheet_of(layout);
        parse(&svg(&sheet));
        parse(&html(&sheet));
        assert!(!text(&sheet).is_empty());
    }
}

#[test]
fn nonsense_is_drawn_as_well_as_can_be() {
    let fields = vec![
        scalar("late", "u64", u32::MAX, u32::MAX),
        scalar("early", "u64", 0, 8),
        scalar("", "", 4, 0),
        node("no", "bytes", [9, 0, 0], Body::Pointer { element: Some(Box::new(record("", "", [7, 3, 1], vec![]))) }),
        variant("none", "variant", [2, 1, 1], 90, vec![]),
        node("none", "list", [0, 0, 1], Body::Array { length: 0, element: Box::new(scalar("", "u8", 0, 1)) }),
    ];
    let sheet = sheet_of(record("", "", [0, 3, 1], fields));
    parse(&svg(&sheet));
    parse(&html(&sheet));
    assert!(text(&sheet).contains("early"));
    let empty = Sheet { title: String::new(), types: vec![], functions: vec![] };
    parse(&svg(&empty));
    parse(&html(&empty));
}

#[test]
fn a_small_record_looks_like_this() {
    let mut sheet = padded();
    sheet.types.truncate(1);
    super::golden(&super::root("fixtures/layout/small.txt"), &text(&sheet));
    super::golden(&super::root("fixtures/layout/small.svg"), &svg(&sheet));
}

/// The pictures of the documentation, drawn from nothing but derived WITX. The WIT's own words are left away.
#[test]
fn the_pictures_of_the_documentation_are_fresh() {
    let loaded = built_in("wasi:http@0.2.12", &Gates::default()).expect("built in");
    let scope = Scope::Packages(loaded.packages.clone());
    let derived = derive(&loaded.resolve, &scope, &Options::default()).expect("derives");
    let files = print(&derived.document.without_docs());
    let Reading::Derived(derivation) = read(&files).expect("reads back") else { panic!("it was derived") };
    for item in ["error-code", "response-outparam.set", "fields.entries"] {
        let drawn = svg(&sheet(&derivation, Some(item)).expect("it is there"));
        parse(&drawn);
        super::golden(&super::root("docs/pictures").join(format!("{item}.svg")), &drawn);
    }
}
