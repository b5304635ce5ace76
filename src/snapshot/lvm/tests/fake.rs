//! A program that answers as it is told, one answer for each command, and records the commands.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::super::{Lvm, command::CONFIG, mark::Mark};

/// Has its folder as its first argument.
///
/// With a file N.node, the Nth command makes the device of what `--name` names. In an answer, the name of the recorded snapshot stands
/// for the one that is asked for.
const SCRIPT: &str = r#"
dir=$1; shift
number=$(($(cat "$dir/count") + 1)); echo $number > "$dir/count"
printf '%s\n' "$*" >> "$dir/asked"
for argument; do
    [ "$before" = --name ] && name=$argument
    before=$argument
done
group=${before%%/*}; volume=${before#*/}
if [ -e "$dir/$number.node" ]; then
    mkdir -p "$dir/dev/$group"
    : > "$dir/dev/$group/$name"
fi
case $volume in volume-00000001-voltar-*) ;; *) volume=volume-00000001-voltar-20250102T030405Z ;; esac
sed "s/volume-00000001-voltar-20250102T030405Z/$volume/g" "$dir/$number.out" || exit 99
cat "$dir/$number.err" >&2
exit "$(cat "$dir/$number.code")"
"#;

const RECORDED_TAGS: &str =
    "voltar,voltar.boot=8c7c3fdd-9f4a-4d94-a1c1-57a0b8cf1f43,voltar.host=vm,voltar.pid=123,voltar.start=456";

#[derive(Clone)]
pub(super) struct Answer {
    out: String,
    err: String,
    code: i32,
    has_node: bool,
}

impl Answer {
    pub(super) fn new(out: &str, err: &str, code: i32) -> Self {
        Self { out: out.to_owned(), err: err.to_owned(), code, has_node: false }
    }

    /// What LVM said, from `tests/lvm/NAME.json` or `.txt`, and `NAME.err`.
    pub(super) fn recorded(name: &str, code: i32) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lvm");
        let read = |ending: &str| fs::read_to_string(folder.join(format!("{name}.{ending}")));
        let (json, text, err) = (read("json"), read("txt"), read("err"));
        assert!(json.is_ok() || text.is_ok() || err.is_ok(), "nothing is recorded of {name}");
        Self::new(&json.or(text).unwrap_or_default(), &err.unwrap_or_default(), code)
    }

    /// The command makes a device.
    pub(super) fn with_node(mut self) -> Self {
        self.has_node = true;
        self
    }

    pub(super) fn replacing(mut self, from: &str, to: &str) -> Self {
        assert!(self.out.contains(from), "{from} is not in {}", self.out);
        self.out = self.out.replace(from, to);
        self
    }

    /// The same for what it says to standard error.
    pub(super) fn complaining(mut self, from: &str, to: &str) -> Self {
        assert!(self.err.contains(from), "{from} is not in {}", self.err);
        self.err = self.err.replace(from, to);
        self
    }

    pub(super) fn marked_by_this_process(self) -> Self {
        self.replacing(RECORDED_TAGS, &Mark::of_this_process().unwrap().tags().join(","))
    }
}

pub(super) struct Fake {
    pub(super) lvm: Lvm,
    folder: TempDir,
}

impl Fake {
    pub(super) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("count", "0");
        write("asked", "");
        for (number, answer) in (1..).zip(answers) {
            write(&format!("{number}.out"), &answer.out);
            write(&format!("{number}.err"), &answer.err);
            write(&format!("{number}.code"), &answer.code.to_string());
            if answer.has_node {
                write(&format!("{number}.node"), "");
            }
        }
        let path = folder.path().to_str().unwrap();
        let mut lvm = Lvm::new(&["sh", "-c", SCRIPT, "lvm", path].map(str::to_owned)).unwrap();
        lvm.devices = folder.path().join("dev");
        lvm.is_node = Path::exists;
        lvm.patience = Duration::from_millis(5);
        Self { lvm, folder }
    }

    /// The commands up to now, their arguments joined by spaces, without the settings that each
    /// takes back.
    pub(super) fn asked(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("asked")).unwrap();
        let settings = format!(" --config {CONFIG} ");
        let plain = |line: &str| {
            let (command, rest) = line.split_once(&settings).expect("settings behind the command");
            format!("{command} {rest}")
        };
        text.lines().map(plain).collect()
    }

    pub(super) fn device(&self, name: &str) -> PathBuf {
        self.folder.path().join("dev").join(name)
    }
}
