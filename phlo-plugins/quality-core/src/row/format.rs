//! `format`, `date_format`, `json`.

use std::net::Ipv6Addr;

use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray};
use arrow_schema::DataType;
use chrono::format::{Item, Parsed, StrftimeItems, parse};
use jsonschema::{PatternOptions, Validator};
use phlo_plugin::prelude::*;
use phlo_plugin::quality::{quote, quote_text};
use phlo_spec::text::one_line;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Texts, dates, of_texts};
use crate::params::{self, invalid};

/// Rows whose text a function calls good; null is. A dictionary's texts are judged as they stand in the rows.
fn judged(column: &str, good: impl Fn(&str) -> bool + Send + Sync + 'static) -> Evaluation {
    let column = column.to_owned();
    Evaluation::mask(move |batch| {
        let Some(texts) = batch.column_by_name(&column) else {
            return Err(Error::new(Code::UnknownColumn, format!("the column `{column}` is not there")));
        };
        let texts = arrow_cast::cast(texts, &DataType::LargeUtf8).map_err(|err| {
            Error::new(Code::CheckErrored, format!("the column `{column}` cannot be read as text")).because(err)
        })?;
        let texts = texts.as_string::<i64>();
        Ok((0..texts.len()).map(|at| texts.is_valid(at).then(|| good(texts.value(at)))).collect::<BooleanArray>())
    })
}

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `name@host.tld`, as HTML forms have it, with a dot in the host.
    Email,
    /// `http`, `https` or `ftp` with a host.
    Url,
    /// 32 hexadecimal digits in five groups.
    Uuid,
    /// Four numbers up to 255, without leading zeros.
    Ipv4,
    /// An IPv6 address, shortened or not.
    Ipv6,
    /// An international bank account number, check digits included; spaces are allowed.
    Iban,
    /// An ISBN of 10 or 13 digits, check digit included; hyphens and spaces are allowed.
    Isbn,
    /// A vehicle identification number, check digit included.
    Vin,
    /// A payment card's number of 12 to 19 digits, check digit (Luhn) included; hyphens and spaces are allowed.
    CreditCard,
    /// A United States social security number, `123-45-6789`, of a group that is issued.
    Ssn,
    /// `GET`, `HEAD`, `POST`, `PUT`, `DELETE`, `CONNECT`, `OPTIONS`, `TRACE` or `PATCH`.
    HttpMethod,
    /// A postal code of `country`.
    Postcode,
    /// `#rgb`, `#rgba`, `#rrggbb` or `#rrggbbaa`.
    HexColour,
}

enum Way {
    Pattern(&'static str),
    Function(fn(&str) -> bool),
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Url => "url",
            Self::Uuid => "uuid",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Iban => "iban",
            Self::Isbn => "isbn",
            Self::Vin => "vin",
            Self::CreditCard => "credit_card",
            Self::Ssn => "ssn",
            Self::HttpMethod => "http_method",
            Self::Postcode => "postcode",
            Self::HexColour => "hex_colour",
        }
    }

    fn way(self) -> Option<Way> {
        Some(match self {
            Self::Email => Way::Pattern(
                r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+",
            ),
            Self::Url => Way::Pattern(
                r"(?i:https?|ftp)://(?:[^\s/?#@]+@)?(?:[^\s/?#@:\[\].]+(?:\.[^\s/?#@:\[\].]+)*\.?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:[/?#]\S*)?",
            ),
            Self::Uuid => Way::Pattern("[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"),
            Self::Ipv4 => Way::Pattern(
                r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])",
            ),
            Self::Ssn => Way::Pattern(
                "(?:00[1-9]|0[1-9][0-9]|[1-57-8][0-9]{2}|6[0-57-9][0-9]|66[0-57-9])-(?:0[1-9]|[1-9][0-9])-(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})",
            ),
            Self::HttpMethod => Way::Pattern("GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH"),
            Self::HexColour => Way::Pattern("#(?:[0-9A-Fa-f]{3,4}|[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})"),
            Self::Ipv6 => Way::Function(|text| text.parse::<Ipv6Addr>().is_ok()),
            Self::Iban => Way::Function(iban),
            Self::Isbn => Way::Function(isbn),
            Self::Vin => Way::Function(vin),
            Self::CreditCard => Way::Function(card),
            Self::Postcode => return None,
        })
    }
}

