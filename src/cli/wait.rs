//! `reunite wait`: until nothing received is undecided.

use std::path::Path;
use std::time::{Duration, Instant};

use super::{Outcome, customer, folder};
use crate::catalogue::Undecided;
use crate::domain::Micros;
use crate::report::text::{count, duration};

/// How often the catalogue is asked.
const POLL: Duration = Duration::from_millis(200);

/// Arguments of `reunite wait`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Give up after this long: 90s, 10m, 2h
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = parse_time)]
    timeout: Duration,
    /// Wait for this customer's uploads only
    #[arg(long, value_name = "NAME")]
    customer: Option<String>,
}

pub(super) fn run(data: &Path, args: &Args) -> anyhow::Result<Outcome> {
    let catalogue = folder::open(data)?;
    let of = catalogue.read(|tx| -> anyhow::Result<_> {
        args.customer.as_deref().map(|name| Ok(customer::named(tx, name)?.id)).transpose()
    })?;
    let end = Instant::now() + args.timeout;
    let mut told = false;
    loop {
        let undecided = catalogue.read(|tx| tx.undecided(of))?;
        if undecided.is_nothing() {
            tell_held(&undecided);
            return Ok(Outcome::Done);
        }
        if !told && folder::is_served(data) == Some(false) {
            eprintln!("no server works on `{0}`; start one with `reunite --data {0} serve`", data.display());
            told = true;
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            eprintln!("the time is over, and still undecided: {}", in_words(&undecided));
            tell_held(&undecided);
            return Ok(Outcome::TimedOut);
        }
        std::thread::sleep(left.min(POLL));
    }
}

fn tell_held(undecided: &Undecided) {
    if undecided.held > 0 {
        eprintln!("{}", held(undecided));
    }
}

/// How many files have a client's temporary name, and for how long they are held.
pub(super) fn held(undecided: &Undecided) -> String {
    let left = undecided.held_until.map_or(0, |until| (until.0 - Micros::now().0).div_euclid(1_000_000) + 1);
    let verb = if undecided.held == 1 { "has" } else { "have" };
    format!(
        "{} {verb} a client's temporary name and wait for the rename, at most another {}",
        count(undecided.held, "file"),
        duration(left)
    )
}

/// What is undecided, in words.
fn in_words(undecided: &Undecided) -> String {
    let parts = [
        (undecided.uploads, "upload"),
        (undecided.thumbnails, "new thumbnail"),
        (undecided.images, "picture to compare again"),
        (undecided.recipes, "look at what the certain pairs teach"),
        (undecided.customers, "customer to decide about"),
    ];
    let parts = parts.iter().filter(|(number, _)| *number > 0);
    parts
        .map(|&(number, thing)| if number == 1 { format!("1 {thing}") } else { plural(number, thing) })
        .collect::<Vec<_>>()
        .join(", ")
}

fn plural(number: u64, thing: &str) -> String {
    match thing.split_once(' ') {
        Some((noun @ ("picture" | "customer"), rest)) => format!("{number} {noun}s {rest}"),
        _ => format!("{number} {thing}s"),
    }
}

/// A time as people write it: a number with `s`, `m` or `h`; without one, seconds.
fn parse_time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|end: char| !end.is_ascii_digit());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        _ => return Err("it is no time; write 90s, 10m or 2h".into()),
    };
    let number: f64 = digits.parse().map_err(|_| "it is no time; write 90s, 10m or 2h".to_owned())?;
    Duration::try_from_secs_f64(number * unit)
        .ok()
        .filter(|time| *time < Duration::from_secs(10 * 365 * 86_400))
        .ok_or_else(|| "it is no time that can be waited for".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, seconds) in
            [("90", 90.0), ("90s", 90.0), ("10m", 600.0), ("2h", 7_200.0), ("0.5s", 0.5), ("250ms", 0.25)]
        {
            assert_eq!(parse_time(text).unwrap().as_secs_f64(), seconds, "{text}");
        }
        for bad in ["", "m", "10 parsecs", "-1s", "1e300h", "s10"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_left_is_said_in_words() {
        let undecided = Undecided { uploads: 2, images: 1, customers: 3, ..Undecided::default() };
        assert_eq!(in_words(&undecided), "2 uploads, 1 picture to compare again, 3 customers to decide about");
    }
}
