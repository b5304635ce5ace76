//! LUKS: encrypted volumes, versions 1 and 2, opened with a key that the user gave.
//!
//! ```text
//! passphrase ▶ key derivation ▶ key slot ▶ anti-forensic merge ▶ volume key ▶ data
//! ```
//!
//! Read: AES-XTS with sectors of 512 to 4096 bytes, PBKDF2 and Argon2. Other ciphers, integrity
//! protection, detached headers and volumes in the midst of a re-encryption are refused by name.
//!
//! Layout: *LUKS On-Disk Format Specification* 1.2.3 and *LUKS2 On-Disk Format Specification*
//! 1.1.1, <https://gitlab.com/cryptsetup/cryptsetup>.

mod crypt;
mod header;
mod key;
mod v1;
mod v2;

use std::sync::Arc;

use super::{Closed, Context, Found, Member, Opened};
use crate::device::{ReadAt, read_vec};
use crate::error::{Error, Kind, Result};
use crate::fields::be16_at;
use crypt::Crypt;
use header::{Fault, Header};
use key::Work;

/// Opens each encrypted volume for which there is a key.
pub(super) fn open(members: &[Member], context: &Context<'_>) -> Result<Opened> {
    let mut opened = Opened::default();
    let mut work = Work::default();
    for (index, member) in members.iter().enumerate() {
        if context.keys.is_empty() {
            let note = "is encrypted with LUKS; --key-file opens it".to_owned();
            opened.closed.push((index, Closed::Locked(note)));
            continue;
        }
        match unlock(member, context.keys, &mut work) {
            Ok(crypt) => opened.volumes.push(Found {
                id: member.id.unlocked(),
                kind: "crypt",
                uuid: member.signature.uuid.clone(),
                len_bytes: crypt.len(),
                device: Ok(Arc::new(crypt)),
                members: vec![index],
                faults: Vec::new(),
            }),
            Err(error) => opened.closed.push((index, Closed::Unreadable(error))),
        }
    }
    Ok(opened)
}

/// Reads the header of either version.
fn read(device: &dyn ReadAt) -> Result<Header> {
    let head = read_vec(device, 0, header::HEADER_BYTES)?;
    let version = be16_at(&head, header::MAGIC.len()).map_err(|fault| Error::corrupt(Fault::Short(fault)))?;
    let header = match version {
        _ if !head.starts_with(header::MAGIC) => Err(Fault::None),
        1 => v1::parse(&head, device.len_bytes()),
        2 => return v2::read(device),
        other => Err(Fault::Version(other)),
    };
    header.map_err(Error::corrupt)
}

