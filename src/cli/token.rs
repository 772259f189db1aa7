//! `rillmark token`: signs a token for a subscriber, with the secret that the service has.
//!
//! It is for trying things out and for scripts; an application signs its own, with any library for JWT.
//!
//! **Source:** RFC 7519; `openapi/protocol.md`, "Tokens".

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};

use super::arguments::hidden_setting_args;
use super::{Failure, out};
use crate::auth::token::SUBJECT_BYTES_MAX;
use crate::auth::{NewToken, Pattern, Tokens};
use crate::config::table::ACCESS_GROUP;
use crate::config::{Mistake, Mistakes, Settings};

/// The longest time ahead that is taken: a hundred years.
const AHEAD_MAX: Duration = Duration::from_secs(100 * 365 * 86_400);

pub(super) fn command() -> Command {
    let channels = |name: &'static str, help: &'static str| {
        let arg = Arg::new(name).long(name).value_name("CHANNEL").action(ArgAction::Append).value_delimiter(',');
        arg.value_parser(|text: &str| text.parse::<Pattern>()).help(help)
    };
    let ttl = Arg::new("ttl").long("ttl").value_name("TIME").default_value("1h").value_parser(time);
    let until = Arg::new("until").long("until").value_name("TIME").value_parser(deadline);
    let sub = Arg::new("sub").long("sub").value_name("NAME").value_parser(subject);
    Command::new("token")
        .about("Sign a token for a subscriber and print it")
        .after_help(
            "A CHANNEL is a name, or the beginning of names and a `*`; several by comma, or the flag again. A TIME is a \
             number and s, m, h or d. It signs with the first of RILLMARK_TOKEN_SECRET. Takes the flags of all settings, \
             as `rillmark --help` lists them. A token that is to stand in a URL may live for 60 s at most.",
        )
        .arg(channels("subscribe", "Channels that it lets its holder watch"))
        .arg(channels("publish", "Channels that it lets its holder write, as a browser may"))
        .arg(channels("cancel", "Channels that it lets its holder stop streams of"))
        .group(ArgGroup::new("channels").args(["subscribe", "publish", "cancel"]).multiple(true).required(true))
        .arg(ttl.help("How long something may be opened with it"))
        .arg(until.help("When what was opened with it ends: a TIME from now, or @ and seconds since 1970 [default: --ttl]"))
        .arg(sub.help("Whose it is: rates and connections of one NAME are counted together"))
        .args(hidden_setting_args())
}

pub(super) fn run(matches: &ArgMatches, settings: &Settings) -> Result<ExitCode, Failure> {
    let auth = settings.check_group(ACCESS_GROUP)?.options.auth;
    let tokens = Tokens::new(&auth.token_secrets, &auth.token_audience);
    let patterns =
        |name: &str| matches.get_many::<Pattern>(name).map(|found| found.cloned().collect()).unwrap_or_default();
    let now = SystemTime::now();
    let ttl = matches.get_one::<Duration>("ttl").copied().expect("it has a default");
    let new = NewToken {
        subscribe: patterns("subscribe"),
        publish: patterns("publish"),
        cancel: patterns("cancel"),
        subject: matches.get_one::<String>("sub").cloned(),
        expires: now + ttl,
        until: matches.get_one::<Deadline>("until").map(|deadline| deadline.after(now)),
    };
    let token = tokens.sign(new).ok_or_else(|| {
        let fault = "expected a secret to sign with, found none".to_owned();
        Mistakes(vec![Mistake { place: "RILLMARK_TOKEN_SECRET".to_owned(), fault }])
    })?;
    Ok(out::say(&format!("{token}\n")))
}

/// When something ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deadline {
    In(Duration),
    At(Duration),
}

impl Deadline {
    fn after(self, now: SystemTime) -> SystemTime {
        match self {
            Self::In(time) => now + time,
            Self::At(since_1970) => UNIX_EPOCH + since_1970,
        }
    }
}

fn deadline(text: &str) -> Result<Deadline, String> {
    let Some(seconds) = text.strip_prefix('@') else { return time(text).map(Deadline::In) };
    // The year 9999 is as far as a token can say.
    let seconds = seconds.parse::<u64>().ok().filter(|seconds| *seconds <= 253_402_300_799);
    let seconds = seconds.ok_or("expected @ and seconds since 1970, such as @1767225600")?;
    Ok(Deadline::At(Duration::from_secs(seconds)))
}

/// `60s`, `15m`, `1h`, `7d`.
fn time(text: &str) -> Result<Duration, String> {
    let parsed = text.split_at_checked(text.len().saturating_sub(1)).and_then(|(digits, unit)| {
        let seconds_each = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return None,
        };
        let number = digits.parse::<u64>().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()))?;
        number.checked_mul(seconds_each).map(Duration::from_secs)
    });
    let fits = parsed.filter(|time| !time.is_zero() && *time <= AHEAD_MAX);
    fits.ok_or_else(|| "expected a number and s, m, h or d, such as 90s or 1h, and at most a hundred years".to_owned())
}

fn subject(text: &str) -> Result<String, String> {
    let fits = (1..=SUBJECT_BYTES_MAX).contains(&text.len());
    fits.then(|| text.to_owned()).ok_or_else(|| format!("expected 1 to {SUBJECT_BYTES_MAX} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_with_a_unit() {
        for (text, seconds) in [("1s", 1), ("90s", 90), ("15m", 900), ("1h", 3_600), ("7d", 604_800)] {
            assert_eq!(time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "s", "h1", "1", "0s", "-1h", "+1h", "1.5h", "1 h", "1w", "99999999999d", "36501d", "1ü"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn deadlines_are_from_now_or_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        assert_eq!(deadline("1m").unwrap().after(now), UNIX_EPOCH + Duration::from_secs(1_060));
        assert_eq!(deadline("@5").unwrap().after(now), UNIX_EPOCH + Duration::from_secs(5));
        for text in ["@", "@1h", "@-1", "@253402300800", "soon"] {
            assert!(deadline(text).is_err(), "{text}");
        }
    }
}