/// Postal codes by ISO 3166 country.
const POSTCODES: &[(&str, &str)] = &[
    ("at", "[1-9][0-9]{3}"),
    ("au", "[0-9]{4}"),
    ("be", "[1-9][0-9]{3}"),
    ("br", "[0-9]{5}-?[0-9]{3}"),
    ("ca", "[ABCEGHJ-NPRSTVXY][0-9][ABCEGHJ-NPRSTV-Z] ?[0-9][ABCEGHJ-NPRSTV-Z][0-9]"),
    ("ch", "[1-9][0-9]{3}"),
    ("de", "[0-9]{5}"),
    ("dk", "[0-9]{4}"),
    ("es", "(?:0[1-9]|[1-4][0-9]|5[0-2])[0-9]{3}"),
    ("fr", "[0-9]{5}"),
    (
        "gb",
        "(?:GIR ?0AA|[A-PR-UWYZ](?:[0-9]{1,2}|[A-HK-Y][0-9]|[A-HK-Y][0-9][0-9ABEHMNPRV-Y]|[0-9][A-HJKPS-UW]) ?[0-9][ABD-HJLNP-UW-Z]{2})",
    ),
    ("in", "[1-9][0-9]{2} ?[0-9]{3}"),
    ("it", "[0-9]{5}"),
    ("jp", "[0-9]{3}-[0-9]{4}"),
    ("nl", "[1-9][0-9]{3} ?[A-Z]{2}"),
    ("no", "[0-9]{4}"),
    ("pl", "[0-9]{2}-[0-9]{3}"),
    ("se", "[0-9]{3} ?[0-9]{2}"),
    ("us", "[0-9]{5}(?:-[0-9]{4})?"),
];

/// Texts have a well-known format, such as an e-mail address.
///
/// The whole value has to be one. Where the format has check digits, they have to be right. Null passes (add `not_null` to refuse it); the
/// empty text has no format. There is no NaN among texts. An empty table passes. A column that is not of texts is refused. A violation is
/// a row.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FormatParams {
    /// The column, of texts.
    pub column: String,
    /// What they are: `email`, `url`, `uuid`, `ipv4`, `ipv6`, `iban`, `isbn`, `vin`, `credit_card`, `ssn`, `http_method`, `postcode` or
    /// `hex_colour`.
    pub format: Kind,
    /// For `postcode`, the ISO code of the country: at, au, be, br, ca, ch, de, dk, es, fr, gb, in, it, jp, nl, no, pl, se or us.
    #[serde(default)]
    pub country: Option<String>,
}

/// Makes `format` checks.
#[derive(Debug)]
pub struct Format;

impl Quality for Format {
    type Params = FormatParams;

    fn check(&self, params: FormatParams, target: &CheckTarget) -> Result<CheckPlan> {
        let FormatParams { column, format, country } = params;
        of_texts(target, &column)?;
        let known = || POSTCODES.iter().map(|(country, _)| *country);
        let way = match (format.way(), &country) {
            (Some(_), Some(_)) => {
                return Err(invalid("`country` is for the format `postcode`").hint("remove `country`"));
            }
            (Some(way), None) => way,
            (None, None) => {
                return Err(invalid("`country` is missing, which a `postcode` needs").hint("write e.g. `country: us`"));
            }
            (None, Some(country)) => {
                let lower = country.to_lowercase();
                let found = POSTCODES.iter().find(|(known, _)| *known == lower);
                let list = known().collect::<Vec<_>>().join(", ");
                let unknown = || {
                    invalid(format!("`country` is `{country}`, whose postal codes are not known")).suggest(
                        &lower,
                        known(),
                        format!("countries: {list}"),
                    )
                };
                Way::Pattern(found.ok_or_else(unknown)?.1)
            }
        };
        let evaluation = match way {
            Way::Pattern(pattern) => Evaluation::rows(format!(
                "regexp_like({}, {})",
                quote(&column),
                quote_text(&format!("^(?:{pattern})$"))
            )),
            Way::Function(good) => judged(&column, good),
        };
        let name = format.name();
        let of = country.map(|country| format!(" of {}", country.to_lowercase())).unwrap_or_default();
        let plan = CheckPlan::new(
            check_name("format", &format!("{column}, {name}{of}")),
            format!("{column} {name}{of}"),
            evaluation,
        );
        Ok(plan.on(vec![column]))
    }
}

