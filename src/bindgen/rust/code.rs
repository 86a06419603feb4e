//! Text as rustfmt's defaults lay it out: what fits on a line stands on it, what does not is broken in one way.

/// Columns of a line.
const WIDTH: usize = 100;

/// Columns of the arguments of a call that stands on one line (`fn_call_width`).
const ARGUMENTS: usize = 60;

/// Columns of a name that is short (`short_array_element_width_threshold`).
const SHORT: usize = 10;

/// Lines at some depth.
#[derive(Debug, Default)]
pub(super) struct Lines {
    text: String,
    depth: usize,
}

impl Lines {
    /// Lines that stand this deep.
    pub(super) fn at(depth: usize) -> Lines {
        Lines { text: String::new(), depth }
    }

    /// The text.
    pub(super) fn finish(self) -> String {
        self.text
    }

    /// Whether nothing was written yet.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// A line, or an empty one.
    pub(super) fn line(&mut self, line: impl AsRef<str>) {
        let line = line.as_ref();
        if !line.is_empty() {
            self.text.extend(std::iter::repeat_n("    ", self.depth));
            self.text.push_str(line);
        }
        self.text.push('\n');
    }

    /// An empty line between two items.
    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") && !self.text.ends_with("{\n") {
            self.text.push('\n');
        }
    }

    /// A line after which others stand deeper.
    pub(super) fn open(&mut self, line: impl AsRef<str>) {
        self.line(line);
        self.depth += 1;
    }

    /// The line that ends what was opened.
    pub(super) fn close(&mut self, line: impl AsRef<str>) {
        self.depth -= 1;
        self.line(line);
    }

    /// What follows stands deeper.
    pub(super) fn deeper(&mut self) {
        self.depth += 1;
    }

    /// Items below each other.
    pub(super) fn list(&mut self, open: &str, items: &[String], close: &str) {
        self.open(open);
        items.iter().for_each(|item| self.line(format!("{item},")));
        self.close(close);
    }

    /// Text that is deep enough already.
    pub(super) fn raw(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// A constant, whose value stands on a line of its own where that is enough.
    pub(super) fn assign(&mut self, left: &str, right: &str) {
        let line = format!("{left} {right}");
        if self.fits(&line) || !self.fits(&format!("    {right}")) {
            return self.line(line);
        }
        self.open(left);
        self.line(right);
        self.depth -= 1;
    }

    /// Bounds of a type parameter.
    pub(super) fn bounds(&mut self, before: &str, bounds: &[String], after: &str) {
        let line = format!("{before}{}{after}", bounds.join(" + "));
        if self.fits(&line) {
            return self.line(line);
        }
        for (i, bound) in bounds.iter().enumerate() {
            match i {
                0 => self.open(format!("{before}{bound}")),
                _ => self.line(format!("+ {bound}")),
            }
        }
        self.close_with(after);
    }

    fn close_with(&mut self, after: &str) {
        self.line(after.trim_start());
        self.depth -= 1;
    }

    /// Text that stands at no depth, moved to this one.
    pub(super) fn block(&mut self, text: &str) {
        text.lines().for_each(|line| self.line(line));
    }

    /// Whether a line fits here.
    fn fits(&self, line: &str) -> bool {
        4 * self.depth + line.len() <= WIDTH
    }

    /// Documentation.
    pub(super) fn docs(&mut self, text: &str) {
        for line in super::docs::lines(text) {
            self.line(if line.is_empty() { "///".to_owned() } else { format!("/// {line}") });
        }
    }

    /// A declaration: `head(params) -> result` and what ends it, `;` or ` {`.
    pub(super) fn function(&mut self, head: &str, params: &[Param], result: &Type, end: &str) {
        let joined = params.iter().map(Param::text).collect::<Vec<_>>().join(", ");
        let line = format!("{head}({joined}) -> {}{end}", result.text());
        let wide = result.is_wide() || params.iter().any(|Param(_, ty)| ty.as_ref().is_some_and(Type::is_wide));
        if self.fits(&line) && !wide {
            // The formatter keeps two columns for what ends a declaration.
            if end == ";" && !self.fits(&format!("{line} ")) {
                self.line(format!("{head}({joined})"));
                return self.line(format!("-> {}{end}", result.text()));
            }
            return self.ended(&line, end);
        }
        self.open(format!("{head}("));
        for Param(name, ty) in params {
            match ty {
                Some(ty) => self.typed(&format!("{name}: "), ty, ","),
                None => self.line(format!("{name},")),
            }
        }
        self.depth -= 1;
        let last = format!(") -> {}", result.text());
        // The formatter counts the depth of such a line twice.
        let crowded = 8 * self.depth + last.len() + end.len() > WIDTH;
        if end == " {" && self.fits(&last) && crowded && !result.is_wide() {
            self.line(last);
            return self.open("{");
        }
        self.typed(") -> ", result, end);
        self.depth += usize::from(end.ends_with('{'));
    }

    /// An arm of a `match`, whose body stands in a block where it does not fit.
    pub(super) fn arm(&mut self, pattern: &str, body: &str) {
        let line = format!("{pattern} => {body},");
        if self.fits(&line) {
            return self.line(line);
        }
        self.open(format!("{pattern} => {{"));
        self.line(body);
        self.close("}");
    }

    fn ended(&mut self, line: &str, end: &str) {
        self.line(line);
        self.depth += usize::from(end.ends_with('{'));
    }

    /// A type with what stands before and after it.
    pub(super) fn typed(&mut self, before: &str, ty: &Type, after: &str) {
        let line = format!("{before}{}{after}", ty.text());
        let fits = self.fits(&line) && !ty.is_wide();
        let (Some((open, parts, close)), false) = (ty.parts(), fits) else { return self.line(line) };
        self.open(format!("{before}{open}"));
        parts.iter().for_each(|part| self.typed("", part, ","));
        self.close(format!("{close}{after}"));
    }

    /// A field, whose type stands on a line of its own where that is enough.
    pub(super) fn field(&mut self, name: &str, ty: &Type) {
        let text = format!("{},", ty.text());
        if ty.is_wide() || self.fits(&format!("{name}: {text}")) || !self.fits(&format!("    {text}")) {
            return self.typed(&format!("{name}: "), ty, ",");
        }
        self.open(format!("{name}:"));
        self.line(text);
        self.depth -= 1;
    }

    /// A call: `head(arguments)` and what ends it.
    pub(super) fn call(&mut self, head: &str, arguments: &[String], end: &str) {
        let joined = arguments.join(", ");
        let line = format!("{head}({joined}){end}");
        if arguments.is_empty() || self.fits(&line) && joined.len() <= ARGUMENTS {
            return self.line(line);
        }
        // What a call is assigned to may stand on a line of its own.
        if let Some((left, right)) = line.split_once(" = ")
            && joined.len() <= ARGUMENTS
            && self.fits(&format!("    {right}"))
        {
            self.open(format!("{left} ="));
            self.line(right);
            self.depth -= 1;
            return;
        }
        self.open(format!("{head}("));
        // Short names fill lines.
        let mut filled = String::new();
        let is_short = |name: &String| name.len() <= SHORT && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        let all_short = arguments.iter().all(is_short);
        for argument in arguments {
            let more = format!("{filled} {argument},");
            if filled.is_empty() || (all_short && self.fits(more.trim_start())) {
                filled = more;
                continue;
            }
            self.line(filled.trim_start());
            filled = format!("{argument},");
        }
        self.line(filled.trim_start());
        self.close(format!("){end}"));
    }

    /// A closure that is assigned, with its body. Where the head does not fit it stands on a line of its own, or has
    /// its parameters below each other, whichever takes fewer lines.
    pub(super) fn closure(&mut self, left: &str, params: &[String], result: &str, mut body: impl FnMut(&mut Lines)) {
        let head = format!("move |{}| -> {result} {{", params.join(", "));
        let line = format!("{left} = {head}");
        let mut written = |depth: usize| {
            let mut lines = Lines::at(depth);
            body(&mut lines);
            lines.text
        };
        let near = written(self.depth + 1);
        // The formatter leaves one column free behind the head of a closure.
        if self.fits(&format!("{line} ")) {
            self.line(line);
            self.text.push_str(&near);
            return self.line("};");
        }
        let far = written(self.depth + 2);
        let count = |text: &str| text.lines().count();
        let narrow = far.lines().all(|line| line.len() <= WIDTH);
        if narrow && self.fits(&format!("    {head} ")) && count(&near) + params.len() > count(&far) + 1 {
            self.open(format!("{left} ="));
            self.line(head);
            self.text.push_str(&far);
            self.line("};");
            self.depth -= 1;
            return;
        }
        let column = " ".repeat(left.len() + " = move |".len());
        let lines = format!("{left} = move |{}|", params.join(&format!(",\n{column}")));
        lines.lines().for_each(|line| self.line(line));
        self.line(format!("{}-> {result} {{", " ".repeat("move |".len())));
        self.text.push_str(&near);
        self.line("};");
    }
}

