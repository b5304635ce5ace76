//! Segments of a logical volume: a run of its extents, and what that is made of.
//!
//! One row of [`TYPES`] is one type. `lib/*/` in LVM2 has a folder for each, with `*_text_import`.

use super::fault::Fault;
use super::text::{SECTOR_BYTES, Section, Value, lossy};
use crate::error::{Error, Kind, Result};
use crate::volume::layer::md::Layout;

/// Legs of a RAID or stripes of a segment; `MAX_STRIPES` is 128, `DEFAULT_RAID_MAX_IMAGES` 64.
const AREAS_MOST: usize = 253;
/// A stripe is at least a page; `STRIPE_SIZE_MIN`.
const LEAST_CHUNK_BYTES: u64 = 4096;

/// A run of extents.
#[derive(Debug)]
pub(super) struct Segment {
    /// First extent in its volume.
    pub start: u64,
    /// Number of extents.
    pub extents: u64,
    /// Extents of these that hold no data: room for a change of a RAID's layout.
    pub spare: u64,
    /// The type as `lvs` shows it.
    pub name: &'static str,
    pub made_of: MadeOf,
}

/// What a segment is made of; names are those in the metadata.
#[derive(Debug)]
pub(super) enum MadeOf {
    Stripes {
        chunk_bytes: u64,
        areas: Vec<Area>,
    },
    /// Copies, of which the first is always in sync; a log says whether the others are.
    Mirror {
        areas: Vec<Area>,
        log: Option<String>,
    },
    Raid {
        layout: Layout,
        chunk_bytes: u64,
        legs: Vec<Leg>,
    },
    ThinPool {
        metadata: String,
        data: String,
        chunk_bytes: u64,
        transaction: u64,
    },
    Thin {
        pool: String,
        device: u64,
        external: Option<String>,
    },
    Snapshot {
        origin: String,
        store: String,
        chunk_bytes: u64,
        is_merging: bool,
    },
    Zeros,
    /// Reads fail: `error` segments stand for legs that were lost.
    Lost,
    /// A type that is not read here: what to do about it, and the volumes that it is made of.
    Refused {
        advice: &'static str,
        parts: Vec<String>,
    },
    /// A part of the group that is no volume by itself.
    Hidden,
}

/// A run of extents of a physical volume, or of another logical one.
#[derive(Debug)]
pub(super) struct Area {
    pub name: String,
    pub extent: u64,
}

/// A leg of a RAID: its data, and the superblock that tells its state.
#[derive(Debug)]
pub(super) struct Leg {
    pub metadata: Option<String>,
    pub data: String,
}

impl Segment {
    /// The extent behind the last.
    pub(super) fn end(&self) -> Option<u64> {
        self.start.checked_add(self.extents)
    }
}