/// Characters that are not spaces or hyphens.
fn packed(text: &str, between: &[char]) -> Option<Vec<u8>> {
    let framed = text.starts_with(between) || text.ends_with(between);
    let bytes: Vec<u8> = text.bytes().filter(|byte| !between.contains(&char::from(*byte))).collect();
    (!framed && bytes.is_ascii()).then_some(bytes)
}

fn iban(text: &str) -> bool {
    let Some(bytes) = packed(text, &[' ']) else { return false };
    let shape = (15..=34).contains(&bytes.len())
        && bytes.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2..4].iter().all(u8::is_ascii_digit);
    // ISO 7064: with the first four characters last and letters as 10 to 35, the number is 1 modulo 97.
    let turned = || bytes[4..].iter().chain(&bytes[..4]);
    shape
        && turned().fold(0_u32, |rest, byte| match byte {
            b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
            letter => (rest * 100 + u32::from(letter - b'A') + 10) % 97,
        }) == 1
}

fn isbn(text: &str) -> bool {
    let Some(bytes) = packed(text, &[' ', '-']) else { return false };
    let digit = |byte: u8| u32::from(byte.wrapping_sub(b'0'));
    match bytes.len() {
        10 => {
            let (front, last) = bytes.split_at(9);
            let last = match last[0] {
                b'X' | b'x' => 10,
                byte if byte.is_ascii_digit() => digit(byte),
                _ => return false,
            };
            let sum: u32 = front.iter().zip((2..=10).rev()).map(|(byte, weight)| digit(*byte) * weight).sum();
            front.iter().all(u8::is_ascii_digit) && (sum + last).is_multiple_of(11)
        }
        13 => {
            let sum =
                || bytes.iter().zip([1, 3].iter().cycle()).map(|(byte, weight)| digit(*byte) * weight).sum::<u32>();
            let book = bytes.starts_with(b"978") || bytes.starts_with(b"979");
            bytes.iter().all(u8::is_ascii_digit) && book && sum().is_multiple_of(10)
        }
        _ => false,
    }
}

fn vin(text: &str) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let value = |byte: u8| {
        Some(match byte.to_ascii_uppercase() {
            digit @ b'0'..=b'9' => u32::from(digit - b'0'),
            letter @ b'A'..=b'H' => u32::from(letter - b'A') + 1,
            letter @ (b'J'..=b'N' | b'P' | b'R') => u32::from(letter - b'J') + 1,
            letter @ b'S'..=b'Z' => u32::from(letter - b'S') + 2,
            _ => return None,
        })
    };
    let values: Option<Vec<u32>> = text.bytes().map(value).collect();
    let Some(values) = values.filter(|values| values.len() == WEIGHTS.len()) else { return false };
    let check = match values.iter().zip(WEIGHTS).map(|(value, weight)| value * weight).sum::<u32>() % 11 {
        10 => b'X',
        digit => b'0' + digit as u8,
    };
    text.as_bytes()[8].to_ascii_uppercase() == check
}

fn card(text: &str) -> bool {
    let Some(bytes) = packed(text, &[' ', '-']) else { return false };
    let luhn = || {
        let digits = bytes.iter().rev().map(|byte| u32::from(byte - b'0')).enumerate();
        digits.map(|(at, digit)| if at % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 }).sum::<u32>()
    };
    (12..=19).contains(&bytes.len())
        && bytes.iter().all(u8::is_ascii_digit)
        && bytes.iter().any(|byte| *byte != b'0')
        && luhn().is_multiple_of(10)
}

