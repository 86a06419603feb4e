//! Many mistakes at once, from a parser that stops at the first.
//!
//! The search works on drafts of the files. Each mistake is noted, then its place in the draft is neutralised: the name
//! of a type becomes `u8`, anything else becomes spaces, so that every offset stays what it is. Then the parser runs
//! again. What is only a consequence of an edit is neutralised without a word.

use super::load::WitFile;
use super::{builtin, limits, scan, twice};
use crate::diagnostic::{Code, Diagnostic, Place, Result, nearest, quietly};
use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use wit_parser::{
    PackageId, PackageName, ParseError, ParseErrorKind, Resolve, ResolveErrorKind, SourceMap, Span,
    UnresolvedPackageGroup,
};

/// More mistakes than this are not looked for.
const MAX_MISTAKES: usize = 20;
/// Bytes that the search may parse in all, so that large files have an end too.
const MAX_WORK: usize = 32 << 20;

/// Parses one package.
pub(super) fn parse(files: &[WitFile]) -> Result<UnresolvedPackageGroup, (SourceMap, ParseError)> {
    parse_texts(files.iter().map(|file| (file.path.as_str(), file.text.as_str())))
}

fn parse_texts<'t>(
    texts: impl Iterator<Item = (&'t str, &'t str)>,
) -> Result<UnresolvedPackageGroup, (SourceMap, ParseError)> {
    let mut map = SourceMap::default();
    for (path, text) in texts {
        map.push_str(path, text);
    }
    map.parse()
}

/// Parses packages, the main one first, and resolves them on top of `base`; or says all mistakes that can be found.
pub(super) fn resolve(base: &Resolve, packages: &[&[WitFile]]) -> Result<(Resolve, PackageId)> {
    let mut search = Search::new(packages);
    search.check_texts()?;
    while !search.is_over() {
        let groups = (0..packages.len()).map(|package| search.settle(package)).collect::<Vec<_>>();
        let Some(mut groups) = groups.into_iter().collect::<Result<Option<Vec<_>>>>()? else { break };
        if let Err(limit) = limits::check_packages(&groups) {
            search.found.push(((0, 0..0), *search.in_first_file(limit)));
            break;
        }
        add_built_in(base, &mut groups)?;
        let mut resolve = base.clone();
        let main = groups.remove(0);
        match quietly("resolving WIT", || resolve.push_groups(main, groups)) {
            Ok(Ok(package)) if search.found.is_empty() => {
                search.twice(&resolve);
                return if search.found.is_empty() { Ok((resolve, package)) } else { Err(search.report()) };
            }
            Ok(Err(error)) if search.resolve_error(error.kind(), &resolve) => {}
            Err(panic) if search.found.is_empty() => return Err(search.in_first_file(panic)),
            _ => break,
        }
    }
    Err(search.report())
}

/// Adds the built-in packages that something asks for and nothing supplies.
fn add_built_in(base: &Resolve, groups: &mut Vec<UnresolvedPackageGroup>) -> Result<()> {
    let mut supplied: BTreeSet<PackageName> = base.package_names.keys().cloned().collect();
    let mut wanted = BTreeSet::new();
    for package in groups.iter().flat_map(|g| g.nested.iter().chain([&g.main])) {
        supplied.insert(package.name.clone());
        wanted.extend(package.foreign_deps.keys().cloned());
    }
    if wanted.is_subset(&supplied) {
        return Ok(());
    }
    let mut built_in = builtin::groups()?;
    while let Some(name) = wanted.pop_first() {
        if supplied.contains(&name) {
            continue;
        }
        if let Some(i) = built_in.iter().position(|g| g.main.name == name) {
            let group = built_in.swap_remove(i);
            wanted.extend(group.main.foreign_deps.keys().cloned());
            supplied.insert(name);
            groups.push(group);
        }
    }
    Ok(())
}

/// A file, and what is left of it.
#[derive(Debug)]
struct Draft<'f> {
    file: &'f WitFile,
    text: String,
}

/// Where a mistake is: the index of its draft and a range of bytes.
type Spot = (usize, Range<usize>);

