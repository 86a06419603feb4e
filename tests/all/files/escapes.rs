//! Nothing leads out of a directory that is given to a guest. Each way is a test.

use super::folder::Folder;
use super::{played, same};

/// Every line up to the list of what is there says that it is not permitted, here as under the oracle, and what lies
/// outside is as before.
async fn refused(act: &'static str) {
    let folder = Folder::new();
    let before = folder.tree();
    played(&[act], &folder).await;
    assert_eq!(folder.tree(), before);
    let text = same(act).await;
    let answers: Vec<&str> = text.lines().skip(1).take_while(|line| !line.ends_with("entries")).collect();
    assert!(answers.len() >= 8, "{text}");
    assert!(answers.iter().all(|line| line.ends_with(": error not-permitted")), "{text}");
}

macro_rules! refused {
    ($($test:ident $act:literal,)*) => {
        $(#[tokio::test]
        async fn $test() {
            refused($act).await;
        })*
    };
}

refused! {
    the_parent "out=..",
    a_file_of_the_parent "out=../secret",
    the_parent_after_a_dot "out=./../secret",
    up_after_down "out=in/../../secret",
    out_and_in_again "out=in/../../rw/inside",
    the_root "out=/",
    an_absolute_path "out=/etc/passwd",
    two_slashes "out=//secret",
    a_link_to_the_parent "out=up",
    through_a_link_to_the_parent "out=up/secret",
    a_link_to_a_file_outside "out=out",
    an_absolute_link "out=abs",
    through_an_absolute_link "out=abs-dir/secret",
    through_a_link_of_a_directory_below "out=in/up/secret",
    changing_the_parent "change=..",
    changing_a_file_of_the_parent "change=../secret",
    making_a_file_in_the_parent "change=../new",
    changing_up_after_down "change=in/../../secret",
    changing_an_absolute_path "change=/secret",
    changing_through_a_link "change=up/secret",
    making_through_a_link "change=up/new",
    changing_through_an_absolute_link "change=abs-dir/secret",
    changing_through_a_link_of_a_directory_below "change=in/up/secret",
}

#[tokio::test]
async fn ways_out_that_guests_make() {
    let text = same("made").await;
    assert_eq!(text.matches("error not-permitted").count(), 5, "{text}");
}
