//! Tokens: found by their secret, which the database does not have.

use verdict_service::store::{Scope, TokenError, hash};

use crate::common::on_both;

#[test]
fn a_token_is_found_by_its_secret_until_it_is_revoked() {
    on_both(async |place| {
        let (token, secret) =
            place.store.create_token("desk", &[Scope::Submit, Scope::Read]).await.expect("made");
        assert_eq!(token.scopes, [Scope::Read, Scope::Submit]);
        let valid = place.store.valid_tokens().await.expect("found");
        assert_eq!(valid.get(&hash(&secret)), Some(&token));
        assert_eq!(valid.len(), 1);
        let shown = format!("{:?}", place.store.tokens().await.expect("tokens"));
        assert!(!shown.contains(&secret[4..]), "{shown}");
        let taken = place.store.create_token("desk", &[Scope::Read]).await;
        assert!(matches!(taken, Err(TokenError::Taken(_))), "{taken:?}");
        assert!(matches!(place.store.create_token("x", &[]).await, Err(TokenError::NoScope)));
        let long = "x".repeat(101);
        for name in ["", "a\nb", "a\u{1b}[2J", "a\u{2028}b", &long] {
            let refused = place.store.create_token(name, &[Scope::Read]).await;
            assert!(matches!(refused, Err(TokenError::Name)), "{name:?}: {refused:?}");
        }

        place.store.revoke_token("desk").await.expect("revoked");
        assert!(place.store.valid_tokens().await.expect("looked").is_empty());
        let again = place.store.revoke_token("desk").await;
        assert!(matches!(again, Err(TokenError::Unknown(_))), "{again:?}");
        // Its name is free again, and what was done with the old one is not the new one's.
        let (other, _) = place.store.create_token("desk", &[Scope::Read]).await.expect("made");
        assert_ne!(other.id, token.id);
        assert_eq!(place.store.tokens().await.expect("tokens").len(), 2);
    });
}
