//! AES-XTS, and a device that is decrypted while it is read, as `dm-crypt` does it.

use std::fmt;

use aes::cipher::KeyInit;
use aes::{Aes128, Aes192, Aes256};
use xts_mode::{Array, Xts128};

use super::header::{Data, SECTOR};
use crate::device::{Device, ReadAt};
use crate::error::{Error, Result};
use crate::units::ByteRange;

/// A key of AES-XTS, ready for use.
pub(super) enum Cipher {
    Aes128(Box<Xts128<Aes128>>),
    Aes192(Box<Xts128<Aes192>>),
    Aes256(Box<Xts128<Aes256>>),
}

impl fmt::Debug for Cipher {
    /// The key stays secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher")
    }
}

fn xts<C>(key: &[u8]) -> Result<Box<Xts128<C>>>
where
    C: KeyInit + aes::cipher::BlockCipherEncrypt + aes::cipher::BlockCipherDecrypt,
    C: aes::cipher::BlockSizeUser<BlockSize = aes::cipher::consts::U16>,
{
    let (data, tweak) = key.split_at(key.len() / 2);
    let bad = |_| Error::internal("a key of AES has another length");
    Ok(Box::new(Xts128::new(C::new_from_slice(data).map_err(bad)?, C::new_from_slice(tweak).map_err(bad)?)))
}

impl Cipher {
    /// With a key of 32, 48 or 64 bytes.
    pub(super) fn new(key: &[u8]) -> Result<Self> {
        match key.len() {
            32 => Ok(Self::Aes128(xts(key)?)),
            48 => Ok(Self::Aes192(xts(key)?)),
            64 => Ok(Self::Aes256(xts(key)?)),
            _ => Err(Error::internal("a key of AES-XTS has another length")),
        }
    }

    /// Decrypts whole sectors of `sector` bytes. The first has the number `first`, and each
    /// further one `step` more.
    pub(super) fn decrypt(&self, bytes: &mut [u8], sector: usize, first: u64, step: u64) {
        let mut number = first;
        for piece in bytes.chunks_exact_mut(sector) {
            let tweak = Array(u128::from(number).to_le_bytes());
            match self {
                Self::Aes128(xts) => xts.decrypt_sector(piece, tweak),
                Self::Aes192(xts) => xts.decrypt_sector(piece, tweak),
                Self::Aes256(xts) => xts.decrypt_sector(piece, tweak),
            }
            number = number.wrapping_add(step);
        }
    }
}

/// The content of an encrypted volume.
#[derive(Debug)]
pub(super) struct Crypt {
    device: Device,
    cipher: Cipher,
    data: Data,
}

impl Crypt {
    /// What the volume key gives.
    pub(super) fn new(device: Device, data: &Data, key: &[u8]) -> Result<Self> {
        let mut data = data.clone();
        // A part of a sector at the end belongs to nothing.
        data.len = data.len.saturating_sub(data.len.checked_rem(data.sector_bytes).unwrap_or(0));
        Ok(Self { device, cipher: Cipher::new(key)?, data })
    }

    pub(super) fn len(&self) -> u64 {
        self.data.len
    }

    /// Reads and decrypts whole sectors, the first at `at`.
    fn sectors(&self, at: u64, buffer: &mut [u8]) -> Result<()> {
        self.device.read_at(self.data.at.saturating_add(at), buffer)?;
        let numbers = self.data.sector_bytes / SECTOR;
        let first = self.data.first_sector.wrapping_add(at / SECTOR);
        let sector = usize::try_from(self.data.sector_bytes).unwrap_or(usize::MAX);
        if !self.data.is_narrow {
            self.cipher.decrypt(buffer, sector, first, numbers);
            return Ok(());
        }
        for (index, piece) in (0_u64..).zip(buffer.chunks_exact_mut(sector)) {
            let number = first.wrapping_add(index.wrapping_mul(numbers)) & u64::from(u32::MAX);
            self.cipher.decrypt(piece, sector, number, 0);
        }
        Ok(())
    }

    fn below(&self, range: ByteRange) -> Option<ByteRange> {
        let end = range.end().min(self.data.len);
        let inside = ByteRange::between(range.start(), end)?;
        ByteRange::new(self.data.at.checked_add(inside.start())?, inside.len())
    }
}

impl ReadAt for Crypt {
    fn len_bytes(&self) -> u64 {
        self.data.len
    }

    fn read_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> Result<()> {
        crate::device::within(self.data.len, offset_bytes, buffer.len())?;
        let sector = usize::try_from(self.data.sector_bytes).unwrap_or(usize::MAX);
        let (mut at, mut rest) = (offset_bytes, buffer);
        while !rest.is_empty() {
            let skip = at.checked_rem(self.data.sector_bytes).unwrap_or(0);
            let skip_len = usize::try_from(skip).unwrap_or(0);
            let whole = rest.len().saturating_sub(rest.len().checked_rem(sector).unwrap_or(0));
            let len = if skip == 0 && whole > 0 {
                self.sectors(at, rest.get_mut(..whole).unwrap_or_default())?;
                whole
            } else {
                let mut one = vec![0; sector];
                self.sectors(at.saturating_sub(skip), &mut one)?;
                let found = one.get(skip_len..).unwrap_or_default();
                let len = found.len().min(rest.len());
                if let (Some(target), Some(found)) = (rest.get_mut(..len), found.get(..len)) {
                    target.copy_from_slice(found);
                }
                len
            };
            at = at.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
            rest = rest.get_mut(len..).unwrap_or_default();
        }
        Ok(())
    }

    fn will_need(&self, range: ByteRange) {
        if let Some(range) = self.below(range) {
            self.device.will_need(range);
        }
    }

    fn done_with(&self, range: ByteRange) {
        if let Some(range) = self.below(range) {
            self.device.done_with(range);
        }
    }
}
