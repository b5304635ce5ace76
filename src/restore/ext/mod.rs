//! Placeholder until the writer is merged.
use crate::device::Target;
use crate::error::Result;
use crate::filesystem::ext::Geometry;
use crate::place::Place;
use crate::units::ByteRange;
use std::path::Path;
/// x
pub fn format(_path: &Path, _range: ByteRange, _geometry: &Geometry) -> Result<()> {
    Err(crate::Error::corrupt("not yet"))
}
/// x
pub fn fill(_target: Target, _place: &dyn Place, _below: &[u8], _geometry: &Geometry) -> Result<()> {
    Ok(())
}
