//! Addresses of nodes. They often hold an API key, so nothing but scheme, host and port is
//! ever shown, and a node's own words are searched for the rest before they are.

use std::{convert::Infallible, fmt, str::FromStr};

use alloy::transports::http::reqwest::Url;

/// Shown in place of a secret.
const HIDDEN: &str = "…";
/// Shorter parts of an URL (`rpc`, `v3`, `eth`) are no secrets.
const SHORTEST_SECRET: usize = 6;

/// The URL of a JSON-RPC endpoint. Neither `Debug` nor `Display` shows its user part, path
/// or query. Whether it is one is checked when a [`super::Node`] is made of it.
#[derive(Clone, PartialEq, Eq)]
pub struct RpcUrl(String);

impl RpcUrl {
    /// The URL, or `None` if the text is not one of http or https with a host.
    pub(super) fn parse(&self) -> Option<Url> {
        let url: Url = self.0.trim().parse().ok()?;
        (matches!(url.scheme(), "http" | "https") && url.host_str().is_some()).then_some(url)
    }
}

impl From<String> for RpcUrl {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for RpcUrl {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl FromStr for RpcUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl fmt::Display for RpcUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.trim().parse::<Url>() {
            Ok(url) if url.host_str().is_some() => {
                write!(f, "{}://{}", url.scheme(), url.host_str().unwrap_or_default())?;
                url.port().map_or(Ok(()), |port| write!(f, ":{port}"))
            }
            _ => f.write_str("an invalid URL"),
        }
    }
}

impl fmt::Debug for RpcUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The parts of a URL that are nobody's business.
#[derive(Clone)]
pub(super) struct Secrets(Vec<String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Secrets {
    pub(super) fn of(url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default();
        let segments = url.path_segments().into_iter().flatten();
        let query = url.query().into_iter().flat_map(|query| query.split(['&', '=']));
        let decoded: Vec<String> = url.query_pairs().map(|(_, value)| value.into_owned()).collect();
        let mut parts: Vec<String> = (segments.chain(query).chain(url.password()))
            .chain([url.username(), url.fragment().unwrap_or_default()])
            .map(str::to_owned)
            .chain(decoded)
            .filter(|part| part.len() >= SHORTEST_SECRET && !host.contains(part.as_str()))
            .collect();
        // A part of another one must not leave the rest of it behind.
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        Self(parts)
    }

    /// `text` without any of them.
    pub(super) fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_url_shows_scheme_host_and_port_only() {
        let url =
            RpcUrl::from("https://user:hunter2@node.example:8443/v3/s3cr3t?key=s3cr3t#s3cr3t");
        for shown in [format!("{url}"), format!("{url:?}"), format!("{:?}", vec![url])] {
            assert_eq!(shown.trim_matches(['[', ']']), "https://node.example:8443");
        }
        for text in ["no url s3cr3t", "s3cr3t", "", "data:s3cr3t"] {
            assert_eq!(RpcUrl::from(text).to_string(), "an invalid URL");
            assert!(RpcUrl::from(text).parse().is_none());
        }
        assert!(RpcUrl::from("ftp://node").parse().is_none());
    }

    #[test]
    fn words_of_a_node_that_hold_parts_of_the_url_are_scrubbed() {
        let url: Url = "https://anna12:pass%20word@node.example/v3/k3yk3yk3y?token=t0k%2Fen00&x=1"
            .parse()
            .expect("a URL");
        let secrets = Secrets::of(&url);
        let words = "key k3yk3yk3y of anna12 is wrong at node.example/v3 (t0k%2Fen00, t0k/en00)";
        assert_eq!(secrets.hide(words), "key … of … is wrong at node.example/v3 (…, …)");
        assert_eq!(format!("{secrets:?}"), HIDDEN);
    }
}
