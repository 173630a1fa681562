//! The times in alerts.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// RFC 3339 in UTC, as alerts have it.
pub(crate) fn parse_time(text: &str) -> Option<SystemTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut clock = clock.splitn(3, ':').map(|part| part.parse::<u64>().ok());
    let seconds = clock.next()?? * 3600 + clock.next()?? * 60 + clock.next()??;
    let nanos = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    let since = Duration::new(days_since_epoch(year, month, day)? * 86_400 + seconds, nanos);
    UNIX_EPOCH.checked_add(since)
}

/// By Howard Hinnant's `days_from_civil`, for years from 1970 on.
fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.checked_sub(1)?;
    (era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_alerts_are_read() {
        let seconds = |text| parse_time(text).and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        assert_eq!(seconds("1970-01-01T00:00:01Z"), Some(Duration::from_secs(1)));
        assert_eq!(
            seconds("2024-02-29T12:00:00.5Z"),
            Some(Duration::from_millis(1_709_208_000_500))
        );
        assert_eq!(
            seconds("2026-11-23T21:17:17.123456789Z"),
            Some(Duration::new(1_795_468_637, 123_456_789))
        );
        assert_eq!(seconds("yesterday"), None);
    }
}
