//! Retention: which archives of a volume stay, and why. Pure functions: no file is looked at, and no clock.
//!
//! What the rules mean, and what holds whatever they are, is in `docs/retention.md`.

mod next;
mod reason;

use std::collections::BTreeMap;

pub use next::next_to_expire;
pub use reason::Reason;

use crate::calendar::{DAY_SECONDS, Period};
use crate::store::archives::Archived;

/// Which archives of a volume are kept. Each rule adds to what is kept; without any rule everything is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// All that are at most this many days old.
    pub keep_days: Option<u32>,
    /// This many of the latest.
    pub keep_last: Option<u32>,
    /// The latest of each of this many days that have one.
    pub keep_daily: Option<u32>,
    /// The same for weeks, which begin on Monday.
    pub keep_weekly: Option<u32>,
    /// The same for months.
    pub keep_monthly: Option<u32>,
    /// The same for years.
    pub keep_yearly: Option<u32>,
}

/// What becomes of an archive.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<'a> {
    /// The archive.
    pub archived: &'a Archived,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// Whether an archive stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does, for these reasons; there is at least one.
    Keep(Vec<Reason>),
    /// It goes.
    Remove,
}

impl Decision<'_> {
    /// Whether the archive goes.
    #[must_use]
    pub fn is_removal(&self) -> bool {
        self.verdict == Verdict::Remove
    }

    /// Why the archive stays, in words: `daily 3 of 14, last complete`; empty where it goes.
    #[must_use]
    pub fn reasons(&self) -> String {
        match &self.verdict {
            Verdict::Keep(reasons) => reasons.iter().map(Reason::to_string).collect::<Vec<_>>().join(", "),
            Verdict::Remove => String::new(),
        }
    }
}

/// Decides on archives at the moment `now`, in seconds since 1970: one decision each, in their order. Each volume is decided
/// on by itself.
#[must_use]
pub fn decide<'a>(archives: &'a [Archived], rules: &Retention, now: i64) -> Vec<Decision<'a>> {
    let mut volumes: BTreeMap<&str, Vec<(usize, Moment)>> = BTreeMap::new();
    for (index, archived) in archives.iter().enumerate() {
        let moment = Moment { taken: archived.taken, is_complete: archived.is_complete() };
        volumes.entry(&archived.volume).or_default().push((index, moment));
    }
    let mut reasons: Vec<Vec<Reason>> = vec![Vec::new(); archives.len()];
    for mut members in volumes.into_values() {
        // Of two that were taken in the same second the one with the later name counts as later.
        members.sort_by_key(|(index, moment)| (moment.taken, archives.get(*index).map(|a| &a.key)));
        let moments: Vec<Moment> = members.iter().map(|(_, moment)| *moment).collect();
        for ((index, _), found) in members.iter().zip(why(&moments, rules, now)) {
            if let Some(slot) = reasons.get_mut(*index) {
                *slot = found;
            }
        }
    }
    let verdict = |reasons: Vec<Reason>| match reasons.is_empty() {
        true => Verdict::Remove,
        false => Verdict::Keep(reasons),
    };
    let decisions = archives.iter().zip(reasons);
    decisions.map(|(archived, reasons)| Decision { archived, verdict: verdict(reasons) }).collect()
}

/// The rules in words: `14 days, last 3, 6 monthly`; `everything` where there is none.
#[must_use]
pub fn describe(rules: &Retention) -> String {
    let given = |number: Option<u32>| number.filter(|number| *number > 0);
    let days = given(rules.keep_days)
        .map(|days| if days == 1 { "1 day".to_owned() } else { format!("{days} days") });
    let counted = counting_rules(rules).map(|(rule, most)| match rule {
        Rule::Last => format!("last {most}"),
        Rule::Periods(_) => format!("{most} {}", rule.name()),
    });
    let words: Vec<String> = days.into_iter().chain(counted).collect();
    if words.is_empty() { "everything".to_owned() } else { words.join(", ") }
}

/// All that retention asks of an archive.
#[derive(Clone, Copy, Debug)]
struct Moment {
    taken: i64,
    is_complete: bool,
}

