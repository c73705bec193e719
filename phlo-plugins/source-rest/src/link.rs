//! The `Link` header of RFC 8288, as far as paging needs it: where is `rel=next`?

/// The target of the first link whose relations include `next`, as it stands there.
pub(crate) fn next(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some(start) = rest.find('<') {
        let after = &rest[start + 1..];
        let (target, params) = after.split_at(after.find('>')?);
        let (params, following) = split_params(&params[1..]);
        if params.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case("rel")
                && value.split_ascii_whitespace().any(|rel| rel.eq_ignore_ascii_case("next"))
        }) {
            return Some(target.trim());
        }
        rest = following;
    }
    None
}

/// The parameters of one link, and what follows the comma that ends it.
fn split_params(mut text: &str) -> (Vec<(&str, &str)>, &str) {
    let mut params = Vec::new();
    loop {
        text = text.trim_start();
        let Some(after) = text.strip_prefix(';') else {
            return (params, text.strip_prefix(',').unwrap_or(text));
        };
        let end = after.find(['=', ';', ',']).unwrap_or(after.len());
        let (name, mut tail) = after.split_at(end);
        let mut value = "";
        if let Some(given) = tail.strip_prefix('=') {
            let given = given.trim_start();
            // A quoted value may hold commas and semicolons; of escapes within it only their end matters here.
            let end = match given.strip_prefix('"') {
                Some(quoted) => 1 + end_of_quoted(quoted),
                None => given.find([';', ',']).unwrap_or(given.len()),
            };
            value = given[..end].trim().trim_matches('"');
            tail = given[end..].strip_prefix('"').unwrap_or(&given[end..]);
        }
        params.push((name.trim(), value));
        text = tail;
    }
}

fn end_of_quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn the_next_link_is_found_among_others() {
        for (header, want) in [
            (r#"<https://a/x?page=2>; rel="next""#, Some("https://a/x?page=2")),
            ("<https://a/x?page=2>;rel=next", Some("https://a/x?page=2")),
            (r#"<a?p=1>; rel="prev", <a?p=3>; rel="next", <a?p=9>; rel="last""#, Some("a?p=3")),
            (r#"<a?ids=1,2;3>; title="one, <two>; \" rel=next"; REL="last Next""#, Some("a?ids=1,2;3")),
            (r#"<a>; rel="last"; title="rel=next", <b>; crossorigin; rel = next"#, Some("b")),
            (r#"<a>; rel="nextish""#, None),
            ("<a; rel=next", None),
            ("<a>; rel=\"next", Some("a")),
            ("", None),
        ] {
            assert_eq!(next(header), want, "{header}");
        }
    }
}
