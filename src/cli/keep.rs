//! Which archives are kept, as flags.

use clap::Args;

use crate::retention::Retention;

/// Which archives are kept. Each rule adds to what is kept.
#[derive(Debug, Args)]
pub(super) struct KeepArguments {
    /// Keep all that are at most N days old
    #[arg(long, value_name = "N", value_parser = positive(), help_heading = "What is kept")]
    pub keep_days: Option<u32>,

    /// Keep the latest N
    #[arg(long, value_name = "N", value_parser = positive(), help_heading = "What is kept")]
    pub keep_last: Option<u32>,

    /// Keep the latest of each of the last N days that have one
    #[arg(long, value_name = "N", value_parser = positive(), help_heading = "What is kept")]
    pub keep_daily: Option<u32>,

    /// Keep the latest of each of the last N weeks, Monday to Sunday
    #[arg(long, value_name = "N", value_parser = positive(), help_heading = "What is kept")]
    pub keep_weekly: Option<u32>,

    /// Keep the latest of each of the last N months
    #[arg(long, value_name = "N", value_parser = positive(), help_heading = "What is kept")]
    pub keep_monthly: Option<u32>,

    /// Keep the latest of each of the last N years
    #[arg(long, value_name = "N", value_parser = positive(), help_heading = "What is kept")]
    pub keep_yearly: Option<u32>,
}

/// A number from 1.
fn positive() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..)
}

impl KeepArguments {
    /// The rules that were given; `None` where none was.
    pub(super) fn rules(&self) -> Option<Retention> {
        let rules = Retention {
            keep_days: self.keep_days,
            keep_last: self.keep_last,
            keep_daily: self.keep_daily,
            keep_weekly: self.keep_weekly,
            keep_monthly: self.keep_monthly,
            keep_yearly: self.keep_yearly,
        };
        (rules != Retention::default()).then_some(rules)
    }
}
