use super::*;

fn file(fields: &str) -> Result<Record> {
    parse(format!(r#"{{"record":"entry","path":"a","type":"file",{fields}}}"#).as_bytes())
}

#[test]
fn what_is_shown_of_a_line_is_what_it_should_be() {
    let digest = "a9993e364706816aba3e25717850c26c9cd0d89d";
    assert!(file(&format!(r#""sha1":"{digest}","flags":"append,nodump""#)).is_ok());
    for wrong in [
        format!(r#""sha1":"{}""#, &digest[1..]),
        format!(r#""sha1":"{}""#, digest.to_uppercase()),
        format!(r#""sha256":"{digest}""#),
        r#""sha1":"\u001b[2J""#.to_owned(),
        r#""flags":"\u001b[2J""#.to_owned(),
    ] {
        assert!(file(&wrong).is_err(), "{wrong}");
    }
    let issue = parse(br#"{"record":"issue","message":"\u001b[2J"}"#).unwrap();
    assert!(matches!(issue, Record::Issue { message, .. } if !message.contains('\x1b')));
}

#[test]
fn lists_are_bounded() {
    let holes = "[0,0],".repeat((1 << 22) + 1);
    let holes = holes.trim_end_matches(',');
    assert!(file(&format!(r#""place":{{"header":0,"data":512,"stored":0,"holes":[{holes}]}}"#)).is_err());
}
