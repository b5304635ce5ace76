//! Ends of file names that stand for formats which voltar does not write: a name must not lie.

/// Ends, and the format that they stand for.
const FORMATS: &[(&[&str], &str)] = &[
    (&["zip", "zipx", "jar"], "a ZIP archive"),
    (&["7z"], "a 7-Zip archive"),
    (&["rar"], "a RAR archive"),
    (&["xz", "txz"], "xz"),
    (&["lzma", "tlz"], "LZMA"),
    (&["bz2", "bz", "tbz", "tbz2", "tb2"], "bzip2"),
    (&["lz4", "tlz4"], "LZ4"),
    (&["lz"], "lzip"),
    (&["lzo", "tzo"], "LZO"),
    (&["lrz"], "lrzip"),
    (&["br"], "Brotli"),
    (&["sz", "snappy"], "Snappy"),
    (&["z", "taz"], "compress"),
    (&["zpaq"], "ZPAQ"),
    (&["cpio"], "a cpio archive"),
    (&["shar", "ar", "arj", "cab", "lha", "lzh", "wim", "dar", "xar"], "another kind of archive"),
    (&["deb", "rpm", "apk"], "a package"),
    (&["gpg", "pgp", "asc", "age", "enc"], "an encrypted file"),
    (&["iso", "squashfs", "sqfs", "sfs", "erofs", "dmg"], "an image of a filesystem"),
    (&["img", "raw", "simg", "dd", "bin"], "the image of a disk"),
    (
        &["qcow2", "qcow", "qed", "vmdk", "vdi", "vhd", "vhdx", "hdd", "ova", "ovf"],
        "the disk of a virtual machine",
    ),
    (&["sha1", "sha256", "sha512", "blake3", "b3", "md5", "sum"], "a checksum file"),
    (&["json", "jsonl", "html", "htm", "txt", "log", "csv", "xml", "toml", "yaml", "yml", "pdf"], "a text"),
];

/// The format that the end of a name stands for, if it is one that voltar does not write.
pub(crate) fn format_of(name: &str) -> Option<&'static str> {
    let (stem, end) = name.rsplit_once('.')?;
    let is_hidden_name = stem.is_empty() || stem.ends_with('/');
    let named = FORMATS.iter().find(|(ends, _)| ends.iter().any(|one| one.eq_ignore_ascii_case(end)));
    named.filter(|_| !is_hidden_name).map(|(_, format)| *format)
}
