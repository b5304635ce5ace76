//! The records of a pax extended header.

use std::collections::BTreeMap;

use super::record::Time;

/// The records of one extended header: keys to values, both in bytes.
pub type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// Splits the data of an `x` member into its records, by their lengths alone: a value may hold newlines.
pub fn records(mut data: &[u8]) -> Result<Records, String> {
    let mut records = Records::new();
    while !data.is_empty() {
        let space = data.iter().position(|byte| *byte == b' ').ok_or("a pax record without a length")?;
        let length: usize = number(&data[..space])?.try_into().map_err(|_| "a pax record's length")?;
        if length > data.len() || length <= space + 2 || data[length - 1] != b'\n' {
            return Err(format!("a pax record of {length} bytes, of {} that are there", data.len()));
        }
        let record = &data[space + 1..length - 1];
        let equals = record.iter().position(|byte| *byte == b'=').ok_or("a pax record without '='")?;
        let (key, value) = (record[..equals].to_vec(), record[equals + 1..].to_vec());
        if records.insert(key.clone(), value).is_some() {
            return Err(format!("pax key {} twice", key.escape_ascii()));
        }
        data = &data[length..];
    }
    Ok(records)
}

/// A decimal number without sign or spaces.
pub fn number(text: &[u8]) -> Result<u64, String> {
    let digits = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| format!("{:?} is no number", text.escape_ascii().to_string()))
}

/// A time in decimal seconds; `-0.25` is a quarter of a second before 1970.
pub fn time(text: &[u8]) -> Result<Time, String> {
    let (negative, magnitude) = text.strip_prefix(b"-").map_or((false, text), |magnitude| (true, magnitude));
    let mut parts = magnitude.splitn(2, |byte| *byte == b'.');
    let seconds = number(parts.next().unwrap_or_default())? as i64;
    let fraction = parts.next().unwrap_or(b"0");
    if fraction.is_empty() || fraction.len() > 9 {
        return Err(format!("a time with a fraction of {} digits", fraction.len()));
    }
    let nanoseconds = number(fraction)? as u32 * 10_u32.pow(9 - fraction.len() as u32);
    Ok(match (negative, nanoseconds) {
        (false, _) => Time { seconds, nanoseconds },
        (true, 0) => Time { seconds: -seconds, nanoseconds },
        (true, _) => Time { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds },
    })
}