/// A parameter: its name and type, or its text.
#[derive(Debug, Clone)]
pub(super) struct Param(pub(super) String, pub(super) Option<Type>);

impl Param {
    /// A parameter whose type is never broken.
    pub(super) fn of(text: impl Into<String>) -> Param {
        Param(text.into(), None)
    }

    fn text(&self) -> String {
        match &self.1 {
            Some(ty) => format!("{}: {}", self.0, ty.text()),
            None => self.0.clone(),
        }
    }
}

/// A Rust type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    /// A name, with a path.
    Name(String),
    /// `Vec<T>` and the like.
    Generic(&'static str, Vec<Type>),
    /// A tuple.
    Tuple(Vec<Type>),
    /// What stands for a tuple of many.
    Large(Vec<Type>),
    /// `[T; N]`.
    Array(Box<Type>, u32),
    /// `&[T]`.
    Slice(Box<Type>),
    /// `&T`.
    Reference(Box<Type>),
}

impl Type {
    /// A name.
    pub(super) fn name(name: impl Into<String>) -> Type {
        Type::Name(name.into())
    }

    /// `Result<T, Trap>`.
    pub(super) fn or_trap(self) -> Type {
        Type::Generic("Result", vec![self, Type::name("Trap")])
    }

    /// On one line.
    pub(super) fn text(&self) -> String {
        let all = |types: &[Type]| types.iter().map(Type::text).collect::<Vec<_>>().join(", ");
        match self {
            Type::Name(name) => name.clone(),
            Type::Generic(name, types) => format!("{name}<{}>", all(types)),
            Type::Tuple(types) if types.len() == 1 => format!("({},)", all(types)),
            Type::Tuple(types) => format!("({})", all(types)),
            Type::Large(types) => format!("abi::Tuple{}<{}>", types.len(), all(types)),
            Type::Array(ty, length) => format!("[{}; {length}]", ty.text()),
            Type::Slice(ty) => format!("&[{}]", ty.text()),
            Type::Reference(ty) => format!("&{}", ty.text()),
        }
    }

