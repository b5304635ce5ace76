//! Hostile images: where the structures of an image lie, mutations of their fields, repair of their
//! checksums, and what must be true of a reader whatever it reads.
//!
//! The fuzz targets use all of it, and so does `tests/hostile.rs` of the main package, without a
//! fuzzer.

pub mod ext;
pub mod fields;
pub mod invariant;
pub mod journal;
pub mod mutate;
pub mod random;
pub mod repair;
pub mod site;
pub mod sparse;
pub mod volumes;
pub mod xfs;

/// One mutation of an image that is packed as in [`sparse`], for a fuzzer: `data` holds `size` bytes,
/// and has space for more. Gives the new size. `bytes` changes bytes in their place.
pub fn mutate_packed(
    data: &mut [u8],
    size: usize,
    max_size: usize,
    seed: u32,
    bytes: &mut dyn FnMut(&mut [u8]),
) -> usize {
    let mut image = sparse::unpack(data.get(..size).unwrap_or_default());
    if image.len() < sparse::SECTOR_LEN {
        image.resize(sparse::SECTOR_LEN, 0);
    }
    mutate::image(&mut image, &mut random::Random::new(seed.into()), Some(bytes));
    give_back(data, size, max_size, &sparse::pack(&image))
}

/// Puts a packed image where the fuzzer wants it; one that is too long leaves the one before.
fn give_back(data: &mut [u8], size: usize, max_size: usize, packed: &[u8]) -> usize {
    match data.get_mut(..packed.len()).filter(|_| packed.len() <= max_size) {
        Some(place) => {
            place.copy_from_slice(packed);
            packed.len()
        }
        None => size,
    }
}
