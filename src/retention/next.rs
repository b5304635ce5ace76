//! What goes next.

use crate::calendar::DAY_SECONDS;
use crate::retention::{Moment, Retention, why};
use crate::store::{Archived, Key};

/// How many nights are looked ahead: about eleven years.
const MOST_NIGHTS: i64 = 4000;

/// The archive of a volume that goes next, and when, in seconds since 1970, if there is a complete archive every night from now
/// on, at the time of day of the latest one. Of several that go in the same night it is the oldest. `None` when none goes
/// within eleven years.
///
/// What goes already is passed over: it is as good as gone.
#[must_use]
pub fn next_to_expire(archives: &[Archived], rules: &Retention, now: i64) -> Option<(Key, i64)> {
    let mut sorted: Vec<&Archived> = archives.iter().collect();
    sorted.sort_by_key(|archived| (archived.taken, &archived.key));
    let moment = |archived: &Archived| Moment { taken: archived.taken, is_complete: archived.is_complete() };
    let moments: Vec<Moment> = sorted.iter().map(|archived| moment(archived)).collect();
    let kept: Vec<bool> = why(&moments, rules, now).iter().map(|reasons| !reasons.is_empty()).collect();
    // The decisions of the nights between change nothing: what goes in one of them would go in this one as well.
    let first_to_go = |nights: i64| -> Option<usize> {
        // A run decides when its archive is there, and that takes time.
        let then = night(&moments, now, nights).saturating_add(1);
        // At most `MOST_NIGHTS`, and sorted where archives from the future are among them.
        let mut all: Vec<(Option<usize>, Moment)> =
            moments.iter().enumerate().map(|(index, moment)| (Some(index), *moment)).collect();
        let coming =
            (1..=nights).map(|number| Moment { taken: night(&moments, now, number), is_complete: true });
        all.extend(coming.map(|moment| (None, moment)));
        all.sort_by_key(|(_, moment)| moment.taken);
        let moments: Vec<Moment> = all.iter().map(|(_, moment)| *moment).collect();
        let gone = all.iter().zip(why(&moments, rules, then)).filter(|(_, reasons)| reasons.is_empty());
        gone.filter_map(|((index, _), _)| *index).find(|index| kept.get(*index) == Some(&true))
    };
    // What has gone stays gone, so the first night is between one when nothing has and one when something has.
    let mut with = 1;
    while first_to_go(with).is_none() {
        if with == MOST_NIGHTS {
            return None;
        }
        with = with.saturating_mul(2).min(MOST_NIGHTS);
    }
    let mut without = with / 2;
    while with.saturating_sub(without) > 1 {
        let middle = without.midpoint(with);
        match first_to_go(middle) {
            Some(_) => with = middle,
            None => without = middle,
        }
    }
    let archived = sorted.get(first_to_go(with)?)?;
    Some((archived.key.clone(), night(&moments, now, with)))
}

/// When the night of this number, from 1, is: at the time of day of the latest archive.
fn night(moments: &[Moment], now: i64, number: i64) -> i64 {
    let latest = moments.iter().map(|moment| moment.taken).filter(|taken| *taken <= now).max().unwrap_or(now);
    let nights_past = now.saturating_sub(latest).checked_div(DAY_SECONDS).unwrap_or(0);
    latest.saturating_add(nights_past.saturating_add(number).saturating_mul(DAY_SECONDS))
}
