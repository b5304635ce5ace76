//! ACLs and attributes that `voltar stat` shows, against getfacl(1) and getfattr(1).

use std::fs;
use std::process::Command;

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| {
        panic!("{program}: {error}: install acl, attr and e2fsprogs");
    });
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The values of the rows of that name.
fn rows<'a>(stat: &'a str, name: &str) -> Vec<&'a str> {
    let row = |line: &'a str| line.trim_start().strip_prefix(name)?.strip_prefix("  ");
    stat.lines().filter_map(row).collect()
}

#[test]
fn stat_shows_acls_and_attributes_as_getfacl_and_getfattr_do() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir_all(tree.join("folder")).unwrap();
    let file = tree.join("file");
    fs::write(&file, "x").unwrap();
    let (file, sub) = (file.to_str().unwrap(), tree.join("folder"));
    let sub = sub.to_str().unwrap();
    run("setfacl", &["-m", "u:1000:rwx,g:1001:r-x,m::r-x", file]);
    run("setfacl", &["-m", "u:7:r,d:u:1000:rwx,d:g:1001:---", sub]);
    for (name, value) in [
        ("user.text", "plain text"),
        ("user.quotes", r#"0x6120226222205c2063"#),
        ("user.binary", "0xff00fe017f80"),
        ("user.mostly_text", "0x616263646566676869ff"),
        ("user.ended", "0x656e64656400"),
        ("user.lines", "0x6c696e6573206f6620746578740a6f6e65"),
    ] {
        run("setfattr", &["-n", name, "-v", value, file]);
    }
    let image = folder.path().join("disk.img");
    let image = image.to_str().unwrap();
    run("mke2fs", &["-q", "-t", "ext4", "-d", tree.to_str().unwrap(), image, "4M"]);
    for name in ["file", "folder"] {
        let stat = run(env!("CARGO_BIN_EXE_voltar"), &["stat", &format!("{image}:{name}")]);
        let path = tree.join(name);
        let path = path.to_str().unwrap();
        let acl = run("getfacl", &["--numeric", "--omit-header", "--absolute-names", path]);
        // Tabs before what is effective are as many as fit.
        let plain = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let expected: Vec<String> = acl.lines().filter(|line| !line.is_empty()).map(plain).collect();
        let shown: Vec<String> = rows(&stat, "acl").into_iter().map(plain).collect();
        assert_eq!(shown, expected, "{stat}");
        let attributes = run("getfattr", &["--dump", "--absolute-names", path]);
        let expected: Vec<&str> =
            attributes.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        let mut shown = rows(&stat, "attribute");
        shown.sort_unstable();
        // A byte that a terminal may obey is always shown by its number.
        let printable: Vec<&str> = expected.iter().copied().filter(|line| line.is_ascii()).collect();
        assert!(printable.iter().all(|line| shown.contains(line)), "{shown:?}\n{expected:?}");
        assert_eq!(shown.len(), expected.len(), "{shown:?}\n{expected:?}");
    }
}