/// Texts are dates or times of a format, of one of several, or of any that cannot be misread.
///
/// The whole value has to be of it, and a date or time that exists: `2013-02-30` is none. Null passes (add `not_null` to refuse it); the
/// empty text is no date. There is no NaN among texts. An empty table passes. A column that is not of texts is refused: its type says what
/// it is. A violation is a row.
///
/// Without `format`, letters are in any case, spaces are single, years have four digits, days, months and hours of the clock one or two,
/// and these are read:
///
/// - dates of ISO 8601: `2013-01-31`, `20130131`, `2013-031` (a day of the year), `2013-W05-4` and `2013W054` (a day of a week);
/// - dates whose year is first: `2013/1/31`, `2013.1.31`;
/// - dates whose month is an English name or its first three letters (`Sept` too), with or without a comma before the year and `st`,
///   `nd`, `rd` or `th` after the day: `31 January 2013`, `31-Jan-2013`, `January 31st, 2013`, `Jan 31 2013`;
/// - dates whose day is first, with points: `31.1.2013`;
/// - dates with slashes or hyphens whose day and month cannot be taken for each other, in either order: `31/1/2013`, `1/31/2013`,
///   `1-1-2013`, and not `1/2/2013`;
/// - before a date, the English name of its weekday or the first three letters: `Thu, 31 Jan 2013`, `Thursday January 31, 2013`;
/// - times, alone or after a date and a `T`, a space or a comma and a space: `9:05`, `23:59:59`, `23:59:59.123`, `11:59 PM`; a second may
///   be the 60th; then a zone: `Z`, `UTC`, `GMT`, `+01`, `+0100`, `+01:00`, with or without a space before;
/// - `20130131T2359`, `20130131T235959` and `Thu Jan 31 23:59:59 2013`;
/// - what RFC 3339 and RFC 2822 call a date and time, the older zones of the latter too: `Thu, 31 Jan 2013 23:59:59 EST`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DateFormatParams {
    /// The column, of texts; also written on its own: `date_format: filed_on`.
    pub column: String,
    /// The format in the letters of strftime, e.g. `%Y-%m-%d` or `%d.%m.%Y %H:%M:%S`; or a list of which one is enough; any of the above
    /// unless set.
    #[serde(default, deserialize_with = "params::given")]
    #[schemars(with = "Texts")]
    pub format: Option<Texts>,
}

/// Makes `date_format` checks.
#[derive(Debug)]
pub struct DateFormat;

impl Quality for DateFormat {
    type Params = DateFormatParams;
    const SHORTHAND: Option<&'static str> = Some("column");

    fn check(&self, params: DateFormatParams, target: &CheckTarget) -> Result<CheckPlan> {
        let DateFormatParams { column, format } = params;
        of_texts(target, &column)?;
        let Some(format) = format else {
            let plan = CheckPlan::new(
                check_name("date_format", &column),
                format!("{column} a date or time"),
                judged(&column, dates::read),
            );
            return Ok(plan.on(vec![column]));
        };
        if format.list().is_empty() {
            return Err(invalid("`format` is empty").hint("write e.g. `%Y-%m-%d`"));
        }
        let formats = format.list().iter().map(|format| items(format)).collect::<Result<Vec<_>>>()?;
        let name = check_name("date_format", &format!("{column}, {}", format.list().join(", ")));
        let expected = format!("{column} as {}", format.list().join(" or "));
        let evaluation = judged(&column, move |text| formats.iter().any(|items| dated(text, items)));
        Ok(CheckPlan::new(name, one_line(&expected), evaluation).on(vec![column]))
    }
}

fn items(format: &str) -> Result<Vec<Item<'static>>> {
    let items: Vec<Item<'static>> = StrftimeItems::new(format).map(Item::to_owned).collect();
    if items.contains(&Item::Error) {
        return Err(invalid(format!("`format` is `{format}`, which is no format")).hint("write e.g. `%Y-%m-%d`"));
    }
    if !items.iter().any(|item| matches!(item, Item::Numeric(..) | Item::Fixed(_))) {
        return Err(invalid(format!("`format` is `{format}`, which holds no part of a date or time"))
            .hint("write e.g. `%Y-%m-%d`"));
    }
    Ok(items)
}

