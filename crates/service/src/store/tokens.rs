//! Who may ask for what.
//!
//! A token is 256 random bits; the database has its SHA-256, which is enough for a secret that
//! nobody can guess.

use std::{collections::HashMap, fmt};

use rand::{RngCore, rngs::OsRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::Row;
use thiserror::Error;
use utoipa::ToSchema;

use super::{Result, Store, StoreError, rows};

/// Longest name of a token.
const MAX_NAME: usize = 100;

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// To see jobs, models, figures and proofs.
    Read,
    /// To submit jobs.
    Submit,
    /// To cancel jobs and to try them again.
    Manage,
    /// To scrape the metrics.
    Metrics,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Read, Self::Submit, Self::Manage, Self::Metrics];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Submit => "submit",
            Self::Manage => "manage",
            Self::Metrics => "metrics",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Scope {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        let found = Self::ALL.into_iter().find(|scope| scope.name() == name);
        found.ok_or_else(|| format!("{name} is no scope: read, submit, manage or metrics"))
    }
}

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Token {
    /// Its id, which jobs name as their client.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// When it was made, milliseconds since 1970.
    pub created_ms: u64,
    /// When it was revoked.
    pub revoked_ms: Option<u64>,
}

/// Why there is no token.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// There is one of this name.
    #[error("there is a token called {0} already: revoke it, or choose another name")]
    Taken(String),
    /// There is none.
    #[error("there is no token called {0}")]
    Unknown(String),
    /// It has no name that can be read.
    #[error("a token's name is 1 to {MAX_NAME} printable characters")]
    Name,
    /// It would allow nothing.
    #[error("a token without a scope allows nothing")]
    NoScope,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A secret that nobody can guess.
pub fn new_secret() -> String {
    let mut random = [0; 32];
    OsRng.fill_bytes(&mut random);
    format!("vdt_{}", hex::encode(random))
}

/// What the database has of a secret.
pub fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

fn token(row: &sqlx::any::AnyRow) -> Result<Token> {
    let scopes: String = row.try_get("scopes")?;
    let parsed = scopes.split(',').map(str::parse).collect::<std::result::Result<_, String>>();
    Ok(Token {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        scopes: parsed.map_err(|_| rows::corrupt("tokens.scopes", scopes))?,
        created_ms: rows::unsigned(row, "created_ms")?,
        revoked_ms: rows::maybe_unsigned(row, "revoked_ms")?,
    })
}

impl Store {
    /// Makes a token. Its secret is returned, and is nowhere else.
    ///
    /// # Errors
    /// There is one of the name, the name is none, or it has no scope.
    pub async fn create_token(
        &self,
        name: &str,
        scopes: &[Scope],
    ) -> std::result::Result<(Token, String), TokenError> {
        let secret = new_secret();
        Ok((self.admit_token(name, scopes, &secret).await?, secret))
    }

    /// Makes a token of a secret of [`new_secret`].
    ///
    /// # Errors
    /// There is one of the name, the name is none, or it has no scope.
    pub async fn admit_token(
        &self,
        name: &str,
        scopes: &[Scope],
        secret: &str,
    ) -> std::result::Result<Token, TokenError> {
        // It is a line of a list, and a word of an answer.
        let printable = |c: char| !c.is_control() && (c == ' ' || !c.is_whitespace());
        if !(1..=MAX_NAME).contains(&name.chars().count()) || !name.chars().all(printable) {
            return Err(TokenError::Name);
        }
        let mut scopes = scopes.to_vec();
        scopes.sort_unstable();
        scopes.dedup();
        if scopes.is_empty() {
            return Err(TokenError::NoScope);
        }
        let names: Vec<&str> = scopes.iter().map(|scope| scope.name()).collect();
        let made = sqlx::query(
            "INSERT INTO tokens (id, name, hash, scopes, created_ms) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (name) DO NOTHING RETURNING *",
        )
        .bind(self.new_id())
        .bind(name)
        .bind(hash(secret))
        .bind(names.join(","))
        .bind(rows::integer(self.now_ms()))
        .fetch_optional(&self.pool)
        .await
        .map_err(StoreError::from)?;
        let made = made.ok_or_else(|| TokenError::Taken(name.to_owned()))?;
        Ok(token(&made)?)
    }

    /// All tokens, oldest first.
    ///
    /// # Errors
    /// The database fails.
    pub async fn tokens(&self) -> Result<Vec<Token>> {
        let found = sqlx::query("SELECT * FROM tokens ORDER BY id").fetch_all(&self.pool).await?;
        found.iter().map(token).collect()
    }

    /// Ends a token, and frees its name.
    ///
    /// # Errors
    /// There is none of the name.
    pub async fn revoke_token(&self, name: &str) -> std::result::Result<(), TokenError> {
        let done = sqlx::query(
            "UPDATE tokens SET revoked_ms = $1, name = name || ' (revoked ' || id || ')'
             WHERE name = $2 AND revoked_ms IS NULL",
        )
        .bind(rows::integer(self.now_ms()))
        .bind(name)
        .execute(&self.pool)
        .await
        .map_err(StoreError::from)?;
        match done.rows_affected() {
            0 => Err(TokenError::Unknown(name.to_owned())),
            _ => Ok(()),
        }
    }

    /// The tokens that were not revoked, by the hash of their secrets ([`hash`]).
    ///
    /// # Errors
    /// The database fails.
    pub async fn valid_tokens(&self) -> Result<HashMap<String, Token>> {
        let found = sqlx::query("SELECT * FROM tokens WHERE revoked_ms IS NULL")
            .fetch_all(&self.door)
            .await?;
        found.iter().map(|row| Ok((row.try_get("hash")?, token(row)?))).collect()
    }
}
