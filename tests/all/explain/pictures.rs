//! Pictures and pages of a link: what they name, that lines do not meet, and that no name gets out of its text.

use super::{components, fixture, linked, told};
use crate::{golden, root};
use lowlift::link::explain::{Fate, Origin, html, svg, text};
use lowlift::link::{Options, link};
use roxmltree::{Document, ParsingOptions};

fn parse(xml: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(xml, options).expect("well-formed XML")
}

/// Needs nothing but itself, and says in words what it draws.
fn stands_alone(out: &str) {
    let xml = parse(out);
    for node in xml.descendants() {
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            assert!(name != "src" && (name != "href" || value.starts_with('#')), "{name}={value}");
            assert!(!name.starts_with("on"), "{name}");
        }
        assert!(!node.has_tag_name("script"));
    }
    assert!(!out.contains("@import") && !out.replace("url(#", "").contains("url("));
    assert!(out.contains("prefers-color-scheme:dark"));
    assert!(!out.contains(|c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c)));
}

#[test]
fn pictures_and_pages_name_every_instance() {
    for (name, component) in components() {
        let (report, _) = linked(&component);
        let told = told(&report);
        let (drawn, page, plain) = (svg(told, "it"), html(told, "it"), text(told));
        stands_alone(&drawn);
        stands_alone(&page);
        // The linker's own may be empty, and then there is nothing to show.
        let shown = told.read.instances.iter().filter(|i| i.origin != Origin::Linker || i.fate == Fate::Merged);
        for instance in shown {
            let label = match &instance.name {
                Some(name) => format!("#{} {name}", instance.index),
                None if instance.origin == Origin::Adapter => format!("#{} (fused adapter)", instance.index),
                None => format!("#{} (module {})", instance.index, instance.module),
            };
            for out in [&drawn, &page, &plain] {
                assert!(out.contains(&label), "{name}: {label}");
            }
        }
        let xml = parse(&page);
        let ids: Vec<_> = xml.descendants().filter_map(|n| n.attribute("id")).collect();
        assert!(ids.iter().enumerate().all(|(i, id)| !ids[i + 1..].contains(id)), "ids are unique: {ids:?}");
        for link in xml.descendants().filter_map(|n| n.attribute("href")) {
            assert!(ids.contains(&link.trim_start_matches('#')), "{link}");
        }
        assert_eq!(drawn, svg(told, "it"), "the same again");
    }
}

/// Upright lines: their place, and from where to where; with the group that they are in.
fn uprights(xml: &Document<'_>) -> Vec<(usize, i64, i64, i64)> {
    let mut all = Vec::new();
    for (group, node) in xml.descendants().filter(|n| n.has_tag_name(("http://www.w3.org/2000/svg", "g"))).enumerate() {
        for path in node.children().filter(|n| n.attribute("class").is_some_and(|c| c.starts_with("bus"))) {
            let d = path.attribute("d").expect("a path");
            let Some((start, end)) = d.split_once('V') else { continue };
            let (x, y) = start.trim_start_matches('M').split_once(' ').expect("a place");
            let [x, y, end] = [x, y, end].map(|n| n.parse::<i64>().expect("a number"));
            all.push((group, x, y.min(end), y.max(end)));
        }
    }
    all
}

#[test]
fn lines_of_two_providers_never_meet() {
    for (name, component) in components() {
        let (report, _) = linked(&component);
        let drawn = svg(told(&report), "it");
        let xml = parse(&drawn);
        let lines = uprights(&xml);
        for (i, (group, x, low, high)) in lines.iter().enumerate() {
            for (other, at, from, to) in &lines[i + 1..] {
                assert!(group == other || x != at || high < from || to < low, "{name}: two lines at {x}");
            }
        }
    }
}

#[test]
fn words_keep_within_their_cards() {
    for (name, component) in components().into_iter().chain([("hostile".to_owned(), hostile())]) {
        let (report, _) = linked(&component);
        let drawn = svg(told(&report), "it");
        let xml = parse(&drawn);
        let of = |node: &roxmltree::Node<'_, '_>, name: &str| node.attribute(name).and_then(|v| v.parse::<f64>().ok());
        let card = xml
            .descendants()
            .filter(|n| n.attribute("class") == Some("box"))
            .max_by_key(|n| of(n, "width").map(|w| w as i64));
        let card = card.expect("a card");
        let (left, right) =
            (of(&card, "x").expect("x"), of(&card, "x").expect("x") + of(&card, "width").expect("width"));
        let mut rows = 0;
        for text in xml.descendants().filter(|n| n.has_tag_name(("http://www.w3.org/2000/svg", "text"))) {
            let x = of(&text, "x").expect("x");
            // The head of the drawing starts at the margin.
            if x <= left {
                continue;
            }
            let size = if text.attribute("class").unwrap_or_default().starts_with("name") { 11.0 } else { 10.0 };
            let long = text.text().unwrap_or_default().chars().count() as f64 * size * 0.602;
            let end = if text.attribute("text-anchor") == Some("end") { x } else { x + long };
            assert!(end <= right.max(560.0), "{name}: {:?}", text.text());
            rows += 1;
        }
        assert!(rows > 4, "{name}");
    }
}