    /// Whether a tuple in it is too wide for one line (`fn_call_width`).
    fn is_wide(&self) -> bool {
        match self {
            Type::Name(_) => false,
            Type::Tuple(types) => self.text().len() > ARGUMENTS + 2 || types.iter().any(Type::is_wide),
            Type::Generic(_, types) | Type::Large(types) => types.iter().any(Type::is_wide),
            Type::Array(ty, _) | Type::Slice(ty) | Type::Reference(ty) => ty.is_wide(),
        }
    }

    /// What stands on the first line, on the lines in between, and on the last, if it can be broken.
    fn parts(&self) -> Option<(String, &[Type], String)> {
        match self {
            Type::Tuple(types) if !types.is_empty() => Some(("(".to_owned(), types, ")".to_owned())),
            Type::Generic(name, types) => match types.as_slice() {
                [one] => match one.parts() {
                    Some((open, parts, close)) => Some((format!("{name}<{open}"), parts, format!("{close}>"))),
                    None => Some((format!("{name}<"), types, ">".to_owned())),
                },
                _ => Some((format!("{name}<"), types, ">".to_owned())),
            },
            Type::Large(types) => Some((format!("abi::Tuple{}<", types.len()), types, ">".to_owned())),
            Type::Reference(ty) => ty.parts().map(|(open, parts, close)| (format!("&{open}"), parts, close)),
            _ => None,
        }
    }
}
