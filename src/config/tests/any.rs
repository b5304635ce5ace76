//! Whatever stands in a configuration, it comes to a plan or to faults.

use proptest::prelude::*;

use crate::config::tests::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
        let _ = check(&text, Path::new(PATH));
    }

    #[test]
    fn no_change_of_a_configuration_makes_the_reader_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..40, "[\\[\\]\"'=.,{}#\\\\\n0-9a-zé/%@]{0,8}"), 1..6),
    ) {
        let mut text = EXAMPLE.replace("\n#", "\n");
        for (place, len, new) in changes {
            let boundaries: Vec<usize> = text.char_indices().map(|(index, _)| index).collect();
            let start = boundaries[place.index(boundaries.len())];
            let end = text[start..].char_indices().map(|(index, _)| start + index).nth(len).unwrap_or(text.len());
            text.replace_range(start..end, &new);
            if text.is_empty() { text.push('\n'); }
        }
        let _ = check(&text, Path::new(PATH));
    }

    #[test]
    fn any_value_of_any_key_is_taken_or_told(
        section in prop::sample::select(keys::SECTIONS.to_vec()),
        key in any::<prop::sample::Index>(),
        value in prop::sample::select(vec![
            "0", "-1", "1", "99999999999999999999", "1.5", "nan", "true", "\"\"", "\" \"", "\"\\u0000\"", "\"/\"", "\"/a/..\"", "[]", "[[]]",
            "[\"\"]", "[1, \"a\"]", "[{}]", "{}", "{ a = 1 }", "1979-05-27", "\"é\"", "\"-\"", "\"[\"", "\"99999999999999999999P\"",
        ]),
    ) {
        let keys: Vec<_> = section.all().collect();
        let key = keys[key.index(keys.len())].name;
        let line = format!("{key} = {value}\n");
        let text = match section.name {
            "" => format!("{line}{RIGHT}"),
            "destination" => {
                let folder = if key == "folder" { "" } else { "folder = \"/d\"\n" };
                format!("[[source]]\ngroup = \"vg0\"\n[destination]\n{folder}{line}")
            }
            "source" => format!("{RIGHT}[[source]]\n{line}"),
            "source.retention" => format!("{RIGHT}[[source]]\nimage = \"/i\"\n[source.retention]\n{line}"),
            "report.mail" => {
                let others = [("from", "\"a@b\""), ("to", "[\"c@d\"]")].into_iter().filter(|(other, _)| *other != key);
                let others: String = others.map(|(other, value)| format!("{other} = {value}\n")).collect();
                format!("{RIGHT}[report.mail]\n{others}{line}")
            }
            "report.mail.smtp" => {
                let host = if key == "host" { "" } else { "host = \"h\"\n" };
                format!("{RIGHT}[report.mail]\nfrom = \"a@b\"\nto = [\"c@d\"]\n[report.mail.smtp]\n{host}{line}")
            }
            name => format!("{RIGHT}[{name}]\n{line}"),
        };
        let message = match check(&text, Path::new(PATH)) {
            Ok(_) => return Ok(()),
            Err(error) => error.to_string(),
        };
        prop_assert!(message.contains(key) || message.contains("source"), "{}\n{}", text, message);
    }
}
