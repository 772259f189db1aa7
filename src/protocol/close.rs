//! Why a WebSocket was closed, and whether its client should come back.
//!
//! **Source:** `openapi/protocol.md`, "Close codes" (the same table); RFC 6455 §7.4.

/// Defines [`Close`] and its table from one list: variant, code, name, whether to come back, doc.
macro_rules! closes {
    ($($variant:ident $code:literal $name:literal $come_back:literal $doc:literal;)*) => {
        /// A reason to close.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Close {
            $(#[doc = $doc] $variant,)*
        }

        /// Every reason, by its code.
        pub const CLOSES: &[Close] = &[$(Close::$variant,)*];

        impl Close {
            /// The close code.
            #[must_use]
            pub const fn code(self) -> u16 {
                match self { $(Self::$variant => $code,)* }
            }

            /// The reason in the close frame, at most 123 bytes.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Whether the client should connect again by itself.
            #[must_use]
            pub const fn come_back(self) -> bool {
                match self { $(Self::$variant => $come_back,)* }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub const fn doc(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }
        }
    };
}

closes! {
    Normal 1000 "closed" false "The client closed, or nothing is left to watch.";
    Protocol 1002 "protocol-error" false "The client broke the WebSocket protocol.";
    Unsupported 1003 "unsupported" false "A binary message, or one of a type that is not known.";
    BadUtf8 1007 "invalid-utf-8" false "A text message that is not UTF-8.";
    BadMessage 1008 "invalid-message" false "A message that could not be read, or more of them than the rate allows.";
    TooLarge 1009 "message-too-large" false "A message over the size limit.";
    Internal 1011 "internal" true "A fault of the service.";
    Restart 1012 "restart" true "The service is stopping: come back after the time that `bye` told.";
    Silent 4000 "silent" true "No answer to a ping in time.";
    Busy 4001 "busy" true "A limit is reached for now.";
    TokenExpired 4100 "token-expired" false "The token's time is over: come back with a new one.";
    Ended 4101 "ended" false "The channel has ended.";
    Forbidden 4102 "forbidden" false "The token does not allow this.";
    CutOff 4103 "cut-off" false "The operator cut the connection off.";
    TokenMissing 4104 "token-missing" false "No token came within ten seconds.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_by_their_range_whether_to_come_back() {
        for close in CLOSES {
            match close.code() {
                4000..=4099 => assert!(close.come_back(), "{close:?}"),
                4100..=4199 => assert!(!close.come_back(), "{close:?}"),
                code => assert!((1000..=1014).contains(&code), "{close:?}"),
            }
            assert!(close.name().len() <= 123, "{close:?}");
        }
        assert!(Close::Restart.come_back());
        let codes: Vec<u16> = CLOSES.iter().map(|close| close.code()).collect();
        assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
    }
}