/// A rule that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Each archive counts.
    Last,
    /// The latest archive of each period counts.
    Periods(Period),
}

impl Rule {
    /// What people call it: `last`, `daily`, `weekly`, `monthly`, `yearly`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Periods(Period::Day) => "daily",
            Self::Periods(Period::Week) => "weekly",
            Self::Periods(Period::Month) => "monthly",
            Self::Periods(Period::Year) => "yearly",
        }
    }
}

/// The rules that count, and how far each counts. One of 0 is none.
fn counting_rules(rules: &Retention) -> impl Iterator<Item = (Rule, u32)> + use<> {
    [
        (Rule::Last, rules.keep_last),
        (Rule::Periods(Period::Day), rules.keep_daily),
        (Rule::Periods(Period::Week), rules.keep_weekly),
        (Rule::Periods(Period::Month), rules.keep_monthly),
        (Rule::Periods(Period::Year), rules.keep_yearly),
    ]
    .into_iter()
    .filter_map(|(rule, most)| Some((rule, most.filter(|most| *most > 0)?)))
}

/// Whether there is any rule: without one everything stays.
pub(crate) fn has_rule(rules: &Retention) -> bool {
    rules.keep_days.is_some_and(|days| days > 0) || counting_rules(rules).next().is_some()
}

/// Why each of one volume's archives stays, oldest first; no reason means that it goes.
fn why(moments: &[Moment], rules: &Retention, now: i64) -> Vec<Vec<Reason>> {
    let mut reasons: Vec<Vec<Reason>> = vec![Vec::new(); moments.len()];
    let days = rules.keep_days.filter(|days| *days > 0);
    if !has_rule(rules) {
        reasons.iter_mut().for_each(|reasons| reasons.push(Reason::NoRule));
        return reasons;
    }
    let mut add = |index: usize, reason: Reason| {
        if let Some(reasons) = reasons.get_mut(index) {
            reasons.push(reason);
        }
    };
    let mut present: Vec<(usize, Moment)> = Vec::new();
    for (index, moment) in moments.iter().enumerate() {
        if moment.taken > now { add(index, Reason::Future) } else { present.push((index, *moment)) }
    }
    if let Some(days) = days {
        let oldest = now.saturating_sub(i64::from(days).saturating_mul(DAY_SECONDS));
        let young = present.iter().filter(|(_, moment)| moment.taken >= oldest);
        young.for_each(|(index, _)| add(*index, Reason::Days { days }));
    }
    // Two series that are counted apart, so that neither pushes the other out: the complete ones, and those incomplete ones
    // that no complete one has come after.
    let last_complete = present.iter().rposition(|(_, moment)| moment.is_complete);
    let newer = last_complete.map_or(0, |last| last.saturating_add(1));
    let complete: Vec<(usize, Moment)> = present.iter().filter(|(_, m)| m.is_complete).copied().collect();
    let incomplete = present.get(newer..).unwrap_or_default();
    for (series, is_complete) in [(complete.as_slice(), true), (incomplete, false)] {
        for (rule, of) in counting_rules(rules) {
            for (number, index) in counted(series, rule, of) {
                add(index, Reason::Counted { rule, number, of, is_complete });
            }
        }
    }
    if let Some((index, _)) = complete.last() {
        add(*index, Reason::LastComplete);
    }
    if let Some((index, _)) = incomplete.last() {
        add(*index, Reason::Latest);
    }
    reasons
}

/// What a rule keeps of a series, oldest first, counted from the latest on: a number from 1, and the archive's index.
fn counted(series: &[(usize, Moment)], rule: Rule, of: u32) -> Vec<(u32, usize)> {
    let mut last = None;
    let latest_of_each = series.iter().rev().filter(|(_, moment)| match rule {
        Rule::Last => true,
        Rule::Periods(period) => {
            let this = Some(period.of(moment.taken));
            std::mem::replace(&mut last, this) != this
        }
    });
    (1..=of).zip(latest_of_each.map(|(index, _)| *index)).collect()
}

#[cfg(test)]
mod tests;
