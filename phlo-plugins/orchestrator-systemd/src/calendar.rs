//! Five cron fields as systemd's calendar events.

use phlo_plugin::Result;
use phlo_plugin::kinds::agreed_cron;
use phlo_spec::Cron;

/// In systemd's order, each with its number in cron.
const WEEKDAYS: [(&str, u32); 7] = [("Mon", 1), ("Tue", 2), ("Wed", 3), ("Thu", 4), ("Fri", 5), ("Sat", 6), ("Sun", 0)];

/// The values of `OnCalendar` that together mean what the cron fields mean: two where either of two kinds of days will do.
///
/// # Errors
/// `P1004` if the fields are none, or programs for cron disagree on what they mean.
pub fn on_calendar(cron: &str, timezone: Option<&str>) -> Result<Vec<String>> {
    let fields = agreed_cron(cron)?;
    let zone = timezone.unwrap_or("UTC");
    let set = |set: u64, all: bool, width: usize| if all { "*".to_owned() } else { Cron::list(set, width, "..") };
    let months = set(fields.months, fields.months == 0x1ffe, 2);
    let time = format!(
        "{}:{}:00 {zone}",
        set(fields.hours, fields.hours == (1 << 24) - 1, 2),
        set(fields.minutes, fields.minutes == (1 << 60) - 1, 2)
    );
    let on_days = || format!("*-{months}-{} {time}", set(fields.days, fields.every_day(), 2));
    let on_weekdays = || format!("{} *-{months}-* {time}", weekdays(fields.weekdays));
    Ok(match (fields.either_day(), fields.every_weekday()) {
        (true, _) if !fields.day_comes() => vec![on_weekdays()],
        (true, _) => vec![on_days(), on_weekdays()],
        (false, true) => vec![on_days()],
        (false, false) => vec![on_weekdays()],
    })
}

fn weekdays(set: u64) -> String {
    let named = WEEKDAYS.iter().filter(|(_, day)| set & (1 << day) != 0);
    named.map(|(name, _)| *name).collect::<Vec<_>>().join(",")
}