const HOSTILE: &str = "\\\"><script>alert(1)</script>&amp;\\n\\u{202e}evil\\u{0}\\u{1b}[31m]]>-->'";

/// Names that want to be markup or to confuse, and one that is too long.
fn hostile() -> Vec<u8> {
    let long = "n".repeat(10_000);
    let text = format!(
        r#"(component
          (import "host" (func $host))
          (core module $a (@name "{HOSTILE}") (memory (export "m") 1) (table 1 funcref)
            (func $f (@name "{HOSTILE}") (export "{HOSTILE}")))
          (core module $b (@name "{long}") (import "a" "{HOSTILE}" (func)) (import "a" "m" (memory 1))
            (import "host" "h" (func)) (func $g (@name "{long}") (export "{long}") (call 0)))
          (core instance $a (instantiate $a))
          (core func $h (canon lower (func $host)))
          (core instance $b (instantiate $b
            (with "a" (instance $a)) (with "host" (instance (export "h" (func $h))))))
          (func (export "run") (canon lift (core func $b "{long}"))))"#
    );
    wat::parse_str(text).expect("text")
}

#[test]
fn names_stay_text() {
    let (report, _) = linked(&hostile());
    let told = told(&report);
    let (drawn, page, plain) = (svg(told, HOSTILE), html(told, HOSTILE), text(told));
    for out in [&drawn, &page] {
        stands_alone(out);
        assert!(!out.contains("<script") && out.contains("&lt;script&gt;"));
        assert!(out.len() < 200_000, "{}", out.len());
    }
    assert!(!plain.contains(|c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c)));
    assert!(plain.lines().all(|line| line.chars().count() < 300), "{plain}");
    assert!(plain.contains("#1 nnnn"));
}

#[test]
fn what_is_too_much_is_counted_instead() {
    let instances = "(core instance (instantiate $m (with \"\" (instance $a))))".repeat(900);
    let component = format!(
        "(component (core module $a (func (export \"f\"))) (core module $m (import \"\" \"f\" (func)))
         (core instance $a (instantiate $a)) {instances}
         (func (export \"run\") (canon lift (core func $a \"f\"))))"
    );
    let (report, _) = linked(&wat::parse_str(component).expect("text"));
    let told = told(&report);
    assert_eq!(told.read.instances.iter().filter(|i| i.origin == Origin::Component).count(), 901);
    let (drawn, page, plain) = (svg(told, "it"), html(told, "it"), text(told));
    parse(&drawn);
    parse(&page);
    assert!(drawn.contains("more") && drawn.len() < 200_000, "{}", drawn.len());
    assert!(plain.contains("rows more") && plain.len() < 100_000);
    assert!(page.len() < 2 << 20);
}

/// Whatever links can be told and drawn.
#[test]
fn mutated_components_are_told_too() {
    let component = fixture("fixtures/cli/inputs/wired.wat");
    let mut told = 0;
    for at in 8..component.len() {
        for change in [1, 0x55, 0xff] {
            let mut bytes = component.clone();
            bytes[at] ^= change;
            let Ok(linked) = link(&bytes, Options { explain: true, ..Options::default() }) else { continue };
            let explain = linked.report.explain.as_ref().expect("it was asked for");
            parse(&svg(explain, "it"));
            parse(&html(explain, "it"));
            assert!(!text(explain).is_empty());
            told += 1;
        }
    }
    assert!(told > 100, "{told}");
}

/// The picture of the documentation.
#[test]
fn the_picture_of_the_documentation_is_fresh() {
    let (report, _) = linked(&fixture("fixtures/cli/inputs/wired.wat"));
    let drawn = svg(told(&report), "wired.wat");
    parse(&drawn);
    golden(&root("docs/pictures/link.svg"), &drawn);
}