type Parse = fn(&Section<'_>) -> Result<MadeOf>;

const STOP_CACHE: &str =
    "the newest blocks may be in its cache alone; run `lvconvert --uncache` in the guest";
const STOP_VDO: &str = "deduplicated volumes are not read; back it up from within the guest";
const STOP_INTEGRITY: &str = "volumes with integrity metadata are not read; run `lvconvert --raidintegrity n` \
     in the guest";

#[rustfmt::skip]
const TYPES: [(&str, Parse); 35] = [
    ("striped", stripes),
    ("linear", stripes),
    ("mirror", mirror),
    ("raid0", |section| raid(section, Layout::Raid0)),
    ("raid0_meta", |section| raid(section, Layout::Raid0)),
    ("raid1", |section| raid(section, Layout::Raid1)),
    // Device mapper's RAID4 has its sums on the first leg.
    ("raid4", |section| raid(section, Layout::Raid5(4))),
    ("raid5", |section| raid(section, Layout::Raid5(2))),
    ("raid5_la", |section| raid(section, Layout::Raid5(0))),
    ("raid5_ra", |section| raid(section, Layout::Raid5(1))),
    ("raid5_ls", |section| raid(section, Layout::Raid5(2))),
    ("raid5_rs", |section| raid(section, Layout::Raid5(3))),
    ("raid5_n", |section| raid(section, Layout::Raid5(5))),
    ("raid6", |section| raid(section, Layout::Raid6(8))),
    ("raid6_zr", |section| raid(section, Layout::Raid6(8))),
    ("raid6_nr", |section| raid(section, Layout::Raid6(9))),
    ("raid6_nc", |section| raid(section, Layout::Raid6(10))),
    ("raid6_n_6", |section| raid(section, Layout::Raid6(5))),
    ("raid6_la_6", |section| raid(section, Layout::Raid6(16))),
    ("raid6_ra_6", |section| raid(section, Layout::Raid6(17))),
    ("raid6_ls_6", |section| raid(section, Layout::Raid6(18))),
    ("raid6_rs_6", |section| raid(section, Layout::Raid6(19))),
    ("raid10", raid10),
    ("raid10_near", raid10),
    ("thin-pool", thin_pool),
    ("thin", thin),
    ("snapshot", snapshot),
    ("zero", |_| Ok(MadeOf::Zeros)),
    ("error", |_| Ok(MadeOf::Lost)),
    ("cache", |section| Ok(refused(section, STOP_CACHE))),
    ("cache-pool", |_| Ok(MadeOf::Hidden)),
    ("writecache", |section| Ok(refused(section, STOP_CACHE))),
    ("vdo", |section| Ok(refused(section, STOP_VDO))),
    ("vdo-pool", |_| Ok(MadeOf::Hidden)),
    ("integrity", |section| Ok(refused(section, STOP_INTEGRITY))),
];

/// Reads one segment.
pub(super) fn parse(section: &Section<'_>) -> Result<Segment> {
    let text = section.text("type").unwrap_or_default();
    // Behind a plus sign stand features, which say that older programs must not touch it.
    let plain = text.split('+').next().unwrap_or_default();
    let row = TYPES.iter().find(|(name, _)| *name == plain);
    let Some((name, parse)) = row else {
        let message = format!("its type {text:?} is not read here; back it up from within the guest");
        return Err(Error::new(Kind::Unsupported, message));
    };
    let made_of = parse(section)?;
    let name = match &made_of {
        MadeOf::Stripes { areas, .. } if areas.len() == 1 => "linear",
        _ => name,
    };
    let start = section.number("start_extent")?;
    let extents = section.number("extent_count")?;
    if extents == 0 {
        return Err(Error::corrupt("a segment without an extent"));
    }
    let spare = spare(section, &made_of)?;
    if spare >= extents {
        return Err(Error::corrupt("a segment has more room to be reshaped than extents"));
    }
    Ok(Segment { start, extents, spare, name, made_of })
}

/// `reshape_count` is for each leg; a RAID's length counts only those that hold data.
fn spare(section: &Section<'_>, made_of: &MadeOf) -> Result<u64> {
    let MadeOf::Raid { layout, legs, .. } = made_of else { return Ok(0) };
    if section.value("reshape_count").is_none() {
        return Ok(0);
    }
    let spare = section.number("reshape_count")?.checked_mul(layout.data_members(legs.len()));
    spare.ok_or_else(|| Fault::Number("reshape_count").into())
}

fn refused(section: &Section<'_>, advice: &'static str) -> MadeOf {
    const KEYS: [&str; 5] = ["origin", "cache_pool", "cachevol", "writecache", "vdo_pool"];
    let parts = KEYS.iter().filter_map(|key| section.value(key).and_then(name)).collect();
    MadeOf::Refused { advice, parts }
}

fn text(section: &Section<'_>, key: &'static str) -> Result<String> {
    let value = section.value(key).and_then(name);
    value.ok_or_else(|| Error::corrupt(format!("a segment names no {key}")))
}

fn name(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Text(text) => Some(lossy(text)),
        Value::Number(number) => Some(number.to_string()),
        Value::List(_) => None,
    }
}

/// A length in sectors as bytes.
fn sectors(section: &Section<'_>, key: &'static str) -> Result<u64> {
    let bytes = section.number(key)?.checked_mul(SECTOR_BYTES);
    bytes.ok_or_else(|| Fault::Number(key).into())
}

fn chunk(section: &Section<'_>, key: &'static str) -> Result<u64> {
    let bytes = sectors(section, key)?;
    if bytes < LEAST_CHUNK_BYTES {
        return Err(Error::corrupt(format!("chunks of {bytes} bytes, at least {LEAST_CHUNK_BYTES}")));
    }
    Ok(bytes)
}

