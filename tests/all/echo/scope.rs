//! Types as component text writes them: references by name, definitions where names are made.

use super::types::{Echo, Ty};

/// Records, variants, enums and flags must be named; those inside come first.
pub(super) fn nominal(ty: &Ty, out: &mut Vec<Ty>) {
    ty.children().into_iter().for_each(|ty| nominal(ty, out));
    if matches!(ty, Ty::Record(_) | Ty::Variant(_) | Ty::Enum(_) | Ty::Flags(_)) && !out.contains(ty) {
        out.push(ty.clone());
    }
}

/// Types with their names in one scope.
pub(super) struct Scope<'t> {
    pub(super) names: &'t [Ty],
    pub(super) prefix: &'static str,
}

impl Scope<'_> {
    /// A reference to a type, by name where it has one.
    fn ty(&self, ty: &Ty) -> String {
        match self.names.iter().position(|known| known == ty) {
            Some(index) => format!("{}{index}", self.prefix),
            None => self.body(ty),
        }
    }

    fn body(&self, ty: &Ty) -> String {
        let case = |name: String, ty: Option<&Ty>| match ty {
            Some(ty) => format!(r#"(case "{name}" {})"#, self.ty(ty)),
            None => format!(r#"(case "{name}")"#),
        };
        let labels = |letter, count| (0..count).map(|i| format!("\"{letter}{i}\"")).collect::<Vec<_>>().join(" ");
        let each = |types: &[Ty]| types.iter().map(|ty| self.ty(ty)).collect::<Vec<_>>().join(" ");
        match ty {
            Ty::F32 | Ty::F64 | Ty::Bool | Ty::Char | Ty::String => ty.kind(),
            Ty::U8 | Ty::S8 | Ty::U16 | Ty::S16 | Ty::U32 | Ty::S32 | Ty::U64 | Ty::S64 => ty.kind(),
            Ty::List(element) => format!("(list {})", self.ty(element)),
            Ty::Record(fields) => {
                let field = |(i, ty): (usize, &Ty)| format!(r#"(field "f{i}" {})"#, self.ty(ty));
                format!("(record {})", fields.iter().enumerate().map(field).collect::<String>())
            }
            Ty::Tuple(fields) => format!("(tuple {})", each(fields)),
            Ty::Variant(cases) => {
                let cases = cases.iter().enumerate().map(|(i, ty)| case(format!("c{i}"), ty.as_ref()));
                format!("(variant {})", cases.collect::<String>())
            }
            Ty::Enum(count) => format!("(enum {})", labels('e', *count)),
            Ty::Flags(count) => format!("(flags {})", labels('b', *count)),
            Ty::Option(some) => format!("(option {})", self.ty(some)),
            Ty::Result(ok, error) => {
                let ok = ok.as_ref().map_or_else(String::new, |ty| self.ty(ty));
                let error = error.as_ref().map_or_else(String::new, |ty| format!("(error {})", self.ty(ty)));
                format!("(result {ok} {error})")
            }
            Ty::Own => "(own $r)".to_owned(),
            Ty::Borrow => "(borrow $r)".to_owned(),
        }
    }

    pub(super) fn signature(&self, echo: &Echo) -> String {
        let param = |(i, ty): (usize, &Ty)| format!(r#"(param "p{i}" {})"#, self.ty(ty));
        let params: String = echo.params.iter().enumerate().map(param).collect();
        let result = echo.result().map_or_else(String::new, |ty| format!("(result {})", self.ty(&ty)));
        format!("{params} {result}")
    }

    /// The types that `wanted` names, defined here and exported.
    pub(super) fn exported(&self, wanted: impl Fn(&Ty) -> bool) -> String {
        let x = self.prefix;
        self.named(wanted, |i, body| format!("(type {x}{i}' {body}) (export {x}{i} \"t{i}\" (type {x}{i}'))\n"))
    }

    pub(super) fn imported(&self, wanted: impl Fn(&Ty) -> bool) -> String {
        self.named(wanted, |i, body| format!("(type $t{i}' {body}) (import \"t{i}\" (type $t{i} (eq $t{i}')))\n"))
    }

    pub(super) fn named(&self, wanted: impl Fn(&Ty) -> bool, line: impl Fn(usize, &str) -> String) -> String {
        let types = self.names.iter().enumerate().filter(|(_, ty)| wanted(ty));
        types.map(|(i, ty)| line(i, &self.body(ty))).collect()
    }
}
