//! The keys for the form of the tar, one by one.

use crate::archive::Form;
use crate::config::tests::{RIGHT, right};

#[test]
fn what_the_tar_has_is_chosen_key_by_key() {
    let usual = Form::default();
    let cases = [
        ("", usual, false),
        ("sparse = false", Form { sparse: false, ..usual }, false),
        ("creation_time = true", Form { creation_time: true, ..usual }, false),
        ("fflags = true", Form { flags: true, ..usual }, false),
        ("embed_manifest = true", usual, true),
    ];
    for (line, form, embed_manifest) in cases {
        let loaded = right(&format!("{RIGHT}[defaults]\n{line}\n"));
        let options = &loaded.plan.sources[0].options.archive;
        assert_eq!((options.form, options.embed_manifest), (form, embed_manifest), "{line}");
    }
}
