//! docs/json.md against what the commands write: every line has a type that is documented for its
//! command, and the fields of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Of a type: the fields that are always there, and those that may be.
type Fields = (BTreeSet<String>, BTreeSet<String>);
/// The types of each section.
type Documented = BTreeMap<String, BTreeMap<String, Fields>>;

fn documented() -> Documented {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json.md");
    let mut all = Documented::new();
    let mut section = String::new();
    for line in fs::read_to_string(path).unwrap().lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title.trim_start_matches("voltar ").to_owned();
        }
        let Some((types, fields)) = line.strip_prefix("| `").and_then(|row| row.split_once(" | ")) else {
            continue;
        };
        let (mut always, mut maybe) = (BTreeSet::from(["type".to_owned()]), BTreeSet::new());
        for field in fields.trim_end_matches(" |").split(", ") {
            let name = field.trim_matches(['`', '?']).to_owned();
            if field.ends_with('?') {
                maybe.insert(name)
            } else {
                always.insert(name)
            };
        }
        for name in types.split(", ") {
            let of_section = all.entry(section.clone()).or_default();
            of_section.insert(name.trim_matches('`').to_owned(), (always.clone(), maybe.clone()));
        }
    }
    all
}

/// Runs a command with `--json`, and gives its lines; nothing may be on the other stream.
fn lines(arguments: &[&str]) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_voltar"))
        .args(arguments)
        .arg("--json")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let is_on_stderr = arguments.windows(2).any(|pair| pair == ["-o", "-"]);
    let (lines, other) = match is_on_stderr {
        true => (output.stderr, Vec::new()),
        false => (output.stdout, output.stderr),
    };
    assert_eq!(String::from_utf8_lossy(&other), "", "{arguments:?}");
    let text = String::from_utf8(lines).unwrap();
    assert!(!text.is_empty(), "{arguments:?} wrote nothing");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

#[test]
fn every_line_of_every_command_is_as_the_documentation_says() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/guest.img").to_str().unwrap().to_owned();
    let backups = at("backups");
    fs::create_dir(&backups).unwrap();
    let config = at("voltar.toml");
    fs::write(&config, format!("[[source]]\nimage = \"{guest}\"\n[destination]\nfolder = \"{backups}\"\n"))
        .unwrap();
    let (archive, fstab, missing) = (at("a.tar.zst"), format!("{guest}:p4/etc/fstab"), at("missing"));
    let partition = format!("{guest}:p9");
    let (single, extracted, restored) = (at("single"), at("extracted"), at("restored.img"));
    fs::create_dir(&single).unwrap();
    let fault = at("fault.toml");
    fs::write(&fault, "nosuch = 1\n").unwrap();
    // Stands for LVM on a host without snapshots.
    let lvm = at("lvm");
    fs::write(&lvm, "#!/bin/sh\necho '{\"report\":[{\"lv\":[]}]}'\n").unwrap();
    fs::set_permissions(&lvm, fs::Permissions::from_mode(0o700)).unwrap();
    let runs: Vec<Vec<&str>> = vec![
        vec!["archive", &guest, "-o", &archive],
        vec!["archive", &guest, "-o", "-"],
        vec!["archive", &missing],
        vec!["archive", "--nosuch"],
        vec!["backup", &guest, "--to", &single],
        vec!["backup", &missing, "--to", &single],
        vec!["extract", &archive, "-C", &extracted],
        vec!["extract", &missing, "-C", &extracted],
        vec!["restore", &archive, "--to", &restored, "--dry-run"],
        vec!["restore", &archive, "--to", &restored],
        vec!["restore", &missing, "--to", &restored],
        vec!["tree", &guest],
        vec!["tree", "-L", "1", &archive],
        vec!["tree", &missing],
        vec!["config", "check", &config],
        vec!["config", "check", &fault],
        vec!["systemd", "--config", &config],
        vec!["systemd", "--config", &missing],
        vec!["verify", &archive],
        vec!["verify", &missing],
        vec!["verify", &archive, &missing],
        vec!["ls", "-R", &guest],
        vec!["ls", "-R", &archive],
        vec!["ls", &partition],
        vec!["stat", &fstab],
        vec!["find", &archive],
        vec!["diff", &guest, &archive],
        vec!["diff", &fstab, &guest],
        vec!["diff", &guest, &fstab],
        vec!["diff", &guest, &missing],
        vec!["inspect", &guest],
        vec!["run", "--config", &config],
        vec!["run", "--config", &config, "--dry-run"],
        vec!["run", "--config", &missing],
        vec!["history", &backups, "p4/etc/fstab"],
        vec!["history", &backups, "p4/nosuch"],
        vec!["list", &backups],
        vec!["list", &missing],
        vec!["prune", &backups, "--keep-last", "1"],
        vec!["prune", &backups],
        vec!["clean", "--lvm-command", "true"],
        vec!["clean", "--lvm-command", &lvm],
    ];
    let documented = documented();
    let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
    for arguments in &runs {
        let command = arguments[0];
        let has_entries = matches!(command, "ls" | "tree" | "stat" | "find" | "history");
        let sections = ["Every command", command, if has_entries { "Entries" } else { "" }];
        for line in lines(arguments) {
            let type_name = line["type"].as_str().unwrap_or_else(|| panic!("{arguments:?}: no type: {line}"));
            let found = sections
                .iter()
                .find_map(|section| Some((*section, documented.get(*section)?.get(type_name)?)));
            let Some((section, (always, maybe))) = found else {
                panic!("{arguments:?}: the type {type_name} is not documented for it: {line}")
            };
            let keys: BTreeSet<String> = line.as_object().unwrap().keys().cloned().collect();
            let missing: Vec<&String> = always.difference(&keys).collect();
            let unknown: Vec<&String> =
                keys.iter().filter(|key| !always.contains(*key) && !maybe.contains(*key)).collect();
            assert!(
                missing.is_empty() && unknown.is_empty(),
                "{arguments:?}: {type_name}: missing {missing:?}, unknown {unknown:?}"
            );
            seen.insert((section.to_owned(), type_name.to_owned()));
        }
    }
    // Changed entries and issues take damage.
    let unseen: Vec<String> = documented
        .iter()
        .filter(|(section, _)| section.as_str() != "Every command")
        .flat_map(|(section, types)| types.keys().map(move |name| (section.clone(), name.clone())))
        .filter(|pair| pair.1 != "changed" && !seen.contains(pair))
        .map(|(section, name)| format!("{section}: {name}"))
        .collect();
    assert_eq!(unseen, [""; 0]);
    for name in ["error", "progress"] {
        assert!(seen.contains(&("Every command".to_owned(), name.to_owned())), "{name}");
    }
}

/// What the lists in a document hold is documented too, field by field.
#[test]
fn every_field_of_an_archive_in_a_list_is_documented() {
    let folder = tempfile::tempdir().unwrap();
    let backups = folder.path().to_str().unwrap();
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/guest.img").to_str().unwrap().to_owned();
    lines(&["backup", &guest, "--to", backups]);
    let listed = lines(&["list", backups]);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/json.md");
    let text = fs::read_to_string(path).unwrap();
    let section = text.split("## voltar list").nth(1).unwrap().split("\n## ").next().unwrap();
    let volume = &listed[0]["volumes"][0];
    let archive = &volume["archives"][0];
    assert!(archive["images"].is_u64(), "{archive}");
    for object in [volume, archive] {
        for key in object.as_object().unwrap().keys() {
            assert!(section.contains(&format!("`{key}`")), "{key} is not documented");
        }
    }
}