/// Tries each key on each key slot.
fn unlock(member: &Member, keys: &[Vec<u8>], work: &mut Work) -> Result<Crypt> {
    let header = read(member.device.as_ref())?;
    // A passphrase in a file often ends with the end of a line that is no part of it.
    let shortened = keys.iter().filter_map(|key| key.strip_suffix(b"\n"));
    let keys = keys.iter().map(Vec::as_slice).chain(shortened);
    for passphrase in keys.filter(|key| !key.is_empty()) {
        for slot in &header.slots {
            if let Some(key) = key::of_slot(member.device.as_ref(), &header, slot, passphrase, work)? {
                return Crypt::new(Arc::clone(&member.device), &header.data, &key);
            }
        }
    }
    Err(Error::new(Kind::Usage, "no key that was given opens this LUKS volume"))
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::device::Device;

    const KDF: &str = r#"{"type":"pbkdf2","hash":"sha256","iterations":10,"salt":"AAAA"}"#;

    /// A volume of version 2 with this JSON, whose checksum is right.
    fn volume(json: &str) -> Device {
        let mut header = vec![0; 16 << 10];
        header[..6].copy_from_slice(header::MAGIC);
        header[7] = 2;
        header[14] = 0x40;
        header[23] = 1;
        header[72..78].copy_from_slice(b"sha256");
        header[4096..4096 + json.len()].copy_from_slice(json.as_bytes());
        let checksum = Sha256::digest(&header);
        header[448..480].copy_from_slice(&checksum);
        header.resize(4 << 20, 0);
        Arc::new(header)
    }

    /// The metadata of a volume, with a key derivation, a segment and requirements.
    fn json(kdf: &str, segment: &str, requirements: &str) -> String {
        format!(
            r#"{{"keyslots":{{"0":{{"type":"luks2","key_size":64,
                 "af":{{"type":"luks1","stripes":4000,"hash":"sha256"}},
                 "area":{{"type":"raw","offset":"32768","size":"258048",
                         "encryption":"aes-xts-plain64","key_size":64}},
                 "kdf":{kdf}}}}},
               "segments":{{"0":{segment}}},
               "digests":{{"0":{{"type":"pbkdf2","keyslots":["0"],"segments":["0"],"hash":"sha256",
                 "iterations":10,"salt":"AAAA","digest":"AAAA"}}}},
               "config":{{"json_size":"12288","keyslots_size":"0"{requirements}}}}}"#
        )
    }

    fn segment(encryption: &str, more: &str) -> String {
        format!(
            r#"{{"type":"crypt","offset":"1048576","size":"dynamic","iv_tweak":"0",
                "encryption":"{encryption}","sector_size":512{more}}}"#
        )
    }

    fn refused(json: &str) -> Error {
        let device = volume(json);
        let crate::filesystem::Contents::Known(signature) = crate::filesystem::probe(&device).unwrap() else {
            panic!("nothing known");
        };
        let member = Member { id: crate::volume::VolumeId::Whole, device, signature };
        unlock(&member, &[b"key".to_vec()], &mut Work::default()).map(drop).unwrap_err()
    }

    #[test]
    fn a_header_that_can_not_be_opened_says_why() {
        let plain = segment("aes-xts-plain64", "");
        let argon = |memory: u32, time: u32, cpus: u32| {
            format!(r#"{{"type":"argon2id","time":{time},"memory":{memory},"cpus":{cpus},"salt":"AAAAAAAAAAAAAAAAAAAAAA"}}"#)
                .replace("AAAAAA\"", "AAAAAA==\"")
        };
        let many = r#"{"type":"pbkdf2","hash":"sha256","iterations":4294967295,"salt":"AAAA"}"#;
        let cases = [
            (json(KDF, &plain, ""), Kind::Usage, "no key that was given"),
            (json(&argon(1 << 30, 4, 1), &plain, ""), Kind::Limit, "KiB of memory"),
            (json(&argon(1 << 20, u32::MAX, 1), &plain, ""), Kind::Limit, "passes of Argon2"),
            (json(&argon(1024, 1, 60_000), &plain, ""), Kind::Corrupt, "60000 lanes"),
            (json(&argon(1, 1, 1), &plain, ""), Kind::Corrupt, "key slot can't be"),
            (json(many, &plain, ""), Kind::Limit, "rounds of PBKDF2"),
            (json(r#"{"type":"scrypt","salt":"AAAA"}"#, &plain, ""), Kind::Corrupt, "scrypt"),
            (json(KDF, &segment("serpent-xts-plain64", ""), ""), Kind::Corrupt, "serpent-xts-plain64"),
            (json(KDF, &segment("aes-xts-plain64", r#","integrity":{}"#), ""), Kind::Corrupt, "integrity"),
            (json(KDF, &format!("{plain},\"1\":{plain}"), ""), Kind::Corrupt, "re-encryption"),
            (
                json(KDF, &plain, r#","requirements":{"mandatory":["online-reencrypt-v2"]}"#),
                Kind::Corrupt,
                "online-reencrypt-v2",
            ),
            (json(KDF, &plain.replace("1048576", "99999999999"), ""), Kind::Corrupt, "behind its end"),
            (json(KDF, &plain.replace("512", "7"), ""), Kind::Corrupt, "sectors of 7 bytes"),
            ("{".to_owned(), Kind::Corrupt, "make no sense"),
        ];
        for (json, kind, words) in cases {
            let error = refused(&json);
            assert_eq!(error.kind(), kind, "{words}: {error}");
            assert!(error.to_string().contains(words), "{words}: {error}");
        }
    }

    #[test]
    fn a_header_with_a_wrong_checksum_counts_for_nothing() {
        let device = volume(&json(KDF, &segment("aes-xts-plain64", ""), ""));
        let mut bytes = crate::device::read_vec(device.as_ref(), 0, 4 << 20).unwrap();
        bytes[5000] ^= 1;
        let error = read(&bytes).unwrap_err();
        assert!(error.to_string().contains("no LUKS header that can be trusted"), "{error}");
    }
}
