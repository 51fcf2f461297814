//! Tokens of the shop's programs: who they are and what they may ask for. Secrets come here as digests already.

use super::{Error, Row, Tx};
use crate::domain::{Digest, Micros, Scope};

/// A program of the shop that may ask for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What the shop calls it; the history names it as who decided.
    pub name: String,
    /// What it may ask for.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Micros,
}

const TOKEN: &str = "SELECT name, scopes, created_at FROM tokens";

fn token(row: Row<'_>) -> Result<Token, Error> {
    let name: String = row.get(0)?;
    let words: String = row.get(1)?;
    let scopes = words
        .split_whitespace()
        .map(|word| word.parse().map_err(|_| Error::Damaged(format!("the token `{name}` has the scope `{word}`"))));
    Ok(Token { scopes: scopes.collect::<Result<_, _>>()?, name, created_at: Micros(row.get(2)?) })
}

impl Tx<'_> {
    /// Keeps a token; false when there is one of that name.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn token_add(&self, name: &str, hash: &Digest, scopes: &[Scope], now: Micros) -> Result<bool, Error> {
        let words: Vec<&str> = scopes.iter().map(|scope| scope.word()).collect();
        let added = self.execute(
            "INSERT INTO tokens (name, hash, scopes, created_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name) DO NOTHING",
            (name, hash.0.as_slice(), words.join(" "), now.0),
        )?;
        Ok(added > 0)
    }

    /// The token of a secret with this digest.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn token(&self, hash: &Digest) -> Result<Option<Token>, Error> {
        self.first(&format!("{TOKEN} WHERE hash = ?1"), [hash.0.as_slice()], token)
    }

    /// All tokens, by the bytes of their names.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn tokens(&self) -> Result<Vec<Token>, Error> {
        let mut all = self.rows(TOKEN, [], token)?;
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// Forgets a token, which opens nothing from then on; false when there is none of that name.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn token_remove(&self, name: &str) -> Result<bool, Error> {
        Ok(self.execute("DELETE FROM tokens WHERE name = ?1", [name])? > 0)
    }
}
