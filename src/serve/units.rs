//! Durations and sizes as people write them.

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use std::fmt;
use std::time::Duration;

/// `500ms`, `30s`, `5m` or `1h`; a number alone is seconds. Between a millisecond and a day.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text).ok_or("a number and a unit, such as `30s`")?;
    let milliseconds = match unit {
        "ms" => Some(number),
        "s" | "" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => return Err("the units are `ms`, `s`, `m` and `h`".to_owned()),
    };
    match milliseconds {
        Some(ms @ 1..=86_400_000) => Ok(Duration::from_millis(ms)),
        _ => Err("between 1ms and a day".to_owned()),
    }
}

/// Bytes: `64MiB`, `512KiB`, `2GiB`; a number alone is bytes.
pub fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text).ok_or("a number and a unit, such as `64MiB`")?;
    let shift = match unit {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err("the units are `B`, `KiB`, `MiB` and `GiB`".to_owned()),
    };
    number.checked_mul(1 << shift).ok_or_else(|| "more than the address space holds".to_owned())
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start()))
}

/// A [`duration`] in a configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time(pub(super) Duration);

/// A [`size`] in a configuration; also an integer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size(pub(super) u64);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        let text = String::deserialize(deserializer)?;
        duration(&text).map(Time).map_err(|e| D::Error::custom(format!("`{text}` is no duration: {e}")))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size, such as `64MiB`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Size, E> {
                size(text).map(Size).map_err(|e| E::custom(format!("`{text}` is no size: {e}")))
            }

            fn visit_i64<E: Error>(self, bytes: i64) -> Result<Size, E> {
                u64::try_from(bytes).map(Size).map_err(|_| E::custom("a size is not negative"))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_have_units_and_bounds() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("24h"), Ok(Duration::from_secs(86_400)));
        assert_eq!(size("64MiB"), Ok(64 << 20));
        assert_eq!(size("10"), Ok(10));
        for bad in ["", "s", "0s", "25h", "1w", "-1s", "1.5s", "99999999999999999999s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        for bad in ["", "MiB", "1MB", "-1", "99999999999GiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