/// Whether the text is of the format and its parts are of one date and time.
fn dated(text: &str, items: &[Item<'static>]) -> bool {
    let mut parsed = Parsed::new();
    if parse(&mut parsed, text, items.iter()).is_err() {
        return false;
    }
    let has_date =
        parsed.year().is_some() || parsed.month().is_some() || parsed.day().is_some() || parsed.ordinal().is_some();
    let has_time = parsed.hour_div_12().is_some() || parsed.hour_mod_12().is_some();
    if has_date {
        // What the format does not say is what any date has; a 29th of February is one in a leap year.
        let none = parsed.year_mod_100().is_none() && parsed.year_div_100().is_none() && parsed.isoyear().is_none();
        if parsed.year().is_none() && none && parsed.set_year(2000).is_err() {
            return false;
        }
        let unsaid = parsed.ordinal().is_none()
            && parsed.isoweek().is_none()
            && parsed.week_from_mon().is_none()
            && parsed.week_from_sun().is_none();
        if unsaid && parsed.month().is_none() && parsed.set_month(1).is_err() {
            return false;
        }
        if unsaid && parsed.day().is_none() && parsed.set_day(1).is_err() {
            return false;
        }
        if parsed.to_naive_date().is_err() {
            return false;
        }
    }
    // An hour alone is a time too.
    !has_time || parsed.minute().is_none() || parsed.to_naive_time().is_ok()
}

/// What a JSON document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Document {
    /// A map.
    Object,
    /// A list.
    Array,
}

/// Texts are JSON documents.
///
/// Null passes (add `not_null` to refuse it), and so does the JSON `null` unless `is`, `keys` or `schema` says otherwise; the empty text
/// is no document. NaN is no JSON. An empty table passes. A column that is not of texts is refused. A violation is a row.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonParams {
    /// The column, of texts; also written on its own: `json: payload`.
    pub column: String,
    /// `object` or `array`; any document unless set.
    #[serde(default)]
    pub is: Option<Document>,
    /// Keys that the object must have.
    #[serde(default)]
    pub keys: Vec<String>,
    /// A JSON Schema that the document keeps, of the draft that its `$schema` names or of 2020-12. Its `format`s are checked, its
    /// `pattern`s are regular expressions without backreferences and look-around, and it refers to nothing outside of itself.
    #[serde(default)]
    pub schema: Option<serde_json::Map<String, serde_json::Value>>,
}

fn validator(schema: serde_json::Map<String, serde_json::Value>) -> Result<Validator> {
    // Those of the crate's own choice can take a time that is exponential in the text's length.
    let patterns = PatternOptions::regex();
    let options = jsonschema::options().should_validate_formats(true).with_pattern_options(patterns);
    let made = options.build(&serde_json::Value::Object(schema));
    made.map_err(|err| {
        invalid(format!("`schema` is no JSON Schema that can be used: {err}")).hint("see https://json-schema.org")
    })
}

/// Makes `json` checks.
#[derive(Debug)]
pub struct Json;

impl Quality for Json {
    type Params = JsonParams;
    const SHORTHAND: Option<&'static str> = Some("column");

    fn check(&self, params: JsonParams, target: &CheckTarget) -> Result<CheckPlan> {
        let JsonParams { column, is, keys, schema } = params;
        of_texts(target, &column)?;
        if is == Some(Document::Array) && !keys.is_empty() {
            return Err(invalid("`keys` is given, and `is` is `array`, which has none").hint("remove one of them"));
        }
        let mut told = String::new();
        if let Some(is) = is {
            told.push_str(if is == Document::Object { " object" } else { " array" });
        }
        if !keys.is_empty() {
            told.push_str(&format!(" with {}", keys.join(", ")));
        }
        let by = schema.as_ref().map(|schema| format!(" by {}", serde_json::Value::Object(schema.clone())));
        let name = check_name("json", &format!("{column}{told}{}", by.unwrap_or_default()));
        let title = schema.as_ref().and_then(|schema| schema.get("title")).and_then(serde_json::Value::as_str);
        let by = match (title, schema.is_some()) {
            (Some(title), _) => format!(" by the schema `{title}`"),
            (None, true) => " by its schema".to_owned(),
            (None, false) => String::new(),
        };
        let expected = one_line(&format!("{column} a JSON document{told}{by}"));
        let schema = schema.map(validator).transpose()?;
        let evaluation = judged(&column, move |text| {
            if is.is_none() && keys.is_empty() && schema.is_none() {
                return serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
            }
            let Ok(document) = serde_json::from_str::<serde_json::Value>(text) else { return false };
            let is_kind = match is {
                Some(Document::Object) => document.is_object(),
                Some(Document::Array) => document.is_array(),
                None => keys.is_empty() || document.is_object(),
            };
            is_kind
                && keys.iter().all(|key| document.get(key).is_some())
                && schema.as_ref().is_none_or(|schema| schema.is_valid(&document))
        });
        Ok(CheckPlan::new(name, expected, evaluation).on(vec![column]))
    }
}
