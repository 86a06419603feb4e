//! WITX.

use super::{Outcome, refused};
use lowlift::witx::{Document, Reading, print, read};

/// WITX: what is read as derived is printed and read again as the same.
pub(super) fn witx_read(data: &[u8]) -> Outcome {
    let Ok(text) = std::str::from_utf8(data) else { return Outcome::NotText };
    match read(&[("input.witx".to_owned(), text.to_owned())]) {
        Err(error) => refused(&error),
        Ok(Reading::Plain(_)) => Outcome::Plain,
        Ok(Reading::Derived(derivation)) => {
            read_again(&print(&derivation.document), &derivation.document);
            Outcome::Whole
        }
    }
}

pub(super) fn read_again(files: &[(String, String)], document: &Document) {
    match read(files) {
        Ok(Reading::Derived(again)) => assert!(again.document == *document, "another document: {files:?}"),
        Ok(Reading::Plain(_)) => panic!("no longer derived: {files:?}"),
        Err(error) => panic!("does not read back: {error:?}"),
    }
}
