//! What a module must export: the functions of the world, and what the host needs in order to pass values.

use super::compare::text;
use super::finding::{Draft, Finding};
use super::index::Index;
use super::target::Required;
use crate::abi::{Core, CoreSignature, Names, Needs};
use crate::adapt::{Item, Survey};
use crate::diagnostic::{Code, nearest};

/// A required export, in whichever form the guest has it.
pub(super) fn required(survey: &Survey, index: &Index<'_>, forms: &[Required]) -> Option<Finding> {
    let first = forms.first()?;
    let present = forms.iter().find_map(|form| Some((form, index.export(survey, &form.name)?)));
    let Some((form, (found, item))) = present else {
        let near = nearest(&first.name, survey.exports.keys().map(String::as_str));
        let draft = Draft::new(Code::ExportMissing, first.name.as_str()).set("export", first.name.as_str());
        return Some(draft.maybe("near", near).done());
    };
    let want = &form.provided.core;
    let have = match item {
        Item::Func(have) => have.as_ref(),
        _ => None,
    };
    if have != Some(want) {
        let shown = match item {
            Item::Func(_) => text(have),
            other => format!("a {}", other.kind()),
        };
        let draft = Draft::new(Code::ExportSignature, form.name.as_str()).set("export", found.as_str());
        let draft = draft.set("wanted", want.to_string()).set("found", shown);
        return Some(draft.maybe("slots", have.map(|have| form.provided.differences(have))).done());
    }
    (*found != form.name).then(|| {
        let draft = Draft::new(Code::ExportVersion, found.as_str());
        draft.set("found", found.as_str()).set("export", form.name.as_str()).done()
    })
}

/// The guest's memory and realloc, if any function that passes between guest and host needs them.
pub(super) fn support(survey: &Survey, names: Names, used: &[(String, Needs)]) -> Vec<Finding> {
    let realloc = CoreSignature::new([Core::I32; 4], [Core::I32]);
    let wanted = realloc.to_string();
    let first = |needs: fn(&Needs) -> bool| used.iter().find(|(_, have)| needs(have)).map(|(name, _)| name.as_str());
    let is_memory = |item: &Item| matches!(item, Item::Memory { shared: false });
    let is_realloc = |item: &Item| matches!(item, Item::Func(Some(core)) if *core == realloc);
    let memory = first(|needs| needs.memory)
        .and_then(|by| one_support(survey, names.memory(), by, "an unshared memory", is_memory));
    let realloc =
        first(|needs| needs.realloc).and_then(|by| one_support(survey, names.realloc(), by, &wanted, is_realloc));
    memory.into_iter().chain(realloc).collect()
}

fn one_support(
    survey: &Survey,
    export: &str,
    needed_by: &str,
    wanted: &str,
    fits: impl Fn(&Item) -> bool,
) -> Option<Finding> {
    let Some(item) = survey.exports.get(export) else {
        let draft = Draft::new(Code::SupportMissing, export).set("export", export);
        return Some(draft.set("needed-by", needed_by).done());
    };
    let found = match item {
        Item::Func(have) => text(have.as_ref()),
        Item::Memory { shared: true } => "a shared memory".to_owned(),
        other => format!("a {}", other.kind()),
    };
    (!fits(item)).then(|| {
        let draft = Draft::new(Code::SupportType, export).set("export", export).set("wanted", wanted);
        draft.set("found", found).set("needed-by", needed_by).done()
    })
}

/// Post-returns whose function is not there, or returns something else.
pub(super) fn post_returns(survey: &Survey, names: Names) -> Vec<Finding> {
    let is_cm32p2 = names == Names::Cm32p2 || survey.exports.contains_key(Names::Cm32p2.memory());
    let functions = survey.exports.iter().filter_map(|(name, item)| match item {
        Item::Func(have) => Some((name, have.as_ref())),
        _ => None,
    });
    let post_returns = functions.filter_map(|(name, have)| {
        let of = name.strip_prefix("cabi_post_").or_else(|| {
            let own = name.strip_suffix("_post").filter(|_| is_cm32p2);
            own.filter(|own| own.starts_with("cm32p2|"))
        })?;
        Some((name, of, have))
    });
    post_returns.filter_map(|(name, of, have)| post_return(survey, name, of, have)).collect()
}

fn post_return(survey: &Survey, name: &str, of: &str, have: Option<&CoreSignature>) -> Option<Finding> {
    let Some(Item::Func(function)) = survey.exports.get(of) else {
        let others = survey.exports.iter().filter(|(other, item)| *other != name && matches!(item, Item::Func(_)));
        let near = nearest(of, others.map(|(other, _)| other.as_str()).filter(|n| !n.starts_with("cabi_")));
        let draft = Draft::new(Code::PostReturnOrphan, name).set("export", name).set("wanted", of);
        return Some(draft.maybe("near", near).done());
    };
    let want = CoreSignature::new(function.as_ref()?.results.clone(), []);
    (have != Some(&want)).then(|| {
        let draft = Draft::new(Code::PostReturnSignature, name).set("export", name);
        draft.set("wanted", want.to_string()).set("found", text(have)).done()
    })
}
