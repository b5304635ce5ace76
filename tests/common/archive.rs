//! Makes archives with the program under test, and checks what belongs to one.

use std::path::{Path, PathBuf};

use super::tools;

/// How an archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    Zstd,
    Gzip,
}

impl Compression {
    /// What the names of such archives end in.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Zstd => "tar.zst",
            Self::Gzip => "tar.gz",
        }
    }

    /// The program that reads it, for a check of its own.
    pub fn program(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }
}

/// A published archive in a folder of its own, removed when dropped.
pub struct Archive {
    folder: tempfile::TempDir,
    pub path: PathBuf,
    compression: Compression,
}

impl Archive {
    /// Archives an image, or one partition of it, completely.
    pub fn make(image: &Path, partition: Option<u32>, compression: Compression) -> Self {
        let folder = tools::temporary_folder();
        let path = folder.path().join("archive").with_extension(compression.suffix());
        let mut arguments =
            vec!["archive".into(), image.as_os_str().to_owned(), "-o".into(), path.clone().into()];
        // The kernel's view has SHA-1 of each file.
        arguments.extend(["--quiet".into(), "--file-digest".into(), "sha1".into()]);
        // All that a tar can say of an entry is held against the kernel's view.
        arguments.extend(["--creation-time".into(), "--fflags".into()]);
        if let Some(number) = partition {
            arguments.extend(["--partition".into(), number.to_string().into()]);
        }
        let output = tools::voltar(arguments, 0);
        assert!(
            output.stdout.is_empty() && output.stderr.is_empty(),
            "--quiet, but {}",
            tools::said(&output)
        );
        Self { folder, path, compression }
    }

    /// The checksum file's lines.
    pub fn checksum_lines(&self) -> String {
        std::fs::read_to_string(self.checksum_path()).expect("the checksum file")
    }

    /// Puts another manifest beside it.
    pub fn replace_manifest(&self, lines: &[serde_json::Value]) {
        let mut path = self.path.clone().into_os_string();
        path.push(".manifest.jsonl.zst");
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(&path, zstd::encode_all(text.as_bytes(), 1).expect("a zstd stream"))
            .expect("a manifest");
    }

    fn checksum_path(&self) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(".sha1");
        path.into()
    }

    /// Checks the checksum file, the compression and that GNU tar and bsdtar list it without a complaint.
    pub fn check_with_other_programs(&self) {
        let mut sum = tools::command("sha1sum");
        let output =
            sum.arg("--check").arg("--strict").arg(self.checksum_path()).current_dir(&self.folder).output();
        tools::assert_success("sha1sum --check", &output.expect("sha1sum starts"));
        tools::run(
            self.compression.program(),
            ["--test".as_ref(), "--quiet".as_ref(), self.path.as_os_str()],
        );
        for (program, arguments) in
            [("tar", &["--warning=no-unknown-keyword", "-tvf"][..]), ("bsdtar", &["-tvf"])]
        {
            let arguments = arguments.iter().map(std::ffi::OsStr::new).chain([self.path.as_os_str()]);
            let output = tools::output(program, arguments);
            tools::assert_success(program, &output);
            assert!(output.stderr.is_empty(), "{program} complains: {}", tools::said(&output));
        }
    }
}

/// The records of an archive's manifest: its head, one for each entry, and its tail.
pub fn manifest(archive: &Path) -> Vec<serde_json::Value> {
    let mut path = archive.as_os_str().to_owned();
    path.push(".manifest.jsonl.zst");
    let file = std::fs::File::open(Path::new(&path)).expect("the manifest");
    let text = zstd::decode_all(file).expect("a zstd stream");
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).expect("a line of JSON")).collect()
}