/// The pairs of a list, in number as `counted` says where it is there.
fn pairs<'s, 'a>(
    section: &'s Section<'a>,
    list: &'static str,
    counted: &'static str,
) -> Result<Vec<(&'s Value<'a>, &'s Value<'a>)>> {
    let values = section.list(list);
    let (pairs, rest) = values.as_chunks::<2>();
    let count = match section.value(counted) {
        None => None,
        Some(_) => Some(section.number(counted)?),
    };
    let is_right = count.is_none_or(|count| u64::try_from(pairs.len()) == Ok(count));
    if !rest.is_empty() || pairs.is_empty() || pairs.len() > AREAS_MOST || !is_right {
        let message = format!("{} values in {list}, which is not what {counted} says", values.len());
        return Err(Error::corrupt(message));
    }
    Ok(pairs.iter().map(|[first, second]| (first, second)).collect())
}

fn areas(section: &Section<'_>, list: &'static str, counted: &'static str) -> Result<Vec<Area>> {
    let area = |(volume, extent): (&Value<'_>, &Value<'_>)| match (name(volume), extent) {
        (Some(name), Value::Number(extent)) => Ok(Area { name, extent: *extent }),
        _ => Err(Error::corrupt(format!("{list} are not names and extents"))),
    };
    pairs(section, list, counted)?.into_iter().map(area).collect()
}

fn stripes(section: &Section<'_>) -> Result<MadeOf> {
    let areas = areas(section, "stripes", "stripe_count")?;
    let chunk_bytes = match areas.len() {
        1 => LEAST_CHUNK_BYTES,
        _ => chunk(section, "stripe_size")?,
    };
    Ok(MadeOf::Stripes { chunk_bytes, areas })
}

fn mirror(section: &Section<'_>) -> Result<MadeOf> {
    let areas = areas(section, "mirrors", "mirror_count")?;
    Ok(MadeOf::Mirror { areas, log: section.value("mirror_log").and_then(name) })
}

fn raid(section: &Section<'_>, layout: Layout) -> Result<MadeOf> {
    let is_striped = !matches!(layout, Layout::Raid1);
    let chunk_bytes = if is_striped { chunk(section, "stripe_size")? } else { LEAST_CHUNK_BYTES };
    let broken = || Error::corrupt("legs of a RAID are not names");
    if section.value("raid0_lvs").is_some() {
        let images = section.list("raid0_lvs");
        if images.len() > AREAS_MOST || u64::try_from(images.len()) != Ok(section.number("stripe_count")?) {
            return Err(Error::corrupt("raid0_lvs are not as many as stripe_count says"));
        }
        let leg = |image| Some(Leg { metadata: None, data: name(image)? });
        let legs = images.iter().map(leg).collect::<Option<_>>().ok_or_else(broken)?;
        return Ok(MadeOf::Raid { layout, chunk_bytes, legs });
    }
    let counted = if section.value("device_count").is_some() { "device_count" } else { "stripe_count" };
    let leg =
        |(meta, data): (&Value<'_>, &Value<'_>)| Some(Leg { metadata: Some(name(meta)?), data: name(data)? });
    let legs = pairs(section, "raids", counted)?.into_iter().map(leg).collect::<Option<_>>();
    Ok(MadeOf::Raid { layout, chunk_bytes, legs: legs.ok_or_else(broken)? })
}

fn raid10(section: &Section<'_>) -> Result<MadeOf> {
    let near = match section.value("data_copies") {
        None => 2,
        Some(_) => section.number("data_copies")?,
    };
    let near = u32::try_from(near).ok().and_then(Layout::near);
    raid(section, near.ok_or_else(|| Error::corrupt("data_copies of a RAID10 makes no sense"))?)
}

fn thin_pool(section: &Section<'_>) -> Result<MadeOf> {
    Ok(MadeOf::ThinPool {
        metadata: text(section, "metadata")?,
        data: text(section, "pool")?,
        chunk_bytes: sectors(section, "chunk_size")?,
        transaction: section.number("transaction_id")?,
    })
}

fn thin(section: &Section<'_>) -> Result<MadeOf> {
    Ok(MadeOf::Thin {
        pool: text(section, "thin_pool")?,
        device: section.number("device_id")?,
        external: section.value("external_origin").and_then(name),
    })
}

fn snapshot(section: &Section<'_>) -> Result<MadeOf> {
    let is_merging = section.value("merging_store").is_some();
    Ok(MadeOf::Snapshot {
        origin: text(section, "origin")?,
        store: text(section, if is_merging { "merging_store" } else { "cow_store" })?,
        chunk_bytes: sectors(section, "chunk_size")?,
        is_merging,
    })
}
