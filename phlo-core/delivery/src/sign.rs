//! Signatures as the Standard Webhooks specification has them: HMAC-SHA256 over `id.timestamp.body`, in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use phlo_plugin::Result;
use phlo_spec::{Redactor, Secret};
use sha2::Sha256;

use crate::endpoint::invalid;

/// A secret that begins so is the key in base64.
const PREFIX: &str = "whsec_";

/// What signatures are made with.
#[derive(Clone)]
pub struct Key(Vec<u8>);

impl Key {
    /// The key of a secret: the bytes behind `whsec_`, in base64, as the specification writes keys; any other text is the key
    /// itself.
    ///
    /// # Errors
    /// A `secret` that is empty, or not base64 behind its prefix.
    pub fn new(secret: &Secret, redactor: &Redactor) -> Result<Self> {
        redactor.add(secret.expose());
        let key = match secret.expose().strip_prefix(PREFIX) {
            None => secret.expose().as_bytes().to_vec(),
            Some(encoded) => STANDARD
                .decode(encoded)
                .map_err(|_| invalid(format!("`secret` begins with `{PREFIX}`, and what follows is not base64")))?,
        };
        if key.is_empty() {
            return Err(invalid("`secret` is empty").hint("leave `secret` out to send unsigned"));
        }
        Ok(Self(key))
    }

    /// The value of the header `webhook-signature`.
    pub(crate) fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of every length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body.as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_example_has_its_signature() {
        // From the tests of the reference implementation.
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let key = Key::new(&secret, &Redactor::default()).unwrap();
        assert_eq!(
            key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn a_secret_that_is_no_key_is_refused() {
        for secret in ["", "whsec_", "whsec_not base64"] {
            let Err(err) = Key::new(&Secret::new(secret), &Redactor::default()) else { panic!("{secret} is a key") };
            assert!(err.message().contains("`secret`"), "{err:?}");
        }
    }
}