struct Search<'f> {
    /// All files of all packages.
    drafts: Vec<Draft<'f>>,
    /// Which of them are a package.
    packages: Vec<Range<usize>>,
    /// What was found, by place; a mistake without one comes last.
    found: Vec<(Spot, Diagnostic)>,
    /// Words of neutralised text: that such a name is missing is no news.
    lost: HashSet<String>,
    /// Packages that are known to be missing.
    missing: BTreeSet<PackageName>,
    work: usize,
}

impl<'f> Search<'f> {
    fn new(packages: &[&'f [WitFile]]) -> Search<'f> {
        let mut search = Search {
            drafts: Vec::new(),
            packages: Vec::new(),
            found: Vec::new(),
            lost: HashSet::new(),
            missing: BTreeSet::new(),
            work: 0,
        };
        for files in packages {
            let start = search.drafts.len();
            search.drafts.extend(files.iter().map(|file| Draft { file, text: file.text.clone() }));
            search.packages.push(start..search.drafts.len());
        }
        search
    }

    fn check_texts(&mut self) -> Result<()> {
        for i in 0..self.drafts.len() {
            if let Err(error) = limits::check_text(self.drafts[i].file) {
                self.found.push(((i, 0..0), *error));
            }
        }
        if self.found.is_empty() { Ok(()) } else { Err(self.report()) }
    }

    fn is_over(&self) -> bool {
        self.found.len() >= MAX_MISTAKES || self.work > MAX_WORK
    }

    /// All mistakes as one diagnostic, in the order of their places.
    fn report(&mut self) -> Box<Diagnostic> {
        self.found.sort_by_key(|((draft, range), _)| (*draft, range.start));
        self.found.dedup_by(|a, b| a.1 == b.1);
        self.found
            .drain(..)
            .map(|(_, mistake)| Box::new(mistake))
            .reduce(|first, next| first.and(*next))
            .unwrap_or_else(|| Diagnostic::new(Code::Internal, "a WIT error without a mistake"))
    }

    fn in_first_file(&self, error: Box<Diagnostic>) -> Box<Diagnostic> {
        match self.drafts.first() {
            Some(draft) => error.in_file(&draft.file.path, ""),
            None => error,
        }
    }

    /// Parses a package until nothing is wrong with its drafts any more; `None` when that cannot be reached.
    fn settle(&mut self, package: usize) -> Result<Option<UnresolvedPackageGroup>> {
        let files = self.packages[package].clone();
        let mut alone = false;
        while !self.is_over() {
            let drafts = &self.drafts[files.clone()];
            self.work += drafts.iter().map(|d| d.text.len() + 1000).sum::<usize>();
            let texts = drafts.iter().map(|d| (d.file.path.as_str(), d.text.as_str()));
            let (map, error) = match quietly("parsing WIT", || parse_texts(texts)) {
                Ok(Ok(group)) => return Ok(Some(group)),
                Ok(Err(failed)) => failed,
                Err(_) if !self.found.is_empty() => return Ok(None),
                Err(panic) => return Err(panic.in_file(&self.drafts[files.start].file.path, "")),
            };
            // Before the package as a whole, each of its files: the parser reads them one by one.
            if !alone {
                files.clone().for_each(|draft| self.settle_syntax(draft));
                alone = true;
                continue;
            }
            let spot = self.spot(error.kind().span(), &map);
            if !self.parse_error(error.kind(), spot, files.start) {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Finds the mistakes that show in a file alone.
    fn settle_syntax(&mut self, draft: usize) {
        while !self.is_over() {
            let text = self.drafts[draft].text.as_str();
            self.work += text.len() + 1000;
            // The parser reads in the order of paths. It comes to the second file exactly when the first has no mistake.
            let outcome = quietly("parsing WIT", || parse_texts([("1", text), ("2", "}")].into_iter()));
            let Ok(Err((map, error))) = outcome else { return };
            let Some(location) = map.resolve_span(error.kind().span()) else { return };
            if location.path != "1" {
                return;
            }
            let spot = (draft, location.range);
            let torn = is_syntax(error.kind()) && !scan::braces_match(&scan::bare(text));
            if !self.parse_error(error.kind(), Some(spot), draft) {
                return;
            }
            if torn {
                // Where one statement ends and the next begins is anyone's guess now.
                self.lose_file(draft);
                return;
            }
        }
    }

    /// Notes a mistake that the parser found and neutralises it; false when that cannot be done.
    fn parse_error(&mut self, kind: &ParseErrorKind, spot: Option<Spot>, first: usize) -> bool {
        let Some(spot) = spot else {
            // That no file names the package can be a consequence.
            if self.found.is_empty() {
                let error =
                    Diagnostic::new(Code::WitParse, kind.to_string()).in_file(&self.drafts[first].file.path, "");
                self.found.push(((first, usize::MAX..usize::MAX), *error));
            }
            return false;
        };
        let is_type = match kind {
            ParseErrorKind::ItemNotFound { kind, .. } | ParseErrorKind::TypeCycle { kind, .. } => {
                kind != "interface or world" && self.is_type(&spot)
            }
            _ => false,
        };
        let of_lost = match kind {
            ParseErrorKind::ItemNotFound { .. } => true,
            ParseErrorKind::Syntax { message, .. } => message.ends_with("must be a resource"),
            _ => false,
        };
        if !self.is_consequence(&spot, of_lost) {
            let (message, near) = match kind {
                ParseErrorKind::ItemNotFound { name, kind, .. } => {
                    (format!("{kind} `{name}` does not exist"), self.meant(&spot, name, kind, is_type))
                }
                ParseErrorKind::Lex(error) => (self.strange(&spot).unwrap_or_else(|| error.to_string()), None),
                kind => (kind.to_string(), None),
            };
            let mut error = Diagnostic::new(Code::WitParse, message);
            // In a `use`, the name that was meant is now missing.
            self.lost.extend(near.clone().filter(|_| !is_type));
            if let Some(word) = error.message.strip_prefix("expected an identifier or string, found keyword `") {
                let hint = format!("as a name, a keyword is written `%{word}");
                error = error.hint(hint);
            }
            self.note(spot.clone(), error, near);
        }
        is_type && self.stand_in(&spot) || self.blank_piece(&spot)
    }

    /// The same for what resolving found.
    fn resolve_error(&mut self, kind: &ResolveErrorKind, resolve: &Resolve) -> bool {
        let spot = self.spot(kind.span(), &resolve.source_map);
        let mut near = None;
        let error = match kind {
            ResolveErrorKind::PackageNotFound { requested, known, .. } => {
                if !self.missing.insert(requested.clone()) {
                    return spot.is_some_and(|spot| self.blank_piece(&spot));
                }
                let known: Vec<String> = known.iter().map(PackageName::to_string).collect();
                let all: Vec<String> = known.iter().cloned().chain(builtin::built_in_packages()).collect();
                near = nearest(&requested.to_string(), all.iter().map(String::as_str)).map(str::to_owned);
                let error = Diagnostic::new(Code::MissingDependency, format!("package `{requested}` is not here"));
                let error = if known.is_empty() { error } else { error.fact("have", known.join(", ")) };
                error.hint(format!("put its WIT under `deps/{}`", requested.name))
            }
            ResolveErrorKind::DuplicatePackage { span2, .. } => {
                let error = Diagnostic::new(Code::WitParse, kind.to_string());
                match span2.is_known() {
                    true => error.fact("also", resolve.source_map.render_location(*span2)),
                    false => error,
                }
            }
            kind => match spot.as_ref().and_then(|spot| self.not_in_package(spot, resolve)) {
                Some((message, meant)) => {
                    near = meant;
                    Diagnostic::new(Code::WitParse, message)
                }
                None => Diagnostic::new(Code::WitParse, kind.to_string()),
            },
        };
        let Some(spot) = spot else {
            let error = if self.drafts.len() == 1 { self.in_first_file(error) } else { error };
            self.found.push(((usize::MAX, 0..0), *error));
            return false;
        };
        if !self.is_consequence(&spot, matches!(kind, ResolveErrorKind::Semantic { .. })) {
            self.note(spot.clone(), error, near);
        }
        // Of two packages of one name, one goes as a whole, so what it defines may be missing.
        if matches!(kind, ResolveErrorKind::DuplicatePackage { .. }) {
            return false;
        }
        self.blank_piece(&spot)
    }

    /// Notes names that stand twice.
    fn twice(&mut self, resolve: &Resolve) {
        for (span, message) in twice::names(resolve).into_iter().take(MAX_MISTAKES) {
            let error = Diagnostic::new(Code::WitParse, message);
            match self.spot(span, &resolve.source_map) {
                Some(spot) => self.note(spot, error, None),
                None => self.found.push(((usize::MAX, 0..0), *self.in_first_file(error))),
            }
        }
    }

    fn note(&mut self, spot: Spot, error: Box<Diagnostic>, near: Option<String>) {
        let file = self.drafts[spot.0].file;
        // What the parser calls one byte may be one of a character's.
        let span = file.text.floor_char_boundary(spot.1.start)..file.text.ceil_char_boundary(spot.1.end);
        let place = Place::Text { path: file.path.clone(), source: file.text.clone(), span };
        let error = error.at(place);
        let error = match near {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error,
        };
        self.found.push((spot, *error));
    }

    fn spot(&self, span: Span, map: &SourceMap) -> Option<Spot> {
        let location = map.resolve_span(span)?;
        let draft = self.drafts.iter().position(|d| d.file.path == location.path)?;
        Some((draft, location.range))
    }

    /// Whether a mistake comes only from what was neutralised before; `of_lost`: it would, if the name were a lost one.
    fn is_consequence(&self, (draft, range): &Spot, of_lost: bool) -> bool {
        let draft = &self.drafts[*draft];
        let (old, new) = (draft.file.text.get(range.clone()), draft.text.get(range.clone()));
        old != new || of_lost && new.is_some_and(|name| self.lost.contains(name))
    }

    fn is_type(&self, (draft, range): &Spot) -> bool {
        scan::bare(&self.drafts[*draft].text).get(..range.start).is_some_and(scan::names_a_type)
    }

    /// Puts `u8` where a type is named. `own<…>` and `borrow<…>` go with their name, and so does what surrounds a name that
    /// is shorter than `u8`.
    fn stand_in(&mut self, (draft, range): &Spot) -> bool {
        let text = &mut self.drafts[*draft].text;
        let (Some(before), Some(after)) = (text.get(..range.start), text.get(range.end..)) else { return false };
        let mut range = range.clone();
        let outside = before.trim_end().strip_suffix('<').map_or("", str::trim_end);
        let constructor = scan::words(outside).next_back().filter(|word| outside.ends_with(word)).unwrap_or_default();
        let closed = after.trim_start().starts_with('>').then(|| after.find('>')).flatten();
        if let (true, Some(close)) = (["own", "borrow"].contains(&constructor) || range.len() < 2, closed) {
            range = outside.len() - constructor.len()..range.end + close + 1;
        } else if range.len() < 2 && before.ends_with(' ') {
            range.start -= 1;
        }
        if range.len() < 2 {
            return false;
        }
        // What is defined as such a type is no resource any more.
        if let Some(name) = before.trim_end().strip_suffix('=') {
            self.lost.extend(scan::words(name).next_back().map(str::to_owned));
        }
        let padded = format!("u8{}", " ".repeat(range.len() - 2));
        text.replace_range(range, &padded);
        true
    }

    /// Blanks the smallest piece around a spot; false when nothing was left of it.
    fn blank_piece(&mut self, (draft, range): &Spot) -> bool {
        let bare = scan::bare(&self.drafts[*draft].text);
        let piece = scan::piece(&bare, range.start.min(bare.len()));
        let gone = piece.list.as_ref().map_or(&piece.whole, |list| &list.item);
        if scan::is_use(&bare[piece.whole.clone()]) {
            // All of it are names, whatever stands between them.
            self.lost.extend(scan::words(&bare[gone.clone()]).map(str::to_owned));
        }
        match piece.list {
            Some(list) if self.blank(*draft, list.item.clone()) => {
                let text = &mut self.drafts[*draft].text;
                if list.wants_one
                    && text[list.body.clone()].trim().is_empty()
                    && let Some(space) = text[list.body.clone()].find(' ')
                {
                    text.replace_range(list.body.start + space..=list.body.start + space, "x");
                }
                true
            }
            _ => self.blank(*draft, piece.whole),
        }
    }

    /// Puts spaces in place of a range, and remembers what it named.
    fn blank(&mut self, draft: usize, range: Range<usize>) -> bool {
        let text = &mut self.drafts[draft].text;
        let old = &text[range.clone()];
        let new: String =
            old.chars().flat_map(|c| std::iter::repeat_n(if c == '\n' { c } else { ' ' }, c.len_utf8())).collect();
        if new == old {
            return false;
        }
        self.lost.extend(scan::names(&scan::bare(old)).into_iter().map(str::to_owned));
        text.replace_range(range, &new);
        true
    }

    /// Blanks all of a file but the name of its package.
    fn lose_file(&mut self, draft: usize) {
        let bare = scan::bare(&self.drafts[draft].text);
        let header = match bare.split_once(';') {
            Some((first, _)) if scan::words(first).next() == Some("package") && !first.contains('{') => first.len() + 1,
            _ => 0,
        };
        self.blank(draft, header..bare.len());
    }

    /// The character that cannot be shown, or that is easily mistaken for another.
    fn strange(&self, (draft, range): &Spot) -> Option<String> {
        let c = self.drafts[*draft].file.text.get(range.start..)?.chars().next()?;
        let plain = c.is_ascii() && !c.is_ascii_control();
        (!plain && c != '\n').then(|| format!("the character U+{:04X} cannot stand here", c as u32))
    }

    /// The name that was meant, of those that could stand here.
    fn meant(&self, (draft, range): &Spot, name: &str, kind: &str, is_type: bool) -> Option<String> {
        const TYPES: [&str; 14] =
            ["bool", "u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "f32", "f64", "char", "string", "list"];
        let package = self.packages.iter().find(|p| p.contains(draft))?;
        let bare: Vec<String> = self.drafts[package.clone()].iter().map(|d| scan::bare(&d.file.text)).collect();
        let names: Vec<&str> = if let Some(new) = name.strip_prefix("float") {
            return Some(format!("f{new}")).filter(|n| TYPES.contains(&n.as_str()));
        } else if kind == "interface or world" {
            bare.iter().flat_map(|b| scan::defined(b, &scan::ITEM_WORDS)).collect()
        } else if is_type {
            let scope = scan::scope(&bare[*draft - package.start], range.start);
            TYPES.into_iter().chain(scan::defined(scope, &scan::TYPE_WORDS)).chain(scan::used(scope)).collect()
        } else {
            bare.iter().flat_map(|b| scan::defined(b, &scan::TYPE_WORDS)).collect()
        };
        nearest(name, names.into_iter().filter(|n| *n != name)).map(str::to_owned)
    }

    /// What is wrong with the path of a package that is here: an interface, world or type that it does not have.
    fn not_in_package(&self, (draft, range): &Spot, resolve: &Resolve) -> Option<(String, Option<String>)> {
        let bare = scan::bare(&self.drafts[*draft].text);
        let name = bare.get(range.clone())?;
        let path = bare[..range.start].rsplit([';', '}', '\n']).next()?.trim();
        let in_package = |prefix: &str| {
            let prefix = prefix.rsplit(char::is_whitespace).next()?.to_owned();
            resolve.packages.iter().map(|(_, p)| p).find(|p| format!("{}:{}", p.name.namespace, p.name.name) == prefix)
        };
        if let Some(package) = path.strip_suffix('/').and_then(in_package) {
            let have: Vec<&str> = package.interfaces.keys().chain(package.worlds.keys()).map(String::as_str).collect();
            if have.contains(&name) {
                return None;
            }
            let near = nearest(name, have).map(str::to_owned);
            return Some((format!("`{name}` does not exist in package `{}`", package.name), near));
        }
        let (package, interface) = path.split_once('/')?;
        let interface = scan::words(interface).next()?;
        let interface = &resolve.interfaces[*in_package(package)?.interfaces.get(interface)?];
        if interface.types.contains_key(name) {
            return None;
        }
        let near = nearest(name, interface.types.keys().map(String::as_str)).map(str::to_owned);
        let of = interface.name.as_deref().unwrap_or_default();
        Some((format!("type `{name}` does not exist in interface `{of}`"), near))
    }
}

/// Whether the structure of the text is wrong, not only what it says.
fn is_syntax(kind: &ParseErrorKind) -> bool {
    matches!(kind, ParseErrorKind::Lex(_) | ParseErrorKind::Syntax { .. })
}
