//! What was meant by a name that is unknown.

/// The known name that is nearest to this one, if one is near at all.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const SHORTEST_BEGINNING: usize = 3;
    let name = name.to_lowercase().replace('-', "_");
    let most = (name.chars().count() / 3).clamp(1, 3);
    let is_beginning = |known: &str| {
        (known.starts_with(&name) && name.len() >= SHORTEST_BEGINNING)
            || (name.starts_with(known) && known.len() >= SHORTEST_BEGINNING)
    };
    known
        .into_iter()
        .map(|known| {
            let distance = strsim::damerau_levenshtein(&name, &known.to_lowercase());
            (if is_beginning(known) { distance.min(most) } else { distance }, known)
        })
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_what_was_meant_and_nonsense_finds_nothing() {
        let known = ["keep_days", "keep_daily", "keep_last", "compression", "to"];
        let cases = [
            ("keep_day", Some("keep_days")),
            ("keep-days", Some("keep_days")),
            ("Keep_Last", Some("keep_last")),
            ("compress", Some("compression")),
            ("compresion", Some("compression")),
            ("ot", Some("to")),
            ("folder", None),
            ("", None),
        ];
        for (name, expected) in cases {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
    }
}
